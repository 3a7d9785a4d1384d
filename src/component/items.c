// SPDX-License-Identifier: Apache-2.0
// What a component imports and exports, for people and for the gate.
#include "base/check.h"
#include "component/decoded_internal.h"
#include "component/extern_name.h"

static const component_item *items_make(decoder *d, const ast_named_extern *from, uint32_t count);

static void item_make(decoder *d, const ast_named_extern *from, component_item *to) {
    to->name = from->name;
    to->implements = from->implements;
    switch (from->type.sort) {
    case AST_FUNC:
        to->kind = COMPONENT_FUNC;
        to->func = from->type.of.func;
        break;
    case AST_INSTANCE:
        to->kind = COMPONENT_INSTANCE;
        to->item_count = from->type.of.instance->export_count;
        to->items = items_make(d, from->type.of.instance->exports, from->type.of.instance->export_count);
        break;
    case AST_COMPONENT:
        to->kind = COMPONENT_COMPONENT;
        break;
    case AST_CORE_MODULE:
        to->kind = COMPONENT_MODULE;
        break;
    default:
        to->kind = COMPONENT_TYPE;
        if (from->type.of.type.kind == AST_TYPE_RESOURCE) {
            to->resource = from->type.of.type.of.resource;
        } else if (from->type.of.type.kind == AST_TYPE_VALUE) {
            to->type = from->type.of.type.of.value;
        } else if (from->type.of.type.kind == AST_TYPE_FUNC) {
            to->func = from->type.of.type.of.func;
        }
        break;
    }
}

// Recursion is bounded by the depth of types.
static const component_item *items_make(decoder *d, const ast_named_extern *from, uint32_t count) {
    component_item *items = decode_keep(d, count, sizeof *items);
    for (uint32_t i = 0; i < count && items != NULL && decode_work(d, 1); i++) {
        item_make(d, &from[i], &items[i]);
    }
    return items;
}

void component_items_make(decoder *d, component *c) {
    if (!decode_ok(d)) {
        return;
    }
    const ast_component_type *type = c->root->type;
    c->import_count = type->import_count;
    c->imports = items_make(d, type->imports, type->import_count);
    c->export_count = type->export_count;
    c->exports = items_make(d, type->exports, type->export_count);
}

size_t component_module_count(const component *c) { return c->module_count; }
slice component_module_bytes(const component *c, size_t index) {
    return component_ast_module(c, index)->bytes;
}
size_t component_import_count(const component *c) { return c->import_count; }
size_t component_export_count(const component *c) { return c->export_count; }
size_t component_section_count(const component *c) { return c->section_count; }
const ast_component *component_ast(const component *c) { return c->root; }

const ast_module *component_ast_module(const component *c, size_t index) {
    CHECK(index < c->module_count);
    return c->modules[index];
}

const component_item *component_import_at(const component *c, size_t index) {
    return index < c->import_count ? &c->imports[index] : NULL;
}

const component_item *component_export_at(const component *c, size_t index) {
    return index < c->export_count ? &c->exports[index] : NULL;
}

const component_section *component_section_at(const component *c, size_t index) {
    return index < c->section_count ? &c->sections[index] : NULL;
}

bool component_name_split(slice full, slice *ret_name, semver *ret_version) {
    *ret_name = full;
    *ret_version = (semver){0};
    size_t at = slice_find(full, 0, '@');
    if (at == SIZE_MAX || !interface_version_parse(slice_sub(full, at + 1, full.len), ret_version)) {
        return false;
    }
    *ret_name = slice_sub(full, 0, at);
    return true;
}
