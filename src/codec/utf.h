// SPDX-License-Identifier: Apache-2.0
// UTF-8, UTF-16 (little-endian, in memory of any alignment) and Latin-1: checking and transcoding.
//
// Transcoding is done in two steps: measure (which also checks the source), then write into room of exactly that
// size. The writing functions read only valid input; they never write more than was measured.
#pragma once

#include "base/attributes.h"
#include "base/slice.h"

// Well-formed UTF-8: shortest forms, no surrogates, at most U+10FFFF.
bool utf8_valid(slice text) WRIT_MUST_USE;
// Length in bytes of the longest well-formed beginning.
size_t utf8_valid_prefix(slice text);

// Takes the first character off `text`, which must be valid and not empty.
uint32_t utf8_next(slice *text);
enum { UTF8_CHAR_BYTES_MAX = 4 };
// Writes one Unicode scalar value and returns how many bytes that took.
size_t utf8_put(uint8_t *out, uint32_t character);

// A Unicode scalar value: at most U+10FFFF and no surrogate.
static inline bool unicode_scalar(uint32_t code) { return code < 0xd800 || (code > 0xdfff && code <= 0x10ffff); }

// UTF-16 to UTF-8. False when a surrogate is alone. `units` holds `count` code units of two bytes.
bool utf16_measure_utf8(const uint8_t *units, size_t count, size_t *ret_bytes) WRIT_MUST_USE;
size_t utf16_to_utf8(const uint8_t *units, size_t count, uint8_t *out);

size_t latin1_measure_utf8(slice text);
size_t latin1_to_utf8(slice text, uint8_t *out);

// From valid UTF-8. utf8_measure_* return the number of code units.
size_t utf8_measure_utf16(slice text);
size_t utf8_to_utf16(slice text, uint8_t *out);
// False when some character is above U+00FF.
bool utf8_measure_latin1(slice text, size_t *ret_units) WRIT_MUST_USE;
size_t utf8_to_latin1(slice text, uint8_t *out);
