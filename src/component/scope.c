// SPDX-License-Identifier: Apache-2.0
// Index spaces.
#include "component/scope_internal.h"

scope *scope_open(decoder *d, scope_kind kind, size_t offset) {
    uint32_t depth = d->scope == NULL ? 0 : d->scope->depth + 1;
    if (depth > d->limits->depth_max) {
        decode_fail_as(d, STATUS_LIMIT, offset, "components and types are nested more than %u deep",
                       d->limits->depth_max);
        return NULL;
    }
    scope *s = decode_scratch(d, 1, sizeof *s);
    if (s != NULL) {
        s->parent = d->scope;
        s->kind = kind;
        s->number = ++d->scope_count;
        s->depth = depth;
        d->scope = s;
    }
    return s;
}

void scope_close(decoder *d) { d->scope = d->scope->parent; }

static const vec *space_of(const scope *s, ast_sort sort) {
    switch (sort) {
    case AST_CORE_TYPE:
        return &s->core.types;
    case AST_CORE_MODULE:
        return &s->core_modules;
    case AST_CORE_INSTANCE:
        return &s->core_instances;
    case AST_FUNC:
        return &s->funcs;
    case AST_TYPE:
        return &s->types;
    case AST_COMPONENT:
        return &s->components;
    case AST_INSTANCE:
        return &s->instances;
    case AST_VALUE:
    case AST_SORT_COUNT:
        return NULL;
    default:
        return &s->core.externs[sort];
    }
}

uint32_t scope_count(const scope *s, ast_sort sort) {
    const vec *space = space_of(s, sort);
    return space == NULL ? 0 : space->count;
}

scope *scope_outer(decoder *d, uint32_t count, size_t offset) {
    scope *s = d->scope;
    for (uint32_t i = 0; i < count && s != NULL; i++) {
        s = s->parent;
    }
    if (s == NULL) {
        decode_fail(d, offset, "invalid outer alias count of %u", count);
    }
    return s;
}

// --- lookup -----------------------------------------------------------------------------------------------

static bool in_bounds(decoder *d, const scope *s, ast_sort sort, uint32_t index, size_t offset) {
    if (decode_ok(d) && index >= scope_count(s, sort)) {
        decode_fail(d, offset, "%s index %u out of bounds", types_sort_name(sort), index);
    }
    return decode_ok(d);
}

static const void *pointer_at(decoder *d, const scope *s, ast_sort sort, uint32_t index, size_t offset) {
    return in_bounds(d, s, sort, index, offset) ? ((const void *const *)space_of(s, sort)->items)[index]
                                                : NULL;
}

const ast_core_extern *scope_core(decoder *d, const scope *s, ast_sort sort, uint32_t index, size_t offset) {
    if (!in_bounds(d, s, sort, index, offset)) {
        return NULL;
    }
    return &((const ast_core_extern *)space_of(s, sort)->items)[index];
}

const ast_module_type *scope_core_module(decoder *d, const scope *s, uint32_t index, size_t offset) {
    return pointer_at(d, s, AST_CORE_MODULE, index, offset);
}

const ast_module_type *scope_core_instance(decoder *d, const scope *s, uint32_t index, size_t offset) {
    return pointer_at(d, s, AST_CORE_INSTANCE, index, offset);
}

const ctype_func *scope_func(decoder *d, const scope *s, uint32_t index, size_t offset) {
    return pointer_at(d, s, AST_FUNC, index, offset);
}

const ast_component_type *scope_component(decoder *d, const scope *s, uint32_t index, size_t offset) {
    return pointer_at(d, s, AST_COMPONENT, index, offset);
}

const ast_instance_type *scope_instance(decoder *d, const scope *s, uint32_t index, size_t offset) {
    return pointer_at(d, s, AST_INSTANCE, index, offset);
}

bool scope_type(decoder *d, const scope *s, uint32_t index, size_t offset, ast_type *ret) {
    if (!in_bounds(d, s, AST_TYPE, index, offset)) {
        return false;
    }
    *ret = ((const ast_type *)s->types.items)[index];
    return true;
}

