// SPDX-License-Identifier: Apache-2.0
// Buckets within a process. All of them are in memory; a change goes to the file first. Operations wait for
// the next turn of the loop and are done in their order, then those who watch are told.
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "bus/bus_local_internal.h"

enum { FIRST_CAPACITY = 16, ENTRY_COST = 128 };

typedef enum local_op_kind { OP_OPEN, OP_GET, OP_CHANGE } local_op_kind;

typedef struct local_op {
    list_node node;
    bus_local *b;
    bus_kv_op *o;
    local_op_kind kind;
    slice bucket;
    bus_kv_entry change;
    uint64_t expected;
    loop_timer deadline;
    uint8_t bytes[]; // of the names and the value
} local_op;

struct local_entry {
    list_node node;    // in the order of revisions
    list_node removed; // of those that stay until all who watch know that they are removed
    bool is_a_mark;    // of who watches, between what was told and what was not
    bool is_removed;
    local_entry *next;
    uint64_t hash;
    uint64_t revision;
    bus_kv_kind kind;
    slice key; // behind the entry, as the value
    slice value;
};

typedef struct local_watch {
    list_node node;
    local_entry mark;
    bus_kv_watch *w;
    bus_local *b;
    local_bucket *bucket; // NULL = it is not there
    bool is_caught_up;
    bool was_told; // that there is no bucket
    char name[BUS_BUCKET_BYTES_MAX + 1];
} local_watch;

// --- entries -----------------------------------------------------------------------------------------------

static local_entry *find_entry(const bus_local *b, const local_bucket *k, slice key) {
    uint64_t hash = siphash(b->hash_key, key);
    for (local_entry *x = k->places[hash & (k->capacity - 1)]; x != NULL; x = x->next) {
        if (x->hash == hash && slice_equal(x->key, key)) {
            return x;
        }
    }
    return NULL;
}

static void place_entry(local_entry **places, size_t capacity, local_entry *x) {
    local_entry **at = &places[x->hash & (capacity - 1)];
    x->next = *at;
    *at = x;
}

static void grow(local_bucket *k) {
    size_t capacity = 2 * k->capacity;
    local_entry **places = mem_calloc(capacity, sizeof(local_entry *));
    for (size_t i = 0; i < k->capacity; i++) {
        for (local_entry *x = k->places[i]; x != NULL;) {
            local_entry *next = x->next;
            place_entry(places, capacity, x);
            x = next;
        }
    }
    mem_free(k->places);
    k->places = places;
    k->capacity = capacity;
}

static size_t cost_of(const bus_kv_entry *entry) { return entry->key.len + entry->value.len + ENTRY_COST; }

static void remove_entry(bus_local *b, local_bucket *k, local_entry *x) {
    local_entry **at = &k->places[x->hash & (k->capacity - 1)];
    while (*at != x) {
        at = &(*at)->next;
    }
    *at = x->next;
    k->count--;
    list_remove(&x->node);
    list_remove(&x->removed);
    b->kv.bytes -= x->key.len + x->value.len + ENTRY_COST;
    mem_free(x);
}

// NULL when memory is out.
static local_entry *add_entry(bus_local *b, local_bucket *k, const bus_kv_entry *entry) {
    local_entry *x = mem_try_calloc(1, sizeof *x + entry->key.len + entry->value.len);
    if (x == NULL) {
        return NULL;
    }
    uint8_t *bytes = (uint8_t *)(x + 1);
    memcpy(bytes, entry->key.data, entry->key.len);
    if (entry->value.len > 0) {
        memcpy(bytes + entry->key.len, entry->value.data, entry->value.len);
    }
    x->key = slice_of(bytes, entry->key.len);
    x->value = slice_of(bytes + entry->key.len, entry->value.len);
    x->revision = entry->revision;
    x->kind = entry->kind;
    x->is_removed = entry->kind != BUS_KV_PUT;
    x->hash = siphash(b->hash_key, x->key);
    list_init(&x->removed);
    if (x->is_removed) {
        list_push_back(&k->removed, &x->removed);
    }
    if (k->count == k->capacity) {
        grow(k);
    }
    place_entry(k->places, k->capacity, x);
    k->count++;
    list_push_back(&k->entries, &x->node);
    b->kv.bytes += cost_of(entry);
    return x;
}

