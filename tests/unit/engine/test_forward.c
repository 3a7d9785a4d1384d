// SPDX-License-Identifier: Apache-2.0
// Host functions that pass their calls on: the bytes of the arguments, answers that are values of the
// result's type, and what the caller is told when there is none.
#include "component/forward.h"

#include "base/mem.h"
#include "component/component.h"
#include "test.h"
#include "unit/engine/helper_engine.h"

// run(n): calls go(n, "hey"); 1000 for an error, 100 times its case and the length of its text, or the
// number.
static const char caller[] =
    "(component (import \"test:far/work@1.0.0\" (instance $w"
    "  (type $why' (variant (case \"missing\") (case \"other\" string)))"
    "  (export \"why\" (type $why (eq $why')))"
    "  (export \"go\" (func (param \"n\" u32) (param \"s\" string) (result (result u32 (error $why)))))"
    "  (export \"tell\" (func (param \"n\" u32)))))"
    "(core module $l (memory (export \"mem\") 1) (data (i32.const 16) \"hey\")"
    "  (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 2048)))"
    "(core instance $l (instantiate $l))"
    "(core func $go (canon lower (func $w \"go\") (memory (core memory $l \"mem\"))"
    "  (realloc (core func $l \"realloc\"))))"
    "(core func $tell (canon lower (func $w \"tell\")))"
    "(core module $m (import \"l\" \"mem\" (memory 1))"
    "  (import \"\" \"go\" (func $go (param i32 i32 i32 i32))) (import \"\" \"tell\" (func $tell (param "
    "i32)))"
    "  (func (export \"tell\") (param i32) (result i32) (call $tell (local.get 0)) (i32.const 7))"
    "  (func (export \"run\") (param $n i32) (result i32)"
    "    (call $go (local.get $n) (i32.const 16)"
    "      (if (result i32) (i32.eq (local.get $n) (i32.const 99)) (then (i32.const -1)) (else (i32.const "
    "3)))"
    "      (i32.const 512))"
    "    (if (result i32) (i32.load8_u (i32.const 512)) (then (i32.add (i32.const 1000) (i32.add"
    "      (i32.mul (i32.load8_u (i32.const 516)) (i32.const 100)) (i32.load (i32.const 524)))))"
    "      (else (i32.load (i32.const 516))))))"
    "(core instance $i (instantiate $m (with \"l\" (instance $l))"
    "  (with \"\" (instance (export \"go\" (func $go)) (export \"tell\" (func $tell))))))"
    "(func (export \"run\") (param \"n\" u32) (result u32) (canon lift (core func $i \"run\")))"
    "(func (export \"tell\") (param \"n\" u32) (result u32) (canon lift (core func $i \"tell\"))))";

typedef struct far { // the other end
    slice answer;
    bool fails;
    size_t room; // for the arguments
    buf asked;
    host_func funcs[4];
    host_interface interface;
} far;

static status body(host_call *call, core_value *values, err *e) {
    far *x = host_call_context(call);
    forward f = forward_of(call, values);
    buf_done(&x->asked);
    buf_init(&x->asked, x->room);
    status s = forward_params(&f, &x->asked, e);
    if (s == STATUS_TRAP) {
        return s;
    }
    if (s == STATUS_OK) {
        s = x->fails ? err_set(e, STATUS_CLOSED, "gone away") : forward_result(&f, x->answer, e);
    }
    return s == STATUS_OK ? s : forward_failure(&f, s, e);
}

// An interface of the very types that the component asks for.
static status admit(void *context, const component_import *asked, const host_interface **ret, err *e) {
    (void)asked, (void)e;
    *ret = &((far *)context)->interface;
    return STATUS_OK;
}

static void fill_interface(far *x, const component *c) {
    const component_item *w = component_import_at(c, 0);
    for (size_t i = 0; i < w->item_count; i++) {
        if (w->items[i].kind == COMPONENT_FUNC) {
            x->funcs[x->interface.func_count++] =
                (host_func){.name = w->items[i].name, .type = w->items[i].func, .body = body};
        }
    }
    x->interface.name = slice_from_text("test:far/work");
    x->interface.version = (semver)SEMVER(1, 0, 0);
    x->interface.funcs = x->funcs;
}

typedef struct run_state {
    component_instance *instance;
    const component_program *program;
    const component_func *func;
    far *far;
    uint32_t n;
    uint32_t result;
    status code;
    err e;
} run_state;

