// SPDX-License-Identifier: Apache-2.0
// The host's side of wasi:http/incoming-handler: connects one HTTP exchange with one call of a guest's
// `handle`.
//
//   http_incoming_new    makes the incoming-request and the response-outparam, inside the guest's task or
//   before it component_call       `handle` with http_incoming_args; the response leaves as the guest
//   produces it http_incoming_end    the call is over, in whatever way: answers what the guest did not,
//   releases the exchange
//
// The response starts the moment the guest sets the outparam; bodies stream in both directions while `handle`
// runs, straight between the connection's buffers and the guest's memory. Resources that a guest keeps beyond
// the call (in an instance that is reused) stay valid and find their streams closed.
// Threads: the loop's.
#pragma once

#include "capability/wasi.h"
#include "component/component.h"
#include "net/http_server.h"

typedef struct http_incoming http_incoming;

typedef enum http_incoming_outcome {
    HTTP_INCOMING_RETURNED,  // `handle` returned
    HTTP_INCOMING_TRAPPED,   // the guest is at fault
    HTTP_INCOMING_TIMED_OUT, // over its wall or CPU time
    HTTP_INCOMING_ABORTED,   // given up by the host: the client is gone, or a shutdown
} http_incoming_outcome;

typedef struct http_incoming_options {
    wasi_instance *instance;
    http_exchange *exchange; // its ops are bound here
    bool is_https;           // the scheme when the request does not name one
    // The client is gone without a complete answer: the call should be cancelled. From the loop, never from
    // inside a function of this header; not after http_incoming_end. May be NULL.
    void (*aborted)(void *context);
    void *context;
} http_incoming_options;

// On failure the exchange is as before.
status http_incoming_new(const http_incoming_options *options, http_incoming **ret, err *e) WRIT_MUST_USE;

// The two arguments of `handle`, owned by the call from then on. At most once.
void http_incoming_args(http_incoming *h, component_value ret_args[2]);

// Ends it: a request without a response gets 500 (504 when timed out), a response that was begun and not
// finished is cut so that the client notices. Releases the exchange and frees `h`.
void http_incoming_end(http_incoming *h, http_incoming_outcome outcome);

// The status of the response that was started, 0 when none was.
uint16_t http_incoming_status(const http_incoming *h);
