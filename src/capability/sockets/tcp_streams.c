// SPDX-License-Identifier: Apache-2.0
// The byte streams of a connected TCP socket. A write is taken whole: what the kernel has no room for waits
// in the socket's `unsent` buffer, and until that is gone nothing more is taken, so memory per socket is
// bounded.
#include "base/check.h"
#include "base/mem.h"
#include "capability/sockets/tcp.h"
#include "os/socket.h"

#include <errno.h>

typedef wasi_sockets_tcp_tcp_socket tcp_socket;

typedef struct tcp_input {
    wasi_io_streams_input_stream stream; // first
    tcp_socket *socket;
} tcp_input;

typedef struct tcp_output {
    wasi_io_streams_output_stream stream; // first
    tcp_socket *socket;
} tcp_output;

static tcp_socket *input_socket(wasi_io_streams_input_stream *s) { return ((tcp_input *)(void *)s)->socket; }
static tcp_socket *output_socket(wasi_io_streams_output_stream *s) {
    return ((tcp_output *)(void *)s)->socket;
}

static wasi_io_state fail(wasi_failure *failure, long negated_errno) {
    return wasi_fail(failure, &wasi_sockets_network_interface, socket_error_of_errno((int)-negated_errno),
                     "the connection failed: error %ld", -negated_errno);
}

static wasi_io_state input_read(wasi_io_streams_input_stream *s, size_t max, slice *ret,
                                wasi_failure *failure) {
    tcp_socket *socket = input_socket(s);
    if (socket->input_shut) {
        return WASI_IO_CLOSED;
    }
    uint8_t *scratch = wasi_instance_scratch(s->base.instance);
    long n = socket_receive(socket->socket.fd, scratch, max < WASI_SCRATCH_BYTES ? max : WASI_SCRATCH_BYTES);
    if (n == -EAGAIN) {
        *ret = slice_empty();
        return WASI_IO_OK;
    }
    if (n <= 0) {
        return n == 0 ? WASI_IO_CLOSED : fail(failure, n);
    }
    *ret = slice_of(scratch, (size_t)n);
    return WASI_IO_OK;
}

static bool input_ready(wasi_io_streams_input_stream *s) {
    return input_socket(s)->input_shut || socket_is_readable(input_socket(s)->socket.fd);
}
static status input_arm(wasi_io_streams_input_stream *s, err *e) {
    return guest_socket_arm(&input_socket(s)->socket, LOOP_READABLE, e);
}

// Hands what waits to the kernel. WASI_IO_OK also when some of it has to wait on.
static wasi_io_state send_unsent(tcp_socket *s, wasi_failure *failure) {
    while (s->unsent.len > 0) {
        long n = socket_send(s->socket.fd, s->unsent.data, s->unsent.len);
        if (n == -EAGAIN) {
            return WASI_IO_OK;
        }
        if (n < 0) {
            return n == -EPIPE ? WASI_IO_CLOSED : fail(failure, n);
        }
        buf_consume(&s->unsent, (size_t)n);
    }
    return WASI_IO_OK;
}

static void go_on_ending(guest_socket *socket) {
    tcp_socket *s = (tcp_socket *)(void *)socket;
    if (s->is_ending) {
        (void)tcp_end_output(s); // there is nobody to tell
    }
}

int tcp_end_output(tcp_socket *s) {
    wasi_failure ignored = {0};
    s->socket.progress = go_on_ending;
    s->is_ending = send_unsent(s, &ignored) == WASI_IO_OK && s->unsent.len > 0 &&
                   guest_socket_arm(&s->socket, LOOP_WRITABLE, NULL) == STATUS_OK;
    return s->is_ending ? 0 : socket_shutdown(s->socket.fd, SHUT_WR);
}

static wasi_io_state output_check_write(wasi_io_streams_output_stream *s, uint64_t *ret,
                                        wasi_failure *failure) {
    tcp_socket *socket = output_socket(s);
    if (socket->output_shut) {
        return WASI_IO_CLOSED;
    }
    wasi_io_state state = send_unsent(socket, failure);
    if (state == WASI_IO_OK) {
        *ret = socket->unsent.len == 0 && socket_is_writable(socket->socket.fd) ? TCP_SEND_BUFFER_BYTES : 0;
    }
    return state;
}

static wasi_io_state output_write(wasi_io_streams_output_stream *s, slice bytes, wasi_failure *failure) {
    tcp_socket *socket = output_socket(s);
    CHECK(socket->unsent.len == 0 && bytes.len <= TCP_SEND_BUFFER_BYTES); // as check_write said
    long n = bytes.len == 0 ? 0 : socket_send(socket->socket.fd, bytes.data, bytes.len);
    if (n < 0 && n != -EAGAIN) {
        return n == -EPIPE ? WASI_IO_CLOSED : fail(failure, n);
    }
    size_t taken = n < 0 ? 0 : (size_t)n;
    if (buf_append(&socket->unsent, slice_sub(bytes, taken, bytes.len)) != STATUS_OK) {
        return fail(failure, -ENOMEM);
    }
    return WASI_IO_OK;
}

static wasi_io_state output_flush(wasi_io_streams_output_stream *s, wasi_failure *failure) {
    return send_unsent(output_socket(s), failure);
}

static bool output_ready(wasi_io_streams_output_stream *s) {
    // Room in the kernel is enough: the next check_write first sends what waits.
    return output_socket(s)->output_shut || socket_is_writable(output_socket(s)->socket.fd);
}
static status output_arm(wasi_io_streams_output_stream *s, err *e) {
    return guest_socket_arm(&output_socket(s)->socket, LOOP_WRITABLE, e);
}

// Bytes that were taken but cannot be sent at once are lost with the stream: WASI says to flush before
// dropping.
static void drop_output(wasi_resource *r) {
    wasi_failure ignored = {0};
    (void)send_unsent(((tcp_output *)(void *)r)->socket, &ignored);
}

static void free_stream(wasi_resource *r) { mem_free(r); }

static const wasi_resource_ops input_resource_ops = {.free = free_stream};
static const wasi_resource_ops output_resource_ops = {.drop = drop_output, .free = free_stream};
static const wasi_input_ops input_ops = {.read = input_read, .ready = input_ready, .arm = input_arm};
static const wasi_output_ops output_ops = {.check_write = output_check_write,
                                           .write = output_write,
                                           .flush = output_flush,
                                           .ready = output_ready,
                                           .arm = output_arm};

status tcp_streams_new(tcp_socket *s, wasi_io_streams_input_stream **ret_input,
                       wasi_io_streams_output_stream **ret_output, err *e) {
    wasi_instance *i = s->socket.base.instance;
    tcp_input *input = MEM_NEW(tcp_input);
    input->socket = s;
    status code =
        wasi_input_stream_init(&input->stream, i, &input_resource_ops, &input_ops, &s->socket.base, e);
    if (code != STATUS_OK) {
        mem_free(input);
        return code;
    }
    tcp_output *output = MEM_NEW(tcp_output);
    output->socket = s;
    code = wasi_output_stream_init(&output->stream, i, &output_resource_ops, &output_ops, &s->socket.base, e);
    if (code != STATUS_OK) {
        mem_free(output);
        wasi_resource_drop(&input->stream.base);
        return code;
    }
    *ret_input = &input->stream;
    *ret_output = &output->stream;
    return STATUS_OK;
}
