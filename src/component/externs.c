// SPDX-License-Identifier: Apache-2.0
// Imports and exports, of components and in component and instance types: names, visibility of types,
// resources.
#include "component/scope_internal.h"

// --- reading types ----------------------------------------------------------------------------------------

static void type_bound_read(reader *r, scope *s, ast_extern *ret, bool *ret_fresh) {
    size_t offset = reader_offset(r);
    uint8_t bound = reader_byte(r);
    ret->sort = AST_TYPE;
    if (bound == 0) {
        scope_type(r->d, s, reader_u32(r), offset, &ret->of.type);
    } else if (bound == 1) {
        *ret_fresh = true;
    } else {
        decode_fail(r->d, offset, "0x%02x is not a type bound", bound);
    }
}

static void module_type_at(reader *r, scope *s, ast_extern *ret) {
    size_t offset = reader_offset(r);
    if (reader_byte(r) != 0x11) {
        decode_fail(r->d, offset, "only core modules can be imported and exported");
    }
    uint32_t index = reader_u32(r);
    ret->sort = AST_CORE_MODULE;
    if (decode_ok(r->d) && index >= s->core_module_types.count) {
        decode_fail(r->d, offset, "core type index %u out of bounds", index);
    } else if (decode_ok(r->d)) {
        ret->of.module = ((const ast_module_type *const *)s->core_module_types.items)[index];
        if (ret->of.module == NULL) {
            decode_fail(r->d, offset, "core type index %u is not a module type", index);
        }
    }
}

static void indexed_type_read(reader *r, scope *s, ast_sort sort, ast_type_kind kind, ast_extern *ret) {
    size_t offset = reader_offset(r);
    uint32_t index = reader_u32(r);
    ast_type t = {0};
    if (!scope_type(r->d, s, index, offset, &t)) {
        return;
    }
    if (t.kind != kind) {
        static const char *const names[] = {"a defined", "a function", "a resource", "an instance",
                                            "a component"};
        decode_fail(r->d, offset, "type index %u is not %s type", index, names[kind]);
        return;
    }
    ret->sort = sort;
    if (kind == AST_TYPE_FUNC) {
        ret->of.func = t.of.func;
    } else if (kind == AST_TYPE_INSTANCE) {
        ret->of.instance = t.of.instance;
    } else {
        ret->of.component = t.of.component;
    }
}

// An externtype. `ret_fresh` is set for (type (sub resource)): `ret` then has no resource yet.
static void extern_type_read(reader *r, scope *s, ast_extern *ret, bool *ret_fresh) {
    *ret = (ast_extern){.sort = AST_TYPE};
    *ret_fresh = false;
    size_t offset = reader_offset(r);
    uint8_t kind = reader_byte(r);
    switch (kind) {
    case 0:
        module_type_at(r, s, ret);
        break;
    case 1:
        indexed_type_read(r, s, AST_FUNC, AST_TYPE_FUNC, ret);
        break;
    case 2:
        decode_fail_as(r->d, STATUS_UNSUPPORTED, offset, "uses values, which this version does not host");
        break;
    case 3:
        type_bound_read(r, s, ret, ret_fresh);
        break;
    case 4:
        indexed_type_read(r, s, AST_COMPONENT, AST_TYPE_COMPONENT, ret);
        break;
    case 5:
        indexed_type_read(r, s, AST_INSTANCE, AST_TYPE_INSTANCE, ret);
        break;
    default:
        decode_fail(r->d, offset, "0x%02x is not a kind of import or export", kind);
        break;
    }
}

// --- adding imports and exports ---------------------------------------------------------------------------

// An instance of this type exists from now on: the resource types that belong to the type become new ones of
// `s`.
static const ast_instance_type *refresh(decoder *d, scope *s, const ast_instance_type *t,
                                        ast_resource_origin origin) {
    const vinstance *v = vinstance_of(t);
    if (v->path_count == 0) {
        return t;
    }
    substitution fresh = {0};
    for (uint32_t i = 0; i < v->path_count && decode_ok(d); i++) {
        const resource_path *path = &v->paths[i];
        slice name = path->names[path->count - 1];
        const vresource *made = scope_new_resource(d, s, name, origin, path->names, path->count);
        substitution_add(d, &fresh, path->resource->id, made);
    }
    ast_extern item = {.sort = AST_INSTANCE, .of.instance = t};
    item = types_substitute(d, &fresh, &item);
    vinstance *exists = KEEP_NEW(d, vinstance);
    if (exists == NULL) {
        return NULL;
    }
    *exists = *vinstance_of(item.of.instance);
    exists->scope = 0;
    exists->path_count = 0;
    return &exists->pub;
}

