// SPDX-License-Identifier: Apache-2.0
// Every instance has a store of its own, as a trap may end its store, unless it imports from an earlier
// instance: then it shares that one's. A core module is read by wrapping it into a component that holds
// nothing else: the decoder then says what it imports and exports.
#include "world.h"

#include "base/check.h"
#include "base/mem.h"
#include "component/ast.h"
#include "engine/store.h"
#include "host.h"
#include "offer.h"
#include "value.h"

enum { DEFINITION_BYTES_MAX = 64 << 20, VALUE_BYTES_MAX = 256 << 20, HANDLES_MAX = 1 << 16 };

struct wast_definition {
    wast_definition *next;
    slice name;
    buf bytes;
    bool is_core;
    component *component;
    size_t module_count;
    core_module **modules;
};

struct wast_instance {
    wast_instance *next;
    const wast_definition *definition;
    component_program *program;
    component_instance *instance;
    core_instance core;
    core_store *store;
    bool owns_store;
    wast_host host; // its imports
};

typedef struct name_entry { // newest first
    struct name_entry *next;
    slice name;
    wast_definition *definition;
    wast_instance *instance;
    bool registered;
} name_entry;

struct wast_world {
    engine *engine;
    core_engine *core;
    arena names;  // as long as the world
    arena values; // of one call
    wast_definition *definitions;
    wast_instance *instances;
    wast_definition *current_definition;
    wast_instance *current_instance;
    name_entry *entries;
};

wast_world *wast_world_new(engine *g) {
    wast_world *w = MEM_NEW(wast_world);
    w->engine = g;
    w->core = engine_core(g);
    arena_init(&w->names, 16 << 20);
    arena_init(&w->values, VALUE_BYTES_MAX);
    return w;
}

static void definition_free(wast_world *w, wast_definition *d) {
    for (size_t i = 0; i < d->module_count; i++) {
        if (d->modules[i] != NULL) {
            w->core->ops->module_free(d->modules[i]);
        }
    }
    mem_free(d->modules);
    component_free(d->component);
    buf_done(&d->bytes);
    mem_free(d);
}

void wast_world_free(wast_world *w) {
    if (w == NULL) {
        return;
    }
    for (wast_instance *i = w->instances; i != NULL; i = i->next) {
        component_instance_free(i->instance);
    }
    for (wast_instance *i = w->instances; i != NULL; i = i->next) {
        if (i->owns_store) {
            engine_store_free(i->store);
        }
    }
    while (w->instances != NULL) {
        wast_instance *next = w->instances->next;
        component_program_free(w->instances->program);
        wast_offers_free(w->instances->host.offers);
        mem_free(w->instances);
        w->instances = next;
    }
    while (w->definitions != NULL) {
        wast_definition *next = w->definitions->next;
        definition_free(w, w->definitions);
        w->definitions = next;
    }
    arena_done(&w->names);
    arena_done(&w->values);
    mem_free(w);
}

// --- tasks -------------------------------------------------------------------------------------------------

static status make_store(wast_world *w, wast_instance *i, err *e) {
    if (i->store != NULL) {
        return STATUS_OK; // shared
    }
    engine_store_options options = engine_store_options_default();
    options.memory_bytes_max = (uint64_t)4 << 30;
    i->owns_store = true;
    return engine_store_new(w->engine, &options, &i->store, e);
}

// What an instance imports from another one lives in its store.
static status share_store(wast_instance *i, const wast_instance *from, err *e) {
    if (i->store != NULL && i->store != from->store) {
        return err_set(e, STATUS_UNSUPPORTED, "this runner cannot import from instances of two stores");
    }
    i->store = from->store;
    return STATUS_OK;
}

