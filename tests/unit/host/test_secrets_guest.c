// SPDX-License-Identifier: Apache-2.0
// wasmcloud:secrets through a real guest, the generated glue and the engine: a value reaches the guest's own
// memory, and when the host function has returned it is nowhere else in the process.
#include "base/mem.h"
#include "capability/offers.h"
#include "capability/secrets.h"
#include "component/component.h"
#include "marker.h"
#include "test.h"
#include "unit/engine/helper_engine.c"

// run(len): gets the secret whose name is the first `len` bytes of "db" and reveals it. Returns the sum of
// the value's bytes, or 1000000 and the number of the error.
static const char wat[] =
    "(component"
    "  (import \"wasmcloud:secrets/store@0.1.0-draft\" (instance $store"
    "    (export \"secret\" (type $secret (sub resource)))"
    "    (type $e0 (variant (case \"upstream\" string) (case \"io\" string) (case \"not-found\")))"
    "    (export \"secrets-error\" (type $e (eq $e0)))"
    "    (type $v0 (variant (case \"string\" string) (case \"bytes\" (list u8))))"
    "    (export \"secret-value\" (type $v (eq $v0)))"
    "    (export \"get\" (func (param \"key\" string) (result (result (own $secret) (error $e)))))))"
    "  (alias export $store \"secret\" (type $secret))"
    "  (alias export $store \"secret-value\" (type $value))"
    "  (import \"wasmcloud:secrets/reveal@0.1.0-draft\" (instance $reveal"
    "    (export \"secret\" (type $s (eq $secret)))"
    "    (export \"secret-value\" (type $v (eq $value)))"
    "    (export \"reveal\" (func (param \"s\" (borrow $s)) (result $v)))))"
    "  (core module $memory"
    "    (memory (export \"memory\") 1)"
    "    (global $next (mut i32) (i32.const 1024))"
    "    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32)"
    "      (global.get $next)"
    "      (global.set $next (i32.add (global.get $next) (i32.const 64)))))"
    "  (core instance $m (instantiate $memory))"
    "  (core func $get (canon lower (func $store \"get\") (memory (core memory $m \"memory\"))"
    "    (realloc (core func $m \"realloc\"))))"
    "  (core func $rev (canon lower (func $reveal \"reveal\") (memory (core memory $m \"memory\"))"
    "    (realloc (core func $m \"realloc\"))))"
    "  (core module $main"
    "    (import \"m\" \"memory\" (memory 1))"
    "    (import \"s\" \"get\" (func $get (param i32 i32 i32)))"
    "    (import \"s\" \"reveal\" (func $reveal (param i32 i32)))"
    "    (data (i32.const 0) \"db\")"
    "    (func (export \"run\") (param $len i32) (result i32) (local $at i32) (local $end i32) (local $sum "
    "i32)"
    "      (call $get (i32.const 0) (local.get $len) (i32.const 16))"
    "      (if (i32.load8_u (i32.const 16))"
    "        (then (return (i32.add (i32.const 1000000) (i32.load8_u (i32.const 20))))))"
    "      (call $reveal (i32.load (i32.const 20)) (i32.const 32))"
    "      (local.set $at (i32.load (i32.const 36)))"
    "      (local.set $end (i32.add (local.get $at) (i32.load (i32.const 40))))"
    "      (loop $next"
    "        (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))"
    "        (local.set $at (i32.add (local.get $at) (i32.const 1)))"
    "        (br_if $next (i32.lt_u (local.get $at) (local.get $end))))"
    "      (local.get $sum)))"
    "  (core instance $i (instantiate $main (with \"m\" (instance $m))"
    "    (with \"s\" (instance (export \"get\" (func $get)) (export \"reveal\" (func $rev))))))"
    "  (func (export \"run\") (param \"len\" u32) (result u32) (canon lift (core func $i \"run\"))))";

typedef struct place {
    slice bytes;
    component *component;
    core_module *modules[4];
    component_program *program;
    core_store *store;
    slice name;
    wasi_secrets secrets;
    wasi_workload workload;
    wasi_instance *wasi;
    component_instance *instance;
    secret_kind kind;
    bool is_other; // reveals another value than the marker
    int reveals;
    uint32_t len; // the argument
    uint64_t ret;
    status result;
    err e;
} place;

static status reveal(void *context, host_call *call, slice name, secret_value *ret, err *e) {
    place *p = context;
    (void)call;
    p->reveals++;
    EXPECT(slice_equal_text(name, "db"));
    TRY(secret_new(MARKER_BYTES, &ret->bytes, e));
    if (!p->is_other) {
        marker_put(ret->bytes.data);
    }
    ret->kind = p->kind;
    return STATUS_OK;
}

