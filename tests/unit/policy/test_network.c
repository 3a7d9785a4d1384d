// SPDX-License-Identifier: Apache-2.0
#include "policy/network.h"

#include "test.h"

static status check_host(network_policy *p, const char *host, uint16_t port) {
    return network_policy_check_host(p, slice_from_text(host), port, "--allow-net", NULL);
}

static status check_address(network_policy *p, const char *host, const char *address, uint16_t port) {
    network_address a;
    if (!network_address_parse(slice_from_text(address), &a)) {
        return STATUS_INTERNAL;
    }
    return network_policy_check_address(p, slice_from_text(host), &a, port, "--allow-net", NULL);
}

static status add(network_policy *p, const char *text) {
    return network_policy_add(p, slice_from_text(text), NETWORK_PORT_ANY, NULL);
}

TEST(empty_policy_denies_all) {
    network_policy p = {0};
    EXPECT(check_host(&p, "example.org", 80) == STATUS_DENIED);
    EXPECT(check_address(&p, "", "93.184.215.14", 80) == STATUS_DENIED);
    EXPECT(check_address(&p, "example.org", "93.184.215.14", 80) == STATUS_DENIED);
}

TEST(malformed_rules_are_refused) {
    static const char *const bad[] = {
        "",           ":80",          "a..b",       "host:0",          "host:65536",
        "host:x",     "10.0.0.0/33",  "10.0.0.1/8", "fd00::/129",      "a/8",
        "*.",         "a*b",          "foo bar",    "127.1",           "0x7f000001",
        "2130706433", "http://a.org", "[::1",       "exa mple.org:80", "*.10.0.0.1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        network_policy p = {0};
        err e = {0};
        EXPECT(network_policy_add(&p, slice_from_text(bad[i]), NETWORK_PORT_ANY, &e) == STATUS_INVALID);
        EXPECT(e.message[0] != '\0');
        EXPECT(p.rule_count == 0);
        network_policy_done(&p);
    }
}

TEST(names_match_exactly_and_without_case) {
    network_policy p = {0};
    EXPECT(add(&p, "API.Example.org.:443") == STATUS_OK);
    EXPECT(check_host(&p, "api.example.org", 443) == STATUS_OK);
    EXPECT(check_host(&p, "API.EXAMPLE.ORG.", 443) == STATUS_OK);
    EXPECT(check_host(&p, "api.example.org", 80) == STATUS_DENIED);
    EXPECT(check_host(&p, "xapi.example.org", 443) == STATUS_DENIED);
    EXPECT(check_host(&p, "api.example.org.evil.net", 443) == STATUS_DENIED);
    EXPECT(check_host(&p, "api.example.org\0.evil", 443) == STATUS_OK); // a C string ends there
    EXPECT(network_policy_check_host(&p, slice_of("api.example.org\0x", 17), 443, "--allow-net", NULL) ==
           STATUS_DENIED);
    network_policy_done(&p);
}

TEST(wildcards_cover_subdomains_only) {
    network_policy p = {0};
    EXPECT(add(&p, "*.example.org") == STATUS_OK);
    EXPECT(check_host(&p, "a.example.org", 1) == STATUS_OK);
    EXPECT(check_host(&p, "a.b.example.org", 1) == STATUS_OK);
    EXPECT(check_host(&p, "example.org", 1) == STATUS_DENIED);
    EXPECT(check_host(&p, "badexample.org", 1) == STATUS_DENIED);
    network_policy_done(&p);
}

TEST(default_ports_of_http) {
    network_policy p = {0};
    EXPECT(network_policy_add(&p, slice_from_text("example.org"), NETWORK_PORT_OF_HTTP, NULL) == STATUS_OK);
    EXPECT(check_host(&p, "example.org", 80) == STATUS_OK);
    EXPECT(check_host(&p, "example.org", 443) == STATUS_OK);
    EXPECT(check_host(&p, "example.org", 8080) == STATUS_DENIED);
    network_policy_done(&p);
}

TEST(public_name_cannot_lead_to_special_addresses) {
    network_policy p = {0};
    EXPECT(add(&p, "*") == STATUS_OK);
    static const char *const special[] = {
        "127.0.0.1",       "10.1.2.3",      "172.16.0.1",  "192.168.1.1",
        "169.254.169.254", "100.64.0.1",    "0.0.0.0",     "224.0.0.1",
        "255.255.255.255", "::1",           "::",          "fe80::1",
        "fc00::1",         "fd12::1",       "ff02::1",     "::ffff:127.0.0.1",
        "64:ff9b::a00:1",  "2002:7f00:1::", "2001:0:1::1", "::ffff:10.0.0.1",
        "198.18.0.1",      "::127.0.0.1"};
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        EXPECT(check_address(&p, "evil.example", special[i], 80) == STATUS_DENIED);
    }
    EXPECT(check_address(&p, "good.example", "93.184.215.14", 80) == STATUS_OK);
    EXPECT(check_address(&p, "good.example", "2606:2800:21f::1", 80) == STATUS_OK);
    EXPECT(check_address(&p, "localhost", "127.0.0.1", 80) ==
           STATUS_DENIED); // `*` says nothing about this machine
    network_policy_done(&p);
}

