// SPDX-License-Identifier: Apache-2.0
// Shared by the files of this folder only.
#pragma once

#include "policy/network.h"

typedef enum rule_kind {
    RULE_NAME,   // exactly this name
    RULE_SUFFIX, // names below this domain
    RULE_ANY,    // every name
    RULE_BLOCK,  // addresses
} rule_kind;

struct network_rule {
    rule_kind kind;
    char name[NETWORK_NAME_BYTES_MAX + 1]; // lower case, without final dot; RULE_NAME and RULE_SUFFIX
    network_address block;
    uint8_t prefix_bits;
    uint16_t port; // 0 = see below
    network_default_port without_port;
};

bool network_prefix_covers(const uint8_t *prefix, unsigned bits, const uint8_t *address);
// `localhost` and the names below it; `name` is normalised.
bool network_name_is_localhost(const char *name);
