// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/udp: states, refusals and options, and datagrams over the loopback interface: to one peer, to
// many, and from those that the guest may hear.
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capability/sockets/sockets_internal.h"
#include "helper_sockets.h"
#include "os/fd.h"
#include "policy/network.h"
#include "test.h"
#include "wasi/sockets_udp.h"
#include "wasi/sockets_udp_create_socket.h"

typedef wasi_sockets_udp_udp_socket udp;
typedef wasi_sockets_udp_incoming_datagram_stream incoming;
typedef wasi_sockets_udp_outgoing_datagram_stream outgoing;
typedef wasi_sockets_udp_outgoing_datagram datagram;
typedef wasi_sockets_udp_result_void_error_code void_result;

// --- calls, as the error or GOOD ---------------------------------------------------------------------------

static udp *create(guest *g, bool is_v6) {
    wasi_sockets_udp_create_socket_result_udp_socket_error_code r = {0};
    EXPECT_OK(wasi_sockets_udp_create_socket_create_udp_socket(
        g, is_v6 ? WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6 : WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4,
        &r, NULL));
    return r.is_err ? NULL : r.ok;
}

static int start_bind(guest *g, udp *s, guest_address a) {
    void_result r = {0};
    EXPECT_OK(wasi_sockets_udp_udp_socket_start_bind(g, s, NULL, &a, &r, NULL));
    return r.is_err ? (int)r.err : GOOD;
}

static int finish_bind(guest *g, udp *s) {
    void_result r = {0};
    EXPECT_OK(wasi_sockets_udp_udp_socket_finish_bind(g, s, &r, NULL));
    return r.is_err ? (int)r.err : GOOD;
}

typedef struct streams {
    incoming *in;
    outgoing *out;
} streams;

static int stream(guest *g, udp *s, const guest_address *remote, streams *ret) {
    wasi_sockets_udp_option_ip_socket_address option = {remote != NULL,
                                                        remote != NULL ? *remote : (guest_address){0}};
    wasi_sockets_udp_result_tuple_incoming_datagram_stream_outgoing_datagram_stream_error_code r = {0};
    EXPECT_OK(wasi_sockets_udp_udp_socket_stream(g, s, &option, &r, NULL));
    if (!r.is_err) {
        *ret = (streams){r.ok.f0, r.ok.f1};
    }
    return r.is_err ? (int)r.err : GOOD;
}

static int local_of(guest *g, udp *s, guest_address *ret) {
    wasi_sockets_udp_result_ip_socket_address_error_code r = {0};
    EXPECT_OK(wasi_sockets_udp_udp_socket_local_address(g, s, &r, NULL));
    if (!r.is_err) {
        *ret = r.ok;
    }
    return r.is_err ? (int)r.err : GOOD;
}

static int remote_of(guest *g, udp *s, guest_address *ret) {
    wasi_sockets_udp_result_ip_socket_address_error_code r = {0};
    EXPECT_OK(wasi_sockets_udp_udp_socket_remote_address(g, s, &r, NULL));
    if (!r.is_err) {
        *ret = r.ok;
    }
    return r.is_err ? (int)r.err : GOOD;
}

// How many datagrams may be sent now; the error, negative and less one, when there is one.
static int64_t check_send(guest *g, outgoing *out) {
    wasi_sockets_udp_result_u64_error_code r = {0};
    EXPECT_OK(wasi_sockets_udp_outgoing_datagram_stream_check_send(g, out, &r, NULL));
    return r.is_err ? -(int64_t)r.err - 1 : (int64_t)r.ok;
}

// How many were sent, or as above.
static int64_t send_now(guest *g, outgoing *out, datagram *items, size_t count) {
    wasi_sockets_udp_list_outgoing_datagram list = {items, count};
    wasi_sockets_udp_result_u64_error_code r = {0};
    EXPECT_OK(wasi_sockets_udp_outgoing_datagram_stream_send(g, out, &list, &r, NULL));
    return r.is_err ? -(int64_t)r.err - 1 : (int64_t)r.ok;
}
#define ERROR(code) (-(int64_t)(code)-1)

static datagram to(const char *bytes, guest_address a) { return (datagram){text(bytes), {true, a}}; }
static datagram to_remote(const char *bytes) { return (datagram){.data = text(bytes)}; }

