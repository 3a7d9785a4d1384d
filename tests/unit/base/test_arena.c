// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include "test.h"

TEST(hands_out_aligned_and_distinct_memory) {
    auto_arena a;
    arena_init(&a, 1 << 20);
    char *previous = NULL;
    for (size_t size = 0; size < 200; size++) {
        char *p = arena_alloc(&a, size);
        REQUIRE(p != NULL);
        EXPECT_EQ((uintptr_t)p % 16, 0);
        EXPECT(p != previous);
        memset(p, 0xaa, size);
        previous = p;
    }
}

TEST(zeroes_what_it_promises_to_zero) {
    auto_arena a;
    arena_init(&a, 1 << 20);
    memset(arena_alloc(&a, 256), 0xff, 256);
    const uint8_t *p = arena_calloc(&a, 64, 4);
    REQUIRE(p != NULL);
    for (size_t i = 0; i < 256; i++) {
        EXPECT_EQ(p[i], 0);
    }
}

TEST(refuses_past_its_maximum_and_keeps_working) {
    auto_arena a;
    arena_init(&a, 64);
    EXPECT(arena_alloc(&a, 65) == NULL);
    EXPECT(arena_alloc(&a, SIZE_MAX) == NULL);
    EXPECT(arena_alloc(&a, 48) != NULL);
    EXPECT(arena_alloc(&a, 17) == NULL);
    EXPECT(arena_alloc(&a, 16) != NULL);
    EXPECT(arena_alloc(&a, 0) == NULL); // even an empty one has an address of its own
    EXPECT_U64(a.used, 64);
}

TEST(counts_that_overflow_are_refused) {
    auto_arena a;
    arena_init(&a, SIZE_MAX);
    EXPECT(arena_calloc(&a, SIZE_MAX / 2, 3) == NULL);
    EXPECT(arena_alloc(&a, SIZE_MAX - 4) == NULL);
}

TEST(serves_sizes_larger_than_a_block) {
    auto_arena a;
    arena_init(&a, 64 << 20);
    uint8_t *small = arena_alloc(&a, 8);
    uint8_t *large = arena_alloc(&a, 5 << 20);
    REQUIRE(small != NULL && large != NULL);
    small[7] = 1;
    large[(5 << 20) - 1] = 2;
    EXPECT_EQ(small[7], 1);
}

TEST(reset_makes_room_again) {
    auto_arena a;
    arena_init(&a, 128);
    EXPECT(arena_alloc(&a, 128) != NULL);
    EXPECT(arena_alloc(&a, 1) == NULL);
    arena_reset(&a);
    EXPECT(arena_alloc(&a, 128) != NULL);
}

TEST(copies_bytes_and_text) {
    auto_arena a;
    arena_init(&a, 1024);
    slice copy = arena_copy(&a, slice_from_text("bytes"));
    EXPECT_BYTES(copy, slice_from_text("bytes"));
    EXPECT_TEXT(arena_text(&a, slice_of("text and more", 4)), "text");
    EXPECT_TEXT(arena_text(&a, slice_empty()), "");
    EXPECT(arena_copy(&a, slice_of("x", 4096)).data == NULL);
}

static char order[4];
static void note(void *arg) { strncat(order, arg, 1); }

TEST(what_was_deferred_is_done_once_and_the_last_first) {
    auto_arena a;
    char first[] = "1", second[] = "2";
    arena_init(&a, 64);
    EXPECT(arena_defer(&a, note, first) && arena_defer(&a, note, second));
    EXPECT(!arena_defer(&a, note, first)); // past the maximum
    EXPECT_TEXT(order, "");
    arena_reset(&a);
    EXPECT_TEXT(order, "21");
    arena_reset(&a);
    EXPECT_TEXT(order, "21");
}
