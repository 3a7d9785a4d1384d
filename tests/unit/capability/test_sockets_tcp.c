// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/tcp: states and who may leave them how, refusals, options, and connections over the loopback
// interface.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "capability/sockets/tcp.h"
#include "helper_sockets.h"
#include "os/fd.h"
#include "test.h"
#include "wasi/sockets_tcp_create_socket.h"

typedef wasi_sockets_tcp_tcp_socket tcp;
typedef wasi_sockets_tcp_result_void_error_code void_result;

// --- calls, as the error or GOOD ---------------------------------------------------------------------------

static tcp *create(guest *g, bool is_v6) {
    wasi_sockets_tcp_create_socket_result_tcp_socket_error_code r = {0};
    EXPECT_OK(wasi_sockets_tcp_create_socket_create_tcp_socket(
        g, is_v6 ? WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6 : WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4,
        &r, NULL));
    return r.is_err ? NULL : r.ok;
}

static int start_bind(guest *g, tcp *s, guest_address a) {
    void_result r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_start_bind(g, s, NULL, &a, &r, NULL));
    return r.is_err ? (int)r.err : GOOD;
}

static int finish_bind(guest *g, tcp *s) {
    void_result r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_finish_bind(g, s, &r, NULL));
    return r.is_err ? (int)r.err : GOOD;
}

static int start_connect(guest *g, tcp *s, guest_address a) {
    void_result r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_start_connect(g, s, NULL, &a, &r, NULL));
    return r.is_err ? (int)r.err : GOOD;
}

typedef struct streams {
    wasi_io_streams_input_stream *in;
    wasi_io_streams_output_stream *out;
} streams;

static int finish_connect(guest *g, tcp *s, streams *ret) {
    wasi_sockets_tcp_result_tuple_input_stream_output_stream_error_code r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_finish_connect(g, s, &r, NULL));
    if (!r.is_err) {
        *ret = (streams){r.ok.f0, r.ok.f1};
    }
    return r.is_err ? (int)r.err : GOOD;
}

static int start_listen(guest *g, tcp *s) {
    void_result r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_start_listen(g, s, &r, NULL));
    return r.is_err ? (int)r.err : GOOD;
}

static int finish_listen(guest *g, tcp *s) {
    void_result r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_finish_listen(g, s, &r, NULL));
    return r.is_err ? (int)r.err : GOOD;
}

static int accept_one(guest *g, tcp *s, tcp **ret, streams *ret_streams) {
    wasi_sockets_tcp_result_tuple_tcp_socket_input_stream_output_stream_error_code r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_accept(g, s, &r, NULL));
    if (!r.is_err) {
        *ret = r.ok.f0;
        *ret_streams = (streams){r.ok.f1, r.ok.f2};
    }
    return r.is_err ? (int)r.err : GOOD;
}

static int local_of(guest *g, tcp *s, guest_address *ret) {
    wasi_sockets_tcp_result_ip_socket_address_error_code r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_local_address(g, s, &r, NULL));
    if (!r.is_err) {
        *ret = r.ok;
    }
    return r.is_err ? (int)r.err : GOOD;
}

static int remote_of(guest *g, tcp *s, guest_address *ret) {
    wasi_sockets_tcp_result_ip_socket_address_error_code r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_remote_address(g, s, &r, NULL));
    if (!r.is_err) {
        *ret = r.ok;
    }
    return r.is_err ? (int)r.err : GOOD;
}

static int set_backlog(guest *g, tcp *s, uint64_t value) {
    void_result r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_set_listen_backlog_size(g, s, value, &r, NULL));
    return r.is_err ? (int)r.err : GOOD;
}

static int shut(guest *g, tcp *s, wasi_sockets_tcp_shutdown_type type) {
    void_result r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_shutdown(g, s, type, &r, NULL));
    return r.is_err ? (int)r.err : GOOD;
}

static bool is_listening(guest *g, tcp *s) {
    bool listens = false;
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_is_listening(g, s, &listens, NULL));
    return listens;
}

// --- the parts of a test -----------------------------------------------------------------------------------

typedef struct rig {
    guest g;
    net_connector connector;
} rig;

static void rig_start(rig *r) {
    signal(SIGPIPE, SIG_IGN);
    guest_init(&r->g);
    guest_start(&r->g);
    net_connector_init(&r->connector, &r->g);
}

static void block_on(guest *g, tcp *s) {
    wasi_io_poll_pollable *p = NULL;
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_subscribe(g, s, &p, NULL));
    EXPECT_OK(wasi_io_poll_pollable_block(g, p, NULL));
    wasi_io_poll_pollable_drop(NULL, p);
}

