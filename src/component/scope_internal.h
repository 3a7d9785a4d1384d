// SPDX-License-Identifier: Apache-2.0
// The component, component type or instance type that is being read: its index spaces and what is named in
// it.
#pragma once

#include "component/core_types_internal.h"
#include "component/extern_name.h"
#include "component/types_internal.h"

typedef enum scope_kind { SCOPE_COMPONENT, SCOPE_COMPONENT_TYPE, SCOPE_INSTANCE_TYPE } scope_kind;

// Names of the imports, or of the exports, of one scope.
typedef struct name_context {
    name_map unique;         // folded names -> the name as it was written
    name_map resource_names; // resource labels
    pointer_map resources;   // ctype_resource -> slice, its label
} name_context;

struct scope {
    scope *parent;
    scope_kind kind;
    uint32_t number; // from 1
    uint32_t depth;
    core_space core; // core functions, tables, memories, globals, tags; core types (NULL for module types)
    vec core_module_types; // const ast_module_type *, in step with core.types (NULL for other core types)
    vec core_modules;      // const ast_module_type *
    vec core_instances;    // const ast_module_type *, only exports matter
    vec funcs;             // const ctype_func *
    vec types;             // ast_type
    vec components;        // const ast_component_type *
    vec instances;         // const ast_instance_type *
    vec imports;           // ast_named_extern
    vec exports;           // ast_named_extern
    name_context import_names;
    name_context export_names;
    pointer_map imported_types; // addresses that are named by an import
    pointer_map exported_types; // addresses that are named by an import or an export
    vec defs;                   // ast_def; components only
    vec resources;              // ast_resource; components only
};

scope *scope_open(decoder *d, scope_kind kind, size_t offset); // NULL (with an error) when too deep
void scope_close(decoder *d);

uint32_t scope_count(const scope *s, ast_sort sort);
// The scope `count` levels outwards, or NULL with an error.
scope *scope_outer(decoder *d, uint32_t count, size_t offset);

// Items by index; NULL (false) with an error when out of bounds.
const ast_core_extern *scope_core(decoder *d, const scope *s, ast_sort sort, uint32_t index, size_t offset);
const ast_module_type *scope_core_module(decoder *d, const scope *s, uint32_t index, size_t offset);
const ast_module_type *scope_core_instance(decoder *d, const scope *s, uint32_t index, size_t offset);
const ctype_func *scope_func(decoder *d, const scope *s, uint32_t index, size_t offset);
bool scope_type(decoder *d, const scope *s, uint32_t index, size_t offset, ast_type *ret);
const ast_component_type *scope_component(decoder *d, const scope *s, uint32_t index, size_t offset);
const ast_instance_type *scope_instance(decoder *d, const scope *s, uint32_t index, size_t offset);
// An item of a component sort, or a core module.
bool scope_item(decoder *d, const scope *s, ast_sort sort, uint32_t index, size_t offset, ast_extern *ret);

// Appends to the index space that `item` belongs to.
void scope_add(decoder *d, scope *s, const ast_extern *item);
void scope_add_core(decoder *d, scope *s, const ast_core_extern *item);
void scope_add_pointer(decoder *d, vec *space, const void *item);

// A definition of the current scope: begun before and ended after whatever it appends to index spaces. Does
// nothing in types.
ast_def scope_def_begin(const scope *s, ast_def_kind kind, ast_sort sort, size_t offset);
void scope_def_end(decoder *d, scope *s, const ast_def *def);

// A new resource type that belongs to `s`. `path` leads to it from the item that the current definition
// makes.
const vresource *scope_new_resource(decoder *d, scope *s, slice name, ast_resource_origin origin,
                                    const slice *path, uint32_t path_count);

// --- names and visibility ----------------------------------------------------------------------------------

typedef struct name_attributes {
    slice name;
    slice implements;
    slice version_suffix;
    bool has_implements;
    bool has_version_suffix;
} name_attributes;

void name_attributes_read(reader *r, name_attributes *ret);
// Checks a name against the rules of names and against those that were there before.
void name_check(decoder *d, name_context *names, const name_attributes *a, const ast_extern *type,
                const char *what, size_t offset);
// From now on functions may say that they belong to this resource.
void name_context_add_resource(decoder *d, name_context *names, slice name, const ctype_resource *resource);
// Checks that whatever the item's type mentions has a name, and names what the item exports. `original` is
// the type that a type item is another name for.
bool extern_visible(decoder *d, scope *s, bool import, const ast_extern *item, const ast_type *original);

// --- imports and exports -----------------------------------------------------------------------------------

void import_read(reader *r, scope *s);
void export_read(reader *r, scope *s);             // of a component
void export_declaration_read(reader *r, scope *s); // of a type

// --- definitions ------------------------------------------------------------------------------------------

void core_type_definition_read(reader *r, scope *s); // core_type_definition.c
void type_definition_read(reader *r, scope *s);      // type_definition.c
const ctype *value_type_read(reader *r, scope *s);   // type_definition.c
void alias_read(reader *r, scope *s);                // aliases.c
void core_instance_read(reader *r, scope *s);        // instances.c
void instance_read(reader *r, scope *s);             // instances.c
void canon_read(reader *r, scope *s);                // canon.c
bool sort_read(reader *r, ast_sort *ret);            // instances.c; false with an error
const ast_component *component_read(decoder *d, slice bytes, const ast_component_type **ret_type); // decode.c