// Does what a guest does: asks, waits until it may, sends, and again until it has gone or failed.
static int64_t send_one(guest *g, outgoing *out, datagram d) {
    for (int i = 0; i < 20; i++) {
        int64_t may = check_send(g, out);
        int64_t sent = may > 0 ? send_now(g, out, &d, 1) : may;
        if (sent != 0) {
            return sent;
        }
        wasi_io_poll_pollable *p = NULL;
        EXPECT_OK(wasi_sockets_udp_outgoing_datagram_stream_subscribe(g, out, &p, NULL));
        EXPECT_OK(wasi_io_poll_pollable_block(g, p, NULL));
        wasi_io_poll_pollable_drop(NULL, p);
    }
    return 0;
}

// --- the parts of a test -----------------------------------------------------------------------------------

typedef struct rig {
    guest g;
    net_connector connector;
    network_policy policy;
} rig;

static void rig_start(rig *r, const char *allowed) {
    *r = (rig){0};
    guest_init(&r->g);
    if (allowed != NULL) {
        EXPECT_OK(network_policy_add(&r->policy, text(allowed), NETWORK_PORT_ANY, NULL));
        r->g.workload.net_policy = &r->policy;
    }
    guest_start(&r->g);
    net_connector_init(&r->connector, &r->g);
}

static void rig_stop(rig *r) {
    guest_done(&r->g);
    network_policy_done(&r->policy);
}

static udp *bound(rig *r, uint16_t *ret_port) {
    udp *s = create(&r->g, false);
    guest_address a = {0};
    wasi_io_poll_pollable *p = NULL;
    EXPECT_EQ(start_bind(&r->g, s, loopback(0)), GOOD);
    EXPECT_OK(wasi_sockets_udp_udp_socket_subscribe(&r->g, s, &p, NULL));
    EXPECT_OK(wasi_io_poll_pollable_block(&r->g, p, NULL));
    wasi_io_poll_pollable_drop(NULL, p);
    EXPECT_EQ(finish_bind(&r->g, s), GOOD);
    EXPECT_EQ(local_of(&r->g, s, &a), GOOD);
    *ret_port = guest_address_port(&a);
    return s;
}