bool scope_item(decoder *d, const scope *s, ast_sort sort, uint32_t index, size_t offset, ast_extern *ret) {
    *ret = (ast_extern){.sort = sort};
    switch (sort) {
    case AST_FUNC:
        ret->of.func = scope_func(d, s, index, offset);
        break;
    case AST_TYPE:
        scope_type(d, s, index, offset, &ret->of.type);
        break;
    case AST_INSTANCE:
        ret->of.instance = scope_instance(d, s, index, offset);
        break;
    case AST_COMPONENT:
        ret->of.component = scope_component(d, s, index, offset);
        break;
    case AST_CORE_MODULE:
        ret->of.module = scope_core_module(d, s, index, offset);
        break;
    case AST_VALUE:
        decode_fail_as(d, STATUS_UNSUPPORTED, offset, "uses values, which this version does not host");
        break;
    default:
        decode_fail(d, offset, "a %s where only components' items may stand", types_sort_name(sort));
        break;
    }
    return decode_ok(d);
}

// --- appending --------------------------------------------------------------------------------------------

void scope_add_pointer(decoder *d, vec *space, const void *item) {
    const void **slot = vec_push(d, space, sizeof *slot);
    if (slot != NULL) {
        *slot = item;
    }
}

void scope_add_core(decoder *d, scope *s, const ast_core_extern *item) {
    ast_core_extern *slot = vec_push(d, &s->core.externs[item->kind], sizeof *slot);
    if (slot != NULL) {
        *slot = *item;
    }
}

void scope_add(decoder *d, scope *s, const ast_extern *item) {
    ast_type *slot;
    if (s->kind == SCOPE_COMPONENT && !types_owned(d, item, s->number)) {
        decode_fail_as(d, STATUS_INTERNAL, d->whole.len, "a resource type has left its component");
        return;
    }
    switch (item->sort) {
    case AST_FUNC:
        scope_add_pointer(d, &s->funcs, item->of.func);
        break;
    case AST_INSTANCE:
        scope_add_pointer(d, &s->instances, item->of.instance);
        break;
    case AST_COMPONENT:
        scope_add_pointer(d, &s->components, item->of.component);
        break;
    case AST_CORE_MODULE:
        scope_add_pointer(d, &s->core_modules, item->of.module);
        break;
    default:
        slot = vec_push(d, &s->types, sizeof *slot);
        if (slot != NULL) {
            *slot = item->of.type;
        }
        break;
    }
}

// --- definitions and resources ----------------------------------------------------------------------------

ast_def scope_def_begin(const scope *s, ast_def_kind kind, ast_sort sort, size_t offset) {
    return (ast_def){
        .kind = kind,
        .sort = sort,
        .index = scope_count(s, sort),
        .offset = offset,
        .resource_first = s->resources.count,
    };
}

void scope_def_end(decoder *d, scope *s, const ast_def *def) {
    if (s->kind != SCOPE_COMPONENT || !decode_ok(d)) {
        return;
    }
    ast_def *slot = vec_push(d, &s->defs, sizeof *slot);
    if (slot != NULL) {
        *slot = *def;
        slot->resource_count = s->resources.count - def->resource_first;
    }
}

const vresource *scope_new_resource(decoder *d, scope *s, slice name, ast_resource_origin origin,
                                    const slice *path, uint32_t path_count) {
    vresource *r = KEEP_NEW(d, vresource);
    if (r == NULL) {
        return NULL;
    }
    r->pub.name = name;
    r->pub.index = s->resources.count;
    r->id = ++d->resource_count;
    r->scope = s->number;
    if (s->kind == SCOPE_COMPONENT) {
        ast_resource *slot = vec_push(d, &s->resources, sizeof *slot);
        if (slot != NULL) {
            *slot = (ast_resource){origin, s->defs.count, path_count, path, &r->pub};
        }
    }
    return r;
}
