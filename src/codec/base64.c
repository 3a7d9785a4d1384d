// SPDX-License-Identifier: Apache-2.0
#include "codec/base64.h"

enum { INVALID = 0xff };

static char digit(base64_form form, unsigned value) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    if (value < 62) {
        return alphabet[value];
    }
    return form == BASE64_URL ? "-_"[value - 62] : "+/"[value - 62];
}

static uint8_t value_of(base64_form form, uint8_t c) {
    if (c >= 'A' && c <= 'Z') {
        return (uint8_t)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (uint8_t)(c - 'a' + 26);
    }
    if (c >= '0' && c <= '9') {
        return (uint8_t)(c - '0' + 52);
    }
    if (c == (form == BASE64_URL ? '-' : '+')) {
        return 62;
    }
    return c == (form == BASE64_URL ? '_' : '/') ? 63 : INVALID;
}

static size_t encoded_len(base64_form form, size_t bytes) {
    size_t rest = bytes % 3;
    return bytes / 3 * 4 + (rest == 0 ? 0 : form == BASE64_URL ? rest + 1 : 4);
}

status base64_encode(base64_form form, slice bytes, buf *ret) {
    if (bytes.len > SIZE_MAX / 2) {
        return STATUS_LIMIT;
    }
    size_t len = encoded_len(form, bytes.len);
    uint8_t *to;
    TRY(buf_reserve(ret, len, &to));
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t count = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t bits = (uint32_t)bytes.data[i] << 16;
        bits |= count > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        bits |= count > 2 ? bytes.data[i + 2] : 0;
        for (size_t j = 0; j < 4; j++) {
            if (j <= count) {
                *to++ = (uint8_t)digit(form, (bits >> (18 - 6 * j)) & 63);
            } else if (form == BASE64_STANDARD) {
                *to++ = '=';
            }
        }
    }
    ret->len += len;
    return STATUS_OK;
}

// The digits without padding; false when the padding is not exactly what their number asks for.
static bool strip_padding(base64_form form, slice *text) {
    if (form == BASE64_URL) {
        return text->len % 4 != 1;
    }
    if (text->len % 4 != 0) {
        return false;
    }
    for (int i = 0; i < 2 && text->len > 0 && text->data[text->len - 1] == '='; i++) {
        text->len--;
    }
    return true;
}

// Up to four digits to one byte less; false for a foreign character or bits beyond the last byte.
static bool decode_group(base64_form form, slice group, uint8_t *to) {
    uint32_t bits = 0;
    for (size_t j = 0; j < 4; j++) {
        uint8_t value = j < group.len ? value_of(form, group.data[j]) : 0;
        if (value == INVALID) {
            return false;
        }
        bits = bits << 6 | value;
    }
    for (size_t j = 0; j + 1 < group.len; j++) {
        to[j] = (uint8_t)(bits >> (16 - 8 * j));
    }
    return (bits & (group.len == 2 ? 0xffff : group.len == 3 ? 0xff : 0)) == 0;
}

status base64_decode(base64_form form, slice text, buf *ret) {
    if (!strip_padding(form, &text)) {
        return STATUS_INVALID;
    }
    size_t len = text.len / 4 * 3 + (text.len % 4 == 0 ? 0 : text.len % 4 - 1);
    uint8_t *to;
    TRY(buf_reserve(ret, len, &to));
    for (size_t i = 0; i < text.len; i += 4) {
        if (!decode_group(form, slice_sub(text, i, i + 4), to + i / 4 * 3)) {
            return STATUS_INVALID;
        }
    }
    ret->len += len;
    return STATUS_OK;
}
