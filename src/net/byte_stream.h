// SPDX-License-Identifier: Apache-2.0
// A connected socket as a stream of bytes in both directions on the loop, in the clear or under TLS (from the
// beginning, or from some point on, as protocols with an "upgrade" have it). What clients of databases and
// brokers stand on: they ask the connector for a socket and make one of these of it.
//
// Cost: what is written in one turn of the loop goes out with one system call; reads are of up to 64 KiB,
// straight into the buffer that the handler sees.
//
// Threads: all on the thread of the loop. Callbacks come from the loop only, never from inside a function of
// this header; they may call anything here, byte_stream_free included. The process ignores SIGPIPE or not:
// none is raised. Works on stream sockets of any family.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/secret.h"
#include "crypto/tls.h"
#include "loop/loop.h"

typedef struct byte_stream byte_stream;

typedef struct byte_stream_limits {
    size_t in_bytes_max;  // that the handler left; the longest message that it takes as a whole
    size_t out_bytes_max; // queued and not yet taken by the kernel
} byte_stream_limits;

typedef struct byte_stream_handler {
    void *arg;
    // Bytes came: all that there are, those that were left before in front. Returns how many it took; the
    // rest comes again when more has come. Whatever was not taken must be less than in_bytes_max, else the
    // stream ends with STATUS_LIMIT. What it returns does not matter after byte_stream_free.
    size_t (*on_bytes)(void *arg, slice bytes);
    // TLS is set up, the peer is believed. May be NULL.
    void (*on_secure)(void *arg);
    // A write was refused with STATUS_LIMIT, and now half of out_bytes_max is free again. May be NULL.
    void (*on_room)(void *arg);
    // The stream has ended: STATUS_CLOSED when the peer went, STATUS_DENIED when TLS does not believe it,
    // STATUS_INVALID when it broke a rule of TLS, STATUS_LIMIT, STATUS_IO. Once, the last callback;
    // byte_stream_free is still to be called, from here or later.
    void (*on_end)(void *arg, status why, const err *e);
} byte_stream_handler;

// Takes `fd` over (also on failure): connected and non-blocking, as the connector gives it. `handler` is
// copied.
status byte_stream_new(loop *l, int fd, const byte_stream_limits *limits, const byte_stream_handler *handler,
                       byte_stream **ret, err *e) WRIT_MUST_USE;
// Cuts the connection at once. No callback follows. Accepts NULL.
void byte_stream_free(byte_stream *s);

// From here on everything is TLS: what is written from now on waits until the peer is believed. For streams
// whose queue is empty (else STATUS_INVALID), before anything was written or after the peer agreed to it.
// Bytes that came in the clear and are not taken when the handler returns end the stream: nobody could tell
// them from those under TLS. `host` as in tls_session_new.
status byte_stream_start_tls(byte_stream *s, tls_context *tls, slice host, err *e) WRIT_MUST_USE;
bool byte_stream_is_secure(const byte_stream *s); // on_secure was due or has come

// Queues a copy. STATUS_LIMIT over out_bytes_max, STATUS_CLOSED after the end: nothing of it was queued.
status byte_stream_write(byte_stream *s, slice bytes) WRIT_MUST_USE;
// The same without a copy: `bytes` of room, of which the caller fills some and says how many with
// byte_stream_commit, before anything else is called here.
status byte_stream_reserve(byte_stream *s, size_t bytes, uint8_t **ret) WRIT_MUST_USE;
void byte_stream_commit(byte_stream *s, size_t bytes);
// A secret, sent from where it is and freed when it was taken by the kernel (or by TLS). It is taken over and
// zeroed, also on failure. STATUS_LIMIT while another one or anything else is queued: those who send
// passwords have nothing else on the way then.
status byte_stream_write_secret(byte_stream *s, secret *taken) WRIT_MUST_USE;
// Bytes queued and not yet taken by the kernel.
size_t byte_stream_queued(const byte_stream *s);
// Tries to send now what is queued instead of at the end of the turn, such as a farewell before
// byte_stream_free. Failures are told by on_end, later.
void byte_stream_flush(byte_stream *s);

// While paused nothing is read and on_bytes does not come: the peer's bytes stay in the kernel, and it has to
// wait. The end of the stream may be noticed only later.
void byte_stream_pause(byte_stream *s);
void byte_stream_resume(byte_stream *s);
