// SPDX-License-Identifier: Apache-2.0
// The life of a callee. Its task is one loop: wait for a call, move the parameters in, call, leave the result
// standing, and once the caller has taken it (on its own fiber, where its realloc runs) call post-return.
// A fiber of its own that stays between calls costs two switches for a call and nothing to set up.
#include "component/bridge.h"

#include "base/check.h"
#include "base/mem.h"
#include "component/abi_internal.h"
#include "component/bridge_internal.h"
#include "component/host_call.h"
#include "component/program.h"

typedef enum callee_phase {
    CALLEE_READY,   // for a call; the last one's result may still stand
    CALLEE_BUSY,    // with a call, or with what follows it
    CALLEE_RESULTS, // have to be taken before post-return
    CALLEE_ENDED,   // `e` says why; its task is over
} callee_phase;

struct bridge_callee {
    bridge_callee *next; // of the same caller
    bridge *bridge;
    component_instance *caller;
    bridge_room room;
    core_task *task;
    component_instance *instance;
    callee_phase phase;
    bool caller_waits;
    abi_remote remote;
    // The call: of a function, or of the destructor of a resource.
    const bridge_func *func;
    const handle_type *dropped; // in the numbering of the callee; NULL: a function
    uint32_t dropped_rep;
    host_call *call; // on the caller's stack
    core_value *values;
    bool caller_failed; // the parameters could not be read
    abi_side side;
    handle_scope scope;
    core_value flat[CTYPE_FLAT_PARAMS_MAX + 1];
    status result;
    err e;
};

// --- the callee's fiber ------------------------------------------------------------------------------------

// Until the caller wants something again.
static status stand_by(bridge_callee *c, callee_phase phase, err *e) {
    core_store *s = c->room.store;
    c->phase = phase;
    while (c->phase != CALLEE_BUSY) {
        TRY(s->ops->suspend(s, e));
    }
    return STATUS_OK;
}

static status move_in(bridge_callee *c, err *e) {
    host_call *call = c->call;
    status s = trampoline_move_params(&call->func->layout, &call->side, c->values, &c->side, c->flat, e);
    c->caller_failed = s == STATUS_TRAP && !c->side.memory.has_failed;
    return s;
}

static status perform(bridge_callee *c, err *e) {
    const component_func *f = c->func->callee;
    const plan_lift *lift = f->lift;
    component_instance *i = c->instance;
    instance_side(i, lift->instance, &lift->options, f->types, &c->side);
    c->scope = (handle_scope){0};
    c->side.scope = &c->scope;
    c->remote.types = f->types;
    c->side.remote = &c->remote;
    TRY(instance_enter(i, &f->entering, e));
    TRY(move_in(c, e));
    TRY(instance_call_core(i, lift, c->flat, e));
    core_value results[1] = {c->flat[0]};
    if (lift->post_return != PLAN_NONE) {
        TRY(stand_by(c, CALLEE_RESULTS, e));
    }
    TRY(instance_finish_call(i, lift, &c->scope, results, e));
    instance_leave(i, &f->entering);
    return STATUS_OK;
}

// Inside a callee that is made of several components the destructor must not come back to where it is.
static void mark_entered(component_instance *i, uint32_t instance, bool is_entered) {
    for (uint32_t k = instance; k != PLAN_NONE; k = i->program->plan.parents[k]) {
        i->states[k].may_enter = !is_entered;
    }
}

static status destroy(bridge_callee *c, err *e) {
    component_instance *i = c->instance;
    const core_extern *func = &i->slots[c->dropped->destructor];
    core_value values[1] = {{.u64 = c->dropped_rep}};
    if (func->kind != CORE_FUNC) {
        return err_set(e, STATUS_TRAP, "a destructor is called before its module was instantiated");
    }
    mark_entered(i, c->dropped->instance, true);
    TRY(i->store->ops->call(i->store, func, values, 1, e));
    mark_entered(i, c->dropped->instance, false);
    return STATUS_OK;
}

static status live(bridge_callee *c, err *e) {
    TRY(instance_new(c->bridge->program, c->room.store, c->room.context, c->caller->depth + 1, &c->instance,
                     e));
    for (;;) {
        TRY(c->dropped != NULL ? destroy(c, e) : perform(c, e));
        TRY(stand_by(c, CALLEE_READY, e));
    }
}

static void callee_body(core_store *store, void *arg) {
    (void)store;
    bridge_callee *c = arg;
    c->result = live(c, &c->e);
    c->phase = CALLEE_ENDED;
}

// --- making and ending -------------------------------------------------------------------------------------

static void callee_free(bridge_callee *c) {
    const bridge_options *o = &c->bridge->options;
    c->room.store->ops->task_free(c->task);
    component_instance_free(c->instance);
    o->ops->close(o->target, &c->room);
    mem_free(c);
}

