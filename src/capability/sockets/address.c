// SPDX-License-Identifier: Apache-2.0
// Addresses and error codes between WIT and the system.
#include <arpa/inet.h>
#include <errno.h>

#include "capability/sockets/sockets_internal.h"
#include "policy/network.h"

bool guest_address_is_v6(const guest_address *a) {
    return a->tag == WASI_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV6;
}

uint16_t guest_address_port(const guest_address *a) {
    return guest_address_is_v6(a) ? a->of.ipv6.port : a->of.ipv4.port;
}

static void bytes_of_v4(const wasi_sockets_network_ipv4_address *a, uint8_t ret[4]) {
    ret[0] = a->f0;
    ret[1] = a->f1;
    ret[2] = a->f2;
    ret[3] = a->f3;
}

static void bytes_of_v6(const wasi_sockets_network_ipv6_address *a, uint8_t ret[16]) {
    const uint16_t parts[8] = {a->f0, a->f1, a->f2, a->f3, a->f4, a->f5, a->f6, a->f7};
    for (size_t i = 0; i < 8; i++) {
        ret[2 * i] = (uint8_t)(parts[i] >> 8);
        ret[2 * i + 1] = (uint8_t)parts[i];
    }
}

static wasi_sockets_network_ipv4_address v4_of_bytes(const uint8_t *b) {
    return (wasi_sockets_network_ipv4_address){b[0], b[1], b[2], b[3]};
}

static wasi_sockets_network_ipv6_address v6_of_bytes(const uint8_t *b) {
    uint16_t parts[8];
    for (size_t i = 0; i < 8; i++) {
        parts[i] = (uint16_t)(b[2 * i] << 8 | b[2 * i + 1]);
    }
    return (wasi_sockets_network_ipv6_address){parts[0], parts[1], parts[2], parts[3],
                                               parts[4], parts[5], parts[6], parts[7]};
}

// The address as 16 bytes, IPv4 in the first four; returns how many count.
static size_t raw_bytes(const guest_address *a, uint8_t ret[16]) {
    memset(ret, 0, 16);
    if (guest_address_is_v6(a)) {
        bytes_of_v6(&a->of.ipv6.address, ret);
        return 16;
    }
    bytes_of_v4(&a->of.ipv4.address, ret);
    return 4;
}

bool guest_address_is_unspecified(const guest_address *a) {
    static const uint8_t zero[16];
    uint8_t bytes[16];
    return memcmp(bytes, zero, raw_bytes(a, bytes)) == 0;
}

bool guest_address_is_mapped(const guest_address *a) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    uint8_t bytes[16];
    return raw_bytes(a, bytes) == 16 && memcmp(bytes, mapped, sizeof mapped) == 0;
}

bool guest_address_is_unicast(const guest_address *a) {
    static const uint8_t broadcast[4] = {255, 255, 255, 255};
    uint8_t bytes[16];
    if (raw_bytes(a, bytes) == 16) {
        return bytes[0] != 0xff;
    }
    return (bytes[0] & 0xf0) != 0xe0 && memcmp(bytes, broadcast, 4) != 0;
}

loop_address guest_address_to_loop(const guest_address *a) {
    loop_address r = {0};
    uint8_t bytes[16];
    raw_bytes(a, bytes);
    if (guest_address_is_v6(a)) {
        r.v6.sin6_family = AF_INET6;
        r.v6.sin6_port = htons(a->of.ipv6.port);
        r.v6.sin6_flowinfo = htonl(a->of.ipv6.flow_info);
        r.v6.sin6_scope_id = a->of.ipv6.scope_id;
        memcpy(&r.v6.sin6_addr, bytes, 16);
    } else {
        r.v4.sin_family = AF_INET;
        r.v4.sin_port = htons(a->of.ipv4.port);
        memcpy(&r.v4.sin_addr, bytes, 4);
    }
    return r;
}

guest_address guest_address_from_loop(const loop_address *a) {
    guest_address r = {.tag = WASI_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV4};
    if (a->any.sa_family == AF_INET6) {
        r.tag = WASI_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV6;
        r.of.ipv6.port = ntohs(a->v6.sin6_port);
        r.of.ipv6.flow_info = ntohl(a->v6.sin6_flowinfo);
        r.of.ipv6.scope_id = a->v6.sin6_scope_id;
        r.of.ipv6.address = v6_of_bytes(a->v6.sin6_addr.s6_addr);
    } else {
        r.of.ipv4.port = ntohs(a->v4.sin_port);
        r.of.ipv4.address = v4_of_bytes((const uint8_t *)&a->v4.sin_addr);
    }
    return r;
}

wasi_sockets_network_ip_address guest_ip_from_loop(const loop_address *a) {
    guest_address full = guest_address_from_loop(a);
    wasi_sockets_network_ip_address r = {.tag = WASI_SOCKETS_NETWORK_IP_ADDRESS_IPV4};
    if (guest_address_is_v6(&full)) {
        r.tag = WASI_SOCKETS_NETWORK_IP_ADDRESS_IPV6;
        r.of.ipv6 = full.of.ipv6.address;
    } else {
        r.of.ipv4 = full.of.ipv4.address;
    }
    return r;
}

slice guest_address_literal(const guest_address *a, char *text) {
    network_address plain = {.is_v6 = guest_address_is_v6(a)};
    raw_bytes(a, plain.bytes);
    return slice_from_text(network_address_text(&plain, text));
}

socket_error socket_error_of_errno(int number) {
    switch (number) {
    case EACCES:
    case EPERM:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_ACCESS_DENIED;
    case EINVAL:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT;
    case ENOMEM:
    case ENOBUFS:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_OUT_OF_MEMORY;
    case ETIMEDOUT:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_TIMEOUT;
    case EAGAIN:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_WOULD_BLOCK;
    case EMFILE:
    case ENFILE:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_NEW_SOCKET_LIMIT;
    case EADDRNOTAVAIL:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_ADDRESS_NOT_BINDABLE;
    case EADDRINUSE:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_ADDRESS_IN_USE;
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
    case ENONET:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_REMOTE_UNREACHABLE;
    case ECONNREFUSED:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_CONNECTION_REFUSED;
    case ECONNRESET:
    case EPIPE:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_CONNECTION_RESET;
    case ECONNABORTED:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_CONNECTION_ABORTED;
    case EMSGSIZE:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_DATAGRAM_TOO_LARGE;
    case EOPNOTSUPP:
    case ENOPROTOOPT:
    case EAFNOSUPPORT: // a machine without IPv6
        return WASI_SOCKETS_NETWORK_ERROR_CODE_NOT_SUPPORTED;
    default:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_UNKNOWN;
    }
}

socket_error socket_error_of_connect(const connect_result *r) {
    switch (r->code) {
    case STATUS_DENIED:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_ACCESS_DENIED;
    case STATUS_NOT_FOUND:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_NAME_UNRESOLVABLE;
    case STATUS_TIMEOUT:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_TIMEOUT;
    case STATUS_LIMIT:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_NEW_SOCKET_LIMIT;
    case STATUS_INVALID:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT;
    default:
        return socket_error_of_errno(r->os_error);
    }
}
