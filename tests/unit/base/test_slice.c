// SPDX-License-Identifier: Apache-2.0
#include "base/slice.h"

#include "test.h"

static slice text(const char *t) { return slice_from_text(t); }

TEST(compares_as_bytes) {
    EXPECT(slice_equal(text("abc"), text("abc")));
    EXPECT(!slice_equal(text("abc"), text("abd")));
    EXPECT(!slice_equal(text("abc"), text("ab")));
    EXPECT(slice_equal(slice_empty(), text("")));
    EXPECT(slice_compare(text("a"), text("b")) < 0);
    EXPECT(slice_compare(text("ab"), text("a")) > 0);
    EXPECT(slice_compare(text("\xff"), text("a")) > 0);
    EXPECT_EQ(slice_compare(text("same"), text("same")), 0);
    EXPECT_EQ(slice_compare(slice_empty(), text("")), 0);
}

TEST(ignores_case_of_ascii_only) {
    EXPECT(slice_equal_nocase(text("Content-Type"), text("content-TYPE")));
    EXPECT(!slice_equal_nocase(text("@"), text("`")));
    EXPECT(!slice_equal_nocase(text("\xc4"), text("\xe4")));
    EXPECT(!slice_equal_nocase(text("ab"), text("a")));
}

TEST(trims_white_space) {
    static const char *const rows[][2] = {{"", ""},       {" ", ""},         {"a", "a"}, {" a b\r\n", "a b"},
                                          {"\t\na", "a"}, {"\va\v", "\va\v"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EXPECT(slice_equal_text(slice_trimmed(slice_from_text(rows[i][0])), rows[i][1]));
    }
    EXPECT_EQ(slice_trimmed(slice_empty()).len, 0);
}

TEST(sub_is_clamped) {
    EXPECT_BYTES(slice_sub(text("abcdef"), 1, 3), text("bc"));
    EXPECT_BYTES(slice_sub(text("abcdef"), 4, 99), text("ef"));
    EXPECT_U64(slice_sub(text("abcdef"), 9, 99).len, 0);
    EXPECT_U64(slice_sub(text("abcdef"), 4, 2).len, 0);
}

TEST(finds_a_byte_from_a_place_on) {
    EXPECT_U64(slice_find(text("a,b,c"), 0, ','), 1);
    EXPECT_U64(slice_find(text("a,b,c"), 2, ','), 3);
    EXPECT_U64(slice_find(text("a,b,c"), 4, ','), SIZE_MAX);
    EXPECT_U64(slice_find(text("a,b,c"), 77, ','), SIZE_MAX);
    EXPECT_U64(slice_find(slice_empty(), 0, ','), SIZE_MAX);
}

TEST(starts_with_a_prefix) {
    EXPECT(slice_starts_with(text("wasi:http/types"), "wasi:"));
    EXPECT(slice_starts_with(text(""), ""));
    EXPECT(!slice_starts_with(text("wa"), "wasi:"));
}

TEST(parses_decimal_numbers_and_nothing_else) {
    uint64_t n = 5;
    EXPECT(slice_to_u64(text("0"), &n) && n == 0);
    EXPECT(slice_to_u64(text("18446744073709551615"), &n) && n == UINT64_MAX);
    n = 5;
    const char *const wrong[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "99999999999999999999", "1_0"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT(!slice_to_u64(text(wrong[i]), &n));
        EXPECT_U64(n, 5);
    }
}
