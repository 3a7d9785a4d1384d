// SPDX-License-Identifier: Apache-2.0
// What tests of sockets say of them: errors by short names, and addresses.
#pragma once

#include "capability/sockets/sockets_internal.h"
#include "helper_net.h"

enum {
    GOOD = SOCKET_NO_ERROR,
    DENIED = WASI_SOCKETS_NETWORK_ERROR_CODE_ACCESS_DENIED,
    BAD_ARGUMENT = WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT,
    BAD_STATE = WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE,
    NOT_BEGUN = WASI_SOCKETS_NETWORK_ERROR_CODE_NOT_IN_PROGRESS,
    BLOCKS = WASI_SOCKETS_NETWORK_ERROR_CODE_WOULD_BLOCK,
};

static inline slice text(const char *s) { return slice_from_text(s); }

static inline guest_address v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port) {
    guest_address r = {.tag = WASI_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV4};
    r.of.ipv4.address = (wasi_sockets_network_ipv4_address){a, b, c, d};
    r.of.ipv4.port = port;
    return r;
}

static inline guest_address v6(uint16_t first, uint16_t sixth, uint16_t last, uint16_t port) {
    guest_address r = {.tag = WASI_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV6};
    r.of.ipv6.address = (wasi_sockets_network_ipv6_address){first, 0, 0, 0, 0, sixth, 0, last};
    r.of.ipv6.port = port;
    return r;
}

static inline guest_address loopback(uint16_t port) { return v4(127, 0, 0, 1, port); }
