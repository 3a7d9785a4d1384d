// SPDX-License-Identifier: Apache-2.0
#include "engine/import_linker.h"

#include <pthread.h>

#include "base/check.h"
#include "base/mem.h"

enum { KEPT_MAX = 8 }; // per module

struct import_linker {
    wasmtime_linker_t *wasm;
    import_linker *next;
    uint64_t host_ids[]; // of each import; 0 for one of the store
};

struct import_linkers {
    pthread_mutex_t lock;
    import_linker *first;
    uint32_t count;
};

import_linkers *import_linkers_new(void) {
    import_linkers *list = MEM_NEW(import_linkers);
    CHECK(pthread_mutex_init(&list->lock, NULL) == 0);
    return list;
}

static void linker_free(import_linker *l) {
    wasmtime_linker_delete(l->wasm);
    mem_free(l);
}

void import_linkers_free(import_linkers *list) {
    while (list->first != NULL) {
        import_linker *l = list->first;
        list->first = l->next;
        linker_free(l);
    }
    pthread_mutex_destroy(&list->lock);
    mem_free(list);
}

const wasmtime_linker_t *import_linker_wasm(const import_linker *l) { return l->wasm; }

static uint64_t host_id_of(const core_extern *x) {
    const core_host_func *f = extern_host_func(x);
    return f == NULL ? 0 : f->id;
}

static bool linker_fits(const import_linker *l, const core_extern *imports, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (l->host_ids[i] != host_id_of(&imports[i])) {
            return false;
        }
    }
    return true;
}

static import_linker *list_take(import_linkers *list, const core_extern *imports, size_t count) {
    pthread_mutex_lock(&list->lock);
    import_linker **at = &list->first;
    while (*at != NULL && !linker_fits(*at, imports, count)) {
        at = &(*at)->next;
    }
    import_linker *found = *at;
    if (found != NULL) {
        *at = found->next;
        list->count--;
    }
    pthread_mutex_unlock(&list->lock);
    return found;
}

void import_linker_release(const core_module *module, import_linker *l) {
    import_linkers *list = module->linkers;
    pthread_mutex_lock(&list->lock);
    bool keeps = list->count < KEPT_MAX;
    if (keeps) {
        l->next = list->first;
        list->first = l;
        list->count++;
    }
    pthread_mutex_unlock(&list->lock);
    if (!keeps) {
        linker_free(l);
    }
}

static wasmtime_error_t *define_host_func(wasmtime_linker_t *wasm, const wasm_importtype_t *t,
                                          core_host_func *f) {
    const wasm_name_t *from = wasm_importtype_module(t);
    const wasm_name_t *name = wasm_importtype_name(t);
    return wasmtime_linker_define_func_unchecked(wasm, from->data, from->size, name->data, name->size,
                                                 f->type, host_func_enter, f, NULL);
}

static status linker_new(engine_store *s, const core_module *module, const core_extern *imports,
                         import_linker **ret, err *e) {
    size_t count = module->imports.size;
    import_linker *l = mem_zalloc(sizeof *l + count * sizeof l->host_ids[0]);
    l->wasm = wasmtime_linker_new(s->engine->wasm);
    wasmtime_linker_allow_shadowing(l->wasm, true);
    for (size_t i = 0; i < count; i++) {
        core_host_func *f = extern_host_func(&imports[i]);
        l->host_ids[i] = host_id_of(&imports[i]);
        wasmtime_error_t *failed = f == NULL ? NULL : define_host_func(l->wasm, module->imports.data[i], f);
        if (failed != NULL) {
            linker_free(l);
            return error_consume(failed, STATUS_INVALID, "define an import", e);
        }
    }
    *ret = l;
    return STATUS_OK;
}

static status define_extern(engine_store *s, import_linker *l, const wasm_importtype_t *t,
                            const core_extern *x, err *e) {
    const wasm_name_t *from = wasm_importtype_module(t);
    const wasm_name_t *name = wasm_importtype_name(t);
    wasmtime_extern_t w = extern_to_wasm(x);
    wasmtime_error_t *failed =
        wasmtime_linker_define(l->wasm, s->context, from->data, from->size, name->data, name->size, &w);
    return failed == NULL ? STATUS_OK : error_consume(failed, STATUS_INVALID, "define an import", e);
}

status import_linker_take(engine_store *s, const core_module *module, const core_extern *imports,
                          import_linker **ret, err *e) {
    size_t count = module->imports.size;
    import_linker *l = list_take(module->linkers, imports, count);
    if (l == NULL) {
        TRY(linker_new(s, module, imports, &l, e));
    }
    for (size_t i = 0; i < count; i++) {
        status defined =
            l->host_ids[i] != 0 ? STATUS_OK : define_extern(s, l, module->imports.data[i], &imports[i], e);
        if (defined != STATUS_OK) {
            linker_free(l);
            return defined;
        }
    }
    *ret = l;
    return STATUS_OK;
}
