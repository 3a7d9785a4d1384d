// SPDX-License-Identifier: Apache-2.0
#include "host/application_rules.h"

#include <stdio.h>

enum { SOURCE_BYTES_MAX = 1024 };

static const char rest_reason[] = "and what it may call is listed with `only`";

typedef struct adder {
    manifest *m;
    host_config *config;
    bool has_failed;
} adder;

static void add(adder *a, const manifest_call_rule *from, gate_rule *rule) {
    char source[SOURCE_BYTES_MAX];
    err e;
    (void)snprintf(source, sizeof source, "%s:%u", a->m->file, from->at.line);
    rule->source = slice_from_text(source);
    if (!a->has_failed && host_config_add_rule(a->config, rule, &e) != STATUS_OK) {
        a->has_failed = true;
        problems_add(&a->m->found, from->at, "calls-policy", NULL, "%s", e.message);
    }
}

static void add_rule(adder *a, const manifest_call_rule *from, const manifest_component *caller) {
    gate_rule rule = {.effect = from->is_only ? GATE_ALLOW : GATE_DENY, .reason = from->reason};
    const manifest_component *target = manifest_find(a->m, from->target);
    rule.patterns[GATE_CALLER] = caller->id;
    rule.patterns[GATE_TARGET] = target != NULL ? target->id : slice_empty();
    rule.patterns[GATE_INTERFACE] = from->interface;
    rule.patterns[GATE_FUNCTION] = from->function;
    rule.patterns[GATE_LINK] = from->link;
    add(a, from, &rule);
}

static void add_rest(adder *a, const manifest_call_rule *from, const manifest_component *caller) {
    gate_rule rule = {.effect = GATE_DENY,
                      .reason = from->reason.len > 0 ? from->reason : slice_from_text(rest_reason)};
    rule.patterns[GATE_CALLER] = caller->id;
    add(a, from, &rule);
}

// The order makes the meaning: the first rule that matches decides.
static void add_of(adder *a, const manifest_component *caller) {
    const manifest *m = a->m;
    const manifest_call_rule *first_only = NULL;
    for (int is_only = 0; is_only < 2; is_only++) {
        for (size_t i = 0; i < m->call_count && !a->has_failed; i++) {
            const manifest_call_rule *r = &m->calls[i];
            if (r->is_only == (is_only == 1) && manifest_call_rule_is_from(r, caller)) {
                first_only = r->is_only && first_only == NULL ? r : first_only;
                add_rule(a, r, caller);
            }
        }
    }
    if (first_only != NULL) {
        add_rest(a, first_only, caller);
    }
}

// In a rule it would stand for others, too.
static void check_ids(adder *a) {
    for (size_t i = 0; i < a->m->component_count && a->m->call_count > 0; i++) {
        const manifest_component *c = &a->m->components[i];
        if (slice_find(c->id, 0, '*') != SIZE_MAX) {
            a->has_failed = true;
            problems_add(&a->m->found, c->explicit_id.at, "calls-policy", "give it another id",
                         "where there are rules of calls, no id may have a *");
        }
    }
}

void application_add_rules(manifest *m, host_config *config) {
    adder a = {.m = m, .config = config};
    check_ids(&a);
    for (size_t i = 0; i < m->component_count && m->call_count > 0; i++) {
        if (manifest_instances(&m->components[i]) > 0) {
            add_of(&a, &m->components[i]);
        }
    }
}
