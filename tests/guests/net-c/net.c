// SPDX-License-Identifier: Apache-2.0
//
// A command that uses wasi:sockets: `tcp HOST PORT`, `udp HOST PORT`, `listen PORT`. Each step prints a line
// `step: ok …` or `step: ERROR` with the error code as the WIT names it.
#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *error_name(uint8_t error) {
    static const char *const names[] = {
        "unknown",
        "access-denied",
        "not-supported",
        "invalid-argument",
        "out-of-memory",
        "timeout",
        "concurrency-conflict",
        "not-in-progress",
        "would-block",
        "invalid-state",
        "new-socket-limit",
        "address-not-bindable",
        "address-in-use",
        "remote-unreachable",
        "connection-refused",
        "connection-reset",
        "connection-aborted",
        "datagram-too-large",
        "name-unresolvable",
        "temporary-resolver-failure",
        "permanent-resolver-failure",
    };
    return names[error];
}

static bool fails(const char *step, uint8_t error) {
    printf("%s: %s\n", step, error_name(error));
    return false;
}

static void wait(poll_own_pollable_t ready) {
    poll_method_pollable_block(poll_borrow_pollable(ready));
    poll_pollable_drop_own(ready);
}

static bool next_address(lookup_own_resolve_address_stream_t stream, lookup_option_ip_address_t *address) {
    lookup_error_code_t error;
    while (!lookup_method_resolve_address_stream_resolve_next_address(
        lookup_borrow_resolve_address_stream(stream), address, &error)) {
        if (error != NETWORK_ERROR_CODE_WOULD_BLOCK) {
            return fails("resolve", error);
        }
        wait(lookup_method_resolve_address_stream_subscribe(lookup_borrow_resolve_address_stream(stream)));
    }
    return true;
}

// Takes the first IPv4 address of the name.
static bool resolve(network_own_network_t network, const char *name, network_ipv4_address_t *ret_address) {
    lookup_own_resolve_address_stream_t stream;
    lookup_error_code_t error;
    net_string_t host = {(uint8_t *)name, strlen(name)};
    if (!lookup_resolve_addresses(network_borrow_network(network), &host, &stream, &error)) {
        return fails("resolve", error);
    }
    lookup_option_ip_address_t address;
    bool found = false, sound = true;
    while (!found && (sound = next_address(stream, &address)) && address.is_some) {
        found = address.val.tag == NETWORK_IP_ADDRESS_IPV4;
    }
    lookup_resolve_address_stream_drop_own(stream);
    if (found) {
        *ret_address = address.val.val.ipv4;
        printf("resolve: ok %u.%u.%u.%u\n", ret_address->f0, ret_address->f1, ret_address->f2,
               ret_address->f3);
    } else if (sound) {
        printf("resolve: no IPv4 address\n");
    }
    return found;
}

static bool say_hello(tcp_tuple2_own_input_stream_own_output_stream_t *streams) {
    net_list_u8_t ping = {(uint8_t *)"ping\n", 5};
    io_stream_error_t error;
    bool ok =
        io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(streams->f1), &ping, &error);
    printf("send: %s\n", ok ? "ok" : "failed");
    net_list_u8_t reply;
    if (ok &&
        io_method_input_stream_blocking_read(io_borrow_input_stream(streams->f0), 100, &reply, &error)) {
        printf("reply: ok %.*s\n", (int)reply.len, (char *)reply.ptr);
        net_list_u8_free(&reply);
    } else {
        printf("reply: failed\n");
        ok = false;
    }
    io_input_stream_drop_own(streams->f0);
    io_output_stream_drop_own(streams->f1);
    return ok;
}

