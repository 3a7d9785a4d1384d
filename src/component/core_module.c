// SPDX-License-Identifier: Apache-2.0
// Reads what a core module imports and exports. Sections that do not matter for that are stepped over; the
// order and extent of all of them are checked, so that nobody reads past the end of anything.
#include <stdlib.h>

#include "component/core_types_internal.h"

typedef struct module_state {
    decoder *d;
    core_space space;
    vec imports; // ast_core_import
    vec exports; // ast_core_export
    uint32_t declared_funcs;
    uint32_t bodies;
    uint32_t imported_memories;
    uint32_t defined_memories;
    bool has_memory_export;
    uint32_t memory_export; // the index of the first one
} module_state;

// --- constant expressions ---------------------------------------------------------------------------------

static void gc_instruction_skip(reader *r, size_t offset) {
    uint32_t op = reader_u32(r);
    switch (op) {
    case 0: // struct.new
    case 1: // struct.new_default
    case 6: // array.new
    case 7: // array.new_default
        reader_u32(r);
        break;
    case 8: // array.new_fixed
        reader_u32(r);
        reader_u32(r);
        break;
    case 26: // any.convert_extern
    case 27: // extern.convert_any
    case 28: // ref.i31
        break;
    default:
        decode_fail(r->d, offset, "constant expression required");
        break;
    }
}

static void instruction_skip(reader *r, size_t offset, uint8_t op) {
    switch (op) {
    case 0x41: // i32.const
    case 0x42: // i64.const
        while ((reader_byte(r) & 0x80) != 0 && decode_ok(r->d)) {
        }
        break;
    case 0x43: // f32.const
        reader_bytes(r, 4);
        break;
    case 0x44: // f64.const
        reader_bytes(r, 8);
        break;
    case 0x23: // global.get
    case 0xd2: // ref.func
        reader_u32(r);
        break;
    case 0xd0: // ref.null
        reader_s33(r);
        break;
    case 0x6a: // i32.add, sub, mul
    case 0x6b:
    case 0x6c:
    case 0x7c: // i64.add, sub, mul
    case 0x7d:
    case 0x7e:
        break;
    case 0xfb:
        gc_instruction_skip(r, offset);
        break;
    case 0xfd: // v128.const
        if (reader_u32(r) != 12) {
            decode_fail(r->d, offset, "constant expression required");
        }
        reader_bytes(r, 16);
        break;
    default:
        decode_fail(r->d, offset, "constant expression required");
        break;
    }
}

static void expression_skip(reader *r) {
    while (decode_ok(r->d)) {
        size_t offset = reader_offset(r);
        uint8_t op = reader_byte(r);
        if (op == 0x0b) {
            break;
        }
        instruction_skip(r, offset, op);
    }
}

// --- sections ---------------------------------------------------------------------------------------------

static ast_core_extern *extern_push(module_state *m, uint8_t kind) {
    return kind > CORE_TAG ? NULL : vec_push(m->d, &m->space.externs[kind], sizeof(ast_core_extern));
}

static void import_read(module_state *m, reader *r) {
    slice module = reader_name(r);
    slice name = reader_name(r);
    uint8_t kind = reader_byte(r);
    ast_core_import *import = vec_push(m->d, &m->imports, sizeof *import);
    if (import != NULL) {
        import->module = module;
        import->name = name;
        m->imported_memories += kind == CORE_MEMORY;
        core_extern_read(r, &m->space, kind, &import->type);
        ast_core_extern *item = extern_push(m, kind);
        if (item != NULL) {
            *item = ((ast_core_import *)m->imports.items)[m->imports.count - 1].type;
        }
    }
}

static void declaration_read(module_state *m, reader *r, uint8_t kind) {
    bool initialised = kind == CORE_GLOBAL;
    if (kind == CORE_TABLE && reader_peek(r) == 0x40) {
        reader_byte(r);
        reader_byte(r);
        initialised = true;
    }
    ast_core_extern type;
    core_extern_read(r, &m->space, kind, &type);
    if (initialised) {
        expression_skip(r);
    }
    ast_core_extern *item = extern_push(m, kind);
    if (item != NULL) {
        *item = type;
    }
}

