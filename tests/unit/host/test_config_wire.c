// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "base/mem.h"
#include "host/config_wire.h"

static void fill(host_config *c) {
    host_config_init(c);
    c->name = mem_text_dup("app");
    c->component_path = mem_text_dup("/x/app.wasm");
    c->listen_port = 8123;
    c->workers = -1;
    c->stdio = HOST_STDIO_NONE;
    c->is_strict = true;
    c->limits.memory_bytes_max = 1ull << 40;
    c->limits.queue_max = 0;
    EXPECT_OK(host_config_add_directory(c, "/a", "/b", true, NULL));
    EXPECT_OK(host_config_add_variable(c, "NAME", "", NULL));
    EXPECT_OK(host_config_add_text(&c->arguments, &c->argument_count, "--flag", NULL));
    EXPECT_OK(network_policy_add(&c->http_policy, slice_from_text("*.example.org:8443"), NETWORK_PORT_OF_HTTP,
                                 NULL));
    EXPECT_OK(network_policy_add(&c->net_policy, slice_from_text("[fd00::]/8:53"), NETWORK_PORT_ANY, NULL));
    EXPECT_OK(network_policy_add(&c->net_policy, slice_from_text("*"), NETWORK_PORT_ANY, NULL));
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
    EXPECT_TEXT(got.name, "app");
    EXPECT(got.ca_file == NULL);
    EXPECT_EQ(got.listen_port, 8123);
    EXPECT_EQ(got.workers, -1);
    EXPECT_EQ(got.stdio, HOST_STDIO_NONE);
    EXPECT(got.is_strict && !got.is_json);
    EXPECT_U64(got.limits.memory_bytes_max, 1ull << 40);
    EXPECT_EQ(got.limits.queue_max, 0);
    EXPECT_EQ(got.directory_count, 1);
    EXPECT_TEXT(got.directories[0].guest_path, "/b");
    EXPECT(got.directories[0].read_only);
    EXPECT_TEXT(got.variables[0].value, "");
    EXPECT_TEXT(got.arguments[0], "--flag");
    EXPECT_EQ(got.net_policy.rule_count, 2);
    EXPECT_OK(network_policy_check_host(&got.http_policy, slice_from_text("a.example.org"), 8443, "", NULL));
    EXPECT_STATUS(
        network_policy_check_host(&got.http_policy, slice_from_text("a.example.org"), 443, "", NULL),
        STATUS_DENIED);
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
