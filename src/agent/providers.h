// SPDX-License-Identifier: Apache-2.0
// The capability providers that this host runs: programs of others that speak the protocol of 1.x, and our
// own drivers and HTTP server in their place. What should run is told as a whole, as often as wished
// (providers_put): what changed goes to the provider.
//
// A program: started with a clean environment and the host data on its standard input; asked for its health
// after 5 s and then every 30 s; started again when it ends by itself, after waits that grow; asked to end,
// and killed after the delay; killed when the host ends. It speaks over `bus`.
// A driver: a process of drivers is shared by all of them, each link of the provider as target is one of it.
//
// Threads: all on the thread of the loop. Callbacks come from the loop only, never from inside a function of
// this header.
#pragma once

#include "base/attributes.h"
#include "bus/bus_door.h"
#include "host/log.h"
#include "lattice/call.h"
#include "lattice/host_data.h"
#include "loop/loop.h"

typedef struct providers providers;

enum { PROVIDERS_MAX = 256 }; // of one host

typedef enum providers_health {
    PROVIDERS_HEALTHY,
    PROVIDERS_UNHEALTHY,
    PROVIDERS_HEALTH_SAME
} providers_health;

typedef struct providers_ops { // each may be NULL; `id` is valid during the call
    // It runs; of a program: it was started. Not told again when it is started anew after an end.
    void (*started)(void *arg, slice id);
    // It could not be started, and is not here any more.
    void (*failed)(void *arg, slice id, const err *why);
    // An answer to a question for its health has come: it has become so, or is as it was.
    void (*health)(void *arg, slice id, providers_health h);
    // It has ended as it was told to, and is not here any more.
    void (*stopped)(void *arg, slice id);
    // It has ended by itself and is started again after `wait_ns`.
    void (*ended)(void *arg, slice id, const char *how, uint64_t wait_ns);
    // A line that it wrote to its standard output or error, without what is no text; so many a second.
    void (*said)(void *arg, slice id, slice line);
} providers_ops;

typedef struct providers_options {
    loop *loop;
    // What programs are connected to. NULL: each has a bus of its own behind a door (agent/provider_side.h),
    // and everything between it and the lattice goes through this host. Else all that is said on this bus is
    // for them to hear and to say, as in 1.x.
    bus *bus;
    const char *url;    // of the servers of `bus`, as programs are told
    const char *jwt;    // with which they connect; "" = nothing
    const char *seed;   // likewise
    bool is_bus_shared; // with hosts of 1.x and their clients: who handles link.del tells providers of it,
                        // so this host does not tell them again
    const char *lattice;
    const char *host_id;
    uint64_t rpc_timeout_ms;    // 0 = 2000
    uint64_t shutdown_delay_ns; // 0 = 300 ms
    const char *log_level;      // NULL = info
    bool structured_logging;
    host_data_otel otel; // borrowed
    // The way for calls that providers of ours make, and programs behind a door: messages, requests over
    // HTTP. The source in the invocation is the provider's id. NULL = they call nobody.
    lattice_transport *calls;
    logger *logger;        // for what providers of ours have to say; NULL = there are none of ours
    const char *directory; // for files of their drivers, absolute; NULL likewise
    const providers_ops *ops;
    void *arg;
} providers_options; // what it points at stays until providers_free

status providers_new(const providers_options *options, providers **ret, err *e) WRIT_MUST_USE;
void providers_free(providers *p); // accepts NULL; kills what runs, without a callback

// What should run under an id; borrowed for the call.
typedef struct providers_wanted {
    slice id;
    slice image;    // its reference, for messages
    int program_fd; // of a program: see agent/provider_image.h; duplicated. -1 = the image names one of ours
    host_data_values config;
    host_data_secrets secrets;
    const host_data_link *links; // all of which it is source or target
    size_t link_count;
} providers_wanted;

// Starts it, or, when it is here already, brings its configuration and links up to date (its image stays as
// it is). STATUS_LIMIT, STATUS_INVALID, STATUS_NOT_FOUND (no such program of ours).
status providers_put(providers *p, const providers_wanted *wanted, err *e) WRIT_MUST_USE;
// Asks it to end; `stopped` follows. Nothing for an id that is not here.
void providers_stop(providers *p, slice id);
void providers_stop_all(providers *p); // providers_count tells when they have
size_t providers_count(const providers *p);
uint64_t providers_restarts(const providers *p); // programs that ended by themselves and are started again
bus_door_counts providers_door_count(const providers *p); // of all that are behind one
bool providers_has(const providers *p, slice id);
bool providers_serves(const providers *p, slice id); // it takes calls, and they go through here
// Whether the image is one of ours: nothing is to be fetched for it.
bool providers_is_builtin(slice image);

// The way to what runs here: STATUS_NOT_FOUND for any other target, programs on a `bus` among them. Only
// links with the provider as target are served: STATUS_DENIED for a source without one.
lattice_transport *providers_transport(providers *p);
// The same for who takes calls from elsewhere. The source in an invocation must have been verified.
const lattice_server *providers_server(providers *p);
