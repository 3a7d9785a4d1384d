// SPDX-License-Identifier: Apache-2.0
// Policies of type calls.writ/v1: which calls between components, and from them to capabilities, are denied,
// or are the only ones. Each line of `deny` and `only` is a rule:
//
//   CALLER -> TARGET CALL [via LINK]
//
// CALLER and TARGET are names of this manifest, or '*' for all; CALL is what policy/call_pattern.h reads;
// LINK is the name of a link. 1.x keeps policies of types that it does not know, and ignores them.
#include <stdio.h>

#include "codec/utf.h"
#include "deploy/manifest_internal.h"
#include "policy/call_pattern.h"
#include "policy/gate.h"

enum {
    REASON_BYTES_MAX = 500,
    SHOWN = 80,
    RULE_SHOWN = 200,
    INTERFACE_BYTES_MAX = GATE_NAME_BYTES_MAX,
    COMPARISONS_MAX = 20000
};

static const char form[] =
    "write CALLER -> TARGET CALL [via LINK], one rule a line, such as reports -> store "
    "wasi:keyvalue/store.set";

typedef struct calls_reader {
    manifest_reader *r;
    const manifest_policy *policy;
    const manifest_pair *pair;
    manifest_call_rule *list; // has room
    size_t count;
    slice line;    // that is being read
    size_t budget; // of comparisons with links, for warnings alone
} calls_reader;

// --- lines and words ---------------------------------------------------------------------------------------

static bool is_blank(uint8_t c) { return c == ' ' || c == '\t' || c == '\r'; }

static bool next_line(slice *rest, slice *ret) {
    while (rest->len > 0) {
        size_t end = slice_find(*rest, 0, '\n');
        *ret = slice_trimmed(slice_sub(*rest, 0, end == SIZE_MAX ? rest->len : end));
        *rest = end == SIZE_MAX ? slice_empty() : slice_sub(*rest, end + 1, rest->len);
        if (ret->len > 0) {
            return true;
        }
    }
    return false;
}

static slice next_word(slice *rest) {
    size_t from = 0, to;
    while (from < rest->len && is_blank(rest->data[from])) {
        from++;
    }
    to = from;
    while (to < rest->len && !is_blank(rest->data[to])) {
        to++;
    }
    slice word = slice_sub(*rest, from, to);
    *rest = slice_sub(*rest, to, rest->len);
    return word;
}

static size_t count_lines(const manifest_policy *policy) {
    size_t count = 0;
    for (size_t i = 0; i < policy->properties.count; i++) {
        slice rest = policy->properties.pairs[i].value, line;
        while (next_line(&rest, &line)) {
            count++;
        }
    }
    return count;
}

// --- a rule ------------------------------------------------------------------------------------------------

static bool is_all(slice name) { return slice_equal_text(name, "*"); }

static void wrong(const calls_reader *p, const char *what, const char *advice) {
    char line[RULE_SHOWN];
    problems_add(p->r->found, p->pair->value_at, "calls-policy", advice, "the rule `%s`: %s",
                 utf8_shown(p->line, line, sizeof line), what);
}

// Fills the texts of the rule; false when it has not the form of one.
static bool split(const calls_reader *p, manifest_call_rule *ret) {
    slice rest = p->line;
    call_pattern call;
    err e;
    ret->caller = next_word(&rest);
    slice arrow = next_word(&rest);
    ret->target = next_word(&rest);
    slice what = next_word(&rest), via = next_word(&rest);
    ret->link = next_word(&rest);
    bool has_via = via.len > 0;
    if (!slice_equal_text(arrow, "->") || what.len == 0 || next_word(&rest).len > 0 ||
        (has_via && (!slice_equal_text(via, "via") || ret->link.len == 0))) {
        wrong(p, "it is not one", form);
        return false;
    }
    if (call_pattern_parse(what, &call, &e) != STATUS_OK) {
        wrong(p, e.message, NULL);
        return false;
    }
    ret->interface = call.interface;
    ret->function = call.function;
    return true;
}

static bool check_caller(const calls_reader *p, slice caller) {
    const manifest_component *c = manifest_find(p->r->m, caller);
    char name[SHOWN];
    utf8_shown(caller, name, sizeof name);
    if (!is_all(caller) && c == NULL) {
        wrong(p, manifest_path(p->r, "there is no component `%s`", name), "write its name, or * for all");
        return false;
    }
    return true;
}

static bool check_target(const calls_reader *p, slice target) {
    char name[SHOWN];
    if (is_all(target) || manifest_find(p->r->m, target) != NULL) {
        return true;
    }
    wrong(p, manifest_path(p->r, "there is no component `%s`", utf8_shown(target, name, sizeof name)),
          "write the name of what is called, as in `target:` of the link, or * for all");
    return false;
}

// --- whether it is about anything --------------------------------------------------------------------------

static bool has_interface(calls_reader *p, const manifest_link *l, slice pattern) {
    char text[INTERFACE_BYTES_MAX];
    for (size_t i = 0; i < l->interface_count && p->budget > 0; i++, p->budget--) {
        int n = snprintf(text, sizeof text, "%.*s:%.*s/%.*s", SLICE_ARG(l->wit_namespace.value),
                         SLICE_ARG(l->wit_package.value), SLICE_ARG(l->interfaces[i].value));
        if (n > 0 && (size_t)n < sizeof text && gate_pattern_matches(pattern, slice_from_text(text))) {
            return true;
        }
    }
    return false;
}

