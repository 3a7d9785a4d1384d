// SPDX-License-Identifier: Apache-2.0
// Calls and answers as bytes, both directions of each.
#include "codec/values.h"
#include "driver/keys/keys.h"

const char *const keys_interfaces[] = {KEYS_INTERFACE, "writ:crypto/hmac", "writ:crypto/signing", NULL};

static const struct {
    const char *interface;
    const char *name;
} functions[KEYS_FUNCTION_COUNT] = {
    [KEYS_ALGORITHM] = {KEYS_INTERFACE, "algorithm"},
    [KEYS_AUTHENTICATE] = {"writ:crypto/hmac", "authenticate"},
    [KEYS_VERIFY_TAG] = {"writ:crypto/hmac", "verify"},
    [KEYS_SIGN] = {"writ:crypto/signing", "sign"},
    [KEYS_VERIFY_SIGNATURE] = {"writ:crypto/signing", "verify"},
    [KEYS_PUBLIC_KEY] = {"writ:crypto/signing", "public-key"},
};

const char *keys_interface_name(keys_function f) { return functions[f].interface; }
const char *keys_function_name(keys_function f) { return functions[f].name; }

bool keys_function_find(slice interface, slice function, keys_function *ret) {
    for (unsigned f = 0; f < KEYS_FUNCTION_COUNT; f++) {
        if (slice_equal_text(function, functions[f].name) &&
            slice_equal_text(interface, functions[f].interface)) {
            *ret = (keys_function)f;
            return true;
        }
    }
    return false;
}

static bool has_message(keys_function f) { return f != KEYS_ALGORITHM && f != KEYS_PUBLIC_KEY; }
static bool has_proof(keys_function f) { return f == KEYS_VERIFY_TAG || f == KEYS_VERIFY_SIGNATURE; }

status keys_call_encode(const keys_call *c, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    if (has_message(c->function)) {
        values_write_bytes(&w, c->message);
    }
    if (has_proof(c->function)) {
        values_write_bytes(&w, c->proof);
    }
    return values_write_end(&w, functions[c->function].name, e);
}

status keys_call_decode(keys_function f, slice payload, keys_call *ret, err *e) {
    values_reader r = values_reader_of(payload);
    keys_call c = {.function = f};
    if (has_message(f)) {
        c.message = values_read_bytes(&r);
    }
    if (has_proof(f)) {
        c.proof = values_read_bytes(&r);
    }
    TRY(values_read_end(&r, functions[f].name, e));
    *ret = c;
    return STATUS_OK;
}

static void write_error(values_writer *w, const keys_answer *a) {
    values_write_case(w, a->error);
    if (a->error == KEYS_OTHER) {
        values_write_string(w, a->text);
    }
}

status keys_answer_encode(keys_function f, const keys_answer *a, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    values_write_is_ok(&w, !a->is_error);
    if (a->is_error) {
        write_error(&w, a);
    } else if (f == KEYS_ALGORITHM) {
        values_write_case(&w, a->algorithm);
    } else if (has_proof(f)) {
        values_write_bool(&w, a->is_right);
    } else {
        values_write_bytes(&w, a->bytes);
    }
    return values_write_end(&w, functions[f].name, e);
}

static void read_error(values_reader *r, keys_answer *ret) {
    ret->error = (keys_error)values_read_case(r, KEYS_ERROR_COUNT);
    if (ret->error == KEYS_OTHER) {
        ret->text = values_read_string(r);
        if (ret->text.len > KEYS_ERROR_BYTES_MAX) {
            values_read_fail(r, "the text of the error is too long");
        }
    }
}

status keys_answer_decode(keys_function f, slice payload, keys_answer *ret, err *e) {
    values_reader r = values_reader_of(payload);
    keys_answer a = {.is_error = !values_read_is_ok(&r)};
    if (a.is_error) {
        read_error(&r, &a);
    } else if (f == KEYS_ALGORITHM) {
        a.algorithm = (keys_algorithm)values_read_case(&r, KEYS_ALGORITHM_COUNT);
    } else if (has_proof(f)) {
        a.is_right = values_read_bool(&r);
    } else {
        a.bytes = values_read_bytes(&r);
    }
    TRY(values_read_end(&r, functions[f].name, e));
    *ret = a;
    return STATUS_OK;
}
