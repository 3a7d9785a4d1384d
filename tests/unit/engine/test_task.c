// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "base/mem.h"
#include "unit/engine/helper_engine.h"

// What a test's task does and what came of it.
typedef struct job {
    const core_template *template_;
    const core_module *module; // instead of the template, without imports
    size_t export_index;
    core_value values[2];
    size_t count;
    status result;
    err e;
    int resumed; // by host functions
    core_instance instance;
} job;

static void job_run(core_store *s, void *arg) {
    job *j = arg;
    core_instance i;
    s->owner = j;
    j->result = j->template_ != NULL ? s->ops->template_instantiate(s, j->template_, &i, &j->e)
                                     : s->ops->instantiate(s, j->module, NULL, 0, &i, &j->e);
    if (j->result != STATUS_OK) {
        return;
    }
    core_extern f;
    if (!s->ops->export_at(s, &i, j->export_index, &f)) {
        j->result = STATUS_NOT_FOUND;
        return;
    }
    j->instance = i;
    j->result = s->ops->call(s, &f, j->values, j->count, &j->e);
}

static const uint8_t i32_type[] = {CORE_I32};
static const core_func_type i32_to_i32 = {1, 1, i32_type, i32_type};

static core_host_func *host_func(core_host_body body) {
    core_host_func *f = NULL;
    EXPECT_OK(helper_ops()->host_func_new(engine_core(helper_engine()), &i32_to_i32, body, NULL, &f, NULL));
    return f;
}

// Doubles its argument after having waited once.
static status wait_and_double(void *env, core_store *s, core_value *values, size_t count, err *e) {
    (void)env, (void)count;
    TRY(s->ops->suspend(s, e));
    ((job *)s->owner)->resumed++;
    values[0].i32 *= 2;
    return STATUS_OK;
}

static status wait_twice(void *env, core_store *s, core_value *values, size_t count, err *e) {
    (void)env, (void)values, (void)count;
    TRY(s->ops->suspend(s, e));
    ((job *)s->owner)->resumed++;
    TRY(s->ops->suspend(s, e));
    ((job *)s->owner)->resumed++;
    return STATUS_OK;
}

// Calls the instance's export 1 with its argument.
static status call_back(void *env, core_store *s, core_value *values, size_t count, err *e) {
    (void)env;
    core_extern f;
    job *j = s->owner;
    if (!s->ops->export_at(s, &j->instance, 1, &f)) {
        return err_set(e, STATUS_NOT_FOUND, "no export");
    }
    return s->ops->call(s, &f, values, count, e);
}

static const char nested_wat[] = "(module (import \"h\" \"back\" (func $back (param i32) (result i32)))"
                                 "  (import \"h\" \"wait\" (func $wait (param i32) (result i32)))"
                                 "  (func (export \"outer\") (param i32) (result i32) (i32.add (call $back "
                                 "(local.get 0)) (i32.const 100)))"
                                 "  (func (export \"inner\") (param i32) (result i32) (i32.add (call $wait "
                                 "(local.get 0)) (i32.const 1))))";

typedef struct nested {
    core_module *module;
    core_host_func *imports[2];
    core_template *template_;
} nested;

static nested nested_new(const char *wat, core_host_body first, core_host_body second) {
    nested n = {.module = helper_module(helper_engine(), wat),
                .imports = {host_func(first), host_func(second)}};
    err e;
    EXPECT_STATUS_ERR(
        helper_ops()->template_new(engine_core(helper_engine()), n.module, n.imports, 2, &n.template_, &e),
        STATUS_OK, e);
    return n;
}

static void nested_free(nested *n) {
    helper_ops()->template_free(n->template_);
    helper_ops()->host_func_free(n->imports[0]);
    helper_ops()->host_func_free(n->imports[1]);
    helper_ops()->module_free(n->module);
}

TEST(a_task_calls_a_guest) {
    core_module *m = helper_module(helper_engine(), "(module (func (export \"f\") (param i32) (result i32)"
                                                    " (i32.add (local.get 0) (i32.const 1))))");
    core_store *s = helper_store(helper_engine());
    job j = {.module = m, .values = {{.i32 = 41}}, .count = 1};
    EXPECT_EQ(helper_run(s, job_run, &j, 1), 1);
    EXPECT_STATUS_ERR(j.result, STATUS_OK, j.e);
    EXPECT_EQ(j.values[0].i32, 42);
    engine_store_free(s);
    helper_ops()->module_free(m);
}

TEST(a_host_function_below_two_guest_frames_suspends) {
    nested n = nested_new(nested_wat, call_back, wait_and_double);
    core_store *s = helper_store(helper_engine());
    for (int round = 0; round < 3; round++) {
        job j = {.template_ = n.template_, .values = {{.i32 = 21}}, .count = 1};
        EXPECT_EQ(helper_run(s, job_run, &j, 5), 2);
        EXPECT_STATUS_ERR(j.result, STATUS_OK, j.e);
        EXPECT_EQ(j.values[0].i32, 143);
        EXPECT_EQ(j.resumed, 1);
    }
    engine_store_free(s);
    nested_free(&n);
}

