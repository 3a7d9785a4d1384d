// SPDX-License-Identifier: Apache-2.0
// Any bytes as a component, linked and instantiated over an engine that runs nothing: whatever the decoder
// accepts, the planner copes with, and what is made is freed again. Every interface is offered, with a
// function and a resource, so that binding imports is tried too.
//
// links: component
#include "base/check.h"
#include "base/mem.h"
#include "component/component.h"
#include "fuzz.h"

static const component_limits small_limits = {
    .bytes_max = 1 << 20,
    .depth_max = 32,
    .items_max = 10000,
    .name_bytes_max = 1024,
    .arena_bytes_max = 16 << 20,
};

// --- an engine that only counts ---------------------------------------------------------------------------

struct core_host_func {
    core_host_body body;
};
struct core_template {
    size_t import_count;
};

static status new_host_func(core_engine *engine, const core_func_type *type, core_host_body body, void *env,
                            core_host_func **ret, err *e) {
    (void)engine;
    (void)e;
    CHECK(env != NULL && type->param_count <= CTYPE_FLAT_PARAMS_MAX + 1 && type->result_count <= 1);
    *ret = MEM_NEW(core_host_func);
    (*ret)->body = body;
    return STATUS_OK;
}

static void free_host_func(core_host_func *func) { mem_free(func); }

static status extern_of(core_store *store, const core_host_func *func, core_extern *ret, err *e) {
    (void)store;
    (void)e;
    CHECK(func->body != NULL);
    *ret = (core_extern){.kind = CORE_FUNC};
    return STATUS_OK;
}

static status new_template(core_engine *engine, const core_module *module, core_host_func *const *imports,
                           size_t import_count, core_template **ret, err *e) {
    (void)engine;
    (void)e;
    CHECK(module != NULL);
    for (size_t i = 0; i < import_count; i++) {
        CHECK(imports[i]->body != NULL);
    }
    *ret = MEM_NEW(core_template);
    return STATUS_OK;
}

static void free_template(core_template *t) { mem_free(t); }

static status instantiate(core_store *store, const core_module *module, const core_extern *imports,
                          size_t import_count, core_instance *ret, err *e) {
    (void)store;
    (void)e;
    CHECK(module != NULL);
    for (size_t i = 0; i < import_count; i++) {
        CHECK(imports[i].kind <= CORE_TAG); // every import was made by an earlier step
    }
    memset(ret, 0, sizeof *ret);
    return STATUS_OK;
}

static status instantiate_template(core_store *store, const core_template *t, core_instance *ret, err *e) {
    (void)store;
    (void)e;
    CHECK(t != NULL);
    memset(ret, 0, sizeof *ret);
    return STATUS_OK;
}

static bool export_at(core_store *store, const core_instance *instance, size_t index, core_extern *ret) {
    (void)store;
    (void)instance;
    (void)index;
    *ret = (core_extern){.kind = CORE_FUNC};
    return true;
}

static core_memory_view no_memory(core_store *store, const core_extern *memory) {
    (void)store;
    (void)memory;
    return (core_memory_view){NULL, 0};
}

static status call(core_store *store, const core_extern *func, core_value *values, size_t count, err *e) {
    (void)store;
    CHECK(func->kind == CORE_FUNC);
    for (size_t i = 0; i < count; i++) {
        values[i].u64 = 0;
    }
    return count % 2 == 0 ? STATUS_OK : err_set(e, STATUS_TRAP, "a trap");
}

static const core_ops ops = {
    .host_func_new = new_host_func,
    .host_func_free = free_host_func,
    .host_func_extern = extern_of,
    .template_new = new_template,
    .template_free = free_template,
    .instantiate = instantiate,
    .template_instantiate = instantiate_template,
    .export_at = export_at,
    .memory_view = no_memory,
    .call = call,
};

// --- an interface for every name --------------------------------------------------------------------------

static void drop_nothing(void *context, void *rep) {
    (void)context;
    (void)rep;
}

static status do_nothing(host_call *host, core_value *flat, err *e) {
    (void)host;
    (void)flat;
    (void)e;
    return STATUS_OK;
}

static const ctype_resource thing = {
    .interface = SLICE_LITERAL("any"), .name = SLICE_LITERAL("thing"), .drop = drop_nothing};
static const ctype_resource *const things[] = {&thing};
static const ctype_func nothing = {0};
static const host_func funcs[] = {{SLICE_LITERAL("f"), &nothing, do_nothing}};
static const host_interface any = {.name = SLICE_LITERAL("any"),
                                   .version = SEMVER(0, 2, 0),
                                   .func_count = 1,
                                   .funcs = funcs,
                                   .resource_count = 1,
                                   .resources = things};

static status admit(void *context, const component_import *asked, const host_interface **ret, err *e) {
    (void)context;
    if (asked->name.len % 4 == 3) {
        return err_set(e, STATUS_DENIED, "not this one");
    }
    *ret = &any;
    return STATUS_OK;
}

static void run(const component *c, core_module *const *modules) {
    core_engine engine = {.ops = &ops};
    core_store store = {.ops = &ops, .engine = &engine};
    component_link_options options = {
        .engine = &engine,
        .modules = modules,
        .module_count = component_module_count(c),
        .gate = {.admit = admit},
        .handles_max = 16,
        .call_arena_bytes_max = 1 << 16,
    };
    component_program *p;
    component_instance *i;
    err e = {0};
    if (component_link(c, &options, &p, &e) != STATUS_OK) {
        CHECK(e.message[0] != '\0');
        return;
    }
    if (component_instantiate(p, &store, NULL, &i, &e) == STATUS_OK) {
        component_instance_free(i);
    }
    component_program_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    component *c = NULL;
    if (component_decode(slice_of(data, size), &small_limits, &c, NULL) != STATUS_OK) {
        return 0;
    }
    size_t count = component_module_count(c);
    core_module **modules = mem_calloc(count + 1, sizeof *modules);
    for (size_t i = 0; i < count; i++) {
        modules[i] = (core_module *)(void *)&modules[i]; // never looked at
    }
    run(c, modules);
    mem_free(modules);
    component_free(c);
    return 0;
}
