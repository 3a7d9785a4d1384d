// SPDX-License-Identifier: Apache-2.0
// HTTP through a lattice: requests as calls of wrpc:http 0.1.0 over any transport, and such calls as
// requests. Bodies and trailers stream both ways with back-pressure where the transport has it.
//
//   wrpc:http/incoming-handler@0.1.0   handle(request) -> result<response, error-code>
//   wrpc:http/outgoing-handler@0.1.0   handle(request, option<request-options>) -> result<response,
//   error-code> bodies on path 0.0, trailers on path 0.1, of parameters and of results
//
// Fields that only mean something between two neighbours (Connection, Keep-Alive, Transfer-Encoding, TE,
// Upgrade, Proxy-Connection and what Connection names) stay behind. Fields of one name become one entry with
// several values, as peers demand; the Host field is the authority. A peer's response that breaks a rule of
// HTTP is 502 or error-code HTTP-protocol-error, never passed on.
//
// Threads: all on the thread of the loop. Callbacks come from the loop only.
#pragma once

#include "lattice/call.h"
#include "net/http_client.h"
#include "net/http_server.h"

#define WRPC_HTTP_INCOMING "wrpc:http/incoming-handler@0.1.0"
#define WRPC_HTTP_OUTGOING "wrpc:http/outgoing-handler@0.1.0"
#define WRPC_HTTP_FUNCTION "handle"

enum {
    WRPC_HTTP_HEADERS_MAX = 256,          // fields of a head or of trailers
    WRPC_HTTP_HEAD_BYTES_MAX = 256 << 10, // of encoded root parameters and results, and of trailers
    WRPC_HTTP_CHUNK_BYTES_MAX = 64 << 10, // of a body, that is written at one time
};

// `up` and `down` of both functions: what a lattice_server says in `paths`.
lattice_paths wrpc_http_paths(void);
bool wrpc_http_is(slice instance, slice function, bool *ret_is_outgoing);

// --- a request that goes to somebody of the lattice -------------------------------------------------------

typedef struct wrpc_http_forward wrpc_http_forward;

typedef struct wrpc_http_forward_options {
    loop *loop;
    lattice_transport *transport;
    lattice_invocation invocation; // source, link, target, trace, deadline_ns ...; copied with what it points
                                   // at. `instance` is WRPC_HTTP_INCOMING or WRPC_HTTP_OUTGOING; `function`
                                   // and `params` are filled in
    bool is_https;                 // of a request whose target is not absolute
    uint64_t connect_ns;           // of an outgoing one: options for who makes the request; 0 = not said
    uint64_t first_byte_ns;
    uint64_t between_bytes_ns;
    // The exchange was answered (with the response, or 4xx/5xx for what failed) and released; once, also for
    // a client that went away. `why` says what the call ended with. May be NULL.
    void (*ended)(void *arg, status why, const char *text);
    void *arg;
} wrpc_http_forward_options;

// Takes the exchange over: answers it and releases it, whatever happens. A call that fails before there is a
// response is 502 (nobody serves it, it failed), 503 (no room), 504 (deadline) or 403 (denied), without the
// reason, which `ended` has. An error-code of the one who is called likewise. Failures of
// WRPC_HTTP_OUTGOING have the number and the name of an error-code in the field `writ-http-error` of the
// answer, which no response of somebody else has. `ret` may be NULL; it is valid until `ended`.
void wrpc_http_forward_start(http_exchange *x, const wrpc_http_forward_options *options,
                             wrpc_http_forward **ret);
// The answer of WRPC_HTTP_OUTGOING to a request that goes to nobody; releases the exchange.
void wrpc_http_refuse(http_exchange *x, status why);
void wrpc_http_forward_cancel(wrpc_http_forward *f); // the client is cut; `ended` is not called

// --- a call that comes, and becomes a request --------------------------------------------------------------

typedef struct wrpc_http_serve_options {
    loop *loop;
    // To a worker: a client whose connector gives connections to it, whatever the name (always in the clear).
    // To the world, for WRPC_HTTP_OUTGOING: a client with TLS and the policy that applies.
    http_client *client;
    bool is_inside; // to a worker: https of the request is not TLS here, and X-Forwarded-Proto is set
} wrpc_http_serve_options;

// From lattice_server.call: sets q->ops and q->data and answers it, now or later.
void wrpc_http_serve(lattice_served *q, const wrpc_http_serve_options *options);