static tcp *bound(rig *r, guest_address at) {
    tcp *s = create(&r->g, guest_address_is_v6(&at));
    guest_address none = {0};
    EXPECT_EQ(start_bind(&r->g, s, at), GOOD);
    block_on(&r->g, s);
    EXPECT_EQ(local_of(&r->g, s, &none), BAD_STATE); // there is a place, but the guest has not been told
    EXPECT_EQ(finish_bind(&r->g, s), GOOD);
    return s;
}

static tcp *listening(rig *r, uint16_t *ret_port) {
    tcp *s = bound(r, loopback(0));
    EXPECT_EQ(start_listen(&r->g, s), GOOD);
    EXPECT_EQ(finish_listen(&r->g, s), GOOD);
    guest_address a = {0};
    EXPECT_EQ(local_of(&r->g, s, &a), GOOD);
    *ret_port = guest_address_port(&a);
    return s;
}

// A connected socket and the other end of it.
static tcp *connected(rig *r, streams *ret, int *ret_peer) {
    uint16_t port = 0;
    int listener = net_listen(&port);
    tcp *s = create(&r->g, false);
    EXPECT_EQ(start_connect(&r->g, s, loopback(port)), GOOD);
    block_on(&r->g, s);
    EXPECT_EQ(finish_connect(&r->g, s, ret), GOOD);
    *ret_peer = accept(listener, NULL, NULL);
    fd_close(listener);
    return s;
}

// --- refusals ----------------------------------------------------------------------------------------------

TEST(without_a_connector_nothing_is_allowed) {
    guest g;
    guest_init(&g);
    guest_start(&g);
    tcp *a = create(&g, false), *b = create(&g, true);
    REQUIRE(a != NULL && b != NULL); // a socket alone reaches nobody
    EXPECT_EQ(start_bind(&g, a, loopback(0)), DENIED);
    EXPECT_EQ(finish_bind(&g, a), NOT_BEGUN);
    EXPECT_EQ(start_connect(&g, a, loopback(80)), DENIED);
    EXPECT_EQ(start_connect(&g, b, v6(0x2001, 0, 1, 80)), DENIED);
    EXPECT_EQ(start_listen(&g, a), BAD_STATE);
    guest_done(&g);
}

TEST(what_the_policy_denies_is_heard_at_the_end) {
    rig r;
    rig_start(&r);
    r.connector.refuses = STATUS_DENIED;
    tcp *s = create(&r.g, false);
    EXPECT_EQ(start_bind(&r.g, s, loopback(0)), GOOD);
    block_on(&r.g, s);
    EXPECT_EQ(finish_bind(&r.g, s), DENIED);
    EXPECT_EQ(finish_bind(&r.g, s), NOT_BEGUN);
    EXPECT_EQ(start_connect(&r.g, s, loopback(80)), GOOD); // a failed bind leaves it as it was
    block_on(&r.g, s);
    streams io = {0};
    EXPECT_EQ(finish_connect(&r.g, s, &io), DENIED);
    EXPECT_EQ(start_connect(&r.g, s, loopback(80)), BAD_STATE); // a failed connect ends it
    EXPECT_EQ(start_bind(&r.g, s, loopback(0)), BAD_STATE);
    guest_done(&r.g);
}

TEST(errors_of_connecting) {
    static const struct {
        status code;
        int os_error;
        int expected;
    } rows[] = {{STATUS_IO, ECONNREFUSED, WASI_SOCKETS_NETWORK_ERROR_CODE_CONNECTION_REFUSED},
                {STATUS_IO, ENETUNREACH, WASI_SOCKETS_NETWORK_ERROR_CODE_REMOTE_UNREACHABLE},
                {STATUS_TIMEOUT, 0, WASI_SOCKETS_NETWORK_ERROR_CODE_TIMEOUT},
                {STATUS_LIMIT, 0, WASI_SOCKETS_NETWORK_ERROR_CODE_NEW_SOCKET_LIMIT}};
    rig r;
    streams io = {0};
    rig_start(&r);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        r.connector.refuses = rows[i].code;
        r.connector.os_error = rows[i].os_error;
        tcp *s = create(&r.g, false);
        EXPECT_EQ(start_connect(&r.g, s, loopback(80)), GOOD);
        block_on(&r.g, s);
        EXPECT_EQ(finish_connect(&r.g, s, &io), rows[i].expected);
    }
    r.connector.refuses_at_once = STATUS_LIMIT;
    EXPECT_EQ(start_bind(&r.g, create(&r.g, false), loopback(0)),
              WASI_SOCKETS_NETWORK_ERROR_CODE_NEW_SOCKET_LIMIT);
    guest_done(&r.g);
}

