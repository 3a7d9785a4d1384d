// SPDX-License-Identifier: Apache-2.0
#include "codec/json.h"

#include <jansson.h>

#include "base/check.h"
#include "codec/utf.h"

static json_value *required(json_value *v) {
    CHECK(v != NULL);
    return v;
}

json_value *json_object_new(void) { return required(json_object()); }
json_value *json_array_new(void) { return required(json_array()); }
json_value *json_integer_new(int64_t number) { return required(json_integer(number)); }
json_value *json_bool(bool value) { return required(json_boolean(value)); }
json_value *json_null_new(void) { return required(json_null()); }
void json_free(json_value *v) { json_decref(v); }

json_value *json_number(double number) {
    json_value *v = json_real(number);
    return v == NULL ? json_null_new() : v; // JSON has no NaN and no infinity
}

json_value *json_text(slice text) {
    json_value *v = json_stringn((const char *)text.data, text.len);
    if (text.len == 0) {
        json_decref(v);
        return required(json_string(""));
    }
    if (v != NULL) {
        return v;
    }
    auto_buf mended;
    buf_init(&mended, text.len * 3 + 1);
    while (text.len > 0) {
        size_t bad = text.len;
        bool valid = utf8_check(text, &bad) == UTF_VALID;
        CHECK(buf_append(&mended, slice_sub(text, 0, valid ? text.len : bad)) == STATUS_OK);
        if (!valid) {
            CHECK(buf_append_text(&mended, "\xef\xbf\xbd") == STATUS_OK);
        }
        text = slice_sub(text, valid ? text.len : bad + 1, text.len);
    }
    return required(json_stringn((const char *)mended.data, mended.len));
}

void json_put(json_value *object, const char *key, json_value *value) {
    CHECK(json_object_set_new(object, key, value) == 0);
}
void json_put_text(json_value *object, const char *key, slice text) {
    json_put(object, key, json_text(text));
}
void json_put_integer(json_value *object, const char *key, int64_t number) {
    json_put(object, key, json_integer_new(number));
}
void json_put_bool(json_value *object, const char *key, bool value) {
    json_put(object, key, json_bool(value));
}
void json_push(json_value *array, json_value *value) { CHECK(json_array_append_new(array, value) == 0); }

static int append(const char *bytes, size_t length, void *arg) {
    return buf_append((buf *)arg, slice_of(bytes, length)) == STATUS_OK ? 0 : -1;
}

status json_write(const json_value *v, int indent, buf *ret) {
    size_t flags = JSON_ENCODE_ANY | (indent == 0 ? (size_t)JSON_COMPACT : (size_t)JSON_INDENT(indent));
    size_t before = ret->len;
    if (json_dump_callback(v, append, ret, flags) != 0) {
        ret->len = before;
        return STATUS_LIMIT;
    }
    return STATUS_OK;
}

status json_parse(slice text, json_value **ret, err *e) {
    if (text.len > JSON_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "JSON document of %zu bytes is larger than %d", text.len,
                       JSON_BYTES_MAX);
    }
    json_error_t why;
    // The library bounds nesting itself (JSON_PARSER_MAX_DEPTH, 2048).
    json_t *v = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (v == NULL) {
        return err_set(e, STATUS_INVALID, "JSON line %d, column %d: %s", why.line, why.column, why.text);
    }
    *ret = v;
    return STATUS_OK;
}

const json_value *json_get(const json_value *object, const char *key) { return json_object_get(object, key); }
size_t json_count(const json_value *array) { return json_array_size(array); }
const json_value *json_at(const json_value *array, size_t index) { return json_array_get(array, index); }

bool json_as_text(const json_value *v, slice *ret) {
    if (!json_is_string(v)) {
        return false;
    }
    *ret = slice_of(json_string_value(v), json_string_length(v));
    return true;
}

bool json_as_integer(const json_value *v, int64_t *ret) {
    if (!json_is_integer(v)) {
        return false;
    }
    *ret = json_integer_value(v);
    return true;
}

bool json_as_bool(const json_value *v, bool *ret) {
    if (!json_is_boolean(v)) {
        return false;
    }
    *ret = json_boolean_value(v);
    return true;
}
