// SPDX-License-Identifier: Apache-2.0
// The text may be a seed, so neither table lookups nor branches depend on its characters.
#include "codec/base32.h"

// All ones when a < b, else zero; for values below 2^31.
static uint32_t mask_less(uint32_t a, uint32_t b) { return 0u - ((a - b) >> 31); }

static char character_of(uint32_t value) {
    uint32_t letter = mask_less(value, 26);
    return (char)(((value + 'A') & letter) | ((value - 26 + '2') & ~letter));
}

// The value of a character; 32 or more when it is none of the alphabet.
static uint32_t value_of(uint8_t c) {
    uint32_t letter = ~mask_less(c, 'A') & mask_less(c, 'Z' + 1);
    uint32_t digit = ~mask_less(c, '2') & mask_less(c, '7' + 1);
    return ((uint32_t)(c - 'A') & letter) | ((uint32_t)(c - '2' + 26) & digit) | (32 & ~(letter | digit));
}

void base32_encode(slice bytes, char *ret) {
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = (bits << 8 | bytes.data[i]) & 0xfff;
        count += 8;
        while (count >= 5) {
            count -= 5;
            *ret++ = character_of(bits >> count & 31);
        }
    }
    if (count > 0) {
        *ret = character_of(bits << (5 - count) & 31);
    }
}

bool base32_decode(slice text, uint8_t *ret, size_t max, size_t *ret_len) {
    size_t len = text.len / 8 * 5 + text.len % 8 * 5 / 8;
    if (len > max || BASE32_TEXT_LEN(len) != text.len) {
        return false;
    }
    uint32_t bits = 0, bad = 0;
    unsigned count = 0;
    uint8_t *at = ret;
    for (size_t i = 0; i < text.len; i++) {
        uint32_t value = value_of(text.data[i]);
        bad |= value >> 5;
        bits = (bits << 5 | (value & 31)) & 0xfff;
        count += 5;
        if (count >= 8) {
            count -= 8;
            *at++ = (uint8_t)(bits >> count);
        }
    }
    bad |= bits & ((1u << count) - 1);
    if (bad != 0) {
        return false;
    }
    *ret_len = len;
    return true;
}