static void attach_waiting(bus_local *b, local_bucket *k);

// --- buckets -----------------------------------------------------------------------------------------------

static local_bucket *find_bucket(const bus_local *b, slice name) {
    for (size_t i = 0; i < b->kv.bucket_count; i++) {
        if (slice_equal_text(name, b->kv.buckets[i]->name)) {
            return b->kv.buckets[i];
        }
    }
    return NULL;
}

static local_bucket *add_bucket(bus_local *b, slice name) {
    local_bucket *k = MEM_NEW(local_bucket);
    memcpy(k->name, name.data, name.len);
    k->capacity = FIRST_CAPACITY;
    k->places = mem_calloc(k->capacity, sizeof(local_entry *));
    list_init(&k->entries);
    list_init(&k->removed);
    list_init(&k->watches);
    b->kv.buckets[b->kv.bucket_count++] = k;
    return k;
}

static void free_bucket(bus_local *b, local_bucket *k) {
    while (!list_empty(&k->entries)) {
        remove_entry(b, k, LIST_ENTRY(k->entries.next, local_entry, node));
    }
    mem_free(k->places);
    mem_free(k);
}

static status open_bucket(bus_local *b, slice name, local_bucket **ret, err *e) {
    *ret = find_bucket(b, name);
    if (*ret != NULL) {
        return STATUS_OK;
    }
    if (b->kv.bucket_count == BUS_LOCAL_BUCKETS_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d buckets", BUS_LOCAL_BUCKETS_MAX);
    }
    if (b->kv.store != NULL) {
        TRY(bus_store_make(b->kv.store, name, e));
    }
    *ret = add_bucket(b, name);
    attach_waiting(b, *ret);
    return STATUS_OK;
}

// --- the file ----------------------------------------------------------------------------------------------

static status on_stored_bucket(void *arg, slice name, uint64_t revision, err *e) {
    bus_local *b = arg;
    if (name.len == 0 || name.len > BUS_BUCKET_BYTES_MAX || b->kv.bucket_count == BUS_LOCAL_BUCKETS_MAX) {
        return err_set(e, STATUS_INVALID, "a bucket with a name that none has, or too many");
    }
    add_bucket(b, name)->revision = revision;
    return STATUS_OK;
}

static status on_stored_entry(void *arg, slice bucket, const bus_kv_entry *entry, err *e) {
    bus_local *b = arg;
    local_bucket *k = find_bucket(b, bucket);
    if (k == NULL || entry->key.len == 0 || entry->key.len > BUS_KEY_BYTES_MAX ||
        entry->revision > k->revision) {
        return err_set(e, STATUS_INVALID, "an entry that its bucket cannot have");
    }
    if (cost_of(entry) > b->options.stored_bytes_max - b->kv.bytes || add_entry(b, k, entry) == NULL) {
        return err_set(e, STATUS_LIMIT, "more than %zu bytes of keys and values",
                       b->options.stored_bytes_max);
    }
    return STATUS_OK;
}

// --- changes -----------------------------------------------------------------------------------------------

static status no_bucket(slice name, err *e) {
    return err_set(e, STATUS_NOT_FOUND, "there is no bucket %.*s", SLICE_ARG(name));
}

static status check_expected(const local_op *x, const local_entry *there, err *e) {
    uint64_t revision = there != NULL ? there->revision : 0;
    return x->expected == BUS_KV_ANY || x->expected == revision
               ? STATUS_OK
               : err_set(e, STATUS_EXISTS, "%.*s has the revision %llu, not %llu", SLICE_ARG(x->change.key),
                         (unsigned long long)revision, (unsigned long long)x->expected);
}

