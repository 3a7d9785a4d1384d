// SPDX-License-Identifier: Apache-2.0
#include "policy/gate.h"
#include "test.h"

static gate_question question(const char *caller, const char *interface, const char *function) {
    gate_question q = {0};
    q.parts[GATE_CALLER] = slice_from_text(caller);
    q.parts[GATE_TARGET] = slice_from_text("kv");
    q.parts[GATE_INTERFACE] = slice_from_text(interface);
    q.parts[GATE_FUNCTION] = slice_from_text(function);
    q.parts[GATE_LINK] = slice_from_text("default");
    return q;
}

static gate_rule rule(gate_effect effect, const char *caller, const char *function) {
    gate_rule r = {.effect = effect, .source = slice_from_text("app.yaml:7")};
    r.patterns[GATE_CALLER] = slice_from_text(caller);
    r.patterns[GATE_FUNCTION] = slice_from_text(function);
    return r;
}

static bool is_allowed(gate *g, const char *caller, const char *function) {
    gate_question q = question(caller, "wasi:keyvalue/store", function);
    return gate_decide(g, &q).is_allowed;
}

TEST(the_first_rule_that_matches_decides) {
    err e;
    gate *g = gate_new((siphash_key){1, 2}, GATE_DENY);
    const gate_rule rules[] = {rule(GATE_DENY, "report*", "set"), rule(GATE_ALLOW, "", "get"),
                               rule(GATE_ALLOW, "*-writer", "")};
    EXPECT_OK(gate_set_rules(g, rules, 3, &e));
    for (int again = 0; again < 2; again++) {
        EXPECT(is_allowed(g, "reports", "get"));
        EXPECT(!is_allowed(g, "reports", "set"));
        EXPECT(!is_allowed(g, "report-writer", "set"));
        EXPECT(is_allowed(g, "bank-writer", "set"));
        EXPECT(!is_allowed(g, "bank-writers", "set"));
    }
    EXPECT_EQ(gate_count(g).evaluated, 5);
    EXPECT_EQ(gate_count(g).asked, 10);
    EXPECT_EQ(gate_count(g).denied, 6);
    gate_free(g);
}

TEST(without_a_rule_the_default_holds) {
    err e;
    gate_question q = question("a", "b:c/d", "f");
    gate *closed = gate_new((siphash_key){1, 2}, GATE_DENY);
    gate *open = gate_new((siphash_key){1, 2}, GATE_ALLOW);
    EXPECT_STATUS(gate_check(closed, &q, &e), STATUS_DENIED);
    EXPECT_TEXT(e.message, "a may not call f of b:c/d at kv: no rule allows it");
    EXPECT_STATUS(gate_check(closed, &q, NULL), STATUS_DENIED);
    EXPECT_OK(gate_check(open, &q, &e));
    gate_free(closed);
    gate_free(open);
}

TEST(a_refusal_names_the_rule) {
    err e;
    gate *g = gate_new((siphash_key){1, 2}, GATE_ALLOW);
    gate_rule r = rule(GATE_DENY, "reports", "set");
    gate_question q = question("reports", "wasi:keyvalue/store", "set");
    r.reason = slice_from_text("reports only read");
    EXPECT_OK(gate_set_rules(g, &r, 1, &e));
    EXPECT_STATUS(gate_check(g, &q, &e), STATUS_DENIED);
    EXPECT_TEXT(e.message, "reports may not call set of wasi:keyvalue/store at kv: denied by the rule at "
                           "app.yaml:7, reports only read");
    gate_free(g);
}

TEST(a_change_of_rules_holds_at_once) {
    err e;
    gate *g = gate_new((siphash_key){1, 2}, GATE_DENY);
    gate_rule r = rule(GATE_ALLOW, "a", "get");
    EXPECT(!is_allowed(g, "a", "get"));
    EXPECT_OK(gate_set_rules(g, &r, 1, &e));
    EXPECT(is_allowed(g, "a", "get"));
    r.effect = GATE_DENY;
    EXPECT_OK(gate_set_rules(g, &r, 1, &e));
    EXPECT(!is_allowed(g, "a", "get"));
    EXPECT_OK(gate_set_rules(g, NULL, 0, &e));
    EXPECT(!is_allowed(g, "a", "get"));
    gate_free(g);
}

