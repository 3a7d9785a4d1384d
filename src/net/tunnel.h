// SPDX-License-Identifier: Apache-2.0
// A connection through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6) over a socket that is connected to
// the proxy, until the proxy has answered that what follows goes to the target. Of the answer not a byte more
// is read than its head, so that the socket is from then on as if connected to the target.
//
// The proxy may be hostile: the head of its answer is bounded, and so is the time. Everything on the thread
// of the loop; callbacks come from the loop only.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"
#include "loop/loop.h"

enum {
    TUNNEL_HOST_BYTES_MAX = 253,
    TUNNEL_AUTHORIZATION_BYTES_MAX = 1024,
    TUNNEL_HEAD_BYTES_MAX = 8192, // of the answer
};

typedef struct tunnel tunnel;

typedef struct tunnel_request {
    slice host; // a name, or a literal address without brackets
    uint16_t port;
    slice authorization;  // the value of Proxy-Authorization ("Basic ..."); empty = none is sent
    uint64_t deadline_ns; // of loop_now_ns
} tunnel_request;

// STATUS_OK with the socket, which is the receiver's to close. Else `fd` is -1 and `e` says why:
// STATUS_DENIED (the proxy forbids it), STATUS_CLOSED (it ended the connection), STATUS_TIMEOUT,
// STATUS_INVALID (no answer of HTTP), STATUS_LIMIT (a head that is too long), STATUS_IO (it cannot reach the
// target, or the socket failed). The tunnel is gone then.
typedef void (*tunnel_ended)(void *arg, status code, int fd, const err *e);

// Takes `fd` over, also on failure. STATUS_INVALID for a host that no request can name.
status tunnel_start(loop *l, int fd, const tunnel_request *q, tunnel_ended ended, void *arg, tunnel **ret,
                    err *e) WRIT_MUST_USE;
// `ended` will not be called; closes the socket. Accepts NULL.
void tunnel_cancel(tunnel *t);
