// SPDX-License-Identifier: Apache-2.0
// Calls and answers of key-value from any bytes: the first byte names the function and which of the two. What
// decodes is encoded again to bytes that decode to the same; a driver answers whatever came, exactly once.
//
// links: driver
#include "base/check.h"
#include "driver/keyvalue/keyvalue.h"
#include "fuzz.h"

enum { MEMORY_MAX = 64 << 20 };

static void call(keyvalue_function f, slice payload) {
    auto_arena a;
    arena_init(&a, MEMORY_MAX);
    keyvalue_call c;
    err e = {0};
    if (keyvalue_call_decode(f, payload, &a, &c, &e) != STATUS_OK) {
        CHECK(e.message[0] != '\0');
        return;
    }
    auto_buf first;
    auto_buf second;
    buf_init(&first, MEMORY_MAX);
    buf_init(&second, MEMORY_MAX);
    CHECK(keyvalue_call_encode(&c, &first, NULL) == STATUS_OK && first.len <= payload.len);
    CHECK(keyvalue_call_decode(f, buf_slice(&first), &a, &c, NULL) == STATUS_OK);
    CHECK(keyvalue_call_encode(&c, &second, NULL) == STATUS_OK);
    CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
}

static void answer(keyvalue_function f, slice payload) {
    auto_arena a;
    arena_init(&a, MEMORY_MAX);
    keyvalue_answer x;
    if (keyvalue_answer_decode(f, payload, &a, &x, NULL) != STATUS_OK) {
        return;
    }
    auto_buf first;
    auto_buf second;
    buf_init(&first, MEMORY_MAX);
    buf_init(&second, MEMORY_MAX);
    CHECK(keyvalue_answer_encode(f, &x, &first, NULL) == STATUS_OK && first.len <= payload.len);
    CHECK(keyvalue_answer_decode(f, buf_slice(&first), &a, &x, NULL) == STATUS_OK);
    CHECK(keyvalue_answer_encode(f, &x, &second, NULL) == STATUS_OK);
    CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
}

typedef struct ended {
    keyvalue_function f;
    int count;
} ended;

static void on_end(driver_call *c, status code, slice payload, const err *e) {
    ended *x = c->host;
    x->count++;
    CHECK((code == STATUS_OK) == (e == NULL));
    auto_arena a;
    arena_init(&a, MEMORY_MAX);
    keyvalue_answer decoded;
    CHECK(code != STATUS_OK || keyvalue_answer_decode(x->f, payload, &a, &decoded, NULL) == STATUS_OK);
}

static void on_closed(void *arg) { *(bool *)arg = true; }

static void whole(keyvalue_function f, slice payload) {
    loop *l = NULL;
    driver_link *link = NULL;
    bool is_closed = false;
    CHECK(loop_new(NULL, &l, NULL) == STATUS_OK);
    const driver_environment env = {.l = l};
    const driver_link_options options = {.on_closed = on_closed, .arg = &is_closed};
    CHECK(driver_open(&keyvalue_memory, &env, &options, &link, NULL) == STATUS_OK);
    ended x = {.f = f};
    for (int i = 0; i < 2; i++) {
        driver_call c = {.interface = slice_from_text(keyvalue_interface_name(f)),
                         .function = slice_from_text(keyvalue_function_name(f)),
                         .payload = payload,
                         .deadline_ns = UINT64_MAX,
                         .end = on_end,
                         .host = &x};
        keyvalue_memory.call(link, &c);
    }
    CHECK(x.count == 2);
    keyvalue_memory.link_close(link);
    loop_turn(l, false);
    CHECK(is_closed);
    loop_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 1 << 20) {
        return 0;
    }
    keyvalue_function f = (keyvalue_function)(data[0] % KEYVALUE_FUNCTION_COUNT);
    slice payload = slice_of(data + 1, size - 1);
    if (data[0] >= 128) {
        answer(f, payload);
    } else {
        call(f, payload);
        whole(f, payload);
    }
    return 0;
}
