// SPDX-License-Identifier: Apache-2.0
// The client's end of TLS (1.2 and newer), without a socket: bytes of the network go in and come out here,
// and somebody else carries them. For connections on the loop take net/byte_stream.h, which does.
//
// The peer must prove itself: a chain to the trusted authorities, valid now, for the host that was asked for.
// There is no way to switch that off. Nothing blocks; what is buffered is bounded by what the caller puts in.
// All functions on one thread for a context and its sessions.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/trust_roots.h"

typedef struct tls_context tls_context; // what many sessions share
typedef struct tls_session tls_session; // one connection

enum {
    TLS_PEM_BYTES_MAX = 1 << 20,
    TLS_RECORD_BYTES_MAX = 16 << 10, // of plain bytes in one record
    TLS_HELD_BYTES_MAX = 256 << 10,  // a session takes nothing from the network while it holds that much
};

typedef struct tls_options {
    // Whom to trust: the authorities in `ca` (PEM) alone when it is not empty, else `roots`. With neither
    // there is no context: STATUS_INVALID. `roots` is needed only for the call.
    trust_roots *roots;
    slice ca;
    // What the client proves itself with, PEM: its certificate with the chain behind it, and its key. Both or
    // none.
    slice certificate;
    slice key;
} tls_options;

// All that `options` points at is copied. STATUS_INVALID says which of the texts is wrong, without its bytes.
status tls_context_new(const tls_options *options, tls_context **ret, err *e) WRIT_MUST_USE;
// Sessions keep it as long as they need it. Accepts NULL.
void tls_context_free(tls_context *c);

// `host`: the name or literal address that the certificate must be for. STATUS_INVALID for what cannot be
// one.
status tls_session_new(tls_context *c, slice host, tls_session **ret, err *e) WRIT_MUST_USE;
void tls_session_free(tls_session *s); // accepts NULL

// --- the network's side ------------------------------------------------------------------------------------

// Takes bytes that the network sent, at most `*ret` of them when too much is held already.
status tls_session_put(tls_session *s, slice bytes, size_t *ret, err *e) WRIT_MUST_USE;
// What is to be sent now; empty when there is nothing. Valid until the next call of anything here.
slice tls_session_pending(tls_session *s);
void tls_session_sent(tls_session *s, size_t bytes); // of what is pending

// --- the plain side ----------------------------------------------------------------------------------------

// Goes on with the handshake. STATUS_OK when it is done (also later again), STATUS_NOT_FOUND while bytes of
// the network are missing; STATUS_DENIED when the peer is not believed; STATUS_INVALID for what is no TLS or
// what it was refused with; nothing goes on after these. Look at tls_session_pending behind each call,
// whatever it returned: alerts are to be sent, too.
status tls_session_handshake(tls_session *s, err *e) WRIT_MUST_USE;

// After the handshake: up to `room` plain bytes that came, at least one. STATUS_NOT_FOUND while there are
// none, STATUS_CLOSED after the peer's orderly end, STATUS_INVALID for what is no TLS.
status tls_session_read(tls_session *s, uint8_t *to, size_t room, size_t *ret, err *e) WRIT_MUST_USE;
// Encrypts all of it (it becomes pending). The caller bounds what it gives.
status tls_session_write(tls_session *s, slice plain, err *e) WRIT_MUST_USE;
// The peer is told the end, as a pending record.
void tls_session_close(tls_session *s);
