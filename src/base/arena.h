// SPDX-License-Identifier: Apache-2.0
// A bump allocator for one unit of work (a call, a request, a decode). Freed all at once. Bounded: past its
// maximum it returns NULL, which callers turn into STATUS_LIMIT. Not thread-safe.
#pragma once

#include "base/attributes.h"
#include "base/slice.h"

typedef struct arena_block arena_block;

typedef struct arena {
    arena_block *blocks; // newest first
    uint8_t *next;
    uint8_t *end;
    size_t used; // bytes handed out, with alignment
    size_t max;  // bytes
    struct arena_deferred *deferred;
} arena;

void arena_init(arena *a, size_t max_bytes);
// Frees everything; the arena can be used again.
void arena_reset(arena *a);
void arena_done(arena *a); // accepts a zeroed arena
#define auto_arena WRIT_CLEANUP(arena_done) arena

// 16-byte aligned. NULL past the maximum or when memory is out. A size of 0 gives a valid unique pointer.
void *arena_alloc(arena *a, size_t bytes) WRIT_MUST_USE;                // not zeroed
void *arena_zalloc(arena *a, size_t bytes) WRIT_MUST_USE;               // zeroed
void *arena_calloc(arena *a, size_t count, size_t bytes) WRIT_MUST_USE; // zeroed; NULL on overflow
// Copies; a NULL data with len > 0 reports failure.
slice arena_copy(arena *a, slice bytes);
char *arena_text(arena *a, slice bytes); // NUL-terminated copy, NULL on failure

// Calls `fn` when the arena is freed, before its memory goes; the last one registered comes first. For what
// lives as long but must not be freed as plain memory. False past the maximum: then nothing was registered.
bool arena_defer(arena *a, void (*fn)(void *arg), void *arg) WRIT_MUST_USE;

#define ARENA_NEW(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_calloc((a), (count), sizeof(type)))
