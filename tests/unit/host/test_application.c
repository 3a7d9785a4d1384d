// SPDX-License-Identifier: Apache-2.0
#include "host/application.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "test.h"

// A manifest with `body` as the list of components and what follows it.
static manifest *read(const char *name, const char *file, const char *body, application_target *t,
                      status expected) {
    auto_buf text;
    buf_init(&text, 1 << 20);
    EXPECT_OK(buf_append_format(
        &text,
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: %s, annotations: {}}\n"
        "spec:\n  components:\n%s",
        name, body));
    manifest *m;
    EXPECT_OK(manifest_read(buf_slice(&text), file, &m));
    EXPECT_OK(manifest_check_local(m));
    EXPECT_STATUS(application_add(m, t), expected);
    return m;
}

static bool has(const manifest *m, const char *part) {
    for (const problem *p = m->found.first; p != NULL; p = p->next) {
        if (strstr(p->message, part) != NULL) {
            return true;
        }
    }
    return false;
}

#define SCALER "        - {type: spreadscaler, properties: {instances: 7}}\n"
#define SHOP                                                                                                 \
    "    - name: shop\n      type: component\n      properties:\n"                                           \
    "        image: /dev/null\n"                                                                             \
    "        config: [{name: a, properties: {k: one, l: x}}, {name: b, properties: {k: two}}]\n"             \
    "      traits:\n" SCALER "        - {type: link, properties: {target: {name: store, config: [{name: t, " \
    "properties: {PREFIX: p}}]}, "                                                                           \
    "namespace: wasi, package: keyvalue, interfaces: [store, atomics], name: cache}}\n"                      \
    "    - name: store\n      type: capability\n      properties:\n"                                         \
    "        image: writ:redis\n        config: [{name: s, properties: {host: h, prefix: q}}]\n"
#define WEB(address)                                                                                   \
    "    - name: web\n      type: capability\n      properties: {image: \"writ:http-server\"}\n      " \
    "traits:\n"                                                                                        \
    "        - {type: link, properties: {target: shop, namespace: wasi, package: http, "               \
    "interfaces: [incoming-handler], source: {config: [{name: w, properties: {address: \"" address     \
    "\"}}]}}}\n"
#define POLICY                                                                                        \
    "  policies:\n    - name: p\n      type: workload.writ/v1\n      properties: {components: shop, " \
    "max-memory: 1M, max-instances: 3, timeout: 2s, env.A: b, dir./d: \"sub:ro\", routes: shop.example/x}\n"

TEST(a_component_becomes_a_workload) {
    host_config c;
    host_config_init(&c);
    application_target t = {.config = &c};
    manifest *m = read("my", "folder/app.yaml", SHOP WEB("127.0.0.1:81") POLICY, &t, STATUS_OK);
    EXPECT_EQ(c.workload_count, 1);
    const workload_config *w = &c.workloads[0];
    EXPECT_TEXT(w->name, "my-shop");
    EXPECT_TEXT(w->component_path, "/dev/null");
    EXPECT_EQ(w->limits.memory_bytes_max, 1 << 20);
    EXPECT_EQ(w->limits.instances_max, 3);
    EXPECT_EQ(w->limits.wall_time_ns_max, 2000000000);
    EXPECT_TEXT(w->variables[0].name, "A");
    EXPECT_TEXT(w->variables[0].value, "b");
    EXPECT_TEXT(w->directories[0].host_path, "folder/sub");
    EXPECT_TEXT(w->directories[0].guest_path, "/d");
    EXPECT(w->directories[0].read_only);
    EXPECT_EQ(w->route_count, 2);
    EXPECT_TEXT(w->routes[0].host, "shop.example");
    EXPECT(w->routes[1].host == NULL);
    EXPECT_TEXT(c.listen_address, "127.0.0.1");
    EXPECT_EQ(c.listen_port, 81);
    manifest_free(m);
    host_config_done(&c);
}

