// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "net/grpc.h"
#include "net/grpc_answer.h"

enum { MESSAGE_BYTES_MAX = 1000 };

typedef struct seen {
    size_t count;
    size_t bytes;
} seen;

static status on_message(void *arg, secret *message, err *e) {
    seen *s = arg;
    s->count++;
    s->bytes += message->len;
    secret_free(message);
    return s->count <= 3 ? STATUS_OK : err_set(e, STATUS_LIMIT, "many");
}

static status read_head(grpc_answer *a, seen *s, const char *const *lines) {
    *a = (grpc_answer){.message_bytes_max = MESSAGE_BYTES_MAX, .message = on_message, .arg = s};
    status code = STATUS_OK;
    for (size_t i = 0; code == STATUS_OK && lines[i] != NULL; i++) {
        code = grpc_answer_line(a, slice_from_text(lines[i]), NULL);
    }
    return code;
}

static const char *const good[] = {"HTTP/2 200 \r\n", "content-type: application/grpc\r\n", "\r\n", NULL};

static status read_body(slice body, seen *s, err *e) {
    grpc_answer a;
    EXPECT_OK(read_head(&a, s, good));
    status code = grpc_answer_body(&a, body, e);
    grpc_answer_done(&a);
    return code;
}

TEST(messages) {
    static const char two[] = "\0\0\0\0\3abc\0\0\0\0\0\0\0\0\0\2x";
    seen s = {0};
    err e = {0};
    EXPECT_OK(read_body(slice_of(two, sizeof two - 1), &s, &e));
    EXPECT_EQ(s.count, 2); // the third is not whole
    EXPECT_EQ(s.bytes, 3);
    for (size_t cut = 0; cut < sizeof two - 1; cut++) {
        grpc_answer a;
        s = (seen){0};
        EXPECT_OK(read_head(&a, &s, good));
        EXPECT_OK(grpc_answer_body(&a, slice_of(two, cut), &e));
        EXPECT_OK(grpc_answer_body(&a, slice_of(two + cut, sizeof two - 1 - cut), &e));
        EXPECT_EQ(s.count, 2);
        grpc_answer_done(&a);
    }
}

TEST(messages_that_are_refused) {
    seen s = {0};
    err e = {0};
    EXPECT_STATUS_ERR(read_body(slice_of("\1\0\0\0\1a", 6), &s, &e), STATUS_INVALID, e);
    EXPECT_CONTAINS(e.message, "compressed");
    // Known from the length alone: nothing is kept for it.
    EXPECT_STATUS_ERR(read_body(slice_of("\0\xff\xff\xff\xff", 5), &s, &e), STATUS_LIMIT, e);
    EXPECT_CONTAINS(e.message, "4294967295");
    EXPECT_STATUS_ERR(read_body(slice_of("\0\0\0\3\xe9", 5), &s, &e), STATUS_LIMIT, e); // 1001
    EXPECT_OK(read_body(slice_of("\0\0\0\3\xe8", 5), &s, &e));
    static const uint8_t many[4 * GRPC_PREFIX_BYTES] = {0};
    EXPECT_STATUS_ERR(read_body(slice_of(many, sizeof many), &s, &e), STATUS_LIMIT, e);
}

TEST(no_messages_outside_of_grpc) {
    static const char *const heads[][4] = {
        {"HTTP/2 503\r\n", "content-type: application/grpc\r\n", NULL},
        {"HTTP/2 2000\r\n", "content-type: application/grpc\r\n", NULL},
        {"HTTP/2 200\r\n", "content-type: text/html\r\n", NULL},
        {"content-type: application/grpc\r\n", NULL},
        {"HTTP/2 200\r\n", "content-type: application/grpc\r\n", "HTTP/2 404\r\n", NULL},
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        grpc_answer a;
        seen s = {0};
        EXPECT_OK(read_head(&a, &s, heads[i]));
        EXPECT_OK(grpc_answer_body(&a, slice_of("\0\0\0\0\1a", 6), NULL));
        EXPECT_EQ(s.count, 0);
        grpc_answer_done(&a);
    }
}

TEST(trailers) {
    static const char *const lines[] = {"HTTP/2 200\n", "Content-Type: application/grpc+proto\n",
                                        "grpc-status:  7 \r\n",
                                        "grpc-message: no%20identity%1b[31m%e2%zz%\x9b%2\n", NULL};
    static const char *const wrong[] = {"grpc-status: 17", "grpc-status: -1", "grpc-status: 0x0",
                                        "grpc-status:", "grpc-status: 18446744073709551616"};
    grpc_answer a;
    seen s = {0};
    EXPECT_OK(read_head(&a, &s, lines));
    EXPECT(a.is_grpc && a.has_code);
    EXPECT_EQ(a.code, GRPC_PERMISSION_DENIED);
    EXPECT_TEXT(a.text, "no identity?[31m?%zz%?%2");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_OK(grpc_answer_line(&a, slice_from_text(wrong[i]), NULL));
        EXPECT_EQ(a.code, GRPC_UNKNOWN);
    }
    grpc_answer_done(&a);
}

TEST(headers_are_bounded) {
    char line[1000];
    grpc_answer a;
    seen s = {0};
    memset(line, 'x', sizeof line);
    line[1] = ':';
    EXPECT_OK(read_head(&a, &s, good));
    size_t lines = 0;
    while (grpc_answer_line(&a, slice_of(line, sizeof line), NULL) == STATUS_OK) {
        lines++;
    }
    EXPECT_EQ(lines, 16);
    grpc_answer_done(&a);
}
