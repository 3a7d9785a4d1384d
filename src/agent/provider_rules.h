// SPDX-License-Identifier: Apache-2.0
// The way for calls that providers of this host make: its rules are asked first, for a call may go to a host
// that has others, or to one of 1.x, which has none.
//
// Threads: those of the transport behind it.
#pragma once

#include "lattice/call.h"
#include "policy/gate.h"

typedef struct provider_rules {
    lattice_transport base; // first: it is one
    lattice_transport *calls;
    gate *gate;
} provider_rules;

// Both are borrowed. STATUS_DENIED at the start of a call that no rule allows.
void provider_rules_init(provider_rules *r, lattice_transport *calls, gate *g);
