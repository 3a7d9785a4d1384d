// SPDX-License-Identifier: Apache-2.0
// One gRPC call (one request message; one answer or a stream of them) over a Unix socket, on libcurl's
// HTTP/2. Source: "gRPC over HTTP2" of the gRPC project.
//
// Each call has a connection of its own, without TLS: the socket's permissions say who may talk. Messages are
// not compressed. They may hold keys, so they are collected in locked memory that is wiped; copies in
// libcurl's and the kernel's buffers are beyond our reach.
//
// Threads: the loop's. Callbacks come from the loop only and may free the call.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/secret.h"
#include "loop/loop.h"

typedef struct grpc_call grpc_call;

enum {
    GRPC_MESSAGE_BYTES_MAX = SECRET_BYTES_MAX,
    GRPC_REQUEST_BYTES_MAX = 64 << 10,
    GRPC_SOCKET_PATH_BYTES_MAX = 107,
};

typedef enum grpc_code { // those that somebody here asks for
    GRPC_OK = 0,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_UNAVAILABLE = 14,
    GRPC_CODE_MAX = 16,
} grpc_code;

typedef struct grpc_request {    // borrowed for grpc_call_new
    const char *socket_path;     // absolute
    const char *method;          // "/Service/Method"
    slice message;               // encoded
    size_t answer_bytes_max;     // of each message; at most GRPC_MESSAGE_BYTES_MAX
    uint64_t first_ns;           // for the first message to be there
    const char *const *metadata; // "name: value" lines, NULL at the end; may be NULL
} grpc_request;

typedef struct grpc_result {
    // STATUS_OK; STATUS_NOT_FOUND (no socket there); STATUS_DENIED (the socket's permissions, or the server's
    // PERMISSION_DENIED); STATUS_TIMEOUT; STATUS_LIMIT (a message is too large); STATUS_CLOSED (nobody
    // listens, or the connection was cut); STATUS_INVALID (not gRPC); STATUS_IO (another answer of the
    // server).
    status code;
    unsigned grpc_code; // from the server; GRPC_OK unless it sent another
    const err *e;       // for people; NULL with STATUS_OK
} grpc_result;

typedef struct grpc_events {
    void *arg;
    void (*message)(void *arg, slice message);           // valid during the call
    void (*ended)(void *arg, const grpc_result *result); // once; no message follows
} grpc_events;

// Begins the call. STATUS_INVALID for a path that cannot be one of a socket; everything that happens later
// comes through `ended`.
status grpc_call_new(loop *l, const grpc_request *request, const grpc_events *events, grpc_call **ret,
                     err *e) WRIT_MUST_USE;
void grpc_call_free(grpc_call *c); // cancels it; accepts NULL
