// SPDX-License-Identifier: Apache-2.0
// Literal addresses: parsing, text and which of them are special.
#include <arpa/inet.h>
#include <stdio.h>

#include "policy/network_internal.h"

static void normalise(network_address *a) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (a->is_v6 && memcmp(a->bytes, mapped, sizeof mapped) == 0) {
        memmove(a->bytes, a->bytes + 12, 4);
        memset(a->bytes + 4, 0, 12);
        a->is_v6 = false;
    }
}

bool network_address_parse(slice text, network_address *ret) {
    char copy[NETWORK_ADDRESS_TEXT_BYTES];
    bool bracketed = text.len >= 2 && text.data[0] == '[' && text.data[text.len - 1] == ']';
    if (bracketed) {
        text = slice_sub(text, 1, text.len - 1);
    }
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.data, 0, text.len) != NULL) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    network_address a = {0};
    if (!bracketed && inet_pton(AF_INET, copy, a.bytes) == 1) {
        *ret = a;
        return true;
    }
    if (inet_pton(AF_INET6, copy, a.bytes) != 1) {
        return false;
    }
    a.is_v6 = true;
    normalise(&a);
    *ret = a;
    return true;
}

bool network_endpoint_parse(slice text, network_address *ret, uint16_t *ret_port) {
    size_t colon = text.len;
    uint64_t port;
    while (colon > 0 && text.data[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0 || !slice_to_u64(slice_sub(text, colon, text.len), &port) || port > UINT16_MAX) {
        return false;
    }
    slice host = slice_sub(text, 0, colon - 1);
    if (!network_address_parse(slice_equal_text(host, "localhost") ? slice_from_text("127.0.0.1") : host,
                               ret)) {
        return false;
    }
    *ret_port = (uint16_t)port;
    return true;
}

const char *network_address_text(const network_address *a, char text[NETWORK_ADDRESS_TEXT_BYTES]) {
    if (inet_ntop(a->is_v6 ? AF_INET6 : AF_INET, a->bytes, text, NETWORK_ADDRESS_TEXT_BYTES) == NULL) {
        text[0] = '\0';
    }
    return text;
}

bool network_prefix_covers(const uint8_t *prefix, unsigned bits, const uint8_t *address) {
    unsigned whole = bits / 8;
    if (memcmp(prefix, address, whole) != 0) {
        return false;
    }
    unsigned rest = bits % 8;
    uint8_t mask = (uint8_t)(0xff00u >> rest);
    return rest == 0 || ((prefix[whole] ^ address[whole]) & mask) == 0;
}

typedef struct block {
    uint8_t prefix[16];
    uint8_t bits;
} block;

// IANA IPv4 special-purpose registry, plus multicast and what lies above it.
static const block special_v4[] = {
    {{0}, 8},             // "this network"
    {{10}, 8},            // private
    {{100, 64}, 10},      // shared (carrier NAT)
    {{127}, 8},           // loopback
    {{169, 254}, 16},     // link-local, cloud metadata services
    {{172, 16}, 12},      // private
    {{192, 0, 0}, 24},    // protocol assignments
    {{192, 0, 2}, 24},    // documentation
    {{192, 31, 196}, 24}, // AS112
    {{192, 52, 193}, 24}, // AMT
    {{192, 88, 99}, 24},  // 6to4 relay
    {{192, 168}, 16},     // private
    {{192, 175, 48}, 24}, // AS112
    {{198, 18}, 15},      // benchmarking
    {{198, 51, 100}, 24}, // documentation
    {{203, 0, 113}, 24},  // documentation
    {{224}, 3},           // multicast (224/4) and reserved (240/4, with limited broadcast)
};

static bool is_special_v4(const uint8_t *bytes) {
    for (size_t i = 0; i < sizeof special_v4 / sizeof special_v4[0]; i++) {
        if (network_prefix_covers(special_v4[i].prefix, special_v4[i].bits, bytes)) {
            return true;
        }
    }
    return false;
}

// Only 2000::/3 is public unicast; the blocks below lie inside it and are special all the same.
static const block special_v6[] = {
    {{0x20, 0x01, 0x00}, 23},             // protocol assignments, Teredo (embeds IPv4), benchmarking
    {{0x20, 0x01, 0x0d, 0xb8}, 32},       // documentation
    {{0x20, 0x02}, 16},                   // 6to4 (embeds IPv4)
    {{0x26, 0x20, 0x00, 0x4f, 0x80}, 48}, // AS112
    {{0x3f, 0xff}, 20},                   // documentation
};

static bool is_special_v6(const uint8_t *bytes) {
    static const uint8_t public_unicast[16] = {0x20};
    if (!network_prefix_covers(public_unicast, 3, bytes)) {
        return true;
    }
    for (size_t i = 0; i < sizeof special_v6 / sizeof special_v6[0]; i++) {
        if (network_prefix_covers(special_v6[i].prefix, special_v6[i].bits, bytes)) {
            return true;
        }
    }
    return false;
}

bool network_address_is_special(const network_address *a) {
    return a->is_v6 ? is_special_v6(a->bytes) : is_special_v4(a->bytes);
}

bool network_address_is_loopback(const network_address *a) {
    static const uint8_t loopback_v6[16] = {[15] = 1};
    return a->is_v6 ? memcmp(a->bytes, loopback_v6, 16) == 0 : a->bytes[0] == 127;
}
