// SPDX-License-Identifier: Apache-2.0
#include "host/callee.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "capability/links.h"
#include "component/bridge.h"
#include "component/value_code.h"

enum { REASON_BYTES_MAX = ERR_MESSAGE_BYTES_MAX };

typedef struct callee_link { // one import of one workload
    uint32_t from;
    uint32_t to;
    slice label;                // of the import, where it has one
    const char *name;           // of the link
    struct callee_link *choice; // the next that the same import may go through, for one without a label
    bool is_choice;             // it is such a one, and bound to no import itself
    bool is_value_only;         // its functions have no resources
    bridge *bridge;
    const guest_place *place;  // of `to`; after callees_connect
    struct callee_link *first; // of the same two, which counts for all of them
    bool is_shared;            // others use `to` as well
    uint32_t running;          // instances of `to` for `from`, in this worker
} callee_link;

struct callees {
    callee_link **items; // each stays where it is: bridges refer to it
    size_t count;
};

typedef struct room {
    callee_link *link;
    const guest_place *place;
    bridge_callee *callee;
    core_store *store;
    wasi_instance *wasi;
    guest_turn turn;
    loop_timer deadline;
    uint64_t deadline_ns; // of the call; 0 = none
    core_store *caller;   // of the call
} room;

// --- one callee --------------------------------------------------------------------------------------------

static void on_turn(void *arg) {
    room *r = arg;
    bridge_callee_resume(r->callee);
}

static void on_wake(void *arg) {
    room *r = arg;
    guest_queue_add(r->place->queue, &r->turn);
}

static void on_deadline(void *arg) {
    room *r = arg;
    bridge_callee_give_up(r->callee, "past its deadline, while it waited");
}

static status fill_room(room *r, err *e) {
    const guest_place *p = r->place;
    TRY(engine_store_new(p->workload->engine, &p->workload->store_options, &r->store, e));
    wasi_instance_options o = {.workload = &p->workload->wasi,
                               .loop = p->loop,
                               .connector = p->connector,
                               .http = p->http,
                               .wake = on_wake,
                               .waker = r};
    return wasi_instance_new(&o, &r->wasi, e);
}

static void free_room(room *r) {
    guest_turn_cancel(&r->turn);
    loop_timer_stop(&r->deadline);
    wasi_instance_free(r->wasi);
    engine_store_free(r->store);
    r->link->running--;
    admission_give(&r->place->admission, ADMISSION_RUNNING);
    mem_free(r);
}

// A caller may keep no more instances than are left over for the others who use the component.
static status take_place(callee_link *l, err *e) {
    const admission *a = &l->place->admission;
    uint32_t max = l->place->workload->config->limits.instances_max;
    if (!admission_take(a, ADMISSION_RUNNING, max)) {
        return err_set(e, STATUS_LIMIT, "it runs %u instances already, which is its limit", max);
    }
    uint32_t total = admission_total(a, ADMISSION_RUNNING);
    if (l->is_shared && l->running > (total < max ? max - total : 0)) {
        admission_give(a, ADMISSION_RUNNING);
        return err_set(e, STATUS_LIMIT, "%u of its %u instances run for this caller, which is its share",
                       l->running, max);
    }
    l->running++;
    return STATUS_OK;
}

static status open_room(void *target, void *caller, bridge_callee *callee, bridge_room *ret, err *e) {
    (void)caller;
    callee_link *l = ((callee_link *)target)->first;
    const guest_place *p = l->place;
    TRY(take_place(l, e));
    room *r = MEM_NEW(room);
    r->link = l;
    r->place = p;
    r->callee = callee;
    guest_turn_init(&r->turn, on_turn, r);
    loop_timer_init(&r->deadline, p->loop, on_deadline, r);
    status s = fill_room(r, e);
    if (s != STATUS_OK) {
        free_room(r);
        return s;
    }
    *ret = (bridge_room){r->store, r->wasi, r};
    return STATUS_OK;
}

static void close_room(void *target, bridge_room *b) {
    (void)target;
    free_room(b->own);
}

