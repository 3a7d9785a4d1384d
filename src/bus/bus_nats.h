// SPDX-License-Identifier: Apache-2.0
// A bus over servers of NATS (bus/nats.h), with its buckets in their JetStream, laid out as the server's own
// clients have them: a stream KV_<bucket> with the subjects $KV.<bucket>.>.
//
// While there is no connection nothing can be published and no operation begins (STATUS_CLOSED);
// subscriptions and watches stay and go on with the next connection. A cluster that has no leader for now is
// asked again until the operation's deadline, where nothing can have been done twice. Values are read where
// the stream is written, so that who wrote one reads it. A watch is a consumer whose messages are counted:
// when one is missing, or nothing at all is heard for a while, it begins anew.
#pragma once

#include "bus/bus.h"
#include "bus/nats.h"

typedef struct bus_nats_options {
    // Servers, TLS, credentials, name, random, bounds: of nats.h. `on_state`, `on_error` and `arg` are the
    // bus's: use a watcher. Unless they are given, `ping_ns` and `retry_ns_max` are 2 s.
    nats_options nats;
    // Of JetStream; NULL or empty = the connection's own; copied. Whether a bucket of another domain is there
    // is not told to who changes it: then the deadline passes (STATUS_TIMEOUT).
    const char *domain;
    uint64_t replicas;     // of buckets that are made; 0 = 1
    bool in_memory;        // likewise
    uint64_t heartbeat_ns; // of watches, three of which may be missed; 0 = 1 s
} bus_nats_options;

enum {
    BUS_NATS_OPS_MAX = 1 << 14, // on buckets, on their way
    BUS_NATS_WATCHES_MAX = 1 << 10,
    BUS_NATS_DOMAIN_BYTES_MAX = 64,
};

// Begins to connect.
status bus_nats_new(const bus_nats_options *options, bus **ret, err *e) WRIT_MUST_USE;
// Of one that is a bus over NATS: credentials for the next connection, and the client below, for its state.
nats *bus_nats_client(bus *b);
