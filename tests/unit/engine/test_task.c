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
    s->owner = j;
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

static const char nested_wat[] =
    "(module (import \"h\" \"back\" (func $back (param i32) (result i32)))"
    "  (import \"h\" \"wait\" (func $wait (param i32) (result i32)))"
    "  (func (export \"outer\") (param i32) (result i32) (i32.add (call $back (local.get 0)) (i32.const 100)))"
    "  (func (export \"inner\") (param i32) (result i32) (i32.add (call $wait (local.get 0)) (i32.const 1))))";

typedef struct nested {
    core_module *module;
    core_host_func *imports[2];
    core_template *template_;
} nested;

static nested nested_new(const char *wat, core_host_body first, core_host_body second) {
    nested n = {.module = helper_module(helper_engine(), wat), .imports = {host_func(first), host_func(second)}};
    err e;
    EXPECT_STATUS_ERR(
        helper_ops()->template_new(engine_core(helper_engine()), n.module, n.imports, 2, &n.template_, &e), STATUS_OK,
        e);
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
