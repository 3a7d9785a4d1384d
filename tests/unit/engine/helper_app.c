// SPDX-License-Identifier: Apache-2.0
#include "unit/engine/helper_app.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

// --- test:host/wait: wait(n) -> n + 1, after having waited n times ----------------------------------------

static const ctype u32_type = {.kind = CTYPE_U32, .size = 4, .align = 4, .flat_count = 1};
static const ctype_param number[] = {{SLICE_LITERAL("n"), &u32_type}};
static const ctype_func wait_type = {1, number, &u32_type, false};

static status wait_body(host_call *call, core_value *flat, err *e) {
    app_home *h = host_call_context(call);
    uint32_t n = flat[0].u32;
    for (uint32_t i = 0; i < n; i++) {
        h->app->waits++;
        TRY(host_call_suspend(call, e));
    }
    flat[0].u64 = n + 1;
    return STATUS_OK;
}

static const host_func wait_funcs[] = {{SLICE_LITERAL("wait"), &wait_type, wait_body}};
static const host_interface wait_interface = {
    .name = SLICE_LITERAL("test:host/wait"), .func_count = 1, .funcs = wait_funcs};

// --- the embedder's part -----------------------------------------------------------------------------------

static status home_open(void *target, void *caller, bridge_callee *callee, bridge_room *ret, err *e) {
    app_unit *u = target;
    app *a = ((app_home *)caller)->app;
    size_t at = 0;
    while (at < APP_HOMES_MAX && a->homes[at] != NULL) {
        at++;
    }
    CHECK(at < APP_HOMES_MAX);
    engine_store_options o = engine_store_options_default();
    if (u->memory_bytes_max != 0) {
        o.memory_bytes_max = u->memory_bytes_max;
    }
    app_home *h = MEM_NEW(app_home);
    TRY(engine_store_new(helper_engine(), &o, &h->store, e));
    h->app = a;
    h->unit = u;
    h->callee = callee;
    a->homes[at] = h;
    u->opened++;
    *ret = (bridge_room){h->store, h, h};
    return STATUS_OK;
}

static void home_close(void *target, bridge_room *room) {
    app_unit *u = target;
    app_home *h = room->own;
    for (size_t i = 0; i < APP_HOMES_MAX; i++) {
        if (h->app->homes[i] == h) {
            h->app->homes[i] = NULL;
        }
    }
    engine_store_free(h->store);
    mem_free(h);
    u->closed++;
}

static status home_begin(void *target, bridge_room *room, host_call *caller, err *e) {
    (void)caller, (void)e;
    const app_unit *u = target;
    engine_store_budget(room->store, u->cpu_ns_max, 0);
    return STATUS_OK;
}

static void home_end(void *target, bridge_room *room) {
    app_unit *u = target;
    u->cpu_ns += engine_store_cpu_ns(room->store);
}

static void home_unfinished(void *target, bridge_room *room) { (void)target, (void)room; }

static void home_explain(void *target, const bridge_room *room, err *e) {
    (void)target;
    engine_stop stop = engine_store_stop(room->store);
    if (stop != ENGINE_STOP_NONE) {
        err_set(e, STATUS_TRAP, "%s", engine_stop_name(stop));
    }
}

static status home_wait(host_call *call, err *e) { return host_call_suspend(call, e); }
static void home_wake(void *caller) { (void)caller; }

static const bridge_ops ops = {home_open,    home_close, home_begin, home_end, home_unfinished,
                               home_explain, home_wait,  home_wake,  NULL,     NULL,
                               NULL};

// --- linking -----------------------------------------------------------------------------------------------

void app_add(app *a, const char *name, const char *wat) {
    CHECK(a->unit_count < APP_UNITS_MAX);
    app_unit *u = &a->units[a->unit_count++];
    component_limits limits = component_limits_default();
    err e;
    *u = (app_unit){.app = a, .name = name, .bytes = helper_wat(wat)};
    if (component_decode(u->bytes, &limits, &u->component, &e) != STATUS_OK) {
        fprintf(stderr, "%s: %s\n", name, e.message);
        exit(2);
    }
}

static app_unit *find_unit(app *a, const char *name) {
    for (size_t i = 0; i < a->unit_count; i++) {
        if (strcmp(a->units[i].name, name) == 0) {
            return &a->units[i];
        }
    }
    CHECK(false);
    return NULL;
}

static status admit(void *context, const component_import *asked, const host_interface **ret, err *e) {
    const app_unit *u = context;
    if (slice_equal(asked->name, wait_interface.name)) {
        *ret = &wait_interface;
        return STATUS_OK;
    }
    for (size_t i = 0; i < u->app->bridge_count; i++) {
        const host_interface *h = bridge_interface(u->app->bridges[i]);
        if (strcmp(u->app->links[i].from, u->name) == 0 && slice_equal(h->name, asked->name)) {
            *ret = h;
            return STATUS_OK;
        }
    }
    return err_set(e, STATUS_DENIED, "nobody offers %.*s", SLICE_ARG(asked->name));
}

