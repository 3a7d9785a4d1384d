// SPDX-License-Identifier: Apache-2.0
// A process with drivers that was taken over asks for connections that no link needs.
#include "host/driver_peers.h"

#include "test.h"

static int asked;

static status count(connector *c, const connect_request *request, connect_callback done, void *arg,
                    uint64_t *ret_id, err *e) {
    (void)c, (void)request, (void)done, (void)arg, (void)e;
    *ret_id = (uint64_t)++asked;
    return STATUS_OK;
}

static void never_mind(connector *c, uint64_t id) { (void)c, (void)id; }

static void add(host_links *l, const char *driver, const char *name, const char *value) {
    host_link *one = NULL;
    EXPECT_OK(host_links_add(l, "default", driver, &one, NULL));
    EXPECT_OK(host_link_add_interface(one, slice_from_text("wasi:keyvalue/store"), NULL));
    EXPECT_OK(host_link_add_setting(one, slice_from_text(name), slice_from_text(value), NULL));
}

static status ask(driver_peers *p, const char *host, uint16_t port) {
    connect_request r = {.purpose = CONNECT_SOCKETS, .host = slice_from_text(host), .port = port};
    uint64_t id = 0;
    err e;
    return connector_request(driver_peers_connector(p), &r, NULL, NULL, &id, &e);
}

TEST(drivers_connect_to_named_servers_only) {
    static const connector_ops ops = {count, never_mind};
    connector inner = {&ops};
    host_links l = {0};
    add(&l, "redis", "host", "cache.internal");
    add(&l, "redis", "url", "redis://user@[fd00::1]:7000/2");
    add(&l, "redis", "database", "1");
    add(&l, "redis", "url", "nonsense");
    add(&l, "sqlite", "path", "evil.example");
    add(&l, "nothing", "host", "evil.example");
    driver_peers *p = driver_peers_new(&l, &inner);
    EXPECT_OK(ask(p, "cache.internal", 6379));
    EXPECT_OK(ask(p, "fd00::1", 7000));
    EXPECT_OK(ask(p, "127.0.0.1", 6379));
    EXPECT_EQ(asked, 3);
    EXPECT_STATUS(ask(p, "cache.internal", 22), STATUS_DENIED);
    EXPECT_STATUS(ask(p, "127.0.0.1", 7000), STATUS_DENIED);
    EXPECT_STATUS(ask(p, "169.254.169.254", 80), STATUS_DENIED);
    EXPECT_STATUS(ask(p, "evil.example", 6379), STATUS_DENIED);
    EXPECT_STATUS(ask(p, "", 0), STATUS_DENIED);
    EXPECT_EQ(asked, 3);
    driver_peers_free(p);
    host_links_done(&l);
}

TEST(drivers_neither_listen_nor_look_up) {
    static const connector_ops ops = {count, never_mind};
    connector inner = {&ops};
    host_links l = {0};
    add(&l, "redis", "host", "cache.internal");
    driver_peers *p = driver_peers_new(&l, &inner);
    connect_request r = {.purpose = CONNECT_SOCKETS, .host = SLICE_LITERAL("cache.internal"), .port = 6379};
    uint64_t id = 0;
    err e;
    asked = 0;
    r.action = CONNECT_BIND;
    EXPECT_STATUS(connector_request(driver_peers_connector(p), &r, NULL, NULL, &id, &e), STATUS_DENIED);
    r.action = CONNECT_RESOLVE;
    EXPECT_STATUS(connector_request(driver_peers_connector(p), &r, NULL, NULL, &id, &e), STATUS_DENIED);
    r.action = CONNECT_TO;
    r.protocol = CONNECT_UDP;
    EXPECT_STATUS(connector_request(driver_peers_connector(p), &r, NULL, NULL, &id, &e), STATUS_DENIED);
    r.protocol = CONNECT_TCP;
    r.local.any.sa_family = AF_INET;
    EXPECT_STATUS(connector_request(driver_peers_connector(p), &r, NULL, NULL, &id, &e), STATUS_DENIED);
    EXPECT_EQ(asked, 0);
    driver_peers_free(p);
    host_links_done(&l);
}
