// SPDX-License-Identifier: Apache-2.0
#include "unit/engine/helper_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <wasmtime.h>

#include "base/check.h"
#include "base/mem.h"

engine_options helper_options(void) {
    engine_options o = engine_options_default();
    o.instances_max = 8;
    o.table_elements_max = 20000;
    return o;
}

static engine *the_engine;

static void helper_engine_free(void) { engine_free(the_engine); }

engine *helper_engine(void) {
    if (the_engine == NULL) {
        engine_options o = helper_options();
        err e;
        if (engine_new(&o, &the_engine, &e) != STATUS_OK) {
            fprintf(stderr, "%s\n", e.message);
            exit(2);
        }
        atexit(helper_engine_free);
    }
    return the_engine;
}

const core_ops *helper_ops(void) { return engine_core(helper_engine())->ops; }

slice helper_wat(const char *text) {
    wasm_byte_vec_t bytes;
    wasmtime_error_t *failed = wasmtime_wat2wasm(text, strlen(text), &bytes);
    if (failed != NULL) {
        wasm_name_t message;
        wasmtime_error_message(failed, &message);
        fprintf(stderr, "%.*s\n", (int)message.size, message.data);
        exit(2);
    }
    uint8_t *copy = mem_alloc(bytes.size);
    memcpy(copy, bytes.data, bytes.size);
    slice s = slice_of(copy, bytes.size);
    wasm_byte_vec_delete(&bytes);
    return s;
}

core_module *helper_module(engine *g, const char *wat) {
    slice wasm = helper_wat(wat);
    core_module *m = NULL;
    err e;
    if (engine_core(g)->ops->module_new(engine_core(g), wasm, &m, &e) != STATUS_OK) {
        fprintf(stderr, "%s\n", e.message);
        exit(2);
    }
    mem_free((void *)(uintptr_t)wasm.data);
    return m;
}

core_store *helper_store(engine *g) {
    engine_store_options o = engine_store_options_default();
    core_store *s = NULL;
    err e;
    status made = engine_store_new(g, &o, &s, &e);
    CHECK(made == STATUS_OK);
    return s;
}

int helper_run(core_store *s, core_task_body body, void *arg, int resumes_max) {
    core_task *t = NULL;
    err e;
    status made = s->ops->task_new(s, body, arg, &t, &e);
    CHECK(made == STATUS_OK);
    int resumes = 0;
    bool finished = false;
    while (!finished && resumes < resumes_max) {
        finished = s->ops->task_resume(t);
        resumes += finished || !engine_store_is_runnable(s);
    }
    s->ops->task_free(t);
    return finished ? resumes : -1;
}
