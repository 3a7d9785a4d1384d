// SPDX-License-Identifier: Apache-2.0
// Tasks that are resumed from inside tasks of other stores: what calls between components stand on.
#include "test.h"

#include "base/mem.h"
#include "unit/engine/helper_engine.h"

enum { DEPTH = 16 };

// A store whose guest calls the host function `call`, which runs the next level in a store of its own. The
// last level does what `last` says.
typedef struct level level;
struct level {
    level *inner; // NULL: this is the last
    core_store *store;
    core_task *task;
    core_template *template_;
    core_value value;
    status result;
    err e;
    bool has_ended;
    bool gives_up_inner; // when it is cancelled itself, as calls between components do
    bool is_endless;     // resumed by the test alone
    int waits;           // of the last level's host function
};

static void level_body(core_store *s, void *arg) {
    level *l = arg;
    core_instance i;
    core_extern f;
    s->owner = l;
    l->result = s->ops->template_instantiate(s, l->template_, &i, &l->e);
    if (l->result == STATUS_OK && s->ops->export_at(s, &i, 0, &f)) {
        l->result = s->ops->call(s, &f, &l->value, 1, &l->e);
    }
    l->has_ended = true;
}

static status run_inner(level *l, core_store *s, err *e) {
    level *inner = l->inner;
    bool ended = s->ops->task_resume_within(s, inner->task);
    while (!ended) {
        status suspended = s->ops->suspend(s, e);
        if (suspended != STATUS_OK) {
            if (l->gives_up_inner) {
                s->ops->task_free(inner->task);
                inner->task = NULL;
            }
            return suspended;
        }
        ended = inner->has_ended;
    }
    return inner->result == STATUS_OK ? STATUS_OK : err_set(e, STATUS_TRAP, "inner: %s", inner->e.message);
}

static status host_call_inner(void *env, core_store *s, core_value *values, size_t count, err *e) {
    (void)env, (void)count;
    level *l = s->owner;
    if (l->inner == NULL) {
        for (int i = 0; i < l->waits; i++) {
            TRY(s->ops->suspend(s, e));
        }
        return STATUS_OK;
    }
    l->inner->value.i32 = values[0].i32 + 1;
    TRY(run_inner(l, s, e));
    values[0].i32 = l->inner->value.i32 + 100;
    return STATUS_OK;
}

static const uint8_t i32_type[] = {CORE_I32};
static const core_func_type i32_to_i32 = {1, 1, i32_type, i32_type};

typedef struct tower {
    core_module *module;
    core_host_func *host;
    core_template *template_;
    level levels[DEPTH];
    int depth;
} tower;

static const char passes_on[] =
    "(module (import \"h\" \"call\" (func $call (param i32) (result i32)))"
    "  (func (export \"f\") (param i32) (result i32) (call $call (local.get 0))))";

static void tower_open(tower *t, const char *wat, int depth) {
    core_engine *g = engine_core(helper_engine());
    memset(t, 0, sizeof *t);
    t->depth = depth;
    t->module = helper_module(helper_engine(), wat);
    EXPECT_OK(g->ops->host_func_new(g, &i32_to_i32, host_call_inner, NULL, &t->host, NULL));
    EXPECT_OK(g->ops->template_new(g, t->module, &t->host, 1, &t->template_, NULL));
    for (int i = 0; i < depth; i++) {
        level *l = &t->levels[i];
        l->store = helper_store(helper_engine());
        l->template_ = t->template_;
        l->inner = i + 1 < depth ? &t->levels[i + 1] : NULL;
        l->gives_up_inner = true;
        EXPECT_OK(g->ops->task_new(l->store, level_body, l, &l->task, NULL));
    }
}

static void tower_close(tower *t) {
    for (int i = 0; i < t->depth; i++) {
        engine_store_free(t->levels[i].store);
    }
    helper_ops()->template_free(t->template_);
    helper_ops()->host_func_free(t->host);
    helper_ops()->module_free(t->module);
}

static bool can_go_on(const level *l) {
    bool inner_has_ended = l->inner != NULL && l->inner->has_ended;
    return !l->has_ended && !l->is_endless && (engine_store_is_runnable(l->store) || inner_has_ended);
}

static bool any_can_go_on(const level *l) {
    while (l != NULL && !can_go_on(l)) {
        l = l->inner;
    }
    return l != NULL;
}

// What a loop does for those inside: on a slow machine any of them may have used up its time slice.
static void resume_inside(level *l) {
    for (int i = DEPTH; i > 0; i--) { // the innermost first
        level *at = l;
        for (int k = 0; k < i && at != NULL; k++) {
            at = at->inner;
        }
        while (at != NULL && can_go_on(at)) {
            (void)helper_ops()->task_resume(at->task);
        }
    }
}

// Resumes until the task ends or waits.
static bool resume(level *l) {
    bool ended;
    do {
        resume_inside(l);
        ended = helper_ops()->task_resume(l->task);
    } while (!ended && any_can_go_on(l));
    return ended;
}

