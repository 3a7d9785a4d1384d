// SPDX-License-Identifier: Apache-2.0
#include "bus/subject_index.h"

#include "base/attributes.h"
#include "base/check.h"
#include "base/mem.h"

enum { FIRST_CAPACITY = 64, TOKENS_MAX = 512 }; // a subject of the bus has at most 256

// --- nodes -------------------------------------------------------------------------------------------------

static subject_node *new_node(subject_node *parent, slice token) {
    subject_node *n = mem_zalloc(sizeof *n + token.len);
    list_init(&n->items);
    n->parent = parent;
    n->len = (uint32_t)token.len;
    if (token.len > 0) {
        memcpy(n->token, token.data, token.len);
    }
    return n;
}

void subject_index_init(subject_index *x, siphash_key key) {
    *x = (subject_index){.key = key,
                         .root = new_node(NULL, slice_empty()),
                         .places = mem_calloc(FIRST_CAPACITY, sizeof(subject_node *)),
                         .capacity = FIRST_CAPACITY};
}

void subject_index_done(subject_index *x) {
    CHECK(x->root->users == 0 && x->count == 0);
    mem_free(x->root);
    mem_free(x->places);
    *x = (subject_index){0};
}

// --- edges -------------------------------------------------------------------------------------------------

static uint64_t edge_hash(const subject_index *x, const subject_node *parent, slice token) {
    const siphash_key key = {x->key.k0 ^ (uint64_t)(uintptr_t)parent, x->key.k1};
    return siphash(key, token);
}

static subject_node *find_child(const subject_index *x, const subject_node *parent, slice token) {
    uint64_t hash = edge_hash(x, parent, token);
    for (subject_node *n = x->places[hash & (x->capacity - 1)]; n != NULL; n = n->next) {
        if (n->hash == hash && n->parent == parent && slice_equal(slice_of(n->token, n->len), token)) {
            return n;
        }
    }
    return NULL;
}

static void put_edge(subject_node **places, size_t capacity, subject_node *n) {
    subject_node **place = &places[n->hash & (capacity - 1)];
    n->next = *place;
    *place = n;
}

static void grow(subject_index *x) {
    size_t capacity = 2 * x->capacity;
    subject_node **places = mem_calloc(capacity, sizeof *places);
    for (size_t i = 0; i < x->capacity; i++) {
        for (subject_node *n = x->places[i]; n != NULL;) {
            subject_node *next = n->next;
            put_edge(places, capacity, n);
            n = next;
        }
    }
    mem_free(x->places);
    x->places = places;
    x->capacity = capacity;
}

static subject_node **wild_child(subject_node *parent, slice token) {
    return slice_equal_text(token, "*") ? &parent->any : slice_equal_text(token, ">") ? &parent->rest : NULL;
}

static subject_node *take_child(subject_index *x, subject_node *parent, slice token) {
    subject_node **wild = wild_child(parent, token);
    subject_node *n = wild != NULL ? *wild : find_child(x, parent, token);
    if (n != NULL) {
        return n;
    }
    n = new_node(parent, token);
    parent->users++;
    if (wild != NULL) {
        *wild = n;
        return n;
    }
    if (x->count == x->capacity) {
        grow(x);
    }
    n->hash = edge_hash(x, parent, token);
    put_edge(x->places, x->capacity, n);
    x->count++;
    return n;
}

static void remove_node(subject_index *x, subject_node *n) {
    subject_node **wild = wild_child(n->parent, slice_of(n->token, n->len));
    CHECK(list_empty(&n->items));
    if (wild != NULL) {
        *wild = NULL;
    } else {
        subject_node **at = &x->places[n->hash & (x->capacity - 1)];
        while (*at != n) {
            at = &(*at)->next;
        }
        *at = n->next;
        x->count--;
    }
    mem_free(n);
}

// --- patterns ----------------------------------------------------------------------------------------------

// Takes the token before the next dot; false when nothing is left.
static bool next_token(slice subject, size_t *at, slice *ret) {
    if (*at > subject.len) {
        return false;
    }
    size_t dot = slice_find(subject, *at, '.');
    *ret = slice_sub(subject, *at, dot);
    *at = dot == SIZE_MAX ? subject.len + 1 : dot + 1;
    return true;
}

subject_node *subject_index_take(subject_index *x, slice pattern) {
    subject_node *n = x->root;
    slice token;
    for (size_t at = 0; next_token(pattern, &at, &token);) {
        n = take_child(x, n, token);
    }
    n->users++;
    return n;
}

void subject_index_give(subject_index *x, subject_node *n) {
    n->users--;
    while (n->users == 0 && n->parent != NULL) {
        subject_node *parent = n->parent;
        remove_node(x, n);
        n = parent;
        n->users--;
    }
}

// --- matching ----------------------------------------------------------------------------------------------

static size_t split(slice subject, slice tokens[TOKENS_MAX]) {
    size_t count = 0;
    for (size_t at = 0; count < TOKENS_MAX && next_token(subject, &at, &tokens[count]);) {
        count++;
    }
    return count;
}

void subject_index_match(const subject_index *x, slice subject, void (*found)(void *arg, subject_node *n),
                         void *arg) {
    // Each step takes one from the stack and puts at most two of the next level there.
    struct step {
        subject_node *n;
        size_t level;
    } stack[TOKENS_MAX + 2] WRIT_UNINITIALIZED;
    slice tokens[TOKENS_MAX] WRIT_UNINITIALIZED;
    size_t depth = 0;
    size_t count = split(subject, tokens);
    stack[depth++] = (struct step){x->root, 0};
    while (depth > 0) {
        const struct step s = stack[--depth];
        if (s.level == count) {
            found(arg, s.n);
            continue;
        }
        if (s.n->rest != NULL) {
            found(arg, s.n->rest);
        }
        subject_node *child = find_child(x, s.n, tokens[s.level]);
        if (s.n->any != NULL) {
            stack[depth++] = (struct step){s.n->any, s.level + 1};
        }
        if (child != NULL) {
            stack[depth++] = (struct step){child, s.level + 1};
        }
    }
}
