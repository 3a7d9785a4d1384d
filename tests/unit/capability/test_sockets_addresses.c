// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/network: addresses between WIT and the system, what errors are called, and name lookups.
#include <arpa/inet.h>
#include <errno.h>

#include "helper_sockets.h"
#include "policy/network.h"
#include "test.h"
#include "wasi/io_poll.h"
#include "wasi/sockets_instance_network.h"
#include "wasi/sockets_ip_name_lookup.h"

static guest_address v6_of(const uint16_t p[8], uint16_t port) {
    guest_address r = {.tag = WASI_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV6};
    r.of.ipv6.address = (wasi_sockets_network_ipv6_address){p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]};
    r.of.ipv6.port = port;
    return r;
}

// --- addresses ---------------------------------------------------------------------------------------------

TEST(kinds_of_addresses) {
    static const struct {
        uint16_t parts[8]; // the first four for IPv4
        bool is_v6, unspecified, mapped, unicast;
        const char *literal;
    } rows[] = {
        {{0, 0, 0, 0}, false, true, false, true, "0.0.0.0"},
        {{127, 0, 0, 1}, false, false, false, true, "127.0.0.1"},
        {{223, 255, 255, 255}, false, false, false, true, "223.255.255.255"},
        {{224, 0, 0, 0}, false, false, false, false, "224.0.0.0"},
        {{239, 255, 255, 255}, false, false, false, false, "239.255.255.255"},
        {{240, 0, 0, 1}, false, false, false, true, "240.0.0.1"},
        {{255, 255, 255, 255}, false, false, false, false, "255.255.255.255"},
        {{0}, true, true, false, true, "::"},
        {{0, 0, 0, 0, 0, 0, 0, 1}, true, false, false, true, "::1"},
        {{0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x1234}, true, false, false, true, "2001:db8::1234"},
        {{0xff02, 0, 0, 0, 0, 0, 0, 1}, true, false, false, false, "ff02::1"},
        {{0, 0, 0, 0, 0, 0xffff, 0x7f00, 1}, true, false, true, true, NULL},
        {{0, 0, 0, 0, 0, 0xfffe, 0x7f00, 1}, true, false, false, true, NULL},
        {{0, 0, 0, 0, 1, 0xffff, 0x7f00, 1}, true, false, false, true, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint16_t *p = rows[i].parts;
        guest_address a =
            rows[i].is_v6 ? v6_of(p, 80) : v4((uint8_t)p[0], (uint8_t)p[1], (uint8_t)p[2], (uint8_t)p[3], 80);
        EXPECT_EQ(guest_address_is_v6(&a), rows[i].is_v6);
        EXPECT_EQ(guest_address_is_unspecified(&a), rows[i].unspecified);
        EXPECT_EQ(guest_address_is_mapped(&a), rows[i].mapped);
        EXPECT_EQ(guest_address_is_unicast(&a), rows[i].unicast);
        EXPECT_EQ(guest_address_port(&a), 80);
        char literal[NETWORK_ADDRESS_TEXT_BYTES];
        if (rows[i].literal != NULL) {
            EXPECT_BYTES(guest_address_literal(&a, literal), text(rows[i].literal));
        }
    }
}

TEST(addresses_go_both_ways) {
    guest_address a = v4(192, 0, 2, 7, 0x1234);
    loop_address s = guest_address_to_loop(&a);
    EXPECT_EQ(s.v4.sin_family, AF_INET);
    EXPECT_EQ(ntohs(s.v4.sin_port), 0x1234);
    EXPECT_U64(ntohl(s.v4.sin_addr.s_addr), 0xc0000207);
    guest_address back = guest_address_from_loop(&s);
    EXPECT(!guest_address_is_v6(&back) && back.of.ipv4.port == 0x1234 && back.of.ipv4.address.f3 == 7);

    a = v6_of((const uint16_t[]){0x2001, 0xdb8, 3, 4, 5, 6, 7, 0xfedc}, 443);
    a.of.ipv6.flow_info = 0x12345;
    a.of.ipv6.scope_id = 3;
    s = guest_address_to_loop(&a);
    EXPECT_EQ(s.v6.sin6_family, AF_INET6);
    EXPECT_U64(ntohl(s.v6.sin6_flowinfo), 0x12345); // in network order, unlike the scope
    EXPECT_EQ(s.v6.sin6_scope_id, 3);
    EXPECT_BYTES(slice_of(&s.v6.sin6_addr, 16),
                 slice_of("\x20\x01\x0d\xb8\0\x03\0\x04\0\x05\0\x06\0\x07\xfe\xdc", 16));
    back = guest_address_from_loop(&s);
    EXPECT(guest_address_is_v6(&back));
    EXPECT_EQ(back.of.ipv6.port, 443);
    EXPECT_U64(back.of.ipv6.flow_info, 0x12345);
    EXPECT_EQ(back.of.ipv6.scope_id, 3);
    EXPECT_EQ(back.of.ipv6.address.f7, 0xfedc);
    wasi_sockets_network_ip_address ip = guest_ip_from_loop(&s);
    EXPECT(ip.tag == WASI_SOCKETS_NETWORK_IP_ADDRESS_IPV6 && ip.of.ipv6.f0 == 0x2001);
}

// --- errors ------------------------------------------------------------------------------------------------

TEST(errors_of_the_system_have_their_codes) {
    static const struct {
        int number;
        socket_error expected;
    } rows[] = {
        {EACCES, WASI_SOCKETS_NETWORK_ERROR_CODE_ACCESS_DENIED},
        {EPERM, WASI_SOCKETS_NETWORK_ERROR_CODE_ACCESS_DENIED},
        {EINVAL, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT},
        {ENOBUFS, WASI_SOCKETS_NETWORK_ERROR_CODE_OUT_OF_MEMORY},
        {ETIMEDOUT, WASI_SOCKETS_NETWORK_ERROR_CODE_TIMEOUT},
        {EAGAIN, WASI_SOCKETS_NETWORK_ERROR_CODE_WOULD_BLOCK},
        {EMFILE, WASI_SOCKETS_NETWORK_ERROR_CODE_NEW_SOCKET_LIMIT},
        {EADDRNOTAVAIL, WASI_SOCKETS_NETWORK_ERROR_CODE_ADDRESS_NOT_BINDABLE},
        {EADDRINUSE, WASI_SOCKETS_NETWORK_ERROR_CODE_ADDRESS_IN_USE},
        {EHOSTUNREACH, WASI_SOCKETS_NETWORK_ERROR_CODE_REMOTE_UNREACHABLE},
        {ENETUNREACH, WASI_SOCKETS_NETWORK_ERROR_CODE_REMOTE_UNREACHABLE},
        {ECONNREFUSED, WASI_SOCKETS_NETWORK_ERROR_CODE_CONNECTION_REFUSED},
        {ECONNRESET, WASI_SOCKETS_NETWORK_ERROR_CODE_CONNECTION_RESET},
        {ECONNABORTED, WASI_SOCKETS_NETWORK_ERROR_CODE_CONNECTION_ABORTED},
        {EMSGSIZE, WASI_SOCKETS_NETWORK_ERROR_CODE_DATAGRAM_TOO_LARGE},
        {EOPNOTSUPP, WASI_SOCKETS_NETWORK_ERROR_CODE_NOT_SUPPORTED},
        {EAFNOSUPPORT, WASI_SOCKETS_NETWORK_ERROR_CODE_NOT_SUPPORTED},
        {EIO, WASI_SOCKETS_NETWORK_ERROR_CODE_UNKNOWN},
        {0, WASI_SOCKETS_NETWORK_ERROR_CODE_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EXPECT_EQ(socket_error_of_errno(rows[i].number), rows[i].expected);
        connect_result r = {.code = STATUS_IO, .fd = -1, .os_error = rows[i].number};
        EXPECT_EQ(socket_error_of_connect(&r), rows[i].expected);
    }
}

TEST(answers_of_the_connector_have_their_codes) {
    static const struct {
        status code;
        socket_error expected;
    } rows[] = {
        {STATUS_DENIED, WASI_SOCKETS_NETWORK_ERROR_CODE_ACCESS_DENIED},
        {STATUS_NOT_FOUND, WASI_SOCKETS_NETWORK_ERROR_CODE_NAME_UNRESOLVABLE},
        {STATUS_TIMEOUT, WASI_SOCKETS_NETWORK_ERROR_CODE_TIMEOUT},
        {STATUS_LIMIT, WASI_SOCKETS_NETWORK_ERROR_CODE_NEW_SOCKET_LIMIT},
        {STATUS_INVALID, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT},
        {STATUS_CLOSED, WASI_SOCKETS_NETWORK_ERROR_CODE_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        connect_result r = {.code = rows[i].code, .fd = -1};
        EXPECT_EQ(socket_error_of_connect(&r), rows[i].expected);
    }
}

// --- lookups -----------------------------------------------------------------------------------------------

typedef wasi_sockets_ip_name_lookup_resolve_address_stream lookup;

// The error, or SOCKET_NO_ERROR and the stream.
static int look_up(guest *g, slice name, lookup **ret) {
    wasi_sockets_network_network *n = NULL;
    wasi_sockets_ip_name_lookup_result_resolve_address_stream_error_code r = {0};
    EXPECT_OK(wasi_sockets_instance_network_instance_network(g, &n, NULL));
    EXPECT_OK(wasi_sockets_ip_name_lookup_resolve_addresses(g, n, name, &r, NULL));
    wasi_sockets_network_network_drop(NULL, n);
    *ret = r.is_err ? NULL : r.ok;
    return r.is_err ? (int)r.err : SOCKET_NO_ERROR;
}

// The error, or SOCKET_NO_ERROR and the next address, if there is one.
static int next(guest *g, lookup *l, wasi_sockets_ip_name_lookup_option_ip_address *ret) {
    wasi_sockets_ip_name_lookup_result_option_ip_address_error_code r = {0};
    EXPECT_OK(wasi_sockets_ip_name_lookup_resolve_address_stream_resolve_next_address(g, l, &r, NULL));
    if (!r.is_err) {
        *ret = r.ok;
    }
    return r.is_err ? (int)r.err : SOCKET_NO_ERROR;
}

TEST(a_literal_needs_no_lookup_and_no_grant) {
    guest g;
    lookup *l = NULL;
    wasi_sockets_ip_name_lookup_option_ip_address a = {0};
    guest_init(&g);
    guest_start(&g);
    EXPECT_EQ(look_up(&g, text("192.0.2.1"), &l), SOCKET_NO_ERROR);
    EXPECT_EQ(next(&g, l, &a), SOCKET_NO_ERROR);
    EXPECT(a.some && a.value.tag == WASI_SOCKETS_NETWORK_IP_ADDRESS_IPV4 && a.value.of.ipv4.f0 == 192);
    EXPECT_EQ(next(&g, l, &a), SOCKET_NO_ERROR);
    EXPECT(!a.some);
    EXPECT_EQ(look_up(&g, text("2001:db8::5"), &l), SOCKET_NO_ERROR);
    EXPECT_EQ(next(&g, l, &a), SOCKET_NO_ERROR);
    EXPECT(a.some && a.value.tag == WASI_SOCKETS_NETWORK_IP_ADDRESS_IPV6 && a.value.of.ipv6.f7 == 5);
    guest_done(&g);
}

TEST(a_name_without_a_connector_is_denied) {
    guest g;
    lookup *l = NULL;
    guest_init(&g);
    guest_start(&g);
    EXPECT_EQ(look_up(&g, text("h.example"), &l), WASI_SOCKETS_NETWORK_ERROR_CODE_ACCESS_DENIED);
    EXPECT_EQ(look_up(&g, text(""), &l), WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT);
    char name[CONNECT_HOST_BYTES_MAX + 2];
    memset(name, 'a', sizeof name);
    EXPECT_EQ(look_up(&g, slice_of(name, sizeof name - 1), &l),
              WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_EQ(look_up(&g, slice_of(name, sizeof name - 2), &l),
              WASI_SOCKETS_NETWORK_ERROR_CODE_ACCESS_DENIED);
    EXPECT_EQ(g.instance->class_count[WASI_CLASS_SOCKET], 0); // what failed is not kept
    guest_done(&g);
}

TEST(a_lookup_answers_when_it_can) {
    guest g;
    net_connector c;
    lookup *l = NULL;
    wasi_sockets_ip_name_lookup_option_ip_address a = {0};
    guest_init(&g);
    guest_start(&g);
    net_connector_init(&c, &g);
    loop_address addresses[LOOP_RESOLVE_ADDRESSES_MAX + 8];
    guest_address first = v4(192, 0, 2, 1, 0);
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        addresses[i] = guest_address_to_loop(&first);
    }
    c.addresses = addresses;
    c.address_count = sizeof addresses / sizeof addresses[0]; // more than are kept
    EXPECT_EQ(look_up(&g, text("h.example"), &l), SOCKET_NO_ERROR);
    EXPECT_EQ(c.last.action, CONNECT_RESOLVE);
    EXPECT_EQ(c.last.purpose, CONNECT_SOCKETS);
    EXPECT_TEXT(c.last_host, "h.example");
    EXPECT_EQ(next(&g, l, &a), WASI_SOCKETS_NETWORK_ERROR_CODE_WOULD_BLOCK);
    wasi_io_poll_pollable *p = NULL;
    EXPECT_OK(wasi_sockets_ip_name_lookup_resolve_address_stream_subscribe(&g, l, &p, NULL));
    EXPECT_OK(wasi_io_poll_pollable_block(&g, p, NULL));
    size_t count = 0;
    while (count < 100 && next(&g, l, &a) == SOCKET_NO_ERROR && a.some) {
        count++;
    }
    EXPECT_EQ(count, LOOP_RESOLVE_ADDRESSES_MAX);
    guest_done(&g);
}

TEST(lookups_fail_and_say_how) {
    static const struct {
        status code;
        socket_error expected;
    } rows[] = {{STATUS_DENIED, WASI_SOCKETS_NETWORK_ERROR_CODE_ACCESS_DENIED},
                {STATUS_NOT_FOUND, WASI_SOCKETS_NETWORK_ERROR_CODE_NAME_UNRESOLVABLE},
                {STATUS_IO, WASI_SOCKETS_NETWORK_ERROR_CODE_TEMPORARY_RESOLVER_FAILURE}};
    guest g;
    net_connector c;
    lookup *l = NULL;
    wasi_sockets_ip_name_lookup_option_ip_address a = {0};
    guest_init(&g);
    guest_start(&g);
    net_connector_init(&c, &g);
    for (size_t i = 0; i < 3; i++) {
        c.refuses = rows[i].code;
        EXPECT_EQ(look_up(&g, text("h.example"), &l), SOCKET_NO_ERROR);
        net_settle(&g);
        EXPECT_EQ(next(&g, l, &a), rows[i].expected);
        EXPECT_EQ(next(&g, l, &a), rows[i].expected); // and again
    }
    c.refuses_at_once = STATUS_LIMIT;
    EXPECT_EQ(look_up(&g, text("h.example"), &l), WASI_SOCKETS_NETWORK_ERROR_CODE_NEW_SOCKET_LIMIT);
    guest_done(&g);
}

TEST(lookups_are_counted_and_given_up) {
    guest g;
    net_connector c;
    lookup *a = NULL, *b = NULL;
    guest_init(&g);
    g.workload.limits.sockets_max = 1;
    guest_start(&g);
    net_connector_init(&c, &g);
    c.is_mute = true;
    EXPECT_EQ(look_up(&g, text("a.example"), &a), SOCKET_NO_ERROR);
    EXPECT_EQ(look_up(&g, text("b.example"), &b), WASI_SOCKETS_NETWORK_ERROR_CODE_OUT_OF_MEMORY);
    EXPECT_EQ(c.asked, 1);
    wasi_sockets_ip_name_lookup_resolve_address_stream_drop(NULL, a);
    EXPECT_EQ(c.cancelled, 1);
    EXPECT_EQ(look_up(&g, text("b.example"), &b), SOCKET_NO_ERROR);
    guest_done(&g); // also what is left at the end
    EXPECT_EQ(c.cancelled, 2);
}