TEST(a_cancelled_task_unwinds_its_frames) {
    nested n = nested_new(nested_wat, call_back, wait_and_double);
    core_store *s = helper_store(helper_engine());
    job j = {.template_ = n.template_, .values = {{.i32 = 21}}, .count = 1, .result = STATUS_INTERNAL};
    EXPECT_EQ(helper_run(s, job_run, &j, 1), -1);
    EXPECT_STATUS(j.result, STATUS_CANCELLED);
    EXPECT_EQ(j.resumed, 0);
    EXPECT_EQ(engine_store_stop(s), ENGINE_STOP_CANCELLED);
    engine_store_free(s);
    nested_free(&n);
}

// --- start functions --------------------------------------------------------------------------------------

static const char start_wat[] =
    "(module (import \"h\" \"a\" (func $a (param i32) (result i32)))"
    "  (import \"h\" \"b\" (func $b (param i32) (result i32)))"
    "  (global $g (mut i32) (i32.const 0))"
    "  (func $start (global.set $g (call $a (i32.const 4))))"
    "  (start $start)"
    "  (func (export \"get\") (param i32) (result i32) (i32.add (global.get $g) (local.get 0))))";

TEST(a_start_function_suspends) {
    nested n = nested_new(start_wat, wait_twice, wait_and_double);
    core_store *s = helper_store(helper_engine());
    for (int round = 0; round < 3; round++) {
        job j = {.template_ = n.template_, .values = {{.i32 = 1}}, .count = 1};
        EXPECT_EQ(helper_run(s, job_run, &j, 9), 3);
        EXPECT_STATUS_ERR(j.result, STATUS_OK, j.e);
        EXPECT_EQ(j.values[0].i32, 5);
        EXPECT_EQ(j.resumed, 2);
    }
    engine_store_free(s);
    nested_free(&n);
}

TEST(a_task_cancelled_in_a_start_function_unwinds_both_stacks) {
    nested n = nested_new(start_wat, wait_twice, wait_and_double);
    for (int resumes = 1; resumes <= 2; resumes++) {
        core_store *s = helper_store(helper_engine());
        job j = {.template_ = n.template_, .values = {{.i32 = 1}}, .count = 1, .result = STATUS_INTERNAL};
        EXPECT_EQ(helper_run(s, job_run, &j, resumes), -1);
        EXPECT_STATUS(j.result, STATUS_CANCELLED);
        EXPECT_EQ(j.resumed, resumes - 1);
        engine_store_free(s);
    }
    nested_free(&n);
}

TEST(an_endless_start_function_is_stopped) {
    core_module *m = helper_module(helper_engine(), "(module (func $s (loop $l (br $l))) (start $s))");
    core_store *s = helper_store(helper_engine());
    engine_store_budget(s, 10000000, 0);
    job j = {.module = m};
    EXPECT_EQ(helper_run(s, job_run, &j, 1), 1);
    EXPECT_STATUS_ERR(j.result, STATUS_TRAP, j.e);
    EXPECT_EQ(engine_store_stop(s), ENGINE_STOP_CPU);
    EXPECT(engine_store_cpu_ns(s) >= 10000000);
    engine_store_free(s);
    helper_ops()->module_free(m);
}

TEST(a_start_function_that_traps_says_why) {
    core_module *m = helper_module(helper_engine(), "(module (func $s unreachable) (start $s))");
    core_store *s = helper_store(helper_engine());
    job j = {.module = m};
    EXPECT_EQ(helper_run(s, job_run, &j, 1), 1);
    EXPECT_STATUS(j.result, STATUS_TRAP);
    EXPECT_CONTAINS(j.e.message, "unreachable");
    EXPECT_EQ(engine_store_trap(s)->kind, ENGINE_TRAP_UNREACHABLE);
    engine_store_free(s);
    helper_ops()->module_free(m);
}

// --- recursion --------------------------------------------------------------------------------------------

static const char recursion_wat[] =
    "(module (import \"h\" \"back\" (func $back (param i32) (result i32)))"
    "  (import \"h\" \"unused\" (func (param i32) (result i32)))"
    "  (func (export \"outer\") (param i32) (result i32) (call $back (i32.add (local.get 0) (i32.const 1))))"
    "  (func (export \"again\") (param i32) (result i32) (call $back (i32.add (local.get 0) (i32.const "
    "1)))))";

TEST(recursion_through_the_host_ends_in_a_trap) {
    nested n = nested_new(recursion_wat, call_back, wait_and_double);
    core_store *s = helper_store(helper_engine());
    job j = {.template_ = n.template_, .count = 1};
    EXPECT_EQ(helper_run(s, job_run, &j, 100), 1);
    EXPECT_STATUS(j.result, STATUS_TRAP);
    EXPECT_CONTAINS(j.e.message, "call stack exhausted");
    EXPECT_EQ(engine_store_trap(s)->kind, ENGINE_TRAP_STACK);
    engine_store_free(s);
    nested_free(&n);
}

