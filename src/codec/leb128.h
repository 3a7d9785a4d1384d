// SPDX-License-Identifier: Apache-2.0
// LEB128 integers as WebAssembly uses them: bounded length, no bits beyond the width. Zero padding up to the
// maximal length is allowed. Source: WebAssembly core specification, "Integers" of the binary format.
#pragma once

#include "base/attributes.h"
#include "base/slice.h"

typedef enum leb128_result {
    LEB128_OK,
    LEB128_SHORT, // the input ends inside the number
    LEB128_LARGE, // more bytes or bits than the width allows
} leb128_result;

// Each reads from *p, which is moved past the number only when the result is LEB128_OK; `end` is exclusive.
leb128_result leb128_read_u32(const uint8_t **p, const uint8_t *end, uint32_t *ret) WRIT_MUST_USE;
leb128_result leb128_read_u64(const uint8_t **p, const uint8_t *end, uint64_t *ret) WRIT_MUST_USE;
leb128_result leb128_read_s32(const uint8_t **p, const uint8_t *end, int32_t *ret) WRIT_MUST_USE;
leb128_result leb128_read_s33(const uint8_t **p, const uint8_t *end, int64_t *ret) WRIT_MUST_USE;
leb128_result leb128_read_s64(const uint8_t **p, const uint8_t *end, int64_t *ret) WRIT_MUST_USE;

enum { LEB128_U32_BYTES_MAX = 5, LEB128_U64_BYTES_MAX = 10 };

// Writes the shortest form and returns its length in bytes.
size_t leb128_write_u64(uint8_t *out, uint64_t value);
