// SPDX-License-Identifier: Apache-2.0
// What the files of the bus over NATS share.
#pragma once

#include "bus/bus_nats.h"
#include "bus/jetstream.h"

enum {
    BUS_NATS_API_BYTES = sizeof "$JS..API." + BUS_NATS_DOMAIN_BYTES_MAX,
    BUS_NATS_SUBJECT_BYTES = BUS_NATS_API_BYTES + BUS_BUCKET_BYTES_MAX + BUS_KEY_BYTES_MAX + 64,
};

typedef struct bus_nats {
    bus base;
    nats *client;
    char api[BUS_NATS_API_BYTES];     // "$JS.API." or "$JS.<domain>.API."
    char written[BUS_NATS_API_BYTES]; // in front of $KV subjects: the same with a domain, else empty
    uint64_t replicas;
    bool in_memory;
    uint64_t heartbeat_ns;
    uint64_t random;
    uint64_t dropped; // messages with subjects that are too long
    list_node subscriptions;
    list_node requests;
    list_node ops;
    size_t op_count;
    list_node watches;
    size_t watch_count;
    struct watch *told; // by a callback that runs
    unsigned holds;
    bool is_freed;
} bus_nats;

static inline bus_nats *bus_nats_of(bus *b) { return (bus_nats *)b; }
void bus_nats_release(bus_nats *b); // a hold

status bus_nats_kv_open(bus *b, bus_kv_op *o, slice bucket, uint64_t deadline_ns, err *e);
status bus_nats_kv_get(bus *b, bus_kv_op *o, slice bucket, slice key, uint64_t deadline_ns, err *e);
status bus_nats_kv_change(bus *b, bus_kv_op *o, slice bucket, const bus_kv_entry *change, uint64_t expected,
                          uint64_t deadline_ns, err *e);
void bus_nats_kv_cancel(bus_kv_op *o);
void bus_nats_kv_stop(bus_nats *b);

status bus_nats_watch(bus *b, bus_kv_watch *w, slice bucket, err *e);
void bus_nats_watch_stop(bus_kv_watch *w);
void bus_nats_watches_up(bus_nats *b); // there is a new connection
void bus_nats_watches_down(bus_nats *b);
void bus_nats_watches_stop(bus_nats *b);

// What the server says of a bucket, as a status of this project.
status bus_nats_fault(const jetstream_fault *fault);
// A request without an answer has its own: who is not listening is JetStream.
status bus_nats_unanswered(status code, const char **text);
bus_kv_kind bus_nats_kind(slice headers);
