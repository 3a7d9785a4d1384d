// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/buf.h"
#include "deploy/manifest.h"
#include "test.h"

// A manifest with `body` as the list of components (and what follows it in spec).
static manifest *read_body(const char *body, status expected) {
    auto_buf text;
    buf_init(&text, 4 << 20);
    EXPECT_OK(buf_append_format(
        &text,
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: My-App, annotations: {}}\n"
        "spec:\n  components:\n%s",
        body));
    manifest *m;
    EXPECT_STATUS(manifest_read(buf_slice(&text), "app.yaml", &m), expected);
    return m;
}

static const problem *find(const manifest *m, const char *part) {
    for (const problem *p = m->found.first; p != NULL; p = p->next) {
        if (strstr(p->message, part) != NULL) {
            return p;
        }
    }
    return NULL;
}

static void print_all(const manifest *m) {
    for (const problem *p = m->found.first; p != NULL; p = p->next) {
        printf("    %u:%u %s %s; %s\n", p->at.line, p->at.column, p->rule, p->message, p->advice);
    }
}

static void expect_at(const manifest *m, const char *part, const char *rule, uint32_t line, uint32_t column) {
    const problem *p = find(m, part);
    if (p == NULL || p->at.line != line || p->at.column != column || strcmp(p->rule, rule) != 0) {
        printf("    expected %u:%u %s %s\n", line, column, rule, part);
        print_all(m);
        EXPECT(false);
    }
}

static bool is_text(slice s, const char *text) { return slice_equal_text(s, text); }

static const char whole[] =
    "    - name: Cart.2\n"
    "      type: actor\n"
    "      properties:\n"
    "        image: file://./cart.wasm\n"
    "        config:\n"
    "          - {name: own, properties: {b: c, a: \"5\"}}\n"
    "          - {name: old}\n"
    "        secrets: [{name: pass, properties: {policy: vault, key: k, version: \"2\"}}]\n"
    "      traits:\n"
    "        - {type: spreadscaler, properties: {replicas: 3, spread: [{name: x, requirements: {zone: "
    "a}}]}}\n"
    "        - type: link\n"
    "          properties:\n"
    "            target: {name: store, config: [{name: t, properties: {url: u}}]}\n"
    "            source: {config: [{name: s, properties: {x: y}}]}\n"
    "            name: other\n"
    "            namespace: wasi\n"
    "            package: keyvalue\n"
    "            interfaces: [store, atomics]\n"
    "    - {name: store, type: capability, properties: {image: \"writ:sqlite\", id: kv}}\n"
    "    - {name: far, type: component, properties: {application: {name: Base App, component: Käse}}}\n"
    "  policies:\n"
    "    - {name: vault, type: policy.secret.wasmcloud.dev/v1alpha1, properties: {backend: b}}\n";

