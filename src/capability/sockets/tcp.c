// SPDX-License-Identifier: Apache-2.0
#include "capability/sockets/tcp.h"

#include "base/mem.h"
#include "os/fd.h"
#include "os/socket.h"
#include "policy/network.h"
#include "wasi/sockets_tcp_create_socket.h"

typedef wasi_sockets_tcp_tcp_socket tcp_socket;
typedef wasi_sockets_tcp_result_void_error_code void_result;

// --- life --------------------------------------------------------------------------------------------------

// Dropping the socket gives up what it waits for; connected streams go on until they are dropped too.
static void drop_socket(wasi_resource *r) {
    tcp_socket *s = (tcp_socket *)(void *)r;
    if (s->state != TCP_CONNECTED) {
        guest_socket_done(&s->socket);
    }
}

static void free_socket(wasi_resource *r) {
    tcp_socket *s = (tcp_socket *)(void *)r;
    guest_socket_done(&s->socket);
    buf_done(&s->unsent);
    mem_free(s);
}

static const wasi_resource_ops socket_ops = {.drop = drop_socket, .free = free_socket};

status tcp_socket_new(wasi_instance *i, bool is_v6, tcp_socket **ret, err *e) {
    tcp_socket *s = WASI_NEW(i, tcp_socket, &socket_ops, WASI_CLASS_SOCKET, NULL, e);
    if (s == NULL) {
        return STATUS_LIMIT;
    }
    guest_socket_init(&s->socket, is_v6);
    s->backlog = TCP_BACKLOG_DEFAULT;
    buf_init(&s->unsent, TCP_SEND_BUFFER_BYTES);
    *ret = s;
    return STATUS_OK;
}

void wasi_sockets_tcp_tcp_socket_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(rep);
}

status wasi_sockets_tcp_create_socket_create_tcp_socket(
    host_call *call, wasi_sockets_network_ip_address_family family,
    wasi_sockets_tcp_create_socket_result_tcp_socket_error_code *ret, err *e) {
    *ret = (wasi_sockets_tcp_create_socket_result_tcp_socket_error_code){0};
    bool is_v6 = family == WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6;
    if (tcp_socket_new(wasi_of(call), is_v6, &ret->ok, e) != STATUS_OK) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_NEW_SOCKET_LIMIT);
    }
    return STATUS_OK;
}

// --- bind --------------------------------------------------------------------------------------------------

static int check_local(const tcp_socket *s, const guest_address *a) {
    if (guest_address_is_v6(a) != s->socket.is_v6 || guest_address_is_mapped(a) ||
        !guest_address_is_unicast(a)) {
        return WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT;
    }
    return s->state == TCP_UNBOUND ? SOCKET_NO_ERROR : WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE;
}

status wasi_sockets_tcp_tcp_socket_start_bind(host_call *call, tcp_socket *s,
                                              wasi_sockets_network_network *network,
                                              const guest_address *local, void_result *ret, err *e) {
    (void)call, (void)network, (void)e;
    int error = check_local(s, local);
    if (error == SOCKET_NO_ERROR) {
        connect_request request = {
            .protocol = CONNECT_TCP, .action = CONNECT_BIND, .local = guest_address_to_loop(local)};
        error = guest_socket_request(&s->socket, &request);
    }
    if (error == SOCKET_NO_ERROR) {
        s->state = TCP_BINDING;
    }
    return SOCKET_RESULT(ret, error);
}

status wasi_sockets_tcp_tcp_socket_finish_bind(host_call *call, tcp_socket *s, void_result *ret, err *e) {
    (void)call, (void)e;
    if (s->state != TCP_BINDING) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_NOT_IN_PROGRESS);
    }
    int error;
    if (!guest_socket_collect(&s->socket, &error)) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_WOULD_BLOCK);
    }
    s->state = error == SOCKET_NO_ERROR ? TCP_BOUND : TCP_UNBOUND;
    return SOCKET_RESULT(ret, error);
}

// --- connect -----------------------------------------------------------------------------------------------

static int check_remote(const tcp_socket *s, const guest_address *a) {
    if (s->state != TCP_UNBOUND && s->state != TCP_BOUND) {
        return WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE;
    }
    bool bad = guest_address_is_v6(a) != s->socket.is_v6 || guest_address_is_mapped(a) ||
               guest_address_is_unspecified(a) || !guest_address_is_unicast(a) || guest_address_port(a) == 0;
    return bad ? WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT : SOCKET_NO_ERROR;
}

