// SPDX-License-Identifier: Apache-2.0
// Aliases: of exports of instances, of exports of core instances, and of items of enclosing scopes.
#include "component/scope_internal.h"

// Sort bytes, with those core sorts that only aliases can name.
static bool alias_sort_read(reader *r, ast_sort *ret, size_t *ret_offset) {
    size_t offset = reader_offset(r);
    *ret_offset = offset;
    uint8_t byte = reader_peek(r);
    if (byte == 0 && r->end - r->at >= 2 && r->at[1] == 0x10) {
        reader_bytes(r, 2);
        *ret = AST_CORE_TYPE;
        return decode_ok(r->d);
    }
    return sort_read(r, ret);
}

static void export_alias_read(reader *r, scope *s, ast_sort sort, size_t offset) {
    decoder *d = r->d;
    uint32_t index = reader_u32(r);
    slice name = reader_name(r);
    if (s->kind != SCOPE_COMPONENT && sort != AST_TYPE && sort != AST_INSTANCE) {
        decode_fail(d, offset, "aliases in types may only refer to types or instances");
    }
    const ast_instance_type *instance = scope_instance(d, s, index, offset);
    if (instance == NULL) {
        return;
    }
    uint32_t position = ast_instance_type_find(instance, name);
    if (position == AST_NONE) {
        decode_fail(d, offset, "instance %u has no export named `%.*s`", index, NAME_ARG(name));
        return;
    }
    const ast_extern *item = &instance->exports[position].type;
    if (item->sort != sort) {
        decode_fail(d, offset, "export `%.*s` of instance %u is not a %s", NAME_ARG(name), index,
                    types_sort_name(sort));
        return;
    }
    ast_def def = scope_def_begin(s, AST_DEF_ALIAS_EXPORT, sort, offset);
    def.type = *item;
    def.of.alias.instance = index;
    def.of.alias.name = name;
    def.of.alias.position = position;
    scope_add(d, s, item);
    scope_def_end(d, s, &def);
}

static void core_export_alias_read(reader *r, scope *s, ast_sort sort, size_t offset) {
    decoder *d = r->d;
    uint32_t index = reader_u32(r);
    slice name = reader_name(r);
    if (s->kind != SCOPE_COMPONENT) {
        decode_fail(d, offset, "aliases in types may only refer to types or instances");
    }
    const ast_module_type *instance = scope_core_instance(d, s, index, offset);
    if (instance == NULL) {
        return;
    }
    if (sort > AST_CORE_TAG) {
        decode_fail(d, offset, "a core instance does not export items of sort %s", types_sort_name(sort));
        return;
    }
    uint32_t position = ast_module_type_find_export(instance, name);
    if (position == AST_NONE) {
        decode_fail(d, offset, "core instance %u has no export named `%.*s`", index, NAME_ARG(name));
        return;
    }
    const ast_core_extern *item = &instance->exports[position].type;
    if ((ast_sort)item->kind != sort) {
        decode_fail(d, offset, "export `%.*s` of core instance %u is not a %s", NAME_ARG(name), index,
                    types_sort_name(sort));
        return;
    }
    ast_def def = scope_def_begin(s, AST_DEF_ALIAS_CORE_EXPORT, sort, offset);
    def.of.alias.instance = index;
    def.of.alias.name = name;
    def.of.alias.position = position;
    scope_add_core(d, s, item);
    scope_def_end(d, s, &def);
}

static bool crosses_component(const scope *from, const scope *to) {
    for (const scope *s = from; s != to; s = s->parent) {
        if (s->kind == SCOPE_COMPONENT) {
            return true;
        }
    }
    return false;
}

static void outer_core_type(decoder *d, scope *s, const scope *target, uint32_t index, size_t offset) {
    if (index >= target->core.types.count) {
        decode_fail(d, offset, "core type index %u out of bounds", index);
        return;
    }
    scope_add_pointer(d, &s->core.types, ((const void *const *)target->core.types.items)[index]);
    scope_add_pointer(d, &s->core_module_types,
                      ((const void *const *)target->core_module_types.items)[index]);
}

static void outer_alias_read(reader *r, scope *s, ast_sort sort, size_t offset) {
    decoder *d = r->d;
    if (sort != AST_CORE_MODULE && sort != AST_CORE_TYPE && sort != AST_TYPE && sort != AST_COMPONENT) {
        decode_fail(d, offset, "outer aliases of sort %s do not exist", types_sort_name(sort));
    }
    uint32_t count = reader_u32(r);
    uint32_t index = reader_u32(r);
    if (s->kind != SCOPE_COMPONENT && sort != AST_TYPE && sort != AST_CORE_TYPE) {
        decode_fail(d, offset, "aliases in types may only refer to types or instances");
    }
    if (!decode_ok(d)) {
        return;
    }
    const scope *target = scope_outer(d, count, offset);
    if (target == NULL) {
        return;
    }
    ast_def def = scope_def_begin(s, AST_DEF_ALIAS_OUTER, sort, offset);
    def.of.outer.count = count;
    def.of.outer.index = index;
    if (sort == AST_CORE_TYPE) {
        outer_core_type(d, s, target, index, offset);
    } else if (scope_item(d, target, sort, index, offset, &def.type)) {
        // Scopes are numbered as they open: resources bound inside the type have larger numbers than its
        // scope.
        if (sort == AST_TYPE && crosses_component(s, target) &&
            types_info(&def.type.of.type).min_scope <= target->number) {
            decode_fail(d, offset, "cannot alias an outer type that transitively refers to resources");
        }
        scope_add(d, s, &def.type);
    }
    scope_def_end(d, s, &def);
}

void alias_read(reader *r, scope *s) {
    ast_sort sort = AST_FUNC;
    size_t offset;
    if (!alias_sort_read(r, &sort, &offset)) {
        return;
    }
    uint8_t target = reader_byte(r);
    switch (target) {
    case 0:
        export_alias_read(r, s, sort, offset);
        break;
    case 1:
        core_export_alias_read(r, s, sort, offset);
        break;
    case 2:
        outer_alias_read(r, s, sort, offset);
        break;
    default:
        decode_fail(r->d, offset, "0x%02x is not a target of an alias", target);
        break;
    }
}