static void callee_end(bridge_callee *c) {
    bridge_callee **at = &c->caller->callees;
    while (*at != c) {
        at = &(*at)->next;
    }
    *at = c->next;
    callee_free(c);
}

void bridge_callees_free(component_instance *caller) {
    while (caller->callees != NULL) {
        callee_end(caller->callees);
    }
}

static status callee_new(component_instance *caller, bridge *b, bridge_callee **ret, bool *ret_is_full,
                         err *e) {
    const bridge_options *o = &b->options;
    if (caller->generation == UINT32_MAX) {
        return err_set(e, STATUS_LIMIT, "too many instances of other components have failed");
    }
    if (caller->depth + 1 >= BRIDGE_DEPTH_MAX) {
        return err_set(e, STATUS_LIMIT, "components have called each other to a depth of %d, the limit",
                       BRIDGE_DEPTH_MAX);
    }
    bridge_callee *c = MEM_NEW(bridge_callee);
    c->bridge = b;
    c->caller = caller;
    c->remote.generation = ++caller->generation;
    status s = o->ops->open(o->target, caller->context, c, &c->room, e);
    if (s != STATUS_OK) {
        *ret_is_full = s == STATUS_LIMIT;
        mem_free(c);
        return s;
    }
    s = c->room.store->ops->task_new(c->room.store, callee_body, c, &c->task, e);
    if (s != STATUS_OK) {
        callee_free(c);
        return s;
    }
    c->next = caller->callees;
    caller->callees = c;
    *ret = c;
    return STATUS_OK;
}

// --- the caller's fiber ------------------------------------------------------------------------------------

static status callee_find(component_instance *caller, bridge *b, bridge_callee **ret, bool *ret_is_full,
                          err *e) {
    bridge_callee *c = caller->callees;
    while (c != NULL && c->bridge->program != b->program) { // several interfaces of it are one instance
        c = c->next;
    }
    if (c == NULL) {
        return callee_new(caller, b, ret, ret_is_full, e);
    }
    if (c->phase != CALLEE_READY) {
        return err_set(e, STATUS_TRAP, "a call of it is still running");
    }
    *ret = c;
    return STATUS_OK;
}

// Until it stands by or has ended. Any other status than STATUS_OK is about the caller.
static status run(bridge_callee *c, err *e) {
    const bridge_options *o = &c->bridge->options;
    core_store *caller = c->caller->store;
    c->phase = CALLEE_BUSY;
    (void)caller->ops->task_resume_within(caller, c->task);
    status s = STATUS_OK;
    while (c->phase == CALLEE_BUSY && s == STATUS_OK) {
        o->ops->unfinished(o->target, &c->room);
        c->caller_waits = true;
        s = o->ops->wait(c->call, e);
        c->caller_waits = false;
    }
    return s;
}

void bridge_callee_resume(bridge_callee *c) {
    const bridge_options *o = &c->bridge->options;
    if (c->phase != CALLEE_BUSY || !c->caller_waits) {
        return;
    }
    (void)c->room.store->ops->task_resume(c->task);
    if (c->phase == CALLEE_BUSY) {
        o->ops->unfinished(o->target, &c->room);
    } else {
        o->ops->wake(c->caller->context);
    }
}

void bridge_callee_give_up(bridge_callee *c, const char *why) {
    if (c->phase != CALLEE_BUSY || !c->caller_waits) {
        return;
    }
    c->room.store->ops->task_free(c->task); // unwinds it
    c->task = NULL;
    c->phase = CALLEE_ENDED;
    c->result = err_set(&c->e, STATUS_TIMEOUT, "%s", why);
    c->bridge->options.ops->wake(c->caller->context);
}

typedef enum blame { BLAME_CALLEE, BLAME_CALLER, BLAME_ROOM } blame;

static status take_result(bridge_callee *c, uint32_t return_pointer, blame *ret, err *e) {
    host_call *call = c->call;
    status s = trampoline_move_result(&call->func->layout, &c->side, c->flat, &call->side, c->values,
                                      return_pointer, e);
    *ret = s == STATUS_CANCELLED || call->side.memory.has_failed ? BLAME_CALLER : BLAME_CALLEE;
    return s;
}

static status reason_of_end(bridge_callee *c, blame *ret, err *e) {
    const bridge_options *o = &c->bridge->options;
    *ret = c->caller_failed ? BLAME_CALLER : BLAME_CALLEE;
    *e = c->e;
    if (!c->caller_failed) {
        o->ops->explain(o->target, &c->room, e);
    }
    return c->result;
}

