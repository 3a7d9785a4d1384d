// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "base/mem.h"
#include "unit/engine/helper_engine.h"

typedef struct job {
    const core_template *template_;
    status result;
    err e;
} job;

static void job_run(core_store *s, void *arg) {
    job *j = arg;
    core_instance i;
    core_extern f;
    j->result = s->ops->template_instantiate(s, j->template_, &i, &j->e);
    if (j->result == STATUS_OK && s->ops->export_at(s, &i, 0, &f)) {
        core_value v[1];
        j->result = s->ops->call(s, &f, v, 1, &j->e);
    }
}

static status refuse(void *env, core_store *s, core_value *values, size_t count, err *e) {
    (void)env, (void)s, (void)values, (void)count;
    return err_set(e, STATUS_DENIED, "address 10.0.0.1:80 is\nnot granted");
}

typedef struct outcome {
    engine_trap trap; // its frames are gone, their text is kept
    char line[512];
    err e;
} outcome;

// Runs export 0 of a module that may import "h" "refuse".
static outcome run(const char *wat) {
    core_func_type type = {0, 0, NULL, NULL};
    core_engine *g = engine_core(helper_engine());
    core_module *m = helper_module(helper_engine(), wat);
    core_host_func *f = NULL;
    core_template *t = NULL;
    outcome o = {0};
    EXPECT_OK(g->ops->host_func_new(g, &type, refuse, NULL, &f, NULL));
    bool imports = strstr(wat, "import") != NULL;
    EXPECT_STATUS_ERR(g->ops->template_new(g, m, &f, imports ? 1 : 0, &t, &o.e), STATUS_OK, o.e);
    core_store *s = helper_store(helper_engine());
    job j = {.template_ = t};
    EXPECT_EQ(helper_run(s, job_run, &j, 1), 1);
    EXPECT_STATUS(j.result, STATUS_TRAP);
    o.trap = *engine_store_trap(s);
    o.e = j.e;
    engine_trap_format(&o.trap, o.line, sizeof o.line);
    o.trap.frames = NULL;
    engine_store_free(s);
    g->ops->template_free(t);
    g->ops->host_func_free(f);
    g->ops->module_free(m);
    return o;
}

TEST(frames_carry_demangled_names) {
    outcome o = run("(module $app (func $_ZN3app4fail17h0123456789abcdefE unreachable)"
                    "  (func $_RNvCs1234_7mycrate3run (call 0)) (func $_Z5outeri (call 1))"
                    "  (func (export \"f\") (call 2)))");
    EXPECT_EQ(o.trap.kind, ENGINE_TRAP_UNREACHABLE);
    EXPECT_EQ(o.trap.frame_count, 4);
    EXPECT_CONTAINS(o.line, "unreachable: wasm `unreachable` instruction executed at app!app::fail");
    EXPECT_CONTAINS(o.line, "mycrate");
    EXPECT_CONTAINS(o.line, "app!outer(int)");
    EXPECT_CONTAINS(o.line, "wasm function 3 (0x");
    EXPECT_CONTAINS(o.e.message, "unreachable");
}

TEST(a_refusal_of_a_host_function_keeps_its_message) {
    outcome o = run("(module (import \"h\" \"refuse\" (func)) (func (export \"f\") (call 0)))");
    EXPECT_EQ(o.trap.kind, ENGINE_TRAP_HOST);
    EXPECT_TEXT(o.trap.message, "address 10.0.0.1:80 is?not granted"); // one line
    EXPECT_CONTAINS(o.e.message, "not granted");
}

TEST(kinds) {
    static const struct {
        const char *wat;
        engine_trap_kind kind;
    } cases[] = {
        {"(module (func (export \"f\") (drop (i32.load (i32.const 65536)))) (memory 1))", ENGINE_TRAP_MEMORY},
        {"(module (func (export \"f\") (drop (i32.load (i32.const -4)))) (memory 1))", ENGINE_TRAP_MEMORY},
        {"(module (func (export \"f\") (call_indirect (i32.const 0))) (table 1 funcref))", ENGINE_TRAP_TABLE},
        {"(module (func (export \"f\") (call_indirect (i32.const 9))) (table 1 funcref))", ENGINE_TRAP_TABLE},
        {"(module (func (export \"f\") (drop (i32.div_u (i32.const 1) (i32.const 0)))))",
         ENGINE_TRAP_ARITHMETIC},
        {"(module (func (export \"f\") (call 0)))", ENGINE_TRAP_STACK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        outcome o = run(cases[i].wat);
        EXPECT_EQ(o.trap.kind, cases[i].kind);
        EXPECT(o.trap.frame_count > 0);
        EXPECT(strchr(o.line, '\n') == NULL);
    }
}

TEST(a_deep_stack_is_cut) {
    outcome o = run("(module (func $f (export \"f\") (call $f)))");
    EXPECT_EQ(o.trap.frame_count, ENGINE_TRAP_FRAMES_MAX);
    EXPECT(o.trap.frames_left_off > 0);
}

TEST(a_line_is_cut_to_fit) {
    engine_frame frames[2] = {{.function = "one"}, {.function = "two"}};
    engine_trap t = {.kind = ENGINE_TRAP_HOST, .message = "why", .frame_count = 2, .frames = frames};
    char line[20];
    engine_trap_format(&t, line, sizeof line);
    EXPECT_TEXT(line, "host: why at one (0");
    engine_trap_format(&t, line, 1);
    EXPECT_TEXT(line, "");
}
