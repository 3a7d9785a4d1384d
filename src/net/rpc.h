// SPDX-License-Identifier: Apache-2.0
// Calls in both directions over a connected local stream socket: a worker and a process with drivers are the
// two ends of one. A call names a target (a number that both ends know: a link, a workload), an interface and
// a function, and carries a payload of bytes; its answer is a payload or a status with a sentence.
//
// Either end may be hostile. A peer that breaks a rule of the format loses the connection and with it every
// call; it can make us neither wait, nor hold more memory than the limits say, nor do anything twice. Nothing
// here blocks: what does not fit the limits is STATUS_LIMIT at once, to the caller here or as the peer's
// answer.
//
// Cost: what one turn of the loop queues is written with one system call, and what the socket holds is read
// with one, 64 KiB at a time.
//
// Frames, little-endian; `length` counts the bytes behind it:
//
//   u32 length, u8 type, u8 0, u16 x, u32 slot, then
//   1 CALL    x = bytes of the interface; u32 target, u32 bytes of the function, u64 ns until the deadline (0
//   =
//             none), interface, function, payload
//   2 ANSWER  x = status; 0: payload, else: a sentence (at most RPC_MESSAGE_BYTES_MAX bytes)
//   3 CANCEL  nothing more; the call is answered all the same
//   4 BYE     slot 0; the sender starts no more calls. Sent once
//
// The caller numbers its calls in flight with slots, from 0, and uses a slot again after the answer. Types 16
// to 31 are kept for bodies that stream (data, credit, end; x = which of a call's streams); none exists yet,
// so they are rules broken.
//
// Threads: everything on the thread of the loop. Callbacks come from the loop only, never from inside a
// function of this header; they may call anything here, rpc_free included. The process ignores SIGPIPE.
// System calls: read, write and what the loop needs. Fuzzed by fuzz/fuzz_rpc.c.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/list.h"
#include "base/slice.h"
#include "loop/loop.h"

typedef struct rpc rpc;
typedef struct rpc_request rpc_request;

enum {
    RPC_NAME_BYTES_MAX = 1024,    // of an interface, and of a function
    RPC_MESSAGE_BYTES_MAX = 1023, // of the sentence of a failure
    RPC_CALLS_MAX = 1 << 16,
};

typedef struct rpc_limits {
    uint32_t payload_bytes_max; // of one call or answer, both directions; the same at both ends
    uint32_t calls_out_max; // in flight from here, those included that were given up and are not answered yet
    uint32_t calls_in_max;  // in flight from the peer; over it the peer's call is answered STATUS_LIMIT
    size_t in_bytes_max;    // names and payloads of the peer's calls that are not answered
    size_t out_bytes_max;   // queued for the peer and not yet taken by the kernel
} rpc_limits;

// 16 MiB, 4096, 4096, 64 MiB, 64 MiB.
rpc_limits rpc_limits_default(void);

typedef struct rpc_handler {
    void *arg;
    // A call of the peer: exactly one rpc_answer or rpc_fail must follow, now or later. NULL = every call is
    // answered STATUS_UNSUPPORTED.
    void (*on_call)(void *arg, rpc_request *q);
    // The peer does not want the answer any more, or is gone. It must be answered all the same (soon, with
    // anything), since only that ends the request. May be NULL.
    void (*on_cancel)(void *arg, rpc_request *q);
    // The connection has ended: STATUS_OK after an orderly close, STATUS_CLOSED when the peer went,
    // STATUS_INVALID when it broke a rule, STATUS_LIMIT when it does not read, STATUS_IO. Once, the last
    // callback; all calls have ended before (STATUS_CLOSED). rpc_free is still to be called, from here or
    // later. May be NULL.
    void (*on_closed)(void *arg, status why, const err *e);
} rpc_handler;

// Takes `fd` over (also on failure), a connected stream socket; `limits` NULL = the default ones.
status rpc_new(loop *l, int fd, const rpc_limits *limits, const rpc_handler *handler, rpc **ret,
               err *e) WRIT_MUST_USE;