TEST(the_model) {
    manifest *m = read_body(whole, STATUS_OK);
    REQUIRE(m->component_count == 3 && m->policy_count == 1);
    const manifest_component *c = &m->components[0], *store = &m->components[1];
    EXPECT(is_text(m->name.value, "My-App") && is_text(c->name.value, "Cart.2") && !c->is_capability);
    EXPECT(is_text(c->id, "my_app-cart_2") && is_text(store->id, "kv"));
    EXPECT(is_text(m->components[2].id, "base_app-k_se"));
    EXPECT_EQ(c->at.line, 6);
    EXPECT_EQ(c->image.at.column, 16);
    REQUIRE(c->settings.config_count == 2 && c->settings.secret_count == 1);
    // Sorted by key.
    EXPECT(is_text(c->settings.configs[0].properties.pairs[0].key, "a"));
    EXPECT(is_text(manifest_map_find(&c->settings.configs[0].properties, "b")->value, "c"));
    EXPECT(manifest_map_find(&c->settings.configs[0].properties, "z") == NULL);
    EXPECT(c->settings.configs[0].has_properties && !c->settings.configs[1].has_properties);
    const manifest_secret *secret = &c->settings.secrets[0];
    EXPECT(is_text(secret->key.value, "k") && is_text(secret->version.value, "2") &&
           !manifest_has(&secret->field));
    EXPECT(is_text(manifest_find_policy(m, secret->policy.value)->type.value, MANIFEST_SECRET_POLICY));
    REQUIRE(c->trait_count == 2);
    EXPECT(c->traits[0].form == MANIFEST_SCALE && manifest_trait_is_scaler(&c->traits[0]));
    EXPECT_U64(manifest_instances(c), 3);
    EXPECT_U64(c->traits[0].scale.spreads[0].weight, 100);
    EXPECT_U64(manifest_instances(store), 1);
    EXPECT_U64(manifest_instances(&m->components[2]), 0);
    const manifest_link *l = &c->traits[1].link;
    EXPECT(manifest_trait_is_link(&c->traits[1]) && l->target_component == store);
    EXPECT(is_text(manifest_link_name(l), "other") && l->interface_count == 2);
    EXPECT(is_text(l->source_settings.configs[0].name.value, "s"));
    EXPECT(is_text(l->target_settings.configs[0].properties.pairs[0].value, "u"));
    EXPECT(manifest_find(m, slice_from_text("store")) == store);
    EXPECT(manifest_find(m, slice_from_text("stor")) == NULL);
    manifest_free(m);
}

TEST(all_errors_in_one_pass_each_with_its_place) {
    static const char text[] =
        "apiVersion: core.oam.dev/v1beta1\n" // 1
        "kind: Application\n"
        "extra: 1\n"
        "metadata:\n"
        "  name: a b\n" // 5
        "  annotations: {version: latest}\n"
        "spec:\n"
        "  components:\n"
        "    - name: c\n"
        "      type: service\n" // 10
        "      properties:\n"
        "        image: 5\n"
        "        imag: x\n"
        "        config: [{name: x, properties: {port: 8080}}]\n"
        "      traits:\n" // 15
        "        - type: link\n"
        "          properties: {target: d, namespace: wasi, package: http, interfaces: [x]}\n"
        "        - type: spreadscaler\n"
        "          properties: {instances: many}\n"
        "    - name: c\n" // 20
        "      type: component\n"
        "      properties: {}\n"
        "      properties: {}\n";
    manifest *m;
    EXPECT_STATUS(manifest_read(slice_from_text(text), "app.yaml", &m), STATUS_INVALID);
    expect_at(m, "unknown field `extra`", "schema", 3, 1);
    expect_at(m, "manifest name [a b] is not allowed (should match regex [^[-\\w]+$])", "name", 5, 9);
    expect_at(m, "latest is not allowed in wadm", "version", 6, 26);
    expect_at(m, "unknown variant `service`", "schema", 10, 13);
    expect_at(m, "properties.image: expected text, found a number", "schema", 12, 16);
    EXPECT_TEXT(find(m, "properties.image: expected")->advice, "put it in quotes: \"5\"");
    expect_at(m, "unknown field `imag`", "schema", 13, 9);
    expect_at(m, "properties.port: expected text", "schema", 14, 47);
    expect_at(m, "missing from the manifest: [\"d\"]", "missing-target", 17, 32);
    expect_at(m, "link (target [d]) target [d] is not a listed", "link", 17, 32);
    expect_at(m, "unrecognized interface [wasi:http/x]", "interface", 17, 80);
    expect_at(
        m, "Scaler trait deserialized as custom trait, ensure fields are correct: {\"instances\":\"many\"}",
        "trait", 19, 23);
    expect_at(m, "expected a whole number, found text", "schema", 19, 35);
    expect_at(m, "Duplicate component name in manifest: c", "duplicate-component", 20, 13);
    EXPECT_CONTAINS(find(m, "Duplicate component name")->advice, "line 9");
    expect_at(m, "must have either 'image' or 'application'", "image", 22, 19);
    expect_at(m, "the key \"properties\" stands twice", "duplicate-key", 23, 7);
    // A wrong image is not also a missing one.
    EXPECT_EQ(m->found.error_count, 13);
    manifest_free(m);
}

