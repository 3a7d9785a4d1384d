// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "base/mem.h"
#include "unit/engine/helper_engine.h"

typedef struct job {
    const core_module *module;
    core_value values[2];
    size_t count;
    status result;
    err e;
} job;

// Instantiates and calls export 0.
static void job_run(core_store *s, void *arg) {
    job *j = arg;
    core_instance i;
    j->result = s->ops->instantiate(s, j->module, NULL, 0, &i, &j->e);
    core_extern f;
    if (j->result == STATUS_OK && s->ops->export_at(s, &i, 0, &f)) {
        j->result = s->ops->call(s, &f, j->values, j->count, &j->e);
    }
}

static core_store *store_with(const engine_store_options *o) {
    core_store *s = NULL;
    err e;
    EXPECT_STATUS_ERR(engine_store_new(helper_engine(), o, &s, &e), STATUS_OK, e);
    return s;
}

static const char spin_wat[] = "(module (func (export \"spin\") (loop $l (br $l))))";

// A clock that stands still until a test moves it, or goes on by `step_ns` at every look.
typedef struct fake_clock {
    uint64_t now_ns;
    uint64_t cpu_ns;
    uint64_t step_ns;
} fake_clock;

static uint64_t fake_now_ns(void *context) {
    fake_clock *c = context;
    return c->now_ns += c->step_ns;
}

static uint64_t fake_cpu_ns(void *context) {
    fake_clock *c = context;
    return c->cpu_ns += c->step_ns;
}

TEST(an_endless_loop_is_stopped_at_its_cpu_budget) {
    core_module *m = helper_module(helper_engine(), spin_wat);
    core_store *s = helper_store(helper_engine());
    engine_store_budget(s, 20000000, 0);
    job j = {.module = m};
    EXPECT_EQ(helper_run(s, job_run, &j, 1), 1);
    EXPECT_STATUS(j.result, STATUS_TRAP);
    EXPECT_CONTAINS(j.e.message, "CPU time");
    EXPECT_EQ(engine_store_stop(s), ENGINE_STOP_CPU);
    EXPECT_EQ(engine_store_trap(s)->kind, ENGINE_TRAP_STOPPED);
    EXPECT(engine_store_cpu_ns(s) >= 20000000);
    EXPECT(engine_store_cpu_ns(s) < 2000000000);
    core_task *t = NULL;
    EXPECT_STATUS(s->ops->task_new(s, job_run, &j, &t, NULL), STATUS_TRAP); // it runs nothing any more
    engine_store_free(s);
    helper_ops()->module_free(m);
}

TEST(an_endless_loop_is_stopped_at_its_deadline) {
    fake_clock c = {.now_ns = 1000000000, .step_ns = 1000};
    engine_clock clock = {fake_now_ns, fake_cpu_ns, &c};
    engine_store_options o = engine_store_options_default();
    o.clock = &clock;
    core_module *m = helper_module(helper_engine(), spin_wat);
    core_store *s = store_with(&o);
    engine_store_budget(s, 0, 2000000000);
    job j = {.module = m};
    core_task *t = NULL;
    EXPECT_OK(s->ops->task_new(s, job_run, &j, &t, NULL));
    for (int i = 0; i < 3; i++) {
        EXPECT(!s->ops->task_resume(t));
        EXPECT(engine_store_is_runnable(s));
    }
    c.now_ns = 2000000000;
    EXPECT(s->ops->task_resume(t));
    EXPECT_STATUS(j.result, STATUS_TRAP);
    EXPECT_EQ(engine_store_stop(s), ENGINE_STOP_DEADLINE);
    engine_store_free(s);
    helper_ops()->module_free(m);
}

TEST(a_spinning_guest_can_be_cancelled) {
    core_module *m = helper_module(helper_engine(), spin_wat);
    core_store *s = helper_store(helper_engine());
    job j = {.module = m};
    core_task *t = NULL;
    EXPECT_OK(s->ops->task_new(s, job_run, &j, &t, NULL));
    EXPECT(!s->ops->task_resume(t));
    s->ops->task_free(t);
    EXPECT_STATUS(j.result, STATUS_CANCELLED);
    engine_store_free(s);
    helper_ops()->module_free(m);
}

