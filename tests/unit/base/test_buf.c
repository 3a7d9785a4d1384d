// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include "test.h"

TEST(appends_in_order) {
    auto_buf b;
    buf_init(&b, 1024);
    EXPECT_OK(buf_append(&b, slice_from_text("one ")));
    EXPECT_OK(buf_append_text(&b, "two "));
    EXPECT_OK(buf_append_byte(&b, '3'));
    EXPECT_OK(buf_append_format(&b, " %s-%d", "four", 5));
    EXPECT_OK(buf_append(&b, slice_empty()));
    EXPECT_BYTES(buf_slice(&b), slice_from_text("one two 3 four-5"));
    EXPECT_TEXT(buf_text(&b), "one two 3 four-5");
    EXPECT_U64(b.len, 16);
}

TEST(stays_as_it_was_when_the_maximum_is_reached) {
    auto_buf b;
    buf_init(&b, 8);
    EXPECT_OK(buf_append_text(&b, "12345"));
    EXPECT_STATUS(buf_append_text(&b, "6789"), STATUS_LIMIT);
    EXPECT_STATUS(buf_append_format(&b, "%d", 6789), STATUS_LIMIT);
    EXPECT_BYTES(buf_slice(&b), slice_from_text("12345"));
    EXPECT_OK(buf_append_text(&b, "678"));
    EXPECT_STATUS(buf_append_byte(&b, '9'), STATUS_LIMIT);
    EXPECT(buf_text(&b) == NULL); // no room for the NUL
    EXPECT_BYTES(buf_slice(&b), slice_from_text("12345678"));
}

TEST(reserve_shows_where_to_write) {
    auto_buf b;
    buf_init(&b, 4096);
    EXPECT_OK(buf_append_text(&b, "ab"));
    uint8_t *at = NULL;
    EXPECT_OK(buf_reserve(&b, 1000, &at));
    REQUIRE(at != NULL);
    memset(at, 'c', 1000);
    b.len += 1000;
    EXPECT_U64(b.len, 1002);
    EXPECT_EQ(b.data[1], 'b');
    EXPECT_EQ(b.data[1001], 'c');
    at = NULL;
    EXPECT_STATUS(buf_reserve(&b, SIZE_MAX, &at), STATUS_LIMIT);
    EXPECT(at == NULL);
}

TEST(consume_moves_the_rest_down) {
    auto_buf b;
    buf_init(&b, 64);
    EXPECT_OK(buf_append_text(&b, "head tail"));
    buf_consume(&b, 5);
    EXPECT_TEXT(buf_text(&b), "tail");
    buf_consume(&b, 4);
    EXPECT_U64(b.len, 0);
    buf_clear(&b);
    EXPECT_TEXT(buf_text(&b), "");
}

TEST(grows_to_a_large_size_by_small_steps) {
    auto_buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 1 << 20; i++) {
        REQUIRE(buf_append_byte(&b, (uint8_t)i) == STATUS_OK);
    }
    EXPECT_STATUS(buf_append_byte(&b, 0), STATUS_LIMIT);
    EXPECT_EQ(b.data[0x12345], 0x45);
}