TEST(files_without_a_manifest) {
    static const char *const texts[] = {"",     "# nothing\n",      "~", "[1]", "text", "{}", "a: [",
                                        "\xff", "a: 1\n---\nb: 2\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        manifest *m;
        EXPECT(manifest_read(slice_from_text(texts[i]), "x", &m) != STATUS_OK);
        EXPECT(m->found.error_count > 0 && m->found.first->at.line > 0);
        manifest_free(m);
    }
    manifest_free(NULL);
}

TEST(bounds) {
    auto_buf text;
    buf_init(&text, 4 << 20);
    for (int i = 0; i <= MANIFEST_COMPONENTS_MAX; i++) {
        EXPECT_OK(
            buf_append_format(&text, "    - {name: c%d, type: component, properties: {image: x}}\n", i));
    }
    manifest *m = read_body(buf_text(&text), STATUS_INVALID);
    EXPECT(find(m, "more than 1000 components") != NULL);
    manifest_free(m);
    buf_clear(&text);
    for (int i = 0; i < 40000; i++) {
        EXPECT_OK(buf_append_text(&text, "    - {name: a component}\n"));
    }
    m = read_body(buf_text(&text), STATUS_LIMIT);
    EXPECT(find(m, "larger than") != NULL || find(m, "more than 50000 values") != NULL);
    manifest_free(m);
}

// --- our policy --------------------------------------------------------------------------------------------

static const char workload[] = "    - {name: shop, type: component, properties: {image: x}}\n"
                               "    - {name: kv, type: capability, properties: {image: y}}\n"
                               "  policies:\n"
                               "    - name: p\n"
                               "      type: workload.writ/v1\n" // 10
                               "      properties:\n";

static manifest *read_workload(const char *properties, status expected) {
    auto_buf text;
    buf_init(&text, 1 << 16);
    EXPECT_OK(buf_append_format(&text, "%s%s", workload, properties));
    return read_body(buf_text(&text), expected);
}

TEST(what_a_workload_gets) {
    manifest *m = read_workload(
        "        components: shop\n        max-memory: 64M\n        cpu-time: 250ms\n        timeout: 5s\n"
        "        max-instances: 7\n        queue: 0\n        reuse: 3\n"
        "        routes: |\n          shop.example/api\n          /x *.example\n"
        "        env.MODE: production\n        env.N: 5\n        dir./data: ./data:ro\n"
        "        dir./tmp: /var/tmp/x\n        allow-http: api.example.com *.example.org:443\n"
        "        allow-net: 10.0.0.0/8:53\n        grant: wasi:sockets/tcp\n        refuse: wasi:cli\n"
        "        strict: true\n        stdio: none\n        token: shop.jwt\n",
        STATUS_OK);
    const manifest_workload *w = &m->components[0].workload;
    EXPECT_EQ(w->at.line, 9);
    EXPECT_EQ(m->components[1].workload.at.line, 0);
    EXPECT_U64(w->memory_bytes_max, 64 << 20);
    EXPECT_U64(w->cpu_time_ns_max, 250000000);
    EXPECT_U64(w->wall_time_ns_max, 5000000000);
    EXPECT(w->has_instances && w->instances_max == 7 && w->has_queue && w->queue_max == 0 && w->has_reuse &&
           w->reuse_max == 3);
    REQUIRE(w->route_count == 3 && w->variable_count == 2 && w->directory_count == 2);
    EXPECT(is_text(w->routes[0].host, "shop.example") && is_text(w->routes[0].path, "/api"));
    EXPECT(is_text(w->routes[1].host, "") && is_text(w->routes[1].path, "/x"));
    EXPECT(is_text(w->routes[2].host, "*.example") && is_text(w->routes[2].path, "/"));
    EXPECT(is_text(w->variables[0].key, "MODE") && is_text(w->variables[1].value, "5"));
    EXPECT(is_text(w->directories[0].guest_path, "/data") && is_text(w->directories[0].host_path, "./data") &&
           w->directories[0].read_only);
    EXPECT(is_text(w->directories[1].host_path, "/var/tmp/x") && !w->directories[1].read_only);
    EXPECT(w->http_hosts.count == 2 && is_text(w->http_hosts.texts[1].value, "*.example.org:443"));
    EXPECT(w->net_hosts.count == 1 && w->grants.count == 1 && w->refusals.count == 1 && w->is_strict);
    EXPECT(is_text(w->stdio.value, "none") && is_text(w->token.value, "shop.jwt"));
    manifest_free(m);
}