static status change(const local_op *x, bus_kv_entry *ret, err *e) {
    bus_local *b = x->b;
    local_bucket *k = find_bucket(b, x->bucket);
    bus_kv_entry made = x->change;
    if (k == NULL) {
        return no_bucket(x->bucket, e);
    }
    local_entry *old = find_entry(b, k, made.key);
    local_entry *there = old != NULL && !old->is_removed ? old : NULL;
    TRY(check_expected(x, there, e));
    if (there == NULL && made.kind != BUS_KV_PUT) {
        return STATUS_OK;
    }
    size_t freed = old != NULL ? old->key.len + old->value.len + ENTRY_COST : 0;
    if (made.kind == BUS_KV_PUT && cost_of(&made) > b->options.stored_bytes_max - (b->kv.bytes - freed)) {
        return err_set(e, STATUS_LIMIT, "the bus keeps %zu bytes of keys and values, no more",
                       b->options.stored_bytes_max);
    }
    made.revision = k->revision + 1;
    if (b->kv.store != NULL) {
        TRY(bus_store_change(b->kv.store, x->bucket, &made, e));
    }
    k->revision = made.revision;
    if (old != NULL) {
        remove_entry(b, k, old);
    }
    CHECK(add_entry(b, k, &made) != NULL);
    ret->revision = made.revision;
    return STATUS_OK;
}

static status get(const local_op *x, bus_kv_entry *ret, err *e) {
    const local_bucket *k = find_bucket(x->b, x->bucket);
    if (k == NULL) {
        return no_bucket(x->bucket, e);
    }
    const local_entry *there = find_entry(x->b, k, x->change.key);
    if (there == NULL || there->is_removed) {
        return err_set(e, STATUS_NOT_FOUND, "there is no key %.*s", SLICE_ARG(x->change.key));
    }
    *ret = (bus_kv_entry){.key = there->key, .value = there->value, .revision = there->revision};
    return STATUS_OK;
}

// --- operations --------------------------------------------------------------------------------------------

static void forget_op(local_op *x) {
    list_remove(&x->node);
    loop_timer_stop(&x->deadline);
    x->b->kv.op_count--;
    mem_free(x);
}

static void end_op(local_op *x, const bus_kv_result *result) {
    bus_kv_op *o = x->o;
    const bus_kv_op was = *o;
    *o = (bus_kv_op){0};
    forget_op(x);
    was.ended(was.arg, result);
}

static void on_deadline(void *arg) {
    end_op(arg, &(bus_kv_result){.code = STATUS_TIMEOUT, .text = "it was not done in time"});
}

static void run_op(local_op *x) {
    bus_kv_result result = {0};
    local_bucket *k;
    err e = {0};
    switch (x->kind) {
    case OP_OPEN:
        result.code = open_bucket(x->b, x->bucket, &k, &e);
        break;
    case OP_GET:
        result.code = get(x, &result.entry, &e);
        break;
    case OP_CHANGE:
        result.code = change(x, &result.entry, &e);
        break;
    }
    result.text = e.message;
    end_op(x, &result);
}

static status start_op(bus *base, bus_kv_op *o, local_op_kind kind, slice bucket, const bus_kv_entry *change,
                       uint64_t expected, uint64_t deadline_ns, err *e) {
    bus_local *b = bus_local_of(base);
    if (b->kv.op_count == BUS_LOCAL_OPS_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d operations on buckets are on their way",
                       BUS_LOCAL_OPS_MAX);
    }
    local_op *x = mem_try_calloc(1, sizeof *x + bucket.len + change->key.len + change->value.len);
    if (x == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for a value of %zu bytes", change->value.len);
    }
    slice *const to[] = {&x->bucket, &x->change.key, &x->change.value};
    const slice from[] = {bucket, change->key, change->value};
    x->b = b;
    x->o = o;
    x->kind = kind;
    x->change.kind = change->kind;
    x->expected = expected;
    for (size_t i = 0, at = 0; i < 3; at += from[i++].len) {
        *to[i] = slice_of(x->bytes + at, from[i].len);
        if (from[i].len > 0) {
            memcpy(x->bytes + at, from[i].data, from[i].len);
        }
    }
    loop_timer_init(&x->deadline, base->loop, on_deadline, x);
    if (deadline_ns != UINT64_MAX) {
        loop_timer_start_at(&x->deadline, deadline_ns);
    }
    list_push_back(&b->kv.ops, &x->node);
    b->kv.op_count++;
    o->impl = x;
    loop_soon_add(base->loop, &b->kv.soon);
    return STATUS_OK;
}

