// SPDX-License-Identifier: Apache-2.0
// The rules of a host hold for what its providers call, wherever that is.
#include "agent/provider_rules.h"

#include "test.h"

#define T(text) SLICE_LITERAL(text)

typedef struct counted { // calls that a way got
    lattice_transport base;
    int starts, cancels;
} counted;

static status on_start(lattice_transport *t, lattice_call *c, err *e) {
    (void)e;
    c->transport = t;
    ((counted *)t)->starts++;
    return STATUS_OK;
}

static void on_cancel(lattice_call *c) {
    ((counted *)c->transport)->cancels++;
    c->transport = NULL;
}

static const lattice_transport_ops counted_ops = {.start = on_start, .cancel = on_cancel};

static status call(provider_rules *r, const char *target, lattice_call *c, err *e) {
    *c = (lattice_call){.invocation = {.source = T("http"),
                                       .link = T("default"),
                                       .target = slice_from_text(target),
                                       .instance = T("wasmcloud:messaging/handler@0.2.0"),
                                       .function = T("handle-message")}};
    return lattice_call_start(&r->base, c, e);
}

TEST(what_no_rule_allows_is_not_sent) {
    err e = {0};
    provider_rules r;
    lattice_call c;
    counted way = {.base = {&counted_ops}};
    gate *g = gate_new((siphash_key){1, 2}, GATE_DENY);
    const gate_rule rules[] = {{.effect = GATE_ALLOW,
                                .patterns = {[GATE_CALLER] = T("http"),
                                             [GATE_TARGET] = T("good"),
                                             [GATE_INTERFACE] = T("wasmcloud:messaging/handler")}}};
    EXPECT_OK(gate_set_rules(g, rules, 1, &e));
    provider_rules_init(&r, &way.base, g);
    EXPECT_STATUS(call(&r, "bad", &c, &e), STATUS_DENIED);
    EXPECT_TEXT(e.message, "http may not call handle-message of wasmcloud:messaging/handler at bad: no rule "
                           "allows it");
    lattice_call_cancel(&c); // nothing was begun
    EXPECT_EQ(way.starts, 0);
    EXPECT_OK(call(&r, "good", &c, &e));
    EXPECT(c.transport == &way.base);
    lattice_call_cancel(&c);
    EXPECT_EQ(way.starts, 1);
    EXPECT_EQ(way.cancels, 1);
    gate_free(g);
}
