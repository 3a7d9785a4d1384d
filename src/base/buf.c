// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"

enum { BUF_FIRST_CAPACITY = 256 };

void buf_init(buf *b, size_t max_bytes) { *b = (buf){.max = max_bytes}; }

void buf_done(buf *b) {
    mem_free(b->data);
    *b = (buf){0};
}

status buf_reserve(buf *b, size_t bytes, uint8_t **ret) {
    CHECK(b->len <= b->max);
    if (bytes > b->max - b->len) {
        return STATUS_LIMIT;
    }
    size_t need = b->len + bytes;
    if (need > b->capacity || b->data == NULL) {
        size_t capacity = b->capacity < BUF_FIRST_CAPACITY ? BUF_FIRST_CAPACITY : b->capacity;
        while (capacity < need) {
            capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
        }
        if (capacity > b->max) {
            capacity = b->max;
        }
        uint8_t *data = mem_try_resize(b->data, capacity);
        if (data == NULL) {
            return STATUS_LIMIT;
        }
        b->data = data;
        b->capacity = capacity;
    }
    *ret = b->data + b->len;
    return STATUS_OK;
}

status buf_append(buf *b, slice bytes) {
    if (bytes.len == 0) {
        return STATUS_OK;
    }
    uint8_t *at;
    TRY(buf_reserve(b, bytes.len, &at));
    memcpy(at, bytes.data, bytes.len);
    b->len += bytes.len;
    return STATUS_OK;
}

status buf_append_text(buf *b, const char *text) { return buf_append(b, slice_from_text(text)); }
status buf_append_byte(buf *b, uint8_t byte) { return buf_append(b, slice_of(&byte, 1)); }

status buf_append_format(buf *b, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    uint8_t *at;
    // One byte more than the text: vsnprintf ends with a NUL, which is not counted.
    status s = n < 0 ? STATUS_INVALID : buf_reserve(b, (size_t)n + 1, &at);
    if (s == STATUS_OK) {
        vsnprintf((char *)at, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return s;
}

void buf_consume(buf *b, size_t bytes) {
    CHECK(bytes <= b->len);
    if (bytes > 0) {
        memmove(b->data, b->data + bytes, b->len - bytes);
        b->len -= bytes;
    }
}

const char *buf_text(buf *b) {
    uint8_t *at;
    if (buf_reserve(b, 1, &at) != STATUS_OK) {
        return NULL;
    }
    *at = '\0';
    return (const char *)b->data;
}
