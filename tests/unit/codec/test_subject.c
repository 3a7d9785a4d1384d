// SPDX-License-Identifier: Apache-2.0
#include "codec/subject.h"

#include "test.h"

static bool covers(const char *pattern, const char *name) {
    return subject_covers(slice_from_text(pattern), slice_from_text(name));
}

TEST(subjects_and_patterns) {
    static const char *const plain[] = {"a", "a.b", "_INBOX.x1.2", "$JS.API", "\xc3\xa4.b", "a-b/c:d"};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        EXPECT(subject_is_plain(slice_from_text(plain[i])) && subject_is_pattern(slice_from_text(plain[i])));
    }
    static const char *const patterns[] = {"*", ">", "a.*", "*.b", "a.>", "a.*.c.>"};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        EXPECT(!subject_is_plain(slice_from_text(patterns[i])));
        EXPECT(subject_is_pattern(slice_from_text(patterns[i])));
    }
    static const char *const neither[] = {"",     ".",     "a.",   ".a",    "a..b", "a b", "a\n",
                                          "a\tb", "a\x7f", "a*.b", "a.>.b", "a.b>", "**"};
    for (size_t i = 0; i < sizeof neither / sizeof neither[0]; i++) {
        EXPECT(!subject_is_pattern(slice_from_text(neither[i])));
    }
    EXPECT(!subject_is_pattern(slice_of("a\0b", 3)));
    char longest[SUBJECT_BYTES_MAX + 1];
    memset(longest, 'x', sizeof longest);
    EXPECT(subject_is_plain(slice_of(longest, SUBJECT_BYTES_MAX)));
    EXPECT(!subject_is_plain(slice_of(longest, SUBJECT_BYTES_MAX + 1)));
}

TEST(patterns_cover_subjects) {
    EXPECT(covers("a.b", "a.b") && !covers("a.b", "a.c") && !covers("a.b", "a") && !covers("a", "a.b"));
    EXPECT(covers("*", "a") && !covers("*", "a.b"));
    EXPECT(covers("a.*.c", "a.b.c") && !covers("a.*.c", "a.c") && !covers("a.*", "a.b.c"));
    EXPECT(covers(">", "a") && covers(">", "a.b.c"));
    EXPECT(covers("a.>", "a.b") && covers("a.>", "a.b.c") && !covers("a.>", "a") && !covers("a.>", "b.a"));
    EXPECT(!covers(">", "a..b") && !covers(">", ""));
}

TEST(patterns_cover_patterns) {
    EXPECT(covers("a.*", "a.*") && covers("a.>", "a.*") && covers("a.>", "a.b.>") && covers(">", "*.b"));
    EXPECT(!covers("a.*", "a.>") && !covers("a.b", "a.*") && !covers("*", ">") && !covers("a.*.c", "a.>"));
}
