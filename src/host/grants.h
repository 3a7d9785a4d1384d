// SPDX-License-Identifier: Apache-2.0
// The gate: which of the interfaces that a component imports are granted, inert or refused, and why.
//
// The only source of a component_gate, so no import can be bound without a decision made here. Decisions
// depend on the configuration and the component's imports alone; they are made once, before anything runs.
#pragma once

#include "base/buf.h"
#include "component/component.h"
#include "host/config.h"

typedef enum grant_state {
    GRANT_GRANTED, // with the authority that the configuration names
    GRANT_INERT,   // bound to an implementation without authority
    GRANT_REFUSED, // the start fails
} grant_state;

typedef struct grant_decision {
    slice import_name; // as the component spells it, with its version
    grant_state state;
    char why[160];   // one sentence: the rule or option that decided
    char option[96]; // the exact option that would grant it; empty when it is granted or nothing offers it
} grant_decision;

typedef struct grants grants;

// Decides over every import. `c` and `config` are borrowed. Never fails because of a refusal: see
// grants_check.
status grants_new(const component *c, const host_config *config, grants **ret, err *e) WRIT_MUST_USE;
void grants_free(grants *g);

size_t grants_count(const grants *g);
const grant_decision *grants_at(const grants *g, size_t index);

// STATUS_DENIED when anything is refused, with every refusal and its option in one message.
status grants_check(const grants *g, err *e) WRIT_MUST_USE;

// Binds granted and inert interfaces; refuses all others.
component_gate grants_gate(const grants *g);

// The smallest set of options that would let it start, as one line of command-line options; empty when it
// starts.
status grants_suggest(const grants *g, buf *ret) WRIT_MUST_USE;