// The same gate as for calls to drivers.
static status check_call(void *target, host_call *caller, err *e) {
    const callee_link *l = target;
    const slice name = slice_from_text(l->place->workload->config->name), link = slice_from_text(l->name);
    return wasi_call_check(wasi_of(caller), name, host_call_interface(caller), host_call_function(caller),
                           link, e);
}

// The instance may have chosen another link (wasmcloud:bus/lattice) for an import without a label.
static slice chosen_name(const callee_link *l, host_call *caller) {
    return l->label.len > 0 ? slice_from_text(l->name)
                            : wasi_link_chosen(wasi_of(caller), host_call_interface(caller));
}

static status choose_link(void *target, host_call *caller, bridge **ret, err *e) {
    const callee_link *l = target;
    if (l->label.len > 0) {
        return STATUS_OK;
    }
    slice interface = host_call_interface(caller), name = chosen_name(l, caller);
    while (l != NULL && !slice_equal_text(name, l->name)) {
        l = l->choice;
    }
    if (l == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "workload %.*s has no link named \"%.*s\" for %.*s",
                       SLICE_ARG(wasi_of(caller)->workload->name), SLICE_ARG(name), SLICE_ARG(interface));
    }
    *ret = l->bridge;
    return STATUS_OK;
}

// Another host of the lattice may have room, or be where the link leads that the instance chose: the link
// that takes every interface leads there.
static status call_elsewhere(void *target, host_call *caller, core_value *values, err *e) {
    const callee_link *l = target;
    const wasi_link *link;
    slice interface = host_call_interface(caller);
    slice name = chosen_name(l, caller);
    bool is_there =
        wasi_link_find_named(wasi_of(caller), interface, name, &link, e) == STATUS_OK && link->is_any;
    if (!is_there || !l->is_value_only) {
        return err_set(e, STATUS_UNSUPPORTED, "there is no other way");
    }
    return wasi_link_forward(caller, values, e);
}

static uint64_t earlier(uint64_t a, uint64_t b) { return a == 0 || (b != 0 && b < a) ? b : a; }

static status begin_call(void *target, bridge_room *b, host_call *caller, err *e) {
    (void)target, (void)e;
    room *r = b->own;
    const workload *w = r->place->workload;
    uint64_t own = w->wall_ns_max == 0 ? 0 : loop_now_fresh_ns(r->place->loop) + w->wall_ns_max;
    r->deadline_ns = earlier(own, engine_store_deadline_ns(host_call_store(caller)));
    r->caller = host_call_store(caller);
    engine_store_budget(r->store, earlier(w->cpu_ns_max, engine_store_cpu_left_ns(r->caller)),
                        r->deadline_ns);
    cell_add(&r->place->cell->requests, 1);
    return STATUS_OK;
}

static void end_call(void *target, bridge_room *b) {
    (void)target;
    room *r = b->own;
    loop_timer_stop(&r->deadline);
    cell_add(&r->place->cell->cpu_ns, engine_store_cpu_ns(r->store));
    engine_store_charge(r->caller, engine_store_spent_ns(r->store));
}

static void left_unfinished(void *target, bridge_room *b) {
    (void)target;
    room *r = b->own;
    if (r->deadline_ns != 0) {
        loop_timer_start_at(&r->deadline, r->deadline_ns);
    }
    if (engine_store_is_runnable(r->store)) {
        guest_queue_add(r->place->queue, &r->turn);
    }
}

static bool is_timeout(engine_stop stop) { return stop == ENGINE_STOP_CPU || stop == ENGINE_STOP_DEADLINE; }

static void describe(const room *r, engine_stop stop, const err *e, char text[REASON_BYTES_MAX]) {
    const engine_trap *trap = engine_store_trap(r->store);
    if (r->wasi->has_exited) {
        (void)snprintf(text, REASON_BYTES_MAX, "it ended itself with exit status %u", r->wasi->exit_code);
    } else if (stop != ENGINE_STOP_NONE && stop != ENGINE_STOP_CANCELLED) {
        (void)snprintf(text, REASON_BYTES_MAX, "%s", engine_stop_name(stop));
    } else if (trap->kind != ENGINE_TRAP_NONE) {
        (void)snprintf(text, REASON_BYTES_MAX, "%s", trap->message);
    } else {
        (void)snprintf(text, REASON_BYTES_MAX, "%s", e->message);
    }
}