// Runs `body` as a task of the instance's store to its end.
static status run_task(wast_world *w, core_store *store, core_task_body body, void *arg, err *e) {
    core_task *task;
    TRY(w->core->ops->task_new(store, body, arg, &task, e));
    while (!w->core->ops->task_resume(task)) {
        if (!engine_store_is_runnable(store)) {
            w->core->ops->task_free(task);
            return err_set(e, STATUS_INTERNAL, "the guest waits for something that never comes");
        }
    }
    w->core->ops->task_free(task);
    return STATUS_OK;
}

// --- definitions -------------------------------------------------------------------------------------------

static bool is_core_module(slice bytes) {
    static const uint8_t header[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    return bytes.len >= sizeof header && memcmp(bytes.data, header, sizeof header) == 0;
}

static status append_leb(buf *b, size_t n) {
    do {
        uint8_t byte = n & 0x7f;
        n >>= 7;
        TRY(buf_append_byte(b, n != 0 ? byte | 0x80 : byte));
    } while (n != 0);
    return STATUS_OK;
}

static status keep_bytes(wast_definition *d, slice bytes, err *e) {
    static const uint8_t header[] = {0, 'a', 's', 'm', 0x0d,
                                     0, 1,   0,   1}; // a component; section 1: a core module
    status s = STATUS_OK;
    if (d->is_core) {
        s = buf_append(&d->bytes, slice_of(header, sizeof header));
        s = s == STATUS_OK ? append_leb(&d->bytes, bytes.len) : s;
    }
    s = s == STATUS_OK ? buf_append(&d->bytes, bytes) : s;
    return s == STATUS_OK ? s : err_set(e, STATUS_LIMIT, "the module is too large for this runner");
}

static status compile_all(wast_world *w, wast_definition *d, err *e) {
    size_t count = component_module_count(d->component);
    d->modules = mem_calloc(count + 1, sizeof(core_module *));
    d->module_count = count;
    for (size_t i = 0; i < count; i++) {
        TRY(w->core->ops->module_new(w->core, component_module_bytes(d->component, i), &d->modules[i], e));
    }
    return STATUS_OK;
}

status wast_define(wast_world *w, slice bytes, wast_definition **ret, err *e) {
    wast_definition *d = MEM_NEW(wast_definition);
    buf_init(&d->bytes, DEFINITION_BYTES_MAX);
    d->is_core = is_core_module(bytes);
    component_limits limits = component_limits_default();
    status s = keep_bytes(d, bytes, e);
    s = s == STATUS_OK ? component_decode(buf_slice(&d->bytes), &limits, &d->component, e) : s;
    s = s == STATUS_OK ? compile_all(w, d, e) : s;
    if (s != STATUS_OK) {
        definition_free(w, d);
        return s;
    }
    d->next = w->definitions;
    w->definitions = d;
    *ret = d;
    return STATUS_OK;
}

// --- names -------------------------------------------------------------------------------------------------

static void add_entry(wast_world *w, name_entry entry) {
    name_entry *x = ARENA_NEW(&w->names, name_entry);
    CHECK(x != NULL);
    *x = entry;
    x->name = arena_copy(&w->names, entry.name);
    x->next = w->entries;
    w->entries = x;
}

void wast_name_definition(wast_world *w, slice name, wast_definition *d) {
    w->current_definition = d;
    if (name.len > 0) {
        add_entry(w, (name_entry){.name = name, .definition = d});
    }
}

void wast_name_instance(wast_world *w, slice name, wast_instance *i) {
    w->current_instance = i;
    if (name.len > 0) {
        add_entry(w, (name_entry){.name = name, .instance = i});
    }
}

void wast_register(wast_world *w, slice as, wast_instance *i) {
    add_entry(w, (name_entry){.name = as, .instance = i, .registered = true});
}

wast_definition *wast_find_definition(const wast_world *w, slice name) {
    if (name.len == 0) {
        return w->current_definition;
    }
    for (const name_entry *x = w->entries; x != NULL; x = x->next) {
        if (x->definition != NULL && slice_equal(x->name, name)) {
            return x->definition;
        }
    }
    return NULL;
}

wast_instance *wast_find_instance(const wast_world *w, slice name) {
    if (name.len == 0) {
        return w->current_instance;
    }
    for (const name_entry *x = w->entries; x != NULL; x = x->next) {
        if (x->instance != NULL && slice_equal(x->name, name)) {
            return x->instance;
        }
    }
    return NULL;
}

// --- instances ---------------------------------------------------------------------------------------------

// The gate of a script: what earlier commands named, and nothing else.
typedef struct instantiation {
    wast_world *world;
    wast_instance *made;
    status result;
    err *e;
} instantiation;

static status admit(void *context, const component_import *asked, const host_interface **ret, err *e) {
    instantiation *x = context;
    slice name = asked->name;
    if (slice_equal_text(name, "host")) {
        *ret = &wast_host_interface;
        return STATUS_OK;
    }
    wast_instance *from = name.len == 0 ? NULL : wast_find_instance(x->world, name);
    if (from == NULL || from->instance == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "no earlier instance of the script has this name");
    }
    TRY(share_store(x->made, from, e));
    return wast_offer_make(&x->made->host.offers, name, from->definition->component, from->program,
                           from->instance, ret, e);
}

