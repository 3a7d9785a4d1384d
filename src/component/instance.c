// SPDX-License-Identifier: Apache-2.0
// Executing the plan and calling exports. What a request costs is here and in trampoline.c.
#include "component/abi_internal.h"
#include "component/program.h"

#include "base/check.h"
#include "base/mem.h"
#include "component/bridge_internal.h"

enum { UNFILLED = 0xff }; // kind of a slot that no step has filled yet

// --- calls -------------------------------------------------------------------------------------------------

// On the path of every call out of a component, so it writes each field once.
void instance_side(component_instance *i, uint32_t instance, const plan_options *options,
                   const handle_type *const *types, abi_side *ret) {
    instance_state *state = &i->states[instance];
    ret->memory.store = i->store;
    ret->memory.memory = instance_slot(i, options->memory);
    ret->memory.realloc = instance_slot(i, options->realloc);
    ret->memory.may_leave = &state->may_leave;
    ret->memory.encoding = options->encoding;
    ret->memory.work = 0;
    ret->memory.has_failed = false;
    ret->handles = &state->handles;
    ret->instance = instance;
    ret->types = types;
    ret->lends = NULL;
    ret->scope = NULL;
    ret->context = i->context;
    ret->remote = NULL;
    memory_refresh(&ret->memory);
}

status instance_enter(component_instance *i, const plan_entering *entering, err *e) {
    for (uint32_t k = 0; k < entering->count; k++) {
        if (!i->states[entering->instances[k]].may_enter) {
            return err_set(e, STATUS_TRAP,
                           "cannot enter component instance: a call into it is still running");
        }
    }
    for (uint32_t k = 0; k < entering->count; k++) {
        i->states[entering->instances[k]].may_enter = false;
    }
    return STATUS_OK;
}

void instance_leave(component_instance *i, const plan_entering *entering) {
    for (uint32_t k = 0; k < entering->count; k++) {
        i->states[entering->instances[k]].may_enter = true;
    }
}

static status call_slot(component_instance *i, uint32_t slot, core_value *values, uint32_t count, err *e) {
    const core_extern *func = &i->slots[slot];
    if (func->kind != CORE_FUNC) {
        return err_set(e, STATUS_TRAP, "a core function is called before its module was instantiated");
    }
    return i->store->ops->call(i->store, func, values, count, e);
}

status instance_call_core(component_instance *i, const plan_lift *lift, core_value *values, err *e) {
    return call_slot(i, lift->callee, values, lift->core_values, e);
}

status instance_finish_call(component_instance *i, const plan_lift *lift, const handle_scope *scope,
                            const core_value *results, err *e) {
    if (scope->borrow_count != 0) {
        return err_set(e, STATUS_TRAP, "borrow handles still remain at the end of the call (%u)",
                       scope->borrow_count);
    }
    if (lift->post_return == PLAN_NONE) {
        return STATUS_OK;
    }
    core_value values[1] = {results[0]};
    instance_state *state = &i->states[lift->instance];
    state->may_leave = false;
    status s = call_slot(i, lift->post_return, values, lift->layout.type->result == NULL ? 0 : 1, e);
    state->may_leave = true;
    return s;
}

// --- instantiation -----------------------------------------------------------------------------------------

static status fill_exports(component_instance *i, const plan_step *s, err *e) {
    const core_instance *core = &i->cores[s->core->number];
    for (const plan_export *x = s->exports; x != NULL; x = x->next) {
        if (!i->store->ops->export_at(i->store, core, x->position, &i->slots[x->slot])) {
            return err_set(e, STATUS_INTERNAL, "the engine does not know export %u of a core module",
                           x->position);
        }
    }
    return STATUS_OK;
}

static status instantiate_with_slots(component_instance *i, const plan_step *s, core_instance *ret, err *e) {
    core_extern few[32];
    core_extern *imports = few;
    if (s->import_count > sizeof few / sizeof few[0]) {
        imports = mem_calloc(s->import_count, sizeof *imports);
    }
    status made = STATUS_OK;
    for (uint32_t k = 0; k < s->import_count && made == STATUS_OK; k++) {
        if (s->import_slots[k] == PLAN_NONE) {
            made = i->store->ops->host_func_extern(i->store, s->imports[k].trampoline->func, &imports[k], e);
        } else {
            imports[k] = i->slots[s->import_slots[k]];
        }
    }
    if (made == STATUS_OK) {
        made = i->store->ops->instantiate(i->store, s->module, imports, s->import_count, ret, e);
    }
    if (imports != few) {
        mem_free(imports);
    }
    return made;
}

