// SPDX-License-Identifier: Apache-2.0
// The component layer on the real engine: what scripts cannot see. Objects of the host are dropped exactly
// once, host functions may wait below calls between components, and refusals name what is wrong.
#include "component/component.h"

#include "base/mem.h"
#include "test.h"
#include "unit/engine/helper_engine.h"

// --- a host interface with one resource -------------------------------------------------------------------

typedef struct world {
    uint32_t dropped[8]; // by object
    uint32_t waits;
    slice refused; // a name that the gate refuses
    component_instance *instance;
    const component_func *reenter; // called by the host function `wait` when set
    status reenter_result;
} world;

static void drop_thing(void *context, void *rep) {
    world *w = context;
    w->dropped[(uintptr_t)rep]++;
}

static const ctype_resource thing = {
    .interface = SLICE_LITERAL("test:host/things"), .name = SLICE_LITERAL("thing"), .drop = drop_thing};
static const ctype u32 = {.kind = CTYPE_U32, .size = 4, .align = 4, .flat_count = 1};
static const ctype own_thing = {
    .kind = CTYPE_OWN, .size = 4, .align = 4, .flat_count = 1, .resource = &thing, .has_handle = true};
static const ctype_param number[] = {{SLICE_LITERAL("n"), &u32}};
static const ctype_param owned[] = {{SLICE_LITERAL("t"), &own_thing}};
static const ctype_func make_type = {1, number, &own_thing, false};
static const ctype_func take_type = {1, owned, NULL, false};
static const ctype_func wait_type = {1, number, &u32, false};

static status make_thing(host_call *call, core_value *flat, err *e) {
    uint32_t handle;
    TRY(host_lower_own(call, &thing, (void *)(uintptr_t)flat[0].u32, &handle, e));
    flat[0].u64 = handle;
    return STATUS_OK;
}

static status take_thing(host_call *call, core_value *flat, err *e) {
    void *rep;
    TRY(host_take_own(call, flat[0].u32, &thing, &rep, e));
    drop_thing(host_call_context(call), rep);
    return STATUS_OK;
}

static status wait_a_while(host_call *call, core_value *flat, err *e) {
    world *w = host_call_context(call);
    w->waits++;
    if (w->reenter != NULL) {
        component_value arg = {.kind = CTYPE_U32};
        component_value ret;
        arena a;
        arena_init(&a, 4096);
        w->reenter_result = component_call(w->instance, w->reenter, &arg, 1, &ret, &a, e);
        arena_done(&a);
        return w->reenter_result;
    }
    TRY(host_call_suspend(call, e));
    flat[0].u64 = flat[0].u32 + 1;
    return STATUS_OK;
}

static const host_func funcs[] = {
    {SLICE_LITERAL("make"), &make_type, make_thing},
    {SLICE_LITERAL("take"), &take_type, take_thing},
    {SLICE_LITERAL("wait"), &wait_type, wait_a_while},
};
static const ctype_resource *const resources[] = {&thing};
static const host_interface things = {.name = SLICE_LITERAL("test:host/things"),
                                      .version = SEMVER(0, 2, 5),
                                      .func_count = 3,
                                      .funcs = funcs,
                                      .resource_count = 1,
                                      .resources = resources};

static status admit(void *context, const component_import *asked, const host_interface **ret, err *e) {
    const world *w = context;
    if (!slice_equal(asked->name, things.name) || slice_equal(asked->name, w->refused)) {
        return err_set(e, STATUS_DENIED, "nobody grants %.*s", SLICE_ARG(asked->name));
    }
    *ret = &things;
    return STATUS_OK;
}

// --- a component that was loaded --------------------------------------------------------------------------

typedef struct loaded {
    slice bytes;
    component *component;
    core_module *modules[8];
    component_program *program;
    core_store *store;
    world world;
} loaded;

static status load(loaded *l, const char *wat, err *e) {
    memset(l, 0, sizeof *l);
    core_engine *g = engine_core(helper_engine());
    component_limits limits = component_limits_default();
    l->bytes = helper_wat(wat);
    TRY(component_decode(l->bytes, &limits, &l->component, e));
    size_t count = component_module_count(l->component);
    for (size_t i = 0; i < count; i++) {
        TRY(g->ops->module_new(g, component_module_bytes(l->component, i), &l->modules[i], e));
    }
    component_link_options options = {.engine = g,
                                      .modules = l->modules,
                                      .module_count = count,
                                      .gate = {&l->world, admit},
                                      .handles_max = 100,
                                      .call_arena_bytes_max = 1 << 20};
    TRY(component_link(l->component, &options, &l->program, e));
    l->store = helper_store(helper_engine());
    return STATUS_OK;
}

