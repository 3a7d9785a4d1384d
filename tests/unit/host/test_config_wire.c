// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "base/mem.h"
#include "host/config_wire.h"

static void fill_first(workload_config *c) {
    c->name = mem_text_dup("app");
    c->component_path = mem_text_dup("/x/app.wasm");
    c->stdio = HOST_STDIO_NONE;
    c->is_strict = true;
    c->limits.memory_bytes_max = 1ull << 40;
    c->limits.queue_max = 0;
    EXPECT_OK(workload_config_add_route(c, NULL, "/", NULL));
    EXPECT_OK(workload_config_add_route(c, "*.example.org", "/shop", NULL));
    EXPECT_OK(workload_config_add_directory(c, "/a", "/b", true, NULL));
    EXPECT_OK(workload_config_add_variable(c, "NAME", "", NULL));
    EXPECT_OK(host_config_add_text(&c->arguments, &c->argument_count, "--flag", NULL));
    EXPECT_OK(workload_config_add_secret(
        c, &(host_secret){.name = "db", .key = "stored-elsewhere", .field = "password"}, NULL));
    EXPECT_OK(network_policy_add(&c->http_policy, slice_from_text("*.example.org:8443"), NETWORK_PORT_OF_HTTP,
                                 NULL));
    EXPECT_OK(network_policy_add(&c->net_policy, slice_from_text("[fd00::]/8:53"), NETWORK_PORT_ANY, NULL));
    EXPECT_OK(network_policy_add(&c->net_policy, slice_from_text("*"), NETWORK_PORT_ANY, NULL));
}

static void fill(host_config *c) {
    workload_config *w;
    host_config_init(c);
    c->listen_port = 8123;
    c->workers = -1;
    REQUIRE(host_config_add_workload(c, &w, NULL) == STATUS_OK);
    fill_first(w);
    REQUIRE(host_config_add_workload(c, &w, NULL) == STATUS_OK);
    w->name = mem_text_dup("other");
    w->issuer = mem_text_dup("AISSUER");
    w->limits.queue_max = 7;
    EXPECT_OK(workload_config_add_callee(w, "example:shop/catalog", "default", "app", NULL));
    gate_rule rule = {.effect = GATE_ALLOW, .source = slice_from_text("app.yaml:7")};
    rule.patterns[GATE_CALLER] = slice_from_text("app");
    rule.patterns[GATE_LINK] = slice_from_text("sec*");
    EXPECT_OK(host_config_add_rule(c, &rule, NULL));
    EXPECT_OK(host_config_add_rule(
        c, &(gate_rule){.effect = GATE_DENY, .reason = slice_from_text("nobody writes")}, NULL));
}

static void expect_rules(const host_rules *r) {
    REQUIRE(r->count == 2);
    EXPECT(r->items[0].rule.effect == GATE_ALLOW && r->items[1].rule.effect == GATE_DENY);
    EXPECT(slice_equal_text(r->items[0].rule.source, "app.yaml:7"));
    EXPECT(slice_equal_text(r->items[0].rule.patterns[GATE_CALLER], "app"));
    EXPECT(slice_equal_text(r->items[0].rule.patterns[GATE_LINK], "sec*"));
    EXPECT_EQ(r->items[0].rule.patterns[GATE_TARGET].len, 0);
    EXPECT(slice_equal_text(r->items[1].rule.reason, "nobody writes"));
}

