// SPDX-License-Identifier: Apache-2.0
// Errors, memory, tables and the cursor of the decoder.
#include <stdio.h>

#include "codec/leb128.h"
#include "codec/utf.h"
#include "component/decode_internal.h"

// --- errors -----------------------------------------------------------------------------------------------

// Names come from outside and may have been cut: no message breaks UTF-8 or moves the cursor of a terminal.
static void make_printable(char *text) {
    slice all = slice_from_text(text);
    for (size_t bad; utf8_check(all, &bad) != UTF_VALID;) {
        text[bad] = '?';
    }
    for (size_t i = 0; i < all.len; i++) {
        uint8_t byte = all.data[i];
        if (byte == 0xc2 && all.data[i + 1] < 0xa0) { // U+0080 to U+009F; valid, so there is a second byte
            text[i] = text[i + 1] = '?';
        } else if (byte < 0x20 || byte == 0x7f) {
            text[i] = '?';
        }
    }
}

static void fail_va(decoder *d, status code, size_t offset, const char *format, va_list arguments) {
    if (d->code != STATUS_OK) {
        return;
    }
    d->code = code;
    char text[ERR_MESSAGE_BYTES_MAX];
    vsnprintf(text, sizeof text, format, arguments);
    make_printable(text);
    err_set(d->e, code, "byte %zu: %s", offset, text);
}

void decode_fail(decoder *d, size_t offset, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fail_va(d, STATUS_INVALID, offset, format, arguments);
    va_end(arguments);
}

void decode_fail_as(decoder *d, status code, size_t offset, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fail_va(d, code, offset, format, arguments);
    va_end(arguments);
}

void decode_fail_async(decoder *d, size_t offset, const char *what) {
    decode_fail_as(d, STATUS_UNSUPPORTED, offset,
                   "needs component-model async, which this version does not host (uses %s)", what);
}

bool decode_work(decoder *d, uint32_t steps) {
    d->work += steps;
    if (d->work > DECODE_WORK_MAX) {
        decode_fail_as(d, STATUS_LIMIT, d->whole.len,
                       "types are too large, or used too often, to be checked");
    }
    return decode_ok(d);
}

// --- memory -----------------------------------------------------------------------------------------------

static void *allocate(decoder *d, arena *a, size_t count, size_t bytes) {
    if (!decode_ok(d)) {
        return NULL;
    }
    void *memory = arena_calloc(a, count, bytes);
    if (memory == NULL) {
        decode_fail_as(d, STATUS_LIMIT, d->whole.len,
                       "needs more memory to decode than the limit of %zu bytes", d->limits->arena_bytes_max);
    }
    return memory;
}

void *decode_keep(decoder *d, size_t count, size_t bytes) { return allocate(d, d->keep, count, bytes); }
void *decode_scratch(decoder *d, size_t count, size_t bytes) {
    return allocate(d, &d->scratch, count, bytes);
}

void *vec_push(decoder *d, vec *v, size_t item_bytes) {
    if (v->count == d->limits->items_max) {
        decode_fail_as(d, STATUS_LIMIT, d->whole.len, "has more than %u items of one kind", v->count);
        return NULL;
    }
    if (v->count == v->capacity) {
        uint32_t capacity = v->capacity == 0 ? 4 : v->capacity * 2;
        void *items = decode_scratch(d, capacity, item_bytes);
        if (items == NULL) {
            return NULL;
        }
        if (v->count > 0) {
            memcpy(items, v->items, v->count * item_bytes);
        }
        v->items = items;
        v->capacity = capacity;
    }
    return decode_ok(d) ? (uint8_t *)v->items + item_bytes * v->count++ : NULL;
}

void *vec_keep(decoder *d, const vec *v, size_t item_bytes) {
    void *items = decode_keep(d, v->count, item_bytes);
    if (items != NULL && v->count > 0) {
        memcpy(items, v->items, v->count * item_bytes);
    }
    return items;
}

// --- tables -----------------------------------------------------------------------------------------------

static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd6e8feb86659fd93u);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// Seeded, so that names cannot be chosen to fall into one place.
static uint64_t hash_bytes(uint64_t seed, slice s) {
    uint64_t hash = mix(seed, s.len);
    size_t at = 0;
    for (; s.len - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, s.data + at, 8);
        hash = mix(hash ^ word, seed);
    }
    uint64_t tail = 0;
    for (; at < s.len; at++) {
        tail = tail << 8 | s.data[at];
    }
    return mix(hash ^ tail, seed + 1);
}

static map_entry *name_map_slot(const name_map *m, uint64_t hash, slice key) {
    uint32_t mask = m->capacity - 1;
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        map_entry *entry = &m->entries[i];
        if (entry->value == NULL || (entry->hash == hash && slice_equal(entry->key, key))) {
            return entry;
        }
    }
}

const void *name_map_get(const decoder *d, const name_map *m, slice key) {
    return m->capacity == 0 ? NULL : name_map_slot(m, hash_bytes(d->hash_seed, key), key)->value;
}

static bool name_map_grow(decoder *d, name_map *m) {
    name_map bigger = {.count = m->count, .capacity = m->capacity == 0 ? 8 : m->capacity * 2};
    bigger.entries = decode_scratch(d, bigger.capacity, sizeof *bigger.entries);
    if (bigger.entries == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < m->capacity; i++) {
        const map_entry *old = &m->entries[i];
        if (old->value != NULL) {
            *name_map_slot(&bigger, old->hash, old->key) = *old;
        }
    }
    *m = bigger;
    return true;
}

