// SPDX-License-Identifier: Apache-2.0
// A hash table of nodes that are part of what they stand for, chained, which grows with what is in it. Keys
// are the caller's: it gives their hash (of siphash where outsiders choose them) and compares.
//
//   for (table_node *n = table_find(&t, hash); n != NULL; n = table_find_next(n)) { ... is it this one? ... }
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct table_node {
    struct table_node *next;
    uint64_t hash;
} table_node;

typedef struct table { // zeroed: empty
    table_node **buckets;
    size_t bucket_count; // 0, or a power of two
    size_t count;
} table;

void table_done(table *t); // the nodes stay the caller's; accepts a zeroed one

// The node must be in no table. Equal ones may be there together.
void table_add(table *t, table_node *n, uint64_t hash);
void table_remove(table *t, table_node *n); // it must be in there

// The first node of that hash, and the next with the same; NULL at the end.
table_node *table_find(const table *t, uint64_t hash);
table_node *table_find_next(const table_node *n);
