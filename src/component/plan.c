// SPDX-License-Identifier: Apache-2.0
// Walks the definitions of the root component, and those of a nested one each time that it is instantiated,
// with one array of items for each index space. The validator has checked every index and every type; what is
// checked here is what it cannot know: how much a component multiplies, and that two ends of a call agree
// once resources are resolved.
#include "component/plan.h"

#include "base/check.h"
#include "component/type_match.h"

status plan_no_room(err *e) {
    return err_set(e, STATUS_LIMIT, "the component needs more memory to be linked than its limit allows");
}

static status plan_component_inline(plan *p, plan_frame *f, err *e);

// --- slots -------------------------------------------------------------------------------------------------

static uint32_t slot_of_export(plan *p, plan_core_instance *instance, uint32_t position) {
    uint32_t slot = instance->slots[position];
    if (slot != PLAN_NONE) {
        return slot;
    }
    plan_export *x = ARENA_NEW(p->arena, plan_export);
    if (x == NULL) {
        p->out_of_room = true;
        return PLAN_NONE;
    }
    slot = p->slot_count++;
    *x = (plan_export){.position = position, .slot = slot, .next = instance->step->exports};
    instance->step->exports = x;
    instance->slots[position] = slot;
    return slot;
}

static plan_step *add_step(plan *p, plan_step_kind kind) {
    plan_step *s = ARENA_NEW(p->arena, plan_step);
    if (s != NULL) {
        s->kind = kind;
        *p->last_step = s;
        p->last_step = &s->next;
    }
    return s;
}

uint32_t plan_slot(plan *p, const plan_core *core) {
    if (core->instance != NULL) {
        return slot_of_export(p, core->instance, core->position);
    }
    plan_trampoline *t = core->trampoline;
    if (t->slot == PLAN_NONE) {
        plan_step *s = add_step(p, PLAN_HOST_FUNCTION);
        if (s == NULL) {
            p->out_of_room = true;
            return PLAN_NONE;
        }
        s->trampoline = t;
        t->slot = p->slot_count++;
    }
    return t->slot;
}

// --- lookups -----------------------------------------------------------------------------------------------

static status check_work(const plan *p, err *e) {
    return p->work <= PLAN_WORK_MAX
               ? STATUS_OK
               : err_set(e, STATUS_LIMIT, "the component takes too many steps to be linked");
}

static const plan_item *find_item(plan *p, const plan_instance *instance, slice name) {
    p->work += instance->count;
    for (uint32_t i = 0; i < instance->count; i++) {
        if (slice_equal(instance->items[i].name, name)) {
            return &instance->items[i].item;
        }
    }
    return NULL;
}

static status find_core(plan *p, plan_core_instance *instance, slice name, uint32_t hint, plan_core *ret,
                        err *e) {
    p->work += instance->item_count;
    TRY(check_work(p, e));
    if (instance->module == NULL) {
        for (uint32_t i = 0; i < instance->item_count; i++) {
            if (slice_equal(instance->items[i].name, name)) {
                *ret = instance->items[i].core;
                return STATUS_OK;
            }
        }
    } else {
        const ast_module_type *type = instance->module->type;
        uint32_t at = hint;
        // The hint counts in the declared type; a module that was passed in may have its exports elsewhere.
        if (at >= type->export_count || !slice_equal(type->exports[at].name, name)) {
            at = ast_module_type_find_export(type, name);
        }
        if (at != AST_NONE) {
            *ret = (plan_core){.kind = type->exports[at].type.kind, .instance = instance, .position = at};
            return STATUS_OK;
        }
    }
    return err_set(e, STATUS_INVALID, "a core instance has no export \"%.*s\"", SLICE_ARG(name));
}

static plan_item *space(plan_frame *f, ast_sort sort, uint32_t index) {
    CHECK(index < f->ast->space_count[sort]);
    return &f->spaces[sort][index];
}

// --- resources ---------------------------------------------------------------------------------------------

static status resource_at_path(plan *p, const plan_item *item, const ast_resource *r, const handle_type **ret,
                               err *e) {
    for (uint32_t i = 0; i < r->path_count; i++) {
        item = item->sort == AST_INSTANCE && item->of.instance != NULL
                   ? find_item(p, item->of.instance, r->path[i])
                   : NULL;
        if (item == NULL) {
            return err_set(e, STATUS_INVALID, "an instance has no resource \"%.*s\"", SLICE_ARG(r->path[i]));
        }
    }
    if (item->sort != AST_TYPE || item->of.resource == NULL) {
        return err_set(e, STATUS_INVALID, "\"%.*s\" is not a resource", SLICE_ARG(r->type->name));
    }
    *ret = item->of.resource;
    return STATUS_OK;
}

