// SPDX-License-Identifier: Apache-2.0
// Core WebAssembly as far as the component layer reads it: types, and what a module imports and exports.
//
// Function (and other defined) types are kept once: two types are equal if and only if their addresses are.
// The code of a module is not looked at here; compiling it validates it. Source: WebAssembly 3.0 core
// specification, "Binary Format" and "Matching".
#pragma once

#include "component/ast.h"
#include "component/types_internal.h"

typedef enum core_def_kind {
    CORE_DEF_FUNC = 0x60,
    CORE_DEF_STRUCT = 0x5f,
    CORE_DEF_ARRAY = 0x5e,
    CORE_DEF_CONT = 0x5d,
} core_def_kind;

// A value type in 32 bits: a number type's byte, or a reference.
typedef uint32_t core_value_type;
enum {
    CORE_VALUE_I32 = 0x7f,
    CORE_VALUE_I64 = 0x7e,
    CORE_VALUE_F32 = 0x7d,
    CORE_VALUE_F64 = 0x7c,
    CORE_VALUE_V128 = 0x7b,
};
#define CORE_VALUE_REF 0x80000000u
#define CORE_VALUE_NULL 0x40000000u
#define CORE_VALUE_DEFINED \
    0x20000000u // heap type is the identity of a core_def, else the byte of an abstract type
#define CORE_VALUE_OWN_GROUP 0x10000000u // while reading: heap type is a position in the recursion group
#define CORE_VALUE_HEAP 0x0fffffffu

typedef struct core_def core_def;
struct core_def {
    core_func_type func; // kind FUNC; first, so that a core_func_type made here leads back to its core_def
    core_def_kind kind;
    bool final;
    uint32_t id;
    const core_def *super;         // NULL when there is none
    const core_value_type *params; // kind FUNC
    const core_value_type *results;
};

static inline const core_def *core_def_of(const core_func_type *f) {
    return (const core_def *)(const void *)f;
}

// The index space of types of one module or module type.
typedef struct core_space {
    vec types;                 // const core_def *
    vec externs[CORE_TAG + 1]; // ast_core_extern
} core_space;

// Reads a recursion group and appends its types.
void core_types_read(reader *r, core_space *space);
core_value_type core_value_type_read(reader *r, const core_space *space);
const core_def *core_space_func(reader *r, const core_space *space, uint32_t index);
// The function type with these (number) types, made once.
const core_func_type *core_func_type_make(decoder *d, const uint8_t *params, uint32_t param_count,
                                          const uint8_t *results, uint32_t result_count);
// After the kind byte of an import: the type of a function, table, memory, global or tag.
void core_extern_read(reader *r, const core_space *space, uint8_t kind, ast_core_extern *ret);

// Reads the type of a module out of its bytes.
const ast_module_type *core_module_read(decoder *d, slice bytes);
// Checks names for being unique, sorts, and keeps.
ast_module_type *core_module_type_make(decoder *d, const vec *imports, const vec *exports, size_t offset);

bool core_extern_match(type_match *m, const ast_core_extern *actual, const ast_core_extern *expected);
