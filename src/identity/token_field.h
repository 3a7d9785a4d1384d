// SPDX-License-Identifier: Apache-2.0
// Reading single claims of a JSON object into checked types; internal to the token reader.
//
// A claim that is null counts as absent, since 1.x writes absent ones so. Messages name the claim by its
// path and never repeat its content.
#pragma once

#include "base/arena.h"
#include "base/attributes.h"
#include "base/err.h"
#include "codec/json.h"
#include "identity/token.h"

typedef struct token_field {
    const json_value *object;
    const char *path; // "wascap.", "" at the top: put in front of the claim's name
    arena *memory;    // what is read is copied into it
    err *e;
} token_field;

// How much text a claim may have and whether it must be there.
typedef struct token_text_rule {
    bool is_required;
    size_t len_max;
} token_text_rule;

status token_field_object(const token_field *f, const char *key, bool is_required,
                          const json_value **ret) WRIT_MUST_USE;
// Empty when absent.
status token_field_text(const token_field *f, const char *key, token_text_rule rule,
                        slice *ret) WRIT_MUST_USE;
status token_field_number(const token_field *f, const char *key, int64_t min, int64_t max, bool *ret_has,
                          int64_t *ret) WRIT_MUST_USE;
// Seconds since 1970 up to the year 9999.
status token_field_date(const token_field *f, const char *key, bool *ret_has, uint64_t *ret_s) WRIT_MUST_USE;
status token_field_texts(const token_field *f, const char *key, size_t count_max, size_t len_max,
                         token_texts *ret) WRIT_MUST_USE;
status token_field_pairs(const token_field *f, const char *key, token_pairs *ret) WRIT_MUST_USE;
// STATUS_INVALID: the claim is absent.
status token_field_missing(const token_field *f, const char *key);
// STATUS_INVALID: the claim breaks `rule`, as in "must be ...".
status token_field_wrong(const token_field *f, const char *key, const char *rule);
status token_field_no_memory(const token_field *f);
