// SPDX-License-Identifier: Apache-2.0
// The functions of ours that core code calls: lowered functions of the host, fused calls from one component
// instance into another, and the resource built-ins. Source: CanonicalABI.md "canon lower", "canon lift",
// "canon resource.*".
#include "component/abi_internal.h"
#include "component/bridge_internal.h"
#include "component/host_call.h"
#include "component/program.h"

static status may_leave(const component_instance *i, const plan_trampoline *t, err *e) {
    if (!i->states[t->instance].may_leave) {
        return err_set(e, STATUS_TRAP,
                       "cannot leave component instance: its realloc or post-return is running");
    }
    return STATUS_OK;
}

// --- host functions ----------------------------------------------------------------------------------------

static void begin_host_call(const plan_trampoline *t, component_instance *i, host_call *call) {
    call->instance = i;
    call->func = t;
    instance_side(i, t->instance, &t->options, t->types, &call->side);
    handle_lends_init(&call->lends, call->side.handles);
    call->side.lends = &call->lends;
    arena_init(&call->arena, i->program->call_arena_bytes_max);
}

static status call_host(const plan_trampoline *t, component_instance *i, core_value *values, err *e) {
    host_call call WRIT_UNINITIALIZED;
    begin_host_call(t, i, &call);
    i->last_calls[i->call_count++ % COMPONENT_LAST_CALLS_MAX] = t->host;
    status s = t->host->body(&call, values, e);
    handle_lends_done(&call.lends);
    arena_done(&call.arena);
    return s;
}

size_t component_instance_last_calls(const component_instance *i,
                                     const host_func *ret[COMPONENT_LAST_CALLS_MAX]) {
    size_t n = i->call_count < COMPONENT_LAST_CALLS_MAX ? i->call_count : COMPONENT_LAST_CALLS_MAX;
    for (size_t k = 0; k < n; k++) {
        ret[k] = i->last_calls[(i->call_count - 1 - k) % COMPONENT_LAST_CALLS_MAX];
    }
    return n;
}

// --- fused calls -------------------------------------------------------------------------------------------

uint32_t trampoline_return_pointer(const abi_layout *l, const core_value *values) {
    return l->result_spilled ? values[l->params_spilled ? 1 : l->flat_count].u32 : 0;
}

status trampoline_move_params(const abi_layout *l, abi_side *from, core_value *values, abi_side *to,
                              core_value *flat, err *e) {
    uint32_t source = 0;
    uint32_t target = 0;
    uint8_t *ignored;
    if (l->params_spilled) { // the types are the same on both sides, so both spill or none does
        source = values[0].u32;
        TRY(memory_range(&from->memory, source, l->size, l->align, "parameters", &ignored, e));
        TRY(memory_alloc(&to->memory, l->align, l->size, "parameters", &target, &ignored, e));
        memory_refresh(&from->memory);
        flat[0].u64 = target;
    }
    uint32_t at = 0;
    for (uint32_t k = 0; k < l->type->param_count; k++) {
        const ctype *type = l->type->params[k].type;
        if (l->params_spilled) {
            TRY(abi_move(type, from, abi_memory(source + l->offsets[k]), to,
                         abi_memory(target + l->offsets[k]), e));
        } else {
            TRY(abi_move(type, from, abi_flat(values + at), to, abi_flat(flat + at), e));
            at += type->flat_count;
        }
    }
    return STATUS_OK;
}

status trampoline_move_result(const abi_layout *l, abi_side *callee, core_value *flat, abi_side *caller,
                              core_value *values, uint32_t return_pointer, err *e) {
    const ctype *type = l->type->result;
    if (type == NULL) {
        return STATUS_OK;
    }
    memory_refresh(&callee->memory);
    memory_refresh(&caller->memory);
    if (!l->result_spilled) {
        core_value moved[1] = {{.u64 = 0}};
        TRY(abi_move(type, callee, abi_flat(flat), caller, abi_flat(moved), e));
        values[0] = moved[0];
        return STATUS_OK;
    }
    uint8_t *ignored;
    TRY(memory_range(&callee->memory, flat[0].u32, type->size, type->align, "result", &ignored, e));
    TRY(memory_range(&caller->memory, return_pointer, type->size, type->align, "return area", &ignored, e));
    return abi_move(type, callee, abi_memory(flat[0].u32), caller, abi_memory(return_pointer), e);
}

