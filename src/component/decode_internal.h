// SPDX-License-Identifier: Apache-2.0
// What the files of the decoder share: the state of one decode, a cursor over its bytes, and small tables.
//
// Errors are sticky: the first one is recorded in the decoder, and from then on every read returns zero and
// every count is zero, so that loops end by themselves. Whoever dereferences something that a lookup returned
// checks it for NULL; a NULL means that the error is recorded. Memory that the result keeps comes from
// `keep`, tables that only the decode needs from `scratch`; running out of either is STATUS_LIMIT.
#pragma once

#include "base/arena.h"
#include "component/component.h"

enum {
    DECODE_WORK_MAX = 10 * 1000 * 1000, // steps in comparing and copying types, over a whole decode
};

typedef struct vec { // growable array in the scratch arena
    void *items;
    uint32_t count;
    uint32_t capacity;
} vec;

typedef struct map_entry {
    uint64_t hash;
    slice key;
    const void *value; // NULL: free
} map_entry;

typedef struct name_map { // by bytes
    map_entry *entries;
    uint32_t count;
    uint32_t capacity; // 0 or a power of two
} name_map;

typedef struct pointer_map_entry {
    const void *key; // NULL: free
    const void *value;
} pointer_map_entry;

typedef struct pointer_map {
    pointer_map_entry *entries;
    uint32_t count;
    uint32_t capacity;
} pointer_map;

typedef struct scope scope;

typedef struct decoder {
    arena *keep;
    arena scratch;
    const component_limits *limits;
    slice whole;
    err *e;
    status code; // of the first error
    uint64_t work;
    uint64_t hash_seed;
    uint32_t type_count; // nodes of types made so far
    uint32_t scope_count;
    uint32_t resource_count;
    uint32_t core_def_count;
    scope *scope;       // innermost
    name_map core_defs; // canonical recursion groups of core types
    vec modules;        // const ast_module *
    vec sections;       // component_section
} decoder;

static inline bool decode_ok(const decoder *d) { return d->code == STATUS_OK; }
// For messages: a name from outside, cut to what people read. Control characters are taken out by
// decode_fail.
#define NAME_ARG(s) (int)((s).len > 100 ? 100 : (s).len), (const char *)(s).data
// Records an error unless there is one already. `offset` is a byte position in the component.
void decode_fail(decoder *d, size_t offset, const char *format, ...) WRIT_FORMAT(3, 4);
void decode_fail_as(decoder *d, status code, size_t offset, const char *format, ...) WRIT_FORMAT(4, 5);
// For parts of the Component Model's asynchronous features.
void decode_fail_async(decoder *d, size_t offset, const char *what);
// Counts steps; false (with an error) when there were too many.
bool decode_work(decoder *d, uint32_t steps);
// The same for comparing or finding a name, whose length is chosen outside.
static inline bool decode_work_name(decoder *d, slice name) {
    return decode_work(d, 1 + (uint32_t)(name.len / 64));
}

// Memory, zeroed. NULL (with an error) when the limit is reached.
void *decode_keep(decoder *d, size_t count, size_t bytes);
void *decode_scratch(decoder *d, size_t count, size_t bytes);
#define KEEP_NEW(d, type) ((type *)decode_keep((d), 1, sizeof(type)))
#define KEEP_ARRAY(d, type, count) ((type *)decode_keep((d), (count), sizeof(type)))

// A new zeroed item at the end, or NULL (with an error).
void *vec_push(decoder *d, vec *v, size_t item_bytes);
// A copy in the kept memory. Never NULL unless there is an error.
void *vec_keep(decoder *d, const vec *v, size_t item_bytes);

// NULL when absent. Values are never NULL.
const void *name_map_get(const decoder *d, const name_map *m, slice key);
// Returns the value that was there before, or NULL after adding. `key` must stay in place.
const void *name_map_add(decoder *d, name_map *m, slice key, const void *value);
const void *pointer_map_get(const pointer_map *m, const void *key);
// Replaces what was there.
void pointer_map_put(decoder *d, pointer_map *m, const void *key, const void *value);

// --- cursor -----------------------------------------------------------------------------------------------

typedef struct reader {
    decoder *d;
    const uint8_t *at;
    const uint8_t *end;
} reader;

reader reader_of(decoder *d, slice bytes);
size_t reader_offset(const reader *r);
bool reader_done(const reader *r); // nothing left, or an error
uint8_t reader_peek(reader *r);
uint8_t reader_byte(reader *r);
bool reader_flag(reader *r); // one byte, 0 or 1
uint32_t reader_u32(reader *r);
uint64_t reader_u64(reader *r);
int64_t reader_s33(reader *r);
slice reader_bytes(reader *r, size_t count);
slice reader_name(reader *r); // length and valid UTF-8 of bounded length
// Length of a vector, of which each item takes at least one byte.
uint32_t reader_count(reader *r);
