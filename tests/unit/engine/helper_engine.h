// SPDX-License-Identifier: Apache-2.0
// Shared by the engine's tests: one engine per test program, modules from text, a store with one task.
#pragma once

#include "engine/engine.h"
#include "engine/module.h"
#include "engine/store.h"

engine_options helper_options(void); // small pools, quick to make
engine *helper_engine(void);         // made at the first call, freed at exit
const core_ops *helper_ops(void);

// Text format to binary; stops the test program when it does not parse. Free with mem_free.
slice helper_wat(const char *text);
core_module *helper_module(engine *g, const char *wat);

core_store *helper_store(engine *g);

// Runs `body` as a task of the store until it finishes, at most `resumes_max` resumes; returns how many it
// took, or -1 when it did not finish (then the task has been freed). Resumes that used up a time slice do not
// count, so the number says how often the task waited, on slow machines too.
int helper_run(core_store *s, core_task_body body, void *arg, int resumes_max);
