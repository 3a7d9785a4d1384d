// SPDX-License-Identifier: Apache-2.0
// Imports and exports, of components and in component and instance types: names, visibility of types,
// resources.
#include "component/scope_internal.h"

// --- reading names
// -----------------------------------------------------------------------------------------------

static void attribute_read(reader *r, name_attributes *a, uint8_t *seen) {
    size_t offset = reader_offset(r);
    uint8_t kind = reader_byte(r);
    slice value = reader_name(r);
    if (kind > 2) {
        decode_fail(r->d, offset, "0x%02x is not a kind of name attribute", kind);
    } else if ((*seen & 1u << kind) != 0) {
        static const char *const names[] = {"implements", "versionsuffix", "external-id"};
        decode_fail(r->d, offset, "duplicate '%s' in the attributes of a name", names[kind]);
    }
    if (!decode_ok(r->d)) {
        return;
    }
    *seen |= (uint8_t)(1u << kind);
    if (kind == 0) {
        a->implements = value;
        a->has_implements = true;
    } else if (kind == 1) {
        a->version_suffix = value;
        a->has_version_suffix = true;
    }
}

void name_attributes_read(reader *r, name_attributes *ret) {
    *ret = (name_attributes){0};
    size_t offset = reader_offset(r);
    uint8_t form = reader_byte(r);
    if (form > 2) {
        decode_fail(r->d, offset, "0x%02x does not begin a name", form);
    }
    ret->name = reader_name(r);
    if (form == 2) {
        uint8_t seen = 0;
        uint32_t count = reader_count(r);
        for (uint32_t i = 0; i < count && decode_ok(r->d); i++) {
            attribute_read(r, ret, &seen);
        }
    }
}

// --- checking names
// ----------------------------------------------------------------------------------------------

static void attributes_check(decoder *d, const name_attributes *a, const extern_name *parsed, bool instance,
                             size_t offset) {
    extern_name implements = {0};
    if (a->has_implements) {
        const char *why = extern_name_parse(a->implements, &implements);
        if (why != NULL) {
            decode_fail(d, offset, "`%.*s` is not a valid name for `implements`: %s", NAME_ARG(a->implements),
                        why);
        } else if (implements.kind != EXTERN_NAME_INTERFACE) {
            decode_fail(d, offset, "`%.*s` must be an interface", NAME_ARG(a->implements));
        } else if (!instance) {
            decode_fail(d, offset, "only instances can have an `implements`");
        } else if (parsed->kind != EXTERN_NAME_PLAIN) {
            decode_fail(d, offset, "name `%.*s` is not valid with `implements`", NAME_ARG(a->name));
        }
    }
    if (a->has_version_suffix) {
        slice version = a->has_implements ? implements.version : parsed->version;
        if (!interface_version_complete(version, a->version_suffix)) {
            decode_fail(d, offset, "version `%.*s` with suffix `%.*s` is not a valid semantic version",
                        NAME_ARG(version), NAME_ARG(a->version_suffix));
        }
    }
}

// The resource must have been given the name that the function claims, in the same context.
static void owner_check(decoder *d, const name_context *names, const ctype_resource *resource, slice label,
                        size_t offset) {
    const slice *name = pointer_map_get(&names->resources, resource);
    if (name == NULL) {
        decode_fail(d, offset, "the resource used in the function does not have a name in this context");
    } else if (!slice_equal(*name, label)) {
        decode_fail(d, offset, "function does not match expected resource name `%.*s`", NAME_ARG(*name));
    }
}

static void constructor_check(decoder *d, const name_context *names, const ctype_func *f, slice label,
                              size_t offset) {
    if (f->result == NULL) {
        decode_fail(d, offset, "a constructor should return one value");
        return;
    }
    const ctype *made = f->result->kind == CTYPE_RESULT ? f->result->element : f->result;
    if (made == NULL || made->kind != CTYPE_OWN) {
        decode_fail(d, offset, "a constructor should return `(own $T)` or `(result (own $T))`");
        return;
    }
    owner_check(d, names, made->resource, label, offset);
}

static void method_check(decoder *d, const name_context *names, const ctype_func *f, slice label,
                         size_t offset) {
    if (f->param_count == 0) {
        decode_fail(d, offset, "a method should have at least one argument");
    } else if (!slice_equal_text(f->params[0].name, "self")) {
        decode_fail(d, offset, "a method should have a first argument called `self`");
    } else if (f->params[0].type->kind != CTYPE_BORROW) {
        decode_fail(d, offset, "a method should take a first argument of `(borrow $T)`");
    } else {
        owner_check(d, names, f->params[0].type->resource, label, offset);
    }
}

