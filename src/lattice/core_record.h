// SPDX-License-Identifier: Apache-2.0
// How a core keeps what it knows: tables of records by name, and blocks of memory that hold a value with all
// that it points at.
#pragma once

#include "lattice/core.h"

// --- blocks ------------------------------------------------------------------------------------------------

// A value is packed twice by the same code: once to count, once into a block of that size. Texts end with a
// NUL that their length does not count.
typedef struct core_packer {
    uint8_t *data; // NULL = counting
    size_t used;
} core_packer;

void *core_pack(core_packer *p, size_t count, size_t bytes); // aligned; NULL when counting
slice core_pack_text(core_packer *p, slice text);
lattice_texts core_pack_texts(core_packer *p, lattice_texts texts);
lattice_pairs core_pack_pairs(core_packer *p, lattice_pairs pairs);
lattice_link core_pack_link(core_packer *p, const lattice_link *link);

lattice_pairs core_pairs_copy(lattice_pairs pairs, void **ret_block); // the caller frees the block

bool core_texts_equal(lattice_texts a, lattice_texts b);
bool core_pairs_equal(lattice_pairs a, lattice_pairs b);
const lattice_pair *core_pairs_find(lattice_pairs pairs, slice key); // NULL = it has none
// Sorts by key.
void core_pairs_sort(lattice_pair *items, size_t count);

// --- tables ------------------------------------------------------------------------------------------------

typedef struct core_record { // the first part of all that stand in a table
    slice key;
} core_record;

typedef struct core_table { // in the order of keys
    core_record **items;
    size_t count;
    size_t capacity;
} core_table;

// A zeroed record of `size` bytes with a copy of the key behind it; freed by mem_free.
void *core_record_new(size_t size, slice key);
void *core_table_find(const core_table *t, slice key); // NULL = it is not there
void core_table_add(core_table *t, core_record *r);    // that is not there
void core_table_remove(core_table *t, const core_record *r);
void core_table_done(core_table *t); // not the records
