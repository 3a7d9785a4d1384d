// SPDX-License-Identifier: Apache-2.0
#include "codec/semver.h"

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
static bool is_identifier(uint8_t c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

static bool take_number(slice text, size_t *at, uint32_t *ret) {
    size_t start = *at;
    while (*at < text.len && is_digit(text.data[*at])) {
        (*at)++;
    }
    uint64_t value;
    slice digits = slice_sub(text, start, *at);
    if (!slice_to_u64(digits, &value) || value > UINT32_MAX || (digits.len > 1 && digits.data[0] == '0')) {
        return false;
    }
    *ret = (uint32_t)value;
    return true;
}

static bool take_byte(slice text, size_t *at, uint8_t byte) {
    if (*at < text.len && text.data[*at] == byte) {
        (*at)++;
        return true;
    }
    return false;
}

static bool all_digits(slice s) {
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.data[i])) {
            return false;
        }
    }
    return s.len > 0;
}

// Takes dot-separated identifiers up to `stop` or the end. Numbers in a pre-release have no leading zero.
static bool take_identifiers(slice text, size_t *at, uint8_t stop, bool is_pre, slice *ret) {
    size_t start = *at, part = *at;
    for (;; (*at)++) {
        bool end = *at == text.len || (stop != 0 && text.data[*at] == stop);
        if (end || text.data[*at] == '.') {
            slice identifier = slice_sub(text, part, *at);
            if (identifier.len == 0 ||
                (is_pre && identifier.len > 1 && identifier.data[0] == '0' && all_digits(identifier))) {
                return false;
            }
            part = *at + 1;
            if (end) {
                *ret = slice_sub(text, start, *at);
                return true;
            }
        } else if (!is_identifier(text.data[*at])) {
            return false;
        }
    }
}

bool semver_parse(slice text, semver *ret) {
    semver v = {0};
    size_t at = 0;
    if (!take_number(text, &at, &v.major) || !take_byte(text, &at, '.') ||
        !take_number(text, &at, &v.minor) || !take_byte(text, &at, '.') ||
        !take_number(text, &at, &v.patch)) {
        return false;
    }
    if (take_byte(text, &at, '-') && !take_identifiers(text, &at, '+', true, &v.pre)) {
        return false;
    }
    slice build;
    if (take_byte(text, &at, '+') && !take_identifiers(text, &at, 0, false, &build)) {
        return false;
    }
    if (at != text.len) {
        return false;
    }
    *ret = v;
    return true;
}

static slice next_identifier(slice *rest) {
    size_t dot = slice_find(*rest, 0, '.');
    slice first = slice_sub(*rest, 0, dot);
    *rest = dot == SIZE_MAX ? slice_empty() : slice_sub(*rest, dot + 1, rest->len);
    return first;
}

static int compare_identifiers(slice a, slice b) {
    bool a_number = all_digits(a), b_number = all_digits(b);
    if (a_number != b_number) {
        return a_number ? -1 : 1;
    }
    // Without leading zeros the longer number is the larger one, whatever its size.
    if (a_number && a.len != b.len) {
        return a.len < b.len ? -1 : 1;
    }
    return slice_compare(a, b);
}

static int compare_pre(slice a, slice b) {
    if (a.len == 0 || b.len == 0) {
        return (a.len == 0) - (b.len == 0); // a release comes after its pre-releases
    }
    while (a.len > 0 && b.len > 0) {
        int order = compare_identifiers(next_identifier(&a), next_identifier(&b));
        if (order != 0) {
            return order;
        }
    }
    return (a.len > 0) - (b.len > 0);
}

static int compare_u32(uint32_t a, uint32_t b) { return (a > b) - (a < b); }

int semver_compare(const semver *a, const semver *b) {
    int order = compare_u32(a->major, b->major);
    order = order != 0 ? order : compare_u32(a->minor, b->minor);
    order = order != 0 ? order : compare_u32(a->patch, b->patch);
    return order != 0 ? order : compare_pre(a->pre, b->pre);
}

bool semver_compatible(const semver *a, const semver *b) {
    if (a->pre.len > 0 || b->pre.len > 0) {
        return semver_compare(a, b) == 0;
    }
    if (a->major != b->major || a->major != 0) {
        return a->major == b->major;
    }
    if (a->minor != b->minor || a->minor != 0) {
        return a->minor == b->minor;
    }
    return a->patch == b->patch;
}