status bus_local_kv_open(bus *b, bus_kv_op *o, slice bucket, uint64_t deadline_ns, err *e) {
    return start_op(b, o, OP_OPEN, bucket, &(bus_kv_entry){0}, 0, deadline_ns, e);
}

status bus_local_kv_get(bus *b, bus_kv_op *o, slice bucket, slice key, uint64_t deadline_ns, err *e) {
    return start_op(b, o, OP_GET, bucket, &(bus_kv_entry){.key = key}, 0, deadline_ns, e);
}

status bus_local_kv_change(bus *b, bus_kv_op *o, slice bucket, const bus_kv_entry *change, uint64_t expected,
                           uint64_t deadline_ns, err *e) {
    return start_op(b, o, OP_CHANGE, bucket, change, expected, deadline_ns, e);
}

void bus_local_kv_cancel(bus_kv_op *o) { forget_op(o->impl); }

// --- those who watch ---------------------------------------------------------------------------------------

// In front of everything that the bucket has.
static void attach(local_watch *x, local_bucket *k) {
    x->bucket = k;
    list_remove(&x->node);
    list_push_back(&k->watches, &x->node);
    list_push_back(k->entries.next, &x->mark.node);
}

static void attach_waiting(bus_local *b, local_bucket *k) {
    for (list_node *n = b->kv.orphans.next; n != &b->kv.orphans;) {
        local_watch *x = LIST_ENTRY(n, local_watch, node);
        n = n->next;
        if (strcmp(x->name, k->name) == 0) {
            attach(x, k);
        }
    }
}

// What is behind its mark. It may be stopped by its callbacks, the bus may be freed.
static void tell_watch(bus_local *b, local_watch *x) {
    bus_kv_watch *w = x->w;
    b->kv.told = x;
    while (b->kv.told == x && x->mark.node.next != &x->bucket->entries) {
        const local_entry *entry = LIST_ENTRY(x->mark.node.next, local_entry, node);
        list_remove(&x->mark.node);
        list_push_back(entry->node.next, &x->mark.node);
        if (!entry->is_a_mark && (x->is_caught_up || !entry->is_removed)) {
            const bus_kv_entry told = {
                .key = entry->key, .value = entry->value, .revision = entry->revision, .kind = entry->kind};
            w->entry(w->arg, &told);
        }
    }
    if (b->kv.told == x && !x->is_caught_up) {
        x->is_caught_up = true;
        w->caught_up(w->arg);
    }
    b->kv.told = NULL;
}

static void tell_bucket(bus_local *b, local_bucket *k) {
    list_push_back(k->watches.next, &b->kv.cursor);
    while (b->kv.cursor.next != &k->watches) {
        local_watch *x = LIST_ENTRY(b->kv.cursor.next, local_watch, node);
        list_remove(&b->kv.cursor);
        list_push_back(x->node.next, &b->kv.cursor);
        tell_watch(b, x);
    }
    list_remove(&b->kv.cursor);
    while (!list_empty(&k->removed)) { // everybody knows now
        remove_entry(b, k, LIST_ENTRY(k->removed.next, local_entry, removed));
    }
}

