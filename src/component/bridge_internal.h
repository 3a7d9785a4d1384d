// SPDX-License-Identifier: Apache-2.0
// What bridge.c, bridge_bind.c and the rest of the folder share of bridges.
#pragma once

#include "component/bridge.h"
#include "component/bridge_failure.h"
#include "component/handles.h"

typedef struct bridge_func {      // beside the host_func of the same number
    const component_func *callee; // after bridge_connect
    bridge_failure failure;
} bridge_func;

struct bridge {
    bridge_options options;
    arena arena;
    slice interface; // as the callee exports it
    host_interface host;
    host_func *host_funcs;
    const ctype_resource **resources;
    bridge_func *funcs;
    uint32_t *numbers; // of an alternative: which of its functions stands for that of the first bridge
    const component_program *program;
};

// The body of every function of a bridge.
status bridge_call(host_call *call, core_value *values, err *e) WRIT_MUST_USE;

// Runs the destructor of a resource whose handle is gone from the caller's table, in the callee that made it,
// when that still lives. A destructor that fails is the end of the callee and nothing to the caller.
status bridge_drop(host_call *caller, const handle_type *type, uintptr_t rep, err *e) WRIT_MUST_USE;

// For component_instance_free: the caller's task has ended, what it has called goes.
void bridge_callees_free(component_instance *caller);
