// SPDX-License-Identifier: Apache-2.0
// Where connected sockets come from. A worker may not connect by itself (its system call filter forbids it):
// it asks the supervisor, which looks up the name, applies the workload's policy to the name and to every
// address, connects and passes the descriptor. `host/` implements this twice, over the channel to the
// supervisor and in one process.
//
// All calls and callbacks on the thread of the loop. Bounded: a connector answers STATUS_LIMIT over its own
// maximum.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"
#include "loop/resolve.h"

typedef enum connect_purpose { // which allow-list applies
    CONNECT_HTTP,
    CONNECT_SOCKETS,
} connect_purpose;

typedef enum connect_protocol {
    CONNECT_TCP,
    CONNECT_UDP,
} connect_protocol;

typedef enum connect_action {
    CONNECT_TO,      // a connected socket; from the address `local` when it has one
    CONNECT_BIND,    // a socket bound to `local`, not connected (TCP: not listening yet, the receiver may
                     // listen)
    CONNECT_RESOLVE, // no socket: the addresses of `host` that the policy lets out
} connect_action;

enum { CONNECT_HOST_BYTES_MAX = 253 };

typedef struct connect_request {
    connect_purpose purpose;
    connect_protocol protocol;
    connect_action action;
    // CONNECT_TO: where from, family AF_UNSPEC = anywhere. CONNECT_BIND: what to bind; `host` and `port` are
    // unused. The policy must allow a local address with a port as if it were a peer; port 0 is any free one.
    loop_address local;
    slice host;           // a name, or a literal address without brackets; borrowed for the call
    uint16_t port;        // host order
    uint64_t deadline_ns; // of loop_now_ns
    uint32_t workload;    // whose policy: its number on this host
} connect_request;

typedef struct connect_result {
    // STATUS_OK; STATUS_DENIED (policy); STATUS_NOT_FOUND (the name has no address); STATUS_TIMEOUT;
    // STATUS_LIMIT; STATUS_IO (see os_error); STATUS_CLOSED (the connector is shutting down).
    status code;
    // Non-blocking; the receiver's to close; -1 unless STATUS_OK. On a connected one connect(2) was called
    // once, and its end was learnt by polling and SO_ERROR: http_call.c relies on that.
    int fd;
    loop_address peer;             // what the name led to; family AF_UNSPEC unless STATUS_OK
    const loop_address *addresses; // CONNECT_RESOLVE: ports are 0; valid during the call
    size_t address_count;
    int os_error; // errno of the last attempt (ECONNREFUSED, ENETUNREACH ...), 0 when there was none
    const err *e; // a sentence for people, valid during the call; NULL with STATUS_OK
} connect_result;

typedef void (*connect_callback)(void *arg, const connect_result *result);

typedef struct connector connector;

typedef struct connector_ops {
    status (*request)(connector *c, const connect_request *request, connect_callback done, void *arg,
                      uint64_t *ret_id, err *e);
    void (*cancel)(connector *c, uint64_t id);
} connector_ops;

// Implementations begin with this.
struct connector {
    const connector_ops *ops;
};

// Asks for a connection. `done` is called exactly once and later (never from inside this call), unless the
// request was cancelled. The id is never 0.
static inline status connector_request(connector *c, const connect_request *request, connect_callback done,
                                       void *arg, uint64_t *ret_id, err *e) {
    return c->ops->request(c, request, done, arg, ret_id, e);
}

// `done` will not be called. An id that is unknown or was answered is ignored.
static inline void connector_cancel(connector *c, uint64_t id) { c->ops->cancel(c, id); }
