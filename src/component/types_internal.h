// SPDX-License-Identifier: Apache-2.0
// Types as the validator knows them: the public form first, then what only validation needs.
//
// A value type, function type or resource type is known by its address where names matter: importing or
// exporting a type makes a new address for it (types_rename), and only those addresses count as named
// (Explainer.md, "External Visibility of Types"). For equality, value and function types compare by shape and
// resource types by `id`.
//
// Every resource type belongs to one scope: the component, component type or instance type that introduces
// it. Using a type of instance or component gives fresh resource types for those that belong to it
// (types_substitute).
#pragma once

#include "component/ast.h"
#include "component/decode_internal.h"

enum {
    TYPE_BYTES_MAX = 1 << 28, // every value type is smaller, also with 64-bit pointers
    SCOPE_NONE = UINT32_MAX,  // min_scope of a type that has no resource inside
};

typedef struct type_info {
    uint32_t weight;    // nodes inside, counting shared ones each time
    uint32_t depth;     // 1 for a leaf
    uint32_t min_scope; // smallest scope number that a resource inside belongs to
} type_info;

typedef struct vtype {
    ctype pub;
    type_info info;
    uint64_t size_64;
    uint32_t align_64;
    bool has_borrow;
    bool is_pair; // of a map: no type of its own, so the limit holds for key and value only
} vtype;

typedef struct vresource {
    ctype_resource pub;
    uint32_t id;    // equal for the same resource type
    uint32_t scope; // number of the scope that it belongs to
} vresource;

typedef struct vfunc {
    ctype_func pub;
    type_info info;
} vfunc;

// Where a resource type that belongs to a type can be found: export (or import) names, outermost first.
typedef struct resource_path {
    const vresource *resource;
    uint32_t count;
    const slice *names;
} resource_path;

typedef struct vinstance {
    ast_instance_type pub;
    type_info info;
    uint32_t scope;      // of an instance type; 0 for the type of an instance that exists
    uint32_t path_count; // resources that belong to it
    const resource_path *paths;
} vinstance;

typedef struct vcomponent {
    ast_component_type pub;
    type_info info;
    uint32_t scope;
    uint32_t imported_count;
    uint32_t defined_count;
    const resource_path *imported;
    const resource_path *defined;
} vcomponent;

// The public member comes first in each of these, so that a pointer to it is one to the whole.
static inline const vtype *vtype_of(const ctype *t) { return (const vtype *)(const void *)t; }
static inline const vfunc *vfunc_of(const ctype_func *f) { return (const vfunc *)(const void *)f; }
static inline const vresource *vresource_of(const ctype_resource *r) {
    return (const vresource *)(const void *)r;
}
static inline const vinstance *vinstance_of(const ast_instance_type *t) {
    return (const vinstance *)(const void *)t;
}
static inline const vcomponent *vcomponent_of(const ast_component_type *t) {
    return (const vcomponent *)(const void *)t;
}

// --- building ---------------------------------------------------------------------------------------------

const ctype *types_primitive(ctype_kind kind); // BOOL to STRING
// Fills in layout and summary of a type whose kind, cases, element, error and resource are set. NULL with an
// error when it is too large.
const ctype *types_finish(decoder *d, vtype *t, size_t offset);
const ctype_func *types_finish_func(decoder *d, vfunc *f, size_t offset);
// NULL with an error when too large or too deep. Sorts the exports; finds the paths of the resources of
// `scope`.
const ast_instance_type *types_finish_instance(decoder *d, vinstance *t, size_t offset);
const ast_component_type *types_finish_component(decoder *d, vcomponent *t, size_t offset);

// A component's own resource types must not show in its imports, and in its exports only by name.
void types_check_resources(decoder *d, const ast_component_type *type, size_t offset);

// Whether all resource types of functions, instances and type items belong to the component of this number.
// Their numbers are positions in its list of resources, so nothing else may ever get into its index spaces.
bool types_owned(decoder *d, const ast_extern *t, uint32_t number);

type_info types_info(const ast_type *t);
type_info types_extern_info(const ast_extern *t);
// Counts a type; false with an error when it, or all together, are too large or too deep.
bool types_check_info(decoder *d, type_info info, size_t offset);
// Adds a part to the summary of a whole.
void types_info_add(type_info *whole, type_info part);
// The same type under a new address.
ast_type types_rename(decoder *d, ast_type t);

const char *types_sort_name(ast_sort sort); // "func"
const char *types_kind_name(ctype_kind kind);

// --- substitution -----------------------------------------------------------------------------------------

// What resource types turn into: by address first, then by identity.
typedef struct substitution {
    pointer_map by_address; // any type -> type of the same kind; also remembers what was done
    pointer_map by_id;      // id of a resource type -> vresource
} substitution;

void substitution_add(decoder *d, substitution *s, uint32_t id, const vresource *to);
const vresource *substitution_find(const substitution *s, uint32_t id);
ast_extern types_substitute(decoder *d, substitution *s, const ast_extern *t);

// --- comparing --------------------------------------------------------------------------------------------

// Whether `actual` may be used where `expected` is asked for, given what abstract resource types of either
// stand for. On failure `why` says why; the innermost reason first recorded is kept.
typedef struct type_match {
    decoder *d;
    substitution *resources;
    char why[256];
} type_match;

bool types_match(type_match *m, const ast_extern *actual, const ast_extern *expected);
bool types_equal(type_match *m, const ctype *actual, const ctype *expected);
// Says which resource types the imported resource types of a component stand for, given actual imports.
// `find` returns the actual item for an import name, or NULL.
typedef const ast_extern *(*types_find)(const void *context, slice name);
bool types_bind(type_match *m, const resource_path *paths, uint32_t count, types_find find,
                const void *context);
bool types_match_modules(type_match *m, const ast_module_type *actual, const ast_module_type *expected);
