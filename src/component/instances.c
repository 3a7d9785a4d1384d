// SPDX-License-Identifier: Apache-2.0
// Core instances and instances: instantiation with arguments, and bags of exports.
#include "component/scope_internal.h"

bool sort_read(reader *r, ast_sort *ret) {
    static const ast_sort sorts[] = {AST_SORT_COUNT, AST_FUNC,      AST_VALUE,
                                     AST_TYPE,       AST_COMPONENT, AST_INSTANCE};
    size_t offset = reader_offset(r);
    uint8_t byte = reader_byte(r);
    if (byte >= sizeof sorts / sizeof sorts[0]) {
        decode_fail(r->d, offset, "0x%02x is not a sort", byte);
        return false;
    }
    *ret = sorts[byte];
    if (byte != 0) {
        return decode_ok(r->d);
    }
    uint8_t core = reader_byte(r);
    if (core <= CORE_TAG) {
        *ret = (ast_sort)core;
    } else if (core == 0x11) {
        *ret = AST_CORE_MODULE;
    } else if (core == 0x12) {
        *ret = AST_CORE_INSTANCE;
    } else {
        decode_fail(r->d, offset, "0x%02x is not a core sort", core);
    }
    return decode_ok(r->d);
}

// --- core instances ---------------------------------------------------------------------------------------

static void core_args_read(reader *r, scope *s, vec *args, name_map *by_name) {
    uint32_t count = reader_count(r);
    for (uint32_t i = 0; i < count && decode_ok(r->d); i++) {
        size_t offset = reader_offset(r);
        slice name = reader_name(r);
        uint8_t kind = reader_byte(r);
        uint32_t index = reader_u32(r);
        if (kind != 0x12) {
            decode_fail(r->d, offset, "0x%02x is not a kind of argument for a core module", kind);
        }
        const ast_module_type *instance = scope_core_instance(r->d, s, index, offset);
        ast_core_arg *arg = vec_push(r->d, args, sizeof *arg);
        if (instance == NULL || arg == NULL) {
            return;
        }
        *arg = (ast_core_arg){name, index};
        if (name_map_add(r->d, by_name, name, instance) != NULL) {
            decode_fail(r->d, offset, "duplicate module instantiation argument named `%.*s`", NAME_ARG(name));
        }
    }
}

static void core_imports_check(decoder *d, const ast_module_type *module, const name_map *args,
                               size_t offset) {
    for (uint32_t i = 0; i < module->import_count && decode_ok(d); i++) {
        const ast_core_import *import = &module->imports[i];
        if (!decode_work_name(d, import->module) || !decode_work_name(d, import->name)) {
            return;
        }
        const ast_module_type *instance = name_map_get(d, args, import->module);
        if (instance == NULL) {
            decode_fail(d, offset, "missing module instantiation argument named `%.*s`",
                        NAME_ARG(import->module));
            return;
        }
        uint32_t position = ast_module_type_find_export(instance, import->name);
        if (position == AST_NONE) {
            decode_fail(d, offset,
                        "module instantiation argument `%.*s` does not export an item named `%.*s`",
                        NAME_ARG(import->module), NAME_ARG(import->name));
            return;
        }
        type_match m = {.d = d};
        if (!core_extern_match(&m, &instance->exports[position].type, &import->type)) {
            decode_fail(d, offset, "type mismatch for `%.*s` of module instantiation argument `%.*s`: %s",
                        NAME_ARG(import->name), NAME_ARG(import->module), m.why);
        }
    }
}

static void core_instantiate_read(reader *r, scope *s, ast_def *def) {
    decoder *d = r->d;
    uint32_t index = reader_u32(r);
    const ast_module_type *module = scope_core_module(d, s, index, def->offset);
    vec args = {0};
    name_map by_name = {0};
    core_args_read(r, s, &args, &by_name);
    if (!decode_ok(d)) {
        return;
    }
    core_imports_check(d, module, &by_name, def->offset);
    def->kind = AST_DEF_CORE_INSTANTIATE;
    def->of.core_instantiate.module = index;
    def->of.core_instantiate.arg_count = args.count;
    def->of.core_instantiate.args = vec_keep(d, &args, sizeof(ast_core_arg));
    scope_add_pointer(d, &s->core_instances, module);
}