// Each level first uses up nearly all of the engine's allowance in guest frames, then calls the host, which
// calls the guest: the worst case for the fiber's stack.
static const char deep_wat[] =
    "(module (import \"h\" \"back\" (func $back (param i32) (result i32)))"
    "  (import \"h\" \"unused\" (func (param i32) (result i32)))"
    "  (func $down (param $n i32) (result i32)"
    "    (if (i32.eqz (local.get $n)) (then (return (call $back (i32.const 1)))))"
    "    (i32.add (call $down (i32.sub (local.get $n) (i32.const 1))) (i32.const 1)))"
    "  (func (export \"outer\") (param i32) (result i32) (call $down (i32.const %d)))"
    "  (func (export \"again\") (param i32) (result i32) (call $down (i32.const %d))))";

TEST(deep_guest_frames_between_host_calls_end_in_a_trap) {
    for (int depth = 1000; depth <= 40000; depth += 1500) {
        char wat[sizeof deep_wat + 16];
        snprintf(wat, sizeof wat, deep_wat, depth, depth);
        nested n = nested_new(wat, call_back, wait_and_double);
        core_store *s = helper_store(helper_engine());
        job j = {.template_ = n.template_, .count = 1};
        EXPECT_EQ(helper_run(s, job_run, &j, 1000), 1);
        EXPECT_STATUS(j.result, STATUS_TRAP);
        EXPECT_EQ(engine_store_trap(s)->kind, ENGINE_TRAP_STACK);
        engine_store_free(s);
        nested_free(&n);
    }
}

TEST(guest_recursion_ends_in_a_trap) {
    core_module *m = helper_module(helper_engine(), "(module (func $f (export \"f\") (call $f)))");
    core_store *s = helper_store(helper_engine());
    job j = {.module = m};
    EXPECT_EQ(helper_run(s, job_run, &j, 100), 1);
    EXPECT_STATUS(j.result, STATUS_TRAP);
    EXPECT_EQ(engine_store_trap(s)->kind, ENGINE_TRAP_STACK);
    engine_store_free(s);
    helper_ops()->module_free(m);
}

// A start function that calls the host, which calls back, and so on: on the second stack, whose top is not
// known.
static status instantiate_again(void *env, core_store *s, core_value *values, size_t count, err *e) {
    (void)env, (void)values, (void)count;
    job *j = s->owner;
    core_instance i;
    j->resumed++;
    return s->ops->template_instantiate(s, j->template_, &i, e);
}

TEST(a_start_function_that_instantiates_its_own_module_is_stopped) {
    nested n = nested_new(start_wat, instantiate_again, wait_and_double);
    core_store *s = helper_store(helper_engine());
    job j = {.template_ = n.template_, .count = 1};
    EXPECT_EQ(helper_run(s, job_run, &j, 1000), 1);
    EXPECT(j.result == STATUS_LIMIT || j.result == STATUS_TRAP);
    EXPECT(j.resumed > 0);
    engine_store_free(s);
    nested_free(&n);
}

// --- many at once ------------------------------------------------------------------------------------------

// Resumes until the task waits or ends: on a slow machine it may use up several time slices before.
static bool resume_until_it_waits(core_store *s, core_task *t) {
    bool ended;
    do {
        ended = helper_ops()->task_resume(t);
    } while (!ended && engine_store_is_runnable(s));
    return ended;
}

TEST(tasks_of_several_stores_interleave) {
    nested n = nested_new(nested_wat, call_back, wait_and_double);
    enum { STORES = 6 };
    core_store *stores[STORES];
    core_task *tasks[STORES];
    job jobs[STORES];
    for (int i = 0; i < STORES; i++) {
        stores[i] = helper_store(helper_engine());
        jobs[i] = (job){.template_ = n.template_, .values = {{.i32 = i}}, .count = 1};
        EXPECT_OK(helper_ops()->task_new(stores[i], job_run, &jobs[i], &tasks[i], NULL));
        EXPECT(!resume_until_it_waits(stores[i], tasks[i]));
    }
    for (int i = STORES - 1; i >= 0; i--) {
        if (i == 2) { // given up in the middle of the others
            helper_ops()->task_free(tasks[i]);
            EXPECT_STATUS(jobs[i].result, STATUS_CANCELLED);
        } else {
            EXPECT(resume_until_it_waits(stores[i], tasks[i]));
            EXPECT_EQ(jobs[i].values[0].i32, 2 * i + 101);
        }
    }
    for (int i = 0; i < STORES; i++) {
        engine_store_free(stores[i]); // frees the tasks too
    }
    nested_free(&n);
}
