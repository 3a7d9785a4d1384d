// SPDX-License-Identifier: Apache-2.0
// Calls and answers of keys from any bytes: what decodes is encoded again to bytes that decode to the same,
// and no longer; the driver answers whatever came, exactly once.
//
// links: driver
#include "base/check.h"
#include "driver/keys/keys.h"
#include "fuzz.h"

enum { BYTES_MAX = 4 << 20 };

static void call(keys_function f, slice payload) {
    keys_call c, again;
    auto_buf first = {0};
    err e = {0};
    if (keys_call_decode(f, payload, &c, &e) != STATUS_OK) {
        CHECK(e.message[0] != '\0');
        return;
    }
    buf_init(&first, BYTES_MAX);
    CHECK(keys_call_encode(&c, &first, NULL) == STATUS_OK && first.len <= payload.len);
    CHECK(keys_call_decode(f, buf_slice(&first), &again, NULL) == STATUS_OK);
    CHECK(slice_equal(again.message, c.message) && slice_equal(again.proof, c.proof));
}

static void answer(keys_function f, slice payload) {
    keys_answer a, again;
    auto_buf first;
    buf_init(&first, BYTES_MAX);
    if (keys_answer_decode(f, payload, &a, NULL) == STATUS_OK) {
        CHECK(keys_answer_encode(f, &a, &first, NULL) == STATUS_OK && first.len <= payload.len);
        CHECK(keys_answer_decode(f, buf_slice(&first), &again, NULL) == STATUS_OK);
        CHECK(again.is_error == a.is_error && slice_equal(again.bytes, a.bytes));
    }
}

static void on_end(driver_call *c, status code, slice payload, const err *e) {
    int *count = c->host;
    (void)payload;
    CHECK((code == STATUS_OK) == (e == NULL));
    ++*count;
}

static void on_closed(void *arg) { *(bool *)arg = true; }

// The first byte says which key and which function.
static void ask_driver(uint8_t which, slice payload) {
    static const char *const algorithms[] = {"hmac-sha256", "hmac-sha512", "ed25519"};
    const driver_value settings[] = {{slice_from_text("algorithm"), slice_from_text(algorithms[which % 3])}};
    const driver_value keys[] = {
        {slice_from_text("key"), slice_from_text("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")}};
    keys_function f = (keys_function)(which / 3 % KEYS_FUNCTION_COUNT);
    bool is_closed = false;
    int ended = 0;
    loop *l;
    driver_link *link;
    CHECK(loop_new(NULL, &l, NULL) == STATUS_OK);
    const driver_environment env = {.l = l};
    const driver_link_options o = {
        .settings = {settings, 1}, .credentials = {keys, 1}, .on_closed = on_closed, .arg = &is_closed};
    CHECK(driver_open(&keys_local, &env, &o, &link, NULL) == STATUS_OK);
    driver_call c = {.interface = slice_from_text(keys_interface_name(f)),
                     .function = slice_from_text(keys_function_name(f)),
                     .payload = payload,
                     .deadline_ns = UINT64_MAX,
                     .end = on_end,
                     .host = &ended};
    keys_local.call(link, &c);
    CHECK(ended == 1);
    keys_local.link_close(link);
    while (!is_closed) {
        loop_turn(l, false);
    }
    loop_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    slice all = slice_of(data, size);
    for (unsigned f = 0; f < KEYS_FUNCTION_COUNT; f++) {
        call((keys_function)f, all);
        answer((keys_function)f, all);
    }
    if (size > 0) {
        ask_driver(data[0], slice_sub(all, 1, size));
    }
    return 0;
}
