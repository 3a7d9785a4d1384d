// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <errno.h>

#include "test.h"

TEST(set_returns_the_code_and_formats) {
    err e = {0};
    EXPECT_STATUS(err_set(&e, STATUS_DENIED, "no %s for %d", "grant", 7), STATUS_DENIED);
    EXPECT_EQ(e.code, STATUS_DENIED);
    EXPECT_TEXT(e.message, "no grant for 7");
}

TEST(null_is_accepted_everywhere) {
    EXPECT_STATUS(err_set(NULL, STATUS_LIMIT, "x"), STATUS_LIMIT);
    err_clear(NULL);
    EXPECT_STATUS(err_set_errno(NULL, ENOENT, "x"), STATUS_IO);
}

TEST(wrap_puts_context_in_front) {
    err e = {0};
    err_set(&e, STATUS_INVALID, "type section at byte 17");
    EXPECT_STATUS(err_wrap(&e, "start %s", "hello.wasm"), STATUS_INVALID);
    EXPECT_TEXT(e.message, "start hello.wasm: type section at byte 17");
}

TEST(a_failure_that_nobody_described_stays_one) {
    err e = {0};
    EXPECT_STATUS(err_wrap(&e, "token"), STATUS_INTERNAL);
    EXPECT_EQ(e.code, STATUS_INTERNAL);
    EXPECT_TEXT(e.message, "token: it failed without a reason");
    EXPECT_STATUS(err_wrap(NULL, "token"), STATUS_INTERNAL);
}

TEST(long_messages_are_cut_at_the_end) {
    err e = {0};
    char text[3 * ERR_MESSAGE_BYTES_MAX];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_set(&e, STATUS_INVALID, "%s", text);
    EXPECT_U64(strlen(e.message), ERR_MESSAGE_BYTES_MAX - 1);
    err_wrap(&e, "context");
    EXPECT(strncmp(e.message, "context: xxx", 12) == 0);
    EXPECT_U64(strlen(e.message), ERR_MESSAGE_BYTES_MAX - 1);
    err_wrap(&e, "%s", text);
    EXPECT_U64(strlen(e.message), ERR_MESSAGE_BYTES_MAX - 1);
}

TEST(errno_becomes_its_text) {
    err e = {0};
    EXPECT_STATUS(err_set_errno(&e, ENOENT, "open x"), STATUS_IO);
    EXPECT_TEXT(e.message, "open x: No such file or directory");
}

TEST(every_status_has_a_name_of_its_own) {
    for (int i = STATUS_OK; i <= STATUS_INTERNAL; i++) {
        for (int k = STATUS_OK; k < i; k++) {
            EXPECT(strcmp(status_name((status)i), status_name((status)k)) != 0);
        }
    }
    EXPECT_TEXT(status_name(STATUS_DENIED), "denied");
}
