// SPDX-License-Identifier: Apache-2.0
// JSON values (RFC 8259) on jansson, with limits when reading. The only place that sees the library.
//
// A json_value is reference-counted by the library but used here as a tree with one owner: adding a child to
// a parent hands it over; json_free drops the root. Building never fails except by lack of memory, which
// aborts.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

typedef struct json_t json_value;

enum { JSON_BYTES_MAX = 64 << 20 };

json_value *json_object_new(void);
json_value *json_array_new(void);
json_value *json_text(slice text); // bytes that are not UTF-8 are replaced by U+FFFD
json_value *json_integer_new(int64_t number);
json_value *json_number(double number);
json_value *json_bool(bool value);
json_value *json_null_new(void);
json_value *json_clone(const json_value *v); // a tree of its own
void json_free(json_value *v);               // accepts NULL

// `key` is copied; `value` is taken.
void json_put(json_value *object, const char *key, json_value *value);
void json_put_text(json_value *object, const char *key, slice text);
void json_put_integer(json_value *object, const char *key, int64_t number);
void json_put_bool(json_value *object, const char *key, bool value);
void json_push(json_value *array, json_value *value);

// Appends the text: one line when `indent` is 0, else that many spaces per level. Keys keep their order.
status json_write(const json_value *v, int indent, buf *ret) WRIT_MUST_USE;
// The same in one line, keys in the order of their bytes: one text for one meaning.
status json_write_sorted(const json_value *v, buf *ret) WRIT_MUST_USE;

// Reads a whole document: depth and size are bounded, duplicate keys are refused.
status json_parse(slice text, json_value **ret, err *e) WRIT_MUST_USE;

typedef enum json_kind {
    JSON_KIND_NONE, // no value at all
    JSON_KIND_NULL,
    JSON_KIND_BOOL,
    JSON_KIND_NUMBER,
    JSON_KIND_TEXT,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT,
} json_kind;
json_kind json_kind_of(const json_value *v); // accepts NULL

// Reading; all accept NULL and a value of another kind, for which they return NULL, false or 0.
const json_value *json_get(const json_value *object, const char *key);
size_t json_count(const json_value *array);
const json_value *json_at(const json_value *array, size_t index);
bool json_is_object(const json_value *v);
bool json_is_array(const json_value *v);
// The name of the first member that is not in the list of `count` names, NUL-terminated and borrowed; NULL
// when all are. For readers that refuse what they do not know.
const char *json_unknown_member(const json_value *object, const char *const *known, size_t count);
bool json_as_text(const json_value *v, slice *ret); // borrowed from the value
bool json_as_integer(const json_value *v, int64_t *ret);
bool json_as_bool(const json_value *v, bool *ret);
// NULL or null: many writers spell "absent" that way.
bool json_is_absent(const json_value *v);
// "text", "a whole number", "an object", ... ; for messages.
const char *json_kind_name(const json_value *v);
size_t json_member_count(const json_value *object);
// The members of an object in their order: `*at` is NULL for the first call, and false comes after the last.
// The object may not change in between; the key is borrowed.
bool json_next_member(const json_value *object, void **at, slice *ret_key, const json_value **ret_value);
