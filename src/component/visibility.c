// SPDX-License-Identifier: Apache-2.0
// Whatever the type of an import or export mentions must have a name itself (Explainer.md, "External
// Visibility of Types").
#include "component/scope_internal.h"

static bool value_named(decoder *d, const ctype *t, const pointer_map *set);

// Whether what the type is made of is named; the type itself is looked at by value_named.
static bool parts_named(decoder *d, const ctype *t, const pointer_map *set) {
    if (!decode_work(d, 1)) {
        return false;
    }
    if (t->resource != NULL) {
        return pointer_map_get(set, t->resource) != NULL;
    }
    for (uint32_t i = 0; i < t->case_count; i++) {
        if (t->cases[i].type != NULL && !value_named(d, t->cases[i].type, set)) {
            return false;
        }
    }
    return (t->element == NULL || value_named(d, t->element, set)) &&
           (t->error == NULL || value_named(d, t->error, set));
}

static bool value_named(decoder *d, const ctype *t, const pointer_map *set) {
    switch (t->kind) {
    case CTYPE_RECORD:
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_FLAGS:
        return pointer_map_get(set, t) != NULL;
    default:
        return t->kind <= CTYPE_STRING || parts_named(d, t, set);
    }
}

static bool func_named(decoder *d, const ctype_func *f, const pointer_map *set) {
    for (uint32_t i = 0; i < f->param_count; i++) {
        if (!value_named(d, f->params[i].type, set)) {
            return false;
        }
    }
    return f->result == NULL || value_named(d, f->result, set);
}

static bool type_named(decoder *d, const ast_type *t, pointer_map *set);

// Types that an instance type exports are named within it, and only there.
static bool instance_named(decoder *d, const ast_instance_type *t, pointer_map *set) {
    bool ok = true;
    vec added = {0};
    for (uint32_t i = 0; i < t->export_count && ok && decode_work(d, 1); i++) {
        const ast_extern *item = &t->exports[i].type;
        if (item->sort == AST_FUNC) {
            ok = func_named(d, item->of.func, set);
        } else if (item->sort == AST_INSTANCE) {
            ok = instance_named(d, item->of.instance, set);
        } else if (item->sort == AST_TYPE) {
            ok = type_named(d, &item->of.type, set);
            const void *address = item->of.type.of.value;
            if (ok && pointer_map_get(set, address) == NULL) {
                pointer_map_put(d, set, address, address);
                scope_add_pointer(d, &added, address);
            }
        }
    }
    for (uint32_t i = 0; i < added.count; i++) {
        pointer_map_put(d, set, ((const void *const *)added.items)[i], NULL);
    }
    return ok && decode_ok(d);
}

static bool type_named(decoder *d, const ast_type *t, pointer_map *set) {
    switch (t->kind) {
    case AST_TYPE_VALUE:
        return t->of.value->kind <= CTYPE_STRING || parts_named(d, t->of.value, set);
    case AST_TYPE_FUNC:
        return func_named(d, t->of.func, set);
    case AST_TYPE_INSTANCE:
        return instance_named(d, t->of.instance, set);
    default:
        return true;
    }
}

bool extern_visible(decoder *d, scope *s, bool import, const ast_extern *item, const ast_type *original) {
    pointer_map *set = import ? &s->imported_types : &s->exported_types;
    if (item->sort == AST_FUNC) {
        return func_named(d, item->of.func, set);
    }
    if (item->sort == AST_INSTANCE) {
        const ast_instance_type *t = item->of.instance;
        for (uint32_t i = 0; i < t->export_count && decode_work(d, 1); i++) {
            if (!extern_visible(d, s, import, &t->exports[i].type, &t->exports[i].type.of.type)) {
                return false;
            }
        }
        return decode_ok(d);
    }
    if (item->sort != AST_TYPE) {
        return true;
    }
    const void *from = original->of.value;
    if (import && pointer_map_get(&s->exported_types, from) != NULL && pointer_map_get(set, from) == NULL) {
        return false;
    }
    if (!type_named(d, original, set)) {
        return false;
    }
    const void *address = item->of.type.of.value;
    pointer_map_put(d, &s->exported_types, address, address);
    if (import) {
        pointer_map_put(d, &s->imported_types, address, address);
    }
    return true;
}
