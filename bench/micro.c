// SPDX-License-Identifier: Apache-2.0
// What one instance and one call cost, without any network: prints a JSON object of nanoseconds.
//
//   micro MICRO.wasm CALLEE.wasm GUEST.wasm
//
// MICRO.wasm is micro.wat in binary; CALLEE.wasm is callee.wat, which offers the same interface as this
// program, so that the same guest can be measured calling the host and calling another component; GUEST.wasm
// is any component of WASI interfaces, which is only instantiated. Each figure is the median of several
// rounds.
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "capability/offers.h"
#include "component/bridge.h"
#include "engine/fit.h"
#include "engine/store.h"
#include "os/clock.h"
#include "os/whole_file.h"
#include "policy/gate.h"

enum { ROUNDS = 11, LIST_BYTES = 65536, MODULES_MAX = 64 };

static _Noreturn void give_up(const err *e) {
    fprintf(stderr, "micro: %s\n", e->message);
    exit(1);
}

static void must(status s, const err *e) {
    if (s != STATUS_OK) {
        give_up(e);
    }
}

// --- the interface that MICRO.wasm imports
// -------------------------------------------------------------------------

static const ctype u8_type = {.kind = CTYPE_U8, .size = 1, .align = 1, .flat_count = 1};
static const ctype u32_type = {.kind = CTYPE_U32, .size = 4, .align = 4, .flat_count = 1};
static const ctype bytes_type = {
    .kind = CTYPE_LIST, .size = 8, .align = 4, .flat_count = 2, .element = &u8_type, .has_pointer = true};
static const ctype_param ping_params[] = {{SLICE_LITERAL("x"), &u32_type}};
static const ctype_param take_params[] = {{SLICE_LITERAL("bytes"), &bytes_type}};
static const ctype_func ping_type = {1, ping_params, &u32_type, false};
static const ctype_func take_type = {1, take_params, NULL, false};

static status ping(host_call *call, core_value *flat, err *e) {
    (void)call, (void)e;
    flat[0].u32++;
    return STATUS_OK;
}

// Copies, as an implementation that keeps the bytes would.
static status take(host_call *call, core_value *flat, err *e) {
    static uint8_t sink[LIST_BYTES];
    uint8_t *bytes = NULL;
    TRY(host_list_at(call, flat[0].u32, flat[1].u32, 1, 1, &bytes, e));
    memcpy(sink, bytes, flat[1].u32);
    __asm__ volatile("" : : "r"(sink) : "memory");
    return STATUS_OK;
}

static const host_func api_funcs[] = {
    {SLICE_LITERAL("ping"), &ping_type, ping},
    {SLICE_LITERAL("take"), &take_type, take},
};
static const host_interface api = {
    .name = SLICE_LITERAL("bench:host/api"), .version = {.major = 1}, .func_count = 2, .funcs = api_funcs};

// `context` is what stands for bench:host/api.
static status admit(void *context, const component_import *asked, const host_interface **ret, err *e) {
    const wasi_offer *offer = wasi_offer_find(asked->name, asked->version);
    *ret = slice_equal(asked->name, api.name) ? context : offer != NULL ? offer->interface : NULL;
    return *ret != NULL ? STATUS_OK
                        : err_set(e, STATUS_NOT_FOUND, "nobody offers %.*s", SLICE_ARG(asked->name));
}

// --- a linked component
// --------------------------------------------------------------------------------------------

typedef struct guest {
    buf bytes;
    component *component;
    engine *engine;
    bool shares_engine;
    core_module *modules[MODULES_MAX];
    size_t module_count;
    component_program *program;
    struct guest *calls;    // the component that it calls
    bridge_callee *running; // the instance of this one that is called
} guest;

static engine *new_engine(const slice *modules, size_t count) {
    err e = {0};
    engine *g = NULL;
    engine_options o = engine_options_default();
    engine_facts facts;
    engine_facts_read(&o, &facts);
    engine_options_fit(&o, &facts, modules, count, 1);
    must(engine_new(&o, &g, &e), &e);
    return g;
}

static void guest_decode(guest *g, const char *path) {
    err e = {0};
    component_limits limits = component_limits_default();
    must(file_read_whole(path, limits.bytes_max, &g->bytes, &e), &e);
    must(component_decode(buf_slice(&g->bytes), &limits, &g->component, &e), &e);
}

