// SPDX-License-Identifier: Apache-2.0
// Calls between this host and old peers: wRPC 0.0.1 over a bus, as hosts and providers of wasmCloud 1.x speak
// it. Both roles: a lattice_transport that calls, and functions that are served to a lattice_server.
//
//   invocation   {lattice}.{target}.wrpc.0.0.1.{instance}.{function}, reply = C, headers, first bytes of
//   params accept       C, reply = S                                   from the one who is called params
//   S.params, S.params.{path}                      bytes; an empty message ends each of them results
//   C.results, C.results.{path}                    likewise
//
// Nothing is signed and nothing is encrypted: who can publish on the bus can call, and answer. Only for
// lattices that admit old peers, and for the door in front of providers. `source_host` of what comes is
// empty.
//
// What the protocol does not have, and what this does about it:
// - Failures. An answer without bytes of a function that has results or streams is STATUS_TRAP (one that ends
//   in the middle is noticed by who decodes it), silence is STATUS_TIMEOUT at the deadline. What is refused
//   here is told at once, by a status on C that old peers read (503: nobody serves it). After it was
//   accepted, the mark that ends the results has headers with the reason, which old peers do not look at.
// - Deadlines. Each side has its own: the call's, and `serve_ns` of the options.
// - Cancelling. A call that is given up gets its end marks, so that the other side stops waiting for more.
// - Flow control. What one call has received and nobody took is bounded, and so is the sum; over it the call
// ends
//   with STATUS_LIMIT, and others go on. What waits to be sent is bounded for each path.
//
// Threads: all on the thread of the loop. Fuzzed by fuzz/fuzz_wrpc.c.
#pragma once

#include "bus/bus.h"
#include "lattice/call.h"

typedef struct wrpc wrpc;

enum {
    WRPC_CALLS_MAX = 1 << 14,             // that this host makes, at one time
    WRPC_SERVED_MAX = 1 << 13,            // that it serves, at one time
    WRPC_CALL_QUEUE_BYTES_MAX = 32 << 20, // of one call: received and not taken yet, root parts included
    WRPC_QUEUE_BYTES_MAX = 512 << 20,     // of all calls
    WRPC_SUBJECT_PART_BYTES_MAX = 64,     // of the lattice's name
};

typedef struct wrpc_options {
    bus *bus;                     // the connection for calls; borrowed
    loop *loop;                   // borrowed
    slice lattice;                // copied
    const lattice_server *server; // of what is exported; borrowed. NULL: nothing is
    uint64_t random[2];           // unguessable: names of inboxes come from it
    uint64_t serve_ns;            // how long a call that came may take; 0 = 10 min
    uint64_t params_ns;           // how long its root parameters may take; 0 = 10 s
} wrpc_options;

status wrpc_new(const wrpc_options *options, wrpc **ret, err *e) WRIT_MUST_USE;
// Calls that were started must have ended or been cancelled, exports stopped. Calls that are served end from
// inside with STATUS_CLOSED.
void wrpc_free(wrpc *w); // accepts NULL

// Calls: `source`, `link`, `target`, `instance`, `function`, `params`, `trace` and `deadline_ns` of the
// invocation are used. STATUS_NOT_FOUND when nobody listens. Streams of `up` and `down` are the bytes of
// their paths as wRPC has them.
lattice_transport *wrpc_transport(wrpc *w);

// A function that is served from now on: one of the group of all replicas of `target`.
typedef struct wrpc_export { // the caller's, zeroed, in place until it is withdrawn; all fields are wrpc's
    wrpc *w;                 // NULL when idle
    bus_subscription subscription;
    char *target; // and instance and function, in one allocation; both empty: any
    const char *instance;
    const char *function;
    list_node node;
} wrpc_export;
status wrpc_export_start(wrpc *w, wrpc_export *x, slice target, slice instance, slice function,
                         err *e) WRIT_MUST_USE;
// Every function of `target`: the server says in `paths` what there is. For a bus with one caller on it, and
// nobody who serves a part of it.
status wrpc_export_start_any(wrpc *w, wrpc_export *x, slice target, err *e) WRIT_MUST_USE;
// No further call comes; what is served now goes on. Idempotent; accepts a zeroed one.
void wrpc_export_stop(wrpc_export *x);

typedef struct wrpc_counters {
    uint64_t started; // calls made
    uint64_t failed;  // that did not end with STATUS_OK
    uint64_t served;  // calls that came and were accepted
    uint64_t refused; // that came and were not
    uint64_t strays;  // messages for no call that is open
    uint32_t calls;   // open now
    uint32_t serving;
    uint64_t queued_bytes; // received and not taken yet, of all
} wrpc_counters;
wrpc_counters wrpc_count(const wrpc *w);
