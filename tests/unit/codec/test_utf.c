// SPDX-License-Identifier: Apache-2.0
#include "codec/utf.h"
#include "test.h"

// --- a slow second opinion ---------------------------------------------------------------------------------

// Length of the well-formed sequence at the beginning, written from the definition; 0 when there is none.
static size_t plain_length(const uint8_t *s, size_t n) {
    size_t length = s[0] < 0x80             ? 1
                    : (s[0] & 0xe0) == 0xc0 ? 2
                    : (s[0] & 0xf0) == 0xe0 ? 3
                    : (s[0] & 0xf8) == 0xf0 ? 4
                                            : 0;
    if (length == 0 || length > n) {
        return 0;
    }
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t code = s[0] & masks[length];
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (s[i] & 0x3f);
    }
    bool ok = code >= least[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return ok ? length : 0;
}

static bool plain_valid(slice s) {
    for (size_t at = 0; at < s.len;) {
        size_t length = plain_length(s.data + at, s.len - at);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

// --- tests -------------------------------------------------------------------------------------------------

TEST(all_short_sequences) {
    for (uint32_t n = 0; n < 1u << 24; n += n >> 16 > 0xc0 ? 1u : 7u) { // dense where it matters
        uint8_t bytes[3] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
        slice s = slice_of(bytes, sizeof bytes);
        if (utf8_valid(s) != plain_valid(s)) {
            printf("    %02x %02x %02x\n", bytes[0], bytes[1], bytes[2]);
            REQUIRE(utf8_valid(s) == plain_valid(s));
        }
    }
}

TEST(four_byte_borders) {
    EXPECT(utf8_valid(slice_from_text("\xf0\x90\x80\x80")));
    EXPECT(utf8_valid(slice_from_text("\xf4\x8f\xbf\xbf")));
    EXPECT(!utf8_valid(slice_from_text("\xf0\x8f\xbf\xbf"))); // too long a form
    EXPECT(!utf8_valid(slice_from_text("\xf4\x90\x80\x80"))); // past U+10FFFF
    EXPECT(!utf8_valid(slice_from_text("\xf5\x80\x80\x80")));
    EXPECT(!utf8_valid(slice_from_text("\xf0\x90\x80")));
}

// The fast path for ASCII must not step over what stands at any place in its words.
TEST(bad_byte_anywhere) {
    uint8_t text[64];
    for (size_t length = 1; length <= sizeof text; length++) {
        for (size_t bad = 0; bad < length; bad++) {
            memset(text, 'a', sizeof text);
            text[bad] = 0x80;
            size_t at = SIZE_MAX;
            EXPECT_EQ(utf8_check(slice_of(text, length), &at), UTF_INVALID);
            EXPECT_EQ(at, bad);
        }
    }
}

TEST(every_character_there_and_back) {
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        if (code >= 0xd800 && code <= 0xdfff) {
            continue;
        }
        uint8_t bytes[4];
        uint32_t length = utf8_put(bytes, code);
        uint32_t at = 0;
        uint32_t back = 0;
        REQUIRE(utf8_next(bytes, length, &at, &back) && back == code && at == length);
        uint8_t units[4];
        uint32_t count = utf16_put(units, code);
        at = 0;
        REQUIRE(utf16_next(units, count, &at, &back) && back == code && at == count);
    }
}

TEST(lone_surrogates) {
    size_t at;
    EXPECT_EQ(utf16_check((const uint8_t *)"\x00\xd8\x00\xdc", 2, &at), UTF_VALID);
    EXPECT_EQ(utf16_check((const uint8_t *)"a\0\x00\xdc", 2, &at), UTF_INVALID);
    EXPECT_EQ(at, 1);
    EXPECT(utf16_check((const uint8_t *)"\x00\xd8", 1, &at) != UTF_VALID);
    EXPECT(utf16_check((const uint8_t *)"\x00\xd8\x61\x00", 2, &at) != UTF_VALID);
}

TEST(incomplete_is_told_from_wrong) {
    size_t at;
    EXPECT_EQ(utf8_check(slice_from_text("ab\xe2\x82"), &at), UTF_INCOMPLETE);
    EXPECT_EQ(at, 2);
    EXPECT_EQ(utf8_check(slice_from_text("ab\xe2\x28"), &at), UTF_INVALID);
}

TEST(what_people_read_steers_no_terminal) {
    char shown[64];
    EXPECT_TEXT(
        utf8_shown(slice_from_text("a\x1b[1m\n\x7f\xc2\x9b\xe2\x80\xae\xff\xc3\xa9"), shown, sizeof shown),
        "a\\x1b[1m\\x0a\\x7f\\x9b\\u202e\\xff\xc3\xa9");
    EXPECT_TEXT(utf8_shown(slice_from_text("abcdef"), shown, 4), "abc");
    EXPECT_TEXT(utf8_shown(slice_from_text("ab\n"), shown, 5), "ab"); // no half of an escape
    EXPECT_TEXT(utf8_shown(slice_empty(), shown, 1), "");
}