TEST(addresses_that_cannot_be) {
    rig r;
    rig_start(&r);
    tcp *four = create(&r.g, false), *six = create(&r.g, true);
    EXPECT_EQ(start_bind(&r.g, four, v6(0, 0, 1, 0)), BAD_ARGUMENT);
    EXPECT_EQ(start_bind(&r.g, six, loopback(0)), BAD_ARGUMENT);
    EXPECT_EQ(start_bind(&r.g, six, v6(0, 0xffff, 1, 0)), BAD_ARGUMENT); // IPv4 in disguise
    EXPECT_EQ(start_bind(&r.g, four, v4(224, 0, 0, 1, 0)), BAD_ARGUMENT);
    EXPECT_EQ(start_bind(&r.g, four, v4(255, 255, 255, 255, 0)), BAD_ARGUMENT);
    EXPECT_EQ(start_bind(&r.g, six, v6(0xff02, 0, 1, 0)), BAD_ARGUMENT);
    EXPECT_EQ(start_connect(&r.g, four, v6(0x2001, 0, 1, 80)), BAD_ARGUMENT);
    EXPECT_EQ(start_connect(&r.g, six, loopback(80)), BAD_ARGUMENT);
    EXPECT_EQ(start_connect(&r.g, six, v6(0, 0xffff, 1, 80)), BAD_ARGUMENT);
    EXPECT_EQ(start_connect(&r.g, six, v6(0xff02, 0, 1, 80)), BAD_ARGUMENT);
    EXPECT_EQ(start_connect(&r.g, four, v4(224, 0, 0, 1, 80)), BAD_ARGUMENT);
    EXPECT_EQ(start_connect(&r.g, four, v4(0, 0, 0, 0, 80)), BAD_ARGUMENT);
    EXPECT_EQ(start_connect(&r.g, six, v6(0, 0, 0, 80)), BAD_ARGUMENT);
    EXPECT_EQ(start_connect(&r.g, four, loopback(0)), BAD_ARGUMENT);
    EXPECT_EQ(r.connector.asked, 0);
    EXPECT_EQ(start_connect(&r.g, four, loopback(80)), GOOD); // still usable
    EXPECT_TEXT(r.connector.last_host, "127.0.0.1");
    EXPECT_EQ(r.connector.last.port, 80);
    EXPECT_EQ(r.connector.last.purpose, CONNECT_SOCKETS);
    EXPECT_EQ(r.connector.last.protocol, CONNECT_TCP);
    EXPECT_EQ(r.connector.last.local.any.sa_family, AF_UNSPEC);
    guest_done(&r.g);
}

// --- states ------------------------------------------------------------------------------------------------

// One row for each state: what every call answers there.
TEST(an_unbound_socket) {
    rig r;
    streams io = {0};
    guest_address a = {0};
    tcp *other = NULL;
    rig_start(&r);
    tcp *s = create(&r.g, false);
    EXPECT_EQ(finish_bind(&r.g, s), NOT_BEGUN);
    EXPECT_EQ(finish_connect(&r.g, s, &io), NOT_BEGUN);
    EXPECT_EQ(start_listen(&r.g, s), BAD_STATE);
    EXPECT_EQ(finish_listen(&r.g, s), NOT_BEGUN);
    EXPECT_EQ(accept_one(&r.g, s, &other, &io), BAD_STATE);
    EXPECT_EQ(local_of(&r.g, s, &a), BAD_STATE);
    EXPECT_EQ(remote_of(&r.g, s, &a), BAD_STATE);
    EXPECT_EQ(shut(&r.g, s, WASI_SOCKETS_TCP_SHUTDOWN_TYPE_BOTH), BAD_STATE);
    EXPECT(!is_listening(&r.g, s));
    block_on(&r.g, s); // ready at once: there is nothing to wait for
    EXPECT_EQ(r.g.suspends, 0);
    guest_done(&r.g);
}

TEST(a_socket_that_is_being_bound) {
    rig r;
    streams io = {0};
    guest_address a = {0};
    rig_start(&r);
    r.connector.is_mute = true;
    tcp *s = create(&r.g, false);
    EXPECT_EQ(start_bind(&r.g, s, loopback(0)), GOOD);
    EXPECT_EQ(r.connector.last.action, CONNECT_BIND);
    EXPECT_EQ(finish_bind(&r.g, s), BLOCKS);
    EXPECT_EQ(start_bind(&r.g, s, loopback(0)), BAD_STATE);
    EXPECT_EQ(start_connect(&r.g, s, loopback(80)), BAD_STATE);
    EXPECT_EQ(finish_connect(&r.g, s, &io), NOT_BEGUN);
    EXPECT_EQ(start_listen(&r.g, s), BAD_STATE);
    EXPECT_EQ(local_of(&r.g, s, &a), BAD_STATE);
    EXPECT_EQ(r.connector.asked, 1);
    wasi_sockets_tcp_tcp_socket_drop(NULL, s);
    EXPECT_EQ(r.connector.cancelled, 1);
    guest_done(&r.g);
}