static void tell_orphans(bus_local *b) {
    list_push_back(b->kv.orphans.next, &b->kv.cursor);
    while (b->kv.cursor.next != &b->kv.orphans) {
        local_watch *x = LIST_ENTRY(b->kv.cursor.next, local_watch, node);
        list_remove(&b->kv.cursor);
        list_push_back(x->node.next, &b->kv.cursor);
        if (!x->was_told) {
            x->was_told = true;
            x->w->failed(x->w->arg, STATUS_NOT_FOUND, "there is no such bucket");
        }
    }
    list_remove(&b->kv.cursor);
}

status bus_local_watch(bus *base, bus_kv_watch *w, slice bucket, err *e) {
    bus_local *b = bus_local_of(base);
    if (b->kv.watch_count == BUS_LOCAL_WATCHES_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d watch buckets", BUS_LOCAL_WATCHES_MAX);
    }
    local_watch *x = MEM_NEW(local_watch);
    local_bucket *k = find_bucket(b, bucket);
    x->w = w;
    x->b = b;
    x->mark.is_a_mark = true;
    list_init(&x->mark.node);
    memcpy(x->name, bucket.data, bucket.len);
    list_push_back(&b->kv.orphans, &x->node);
    if (k != NULL) {
        attach(x, k);
    }
    b->kv.watch_count++;
    w->impl = x;
    loop_soon_add(base->loop, &b->kv.soon);
    return STATUS_OK;
}

void bus_local_watch_stop(bus_kv_watch *w) {
    local_watch *x = w->impl;
    bus_local *b = x->b;
    if (b->kv.told == x) {
        b->kv.told = NULL;
    }
    list_remove(&x->mark.node);
    list_remove(&x->node);
    b->kv.watch_count--;
    mem_free(x);
}

// --- life --------------------------------------------------------------------------------------------------

static void on_soon(void *arg) {
    bus_local *b = arg;
    b->holds++;
    while (!list_empty(&b->kv.ops)) {
        list_push_back(&b->kv.running, list_pop_front(&b->kv.ops));
    }
    while (!list_empty(&b->kv.running)) {
        run_op(LIST_ENTRY(b->kv.running.next, local_op, node));
    }
    for (size_t i = 0; i < b->kv.bucket_count; i++) {
        tell_bucket(b, b->kv.buckets[i]);
    }
    tell_orphans(b);
    bus_local_release(b);
}

status bus_local_kv_init(bus_local *b, err *e) {
    const bus_store_reader reader = {b, on_stored_bucket, on_stored_entry};
    list_init(&b->kv.ops);
    list_init(&b->kv.running);
    list_init(&b->kv.orphans);
    loop_soon_init(&b->kv.soon, on_soon, b);
    return b->options.path == NULL
               ? STATUS_OK
               : bus_store_open(b->options.path, b->options.stored_bytes_max, &reader, &b->kv.store, e);
}

static void forget_ops(list_node *ops) {
    while (!list_empty(ops)) {
        bus_kv_cancel(LIST_ENTRY(ops->next, local_op, node)->o);
    }
}

static void stop_watches(list_node *watches, const list_node *cursor) {
    for (list_node *n = watches->next; n != watches;) {
        list_node *next = n->next;
        if (n != cursor) {
            bus_kv_watch_stop(LIST_ENTRY(n, local_watch, node)->w);
        }
        n = next;
    }
}

void bus_local_kv_stop(bus_local *b) {
    loop_soon_cancel(&b->kv.soon);
    forget_ops(&b->kv.ops);
    forget_ops(&b->kv.running);
    stop_watches(&b->kv.orphans, &b->kv.cursor);
    for (size_t i = 0; i < b->kv.bucket_count; i++) {
        stop_watches(&b->kv.buckets[i]->watches, &b->kv.cursor);
    }
}

void bus_local_kv_done(bus_local *b) {
    for (size_t i = 0; i < b->kv.bucket_count; i++) {
        free_bucket(b, b->kv.buckets[i]);
    }
    b->kv.bucket_count = 0;
    bus_store_close(b->kv.store);
}
