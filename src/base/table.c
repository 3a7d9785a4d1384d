// SPDX-License-Identifier: Apache-2.0
#include "base/table.h"

#include "base/check.h"
#include "base/mem.h"

enum { BUCKETS_MIN = 16 };

void table_done(table *t) {
    mem_free(t->buckets);
    *t = (table){0};
}

static table_node **bucket_of(const table *t, uint64_t hash) {
    return &t->buckets[(size_t)hash & (t->bucket_count - 1)];
}

static void grow(table *t) {
    table old = *t;
    t->bucket_count = old.bucket_count == 0 ? BUCKETS_MIN : old.bucket_count * 2;
    t->buckets = mem_calloc(t->bucket_count, sizeof(table_node *));
    for (size_t i = 0; i < old.bucket_count; i++) {
        for (table_node *n = old.buckets[i], *next; n != NULL; n = next) {
            next = n->next;
            table_node **bucket = bucket_of(t, n->hash);
            n->next = *bucket;
            *bucket = n;
        }
    }
    mem_free(old.buckets);
}

void table_add(table *t, table_node *n, uint64_t hash) {
    if (t->count == t->bucket_count) {
        grow(t);
    }
    table_node **bucket = bucket_of(t, hash);
    *n = (table_node){.next = *bucket, .hash = hash};
    *bucket = n;
    t->count++;
}

void table_remove(table *t, table_node *n) {
    CHECK(t->count > 0);
    table_node **at = bucket_of(t, n->hash);
    while (*at != n) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = n->next;
    n->next = NULL;
    t->count--;
}

table_node *table_find(const table *t, uint64_t hash) {
    if (t->count == 0) {
        return NULL;
    }
    table_node *n = *bucket_of(t, hash);
    return n == NULL || n->hash == hash ? n : table_find_next(&(table_node){.next = n->next, .hash = hash});
}

table_node *table_find_next(const table_node *n) {
    table_node *next = n->next;
    while (next != NULL && next->hash != n->hash) {
        next = next->next;
    }
    return next;
}