TEST(a_bound_socket_listens_and_accepts) {
    rig r;
    uint16_t port = 0;
    streams io = {0};
    guest_address a = {0};
    tcp *other = NULL;
    rig_start(&r);
    tcp *s = bound(&r, loopback(0));
    EXPECT_EQ(local_of(&r.g, s, &a), GOOD);
    port = guest_address_port(&a);
    EXPECT(port != 0 && a.of.ipv4.address.f0 == 127);
    EXPECT_EQ(start_bind(&r.g, s, loopback(0)), BAD_STATE);
    EXPECT_EQ(finish_bind(&r.g, s), NOT_BEGUN);
    EXPECT_EQ(remote_of(&r.g, s, &a), BAD_STATE);
    EXPECT_EQ(finish_listen(&r.g, s), NOT_BEGUN);
    EXPECT_EQ(start_listen(&r.g, s), GOOD);
    EXPECT_EQ(start_listen(&r.g, s), BAD_STATE);
    EXPECT_EQ(start_connect(&r.g, s, loopback(port)), BAD_STATE);
    EXPECT(!is_listening(&r.g, s));
    EXPECT_EQ(finish_listen(&r.g, s), GOOD);
    EXPECT_EQ(finish_listen(&r.g, s), NOT_BEGUN);
    EXPECT(is_listening(&r.g, s));
    EXPECT_EQ(start_connect(&r.g, s, loopback(port)), BAD_STATE);
    EXPECT_EQ(start_bind(&r.g, s, loopback(0)), BAD_STATE);
    EXPECT_EQ(shut(&r.g, s, WASI_SOCKETS_TCP_SHUTDOWN_TYPE_SEND), BAD_STATE);
    EXPECT_EQ(accept_one(&r.g, s, &other, &io), BLOCKS);
    int client = net_connect(port);
    block_on(&r.g, s);
    REQUIRE(accept_one(&r.g, s, &other, &io) == GOOD);
    EXPECT_EQ(remote_of(&r.g, other, &a), GOOD);
    EXPECT_EQ(local_of(&r.g, other, &a), GOOD);
    EXPECT_EQ(guest_address_port(&a), port);
    EXPECT(!is_listening(&r.g, other));
    EXPECT_EQ(accept_one(&r.g, other, &other, &io), BAD_STATE);
    fd_close(client);
    guest_done(&r.g);
}

TEST(a_place_that_is_taken) {
    rig r;
    uint16_t port = 0;
    rig_start(&r);
    listening(&r, &port);
    tcp *s = create(&r.g, false);
    EXPECT_EQ(start_bind(&r.g, s, loopback(port)), GOOD);
    block_on(&r.g, s);
    EXPECT_EQ(finish_bind(&r.g, s), WASI_SOCKETS_NETWORK_ERROR_CODE_ADDRESS_IN_USE);
    EXPECT_EQ(start_bind(&r.g, s, v4(192, 0, 2, 1, 0)), GOOD); // not one of ours
    block_on(&r.g, s);
    EXPECT_EQ(finish_bind(&r.g, s), WASI_SOCKETS_NETWORK_ERROR_CODE_ADDRESS_NOT_BINDABLE);
    guest_done(&r.g);
}

TEST(a_connected_socket) {
    rig r;
    streams io = {0};
    guest_address a = {0};
    int peer = -1;
    rig_start(&r);
    tcp *s = connected(&r, &io, &peer);
    EXPECT_EQ(finish_connect(&r.g, s, &io), NOT_BEGUN);
    EXPECT_EQ(start_connect(&r.g, s, loopback(80)), BAD_STATE);
    EXPECT_EQ(start_bind(&r.g, s, loopback(0)), BAD_STATE);
    EXPECT_EQ(start_listen(&r.g, s), BAD_STATE);
    EXPECT_EQ(set_backlog(&r.g, s, 1), BAD_STATE);
    EXPECT_EQ(remote_of(&r.g, s, &a), GOOD);
    EXPECT_EQ(local_of(&r.g, s, &a), GOOD);
    wasi_sockets_network_ip_address_family family = WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6;
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_address_family(&r.g, s, &family, NULL));
    EXPECT_EQ(family, WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4);
    fd_close(peer);
    guest_done(&r.g);
}

