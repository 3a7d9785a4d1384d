// SPDX-License-Identifier: Apache-2.0
// Types of instances and components: finding their items, and the resource types that belong to them.
#include <stdlib.h>

#include "component/types_internal.h"

// --- instance and component types -------------------------------------------------------------------------

// An explicit stack of the names that lead to where a walk is.
typedef struct walk {
    decoder *d;
    uint32_t scope;
    vec paths;       // resource_path
    pointer_map ids; // resource ids that have a path already
    slice *names;
    uint32_t depth;
} walk;

static void walk_found(walk *w, const vresource *r) {
    const void *key = (const void *)(uintptr_t)r->id;
    if (r->scope != w->scope || pointer_map_get(&w->ids, key) != NULL) {
        return;
    }
    pointer_map_put(w->d, &w->ids, key, r);
    resource_path *path = vec_push(w->d, &w->paths, sizeof *path);
    slice *names = KEEP_ARRAY(w->d, slice, w->depth);
    if (path != NULL && names != NULL) {
        memcpy(names, w->names, w->depth * sizeof *names);
        *path = (resource_path){r, w->depth, names};
    }
}

// Recursion is bounded by the depth of types, which check_info limits.
static void walk_items(walk *w, const ast_named_extern *items, uint32_t count) {
    for (uint32_t i = 0; i < count && decode_work(w->d, 1); i++) {
        const ast_extern *item = &items[i].type;
        w->names[w->depth++] = items[i].name;
        if (item->sort == AST_TYPE && item->of.type.kind == AST_TYPE_RESOURCE) {
            walk_found(w, vresource_of(item->of.type.of.resource));
        } else if (item->sort == AST_INSTANCE &&
                   vinstance_of(item->of.instance)->info.min_scope <= w->scope) {
            walk_items(w, item->of.instance->exports, item->of.instance->export_count);
        }
        w->depth--;
    }
}

// Resources of `scope` that are exported by name, each once, by the first way that leads to it.
static uint32_t find_paths(decoder *d, uint32_t scope_number, const ast_named_extern *items, uint32_t count,
                           uint32_t depth, const resource_path **ret) {
    walk w = {.d = d, .scope = scope_number};
    w.names = decode_scratch(d, depth + 1, sizeof *w.names);
    if (w.names != NULL) {
        walk_items(&w, items, count);
    }
    *ret = vec_keep(d, &w.paths, sizeof(resource_path));
    return *ret == NULL ? 0 : w.paths.count;
}

static int compare_named(const void *a, const void *b, void *context) {
    const ast_named_extern *items = context;
    return slice_compare(items[*(const uint32_t *)a].name, items[*(const uint32_t *)b].name);
}

enum { SORT_FROM = 9 }; // fewer are searched one by one

const ast_instance_type *types_finish_instance(decoder *d, vinstance *t, size_t offset) {
    t->info = (type_info){.weight = 1, .depth = 1, .min_scope = SCOPE_NONE};
    for (uint32_t i = 0; i < t->pub.export_count && decode_ok(d); i++) {
        types_info_add(&t->info, types_extern_info(&t->pub.exports[i].type));
    }
    if (!decode_ok(d) || !types_check_info(d, t->info, offset)) {
        return NULL;
    }
    if (t->pub.export_count >= SORT_FROM) {
        uint32_t *sorted = KEEP_ARRAY(d, uint32_t, t->pub.export_count);
        for (uint32_t i = 0; sorted != NULL && i < t->pub.export_count; i++) {
            sorted[i] = i;
        }
        if (sorted != NULL) {
            qsort_r(sorted, t->pub.export_count, sizeof *sorted, compare_named,
                    (void *)(uintptr_t)t->pub.exports);
        }
        t->pub.sorted = sorted;
    }
    if (t->scope != 0) {
        t->path_count =
            find_paths(d, t->scope, t->pub.exports, t->pub.export_count, t->info.depth, &t->paths);
    }
    return decode_ok(d) ? &t->pub : NULL;
}