static void unload(loaded *l) {
    component_instance_free(l->world.instance);
    engine_store_free(l->store);
    component_program_free(l->program);
    for (size_t i = 0; i < sizeof l->modules / sizeof l->modules[0]; i++) {
        if (l->modules[i] != NULL) {
            helper_ops()->module_free(l->modules[i]);
        }
    }
    component_free(l->component);
    mem_free((void *)(uintptr_t)l->bytes.data);
}

typedef struct job { // instantiates when there is no instance yet, then calls
    loaded *on;
    const char *name;
    component_value args[2];
    size_t arg_count;
    component_value ret;
    arena arena;
    status result;
    err e;
} job;

static void run_job(core_store *store, void *arg) {
    job *j = arg;
    world *w = &j->on->world;
    if (w->instance == NULL) {
        j->result = component_instantiate(j->on->program, store, w, &w->instance, &j->e);
        if (j->result != STATUS_OK) {
            return;
        }
    }
    const component_func *f =
        component_program_export(j->on->program, slice_empty(), slice_from_text(j->name));
    j->result = component_call(w->instance, f, j->args, j->arg_count, &j->ret, &j->arena, &j->e);
}

// Calls `name` with numbers; returns how many resumes it took.
static int call(loaded *l, const char *name, job *j) {
    j->on = l;
    j->name = name;
    err_clear(&j->e);
    arena_init(&j->arena, 1 << 16);
    int resumes = helper_run(l->store, run_job, j, 10);
    arena_done(&j->arena);
    return resumes;
}

static component_value number_of(uint32_t n) {
    return (component_value){.kind = CTYPE_U32, .of.unsigned_ = n};
}

static component_value thing_of(uintptr_t n) {
    return (component_value){.kind = CTYPE_OWN, .of.handle = {&thing, (void *)n}};
}

#define IMPORT_THINGS                                                \
    "(import \"test:host/things@0.2.0\" (instance $h"                \
    "  (export \"thing\" (type $t (sub resource)))"                  \
    "  (export \"make\" (func (param \"n\" u32) (result (own $t))))" \
    "  (export \"take\" (func (param \"t\" (own $t))))"              \
    "  (export \"wait\" (func (param \"n\" u32) (result u32)))))"    \
    "(alias export $h \"thing\" (type $t))"                          \
    "(core func $make (canon lower (func $h \"make\")))"             \
    "(core func $take (canon lower (func $h \"take\")))"             \
    "(core func $drop (canon resource.drop $t))"

// --- objects ----------------------------------------------------------------------------------------------

static const char keeper[] =
    "(component " IMPORT_THINGS "(core module $m"
    "  (import \"\" \"make\" (func $make (param i32) (result i32)))"
    "  (import \"\" \"take\" (func $take (param i32)))"
    "  (import \"\" \"drop\" (func $drop (param i32)))"
    "  (func (export \"run\") (param i32) (result i32)"
    "    (drop (call $make (i32.const 1)))"       // stays
    "    (call $drop (call $make (i32.const 2)))" // dropped by the guest
    "    (call $take (call $make (i32.const 3)))" // given to the host
    "    (drop (call $make (i32.const 4)))"       // stays
    "    (if (local.get 0) (then unreachable)) (i32.const 9))"
    "  (func (export \"keep\") (param i32 i32) (if (local.get 1) (then unreachable)))"
    "  (func (export \"back\") (param i32) (result i32) (local.get 0)))"
    "(core instance $i (instantiate $m (with \"\" (instance"
    "  (export \"make\" (func $make)) (export \"take\" (func $take)) (export \"drop\" (func $drop))))))"
    "(export $x \"thing\" (type $t))"
    "(func (export \"run\") (param \"n\" u32) (result u32) (canon lift (core func $i \"run\")))"
    "(func (export \"keep\") (param \"t\" (own $x)) (param \"n\" u32) (canon lift (core func $i \"keep\")))"
    "(func (export \"back\") (param \"t\" (own $x)) (result (own $x)) (canon lift (core func $i \"back\"))))";

TEST(objects_of_the_host_are_dropped_exactly_once) {
    for (uint32_t traps = 0; traps < 2; traps++) {
        loaded l;
        err e;
        REQUIRE(load(&l, keeper, &e) == STATUS_OK);
        job j = {.args = {number_of(traps)}, .arg_count = 1};
        EXPECT_EQ(call(&l, "run", &j), 1);
        EXPECT_EQ(j.result, traps ? STATUS_TRAP : STATUS_OK);
        EXPECT_EQ(l.world.dropped[1] + l.world.dropped[4], 0);
        component_instance_free(l.world.instance);
        l.world.instance = NULL;
        for (int i = 1; i <= 4; i++) {
            EXPECT_EQ(l.world.dropped[i], 1);
        }
        unload(&l);
    }
}

