// SPDX-License-Identifier: Apache-2.0
#include "agent/provider_rules.h"

#include "lattice/wrpc_names.h"

// The way behind it is the call's from there on.
static status start(lattice_transport *t, lattice_call *c, err *e) {
    provider_rules *r = (provider_rules *)t;
    const lattice_invocation *i = &c->invocation;
    const gate_question q = {.parts = {[GATE_CALLER] = i->source,
                                       [GATE_ISSUER] = i->source_issuer,
                                       [GATE_TARGET] = i->target,
                                       [GATE_INTERFACE] = wrpc_names_from_wire(i->instance).interface,
                                       [GATE_FUNCTION] = i->function,
                                       [GATE_LINK] = i->link}};
    TRY(gate_check(r->gate, &q, e));
    return lattice_call_start(r->calls, c, e);
}

static const lattice_transport_ops ops = {.start = start};

void provider_rules_init(provider_rules *r, lattice_transport *calls, gate *g) {
    *r = (provider_rules){.base = {&ops}, .calls = calls, .gate = g};
}
