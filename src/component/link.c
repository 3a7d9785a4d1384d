// SPDX-License-Identifier: Apache-2.0
// component_link: the plan, and everything of it that needs the engine but no store.
#include "component/flatten.h"
#include "component/program.h"

#include "base/check.h"
#include "base/mem.h"
#include "component/wire.h"

enum { LINK_MISSING_BYTES_MAX = 64 * 1024, LINK_ARENA_BYTES_MAX = 256 * 1024 * 1024 };

// --- exports -----------------------------------------------------------------------------------------------

static uint32_t count_funcs(const plan_instance *x) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->count; i++) {
        const plan_item *item = &x->items[i].item;
        if (item->sort == AST_FUNC) {
            n++;
        } else if (item->sort == AST_INSTANCE) {
            for (uint32_t k = 0; k < item->of.instance->count; k++) {
                n += item->of.instance->items[k].item.sort == AST_FUNC;
            }
        }
    }
    return n;
}

// The declared type of an export of the root, in whose numbering the host sees resources.
static const ctype_func *declared_type(const ast_extern *x, slice interface, slice name) {
    if (interface.len == 0) {
        return x->sort == AST_FUNC ? x->of.func : NULL;
    }
    if (x->sort != AST_INSTANCE) {
        return NULL;
    }
    uint32_t at = ast_instance_type_find(x->of.instance, name);
    return at == AST_NONE || x->of.instance->exports[at].type.sort != AST_FUNC
               ? NULL
               : x->of.instance->exports[at].type.of.func;
}

static status add_func(component_program *p, const ast_extern *x, slice interface, slice name,
                       const plan_func *func, err *e) {
    component_func *f = &p->funcs[p->func_count];
    const ctype_func *type = declared_type(x, interface, name);
    if (type == NULL) {
        return STATUS_OK; // hidden by the type that the export declares
    }
    *f = (component_func){.name = name, .type = type, .lift = func->lift, .types = p->plan.root->types};
    if (interface.len > 0) {
        f->has_version = component_name_split(interface, &f->interface, &f->version);
    }
    TRY(abi_layout_make(type, &p->arena, &f->layout, e));
    if (func->lift != NULL) {
        TRY(plan_entering_set(&p->plan, func->lift->instance, PLAN_NONE, &f->entering, e));
    }
    p->func_count++;
    return STATUS_OK;
}

static status add_funcs_of(component_program *p, const ast_extern *x, const plan_named *export, err *e) {
    if (export->item.sort == AST_FUNC) {
        return add_func(p, x, slice_empty(), export->name, export->item.of.func, e);
    }
    if (export->item.sort != AST_INSTANCE) {
        return STATUS_OK;
    }
    const plan_instance *inside = export->item.of.instance;
    for (uint32_t i = 0; i < inside->count; i++) {
        if (inside->items[i].item.sort == AST_FUNC) {
            TRY(add_func(p, x, export->name, inside->items[i].name, inside->items[i].item.of.func, e));
        }
    }
    return STATUS_OK;
}

static status collect_funcs(component_program *p, err *e) {
    const plan_instance *exports = p->plan.exports;
    p->funcs = ARENA_ARRAY(&p->arena, component_func, count_funcs(exports));
    if (p->funcs == NULL) {
        return plan_no_room(e);
    }
    const ast_component_type *type = component_ast(p->source)->type;
    CHECK(type->export_count == exports->count);
    for (uint32_t i = 0; i < exports->count; i++) {
        TRY(add_funcs_of(p, &type->exports[i].type, &exports->items[i], e));
    }
    return STATUS_OK;
}

static bool is_interface(const component_func *f, slice full, slice name, bool versioned,
                         const semver *version) {
    if (full.len == 0 || f->interface.len == 0) {
        return full.len == 0 && f->interface.len == 0;
    }
    if (!slice_equal(f->interface, name)) {
        return false;
    }
    return !versioned || (f->has_version && semver_compatible(&f->version, version));
}

const component_func *component_program_export(const component_program *p, slice interface, slice name) {
    slice plain;
    semver version;
    bool versioned = component_name_split(interface, &plain, &version);
    const component_func *best = NULL; // of several versions the newest
    for (uint32_t i = 0; i < p->func_count; i++) {
        const component_func *f = &p->funcs[i];
        if (slice_equal(f->name, name) && is_interface(f, interface, plain, versioned, &version) &&
            (best == NULL || semver_compare(&f->version, &best->version) > 0)) {
            best = f;
        }
    }
    return best;
}

const ctype_func *component_func_type(const component_func *f) { return f->type; }

