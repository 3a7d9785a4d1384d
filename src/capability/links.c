// SPDX-License-Identifier: Apache-2.0
#include "capability/links.h"

#include "base/mem.h"
#include "loop/loop.h"
#include "policy/gate.h"

// --- which link --------------------------------------------------------------------------------------------

typedef struct text {
    size_t len;
    uint8_t bytes[WASI_LINK_NAME_BYTES_MAX];
} text;

static slice slice_of_text(const text *t) { return slice_of(t->bytes, t->len); }

static void keep(text *t, slice s) {
    t->len = s.len;
    if (s.len > 0) {
        memcpy(t->bytes, s.data, s.len);
    }
}

typedef struct choice {
    struct choice *next;
    text interface;
    text name;
} choice;

typedef struct open_link { // of those that WASI_LINK_ANY stands for
    struct open_link *next;
    text interface;
    text name;
    wasi_link link;
} open_link;

typedef struct choices { // in WASI_SLOT_LINKS
    size_t count;
    choice *first;
    size_t open_count;
    open_link *open;
} choices;

static void free_choices(void *state) {
    choices *c = state;
    while (c->first != NULL) {
        choice *next = c->first->next;
        mem_free(c->first);
        c->first = next;
    }
    while (c->open != NULL) {
        open_link *next = c->open->next;
        mem_free(c->open);
        c->open = next;
    }
    mem_free(c);
}

static choices *choices_of(wasi_instance *i) {
    choices *c = i->slots[WASI_SLOT_LINKS].state;
    if (c == NULL) {
        c = MEM_NEW(choices);
        i->slots[WASI_SLOT_LINKS].state = c;
        i->slots[WASI_SLOT_LINKS].free = free_choices;
    }
    return c;
}

static choice *find_choice(const wasi_instance *i, slice interface) {
    const choices *c = i->slots[WASI_SLOT_LINKS].state;
    choice *found = c != NULL ? c->first : NULL;
    while (found != NULL && !slice_equal(slice_of_text(&found->interface), interface)) {
        found = found->next;
    }
    return found;
}

static const wasi_link *find_link(const wasi_instance *i, slice interface, slice name) {
    const wasi_links *links = i->workload->links;
    for (size_t k = 0; links != NULL && k < links->count; k++) {
        if (slice_equal(links->items[k].interface, interface) && slice_equal(links->items[k].name, name)) {
            return &links->items[k];
        }
    }
    return NULL;
}

static const wasi_link *find_any(const wasi_instance *i) {
    return find_link(i, slice_from_text(WASI_LINK_ANY), slice_from_text(WASI_LINK_ANY));
}

// Made at its first use, and there until the request ends.
static const wasi_link *open_any(wasi_instance *i, const wasi_link *any, slice interface, slice name) {
    choices *c = choices_of(i);
    open_link *l = c->open;
    while (l != NULL && !(slice_equal(l->link.interface, interface) && slice_equal(l->link.name, name))) {
        l = l->next;
    }
    bool is_small = interface.len <= WASI_LINK_NAME_BYTES_MAX && name.len <= WASI_LINK_NAME_BYTES_MAX;
    if (l == NULL && is_small && c->open_count < WASI_LINK_OPEN_MAX) {
        l = MEM_NEW(open_link);
        keep(&l->interface, interface);
        keep(&l->name, name);
        l->link = *any;
        l->link.interface = slice_of_text(&l->interface);
        l->link.name = slice_of_text(&l->name);
        l->next = c->open;
        c->open = l;
        c->open_count++;
    }
    return l == NULL ? NULL : &l->link;
}

static status no_link(const wasi_instance *i, slice interface, slice name, err *e) {
    return err_set(e, STATUS_NOT_FOUND, "workload %.*s has no link named \"%.*s\" for %.*s",
                   SLICE_ARG(i->workload->name), SLICE_ARG(name), SLICE_ARG(interface));
}

static status check_open(const wasi_instance *i, const wasi_link *l, err *e) {
    if (atomic_load_explicit(l->state, memory_order_acquire) == WASI_LINK_OPEN) {
        return STATUS_OK;
    }
    return err_set(e, STATUS_DENIED, "the link \"%.*s\" of workload %.*s for %.*s was cut",
                   SLICE_ARG(l->name), SLICE_ARG(i->workload->name), SLICE_ARG(l->interface));
}