static void core_exports_read(reader *r, scope *s, ast_def *def) {
    decoder *d = r->d;
    vec items = {0};
    vec exports = {0};
    vec no_imports = {0};
    uint32_t count = reader_count(r);
    for (uint32_t i = 0; i < count && decode_ok(d); i++) {
        slice name = reader_name(r);
        size_t offset = reader_offset(r);
        uint8_t sort = reader_byte(r);
        uint32_t index = reader_u32(r);
        if (sort > CORE_TAG) {
            decode_fail(d, offset, "0x%02x is not a sort that a core instance can export", sort);
        }
        const ast_core_extern *type = decode_ok(d) ? scope_core(d, s, (ast_sort)sort, index, offset) : NULL;
        ast_arg *item = vec_push(d, &items, sizeof *item);
        ast_core_export *export_ = vec_push(d, &exports, sizeof *export_);
        if (type != NULL && item != NULL && export_ != NULL) {
            *item = (ast_arg){name, (ast_sort)sort, index};
            *export_ = (ast_core_export){name, *type};
        }
    }
    def->kind = AST_DEF_CORE_EXPORTS;
    def->of.exports.count = items.count;
    def->of.exports.items = vec_keep(d, &items, sizeof(ast_arg));
    scope_add_pointer(d, &s->core_instances, core_module_type_make(d, &no_imports, &exports, def->offset));
}

void core_instance_read(reader *r, scope *s) {
    size_t offset = reader_offset(r);
    ast_def def = scope_def_begin(s, AST_DEF_CORE_EXPORTS, AST_CORE_INSTANCE, offset);
    uint8_t form = reader_byte(r);
    if (form == 0) {
        core_instantiate_read(r, s, &def);
    } else if (form == 1) {
        core_exports_read(r, s, &def);
    } else {
        decode_fail(r->d, offset, "0x%02x does not begin a core instance", form);
    }
    scope_def_end(r->d, s, &def);
}

// --- instances --------------------------------------------------------------------------------------------

// What is given to a component: names -> ast_extern.
typedef struct arguments {
    decoder *d;
    name_map by_name;
    vec args; // ast_arg
} arguments;

static const ast_extern *find_argument(const void *context, slice name) {
    const arguments *a = context;
    return name_map_get(a->d, &a->by_name, name);
}

static void arguments_read(reader *r, scope *s, arguments *a) {
    decoder *d = r->d;
    uint32_t count = reader_count(r);
    for (uint32_t i = 0; i < count && decode_ok(d); i++) {
        size_t offset = reader_offset(r);
        slice name = reader_name(r);
        ast_sort sort = AST_FUNC;
        sort_read(r, &sort);
        uint32_t index = reader_u32(r);
        ast_extern *item = decode_scratch(d, 1, sizeof *item);
        ast_arg *arg = vec_push(d, &a->args, sizeof *arg);
        if (item == NULL || arg == NULL || !scope_item(d, s, sort, index, offset, item)) {
            return;
        }
        *arg = (ast_arg){name, sort, index};
        if (name_map_add(d, &a->by_name, name, item) != NULL) {
            decode_fail(d, offset, "instantiation argument `%.*s` conflicts with a previous argument",
                        NAME_ARG(name));
        }
    }
}

static const void *address_of(const ast_extern *type_item) { return type_item->of.type.of.value; }

// Types that were given are the imported types from now on, also by name.
static void types_given(decoder *d, substitution *s, const ast_extern *expected, const ast_extern *actual) {
    if (!decode_work(d, 1)) {
        return;
    }
    if (expected->sort == AST_TYPE) {
        pointer_map_put(d, &s->by_address, address_of(expected), address_of(actual));
        return;
    }
    if (expected->sort != AST_INSTANCE || expected->of.instance == actual->of.instance) {
        return;
    }
    const ast_instance_type *t = expected->of.instance;
    for (uint32_t i = 0; i < t->export_count && decode_work_name(d, t->exports[i].name); i++) {
        uint32_t found = ast_instance_type_find(actual->of.instance, t->exports[i].name);
        if (found != AST_NONE) {
            types_given(d, s, &t->exports[i].type, &actual->of.instance->exports[found].type);
        }
    }
}

static void imports_check(decoder *d, const vcomponent *c, const arguments *given, substitution *s,
                          size_t offset) {
    type_match m = {.d = d, .resources = s};
    if (!types_bind(&m, c->imported, c->imported_count, find_argument, given)) {
        return;
    }
    for (uint32_t i = 0; i < c->pub.import_count && decode_work_name(d, c->pub.imports[i].name); i++) {
        const ast_named_extern *import = &c->pub.imports[i];
        const ast_extern *actual = find_argument(given, import->name);
        if (actual == NULL) {
            decode_fail(d, offset, "missing import named `%.*s`", NAME_ARG(import->name));
        } else if (!types_match(&m, actual, &import->type)) {
            decode_fail(d, offset, "type mismatch for import `%.*s`: %s", NAME_ARG(import->name), m.why);
        }
    }
    for (uint32_t i = 0; i < c->pub.import_count && decode_ok(d); i++) {
        const ast_named_extern *import = &c->pub.imports[i];
        types_given(d, s, &import->type, find_argument(given, import->name));
    }
}

