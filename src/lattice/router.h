// SPDX-License-Identifier: Apache-2.0
// Where a call of the lattice goes. The router is a way itself (lattice/call.h): callers start calls on it,
// it starts them on one way after the other until one has done it:
//
//   1. this host, when it serves the target
//   2. another host that said that it serves it (lattice/peers.h), sealed; of several one that is not busy
//   3. hosts of wasmCloud 1.x, over wRPC, when the operator allows that
//
// The next one is tried when a way says that the call was not done (STATUS_NOT_FOUND, STATUS_LIMIT), and, of
// calls that may be done twice, when it was lost (STATUS_CLOSED) or took more than half of the time that is
// left; but never after results or streams have come. Streams of the caller are kept for that, up to
// ROUTER_KEEP_BYTES of a call: a call that has sent more is not tried again.
//
// Threads: all on the thread of the loop.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "lattice/call.h"
#include "lattice/peers.h"
#include "loop/loop.h"

enum {
    ROUTER_TRIES_MAX = 4, // hosts that one call is sent to
    ROUTER_CALLS_MAX = 1 << 14,
    ROUTER_KEEP_BYTES = 64 << 10,
};

typedef struct router router;

typedef struct router_options {
    loop *loop;
    peers *peers; // borrowed
    void *context;
    // The way to the target on this host; NULL: it does not run here.
    lattice_transport *(*here)(void *context, const lattice_invocation *i);
    // The way to a host (sealed_to); NULL: there is none at the moment.
    lattice_transport *(*to_host)(void *context, const nkey_public *host);
    lattice_transport *old; // over wRPC; NULL unless that is allowed
    size_t calls_max;       // at a time; 0 = ROUTER_CALLS_MAX
    // Nothing is known of the lattice yet: calls that find nobody wait for router_look_again.
    bool is_settling;
} router_options;

router *router_new(const router_options *o);
// What is under way ends without a callback.
void router_free(router *r); // accepts NULL

lattice_transport *router_transport(router *r);

// Somebody may serve what nobody served before: calls that wait are tried again. `is_settled`: whoever finds
// nobody from now on fails at once.
void router_look_again(router *r, bool is_settled);

typedef struct router_counters {
    uint64_t here, sealed, old; // calls begun on each way
    uint64_t retried;           // begun again
    uint64_t unserved;          // that found nobody
    uint64_t limited;           // over calls_max
    size_t in_flight;           // now
    size_t waiting;             // of these: for somebody to serve them
} router_counters;
router_counters router_count(const router *r);
