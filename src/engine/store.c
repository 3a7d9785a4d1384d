// SPDX-License-Identifier: Apache-2.0
// Stores: limits, CPU time and deadlines.
//
// CPU time of a slice: the first ones of a store are measured with the monotonic clock, which costs no system
// call, and charged at most two ticks, since the epoch ends a slice of guest code after that. A store that
// has used up a slice gets the clock of the thread's CPU time, so that a busy machine does not make guests
// look slower. A slice inside one of another store (a call from one component to another) is taken off that
// one's.
#include "engine/store.h"

#include "base/check.h"
#include "base/mem.h"
#include "engine/engine_internal.h"
#include "os/clock.h"

engine_store_options engine_store_options_default(void) {
    return (engine_store_options){
        .memory_bytes_max = 256ull << 20,
        .table_elements_max = 100000,
        .instances_max = 64,
        .memories_max = 16,
        .tables_max = 64,
    };
}

static uint64_t machine_now_ns(void *context) {
    (void)context;
    return clock_now_ns();
}

static uint64_t machine_thread_cpu_ns(void *context) {
    (void)context;
    return clock_thread_cpu_ns();
}

static uint64_t store_now_ns(const engine_store *s) { return s->clock.now_ns(s->clock.context); }

static uint64_t store_slice_elapsed_ns(const engine_store *s) {
    if (s->is_long_running && !s->is_within) {
        return s->clock.thread_cpu_ns(s->clock.context) - s->slice_start_cpu_ns;
    }
    uint64_t elapsed = store_now_ns(s) - s->slice_start_ns;
    uint64_t most = 2 * s->engine->options.tick_ns;
    return elapsed < most ? elapsed : most;
}

static uint64_t store_slice_own_ns(const engine_store *s, uint64_t elapsed) {
    return elapsed > s->slice_others_ns ? elapsed - s->slice_others_ns : 0;
}

static uint64_t store_slice_ns(const engine_store *s) {
    return store_slice_own_ns(s, store_slice_elapsed_ns(s));
}

void store_slice_begin(engine_store *s) {
    s->slice_others_ns = 0;
    if (s->is_long_running) {
        s->slice_start_cpu_ns = s->clock.thread_cpu_ns(s->clock.context);
    } else {
        s->slice_start_ns = store_now_ns(s);
    }
    ticker_enter(s->engine->ticker);
}

void store_slice_end(engine_store *s) {
    ticker_leave(s->engine->ticker);
    s->cpu_ns += store_slice_ns(s);
    s->is_long_running = s->is_long_running || s->is_runnable;
}

// Always with the monotonic clock: two system calls would cost more than most calls between components.
void store_slice_begin_within(engine_store *s) {
    s->slice_others_ns = 0;
    s->slice_start_ns = store_now_ns(s);
    s->is_within = true;
}

void store_slice_end_within(engine_store *s, engine_store *outer) {
    uint64_t elapsed = store_slice_elapsed_ns(s);
    s->is_within = false;
    s->cpu_ns += store_slice_own_ns(s, elapsed);
    s->is_long_running = s->is_long_running || s->is_runnable;
    outer->slice_others_ns += elapsed;
}

static uint64_t store_memory_bytes(const engine_store *s) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < s->memory_count; i++) {
        sum += wasmtime_memory_data_size(s->context, &s->memories[i]);
    }
    return sum;
}

static engine_stop store_over_limit(const engine_store *s) {
    if (s->cpu_ns_max != 0 && s->cpu_ns + s->charged_ns + store_slice_ns(s) >= s->cpu_ns_max) {
        return ENGINE_STOP_CPU;
    }
    if (s->deadline_ns != 0 && store_now_ns(s) >= s->deadline_ns) {
        return ENGINE_STOP_DEADLINE;
    }
    if (s->memory_count > 1 && store_memory_bytes(s) > s->memory_bytes_max) {
        return ENGINE_STOP_MEMORY;
    }
    return ENGINE_STOP_NONE;
}

status store_may_run(const engine_store *s, err *e) {
    if (WRIT_UNLIKELY(s->is_cancelled)) {
        return err_set(e, STATUS_CANCELLED, "the task was cancelled");
    }
    if (WRIT_UNLIKELY(s->stop != ENGINE_STOP_NONE)) {
        return err_set(e, STATUS_TRAP, "the guest was stopped: %s", engine_stop_name(s->stop));
    }
    return STATUS_OK;
}