const ast_component_type *types_finish_component(decoder *d, vcomponent *t, size_t offset) {
    t->info = (type_info){.weight = 1, .depth = 1, .min_scope = SCOPE_NONE};
    for (uint32_t i = 0; i < t->pub.import_count && decode_ok(d); i++) {
        types_info_add(&t->info, types_extern_info(&t->pub.imports[i].type));
    }
    for (uint32_t i = 0; i < t->pub.export_count && decode_ok(d); i++) {
        types_info_add(&t->info, types_extern_info(&t->pub.exports[i].type));
    }
    if (!decode_ok(d) || !types_check_info(d, t->info, offset)) {
        return NULL;
    }
    t->imported_count =
        find_paths(d, t->scope, t->pub.imports, t->pub.import_count, t->info.depth, &t->imported);
    const resource_path *exported;
    uint32_t exported_count =
        find_paths(d, t->scope, t->pub.exports, t->pub.export_count, t->info.depth, &exported);
    pointer_map imported = {0};
    for (uint32_t i = 0; i < t->imported_count; i++) {
        pointer_map_put(d, &imported, (const void *)(uintptr_t)t->imported[i].resource->id, t);
    }
    vec defined = {0};
    for (uint32_t i = 0; i < exported_count; i++) {
        if (pointer_map_get(&imported, (const void *)(uintptr_t)exported[i].resource->id) == NULL) {
            resource_path *path = vec_push(d, &defined, sizeof *path);
            if (path != NULL) {
                *path = exported[i];
            }
        }
    }
    t->defined = vec_keep(d, &defined, sizeof(resource_path));
    t->defined_count = defined.count;
    return decode_ok(d) ? &t->pub : NULL;
}

// --- resources without a name -----------------------------------------------------------------------------

// Whether every resource of scope `number` inside is one of `ids`. Recursion is bounded by the depth of
// types.
static bool value_uses_only(decoder *d, const ctype *t, uint32_t number, const pointer_map *ids) {
    if (t == NULL || !t->has_handle || vtype_of(t)->info.min_scope > number || !decode_work(d, 1)) {
        return true;
    }
    if (t->resource != NULL) {
        const vresource *r = vresource_of(t->resource);
        return r->scope != number || pointer_map_get(ids, (const void *)(uintptr_t)r->id) != NULL;
    }
    for (uint32_t i = 0; i < t->case_count; i++) {
        if (!value_uses_only(d, t->cases[i].type, number, ids)) {
            return false;
        }
    }
    return value_uses_only(d, t->element, number, ids) && value_uses_only(d, t->error, number, ids);
}

static bool func_uses_only(decoder *d, const ctype_func *f, uint32_t number, const pointer_map *ids) {
    for (uint32_t i = 0; i < f->param_count; i++) {
        if (!value_uses_only(d, f->params[i].type, number, ids)) {
            return false;
        }
    }
    return value_uses_only(d, f->result, number, ids);
}

static bool item_uses_only(decoder *d, const ast_extern *t, uint32_t number, const pointer_map *ids);

static bool items_use_only(decoder *d, const ast_named_extern *items, uint32_t count, uint32_t number,
                           const pointer_map *ids) {
    for (uint32_t i = 0; i < count; i++) {
        if (!item_uses_only(d, &items[i].type, number, ids)) {
            return false;
        }
    }
    return true;
}

