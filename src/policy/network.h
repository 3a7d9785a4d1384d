// SPDX-License-Identifier: Apache-2.0
// Which network peers a workload may reach: an allow-list of host names and address blocks with ports.
//
// A rule names a peer as HOST, *.DOMAIN (one or more labels before it), * (any name), an address, or
// ADDRESS/PREFIX, each optionally with :PORT. Asked twice for every connection: before name resolution (so
// that a name that is not allowed causes no query, which would itself carry data out) and after it for each
// address (so that an allowed public name cannot lead into a private network). A special-purpose address
// (loopback, private, link-local, shared, multicast, translated ...; IANA special-purpose address registries,
// RFC 6890) is reachable only by a rule that covers it as an address, or, for loopback, by the rule
// `localhost`.
// Pure: no I/O. Immutable after the rules were added. Nothing here is trusted from the guest.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
    NETWORK_RULES_MAX = 1024,
    NETWORK_NAME_BYTES_MAX = 253, // RFC 1035, without the final dot
};

typedef struct network_address {
    bool is_v6;
    uint8_t bytes[16]; // network order; the first 4 for IPv4. IPv4-mapped IPv6 is normalised to IPv4.
} network_address;

typedef struct network_rule network_rule;

typedef struct network_policy {
    network_rule *rules; // owned
    size_t rule_count;
} network_policy;

typedef enum network_default_port {
    NETWORK_PORT_ANY,     // a rule without a port allows every port
    NETWORK_PORT_OF_HTTP, // a rule without a port allows 80 and 443
} network_default_port;

// Adds one rule from its text form. The error says what is wrong with the text and shows a right one.
status network_policy_add(network_policy *p, slice text, network_default_port without_port,
                          err *e) WRIT_MUST_USE;
void network_policy_done(network_policy *p); // accepts a zeroed policy
// Appends the text form of a rule, as network_policy_add takes it.
status network_policy_format(const network_policy *p, size_t index, buf *ret) WRIT_MUST_USE;

static inline bool network_policy_is_empty(const network_policy *p) { return p->rule_count == 0; }

// Whether `host` (a name, or a literal address without brackets) at `port` may be looked up or tried at all.
// Port 0 asks whether any port is allowed: for lookups alone, and for binding to a free port. STATUS_DENIED
// with who, which rule is missing and `option` ("--allow-http") with the value to add.
status network_policy_check_host(const network_policy *p, slice host, uint16_t port, const char *option,
                                 err *e) WRIT_MUST_USE;

// Whether the address that `host` led to (or the literal itself; then `host` is empty) may be connected.
status network_policy_check_address(const network_policy *p, slice host, const network_address *address,
                                    uint16_t port, const char *option, err *e) WRIT_MUST_USE;

// Parses a literal IPv4 or IPv6 address (brackets allowed around IPv6, no zone).
bool network_address_parse(slice text, network_address *ret) WRIT_MUST_USE;
// Parses where to listen, ADDR:PORT; the address may be "localhost", which is 127.0.0.1 then.
bool network_endpoint_parse(slice text, network_address *ret, uint16_t *ret_port) WRIT_MUST_USE;
// Parses whom to connect to, HOST:PORT with a port that is not 0; the host is a name, or a literal address
// (IPv6 in brackets). Writes it without brackets, in lower case.
bool network_server_parse(slice text, char ret_host[NETWORK_NAME_BYTES_MAX + 1],
                          uint16_t *ret_port) WRIT_MUST_USE;
enum { NETWORK_ADDRESS_TEXT_BYTES = 48 };
const char *network_address_text(const network_address *a, char text[NETWORK_ADDRESS_TEXT_BYTES]);
bool network_address_is_loopback(const network_address *a);
// Whether the address is outside the public unicast internet.
bool network_address_is_special(const network_address *a);

// Whether every peer that `inner` allows is surely allowed by `outer`, rule by rule and port by port; on
// false `*ret_index` is the first rule of `inner` that is not. A block that only several blocks together
// cover counts as not covered.
bool network_policy_within(const network_policy *outer, const network_policy *inner,
                           size_t *ret_index) WRIT_MUST_USE;