static void export_read(module_state *m, reader *r) {
    slice name = reader_name(r);
    size_t offset = reader_offset(r);
    uint8_t kind = reader_byte(r);
    uint32_t index = reader_u32(r);
    if (!decode_ok(m->d)) {
        return;
    }
    if (kind > CORE_TAG || index >= m->space.externs[kind].count) {
        decode_fail(m->d, offset, "export `%.*s` of the core module refers to an item out of bounds",
                    NAME_ARG(name));
        return;
    }
    if (kind == CORE_MEMORY && !m->has_memory_export) {
        m->has_memory_export = true;
        m->memory_export = index;
    }
    ast_core_export *item = vec_push(m->d, &m->exports, sizeof *item);
    if (item != NULL) {
        item->name = name;
        item->type = ((const ast_core_extern *)m->space.externs[kind].items)[index];
    }
}

enum {
    SECTION_CUSTOM,
    SECTION_TYPE,
    SECTION_IMPORT,
    SECTION_FUNCTION,
    SECTION_TABLE,
    SECTION_MEMORY,
    SECTION_GLOBAL,
    SECTION_EXPORT,
    SECTION_START,
    SECTION_ELEMENT,
    SECTION_CODE,
    SECTION_DATA,
    SECTION_DATA_COUNT,
    SECTION_TAG,
    SECTION_END,
};

static void item_read(module_state *m, reader *r, uint8_t id) {
    switch (id) {
    case SECTION_TYPE:
        core_types_read(r, &m->space);
        break;
    case SECTION_IMPORT:
        import_read(m, r);
        break;
    case SECTION_FUNCTION:
        declaration_read(m, r, CORE_FUNC);
        m->declared_funcs++;
        break;
    case SECTION_TABLE:
        declaration_read(m, r, CORE_TABLE);
        break;
    case SECTION_MEMORY:
        declaration_read(m, r, CORE_MEMORY);
        m->defined_memories++;
        break;
    case SECTION_GLOBAL:
        declaration_read(m, r, CORE_GLOBAL);
        break;
    case SECTION_TAG:
        declaration_read(m, r, CORE_TAG);
        break;
    case SECTION_EXPORT:
        export_read(m, r);
        break;
    default: // SECTION_CODE
        reader_bytes(r, reader_u32(r));
        m->bodies++;
        break;
    }
}

static void section_read(module_state *m, reader *r, uint8_t id) {
    if (id == SECTION_CUSTOM) {
        reader_name(r);
        return;
    }
    if (id == SECTION_START || id == SECTION_ELEMENT || id == SECTION_DATA || id == SECTION_DATA_COUNT) {
        return; // compiling checks these
    }
    uint32_t count = reader_count(r);
    for (uint32_t i = 0; i < count && decode_ok(m->d); i++) {
        item_read(m, r, id);
    }
    if (decode_ok(m->d) && r->at != r->end) {
        decode_fail(m->d, reader_offset(r), "bytes left at the end of a section of a core module");
    }
}

static bool order_check(module_state *m, uint8_t id, uint32_t *last, size_t offset) {
    static const uint8_t ranks[SECTION_END] = {
        [SECTION_TYPE] = 1,   [SECTION_IMPORT] = 2,   [SECTION_FUNCTION] = 3,    [SECTION_TABLE] = 4,
        [SECTION_MEMORY] = 5, [SECTION_TAG] = 6,      [SECTION_GLOBAL] = 7,      [SECTION_EXPORT] = 8,
        [SECTION_START] = 9,  [SECTION_ELEMENT] = 10, [SECTION_DATA_COUNT] = 11, [SECTION_CODE] = 12,
        [SECTION_DATA] = 13,
    };
    if (id >= SECTION_END) {
        decode_fail(m->d, offset, "malformed section id %u in a core module", id);
    } else if (id != SECTION_CUSTOM) {
        if (ranks[id] <= *last) {
            decode_fail(m->d, offset, "section out of order in a core module");
        }
        *last = ranks[id];
    }
    return decode_ok(m->d);
}

