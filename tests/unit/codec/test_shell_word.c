// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "codec/shell_word.h"

static bool becomes(const char *word, const char *wanted) {
    auto_buf text;
    buf_init(&text, 64);
    return shell_word_append(&text, slice_from_text(word)) == STATUS_OK &&
           slice_equal_text(buf_slice(&text), wanted);
}

TEST(plain_words_stay) {
    EXPECT(becomes("./hello-c_1.wasm", "./hello-c_1.wasm"));
    EXPECT(becomes("wasi:http@^0.2.0", "'wasi:http@^0.2.0'"));
    EXPECT(becomes("wasi:http/types@0.2.12", "wasi:http/types@0.2.12"));
    EXPECT(becomes("A=1,2%+", "A=1,2%+"));
}

TEST(what_a_shell_reads_is_quoted) {
    static const char *const words[] = {"a b", "a;b", "$HOME", "a*", "~", "#x", "a\nb", "\"", "\\", "&", "ä"};
    EXPECT(becomes("", "''"));
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char wanted[16];
        (void)snprintf(wanted, sizeof wanted, "'%s'", words[i]);
        EXPECT(becomes(words[i], wanted));
    }
    EXPECT(becomes("it's", "'it'\\''s'"));
    EXPECT(becomes("'", "''\\'''"));
}

TEST(room_is_limited) {
    for (size_t room = 0; room < 8; room++) {
        auto_buf text;
        buf_init(&text, room);
        EXPECT_EQ(shell_word_append(&text, slice_from_text("it's")), STATUS_LIMIT);
    }
    auto_buf text;
    buf_init(&text, 9);
    EXPECT_OK(shell_word_append(&text, slice_from_text("it's")));
}
