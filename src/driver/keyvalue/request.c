// SPDX-License-Identifier: Apache-2.0
// What all drivers of the contract share: the way in, with its limits, the ways out, waits, and arithmetic.
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "driver/keyvalue/keyvalue.h"

// Keys and their slices of the largest call or page, and what a driver needs to build its commands.
enum { REQUEST_MEMORY_MAX = 2 * KEYVALUE_CALL_BYTES_MAX + (8 << 20) };

// --- limits ------------------------------------------------------------------------------------------------

status keyvalue_limits_read(const driver_values *settings, keyvalue_limits *ret, err *e) {
    uint64_t key = KEYVALUE_KEY_BYTES_MAX;
    uint64_t value = 1 << 20;
    TRY(driver_values_number(settings, "key-bytes-max", 1, KEYVALUE_KEY_BYTES_MAX, &key, e));
    TRY(driver_values_number(settings, "value-bytes-max", 1, KEYVALUE_VALUE_BYTES_MAX, &value, e));
    slice buckets = slice_empty();
    if (driver_values_text(settings, "buckets", &buckets) == STATUS_OK && buckets.len > 0) {
        uint8_t *copy = mem_alloc(buckets.len);
        memcpy(copy, buckets.data, buckets.len);
        buckets.data = copy;
    }
    *ret = (keyvalue_limits){.key_bytes_max = key, .value_bytes_max = value, .buckets = buckets};
    return STATUS_OK;
}

void keyvalue_limits_done(keyvalue_limits *l) {
    keyvalue_watch_close(l->watch);
    mem_free((void *)l->buckets.data);
    *l = (keyvalue_limits){0};
}

// NULL, or what the error says.
static const char *check_item(const keyvalue_limits *l, slice key, slice value) {
    if (key.len == 0 || key.len > l->key_bytes_max) {
        return key.len == 0 ? "a key has at least one byte" : "the key is longer than the link allows";
    }
    return value.len > l->value_bytes_max ? "the value is longer than the link allows" : NULL;
}

static const char *check_call(const keyvalue_limits *l, const keyvalue_call *c) {
    if (c->function >= KEYVALUE_GET_MANY) {
        for (size_t i = 0; i < c->count; i++) {
            const char *problem = check_item(l, c->items[i].key, c->items[i].value);
            if (problem != NULL) {
                return problem;
            }
        }
        return NULL;
    }
    return c->function == KEYVALUE_LIST_KEYS ? NULL : check_item(l, c->key, c->value);
}

// --- in and out --------------------------------------------------------------------------------------------

keyvalue_request *keyvalue_receive(driver_call *c, const keyvalue_limits *l) {
    keyvalue_function f;
    if (!keyvalue_function_find(c->interface, c->function, &f)) {
        driver_fail(c, STATUS_UNSUPPORTED, "key-value has no such function");
        return NULL;
    }
    if (c->payload.len > KEYVALUE_CALL_BYTES_MAX) {
        driver_fail(c, STATUS_LIMIT, "arguments of %zu bytes", c->payload.len);
        return NULL;
    }
    keyvalue_request *q = MEM_NEW(keyvalue_request);
    arena_init(&q->memory, REQUEST_MEMORY_MAX);
    list_init(&q->node);
    q->origin = c;
    q->watch = l->watch;
    c->data = q;
    err e = {0};
    status code = keyvalue_call_decode(f, c->payload, &q->memory, &q->call, &e);
    if (code != STATUS_OK) {
        keyvalue_fail(q, code, "%s", e.message);
        return NULL;
    }
    const char *problem = q->call.bucket.len > KEYVALUE_BUCKET_BYTES_MAX
                              ? "the name of the bucket is too long"
                              : check_call(l, &q->call);
    if (problem != NULL) {
        keyvalue_reply_other(q, "%s", problem);
        return NULL;
    }
    if (l->buckets.len > 0 && !driver_list_has(l->buckets, q->call.bucket)) {
        keyvalue_reply(q, &(keyvalue_answer){.is_error = true, .error = KEYVALUE_NO_SUCH_STORE});
        return NULL;
    }
    if (q->call.function >= KEYVALUE_GET_MANY && q->call.count == 0) { // nothing to ask a backend for
        keyvalue_reply(q, &(keyvalue_answer){0});
        return NULL;
    }
    return q;
}

static driver_call *take_origin(keyvalue_request *q) {
    driver_call *c = q->origin;
    c->data = NULL;
    return c;
}

static void free_request(keyvalue_request *q) {
    loop_timer_stop(&q->timer);
    arena_done(&q->memory);
    mem_free(q);
}

void keyvalue_reply(keyvalue_request *q, const keyvalue_answer *a) {
    driver_call *c = take_origin(q);
    auto_buf bytes;
    buf_init(&bytes, KEYVALUE_CALL_BYTES_MAX);
    err e = {0};
    status code = keyvalue_answer_encode(q->call.function, a, &bytes, &e);
    // The call's own bytes may be part of the answer, so that it ends last.
    if (code == STATUS_OK) {
        keyvalue_watch_tell(q->watch, &q->call, a);
        driver_answer(c, buf_slice(&bytes));
    } else {
        driver_fail(c, code, "%s", e.message);
    }
    free_request(q);
}

void keyvalue_reply_other(keyvalue_request *q, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    keyvalue_reply(
        q, &(keyvalue_answer){.is_error = true, .error = KEYVALUE_OTHER, .message = slice_from_text(text)});
}

void keyvalue_fail(keyvalue_request *q, status code, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    driver_call *c = take_origin(q);
    driver_fail(c, code, "%s", text);
    free_request(q);
}

bool keyvalue_is_read(keyvalue_function f) {
    return f == KEYVALUE_GET || f == KEYVALUE_EXISTS || f == KEYVALUE_LIST_KEYS || f == KEYVALUE_GET_MANY;
}

// --- numbers -----------------------------------------------------------------------------------------------

// As Redis reads them: no blanks, no plus, no zeros in front.
bool keyvalue_number_read(slice value, int64_t *ret) {
    bool is_negative = value.len > 0 && value.data[0] == '-';
    slice digits = slice_sub(value, is_negative ? 1 : 0, value.len);
    uint64_t number = 0;
    if (!slice_to_u64(digits, &number) || (digits.len > 1 && digits.data[0] == '0') ||
        (is_negative && number == 0) || number > (uint64_t)INT64_MAX + (is_negative ? 1 : 0)) {
        return false;
    }
    *ret = is_negative ? (int64_t)(0 - number) : (int64_t)number;
    return true;
}

slice keyvalue_number_write(int64_t number, char text[KEYVALUE_NUMBER_BYTES_MAX + 1]) {
    int len = snprintf(text, KEYVALUE_NUMBER_BYTES_MAX + 1, "%" PRId64, number);
    return slice_of(text, (size_t)len);
}

bool keyvalue_add(keyvalue_function f, int64_t before, uint64_t delta, int64_t *ret,
                  const char **ret_problem) {
    bool is_signed = f == KEYVALUE_INCREMENT_SIGNED;
    if ((!is_signed && delta > INT64_MAX) || __builtin_add_overflow(before, (int64_t)delta, ret)) {
        *ret_problem = "the sum does not fit 64 bits";
        return false;
    }
    return true;
}
