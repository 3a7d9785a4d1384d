// SPDX-License-Identifier: Apache-2.0
// Subtyping, as instantiation and ascription use it (Explainer.md, "Type Checking"): value and function types
// must be equal, an instance may export more than is asked for, a component may also import less. Recursion
// is bounded by the depth of types, work by decode_work.
#include <stdarg.h>
#include <stdio.h>

#include "component/types_internal.h"

// --- reasons ----------------------------------------------------------------------------------------------

WRIT_FORMAT(2, 3) static bool differ(type_match *m, const char *format, ...) {
    if (m->why[0] == '\0') {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(m->why, sizeof m->why, format, arguments);
        va_end(arguments);
    }
    return false;
}

// --- values and functions ---------------------------------------------------------------------------------

static uint32_t resolve(const type_match *m, const ctype_resource *r) {
    uint32_t id = vresource_of(r)->id;
    for (uint32_t steps = 0; m->resources != NULL && steps < 64; steps++) {
        const vresource *to = substitution_find(m->resources, id);
        if (to == NULL || to->id == id) {
            break;
        }
        id = to->id;
    }
    return id;
}

static bool same_resource(type_match *m, const ctype_resource *a, const ctype_resource *b) {
    return resolve(m, a) == resolve(m, b) || differ(m, "resource types are not the same");
}

static bool equal_cases(type_match *m, const ctype *a, const ctype *b) {
    if (a->case_count != b->case_count) {
        return differ(m, "expected %u parts of a %s, found %u", b->case_count, types_kind_name(b->kind),
                      a->case_count);
    }
    for (uint32_t i = 0; i < a->case_count; i++) {
        const ctype_case *x = &a->cases[i];
        const ctype_case *y = &b->cases[i];
        if (!decode_work_name(m->d, y->name)) {
            return false;
        }
        if (!slice_equal(x->name, y->name)) {
            return differ(m, "expected `%.*s` in a %s, found `%.*s`", NAME_ARG(y->name),
                          types_kind_name(b->kind), NAME_ARG(x->name));
        }
        if (!types_equal(m, x->type, y->type)) {
            return false;
        }
    }
    return true;
}

bool types_equal(type_match *m, const ctype *a, const ctype *b) {
    if (a == b) {
        return true;
    }
    if (!decode_work(m->d, 1)) {
        return false;
    }
    if (a == NULL || b == NULL) {
        return differ(m, "expected %s, found %s", b == NULL ? "nothing" : types_kind_name(b->kind),
                      a == NULL ? "nothing" : types_kind_name(a->kind));
    }
    if (a->kind != b->kind || a->is_map != b->is_map || a->has_fixed_length != b->has_fixed_length) {
        return differ(m, "expected %s, found %s", types_kind_name(b->kind), types_kind_name(a->kind));
    }
    if (a->fixed_length != b->fixed_length) {
        return differ(m, "expected a list of length %u, found %u", b->fixed_length, a->fixed_length);
    }
    if (a->resource != NULL) {
        return same_resource(m, a->resource, b->resource);
    }
    return equal_cases(m, a, b) && types_equal(m, a->element, b->element) &&
           types_equal(m, a->error, b->error);
}

static bool equal_funcs(type_match *m, const ctype_func *a, const ctype_func *b) {
    if (a == b) {
        return true;
    }
    if (a->is_async != b->is_async) {
        return differ(m, "only one of the functions is async");
    }
    if (a->param_count != b->param_count) {
        return differ(m, "expected %u parameters, found %u", b->param_count, a->param_count);
    }
    for (uint32_t i = 0; i < a->param_count; i++) {
        if (!decode_work_name(m->d, b->params[i].name)) {
            return false;
        }
        if (!slice_equal(a->params[i].name, b->params[i].name)) {
            return differ(m, "expected parameter named `%.*s`, found `%.*s`", NAME_ARG(b->params[i].name),
                          NAME_ARG(a->params[i].name));
        }
        if (!types_equal(m, a->params[i].type, b->params[i].type)) {
            return false;
        }
    }
    return types_equal(m, a->result, b->result);
}

// --- instances and components -----------------------------------------------------------------------------

static bool match_instances(type_match *m, const ast_instance_type *a, const ast_instance_type *b) {
    if (a == b) {
        return true;
    }
    for (uint32_t i = 0; i < b->export_count && decode_work_name(m->d, b->exports[i].name); i++) {
        const ast_named_extern *expected = &b->exports[i];
        uint32_t found = ast_instance_type_find(a, expected->name);
        if (found == AST_NONE) {
            return differ(m, "missing expected export `%.*s`", NAME_ARG(expected->name));
        }
        if (!types_match(m, &a->exports[found].type, &expected->type)) {
            return differ(m, "type mismatch in instance export `%.*s`", NAME_ARG(expected->name));
        }
    }
    return decode_ok(m->d);
}

// The item at the end of `path`, starting from the item `first` that its first name stands for.
static const ast_extern *follow(const ast_extern *first, const resource_path *path) {
    const ast_extern *item = first;
    for (uint32_t i = 1; i < path->count && item != NULL; i++) {
        if (item->sort != AST_INSTANCE) {
            return NULL;
        }
        uint32_t found = ast_instance_type_find(item->of.instance, path->names[i]);
        item = found == AST_NONE ? NULL : &item->of.instance->exports[found].type;
    }
    return item;
}

