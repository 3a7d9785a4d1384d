// SPDX-License-Identifier: Apache-2.0
// Runs of ASCII, which is most text, are handled eight bytes at a time.
#include "codec/utf.h"

static const uint64_t high_bits = 0x8080808080808080u;

// How many bytes from `from` on are ASCII.
static size_t ascii_run(const uint8_t *data, size_t from, size_t len) {
    size_t at = from;
    while (len - at >= 8) {
        uint64_t word;
        memcpy(&word, data + at, 8);
        word &= high_bits;
        if (word != 0) {
            return at - from + (size_t)__builtin_ctzll(word) / 8;
        }
        at += 8;
    }
    while (at < len && data[at] < 0x80) {
        at++;
    }
    return at - from;
}

static bool continuation(uint8_t byte) { return (byte & 0xc0) == 0x80; }

// Length of the well-formed multi-byte sequence at `s`, of which `room` bytes are there; 0 when it is not one.
// Table 3-7 of the Unicode standard: only the second byte's range depends on the first.
static size_t sequence_length(const uint8_t *s, size_t room) {
    uint8_t lead = s[0];
    if (lead >= 0xc2 && lead <= 0xdf) {
        return room >= 2 && continuation(s[1]) ? 2 : 0;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        uint8_t low = lead == 0xe0 ? 0xa0 : 0x80;
        uint8_t high = lead == 0xed ? 0x9f : 0xbf;
        return room >= 3 && s[1] >= low && s[1] <= high && continuation(s[2]) ? 3 : 0;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        uint8_t low = lead == 0xf0 ? 0x90 : 0x80;
        uint8_t high = lead == 0xf4 ? 0x8f : 0xbf;
        return room >= 4 && s[1] >= low && s[1] <= high && continuation(s[2]) && continuation(s[3]) ? 4 : 0;
    }
    return 0;
}

size_t utf8_valid_prefix(slice text) {
    size_t at = 0;
    while (at < text.len) {
        at += ascii_run(text.data, at, text.len);
        if (at == text.len) {
            break;
        }
        size_t length = sequence_length(text.data + at, text.len - at);
        if (length == 0) {
            break;
        }
        at += length;
    }
    return at;
}

bool utf8_valid(slice text) { return utf8_valid_prefix(text) == text.len; }

uint32_t utf8_next(slice *text) {
    const uint8_t *s = text->data;
    uint32_t code;
    size_t length;
    if (s[0] < 0x80) {
        code = s[0];
        length = 1;
    } else if (s[0] < 0xe0) {
        code = (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
        length = 2;
    } else if (s[0] < 0xf0) {
        code = (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
        length = 3;
    } else {
        code = (s[0] & 0x07u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 | (s[3] & 0x3fu);
        length = 4;
    }
    text->data += length;
    text->len -= length;
    return code;
}

size_t utf8_put(uint8_t *out, uint32_t c) {
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

static uint32_t unit_at(const uint8_t *units, size_t index) {
    return units[index * 2] | (uint32_t)units[index * 2 + 1] << 8;
}

static void unit_put(uint8_t *units, size_t index, uint32_t value) {
    units[index * 2] = (uint8_t)value;
    units[index * 2 + 1] = (uint8_t)(value >> 8);
}

static bool high_surrogate(uint32_t unit) { return unit >= 0xd800 && unit <= 0xdbff; }
static bool low_surrogate(uint32_t unit) { return unit >= 0xdc00 && unit <= 0xdfff; }

bool utf16_measure_utf8(const uint8_t *units, size_t count, size_t *ret_bytes) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t unit = unit_at(units, i);
        if (unit < 0x80) {
            bytes += 1;
        } else if (unit < 0x800) {
            bytes += 2;
        } else if (!high_surrogate(unit) && !low_surrogate(unit)) {
            bytes += 3;
        } else if (high_surrogate(unit) && i + 1 < count && low_surrogate(unit_at(units, i + 1))) {
            bytes += 4;
            i++;
        } else {
            return false;
        }
    }
    *ret_bytes = bytes;
    return true;
}

size_t utf16_to_utf8(const uint8_t *units, size_t count, uint8_t *out) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t code = unit_at(units, i);
        if (high_surrogate(code)) {
            code = 0x10000 + ((code - 0xd800) << 10) + (unit_at(units, ++i) - 0xdc00);
        }
        at += utf8_put(out + at, code);
    }
    return at;
}

size_t latin1_measure_utf8(slice text) {
    size_t bytes = text.len;
    for (size_t i = 0; i < text.len; i++) {
        bytes += text.data[i] >> 7;
    }
    return bytes;
}

size_t latin1_to_utf8(slice text, uint8_t *out) {
    size_t at = 0;
    for (size_t i = 0; i < text.len; i++) {
        at += utf8_put(out + at, text.data[i]);
    }
    return at;
}

size_t utf8_measure_utf16(slice text) {
    size_t units = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        units += !continuation(byte);
        units += byte >= 0xf0; // a surrogate pair
    }
    return units;
}

size_t utf8_to_utf16(slice text, uint8_t *out) {
    size_t units = 0;
    while (text.len > 0) {
        uint32_t code = utf8_next(&text);
        if (code < 0x10000) {
            unit_put(out, units++, code);
        } else {
            unit_put(out, units++, 0xd800 + ((code - 0x10000) >> 10));
            unit_put(out, units++, 0xdc00 + ((code - 0x10000) & 0x3ff));
        }
    }
    return units;
}

bool utf8_measure_latin1(slice text, size_t *ret_units) {
    size_t units = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte > 0xc3) { // the lead bytes of U+0080 to U+00FF are C2 and C3
            return false;
        }
        units += !continuation(byte);
    }
    *ret_units = units;
    return true;
}

size_t utf8_to_latin1(slice text, uint8_t *out) {
    size_t units = 0;
    while (text.len > 0) {
        out[units++] = (uint8_t)utf8_next(&text);
    }
    return units;
}
