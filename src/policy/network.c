// SPDX-License-Identifier: Apache-2.0
// Parsing of rules and the two checks. A name rule answers "may this name be looked up and its public
// addresses be used", a block rule answers "may this address be used"; neither implies the other.
#include "policy/network.h"

#include <stdio.h>

#include "base/mem.h"
#include "policy/network_internal.h"

static bool is_name_byte(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// Lower-cases, drops one final dot and checks labels (RFC 1123, with the underscore that real networks use).
static bool normalise_name(slice text, char ret[NETWORK_NAME_BYTES_MAX + 1]) {
    if (text.len > 0 && text.data[text.len - 1] == '.') {
        text.len--;
    }
    if (text.len == 0 || text.len > NETWORK_NAME_BYTES_MAX) {
        return false;
    }
    size_t label = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        c = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
        if (c == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
        } else if (!is_name_byte(c) || ++label > 63) {
            return false;
        }
        ret[i] = (char)c;
    }
    ret[text.len] = '\0';
    // A name whose last label is a number would be taken for an address by a resolver (inet_aton forms).
    const char *last = strrchr(ret, '.');
    last = last == NULL ? ret : last + 1;
    return label > 0 && strspn(last, "0123456789") != strlen(last) && strncmp(last, "0x", 2) != 0;
}

static status bad_rule(slice text, const char *why, err *e) {
    return err_set(
        e, STATUS_INVALID,
        "\"%.*s\" is not a network rule: %s; write HOST, *.DOMAIN, ADDRESS or ADDRESS/PREFIX, each with an "
        "optional :PORT, such as api.example.org:443 or 10.0.0.0/8:5432",
        SLICE_ARG(text), why);
}

// Splits a trailing ":PORT" off. An IPv6 literal with a port needs brackets; without them all colons are its
// own.
static bool split_port(slice text, slice *ret_host, uint16_t *ret_port) {
    size_t colon = SIZE_MAX, colons = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == ':') {
            colon = i;
            colons++;
        }
    }
    bool bracketed = text.len > 0 && text.data[0] == '[';
    bool has_port = bracketed ? colon != SIZE_MAX && colon > 0 && text.data[colon - 1] == ']' : colons == 1;
    if (bracketed && !has_port && slice_find(text, 0, '/') != SIZE_MAX) {
        // "[fd00::]/8:443": the port follows the prefix.
        size_t slash = slice_find(text, 0, '/');
        has_port = colon > slash && colon != SIZE_MAX;
    }
    *ret_port = 0;
    *ret_host = text;
    if (!has_port) {
        return true;
    }
    uint64_t port;
    if (!slice_to_u64(slice_sub(text, colon + 1, text.len), &port) || port == 0 || port > UINT16_MAX) {
        return false;
    }
    *ret_host = slice_sub(text, 0, colon);
    *ret_port = (uint16_t)port;
    return true;
}

bool network_server_parse(slice text, char ret_host[NETWORK_NAME_BYTES_MAX + 1], uint16_t *ret_port) {
    slice host;
    uint16_t port;
    network_address literal;
    char address[NETWORK_ADDRESS_TEXT_BYTES], name[NETWORK_NAME_BYTES_MAX + 1];
    if (!split_port(text, &host, &port) || port == 0) {
        return false;
    }
    bool is_literal = network_address_parse(host, &literal);
    if (!is_literal && !normalise_name(host, name)) {
        return false;
    }
    const char *found = is_literal ? network_address_text(&literal, address) : name;
    memcpy(ret_host, found, strlen(found) + 1);
    *ret_port = port;
    return true;
}

static bool has_bits_below(const network_address *a, unsigned bits) {
    unsigned total = a->is_v6 ? 128 : 32;
    for (unsigned i = bits; i < total; i++) {
        if ((a->bytes[i / 8] >> (7 - i % 8)) & 1) {
            return true;
        }
    }
    return false;
}

