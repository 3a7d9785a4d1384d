// SPDX-License-Identifier: Apache-2.0
// A borrowed run of bytes. Never NUL-terminated by contract; never owns.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct slice {
    const uint8_t *data; // may be NULL only when len is 0
    size_t len;
} slice;

// For printf's "%.*s": SLICE_ARG(s) expands to the two arguments.
#define SLICE_ARG(s) (int)((s).len > INT32_MAX ? INT32_MAX : (s).len), (const char *)(s).data
// A constant slice of a string literal, usable in static initialisers.
#define SLICE_LITERAL(text) \
    { (const uint8_t *)(text), sizeof(text) - 1 }

static inline slice slice_of(const void *data, size_t len) { return (slice){(const uint8_t *)data, len}; }
static inline slice slice_from_text(const char *text) {
    return slice_of(text, text == NULL ? 0 : strlen(text));
}
static inline slice slice_empty(void) { return (slice){NULL, 0}; }

static inline bool slice_equal(slice a, slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
static inline bool slice_equal_text(slice a, const char *text) {
    return slice_equal(a, slice_from_text(text));
}

static inline bool slice_starts_with(slice s, const char *prefix) {
    size_t n = strlen(prefix);
    return s.len >= n && memcmp(s.data, prefix, n) == 0;
}

// Lexicographic by byte; shorter first. For sorting.
int slice_compare(slice a, slice b);
// ASCII case-insensitive.
bool slice_equal_nocase(slice a, slice b);
// The bytes [from, to) clamped to the slice.
slice slice_sub(slice s, size_t from, size_t to);
// Without the ASCII white space at both ends.
slice slice_trimmed(slice s);
// Index of the first `byte` at or after `from`, or SIZE_MAX.
size_t slice_find(slice s, size_t from, uint8_t byte);
// Parses an unsigned decimal number that fills the whole slice; false on anything else or on overflow.
bool slice_to_u64(slice s, uint64_t *ret);