status wasi_sockets_tcp_tcp_socket_start_connect(host_call *call, tcp_socket *s,
                                                 wasi_sockets_network_network *network,
                                                 const guest_address *remote, void_result *ret, err *e) {
    (void)call, (void)network, (void)e;
    int error = check_remote(s, remote);
    if (error != SOCKET_NO_ERROR) {
        return SOCKET_FAIL(ret, error);
    }
    char text[NETWORK_ADDRESS_TEXT_BYTES];
    connect_request request = {.protocol = CONNECT_TCP,
                               .action = CONNECT_TO,
                               .host = guest_address_literal(remote, text),
                               .port = guest_address_port(remote)};
    guest_address local;
    // A bound descriptor cannot be connected in here: the connector binds a new one to the same place.
    if (s->state == TCP_BOUND && guest_socket_local(&s->socket, &local)) {
        request.local = guest_address_to_loop(&local);
        guest_socket_close(&s->socket);
    }
    error = guest_socket_request(&s->socket, &request);
    s->state = error == SOCKET_NO_ERROR ? TCP_CONNECTING : TCP_CLOSED;
    return SOCKET_RESULT(ret, error);
}

status wasi_sockets_tcp_tcp_socket_finish_connect(
    host_call *call, tcp_socket *s, wasi_sockets_tcp_result_tuple_input_stream_output_stream_error_code *ret,
    err *e) {
    (void)call;
    *ret = (wasi_sockets_tcp_result_tuple_input_stream_output_stream_error_code){0};
    if (s->state != TCP_CONNECTING) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_NOT_IN_PROGRESS);
    }
    int error;
    if (!guest_socket_collect(&s->socket, &error)) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_WOULD_BLOCK);
    }
    s->state = error == SOCKET_NO_ERROR ? TCP_CONNECTED : TCP_CLOSED;
    if (error != SOCKET_NO_ERROR) {
        return SOCKET_FAIL(ret, error);
    }
    if (tcp_streams_new(s, &ret->ok.f0, &ret->ok.f1, e) != STATUS_OK) {
        guest_socket_close(&s->socket);
        s->state = TCP_CLOSED;
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_OUT_OF_MEMORY);
    }
    return STATUS_OK;
}

// --- listen and accept -------------------------------------------------------------------------------------

status wasi_sockets_tcp_tcp_socket_start_listen(host_call *call, tcp_socket *s, void_result *ret, err *e) {
    (void)call, (void)e;
    if (s->state != TCP_BOUND) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE);
    }
    s->state = TCP_LISTEN_STARTED;
    return SOCKET_RESULT(ret, SOCKET_NO_ERROR);
}

status wasi_sockets_tcp_tcp_socket_finish_listen(host_call *call, tcp_socket *s, void_result *ret, err *e) {
    (void)call, (void)e;
    if (s->state != TCP_LISTEN_STARTED) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_NOT_IN_PROGRESS);
    }
    int n = socket_listen(s->socket.fd, s->backlog);
    s->state = n == 0 ? TCP_LISTENING : TCP_CLOSED;
    return SOCKET_RESULT(ret, n == 0 ? SOCKET_NO_ERROR : (int)socket_error_of_errno(-n));
}

// Takes over the descriptor in every case. The new socket is a sibling, not a child, of the listener.
static status adopt(tcp_socket *listener, int fd,
                    wasi_sockets_tcp_tuple_tcp_socket_input_stream_output_stream *ret, err *e) {
    tcp_socket *s;
    if (tcp_socket_new(listener->socket.base.instance, listener->socket.is_v6, &s, e) != STATUS_OK) {
        fd_close(fd);
        return STATUS_LIMIT;
    }
    s->socket.fd = fd;
    s->state = TCP_CONNECTED;
    guest_socket_options_copy(&s->socket, &listener->socket); // the kernel has done so to the descriptor
    status code = tcp_streams_new(s, &ret->f1, &ret->f2, e);
    if (code != STATUS_OK) {
        wasi_resource_drop(&s->socket.base);
        return code;
    }
    ret->f0 = s;
    return STATUS_OK;
}

status wasi_sockets_tcp_tcp_socket_accept(
    host_call *call, tcp_socket *s,
    wasi_sockets_tcp_result_tuple_tcp_socket_input_stream_output_stream_error_code *ret, err *e) {
    (void)call;
    *ret = (wasi_sockets_tcp_result_tuple_tcp_socket_input_stream_output_stream_error_code){0};
    if (s->state != TCP_LISTENING) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE);
    }
    struct sockaddr_storage peer;
    int fd = socket_accept(s->socket.fd, &peer);
    if (fd < 0) {
        return SOCKET_FAIL(ret, socket_error_of_errno(-fd));
    }
    if (adopt(s, fd, &ret->ok, e) != STATUS_OK) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_NEW_SOCKET_LIMIT);
    }
    return STATUS_OK;
}

