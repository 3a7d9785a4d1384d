// SPDX-License-Identifier: Apache-2.0
// Core modules to native code, in a confined process of its own.
//
// The compiler is the largest program that ever reads hostile bytes here, so it runs shut in (no files, no
// sockets, no keys) and only long enough to fill the memory files that it was given. It never sees the key
// that authenticates the cache: what it hands back is stored by the supervisor.
#pragma once

#include "component/component.h"
#include "engine/facts.h"
#include "host/host.h"
#include "host/log.h"

typedef struct artifacts {
    size_t count; // in the order of component_module_bytes
    int *fds;     // sealed memory files, or files of the cache
} artifacts;

void artifacts_done(artifacts *a); // accepts a zeroed one

// The sizes that every process that runs the workloads gives its engine: their instances must fit together,
// so that none has to wait for another's.
engine_options compile_engine_options(const host_config *config, bool compiles);

// Adds what depends on the components; does not change which native code fits.
void compile_fit_engine(engine_options *o, const engine_facts *facts, const component *const *list,
                        size_t count, uint32_t processes);
// Warns when the machine gave less than was asked for. `l` may be NULL.
void compile_report_engine(const engine *g, logger *l);

typedef struct compile_job {
    const host_config *config;
    const component *component;
    int component_fd; // memory file with the component's bytes; -1: compile in this process
    const host_observer *observer;
    logger *logger;
    engine_options options; // with a level that is not ENGINE_AUTO
    engine *engine;         // for compiling in this process
} compile_job;

// Finds every module in the cache or compiles it. STATUS_LIMIT when there was not enough memory to compile.
status compile_modules(const compile_job *job, artifacts *ret, err *e) WRIT_MUST_USE;