slice wasi_link_chosen(const wasi_instance *i, slice interface) {
    const choice *chosen = find_choice(i, interface);
    return chosen != NULL ? slice_of_text(&chosen->name) : slice_from_text("default");
}

status wasi_link_find_named(wasi_instance *i, slice interface, slice name, const wasi_link **ret, err *e) {
    const wasi_link *l = find_link(i, interface, name), *any = find_any(i);
    if (l == NULL && any != NULL) {
        l = open_any(i, any, interface, name);
    }
    if (l == NULL) {
        return no_link(i, interface, name, e);
    }
    TRY(check_open(i, l, e));
    *ret = l;
    return STATUS_OK;
}

status wasi_link_of(host_call *call, slice interface, const wasi_link **ret, err *e) {
    wasi_instance *i = wasi_of(call);
    slice label = host_call_label(call);
    return wasi_link_find_named(i, interface, label.len > 0 ? label : wasi_link_chosen(i, interface), ret, e);
}

static bool is_callee(const wasi_instance *i, slice interface, slice name) {
    const wasi_links *links = i->workload->links;
    for (size_t k = 0; links != NULL && k < links->callee_count; k++) {
        const wasi_callee *c = &links->callees[k];
        if (slice_equal(c->interface, interface) && slice_equal(c->name, name)) {
            return true;
        }
    }
    return false;
}

static status new_choice(wasi_instance *i, slice interface, choice **ret, err *e) {
    choices *c = choices_of(i);
    if (c->count == WASI_LINK_NAMES_MAX) {
        i->counters.limits_hit++;
        return err_set(e, STATUS_LIMIT, "the instance has chosen links for %d interfaces, which is the limit",
                       WASI_LINK_NAMES_MAX);
    }
    choice *made = MEM_NEW(choice);
    made->next = c->first;
    keep(&made->interface, interface);
    c->first = made;
    c->count++;
    *ret = made;
    return STATUS_OK;
}

status wasi_link_choose(wasi_instance *i, slice interface, slice name, err *e) {
    choice *chosen = find_choice(i, interface);
    if (interface.len > WASI_LINK_NAME_BYTES_MAX || name.len > WASI_LINK_NAME_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "names of links and interfaces have at most %d bytes",
                       WASI_LINK_NAME_BYTES_MAX);
    }
    if (chosen == NULL) {
        TRY(new_choice(i, interface, &chosen, e));
    }
    keep(&chosen->name, name);
    bool is_there =
        find_link(i, interface, name) != NULL || is_callee(i, interface, name) || find_any(i) != NULL;
    return is_there ? STATUS_OK : no_link(i, interface, name, e);
}

void wasi_link_choose_none(wasi_instance *i) {
    if (i->slots[WASI_SLOT_LINKS].state != NULL) {
        free_choices(i->slots[WASI_SLOT_LINKS].state);
        i->slots[WASI_SLOT_LINKS].state = NULL;
        i->slots[WASI_SLOT_LINKS].free = NULL;
    }
}

// --- calling -----------------------------------------------------------------------------------------------

typedef struct waiting { // on the guest's fiber, which keeps its place while it is suspended
    wasi_instance *instance;
    arena *memory;
    bool is_done;
    status code;
    slice answer;
    err e;
} waiting;

static void on_ended(void *arg, const rpc_result *result) {
    waiting *w = arg;
    w->is_done = true;
    w->code = result->code;
    if (result->code == STATUS_OK) {
        w->answer = arena_copy(w->memory, result->payload);
        if (w->answer.data == NULL && result->payload.len > 0) {
            w->code = err_set(&w->e, STATUS_LIMIT, "an answer of %zu bytes is more than one call may take",
                              result->payload.len);
        }
    } else if (result->e != NULL) {
        w->e = *result->e;
    }
    wasi_instance_wake(w->instance);
}

static status wait_for(host_call *call, rpc_call *c, waiting *w, err *e) {
    while (!w->is_done) {
        status s = wasi_instance_suspend(call, e);
        if (s != STATUS_OK) {
            rpc_call_cancel(c);
            return s;
        }
    }
    return STATUS_OK;
}

