// SPDX-License-Identifier: Apache-2.0
// Numbers and runs of bytes of messages between hosts: fixed widths, the most significant byte first. A
// reader that runs short stays so and gives zeros and nothing: it is asked once, at the end.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/buf.h"
#include "base/slice.h"

typedef struct bytes_reader {
    slice rest;
    bool is_short;
} bytes_reader;

static inline slice bytes_take(bytes_reader *r, size_t len) {
    if (WRIT_UNLIKELY(r->rest.len < len)) {
        r->is_short = true;
        r->rest = slice_empty();
        return slice_empty();
    }
    if (len == 0) {
        return slice_empty();
    }
    slice taken = slice_of(r->rest.data, len);
    r->rest = slice_of(r->rest.data + len, r->rest.len - len);
    return taken;
}

static inline uint64_t bytes_take_number(bytes_reader *r, size_t width) {
    slice s = bytes_take(r, width);
    uint64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n = n << 8 | s.data[i];
    }
    return n;
}

// A number of `width` bytes, then so many bytes.
static inline slice bytes_take_run(bytes_reader *r, size_t width) {
    return bytes_take(r, bytes_take_number(r, width));
}

static inline void bytes_write_number(uint8_t *at, uint64_t n, size_t width) {
    for (size_t i = width; i-- > 0; n >>= 8) {
        at[i] = (uint8_t)n;
    }
}

static inline status bytes_put_number(buf *b, uint64_t n, size_t width) {
    uint8_t *at;
    TRY(buf_reserve(b, width, &at));
    bytes_write_number(at, n, width);
    b->len += width;
    return STATUS_OK;
}

static inline status bytes_put_run(buf *b, slice run, size_t width) {
    TRY(bytes_put_number(b, run.len, width));
    return buf_append(b, run);
}
