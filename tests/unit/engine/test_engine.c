// SPDX-License-Identifier: Apache-2.0
// Levels: what the engine does where address space or memory is scarce. Each case runs in a child process
// with the limit, so this file makes no engine in the parent.
#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/facts.h"
#include "unit/engine/helper_engine.h"

#ifdef __SANITIZE_THREAD__
enum { HAS_SMALL_SPACE = 1 }; // ThreadSanitizer leaves too little for a pool of 4 GiB memories
#else
enum { HAS_SMALL_SPACE = 0 };
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { HAS_SHADOW = 1 }; // sanitizers reserve address space of their own and fail under a limit
#else
enum { HAS_SHADOW = 0 };
#endif

static void call_f(core_store *s, void *arg) {
    core_instance i;
    core_extern f;
    core_value v = {.i32 = 0};
    *(bool *)arg = s->ops->instantiate(s, s->owner, NULL, 0, &i, NULL) == STATUS_OK &&
                   s->ops->export_at(s, &i, 0, &f) && s->ops->call(s, &f, &v, 1, NULL) == STATUS_OK &&
                   v.i32 == 7;
}

// A module that writes to its memory and reads it back, through compile, load and call.
static bool engine_works(engine *g) {
    slice wasm =
        helper_wat("(module (func (export \"f\") (result i32) (i32.store (i32.const 65000) (i32.const 7))"
                   " (i32.load (i32.const 65000))) (memory 1 2000))");
    buf artifact;
    buf_init(&artifact, 1 << 20);
    core_module *m = NULL;
    bool ok = engine_compile(g, wasm, &artifact, NULL) == STATUS_OK &&
              engine_module_load(g, buf_slice(&artifact), &m, NULL) == STATUS_OK;
    for (int i = 0; ok && i < 10; i++) {
        engine_store_options o = engine_store_options_default();
        core_store *s = NULL;
        ok = engine_store_new(g, &o, &s, NULL) == STATUS_OK;
        s->owner = m;
        helper_run(s, call_f, &ok, 1);
        engine_store_free(s);
    }
    engine_core(g)->ops->module_free(m);
    buf_done(&artifact);
    mem_free((void *)(uintptr_t)wasm.data);
    return ok;
}

typedef struct level_case {
    engine_level asked;
    uint64_t address_bytes; // 0 = no limit
    engine_level expected;
    bool warns;
} level_case;

enum { CHILD_OK, CHILD_NOT_MADE, CHILD_OTHER_LEVEL, CHILD_OTHER_WARNING, CHILD_DOES_NOT_WORK };

static int child_main(const level_case *c) {
    if (c->address_bytes != 0) {
        struct rlimit r = {c->address_bytes, c->address_bytes};
        setrlimit(RLIMIT_AS, &r);
    }
    engine_options o = engine_options_default();
    o.level = c->asked;
    engine *g = NULL;
    err e;
    if (engine_new(&o, &g, &e) != STATUS_OK) {
        return CHILD_NOT_MADE;
    }
    const engine_sizes *sizes = engine_sizes_of(g);
    if (sizes->level != c->expected) {
        return CHILD_OTHER_LEVEL;
    }
    if ((sizes->warning[0] != '\0') != c->warns) {
        return CHILD_OTHER_WARNING;
    }
    int result = engine_works(g) ? CHILD_OK : CHILD_DOES_NOT_WORK;
    engine_free(g);
    return result;
}

static int run_child(const level_case *c) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(child_main(c));
    }
    int how = -1;
    waitpid(pid, &how, 0);
    return WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
}

TEST(the_levels_work) {
    static const level_case cases[] = {
        {ENGINE_SMALL, 0, ENGINE_SMALL, false},
        {ENGINE_ON_DEMAND, 0, ENGINE_ON_DEMAND, false},
        {ENGINE_AUTO, 0, ENGINE_POOLED, false},
        {ENGINE_POOLED, 0, ENGINE_POOLED, false},
    };
    size_t count = sizeof cases / sizeof cases[0] - (HAS_SMALL_SPACE ? 2 : 0);
    for (size_t i = 0; i < count; i++) {
        EXPECT_EQ(run_child(&cases[i]), CHILD_OK);
    }
}

TEST(little_address_space_makes_it_smaller) {
    if (HAS_SHADOW) {
        SKIP("sanitizers need address space");
    }
    static const level_case cases[] = {
        {ENGINE_AUTO, 32ull << 30, ENGINE_SMALL, true},
        {ENGINE_AUTO, 1ull << 30, ENGINE_ON_DEMAND, true},
        {ENGINE_AUTO, 400ull << 20, ENGINE_ON_DEMAND, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EXPECT_EQ(run_child(&cases[i]), CHILD_OK);
    }
    level_case refused = {ENGINE_POOLED, 32ull << 30, ENGINE_POOLED, false};
    EXPECT_EQ(run_child(&refused), CHILD_NOT_MADE);
}
