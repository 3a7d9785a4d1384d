// SPDX-License-Identifier: Apache-2.0
// Matching of core types: core specification, "Matching", for what modules import and export.
#include <stdio.h>

#include "component/core_types_internal.h"

static bool differ(type_match *m, const char *why) {
    if (m->why[0] == '\0') {
        snprintf(m->why, sizeof m->why, "%s", why);
    }
    return false;
}

// --- heap types -------------------------------------------------------------------------------------------

enum {
    HEAP_FUNC = 0x70,
    HEAP_EXTERN = 0x6f,
    HEAP_ANY = 0x6e,
    HEAP_EQ = 0x6d,
    HEAP_I31 = 0x6c,
    HEAP_STRUCT = 0x6b,
    HEAP_ARRAY = 0x6a,
    HEAP_EXN = 0x69,
    HEAP_CONT = 0x68,
    HEAP_NO_FUNC = 0x73,
    HEAP_NO_EXTERN = 0x72,
    HEAP_NONE = 0x71,
    HEAP_NO_EXN = 0x74,
    HEAP_NO_CONT = 0x75,
};

// The next larger abstract type; 0 at the top.
static uint32_t heap_above(uint32_t heap) {
    switch (heap) {
    case HEAP_EQ:
        return HEAP_ANY;
    case HEAP_I31:
    case HEAP_STRUCT:
    case HEAP_ARRAY:
        return HEAP_EQ;
    case HEAP_NO_FUNC:
        return HEAP_FUNC;
    case HEAP_NO_EXTERN:
        return HEAP_EXTERN;
    case HEAP_NO_EXN:
        return HEAP_EXN;
    case HEAP_NO_CONT:
        return HEAP_CONT;
    default:
        return 0;
    }
}

static bool heap_below(uint32_t a, uint32_t b) {
    if (a == HEAP_NONE) { // below everything under any
        return b == HEAP_NONE || b == HEAP_I31 || b == HEAP_STRUCT || b == HEAP_ARRAY || b == HEAP_EQ ||
               b == HEAP_ANY;
    }
    for (uint32_t at = a; at != 0; at = heap_above(at)) {
        if (at == b) {
            return true;
        }
    }
    return false;
}

// References to defined types match only themselves here: the chain of supertypes is known for functions
// alone, and to compare other references by identity refuses nothing that a toolchain produces today.
static bool value_matches(core_value_type a, core_value_type b) {
    if (a == b) {
        return true;
    }
    if ((a & CORE_VALUE_REF) == 0 || (b & CORE_VALUE_REF) == 0) {
        return false;
    }
    if ((a & CORE_VALUE_NULL) != 0 && (b & CORE_VALUE_NULL) == 0) {
        return false;
    }
    uint32_t heap_a = a & (CORE_VALUE_DEFINED | CORE_VALUE_HEAP);
    uint32_t heap_b = b & (CORE_VALUE_DEFINED | CORE_VALUE_HEAP);
    if (heap_a == heap_b) {
        return true;
    }
    return ((heap_a | heap_b) & CORE_VALUE_DEFINED) == 0 && heap_below(heap_a, heap_b);
}

// --- imports and exports ----------------------------------------------------------------------------------

static bool func_matches(const core_func_type *a, const core_func_type *b) {
    const core_def *expected = core_def_of(b);
    for (const core_def *at = core_def_of(a); at != NULL; at = at->super) {
        if (at == expected) {
            return true;
        }
    }
    return false;
}

static bool limits_match(const ast_core_limits *a, const ast_core_limits *b) {
    return a->is_64 == b->is_64 && a->min >= b->min && (!b->has_max || (a->has_max && a->max <= b->max));
}

static const char *const kind_names[] = {"func", "table", "memory", "global", "tag"};

static bool memory_matches(type_match *m, const ast_core_limits *a, const ast_core_limits *b) {
    if (a->shared != b->shared) {
        return differ(m, "mismatch in the shared flag for memories");
    }
    if (a->page_size_log2 != b->page_size_log2) {
        return differ(m, "mismatch in the page size of memories");
    }
    return limits_match(a, b) || differ(m, "mismatch in memory limits");
}

static bool table_matches(type_match *m, const ast_core_extern *a, const ast_core_extern *b) {
    if (a->value_type != b->value_type) {
        return differ(m, "mismatch in the element type of tables");
    }
    return limits_match(&a->limits, &b->limits) || differ(m, "mismatch in table limits");
}

static bool global_matches(type_match *m, const ast_core_extern *a, const ast_core_extern *b) {
    if (a->mutable_ != b->mutable_) {
        return differ(m, "global types differ in mutability");
    }
    bool ok = a->mutable_ ? a->value_type == b->value_type : value_matches(a->value_type, b->value_type);
    return ok || differ(m, "global types differ");
}

bool core_extern_match(type_match *m, const ast_core_extern *a, const ast_core_extern *b) {
    if (a->kind != b->kind) {
        char why[64];
        snprintf(why, sizeof why, "expected %s, found %s", kind_names[b->kind], kind_names[a->kind]);
        return differ(m, why);
    }
    switch (a->kind) {
    case CORE_FUNC:
        return func_matches(a->func, b->func) || differ(m, "core function types differ");
    case CORE_TABLE:
        return table_matches(m, a, b);
    case CORE_MEMORY:
        return memory_matches(m, &a->limits, &b->limits);
    case CORE_GLOBAL:
        return global_matches(m, a, b);
    default:
        return a->func == b->func || differ(m, "tag types differ");
    }
}

// --- modules ----------------------------------------------------------------------------------------------

static const ast_core_import *find_import(const ast_module_type *t, slice module, slice name) {
    for (uint32_t i = 0; i < t->import_count; i++) {
        if (slice_equal(t->imports[i].name, name) && slice_equal(t->imports[i].module, module)) {
            return &t->imports[i];
        }
    }
    return NULL;
}

bool types_match_modules(type_match *m, const ast_module_type *a, const ast_module_type *b) {
    if (a == b) {
        return true;
    }
    for (uint32_t i = 0; i < b->export_count && decode_work_name(m->d, b->exports[i].name); i++) {
        uint32_t found = ast_module_type_find_export(a, b->exports[i].name);
        if (found == AST_NONE) {
            return differ(m, "missing expected export of a core module");
        }
        if (!core_extern_match(m, &a->exports[found].type, &b->exports[i].type)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < a->import_count && decode_work(m->d, b->import_count + 1); i++) {
        const ast_core_import *given = find_import(b, a->imports[i].module, a->imports[i].name);
        if (given == NULL) {
            return differ(m, "a core module has an import that its type does not have");
        }
        if (!core_extern_match(m, &given->type, &a->imports[i].type)) {
            return false;
        }
    }
    return decode_ok(m->d);
}
