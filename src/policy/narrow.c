// SPDX-License-Identifier: Apache-2.0
// Whether one list of rules allows no more than another.
//
// Names and addresses are two worlds (network.c): a name rule never covers a block rule, nor the reverse,
// since a block says "this address, whoever named it", and a name says "public addresses of this name".
#include "policy/network_internal.h"

static bool is_below(const char *name, const char *domain) {
    size_t length = strlen(name), suffix = strlen(domain);
    return length > suffix + 1 && name[length - suffix - 1] == '.' &&
           strcmp(name + length - suffix, domain) == 0;
}

// `*` covers every name, but not what `localhost` and the names below it add: this machine.
static bool any_covers(const network_rule *inner) {
    if (inner->kind == RULE_NAME || inner->kind == RULE_SUFFIX) {
        return !network_name_is_localhost(inner->name);
    }
    return inner->kind == RULE_ANY;
}

static bool suffix_covers(const network_rule *outer, const network_rule *inner) {
    if (inner->kind == RULE_SUFFIX && strcmp(inner->name, outer->name) == 0) {
        return true;
    }
    return (inner->kind == RULE_NAME || inner->kind == RULE_SUFFIX) && is_below(inner->name, outer->name);
}

static bool block_covers(const network_rule *outer, const network_rule *inner) {
    return inner->kind == RULE_BLOCK && inner->block.is_v6 == outer->block.is_v6 &&
           inner->prefix_bits >= outer->prefix_bits &&
           network_prefix_covers(outer->block.bytes, outer->prefix_bits, inner->block.bytes);
}

static bool peer_covers(const network_rule *outer, const network_rule *inner) {
    switch (outer->kind) {
    case RULE_ANY:
        return any_covers(inner);
    case RULE_NAME:
        return inner->kind == RULE_NAME && strcmp(inner->name, outer->name) == 0;
    case RULE_SUFFIX:
        return suffix_covers(outer, inner);
    case RULE_BLOCK:
        return block_covers(outer, inner);
    }
    return false;
}

static bool covers_all_ports(const network_rule *outer) {
    return outer->port == 0 && outer->without_port == NETWORK_PORT_ANY;
}

static bool covers_port(const network_rule *outer, uint16_t port) {
    if (outer->port != 0) {
        return outer->port == port;
    }
    return outer->without_port == NETWORK_PORT_ANY || port == 80 || port == 443;
}

static bool some_covers(const network_policy *outer, const network_rule *inner, bool all_ports,
                        uint16_t port) {
    for (size_t i = 0; i < outer->rule_count; i++) {
        const network_rule *rule = &outer->rules[i];
        if (peer_covers(rule, inner) && (all_ports ? covers_all_ports(rule) : covers_port(rule, port))) {
            return true;
        }
    }
    return false;
}

static bool rule_within(const network_policy *outer, const network_rule *inner) {
    if (inner->port != 0) {
        return some_covers(outer, inner, false, inner->port);
    }
    if (inner->without_port == NETWORK_PORT_ANY) {
        return some_covers(outer, inner, true, 0);
    }
    return some_covers(outer, inner, false, 80) && some_covers(outer, inner, false, 443);
}

bool network_policy_within(const network_policy *outer, const network_policy *inner, size_t *ret_index) {
    for (size_t i = 0; i < inner->rule_count; i++) {
        if (!rule_within(outer, &inner->rules[i])) {
            *ret_index = i;
            return false;
        }
    }
    return true;
}