TEST(a_bound_socket_connects_from_its_place) {
    rig r;
    streams io = {0};
    guest_address before = {0}, after = {0};
    uint16_t port = 0;
    int listener = net_listen(&port);
    rig_start(&r);
    tcp *s = bound(&r, loopback(0));
    EXPECT_EQ(local_of(&r.g, s, &before), GOOD);
    EXPECT_EQ(start_connect(&r.g, s, loopback(port)), GOOD);
    EXPECT_EQ(finish_connect(&r.g, s, &io), BLOCKS);
    EXPECT_EQ(local_of(&r.g, s, &after), BAD_STATE); // not while it connects
    block_on(&r.g, s);
    EXPECT_EQ(local_of(&r.g, s, &after), BAD_STATE);
    EXPECT_EQ(finish_connect(&r.g, s, &io), GOOD);
    EXPECT_EQ(local_of(&r.g, s, &after), GOOD);
    EXPECT_EQ(guest_address_port(&after), guest_address_port(&before));
    fd_close(listener);
    guest_done(&r.g);
}

TEST(ipv6_sockets_hear_ipv6) {
    rig r;
    guest_address a = {0};
    rig_start(&r);
    tcp *s = create(&r.g, true);
    EXPECT_EQ(start_bind(&r.g, s, v6(0, 0, 1, 0)), GOOD);
    block_on(&r.g, s);
    if (finish_bind(&r.g, s) != GOOD) {
        guest_done(&r.g);
        SKIP("this machine has no ::1");
    }
    EXPECT_EQ(local_of(&r.g, s, &a), GOOD);
    EXPECT(guest_address_is_v6(&a) && a.of.ipv6.address.f7 == 1 && a.of.ipv6.port != 0);
    wasi_sockets_network_ip_address_family family = WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4;
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_address_family(&r.g, s, &family, NULL));
    EXPECT_EQ(family, WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6);
    // Sockets of WASI have no dual-stack mode: one that is bound to any IPv6 address gets no IPv4 peer.
    tcp *any = bound(&r, v6(0, 0, 0, 0));
    int only = 0;
    socklen_t size = sizeof only;
    EXPECT_EQ(getsockopt(any->socket.fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &size), 0);
    EXPECT_EQ(only, 1);
    guest_done(&r.g);
}

TEST(sockets_are_counted) {
    guest g;
    guest_init(&g);
    g.workload.limits.sockets_max = 1;
    guest_start(&g);
    tcp *s = create(&g, false);
    EXPECT(s != NULL && create(&g, false) == NULL);
    wasi_sockets_tcp_create_socket_result_tcp_socket_error_code full = {0};
    EXPECT_OK(wasi_sockets_tcp_create_socket_create_tcp_socket(
        &g, WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4, &full, NULL));
    EXPECT(full.is_err && full.err == WASI_SOCKETS_NETWORK_ERROR_CODE_NEW_SOCKET_LIMIT);
    wasi_sockets_tcp_tcp_socket_drop(NULL, s);
    EXPECT(create(&g, false) != NULL);
    guest_done(&g);
}

TEST(accepting_is_counted_too) {
    rig r;
    uint16_t port = 0;
    tcp *other = NULL;
    streams io = {0};
    rig_start(&r);
    tcp *s = listening(&r, &port);
    int client = net_connect(port);
    r.g.workload.limits.sockets_max = 1;
    block_on(&r.g, s);
    EXPECT_EQ(accept_one(&r.g, s, &other, &io), WASI_SOCKETS_NETWORK_ERROR_CODE_NEW_SOCKET_LIMIT);
    char byte;
    EXPECT_EQ(recv(client, &byte, 1, 0), 0); // the connection is not left open
    fd_close(client);
    guest_done(&r.g);
}

// --- options -----------------------------------------------------------------------------------------------

typedef status (*set_u64)(host_call *, tcp *, uint64_t, void_result *, err *);
typedef status (*get_u64)(host_call *, tcp *, wasi_sockets_tcp_result_u64_error_code *, err *);

static int set_with(guest *g, tcp *s, set_u64 set, uint64_t value) {
    void_result r = {0};
    EXPECT_OK(set(g, s, value, &r, NULL));
    return r.is_err ? (int)r.err : GOOD;
}

static uint64_t get_with(guest *g, tcp *s, get_u64 get) {
    wasi_sockets_tcp_result_u64_error_code r = {0};
    EXPECT_OK(get(g, s, &r, NULL));
    EXPECT(!r.is_err);
    return r.is_err ? 0 : r.ok;
}

static bool keeps_alive(guest *g, tcp *s) {
    wasi_sockets_tcp_result_bool_error_code r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_keep_alive_enabled(g, s, &r, NULL));
    return !r.is_err && r.ok;
}

static uint32_t keep_alive_count(guest *g, tcp *s) {
    wasi_sockets_tcp_result_u32_error_code r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_keep_alive_count(g, s, &r, NULL));
    return r.is_err ? 0 : r.ok;
}

