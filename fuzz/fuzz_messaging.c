// SPDX-License-Identifier: Apache-2.0
// Calls, answers and messages of messaging from any bytes: what decodes is encoded again to bytes that decode
// to the same, and no longer; the driver answers whatever came, exactly once. Subjects and settings that are
// text come from the same bytes.
//
// links: driver
#include "base/check.h"
#include "driver/messaging/messaging.h"
#include "fuzz.h"

enum { BYTES_MAX = 4 << 20 };

static void call(messaging_function f, slice payload) {
    messaging_call c, again;
    auto_buf first = {0}, second = {0};
    err e = {0};
    if (messaging_call_decode(f, payload, &c, &e) != STATUS_OK) {
        CHECK(e.message[0] != '\0');
        return;
    }
    buf_init(&first, BYTES_MAX);
    buf_init(&second, BYTES_MAX);
    CHECK(messaging_call_encode(&c, &first, NULL) == STATUS_OK && first.len <= payload.len);
    CHECK(messaging_call_decode(f, buf_slice(&first), &again, NULL) == STATUS_OK);
    CHECK(messaging_call_encode(&again, &second, NULL) == STATUS_OK);
    CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
}

static void answer(messaging_function f, slice payload) {
    messaging_answer a, again;
    auto_buf first;
    buf_init(&first, BYTES_MAX);
    if (messaging_answer_decode(f, payload, &a, NULL) == STATUS_OK) {
        CHECK(messaging_answer_encode(f, &a, &first, NULL) == STATUS_OK && first.len <= payload.len);
        CHECK(messaging_answer_decode(f, buf_slice(&first), &again, NULL) == STATUS_OK);
    }
}

static void handled(slice payload) {
    messaging_message m;
    bool is_error;
    slice text;
    auto_buf bytes;
    buf_init(&bytes, BYTES_MAX);
    if (messaging_message_decode(payload, &m, NULL) == STATUS_OK) {
        CHECK(messaging_message_encode(&m, &bytes, NULL) == STATUS_OK && bytes.len <= payload.len);
        CHECK(!subject_is_plain(m.subject) || subject_covers(m.subject, m.subject));
    }
    (void)!messaging_handled_decode(payload, &is_error, &text, NULL);
}

static void on_end(driver_call *c, status code, slice payload, const err *e) {
    int *count = c->host;
    (void)payload;
    CHECK((code == STATUS_OK) == (e == NULL));
    ++*count;
}

static void on_closed(void *arg) { *(bool *)arg = true; }

// The settings are the bytes as well.
static void drive(slice payload) {
    loop *l = NULL;
    driver_link *link = NULL;
    bool is_closed = false;
    int count = 0;
    const driver_value values[] = {{SLICE_LITERAL("subscriptions"), payload},
                                   {SLICE_LITERAL("subjects"), SLICE_LITERAL(">")}};
    CHECK(loop_new(NULL, &l, NULL) == STATUS_OK);
    const driver_environment env = {.l = l};
    for (size_t from = 0; from < 2 && link == NULL; from++) {
        const driver_link_options o = {
            .settings = {values + from, 2 - from}, .on_closed = on_closed, .arg = &is_closed};
        if (driver_open(&messaging_local, &env, &o, &link, NULL) != STATUS_OK) {
            CHECK(from == 0);
        }
    }
    driver_call c = {.interface = SLICE_LITERAL(MESSAGING_CONSUMER),
                     .function = SLICE_LITERAL("publish"),
                     .payload = payload,
                     .deadline_ns = UINT64_MAX,
                     .end = on_end,
                     .host = &count};
    messaging_local.call(link, &c);
    CHECK(count == 1);
    messaging_local.link_close(link);
    loop_turn(l, false);
    CHECK(is_closed);
    loop_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > 1 << 20) {
        return 0;
    }
    slice payload = slice_of(data + 1, size - 1);
    call((messaging_function)(data[0] % MESSAGING_FUNCTION_COUNT), payload);
    answer((messaging_function)(data[0] % MESSAGING_FUNCTION_COUNT), payload);
    handled(payload);
    if (data[0] % 8 == 7) {
        drive(payload);
    }
    return 0;
}