static status call_callee(bridge_callee *c, blame *ret, err *e) {
    uint32_t return_pointer = trampoline_return_pointer(&c->call->func->layout, c->values);
    *ret = BLAME_CALLER;
    TRY(run(c, e));
    if (c->phase == CALLEE_ENDED) {
        return reason_of_end(c, ret, e);
    }
    TRY(take_result(c, return_pointer, ret, e));
    if (c->phase == CALLEE_RESULTS) {
        *ret = BLAME_CALLER;
        TRY(run(c, e));
    }
    return c->phase == CALLEE_ENDED ? reason_of_end(c, ret, e) : STATUS_OK;
}

static status call_remote_inside(host_call *call, bridge *b, const bridge_func *f, core_value *values,
                                 blame *ret, err *e) {
    const bridge_options *o = &b->options;
    bridge_callee *c = NULL;
    *ret = BLAME_CALLEE;
    if (o->ops->check != NULL) {
        TRY(o->ops->check(o->target, call, e));
    }
    bool is_full = false;
    status found = callee_find(call->instance, b, &c, &is_full, e);
    *ret = is_full ? BLAME_ROOM : *ret;
    TRY(found);
    c->func = f;
    c->dropped = NULL;
    c->call = call;
    c->values = values;
    c->caller_failed = false;
    TRY(o->ops->begin(o->target, &c->room, call, e)); // this instance may do for the next call
    status s = call_callee(c, ret, e);
    o->ops->end(o->target, &c->room);
    if (s != STATUS_OK) {
        callee_end(c);
    }
    return s;
}

static status choose(host_call *call, bridge **b, const bridge_func **f, err *e) {
    const bridge_options *o = &(*b)->options;
    bridge *chosen = *b;
    if (o->ops->choose == NULL) {
        return STATUS_OK;
    }
    TRY(o->ops->choose(o->target, call, &chosen, e));
    if (chosen != *b) {
        *f = &chosen->funcs[chosen->numbers[*f - (*b)->funcs]];
        *b = chosen;
    }
    return STATUS_OK;
}

// The body of every function of a bridge.
status bridge_call(host_call *call, core_value *values, err *e) {
    bridge *b = (bridge *)(uintptr_t)((const char *)call->func->from - offsetof(bridge, host));
    const bridge_func *f = &b->funcs[call->func->host - b->host_funcs];
    uint32_t return_pointer = trampoline_return_pointer(&call->func->layout, values);
    status s = choose(call, &b, &f, e);
    blame at = s == STATUS_NOT_FOUND ? BLAME_ROOM : BLAME_CALLEE; // whom it chose may be elsewhere
    if (s == STATUS_OK) {
        s = call_remote_inside(call, b, f, values, &at, e);
    }
    if (WRIT_LIKELY(s == STATUS_OK) || s == STATUS_CANCELLED || at == BLAME_CALLER) {
        return s;
    }
    if (at == BLAME_ROOM && b->options.ops->elsewhere != NULL) {
        err why;
        status elsewhere = b->options.ops->elsewhere(b->options.target, call, values, &why);
        if (elsewhere == STATUS_OK) {
            return elsewhere;
        }
        *e = elsewhere == STATUS_UNSUPPORTED ? *e : why;
        s = elsewhere == STATUS_UNSUPPORTED ? s : elsewhere;
        if (s == STATUS_CANCELLED) {
            return s;
        }
    }
    if (f->failure.kind == BRIDGE_FAILURE_NONE) {
        return err_wrap(e, "%.*s", SLICE_ARG(b->options.name)); // who calls adds the function
    }
    (void)err_wrap(e, "%.*s: %.*s %.*s", SLICE_ARG(b->options.name), SLICE_ARG(b->host.name),
                   SLICE_ARG(call->func->name));
    return bridge_failure_lower(&f->failure, call, slice_from_text(e->message), values, return_pointer, e);
}

status bridge_drop(host_call *call, const handle_type *type, uintptr_t rep, err *e) {
    bridge_callee *c = call->instance->callees;
    while (c != NULL &&
           (c->bridge->options.component != type->remote || c->remote.generation != (uint32_t)(rep >> 32))) {
        c = c->next;
    }
    if (c == NULL || c->phase != CALLEE_READY) {
        return STATUS_OK;
    }
    const bridge_options *o = &c->bridge->options;
    c->dropped = c->remote.types[type->host->index];
    c->dropped_rep = (uint32_t)rep;
    c->call = call;
    err ignored;
    if (c->dropped->destructor == HANDLE_NO_DESTRUCTOR ||
        o->ops->begin(o->target, &c->room, call, &ignored) != STATUS_OK) {
        return STATUS_OK;
    }
    status s = run(c, e);
    if (s == STATUS_OK && c->phase == CALLEE_ENDED) {
        o->ops->explain(o->target, &c->room, &c->e);
    }
    o->ops->end(o->target, &c->room);
    if (s != STATUS_OK || c->phase == CALLEE_ENDED) {
        callee_end(c);
    }
    return s;
}