TEST(what_a_workload_policy_refuses) {
    static const struct {
        const char *properties, *part;
        uint32_t line, column;
    } cases[] = {
        {"        max-memory: 1M\n", "names no component", 9, 7},
        {"        components: \" \"\n", "names no component", 12, 21},
        {"        components: shop nobody\n", "`nobody`, which is not in this manifest", 12, 21},
        {"        components: kv\n", "`kv`, which is a capability", 12, 21},
        {"        components: shop shop\n", "a second policy of this type is about `shop`", 12, 21},
        {"        components: shop\n        memory: 1M\n", "`memory` is not known", 13, 9},
        {"        components: shop\n        max-memory: lots\n", "max-memory: `lots`", 13, 21},
        {"        components: shop\n        max-memory: 0\n", "max-memory: `0`", 13, 21},
        {"        components: shop\n        timeout: 5\n", "timeout: `5`", 13, 18},
        {"        components: shop\n        max-instances: 0\n", "max-instances: `0`", 13, 24},
        {"        components: shop\n        queue: -1\n", "queue: `-1`", 13, 16},
        {"        components: shop\n        routes: Shop.example\n", "routes: `Shop.example`", 13, 17},
        {"        components: shop\n        routes: https://x/\n", "routes:", 13, 17},
        {"        components: shop\n        routes: \"*.\"\n", "routes:", 13, 17},
        {"        components: shop\n        routes: x/?a\n", "routes:", 13, 17},
        {"        components: shop\n        env.: x\n", "env.: `x`", 13, 15},
        {"        components: shop\n        dir.data: x\n", "dir.data: `x`", 13, 19},
        {"        components: shop\n        allow-http: a..b\n", "allow-http:", 13, 21},
        {"        components: shop\n        strict: maybe\n", "strict: `maybe`", 13, 17},
        {"        components: shop\n        stdio: some\n", "stdio: `some`", 13, 16},
        {"        components: shop\n        token: \"\"\n", "token: ``", 13, 16},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        manifest *m = read_workload(cases[i].properties, STATUS_INVALID);
        expect_at(m, cases[i].part, "workload-policy", cases[i].line, cases[i].column);
        EXPECT_EQ(m->found.error_count, 1);
        manifest_free(m);
    }
}

// --- rules of calls ----------------------------------------------------------------------------------------

static manifest *read_calls(const char *properties, status expected) {
    auto_buf text;
    buf_init(&text, 1 << 16);
    EXPECT_OK(buf_append_format(
        &text,
        "    - name: reports\n      type: component\n      properties: {image: x}\n      traits:\n"
        "        - type: link\n          properties: {target: kv, namespace: wasi, package: keyvalue, "
        "interfaces: [store]}\n"
        "    - {name: kv, type: capability, properties: {image: y}}\n"
        "  policies:\n    - name: p\n      type: calls.writ/v1\n      properties:\n%s", // ends in line 16
        properties));
    return read_body(buf_text(&text), expected);
}

