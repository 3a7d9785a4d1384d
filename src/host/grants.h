// SPDX-License-Identifier: Apache-2.0
// The gate: which of the interfaces that a component imports are granted, inert or refused, and why.
//
// The only source of a component_gate, so no import can be bound without a decision made here. Decisions
// depend on the configuration, the component's imports and what its writ and the trust in its issuer allow;
// they are made once, before anything runs. Options only choose among what writ and trust allow: none of them
// can widen it.
#pragma once

#include "base/buf.h"
#include "component/component.h"
#include "host/config.h"
#include "identity/allowance.h"

enum { GRANTS_IMPORTS_MAX = 4096 };

typedef enum grant_state {
    GRANT_GRANTED, // with the authority that the configuration names
    GRANT_INERT,   // bound to an implementation without authority
    GRANT_REFUSED, // the start fails
} grant_state;

typedef struct grant_decision {
    slice import_name; // as the component spells it, with its version
    slice interface;   // the same, or what an import with a plain name implements; with its version
    slice label;       // the plain name of such an import, which names its link; else empty
    grant_state state;
    char why[400];    // one sentence: the rule or option that decided
    char limits[160]; // the names that writ and trust allow it: "hosts api.example.com:443"; empty: any
    char option[96];  // the exact option that would grant it; empty when it is granted or nothing offers it
} grant_decision;

// What a verified token and the trust in its issuer allow (identity/verify.h).
typedef struct grants_writ {
    const allowance *writ;  // of the token; NULL: it has none and does not narrow
    const allowance *trust; // of the entries of the trust store; NULL: they do not narrow
    const char *issuer;     // who signed it, for people; may be NULL
} grants_writ;

typedef struct grants grants;

// Decides over every import. `writ` is NULL for a component that runs unsigned. All are borrowed; `c` and
// `config` until grants_free, `writ` for the call. Never fails because of a refusal: see grants_check.
// STATUS_LIMIT over GRANTS_IMPORTS_MAX.
status grants_new(const component *c, const workload_config *config, const grants_writ *writ, grants **ret,
                  err *e) WRIT_MUST_USE;
void grants_free(grants *g);

size_t grants_count(const grants *g);
const grant_decision *grants_at(const grants *g, size_t index);

// STATUS_DENIED when anything is refused, with every refusal and its option in one message.
status grants_check(const grants *g, err *e) WRIT_MUST_USE;

// What an import that another workload satisfies is bound to (host/callee.h); only where that was granted.
// `label` as in grant_decision.
void grants_bind_callee(grants *g, const host_interface *h, slice label);

// Binds granted and inert interfaces; refuses all others.
component_gate grants_gate(const grants *g);

// The smallest set of options that would let it start, as one line of command-line options; empty when it
// starts.
status grants_suggest(const grants *g, buf *ret) WRIT_MUST_USE;
