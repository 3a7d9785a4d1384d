// SPDX-License-Identifier: Apache-2.0
#include "identity/token_field.h"

#include <inttypes.h>
#include <stdio.h>

#include "codec/date.h"

_Static_assert(TOKEN_SECONDS_MAX == DATE_SECONDS_MAX, "one last second for all dates");

status token_field_missing(const token_field *f, const char *key) {
    return err_set(f->e, STATUS_INVALID, "claim \"%s%s\" is missing", f->path, key);
}

status token_field_wrong(const token_field *f, const char *key, const char *rule) {
    return err_set(f->e, STATUS_INVALID, "claim \"%s%s\" %s", f->path, key, rule);
}

status token_field_no_memory(const token_field *f) {
    return err_set(f->e, STATUS_LIMIT, "its claims need more than the %zu bytes of memory they may have",
                   f->memory->max);
}

static status wrong_type(const token_field *f, const char *key, const json_value *v, const char *expected) {
    return err_set(f->e, STATUS_INVALID, "claim \"%s%s\" is %s where %s belongs", f->path, key,
                   json_kind_name(v), expected);
}

static status too_many(const token_field *f, const char *key, size_t count_max) {
    return err_set(f->e, STATUS_INVALID, "claim \"%s%s\" has more than %zu entries", f->path, key, count_max);
}

status token_field_object(const token_field *f, const char *key, bool is_required, const json_value **ret) {
    const json_value *v = json_get(f->object, key);
    if (json_is_absent(v)) {
        *ret = NULL;
        return is_required ? token_field_missing(f, key) : STATUS_OK;
    }
    if (!json_is_object(v)) {
        return wrong_type(f, key, v, "an object");
    }
    *ret = v;
    return STATUS_OK;
}

// Checks and copies one text.
static status take_text(const token_field *f, const char *key, const json_value *v, size_t len_max,
                        slice *ret) {
    slice text;
    if (!json_as_text(v, &text)) {
        return wrong_type(f, key, v, "text");
    }
    if (text.len > len_max) {
        return err_set(f->e, STATUS_INVALID, "claim \"%s%s\" has a text of %zu bytes, more than %zu", f->path,
                       key, text.len, len_max);
    }
    slice copy = arena_copy(f->memory, text);
    if (copy.data == NULL && text.len > 0) {
        return token_field_no_memory(f);
    }
    *ret = copy;
    return STATUS_OK;
}

status token_field_text(const token_field *f, const char *key, token_text_rule rule, slice *ret) {
    const json_value *v = json_get(f->object, key);
    if (json_is_absent(v)) {
        *ret = slice_empty();
        return rule.is_required ? token_field_missing(f, key) : STATUS_OK;
    }
    TRY(take_text(f, key, v, rule.len_max, ret));
    return rule.is_required && ret->len == 0 ? token_field_wrong(f, key, "is empty") : STATUS_OK;
}

status token_field_number(const token_field *f, const char *key, int64_t min, int64_t max, bool *ret_has,
                          int64_t *ret) {
    const json_value *v = json_get(f->object, key);
    *ret_has = !json_is_absent(v);
    if (!*ret_has) {
        return STATUS_OK;
    }
    if (!json_as_integer(v, ret)) {
        return wrong_type(f, key, v, "a whole number");
    }
    if (*ret < min || *ret > max) {
        return err_set(f->e, STATUS_INVALID, "claim \"%s%s\" is not from %" PRId64 " to %" PRId64, f->path,
                       key, min, max);
    }
    return STATUS_OK;
}

status token_field_date(const token_field *f, const char *key, bool *ret_has, uint64_t *ret_s) {
    const json_value *v = json_get(f->object, key);
    int64_t seconds;
    if (json_as_integer(v, &seconds) && (seconds < 0 || (uint64_t)seconds > TOKEN_SECONDS_MAX)) {
        return token_field_wrong(f, key, "is not a date from 1970 to 9999, in seconds");
    }
    int64_t max = (int64_t)TOKEN_SECONDS_MAX;
    TRY(token_field_number(f, key, 0, max, ret_has, &seconds));
    *ret_s = *ret_has ? (uint64_t)seconds : 0;
    return STATUS_OK;
}

status token_field_texts(const token_field *f, const char *key, size_t count_max, size_t len_max,
                         token_texts *ret) {
    const json_value *v = json_get(f->object, key);
    *ret = (token_texts){0};
    if (json_is_absent(v)) {
        return STATUS_OK;
    }
    if (!json_is_array(v)) {
        return wrong_type(f, key, v, "an array of texts");
    }
    size_t count = json_count(v);
    if (count > count_max) {
        return too_many(f, key, count_max);
    }
    slice *at = ARENA_ARRAY(f->memory, slice, count);
    if (at == NULL) {
        return token_field_no_memory(f);
    }
    for (size_t i = 0; i < count; i++) {
        TRY(take_text(f, key, json_at(v, i), len_max, &at[i]));
    }
    *ret = (token_texts){count, at};
    return STATUS_OK;
}

static status take_pairs(const token_field *f, const char *key, const json_value *object, token_pair *to) {
    void *at = NULL;
    slice name;
    const json_value *value;
    while (json_next_member(object, &at, &name, &value)) {
        if (name.len == 0 || name.len > TOKEN_TEXT_BYTES_MAX) {
            return token_field_wrong(f, key, "has a name that is empty or too long");
        }
        to->name = arena_copy(f->memory, name);
        if (to->name.data == NULL) {
            return token_field_no_memory(f);
        }
        TRY(take_text(f, key, value, TOKEN_TEXT_BYTES_MAX, &to->value));
        to++;
    }
    return STATUS_OK;
}

status token_field_pairs(const token_field *f, const char *key, token_pairs *ret) {
    const json_value *object;
    *ret = (token_pairs){0};
    TRY(token_field_object(f, key, false, &object));
    size_t count = json_member_count(object);
    if (count > TOKEN_LIST_MAX) {
        return too_many(f, key, TOKEN_LIST_MAX);
    }
    token_pair *pairs = ARENA_ARRAY(f->memory, token_pair, count);
    if (pairs == NULL) {
        return token_field_no_memory(f);
    }
    TRY(take_pairs(f, key, object, pairs));
    *ret = (token_pairs){count, pairs};
    return STATUS_OK;
}
