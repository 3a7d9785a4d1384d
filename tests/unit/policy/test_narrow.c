// SPDX-License-Identifier: Apache-2.0
#include "policy/network.h"

#include "test.h"

// Rules separated by spaces; a final "h" after "|" gives the default ports of HTTP.
static void fill(network_policy *p, const char *text) {
    size_t bar = slice_find(slice_from_text(text), 0, '|');
    network_default_port ports = bar == SIZE_MAX ? NETWORK_PORT_ANY : NETWORK_PORT_OF_HTTP;
    slice all = slice_sub(slice_from_text(text), 0, bar);
    for (size_t at = 0; at < all.len;) {
        size_t space = slice_find(all, at, ' ');
        err e = {0};
        if (network_policy_add(p, slice_sub(all, at, space), ports, &e) != STATUS_OK) {
            printf("%s\n", e.message);
            EXPECT(false);
        }
        at = space == SIZE_MAX ? all.len : space + 1;
    }
}

static bool within(const char *outer, const char *inner, size_t *ret_index) {
    network_policy o = {0}, i = {0};
    fill(&o, outer);
    fill(&i, inner);
    bool answer = network_policy_within(&o, &i, ret_index);
    network_policy_done(&o);
    network_policy_done(&i);
    return answer;
}

typedef struct pair {
    const char *outer, *inner;
    bool within;
} pair;

static void check_pairs(const pair *pairs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t index;
        if (within(pairs[i].outer, pairs[i].inner, &index) != pairs[i].within) {
            printf("\"%s\" around \"%s\"\n", pairs[i].outer, pairs[i].inner);
            EXPECT(false);
        }
    }
}

TEST(pairs_of_names) {
    static const pair rows[] = {
        {"", "", true},
        {"a.org", "", true},
        {"", "a.org", false},
        // Names.
        {"a.org", "a.org", true},
        {"a.org", "A.ORG.", true},
        {"a.org", "x.a.org", false},
        {"*.a.org", "x.a.org", true},
        {"*.a.org", "a.org", false},
        {"*.a.org", "xa.org", false},
        {"*.a.org", "*.a.org", true},
        {"*.a.org", "*.b.a.org", true},
        {"*.b.a.org", "*.a.org", false},
        {"*.a.org", "*.xa.org", false},
        {"a.org", "*.a.org", false},
        {"*", "a.org *.a.org *", true},
        {"*.org *.com", "*", false},
        // This machine.
        {"*", "localhost", false},
        {"*", "x.localhost", false},
        {"*", "*.localhost", false},
        {"*", "notlocalhost", true},
        {"localhost", "localhost", true},
        {"localhost", "x.localhost", false},
        {"*.localhost", "x.localhost *.localhost", true},
        {"*.localhost", "localhost", false},
        {"localhost", "127.0.0.1", false},
        {"127.0.0.0/8", "localhost", false},
    };
    check_pairs(rows, sizeof rows / sizeof rows[0]);
}

TEST(pairs_of_addresses_and_ports) {
    static const pair rows[] = {
        {"*", "10.0.0.1", false},
        {"10.0.0.0/8", "10.1.2.3", true},
        {"10.0.0.0/8", "10.1.0.0/16", true},
        {"10.1.0.0/16", "10.0.0.0/8", false},
        {"10.0.0.0/8", "11.0.0.0/8", false},
        {"0.0.0.0/0", "10.0.0.0/8", true},
        {"0.0.0.0/0", "::/0", false},
        {"::/0", "10.0.0.1", false},
        {"0.0.0.0/0", "[::ffff:10.0.0.1]", true}, // the same address
        {"0.0.0.0/0", "a.org", false},
        {"fd00::/8", "[fd00::1]", true},
        {"fd00::/8", "[fe00::1]", false},
        {"10.0.0.0/9 10.128.0.0/9", "10.0.0.0/8", false}, // only together: not seen
        // Ports.
        {"a.org:443", "a.org:443", true},
        {"a.org:443", "a.org:80", false},
        {"a.org:443", "a.org", false},
        {"a.org", "a.org:443", true},
        {"a.org|h", "a.org", false},
        {"a.org", "a.org|h", true},
        {"a.org|h", "a.org|h", true},
        {"a.org|h", "a.org:443", true},
        {"a.org|h", "a.org:8080", false},
        {"a.org:80 a.org:443", "a.org|h", true},
        {"a.org:80 *.org:443", "a.org|h", true},
        {"a.org:443", "a.org|h", false},
        {"10.0.0.0/8:5432", "10.0.0.1:5432", true},
        {"10.0.0.0/8:5432", "10.0.0.1:5433", false},
        {"*:443", "a.org:443", true},
        {"*:443", "a.org", false},
    };
    check_pairs(rows, sizeof rows / sizeof rows[0]);
}

TEST(names_the_first_rule_that_is_wider) {
    size_t index = 99;
    EXPECT(!within("*.a.org", "x.a.org b.org c.org", &index));
    EXPECT(index == 1);
}

// Whatever is said to be within may not reach a peer that the outer list does not.
TEST(within_agrees_with_the_checks) {
    static const char *const policies[] = {"*",           "*:443",       "a.org",      "a.org:443",
                                           "*.a.org",     "localhost",   "10.0.0.0/8", "127.0.0.1:443",
                                           "x.localhost", "*.localhost", "*|h",        "a.org|h",
                                           "0.0.0.0/0",   "::/0",        "*.org:80"};
    static const char *const names[] = {"", "a.org", "b.a.org", "localhost", "x.localhost", "other.net"};
    static const char *const addresses[] = {"93.184.215.14", "10.1.2.3", "127.0.0.1", "::1", "2606:2800::1"};
    static const uint16_t ports[] = {80, 443, 8080};
    enum { POLICIES = sizeof policies / sizeof policies[0] };
    for (size_t n = 0; n < (size_t)POLICIES * POLICIES; n++) {
        const char *texts[2] = {policies[n / POLICIES], policies[n % POLICIES]};
        size_t index;
        if (!within(texts[0], texts[1], &index)) {
            continue;
        }
        network_policy p[2] = {0};
        fill(&p[0], texts[0]);
        fill(&p[1], texts[1]);
        for (size_t k = 0; k < 6 * 5 * 3; k++) {
            slice name = slice_from_text(names[k / 15]);
            network_address a;
            EXPECT(network_address_parse(slice_from_text(addresses[k / 3 % 5]), &a));
            bool outer = network_policy_check_address(&p[0], name, &a, ports[k % 3], "", NULL) == STATUS_OK;
            bool inner = network_policy_check_address(&p[1], name, &a, ports[k % 3], "", NULL) == STATUS_OK;
            EXPECT(outer || !inner);
        }
        network_policy_done(&p[0]);
        network_policy_done(&p[1]);
    }
}
