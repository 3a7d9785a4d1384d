// SPDX-License-Identifier: Apache-2.0
#include "unit/driver/helper_keys.h"

#include <stdio.h>

#include "base/check.h"

static void on_end(driver_call *c, status code, slice payload, const err *e) {
    key_result *r = c->host;
    CHECK(!r->is_done && (code == STATUS_OK) == (e == NULL));
    r->is_done = true;
    r->code = code;
    CHECK(buf_append(&r->bytes, payload) == STATUS_OK);
    if (e != NULL) {
        (void)snprintf(r->message, sizeof r->message, "%s", e->message);
    }
}

void key_call(kv *k, const keys_call *c, key_result *ret) {
    auto_buf payload;
    *ret = (key_result){0};
    buf_init(&payload, 2 * KEYS_CALL_BYTES_MAX);
    buf_init(&ret->bytes, KEYS_CALL_BYTES_MAX);
    CHECK(keys_call_encode(c, &payload, NULL) == STATUS_OK);
    driver_call call = {.interface = slice_from_text(keys_interface_name(c->function)),
                        .function = slice_from_text(keys_function_name(c->function)),
                        .payload = buf_slice(&payload),
                        .deadline_ns = UINT64_MAX,
                        .end = on_end,
                        .host = ret};
    k->d->call(k->link, &call);
    while (!ret->is_done) {
        kv_turn(k);
    }
    if (ret->code == STATUS_OK) {
        CHECK(keys_answer_decode(c->function, buf_slice(&ret->bytes), &ret->answer, NULL) == STATUS_OK);
    }
}

void key_result_done(key_result *r) { buf_done(&r->bytes); }

const char *key_made(kv *k, keys_function f, const char *message, char *text, size_t size) {
    const keys_call c = {.function = f, .message = slice_from_text(message)};
    key_result r;
    size_t at = 0;
    key_call(k, &c, &r);
    text[0] = '\0';
    if (r.code != STATUS_OK || r.answer.is_error) {
        (void)snprintf(text, size, "%c%d", r.code != STATUS_OK ? '?' : '!',
                       r.code != STATUS_OK ? (int)r.code : (int)r.answer.error);
    }
    for (size_t i = 0; text[0] != '?' && text[0] != '!' && i < r.answer.bytes.len && at + 2 < size; i++) {
        at += (size_t)snprintf(text + at, size - at, "%02x", r.answer.bytes.data[i]);
    }
    key_result_done(&r);
    return text;
}

static size_t from_hex(const char *hex, uint8_t *ret, size_t size) {
    size_t n = 0;
    unsigned byte;
    while (n < size && sscanf(hex + 2 * n, "%2x", &byte) == 1) {
        ret[n++] = (uint8_t)byte;
    }
    return n;
}

bool key_verifies(kv *k, keys_function f, const char *message, const char *proof_hex) {
    uint8_t proof[KEYS_PROOF_BYTES_MAX];
    const keys_call c = {f, slice_from_text(message),
                         slice_of(proof, from_hex(proof_hex, proof, sizeof proof))};
    key_result r;
    key_call(k, &c, &r);
    if (r.code != STATUS_OK || r.answer.is_error) {
        printf("status %d, error %d: %s\n", (int)r.code, (int)r.answer.error, r.message);
    }
    bool is_right = r.code == STATUS_OK && !r.answer.is_error && r.answer.is_right;
    key_result_done(&r);
    return is_right;
}

bool key_refuses(kv *k, keys_function f, slice message, keys_error error) {
    const keys_call c = {.function = f, .message = message};
    key_result r;
    key_call(k, &c, &r);
    bool is_it = r.code == STATUS_OK && r.answer.is_error && r.answer.error == error;
    key_result_done(&r);
    return is_it;
}
