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