TEST(rules_of_calls) {
    manifest *m = read_calls("        deny: reports -> kv wasi:keyvalue/store.set\n"
                             "        reason: they are read-only\n"
                             "        only: |\n          * -> *   wasi:keyvalue/* via default\n\n"
                             "          reports -> kv wasi:keyvalue/store\n",
                             STATUS_OK);
    REQUIRE(m->call_count == 3);
    EXPECT_EQ(m->found.warning_count, 0);
    const manifest_call_rule *r = m->calls;
    EXPECT(!r[0].is_only && r[1].is_only && r[2].is_only);
    EXPECT(is_text(r[0].caller, "reports") && is_text(r[0].target, "kv") && is_text(r[0].function, "set"));
    EXPECT(is_text(r[0].interface, "wasi:keyvalue/store") && is_text(r[0].link, ""));
    EXPECT(is_text(r[0].reason, "they are read-only"));
    EXPECT_EQ(r[0].at.line, 17);
    EXPECT(is_text(r[1].caller, "*") && is_text(r[1].target, "*") && is_text(r[1].link, "default"));
    EXPECT(is_text(r[1].interface, "wasi:keyvalue/*") && is_text(r[1].function, ""));
    EXPECT(is_text(r[2].interface, "wasi:keyvalue/store"));
    EXPECT(manifest_call_rule_is_from(&r[0], &m->components[0]) &&
           manifest_call_rule_is_from(&r[1], &m->components[0]));
    EXPECT(!manifest_call_rule_is_from(&r[1], &m->components[1]));
    manifest_free(m);
}

TEST(what_a_rule_of_calls_refuses) {
    static const struct {
        const char *properties, *part;
        uint32_t line, column;
    } cases[] = {
        {"        reason: x\n", "has no rule", 14, 7},
        {"        deny: \"\"\n", "there is no rule", 17, 15},
        {"        allow: reports -> kv *\n", "`allow` is not known", 17, 9},
        {"        deny: reports kv wasi:keyvalue/store\n", "it is not one", 17, 15},
        {"        deny: reports -> kv\n", "it is not one", 17, 15},
        {"        deny: reports -> kv * by default\n", "it is not one", 17, 15},
        {"        deny: reports -> kv * via\n", "it is not one", 17, 15},
        {"        deny: reports -> kv * via a b\n", "it is not one", 17, 15},
        {"        deny: report -> kv *\n", "there is no component `report`", 17, 15},
        {"        only: reports -> store *\n", "there is no component `store`", 17, 15},
        {"        only: reports -> kv store.set\n", "\"store.set\" is no call", 17, 15},
        {"        only: reports -> kv wasi:keyvalue/store@0.2.0\n", "has a version", 17, 15},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_buf text;
        buf_init(&text, 4096);
        bool has_rule = strstr(cases[i].properties, "allow:") != NULL;
        EXPECT_OK(buf_append_format(&text, "%s%s", cases[i].properties,
                                    has_rule ? "        deny: reports -> kv *\n" : ""));
        manifest *m = read_calls(buf_text(&text), STATUS_INVALID);
        expect_at(m, cases[i].part, "calls-policy", cases[i].line, cases[i].column);
        EXPECT_EQ(m->found.error_count, 1);
        manifest_free(m);
    }
}

TEST(a_rule_that_is_about_no_link_is_told) {
    static const char *const idle[] = {"reports -> kv wasi:keyvalue/stores", "reports -> * wasi:blobstore/*",
                                       "reports -> kv * via other", "* -> reports *"};
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "        deny: \"%s\"\n", idle[i]);
        manifest *m = read_calls(text, STATUS_OK);
        EXPECT_EQ(m->found.warning_count, 1);
        expect_at(m, "no link makes a call possible", "calls-policy", 17, 15);
        EXPECT_EQ(m->call_count, 1);
        manifest_free(m);
    }
}

// --- on one host -------------------------------------------------------------------------------------------

TEST(what_a_single_host_runs) {
    manifest *m = read_body(whole, STATUS_OK);
    EXPECT_STATUS(manifest_check_local(m), STATUS_INVALID);
    expect_at(m, "the configuration `old` has no properties", "local-config", 12, 20);
    expect_at(m, "components of other applications", "local-shared", 25, 69);
    const manifest_policy *vault = manifest_find_policy(m, slice_from_text("vault"));
    text_place at = manifest_map_find(&vault->properties, "backend")->value_at;
    expect_at(m, "a host on its own has no backend `b`", "local-secret", at.line, at.column);
    EXPECT_EQ(m->found.error_count, 3);
    EXPECT(m->components[0].reference.kind == IMAGE_FILE &&
           is_text(m->components[0].reference.name, "./cart.wasm"));
    EXPECT_TEXT(m->components[1].reference.driver, "sqlite");
    manifest_free(m);
}