static uint8_t hop_limit(guest *g, tcp *s) {
    wasi_sockets_tcp_result_u8_error_code r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_hop_limit(g, s, &r, NULL));
    return r.is_err ? 0 : r.ok;
}

#define SECONDS(n) ((n)*UINT64_C(1000000000))

// Sets every option to something unusual.
static void set_options(guest *g, tcp *s) {
    void_result r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_set_keep_alive_enabled(g, s, true, &r, NULL));
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_set_keep_alive_count(g, s, 3, &r, NULL));
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_set_hop_limit(g, s, 42, &r, NULL));
    EXPECT_EQ(set_with(g, s, wasi_sockets_tcp_tcp_socket_set_keep_alive_idle_time, SECONDS(11)), GOOD);
    EXPECT_EQ(set_with(g, s, wasi_sockets_tcp_tcp_socket_set_keep_alive_interval, SECONDS(12)), GOOD);
    EXPECT_EQ(set_with(g, s, wasi_sockets_tcp_tcp_socket_set_receive_buffer_size, 40000), GOOD);
    EXPECT_EQ(set_with(g, s, wasi_sockets_tcp_tcp_socket_set_send_buffer_size, 50000), GOOD);
}

static void expect_options(guest *g, tcp *s) {
    EXPECT(keeps_alive(g, s));
    EXPECT_EQ(keep_alive_count(g, s), 3);
    EXPECT_EQ(hop_limit(g, s), 42);
    EXPECT_U64(get_with(g, s, wasi_sockets_tcp_tcp_socket_keep_alive_idle_time), SECONDS(11));
    EXPECT_U64(get_with(g, s, wasi_sockets_tcp_tcp_socket_keep_alive_interval), SECONDS(12));
    EXPECT_U64(get_with(g, s, wasi_sockets_tcp_tcp_socket_receive_buffer_size), 40000);
    EXPECT_U64(get_with(g, s, wasi_sockets_tcp_tcp_socket_send_buffer_size), 50000);
}

static int kernel_option(tcp *s, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    EXPECT_EQ(getsockopt(s->socket.fd, level, name, &value, &size), 0);
    return value;
}

static void expect_kernel_options(tcp *s) {
    EXPECT_EQ(kernel_option(s, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(kernel_option(s, IPPROTO_TCP, TCP_KEEPCNT), 3);
    EXPECT_EQ(kernel_option(s, IPPROTO_TCP, TCP_KEEPIDLE), 11);
    EXPECT_EQ(kernel_option(s, IPPROTO_TCP, TCP_KEEPINTVL), 12);
    EXPECT_EQ(kernel_option(s, IPPROTO_IP, IP_TTL), 42);
    EXPECT_EQ(kernel_option(s, SOL_SOCKET, SO_SNDBUF), 50000);
}

TEST(options_have_defaults_and_ranges) {
    guest g;
    guest_init(&g);
    guest_start(&g);
    tcp *s = create(&g, false);
    EXPECT(!keeps_alive(&g, s));
    EXPECT_EQ(keep_alive_count(&g, s), 9);
    EXPECT_EQ(hop_limit(&g, s), 64);
    EXPECT_U64(get_with(&g, s, wasi_sockets_tcp_tcp_socket_keep_alive_idle_time), SECONDS(7200));
    EXPECT_U64(get_with(&g, s, wasi_sockets_tcp_tcp_socket_keep_alive_interval), SECONDS(75));
    static const set_u64 setters[] = {wasi_sockets_tcp_tcp_socket_set_keep_alive_idle_time,
                                      wasi_sockets_tcp_tcp_socket_set_keep_alive_interval,
                                      wasi_sockets_tcp_tcp_socket_set_receive_buffer_size,
                                      wasi_sockets_tcp_tcp_socket_set_send_buffer_size};
    static const get_u64 getters[] = {
        wasi_sockets_tcp_tcp_socket_keep_alive_idle_time, wasi_sockets_tcp_tcp_socket_keep_alive_interval,
        wasi_sockets_tcp_tcp_socket_receive_buffer_size, wasi_sockets_tcp_tcp_socket_send_buffer_size};
    static const uint64_t largest[] = {SECONDS(32767), SECONDS(32767), 1 << 30, 1 << 30};
    for (size_t i = 0; i < 4; i++) {
        EXPECT_EQ(set_with(&g, s, setters[i], 0), BAD_ARGUMENT);
        EXPECT_EQ(set_with(&g, s, setters[i], UINT64_MAX), GOOD); // clamped
        EXPECT_U64(get_with(&g, s, getters[i]), largest[i]);
    }
    EXPECT_EQ(set_with(&g, s, setters[0], 1), GOOD); // a part of a second is one
    EXPECT_U64(get_with(&g, s, getters[0]), SECONDS(1));
    void_result r = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_set_keep_alive_count(&g, s, 0, &r, NULL));
    EXPECT(r.is_err && r.err == WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_set_keep_alive_count(&g, s, UINT32_MAX, &r, NULL));
    EXPECT(!r.is_err);
    EXPECT_EQ(keep_alive_count(&g, s), 127);
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_set_hop_limit(&g, s, 0, &r, NULL));
    EXPECT(r.is_err && r.err == WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_set_hop_limit(&g, s, 255, &r, NULL));
    EXPECT_EQ(hop_limit(&g, s), 255);
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_set_keep_alive_enabled(&g, s, true, &r, NULL));
    EXPECT(keeps_alive(&g, s));
    EXPECT_OK(
        wasi_sockets_tcp_tcp_socket_set_keep_alive_enabled(&g, s, false, &r, NULL)); // 0 is a value here
    EXPECT(!r.is_err && !keeps_alive(&g, s));
    EXPECT_EQ(set_backlog(&g, s, 0), BAD_ARGUMENT);
    EXPECT_EQ(set_backlog(&g, s, UINT64_MAX), GOOD);
    EXPECT_EQ(s->backlog, TCP_BACKLOG_MAX);
    guest_done(&g);
}