static bool item_uses_only(decoder *d, const ast_extern *t, uint32_t number, const pointer_map *ids) {
    if (types_extern_info(t).min_scope > number || !decode_work(d, 1)) {
        return true;
    }
    ast_extern inner = *t;
    if (t->sort == AST_TYPE) { // look at the type as at an item of that type
        static const ast_sort sorts[] = {AST_TYPE, AST_FUNC, AST_TYPE, AST_INSTANCE, AST_COMPONENT};
        inner.sort = sorts[t->of.type.kind];
        inner.of.type = t->of.type;
        if (inner.sort == AST_FUNC) {
            inner.of.func = t->of.type.of.func;
        } else if (inner.sort == AST_INSTANCE) {
            inner.of.instance = t->of.type.of.instance;
        } else if (inner.sort == AST_COMPONENT) {
            inner.of.component = t->of.type.of.component;
        }
    }
    switch (inner.sort) {
    case AST_FUNC:
        return func_uses_only(d, inner.of.func, number, ids);
    case AST_INSTANCE:
        return items_use_only(d, inner.of.instance->exports, inner.of.instance->export_count, number, ids);
    case AST_COMPONENT:
        return items_use_only(d, inner.of.component->imports, inner.of.component->import_count, number,
                              ids) &&
               items_use_only(d, inner.of.component->exports, inner.of.component->export_count, number, ids);
    default:
        if (t->of.type.kind == AST_TYPE_RESOURCE) {
            const vresource *r = vresource_of(t->of.type.of.resource);
            return r->scope != number || pointer_map_get(ids, (const void *)(uintptr_t)r->id) != NULL;
        }
        return value_uses_only(d, t->of.type.of.value, number, ids);
    }
}

// --- what an instance of a component can reach ------------------------------------------------------------

static bool value_owned(decoder *d, const ctype *t, uint32_t number) {
    if (t == NULL || !t->has_handle || !decode_work(d, 1)) {
        return true;
    }
    if (t->resource != NULL) {
        return vresource_of(t->resource)->scope == number;
    }
    for (uint32_t i = 0; i < t->case_count; i++) {
        if (!value_owned(d, t->cases[i].type, number)) {
            return false;
        }
    }
    return value_owned(d, t->element, number) && value_owned(d, t->error, number);
}

bool types_owned(decoder *d, const ast_extern *t, uint32_t number) {
    if (types_extern_info(t).min_scope == SCOPE_NONE || !decode_work(d, 1)) {
        return true;
    }
    if (t->sort == AST_FUNC) {
        for (uint32_t i = 0; i < t->of.func->param_count; i++) {
            if (!value_owned(d, t->of.func->params[i].type, number)) {
                return false;
            }
        }
        return value_owned(d, t->of.func->result, number);
    }
    for (uint32_t i = 0; t->sort == AST_INSTANCE && i < t->of.instance->export_count; i++) {
        if (!types_owned(d, &t->of.instance->exports[i].type, number)) {
            return false;
        }
    }
    bool resource = t->sort == AST_TYPE && t->of.type.kind == AST_TYPE_RESOURCE;
    return !resource || vresource_of(t->of.type.of.resource)->scope == number;
}

static void ids_add(decoder *d, pointer_map *ids, const resource_path *paths, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        pointer_map_put(d, ids, (const void *)(uintptr_t)paths[i].resource->id, paths[i].resource);
    }
}

void types_check_resources(decoder *d, const ast_component_type *type, size_t offset) {
    const vcomponent *t = vcomponent_of(type);
    pointer_map ids = {0};
    ids_add(d, &ids, t->imported, t->imported_count);
    if (!items_use_only(d, type->imports, type->import_count, t->scope, &ids)) {
        decode_fail(d, offset, "local resource type found in imports");
    }
    ids_add(d, &ids, t->defined, t->defined_count);
    if (!items_use_only(d, type->exports, type->export_count, t->scope, &ids)) {
        decode_fail(d, offset, "local resource type found in export but not exported itself");
    }
}

// --- lookup -----------------------------------------------------------------------------------------------

uint32_t ast_instance_type_find(const ast_instance_type *t, slice name) {
    if (t->sorted == NULL) {
        for (uint32_t i = 0; i < t->export_count; i++) {
            if (slice_equal(t->exports[i].name, name)) {
                return i;
            }
        }
        return AST_NONE;
    }
    uint32_t low = 0;
    uint32_t high = t->export_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = slice_compare(name, t->exports[t->sorted[middle]].name);
        if (order == 0) {
            return t->sorted[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return AST_NONE;
}