// Fills the resources that a definition introduces from the item that it made or was given.
static status bind_resources(plan *p, plan_frame *f, const ast_def *def, const plan_item *item, err *e) {
    for (uint32_t i = 0; i < def->resource_count; i++) {
        uint32_t r = def->resource_first + i;
        if (f->types[r] == NULL) {
            TRY(resource_at_path(p, item, &f->ast->resources[r], &f->types[r], e));
        }
    }
    return STATUS_OK;
}

static status define_resource(plan *p, plan_frame *f, const ast_def *def, err *e) {
    handle_type *t = ARENA_NEW(p->arena, handle_type);
    if (t == NULL) {
        return plan_no_room(e);
    }
    *t = (handle_type){.instance = f->instance, .destructor = HANDLE_NO_DESTRUCTOR};
    t->name = f->ast->resources[def->resource_first].type->name;
    if (def->of.type.destructor != AST_NONE) {
        t->destructor = plan_slot(p, &space(f, AST_CORE_FUNC, def->of.type.destructor)->of.core);
    }
    f->types[def->resource_first] = t;
    return STATUS_OK;
}

// What a type item stands for, once the resources of its definition are bound.
static plan_item type_item(const plan_frame *f, const ast_def *def) {
    plan_item item = {.sort = AST_TYPE};
    if (def->type.sort == AST_TYPE && def->type.of.type.kind == AST_TYPE_RESOURCE) {
        item.of.resource = f->types[def->type.of.type.of.resource->index];
    }
    return item;
}

// --- core instances ----------------------------------------------------------------------------------------

static plan_core_instance *find_core_arg(plan *p, plan_frame *f, const ast_def *def, slice name) {
    p->work += def->of.core_instantiate.arg_count;
    for (uint32_t i = 0; i < def->of.core_instantiate.arg_count; i++) {
        const ast_core_arg *arg = &def->of.core_instantiate.args[i];
        if (slice_equal(arg->name, name)) {
            return space(f, AST_CORE_INSTANCE, arg->instance)->of.core_instance;
        }
    }
    return NULL;
}

static status fill_core_imports(plan *p, plan_frame *f, const ast_def *def, const ast_module_type *type,
                                plan_step *step, err *e) {
    for (uint32_t i = 0; i < type->import_count; i++) {
        const ast_core_import *import = &type->imports[i];
        plan_core_instance *from = find_core_arg(p, f, def, import->module);
        if (from == NULL) {
            return err_set(e, STATUS_INVALID, "no argument \"%.*s\" for a core module",
                           SLICE_ARG(import->module));
        }
        TRY(find_core(p, from, import->name, 0, &step->imports[i], e));
    }
    return STATUS_OK;
}

static status core_instantiate(plan *p, plan_frame *f, const ast_def *def, plan_core_instance **ret, err *e) {
    const ast_module *module = space(f, AST_CORE_MODULE, def->of.core_instantiate.module)->of.module;
    if (p->core_count >= PLAN_CORE_INSTANCES_MAX) {
        return err_set(e, STATUS_LIMIT, "the component makes more than %d core instances",
                       PLAN_CORE_INSTANCES_MAX);
    }
    const ast_module_type *type = module->type;
    plan_core_instance *c = ARENA_NEW(p->arena, plan_core_instance);
    uint32_t *slots = ARENA_ARRAY(p->arena, uint32_t, type->export_count);
    plan_core *imports = ARENA_ARRAY(p->arena, plan_core, type->import_count);
    if (c == NULL || slots == NULL || imports == NULL) {
        return plan_no_room(e);
    }
    // The imports first: a function of ours among the options of another may need a step before this one.
    plan_step found = {.imports = imports};
    TRY(fill_core_imports(p, f, def, type, &found, e));
    plan_step *step = add_step(p, PLAN_INSTANTIATE);
    if (step == NULL) {
        return plan_no_room(e);
    }
    memset(slots, 0xff, type->export_count * sizeof *slots);
    *c = (plan_core_instance){.module = module, .number = p->core_count++, .slots = slots, .step = step};
    step->core = c;
    step->imports = imports;
    step->import_count = type->import_count;
    *ret = c;
    return STATUS_OK;
}