static status link_component(instantiation *x) {
    const wast_definition *d = x->made->definition;
    component_link_options options = {
        .engine = x->world->core,
        .modules = d->modules,
        .module_count = d->module_count,
        .gate = {.context = x, .admit = admit},
        .handles_max = HANDLES_MAX,
        .call_arena_bytes_max = VALUE_BYTES_MAX,
    };
    return component_link(d->component, &options, &x->made->program, x->e);
}

static status core_import(wast_world *w, wast_instance *into, const ast_core_import *import, core_extern *ret,
                          err *e) {
    wast_instance *from = wast_find_instance(w, import->module);
    if (from != NULL && from->definition->is_core) {
        const ast_module *m = component_ast_module(from->definition->component, 0);
        uint32_t at = ast_module_type_find_export(m->type, import->name);
        if (at != AST_NONE && from->store == into->store &&
            w->core->ops->export_at(from->store, &from->core, at, ret)) {
            return STATUS_OK;
        }
    }
    return err_set(e, STATUS_NOT_FOUND, "unknown import: \"%.*s\" \"%.*s\"", SLICE_ARG(import->module),
                   SLICE_ARG(import->name));
}

static status share_core_stores(wast_world *w, wast_instance *i, err *e) {
    const ast_module_type *type = component_ast_module(i->definition->component, 0)->type;
    for (uint32_t k = 0; k < type->import_count; k++) {
        const wast_instance *from = wast_find_instance(w, type->imports[k].module);
        if (from != NULL) {
            TRY(share_store(i, from, e));
        }
    }
    return STATUS_OK;
}

static status instantiate_core(instantiation *x) {
    const wast_definition *d = x->made->definition;
    const ast_module *m = component_ast_module(d->component, 0);
    core_extern *imports = mem_calloc(m->type->import_count + 1, sizeof *imports);
    status s = STATUS_OK;
    for (uint32_t i = 0; i < m->type->import_count && s == STATUS_OK; i++) {
        s = core_import(x->world, x->made, &m->type->imports[i], &imports[i], x->e);
    }
    if (s == STATUS_OK) {
        s = x->world->core->ops->instantiate(x->made->store, d->modules[0], imports, m->type->import_count,
                                             &x->made->core, x->e);
    }
    mem_free(imports);
    return s;
}

static void instantiate_body(core_store *store, void *arg) {
    instantiation *x = arg;
    x->result = x->made->definition->is_core ? instantiate_core(x)
                                             : component_instantiate(x->made->program, store, &x->made->host,
                                                                     &x->made->instance, x->e);
}

