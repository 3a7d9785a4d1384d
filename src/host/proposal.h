// SPDX-License-Identifier: Apache-2.0
// The smallest allow-list for a component: what it imports, at exactly these versions, and nothing else.
#pragma once

#include "base/arena.h"
#include "component/component.h"
#include "identity/allowance.h"

// The result lives in `memory`; names are copied, so it outlives `c`. STATUS_UNSUPPORTED when something is
// imported that no allow-list can name: a function or type outside of an interface. Such a component cannot
// start here anyway; it must first be composed with what provides that.
status host_propose_allowance(const component *c, arena *memory, allowance *ret, err *e) WRIT_MUST_USE;
