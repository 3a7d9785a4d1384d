// SPDX-License-Identifier: Apache-2.0
// The core type section: core types and types of core modules (Binary.md, "Type Definitions").
#include "component/scope_internal.h"

static void module_alias_read(reader *r, scope *s, core_space *space) {
    decoder *d = r->d;
    size_t offset = reader_offset(r);
    if (reader_byte(r) != 0x10) {
        decode_fail(d, offset, "module types can only alias types");
    }
    if (reader_byte(r) != 0x01) {
        decode_fail(d, offset, "module types can only have outer aliases");
    }
    uint32_t count = reader_u32(r);
    uint32_t index = reader_u32(r);
    if (!decode_ok(d)) {
        return;
    }
    const core_space *from = space;
    if (count > 0) {
        const scope *outer = s;
        for (uint32_t i = 1; i < count && outer != NULL; i++) {
            outer = outer->parent;
        }
        if (outer == NULL) {
            decode_fail(d, offset, "invalid outer alias count of %u", count);
            return;
        }
        from = &outer->core;
    }
    if (index >= from->types.count) {
        decode_fail(d, offset, "core type index %u out of bounds", index);
        return;
    }
    const void *type = ((const void *const *)from->types.items)[index];
    if (type == NULL) {
        decode_fail(d, offset, "module types cannot refer to module types");
    }
    scope_add_pointer(d, &space->types, type);
}

typedef struct module_type_state {
    core_space space;
    vec imports; // ast_core_import
    vec exports; // ast_core_export
} module_type_state;

static void module_declaration_read(reader *r, scope *s, module_type_state *m) {
    decoder *d = r->d;
    size_t offset = reader_offset(r);
    uint8_t kind = reader_byte(r);
    if (kind == 0) {
        ast_core_import import = {0};
        import.module = reader_name(r);
        import.name = reader_name(r);
        core_extern_read(r, &m->space, reader_byte(r), &import.type);
        ast_core_import *slot = vec_push(d, &m->imports, sizeof *slot);
        if (slot != NULL) {
            *slot = import;
        }
    } else if (kind == 1) {
        core_types_read(r, &m->space);
    } else if (kind == 2) {
        module_alias_read(r, s, &m->space);
    } else if (kind == 3) {
        ast_core_export item = {0};
        item.name = reader_name(r);
        core_extern_read(r, &m->space, reader_byte(r), &item.type);
        ast_core_export *slot = vec_push(d, &m->exports, sizeof *slot);
        if (slot != NULL) {
            *slot = item;
        }
    } else {
        decode_fail(d, offset, "0x%02x is not a declaration in a module type", kind);
    }
}

static void module_type_read(reader *r, scope *s, size_t offset) {
    module_type_state m = {0};
    uint32_t count = reader_count(r);
    for (uint32_t i = 0; i < count && decode_ok(r->d); i++) {
        module_declaration_read(r, s, &m);
    }
    const ast_module_type *t = core_module_type_make(r->d, &m.imports, &m.exports, offset);
    if (t != NULL) {
        scope_add_pointer(r->d, &s->core.types, NULL);
        scope_add_pointer(r->d, &s->core_module_types, t);
    }
}

// A recursion group defines any number of types.
static void group_read(reader *r, scope *s, ast_def *def) {
    decoder *d = r->d;
    core_types_read(r, &s->core);
    for (uint32_t i = s->core_module_types.count; i < s->core.types.count && decode_ok(d); i++) {
        scope_add_pointer(d, &s->core_module_types, NULL);
        def->index = i;
        scope_def_end(d, s, def);
    }
}

void core_type_definition_read(reader *r, scope *s) {
    decoder *d = r->d;
    size_t offset = reader_offset(r);
    ast_def def = scope_def_begin(s, AST_DEF_CORE_TYPE, AST_CORE_TYPE, offset);
    uint8_t code = reader_peek(r);
    if (code == 0x50) {
        reader_byte(r);
        module_type_read(r, s, offset);
        scope_def_end(d, s, &def);
        return;
    }
    if (code == 0x00) { // marks a subtype that is not final, which begins like a module type
        reader_byte(r);
        if (reader_peek(r) != 0x50) {
            decode_fail(d, offset, "0x00 must be followed by a subtype that is not final");
        }
    }
    group_read(r, s, &def);
}