static bool connect_to(network_own_network_t network, tcp_own_tcp_socket_t socket,
                       network_ip_socket_address_t *to) {
    tcp_error_code_t error;
    tcp_borrow_tcp_socket_t borrowed = tcp_borrow_tcp_socket(socket);
    if (!tcp_method_tcp_socket_start_connect(borrowed, network_borrow_network(network), to, &error)) {
        return fails("connect", error);
    }
    tcp_tuple2_own_input_stream_own_output_stream_t streams;
    while (!tcp_method_tcp_socket_finish_connect(borrowed, &streams, &error)) {
        if (error != NETWORK_ERROR_CODE_WOULD_BLOCK) {
            return fails("connect", error);
        }
        wait(tcp_method_tcp_socket_subscribe(borrowed));
    }
    printf("connect: ok\n");
    return say_hello(&streams);
}

static bool tcp(network_own_network_t network, network_ip_socket_address_t *to) {
    tcp_own_tcp_socket_t socket;
    tcp_error_code_t error;
    if (!wasi_sockets_tcp_create_socket_create_tcp_socket(NETWORK_IP_ADDRESS_FAMILY_IPV4, &socket, &error)) {
        return fails("create", error);
    }
    bool ok = connect_to(network, socket, to);
    tcp_tcp_socket_drop_own(socket);
    return ok;
}

static bool bind_udp(network_own_network_t network, udp_borrow_udp_socket_t socket) {
    network_ip_socket_address_t any = {.tag = NETWORK_IP_SOCKET_ADDRESS_IPV4};
    udp_error_code_t error;
    if (!udp_method_udp_socket_start_bind(socket, network_borrow_network(network), &any, &error)) {
        return fails("bind", error);
    }
    while (!udp_method_udp_socket_finish_bind(socket, &error)) {
        if (error != NETWORK_ERROR_CODE_WOULD_BLOCK) {
            return fails("bind", error);
        }
        wait(udp_method_udp_socket_subscribe(socket));
    }
    return true;
}

static bool receive(udp_own_incoming_datagram_stream_t in) {
    udp_borrow_incoming_datagram_stream_t borrowed = udp_borrow_incoming_datagram_stream(in);
    for (;;) {
        udp_list_incoming_datagram_t got;
        udp_error_code_t error;
        if (!udp_method_incoming_datagram_stream_receive(borrowed, 1, &got, &error)) {
            return fails("reply", error);
        }
        if (got.len > 0) {
            printf("reply: ok %.*s\n", (int)got.ptr[0].data.len, (char *)got.ptr[0].data.ptr);
            return true;
        }
        wait(udp_method_incoming_datagram_stream_subscribe(borrowed));
    }
}

// Sending more than was permitted is a trap.
static bool wait_to_send(udp_borrow_outgoing_datagram_stream_t out, uint64_t *count,
                         udp_error_code_t *error) {
    while (udp_method_outgoing_datagram_stream_check_send(out, count, error)) {
        if (*count > 0) {
            return true;
        }
        wait(udp_method_outgoing_datagram_stream_subscribe(out));
    }
    return false;
}

static bool exchange(udp_borrow_udp_socket_t socket, network_ip_socket_address_t *to) {
    udp_tuple2_own_incoming_datagram_stream_own_outgoing_datagram_stream_t streams;
    udp_error_code_t error;
    if (!udp_method_udp_socket_stream(socket, to, &streams, &error)) {
        return fails("connect", error);
    }
    udp_borrow_outgoing_datagram_stream_t out = udp_borrow_outgoing_datagram_stream(streams.f1);
    udp_outgoing_datagram_t datagram = {.data = {(uint8_t *)"ping\n", 5}};
    udp_list_outgoing_datagram_t list = {&datagram, 1};
    uint64_t count = 0;
    bool ok = wait_to_send(out, &count, &error) &&
              udp_method_outgoing_datagram_stream_send(out, &list, &count, &error);
    if (ok) {
        printf("send: ok %u\n", (unsigned)count);
        ok = receive(streams.f0);
    } else {
        fails("send", error);
    }
    udp_incoming_datagram_stream_drop_own(streams.f0);
    udp_outgoing_datagram_stream_drop_own(streams.f1);
    return ok;
}

