// SPDX-License-Identifier: Apache-2.0
// What the rest of the folder needs of bridges.
#pragma once

#include "component/bridge.h"
#include "component/handles.h"

// Runs the destructor of a resource whose handle is gone from the caller's table, in the callee that made it,
// when that still lives. A destructor that fails is the end of the callee and nothing to the caller.
status bridge_drop(host_call *caller, const handle_type *type, uintptr_t rep, err *e) WRIT_MUST_USE;

// For component_instance_free: the caller's task has ended, what it has called goes.
void bridge_callees_free(component_instance *caller);
