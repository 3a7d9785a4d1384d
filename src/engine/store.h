// SPDX-License-Identifier: Apache-2.0
// Stores: everything that one guest instance owns, with its limits. Used by one thread at a time.
//
// Time: CPU time is what the store's tasks spend inside task_resume. A guest that passes a limit is stopped
// at the next tick of the engine: the call that runs returns STATUS_TRAP and engine_store_stop says why. A
// guest that is suspended spends nothing; whoever waits for it frees the task when its wall deadline passes.
#pragma once

#include "engine/engine.h"
#include "engine/trap.h"

typedef struct engine_clock { // so that tests need not wait
    uint64_t (*now_ns)(void *context);
    uint64_t (*thread_cpu_ns)(void *context);
    void *context;
} engine_clock;

typedef struct engine_store_options {
    uint64_t memory_bytes_max;   // of each memory, and of all memories that the store exports together
    uint32_t table_elements_max; // of each table
    uint32_t instances_max;      // core instances
    uint32_t memories_max;
    uint32_t tables_max;
    const engine_clock *clock; // NULL = the machine's; borrowed until engine_store_free
} engine_store_options;

engine_store_options engine_store_options_default(void);

// STATUS_LIMIT when the pool has no room.
status engine_store_new(engine *g, const engine_store_options *options, core_store **ret,
                        err *e) WRIT_MUST_USE;
// Cancels the unfinished task, if there is one.
void engine_store_free(core_store *s); // accepts NULL

// Limits of the next call: starts both accounts anew. 0 = no limit.
void engine_store_budget(core_store *s, uint64_t cpu_ns_max, uint64_t deadline_ns);

// The deadline of the budget; 0 = none.
uint64_t engine_store_deadline_ns(const core_store *s);

typedef enum engine_stop {
    ENGINE_STOP_NONE,
    ENGINE_STOP_CPU,       // over its CPU time
    ENGINE_STOP_DEADLINE,  // past its wall deadline
    ENGINE_STOP_MEMORY,    // its memories together are over the limit
    ENGINE_STOP_CANCELLED, // its task was freed before it had finished
} engine_stop;

// Why the guest was stopped from outside. A store that was stopped runs no guest code any more.
engine_stop engine_store_stop(const core_store *s);
const char *engine_stop_name(engine_stop stop);
// CPU time since engine_store_budget.
uint64_t engine_store_cpu_ns(const core_store *s);
// Counts the CPU time of another store, which ran for this one, against this one's limit. It is no part of
// engine_store_cpu_ns, so that nobody's time is reported twice.
void engine_store_charge(core_store *s, uint64_t cpu_ns);
// Its own and what it was charged.
uint64_t engine_store_spent_ns(const core_store *s);
// What it may still spend, at least 1; 0 = no limit.
uint64_t engine_store_cpu_left_ns(const core_store *s);
// The last resume ended because the time slice was used up: resume again as soon as others had their turn.
// False when the task waits for something.
bool engine_store_is_runnable(const core_store *s);
// The first trap of this store; its kind is ENGINE_TRAP_NONE when there was none. Lives as long as the store.
const engine_trap *engine_store_trap(const core_store *s);
