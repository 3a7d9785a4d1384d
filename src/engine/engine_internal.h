// SPDX-License-Identifier: Apache-2.0
// What the files of this folder share. Not for other folders.
#pragma once

#include <stdatomic.h>
#include <wasm.h>
#include <wasmtime.h>

#include "engine/engine.h"
#include "engine/store.h"
#include "engine/thread_mark.h"
#include "engine/ticker.h"

enum { STORE_MEMORIES_MAX = 16 };

struct engine {
    core_engine core; // first: core_engine pointers are cast
    wasm_engine_t *wasm;
    engine_options options; // as resolved
    engine_sizes sizes;
    ticker *ticker;
    _Atomic uint64_t next_host_func_id;
    // The two host functions that tasks stand on, see task.c. Shared, read-only after engine_new.
    wasmtime_linker_t *task_linker;
};

typedef struct import_linkers import_linkers; // see import_linker.h

// What a module exports, by position. Shared by the module, its templates and their instances.
typedef struct module_exports {
    _Atomic uint32_t users;
    wasm_exporttype_vec_t types;
    const wasm_name_t *memory; // the name of the first exported memory, or NULL
} module_exports;

module_exports *module_exports_ref(module_exports *x);
void module_exports_unref(module_exports *x); // accepts NULL

struct core_module {
    wasmtime_module_t *wasm;
    wasm_importtype_vec_t imports;
    module_exports *exports;
    import_linkers *linkers;
};

struct core_host_func {
    uint64_t id; // never 0, never used again
    core_host_body body;
    void *env;
    wasm_functype_t *type;
    wasmtime_linker_t *linker; // holds this function alone, so that any store can get it
};

struct core_template {
    wasmtime_instance_pre_t *pre;
    module_exports *exports; // of its module
};

struct core_task {
    core_task_body body;
    void *arg;
    wasmtime_call_future_t *future; // NULL when no task is prepared or it has finished
    wasmtime_func_t run;
    wasm_trap_t *trap;
    wasmtime_error_t *error;
    bool is_taken;
    thread_mark mark;
};

typedef struct engine_store {
    core_store core; // first
    engine *engine;
    wasmtime_store_t *wasm;
    wasmtime_context_t *context;
    wasmtime_func_t suspend_func; // fetched at the first suspension
    bool has_suspend_func;
    bool is_cancelled; // the task unwinds
    bool is_runnable;
    core_task task;

    // The highest address of the fiber's stack that our code has seen; 0 when it is not known yet. Guards
    // recursion through host functions, see store_stack_has_room.
    uintptr_t stack_top;

    engine_clock clock;
    engine_stop stop;
    bool is_long_running; // has used up a time slice before: worth a precise clock
    bool is_within;       // its slice is inside one of another store
    uint64_t slice_start_ns;
    uint64_t slice_start_cpu_ns;
    uint64_t slice_others_ns; // of the slice so far: what stores that run within this one have spent
    uint64_t cpu_ns;
    uint64_t charged_ns; // of others that ran for it
    uint64_t cpu_ns_max;
    uint64_t deadline_ns;

    wasmtime_memory_t memories[STORE_MEMORIES_MAX]; // exported ones, for their sum
    uint32_t memory_count;
    uint64_t memory_bytes_max;

    engine_trap trap;
    err host_error; // of the host function that failed last
} engine_store;

static inline engine_store *store_of(core_store *s) { return (engine_store *)(void *)s; }
static inline const engine_store *store_of_const(const core_store *s) {
    return (const engine_store *)(const void *)s;
}
static inline engine *engine_of(core_engine *g) { return (engine *)(void *)g; }

// Consumes the error: fills `e` with the part of its message that is for people, and deletes it.
status error_consume(wasmtime_error_t *error, status code, const char *what, err *e);

// --- task.c ----------------------------------------------------------------------------------------------
status task_linker_new(wasm_engine_t *wasm, wasmtime_linker_t **ret, err *e);
status task_new(core_store *s, core_task_body body, void *arg, core_task **ret, err *e);
bool task_resume(core_task *t);
bool task_resume_within(core_store *caller, core_task *t);
void task_free(core_task *t);
status store_suspend(core_store *s, err *e);
// Suspends without saying that the task waits for something: used while a nested future is not ready.
status store_suspend_nested(engine_store *s, err *e);
// Whether the guest may be entered once more: what is left of the fiber's stack must hold the engine's full
// allowance for guest code and a reserve for host functions above it, because the engine counts its allowance
// from the current stack pointer at every entry.
bool store_stack_has_room(const engine_store *s);

// --- store.c ---------------------------------------------------------------------------------------------
void store_slice_begin(engine_store *s);
void store_slice_end(engine_store *s);
// A slice of `s` inside one of `outer`, from whose account it is taken.
void store_slice_begin_within(engine_store *s);
void store_slice_end_within(engine_store *s, engine_store *outer);
// Stops the guest when it is over one of its limits; STATUS_TRAP then.
status store_check_limits(engine_store *s, err *e);
// Before guest code is entered: STATUS_TRAP or STATUS_CANCELLED when the store runs no guest code any more.
status store_may_run(const engine_store *s, err *e);

// A host function as an extern is not in the store yet: a function whose store is 0, with our structure
// beside it.
static inline core_host_func *extern_host_func(const core_extern *x) {
    return x->kind == CORE_FUNC && x->opaque[0] == 0 ? (core_host_func *)(uintptr_t)x->opaque[1] : NULL;
}

// --- call.c ----------------------------------------------------------------------------------------------
status store_call(core_store *s, const core_extern *func, core_value *values, size_t count, err *e);
status host_func_new(core_engine *g, const core_func_type *type, core_host_body body, void *env,
                     core_host_func **ret, err *e);
void host_func_free(core_host_func *f);
status host_func_extern(core_store *s, const core_host_func *f, core_extern *ret, err *e);
wasm_trap_t *host_func_enter(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count);
// What a guest entry that failed means for its caller; consumes both.
status store_failure(engine_store *s, wasm_trap_t *trap, wasmtime_error_t *error, const char *what, err *e);

// --- instance.c ------------------------------------------------------------------------------------------
status template_new(core_engine *g, const core_module *module, core_host_func *const *imports,
                    size_t import_count, core_template **ret, err *e);
void template_free(core_template *t);
wasmtime_extern_t extern_to_wasm(const core_extern *x);
status store_instantiate(core_store *s, const core_module *module, const core_extern *imports,
                         size_t import_count, core_instance *ret, err *e);
status template_instantiate(core_store *s, const core_template *t, core_instance *ret, err *e);
bool export_at(core_store *s, const core_instance *instance, size_t index, core_extern *ret);
core_memory_view memory_view(core_store *s, const core_extern *memory);

// --- module.c --------------------------------------------------------------------------------------------
status module_new(core_engine *g, slice wasm, core_module **ret, err *e);
void module_free(core_module *m);

// --- trap.c ----------------------------------------------------------------------------------------------
// Records
// the first failure of a store; later ones are consequences. One of `trap` and `error` is not NULL.
void trap_record(engine_store *s, const wasm_trap_t *trap, const wasmtime_error_t *error);
void trap_record_text(engine_store *s, engine_trap_kind kind, const char *text);
// The reason in the engine's text: the line after its backtrace.
slice trap_message_reason(slice text);
void trap_done(engine_trap *t);