static status link_unit(app_unit *u, err *e) {
    core_engine *g = engine_core(helper_engine());
    size_t count = component_module_count(u->component);
    CHECK(count <= sizeof u->modules / sizeof u->modules[0]);
    for (size_t i = 0; i < count; i++) {
        TRY(g->ops->module_new(g, component_module_bytes(u->component, i), &u->modules[i], e));
    }
    component_link_options o = {.engine = g,
                                .modules = u->modules,
                                .module_count = count,
                                .gate = {u, admit},
                                .handles_max = 100,
                                .call_arena_bytes_max = 1 << 20};
    return component_link(u->component, &o, &u->program, e);
}

status app_link_all(app *a, const app_link *links, size_t count, err *e) {
    for (size_t i = 0; i < count; i++) {
        app_unit *to = find_unit(a, links[i].to);
        bridge_options o = {.name = slice_from_text(to->name),
                            .component = to->component,
                            .interface = slice_from_text(links[i].interface),
                            .ops = &ops,
                            .target = to};
        TRY(bridge_new(&o, &a->bridges[i], e));
        a->links[i] = links[i];
        a->bridge_count = i + 1;
    }
    for (size_t i = 0; i < a->unit_count; i++) {
        TRY(link_unit(&a->units[i], e));
    }
    for (size_t i = 0; i < count; i++) {
        TRY(bridge_connect(a->bridges[i], find_unit(a, links[i].to)->program, e));
    }
    return STATUS_OK;
}

static void unit_done(app_unit *u) {
    component_program_free(u->program);
    for (size_t i = 0; i < sizeof u->modules / sizeof u->modules[0]; i++) {
        if (u->modules[i] != NULL) {
            helper_ops()->module_free(u->modules[i]);
        }
    }
    component_free(u->component);
    mem_free((void *)(uintptr_t)u->bytes.data);
}

void app_restart(app *a) {
    component_instance_free(a->instance);
    engine_store_free(a->top.store);
    a->instance = NULL;
    a->top.store = NULL;
}

void app_close(app *a) {
    app_restart(a);
    for (size_t i = 0; i < APP_HOMES_MAX; i++) {
        CHECK(a->homes[i] == NULL); // gone with who called
    }
    for (size_t i = 0; i < a->unit_count; i++) {
        unit_done(&a->units[i]);
    }
    for (size_t i = 0; i < a->bridge_count; i++) {
        bridge_free(a->bridges[i]);
    }
}

// --- calling -----------------------------------------------------------------------------------------------

static void call_body(core_store *s, void *arg) {
    app_call *c = arg;
    app *a = c->app;
    if (a->instance == NULL) {
        c->result = component_instantiate(a->units[0].program, s, &a->top, &a->instance, &c->e);
        if (c->result != STATUS_OK) {
            return;
        }
    }
    const component_func *f =
        component_program_export(a->units[0].program, slice_empty(), slice_from_text(c->name));
    CHECK(f != NULL);
    c->result = component_call(a->instance, f, c->args, c->arg_count, &c->ret, &c->arena, &c->e);
}

static void resume_homes(app *a) {
    for (size_t i = 0; i < APP_HOMES_MAX; i++) {
        if (a->homes[i] != NULL) {
            bridge_callee_resume(a->homes[i]->callee);
        }
    }
}

bool app_call_run(app *a, app_call *c, uint32_t rounds_max) {
    c->app = a;
    err_clear(&c->e);
    arena_init(&c->arena, 1 << 24);
    if (a->top.store == NULL) {
        a->top = (app_home){.app = a, .unit = &a->units[0], .store = helper_store(helper_engine())};
    }
    status made = helper_ops()->task_new(a->top.store, call_body, c, &a->task, &c->e);
    CHECK(made == STATUS_OK);
    bool ended = helper_ops()->task_resume(a->task);
    for (uint32_t i = 1; !ended && i < rounds_max; i++) {
        resume_homes(a);
        ended = helper_ops()->task_resume(a->task);
    }
    helper_ops()->task_free(a->task);
    if (!ended || c->result != STATUS_OK) { // such an instance does not run again
        app_restart(a);
    }
    return ended;
}

void app_call_done(app_call *c) { arena_done(&c->arena); }

status app_number(app *a, const char *name, uint32_t argument, uint64_t *ret, err *e) {
    app_call c = {.name = name, .args = {{.kind = CTYPE_U32, .of.unsigned_ = argument}}, .arg_count = 1};
    bool ended = app_call_run(a, &c, 100000);
    CHECK(ended);
    if (c.result == STATUS_OK) {
        *ret = c.ret.of.unsigned_;
    } else if (e != NULL) {
        *e = c.e;
    }
    app_call_done(&c);
    return c.result;
}
