// SPDX-License-Identifier: Apache-2.0
// A connection's insides, shared by the rpc_*.c files only: rpc.c has its life and the two directions of
// bytes, rpc_frame.c takes frames apart, rpc_call.c and rpc_request.c are the two sides of a call.
#pragma once

#include "base/buf.h"
#include "net/rpc.h"

enum rpc_frame_type { RPC_CALL = 1, RPC_ANSWER, RPC_CANCEL, RPC_BYE };

enum {
    RPC_HEAD_BYTES = 12,      // length, type, 0, x, slot
    RPC_CALL_HEAD_BYTES = 28, // and target, bytes of the function, time
    RPC_IN_BYTES = 64 << 10,  // what is read at once; longer frames get memory of their own
    RPC_READS_MAX = 4,        // in one turn
    RPC_KEPT_OUT_BYTES = 1 << 20,
    RPC_KEPT_REQUESTS = 256,
    RPC_REQUEST_INLINE_BYTES = 448,
    RPC_SMALL_ANSWER_BYTES = 4096,
};

typedef struct rpc_slot { // a call of ours
    rpc_call *call;       // NULL: given up, or free
    rpc_share *share;     // NULL: nobody's
    size_t bytes;         // as accounted
    uint32_t next_free;
    bool is_used;
} rpc_slot;

struct rpc_request {
    rpc *r; // NULL when the connection was freed
    uint32_t slot;
    rpc_message m;
    uint64_t deadline_ns;
    bool is_cancelled;
    void *data;
    size_t bytes; // as accounted
    list_node node;
    uint8_t *own; // memory of its names and payload when they do not fit below
    uint8_t inline_bytes[RPC_REQUEST_INLINE_BYTES];
};

struct rpc {
    loop *l;
    int fd; // -1 when the connection has ended
    rpc_limits limits;
    rpc_handler handler;
    loop_watch watch;
    rpc_counters counters;

    bool is_freed;  // its memory goes with the last hold
    unsigned holds; // functions that still use it below a callback
    bool said_bye;
    bool heard_bye;
    status broken; // why it is to end, STATUS_OK = it is not
    err why;
    loop_soon end_soon;

    buf out;
    size_t out_start; // bytes of it that were written
    bool is_blocked;  // the kernel takes no more now
    loop_soon flush_soon;

    uint8_t *in; // RPC_IN_BYTES
    size_t in_start;
    size_t in_len;
    uint8_t *large; // a frame that does not fit there
    size_t large_len;
    size_t large_size;
    size_t skip; // bytes of a refused frame that are still to come

    rpc_slot *slots;
    uint32_t slot_count;
    uint32_t free_slot; // UINT32_MAX = none

    rpc_request **requests; // by the peer's slot, calls_in_max
    list_node open_requests;
    list_node kept; // free requests
    uint32_t kept_count;
};

// --- rpc.c
void rpc_hold(rpc *r);
void rpc_drop(rpc *r); // frees when it was the last and rpc_free was called
// The connection is to end, for this reason; the first one counts. Takes effect soon.
void rpc_break(rpc *r, status why, const char *format, ...) WRIT_FORMAT(3, 4);
static inline bool rpc_is_dead(const rpc *r) { return r->fd < 0 || r->broken != STATUS_OK; }
static inline size_t rpc_out_bytes(const rpc *r) { return r->out.len - r->out_start; }
// Queues a frame of a head and three parts; breaks the connection when the peer does not read.
void rpc_put(rpc *r, slice head, slice a, slice b, slice c);
void rpc_put_head(rpc *r, enum rpc_frame_type type, uint16_t x, uint32_t slot, slice rest);

// --- rpc_frame.c
// Whole frames at the front of what was read, and the beginning of a large one. Leaves the rest.
void rpc_take_frames(rpc *r);
// A large frame is complete.
void rpc_take_large(rpc *r);

// --- rpc_call.c
void rpc_call_answered(rpc *r, uint32_t slot, status code, slice rest);
void rpc_calls_lost(rpc *r, bool later); // ends all calls, from here or soon

// --- rpc_request.c
// A call has come. `own` is memory that `m` points into and that becomes the request's, or NULL: then it is
// copied.
void rpc_request_new(rpc *r, uint32_t slot, const rpc_message *m, uint64_t time_ns, uint8_t *own);
void rpc_request_refuse(rpc *r, uint32_t slot, const char *why);
void rpc_request_cancelled(rpc *r, uint32_t slot);
void rpc_requests_lost(rpc *r, bool tell);