// The callee's own log has all there is to say, its functions too; the caller gets the reason.
static void explain(void *target, const bridge_room *b, err *e) {
    (void)target;
    const room *r = b->own;
    const workload *w = r->place->workload;
    engine_stop stop = engine_store_stop(r->store);
    const engine_trap *trap = engine_store_trap(r->store);
    char text[REASON_BYTES_MAX], full[REASON_BYTES_MAX * 2];
    describe(r, stop, e, text);
    bool is_late = is_timeout(stop) || e->code == STATUS_TIMEOUT;
    cell_add(is_late ? &r->place->cell->timeouts : &r->place->cell->traps, 1);
    (void)snprintf(full, sizeof full, "%s", text);
    if (trap->kind != ENGINE_TRAP_NONE && stop == ENGINE_STOP_NONE && !r->wasi->has_exited) {
        engine_trap_format(trap, full, sizeof full);
    }
    logger_guest_event(w->logger, LOG_ERROR, is_late ? "timeout" : "trap",
                       LOG_FIELDS(LOG_TEXT("reason", slice_from_text(full))),
                       "called by another workload: %s", full);
    err_set(e, e->code, "%s", text);
}

static status wait_for_it(host_call *caller, err *e) { return wasi_instance_suspend(caller, e); }
static void wake_caller(void *caller) { wasi_instance_wake(caller); }

static const bridge_ops ops = {
    .open = open_room,
    .close = close_room,
    .check = check_call,
    .begin = begin_call,
    .end = end_call,
    .unfinished = left_unfinished,
    .explain = explain,
    .wait = wait_for_it,
    .wake = wake_caller,
    .choose = choose_link,
    .elsewhere = call_elsewhere,
};

// --- all of them -------------------------------------------------------------------------------------------

typedef struct adder {
    callees *all;
    const host_config *config;
    const component *const *components;
    uint32_t from;
} adder;

static bool has_values_only(const host_interface *h) {
    bool is = h->resource_count == 0;
    for (uint32_t i = 0; i < h->func_count && is; i++) {
        is = value_code_check(h->funcs[i].type, NULL) == STATUS_OK;
    }
    return is;
}

static status add_link(adder *a, const host_callee *h, const component_item *import, callee_link **ret,
                       err *e) {
    const char *from = a->config->workloads[a->from].name;
    slice interface = component_item_interface(import);
    uint32_t to = host_config_find(a->config, slice_from_text(h->workload));
    if (to == HOST_WORKLOADS_MAX) {
        return err_set(e, STATUS_INVALID,
                       "workload \"%s\" is to call \"%s\" for %.*s, which this host does not run", from,
                       h->workload, SLICE_ARG(interface));
    }
    callee_link *l = MEM_NEW(callee_link);
    callees *c = a->all;
    c->items = mem_resize(c->items, (c->count + 1) * sizeof *c->items);
    c->items[c->count++] = l;
    l->from = a->from;
    l->to = to;
    l->label = component_item_label(import);
    l->name = h->link;
    bridge_options o = {.name = slice_from_text(a->config->workloads[to].name),
                        .component = a->components[to],
                        .interface = interface,
                        .ops = &ops,
                        .target = l};
    *ret = l;
    status s = bridge_new(&o, &l->bridge, e);
    l->is_value_only = s == STATUS_OK && has_values_only(bridge_interface(l->bridge));
    return s == STATUS_OK ? s : err_wrap(e, "workload \"%s\"", from);
}

static bool is_for_a_label(const component *c, const host_callee *h) {
    for (size_t i = 0; i < component_import_count(c); i++) {
        const component_item *item = component_import_at(c, i);
        slice name;
        semver version;
        (void)component_name_split(component_item_interface(item), &name, &version);
        if (slice_equal_text(name, h->interface) && slice_equal_text(component_item_label(item), h->link)) {
            return true;
        }
    }
    return false;
}

