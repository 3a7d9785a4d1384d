// SPDX-License-Identifier: Apache-2.0
// Instances: from a template (host functions only, resolved once) or from any externs of a store.
//
// On a fiber Wasmtime instantiates only through futures. Without a start function they are ready at the first
// poll; a start function gets a fiber of its own, and the task's fiber waits for it.
#include "base/check.h"
#include "base/mem.h"
#include "engine/engine_internal.h"
#include "engine/import_linker.h"

enum { INSTANCE_EXPORTS = 2 }; // of core_instance.opaque, behind the engine's own two

static slice name_slice(const wasm_name_t *n) { return slice_of(n->data, n->size); }

// Drives a nested future from the task's fiber; the two fibers have stacks of their own.
static status future_finish(engine_store *s, wasmtime_call_future_t *future, err *e) {
    uintptr_t own_stack_top = s->stack_top;
    uintptr_t other_stack_top = 0;
    status result = STATUS_OK;
    for (;;) {
        s->stack_top = other_stack_top;
        bool finished = wasmtime_call_future_poll(future);
        other_stack_top = s->stack_top;
        s->stack_top = own_stack_top;
        if (finished) {
            break;
        }
        result = store_suspend_nested(s, e);
        if (result != STATUS_OK) {
            s->stack_top = other_stack_top; // its frames unwind while the future is deleted
            break;
        }
    }
    wasmtime_call_future_delete(future);
    s->stack_top = own_stack_top;
    return result;
}

static bool text_is_about_limit(slice text) {
    static const char *const words[] = {"limit", "exceed"};
    for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
        size_t n = strlen(words[w]);
        for (size_t i = 0; i + n <= text.len; i++) {
            if (memcmp(text.data + i, words[w], n) == 0) {
                return true;
            }
        }
    }
    return false;
}

// A memory that the store does not know yet, so that its size counts.
static void store_note_memory(engine_store *s, const wasm_name_t *name, const wasmtime_instance_t *instance) {
    wasmtime_extern_t x;
    if (name == NULL || s->memory_count == STORE_MEMORIES_MAX ||
        !wasmtime_instance_export_get(s->context, instance, name->data, name->size, &x) ||
        x.kind != WASMTIME_EXTERN_MEMORY) {
        return;
    }
    for (uint32_t i = 0; i < s->memory_count; i++) {
        if (s->memories[i].__private1 == x.of.memory.__private1 &&
            s->memories[i].__private2 == x.of.memory.__private2) {
            return; // exported again by the module that imports it
        }
    }
    s->memories[s->memory_count++] = x.of.memory;
}

// What is not a trap is a limit of the store or of the pool, or an import of another type.
static status instance_failure(wasmtime_error_t *error, err *e) {
    wasm_name_t message;
    wasmtime_error_message(error, &message);
    slice text = slice_of(message.data, message.size);
    status code = text_is_about_limit(text) ? STATUS_LIMIT : STATUS_INVALID;
    slice reason = trap_message_reason(text);
    err_set(e, code, "instantiate: %.*s", SLICE_ARG(reason));
    wasm_name_delete(&message);
    wasmtime_error_delete(error);
    return code;
}

static status instance_finish(engine_store *s, module_exports *exports, const wasmtime_instance_t *instance,
                              wasm_trap_t *trap, wasmtime_error_t *error, core_instance *ret, err *e) {
    if (WRIT_UNLIKELY(trap != NULL || error != NULL)) {
        bool ran =
            trap != NULL || s->stop != ENGINE_STOP_NONE || s->host_error.code != STATUS_OK || s->is_cancelled;
        return ran ? store_failure(s, trap, error, "instantiate", e) : instance_failure(error, e);
    }
    store_note_memory(s, exports->memory, instance);
    memcpy(ret->opaque, instance, sizeof *instance);
    ret->opaque[INSTANCE_EXPORTS] = (uint64_t)(uintptr_t)exports;
    return STATUS_OK;
}

wasmtime_extern_t extern_to_wasm(const core_extern *x) {
    static const wasmtime_extern_kind_t kinds[] = {WASMTIME_EXTERN_FUNC, WASMTIME_EXTERN_TABLE,
                                                   WASMTIME_EXTERN_MEMORY, WASMTIME_EXTERN_GLOBAL,
                                                   WASMTIME_EXTERN_TAG};
    wasmtime_extern_t w = {.kind = kinds[x->kind]};
    memcpy(&w.of, x->opaque, sizeof w.of);
    return w;
}