// The component gets the contract's error, which has no room for the reason with some contracts.
static void tell_denied(wasi_instance *i, const char *why) {
    const wasi_log_sink *log = &i->workload->log;
    i->counters.calls_denied++;
    if (log->denied != NULL) {
        log->denied(log->context, i, slice_from_text(why));
    }
}

status wasi_call_check(wasi_instance *i, slice target, slice interface, slice function, slice link, err *e) {
    const wasi_workload *w = i->workload;
    err why;
    const gate_question q = {.parts = {[GATE_CALLER] = w->name,
                                       [GATE_ISSUER] = w->issuer,
                                       [GATE_TARGET] = target,
                                       [GATE_INTERFACE] = interface,
                                       [GATE_FUNCTION] = function,
                                       [GATE_LINK] = link}};
    status s = w->gate != NULL ? gate_check(w->gate, &q, &why)
                               : err_set(&why, STATUS_DENIED, "there is no gate to ask");
    if (s != STATUS_OK) {
        tell_denied(i, why.message);
        return err_set(e, s, "%s", why.message);
    }
    return STATUS_OK;
}

// What whoever takes every call needs to know about this one.
static status name_call(const wasi_link *l, const semver *version, buf *room, slice *ret, err *e) {
    if (!l->is_any) {
        *ret = l->interface;
        return STATUS_OK;
    }
    status s = buf_append_format(room, "%.*s", SLICE_ARG(l->interface));
    if (s == STATUS_OK && version != NULL && version->major + version->minor + version->patch > 0) {
        s = buf_append_format(room, "@%u.%u.%u%s%.*s", version->major, version->minor, version->patch,
                              version->pre.len > 0 ? "-" : "", SLICE_ARG(version->pre));
    }
    s = s == STATUS_OK ? buf_append_format(room, " %.*s", SLICE_ARG(l->name)) : s;
    *ret = buf_slice(room);
    return s == STATUS_OK ? s : err_set(e, STATUS_LIMIT, "the name of the interface is too long");
}

static status start(wasi_instance *i, const wasi_link *l, const semver *version, rpc_message *m, rpc_call *c,
                    rpc_ended ended, void *arg, err *e) {
    rpc *drivers = *i->workload->links->drivers;
    slice function = m->function;
    auto_buf name;
    buf_init(&name, RPC_NAME_BYTES_MAX);
    TRY(name_call(l, version, &name, &m->interface, e));
    TRY(check_open(i, l, e));
    TRY(wasi_call_check(i, l->target_name, l->interface, function, l->name, e));
    if (drivers == NULL) {
        return err_set(e, STATUS_CLOSED, "the process with the drivers is being replaced");
    }
    uint64_t deadline = l->timeout_ns == 0 ? UINT64_MAX : loop_now_fresh_ns(i->loop) + l->timeout_ns;
    c->share = i->workload->links->share;
    return rpc_call_start(drivers, c, m, deadline, ended, arg, e);
}

status wasi_link_start(wasi_instance *i, const wasi_link *l, slice function, slice payload, rpc_call *c,
                       rpc_ended ended, void *arg, err *e) {
    rpc_message m = {.target = l->number, .function = function, .payload = payload};
    return start(i, l, NULL, &m, c, ended, arg, e);
}

status wasi_link_call(host_call *call, const wasi_link *l, slice function, slice payload, slice *ret_answer,
                      err *e) {
    waiting w = {.instance = wasi_of(call), .memory = host_call_arena(call)};
    rpc_call c = {0};
    rpc_message m = {.target = l->number, .function = function, .payload = payload};
    TRY(start(wasi_of(call), l, host_call_version(call), &m, &c, on_ended, &w, e));
    TRY(wait_for(call, &c, &w, e));
    if (w.code != STATUS_OK) {
        err_set(e, w.code, "%s", w.e.message);
        return err_wrap(e, "%.*s through the link \"%.*s\"", SLICE_ARG(l->target), SLICE_ARG(l->name));
    }
    *ret_answer = w.answer;
    return STATUS_OK;
}