// Fills a block rule when the text starts with an address; *ret_is_block says whether it does.
static status parse_block(slice whole, slice host, network_rule *rule, bool *ret_is_block, err *e) {
    size_t slash = slice_find(host, 0, '/');
    slice literal = slice_sub(host, 0, slash);
    *ret_is_block = network_address_parse(literal, &rule->block);
    if (!*ret_is_block) {
        return slash == SIZE_MAX ? STATUS_OK : bad_rule(whole, "a prefix needs an address before it", e);
    }
    unsigned total = rule->block.is_v6 ? 128 : 32;
    uint64_t bits = total;
    if (slash != SIZE_MAX && (!slice_to_u64(slice_sub(host, slash + 1, host.len), &bits) || bits > total)) {
        return bad_rule(whole, "the prefix length does not fit the address", e);
    }
    if (has_bits_below(&rule->block, (unsigned)bits)) {
        return bad_rule(whole, "the address has bits set beyond its prefix", e);
    }
    rule->kind = RULE_BLOCK;
    rule->prefix_bits = (uint8_t)bits;
    return STATUS_OK;
}

static status parse_rule(slice text, network_rule *rule, err *e) {
    slice host;
    if (!split_port(text, &host, &rule->port)) {
        return bad_rule(text, "the port is not a number from 1 to 65535", e);
    }
    bool is_block;
    TRY(parse_block(text, host, rule, &is_block, e));
    if (is_block) {
        return STATUS_OK;
    }
    if (slice_equal_text(host, "*")) {
        rule->kind = RULE_ANY;
        return STATUS_OK;
    }
    rule->kind = slice_starts_with(host, "*.") ? RULE_SUFFIX : RULE_NAME;
    slice name = rule->kind == RULE_SUFFIX ? slice_sub(host, 2, host.len) : host;
    return normalise_name(name, rule->name) ? STATUS_OK : bad_rule(text, "the host is not a valid name", e);
}

status network_policy_add(network_policy *p, slice text, network_default_port without_port, err *e) {
    if (p->rule_count >= NETWORK_RULES_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d network rules", NETWORK_RULES_MAX);
    }
    network_rule rule = {.without_port = without_port};
    TRY(parse_rule(text, &rule, e));
    p->rules = mem_resize(p->rules, (p->rule_count + 1) * sizeof rule);
    p->rules[p->rule_count++] = rule;
    return STATUS_OK;
}

void network_policy_done(network_policy *p) {
    mem_free(p->rules);
    *p = (network_policy){0};
}

static status format_host(const network_rule *rule, buf *ret) {
    char text[NETWORK_ADDRESS_TEXT_BYTES];
    switch (rule->kind) {
    case RULE_ANY:
        return buf_append_text(ret, "*");
    case RULE_NAME:
        return buf_append_text(ret, rule->name);
    case RULE_SUFFIX:
        return buf_append_format(ret, "*.%s", rule->name);
    case RULE_BLOCK:
        break;
    }
    network_address_text(&rule->block, text);
    return buf_append_format(ret, rule->block.is_v6 ? "[%s]/%u" : "%s/%u", text, rule->prefix_bits);
}

status network_policy_format(const network_policy *p, size_t index, buf *ret) {
    const network_rule *rule = &p->rules[index];
    TRY(format_host(rule, ret));
    return rule->port == 0 ? STATUS_OK : buf_append_format(ret, ":%u", rule->port);
}

// Port 0 asks whether there is a port at all, as for a name that is only looked up.
static bool port_matches(const network_rule *rule, uint16_t port) {
    if (port == 0) {
        return true;
    }
    if (rule->port != 0) {
        return rule->port == port;
    }
    return rule->without_port == NETWORK_PORT_ANY || port == 80 || port == 443;
}

static bool name_matches(const network_rule *rule, const char *name) {
    size_t length = strlen(name), suffix = strlen(rule->name);
    switch (rule->kind) {
    case RULE_ANY:
        return true;
    case RULE_NAME:
        return strcmp(rule->name, name) == 0;
    case RULE_SUFFIX:
        return length > suffix + 1 && name[length - suffix - 1] == '.' &&
               strcmp(name + length - suffix, rule->name) == 0;
    case RULE_BLOCK:
        break;
    }
    return false;
}

