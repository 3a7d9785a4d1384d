// SPDX-License-Identifier: Apache-2.0
#include "codec/json.h"

#include <jansson.h>

#include "base/check.h"
#include "codec/utf.h"

// Ours are functions.
#undef json_is_object
#undef json_is_array

static json_value *required(json_value *v) {
    CHECK(v != NULL);
    return v;
}

json_value *json_object_new(void) { return required(json_object()); }
json_value *json_array_new(void) { return required(json_array()); }
json_value *json_integer_new(int64_t number) { return required(json_integer(number)); }
json_value *json_bool(bool value) { return required(json_boolean(value)); }
json_value *json_null_new(void) { return required(json_null()); }
json_value *json_clone(const json_value *v) { return required(json_deep_copy(v)); }
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

static status dump(const json_value *v, size_t flags, buf *ret) {
    size_t before = ret->len;
    if (json_dump_callback(v, append, ret, JSON_ENCODE_ANY | flags) != 0) {
        ret->len = before;
        return STATUS_LIMIT;
    }
    return STATUS_OK;
}

status json_write(const json_value *v, int indent, buf *ret) {
    return dump(v, indent == 0 ? (size_t)JSON_COMPACT : (size_t)JSON_INDENT(indent), ret);
}
status json_write_sorted(const json_value *v, buf *ret) {
    return dump(v, JSON_COMPACT | JSON_SORT_KEYS, ret);
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

json_kind json_kind_of(const json_value *v) {
    if (v == NULL) {
        return JSON_KIND_NONE;
    }
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return JSON_KIND_OBJECT;
    case JSON_ARRAY:
        return JSON_KIND_ARRAY;
    case JSON_STRING:
        return JSON_KIND_TEXT;
    case JSON_INTEGER:
    case JSON_REAL:
        return JSON_KIND_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_KIND_BOOL;
    case JSON_NULL:
        return JSON_KIND_NULL;
    }
    return JSON_KIND_NONE;
}

const json_value *json_get(const json_value *object, const char *key) { return json_object_get(object, key); }
size_t json_count(const json_value *array) { return json_array_size(array); }
const json_value *json_at(const json_value *array, size_t index) { return json_array_get(array, index); }

bool json_is_object(const json_value *v) { return v != NULL && json_typeof(v) == JSON_OBJECT; }
bool json_is_array(const json_value *v) { return v != NULL && json_typeof(v) == JSON_ARRAY; }

static bool is_among(const char *name, const char *const *known, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

const char *json_unknown_member(const json_value *object, const char *const *known, size_t count) {
    // The library's iterators take a pointer to non-const and change nothing.
    json_value *o = (json_value *)(uintptr_t)object;
    for (void *at = json_object_iter(o); at != NULL; at = json_object_iter_next(o, at)) {
        if (!is_among(json_object_iter_key(at), known, count)) {
            return json_object_iter_key(at);
        }
    }
    return NULL;
}

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

bool json_is_absent(const json_value *v) { return v == NULL || json_is_null(v); }

const char *json_kind_name(const json_value *v) {
    if (v == NULL) {
        return "absent";
    }
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "text";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a number with a fraction or exponent";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        break;
    }
    return "null";
}

size_t json_member_count(const json_value *object) { return json_object_size(object); }

bool json_next_member(const json_value *object, void **at, slice *ret_key, const json_value **ret_value) {
    // The library's iterators take no const, but do not write.
    json_t *o = (json_t *)object;
    *at = *at == NULL ? json_object_iter(o) : json_object_iter_next(o, *at);
    if (*at == NULL) {
        return false;
    }
    *ret_key = slice_of(json_object_iter_key(*at), json_object_iter_key_len(*at));
    *ret_value = json_object_iter_value(*at);
    return true;
}
