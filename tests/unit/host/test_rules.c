// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "host/rules.h"
#include "host/wire.h"
#include "test.h"

static gate_rule rule(gate_effect effect, const char *caller, const char *function) {
    gate_rule r = {.effect = effect, .source = slice_from_text("a.yaml:1")};
    r.patterns[GATE_CALLER] = slice_from_text(caller);
    r.patterns[GATE_FUNCTION] = slice_from_text(function);
    return r;
}

static bool allows(gate *g, const char *caller, const char *function) {
    gate_question q = {0};
    q.parts[GATE_CALLER] = slice_from_text(caller);
    q.parts[GATE_FUNCTION] = slice_from_text(function);
    return gate_decide(g, &q).is_allowed;
}

static void add(host_rules *r, gate_rule one) { EXPECT_OK(host_rules_add(r, &one, NULL)); }

TEST(what_no_rule_is_about_is_allowed) {
    host_rules r = {0};
    gate *g = NULL;
    EXPECT_OK(host_rules_gate(&r, (siphash_key){1, 2}, &g, NULL));
    EXPECT(allows(g, "anybody", "anything"));
    gate_free(g);
}

TEST(a_rule_turns_the_default_around_for_one_caller) {
    host_rules r = {0};
    gate *g = NULL;
    add(&r, rule(GATE_DENY, "bank", "set"));
    add(&r, rule(GATE_ALLOW, "reports", "get"));
    add(&r, rule(GATE_DENY, "reports", ""));
    EXPECT_OK(host_rules_gate(&r, (siphash_key){1, 2}, &g, NULL));
    EXPECT(allows(g, "reports", "get"));
    EXPECT(!allows(g, "reports", "exists"));
    EXPECT(allows(g, "bank", "exists"));
    EXPECT(!allows(g, "bank", "set"));
    gate_free(g);
    host_rules_done(&r);
}

TEST(texts_and_numbers_are_bounded) {
    static char longer[GATE_NAME_BYTES_MAX + 2];
    host_rules r = {0};
    err e;
    memset(longer, 'x', sizeof longer - 1);
    gate_rule one = rule(GATE_DENY, longer, "");
    EXPECT_STATUS(host_rules_add(&r, &one, &e), STATUS_INVALID);
    for (int i = 0; i < GATE_RULES_MAX; i++) {
        add(&r, rule(GATE_DENY, "a", "b"));
    }
    one = rule(GATE_DENY, "a", "b");
    EXPECT_STATUS(host_rules_add(&r, &one, &e), STATUS_LIMIT);
    host_rules_done(&r);
}

TEST(a_list_that_is_cut_off_is_refused) {
    host_rules r = {0};
    auto_buf bytes;
    buf_init(&bytes, 4096);
    wire_writer w = wire_writer_of(&bytes);
    add(&r, rule(GATE_ALLOW, "reports", "get"));
    host_rules_put(&r, &w);
    for (size_t n = 0; n <= bytes.len; n++) {
        host_rules got = {0};
        wire_reader reader = wire_reader_of(slice_of(bytes.data, n));
        host_rules_take(&reader, &got);
        EXPECT_EQ(wire_read_is_done(&reader), n == bytes.len);
        host_rules_done(&got);
    }
    host_rules_done(&r);
}