TEST(images_that_a_single_host_refuses) {
    manifest *m = read_body("    - {name: a, type: component, properties: {image: ghcr.io/x/y:1}}\n"
                            "    - {name: b, type: component, properties: {image: \"writ:sqlite\"}}\n"
                            "    - {name: c, type: capability, properties: {image: ./x.par.gz}}\n"
                            "    - {name: d, type: capability, properties: {image: ghcr.io/x/y:1}}\n"
                            "    - {name: e, type: capability, properties: {image: \"writ:sqlit\"}}\n"
                            "    - {name: f, type: component, properties: {image: \"\"}}\n"
                            "    - {name: f.A, type: component, properties: {image: a.wasm}}\n"
                            "    - {name: f_a, type: component, properties: {image: a.wasm}}\n",
                            STATUS_OK);
    EXPECT_STATUS(manifest_check_local(m), STATUS_INVALID);
    expect_at(m, "`ghcr.io/x/y:1` is in a registry", "local-image", 6, 54);
    expect_at(m, "`writ:sqlite` cannot be the image of a component", "local-image", 7, 54);
    expect_at(m, "is a provider archive", "local-image", 8, 55);
    expect_at(m, "no built-in driver stands for `ghcr.io/x/y:1`", "local-image", 9, 55);
    expect_at(m, "no built-in driver stands for `writ:sqlit`", "local-image", 10, 55);
    EXPECT_CONTAINS(find(m, "writ:sqlit`")->advice, "writ:sqlite, ");
    expect_at(m, "the image is empty", "local-image", 11, 54);
    expect_at(m, "two components get the same id `my_app-f_a`", "local-id", 13, 7);
    expect_at(m, "`a` has no instances", "scale", 6, 7);
    EXPECT_EQ(m->found.error_count, 7);
    manifest_free(m);
}

// --- JSON --------------------------------------------------------------------------------------------------

static void expect_json(const manifest *m, const char *expected) {
    auto_buf text;
    buf_init(&text, 1 << 16);
    json_value *v = manifest_to_json(m);
    EXPECT_OK(json_write(v, 0, &text));
    json_free(v);
    EXPECT_TEXT(buf_text(&text), expected);
}

TEST(the_normalised_form) {
    manifest *m = read_body("    - name: c\n      type: actor\n      ignored: x\n      properties: {image: "
                            "x, config: [], secrets: []}\n"
                            "      traits:\n"
                            "        - {type: spreadscaler, properties: {replicas: 3, spread: []}}\n"
                            "        - {type: link, properties: {target: c, target_config: [{name: t}], "
                            "source_config: [{name: s, "
                            "properties: {}}], namespace: n, package: p, interfaces: [i]}}\n"
                            "        - {type: other, properties: {b: [1, 2.5, true, ~, \"5\"], a: {}}}\n",
                            STATUS_OK);
    expect_json(
        m,
        "{\"apiVersion\":\"core.oam.dev/"
        "v1beta1\",\"kind\":\"Application\",\"metadata\":{\"name\":\"My-App\"},"
        "\"spec\":{\"components\":[{\"name\":\"c\",\"type\":\"component\",\"properties\":{\"image\":\"x\"},"
        "\"traits\":[{\"type\":\"spreadscaler\",\"properties\":{\"instances\":3}},"
        "{\"type\":\"link\",\"properties\":{\"namespace\":\"n\",\"package\":\"p\",\"interfaces\":[\"i\"],"
        "\"source\":{\"config\":[{\"name\":\"s\",\"properties\":{}}]},"
        "\"target\":{\"name\":\"c\",\"config\":[{\"name\":\"t\"}]}}},"
        "{\"type\":\"other\",\"properties\":{\"b\":[1,2.5,true,null,\"5\"],\"a\":{}}}]}]}}");
    manifest_free(m);
}