TEST(options_that_were_set_early_reach_the_kernel) {
    rig r;
    streams io = {0};
    uint16_t port = 0;
    int listener = net_listen(&port);
    rig_start(&r);
    tcp *s = create(&r.g, false);
    set_options(&r.g, s);
    EXPECT_EQ(start_connect(&r.g, s, loopback(port)), GOOD);
    expect_options(&r.g, s);
    block_on(&r.g, s);
    EXPECT_EQ(finish_connect(&r.g, s, &io), GOOD);
    expect_options(&r.g, s);
    expect_kernel_options(s);
    void_result set = {0};
    EXPECT_OK(wasi_sockets_tcp_tcp_socket_set_keep_alive_count(&r.g, s, 5, &set, NULL)); // and later ones
    EXPECT_EQ(kernel_option(s, IPPROTO_TCP, TCP_KEEPCNT), 5);
    fd_close(listener);
    guest_done(&r.g);
}

TEST(accepted_sockets_inherit_options) {
    rig r;
    uint16_t port = 0;
    tcp *other = NULL;
    streams io = {0};
    rig_start(&r);
    tcp *s = listening(&r, &port);
    set_options(&r.g, s);
    int client = net_connect(port);
    block_on(&r.g, s);
    REQUIRE(accept_one(&r.g, s, &other, &io) == GOOD);
    expect_kernel_options(other);
    expect_options(&r.g, other);
    fd_close(client);
    guest_done(&r.g);
}

// --- streams -----------------------------------------------------------------------------------------------

static bool read_some(guest *g, wasi_io_streams_input_stream *in, slice *ret) {
    wasi_io_streams_result_list_u8_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_input_stream_blocking_read(g, in, 100, &r, NULL));
    *ret = r.is_err ? slice_empty() : r.ok;
    return !r.is_err;
}

static bool write_some(guest *g, wasi_io_streams_output_stream *out, slice bytes) {
    wasi_io_streams_result_void_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_output_stream_write(g, out, bytes, &r, NULL));
    return !r.is_err;
}

TEST(bytes_go_both_ways) {
    rig r;
    streams io = {0};
    int peer = -1;
    char got[8] = {0};
    slice bytes;
    rig_start(&r);
    tcp *s = connected(&r, &io, &peer);
    wasi_io_streams_result_list_u8_stream_error now = {0};
    EXPECT_OK(wasi_io_streams_input_stream_read(&r.g, io.in, 100, &now, NULL));
    EXPECT(!now.is_err && now.ok.len == 0); // nothing yet
    EXPECT(write_some(&r.g, io.out, text("ping")));
    EXPECT_EQ(recv(peer, got, sizeof got, 0), 4);
    EXPECT_EQ(send(peer, "pong", 4, MSG_NOSIGNAL), 4);
    EXPECT(read_some(&r.g, io.in, &bytes));
    EXPECT_BYTES(bytes, text("pong"));
    wasi_sockets_tcp_tcp_socket_drop(NULL, s); // the streams go on
    EXPECT(write_some(&r.g, io.out, text("last")));
    EXPECT_EQ(recv(peer, got, sizeof got, 0), 4);
    fd_close(peer);
    EXPECT(!read_some(&r.g, io.in, &bytes));
    guest_done(&r.g);
}

