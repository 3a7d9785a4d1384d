// SPDX-License-Identifier: Apache-2.0
// Many tasks, started, resumed and given up in random order; and several threads on one engine. The seed of a
// failing run is printed; it is fixed, so that a failure repeats.
#include "test.h"

#include <pthread.h>

#include "base/mem.h"
#include "unit/engine/helper_engine.h"

enum { SLOTS = 8, STEPS = 4000, THREADS = 3 };

// Export 0 goes down `n` levels, guest and host in turn; the host waits at every level whose bit is set in
// `waits`, before and after. The start function waits too when bit 31 is set.
static const char guest_wat[] =
    "(module (import \"h\" \"step\" (func $step (param i32 i32) (result i32)))"
    "  (import \"h\" \"begin\" (func $begin (param i32 i32) (result i32)))"
    "  (memory (export \"memory\") 1)"
    "  (func $start (i32.store (i32.const 64) (call $begin (i32.const 0) (i32.const 0))))"
    "  (start $start)"
    "  (func (export \"down\") (param $n i32) (param $x i32) (result i32)"
    "    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))"
    "    (if (result i32) (i32.eqz (local.get $n))"
    "      (then (i32.add (local.get $x) (i32.load (i32.const 64))))"
    "      (else (i32.add (call $step (i32.sub (local.get $n) (i32.const 1)) (local.get $x)) (i32.const "
    "1))))))";

typedef struct shared {
    engine *engine;
    core_module *module;
    core_host_func *imports[2];
    core_template *template_;
} shared;

typedef struct job {
    const shared *shared;
    core_store *store;
    core_task *task;
    uint32_t depth;
    uint32_t waits;
    core_instance instance;
    status result;
    int32_t value;
    uint32_t entered; // host functions that began and
    uint32_t left;    // ended
} job;

static status wait_if(const job *j, core_store *s, uint32_t bit, err *e) {
    return (j->waits >> (bit & 31) & 1) != 0 ? s->ops->suspend(s, e) : STATUS_OK;
}

static status step_through(job *j, core_store *s, core_value *values, err *e) {
    uint32_t level = values[0].u32;
    TRY(wait_if(j, s, level, e));
    core_extern f;
    if (!s->ops->export_at(s, &j->instance, 1, &f)) {
        return err_set(e, STATUS_NOT_FOUND, "no export");
    }
    TRY(s->ops->call(s, &f, values, 2, e));
    return wait_if(j, s, level, e);
}

static status step(void *env, core_store *s, core_value *values, size_t count, err *e) {
    (void)env, (void)count;
    job *j = s->owner;
    j->entered++;
    status result = step_through(j, s, values, e);
    j->left++;
    return result;
}

static status begin(void *env, core_store *s, core_value *values, size_t count, err *e) {
    (void)env, (void)count;
    job *j = s->owner;
    j->entered++;
    status result = wait_if(j, s, 31, e);
    values[0].i32 = 1000;
    j->left++;
    return result;
}

static void job_run(core_store *s, void *arg) {
    job *j = arg;
    core_extern f;
    core_value v[2] = {{.u32 = j->depth}, {.i32 = 5}};
    j->result = s->ops->template_instantiate(s, j->shared->template_, &j->instance, NULL);
    if (j->result == STATUS_OK && s->ops->export_at(s, &j->instance, 1, &f)) {
        j->result = s->ops->call(s, &f, v, 2, NULL);
        j->value = v[0].i32;
    }
}

static shared shared_new(engine *g) {
    static const uint8_t types[] = {CORE_I32, CORE_I32};
    static const core_func_type type = {2, 1, types, types};
    shared x = {.engine = g, .module = helper_module(g, guest_wat)};
    core_engine *c = engine_core(g);
    EXPECT_OK(c->ops->host_func_new(c, &type, step, NULL, &x.imports[0], NULL));
    EXPECT_OK(c->ops->host_func_new(c, &type, begin, NULL, &x.imports[1], NULL));
    EXPECT_OK(c->ops->template_new(c, x.module, x.imports, 2, &x.template_, NULL));
    return x;
}

