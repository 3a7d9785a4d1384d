// SPDX-License-Identifier: Apache-2.0
// A linked program and a running instance of it. Inside the folder only.
#pragma once

#include "component/plan.h"

struct component_func {
    slice interface; // without version; empty at the top level
    semver version;
    bool has_version;
    slice name;
    const ctype_func *type;          // in the numbering of the root component
    const handle_type *const *types; // resources of the root component
    const plan_lift *lift;           // NULL: an import that is exported again, which cannot be called
    abi_layout layout;
    plan_entering entering;
};

struct component_program {
    arena arena;
    const component *source;
    core_engine *engine;
    plan plan;
    uint32_t handles_max;
    size_t call_arena_bytes_max;
    uint32_t memory_count;
    uint32_t hidden_memory_count;
    uint32_t func_count;
    component_func *funcs;
};

typedef struct instance_state { // one component instance inside
    handle_table handles;
    bool may_enter;
    bool may_leave;
} instance_state;

struct component_instance {
    const component_program *program;
    core_store *store;
    void *context;
    bool poisoned;
    instance_state *states; // by instance number
    core_extern *slots;
    core_instance *cores;
    const host_func *last_calls[COMPONENT_LAST_CALLS_MAX]; // a ring
    uint32_t call_count;
    uint32_t depth;                // how many calls between components it is away from the first
    uint32_t generation;           // how many of them there have been
    struct bridge_callee *callees; // instances of other components that it has called, see bridge.h
};

// component_instantiate at some depth.
status instance_new(const component_program *p, core_store *store, void *context, uint32_t depth,
                    component_instance **ret, err *e) WRIT_MUST_USE;

// The root instance whose code runs in this store.
static inline component_instance *instance_of_store(core_store *store) {
    return (component_instance *)store->owner;
}

// A slot, or NULL for PLAN_NONE.
static inline const core_extern *instance_slot(const component_instance *i, uint32_t slot) {
    return slot == PLAN_NONE ? NULL : &i->slots[slot];
}

// What a function's canonical options mean in this instance.
void instance_side(component_instance *i, uint32_t instance, const plan_options *options,
                   const handle_type *const *types, abi_side *ret);

// Marks the instances that a call enters; STATUS_TRAP when one of them is already running.
status instance_enter(component_instance *i, const plan_entering *entering, err *e) WRIT_MUST_USE;
void instance_leave(component_instance *i, const plan_entering *entering);

// Calls the core function behind a lift, with `values` as its flat parameters and then results.
status instance_call_core(component_instance *i, const plan_lift *lift, core_value *values,
                          err *e) WRIT_MUST_USE;
// What follows when the results have been taken: borrows dropped, post-return.
status instance_finish_call(component_instance *i, const plan_lift *lift, const handle_scope *scope,
                            const core_value *results, err *e) WRIT_MUST_USE;

// Moves parameters from the caller's flat values to the callee's, allocating what is spilled.
status trampoline_move_params(const abi_layout *l, abi_side *from, core_value *values, abi_side *to,
                              core_value *flat, err *e) WRIT_MUST_USE;
// Moves what the callee has returned: into `values` or to the caller's return area. `l` is of the type in
// whose numbering `callee->types` is.
status trampoline_move_result(const abi_layout *l, abi_side *callee, core_value *flat, abi_side *caller,
                              core_value *values, uint32_t return_pointer, err *e) WRIT_MUST_USE;
// Among the parameters that the caller passes; 0 when there is none.
uint32_t trampoline_return_pointer(const abi_layout *l, const core_value *values);

// The body of every function of ours; `env` is its plan_trampoline.
status trampoline_body(void *env, core_store *store, core_value *values, size_t count, err *e);
