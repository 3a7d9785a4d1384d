// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "codec/base32.h"

static bool decodes(const char *text, const char *wanted) {
    uint8_t bytes[64];
    size_t len = 0;
    return base32_decode(slice_from_text(text), bytes, sizeof bytes, &len) &&
           slice_equal_text(slice_of(bytes, len), wanted);
}

// RFC 4648, section 10, without the padding.
TEST(known_answers) {
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "MY"},
                                           {"fo", "MZXQ"},
                                           {"foo", "MZXW6"},
                                           {"foob", "MZXW6YQ"},
                                           {"fooba", "MZXW6YTB"},
                                           {"foobar", "MZXW6YTBOI"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char text[32] = {0};
        base32_encode(slice_from_text(pairs[i][0]), text);
        EXPECT_TEXT(text, pairs[i][1]);
        EXPECT_EQ(strlen(text), BASE32_TEXT_LEN(strlen(pairs[i][0])));
        EXPECT(decodes(pairs[i][1], pairs[i][0]));
    }
}

TEST(all_values_go_there_and_back) {
    for (unsigned first = 0; first < 256; first++) {
        uint8_t bytes[5], back[5];
        for (unsigned i = 0; i < 5; i++) {
            bytes[i] = (uint8_t)(first * (i + 1) + i);
        }
        char text[8];
        size_t len = 0;
        base32_encode(slice_of(bytes, 5), text);
        EXPECT(base32_decode(slice_of(text, 8), back, 5, &len));
        EXPECT_EQ(len, 5);
        EXPECT(memcmp(bytes, back, 5) == 0);
    }
}

TEST(every_other_byte_is_refused) {
    for (unsigned c = 0; c < 256; c++) {
        uint8_t text[8] = {'A', 'A', (uint8_t)c, 'A', 'A', 'A', 'A', 'A'}, bytes[5];
        size_t len = 0;
        bool allowed = (c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7');
        EXPECT_EQ(base32_decode(slice_of(text, 8), bytes, 5, &len), allowed);
    }
}

TEST(only_the_canonical_text_is_taken) {
    EXPECT(!decodes("my", "f"));       // lower case
    EXPECT(!decodes("MZ", "f"));       // bits behind the last byte
    EXPECT(!decodes("MY======", "f")); // padding
    EXPECT(!decodes("MY ", "f"));
    EXPECT(!decodes("M", "")); // no whole byte
    EXPECT(!decodes("MZX", "f"));
    EXPECT(!decodes("MZXW6Y", "foo"));
}

TEST(more_than_the_maximum_is_refused) {
    uint8_t bytes[3] = {0};
    size_t len = 7;
    EXPECT(!base32_decode(slice_from_text("MZXW6YQ"), bytes, 3, &len));
    EXPECT_EQ(len, 7);
    EXPECT_EQ(bytes[0], 0);
    EXPECT(base32_decode(slice_from_text("MZXW6"), bytes, 3, &len));
    EXPECT_EQ(len, 3);
}