TEST(a_task_inside_another_ends_at_once) {
    tower t;
    tower_open(&t, passes_on, 2);
    t.levels[0].value.i32 = 5;
    EXPECT(resume(&t.levels[0]));
    EXPECT_STATUS_ERR(t.levels[0].result, STATUS_OK, t.levels[0].e);
    EXPECT_EQ(t.levels[0].value.i32, 106);
    tower_close(&t);
}

TEST(tasks_inside_each_other_wait_and_the_loop_goes_on_with_each) {
    tower t;
    int depth = DEPTH;
    tower_open(&t, passes_on, depth);
    t.levels[depth - 1].waits = 3;
    EXPECT(!resume(&t.levels[0]));
    for (int i = 0; i < 2; i++) {
        EXPECT(!resume(&t.levels[depth - 1]));
    }
    for (int i = depth - 1; i >= 0; i--) {
        EXPECT(!t.levels[i].has_ended);
        EXPECT(resume(&t.levels[i]));
        EXPECT_STATUS_ERR(t.levels[i].result, STATUS_OK, t.levels[i].e);
    }
    EXPECT_EQ(t.levels[0].value.i32, (depth - 1) * 101);
    tower_close(&t);
}

TEST(a_task_that_is_given_up_gives_up_those_inside_it) {
    tower t;
    int depth = DEPTH;
    tower_open(&t, passes_on, depth);
    t.levels[depth - 1].waits = 1;
    EXPECT(!resume(&t.levels[0]));
    helper_ops()->task_free(t.levels[0].task);
    for (int i = 0; i < depth; i++) {
        EXPECT(t.levels[i].has_ended);
        EXPECT_STATUS(t.levels[i].result, STATUS_CANCELLED);
    }
    tower_close(&t);
}

TEST(a_task_may_be_given_up_before_the_one_inside_it) {
    tower t;
    tower_open(&t, passes_on, 3);
    t.levels[2].waits = 1;
    t.levels[0].gives_up_inner = false;
    EXPECT(!resume(&t.levels[0]));
    helper_ops()->task_free(t.levels[0].task);
    EXPECT_STATUS(t.levels[0].result, STATUS_CANCELLED);
    EXPECT(!t.levels[1].has_ended);
    EXPECT(resume(&t.levels[2]));
    EXPECT(resume(&t.levels[1]));
    EXPECT_STATUS(t.levels[1].result, STATUS_OK);
    tower_close(&t);
}

TEST(a_trap_inside_is_a_failure_outside) {
    tower t;
    tower_open(
        &t,
        "(module (import \"h\" \"call\" (func $call (param i32) (result i32)))"
        "  (func (export \"f\") (param i32) (result i32)"
        "    (if (i32.eq (local.get 0) (i32.const 2)) (then unreachable)) (call $call (local.get 0))))",
        4);
    EXPECT(resume(&t.levels[0]));
    EXPECT_STATUS(t.levels[2].result, STATUS_TRAP);
    EXPECT_EQ(engine_store_trap(t.levels[2].store)->kind, ENGINE_TRAP_UNREACHABLE);
    EXPECT_STATUS(t.levels[0].result, STATUS_TRAP);
    EXPECT_CONTAINS(t.levels[0].e.message, "inner: ");
    EXPECT(!t.levels[3].has_ended);
    tower_close(&t);
}

static const char endless_inside[] =
    "(module (import \"h\" \"call\" (func $call (param i32) (result i32)))"
    "  (func (export \"f\") (param i32) (result i32)"
    "    (if (i32.eq (local.get 0) (i32.const 1)) (then (loop $l (br $l)))) (call $call (local.get 0))))";

TEST(what_a_task_inside_spends_is_its_own) {
    tower t;
    tower_open(&t, endless_inside, 2);
    engine_store_budget(t.levels[0].store, 5000000, 0);
    engine_store_budget(t.levels[1].store, 40000000, 0);
    t.levels[1].is_endless = true;
    EXPECT(!resume(&t.levels[0]));
    EXPECT(engine_store_is_runnable(t.levels[1].store));
    EXPECT(engine_store_cpu_ns(t.levels[1].store) > 0);
    while (!helper_ops()->task_resume(t.levels[1].task)) {
    }
    EXPECT_EQ(engine_store_stop(t.levels[1].store), ENGINE_STOP_CPU);
    EXPECT(resume(&t.levels[0]));
    EXPECT_STATUS(t.levels[0].result, STATUS_TRAP);
    EXPECT_EQ(engine_store_stop(t.levels[0].store), ENGINE_STOP_NONE);
    EXPECT(engine_store_cpu_ns(t.levels[0].store) < 5000000);
    EXPECT(engine_store_cpu_ns(t.levels[1].store) >= 40000000);
    tower_close(&t);
}