static void run_task(core_store *s, void *arg) {
    run_state *r = arg;
    component_value number = {.kind = CTYPE_U32, .of.unsigned_ = r->n};
    component_value ret = {0};
    arena a;
    arena_init(&a, 4096);
    r->code = component_instantiate(r->program, s, r->far, &r->instance, &r->e);
    if (r->code == STATUS_OK) {
        r->code = component_call(r->instance, r->func, &number, 1, &ret, &a, &r->e);
    }
    r->result = (uint32_t)ret.of.unsigned_;
    arena_done(&a);
}

// What run(n) or tell(n) comes to.
static run_state run(far *x, const char *name, uint32_t n) {
    core_engine *g = engine_core(helper_engine());
    component_limits limits = component_limits_default();
    component *c = NULL;
    component_program *program = NULL;
    core_module *modules[4] = {0};
    err e;
    slice bytes = helper_wat(caller);
    x->interface = (host_interface){0};
    EXPECT_STATUS_ERR(component_decode(bytes, &limits, &c, &e), STATUS_OK, e);
    fill_interface(x, c);
    size_t count = component_module_count(c);
    for (size_t i = 0; i < count; i++) {
        EXPECT_OK(g->ops->module_new(g, component_module_bytes(c, i), &modules[i], NULL));
    }
    const component_link_options options = {.engine = g,
                                            .modules = modules,
                                            .module_count = count,
                                            .gate = {x, admit},
                                            .handles_max = 10,
                                            .call_arena_bytes_max = 1 << 16};
    EXPECT_STATUS_ERR(component_link(c, &options, &program, &e), STATUS_OK, e);
    core_store *store = helper_store(helper_engine());
    run_state r = {.program = program,
                   .func = component_program_export(program, slice_empty(), slice_from_text(name)),
                   .far = x,
                   .n = n};
    EXPECT(helper_run(store, run_task, &r, 1) >= 0);
    component_instance_free(r.instance);
    engine_store_free(store);
    component_program_free(program);
    for (size_t i = 0; i < count; i++) {
        g->ops->module_free(modules[i]);
    }
    component_free(c);
    mem_free((void *)(uintptr_t)bytes.data);
    return r;
}

static far make(const char *answer, size_t len) {
    return (far){.answer = slice_of(answer, len), .room = 1000};
}

TEST(arguments_and_answers_are_bytes) {
    far x = make("\x00\xac\x02", 3);
    run_state r = run(&x, "run", 5);
    EXPECT_OK(r.code);
    EXPECT_EQ(r.result, 300);
    EXPECT_BYTES(buf_slice(&x.asked), slice_of("\x05\x03hey", 5));
    x.answer = slice_of("\x01\x01\x02no", 5); // its own error
    EXPECT_EQ(run(&x, "run", 5).result, 1102);
    x.answer = slice_empty();
    r = run(&x, "tell", 300);
    EXPECT_OK(r.code);
    EXPECT_EQ(r.result, 7);
    EXPECT_BYTES(buf_slice(&x.asked), slice_of("\xac\x02", 2));
    buf_done(&x.asked);
}

TEST(what_is_no_answer_is_the_callers_error) {
    static const struct {
        const char *bytes;
        size_t len;
    } wrong[] = {
        {"", 0}, {"\x02", 1}, {"\x00", 1}, {"\x00\x05\x05", 3}, {"\x01\x07", 2}, {"\x01\x01\x02\xff\xff", 5}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        far x = make(wrong[i].bytes, wrong[i].len);
        run_state r = run(&x, "run", 5);
        EXPECT_OK(r.code);
        EXPECT(r.result > 1100); // the case "other", and a reason
        buf_done(&x.asked);
    }
}

TEST(a_call_that_is_not_done_is_told_or_traps) {
    far x = make("", 0);
    x.fails = true;
    EXPECT_EQ(run(&x, "run", 5).result, 1100 + strlen("gone away"));
    run_state r = run(&x, "tell", 5);
    EXPECT_STATUS(r.code, STATUS_TRAP); // there is no place for it
    EXPECT_CONTAINS(r.e.message, "gone away");
    x.room = 2; // arguments that are more than may be sent
    r = run(&x, "run", 5);
    EXPECT_OK(r.code);
    EXPECT(r.result > 1100);
    r = run(&x, "run", 99); // a string that is not in its memory
    EXPECT_STATUS(r.code, STATUS_TRAP);
    buf_done(&x.asked);
}
