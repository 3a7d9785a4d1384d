// SPDX-License-Identifier: Apache-2.0
// What stands behind host_call. Inside the folder only.
#pragma once

#include "component/host.h"
#include "component/program.h"

struct host_call {
    component_instance *instance;
    const plan_trampoline *func;
    abi_side side; // of the guest that calls
    handle_lends lends;
    arena arena;
};

// A value as the result of the call: in `values`, or at `return_pointer`. Allocates in the guest.
status host_call_lower_result(host_call *call, const component_value *value, core_value *values,
                              uint32_t return_pointer, err *e) WRIT_MUST_USE;
