// SPDX-License-Identifier: Apache-2.0
// What the component layer needs from an engine of core WebAssembly. `engine/` implements it; nothing here
// knows which engine that is.
//
// Threads: an engine and its modules, host functions and templates may be shared; a store and all that
// belongs to it is used by one thread at a time. All guest code of a store runs on tasks (see core_task): C
// functions on a stack of their own, which may be suspended in the middle and resumed later by the event
// loop. Every function below that takes a store, other than the task functions themselves, may only be called
// from inside a task of it.
#pragma once

#include "base/err.h"
#include "base/slice.h"

typedef union core_value { // the raw form: 16 bytes, no tag, upper bytes of narrow values are unspecified
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    uint64_t u64;
    float f32;
    double f64;
    uint8_t v128[16];
    void *ref;
} core_value;

typedef enum core_type {
    CORE_I32,
    CORE_I64,
    CORE_F32,
    CORE_F64,
    CORE_V128,
    CORE_FUNCREF,
    CORE_EXTERNREF,
    CORE_REF_OTHER, // any other reference type: passes between core instances, never through the component
                    // layer
} core_type;

typedef struct core_func_type {
    uint32_t param_count;
    uint32_t result_count;
    const uint8_t *params; // core_type each
    const uint8_t *results;
} core_func_type;

typedef struct core_engine core_engine;
typedef struct core_module core_module;       // compiled and immutable
typedef struct core_host_func core_host_func; // a host function, usable in every store of the engine
typedef struct core_template core_template;   // a module whose imports are all host functions, resolved once
typedef struct core_task core_task;
typedef struct core_store core_store;

typedef enum core_extern_kind { CORE_FUNC, CORE_TABLE, CORE_MEMORY, CORE_GLOBAL, CORE_TAG } core_extern_kind;

// A function, table, memory, global or tag of one store. Copyable; dies with the store.
typedef struct core_extern {
    core_extern_kind kind;
    uint64_t opaque[6];
} core_extern;

typedef struct core_instance { // dies with the store
    uint64_t opaque[3];
} core_instance;

typedef struct core_memory_view { // valid until guest code runs
    uint8_t *base;
    size_t len; // bytes
} core_memory_view;

// The body of a host function: reads arguments from `values` and writes results over them. A status other
// than STATUS_OK makes the guest trap with the error's message. May call back into the guest and may suspend.
typedef status (*core_host_body)(void *env, core_store *store, core_value *values, size_t count, err *e);
typedef void (*core_task_body)(core_store *store, void *arg);

typedef struct core_ops {
    // Compiles in this process. (Hosts normally load precompiled code instead; see engine/.)
    status (*module_new)(core_engine *engine, slice wasm, core_module **ret, err *e);
    void (*module_free)(core_module *module);

    status (*host_func_new)(core_engine *engine, const core_func_type *type, core_host_body body, void *env,
                            core_host_func **ret, err *e);
    void (*host_func_free)(core_host_func *func);
    // The function as an extern of `store`, for imports of `instantiate`.
    status (*host_func_extern)(core_store *store, const core_host_func *func, core_extern *ret, err *e);

    // `imports` in the order of the module's import section, all functions.
    status (*template_new)(core_engine *engine, const core_module *module, core_host_func *const *imports,
                           size_t import_count, core_template **ret, err *e);
    void (*template_free)(core_template *template_);

    // Both run the start function, which may trap or suspend.
    status (*instantiate)(core_store *store, const core_module *module, const core_extern *imports,
                          size_t import_count, core_instance *ret, err *e);
    status (*template_instantiate)(core_store *store, const core_template *template_, core_instance *ret,
                                   err *e);

    // By position in the module's export section. False when there is no such export.
    bool (*export_at)(core_store *store, const core_instance *instance, size_t index, core_extern *ret);
    core_memory_view (*memory_view)(core_store *store, const core_extern *memory);

    // Calls a core function; results overwrite arguments; `count` is the larger of both counts. STATUS_TRAP
    // with the reason when it traps, STATUS_CANCELLED when the task is being given up.
    status (*call)(core_store *store, const core_extern *func, core_value *values, size_t count, err *e);

    // Suspends the running task until someone resumes it. STATUS_CANCELLED when it is being given up instead:
    // then return at once, without calling the guest again.
    status (*suspend)(core_store *store, err *e);

    // Prepares `body(store, arg)` as a task; it starts at the first resume. One task of a store at a time may
    // be unfinished.
    status (*task_new)(core_store *store, core_task_body body, void *arg, core_task **ret, err *e);
    // Runs the task until it finishes (true) or suspends or has used its time slice (false).
    bool (*task_resume)(core_task *task);
    // The same from inside a task of `caller`, another store of the engine: from a host function that its
    // guest has called. The time that passes is not the caller's. Later resumes may come from the loop.
    bool (*task_resume_within)(core_store *caller, core_task *task);
    // Cancels the task first if it has not finished (its suspend returns STATUS_CANCELLED and its stack
    // unwinds).
    void (*task_free)(core_task *task);
} core_ops;

struct core_engine {
    const core_ops *ops;
};

// The engine's own store structure begins with this. Made by the engine (with limits), see engine/store.h.
struct core_store {
    const core_ops *ops;
    core_engine *engine;
    void *owner; // the root component instance; set by component_instantiate
};

_Static_assert(sizeof(core_value) == 16, "must match the engine's raw values");
