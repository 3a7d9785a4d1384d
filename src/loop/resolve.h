// SPDX-License-Identifier: Apache-2.0
// Name resolution off the loop's thread, by the system's resolver. Never in a worker: it opens files and
// sockets.
//
// The resolver cannot be interrupted, so a lookup that is cancelled or late keeps its thread until the
// resolver gives up; such lookups still count against the bound.
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/slice.h"
#include "loop/loop.h"

enum {
    LOOP_RESOLVE_ADDRESSES_MAX = 32, // more are cut off
    LOOP_RESOLVE_IN_FLIGHT_MAX = 64, // lookups of one loop
    LOOP_RESOLVE_NAME_BYTES_MAX = 253,
};

typedef union loop_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} loop_address;

typedef struct loop_resolve loop_resolve;

// STATUS_OK with at least one address (ports are 0), valid during the call; STATUS_NOT_FOUND when the name
// has no address; STATUS_TIMEOUT; STATUS_IO when the resolver failed (it may work later).
typedef void (*loop_resolve_callback)(void *arg, status result, const loop_address *addresses, size_t count,
                                      const err *e);

// Looks up the addresses of `name` (both families). STATUS_LIMIT when too many lookups are in flight,
// STATUS_INVALID for a name that cannot be one. `deadline_ns` of loop_now_ns. The handle is valid until the
// callback.
status loop_resolve_start(loop *l, slice name, uint64_t deadline_ns, loop_resolve_callback fn, void *arg,
                          loop_resolve **ret, err *e) WRIT_MUST_USE;
void loop_resolve_cancel(loop_resolve *r); // the callback is not called
