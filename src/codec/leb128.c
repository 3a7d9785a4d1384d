// SPDX-License-Identifier: Apache-2.0
#include "codec/leb128.h"

// `width` is 32 or 64 bits.
static leb128_result read_unsigned(const uint8_t **p, const uint8_t *end, unsigned width, uint64_t *ret) {
    uint64_t value = 0;
    const uint8_t *at = *p;
    for (unsigned shift = 0;; shift += 7) {
        if (at == end) {
            return LEB128_SHORT;
        }
        uint8_t byte = *at++;
        unsigned left = width - shift; // bits that may still be set
        if (left < 7 && (byte & 0x7f) >> left != 0) {
            return LEB128_LARGE;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            break;
        }
        if (left <= 7) {
            return LEB128_LARGE;
        }
    }
    *p = at;
    *ret = value;
    return LEB128_OK;
}

// `width` is 32, 33 or 64 bits, including the sign.
static leb128_result read_signed(const uint8_t **p, const uint8_t *end, unsigned width, int64_t *ret) {
    uint64_t value = 0;
    const uint8_t *at = *p;
    unsigned shift = 0;
    uint8_t byte;
    for (;;) {
        if (at == end) {
            return LEB128_SHORT;
        }
        byte = *at++;
        unsigned left = width - shift;
        if (left < 7) { // the bits past the width must all equal the sign bit
            unsigned past = (byte & 0x7fu) >> (left - 1);
            if (past != 0 && past != 0x7fu >> (left - 1)) {
                return LEB128_LARGE;
            }
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if ((byte & 0x80) == 0) {
            break;
        }
        if (left <= 7) {
            return LEB128_LARGE;
        }
    }
    if (shift < 64 && (byte & 0x40) != 0) {
        value |= UINT64_MAX << shift;
    }
    *p = at;
    *ret = (int64_t)value;
    return LEB128_OK;
}

leb128_result leb128_read_u32(const uint8_t **p, const uint8_t *end, uint32_t *ret) {
    uint64_t value;
    leb128_result result = read_unsigned(p, end, 32, &value);
    if (result == LEB128_OK) {
        *ret = (uint32_t)value;
    }
    return result;
}

leb128_result leb128_read_u64(const uint8_t **p, const uint8_t *end, uint64_t *ret) {
    return read_unsigned(p, end, 64, ret);
}

leb128_result leb128_read_s32(const uint8_t **p, const uint8_t *end, int32_t *ret) {
    int64_t value;
    leb128_result result = read_signed(p, end, 32, &value);
    if (result == LEB128_OK) {
        *ret = (int32_t)value;
    }
    return result;
}

leb128_result leb128_read_s33(const uint8_t **p, const uint8_t *end, int64_t *ret) {
    return read_signed(p, end, 33, ret);
}

leb128_result leb128_read_s64(const uint8_t **p, const uint8_t *end, int64_t *ret) {
    return read_signed(p, end, 64, ret);
}

size_t leb128_write_u64(uint8_t *out, uint64_t value) {
    size_t count = 0;
    do {
        uint8_t byte = value & 0x7f;
        value >>= 7;
        out[count++] = (uint8_t)(byte | (value != 0 ? 0x80 : 0));
    } while (value != 0);
    return count;
}
