// SPDX-License-Identifier: Apache-2.0
// A call of a function between two of a lattice (components, providers), and the ways on which it can travel:
// to another host sealed (lattice/sealed.h), to old peers over wRPC (lattice/wrpc.h), or to what runs on this
// host. A way (`lattice_transport`) carries the parameters, which are bytes in the value encoding
// (codec/values.h), the results, and beside them the few streams that contracts of old peers have (bodies of
// HTTP requests, objects): byte streams that are named by their path as in wRPC, "0.0".
//
//   caller                                         the one who is called
//   start: invocation, root parameters       ->    lattice_server.call
//   write / end of each path in `up`         ->    on_data / on_end of the same path
//   on_results                               <-    answer: root results
//   on_data / on_end of each path in `down`  <-    write / end
//   ended(STATUS_OK), once                         ended(STATUS_OK), once
//
// Every call has a deadline and ends exactly once on each side. Failures are a status with a sentence:
// STATUS_NOT_FOUND (nobody serves it: it was not called), STATUS_LIMIT (no room: it was not called),
// STATUS_DENIED (not allowed: it was not called), STATUS_TIMEOUT, STATUS_CLOSED (lost on the way: it may have
// been done), STATUS_TRAP (it failed), STATUS_INVALID, STATUS_UNSUPPORTED, STATUS_CANCELLED.
//
// Every function with streams gives a result<...>: results that begin with 01 (err) have no streams below
// them, and the call ends without. The one who is called may answer and end its streams before those of the
// caller have ended; what is left of these is dropped then.
//
// Threads: all on the thread of the loop. Callbacks come from the loop only, never from inside a function of
// this header.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/slice.h"
#include "loop/loop.h"

enum {
    LATTICE_ID_BYTES_MAX = 256,       // of a component or provider; letters, digits, '_', '-'; more in docs
    LATTICE_INSTANCE_BYTES_MAX = 256, // "wrpc:keyvalue/store@0.2.0-draft"
    LATTICE_FUNCTION_BYTES_MAX = 256,
    LATTICE_PARAMS_BYTES_MAX = 16 << 20,      // root parameters, and root results
    LATTICE_STREAM_QUEUE_BYTES_MAX = 1 << 20, // of one path in one direction, not yet taken
    LATTICE_PATHS_MAX = 4,                    // in one direction
};

typedef struct lattice_invocation {
    slice source;        // id of the caller: a component or provider of `source_host`
    slice source_host;   // public key; set by the receiving end from what was verified; empty: an old peer
    slice source_issuer; // public key of who signed the caller's component; empty = nobody
    slice link;          // name of the link, "default"
    slice target;        // id
    slice instance;      // as on the wire, with its version
    slice function;
    slice params;         // root parameters
    slice trace;          // W3C traceparent, or empty
    bool is_idempotent;   // the link says so: it may be done twice
    uint64_t deadline_ns; // of loop_now_ns; never UINT64_MAX
} lattice_invocation;

// The same with copies in `names`, which is initialised here, and without parameters.
lattice_invocation lattice_invocation_keep(const lattice_invocation *i, buf *names);

typedef struct lattice_paths {
    const char *items[LATTICE_PATHS_MAX]; // string constants
    size_t count;
} lattice_paths;

// Whether streams follow these results.
static inline bool lattice_results_have_streams(const lattice_paths *down, slice results) {
    return down->count > 0 && (results.len == 0 || results.data[0] != 1);
}

// --- calling -----------------------------------------------------------------------------------------------

typedef struct lattice_call lattice_call;
typedef struct lattice_transport lattice_transport;

typedef struct lattice_call_ops {                                    // any but `ended` may be NULL
    void (*on_results)(lattice_call *c, slice results);              // complete root results, before `ended`
    void (*on_data)(lattice_call *c, size_t down_path, slice bytes); // must be taken; see lattice_call_pause
    void (*on_end)(lattice_call *c, size_t down_path);
    void (*on_room)(lattice_call *c, size_t up_path); // after a write gave STATUS_LIMIT
    // Everything has come (STATUS_OK), or it failed; `e` is NULL with STATUS_OK.
    void (*ended)(lattice_call *c, status code, const err *e);
} lattice_call_ops;