static void shared_done(shared *x) {
    const core_ops *ops = engine_core(x->engine)->ops;
    ops->template_free(x->template_);
    ops->host_func_free(x->imports[0]);
    ops->host_func_free(x->imports[1]);
    ops->module_free(x->module);
}

static uint32_t next(uint32_t *state) { // xorshift32
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

static void job_start(job *j, const shared *x, uint32_t *random) {
    *j = (job){.shared = x, .depth = next(random) % 5, .waits = next(random) & next(random)};
    engine_store_options o = engine_store_options_default();
    status made = engine_store_new(x->engine, &o, &j->store, NULL);
    made = made == STATUS_OK ? j->store->ops->task_new(j->store, job_run, j, &j->task, NULL) : made;
    j->store->owner = j;
    j->result = made == STATUS_OK ? STATUS_INTERNAL : made;
}

// True when all of the job is as it must be.
static bool job_end(job *j, bool finished) {
    j->store->ops->task_free(j->task);
    bool ok = j->entered == j->left; // every frame has returned
    if (finished) {
        ok = ok && j->result == STATUS_OK && j->value == (int32_t)(1005 + j->depth);
    } else {
        ok = ok && (j->result == STATUS_CANCELLED || j->entered == 0);
    }
    engine_store_free(j->store);
    j->store = NULL;
    return ok;
}

// 0, or the step that went wrong.
static int stress(const shared *x, uint32_t seed, int slots, int steps) {
    job jobs[SLOTS] = {0};
    int failed_at = 0;
    uint32_t random = seed;
    for (int i = 1; i <= steps && failed_at == 0; i++) {
        job *j = &jobs[next(&random) % (uint32_t)slots];
        if (j->store == NULL) {
            job_start(j, x, &random);
        } else if (next(&random) % 8 == 0) {
            failed_at = job_end(j, false) ? 0 : i;
        } else if (j->store->ops->task_resume(j->task)) {
            failed_at = job_end(j, true) ? 0 : i;
        }
    }
    for (int i = 0; i < slots; i++) {
        if (jobs[i].store != NULL && !job_end(&jobs[i], false) && failed_at == 0) {
            failed_at = steps + 1;
        }
    }
    return failed_at;
}

TEST(random_orders_of_tasks) {
    shared x = shared_new(helper_engine());
    for (uint32_t seed = 1; seed <= 5; seed++) {
        int failed_at = stress(&x, seed * 2654435761u, 6, STEPS);
        if (!EXPECT_EQ(failed_at, 0)) {
            printf("    seed %u\n", seed);
        }
    }
    shared_done(&x);
}

typedef struct worker {
    pthread_t thread;
    const shared *shared;
    uint32_t seed;
    int failed_at;
} worker;

static void *worker_main(void *arg) {
    worker *w = arg;
    w->failed_at = stress(w->shared, w->seed, 2, STEPS / 4);
    return NULL;
}

TEST(threads_share_an_engine) {
    shared x = shared_new(helper_engine());
    worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.shared = &x, .seed = 77u + (uint32_t)i};
        EXPECT(pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        EXPECT_EQ(workers[i].failed_at, 0);
    }
    shared_done(&x);
}

static void spin(core_store *s, void *arg) {
    core_instance i;
    (void)!s->ops->instantiate(s, arg, NULL, 0, &i, NULL);
}

TEST(engines_come_and_go) {
    for (int round = 0; round < 10; round++) {
        engine_options o = helper_options();
        engine *g = NULL;
        EXPECT_OK(engine_new(&o, &g, NULL));
        if (round % 2 == 0) {
            core_module *m = helper_module(g, "(module (func $s (loop $l (br $l))) (start $s))");
            core_store *s = helper_store(g);
            engine_store_budget(s, 3000000, 0);
            EXPECT_EQ(helper_run(s, spin, m, 1), 1);
            EXPECT_EQ(engine_store_stop(s), ENGINE_STOP_CPU);
            engine_store_free(s);
            engine_core(g)->ops->module_free(m);
        }
        engine_free(g);
    }
}