static bool name_allowed(const network_policy *p, const char *name, uint16_t port) {
    for (size_t i = 0; i < p->rule_count; i++) {
        if (name_matches(&p->rules[i], name) && port_matches(&p->rules[i], port)) {
            return true;
        }
    }
    return false;
}

static bool block_allowed(const network_policy *p, const network_address *a, uint16_t port) {
    for (size_t i = 0; i < p->rule_count; i++) {
        const network_rule *rule = &p->rules[i];
        if (rule->kind == RULE_BLOCK && rule->block.is_v6 == a->is_v6 && port_matches(rule, port) &&
            network_prefix_covers(rule->block.bytes, rule->prefix_bits, a->bytes)) {
            return true;
        }
    }
    return false;
}

static status denied_address(const network_address *a, uint16_t port, const char *option, err *e) {
    char text[NETWORK_ADDRESS_TEXT_BYTES];
    network_address_text(a, text);
    return err_set(e, STATUS_DENIED, "no rule allows the address %s port %u; add %s %s%s%s:%u", text, port,
                   option, a->is_v6 ? "[" : "", text, a->is_v6 ? "]" : "", port);
}

status network_policy_check_host(const network_policy *p, slice host, uint16_t port, const char *option,
                                 err *e) {
    network_address literal;
    if (network_address_parse(host, &literal)) {
        return network_policy_check_address(p, slice_empty(), &literal, port, option, e);
    }
    char name[NETWORK_NAME_BYTES_MAX + 1];
    if (!normalise_name(host, name)) {
        return err_set(e, STATUS_DENIED, "\"%.*s\" is neither a host name nor an address",
                       (int)(host.len > 80 ? 80 : host.len), (const char *)host.data);
    }
    if (!name_allowed(p, name, port)) {
        return err_set(e, STATUS_DENIED, "no rule allows %s port %u; add %s %s:%u", name, port, option, name,
                       port);
    }
    return STATUS_OK;
}

bool network_name_is_localhost(const char *name) {
    size_t n = strlen(name);
    return strcmp(name, "localhost") == 0 || (n > 10 && strcmp(name + n - 10, ".localhost") == 0);
}

// A rule `*` allows every name, but says nothing about this machine: loopback needs the name itself.
static bool localhost_rule(const network_policy *p, const char *name, uint16_t port) {
    for (size_t i = 0; i < p->rule_count; i++) {
        if (p->rules[i].kind != RULE_ANY && name_matches(&p->rules[i], name) &&
            port_matches(&p->rules[i], port)) {
            return true;
        }
    }
    return false;
}

status network_policy_check_address(const network_policy *p, slice host, const network_address *address,
                                    uint16_t port, const char *option, err *e) {
    if (block_allowed(p, address, port)) {
        return STATUS_OK;
    }
    char name[NETWORK_NAME_BYTES_MAX + 1];
    if (host.len == 0 || !normalise_name(host, name)) {
        return denied_address(address, port, option, e);
    }
    if (!name_allowed(p, name, port)) {
        return err_set(e, STATUS_DENIED, "no rule allows %s port %u; add %s %s:%u", name, port, option, name,
                       port);
    }
    if (!network_address_is_special(address) ||
        (network_address_is_loopback(address) && network_name_is_localhost(name) &&
         localhost_rule(p, name, port))) {
        return STATUS_OK;
    }
    char text[NETWORK_ADDRESS_TEXT_BYTES];
    network_address_text(address, text);
    return err_set(e, STATUS_DENIED,
                   "%s is allowed by name but leads to %s, which is not a public address; add %s %s%s%s:%u",
                   name, text, option, address->is_v6 ? "[" : "", text, address->is_v6 ? "]" : "", port);
}
