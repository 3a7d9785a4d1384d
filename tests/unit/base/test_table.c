// SPDX-License-Identifier: Apache-2.0
#include "base/table.h"

#include "base/list.h"
#include "base/mem.h"
#include "test.h"

typedef struct thing {
    int key;
    table_node node;
} thing;

static thing *find(const table *t, uint64_t hash, int key) {
    for (table_node *n = table_find(t, hash); n != NULL; n = table_find_next(n)) {
        thing *x = LIST_ENTRY(n, thing, node);
        if (x->key == key) {
            return x;
        }
    }
    return NULL;
}

TEST(finds_what_was_added_through_growth) {
    enum { COUNT = 1000 };
    table t = {0};
    EXPECT(table_find(&t, 1) == NULL);
    thing *things = mem_calloc(COUNT, sizeof *things);
    for (int i = 0; i < COUNT; i++) {
        things[i].key = i;
        table_add(&t, &things[i].node, (uint64_t)i / 2); // two of each hash
    }
    EXPECT_EQ(t.count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        EXPECT(find(&t, (uint64_t)i / 2, i) == &things[i]);
    }
    EXPECT(find(&t, 1, 7) == NULL);
    for (int i = 0; i < COUNT; i += 2) {
        table_remove(&t, &things[i].node);
    }
    for (int i = 0; i < COUNT; i++) {
        EXPECT(find(&t, (uint64_t)i / 2, i) == (i % 2 == 0 ? NULL : &things[i]));
    }
    EXPECT_EQ(t.count, COUNT / 2);
    table_done(&t);
    EXPECT(table_find(&t, 1) == NULL);
    mem_free(things);
}