static bool udp(network_own_network_t network, network_ip_socket_address_t *to) {
    udp_own_udp_socket_t socket;
    udp_error_code_t error;
    if (!wasi_sockets_udp_create_socket_create_udp_socket(NETWORK_IP_ADDRESS_FAMILY_IPV4, &socket, &error)) {
        return fails("create", error);
    }
    bool ok = bind_udp(network, udp_borrow_udp_socket(socket)) && exchange(udp_borrow_udp_socket(socket), to);
    udp_udp_socket_drop_own(socket);
    return ok;
}

static bool listen_on(network_own_network_t network, tcp_borrow_tcp_socket_t socket,
                      network_ip_socket_address_t *address) {
    tcp_error_code_t error;
    if (!tcp_method_tcp_socket_start_bind(socket, network_borrow_network(network), address, &error)) {
        return fails("bind", error);
    }
    while (!tcp_method_tcp_socket_finish_bind(socket, &error)) {
        if (error != NETWORK_ERROR_CODE_WOULD_BLOCK) {
            return fails("bind", error);
        }
        wait(tcp_method_tcp_socket_subscribe(socket));
    }
    if (!tcp_method_tcp_socket_start_listen(socket, &error)) {
        return fails("listen", error);
    }
    while (!tcp_method_tcp_socket_finish_listen(socket, &error)) {
        if (error != NETWORK_ERROR_CODE_WOULD_BLOCK) {
            return fails("listen", error);
        }
        wait(tcp_method_tcp_socket_subscribe(socket));
    }
    printf("listen: ok\n");
    return true;
}

// Accepts one connection, reads once and answers.
static bool serve(network_own_network_t network, network_ip_socket_address_t *address) {
    tcp_own_tcp_socket_t socket;
    tcp_error_code_t error;
    if (!wasi_sockets_tcp_create_socket_create_tcp_socket(NETWORK_IP_ADDRESS_FAMILY_IPV4, &socket, &error)) {
        return fails("create", error);
    }
    tcp_borrow_tcp_socket_t borrowed = tcp_borrow_tcp_socket(socket);
    if (!listen_on(network, borrowed, address)) {
        return false;
    }
    tcp_tuple3_own_tcp_socket_own_input_stream_own_output_stream_t accepted;
    while (!tcp_method_tcp_socket_accept(borrowed, &accepted, &error)) {
        if (error != NETWORK_ERROR_CODE_WOULD_BLOCK) {
            return fails("accept", error);
        }
        wait(tcp_method_tcp_socket_subscribe(borrowed));
    }
    printf("accept: ok\n");
    tcp_tuple2_own_input_stream_own_output_stream_t streams = {accepted.f1, accepted.f2};
    bool ok = say_hello(&streams);
    tcp_tcp_socket_drop_own(accepted.f0);
    tcp_tcp_socket_drop_own(socket);
    return ok;
}

static const char *argument(const net_list_string_t *arguments, size_t index) {
    if (index >= arguments->len) {
        fprintf(stderr, "usage: net tcp|udp HOST PORT, net listen HOST PORT\n");
        exit(2);
    }
    return strndup((const char *)arguments->ptr[index].ptr, arguments->ptr[index].len);
}

bool exports_wasi_cli_run_run(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    net_list_string_t arguments;
    wasi_cli_environment_get_arguments(&arguments);
    const char *what = argument(&arguments, 1);
    network_own_network_t network = wasi_sockets_instance_network_instance_network();
    network_ip_socket_address_t to = {.tag = NETWORK_IP_SOCKET_ADDRESS_IPV4};
    to.val.ipv4.port = (uint16_t)atoi(argument(&arguments, 3));
    if (!resolve(network, argument(&arguments, 2), &to.val.ipv4.address)) {
        return false;
    }
    return strcmp(what, "udp") == 0      ? udp(network, &to)
           : strcmp(what, "listen") == 0 ? serve(network, &to)
                                         : tcp(network, &to);
}