static bool is_about_link(calls_reader *p, const manifest_call_rule *rule, const manifest_link *l) {
    return (is_all(rule->target) || slice_equal(rule->target, l->target.value)) &&
           gate_pattern_matches(rule->link, manifest_link_name(l)) && has_interface(p, l, rule->interface);
}

static bool is_about_component(calls_reader *p, const manifest_call_rule *rule, const manifest_component *c) {
    for (size_t t = 0; manifest_call_rule_is_from(rule, c) && t < c->trait_count; t++) {
        if (manifest_trait_is_link(&c->traits[t]) && is_about_link(p, rule, &c->traits[t].link)) {
            return true;
        }
    }
    return false;
}

// A rule with a name that is spelled wrongly would protect nothing, silently.
static void warn_if_idle(calls_reader *p, const manifest_call_rule *rule) {
    const manifest *m = p->r->m;
    char line[RULE_SHOWN];
    for (size_t i = 0; i < m->component_count; i++) {
        if (is_about_component(p, rule, &m->components[i])) {
            return;
        }
    }
    if (p->budget == 0) {
        return; // nobody knows
    }
    problems_warn(p->r->found, p->pair->value_at, "calls-policy",
                  "compare it with the namespace, package, interfaces and name of the link",
                  "no link makes a call possible that the rule `%s` is about",
                  utf8_shown(p->line, line, sizeof line));
}

// --- the policy --------------------------------------------------------------------------------------------

static void read_rules(calls_reader *p, bool is_only, slice reason) {
    slice rest = p->pair->value;
    size_t before = p->count;
    while (next_line(&rest, &p->line)) {
        manifest_call_rule rule = {.is_only = is_only, .at = p->pair->value_at, .reason = reason};
        if (split(p, &rule) && check_caller(p, rule.caller) && check_target(p, rule.target)) {
            warn_if_idle(p, &rule);
            p->list[p->count++] = rule;
        }
    }
    if (p->count == before && slice_trimmed(p->pair->value).len == 0) {
        problems_add(p->r->found, p->pair->value_at, "calls-policy", form, "there is no rule");
    }
}

static slice read_reason(const calls_reader *p) {
    const manifest_pair *pair = manifest_map_find(&p->policy->properties, "reason");
    if (pair != NULL && pair->value.len > REASON_BYTES_MAX) {
        problems_add(p->r->found, pair->value_at, "calls-policy", "write 500 bytes at most",
                     "the reason is too long");
        return slice_empty();
    }
    return pair == NULL ? slice_empty() : pair->value;
}

static void read_policy(calls_reader *p) {
    const manifest_map *map = &p->policy->properties;
    slice reason = read_reason(p);
    bool has_rules = false;
    for (size_t i = 0; i < map->count; i++) {
        char shown[SHOWN];
        p->pair = &map->pairs[i];
        bool is_only = slice_equal_text(p->pair->key, "only");
        if (is_only || slice_equal_text(p->pair->key, "deny")) {
            has_rules = true;
            read_rules(p, is_only, reason);
        } else if (!slice_equal_text(p->pair->key, "reason")) {
            problems_add(p->r->found, p->pair->at, "calls-policy", "known are deny, only and reason",
                         "`%s` is not known in a policy of type " MANIFEST_CALLS_POLICY,
                         utf8_shown(p->pair->key, shown, sizeof shown));
        }
    }
    if (!has_rules) {
        problems_add(p->r->found, p->policy->at, "calls-policy",
                     "write `deny:` or `only:` among its properties",
                     "a policy of type " MANIFEST_CALLS_POLICY " has no rule");
    }
}

static bool is_ours(const manifest_policy *policy) {
    return slice_equal_text(policy->type.value, MANIFEST_CALLS_POLICY);
}

void manifest_read_calls(manifest_reader *r) {
    manifest *m = r->m;
    calls_reader p = {.r = r, .budget = COMPARISONS_MAX};
    size_t count = 0;
    for (size_t i = 0; i < m->policy_count; i++) {
        count += is_ours(&m->policies[i]) ? count_lines(&m->policies[i]) : 0;
    }
    if (count > GATE_RULES_MAX) {
        problems_add(r->found, m->policies[0].at, "calls-policy", "write fewer, with * where it is possible",
                     "%zu rules of calls are more than %d", count, GATE_RULES_MAX);
        return;
    }
    p.list = MANIFEST_ARRAY(r, manifest_call_rule, count + 1, (text_place){0});
    for (size_t i = 0; i < m->policy_count && p.list != NULL; i++) {
        if (is_ours(&m->policies[i])) {
            p.policy = &m->policies[i];
            read_policy(&p);
        }
    }
    m->calls = p.list;
    m->call_count = p.count;
}

bool manifest_call_rule_is_from(const manifest_call_rule *rule, const manifest_component *c) {
    return manifest_has(&c->name) &&
           ((is_all(rule->caller) && !c->is_capability) || slice_equal(rule->caller, c->name.value));
}
