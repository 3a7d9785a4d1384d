// SPDX-License-Identifier: Apache-2.0
// Blocks double in size up to a cap, so that a small unit of work costs one malloc and a large one a few.
#include "base/arena.h"

#include "base/mem.h"

enum { ARENA_ALIGN = 16, ARENA_FIRST_BLOCK = 4096, ARENA_BLOCK_MAX = 1 << 20 };

struct arena_block {
    _Alignas(ARENA_ALIGN) arena_block *older;
    size_t bytes;
    _Alignas(ARENA_ALIGN) uint8_t data[];
};

typedef struct arena_deferred {
    struct arena_deferred *older;
    void (*fn)(void *arg);
    void *arg;
} arena_deferred;

void arena_init(arena *a, size_t max_bytes) { *a = (arena){.max = max_bytes}; }

void arena_reset(arena *a) {
    for (const arena_deferred *d = a->deferred; d != NULL; d = d->older) {
        d->fn(d->arg);
    }
    for (arena_block *b = a->blocks; b != NULL;) {
        arena_block *older = b->older;
        mem_free(b);
        b = older;
    }
    *a = (arena){.max = a->max};
}

void arena_done(arena *a) { arena_reset(a); }

static bool add_block(arena *a, size_t need) {
    size_t bytes = a->blocks == NULL ? ARENA_FIRST_BLOCK : a->blocks->bytes * 2;
    bytes = bytes > ARENA_BLOCK_MAX ? ARENA_BLOCK_MAX : bytes;
    bytes = bytes < need ? need : bytes;
    arena_block *b = mem_try_alloc(sizeof *b + bytes);
    if (b == NULL) {
        return false;
    }
    b->older = a->blocks;
    b->bytes = bytes;
    a->blocks = b;
    a->next = b->data;
    a->end = b->data + bytes;
    return true;
}

void *arena_alloc(arena *a, size_t bytes) {
    if (bytes > a->max - a->used) {
        return NULL;
    }
    size_t size = bytes == 0 ? ARENA_ALIGN : (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (size > a->max - a->used) {
        return NULL;
    }
    if ((size_t)(a->end - a->next) < size && !add_block(a, size)) {
        return NULL;
    }
    void *p = a->next;
    a->next += size;
    a->used += size;
    return p;
}

void *arena_zalloc(arena *a, size_t bytes) {
    void *p = arena_alloc(a, bytes);
    return p == NULL ? NULL : memset(p, 0, bytes);
}

void *arena_calloc(arena *a, size_t count, size_t bytes) {
    size_t total;
    return __builtin_mul_overflow(count, bytes, &total) ? NULL : arena_zalloc(a, total);
}

slice arena_copy(arena *a, slice bytes) {
    uint8_t *p = arena_alloc(a, bytes.len);
    if (p != NULL && bytes.len > 0) {
        memcpy(p, bytes.data, bytes.len);
    }
    return slice_of(p, bytes.len);
}

bool arena_defer(arena *a, void (*fn)(void *arg), void *arg) {
    arena_deferred *d = ARENA_NEW(a, arena_deferred);
    if (d != NULL) {
        *d = (arena_deferred){a->deferred, fn, arg};
        a->deferred = d;
    }
    return d != NULL;
}

char *arena_text(arena *a, slice bytes) {
    char *p = bytes.len == SIZE_MAX ? NULL : arena_alloc(a, bytes.len + 1);
    if (p != NULL) {
        if (bytes.len > 0) {
            memcpy(p, bytes.data, bytes.len);
        }
        p[bytes.len] = '\0';
    }
    return p;
}
