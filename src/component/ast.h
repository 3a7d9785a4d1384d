// SPDX-License-Identifier: Apache-2.0
// The decoded and validated form of a component: what the instantiation plan is built from.
//
// A component is a list of definitions in binary order. Each definition appends exactly one item to one index
// space
// (`sort`, at `index`), and refers to earlier items by their indices, which are all checked: in range, of the
// right sort, of matching types. So a planner walks `defs` once per instantiation with one array of items for
// each sort (sizes in `space_count`), and needs no check of its own. Nested components are closures: the item
// of a component definition is (ast_component, environment of the component that contains the definition); an
// outer alias walks `count` such environments outwards. Outer aliases exist for core modules, core types,
// types and components only.
//
// Resource identity. Inside one component, a resource type is a ctype_resource, and two uses mean the same
// resource type if and only if they have the same `index`, which is a position in ast_component.resources. No
// resource type crosses a component boundary by an outer alias, so this numbering is complete: each entry
// says which definition introduced it and how to find the real one when the component is instantiated:
//   - AST_RESOURCE_DEFINED  a (resource ...) definition: every instantiation makes a new resource type;
//   - AST_RESOURCE_IMPORTED an import: the type that was given (path empty), or the type found by following
//   the
//                           export names `path` from the instance that was given;
//   - AST_RESOURCE_INSTANCE made by instantiating a nested component: follow `path` from that instance's
//   exports;
//   - AST_RESOURCE_EXPORTED an export whose ascribed type hides which resource type it is: the exported item
//   itself
//                           (path empty), or what is found by following `path` from it. It has its own index,
//                           and is at run time the same resource type as the item that it hides.
// So a planner keeps, per component instance, an array [resource_count] of run-time resource types, fills the
// range [resource_first, resource_first + resource_count) when it executes a definition, and treats a type
// item as "this run-time resource type" or "a type that no instantiation depends on". The types of one
// function that is lifted in one component and lowered in another are equal in shape, and each is numbered in
// its own component.
//
// Ownership: everything lives in the component's arena (names point into the bytes given to
// component_decode). Threads: immutable once decoded. Source: Binary.md and Explainer.md of the Component
// Model.
#pragma once

#include "base/slice.h"
#include "component/component.h"
#include "component/core.h"
#include "component/type.h"

// Index spaces. The first five have the values of core_extern_kind.
typedef enum ast_sort {
    AST_CORE_FUNC = CORE_FUNC,
    AST_CORE_TABLE = CORE_TABLE,
    AST_CORE_MEMORY = CORE_MEMORY,
    AST_CORE_GLOBAL = CORE_GLOBAL,
    AST_CORE_TAG = CORE_TAG,
    AST_CORE_TYPE,
    AST_CORE_MODULE,
    AST_CORE_INSTANCE,
    AST_FUNC,
    AST_VALUE, // never populated in this version
    AST_TYPE,
    AST_COMPONENT,
    AST_INSTANCE,
    AST_SORT_COUNT,
} ast_sort;

typedef struct ast_component ast_component;
typedef struct ast_module ast_module;
typedef struct ast_instance_type ast_instance_type;
typedef struct ast_component_type ast_component_type;
typedef struct ast_module_type ast_module_type;

// --- types ------------------------------------------------------------------------------------------------

typedef enum ast_type_kind {
    AST_TYPE_VALUE,
    AST_TYPE_FUNC,
    AST_TYPE_RESOURCE,
    AST_TYPE_INSTANCE,
    AST_TYPE_COMPONENT,
} ast_type_kind;

// What stands in the type index space.
typedef struct ast_type {
    ast_type_kind kind;
    union {
        const ctype *value;
        const ctype_func *func;
        const ctype_resource *resource;
        const ast_instance_type *instance;
        const ast_component_type *component;
    } of;
} ast_type;

