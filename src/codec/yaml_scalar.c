// SPDX-License-Identifier: Apache-2.0
// What plain scalars mean, and reading of trees.
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "codec/yaml.h"

static bool is_among(slice text, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (slice_equal_text(text, words[i])) {
            return true;
        }
    }
    return false;
}

static bool is_null(slice text) {
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    return is_among(text, words, sizeof words / sizeof words[0]);
}

static bool is_bool(slice text) {
    static const char *const words[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
    return is_among(text, words, sizeof words / sizeof words[0]);
}

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

// 007 is text, and so is -00.
static bool has_leading_zero(slice text) {
    size_t from = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
    if (text.len - from < 2 || text.data[from] != '0') {
        return false;
    }
    for (size_t i = from; i < text.len; i++) {
        if (!is_digit(text.data[i])) {
            return false;
        }
    }
    return true;
}

static bool digits_to_u64(slice digits, unsigned base, uint64_t *ret) {
    uint64_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        uint8_t c = digits.data[i];
        unsigned digit = is_digit(c)            ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : base;
        if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    *ret = value;
    return digits.len > 0;
}

static bool magnitude(slice text, uint64_t *ret) {
    static const struct {
        const char *prefix;
        unsigned base;
    } forms[] = {{"0x", 16}, {"0o", 8}, {"0b", 2}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (slice_starts_with(text, forms[i].prefix)) {
            return digits_to_u64(slice_sub(text, 2, text.len), forms[i].base, ret);
        }
    }
    return digits_to_u64(text, 10, ret);
}

// An integer in text form: its sign and its size. Larger ones than 64 bits are floats, as for the 1.x tools.
static bool to_integer(slice text, bool *ret_is_negative, uint64_t *ret) {
    bool is_signed = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
    *ret_is_negative = is_signed && text.data[0] == '-';
    return !has_leading_zero(text) && magnitude(slice_sub(text, is_signed, text.len), ret) &&
           !(*ret_is_negative && *ret > (uint64_t)INT64_MAX + 1);
}

// Digits with at most one point and an exponent: what strtod takes, without its hexadecimal and its words.
static bool has_form_of_float(slice text) {
    size_t i = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+'), digits = 0;
    for (; i < text.len && is_digit(text.data[i]); i++, digits++) {
    }
    if (i < text.len && text.data[i] == '.') {
        for (i++; i < text.len && is_digit(text.data[i]); i++, digits++) {
        }
    }
    if (digits > 0 && i < text.len && (text.data[i] == 'e' || text.data[i] == 'E')) {
        i++;
        i += i < text.len && (text.data[i] == '-' || text.data[i] == '+');
        size_t from = i;
        for (; i < text.len && is_digit(text.data[i]); i++) {
        }
        digits = i > from ? digits : 0;
    }
    return digits > 0 && i == text.len;
}

static bool to_double(slice text, double *ret) {
    static const char *const infinite[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"},
                             *const negative[] = {"-.inf", "-.Inf", "-.INF"},
                             *const none[] = {".nan", ".NaN", ".NAN"};
    char copy[400];
    if (is_among(text, infinite, 6) || is_among(text, negative, 3)) {
        *ret = text.data[0] == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (is_among(text, none, 3)) {
        *ret = NAN;
        return true;
    }
    if (text.len >= sizeof copy || has_leading_zero(text) || !has_form_of_float(text)) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    *ret = strtod(copy, NULL);
    return isfinite(*ret);
}

yaml_type yaml_type_of(const yaml_node *n) {
    bool negative;
    uint64_t integer;
    double number;
    if (n == NULL || n->kind != YAML_KIND_SCALAR) {
        return YAML_TYPE_NONE;
    }
    if (!n->is_plain) {
        return YAML_TYPE_TEXT;
    }
    return is_null(n->text)                           ? YAML_TYPE_NULL
           : is_bool(n->text)                         ? YAML_TYPE_BOOL
           : to_integer(n->text, &negative, &integer) ? YAML_TYPE_INTEGER
           : to_double(n->text, &number)              ? YAML_TYPE_FLOAT
                                                      : YAML_TYPE_TEXT;
}

bool yaml_as_u64(const yaml_node *n, uint64_t *ret) {
    bool negative;
    uint64_t value;
    if (yaml_type_of(n) != YAML_TYPE_INTEGER || !to_integer(n->text, &negative, &value) || negative) {
        return false;
    }
    *ret = value;
    return true;
}

bool yaml_as_i64(const yaml_node *n, int64_t *ret) {
    bool negative;
    uint64_t value;
    if (yaml_type_of(n) != YAML_TYPE_INTEGER || !to_integer(n->text, &negative, &value) ||
        (!negative && value > INT64_MAX)) {
        return false;
    }
    *ret = (int64_t)(negative ? 0 - value : value);
    return true;
}

bool yaml_as_double(const yaml_node *n, double *ret) {
    return yaml_type_of(n) == YAML_TYPE_FLOAT && to_double(n->text, ret);
}

const yaml_entry *yaml_find(const yaml_node *map, const char *key) {
    if (map == NULL || map->kind != YAML_KIND_MAP) {
        return NULL;
    }
    for (const yaml_entry *e = map->first; e != NULL; e = e->next) {
        if (slice_equal_text(e->key, key)) {
            return e;
        }
    }
    return NULL;
}

const yaml_node *yaml_get(const yaml_node *map, const char *key) {
    const yaml_entry *e = yaml_find(map, key);
    return e == NULL ? NULL : e->value;
}

const char *yaml_kind_name(const yaml_node *n) {
    if (n == NULL) {
        return "nothing";
    }
    if (n->kind != YAML_KIND_SCALAR) {
        return n->kind == YAML_KIND_LIST ? "a list" : "a map";
    }
    switch (yaml_type_of(n)) {
    case YAML_TYPE_NULL:
        return "an empty value";
    case YAML_TYPE_BOOL:
        return "true or false without quotes";
    case YAML_TYPE_INTEGER:
    case YAML_TYPE_FLOAT:
        return "a number without quotes";
    default:
        return "text";
    }
}
