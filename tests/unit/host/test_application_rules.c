// SPDX-License-Identifier: Apache-2.0
#include "host/application_rules.h"
#include "test.h"

// Two components that are linked to one store, and rules.
static manifest *read_rules_with(const char *id, const char *properties) {
    auto_buf text;
    buf_init(&text, 1 << 16);
    EXPECT_OK(buf_append_text(&text, "apiVersion: core.oam.dev/v1beta1\nkind: Application\n"
                                     "metadata: {name: app, annotations: {}}\nspec:\n  components:\n"));
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(buf_append_format(
            &text,
            "    - name: %s\n      type: component\n      properties: {image: x}\n      traits:\n"
            "        - {type: spreadscaler, properties: {instances: 1}}\n"
            "        - {type: link, properties: {target: store, namespace: wasi, package: keyvalue, "
            "interfaces: [store]}}\n",
            i == 0 ? "bank" : "reports"));
    }
    EXPECT_OK(
        buf_append_format(&text,
                          "    - {name: store, type: capability, properties: {image: y%s}}\n"
                          "  policies:\n    - name: p\n      type: calls.writ/v1\n      properties:\n%s",
                          id, properties));
    manifest *m;
    EXPECT_STATUS(manifest_read(buf_slice(&text), "app.yaml", &m), STATUS_OK);
    return m;
}

static manifest *read_rules(const char *properties) { return read_rules_with("", properties); }

typedef struct answers {
    manifest *m;
    host_config config;
    gate *gate;
    err e;
} answers;

static void ask_by(answers *a, const char *properties) {
    a->m = read_rules(properties);
    host_config_init(&a->config);
    application_add_rules(a->m, &a->config);
    EXPECT_EQ(a->m->found.error_count, 0);
    EXPECT_OK(host_rules_gate(&a->config.rules, (siphash_key){1, 2}, &a->gate, NULL));
}

static bool allows(answers *a, const char *caller, const char *target, const char *function) {
    gate_question q = {0};
    q.parts[GATE_CALLER] = slice_from_text(caller);
    q.parts[GATE_TARGET] = slice_from_text(target);
    q.parts[GATE_INTERFACE] = slice_from_text("wasi:keyvalue/store");
    q.parts[GATE_FUNCTION] = slice_from_text(function);
    q.parts[GATE_LINK] = slice_from_text("default");
    return gate_check(a->gate, &q, &a->e) == STATUS_OK;
}

static void done(answers *a) {
    gate_free(a->gate);
    host_config_done(&a->config);
    manifest_free(a->m);
}

TEST(a_call_that_is_denied) {
    answers a;
    ask_by(&a, "        deny: reports -> store wasi:keyvalue/store.set\n        reason: reports only read\n");
    EXPECT(!allows(&a, "app-reports", "app-store", "set"));
    EXPECT_TEXT(a.e.message,
                "app-reports may not call set of wasi:keyvalue/store at app-store: denied by the "
                "rule at app.yaml:23, reports only read");
    EXPECT(allows(&a, "app-reports", "app-store", "get"));
    EXPECT(allows(&a, "app-bank", "app-store", "set"));
    EXPECT(allows(&a, "other-reports", "app-store", "set"));
    done(&a);
}

TEST(only_turns_the_default_around_for_its_callers) {
    answers a;
    ask_by(&a, "        only: |\n          reports -> store wasi:keyvalue/store.get\n"
               "          reports -> store *.exists\n");
    EXPECT(allows(&a, "app-reports", "app-store", "get"));
    EXPECT(allows(&a, "app-reports", "app-store", "exists"));
    EXPECT(!allows(&a, "app-reports", "app-store", "set"));
    EXPECT_CONTAINS(a.e.message, "app.yaml:23, and what it may call is listed");
    EXPECT(!allows(&a, "app-reports", "app-other", "get"));
    EXPECT(allows(&a, "app-bank", "app-store", "set"));
    done(&a);
}

TEST(deny_counts_more_than_only) {
    answers a;
    ask_by(&a, "        only: \"* -> * wasi:keyvalue/*\"\n        deny: \"* -> store *.delete\"\n");
    EXPECT(allows(&a, "app-reports", "app-store", "set"));
    EXPECT(!allows(&a, "app-reports", "app-store", "delete"));
    EXPECT(!allows(&a, "app-bank", "app-store", "delete"));
    EXPECT(allows(&a, "app-bank", "app-other", "delete"));
    EXPECT(allows(&a, "else-where", "app-store", "delete")); // of another application
    done(&a);
}

TEST(an_id_stands_for_itself_alone) {
    host_config config;
    manifest *m = read_rules_with(", id: \"*\"", "        deny: reports -> store *.set\n");
    host_config_init(&config);
    application_add_rules(m, &config);
    EXPECT_EQ(m->found.error_count, 1);
    EXPECT_EQ(config.rules.count, 0);
    host_config_done(&config);
    manifest_free(m);
}

TEST(a_host_has_room_for_so_many) {
    host_config config;
    manifest *m = read_rules("        only: \"* -> * *\"\n");
    host_config_init(&config);
    for (int i = 0; i < GATE_RULES_MAX - 3; i++) {
        EXPECT_OK(host_config_add_rule(&config, &(gate_rule){.effect = GATE_DENY}, NULL));
    }
    application_add_rules(m, &config); // 4 rules
    EXPECT_EQ(m->found.error_count, 1);
    host_config_done(&config);
    manifest_free(m);
}