// The type of an item that can be imported or exported. `sort` is AST_FUNC, AST_TYPE, AST_INSTANCE,
// AST_COMPONENT or AST_CORE_MODULE.
typedef struct ast_extern {
    ast_sort sort;
    union {
        const ctype_func *func;
        ast_type type; // AST_TYPE: an existing type or a resource
        const ast_instance_type *instance;
        const ast_component_type *component;
        const ast_module_type *module;
    } of;
} ast_extern;

typedef struct ast_named_extern {
    slice name;
    ast_extern type;
    slice implements; // the interface that an instance with a plain name implements; empty: none is said
} ast_named_extern;

struct ast_instance_type {
    uint32_t export_count;
    const ast_named_extern *exports; // in the order of the binary
    const uint32_t *sorted;          // positions in the order of the names; NULL when there are few
};

struct ast_component_type {
    uint32_t import_count;
    uint32_t export_count;
    const ast_named_extern *imports;
    const ast_named_extern *exports;
};

// --- core modules -----------------------------------------------------------------------------------------

typedef struct ast_core_limits {
    bool is_64;  // memory64, table64
    bool shared; // memories only
    bool has_max;
    uint64_t min;
    uint64_t max;
    uint32_t page_size_log2; // memories only; 16 unless custom page sizes are used
} ast_core_limits;

// Type of an import or export of a core module. Reference types that core_type cannot name are CORE_REF_OTHER
// in `func`; matching of types has been done by the validator.
typedef struct ast_core_extern {
    core_extern_kind kind;
    const core_func_type *func; // CORE_FUNC and CORE_TAG
    uint32_t value_type; // CORE_TABLE: element type, CORE_GLOBAL: its type; an encoding private to the reader
    bool mutable_;       // CORE_GLOBAL
    ast_core_limits limits; // CORE_TABLE, CORE_MEMORY
} ast_core_extern;

typedef struct ast_core_import {
    slice module;
    slice name;
    ast_core_extern type;
} ast_core_import;

typedef struct ast_core_export {
    slice name;
    ast_core_extern type;
} ast_core_export;

struct ast_module_type {
    uint32_t import_count;
    uint32_t export_count;
    const ast_core_import *imports; // in the order of the module's import section
    const ast_core_export *exports; // in the order of the module's export section: core_ops.export_at
    const uint32_t *sorted;         // positions of exports in the order of the names
    // Of a module in the file: memories that it defines, and those of them that are not its first exported
    // memory, which is the one that engines keep an eye on.
    uint32_t memory_count;
    uint32_t hidden_memory_count;
};

struct ast_module {
    uint32_t number; // as in component_module_bytes
    slice bytes;
    size_t offset; // of the module in the component, for messages
    const ast_module_type *type;
};

// --- definitions ------------------------------------------------------------------------------------------

typedef enum ast_def_kind {
    AST_DEF_CORE_MODULE,       // module
    AST_DEF_CORE_TYPE,         // nothing to execute
    AST_DEF_CORE_INSTANTIATE,  // core_instantiate
    AST_DEF_CORE_EXPORTS,      // exports: a core instance made of existing core items
    AST_DEF_COMPONENT,         // component: a closure
    AST_DEF_INSTANTIATE,       // instantiate
    AST_DEF_EXPORTS,           // exports: an instance made of existing items
    AST_DEF_ALIAS_EXPORT,      // alias: of a component instance
    AST_DEF_ALIAS_CORE_EXPORT, // alias: of a core instance
    AST_DEF_ALIAS_OUTER,       // outer
    AST_DEF_TYPE,              // type; only a resource definition has anything to execute
    AST_DEF_LIFT,              // lift: makes a component function
    AST_DEF_LOWER,             // lower: makes a core function
    AST_DEF_RESOURCE_NEW,      // resource: these three make core functions
    AST_DEF_RESOURCE_DROP,
    AST_DEF_RESOURCE_REP,
    AST_DEF_IMPORT, // import
    AST_DEF_EXPORT, // export: also appends the exported item to its own index space, like an alias
} ast_def_kind;