// --- what it is --------------------------------------------------------------------------------------------

status wasi_sockets_tcp_tcp_socket_local_address(host_call *call, tcp_socket *s,
                                                 wasi_sockets_tcp_result_ip_socket_address_error_code *ret,
                                                 err *e) {
    (void)call, (void)e;
    *ret = (wasi_sockets_tcp_result_ip_socket_address_error_code){0};
    bool has_one = s->state != TCP_BINDING && s->state != TCP_CONNECTING;
    if (!has_one || !guest_socket_local(&s->socket, &ret->ok)) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE);
    }
    return STATUS_OK;
}

status wasi_sockets_tcp_tcp_socket_remote_address(host_call *call, tcp_socket *s,
                                                  wasi_sockets_tcp_result_ip_socket_address_error_code *ret,
                                                  err *e) {
    (void)call, (void)e;
    *ret = (wasi_sockets_tcp_result_ip_socket_address_error_code){0};
    if (s->state != TCP_CONNECTED || !guest_socket_peer(&s->socket, &ret->ok)) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE);
    }
    return STATUS_OK;
}

status wasi_sockets_tcp_tcp_socket_is_listening(host_call *call, tcp_socket *s, bool *ret, err *e) {
    (void)call, (void)e;
    *ret = s->state == TCP_LISTENING;
    return STATUS_OK;
}

status wasi_sockets_tcp_tcp_socket_address_family(host_call *call, tcp_socket *s,
                                                  wasi_sockets_network_ip_address_family *ret, err *e) {
    (void)call, (void)e;
    *ret = s->socket.is_v6 ? WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6
                           : WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4;
    return STATUS_OK;
}

status wasi_sockets_tcp_tcp_socket_set_listen_backlog_size(host_call *call, tcp_socket *s, uint64_t value,
                                                           void_result *ret, err *e) {
    (void)call, (void)e;
    if (value == 0) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT);
    }
    if (s->state == TCP_CONNECTING || s->state == TCP_CONNECTED || s->state == TCP_CLOSED) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE);
    }
    s->backlog = value > TCP_BACKLOG_MAX ? TCP_BACKLOG_MAX : (int)value;
    // listen(2) on a listening socket only changes its backlog.
    int n = s->state == TCP_LISTENING ? socket_listen(s->socket.fd, s->backlog) : 0;
    return SOCKET_RESULT(ret, n == 0 ? SOCKET_NO_ERROR : (int)socket_error_of_errno(-n));
}

// --- waiting -----------------------------------------------------------------------------------------------

static bool socket_ready(wasi_io_poll_pollable *p) {
    tcp_socket *s = p->source;
    if (s->state == TCP_LISTENING) {
        return socket_is_readable(s->socket.fd);
    }
    return s->socket.request_id == 0;
}

static status socket_arm(wasi_io_poll_pollable *p, err *e) {
    tcp_socket *s = p->source;
    return s->state == TCP_LISTENING ? guest_socket_arm(&s->socket, LOOP_READABLE, e) : STATUS_OK;
}

static const wasi_pollable_ops socket_pollable_ops = {.ready = socket_ready, .arm = socket_arm};

status wasi_sockets_tcp_tcp_socket_subscribe(host_call *call, tcp_socket *s, wasi_io_poll_pollable **ret,
                                             err *e) {
    return wasi_pollable_new(wasi_of(call), &socket_pollable_ops, &s->socket.base, s, ret, e);
}

status wasi_sockets_tcp_tcp_socket_shutdown(host_call *call, tcp_socket *s,
                                            wasi_sockets_tcp_shutdown_type type, void_result *ret, err *e) {
    (void)call, (void)e;
    if (s->state != TCP_CONNECTED) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE);
    }
    int n = 0;
    if (type != WASI_SOCKETS_TCP_SHUTDOWN_TYPE_SEND) {
        s->input_shut = true;
        n = socket_shutdown(s->socket.fd, SHUT_RD);
    }
    if (type != WASI_SOCKETS_TCP_SHUTDOWN_TYPE_RECEIVE && !s->output_shut) {
        s->output_shut = true;
        int ended = tcp_end_output(s);
        n = n == 0 ? ended : n;
    }
    return SOCKET_RESULT(ret, n == 0 ? SOCKET_NO_ERROR : (int)socket_error_of_errno(-n));
}