// Cuts the connection at once. Calls in flight end with STATUS_CLOSED, from the loop, later; on_closed does
// not come. Requests that are not answered stay valid until they are; their answers go nowhere.
void rpc_free(rpc *r); // accepts NULL
// Orderly: no more calls are started from either end (STATUS_CLOSED), those in flight are finished in both
// directions, then on_closed comes with STATUS_OK. Takes as long as the calls take. Idempotent.
void rpc_close(rpc *r);
bool rpc_is_open(const rpc *r); // calls may be started

typedef struct rpc_counters {
    uint32_t calls_out; // in flight now
    uint32_t calls_in;
    size_t in_bytes; // as in rpc_limits
    size_t out_bytes;
    size_t call_bytes; // names and payloads of calls_out: what in_bytes is at the peer
    uint64_t started;  // since the beginning
    uint64_t served;
    uint64_t refused; // of the peer's, by the limits
    uint64_t reads;   // system calls
    uint64_t writes;
} rpc_counters;
rpc_counters rpc_count(const rpc *r);

// --- calling -----------------------------------------------------------------------------------------------

typedef struct rpc_message {
    uint32_t target;
    slice interface;
    slice function;
    slice payload;
} rpc_message;

typedef struct rpc_result {
    // STATUS_OK; STATUS_TIMEOUT (the deadline); STATUS_CLOSED (the connection went: it is not known whether
    // the call was done); else what the peer says.
    status code;
    slice payload; // with STATUS_OK; valid during the callback
    const err *e;  // a sentence unless STATUS_OK; valid during the callback
} rpc_result;

typedef void (*rpc_ended)(void *arg, const rpc_result *result);

// What one of several callers has in flight, given-up calls included that the peer has not answered. Zeroed
// at first, and there for as long as the connection.
//
// Callers with a share cannot take the connection from each other: nobody may have more in flight than is
// left over. One alone gets half of calls_out_max and of in_bytes_max (which is taken to be the peer's, too),
// of two each a third, and there is always room for one more.
typedef struct rpc_share {
    uint32_t calls;
    size_t bytes;
} rpc_share;

// A call in flight: the caller's, zeroed, in place until it has ended. All fields but `share` are this
// module's.
typedef struct rpc_call {
    rpc *r; // NULL when idle
    rpc_ended ended;
    void *arg;
    loop *l;
    uint32_t slot;
    loop_timer deadline;
    loop_soon soon; // tells the end that does not come from the socket
    list_node node;
    status lost;      // how it ended, for `soon`
    rpc_share *share; // whose call it is, set before the start; NULL = nobody's
} rpc_call;

// Sends a call (what `m` points at is copied). `deadline_ns` of loop_now_ns, UINT64_MAX = none; it travels
// with the call. `ended` is called exactly once unless the call is cancelled. STATUS_LIMIT over
// calls_out_max, payload_bytes_max, out_bytes_max or the share, STATUS_CLOSED, STATUS_TIMEOUT for a deadline
// that is over, STATUS_INVALID for names over their length: nothing was sent.
status rpc_call_start(rpc *r, rpc_call *c, const rpc_message *m, uint64_t deadline_ns, rpc_ended ended,
                      void *arg, err *e) WRIT_MUST_USE;
// `ended` will not be called; the peer is told. Idempotent; accepts a zeroed call.
void rpc_call_cancel(rpc_call *c);
static inline bool rpc_call_is_active(const rpc_call *c) { return c->l != NULL; }

// --- being called ------------------------------------------------------------------------------------------

// All valid until the answer. The names are not NUL-terminated and any bytes.
const rpc_message *rpc_request_message(const rpc_request *q);
uint64_t rpc_request_deadline_ns(const rpc_request *q); // of our loop's loop_now_ns; UINT64_MAX = none
bool rpc_request_is_cancelled(const rpc_request *q);
void rpc_request_set_data(rpc_request *q, void *data); // for the handler's use
void *rpc_request_data(const rpc_request *q);

// Each ends the request. An answer that is over the limits becomes STATUS_LIMIT; one for a peer that is gone,
// or that has cancelled, goes nowhere.
void rpc_answer(rpc_request *q, slice payload);
void rpc_fail(rpc_request *q, status code, const char *format, ...) WRIT_FORMAT(3, 4);
