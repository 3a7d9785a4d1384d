// SPDX-License-Identifier: Apache-2.0
// The engine of core WebAssembly: Wasmtime behind component/core.h. One per process.
//
//   engine_new            sizes and limits -> engine; falls back to smaller pools where the machine cannot
//   give more engine/module.h       compiles WebAssembly to an artifact, loads artifacts engine/store.h one
//   store per guest instance: limits, deadlines, CPU time; tasks run in it engine/cache.h        artifacts on
//   disk, authenticated engine/trap.h         why a guest stopped, with function names
//
// All guest code runs on fibers (tasks, see component/core.h). One thread of the engine's own raises the
// epoch while guests run, which is what stops endless loops and slices time between guests; it sleeps
// otherwise. Threads: the engine may be shared, everything of one store belongs to one thread at a time. Only
// this folder includes Wasmtime's headers. Tests: tests/unit/engine.
#pragma once

#include "base/attributes.h"
#include "component/core.h"

// How much address space the engine reserves. Code compiled at ENGINE_POOLED (4 GiB reserved per memory,
// hardly any bounds checks) does not load at the other levels, so the level is part of the name of an
// artifact in the cache.
typedef enum engine_level {
    ENGINE_AUTO,   // the best of the following that the machine can give
    ENGINE_POOLED, // all memories reserved at start: a fresh instance costs microseconds
    ENGINE_SMALL,  // pooled too, but memories of at most 64 MiB, fewer of them, with explicit bounds checks
    ENGINE_ON_DEMAND, // memories are mapped when needed; slow, works everywhere
} engine_level;

typedef struct engine_options {
    engine_level level;
    uint32_t instances_max;      // stores with guests in them at one time
    uint32_t core_per_instance;  // core modules, memories and tables that one store needs on average
    uint64_t memory_bytes_max;   // of one linear memory
    uint32_t table_elements_max; // of one table
    // What of a slot stays mapped between two instances. Decides the speed of a fresh instance per request:
    // without it the kernel frees and faults the same pages again and again. Costs this much memory for every
    // slot that has ever been used. engine/fit.h chooses it.
    size_t memory_resident_bytes;
    size_t table_resident_bytes;
    size_t stack_bytes;      // of one fiber, host functions included
    size_t wasm_stack_bytes; // of guest code per entry
    uint64_t tick_ns;        // time slice, and the precision of deadlines
    bool has_memory64;       // accept modules with 64-bit memories
    bool compiles;           // whether this process compiles (in parallel) rather than only loads artifacts
} engine_options;

engine_options engine_options_default(void);

typedef struct engine engine;

// What the machine gave. `warning` is empty when that is what was asked for.
typedef struct engine_sizes {
    engine_level level; // never ENGINE_AUTO
    uint32_t instances_max;
    uint64_t memory_bytes_max;
    uint64_t reserved_bytes; // of address space, about
    char warning[256];
} engine_sizes;

status engine_new(const engine_options *options, engine **ret, err *e) WRIT_MUST_USE;
// All stores, modules, host functions and templates must be gone. Stops the ticker.
void engine_free(engine *g);

core_engine *engine_core(engine *g);
const engine_sizes *engine_sizes_of(const engine *g);

const char *engine_level_name(engine_level level); // "pooled", "small", "on-demand"
// The level that ENGINE_AUTO would choose now. Cheap: probes the address space, makes no engine.
engine_level engine_level_choose(const engine_options *options);
// How many instances of options->instances_max a pool at ENGINE_POOLED has room for now; 0 when the machine
// gives no such pool. Cheap likewise.
uint32_t engine_pool_capacity(const engine_options *options);
// The pinned engine's name and version, such as "wasmtime 50.0.1".
const char *engine_version(void);