typedef enum ast_encoding { AST_UTF8, AST_UTF16, AST_LATIN1_UTF16 } ast_encoding;

enum { AST_NONE = UINT32_MAX }; // an option that is not there

typedef struct ast_options {
    ast_encoding encoding;
    uint32_t memory;      // core memory index or AST_NONE
    uint32_t realloc;     // core function index or AST_NONE
    uint32_t post_return; // core function index or AST_NONE
} ast_options;

typedef struct ast_core_arg {
    slice name;
    uint32_t instance; // core instance index
} ast_core_arg;

typedef struct ast_arg { // an argument of instantiate, an inline export
    slice name;
    ast_sort sort;
    uint32_t index;
} ast_arg;

typedef struct ast_def {
    ast_def_kind kind;
    ast_sort sort;  // the index space to which it appends
    uint32_t index; // its index there
    size_t offset;  // byte in the component, for messages
    // Which of ast_component.resources it introduces.
    uint32_t resource_first;
    uint32_t resource_count;
    // What it is: of a definition in the sorts func, type, instance, component and core module.
    ast_extern type;
    union {
        const ast_module *module;
        const ast_component *component;
        struct {
            uint32_t module; // core module index
            uint32_t arg_count;
            const ast_core_arg *args; // every import of the module is found in them by (module, name)
        } core_instantiate;
        struct {
            uint32_t component; // component index
            uint32_t arg_count;
            const ast_arg *args; // may hold more than the component imports
        } instantiate;
        struct {
            uint32_t count;
            const ast_arg *items;
        } exports;
        struct {
            uint32_t instance; // instance or core instance index
            slice name;
            uint32_t position; // core instance made from a module: of the export in ast_module_type.exports;
                               // made of inline exports: in exports.items; else in ast_instance_type.exports
        } alias;
        struct {
            uint32_t count; // how many components outwards; 0 is this one
            uint32_t index;
        } outer;
        struct {
            uint32_t destructor; // of a resource: core function index or AST_NONE
        } type;
        struct {
            uint32_t core_func; // core function index
            const ctype_func *type;
            const core_func_type *core_type; // what the core function has been checked to have
            ast_options options;
        } lift;
        struct {
            uint32_t func; // component function index
            const ctype_func *type;
            const core_func_type *core_type; // of the core function that this makes
            ast_options options;
        } lower;
        struct {
            uint32_t resource; // index in ast_component.resources
        } resource;
        struct {
            slice name;
            slice implements; // as in ast_named_extern
        } import;
        struct {
            slice name;
            ast_sort sort; // equal to ast_def.sort
            uint32_t index;
        } export;
    } of;
} ast_def;

typedef enum ast_resource_origin {
    AST_RESOURCE_DEFINED,
    AST_RESOURCE_IMPORTED,
    AST_RESOURCE_INSTANCE,
    AST_RESOURCE_EXPORTED,
} ast_resource_origin;

typedef struct ast_resource {
    ast_resource_origin origin;
    uint32_t def; // position in ast_component.defs of the definition that introduces it
    uint32_t path_count;
    const slice *path;          // export names, outermost first; empty for a type import and for a definition
    const ctype_resource *type; // its name is the last name it was imported or exported by, for messages
} ast_resource;

struct ast_component {
    uint32_t depth; // 0 for the root
    uint32_t def_count;
    const ast_def *defs;
    uint32_t resource_count;
    const ast_resource *resources;
    uint32_t space_count[AST_SORT_COUNT]; // items in each index space
    const ast_component_type *type;       // its imports and exports in order
};

// The root component.
const ast_component *component_ast(const component *c);
// A core module by its number.
const ast_module *component_ast_module(const component *c, size_t index);
// Position of an export by name (exact), or AST_NONE.
uint32_t ast_instance_type_find(const ast_instance_type *t, slice name);
uint32_t ast_module_type_find_export(const ast_module_type *t, slice name);
