// SPDX-License-Identifier: Apache-2.0
#include "codec/utf.h"

#include <stdio.h>
#include <string.h>

// Length of the sequence that starts with `lead`, and the range of its second byte; 0 when no sequence does.
static uint32_t lead_length(uint8_t lead, uint8_t *ret_low, uint8_t *ret_high) {
    *ret_low = 0x80;
    *ret_high = 0xbf;
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xc2) {
        return 0;
    }
    if (lead < 0xe0) {
        return 2;
    }
    if (lead < 0xf0) {
        *ret_low = lead == 0xe0 ? 0xa0 : 0x80;  // no overlong forms
        *ret_high = lead == 0xed ? 0x9f : 0xbf; // no surrogates
        return 3;
    }
    if (lead < 0xf5) {
        *ret_low = lead == 0xf0 ? 0x90 : 0x80;
        *ret_high = lead == 0xf4 ? 0x8f : 0xbf; // up to 10FFFF
        return 4;
    }
    return 0;
}

// Checks one sequence; `ret_length` is its length when it is valid.
static utf_result sequence_check(const uint8_t *p, size_t left, uint32_t *ret_length) {
    uint8_t low;
    uint8_t high;
    uint32_t length = lead_length(p[0], &low, &high);
    if (length == 0) {
        return UTF_INVALID;
    }
    for (uint32_t i = 1; i < length; i++) {
        if (i >= left) {
            return UTF_INCOMPLETE;
        }
        if (p[i] < low || p[i] > high) {
            return UTF_INVALID;
        }
        low = 0x80;
        high = 0xbf;
    }
    *ret_length = length;
    return UTF_VALID;
}

utf_result utf8_check(slice text, size_t *ret_at) {
    const uint64_t high_bits = 0x8080808080808080u;
    size_t at = 0;
    while (at < text.len) {
        while (text.len - at >= 16) { // most text is ASCII
            uint64_t words[2];
            memcpy(words, text.data + at, sizeof words);
            if (((words[0] | words[1]) & high_bits) != 0) {
                break;
            }
            at += 16;
        }
        if (at == text.len) {
            break;
        }
        uint32_t length;
        utf_result r = sequence_check(text.data + at, text.len - at, &length);
        if (r != UTF_VALID) {
            *ret_at = at;
            return r;
        }
        at += length;
    }
    return UTF_VALID;
}

bool utf8_next(const uint8_t *data, uint32_t count, uint32_t *at, uint32_t *ret) {
    const uint8_t *p = data + *at;
    uint32_t length;
    if (sequence_check(p, count - *at, &length) != UTF_VALID) {
        return false;
    }
    static const uint8_t lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = p[0] & lead_mask[length];
    for (uint32_t i = 1; i < length; i++) {
        code = (code << 6) | (p[i] & 0x3fu);
    }
    *at += length;
    *ret = code;
    return true;
}

static uint32_t unit_at(const uint8_t *data, size_t index) {
    return (uint32_t)data[2 * index] | ((uint32_t)data[2 * index + 1] << 8);
}

bool utf16_next(const uint8_t *data, uint32_t count, uint32_t *at, uint32_t *ret) {
    uint32_t first = unit_at(data, *at);
    if (first < 0xd800 || first > 0xdfff) {
        *at += 1;
        *ret = first;
        return true;
    }
    if (first > 0xdbff || count - *at < 2) {
        return false;
    }
    uint32_t second = unit_at(data, (size_t)*at + 1);
    if (second < 0xdc00 || second > 0xdfff) {
        return false;
    }
    *at += 2;
    *ret = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    return true;
}

utf_result utf16_check(const uint8_t *data, size_t unit_count, size_t *ret_at) {
    for (uint32_t at = 0; at < unit_count;) {
        uint32_t code;
        uint32_t before = at;
        if (!utf16_next(data, (uint32_t)unit_count, &at, &code)) {
            *ret_at = before;
            return UTF_INVALID;
        }
    }
    return UTF_VALID;
}

uint32_t utf8_put(uint8_t *to, uint32_t code) {
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (uint8_t)(0xc0 | (code >> 6));
        to[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (uint8_t)(0xe0 | (code >> 12));
        to[1] = (uint8_t)(0x80 | ((code >> 6) & 0x3f));
        to[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (uint8_t)(0xf0 | (code >> 18));
    to[1] = (uint8_t)(0x80 | ((code >> 12) & 0x3f));
    to[2] = (uint8_t)(0x80 | ((code >> 6) & 0x3f));
    to[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}

static void put_unit(uint8_t *to, uint32_t unit) {
    to[0] = (uint8_t)unit;
    to[1] = (uint8_t)(unit >> 8);
}

uint32_t utf16_put(uint8_t *to, uint32_t code) {
    if (code < 0x10000) {
        put_unit(to, code);
        return 1;
    }
    put_unit(to, 0xd800 + ((code - 0x10000) >> 10));
    put_unit(to + 2, 0xdc00 + ((code - 0x10000) & 0x3ff));
    return 2;
}

// --- for people --------------------------------------------------------------------------------------------

bool utf8_is_control(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e ||
           code == 0x200f || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

const char *utf8_shown(slice text, char *ret, size_t size) {
    uint32_t len = (uint32_t)(text.len < size ? text.len : size); // no character becomes shorter
    size_t used = 0;
    for (uint32_t at = 0; at < len;) {
        uint32_t from = at, code = 0;
        char piece[8];
        size_t piece_len;
        if (!utf8_next(text.data, len, &at, &code)) {
            at = from + 1;
            piece_len = (size_t)snprintf(piece, sizeof piece, "\\x%02x", text.data[from]);
        } else if (utf8_is_control(code)) {
            piece_len =
                (size_t)snprintf(piece, sizeof piece, code > 0xff ? "\\u%04x" : "\\x%02x", code & 0xffff);
        } else {
            piece_len = at - from;
            memcpy(piece, text.data + from, piece_len);
        }
        if (piece_len >= size - used) {
            break;
        }
        memcpy(ret + used, piece, piece_len);
        used += piece_len;
    }
    ret[used] = '\0';
    return ret;
}