TEST(everything_arrives) {
    host_config c, got;
    fill(&c);
    host_config_init(&got);
    auto_buf bytes;
    buf_init(&bytes, CONFIG_WIRE_BYTES_MAX);
    err e = {0};
    EXPECT_OK(config_wire_write(&c, &bytes, NULL));
    EXPECT_STATUS_ERR(config_wire_read(buf_slice(&bytes), &got, &e), STATUS_OK, e);
    EXPECT(got.name == NULL);
    EXPECT_EQ(got.workload_count, 2);
    const workload_config *w = &got.workloads[0];
    EXPECT_TEXT(w->name, "app");
    EXPECT_EQ(w->route_count, 2);
    EXPECT(w->routes[0].host == NULL);
    EXPECT_TEXT(w->routes[1].host, "*.example.org");
    EXPECT_TEXT(w->routes[1].path, "/shop");
    EXPECT(got.ca_file == NULL);
    EXPECT_EQ(got.listen_port, 8123);
    EXPECT_EQ(got.workers, -1);
    EXPECT_EQ(w->stdio, HOST_STDIO_NONE);
    EXPECT(w->is_strict && !got.is_json);
    EXPECT_U64(w->limits.memory_bytes_max, 1ull << 40);
    EXPECT_EQ(w->limits.queue_max, 0);
    EXPECT_EQ(w->directory_count, 1);
    EXPECT_TEXT(w->directories[0].guest_path, "/b");
    EXPECT(w->directories[0].read_only);
    EXPECT_TEXT(w->variables[0].value, "");
    EXPECT_TEXT(w->arguments[0], "--flag");
    EXPECT_EQ(w->net_policy.rule_count, 2);
    REQUIRE(w->secret_count == 1);
    EXPECT_TEXT(w->secrets[0].name, "db"); // and no more about it
    EXPECT_TEXT(w->secrets[0].key, "db");
    EXPECT(w->secrets[0].field == NULL);
    EXPECT(memmem(bytes.data, bytes.len, "stored-elsewhere", 16) == NULL);
    EXPECT_OK(network_policy_check_host(&w->http_policy, slice_from_text("a.example.org"), 8443, "", NULL));
    EXPECT_STATUS(network_policy_check_host(&w->http_policy, slice_from_text("a.example.org"), 443, "", NULL),
                  STATUS_DENIED);
    EXPECT_TEXT(got.workloads[1].name, "other");
    EXPECT_TEXT(got.workloads[1].issuer, "AISSUER");
    EXPECT(w->issuer == NULL);
    expect_rules(&got.rules);
    EXPECT_EQ(got.workloads[1].limits.queue_max, 7);
    REQUIRE(got.workloads[1].callee_count == 1);
    EXPECT_TEXT(got.workloads[1].callees[0].interface, "example:shop/catalog");
    EXPECT_TEXT(got.workloads[1].callees[0].workload, "app");
    EXPECT_EQ(got.workloads[1].directory_count, 0);
    EXPECT(memcmp(w->metadata_key, got.workloads[1].metadata_key, sizeof w->metadata_key) != 0);
    // And the same bytes again: nothing is lost on the way.
    auto_buf again;
    buf_init(&again, CONFIG_WIRE_BYTES_MAX);
    EXPECT_OK(config_wire_write(&got, &again, NULL));
    EXPECT_BYTES(buf_slice(&again), buf_slice(&bytes));
    host_config_done(&c);
    host_config_done(&got);
}

TEST(every_truncation_is_refused) {
    host_config c;
    fill(&c);
    auto_buf bytes;
    buf_init(&bytes, CONFIG_WIRE_BYTES_MAX);
    EXPECT_OK(config_wire_write(&c, &bytes, NULL));
    for (size_t n = 0; n < bytes.len; n++) {
        host_config got;
        host_config_init(&got);
        EXPECT(config_wire_read(slice_of(bytes.data, n), &got, NULL) != STATUS_OK);
        host_config_done(&got);
    }
    host_config_done(&c);
}

TEST(too_many_workloads_are_refused) {
    host_config c;
    workload_config *w;
    host_config_init(&c);
    for (int i = 0; i < HOST_WORKLOADS_MAX; i++) {
        EXPECT_OK(host_config_add_workload(&c, &w, NULL));
        w->name = mem_text_dup("x");
    }
    EXPECT_STATUS(host_config_add_workload(&c, &w, NULL), STATUS_LIMIT);
    auto_buf bytes;
    buf_init(&bytes, CONFIG_WIRE_BYTES_MAX);
    EXPECT_OK(config_wire_write(&c, &bytes, NULL));
    // The same with one more, as a number: an absent name, an address, no certificates, then the numbers.
    size_t at = 1 + 1 + 4 + strlen("127.0.0.1") + 1 + 2 + 4 + 3 * 4 + 2 * 8 + 3;
    EXPECT_EQ(bytes.data[at] + 256 * bytes.data[at + 1], HOST_WORKLOADS_MAX);
    bytes.data[at]++;
    host_config got;
    host_config_init(&got);
    EXPECT(config_wire_read(buf_slice(&bytes), &got, NULL) != STATUS_OK);
    host_config_done(&got);
    host_config_done(&c);
}