// Adds the item to the scope. `item` has the type as it was written; `fresh` stands for (type (sub
// resource)).
static void extern_add(decoder *d, scope *s, bool import, const name_attributes *a, ast_extern *item,
                       bool fresh, size_t offset) {
    const char *what = import ? "import" : "export";
    name_context *names = import ? &s->import_names : &s->export_names;
    ast_resource_origin origin = import ? AST_RESOURCE_IMPORTED : AST_RESOURCE_EXPORTED;
    if (!decode_ok(d)) {
        return;
    }
    ast_type original = item->of.type;
    if (fresh) {
        const vresource *made = scope_new_resource(d, s, a->name, origin, NULL, 0);
        if (made == NULL) {
            return;
        }
        item->of.type = (ast_type){.kind = AST_TYPE_RESOURCE, .of.resource = &made->pub};
        original = item->of.type;
    } else if (item->sort == AST_TYPE) {
        item->of.type = types_rename(d, original);
        if (item->of.type.kind == AST_TYPE_RESOURCE && decode_ok(d)) { // copies made just now
            ((vresource *)(uintptr_t)item->of.type.of.resource)->pub.name = a->name;
        } else if (item->of.type.kind == AST_TYPE_VALUE && decode_ok(d)) {
            ((vtype *)(uintptr_t)item->of.type.of.value)->pub.name = a->name;
        }
    } else if (item->sort == AST_INSTANCE) {
        item->of.instance = refresh(d, s, item->of.instance, origin);
    }
    if (!decode_ok(d)) {
        return;
    }
    scope_add(d, s, item);
    if (item->sort == AST_TYPE && item->of.type.kind == AST_TYPE_RESOURCE) {
        name_context_add_resource(d, names, a->name, item->of.type.of.resource);
    }
    if (s->kind != SCOPE_INSTANCE_TYPE && !extern_visible(d, s, import, item, &original)) {
        decode_fail(d, offset,
                    "%s `%.*s`: %s not valid to be used as %s, because it uses a type that has no name "
                    "there",
                    what, NAME_ARG(a->name), types_sort_name(item->sort), what);
    }
    name_check(d, names, a, item, what, offset);
    ast_named_extern *slot = vec_push(d, import ? &s->imports : &s->exports, sizeof *slot);
    if (slot != NULL) {
        *slot = (ast_named_extern){a->name, *item, a->implements};
    }
}

void import_read(reader *r, scope *s) {
    size_t offset = reader_offset(r);
    name_attributes a;
    ast_extern item;
    bool fresh;
    name_attributes_read(r, &a);
    extern_type_read(r, s, &item, &fresh);
    ast_def def = scope_def_begin(s, AST_DEF_IMPORT, item.sort, offset);
    extern_add(r->d, s, true, &a, &item, fresh, offset);
    def.type = item;
    def.of.import.name = a.name;
    def.of.import.implements = a.implements;
    scope_def_end(r->d, s, &def);
}

void export_declaration_read(reader *r, scope *s) {
    size_t offset = reader_offset(r);
    name_attributes a;
    ast_extern item;
    bool fresh;
    name_attributes_read(r, &a);
    extern_type_read(r, s, &item, &fresh);
    extern_add(r->d, s, false, &a, &item, fresh, offset);
}

// --- exports of components --------------------------------------------------------------------------------

static const ast_extern *find_in_instance(const void *context, slice name) {
    const ast_instance_type *t = context;
    uint32_t at = ast_instance_type_find(t, name);
    return at == AST_NONE ? NULL : &t->exports[at].type;
}

// Whether the written type of an export is a supertype of what is exported.
static void ascription_check(decoder *d, const ast_extern *actual, const ast_extern *written, bool fresh,
                             size_t offset) {
    substitution resources = {0};
    type_match m = {.d = d, .resources = &resources};
    bool ok;
    if (fresh) {
        ok = actual->sort == AST_TYPE && actual->of.type.kind == AST_TYPE_RESOURCE;
    } else {
        if (actual->sort == AST_INSTANCE && written->sort == AST_INSTANCE) {
            const vinstance *v = vinstance_of(written->of.instance);
            ok = types_bind(&m, v->paths, v->path_count, find_in_instance, actual->of.instance);
        }
        ok = types_match(&m, actual, written);
    }
    if (!ok) {
        decode_fail(d, offset, "ascribed type of export is not compatible with the item's type: %s", m.why);
    }
}

void export_read(reader *r, scope *s) {
    decoder *d = r->d;
    size_t offset = reader_offset(r);
    name_attributes a;
    name_attributes_read(r, &a);
    ast_sort sort = AST_FUNC;
    if (!sort_read(r, &sort)) {
        return;
    }
    uint32_t index = reader_u32(r);
    ast_extern item;
    bool fresh = false;
    bool has_item = scope_item(d, s, sort, index, offset, &item);
    if (reader_flag(r) && has_item) {
        ast_extern written;
        extern_type_read(r, s, &written, &fresh);
        if (decode_ok(d)) {
            ascription_check(d, &item, &written, fresh, offset);
        }
        item = written;
    }
    if (!decode_ok(d)) {
        return;
    }
    ast_def def = scope_def_begin(s, AST_DEF_EXPORT, sort, offset);
    extern_add(d, s, false, &a, &item, fresh, offset);
    def.type = item;
    def.of.export.name = a.name;
    def.of.export.sort = sort;
    def.of.export.index = index;
    scope_def_end(d, s, &def);
}
