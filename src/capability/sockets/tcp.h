// SPDX-License-Identifier: Apache-2.0
// A TCP socket of a guest. States and transitions: wasi:sockets/tcp, "tcp-socket".
#pragma once

#include "base/buf.h"
#include "capability/sockets/sockets_internal.h"
#include "capability/stream.h"
#include "wasi/sockets_tcp.h"

typedef enum tcp_state {
    TCP_UNBOUND,
    TCP_BINDING, // start-bind was called, finish-bind not yet with success
    TCP_BOUND,
    TCP_CONNECTING,
    TCP_CONNECTED,
    TCP_LISTEN_STARTED,
    TCP_LISTENING,
    TCP_CLOSED, // a failed connect: nothing but dropping is left
} tcp_state;

enum { TCP_SEND_BUFFER_BYTES = 64 << 10, TCP_BACKLOG_DEFAULT = 128, TCP_BACKLOG_MAX = 4096 };

struct wasi_sockets_tcp_tcp_socket {
    guest_socket socket; // first: a wasi_resource
    tcp_state state;
    int backlog;
    buf unsent; // what the kernel did not take of a write; at most TCP_SEND_BUFFER_BYTES
    bool input_shut;
    bool output_shut;
    bool is_ending; // shut down for sending, but `unsent` goes first
};

// The two streams of a connected socket, children of it. On failure nothing is left behind.
status tcp_streams_new(wasi_sockets_tcp_tcp_socket *s, wasi_io_streams_input_stream **ret_input,
                       wasi_io_streams_output_stream **ret_output, err *e) WRIT_MUST_USE;

// Sends what waits and then the end of the stream: now, or as the peer takes it. 0 or a negated errno.
int tcp_end_output(wasi_sockets_tcp_tcp_socket *s);

status tcp_socket_new(wasi_instance *i, bool is_v6, wasi_sockets_tcp_tcp_socket **ret, err *e) WRIT_MUST_USE;