static status core_exports(plan *p, plan_frame *f, const ast_def *def, plan_core_instance **ret, err *e) {
    plan_core_instance *c = ARENA_NEW(p->arena, plan_core_instance);
    plan_core_named *items = ARENA_ARRAY(p->arena, plan_core_named, def->of.exports.count);
    if (c == NULL || items == NULL) {
        return plan_no_room(e);
    }
    for (uint32_t i = 0; i < def->of.exports.count; i++) {
        const ast_arg *x = &def->of.exports.items[i];
        items[i] = (plan_core_named){x->name, space(f, x->sort, x->index)->of.core};
    }
    *c = (plan_core_instance){.item_count = def->of.exports.count, .items = items};
    *ret = c;
    return STATUS_OK;
}

// --- functions ---------------------------------------------------------------------------------------------

static bool is_ancestor(const plan *p, uint32_t instance, uint32_t of) {
    while (of != PLAN_NONE && of != instance) {
        of = p->parents[of];
    }
    return of == instance;
}

// `caller` may be PLAN_NONE: the host.
status plan_entering_set(plan *p, uint32_t callee, uint32_t caller, plan_entering *ret, err *e) {
    uint32_t count = 0;
    for (uint32_t i = callee; i != PLAN_NONE; i = p->parents[i]) {
        count += caller == PLAN_NONE || !is_ancestor(p, i, caller);
    }
    uint32_t *list = ARENA_ARRAY(p->arena, uint32_t, count);
    if (list == NULL) {
        return plan_no_room(e);
    }
    uint32_t n = 0;
    for (uint32_t i = callee; i != PLAN_NONE; i = p->parents[i]) {
        if (caller == PLAN_NONE || !is_ancestor(p, i, caller)) {
            list[n++] = i;
        }
    }
    *ret = (plan_entering){count, list};
    return STATUS_OK;
}

static plan_options resolve_options(plan *p, plan_frame *f, const ast_options *o) {
    static const memory_encoding encodings[] = {
        [AST_UTF8] = MEMORY_ENCODING_UTF8,
        [AST_UTF16] = MEMORY_ENCODING_UTF16,
        [AST_LATIN1_UTF16] = MEMORY_ENCODING_LATIN1_UTF16,
    };
    plan_options r = {encodings[o->encoding], PLAN_NONE, PLAN_NONE};
    if (o->memory != AST_NONE) {
        r.memory = plan_slot(p, &space(f, AST_CORE_MEMORY, o->memory)->of.core);
    }
    if (o->realloc != AST_NONE) {
        r.realloc = plan_slot(p, &space(f, AST_CORE_FUNC, o->realloc)->of.core);
    }
    return r;
}

static status make_lift(plan *p, plan_frame *f, const ast_def *def, const plan_func **ret, err *e) {
    plan_lift *l = ARENA_NEW(p->arena, plan_lift);
    plan_func *func = ARENA_NEW(p->arena, plan_func);
    if (l == NULL || func == NULL) {
        return plan_no_room(e);
    }
    const plan_core *callee = &space(f, AST_CORE_FUNC, def->of.lift.core_func)->of.core;
    l->instance = f->instance;
    l->callee = plan_slot(p, callee);
    l->post_return = PLAN_NONE;
    l->options = resolve_options(p, f, &def->of.lift.options);
    if (def->of.lift.options.post_return != AST_NONE) {
        l->post_return = plan_slot(p, &space(f, AST_CORE_FUNC, def->of.lift.options.post_return)->of.core);
    }
    l->types = f->types;
    const core_func_type *core = def->of.lift.core_type;
    l->core_values = core->param_count > core->result_count ? core->param_count : core->result_count;
    if (callee->instance != NULL) {
        l->name = callee->instance->module->type->exports[callee->position].name;
    }
    TRY(abi_layout_make(def->of.lift.type, p->arena, &l->layout, e));
    func->lift = l;
    *ret = func;
    return STATUS_OK;
}