// --- HTTP servers ------------------------------------------------------------------------------------------

#define SERVER_LINK(target, settings)                                       \
    "        - {type: link, properties: {target: " target ", name: " target \
    ", namespace: wasi, package: http, interfaces: "                        \
    "[incoming-handler], source: {config: [{name: " target ", properties: {" settings "}}]}}}\n"
#define SERVER(settings)                                                                                  \
    "    - {name: a, type: component, properties: {image: a.wasm}}\n"                                     \
    "    - {name: b, type: component, properties: {image: b.wasm}}\n"                                     \
    "    - name: web\n"                                                                                   \
    "      type: capability\n"                                                                            \
    "      properties: {image: \"ghcr.io/wasmcloud/http-server:0.27.0\", config: [{name: w, properties: " \
    "{" settings "}}]}\n"                                                                                 \
    "      traits:\n"

static manifest *read_server(const char *body, status expected) {
    manifest *m = read_body(body, STATUS_OK);
    EXPECT_STATUS(manifest_check_local(m), expected);
    return m;
}

TEST(requests_that_links_ask_for) {
    manifest_serving s;
    manifest *m =
        read_server(SERVER("") SERVER_LINK("a", "address: \"127.0.0.1:80\"") SERVER_LINK("b", ""), STATUS_OK);
    const manifest_component *web = &m->components[2];
    REQUIRE(web->trait_count == 2 && manifest_serving_of(web, &web->traits[0].link, &s));
    EXPECT(is_text(s.address, "127.0.0.1:80") && s.host.len == 0 && is_text(s.path, "/"));
    EXPECT(s.component == &m->components[0]);
    EXPECT(manifest_serving_of(web, &web->traits[1].link, &s) && is_text(s.address, "0.0.0.0:8000"));
    EXPECT(!manifest_serving_of(&m->components[0], &web->traits[1].link, &s));
    manifest_free(m);

    m = read_server(SERVER("Routing_Mode: path, default_address: \"[::1]:1\"")
                        SERVER_LINK("a", "PATH: /a, address: x") SERVER_LINK("b", "path: /b"),
                    STATUS_OK);
    EXPECT(manifest_serving_of(&m->components[2], &m->components[2].traits[0].link, &s));
    EXPECT(is_text(s.address, "[::1]:1") && is_text(s.path, "/a") && s.host.len == 0);
    manifest_free(m);

    m = read_server(SERVER("routing_mode: host") SERVER_LINK("a", "host: a.example")
                        SERVER_LINK("b", "host: b.example"),
                    STATUS_OK);
    EXPECT(manifest_serving_of(&m->components[2], &m->components[2].traits[1].link, &s));
    EXPECT(is_text(s.host, "b.example") && is_text(s.path, "/"));
    manifest_free(m);
}

TEST(requests_that_make_no_sense) {
    manifest *m = read_server(SERVER("") SERVER_LINK("a", "") SERVER_LINK("b", ""), STATUS_INVALID);
    expect_at(m, "`a` and `b` both claim the requests for / on 0.0.0.0:8000", "local-http", 13, 36);
    manifest_free(m);
    m = read_server(SERVER("routing_mode: path") SERVER_LINK("a", "path: /x") SERVER_LINK("b", "path: /x"),
                    STATUS_INVALID);
    expect_at(m, "`a` and `b` both claim the requests for /x on", "local-http", 13, 36);
    manifest_free(m);
    m = read_server(SERVER("routing_mode: host") SERVER_LINK("a", "path: /x"), STATUS_INVALID);
    expect_at(m, "the server routes by host, and this link has none", "local-http", 12, 36);
    manifest_free(m);
    m = read_server(SERVER("routing_mode: wild") SERVER_LINK("a", ""), STATUS_INVALID);
    expect_at(m, "unknown routing_mode: wild", "local-http", 10, 113);
    manifest_free(m);
}
