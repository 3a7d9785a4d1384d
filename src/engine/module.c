// SPDX-License-Identifier: Apache-2.0
#include "engine/module.h"

#include <stdio.h>

#include "base/mem.h"
#include "engine/engine_internal.h"
#include "engine/import_linker.h"

static module_exports *module_exports_new(const wasmtime_module_t *wasm) {
    module_exports *x = MEM_NEW(module_exports);
    x->users = 1;
    wasmtime_module_exports(wasm, &x->types);
    for (size_t i = 0; x->memory == NULL && i < x->types.size; i++) {
        if (wasm_externtype_kind(wasm_exporttype_type(x->types.data[i])) == WASM_EXTERN_MEMORY) {
            x->memory = wasm_exporttype_name(x->types.data[i]);
        }
    }
    return x;
}

module_exports *module_exports_ref(module_exports *x) {
    x->users++;
    return x;
}

void module_exports_unref(module_exports *x) {
    if (x != NULL && --x->users == 0) {
        wasm_exporttype_vec_delete(&x->types);
        mem_free(x);
    }
}

static core_module *module_wrap(wasmtime_module_t *wasm) {
    core_module *m = MEM_NEW(core_module);
    m->wasm = wasm;
    wasmtime_module_imports(wasm, &m->imports);
    m->exports = module_exports_new(wasm);
    m->linkers = import_linkers_new();
    return m;
}

status module_new(core_engine *g, slice wasm, core_module **ret, err *e) {
    wasmtime_module_t *m = NULL;
    wasmtime_error_t *failed = wasmtime_module_new(engine_of(g)->wasm, wasm.data, wasm.len, &m);
    if (failed != NULL) {
        return error_consume(failed, STATUS_INVALID, "compile a core module", e);
    }
    *ret = module_wrap(m);
    return STATUS_OK;
}

void module_free(core_module *m) {
    if (m == NULL) {
        return;
    }
    module_exports_unref(m->exports);
    import_linkers_free(m->linkers);
    wasm_importtype_vec_delete(&m->imports);
    wasmtime_module_delete(m->wasm);
    mem_free(m);
}

status engine_compile(engine *g, slice wasm, buf *ret_artifact, err *e) {
    if (!g->options.compiles) {
        return err_set(e, STATUS_UNSUPPORTED, "this process does not compile");
    }
    core_module *m = NULL;
    TRY(module_new(&g->core, wasm, &m, e));
    wasm_byte_vec_t bytes;
    wasmtime_error_t *failed = wasmtime_module_serialize(m->wasm, &bytes);
    module_free(m);
    if (failed != NULL) {
        return error_consume(failed, STATUS_INTERNAL, "write an artifact", e);
    }
    status s = buf_append(ret_artifact, slice_of(bytes.data, bytes.size));
    if (s != STATUS_OK) {
        s = err_set(e, s, "the compiled code of %zu bytes is over the limit of %zu", bytes.size,
                    ret_artifact->max);
    }
    wasm_byte_vec_delete(&bytes);
    return s;
}

status engine_module_load(engine *g, slice artifact, core_module **ret, err *e) {
    wasmtime_module_t *m = NULL;
    wasmtime_error_t *failed = wasmtime_module_deserialize(g->wasm, artifact.data, artifact.len, &m);
    if (failed != NULL) {
        return error_consume(failed, STATUS_INVALID, "load compiled code", e);
    }
    *ret = module_wrap(m);
    return STATUS_OK;
}

status engine_module_load_fd(engine *g, int fd, core_module **ret, err *e) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    wasmtime_module_t *m = NULL;
    wasmtime_error_t *failed = wasmtime_module_deserialize_file(g->wasm, path, &m);
    if (failed != NULL) {
        return error_consume(failed, STATUS_INVALID, "load compiled code", e);
    }
    *ret = module_wrap(m);
    return STATUS_OK;
}