static plan_trampoline *new_trampoline(plan *p, plan_frame *f, plan_trampoline_kind kind) {
    if (p->trampoline_count++ >= PLAN_TRAMPOLINES_MAX) {
        return NULL; // reported like any other lack of room
    }
    plan_trampoline *t = ARENA_NEW(p->arena, plan_trampoline);
    if (t != NULL) {
        t->kind = kind;
        t->instance = f->instance;
        t->slot = PLAN_NONE;
        t->types = f->types;
        t->options = (plan_options){MEMORY_ENCODING_UTF8, PLAN_NONE, PLAN_NONE};
        *p->last_trampoline = t;
        p->last_trampoline = &t->next;
    }
    return t;
}

static status make_lower(plan *p, plan_frame *f, const ast_def *def, plan_core *ret, err *e) {
    const plan_func *func = space(f, AST_FUNC, def->of.lower.func)->of.func;
    const ctype_func *type = def->of.lower.type;
    plan_trampoline *t = new_trampoline(p, f, func->host != NULL ? PLAN_LOWER_HOST : PLAN_LOWER_GUEST);
    if (t == NULL) {
        return plan_no_room(e);
    }
    t->core_type = def->of.lower.core_type;
    t->options = resolve_options(p, f, &def->of.lower.options);
    TRY(abi_layout_make(type, p->arena, &t->layout, e));
    if (func->host != NULL) {
        t->host = func->host;
        t->from = func->from;
        t->label = func->label;
        t->interface = func->from->name;
        t->name = func->host->name;
        if (!type_match_func(type, f->types, func->host->type, func->from->remote)) {
            return err_set(e, STATUS_INVALID, "%.*s %.*s is used with another type than it has",
                           SLICE_ARG(t->interface), SLICE_ARG(t->name));
        }
    } else {
        t->lift = func->lift;
        t->name = func->lift->name;
        TRY(plan_entering_set(p, func->lift->instance, f->instance, &t->entering, e));
        if (!type_match_funcs(type, f->types, func->lift->layout.type, func->lift->types)) {
            return err_set(e, STATUS_INVALID, "the function \"%.*s\" is used with another type than it has",
                           SLICE_ARG(t->name));
        }
    }
    *ret = (plan_core){.kind = CORE_FUNC, .trampoline = t};
    return STATUS_OK;
}

static status make_builtin(plan *p, plan_frame *f, const ast_def *def, plan_core *ret, err *e) {
    static const uint8_t i32[] = {CORE_I32};
    static const core_func_type to_i32 = {1, 1, i32, i32};
    static const core_func_type to_nothing = {1, 0, i32, NULL};
    static const struct {
        plan_trampoline_kind kind;
        const core_func_type *type;
        const char *name;
    } builtins[] = {
        {PLAN_RESOURCE_NEW, &to_i32, "resource.new"},
        {PLAN_RESOURCE_DROP, &to_nothing, "resource.drop"},
        {PLAN_RESOURCE_REP, &to_i32, "resource.rep"},
    };
    size_t which = (size_t)(def->kind - AST_DEF_RESOURCE_NEW);
    plan_trampoline *t = new_trampoline(p, f, builtins[which].kind);
    if (t == NULL) {
        return plan_no_room(e);
    }
    t->core_type = builtins[which].type;
    t->name = slice_from_text(builtins[which].name);
    t->resource = f->types[def->of.resource.resource];
    if (t->kind == PLAN_RESOURCE_DROP && t->resource->host == NULL) {
        TRY(plan_entering_set(p, t->resource->instance, f->instance, &t->entering, e));
    }
    *ret = (plan_core){.kind = CORE_FUNC, .trampoline = t};
    return STATUS_OK;
}

// --- component instances -----------------------------------------------------------------------------------

static status collect_args(plan *p, plan_frame *f, uint32_t count, const ast_arg *args, plan_instance **ret,
                           err *e) {
    plan_instance *x = ARENA_NEW(p->arena, plan_instance);
    plan_named *items = ARENA_ARRAY(p->arena, plan_named, count);
    if (x == NULL || items == NULL) {
        return plan_no_room(e);
    }
    p->work += count;
    for (uint32_t i = 0; i < count; i++) {
        items[i] = (plan_named){args[i].name, *space(f, args[i].sort, args[i].index)};
    }
    *x = (plan_instance){count, items};
    *ret = x;
    return STATUS_OK;
}

