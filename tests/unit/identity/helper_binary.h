// SPDX-License-Identifier: Apache-2.0
// Makes binaries by hand, section by section.
#pragma once

#include "base/buf.h"
#include "base/check.h"
#include "codec/leb128.h"

enum { BINARY_BYTES_MAX = 64 << 20 };

static inline void binary_add(buf *b, const void *bytes, size_t len) {
    CHECK(buf_append(b, slice_of(bytes, len)) == STATUS_OK);
}

static inline void binary_begin(buf *b, bool is_component) {
    buf_init(b, BINARY_BYTES_MAX);
    binary_add(b, is_component ? "\0asm\x0d\0\1\0" : "\0asm\1\0\0\0", 8);
}

// With `padding` bytes more than the shortest form.
static inline void binary_number(buf *b, uint32_t value, size_t padding) {
    uint8_t text[LEB128_U64_BYTES_MAX + 8];
    size_t len = leb128_write_u64(text, value);
    for (; padding > 0; padding--) {
        text[len - 1] |= 0x80;
        text[len++] = 0;
    }
    binary_add(b, text, len);
}

static inline void binary_section_padded(buf *b, uint8_t id, slice content, size_t padding) {
    binary_add(b, &id, 1);
    binary_number(b, (uint32_t)content.len, padding);
    binary_add(b, content.data, content.len);
}

static inline void binary_section(buf *b, uint8_t id, slice content) {
    binary_section_padded(b, id, content, 0);
}

// A custom section; both numbers can be padded.
static inline void binary_custom_padded(buf *b, const char *name, slice content, size_t size_padding,
                                        size_t name_padding) {
    auto_buf inner;
    buf_init(&inner, BINARY_BYTES_MAX);
    binary_number(&inner, (uint32_t)strlen(name), name_padding);
    binary_add(&inner, name, strlen(name));
    binary_add(&inner, content.data, content.len);
    binary_section_padded(b, 0, buf_slice(&inner), size_padding);
}

static inline void binary_custom(buf *b, const char *name, const char *content) {
    binary_custom_padded(b, name, slice_from_text(content), 0, 0);
}