TEST(parts_do_not_run_into_each_other) {
    err e;
    gate *g = gate_new((siphash_key){1, 2}, GATE_DENY);
    gate_rule r = rule(GATE_ALLOW, "ab", "");
    gate_question q = {0};
    EXPECT_OK(gate_set_rules(g, &r, 1, &e));
    q.parts[GATE_CALLER] = slice_from_text("ab");
    q.parts[GATE_ISSUER] = slice_from_text("c");
    EXPECT(gate_decide(g, &q).is_allowed);
    q.parts[GATE_CALLER] = slice_from_text("a");
    q.parts[GATE_ISSUER] = slice_from_text("bc");
    EXPECT(!gate_decide(g, &q).is_allowed);
    gate_free(g);
}

TEST(patterns) {
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"", "anything", true}, {"", "", true},          {"*", "", true},        {"*", "x", true},
        {"a", "a", true},       {"a", "", false},        {"a", "aa", false},     {"a*", "a", true},
        {"a*", "ab", true},     {"*a", "ba", true},      {"*a", "ab", false},    {"a*c", "abcbc", true},
        {"a*c", "abcb", false}, {"*b*", "abc", true},    {"**", "x", true},      {"a**c", "ac", true},
        {"*ab", "aab", true},   {"*aab*", "aaab", true}, {"x*y*z", "xyz", true}, {"x*y*z", "xzy", false},
    };
    err e;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gate *g = gate_new((siphash_key){i, 2}, GATE_DENY);
        gate_rule r = rule(GATE_ALLOW, cases[i].pattern, "");
        EXPECT_OK(gate_set_rules(g, &r, 1, &e));
        if (is_allowed(g, cases[i].text, "f") != cases[i].matches) {
            EXPECT_TEXT(cases[i].pattern, cases[i].text);
        }
        gate_free(g);
    }
}

TEST(long_names_are_refused) {
    err e;
    char name[GATE_NAME_BYTES_MAX + 2];
    gate *g = gate_new((siphash_key){1, 2}, GATE_ALLOW);
    memset(name, 'a', sizeof name);
    name[GATE_NAME_BYTES_MAX + 1] = '\0';
    EXPECT(!is_allowed(g, name, "f"));
    name[GATE_NAME_BYTES_MAX] = '\0';
    EXPECT(is_allowed(g, name, "f"));
    name[GATE_NAME_BYTES_MAX] = 'a';
    gate_rule r = rule(GATE_DENY, name, "");
    EXPECT_STATUS(gate_set_rules(g, &r, 1, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "app.yaml:7");
    EXPECT_STATUS(gate_set_rules(g, NULL, GATE_RULES_MAX + 1, &e), STATUS_LIMIT);
    EXPECT(is_allowed(g, "a", "f")); // as they were
    gate_free(g);
}

TEST(more_questions_than_places) {
    gate *g = gate_new((siphash_key){1, 2}, GATE_DENY);
    err e;
    gate_rule r = rule(GATE_ALLOW, "c*7", "");
    EXPECT_OK(gate_set_rules(g, &r, 1, &e));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20000; i++) {
            char name[16];
            snprintf(name, sizeof name, "c%d", i);
            if (is_allowed(g, name, "f") != (i % 10 == 7)) {
                EXPECT_TEXT(name, "decided as its last digit says");
            }
        }
    }
    gate_free(g);
}

TEST(explaining_shows_every_rule_up_to_the_one_that_decides) {
    err e;
    buf text;
    gate *g = gate_new((siphash_key){1, 2}, GATE_DENY);
    const gate_rule rules[] = {rule(GATE_DENY, "other", ""), rule(GATE_ALLOW, "a", "get"),
                               rule(GATE_DENY, "", "")};
    gate_question q = question("a", "b:c/d", "get");
    buf_init(&text, 4096);
    EXPECT_OK(gate_set_rules(g, rules, 3, &e));
    EXPECT_OK(gate_explain(g, &q, &text));
    EXPECT_TEXT(buf_text(&text), "app.yaml:7  does not match: it denies caller \"other\", and this is \"a\"\n"
                                 "app.yaml:7  allows it\n");
    buf_clear(&text);
    EXPECT_OK(gate_set_rules(g, rules, 1, &e));
    EXPECT_OK(gate_explain(g, &q, &text));
    EXPECT_CONTAINS(buf_text(&text), "no rule matches: denied\n");
    buf_done(&text);
    gate_free(g);
}