static status admit(void *context, const component_import *asked, const host_interface **ret, err *e) {
    (void)context;
    const wasi_offer *offer = wasi_offer_find(asked->name, asked->version);
    if (offer == NULL || offer->authority != WASI_AUTHORITY_SECRETS) {
        return err_set(e, STATUS_DENIED, "nobody offers %.*s", SLICE_ARG(asked->name));
    }
    *ret = offer->interface;
    return STATUS_OK;
}

static void wake(void *waker) { (void)waker; }

static status load(place *p, err *e) {
    core_engine *g = engine_core(helper_engine());
    component_limits limits = component_limits_default();
    p->bytes = helper_wat(wat);
    TRY(component_decode(p->bytes, &limits, &p->component, e));
    size_t count = component_module_count(p->component);
    for (size_t i = 0; i < count; i++) {
        TRY(g->ops->module_new(g, component_module_bytes(p->component, i), &p->modules[i], e));
    }
    component_link_options options = {.engine = g,
                                      .modules = p->modules,
                                      .module_count = count,
                                      .gate = {NULL, admit},
                                      .handles_max = 100,
                                      .call_arena_bytes_max = 1 << 20};
    TRY(component_link(p->component, &options, &p->program, e));
    p->store = helper_store(helper_engine());
    p->name = slice_from_text("db");
    p->secrets = (wasi_secrets){&p->name, 1, p, reveal};
    p->workload = (wasi_workload){.name = slice_from_text("shop"), .limits = wasi_limits_default()};
    p->workload.secrets = &p->secrets;
    p->kind = SECRET_TEXT;
    wasi_instance_options o = {.workload = &p->workload, .wake = wake};
    return wasi_instance_new(&o, &p->wasi, e);
}

static void unload(place *p) {
    component_instance_free(p->instance);
    wasi_instance_free(p->wasi);
    engine_store_free(p->store);
    component_program_free(p->program);
    for (size_t i = 0; i < sizeof p->modules / sizeof p->modules[0]; i++) {
        if (p->modules[i] != NULL) {
            helper_ops()->module_free(p->modules[i]);
        }
    }
    component_free(p->component);
    mem_free((void *)(uintptr_t)p->bytes.data);
}

static void run_job(core_store *store, void *arg) {
    place *p = arg;
    component_value argument = {.kind = CTYPE_U32, .of.unsigned_ = p->len}, ret = {0};
    arena a;
    if (p->instance == NULL) {
        p->result = component_instantiate(p->program, store, p->wasi, &p->instance, &p->e);
        if (p->result != STATUS_OK) {
            return;
        }
    }
    const component_func *f = component_program_export(p->program, slice_empty(), slice_from_text("run"));
    arena_init(&a, 1 << 16);
    p->result = component_call(p->instance, f, &argument, 1, &ret, &a, &p->e);
    p->ret = ret.of.unsigned_;
    arena_done(&a);
}

static uint64_t run(place *p, uint32_t len) {
    p->len = len;
    p->e.message[0] = '\0';
    EXPECT(helper_run(p->store, run_job, p, 10) >= 0);
    EXPECT_STATUS_ERR(p->result, STATUS_OK, p->e);
    return p->ret;
}

TEST(a_value_is_in_the_memory_of_the_guest_and_nowhere_else) {
    place p = {0};
    err e;
    uint64_t sum = 0;
    for (size_t i = 0; i < MARKER_BYTES; i++) {
        sum += marker_byte(i);
    }
    EXPECT_STATUS_ERR(load(&p, &e), STATUS_OK, e);
    REQUIRE(p.program != NULL);
    EXPECT_U64(run(&p, 1), 1000002); // "d": not found
    EXPECT_EQ(p.reveals, 0);
    EXPECT_EQ(marker_count(), 0);
    // Where functions are bound at their first call (what is installed binds all at the start) the dynamic
    // loader then puts all registers on the stack, and a short value has just gone through one.
    p.is_other = true;
    EXPECT_U64(run(&p, 2), 0);
    p.is_other = false;
    EXPECT_U64(run(&p, 2), sum);
    EXPECT_EQ(p.reveals, 2);
    EXPECT_EQ(marker_count(), 1);
    p.kind = SECRET_BYTES;
    EXPECT_U64(run(&p, 2), sum);
    EXPECT_EQ(marker_count(), 2); // the guest keeps both
    unload(&p);
    EXPECT_EQ(marker_count(), 0);
}