status wast_instantiate(wast_world *w, const wast_definition *d, wast_instance **ret, err *e) {
    wast_instance *i = MEM_NEW(wast_instance);
    i->definition = d;
    i->next = w->instances; // kept even when it fails: the store may still hold parts of it
    w->instances = i;
    instantiation x = {.world = w, .made = i, .e = e};
    TRY(d->is_core ? share_core_stores(w, i, e) : link_component(&x));
    TRY(make_store(w, i, e));
    TRY(run_task(w, i->store, instantiate_body, &x, e));
    TRY(x.result);
    *ret = i;
    return STATUS_OK;
}

// --- calls -------------------------------------------------------------------------------------------------

typedef struct invocation {
    wast_world *world;
    wast_instance *on;
    const component_func *func;
    component_value *args;
    size_t arg_count;
    core_extern core;
    const core_func_type *core_type;
    wast_result *ret;
    status result;
    err *e;
} invocation;

static void call_component(core_store *store, void *arg) {
    invocation *v = arg;
    (void)store;
    v->result = component_call(v->on->instance, v->func, v->args, v->arg_count, &v->ret->value,
                               &v->world->values, v->e);
}

static void call_core(core_store *store, void *arg) {
    invocation *v = arg;
    uint32_t params = v->core_type->param_count;
    uint32_t results = v->core_type->result_count;
    v->result = store->ops->call(store, &v->core, v->ret->core, params > results ? params : results, v->e);
}

static status invoke_component(invocation *v, slice field, const json_value *args) {
    v->func = component_program_export(v->on->program, slice_empty(), field);
    if (v->func == NULL) {
        return err_set(v->e, STATUS_NOT_FOUND, "no exported function \"%.*s\"", SLICE_ARG(field));
    }
    const ctype_func *type = component_func_type(v->func);
    if (type->param_count != v->arg_count) {
        return err_set(v->e, STATUS_INVALID, "\"%.*s\" takes %u arguments", SLICE_ARG(field),
                       type->param_count);
    }
    v->args = ARENA_ARRAY(&v->world->values, component_value, v->arg_count);
    CHECK(v->args != NULL);
    for (size_t i = 0; i < v->arg_count; i++) {
        TRY(wast_value_parse(json_at(args, i), type->params[i].type, &v->world->values, &v->args[i], v->e));
    }
    v->ret->type = type->result;
    TRY(run_task(v->world, v->on->store, call_component, v, v->e));
    return v->result;
}

static status invoke_core(invocation *v, slice field, const json_value *args) {
    const ast_module *m = component_ast_module(v->on->definition->component, 0);
    uint32_t at = ast_module_type_find_export(m->type, field);
    if (at == AST_NONE || m->type->exports[at].type.kind != CORE_FUNC ||
        !v->world->core->ops->export_at(v->on->store, &v->on->core, at, &v->core)) {
        return err_set(v->e, STATUS_NOT_FOUND, "no exported function \"%.*s\"", SLICE_ARG(field));
    }
    v->core_type = m->type->exports[at].type.func;
    size_t room = sizeof v->ret->core / sizeof v->ret->core[0];
    if (v->arg_count != v->core_type->param_count || v->arg_count > room ||
        v->core_type->result_count > room) {
        return err_set(v->e, STATUS_UNSUPPORTED, "\"%.*s\" has another number of arguments",
                       SLICE_ARG(field));
    }
    for (size_t i = 0; i < v->arg_count; i++) {
        TRY(wast_core_parse(json_at(args, i), &v->ret->core[i], v->e));
    }
    v->ret->is_core = true;
    v->ret->core_count = v->core_type->result_count;
    v->ret->core_types = v->core_type->results;
    TRY(run_task(v->world, v->on->store, call_core, v, v->e));
    return v->result;
}

status wast_invoke(wast_world *w, wast_instance *i, slice field, const json_value *args, wast_result *ret,
                   err *e) {
    memset(ret, 0, sizeof *ret);
    arena_reset(&w->values);
    invocation v = {.world = w, .on = i, .arg_count = json_count(args), .ret = ret, .e = e};
    return i->definition->is_core ? invoke_core(&v, field, args) : invoke_component(&v, field, args);
}
