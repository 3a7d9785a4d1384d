// SPDX-License-Identifier: Apache-2.0
// The option getters and setters of wasi:sockets/tcp: each is one row of guest_socket_option_get or set.
#include "capability/sockets/tcp.h"

typedef wasi_sockets_tcp_tcp_socket tcp_socket;
typedef wasi_sockets_tcp_result_void_error_code void_result;
typedef wasi_sockets_tcp_result_u64_error_code u64_result;

static status set(tcp_socket *s, socket_option option, uint64_t value, void_result *ret) {
    return SOCKET_RESULT(ret, guest_socket_option_set(&s->socket, option, value));
}

static const uint64_t second_ns = 1000000000;

// Durations are nanoseconds in WIT and seconds in the kernel; a part of a second counts as one.
static status set_duration(tcp_socket *s, socket_option option, uint64_t ns, void_result *ret) {
    return set(s, option, ns / second_ns + (ns % second_ns != 0), ret);
}
static status get_duration(tcp_socket *s, socket_option option, u64_result *ret) {
    SOCKET_OPTION_RESULT(ret, uint64_t, &s->socket, option);
    if (!ret->is_err) {
        ret->ok *= second_ns;
    }
    return STATUS_OK;
}

status wasi_sockets_tcp_tcp_socket_keep_alive_enabled(host_call *call, tcp_socket *s,
                                                      wasi_sockets_tcp_result_bool_error_code *ret, err *e) {
    (void)call, (void)e;
    SOCKET_OPTION_RESULT(ret, bool, &s->socket, SOCKET_KEEP_ALIVE);
    return STATUS_OK;
}
status wasi_sockets_tcp_tcp_socket_set_keep_alive_enabled(host_call *call, tcp_socket *s, bool value,
                                                          void_result *ret, err *e) {
    (void)call, (void)e;
    return set(s, SOCKET_KEEP_ALIVE, value, ret);
}

status wasi_sockets_tcp_tcp_socket_keep_alive_idle_time(host_call *call, tcp_socket *s, u64_result *ret,
                                                        err *e) {
    (void)call, (void)e;
    return get_duration(s, SOCKET_KEEP_ALIVE_IDLE, ret);
}
status wasi_sockets_tcp_tcp_socket_set_keep_alive_idle_time(host_call *call, tcp_socket *s, uint64_t value,
                                                            void_result *ret, err *e) {
    (void)call, (void)e;
    return set_duration(s, SOCKET_KEEP_ALIVE_IDLE, value, ret);
}
status wasi_sockets_tcp_tcp_socket_keep_alive_interval(host_call *call, tcp_socket *s, u64_result *ret,
                                                       err *e) {
    (void)call, (void)e;
    return get_duration(s, SOCKET_KEEP_ALIVE_INTERVAL, ret);
}
status wasi_sockets_tcp_tcp_socket_set_keep_alive_interval(host_call *call, tcp_socket *s, uint64_t value,
                                                           void_result *ret, err *e) {
    (void)call, (void)e;
    return set_duration(s, SOCKET_KEEP_ALIVE_INTERVAL, value, ret);
}

status wasi_sockets_tcp_tcp_socket_keep_alive_count(host_call *call, tcp_socket *s,
                                                    wasi_sockets_tcp_result_u32_error_code *ret, err *e) {
    (void)call, (void)e;
    SOCKET_OPTION_RESULT(ret, uint32_t, &s->socket, SOCKET_KEEP_ALIVE_COUNT);
    return STATUS_OK;
}
status wasi_sockets_tcp_tcp_socket_set_keep_alive_count(host_call *call, tcp_socket *s, uint32_t value,
                                                        void_result *ret, err *e) {
    (void)call, (void)e;
    return set(s, SOCKET_KEEP_ALIVE_COUNT, value, ret);
}

status wasi_sockets_tcp_tcp_socket_hop_limit(host_call *call, tcp_socket *s,
                                             wasi_sockets_tcp_result_u8_error_code *ret, err *e) {
    (void)call, (void)e;
    SOCKET_OPTION_RESULT(ret, uint8_t, &s->socket, SOCKET_HOP_LIMIT);
    return STATUS_OK;
}
status wasi_sockets_tcp_tcp_socket_set_hop_limit(host_call *call, tcp_socket *s, uint8_t value,
                                                 void_result *ret, err *e) {
    (void)call, (void)e;
    return set(s, SOCKET_HOP_LIMIT, value, ret);
}

status wasi_sockets_tcp_tcp_socket_receive_buffer_size(host_call *call, tcp_socket *s, u64_result *ret,
                                                       err *e) {
    (void)call, (void)e;
    SOCKET_OPTION_RESULT(ret, uint64_t, &s->socket, SOCKET_RECEIVE_BUFFER);
    return STATUS_OK;
}
status wasi_sockets_tcp_tcp_socket_set_receive_buffer_size(host_call *call, tcp_socket *s, uint64_t value,
                                                           void_result *ret, err *e) {
    (void)call, (void)e;
    return set(s, SOCKET_RECEIVE_BUFFER, value, ret);
}
status wasi_sockets_tcp_tcp_socket_send_buffer_size(host_call *call, tcp_socket *s, u64_result *ret, err *e) {
    (void)call, (void)e;
    SOCKET_OPTION_RESULT(ret, uint64_t, &s->socket, SOCKET_SEND_BUFFER);
    return STATUS_OK;
}
status wasi_sockets_tcp_tcp_socket_set_send_buffer_size(host_call *call, tcp_socket *s, uint64_t value,
                                                        void_result *ret, err *e) {
    (void)call, (void)e;
    return set(s, SOCKET_SEND_BUFFER, value, ret);
}