static status run_step(component_instance *i, const plan_step *s, err *e) {
    switch (s->kind) {
    case PLAN_HOST_FUNCTION:
        return i->store->ops->host_func_extern(i->store, s->trampoline->func, &i->slots[s->trampoline->slot],
                                               e);
    case PLAN_CALL:
        return call_slot(i, s->slot, NULL, 0, e);
    case PLAN_INSTANTIATE:
        break;
    }
    core_instance *core = &i->cores[s->core->number];
    if (s->template_ != NULL) {
        TRY(i->store->ops->template_instantiate(i->store, s->template_, core, e));
    } else {
        TRY(instantiate_with_slots(i, s, core, e));
    }
    return fill_exports(i, s, e);
}

// One block for everything whose size the plan knows.
static component_instance *allocate_instance(const component_program *p) {
    const plan *all = &p->plan;
    size_t bytes = sizeof(component_instance) + all->instance_count * sizeof(instance_state) +
                   all->slot_count * sizeof(core_extern) + all->core_count * sizeof(core_instance);
    component_instance *i = mem_zalloc(bytes);
    i->program = p;
    i->slots = (core_extern *)(void *)(i + 1);
    i->cores = (core_instance *)(void *)(i->slots + all->slot_count);
    i->states = (instance_state *)(void *)(i->cores + all->core_count);
    for (uint32_t k = 0; k < all->slot_count; k++) {
        i->slots[k].kind = (core_extern_kind)UNFILLED;
    }
    for (uint32_t k = 0; k < all->instance_count; k++) {
        handle_table_init(&i->states[k].handles, p->handles_max);
        i->states[k].may_leave = true;
        i->states[k].may_enter = true;
    }
    return i;
}

status component_instantiate(const component_program *p, core_store *store, void *context,
                             component_instance **ret, err *e) {
    return instance_new(p, store, context, 0, ret, e);
}

status instance_new(const component_program *p, core_store *store, void *context, uint32_t depth,
                    component_instance **ret, err *e) {
    component_instance *i = allocate_instance(p);
    i->store = store;
    i->depth = depth;
    i->context = context;
    void *owner_before = store->owner;
    store->owner = i;
    for (const plan_step *s = p->plan.steps; s != NULL; s = s->next) {
        if (s->skipped) {
            continue;
        }
        status done = run_step(i, s, e);
        if (done != STATUS_OK) {
            i->poisoned = true;
            component_instance_free(i);
            store->owner = owner_before;
            return done;
        }
    }
    *ret = i;
    return STATUS_OK;
}

static void drop_host_objects(component_instance *i, handle_table *t) {
    for (uint32_t k = 1; k < t->count; k++) {
        const handle *h = &t->items[k];
        if (h->type != NULL && h->own) {
            abi_drop_host(h->type, h->rep, i->context);
        }
    }
}

void component_instance_free(component_instance *i) {
    if (i == NULL) {
        return;
    }
    bridge_callees_free(i);
    for (uint32_t k = 0; k < i->program->plan.instance_count; k++) {
        drop_host_objects(i, &i->states[k].handles);
        handle_table_done(&i->states[k].handles);
    }
    if (i->store->owner == i) {
        i->store->owner = NULL;
    }
    mem_free(i);
}

// --- calling an export -------------------------------------------------------------------------------------

// Where parameter `k` goes.
static abi_place param_place(const abi_layout *l, core_value *flat, uint32_t tuple, uint32_t k,
                             uint32_t *flat_at) {
    if (l->params_spilled) {
        return abi_memory(tuple + l->offsets[k]);
    }
    abi_place p = abi_flat(flat + *flat_at);
    *flat_at += l->type->params[k].type->flat_count;
    return p;
}