TEST(a_task_that_never_ran_can_be_freed) {
    core_store *s = helper_store(helper_engine());
    core_task *t = NULL;
    job j = {.result = STATUS_INTERNAL};
    EXPECT_OK(s->ops->task_new(s, job_run, &j, &t, NULL));
    s->ops->task_free(t);
    EXPECT_STATUS(j.result, STATUS_INTERNAL);
    engine_store_free(s);
}

TEST(a_store_is_freed_with_its_suspended_task) {
    core_module *m = helper_module(helper_engine(), spin_wat);
    core_store *s = helper_store(helper_engine());
    job j = {.module = m};
    core_task *t = NULL;
    EXPECT_OK(s->ops->task_new(s, job_run, &j, &t, NULL));
    EXPECT(!s->ops->task_resume(t));
    engine_store_free(s);
    EXPECT_STATUS(j.result, STATUS_CANCELLED);
    helper_ops()->module_free(m);
}

static void body_that_waits(core_store *s, void *arg) {
    status *result = arg;
    do {
        *result = s->ops->suspend(s, NULL);
    } while (*result == STATUS_OK);
}

// Work in slices shorter than a tick, with a wait after each, must not escape the account.
TEST(short_slices_between_waits_add_up) {
    fake_clock c = {.step_ns = 100000};
    engine_clock clock = {fake_now_ns, fake_cpu_ns, &c};
    engine_store_options o = engine_store_options_default();
    o.clock = &clock;
    core_store *s = store_with(&o);
    engine_store_budget(s, 5000000, 0);
    status result = STATUS_OK;
    core_task *t = NULL;
    EXPECT_OK(s->ops->task_new(s, body_that_waits, &result, &t, NULL));
    int resumes = 1;
    while (!s->ops->task_resume(t) && resumes < 1000) {
        resumes++;
    }
    EXPECT(resumes > 5 && resumes < 100);
    EXPECT_STATUS(result, STATUS_TRAP);
    EXPECT_EQ(engine_store_stop(s), ENGINE_STOP_CPU);
    engine_store_free(s);
}

TEST(a_wait_past_the_deadline_ends_the_task) {
    fake_clock c = {.now_ns = 10};
    engine_clock clock = {fake_now_ns, fake_cpu_ns, &c};
    engine_store_options o = engine_store_options_default();
    o.clock = &clock;
    core_store *s = store_with(&o);
    engine_store_budget(s, 0, 100);
    status result = STATUS_OK;
    core_task *t = NULL;
    EXPECT_OK(s->ops->task_new(s, body_that_waits, &result, &t, NULL));
    EXPECT(!s->ops->task_resume(t));
    EXPECT(!engine_store_is_runnable(s));
    c.now_ns = 100;
    EXPECT(s->ops->task_resume(t));
    EXPECT_STATUS(result, STATUS_TRAP);
    EXPECT_EQ(engine_store_stop(s), ENGINE_STOP_DEADLINE);
    EXPECT_CONTAINS(engine_store_trap(s)->message, "deadline");
    engine_store_free(s);
}

// --- memory and tables ------------------------------------------------------------------------------------

static core_value run_for_value(const char *wat, const engine_store_options *o, status expected) {
    core_module *m = helper_module(helper_engine(), wat);
    core_store *s = store_with(o);
    job j = {.module = m, .count = 1};
    EXPECT_EQ(helper_run(s, job_run, &j, 1), 1);
    EXPECT_STATUS_ERR(j.result, expected, j.e);
    if (expected != STATUS_OK) {
        EXPECT(j.e.message[0] != '\0');
    }
    engine_store_free(s);
    helper_ops()->module_free(m);
    return j.values[0];
}

TEST(memory_grows_to_its_limit_and_not_further) {
    engine_store_options o = engine_store_options_default();
    o.memory_bytes_max = 10 * 65536;
    core_value v = run_for_value("(module (func (export \"bomb\") (result i32)"
                                 "  (loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))"
                                 "  (memory.size)) (memory 1))",
                                 &o, STATUS_OK);
    EXPECT_EQ(v.i32, 10);
    run_for_value("(module (func (export \"f\") (result i32) (i32.const 0)) (memory 11))", &o, STATUS_LIMIT);
}

