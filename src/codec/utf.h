// SPDX-License-Identifier: Apache-2.0
// UTF-8 and UTF-16 (little-endian, as in linear memory): check, decode, encode. No allocation, no I/O.
// Source: Unicode 15, table 3-7 "Well-Formed UTF-8 Byte Sequences" and section 3.9 D91.
#pragma once

#include "base/slice.h"

typedef enum utf_result {
    UTF_VALID,
    UTF_INVALID,
    UTF_INCOMPLETE, // ends in the middle of a sequence that was right so far
} utf_result;

// `ret_at` is set to the index of the first bad sequence unless the text is valid.
utf_result utf8_check(slice text, size_t *ret_at);
static inline bool utf8_valid(slice text) {
    size_t at;
    return utf8_check(text, &at) == UTF_VALID;
}
utf_result utf16_check(const uint8_t *data, size_t unit_count, size_t *ret_at);

// The code point at unit `*at` (which must be below `count`); moves `*at` behind it. False when it is
// malformed.
bool utf8_next(const uint8_t *data, uint32_t count, uint32_t *at, uint32_t *ret);
bool utf16_next(const uint8_t *data, uint32_t count, uint32_t *at, uint32_t *ret);

// Whether it would move a terminal's cursor (C0 and C1 controls), break a line, or show it in another order
// than it has (bidirectional controls).
bool utf8_is_control(uint32_t code);
// For lines that people read: such characters and what is no UTF-8 become \xNN or \uNNNN. As much as fits,
// NUL-terminated; returns `ret`.
const char *utf8_shown(slice text, char *ret, size_t size);

// Writes a code point that is a Unicode scalar value: up to 4 bytes, or up to 2 units of 2 bytes. Returns how
// many bytes or units.
uint32_t utf8_put(uint8_t *to, uint32_t code);
uint32_t utf16_put(uint8_t *to, uint32_t code);
