// SPDX-License-Identifier: Apache-2.0
// Calls across the boundary: guest to host function, host to guest.
#include "base/check.h"
#include "base/mem.h"
#include "engine/engine_internal.h"

_Static_assert(sizeof(core_value) == sizeof(wasmtime_val_raw_t), "raw values are passed through");
_Static_assert(sizeof(((core_extern *)0)->opaque) >= sizeof(wasmtime_extern_union_t),
               "core_extern holds any extern");
_Static_assert(2 * sizeof(uint64_t) >= sizeof(wasmtime_instance_t), "core_instance holds an instance");

status error_consume(wasmtime_error_t *error, status code, const char *what, err *e) {
    wasm_name_t message;
    wasmtime_error_message(error, &message);
    err_set(e, code, "%s: %.*s", what, (int)message.size, message.data);
    wasm_name_delete(&message);
    wasmtime_error_delete(error);
    return code;
}

static wasm_valtype_t *valtype_new(core_type type) {
    static const wasm_valkind_t kinds[] = {
        [CORE_I32] = WASM_I32, [CORE_I64] = WASM_I64,         [CORE_F32] = WASM_F32,
        [CORE_F64] = WASM_F64, [CORE_FUNCREF] = WASM_FUNCREF, [CORE_EXTERNREF] = WASM_EXTERNREF,
    };
    CHECK(type <= CORE_EXTERNREF && type != CORE_V128); // no host function of ours has vectors
    return wasm_valtype_new(kinds[type]);
}

static void valtypes_new(const uint8_t *types, uint32_t count, wasm_valtype_vec_t *ret) {
    wasm_valtype_vec_new_uninitialized(ret, count);
    for (uint32_t i = 0; i < count; i++) {
        ret->data[i] = valtype_new((core_type)types[i]);
    }
}

status host_func_new(core_engine *g, const core_func_type *type, core_host_body body, void *env,
                     core_host_func **ret, err *e) {
    core_host_func *f = MEM_NEW(core_host_func);
    f->id = atomic_fetch_add(&engine_of(g)->next_host_func_id, 1) + 1;
    f->body = body;
    f->env = env;
    wasm_valtype_vec_t params;
    wasm_valtype_vec_t results;
    valtypes_new(type->params, type->param_count, &params);
    valtypes_new(type->results, type->result_count, &results);
    f->type = wasm_functype_new(&params, &results);
    f->linker = wasmtime_linker_new(engine_of(g)->wasm);
    wasmtime_error_t *failed =
        wasmtime_linker_define_func_unchecked(f->linker, "", 0, "", 0, f->type, host_func_enter, f, NULL);
    if (failed != NULL) {
        host_func_free(f);
        return error_consume(failed, STATUS_INTERNAL, "define a host function", e);
    }
    *ret = f;
    return STATUS_OK;
}

void host_func_free(core_host_func *f) {
    if (f == NULL) {
        return;
    }
    wasmtime_linker_delete(f->linker);
    wasm_functype_delete(f->type);
    mem_free(f);
}

status host_func_extern(core_store *core, const core_host_func *f, core_extern *ret, err *e) {
    (void)core, (void)e;
    *ret = (core_extern){.kind = CORE_FUNC, .opaque = {0, (uintptr_t)f}};
    return STATUS_OK;
}

// A guest called a host function: on the fiber, below guest frames.
wasm_trap_t *host_func_enter(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count) {
    const core_host_func *f = env;
    engine_store *s = wasmtime_context_get_data(wasmtime_caller_context(caller));
    if (WRIT_UNLIKELY(s->stack_top == 0)) {
        // The first host call of a start function, on its own fiber: at most the engine's allowance is above
        // us.
        s->stack_top = (uintptr_t)__builtin_frame_address(0) + s->engine->options.wasm_stack_bytes + 16384;
    }
    s->host_error.code = STATUS_OK;
    s->host_error.message[0] = '\0';
    status result = f->body(f->env, &s->core, (core_value *)(void *)values, count, &s->host_error);
    if (WRIT_LIKELY(result == STATUS_OK)) {
        return NULL;
    }
    s->host_error.code = result;
    static const char text[] = "a host function refused";
    return wasmtime_trap_new(text, sizeof text - 1);
}

static void failure_delete(wasm_trap_t *trap, wasmtime_error_t *error) {
    if (trap != NULL) {
        wasm_trap_delete(trap);
    }
    if (error != NULL) {
        wasmtime_error_delete(error);
    }
}

status store_failure(engine_store *s, wasm_trap_t *trap, wasmtime_error_t *error, const char *what, err *e) {
    if (s->is_cancelled) {
        failure_delete(trap, error);
        return err_set(e, STATUS_CANCELLED, "%s: the task was cancelled", what);
    }
    trap_record(s, trap, error);
    failure_delete(trap, error);
    return err_set(e, STATUS_TRAP, "%s: %s", what, s->trap.message);
}

static wasmtime_func_t host_func_in_store(engine_store *s, const core_host_func *f) {
    wasmtime_extern_t x;
    CHECK(wasmtime_linker_get(f->linker, s->context, "", 0, "", 0, &x) && x.kind == WASMTIME_EXTERN_FUNC);
    return x.of.func;
}

status store_call(core_store *core, const core_extern *func, core_value *values, size_t count, err *e) {
    engine_store *s = store_of(core);
    CHECK(s->stack_top != 0); // only on a task
    TRY(store_may_run(s, e));
    if (WRIT_UNLIKELY(!store_stack_has_room(s))) {
        static const char text[] = "call stack exhausted by calls of host and guest inside each other";
        trap_record_text(s, ENGINE_TRAP_STACK, text);
        return err_set(e, STATUS_TRAP, text);
    }
    wasm_trap_t *trap = NULL;
    wasmtime_func_t host_func;
    const wasmtime_func_t *f = (const wasmtime_func_t *)(const void *)func->opaque;
    if (WRIT_UNLIKELY(extern_host_func(func) != NULL)) {
        host_func = host_func_in_store(s, extern_host_func(func));
        f = &host_func;
    }
    wasmtime_error_t *error =
        wasmtime_func_call_unchecked(s->context, f, (wasmtime_val_raw_t *)(void *)values, count, &trap);
    if (WRIT_LIKELY(error == NULL && trap == NULL)) {
        return STATUS_OK;
    }
    return store_failure(s, trap, error, "call", e);
}