static void annotation_check(decoder *d, const name_context *names, const extern_name *parsed,
                             const ast_extern *type, size_t offset) {
    if (parsed->kind == EXTERN_NAME_PLAIN || parsed->kind == EXTERN_NAME_INTERFACE) {
        return;
    }
    if (type->sort != AST_FUNC) {
        decode_fail(d, offset, "item is not a func, as its name says");
    } else if (parsed->kind == EXTERN_NAME_CONSTRUCTOR) {
        constructor_check(d, names, type->of.func, parsed->resource, offset);
    } else if (parsed->kind == EXTERN_NAME_METHOD) {
        method_check(d, names, type->of.func, parsed->resource, offset);
    } else if (name_map_get(d, &names->resource_names, parsed->resource) == NULL) {
        decode_fail(d, offset, "static resource name is not known in this context");
    }
}

static slice *slice_keep(decoder *d, slice s) {
    slice *copy = decode_scratch(d, 1, sizeof *copy);
    if (copy != NULL) {
        *copy = s;
    }
    return copy;
}

void name_check(decoder *d, name_context *names, const name_attributes *a, const ast_extern *type,
                const char *what, size_t offset) {
    if (!decode_ok(d)) {
        return;
    }
    extern_name parsed;
    const char *why = extern_name_parse(a->name, &parsed);
    if (why != NULL) {
        decode_fail(d, offset, "%s name `%.*s` is not a valid extern name: %s", what, NAME_ARG(a->name), why);
        return;
    }
    attributes_check(d, a, &parsed, type->sort == AST_INSTANCE, offset);
    annotation_check(d, names, &parsed, type, offset);
    uint8_t *folded = decode_scratch(d, 1, a->name.len + 1);
    slice *written = slice_keep(d, a->name);
    if (folded == NULL || written == NULL) {
        return;
    }
    slice key = slice_of(folded, extern_name_fold(a->name, &parsed, folded));
    const slice *previous = name_map_add(d, &names->unique, key, written);
    if (previous != NULL) {
        decode_fail(d, offset, "%s name `%.*s` conflicts with previous name `%.*s`", what, NAME_ARG(a->name),
                    NAME_ARG(*previous));
    }
}

// --- visibility of types
// -----------------------------------------------------------------------------------------

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

// Checks that whatever the item's type mentions has a name, and names what the item exports.
// `original` is the type that a type item is another name for.
static bool visible(decoder *d, scope *s, bool import, const ast_extern *item, const ast_type *original) {
    pointer_map *set = import ? &s->imported_types : &s->exported_types;
    if (item->sort == AST_FUNC) {
        return func_named(d, item->of.func, set);
    }
    if (item->sort == AST_INSTANCE) {
        const ast_instance_type *t = item->of.instance;
        for (uint32_t i = 0; i < t->export_count && decode_work(d, 1); i++) {
            if (!visible(d, s, import, &t->exports[i].type, &t->exports[i].type.of.type)) {
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

static void resource_register(decoder *d, name_context *names, slice name, const ctype_resource *resource) {
    slice *label = slice_keep(d, name);
    if (label != NULL) {
        pointer_map_put(d, &names->resources, resource, label);
        name_map_add(d, &names->resource_names, name, label);
    }
}

// --- reading types
// -----------------------------------------------------------------------------------------------

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

void extern_type_read(reader *r, scope *s, ast_extern *ret, bool *ret_fresh) {
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

// --- adding imports and exports
// ----------------------------------------------------------------------------------

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
        resource_register(d, names, a->name, item->of.type.of.resource);
    }
    if (s->kind != SCOPE_INSTANCE_TYPE && !visible(d, s, import, item, &original)) {
        decode_fail(d, offset,
                    "%s `%.*s`: %s not valid to be used as %s, because it uses a type that has no name "
                    "there",
                    what, NAME_ARG(a->name), types_sort_name(item->sort), what);
    }
    name_check(d, names, a, item, what, offset);
    ast_named_extern *slot = vec_push(d, import ? &s->imports : &s->exports, sizeof *slot);
    if (slot != NULL) {
        *slot = (ast_named_extern){a->name, *item};
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

// --- exports of components
// ---------------------------------------------------------------------------------------

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
