// SPDX-License-Identifier: Apache-2.0
// A growable byte buffer with a maximum that its owner must name. Growing past it is an error, never an
// abort. Not thread-safe.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

typedef struct buf {
    uint8_t *data;
    size_t len;
    size_t capacity;
    size_t max; // bytes
} buf;

void buf_init(buf *b, size_t max_bytes);
void buf_done(buf *b); // accepts a zeroed buffer
#define auto_buf WRIT_CLEANUP(buf_done) buf

static inline slice buf_slice(const buf *b) { return slice_of(b->data, b->len); }
static inline void buf_clear(buf *b) { b->len = 0; }

// STATUS_LIMIT when the maximum would be passed (the buffer stays as it was).
status buf_append(buf *b, slice bytes) WRIT_MUST_USE;
status buf_append_text(buf *b, const char *text) WRIT_MUST_USE;
status buf_append_byte(buf *b, uint8_t byte) WRIT_MUST_USE;
status buf_append_format(buf *b, const char *format, ...) WRIT_FORMAT(2, 3) WRIT_MUST_USE;
// Makes room for `bytes` more and returns where to write them; the caller then adds to `len` what it wrote.
status buf_reserve(buf *b, size_t bytes, uint8_t **ret) WRIT_MUST_USE;
// Drops the first `bytes` bytes (moves the rest down).
void buf_consume(buf *b, size_t bytes);
// NUL-terminates without counting the NUL and returns the text; NULL when the maximum forbids the extra byte.
const char *buf_text(buf *b);