const ast_module_type *core_module_read(decoder *d, slice bytes) {
    static const uint8_t preamble[8] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    reader r = reader_of(d, bytes);
    size_t start = reader_offset(&r);
    if (bytes.len < 8 || memcmp(bytes.data, preamble, 8) != 0) {
        decode_fail(d, start, "expected a core module (version 1) in a core module section");
        return NULL;
    }
    r.at += 8;
    module_state m = {.d = d};
    uint32_t last = 0;
    while (!reader_done(&r)) {
        size_t offset = reader_offset(&r);
        uint8_t id = reader_byte(&r);
        reader section = reader_of(d, reader_bytes(&r, reader_u32(&r)));
        if (decode_ok(d) && order_check(&m, id, &last, offset)) {
            section_read(&m, &section, id);
        }
    }
    if (decode_ok(d) && m.declared_funcs != m.bodies) {
        decode_fail(d, start, "a core module declares %u functions and has %u bodies", m.declared_funcs,
                    m.bodies);
    }
    ast_module_type *t = core_module_type_make(d, &m.imports, &m.exports, start);
    if (t != NULL) {
        bool shows_one = m.has_memory_export && m.memory_export >= m.imported_memories;
        t->memory_count = m.defined_memories;
        t->hidden_memory_count = m.defined_memories - (shows_one ? 1 : 0);
    }
    return t;
}

// --- the type of a module ---------------------------------------------------------------------------------

// The two names of an import as one key. Their lengths keep ("a", "b") apart from ("ab", "").
static slice pair_key(decoder *d, slice module, slice name) {
    size_t bytes = sizeof(uint32_t) + module.len + name.len;
    uint8_t *key = decode_scratch(d, 1, bytes);
    if (key == NULL) {
        return slice_empty();
    }
    uint32_t length = (uint32_t)module.len;
    memcpy(key, &length, sizeof length);
    if (module.len > 0) {
        memcpy(key + sizeof length, module.data, module.len);
    }
    if (name.len > 0) {
        memcpy(key + sizeof length + module.len, name.data, name.len);
    }
    return slice_of(key, bytes);
}

static void imports_check(decoder *d, const ast_module_type *t, size_t offset) {
    name_map seen = {0};
    for (uint32_t i = 0; i < t->import_count && decode_ok(d); i++) {
        const ast_core_import *import = &t->imports[i];
        slice key = pair_key(d, import->module, import->name);
        if (decode_ok(d) && name_map_add(d, &seen, key, import) != NULL) {
            decode_fail(d, offset, "duplicate import name `%.*s:%.*s` of a core module",
                        NAME_ARG(import->module), NAME_ARG(import->name));
        }
    }
}

static int compare_exports(const void *a, const void *b, void *context) {
    const ast_core_export *items = context;
    return slice_compare(items[*(const uint32_t *)a].name, items[*(const uint32_t *)b].name);
}

static void exports_sort(decoder *d, ast_module_type *t, size_t offset) {
    uint32_t *sorted = KEEP_ARRAY(d, uint32_t, t->export_count);
    if (sorted == NULL) {
        return;
    }
    for (uint32_t i = 0; i < t->export_count; i++) {
        sorted[i] = i;
    }
    qsort_r(sorted, t->export_count, sizeof *sorted, compare_exports, (void *)(uintptr_t)t->exports);
    for (uint32_t i = 1; i < t->export_count; i++) {
        if (slice_equal(t->exports[sorted[i - 1]].name, t->exports[sorted[i]].name)) {
            decode_fail(d, offset, "export name `%.*s` already defined",
                        NAME_ARG(t->exports[sorted[i]].name));
        }
    }
    t->sorted = sorted;
}

ast_module_type *core_module_type_make(decoder *d, const vec *imports, const vec *exports, size_t offset) {
    ast_module_type *t = KEEP_NEW(d, ast_module_type);
    if (t == NULL) {
        return NULL;
    }
    t->import_count = imports->count;
    t->imports = vec_keep(d, imports, sizeof(ast_core_import));
    t->export_count = exports->count;
    t->exports = vec_keep(d, exports, sizeof(ast_core_export));
    if (decode_ok(d)) {
        imports_check(d, t, offset);
        exports_sort(d, t, offset);
    }
    return decode_ok(d) ? t : NULL;
}

uint32_t ast_module_type_find_export(const ast_module_type *t, slice name) {
    uint32_t low = 0;
    uint32_t high = t->export_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t at = t->sorted[middle];
        int order = slice_compare(name, t->exports[at].name);
        if (order == 0) {
            return at;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return AST_NONE;
}
