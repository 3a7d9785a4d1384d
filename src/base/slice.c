// SPDX-License-Identifier: Apache-2.0
#include "base/slice.h"

int slice_compare(slice a, slice b) {
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n == 0 ? 0 : memcmp(a.data, b.data, n);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

bool slice_equal_nocase(slice a, slice b) {
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

slice slice_sub(slice s, size_t from, size_t to) {
    to = to > s.len ? s.len : to;
    from = from > to ? to : from;
    return from == to ? slice_empty() : slice_of(s.data + from, to - from);
}

static bool is_white_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

slice slice_trimmed(slice s) {
    size_t from = 0, to = s.len;
    while (from < to && is_white_space(s.data[from])) {
        from++;
    }
    while (to > from && is_white_space(s.data[to - 1])) {
        to--;
    }
    return slice_sub(s, from, to);
}

size_t slice_find(slice s, size_t from, uint8_t byte) {
    if (from >= s.len) {
        return SIZE_MAX;
    }
    const uint8_t *at = memchr(s.data + from, byte, s.len - from);
    return at == NULL ? SIZE_MAX : (size_t)(at - s.data);
}

bool slice_to_u64(slice s, uint64_t *ret) {
    uint64_t value = 0;
    if (s.len == 0) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.data[i] - '0'), &value)) {
            return false;
        }
    }
    *ret = value;
    return true;
}
