// SPDX-License-Identifier: Apache-2.0
#include "lattice/core_record.h"

#include <stdlib.h>

#include "base/mem.h"

enum { PACK_ALIGN = 8 };

// --- blocks ------------------------------------------------------------------------------------------------

void *core_pack(core_packer *p, size_t count, size_t bytes) {
    size_t at = (p->used + PACK_ALIGN - 1) & ~(size_t)(PACK_ALIGN - 1);
    p->used = at + count * bytes;
    return p->data == NULL ? NULL : p->data + at;
}

slice core_pack_text(core_packer *p, slice text) {
    uint8_t *data = core_pack(p, text.len + 1, 1);
    if (data == NULL) {
        return text;
    }
    if (text.len > 0) {
        memcpy(data, text.data, text.len);
    }
    data[text.len] = '\0';
    return slice_of(data, text.len);
}

lattice_texts core_pack_texts(core_packer *p, lattice_texts texts) {
    slice *items = core_pack(p, texts.count, sizeof *items);
    for (size_t i = 0; i < texts.count; i++) {
        slice text = core_pack_text(p, texts.items[i]);
        if (items != NULL) {
            items[i] = text;
        }
    }
    return (lattice_texts){.count = texts.count, .items = items};
}

lattice_pairs core_pack_pairs(core_packer *p, lattice_pairs pairs) {
    lattice_pair *items = core_pack(p, pairs.count, sizeof *items);
    for (size_t i = 0; i < pairs.count; i++) {
        lattice_pair pair = {.key = core_pack_text(p, pairs.items[i].key),
                             .value = core_pack_text(p, pairs.items[i].value)};
        if (items != NULL) {
            items[i] = pair;
        }
    }
    return (lattice_pairs){.count = pairs.count, .items = items};
}

lattice_link core_pack_link(core_packer *p, const lattice_link *link) {
    return (lattice_link){
        .source = core_pack_text(p, link->source),
        .target = core_pack_text(p, link->target),
        .name = core_pack_text(p, link->name),
        .ns = core_pack_text(p, link->ns),
        .package = core_pack_text(p, link->package),
        .interfaces = core_pack_texts(p, link->interfaces),
        .source_config = core_pack_texts(p, link->source_config),
        .target_config = core_pack_texts(p, link->target_config),
    };
}

lattice_pairs core_pairs_copy(lattice_pairs pairs, void **ret_block) {
    core_packer count = {0};
    (void)core_pack_pairs(&count, pairs);
    core_packer p = {.data = mem_alloc(count.used + 1)};
    *ret_block = p.data;
    return core_pack_pairs(&p, pairs);
}

bool core_texts_equal(lattice_texts a, lattice_texts b) {
    for (size_t i = 0; i < a.count && a.count == b.count; i++) {
        if (!slice_equal(a.items[i], b.items[i])) {
            return false;
        }
    }
    return a.count == b.count;
}

bool core_pairs_equal(lattice_pairs a, lattice_pairs b) {
    for (size_t i = 0; i < a.count && a.count == b.count; i++) {
        if (!slice_equal(a.items[i].key, b.items[i].key) ||
            !slice_equal(a.items[i].value, b.items[i].value)) {
            return false;
        }
    }
    return a.count == b.count;
}

static int compare_pairs(const void *a, const void *b) {
    return slice_compare(((const lattice_pair *)a)->key, ((const lattice_pair *)b)->key);
}

const lattice_pair *core_pairs_find(lattice_pairs pairs, slice key) {
    lattice_pair wanted = {.key = key};
    return pairs.count == 0 ? NULL : bsearch(&wanted, pairs.items, pairs.count, sizeof wanted, compare_pairs);
}

void core_pairs_sort(lattice_pair *items, size_t count) {
    if (count > 1) {
        qsort(items, count, sizeof *items, compare_pairs);
    }
}

// --- tables ------------------------------------------------------------------------------------------------

void *core_record_new(size_t size, slice key) {
    uint8_t *memory = mem_zalloc(size + key.len + 1);
    if (key.len > 0) {
        memcpy(memory + size, key.data, key.len);
    }
    core_record *r = (core_record *)(void *)memory;
    r->key = slice_of(memory + size, key.len);
    return r;
}

static size_t place(const core_table *t, slice key, bool *ret_found) {
    size_t from = 0;
    size_t to = t->count;
    *ret_found = false;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = slice_compare(t->items[middle]->key, key);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        from = order < 0 ? middle + 1 : from;
        to = order < 0 ? to : middle;
    }
    return from;
}

void *core_table_find(const core_table *t, slice key) {
    bool found;
    size_t at = place(t, key, &found);
    return found ? t->items[at] : NULL;
}

void core_table_add(core_table *t, core_record *r) {
    if (t->count == t->capacity) {
        t->capacity = t->capacity == 0 ? 16 : t->capacity * 2;
        t->items = mem_resize(t->items, t->capacity * sizeof(core_record *));
    }
    bool found;
    size_t at = place(t, r->key, &found);
    memmove(t->items + at + 1, t->items + at, (t->count - at) * sizeof(core_record *));
    t->items[at] = r;
    t->count++;
}

void core_table_remove(core_table *t, const core_record *r) {
    bool found;
    size_t at = place(t, r->key, &found);
    if (found) {
        memmove(t->items + at, t->items + at + 1, (t->count - at - 1) * sizeof(core_record *));
        t->count--;
    }
}

void core_table_done(core_table *t) {
    mem_free(t->items);
    *t = (core_table){0};
}