static bool extern_from_wasm(const wasmtime_extern_t *w, core_extern *ret) {
    switch (w->kind) {
    case WASMTIME_EXTERN_FUNC:
        ret->kind = CORE_FUNC;
        break;
    case WASMTIME_EXTERN_TABLE:
        ret->kind = CORE_TABLE;
        break;
    case WASMTIME_EXTERN_MEMORY:
        ret->kind = CORE_MEMORY;
        break;
    case WASMTIME_EXTERN_GLOBAL:
        ret->kind = CORE_GLOBAL;
        break;
    case WASMTIME_EXTERN_TAG:
        ret->kind = CORE_TAG;
        break;
    default:
        return false;
    }
    memcpy(ret->opaque, &w->of, sizeof w->of);
    return true;
}

status store_instantiate(core_store *core, const core_module *module, const core_extern *imports,
                         size_t import_count, core_instance *ret, err *e) {
    engine_store *s = store_of(core);
    CHECK(s->stack_top != 0); // only on a task
    CHECK(import_count == module->imports.size);
    TRY(store_may_run(s, e));
    import_linker *linker = NULL;
    TRY(import_linker_take(s, module, imports, &linker, e));
    wasmtime_instance_t instance;
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error = NULL;
    wasmtime_call_future_t *future = wasmtime_linker_instantiate_async(
        import_linker_wasm(linker), s->context, module->wasm, &instance, &trap, &error);
    status result = future_finish(s, future, e);
    import_linker_release(module, linker);
    TRY(result);
    return instance_finish(s, module->exports, &instance, trap, error, ret, e);
}

status template_new(core_engine *core, const core_module *module, core_host_func *const *imports,
                    size_t import_count, core_template **ret, err *e) {
    CHECK(import_count == module->imports.size);
    wasmtime_linker_t *linker = wasmtime_linker_new(engine_of(core)->wasm);
    wasmtime_linker_allow_shadowing(linker, true);
    wasmtime_instance_pre_t *pre = NULL;
    wasmtime_error_t *failed = NULL;
    for (size_t i = 0; failed == NULL && i < import_count; i++) {
        const wasm_importtype_t *t = module->imports.data[i];
        slice from = name_slice(wasm_importtype_module(t));
        slice name = name_slice(wasm_importtype_name(t));
        failed = wasmtime_linker_define_func_unchecked(linker, (const char *)from.data, from.len,
                                                       (const char *)name.data, name.len, imports[i]->type,
                                                       host_func_enter, imports[i], NULL);
    }
    if (failed == NULL) {
        failed = wasmtime_linker_instantiate_pre(linker, module->wasm, &pre);
    }
    wasmtime_linker_delete(linker);
    if (failed != NULL) {
        return error_consume(failed, STATUS_INVALID, "link a core module", e);
    }
    core_template *t = MEM_NEW(core_template);
    t->pre = pre;
    t->exports = module_exports_ref(module->exports);
    *ret = t;
    return STATUS_OK;
}

void template_free(core_template *t) {
    if (t == NULL) {
        return;
    }
    wasmtime_instance_pre_delete(t->pre);
    module_exports_unref(t->exports);
    mem_free(t);
}

status template_instantiate(core_store *core, const core_template *t, core_instance *ret, err *e) {
    engine_store *s = store_of(core);
    CHECK(s->stack_top != 0); // only on a task
    TRY(store_may_run(s, e));
    wasmtime_instance_t instance;
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error = NULL;
    wasmtime_call_future_t *future =
        wasmtime_instance_pre_instantiate_async(t->pre, s->context, &instance, &trap, &error);
    TRY(future_finish(s, future, e));
    return instance_finish(s, t->exports, &instance, trap, error, ret, e);
}

// By name, which the engine looks up at once: by position it would make every export up to that one, and
// guests that link libraries at run time have thousands.
bool export_at(core_store *core, const core_instance *instance, size_t index, core_extern *ret) {
    engine_store *s = store_of(core);
    wasmtime_instance_t i;
    memcpy(&i, instance->opaque, sizeof i);
    const module_exports *exports = (const module_exports *)(uintptr_t)instance->opaque[INSTANCE_EXPORTS];
    if (index >= exports->types.size) {
        return false;
    }
    const wasm_name_t *name = wasm_exporttype_name(exports->types.data[index]);
    wasmtime_extern_t x;
    return wasmtime_instance_export_get(s->context, &i, name->data, name->size, &x) &&
           extern_from_wasm(&x, ret);
}

core_memory_view memory_view(core_store *core, const core_extern *memory) {
    engine_store *s = store_of(core);
    CHECK(memory->kind == CORE_MEMORY);
    const wasmtime_memory_t *m = (const wasmtime_memory_t *)(const void *)memory->opaque;
    return (core_memory_view){.base = wasmtime_memory_data(s->context, m),
                              .len = wasmtime_memory_data_size(s->context, m)};
}