const void *name_map_add(decoder *d, name_map *m, slice key, const void *value) {
    if (m->count * 2 >= m->capacity && !name_map_grow(d, m)) {
        return NULL;
    }
    uint64_t hash = hash_bytes(d->hash_seed, key);
    map_entry *entry = name_map_slot(m, hash, key);
    if (entry->value != NULL) {
        return entry->value;
    }
    *entry = (map_entry){.hash = hash, .key = key, .value = value};
    m->count++;
    return NULL;
}

static pointer_map_entry *pointer_map_slot(const pointer_map *m, const void *key) {
    uint32_t mask = m->capacity - 1;
    for (uint32_t i = (uint32_t)mix((uintptr_t)key, 1) & mask;; i = (i + 1) & mask) {
        if (m->entries[i].key == NULL || m->entries[i].key == key) {
            return &m->entries[i];
        }
    }
}

const void *pointer_map_get(const pointer_map *m, const void *key) {
    return m->capacity == 0 ? NULL : pointer_map_slot(m, key)->value;
}

void pointer_map_put(decoder *d, pointer_map *m, const void *key, const void *value) {
    if (m->count * 2 >= m->capacity) {
        pointer_map bigger = {.count = m->count, .capacity = m->capacity == 0 ? 8 : m->capacity * 2};
        bigger.entries = decode_scratch(d, bigger.capacity, sizeof *bigger.entries);
        if (bigger.entries == NULL) {
            return;
        }
        for (uint32_t i = 0; i < m->capacity; i++) {
            if (m->entries[i].key != NULL) {
                *pointer_map_slot(&bigger, m->entries[i].key) = m->entries[i];
            }
        }
        *m = bigger;
    }
    pointer_map_entry *entry = pointer_map_slot(m, key);
    m->count += entry->key == NULL;
    *entry = (pointer_map_entry){key, value};
}

// --- cursor -----------------------------------------------------------------------------------------------

reader reader_of(decoder *d, slice bytes) {
    const uint8_t *end = bytes.len == 0 ? bytes.data : bytes.data + bytes.len; // NULL + 0 is undefined
    return (reader){.d = d, .at = bytes.data, .end = end};
}

size_t reader_offset(const reader *r) { return (size_t)(r->at - r->d->whole.data); }

bool reader_done(const reader *r) { return r->at == r->end || !decode_ok(r->d); }

static void fail_short(reader *r) { decode_fail(r->d, reader_offset(r), "unexpected end"); }

uint8_t reader_peek(reader *r) {
    if (r->at == r->end) {
        fail_short(r);
    }
    return decode_ok(r->d) ? *r->at : 0;
}

uint8_t reader_byte(reader *r) {
    uint8_t byte = reader_peek(r);
    if (decode_ok(r->d)) {
        r->at++;
    }
    return byte;
}

bool reader_flag(reader *r) {
    uint8_t byte = reader_byte(r);
    if (byte > 1) {
        decode_fail(r->d, reader_offset(r) - 1, "0x%02x where only 0 or 1 may stand", byte);
    }
    return byte == 1;
}

static void check_number(reader *r, leb128_result result) {
    if (result == LEB128_SHORT) {
        fail_short(r);
    } else if (result == LEB128_LARGE) {
        decode_fail(r->d, reader_offset(r), "integer too large");
    }
}

uint32_t reader_u32(reader *r) {
    uint32_t value = 0;
    if (decode_ok(r->d)) {
        check_number(r, leb128_read_u32(&r->at, r->end, &value));
    }
    return value;
}

uint64_t reader_u64(reader *r) {
    uint64_t value = 0;
    if (decode_ok(r->d)) {
        check_number(r, leb128_read_u64(&r->at, r->end, &value));
    }
    return decode_ok(r->d) ? value : 0;
}

int64_t reader_s33(reader *r) {
    int64_t value = 0;
    if (decode_ok(r->d)) {
        check_number(r, leb128_read_s33(&r->at, r->end, &value));
    }
    return decode_ok(r->d) ? value : 0;
}

slice reader_bytes(reader *r, size_t count) {
    if (decode_ok(r->d) && count > (size_t)(r->end - r->at)) {
        decode_fail(r->d, reader_offset(r), "unexpected end: %zu bytes announced, %zu left", count,
                    (size_t)(r->end - r->at));
    }
    if (!decode_ok(r->d)) {
        return slice_empty();
    }
    slice bytes = slice_of(r->at, count);
    r->at += count;
    return bytes;
}

slice reader_name(reader *r) {
    size_t offset = reader_offset(r);
    slice name = reader_bytes(r, reader_u32(r));
    if (name.len > r->d->limits->name_bytes_max) {
        decode_fail_as(r->d, STATUS_LIMIT, offset, "a name of %zu bytes is longer than %u", name.len,
                       r->d->limits->name_bytes_max);
    } else if (!utf8_valid(name)) {
        decode_fail(r->d, offset, "a name is not valid UTF-8");
    }
    return decode_ok(r->d) ? name : slice_empty();
}

uint32_t reader_count(reader *r) {
    size_t offset = reader_offset(r);
    uint32_t count = reader_u32(r);
    if (count > (size_t)(r->end - r->at)) {
        decode_fail(r->d, offset, "unexpected end: %u items announced in %zu bytes", count,
                    (size_t)(r->end - r->at));
    } else if (count > r->d->limits->items_max) {
        decode_fail_as(r->d, STATUS_LIMIT, offset, "%u items are more than %u", count,
                       r->d->limits->items_max);
    }
    return decode_ok(r->d) ? count : 0;
}