TEST(the_last_value_of_a_key_counts) {
    host_config c;
    host_config_init(&c);
    application_target t = {.config = &c};
    manifest *m = read("my", "app.yaml", SHOP, &t, STATUS_OK);
    const workload_config *w = &c.workloads[0];
    EXPECT_EQ(w->value_count, 2);
    EXPECT_TEXT(w->values[0].name, "l");
    EXPECT_TEXT(w->values[1].name, "k");
    EXPECT_TEXT(w->values[1].value, "two");
    manifest_free(m);
    host_config_done(&c);
}

TEST(a_link_has_the_settings_of_both_places) {
    host_config c;
    host_config_init(&c);
    application_target t = {.config = &c};
    manifest *m = read("my", "app.yaml", SHOP, &t, STATUS_OK);
    EXPECT_EQ(c.workloads[0].links.count, 1);
    const host_link *l = &c.workloads[0].links.items[0];
    EXPECT_TEXT(l->name, "cache");
    EXPECT_TEXT(l->driver, "redis");
    EXPECT_TEXT(l->target, "store (redis)");
    EXPECT_EQ(l->interface_count, 2);
    EXPECT_TEXT(l->interfaces[1], "wasi:keyvalue/atomics");
    EXPECT_EQ(l->setting_count, 2);
    EXPECT_TEXT(l->settings[0].value, "h");
    EXPECT_TEXT(l->settings[1].name, "prefix");
    EXPECT_TEXT(l->settings[1].value, "p"); // of the link, in any case of letters
    manifest_free(m);
    host_config_done(&c);
}

TEST(two_applications_share_a_host_but_not_a_name_or_an_address) {
    host_config c;
    host_config_init(&c);
    application_target t = {.config = &c};
    manifest *one = read("one", "one.yaml", SHOP WEB("127.0.0.1:81"), &t, STATUS_OK);
    manifest *two = read("two", "two.yaml", SHOP WEB("127.0.0.1:81"), &t, STATUS_OK);
    manifest *again = read("two", "again.yaml", SHOP, &t, STATUS_INVALID);
    manifest *other = read("three", "three.yaml", SHOP WEB("127.0.0.1:82"), &t, STATUS_INVALID);
    EXPECT_EQ(c.workload_count, 3);
    EXPECT(has(again, "has the id `two-shop`"));
    EXPECT(has(other, "127.0.0.1:82 is not the one of one.yaml:"));
    manifest_free(one);
    manifest_free(two);
    manifest_free(again);
    manifest_free(other);
    host_config_done(&c);
}

TEST(where_to_listen_can_be_fixed) {
    host_config c;
    host_config_init(&c);
    application_target t = {.config = &c, .is_listener_fixed = true};
    manifest *m = read("my", "app.yaml", SHOP WEB("nonsense"), &t, STATUS_OK);
    EXPECT_EQ(c.listen_port, 8000);
    manifest_free(m);
    host_config_done(&c);
    host_config_init(&c);
    t = (application_target){.config = &c};
    m = read("my", "app.yaml", SHOP WEB("nonsense"), &t, STATUS_INVALID);
    EXPECT(has(m, "`nonsense` is not an address to listen on"));
    manifest_free(m);
    host_config_done(&c);
}

TEST(components_call_each_other) {
    host_config c;
    host_config_init(&c);
    application_target t = {.config = &c};
    manifest *m = read("my", "app.yaml",
                       "    - name: a\n      type: component\n      properties: {image: /dev/null}\n"
                       "      traits:\n" SCALER
                       "        - {type: link, properties: {target: b, namespace: x, package: y, "
                       "interfaces: [z]}}\n"
                       "    - name: b\n      type: component\n      properties: {image: /dev/null}\n"
                       "      traits:\n" SCALER,
                       &t, STATUS_OK);
    EXPECT_EQ(c.workloads[0].callee_count, 1);
    EXPECT_TEXT(c.workloads[0].callees[0].interface, "x:y/z");
    EXPECT_TEXT(c.workloads[0].callees[0].workload, "my-b");
    manifest_free(m);
    host_config_done(&c);
}
