// SPDX-License-Identifier: Apache-2.0
// Which patterns a subject fits: a tree of tokens, whose edges are in one hash table. Its nodes are counted
// by their users, and gone with the last of them. Costs the visits of the nodes that can match, whoever made
// them.
#pragma once

#include <stdint.h>

#include "base/list.h"
#include "base/siphash.h"
#include "base/slice.h"

typedef struct subject_node subject_node;
struct subject_node {
    list_node items; // the user's
    void *chosen;    // the user's, NULL at first
    uint64_t round;
    uint64_t count;
    subject_node *parent; // NULL = the root
    subject_node *any;    // child '*'
    subject_node *rest;   // child '>'
    subject_node *next;   // with the same place in the table
    uint64_t hash;
    uint32_t users; // and children
    uint32_t len;
    uint8_t token[];
};

typedef struct subject_index {
    siphash_key key;
    subject_node *root;
    subject_node **places;
    size_t capacity; // a power of two
    size_t count;
} subject_index;

void subject_index_init(subject_index *x, siphash_key key);
void subject_index_done(subject_index *x); // when every node was given back

// The node of a pattern (checked by the caller), made when it is not there. Each take has its give.
subject_node *subject_index_take(subject_index *x, slice pattern);
void subject_index_give(subject_index *x, subject_node *n);

// Calls `found` with each node whose pattern the plain subject fits. The index must not change meanwhile.
void subject_index_match(const subject_index *x, slice subject, void (*found)(void *arg, subject_node *n),
                         void *arg);