TEST(arguments_are_consumed_whether_the_call_succeeds_or_not) {
    loaded l;
    err e;
    REQUIRE(load(&l, keeper, &e) == STATUS_OK);
    job good = {.args = {thing_of(1), number_of(0)}, .arg_count = 2};
    (void)call(&l, "keep", &good);
    EXPECT_EQ(good.result, STATUS_OK);
    job wrong_count = {.args = {thing_of(2)}, .arg_count = 1};
    (void)call(&l, "keep", &wrong_count);
    EXPECT_EQ(wrong_count.result, STATUS_INVALID);
    EXPECT_EQ(l.world.dropped[2], 1);
    job traps = {.args = {thing_of(3), number_of(1)}, .arg_count = 2};
    (void)call(&l, "keep", &traps);
    EXPECT_EQ(traps.result, STATUS_TRAP);
    job poisoned = {.args = {thing_of(4), number_of(0)}, .arg_count = 2};
    (void)call(&l, "keep", &poisoned);
    EXPECT_EQ(poisoned.result, STATUS_TRAP);
    EXPECT_CONTAINS(poisoned.e.message, "cannot enter component instance");
    EXPECT_EQ(l.world.dropped[4], 1);
    component_instance_free(l.world.instance);
    l.world.instance = NULL;
    for (int i = 1; i <= 4; i++) {
        EXPECT_EQ(l.world.dropped[i], 1);
    }
    unload(&l);
}

TEST(an_object_that_comes_back_is_the_callers) {
    loaded l;
    err e;
    REQUIRE(load(&l, keeper, &e) == STATUS_OK);
    job j = {.args = {thing_of(5)}, .arg_count = 1};
    (void)call(&l, "back", &j);
    EXPECT_EQ(j.result, STATUS_OK);
    EXPECT(j.ret.of.handle.rep == (void *)5 && j.ret.of.handle.type == &thing);
    unload(&l);
    EXPECT_EQ(l.world.dropped[5], 0);
}

// --- waiting ----------------------------------------------------------------------------------------------

static const char nested[] =
    "(component (import \"test:host/things@0.2.3\" (instance $h"
    "  (export \"wait\" (func (param \"n\" u32) (result u32)))))"
    "(component $inner"
    "  (import \"wait\" (func $wait (param \"n\" u32) (result u32)))"
    "  (core func $w (canon lower (func $wait)))"
    "  (core module $m (import \"\" \"w\" (func $w (param i32) (result i32)))"
    "    (func (export \"twice\") (param i32) (result i32) (call $w (call $w (local.get 0)))))"
    "  (core instance $i (instantiate $m (with \"\" (instance (export \"w\" (func $w))))))"
    "  (func (export \"twice\") (param \"n\" u32) (result u32) (canon lift (core func $i \"twice\"))))"
    "(instance $inner (instantiate $inner (with \"wait\" (func $h \"wait\"))))"
    "(core func $t (canon lower (func $inner \"twice\")))"
    "(core module $m (import \"\" \"t\" (func $t (param i32) (result i32)))"
    "  (func (export \"run\") (param i32) (result i32) (i32.mul (call $t (local.get 0)) (i32.const 10))))"
    "(core instance $i (instantiate $m (with \"\" (instance (export \"t\" (func $t))))))"
    "(func (export \"run\") (param \"n\" u32) (result u32) (canon lift (core func $i \"run\"))))";

TEST(a_host_function_may_wait_below_a_call_between_components) {
    loaded l;
    err e;
    REQUIRE(load(&l, nested, &e) == STATUS_OK);
    job j = {.args = {number_of(5)}, .arg_count = 1};
    EXPECT_EQ(call(&l, "run", &j), 3);
    EXPECT_EQ(j.result, STATUS_OK);
    EXPECT_U64(j.ret.of.unsigned_, 70);
    EXPECT_EQ(l.world.waits, 2);
    unload(&l);
}

TEST(a_task_that_is_given_up_below_such_a_call_unwinds) {
    loaded l;
    err e;
    REQUIRE(load(&l, nested, &e) == STATUS_OK);
    job j = {.on = &l, .name = "run", .args = {number_of(5)}, .arg_count = 1};
    arena_init(&j.arena, 1 << 16);
    EXPECT_EQ(helper_run(l.store, run_job, &j, 1), -1);
    EXPECT_EQ(j.result, STATUS_CANCELLED);
    arena_done(&j.arena);
    unload(&l);
}

