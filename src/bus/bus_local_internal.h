// SPDX-License-Identifier: Apache-2.0
// What the files of the bus within a process share.
#pragma once

#include "bus/bus_local.h"
#include "bus/bus_store.h"
#include "bus/nats_internal.h"
#include "bus/subject_index.h"

// --- the state of the buckets ------------------------------------------------------------------------------

typedef struct local_entry local_entry;
typedef struct local_bucket {
    char name[BUS_BUCKET_BYTES_MAX + 1];
    uint64_t revision; // the last one
    local_entry **places;
    size_t capacity; // a power of two
    size_t count;
    list_node entries; // in the order of their revisions, with the marks of those who watch
    list_node removed; // of them
    list_node watches;
} local_bucket;

typedef struct local_kv {
    local_bucket *buckets[BUS_LOCAL_BUCKETS_MAX];
    size_t bucket_count;
    size_t bytes;
    list_node ops;     // in the order of their start
    list_node running; // those of this turn
    size_t op_count;
    list_node orphans; // those who watch a bucket that is not there
    size_t watch_count;
    list_node cursor;         // in the list of those who are told one after the other
    struct local_watch *told; // the one that is being told
    loop_soon soon;
    bus_store *store; // NULL = memory
} local_kv;

typedef struct bus_local {
    bus base;
    bus_local_options options;
    siphash_key hash_key;
    uint64_t random;
    char inbox[NATS_INBOX_PREFIX_BYTES];
    uint64_t inbox_count;
    subject_index subjects;
    subject_index queues; // their names, for the choice
    uint64_t round;
    list_node subscriptions;
    size_t subscription_count;
    bus_subscription answers; // to requests
    list_node deliveries;     // in the order of publishing
    size_t queued_bytes;
    uint64_t dropped;
    loop_soon soon;
    nats_table requests;
    local_kv kv;
    unsigned holds;
    bool is_freed;
} bus_local;

static inline bus_local *bus_local_of(bus *b) { return (bus_local *)b; }
void bus_local_release(bus_local *b); // a hold

status bus_local_kv_init(bus_local *b, err *e) WRIT_MUST_USE;
void bus_local_kv_stop(bus_local *b); // operations and watches are forgotten
void bus_local_kv_done(bus_local *b);
status bus_local_kv_open(bus *b, bus_kv_op *o, slice bucket, uint64_t deadline_ns, err *e);
status bus_local_kv_get(bus *b, bus_kv_op *o, slice bucket, slice key, uint64_t deadline_ns, err *e);
status bus_local_kv_change(bus *b, bus_kv_op *o, slice bucket, const bus_kv_entry *change, uint64_t expected,
                           uint64_t deadline_ns, err *e);
void bus_local_kv_cancel(bus_kv_op *o);
status bus_local_watch(bus *b, bus_kv_watch *w, slice bucket, err *e);
void bus_local_watch_stop(bus_kv_watch *w);