// In an engine of its own unless there is one. `offered` stands for bench:host/api.
static void guest_link(guest *g, engine *shared, const host_interface *offered) {
    err e = {0};
    size_t count = component_module_count(g->component);
    slice modules[MODULES_MAX];
    count = count < MODULES_MAX ? count : MODULES_MAX;
    for (size_t i = 0; i < count; i++) {
        modules[i] = component_module_bytes(g->component, i);
    }
    g->shares_engine = shared != NULL;
    g->engine = shared != NULL ? shared : new_engine(modules, count);
    core_engine *core = engine_core(g->engine);
    for (; g->module_count < count; g->module_count++) {
        size_t i = g->module_count;
        must(core->ops->module_new(core, modules[i], &g->modules[i], &e), &e);
    }
    component_link_options link = {.engine = core,
                                   .modules = g->modules,
                                   .module_count = g->module_count,
                                   .gate = {.context = (void *)(uintptr_t)offered, .admit = admit},
                                   .handles_max = 1000,
                                   .call_arena_bytes_max = 1 << 20};
    must(component_link(g->component, &link, &g->program, &e), &e);
}

static void guest_open(guest *g, const char *path) {
    guest_decode(g, path);
    guest_link(g, NULL, &api);
}

static void guest_close(guest *g) {
    component_program_free(g->program);
    for (size_t i = 0; i < g->module_count; i++) {
        engine_core(g->engine)->ops->module_free(g->modules[i]);
    }
    if (!g->shares_engine) {
        engine_free(g->engine);
    }
    component_free(g->component);
    buf_done(&g->bytes);
}

// --- the same interface from another component
// ----------------------------------------------------------------------

static status room_open(void *target, void *caller, bridge_callee *callee, bridge_room *ret, err *e) {
    (void)caller;
    guest *g = target;
    g->running = callee;
    engine_store_options o = engine_store_options_default();
    return engine_store_new(g->engine, &o, &ret->store, e);
}

static void room_close(void *target, bridge_room *room) {
    ((guest *)target)->running = NULL;
    engine_store_free(room->store);
}

// With limits, as a host has.
static status room_begin(void *target, bridge_room *room, host_call *caller, err *e) {
    (void)target, (void)caller, (void)e;
    engine_store_budget(room->store, 1000000000, clock_now_ns() + 10000000000);
    return STATUS_OK;
}

static void room_nothing(void *target, bridge_room *room) { (void)target, (void)room; }
static void room_explain(void *target, const bridge_room *room, err *e) { (void)target, (void)room, (void)e; }
static void room_wake(void *caller) { (void)caller; }

// work_do resumes a callee that has used up its time slice.
static status room_wait(host_call *call, err *e) { return host_call_suspend(call, e); }

static const bridge_ops rooms = {room_open, room_close, room_begin, room_nothing, room_nothing, room_explain,
                                 room_wait, room_wake,  NULL,       NULL,         NULL};

// --- what is measured: one store, one task, one instance, `calls` calls of an export with argument `n`
// ---------------

typedef struct work {
    const guest *guest;
    const char *export;
    uint32_t n;
    uint32_t calls;
    uint64_t instantiate_ns;
    uint64_t call_ns;
    component_instance *instance;
    err e;
} work;

static status work_calls(work *w) {
    const component_func *f =
        component_program_export(w->guest->program, slice_empty(), slice_from_text(w->export));
    component_value n = {.kind = CTYPE_U32, .of.unsigned_ = w->n};
    size_t arg_count = component_func_type(f)->param_count;
    auto_arena a;
    arena_init(&a, 1 << 16);
    uint64_t from = clock_thread_cpu_ns(); // nothing waits here, and others on the machine do not count
    for (uint32_t i = 0; i < w->calls; i++) {
        TRY(component_call(w->instance, f, &n, arg_count, NULL, &a, &w->e));
    }
    w->call_ns = clock_thread_cpu_ns() - from;
    return STATUS_OK;
}

static void work_body(core_store *s, void *arg) {
    work *w = arg;
    uint64_t from = clock_now_ns();
    must(component_instantiate(w->guest->program, s, NULL, &w->instance, &w->e), &w->e);
    w->instantiate_ns = clock_now_ns() - from;
    if (w->calls > 0) {
        must(work_calls(w), &w->e);
    }
}