bool types_bind(type_match *m, const resource_path *paths, uint32_t count, types_find find,
                const void *context) {
    for (uint32_t i = 0; i < count && decode_work(m->d, paths[i].count); i++) {
        const ast_extern *item = follow(find(context, paths[i].names[0]), &paths[i]);
        // What is missing or of another sort is reported by the comparison that follows.
        if (item != NULL && item->sort == AST_TYPE && item->of.type.kind == AST_TYPE_RESOURCE) {
            const vresource *actual = vresource_of(item->of.type.of.resource);
            if (resolve(m, &actual->pub) != paths[i].resource->id) {
                substitution_add(m->d, m->resources, paths[i].resource->id, actual);
            }
        }
    }
    return decode_ok(m->d);
}

typedef struct items {
    const ast_named_extern *items;
    uint32_t count;
} items;

static const ast_extern *find_item(const void *context, slice name) {
    const items *in = context;
    for (uint32_t i = 0; i < in->count; i++) {
        if (slice_equal(in->items[i].name, name)) {
            return &in->items[i].type;
        }
    }
    return NULL;
}

static bool match_items(type_match *m, items actual, items expected, const char *what) {
    for (uint32_t i = 0; i < expected.count && decode_work(m->d, actual.count); i++) {
        const ast_named_extern *e = &expected.items[i];
        const ast_extern *a = find_item(&actual, e->name);
        if (a == NULL) {
            return differ(m, "missing expected %s `%.*s`", what, NAME_ARG(e->name));
        }
        if (!types_match(m, a, &e->type)) {
            return differ(m, "type mismatch in component %s `%.*s`", what, NAME_ARG(e->name));
        }
    }
    return decode_ok(m->d);
}

// Remembers (and later restores) what the resource types of two component types stood for before.
static const vresource **save(type_match *m, const resource_path *paths, uint32_t count) {
    const vresource **saved = decode_scratch(m->d, count, sizeof *saved);
    for (uint32_t i = 0; saved != NULL && i < count; i++) {
        saved[i] = substitution_find(m->resources, paths[i].resource->id);
    }
    return saved;
}

static void restore(type_match *m, const resource_path *paths, uint32_t count, const vresource **saved) {
    for (uint32_t i = 0; saved != NULL && i < count; i++) {
        substitution_add(m->d, m->resources, paths[i].resource->id, saved[i]);
    }
}

// Instantiates `a` with the imports that `b` would be given, and looks whether the exports are those of `b`.
static bool match_components(type_match *m, const vcomponent *a, const vcomponent *b) {
    if (a == b) {
        return true;
    }
    items given = {b->pub.imports, b->pub.import_count};
    items asked = {a->pub.imports, a->pub.import_count};
    items made = {a->pub.exports, a->pub.export_count};
    items wanted = {b->pub.exports, b->pub.export_count};
    uint64_t lookups = (uint64_t)a->imported_count * given.count + (uint64_t)b->defined_count * made.count;
    if (!decode_work(m->d, lookups > DECODE_WORK_MAX ? DECODE_WORK_MAX : (uint32_t)lookups)) {
        return false;
    }
    const vresource **saved_imports = save(m, a->imported, a->imported_count);
    const vresource **saved_exports = save(m, b->defined, b->defined_count);
    bool ok = types_bind(m, a->imported, a->imported_count, find_item, &given) &&
              match_items(m, given, asked, "import") &&
              types_bind(m, b->defined, b->defined_count, find_item, &made) &&
              match_items(m, made, wanted, "export");
    restore(m, a->imported, a->imported_count, saved_imports);
    restore(m, b->defined, b->defined_count, saved_exports);
    return ok;
}

// --- everything -------------------------------------------------------------------------------------------

static const char *type_kind_name(ast_type_kind kind) {
    static const char *const names[] = {"defined type", "func", "resource", "instance", "component"};
    return names[kind];
}

static bool match_types(type_match *m, const ast_type *a, const ast_type *b) {
    if (a->kind != b->kind) {
        return differ(m, "expected %s, found %s", type_kind_name(b->kind), type_kind_name(a->kind));
    }
    switch (a->kind) {
    case AST_TYPE_VALUE:
        return types_equal(m, a->of.value, b->of.value);
    case AST_TYPE_FUNC:
        return equal_funcs(m, a->of.func, b->of.func);
    case AST_TYPE_RESOURCE:
        return same_resource(m, a->of.resource, b->of.resource);
    case AST_TYPE_INSTANCE: // as bounds of types: equal both ways
        return match_instances(m, a->of.instance, b->of.instance) &&
               match_instances(m, b->of.instance, a->of.instance);
    default:
        return match_components(m, vcomponent_of(a->of.component), vcomponent_of(b->of.component)) &&
               match_components(m, vcomponent_of(b->of.component), vcomponent_of(a->of.component));
    }
}

bool types_match(type_match *m, const ast_extern *a, const ast_extern *b) {
    if (!decode_work(m->d, 1)) {
        return false;
    }
    if (a->sort != b->sort) {
        return differ(m, "expected %s, found %s", types_sort_name(b->sort), types_sort_name(a->sort));
    }
    switch (a->sort) {
    case AST_FUNC:
        return equal_funcs(m, a->of.func, b->of.func);
    case AST_INSTANCE:
        return match_instances(m, a->of.instance, b->of.instance);
    case AST_COMPONENT:
        return match_components(m, vcomponent_of(a->of.component), vcomponent_of(b->of.component));
    case AST_CORE_MODULE:
        return types_match_modules(m, a->of.module, b->of.module);
    default:
        return match_types(m, &a->of.type, &b->of.type);
    }
}
