// SPDX-License-Identifier: Apache-2.0
#include "component/extern_name.h"

static bool lower(uint8_t c) { return c >= 'a' && c <= 'z'; }
static bool upper(uint8_t c) { return c >= 'A' && c <= 'Z'; }
static bool digit(uint8_t c) { return c >= '0' && c <= '9'; }

// Fragments joined by '-'. Each is a word, or an acronym where those are allowed.
static bool fragments_valid(slice s, bool acronyms) {
    if (s.len == 0 || digit(s.data[0])) {
        return false;
    }
    bool has_lower = false;
    bool has_upper = false;
    bool empty = true;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c == '-') {
            if (empty) {
                return false;
            }
            has_lower = has_upper = false;
            empty = true;
            continue;
        }
        has_lower |= lower(c);
        has_upper |= upper(c);
        empty = false;
        if ((!lower(c) && !upper(c) && !digit(c)) || (has_upper && (has_lower || !acronyms))) {
            return false;
        }
    }
    return !empty;
}

bool label_valid(slice label) { return fragments_valid(label, true); }

// --- versions ---------------------------------------------------------------------------------------------

// "1", "0.2" or "0.0.3": up to and including the first number that is not zero.
static bool track_parse(slice text, semver *ret) {
    uint32_t numbers[3] = {0, 0, 0};
    size_t from = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t dot = slice_find(text, from, '.');
        slice part = slice_sub(text, from, dot == SIZE_MAX ? text.len : dot);
        uint64_t value;
        if (part.len == 0 || (part.len > 1 && part.data[0] == '0') || !slice_to_u64(part, &value) ||
            value > UINT32_MAX) {
            return false;
        }
        numbers[i] = (uint32_t)value;
        if (dot == SIZE_MAX) {
            if (value == 0 && i < 2) {
                return false;
            }
            *ret = (semver){.major = numbers[0], .minor = numbers[1], .patch = numbers[2]};
            return true;
        }
        if (value != 0) {
            return false;
        }
        from = dot + 1;
    }
    return false;
}

bool interface_version_parse(slice text, semver *ret) {
    return semver_parse(text, ret) || track_parse(text, ret);
}

bool interface_version_complete(slice text, slice suffix) {
    uint8_t whole[256];
    semver version;
    if (!track_parse(text, &version) || text.len + suffix.len > sizeof whole) {
        return false;
    }
    memcpy(whole, text.data, text.len);
    if (suffix.len > 0) {
        memcpy(whole + text.len, suffix.data, suffix.len);
    }
    return semver_parse(slice_of(whole, text.len + suffix.len), &version);
}

// --- names ------------------------------------------------------------------------------------------------

static const char *interface_parse(slice name, size_t colon, extern_name *ret) {
    ret->kind = EXTERN_NAME_INTERFACE;
    size_t at = slice_find(name, colon, '@');
    ret->base = slice_sub(name, 0, at == SIZE_MAX ? name.len : at);
    size_t slash = slice_find(ret->base, colon, '/');
    if (slash == SIZE_MAX) {
        return "expected `/` after the package name";
    }
    if (!fragments_valid(slice_sub(name, 0, colon), false)) {
        return "the namespace is not in kebab case";
    }
    if (!fragments_valid(slice_sub(name, colon + 1, slash), false)) {
        return "the package is not in kebab case";
    }
    if (!label_valid(slice_sub(ret->base, slash + 1, ret->base.len))) {
        return "the interface is not in kebab case";
    }
    if (at != SIZE_MAX) {
        semver version;
        ret->version = slice_sub(name, at + 1, name.len);
        if (!interface_version_parse(ret->version, &version)) {
            return "the version is not a valid semantic version";
        }
    }
    return NULL;
}

static const char *member_parse(slice rest, extern_name *ret) {
    size_t dot = slice_find(rest, 0, '.');
    if (dot == SIZE_MAX) {
        return "failed to find `.` character";
    }
    ret->resource = slice_sub(rest, 0, dot);
    ret->label = slice_sub(rest, dot + 1, rest.len);
    return label_valid(ret->resource) && label_valid(ret->label) ? NULL : "not in kebab case";
}

static const char constructor_mark[] = "[constructor]";
static const char method_mark[] = "[method]";
static const char static_mark[] = "[static]";

const char *extern_name_parse(slice name, extern_name *ret) {
    *ret = (extern_name){.kind = EXTERN_NAME_PLAIN};
    if (slice_starts_with(name, constructor_mark)) {
        ret->kind = EXTERN_NAME_CONSTRUCTOR;
        ret->resource = slice_sub(name, sizeof constructor_mark - 1, name.len);
        return label_valid(ret->resource) ? NULL : "not in kebab case";
    }
    if (slice_starts_with(name, method_mark)) {
        ret->kind = EXTERN_NAME_METHOD;
        return member_parse(slice_sub(name, sizeof method_mark - 1, name.len), ret);
    }
    if (slice_starts_with(name, static_mark)) {
        ret->kind = EXTERN_NAME_STATIC;
        return member_parse(slice_sub(name, sizeof static_mark - 1, name.len), ret);
    }
    size_t colon = slice_find(name, 0, ':');
    if (colon != SIZE_MAX) {
        return interface_parse(name, colon, ret);
    }
    ret->label = name;
    return label_valid(name) ? NULL : "not in kebab case";
}

void label_fold(slice label, uint8_t *out) {
    for (size_t i = 0; i < label.len; i++) {
        uint8_t c = label.data[i];
        out[i] = upper(c) ? (uint8_t)(c - 'A' + 'a') : c;
    }
}

size_t extern_name_fold(slice name, const extern_name *parsed, uint8_t *out) {
    if (parsed->kind != EXTERN_NAME_METHOD && parsed->kind != EXTERN_NAME_STATIC) {
        label_fold(name, out);
        return name.len;
    }
    size_t length = parsed->resource.len;
    label_fold(parsed->resource, out);
    if (slice_equal_nocase(parsed->resource, parsed->label)) {
        return length;
    }
    out[length++] = '.';
    label_fold(parsed->label, out + length);
    return length + parsed->label.len;
}