TEST(the_host_cannot_reenter_an_instance_that_runs) {
    loaded l;
    err e;
    REQUIRE(load(&l, nested, &e) == STATUS_OK);
    l.world.reenter = component_program_export(l.program, slice_empty(), slice_from_text("run"));
    job j = {.args = {number_of(5)}, .arg_count = 1};
    EXPECT_EQ(call(&l, "run", &j), 1);
    EXPECT_EQ(l.world.reenter_result, STATUS_TRAP);
    EXPECT_EQ(j.result, STATUS_TRAP);
    EXPECT_CONTAINS(j.e.message, "cannot enter component instance");
    unload(&l);
}

// --- linking ----------------------------------------------------------------------------------------------

static status link_only(const char *wat, err *e) {
    loaded l;
    status s = load(&l, wat, e);
    unload(&l);
    return s;
}

TEST(all_missing_imports_are_named_in_one_error) {
    err e;
    EXPECT_STATUS(
        link_only("(component"
                  " (import \"a:b/first@1.0.0\" (instance $a (export \"r\" (type (sub resource)))))"
                  " (alias export $a \"r\" (type $r))"
                  " (import \"test:host/things@0.2.0\" (instance (export \"thing\" (type (sub resource)))))"
                  " (import \"a:b/second\" (instance (export \"f\" (func (param \"x\" (own $r))))))"
                  " (import \"plain\" (func)))",
                  &e),
        STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "nobody grants a:b/first");
    EXPECT_CONTAINS(e.message, "nobody grants a:b/second");
    EXPECT_CONTAINS(e.message, "import \"plain\"");
    EXPECT(strstr(e.message, "test:host/things") == NULL);
}

TEST(a_function_of_another_type_is_refused_with_both_types) {
    err e;
    EXPECT_STATUS(link_only("(component (import \"test:host/things@0.2.0\" (instance"
                            " (export \"wait\" (func (param \"n\" u32) (result (list u8)))))))",
                            &e),
                  STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "test:host/things");
    EXPECT_CONTAINS(e.message, "\"wait\"");
    EXPECT_CONTAINS(e.message, "func(n: u32) -> list<u8>");
    EXPECT_CONTAINS(e.message, "func(n: u32) -> u32");
}

TEST(versions_must_be_compatible) {
    err e;
    static const char good[] = "(component (import \"test:host/things@0.2.9\" (instance)))";
    static const char bad[] = "(component (import \"test:host/things@0.3.0\" (instance)))";
    EXPECT_STATUS(link_only(good, &e), STATUS_OK);
    EXPECT_STATUS(link_only(bad, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "0.2.5");
}

TEST(exports_are_found_by_compatible_version) {
    loaded l;
    err e;
    static const char wat[] =
        "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))"
        " (func $f (canon lift (core func $i \"f\")))"
        " (instance $x (export \"f\" (func $f)))"
        " (export \"a:b/c@0.2.3\" (instance $x)))";
    REQUIRE(load(&l, wat, &e) == STATUS_OK);
    slice f = slice_from_text("f");
    EXPECT(component_program_export(l.program, slice_from_text("a:b/c@0.2.0"), f) != NULL);
    EXPECT(component_program_export(l.program, slice_from_text("a:b/c@0.2.7"), f) != NULL);
    EXPECT(component_program_export(l.program, slice_from_text("a:b/c"), f) != NULL);
    EXPECT(component_program_export(l.program, slice_from_text("a:b/c@0.3.0"), f) == NULL);
    EXPECT(component_program_export(l.program, slice_from_text("a:b/d"), f) == NULL);
    EXPECT(component_program_export(l.program, slice_empty(), f) == NULL);
    unload(&l);
}

TEST(instances_that_multiply_are_refused) {
    // Each level instantiates the one below twice: 2^12 instances.
    static char wat[8192];
    size_t n = 0;
    n += (size_t)snprintf(wat + n, sizeof wat - n, "(component ");
    for (int i = 0; i < 12; i++) {
        n += (size_t)snprintf(wat + n, sizeof wat - n, "(component $c%d ", i);
    }
    for (int i = 11; i >= 0; i--) {
        n += (size_t)snprintf(wat + n, sizeof wat - n,
                              ") (instance (instantiate $c%d)) (instance (instantiate $c%d))", i, i);
    }
    snprintf(wat + n, sizeof wat - n, ")");
    err e;
    EXPECT_STATUS(link_only(wat, &e), STATUS_LIMIT);
    EXPECT_CONTAINS(e.message, "component instances");
}