TEST(tables_grow_to_their_limit_and_not_further) {
    engine_store_options o = engine_store_options_default();
    o.table_elements_max = 1000;
    core_value v = run_for_value(
        "(module (func (export \"bomb\") (result i32)"
        "  (loop $l (br_if $l (i32.ne (table.grow (ref.null func) (i32.const 1)) (i32.const -1))))"
        "  (table.size)) (table 1 funcref))",
        &o, STATUS_OK);
    EXPECT_EQ(v.i32, 1000);
    run_for_value("(module (func (export \"f\") (result i32) (i32.const 0)) (table 1001 funcref))", &o,
                  STATUS_LIMIT);
}

static void two_memories(core_store *s, void *arg) {
    job *j = arg;
    core_instance first;
    j->result = s->ops->instantiate(s, j->module, NULL, 0, &first, &j->e);
    if (j->result == STATUS_OK) {
        job_run(s, arg);
    }
}

// Each of two memories is within the limit, their sum is not.
TEST(memories_together_are_limited) {
    engine_store_options o = engine_store_options_default();
    o.memory_bytes_max = 10 * 65536;
    core_module *m = helper_module(helper_engine(), "(module (func (export \"f\") (loop $l (br $l)))"
                                                    "  (memory (export \"memory\") 6))");
    core_store *s = store_with(&o);
    job j = {.module = m};
    EXPECT_EQ(helper_run(s, two_memories, &j, 1), 1);
    EXPECT_STATUS(j.result, STATUS_TRAP);
    EXPECT_EQ(engine_store_stop(s), ENGINE_STOP_MEMORY);
    engine_store_free(s);
    helper_ops()->module_free(m);
}

typedef struct many {
    const core_module *module;
    status result;
    int made;
    err e;
} many;

static void instantiate_until_refused(core_store *s, void *arg) {
    many *m = arg;
    core_instance i;
    do {
        m->result = s->ops->instantiate(s, m->module, NULL, 0, &i, &m->e);
        m->made += m->result == STATUS_OK;
    } while (m->result == STATUS_OK);
}

TEST(instances_of_a_store_are_limited) {
    engine_store_options o = engine_store_options_default();
    o.instances_max = 5;
    core_module *module = helper_module(helper_engine(), "(module)");
    core_store *s = store_with(&o);
    many m = {.module = module};
    EXPECT_EQ(helper_run(s, instantiate_until_refused, &m, 1), 1);
    EXPECT_STATUS_ERR(m.result, STATUS_LIMIT, m.e);
    EXPECT_EQ(m.made, 5);
    engine_store_free(s);
    helper_ops()->module_free(module);
}

TEST(memory_is_fresh_for_every_store) {
    core_module *m = helper_module(
        helper_engine(), "(module (func (export \"f\") (result i32)"
                         "  (local $old i32) (local.set $old (i32.add (i32.load (i32.const 0))"
                         "    (i32.add (i32.load (i32.const 100000)) (i32.load (i32.const 8)))))"
                         "  (i32.store (i32.const 0) (i32.const 7)) (i32.store (i32.const 8) (i32.const 9))"
                         "  (i32.store (i32.const 100000) (i32.const 7)) (local.get $old))"
                         "  (memory (export \"memory\") 2) (data (i32.const 8) \"\\05\"))");
    for (int i = 0; i < 20; i++) {
        core_store *s = helper_store(helper_engine());
        job j = {.module = m, .count = 1};
        EXPECT_EQ(helper_run(s, job_run, &j, 1), 1);
        EXPECT_EQ(j.values[0].i32, 5);
        engine_store_free(s);
    }
    helper_ops()->module_free(m);
}

// Each instance that throws needs a heap of its own: as many as instances.
TEST(guests_may_throw_and_catch) {
    core_module *m = helper_module(
        helper_engine(), "(module (tag $t (param i32)) (func (export \"f\") (param i32) (result i32)"
                         "  (block $caught (result i32)"
                         "    (try_table (catch $t $caught) (throw $t (local.get 0))) (i32.const 0))))");
    core_store *stores[4];
    for (int i = 0; i < 4; i++) {
        stores[i] = helper_store(helper_engine());
        job j = {.module = m, .values = {{.i32 = 7 + i}}, .count = 1};
        EXPECT_EQ(helper_run(stores[i], job_run, &j, 1), 1);
        EXPECT_STATUS_ERR(j.result, STATUS_OK, j.e);
        EXPECT_EQ(j.values[0].i32, 7 + i);
    }
    for (int i = 0; i < 4; i++) {
        engine_store_free(stores[i]);
    }
    helper_ops()->module_free(m);
}