static const ast_instance_type *instance_make(decoder *d, scope *s, const vcomponent *c, substitution *subst,
                                              size_t offset) {
    for (uint32_t i = 0; i < c->defined_count && decode_ok(d); i++) {
        const resource_path *path = &c->defined[i];
        const vresource *made = scope_new_resource(d, s, path->names[path->count - 1], AST_RESOURCE_INSTANCE,
                                                   path->names, path->count);
        substitution_add(d, subst, path->resource->id, made);
    }
    vinstance *t = KEEP_NEW(d, vinstance);
    ast_named_extern *exports = KEEP_ARRAY(d, ast_named_extern, c->pub.export_count);
    if (t == NULL || exports == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < c->pub.export_count && decode_work(d, 1); i++) {
        exports[i].name = c->pub.exports[i].name;
        exports[i].type = types_substitute(d, subst, &c->pub.exports[i].type);
    }
    t->pub.export_count = c->pub.export_count;
    t->pub.exports = exports;
    return types_finish_instance(d, t, offset);
}

static void instantiate_read(reader *r, scope *s, ast_def *def) {
    decoder *d = r->d;
    uint32_t index = reader_u32(r);
    const ast_component_type *type = scope_component(d, s, index, def->offset);
    arguments given = {.d = d};
    arguments_read(r, s, &given);
    if (!decode_ok(d)) {
        return;
    }
    substitution subst = {0};
    imports_check(d, vcomponent_of(type), &given, &subst, def->offset);
    def->type.of.instance = instance_make(d, s, vcomponent_of(type), &subst, def->offset);
    def->kind = AST_DEF_INSTANTIATE;
    def->of.instantiate.component = index;
    def->of.instantiate.arg_count = given.args.count;
    def->of.instantiate.args = vec_keep(d, &given.args, sizeof(ast_arg));
}

static void exports_read(reader *r, scope *s, ast_def *def) {
    decoder *d = r->d;
    vec items = {0};
    vec exports = {0};
    name_context names = {0}; // nothing in a bag of exports can refer to another item of it
    uint32_t count = reader_count(r);
    for (uint32_t i = 0; i < count && decode_ok(d); i++) {
        size_t offset = reader_offset(r);
        name_attributes a;
        name_attributes_read(r, &a);
        ast_sort sort = AST_FUNC;
        sort_read(r, &sort);
        uint32_t index = reader_u32(r);
        ast_extern item;
        if (!decode_ok(d) || !scope_item(d, s, sort, index, offset, &item)) {
            return;
        }
        name_check(d, &names, &a, &item, "export", offset);
        ast_arg *arg = vec_push(d, &items, sizeof *arg);
        ast_named_extern *export_ = vec_push(d, &exports, sizeof *export_);
        if (arg != NULL && export_ != NULL) {
            *arg = (ast_arg){a.name, sort, index};
            *export_ = (ast_named_extern){a.name, item, a.implements};
        }
    }
    vinstance *t = KEEP_NEW(d, vinstance);
    if (t == NULL) {
        return;
    }
    t->pub.export_count = exports.count;
    t->pub.exports = vec_keep(d, &exports, sizeof(ast_named_extern));
    def->type.of.instance = types_finish_instance(d, t, def->offset);
    def->kind = AST_DEF_EXPORTS;
    def->of.exports.count = items.count;
    def->of.exports.items = vec_keep(d, &items, sizeof(ast_arg));
}

void instance_read(reader *r, scope *s) {
    size_t offset = reader_offset(r);
    ast_def def = scope_def_begin(s, AST_DEF_EXPORTS, AST_INSTANCE, offset);
    def.type.sort = AST_INSTANCE;
    uint8_t form = reader_byte(r);
    if (form == 0) {
        instantiate_read(r, s, &def);
    } else if (form == 1) {
        exports_read(r, s, &def);
    } else {
        decode_fail(r->d, offset, "0x%02x does not begin an instance", form);
    }
    if (decode_ok(r->d)) {
        scope_add(r->d, s, &def.type);
        scope_def_end(r->d, s, &def);
    }
}
