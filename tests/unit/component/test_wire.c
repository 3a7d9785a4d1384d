// SPDX-License-Identifier: Apache-2.0
// That indirection modules are left out where nobody can tell, and only there. That what is left behaves the
// same is shown by tests/conformance/indirection.wast.
#include "component/wire.h"

#include "component/program.h"
#include "test.h"
#include "unit/component/helper_wat.h"

static status admit(void *context, const component_import *asked, const host_interface **ret, err *e) {
    static const ctype_func nothing = {0};
    static const host_func funcs[] = {{SLICE_LITERAL("f"), &nothing, NULL}};
    static const host_interface any = {.name = SLICE_LITERAL("host"), .func_count = 1, .funcs = funcs};
    (void)context;
    (void)asked;
    (void)e;
    *ret = &any;
    return STATUS_OK;
}

typedef struct counts {
    uint32_t modules; // that are instantiated
    uint32_t calls;   // initializers
    uint32_t imports; // that are not functions of ours, of all those modules
} counts;

static counts plan_of(const char *text) {
    buf binary;
    buf missing;
    arena a;
    component *c = NULL;
    err e = {0};
    counts n = {0};
    component_gate gate = {.admit = admit};
    arena_init(&a, 1 << 24);
    buf_init(&missing, 1024);
    plan p = {.arena = &a, .gate = &gate, .missing = &missing};
    status s = wat_decode(text, &binary, &c, &e);
    if (s == STATUS_OK) {
        p.source = c;
        s = plan_make(&p, &e);
    }
    if (!test_expect(s == STATUS_OK, __FILE__, __LINE__, "a plan")) {
        printf("    %s\n", e.message);
    } else {
        wire_directly(&p);
    }
    for (const plan_step *step = p.steps; step != NULL; step = step->next) {
        bool made = step->kind == PLAN_INSTANTIATE && !step->skipped;
        n.modules += made;
        n.calls += step->kind == PLAN_CALL && !step->skipped;
        for (uint32_t i = 0; made && i < step->import_count; i++) {
            n.imports += step->imports[i].instance != NULL;
        }
    }
    component_free(c);
    buf_done(&binary);
    buf_done(&missing);
    arena_done(&a);
    return n;
}

#define BEGIN "(component (import \"host\" (instance $host (export \"f\" (func))))"
#define CALLS                                                                        \
    "(core module $calls (type $t (func)) (table (export \"$imports\") 1 1 funcref)" \
    " (func (export \"0\") (type $t) (i32.const 0) (call_indirect (type $t))))"      \
    "(core instance $calls (instantiate $calls))"
#define MAIN(start)                                                                       \
    "(core module $main (import \"\" \"f\" (func $f)) (func $i (export \"_initialize\"))" \
    " (func (export \"run\") (call $f)) " start ")"                                       \
    "(core instance $main (instantiate $main (with \"\" (instance (export \"f\" (func $calls \"0\"))))))"
#define FILL(more)                                                                           \
    "(core func $f (canon lower (func $host \"f\")))"                                        \
    "(core module $fill (import \"\" \"0\" (func $f)) (import \"\" \"init\" (func $init))"   \
    " (import \"\" \"$imports\" (table 1 1 funcref)) (elem (i32.const 0) func $f) " more ")" \
    "(core instance (instantiate $fill (with \"\" (instance (export \"0\" (func $f))"        \
    " (export \"init\" (func $main \"_initialize\")) (export \"$imports\" (table $calls \"$imports\"))))))"
#define END "(func (export \"run\") (canon lift (core func $main \"run\"))))"

TEST(both_modules_are_left_out) {
    counts n = plan_of(BEGIN CALLS MAIN("") FILL("") END);
    EXPECT_EQ(n.modules, 1);
    EXPECT_EQ(n.calls, 0);
    EXPECT_EQ(n.imports, 0);
}

TEST(an_initializer_is_called_in_place_of_the_second) {
    counts n = plan_of(BEGIN CALLS MAIN("") FILL("(start $init)") END);
    EXPECT_EQ(n.modules, 1);
    EXPECT_EQ(n.calls, 1);
    EXPECT_EQ(n.imports, 0);
}

TEST(a_module_that_runs_code_before_the_table_is_filled_keeps_them) {
    counts n = plan_of(BEGIN CALLS MAIN("(start $i)") FILL("") END);
    EXPECT_EQ(n.modules, 3);
    EXPECT_EQ(n.imports, 1 + 2);
}

TEST(a_module_that_does_more_is_no_indirection) {
    counts n = plan_of(BEGIN CALLS MAIN("") FILL("(global (mut i32) (i32.const 0))") END);
    EXPECT_EQ(n.modules, 3);
    n = plan_of(BEGIN "(core module $calls (type $t (func)) (table (export \"$imports\") 1 1 funcref)"
                      " (func (export \"0\") (type $t) (nop) (i32.const 0) (call_indirect (type $t))))"
                      "(core instance $calls (instantiate $calls))" MAIN("") FILL("") END);
    EXPECT_EQ(n.modules, 3);
}

TEST(a_second_user_of_the_table_keeps_them) {
    counts n =
        plan_of(BEGIN CALLS MAIN("") FILL("") "(core module $other (import \"\" \"t\" (table 1 1 funcref)))"
                                              "(core instance (instantiate $other (with \"\" (instance"
                                              " (export \"t\" (table $calls \"$imports\"))))))" END);
    EXPECT_EQ(n.modules, 4);
}

// The main module implements the destructor of a resource that has to be defined before it.
TEST(a_destructor_is_found_without_them) {
    counts n = plan_of(
        "(component"
        "(core module $calls (type $t (func (param i32))) (table (export \"$imports\") 1 1 funcref)"
        " (func (export \"0\") (type $t) (local.get 0) (i32.const 0) (call_indirect (type $t))))"
        "(core instance $calls (instantiate $calls))"
        "(type $r (resource (rep i32) (dtor (core func $calls \"0\"))))"
        "(core func $new (canon resource.new $r))"
        "(core module $main (import \"\" \"new\" (func (param i32) (result i32)))"
        " (func (export \"dtor\") (param i32)))"
        "(core instance $main (instantiate $main (with \"\" (instance (export \"new\" (func $new))))))"
        "(core module $fill (import \"\" \"0\" (func $f (param i32)))"
        " (import \"\" \"$imports\" (table 1 1 funcref)) (elem (i32.const 0) func $f))"
        "(core instance (instantiate $fill (with \"\" (instance (export \"0\" (func $main \"dtor\"))"
        " (export \"$imports\" (table $calls \"$imports\")))))))");
    EXPECT_EQ(n.modules, 1);
}