// Somebody else, on 127.0.0.1.
static int other(uint16_t *ret_port) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    EXPECT_EQ(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    EXPECT_EQ(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static void tell(int fd, uint16_t port, const char *bytes) {
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    EXPECT_EQ(sendto(fd, bytes, strlen(bytes), 0, (struct sockaddr *)&a, sizeof a), (ssize_t)strlen(bytes));
}

// All that can be heard now, joined with '|'.
static const char *hear(guest *g, incoming *in) {
    static char heard[256];
    size_t len = 0;
    heard[0] = '\0';
    wasi_sockets_udp_result_list_incoming_datagram_error_code r = {0};
    EXPECT_OK(wasi_sockets_udp_incoming_datagram_stream_receive(g, in, UINT64_MAX, &r, NULL));
    for (size_t i = 0; !r.is_err && i < r.ok.count; i++) {
        len += (size_t)snprintf(heard + len, sizeof heard - len, "%.*s|", SLICE_ARG(r.ok.items[i].data));
    }
    return r.is_err ? "error" : heard;
}

static void expect_got(int fd, const char *bytes) {
    char got[64] = {0};
    EXPECT_EQ(recv(fd, got, sizeof got - 1, MSG_DONTWAIT), (ssize_t)strlen(bytes));
    EXPECT_TEXT(got, bytes);
}

// --- refusals and states -----------------------------------------------------------------------------------

TEST(without_a_connector_nothing_is_allowed) {
    guest g;
    streams io = {0};
    guest_init(&g);
    guest_start(&g);
    udp *s = create(&g, false);
    REQUIRE(s != NULL);
    EXPECT_EQ(start_bind(&g, s, loopback(0)), DENIED);
    EXPECT_EQ(finish_bind(&g, s), NOT_BEGUN);
    EXPECT_EQ(stream(&g, s, NULL, &io), BAD_STATE);
    guest_done(&g);
}

TEST(states) {
    rig r;
    streams io = {0};
    guest_address a = {0};
    rig_start(&r, NULL);
    udp *s = create(&r.g, false);
    EXPECT_EQ(finish_bind(&r.g, s), NOT_BEGUN);
    EXPECT_EQ(local_of(&r.g, s, &a), BAD_STATE);
    EXPECT_EQ(remote_of(&r.g, s, &a), BAD_STATE);
    r.connector.refuses = STATUS_DENIED;
    EXPECT_EQ(start_bind(&r.g, s, loopback(0)), GOOD);
    EXPECT_EQ(r.connector.last.protocol, CONNECT_UDP);
    EXPECT_EQ(r.connector.last.action, CONNECT_BIND);
    EXPECT_EQ(finish_bind(&r.g, s), BLOCKS);
    EXPECT_EQ(start_bind(&r.g, s, loopback(0)), BAD_STATE);
    EXPECT_EQ(stream(&r.g, s, NULL, &io), BAD_STATE);
    net_settle(&r.g);
    EXPECT_EQ(finish_bind(&r.g, s), DENIED);
    r.connector.refuses = STATUS_OK;
    EXPECT_EQ(start_bind(&r.g, s, loopback(0)), GOOD); // once more
    net_settle(&r.g);
    EXPECT_EQ(finish_bind(&r.g, s), GOOD);
    EXPECT_EQ(start_bind(&r.g, s, loopback(0)), BAD_STATE);
    EXPECT_EQ(finish_bind(&r.g, s), NOT_BEGUN);
    EXPECT_EQ(stream(&r.g, s, NULL, &io), GOOD);
    EXPECT_EQ(remote_of(&r.g, s, &a), BAD_STATE); // nobody in particular
    rig_stop(&r);
}

TEST(a_bind_that_is_dropped_is_given_up) {
    rig r;
    rig_start(&r, NULL);
    r.connector.is_mute = true;
    udp *s = create(&r.g, false);
    EXPECT_EQ(start_bind(&r.g, s, loopback(0)), GOOD);
    wasi_sockets_udp_udp_socket_drop(NULL, s);
    EXPECT_EQ(r.connector.cancelled, 1);
    rig_stop(&r);
}

TEST(addresses_that_cannot_be) {
    rig r;
    uint16_t port = 0;
    streams io = {0};
    rig_start(&r, NULL);
    EXPECT_EQ(start_bind(&r.g, create(&r.g, false), v6(0, 0, 1, 0)), BAD_ARGUMENT);
    EXPECT_EQ(start_bind(&r.g, create(&r.g, true), loopback(0)), BAD_ARGUMENT);
    EXPECT_EQ(start_bind(&r.g, create(&r.g, true), v6(0, 0xffff, 1, 0)), BAD_ARGUMENT);
    udp *s = bound(&r, &port);
    int asked = r.connector.asked;
    const guest_address bad[] = {v6(0x2001, 0, 1, 80), v4(0, 0, 0, 0, 80), loopback(0)};
    EXPECT_EQ(stream(&r.g, s, NULL, &io), GOOD);
    for (size_t i = 0; i < 3; i++) {
        streams none = {0};
        datagram d = to("x", bad[i]);
        EXPECT(check_send(&r.g, io.out) > 0);
        EXPECT_EQ(send_now(&r.g, io.out, &d, 1), ERROR(BAD_ARGUMENT));
        EXPECT_EQ(stream(&r.g, s, &bad[i], &none), BAD_ARGUMENT);
    }
    datagram nowhere = to_remote("x");
    EXPECT(check_send(&r.g, io.out) > 0);
    EXPECT_EQ(send_now(&r.g, io.out, &nowhere, 1), ERROR(BAD_ARGUMENT));
    EXPECT_EQ(r.connector.asked, asked);
    rig_stop(&r);
}

TEST(sockets_are_counted) {
    guest g;
    guest_init(&g);
    g.workload.limits.sockets_max = 1;
    guest_start(&g);
    EXPECT(create(&g, false) != NULL && create(&g, true) == NULL);
    guest_done(&g);
}

// --- datagrams ---------------------------------------------------------------------------------------------

TEST(sending_needs_a_permit) {
    rig r;
    err e = {0};
    uint16_t port = 0, peer_port = 0;
    streams io = {0};
    int peer = other(&peer_port);
    rig_start(&r, NULL);
    EXPECT_EQ(stream(&r.g, bound(&r, &port), NULL, &io), GOOD);
    datagram items[17];
    for (size_t i = 0; i < 17; i++) {
        items[i] = to("x", loopback(peer_port));
    }
    wasi_sockets_udp_list_outgoing_datagram list = {items, 1};
    wasi_sockets_udp_result_u64_error_code sent = {0};
    EXPECT_STATUS(wasi_sockets_udp_outgoing_datagram_stream_send(&r.g, io.out, &list, &sent, &e),
                  STATUS_TRAP);
    EXPECT_CONTAINS(e.message, "check-send permitted 0");
    EXPECT_EQ(send_now(&r.g, io.out, NULL, 0), 0);
    EXPECT_EQ(check_send(&r.g, io.out), 16);
    list.count = 17;
    EXPECT_STATUS(wasi_sockets_udp_outgoing_datagram_stream_send(&r.g, io.out, &list, &sent, &e),
                  STATUS_TRAP);
    EXPECT_EQ(send_now(&r.g, io.out, items, 16), 0); // the way to the peer is only asked for
    EXPECT_EQ(check_send(&r.g, io.out), 0);
    net_settle(&r.g);
    EXPECT_EQ(check_send(&r.g, io.out), 16);
    EXPECT_EQ(send_now(&r.g, io.out, items, 16), 16);
    EXPECT_STATUS(wasi_sockets_udp_outgoing_datagram_stream_send(&r.g, io.out, &list, &sent, &e),
                  STATUS_TRAP);
    fd_close(peer);
    rig_stop(&r);
}

TEST(one_peer) {
    rig r;
    uint16_t port = 0, peer_port = 0, stranger_port = 0;
    streams io = {0};
    guest_address a = {0};
    int peer = other(&peer_port), stranger = other(&stranger_port);
    rig_start(&r, NULL);
    udp *s = bound(&r, &port);
    guest_address remote = loopback(peer_port), elsewhere = loopback(stranger_port);
    EXPECT_EQ(stream(&r.g, s, &remote, &io), GOOD);
    EXPECT_EQ(remote_of(&r.g, s, &a), GOOD);
    EXPECT_EQ(guest_address_port(&a), peer_port);
    EXPECT_EQ(send_one(&r.g, io.out, to_remote("hello")), 1);
    expect_got(peer, "hello");
    EXPECT_EQ(send_one(&r.g, io.out, to("named", remote)), 1);
    expect_got(peer, "named");
    EXPECT_EQ(send_one(&r.g, io.out, to("x", elsewhere)), ERROR(BAD_ARGUMENT));
    EXPECT_EQ(r.connector.asked, 2); // the place and the peer
    tell(stranger, port, "not wanted");
    tell(peer, port, "answer");
    EXPECT_TEXT(hear(&r.g, io.in), "answer|");
    EXPECT_TEXT(hear(&r.g, io.in), ""); // never would-block
    fd_close(peer);
    fd_close(stranger);
    rig_stop(&r);
}

TEST(many_peers_from_one_port) {
    rig r;
    uint16_t port = 0;
    streams io = {0};
    rig_start(&r, NULL);
    EXPECT_EQ(stream(&r.g, bound(&r, &port), NULL, &io), GOOD);
    enum { PEERS = 20 }; // more than are kept at a time
    int peers[PEERS];
    uint16_t ports[PEERS];
    for (int i = 0; i < PEERS; i++) {
        peers[i] = other(&ports[i]);
    }
    for (int i = 0; i < PEERS; i++) {
        EXPECT_EQ(send_one(&r.g, io.out, to("hi", loopback(ports[i]))), 1);
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        char byte;
        EXPECT(recvfrom(peers[i], &byte, 1, MSG_DONTWAIT, (struct sockaddr *)&from, &size) >= 0);
        EXPECT_EQ(ntohs(from.sin_port), port);
    }
    tell(peers[PEERS - 1], port, "answer"); // by the descriptor of that peer
    EXPECT_TEXT(hear(&r.g, io.in), "answer|");
    EXPECT_EQ(send_one(&r.g, io.out, to("again", loopback(ports[0]))), 1); // asked for anew
    expect_got(peers[0], "again");
    for (int i = 0; i < PEERS; i++) {
        fd_close(peers[i]);
    }
    rig_stop(&r);
}

TEST(strangers_are_heard_by_the_allow_list) {
    static const char *const rules[] = {NULL, "127.0.0.2", "127.0.0.1"};
    for (size_t i = 0; i < 3; i++) {
        rig r;
        uint16_t port = 0, peer_port = 0;
        streams io = {0};
        int peer = other(&peer_port);
        rig_start(&r, rules[i]);
        EXPECT_EQ(stream(&r.g, bound(&r, &port), NULL, &io), GOOD);
        tell(peer, port, "hello");
        EXPECT_TEXT(hear(&r.g, io.in), i == 2 ? "hello|" : "");
        fd_close(peer);
        rig_stop(&r);
    }
}

TEST(receiving_is_bounded) {
    rig r;
    uint16_t port = 0, peer_port = 0;
    streams io = {0};
    int peer = other(&peer_port);
    rig_start(&r, "127.0.0.1");
    EXPECT_EQ(stream(&r.g, bound(&r, &port), NULL, &io), GOOD);
    for (int i = 0; i < 20; i++) {
        tell(peer, port, i == 0 ? "" : "x"); // an empty one is one too
    }
    static const struct {
        uint64_t max;
        size_t count;
    } rows[] = {{0, 0}, {1, 1}, {UINT64_MAX, 16}, {UINT64_MAX, 3}, {UINT64_MAX, 0}};
    for (size_t i = 0; i < 5; i++) {
        wasi_sockets_udp_result_list_incoming_datagram_error_code got = {0};
        EXPECT_OK(wasi_sockets_udp_incoming_datagram_stream_receive(&r.g, io.in, rows[i].max, &got, NULL));
        EXPECT(!got.is_err);
        EXPECT_EQ(got.ok.count, rows[i].count);
        if (i == 1 && got.ok.count == 1) {
            EXPECT_EQ(got.ok.items[0].data.len, 0);
            EXPECT_EQ(guest_address_port(&got.ok.items[0].remote_address), peer_port);
        }
    }
    fd_close(peer);
    rig_stop(&r);
}

TEST(waiting_for_a_datagram) {
    rig r;
    uint16_t port = 0, peer_port = 0;
    streams io = {0};
    int peer = other(&peer_port);
    rig_start(&r, "127.0.0.1");
    EXPECT_EQ(stream(&r.g, bound(&r, &port), NULL, &io), GOOD);
    wasi_io_poll_pollable *p = NULL;
    bool ready = true;
    EXPECT_OK(wasi_sockets_udp_incoming_datagram_stream_subscribe(&r.g, io.in, &p, NULL));
    EXPECT_OK(wasi_io_poll_pollable_ready(&r.g, p, &ready, NULL));
    EXPECT(!ready);
    tell(peer, port, "hello");
    EXPECT_OK(wasi_io_poll_pollable_block(&r.g, p, NULL));
    EXPECT_TEXT(hear(&r.g, io.in), "hello|");
    fd_close(peer);
    rig_stop(&r);
}

TEST(new_streams_end_the_old_ones) {
    rig r;
    uint16_t port = 0, peer_port = 0;
    streams old = {0}, now = {0};
    int peer = other(&peer_port);
    rig_start(&r, NULL);
    udp *s = bound(&r, &port);
    guest_address remote = loopback(peer_port), a = {0};
    EXPECT_EQ(stream(&r.g, s, &remote, &old), GOOD);
    EXPECT_EQ(stream(&r.g, s, NULL, &now), GOOD);
    EXPECT_EQ(remote_of(&r.g, s, &a), BAD_STATE);
    EXPECT_EQ(check_send(&r.g, old.out), ERROR(BAD_STATE));
    EXPECT_EQ(send_now(&r.g, old.out, NULL, 0), ERROR(BAD_STATE));
    EXPECT_TEXT(hear(&r.g, old.in), "error");
    EXPECT_EQ(send_one(&r.g, now.out, to("hi", remote)), 1);
    wasi_sockets_udp_udp_socket_drop(NULL, s); // the streams go on
    EXPECT_EQ(send_one(&r.g, now.out, to("hi", remote)), 1);
    fd_close(peer);
    rig_stop(&r);
}

TEST(a_datagram_may_be_too_large) {
    rig r;
    uint16_t port = 0, peer_port = 0;
    streams io = {0};
    int peer = other(&peer_port);
    rig_start(&r, NULL);
    EXPECT_EQ(stream(&r.g, bound(&r, &port), NULL, &io), GOOD);
    datagram d = to("", loopback(peer_port));
    d.data = slice_of(arena_zalloc(&r.g.arena, 65536), 65536);
    EXPECT_EQ(send_one(&r.g, io.out, d), ERROR(WASI_SOCKETS_NETWORK_ERROR_CODE_DATAGRAM_TOO_LARGE));
    fd_close(peer);
    rig_stop(&r);
}

TEST(what_the_policy_denies_is_heard_when_sending) {
    rig r;
    uint16_t port = 0, peer_port = 0;
    streams io = {0};
    int peer = other(&peer_port);
    rig_start(&r, NULL);
    EXPECT_EQ(stream(&r.g, bound(&r, &port), NULL, &io), GOOD);
    r.connector.refuses = STATUS_DENIED;
    EXPECT_EQ(send_one(&r.g, io.out, to("x", loopback(peer_port))), ERROR(DENIED));
    EXPECT_EQ(send_one(&r.g, io.out, to("x", loopback(peer_port))), ERROR(DENIED));
    // What failed for now is asked for again: the next datagram may have better luck.
    r.connector.refuses = STATUS_IO;
    r.connector.os_error = ENETUNREACH;
    EXPECT_EQ(send_one(&r.g, io.out, to("x", loopback(peer_port))),
              ERROR(WASI_SOCKETS_NETWORK_ERROR_CODE_REMOTE_UNREACHABLE));
    r.connector.refuses = STATUS_OK;
    EXPECT_EQ(send_one(&r.g, io.out, to("hello", loopback(peer_port))), 1);
    expect_got(peer, "hello");
    fd_close(peer);
    rig_stop(&r);
}

TEST(an_error_in_the_middle_comes_after_what_was_sent) {
    rig r;
    uint16_t port = 0, peer_port = 0;
    streams io = {0};
    int peer = other(&peer_port);
    rig_start(&r, NULL);
    EXPECT_EQ(stream(&r.g, bound(&r, &port), NULL, &io), GOOD);
    EXPECT_EQ(send_one(&r.g, io.out, to("first", loopback(peer_port))), 1);
    datagram items[] = {to("second", loopback(peer_port)), to("x", loopback(0)),
                        to("x", loopback(peer_port))};
    EXPECT_EQ(check_send(&r.g, io.out), 16);
    EXPECT_EQ(send_now(&r.g, io.out, items, 3), 1);
    EXPECT_EQ(check_send(&r.g, io.out), ERROR(BAD_ARGUMENT));
    EXPECT_EQ(check_send(&r.g, io.out), 16); // told once
    expect_got(peer, "first");
    expect_got(peer, "second");
    fd_close(peer);
    rig_stop(&r);
}

// --- options -----------------------------------------------------------------------------------------------

TEST(options) {
    rig r;
    uint16_t port = 0;
    rig_start(&r, NULL);
    wasi_sockets_udp_result_u8_error_code hops = {0};
    wasi_sockets_udp_result_u64_error_code size = {0};
    void_result set = {0};
    udp *s = create(&r.g, false);
    EXPECT_OK(wasi_sockets_udp_udp_socket_unicast_hop_limit(&r.g, s, &hops, NULL));
    EXPECT(!hops.is_err && hops.ok == 64);
    EXPECT_OK(wasi_sockets_udp_udp_socket_set_unicast_hop_limit(&r.g, s, 0, &set, NULL));
    EXPECT(set.is_err && set.err == WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_OK(wasi_sockets_udp_udp_socket_set_receive_buffer_size(&r.g, s, 0, &set, NULL));
    EXPECT(set.is_err && set.err == WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_OK(wasi_sockets_udp_udp_socket_set_send_buffer_size(&r.g, s, 0, &set, NULL));
    EXPECT(set.is_err && set.err == WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_OK(wasi_sockets_udp_udp_socket_set_send_buffer_size(&r.g, s, UINT64_MAX, &set, NULL));
    EXPECT_OK(wasi_sockets_udp_udp_socket_send_buffer_size(&r.g, s, &size, NULL));
    EXPECT(!size.is_err);
    EXPECT_U64(size.ok, 1 << 30);
    s = bound(&r, &port); // on a descriptor
    EXPECT_OK(wasi_sockets_udp_udp_socket_set_unicast_hop_limit(&r.g, s, 42, &set, NULL));
    EXPECT(!set.is_err);
    EXPECT_OK(wasi_sockets_udp_udp_socket_unicast_hop_limit(&r.g, s, &hops, NULL));
    EXPECT_EQ(hops.ok, 42);
    EXPECT_OK(wasi_sockets_udp_udp_socket_set_receive_buffer_size(&r.g, s, 30000, &set, NULL));
    EXPECT_OK(wasi_sockets_udp_udp_socket_receive_buffer_size(&r.g, s, &size, NULL));
    EXPECT_U64(size.ok, 30000);
    wasi_sockets_network_ip_address_family family = WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6;
    EXPECT_OK(wasi_sockets_udp_udp_socket_address_family(&r.g, s, &family, NULL));
    EXPECT_EQ(family, WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4);
    rig_stop(&r);
}