static status lower_args(const component_func *f, const component_value *args, abi_side *to, core_value *flat,
                         uint32_t *consumed, err *e) {
    const abi_layout *l = &f->layout;
    uint32_t tuple = 0;
    if (l->params_spilled) {
        uint8_t *ignored;
        TRY(memory_alloc(&to->memory, l->align, l->size, "parameters", &tuple, &ignored, e));
        flat[0].u64 = tuple;
    }
    uint32_t flat_at = 0;
    for (uint32_t k = 0; k < l->type->param_count; k++) {
        abi_place place = param_place(l, flat, tuple, k, &flat_at);
        status s = abi_lower(l->type->params[k].type, &args[k], to, place, consumed, e);
        if (s != STATUS_OK) {
            return err_wrap(e, "argument %u", k + 1);
        }
    }
    return STATUS_OK;
}

static void drop_args(const component_func *f, const component_value *args, size_t count,
                      const abi_side *side, uint32_t consumed) {
    for (uint32_t k = 0; k < f->type->param_count && k < count; k++) {
        abi_value_drop(f->type->params[k].type, &args[k], side, &consumed);
    }
}

static status lift_result(const component_func *f, abi_side *from, core_value *flat, arena *a,
                          component_value *ret, err *e) {
    const ctype *t = f->type->result;
    abi_place source = abi_flat(flat);
    if (f->layout.result_spilled) {
        uint8_t *ignored;
        TRY(memory_range(&from->memory, flat[0].u32, t->size, t->align, "result", &ignored, e));
        source = abi_memory(flat[0].u32);
    }
    component_value v;
    memset(&v, 0, sizeof v);
    status s = abi_lift(t, from, source, a, &v, e);
    if (s != STATUS_OK) {
        uint32_t skip = 0;
        abi_value_drop(t, &v, from, &skip);
        return s;
    }
    *ret = v;
    return STATUS_OK;
}

// From entering to leaving. On failure nothing is put back: the instance does not run again.
static status call_inside(component_instance *i, const component_func *f, const component_value *args,
                          abi_side *side, uint32_t *consumed, component_value *ret, arena *a, err *e) {
    core_value flat[CTYPE_FLAT_PARAMS_MAX + 1];
    memset(flat, 0, sizeof flat);
    TRY(instance_enter(i, &f->entering, e));
    TRY(lower_args(f, args, side, flat, consumed, e));
    TRY(instance_call_core(i, f->lift, flat, e));
    if (f->type->result != NULL) {
        memory_refresh(&side->memory);
        TRY(lift_result(f, side, flat, a, ret, e));
    }
    status s = instance_finish_call(i, f->lift, side->scope, flat, e);
    if (s != STATUS_OK && f->type->result != NULL) {
        uint32_t skip = 0;
        abi_value_drop(f->type->result, ret, side, &skip);
    }
    TRY(s);
    instance_leave(i, &f->entering);
    return STATUS_OK;
}

static status check_call(const component_instance *i, const component_func *f, size_t arg_count, err *e) {
    if (i->poisoned) {
        return err_set(e, STATUS_TRAP, "cannot enter component instance: it has trapped before");
    }
    if (f->lift == NULL) {
        return err_set(e, STATUS_UNSUPPORTED,
                       "an import that is exported again cannot be called by the host");
    }
    if (arg_count != f->type->param_count) {
        return err_set(e, STATUS_INVALID, "the function takes %u arguments, not %zu", f->type->param_count,
                       arg_count);
    }
    return STATUS_OK;
}

status component_call(component_instance *i, const component_func *f, const component_value *args,
                      size_t arg_count, component_value *ret, arena *a, err *e) {
    abi_side side;
    handle_scope scope = {0};
    uint32_t consumed = 0;
    status s = check_call(i, f, arg_count, e);
    if (f->lift == NULL) {
        return s;
    }
    instance_side(i, f->lift->instance, &f->lift->options, f->types, &side);
    side.scope = &scope;
    if (s == STATUS_OK) {
        void *owner_before = i->store->owner;
        i->store->owner = i; // several components may take turns in one store
        s = call_inside(i, f, args, &side, &consumed, ret, a, e);
        i->store->owner = owner_before == NULL ? i : owner_before;
        i->poisoned = s != STATUS_OK;
    }
    if (s != STATUS_OK) {
        drop_args(f, args, arg_count, &side, consumed);
        if (f->name.len > 0) {
            (void)err_wrap(e, "%.*s%s%.*s", SLICE_ARG(f->interface), f->interface.len > 0 ? " " : "",
                           SLICE_ARG(f->name));
        }
    }
    return s;
}
