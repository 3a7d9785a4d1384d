// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "base/mem.h"
#include "bus/nats_internal.h"

enum { INDEX_BITS = 17, FIRST_CAPACITY = 16 };

static const uint64_t index_mask = (1u << INDEX_BITS) - 1;

void nats_table_init(nats_table *t, uint32_t max) {
    CHECK(max <= index_mask);
    *t = (nats_table){.max = max, .first_free = UINT32_MAX};
}

void nats_table_done(nats_table *t) {
    mem_free(t->places);
    *t = (nats_table){0};
}

static status grow(nats_table *t) {
    uint32_t capacity = t->capacity == 0 ? FIRST_CAPACITY : 2 * t->capacity;
    capacity = capacity > t->max ? t->max : capacity;
    if (t->count == t->max) {
        return STATUS_LIMIT;
    }
    struct nats_place *places = mem_try_resize(t->places, capacity * sizeof *places);
    if (places == NULL) {
        return STATUS_LIMIT;
    }
    t->places = places;
    t->capacity = capacity;
    return STATUS_OK;
}

status nats_table_add(nats_table *t, void *item, uint64_t *ret) {
    uint32_t index = t->first_free;
    if (index == UINT32_MAX) {
        if (t->count == t->capacity) {
            TRY(grow(t));
        }
        index = t->count++;
        t->places[index] = (struct nats_place){0};
    } else {
        t->first_free = t->places[index].next_free;
    }
    t->places[index].item = item;
    *ret = (uint64_t)++t->places[index].uses << INDEX_BITS | index;
    return STATUS_OK;
}

void *nats_table_find(const nats_table *t, uint64_t number) {
    uint64_t index = number & index_mask;
    return index < t->count && t->places[index].uses == number >> INDEX_BITS ? t->places[index].item : NULL;
}

void nats_table_remove(nats_table *t, uint64_t number) {
    uint32_t index = (uint32_t)(number & index_mask);
    CHECK(nats_table_find(t, number) != NULL);
    t->places[index].item = NULL;
    t->places[index].next_free = t->first_free;
    t->first_free = index;
}