// Links of the same interface under other names, which an instance may choose.
static status add_choices(adder *a, callee_link *first, const host_callee *of, const component_item *import,
                          err *e) {
    const workload_config *w = &a->config->workloads[a->from];
    callee_link **end = &first->choice;
    for (size_t i = 0; i < w->callee_count; i++) {
        const host_callee *h = &w->callees[i];
        if (h != of && strcmp(h->interface, of->interface) == 0) {
            TRY(add_link(a, h, import, end, e));
            (*end)->is_choice = true;
            status s = bridge_alternative(first->bridge, (*end)->bridge, e);
            if (s == STATUS_UNSUPPORTED && is_for_a_label(a->components[a->from], h)) {
                *end = NULL; // what has a name of its own need not be chosen
                continue;
            }
            if (s != STATUS_OK) {
                return err_wrap(e, "workload \"%s\", link \"%s\"", w->name, h->link);
            }
            end = &(*end)->choice;
        }
    }
    return STATUS_OK;
}

static status add_links_of(adder *a, err *e) {
    const component *x = a->components[a->from];
    for (size_t i = 0; i < component_import_count(x); i++) {
        const component_item *item = component_import_at(x, i);
        slice name, label = component_item_label(item);
        semver version;
        (void)component_name_split(component_item_interface(item), &name, &version);
        const host_callee *h = workload_config_import(&a->config->workloads[a->from], name, label);
        callee_link *l;
        if (h != NULL && item->kind == COMPONENT_INSTANCE) {
            TRY(add_link(a, h, item, &l, e));
            if (label.len == 0) {
                TRY(add_choices(a, l, h, item, e));
            }
        }
    }
    return STATUS_OK;
}

status callees_new(const host_config *config, const component *const *components, callees **ret, err *e) {
    callees *c = MEM_NEW(callees);
    for (uint32_t i = 0; i < config->workload_count; i++) {
        adder a = {c, config, components, i};
        status s = add_links_of(&a, e);
        if (s != STATUS_OK) {
            callees_free(c);
            return s;
        }
    }
    *ret = c;
    return STATUS_OK;
}

status callees_check(const host_config *config, const component *const *components, uint32_t from, err *e) {
    adder a = {MEM_NEW(callees), config, components, from};
    status s = add_links_of(&a, e);
    callees_free(a.all);
    return s;
}

void callees_free(callees *c) {
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->count; i++) {
        bridge_free(c->items[i]->bridge);
        mem_free(c->items[i]);
    }
    mem_free(c->items);
    mem_free(c);
}

void callees_offer(const callees *c, uint32_t from, grants *g) {
    for (size_t i = 0; i < c->count; i++) {
        const callee_link *l = c->items[i];
        if (l->from == from && !l->is_choice) {
            grants_bind_callee(g, bridge_interface(l->bridge), l->label);
        }
    }
}

// They are in the order of their callers.
static callee_link *first_of(const callees *c, size_t at) {
    const callee_link *l = c->items[at];
    size_t first = at;
    for (size_t i = at; i-- > 0 && c->items[i]->from == l->from;) {
        first = c->items[i]->to == l->to ? i : first;
    }
    return c->items[first];
}

// By callee: who calls it, from 1; several are USED_BY_MANY.
enum { USED_BY_MANY = UINT32_MAX };
static uint32_t *find_users(const callees *c) {
    uint32_t *users = mem_calloc(HOST_WORKLOADS_MAX, sizeof *users);
    for (size_t i = 0; i < c->count; i++) {
        const callee_link *l = c->items[i];
        uint32_t *u = &users[l->to];
        *u = *u == 0 || *u == l->from + 1 ? l->from + 1 : USED_BY_MANY;
    }
    return users;
}

static void find_others(callees *c, const guest_place *places) {
    uint32_t *users = find_users(c);
    for (size_t i = 0; i < c->count; i++) {
        callee_link *l = c->items[i];
        const workload_config *to = places[l->to].workload->config;
        l->place = &places[l->to];
        l->first = first_of(c, i);
        l->is_shared = users[l->to] == USED_BY_MANY || to->route_count > 0;
    }
    mem_free(users);
}

status callees_connect(callees *c, const guest_place *places, err *e) {
    find_others(c, places);
    for (size_t i = 0; i < c->count; i++) {
        const callee_link *l = c->items[i];
        TRY(bridge_connect(l->bridge, l->place->workload->program, e));
    }
    return STATUS_OK;
}