// What a frame exports, after all its definitions have been executed.
static status collect_exports(plan *p, plan_frame *f, plan_instance **ret, err *e) {
    uint32_t count = 0;
    p->work += f->ast->def_count;
    for (uint32_t i = 0; i < f->ast->def_count; i++) {
        count += f->ast->defs[i].kind == AST_DEF_EXPORT;
    }
    plan_instance *x = ARENA_NEW(p->arena, plan_instance);
    plan_named *items = ARENA_ARRAY(p->arena, plan_named, count);
    if (x == NULL || items == NULL) {
        return plan_no_room(e);
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->ast->def_count; i++) {
        const ast_def *def = &f->ast->defs[i];
        if (def->kind == AST_DEF_EXPORT) {
            items[n++] = (plan_named){def->of.export.name, *space(f, def->sort, def->index)};
        }
    }
    *x = (plan_instance){count, items};
    *ret = x;
    return STATUS_OK;
}

static status new_frame(plan *p, const plan_component *c, uint32_t parent, uint32_t depth, plan_frame **ret,
                        err *e) {
    if (depth > PLAN_NEST_MAX) {
        return err_set(e, STATUS_LIMIT, "components are instantiated more than %d deep", PLAN_NEST_MAX);
    }
    if (p->instance_count >= PLAN_INSTANCES_MAX) {
        return err_set(e, STATUS_LIMIT, "the component makes more than %d component instances",
                       PLAN_INSTANCES_MAX);
    }
    plan_frame *f = ARENA_NEW(p->arena, plan_frame);
    if (f == NULL) {
        return plan_no_room(e);
    }
    *f = (plan_frame){.ast = c->ast, .env = c->env, .depth = depth, .instance = p->instance_count++};
    p->parents[f->instance] = parent;
    f->types = ARENA_ARRAY(p->arena, const handle_type *, c->ast->resource_count);
    if (f->types == NULL) {
        return plan_no_room(e);
    }
    for (int s = 0; s < AST_SORT_COUNT; s++) {
        f->spaces[s] = ARENA_ARRAY(p->arena, plan_item, c->ast->space_count[s]);
        if (f->spaces[s] == NULL) {
            return plan_no_room(e);
        }
    }
    *ret = f;
    return STATUS_OK;
}

static status instantiate(plan *p, plan_frame *f, const ast_def *def, const plan_instance **ret, err *e) {
    const plan_component *c = &space(f, AST_COMPONENT, def->of.instantiate.component)->of.component;
    plan_instance *args;
    plan_instance *exports;
    plan_frame *inner;
    TRY(collect_args(p, f, def->of.instantiate.arg_count, def->of.instantiate.args, &args, e));
    TRY(new_frame(p, c, f->instance, f->depth + 1, &inner, e));
    inner->args = args;
    TRY(plan_component_inline(p, inner, e));
    TRY(collect_exports(p, inner, &exports, e));
    *ret = exports;
    return STATUS_OK;
}

static status import(plan *p, plan_frame *f, const ast_def *def, plan_item *ret, err *e) {
    if (f->args == NULL) {
        return plan_import(p, f, def, ret, e);
    }
    const plan_item *given = find_item(p, f->args, def->of.import.name);
    if (given == NULL) {
        return err_set(e, STATUS_INVALID, "a nested component was not given \"%.*s\"",
                       SLICE_ARG(def->of.import.name));
    }
    *ret = *given;
    return STATUS_OK;
}

// --- definitions -------------------------------------------------------------------------------------------

static status alias_export(plan *p, plan_frame *f, const ast_def *def, plan_item *ret, err *e) {
    const plan_instance *from = space(f, AST_INSTANCE, def->of.alias.instance)->of.instance;
    const plan_item *found = find_item(p, from, def->of.alias.name);
    if (found == NULL) {
        return err_set(e, STATUS_INVALID, "an instance has no export \"%.*s\"",
                       SLICE_ARG(def->of.alias.name));
    }
    *ret = *found;
    return STATUS_OK;
}

static plan_item alias_outer(plan_frame *f, const ast_def *def) {
    plan_frame *from = f;
    for (uint32_t i = 0; i < def->of.outer.count; i++) {
        from = from->env;
    }
    if (def->sort == AST_TYPE) {
        return (plan_item){.sort = AST_TYPE}; // no resource crosses
    }
    return *space(from, def->sort, def->of.outer.index);
}