TEST(blocks_open_private_addresses_with_their_port_only) {
    network_policy p = {0};
    EXPECT(add(&p, "*") == STATUS_OK);
    EXPECT(add(&p, "10.0.0.0/9:5432") == STATUS_OK);
    EXPECT(add(&p, "[fd00::]/8:443") == STATUS_OK);
    EXPECT(add(&p, "::1") == STATUS_OK);
    EXPECT(check_address(&p, "db.internal", "10.1.2.3", 5432) == STATUS_OK);
    EXPECT(check_address(&p, "", "10.127.255.255", 5432) == STATUS_OK);
    EXPECT(check_address(&p, "", "10.128.0.0", 5432) == STATUS_DENIED);
    EXPECT(check_address(&p, "db.internal", "10.1.2.3", 80) == STATUS_DENIED);
    EXPECT(check_address(&p, "", "fd00::7", 443) == STATUS_OK);
    EXPECT(check_address(&p, "", "fd00::7", 444) == STATUS_DENIED);
    EXPECT(check_address(&p, "", "::1", 9) == STATUS_OK);
    EXPECT(check_address(&p, "", "::ffff:10.1.2.3", 5432) == STATUS_OK);
    EXPECT(check_host(&p, "10.1.2.3", 5432) == STATUS_OK);
    EXPECT(check_host(&p, "[fd00::7]", 443) == STATUS_OK);
    network_policy_done(&p);
}

TEST(localhost_by_name_allows_loopback) {
    network_policy p = {0};
    EXPECT(add(&p, "localhost:9000") == STATUS_OK);
    EXPECT(check_host(&p, "localhost", 9000) == STATUS_OK);
    EXPECT(check_address(&p, "localhost", "127.0.0.1", 9000) == STATUS_OK);
    EXPECT(check_address(&p, "localhost", "::1", 9000) == STATUS_OK);
    EXPECT(check_address(&p, "localhost", "127.0.0.1", 9001) == STATUS_DENIED);
    EXPECT(check_address(&p, "localhost", "10.0.0.1", 9000) == STATUS_DENIED);
    EXPECT(check_host(&p, "127.0.0.1", 9000) == STATUS_DENIED);
    network_policy_done(&p);
}

TEST(refusal_names_the_option) {
    network_policy p = {0};
    err e = {0};
    EXPECT(network_policy_check_host(&p, slice_from_text("db.example"), 5432, "--allow-net", &e) ==
           STATUS_DENIED);
    EXPECT(strstr(e.message, "--allow-net db.example:5432") != NULL);
    network_address a;
    EXPECT(network_address_parse(slice_from_text("fd00::1"), &a));
    EXPECT(network_policy_check_address(&p, slice_empty(), &a, 443, "--allow-http", &e) == STATUS_DENIED);
    EXPECT(strstr(e.message, "--allow-http [fd00::1]:443") != NULL);
}

TEST(where_to_listen) {
    static const struct {
        const char *text, *address;
        uint16_t port;
    } good[] = {{"127.0.0.1:8000", "127.0.0.1", 8000},
                {"[::1]:0", "::1", 0},
                {"::1:80", "::1", 80},
                {"localhost:65535", "127.0.0.1", 65535}};
    static const char *const bad[] = {"",
                                      ":",
                                      ":80",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:+1",
                                      "a.example:80",
                                      "localhost",
                                      "[127.0.0.1]:80"};
    char text[NETWORK_ADDRESS_TEXT_BYTES];
    network_address a;
    uint16_t port;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        port = 1;
        EXPECT(network_endpoint_parse(slice_from_text(good[i].text), &a, &port) && port == good[i].port);
        EXPECT_TEXT(network_address_text(&a, text), good[i].address);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT(!network_endpoint_parse(slice_from_text(bad[i]), &a, &port));
    }
}

TEST(whom_to_connect_to) {
    static const struct {
        const char *text, *host; // NULL: refused
        unsigned port;
    } rows[] = {
        {"proxy.example.org:3128", "proxy.example.org", 3128},
        {"Proxy.Example.org.:80", "proxy.example.org", 80},
        {"10.0.0.1:1", "10.0.0.1", 1},
        {"[fd00::1]:65535", "fd00::1", 65535},
        {"proxy", NULL, 0},
        {"proxy:0", NULL, 0},
        {"proxy:65536", NULL, 0},
        {"fd00::1:80", NULL, 0},
        {":80", NULL, 0},
        {"http://proxy:80", NULL, 0},
        {"user:password@proxy:80", NULL, 0},
        {"10.0.0.0/8:80", NULL, 0},
        {"*.example.org:80", NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char host[NETWORK_NAME_BYTES_MAX + 1];
        uint16_t port = 0;
        bool good = network_server_parse(slice_from_text(rows[i].text), host, &port);
        if (EXPECT_EQ(good, rows[i].host != NULL) && good) {
            EXPECT_TEXT(host, rows[i].host);
            EXPECT_EQ(port, rows[i].port);
        }
    }
}
