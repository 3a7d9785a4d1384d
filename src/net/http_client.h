// SPDX-License-Identifier: Apache-2.0
// Outgoing HTTP/1.1 and HTTP/2 on libcurl's multi interface, driven by the event loop: any number of calls on
// one thread, bodies streamed both ways with back-pressure, connections kept and used again.
//
// One client per workload, so that no two share connections. libcurl never resolves a name and never
// connects: its sockets come from the connector, which applies the workload's policy. A call first tries to
// use a connection that is open; only when libcurl asks for a new socket is the connector asked, and the call
// begins anew with what it gave. Redirects are not followed, no proxy and no cookie is used, only http and
// https are spoken, TLS is verified.
//
// Threads: the loop's. curl's global state is initialised by http_client_new; no other thread may do so
// meanwhile. Tests: tests/unit/net/test_http_client.c.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "loop/loop.h"
#include "net/connector.h"
#include "net/http.h"

typedef struct http_client http_client;
typedef struct http_call http_call;

struct trust_roots;

typedef struct http_client_options {
    connector *connector;      // borrowed
    struct trust_roots *roots; // borrowed; which certificates TLS trusts. NULL = none: https fails
    uint32_t workload;         // for the connector
    // A local socket that all calls go to, for commands: libcurl connects to it by itself, and the connector
    // is not asked. NULL = none; borrowed.
    const char *socket_path;
    // Who is connected makes the requests: it gets them in the clear with their whole target (RFC 9112
    // section 3.2.2), those of https too.
    bool is_relayed;
    uint32_t calls_max;        // running and waiting
    uint32_t sockets_max;      // being connected, in use and kept; further calls wait for one
    uint32_t header_count_max; // of a response, and again of its trailers
    uint32_t header_bytes_max;
    uint64_t connect_ns;       // where a call does not say: to have a connection, with TLS
    uint64_t first_byte_ns;    // from then to the headers of the response, while nothing moves
    uint64_t between_bytes_ns; // for each further piece of the body that is waited for
} http_client_options;

http_client_options http_client_options_default(void);

status http_client_new(loop *l, const http_client_options *options, http_client **ret, err *e) WRIT_MUST_USE;
void http_client_free(http_client *c); // accepts NULL; every call must have been freed

// --- one call ----------------------------------------------------------------------------------------------

typedef struct http_call_request { // borrowed for http_call_new
    slice method;
    bool is_https;
    slice authority;            // "host", "host:port", "[v6]:port"
    slice path_with_query;      // "" and "?query" are completed
    const http_header *headers; // Host, framing and connection fields are left out
    size_t header_count;
    bool has_body;
    int64_t content_length; // of the body; -1 = not known
    uint64_t connect_ns;    // 0 = the client's
    uint64_t first_byte_ns;
    uint64_t between_bytes_ns;
    bool has_secrets; // fields and bodies are wiped when the call is freed; what libcurl and TLS have of them
                      // at one time is not ours
} http_call_request;

// Something that was waited for may have happened: the response, data, room, a failure. Called from the loop,
// also from inside libcurl: must only take note, and call nothing of this header.
typedef void (*http_call_progress)(void *arg);

typedef enum http_failure {
    HTTP_FAILURE_NONE,
    HTTP_FAILURE_DENIED, // by policy
    HTTP_FAILURE_DNS,
    HTTP_FAILURE_DNS_TIMEOUT,
    HTTP_FAILURE_REFUSED,
    HTTP_FAILURE_UNREACHABLE,
    HTTP_FAILURE_CONNECT_TIMEOUT,
    HTTP_FAILURE_LIMIT, // too many connections
    HTTP_FAILURE_TERMINATED,
    HTTP_FAILURE_TLS_PROTOCOL,
    HTTP_FAILURE_TLS_CERTIFICATE,
    HTTP_FAILURE_RESPONSE_TIMEOUT, // no first byte
    HTTP_FAILURE_READ_TIMEOUT,     // between bytes
    HTTP_FAILURE_RESPONSE_INCOMPLETE,
    HTTP_FAILURE_RESPONSE_HEADER_SIZE,
    HTTP_FAILURE_PROTOCOL,
    HTTP_FAILURE_INTERNAL,
} http_failure;

typedef struct http_response { // valid until http_call_free
    uint16_t status;
    const http_header *headers;
    size_t header_count;
} http_response;

// Begins a call. STATUS_LIMIT when there are too many, STATUS_INVALID for a request that cannot be sent.
status http_call_new(http_client *c, const http_call_request *request, http_call_progress progress, void *arg,
                     http_call **ret, err *e) WRIT_MUST_USE;
// Cancels what is not finished. Accepts NULL.
void http_call_free(http_call *call);

// The response once its headers are there, NULL before and when there will be none.
const http_response *http_call_response(const http_call *call);
http_failure http_call_failure(const http_call *call); // HTTP_FAILURE_NONE while all is well
bool http_call_is_done(const http_call *call); // nothing moves any more; what was received may still be read
const char *http_call_failure_text(const http_call *call);

// The response's body. At most `max` (> 0) bytes, in place, valid until the next read.
http_body_state http_call_read(http_call *call, size_t max, slice *ret);
bool http_call_can_read(const http_call *call);
const http_header *http_call_trailers(const http_call *call, size_t *ret_count); // after HTTP_BODY_END

// The request's body, for has_body: whether it may still go on. Room 0: progress will be called. A write
// takes no more than the room.
bool http_call_may_write(const http_call *call);
size_t http_call_room(http_call *call);
status http_call_write(http_call *call, slice bytes, err *e) WRIT_MUST_USE;
// The whole body was written. Trailers are sent over HTTP/1.1 when the length was not known and the request
// had a field Trailer; otherwise they are left out.
void http_call_end(http_call *call, const http_header *trailers, size_t count);
// The body will not be complete: gives up the call, which fails with HTTP_FAILURE_TERMINATED.
void http_call_abort(http_call *call);