static status execute_core(plan *p, plan_frame *f, const ast_def *def, plan_item *ret, err *e) {
    switch (def->kind) {
    case AST_DEF_CORE_MODULE:
        ret->of.module = def->of.module;
        return STATUS_OK;
    case AST_DEF_CORE_INSTANTIATE:
        return core_instantiate(p, f, def, &ret->of.core_instance, e);
    case AST_DEF_CORE_EXPORTS:
        return core_exports(p, f, def, &ret->of.core_instance, e);
    case AST_DEF_ALIAS_CORE_EXPORT:
        return find_core(p, space(f, AST_CORE_INSTANCE, def->of.alias.instance)->of.core_instance,
                         def->of.alias.name, def->of.alias.position, &ret->of.core, e);
    case AST_DEF_LOWER:
        return make_lower(p, f, def, &ret->of.core, e);
    case AST_DEF_RESOURCE_NEW:
    case AST_DEF_RESOURCE_DROP:
    case AST_DEF_RESOURCE_REP:
        return make_builtin(p, f, def, &ret->of.core, e);
    default:
        return STATUS_OK; // core types
    }
}

static status execute(plan *p, plan_frame *f, const ast_def *def, plan_item *ret, err *e) {
    plan_instance *exports;
    switch (def->kind) {
    case AST_DEF_COMPONENT:
        ret->of.component = (plan_component){def->of.component, f};
        return STATUS_OK;
    case AST_DEF_INSTANTIATE:
        return instantiate(p, f, def, &ret->of.instance, e);
    case AST_DEF_EXPORTS:
        TRY(collect_args(p, f, def->of.exports.count, def->of.exports.items, &exports, e));
        ret->of.instance = exports;
        return STATUS_OK;
    case AST_DEF_ALIAS_EXPORT:
        return alias_export(p, f, def, ret, e);
    case AST_DEF_ALIAS_OUTER:
        *ret = alias_outer(f, def);
        return STATUS_OK;
    case AST_DEF_TYPE:
        return def->resource_count == 0 ? STATUS_OK : define_resource(p, f, def, e);
    case AST_DEF_LIFT:
        return make_lift(p, f, def, &ret->of.func, e);
    case AST_DEF_IMPORT:
        return import(p, f, def, ret, e);
    case AST_DEF_EXPORT:
        *ret = *space(f, def->of.export.sort, def->of.export.index);
        return STATUS_OK;
    default:
        return execute_core(p, f, def, ret, e);
    }
}

static status inline_definition(plan *p, plan_frame *f, const ast_def *def, err *e) {
    plan_item item = {.sort = def->sort};
    p->work++;
    TRY(check_work(p, e));
    if (p->missing->len == 0 || def->kind == AST_DEF_IMPORT) {
        TRY(execute(p, f, def, &item, e));
        if (def->kind != AST_DEF_TYPE) {
            TRY(bind_resources(p, f, def, &item, e));
        }
    }
    if (def->sort == AST_TYPE) {
        item = type_item(f, def);
    }
    item.sort = def->sort;
    *space(f, def->sort, def->index) = item;
    return STATUS_OK;
}

// After the first import that cannot be satisfied nothing is planned any more, but the imports behind it and
// the types that they use are looked at, so that one error names all that is missing.
static status plan_component_inline(plan *p, plan_frame *f, err *e) {
    for (uint32_t i = 0; i < f->ast->def_count; i++) {
        const ast_def *def = &f->ast->defs[i];
        if (p->missing->len == 0 || def->kind == AST_DEF_IMPORT || def->sort == AST_TYPE) {
            TRY(inline_definition(p, f, def, e));
        }
    }
    return STATUS_OK;
}

status plan_make(plan *p, err *e) {
    plan_component root = {component_ast(p->source), NULL};
    p->last_step = &p->steps;
    p->last_trampoline = &p->trampolines;
    p->parents = ARENA_ARRAY(p->arena, uint32_t, PLAN_INSTANCES_MAX);
    if (p->parents == NULL) {
        return plan_no_room(e);
    }
    TRY(new_frame(p, &root, PLAN_NONE, 0, &p->root, e));
    status s = plan_component_inline(p, p->root, e);
    if (p->missing->len > 0) {
        return err_set(e, p->missing_status, "%s", buf_text(p->missing));
    }
    TRY(s);
    return collect_exports(p, p->root, &p->exports, e);
}
