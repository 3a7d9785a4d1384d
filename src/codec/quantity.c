// SPDX-License-Identifier: Apache-2.0
#include "codec/quantity.h"

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

static bool is_digit_at(slice text, size_t at) {
    return at < text.len && text.data[at] >= '0' && text.data[at] <= '9';
}

// Parses NUMBER[.FRACTION]UNIT exactly; the fraction has at most nine digits.
static bool parse_scaled(slice text, const unit *units, size_t unit_count, uint64_t *ret) {
    uint64_t whole = 0, fraction = 0, scale = 1;
    size_t at = 0;
    if (!is_digit_at(text, 0)) {
        return false;
    }
    for (; is_digit_at(text, at); at++) {
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(text.data[at] - '0'), &whole)) {
            return false;
        }
    }
    if (at < text.len && text.data[at] == '.') {
        for (at++; is_digit_at(text, at) && scale < 1000000000; at++) {
            fraction = fraction * 10 + (uint64_t)(text.data[at] - '0');
            scale *= 10;
        }
        if (scale == 1) {
            return false;
        }
    }
    for (size_t i = 0; i < unit_count; i++) {
        if (slice_equal_text(slice_sub(text, at, text.len), units[i].name)) {
            __uint128_t value =
                (__uint128_t)whole * units[i].factor + (__uint128_t)fraction * units[i].factor / scale;
            if (value > UINT64_MAX) {
                return false;
            }
            *ret = (uint64_t)value;
            return true;
        }
    }
    return false;
}

bool quantity_size(slice text, uint64_t *ret_bytes) {
    static const unit units[] = {{"", 1},          {"B", 1},          {"k", 1 << 10},
                                 {"K", 1 << 10},   {"KiB", 1 << 10},  {"M", 1 << 20},
                                 {"MiB", 1 << 20}, {"G", 1ull << 30}, {"GiB", 1ull << 30}};
    return parse_scaled(text, units, sizeof units / sizeof units[0], ret_bytes);
}

bool quantity_duration(slice text, uint64_t *ret_ns) {
    static const unit units[] = {{"ns", 1},
                                 {"us", 1000},
                                 {"ms", 1000000},
                                 {"s", 1000000000},
                                 {"m", 60ull * 1000000000},
                                 {"h", 3600ull * 1000000000}};
    return parse_scaled(text, units, sizeof units / sizeof units[0], ret_ns);
}

bool quantity_span(slice text, uint64_t *ret_s) {
    static const unit units[] = {{"s", 1},     {"m", 60},        {"h", 3600},
                                 {"d", 86400}, {"w", 7 * 86400}, {"y", 365 * 86400}};
    return parse_scaled(text, units, sizeof units / sizeof units[0], ret_s);
}