const ctype_resource *component_func_host_resource(const component_func *f, const ctype_resource *r) {
    const handle_type *t = f->types[r->index];
    return t->remote == NULL ? t->host : NULL;
}

// --- the engine's part -------------------------------------------------------------------------------------

static status make_functions(component_program *p, err *e) {
    const core_ops *ops = p->engine->ops;
    for (plan_trampoline *t = p->plan.trampolines; t != NULL; t = t->next) {
        TRY(ops->host_func_new(p->engine, t->core_type, trampoline_body, t, &t->func, e));
    }
    return STATUS_OK;
}

static status make_template(component_program *p, plan_step *s, err *e) {
    core_host_func **imports = mem_calloc(s->import_count + 1, sizeof(core_host_func *));
    for (uint32_t i = 0; i < s->import_count; i++) {
        imports[i] = s->imports[i].trampoline->func;
    }
    status made =
        p->engine->ops->template_new(p->engine, s->module, imports, s->import_count, &s->template_, e);
    mem_free(imports);
    return made;
}

static bool has_only_functions_of_ours(const plan_step *s) {
    for (uint32_t i = 0; i < s->import_count; i++) {
        if (s->imports[i].instance != NULL) {
            return false;
        }
    }
    return true;
}

static status make_step(component_program *p, plan_step *s, err *e) {
    if (has_only_functions_of_ours(s)) {
        return make_template(p, s, e);
    }
    s->import_slots = ARENA_ARRAY(&p->arena, uint32_t, s->import_count);
    if (s->import_slots == NULL) {
        return plan_no_room(e);
    }
    for (uint32_t i = 0; i < s->import_count; i++) {
        // Functions of ours get no slot here: their extern is made when the module is instantiated.
        s->import_slots[i] = s->imports[i].instance == NULL ? PLAN_NONE : plan_slot(&p->plan, &s->imports[i]);
    }
    return STATUS_OK;
}

static status make_steps(component_program *p, const component_link_options *options, err *e) {
    for (plan_step *s = p->plan.steps; s != NULL; s = s->next) {
        if (s->kind == PLAN_INSTANTIATE && !s->skipped) {
            uint32_t number = s->core->module->number;
            CHECK(number < options->module_count);
            s->module = options->modules[number];
            p->memory_count += s->core->module->type->memory_count;
            p->hidden_memory_count += s->core->module->type->hidden_memory_count;
            TRY(make_step(p, s, e));
        }
    }
    return STATUS_OK;
}

static status link_program(component_program *p, const component_link_options *options, buf *missing,
                           err *e) {
    p->plan.arena = &p->arena;
    p->plan.source = p->source;
    p->plan.gate = &options->gate;
    p->plan.missing = missing;
    TRY(plan_make(&p->plan, e));
    wire_directly(&p->plan);
    TRY(collect_funcs(p, e));
    TRY(make_functions(p, e));
    TRY(make_steps(p, options, e));
    return p->plan.out_of_room ? plan_no_room(e) : STATUS_OK;
}

uint32_t component_program_memory_count(const component_program *p, uint32_t *ret_hidden) {
    *ret_hidden = p->hidden_memory_count;
    return p->memory_count;
}

status component_link(const component *c, const component_link_options *options, component_program **ret,
                      err *e) {
    CHECK(options->engine != NULL && options->module_count >= component_module_count(c));
    component_program *p = MEM_NEW(component_program);
    arena_init(&p->arena, LINK_ARENA_BYTES_MAX);
    p->source = c;
    p->engine = options->engine;
    p->handles_max = options->handles_max;
    p->call_arena_bytes_max = options->call_arena_bytes_max;
    buf missing;
    buf_init(&missing, LINK_MISSING_BYTES_MAX);
    status s = link_program(p, options, &missing, e);
    buf_done(&missing);
    p->plan.missing = NULL;
    p->plan.gate = NULL;
    if (s != STATUS_OK) {
        component_program_free(p);
        return s;
    }
    *ret = p;
    return STATUS_OK;
}

void component_program_free(component_program *p) {
    if (p == NULL) {
        return;
    }
    const core_ops *ops = p->engine->ops;
    for (plan_step *s = p->plan.steps; s != NULL; s = s->next) {
        if (s->template_ != NULL) {
            ops->template_free(s->template_);
        }
    }
    for (plan_trampoline *t = p->plan.trampolines; t != NULL; t = t->next) {
        if (t->func != NULL) {
            ops->host_func_free(t->func);
        }
    }
    arena_done(&p->arena);
    mem_free(p);
}