static status call_guest_inside(const plan_trampoline *t, component_instance *i, core_value *values,
                                handle_lends *lends, err *e) {
    const plan_lift *lift = t->lift;
    abi_side caller WRIT_UNINITIALIZED;
    abi_side callee WRIT_UNINITIALIZED;
    handle_scope scope = {0};
    core_value flat[CTYPE_FLAT_PARAMS_MAX + 1] WRIT_UNINITIALIZED; // moving writes what is passed
    flat[0].u64 = 0;
    instance_side(i, t->instance, &t->options, t->types, &caller);
    instance_side(i, lift->instance, &lift->options, lift->types, &callee);
    caller.lends = lends;
    callee.scope = &scope;
    uint32_t return_pointer = trampoline_return_pointer(&t->layout, values);
    TRY(trampoline_move_params(&t->layout, &caller, values, &callee, flat, e));
    TRY(instance_call_core(i, lift, flat, e));
    core_value results[1] = {flat[0]}; // post-return gets what the function returned
    // Results go the other way; their resource types are numbered by the callee.
    TRY(trampoline_move_result(&lift->layout, &callee, flat, &caller, values, return_pointer, e));
    return instance_finish_call(i, lift, &scope, results, e);
}

static status call_guest(const plan_trampoline *t, component_instance *i, core_value *values, err *e) {
    handle_lends lends;
    handle_lends_init(&lends, &i->states[t->instance].handles);
    TRY(instance_enter(i, &t->entering, e));
    status s = call_guest_inside(t, i, values, &lends, e);
    handle_lends_done(&lends);
    TRY(s);
    instance_leave(i, &t->entering);
    return STATUS_OK;
}

// --- resource built-ins ------------------------------------------------------------------------------------

static status resource_new(const plan_trampoline *t, component_instance *i, core_value *values, err *e) {
    uint32_t index;
    TRY(handle_add(&i->states[t->instance].handles, t->resource, values[0].u32, NULL, &index, e));
    values[0].u64 = index;
    return STATUS_OK;
}

static status resource_rep(const plan_trampoline *t, component_instance *i, core_value *values, err *e) {
    handle *h;
    TRY(handle_get(&i->states[t->instance].handles, values[0].u32, t->resource, &h, e));
    values[0].u64 = (uint32_t)h->rep;
    return STATUS_OK;
}

static status call_destructor(const plan_trampoline *t, component_instance *i, uint32_t rep, err *e) {
    TRY(instance_enter(i, &t->entering, e));
    if (t->resource->destructor != HANDLE_NO_DESTRUCTOR) {
        const core_extern *func = &i->slots[t->resource->destructor];
        core_value v[1] = {{.u64 = rep}};
        if (func->kind != CORE_FUNC) {
            return err_set(e, STATUS_TRAP, "a destructor is called before its module was instantiated");
        }
        TRY(i->store->ops->call(i->store, func, v, 1, e));
    }
    instance_leave(i, &t->entering);
    return STATUS_OK;
}

static status drop_remote(const plan_trampoline *t, component_instance *i, uintptr_t rep, err *e) {
    host_call call WRIT_UNINITIALIZED;
    begin_host_call(t, i, &call);
    status s = bridge_drop(&call, t->resource, rep, e);
    handle_lends_done(&call.lends);
    arena_done(&call.arena);
    return s;
}

static status resource_drop(const plan_trampoline *t, component_instance *i, core_value *values, err *e) {
    handle dropped;
    TRY(handle_remove(&i->states[t->instance].handles, values[0].u32, t->resource, &dropped, e));
    if (!dropped.own) {
        return STATUS_OK;
    }
    if (t->resource->remote != NULL) {
        return drop_remote(t, i, dropped.rep, e);
    }
    if (t->resource->host != NULL) {
        abi_drop_host(t->resource, dropped.rep, i->context);
        return STATUS_OK;
    }
    return call_destructor(t, i, (uint32_t)dropped.rep, e);
}

// --- dispatch ----------------------------------------------------------------------------------------------

static status dispatch(const plan_trampoline *t, component_instance *i, core_value *values, err *e) {
    if (t->kind == PLAN_RESOURCE_REP) { // the only one that may run during realloc and post-return
        return resource_rep(t, i, values, e);
    }
    TRY(may_leave(i, t, e));
    switch (t->kind) {
    case PLAN_LOWER_HOST:
        return call_host(t, i, values, e);
    case PLAN_LOWER_GUEST:
        return call_guest(t, i, values, e);
    case PLAN_RESOURCE_NEW:
        return resource_new(t, i, values, e);
    default:
        return resource_drop(t, i, values, e);
    }
}

status trampoline_body(void *env, core_store *store, core_value *values, size_t count, err *e) {
    const plan_trampoline *t = env;
    (void)count; // the engine has checked the signature
    status s = dispatch(t, instance_of_store(store), values, e);
    if (WRIT_UNLIKELY(s != STATUS_OK) && s != STATUS_CANCELLED) {
        (void)err_wrap(e, "%.*s%s%.*s", SLICE_ARG(t->interface), t->interface.len > 0 ? " " : "",
                       SLICE_ARG(t->name));
    }
    return s;
}