static void work_do(work *w) {
    engine_store_options o = engine_store_options_default();
    core_store *s = NULL;
    core_task *t = NULL;
    must(engine_store_new(w->guest->engine, &o, &s, &w->e), &w->e);
    must(s->ops->task_new(s, work_body, w, &t, &w->e), &w->e);
    while (!s->ops->task_resume(t)) {
        const guest *calls = w->guest->calls;
        if (calls != NULL && calls->running != NULL) {
            bridge_callee_resume(calls->running);
        }
    }
    s->ops->task_free(t);
    component_instance_free(w->instance);
    engine_store_free(s);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

// The whole life of an instance, and the instantiation alone.
static void measure_instances(const guest *g, const char *label, bool is_last) {
    enum { EACH = 2000 };
    double cycles[ROUNDS];
    double instantiates[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t inside_ns = 0;
        uint64_t from = clock_now_ns();
        for (int i = 0; i < EACH; i++) {
            work w = {.guest = g};
            work_do(&w);
            inside_ns += w.instantiate_ns;
        }
        cycles[round] = (double)(clock_now_ns() - from) / EACH;
        instantiates[round] = (double)inside_ns / EACH;
    }
    printf("  \"%s: store, task, instance, drop\": %.0f,\n", label, median(cycles, ROUNDS));
    printf("  \"%s: instantiate\": %.0f%s\n", label, median(instantiates, ROUNDS), is_last ? "" : ",");
}

static void measure_calls(const guest *g, const char *label, const char *export, uint32_t calls, uint32_t n) {
    double each[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        work w = {.guest = g, .export = export, .calls = calls, .n = n};
        work_do(&w);
        each[round] = (double)w.call_ns / calls / (n > 0 ? n : 1);
    }
    printf("  \"%s\": %.1f,\n", label, median(each, ROUNDS));
}

// The guest calls another component where it called this program before.
static void measure_component_calls(const guest *micro, const char *caller_path, const char *callee_path) {
    err e = {0};
    guest callee = {0};
    guest caller = {.calls = &callee};
    bridge *b = NULL;
    guest_decode(&callee, callee_path);
    guest_decode(&caller, caller_path);
    bridge_options o = {.name = SLICE_LITERAL("callee"),
                        .component = callee.component,
                        .interface = SLICE_LITERAL("bench:host/api@1.0.0"),
                        .ops = &rooms,
                        .target = &callee};
    must(bridge_new(&o, &b, &e), &e);
    guest_link(&callee, micro->engine, &api);
    guest_link(&caller, micro->engine, bridge_interface(b));
    must(bridge_connect(b, callee.program, &e), &e);
    measure_calls(&caller, "component call with u32", "pings", 1, 1000000);
    measure_calls(&caller, "component call with list<u8> of 64 KiB, copied", "takes", 1, 100000);
    guest_close(&caller);
    guest_close(&callee);
    bridge_free(b);
}

// The gate over RULES rules of which none matches: a question that was asked before, and one that was not.
static void measure_gate(void) {
    enum { RULES = 100, EACH = 200000 };
    err e;
    gate_rule rules[RULES];
    char texts[RULES][24];
    gate *g = gate_new((siphash_key){1, 2}, GATE_ALLOW);
    for (int i = 0; i < RULES; i++) {
        snprintf(texts[i], sizeof texts[i], "component-%d", i);
        rules[i] = (gate_rule){.effect = GATE_DENY};
        rules[i].patterns[GATE_CALLER] = slice_from_text(i % 2 == 0 ? "component-*" : texts[i]);
        rules[i].patterns[GATE_INTERFACE] = slice_from_text("wasi:keyvalue/*");
        rules[i].patterns[GATE_FUNCTION] = slice_from_text(i % 2 == 0 ? "*-many" : "set");
    }
    gate_question q = {.parts = {[GATE_CALLER] = SLICE_LITERAL("component-100"),
                                 [GATE_TARGET] = SLICE_LITERAL("redis"),
                                 [GATE_INTERFACE] = SLICE_LITERAL("wasi:keyvalue/store"),
                                 [GATE_FUNCTION] = SLICE_LITERAL("set"),
                                 [GATE_LINK] = SLICE_LITERAL("default")}};
    double cached[ROUNDS], evaluated[ROUNDS];
    must(gate_set_rules(g, rules, RULES, &e), &e);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t from = clock_thread_cpu_ns();
        for (int i = 0; i < EACH; i++) {
            must(gate_check(g, &q, &e), &e);
        }
        cached[round] = (double)(clock_thread_cpu_ns() - from) / EACH;
        char link[16];
        from = clock_thread_cpu_ns();
        for (int i = 0; i < EACH / 10; i++) {
            snprintf(link, sizeof link, "%d-%d", round, i);
            q.parts[GATE_LINK] = slice_from_text(link);
            must(gate_check(g, &q, &e), &e);
        }
        evaluated[round] = (double)(clock_thread_cpu_ns() - from) / (EACH / 10);
    }
    printf("  \"gate: a decision that is known\": %.1f,\n", median(cached, ROUNDS));
    printf("  \"gate: a decision over 100 rules\": %.1f,\n", median(evaluated, ROUNDS));
    gate_free(g);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: micro MICRO.wasm CALLEE.wasm GUEST.wasm\n");
        return 2;
    }
    guest micro = {0};
    guest_open(&micro, argv[1]);
    printf("{\n");
    measure_calls(&micro, "call of an export", "nothing", 200000, 0);
    measure_calls(&micro, "host call with u32", "pings", 1, 2000000);
    measure_calls(&micro, "host call with list<u8> of 64 KiB, copied", "takes", 1, 100000);
    measure_instances(&micro, "two core modules, no WASI", false);
    measure_component_calls(&micro, argv[1], argv[2]);
    measure_gate();
    guest_close(&micro);
    guest real = {0};
    guest_open(&real, argv[3]);
    measure_instances(&real, "guest", true);
    guest_close(&real);
    printf("}\n");
    return 0;
}