TEST(shutting_one_way_leaves_the_other) {
    rig r;
    streams io = {0};
    int peer = -1;
    char got[8] = {0};
    slice bytes;
    rig_start(&r);
    tcp *s = connected(&r, &io, &peer);
    EXPECT_EQ(shut(&r.g, s, WASI_SOCKETS_TCP_SHUTDOWN_TYPE_SEND), GOOD);
    EXPECT(!write_some(&r.g, io.out, text("x")));
    EXPECT_EQ(recv(peer, got, sizeof got, 0), 0);
    EXPECT_EQ(send(peer, "pong", 4, MSG_NOSIGNAL), 4);
    EXPECT(read_some(&r.g, io.in, &bytes));
    EXPECT_EQ(shut(&r.g, s, WASI_SOCKETS_TCP_SHUTDOWN_TYPE_RECEIVE), GOOD);
    EXPECT(!read_some(&r.g, io.in, &bytes));
    fd_close(peer);
    guest_done(&r.g);
}

// Puts a pair of sockets in the place of the connection whose buffer is smaller than one write, so that a
// part of one has to wait: TCP on the loopback interface takes more than it has room for.
static void narrow(tcp *s, int *peer) {
    int pair[2];
    int bytes = 16384;
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    EXPECT_EQ(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
    EXPECT_EQ(dup2(pair[0], s->socket.fd), s->socket.fd);
    fd_close(pair[0]);
    fd_close(*peer);
    *peer = pair[1];
}

// Writes until there is no room; how many bytes were taken.
static size_t fill(guest *g, wasi_io_streams_output_stream *out) {
    uint8_t *bytes = mem_calloc(1, TCP_SEND_BUFFER_BYTES);
    size_t sum = 0;
    wasi_io_streams_result_u64_stream_error permit = {.ok = 1};
    for (int i = 0; i < 1000; i++) {
        EXPECT_OK(wasi_io_streams_output_stream_check_write(g, out, &permit, NULL));
        if (!EXPECT(!permit.is_err) || permit.ok == 0) {
            break;
        }
        EXPECT(write_some(g, out, slice_of(bytes, (size_t)permit.ok)));
        sum += permit.ok;
    }
    mem_free(bytes);
    return sum;
}

// Reads until the end comes; how many bytes did. Nothing but the loop works on the guest's side.
static size_t drain(guest *g, int peer, bool *ret_ended) {
    static char bytes[65536];
    size_t sum = 0;
    *ret_ended = false;
    for (int quiet = 0; quiet < 1000 && !*ret_ended; quiet++) {
        loop_turn(g->loop, false);
        ssize_t n = recv(peer, bytes, sizeof bytes, MSG_DONTWAIT);
        *ret_ended = n == 0;
        sum += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet;
    }
    return sum;
}

TEST(a_peer_that_does_not_read_holds_writes_back) {
    rig r;
    streams io = {0};
    int peer = -1;
    bool ended = false;
    rig_start(&r);
    tcp *s = connected(&r, &io, &peer);
    narrow(s, &peer);
    size_t sent = fill(&r.g, io.out);
    EXPECT_EQ(sent, TCP_SEND_BUFFER_BYTES); // one write, and no other before that is on its way
    EXPECT(s->unsent.len > 0 && s->unsent.len < TCP_SEND_BUFFER_BYTES);
    wasi_io_streams_result_void_stream_error written = {0};
    EXPECT_STATUS(wasi_io_streams_output_stream_write(&r.g, io.out, text("x"), &written, NULL), STATUS_TRAP);
    size_t got = 0;
    wasi_io_streams_result_void_stream_error flushed = {0};
    for (int i = 0; i < 100 && got < sent; i++) {
        got += drain(&r.g, peer, &ended);
        EXPECT_OK(wasi_io_streams_output_stream_flush(&r.g, io.out, &flushed, NULL));
    }
    EXPECT_U64(got, sent);
    EXPECT(!ended);
    fd_close(peer);
    guest_done(&r.g);
}

// What a write took was promised to the peer before the end of it was.
TEST(shutting_down_comes_after_what_was_written) {
    rig r;
    streams io = {0};
    int peer = -1;
    bool ended = false;
    rig_start(&r);
    tcp *s = connected(&r, &io, &peer);
    narrow(s, &peer);
    size_t sent = fill(&r.g, io.out);
    EXPECT(s->unsent.len > 0);
    EXPECT_EQ(shut(&r.g, s, WASI_SOCKETS_TCP_SHUTDOWN_TYPE_SEND), GOOD);
    EXPECT(!write_some(&r.g, io.out, text("x")));
    EXPECT_U64(drain(&r.g, peer, &ended), sent);
    EXPECT(ended);
    fd_close(peer);
    guest_done(&r.g);
}