struct lattice_call { // the first part of the caller's own; zeroed, in place until `ended` or cancelled
    const lattice_call_ops *ops;
    lattice_invocation invocation; // what it points at stays until the end
    lattice_paths up, down;
    bool has_results; // the function gives something: an answer without bytes is STATUS_TRAP
    // for the transport
    lattice_transport *transport; // NULL when idle
    void *impl;
};

typedef struct lattice_transport_ops {
    // A failure here means that nothing was sent and `ended` will not come.
    status (*start)(lattice_transport *t, lattice_call *c, err *e);
    void (*cancel)(lattice_call *c);
    // All of it or (STATUS_LIMIT) nothing; then on_room tells when to try again.
    status (*write)(lattice_call *c, size_t up_path, slice bytes);
    void (*end)(lattice_call *c, size_t up_path);
    void (*pause)(lattice_call *c, bool is_paused); // no on_data meanwhile
} lattice_transport_ops;

struct lattice_transport { // the first part of a transport's own
    const lattice_transport_ops *ops;
};

static inline status lattice_call_start(lattice_transport *t, lattice_call *c, err *e) {
    return t->ops->start(t, c, e);
}
// `ended` will not be called; the other side is told where the transport can. Idempotent.
static inline void lattice_call_cancel(lattice_call *c) {
    if (c->transport != NULL) {
        c->transport->ops->cancel(c);
    }
}
static inline status lattice_call_write(lattice_call *c, size_t up_path, slice bytes) {
    return c->transport->ops->write(c, up_path, bytes);
}
static inline void lattice_call_end(lattice_call *c, size_t up_path) { c->transport->ops->end(c, up_path); }
static inline void lattice_call_pause(lattice_call *c, bool is_paused) {
    c->transport->ops->pause(c, is_paused);
}

// --- being called ------------------------------------------------------------------------------------------

typedef struct lattice_served lattice_served; // a call that has come; the transport's

typedef struct lattice_served_ops { // of who serves; any but `ended` may be NULL
    void (*on_data)(lattice_served *q, size_t up_path, slice bytes);
    void (*on_end)(lattice_served *q, size_t up_path);
    void (*on_room)(lattice_served *q, size_t down_path);
    // The last: all is sent (STATUS_OK), or the caller is gone or does not want it any more.
    void (*ended)(lattice_served *q, status code);
} lattice_served_ops;

typedef struct lattice_served_transport_ops {
    void (*answer)(lattice_served *q, slice results);              // once; then streams, if there are any
    void (*fail)(lattice_served *q, status code, const char *why); // in place of the answer, or of its rest
    status (*write)(lattice_served *q, size_t down_path, slice bytes);
    void (*end)(lattice_served *q, size_t down_path);
    void (*pause)(lattice_served *q, bool is_paused);
} lattice_served_transport_ops;

struct lattice_served { // the first part of the transport's own
    const lattice_served_transport_ops *transport;
    lattice_invocation invocation; // verified as far as the transport can; valid until `ended`
    lattice_paths up, down;        // as the server said in `paths`
    const lattice_served_ops *ops; // set by `call` before it returns, with `data`
    void *data;
};

// Who serves what comes over a transport.
typedef struct lattice_server {
    void *context;
    // Which streams this function has; false: there is no such function here. Before the call.
    bool (*paths)(void *context, slice target, slice instance, slice function, lattice_paths *ret_up,
                  lattice_paths *ret_down);
    // May be NULL. Before parameters are taken: `i` has none yet, the rest is as in the call; and, between
    // hosts of ours, once more right before `call`, since what allowed it may be gone when they have come.
    // STATUS_DENIED or STATUS_LIMIT, with a sentence for the caller: it is refused without being called.
    status (*check)(void *context, const lattice_invocation *i, err *e);
    // Sets q->ops and q->data. Must lead to exactly one answer or fail, now (also from inside) or later.
    void (*call)(void *context, lattice_served *q);
} lattice_server;

static inline status lattice_server_check(const lattice_server *s, const lattice_invocation *i, err *e) {
    return s->check == NULL ? STATUS_OK : s->check(s->context, i, e);
}