status store_check_limits(engine_store *s, err *e) {
    s->stop = store_over_limit(s);
    if (s->stop != ENGINE_STOP_NONE) {
        trap_record_text(s, ENGINE_TRAP_STOPPED, engine_stop_name(s->stop));
    }
    return store_may_run(s, e);
}

// On the fiber, in the middle of guest code.
static wasmtime_error_t *store_epoch_passed(const wasmtime_context_t *context, void *data,
                                            uint64_t *ret_delta, wasmtime_update_deadline_kind_t *ret_kind) {
    (void)context;
    engine_store *s = data;
    s->stop = store_over_limit(s); // the trap that follows records it, with its frames
    if (s->stop != ENGINE_STOP_NONE) {
        return wasmtime_error_new(engine_stop_name(s->stop));
    }
    s->is_runnable = true;
    *ret_delta = 2;
    *ret_kind = WASMTIME_UPDATE_DEADLINE_YIELD;
    return NULL;
}

static int64_t limit_of(uint64_t value) { return value > INT64_MAX ? INT64_MAX : (int64_t)value; }

status engine_store_new(engine *g, const engine_store_options *options, core_store **ret, err *e) {
    (void)e;
    engine_store *s = MEM_NEW(engine_store);
    s->core = (core_store){.ops = g->core.ops, .engine = &g->core};
    s->engine = g;
    s->clock = options->clock != NULL
                   ? *options->clock
                   : (engine_clock){.now_ns = machine_now_ns, .thread_cpu_ns = machine_thread_cpu_ns};
    s->memory_bytes_max = options->memory_bytes_max;
    s->wasm = wasmtime_store_new(g->wasm, s, NULL);
    s->context = wasmtime_store_context(s->wasm);
    wasmtime_store_limiter(s->wasm, limit_of(options->memory_bytes_max), options->table_elements_max,
                           options->instances_max, options->tables_max,
                           options->memories_max < STORE_MEMORIES_MAX ? options->memories_max
                                                                      : STORE_MEMORIES_MAX);
    wasmtime_store_epoch_deadline_callback(s->wasm, store_epoch_passed, s, NULL);
    *ret = &s->core;
    return STATUS_OK;
}

void engine_store_free(core_store *core) {
    if (core == NULL) {
        return;
    }
    engine_store *s = store_of(core);
    task_free(&s->task);
    wasmtime_store_delete(s->wasm);
    trap_done(&s->trap);
    mem_free(s);
}

void engine_store_budget(core_store *core, uint64_t cpu_ns_max, uint64_t deadline_ns) {
    engine_store *s = store_of(core);
    s->cpu_ns = 0;
    s->charged_ns = 0;
    s->cpu_ns_max = cpu_ns_max;
    s->deadline_ns = deadline_ns;
}

engine_stop engine_store_stop(const core_store *s) { return store_of_const(s)->stop; }
uint64_t engine_store_deadline_ns(const core_store *s) { return store_of_const(s)->deadline_ns; }
uint64_t engine_store_cpu_ns(const core_store *s) { return store_of_const(s)->cpu_ns; }

void engine_store_charge(core_store *core, uint64_t cpu_ns) { store_of(core)->charged_ns += cpu_ns; }

uint64_t engine_store_spent_ns(const core_store *core) {
    const engine_store *s = store_of_const(core);
    return s->cpu_ns + s->charged_ns;
}

uint64_t engine_store_cpu_left_ns(const core_store *core) {
    const engine_store *s = store_of_const(core);
    uint64_t spent = engine_store_spent_ns(core);
    return s->cpu_ns_max == 0 ? 0 : spent < s->cpu_ns_max ? s->cpu_ns_max - spent : 1;
}

bool engine_store_is_runnable(const core_store *s) { return store_of_const(s)->is_runnable; }
const engine_trap *engine_store_trap(const core_store *s) { return &store_of_const(s)->trap; }

const char *engine_stop_name(engine_stop stop) {
    static const char *const names[] = {
        "not stopped", "over its CPU time limit", "past its deadline", "over its memory limit", "cancelled",
    };
    return stop <= ENGINE_STOP_CANCELLED ? names[stop] : "unknown";
}
