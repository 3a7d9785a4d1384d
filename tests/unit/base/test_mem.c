// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"

#include "base/list.h"
#include "test.h"

TEST(try_twins_answer_null_for_the_impossible) {
    EXPECT(mem_try_calloc(SIZE_MAX / 2, 3) == NULL);
    void *p = mem_try_alloc(0);
    EXPECT(p != NULL);
    mem_free(p);
    mem_free(NULL);
}

TEST(zeroed_memory_is_zero) {
    uint8_t *p = mem_calloc(16, 4);
    for (size_t i = 0; i < 64; i++) {
        EXPECT_EQ(p[i], 0);
    }
    p = mem_resize(p, 128);
    EXPECT_EQ(p[63], 0);
    mem_free(p);
}

TEST(text_is_duplicated) {
    const char *original = "text";
    char *copy = mem_text_dup(original);
    EXPECT(copy != original);
    EXPECT_TEXT(copy, "text");
    mem_free(copy);
    copy = mem_slice_dup(slice_of(original, 2));
    EXPECT_TEXT(copy, "te");
    mem_free(copy);
    copy = mem_slice_dup(slice_empty());
    EXPECT_TEXT(copy, "");
    mem_free(copy);
}

typedef struct item {
    int value;
    list_node link;
} item;

TEST(list_keeps_order_and_removes_from_the_middle) {
    list_node head;
    list_init(&head);
    EXPECT(list_empty(&head));
    EXPECT(list_pop_front(&head) == NULL);
    item items[3] = {{.value = 0}, {.value = 1}, {.value = 2}};
    for (int i = 0; i < 3; i++) {
        list_push_back(&head, &items[i].link);
    }
    list_remove(&items[1].link);
    list_remove(&items[1].link); // safe twice
    EXPECT_EQ(LIST_ENTRY(list_pop_front(&head), item, link)->value, 0);
    EXPECT_EQ(LIST_ENTRY(list_pop_front(&head), item, link)->value, 2);
    EXPECT(list_empty(&head));
}
