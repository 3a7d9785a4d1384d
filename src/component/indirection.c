// SPDX-License-Identifier: Apache-2.0
// Reads modules that the decoder has already walked through; still, every read is bounded and a surprise ends
// the recognition. Source: WebAssembly Core Specification, "Binary Format".
#include "component/indirection.h"

#include "base/arena.h"

enum {
    SECTION_CUSTOM = 0,
    SECTION_TYPE = 1,
    SECTION_IMPORT = 2,
    SECTION_FUNCTION = 3,
    SECTION_TABLE = 4,
    SECTION_EXPORT = 7,
    SECTION_START = 8,
    SECTION_ELEMENT = 9,
    SECTION_CODE = 10,
    OP_END = 0x0b,
    OP_CALL_INDIRECT = 0x11,
    OP_LOCAL_GET = 0x20,
    OP_I32_CONST = 0x41,
    TYPE_FUNC = 0x60,
    TYPE_FUNCREF = 0x70,
};

typedef struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
} cursor;

static const uint8_t nothing[1]; // where a cursor over no bytes stands

static uint8_t byte(cursor *c) {
    if (c->bad || c->at == c->end) {
        c->bad = true;
        return 0;
    }
    return *c->at++;
}

static bool expect(cursor *c, uint8_t want) { return byte(c) == want && !c->bad; }

static uint32_t number(cursor *c) {
    uint64_t n = 0;
    for (uint32_t shift = 0; shift < 35; shift += 7) {
        uint8_t b = byte(c);
        n |= (uint64_t)(b & 0x7f) << shift;
        if ((b & 0x80) == 0) {
            c->bad |= n > UINT32_MAX;
            return c->bad ? 0 : (uint32_t)n;
        }
    }
    c->bad = true;
    return 0;
}

// A count of things of at least one byte each.
static uint32_t count(cursor *c) {
    uint32_t n = number(c);
    if (n > (size_t)(c->end - c->at)) {
        c->bad = true;
    }
    return c->bad ? 0 : n;
}

// A constant that is not negative, as the tools write table indices.
static uint32_t small_constant(cursor *c) {
    uint32_t n = number(c);
    const uint8_t last = c->bad ? 0x40 : c->at[-1];
    if ((last & 0x40) != 0) {
        c->bad = true; // the sign bit: negative
    }
    return n;
}

static slice bytes(cursor *c) {
    uint32_t n = count(c);
    slice s = slice_of(c->at, n);
    c->at += n;
    return s;
}

static cursor over(slice s) {
    const uint8_t *at = s.len == 0 ? nothing : s.data;
    return (cursor){at, at + s.len, false};
}

// The next section; false at the end or when something is wrong (then `c->bad`).
static bool next_section(cursor *c, uint8_t *ret_id, cursor *ret) {
    if (c->bad || c->at == c->end) {
        return false;
    }
    *ret_id = byte(c);
    *ret = over(bytes(c));
    return !c->bad;
}

static cursor sections_of(slice module) { return over(slice_sub(module, 8, module.len)); }

static cursor find_section(slice module, uint8_t id) {
    cursor c = sections_of(module);
    cursor found;
    uint8_t have;
    while (next_section(&c, &have, &found)) {
        if (have == id) {
            return found;
        }
    }
    return (cursor){nothing, nothing, true};
}

// Whether the module has no sections but custom ones and those in `allowed` (a bit for each).
static bool has_only(slice module, uint32_t allowed) {
    cursor c = sections_of(module);
    cursor ignored;
    uint8_t id;
    while (next_section(&c, &id, &ignored)) {
        if (id != SECTION_CUSTOM && (id > 31 || (allowed >> id & 1) == 0)) {
            return false;
        }
    }
    return !c.bad;
}

bool indirection_has_start(slice module) { return !find_section(module, SECTION_START).bad; }

// --- trampolines -------------------------------------------------------------------------------------------

// Parameter counts by type index, for function types of plain values.
static bool read_types(slice module, arena *a, uint32_t *ret_count, uint32_t **ret_params,
                       slice **ret_bytes) {
    cursor c = find_section(module, SECTION_TYPE);
    uint32_t n = count(&c);
    uint32_t *params = ARENA_ARRAY(a, uint32_t, n);
    slice *shapes = ARENA_ARRAY(a, slice, n);
    if (params == NULL || shapes == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < n && !c.bad; i++) {
        const uint8_t *from = c.at;
        if (!expect(&c, TYPE_FUNC)) {
            return false;
        }
        slice in = bytes(&c); // one byte for each value type of the first version of the language
        slice out = bytes(&c);
        for (size_t k = 0; k < in.len + out.len; k++) {
            uint8_t type = k < in.len ? in.data[k] : out.data[k - in.len];
            if (type < 0x7c || type > 0x7f) {
                return false;
            }
        }
        params[i] = (uint32_t)in.len;
        shapes[i] = slice_of(from, (size_t)(c.at - from));
    }
    *ret_count = n;
    *ret_params = params;
    *ret_bytes = shapes;
    return !c.bad;
}

static bool read_body(slice body, uint32_t params, const slice *shapes, uint32_t type_count, uint32_t type,
                      uint32_t *ret_entry) {
    cursor c = over(body);
    if (number(&c) != 0) { // no locals
        return false;
    }
    for (uint32_t i = 0; i < params; i++) {
        if (!expect(&c, OP_LOCAL_GET) || number(&c) != i) {
            return false;
        }
    }
    if (!expect(&c, OP_I32_CONST)) {
        return false;
    }
    *ret_entry = small_constant(&c);
    if (!expect(&c, OP_CALL_INDIRECT)) {
        return false;
    }
    uint32_t called = number(&c);
    bool same = !c.bad && called < type_count && slice_equal(shapes[called], shapes[type]);
    return same && number(&c) == 0 && expect(&c, OP_END) && c.at == c.end;
}

static bool has_one_table(slice module) {
    cursor c = find_section(module, SECTION_TABLE);
    return number(&c) == 1 && expect(&c, TYPE_FUNCREF) && !c.bad;
}

bool indirection_is_calls(slice module, arena *a, indirection_calls *ret) {
    uint32_t allowed = 1u << SECTION_TYPE | 1u << SECTION_FUNCTION | 1u << SECTION_TABLE |
                       1u << SECTION_EXPORT | 1u << SECTION_CODE;
    uint32_t type_count;
    uint32_t *params;
    slice *shapes;
    if (!has_only(module, allowed) || !has_one_table(module) ||
        !read_types(module, a, &type_count, &params, &shapes)) {
        return false;
    }
    cursor funcs = find_section(module, SECTION_FUNCTION);
    cursor code = find_section(module, SECTION_CODE);
    uint32_t n = count(&funcs);
    uint32_t *entries = ARENA_ARRAY(a, uint32_t, n);
    if (count(&code) != n || entries == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t type = number(&funcs);
        slice body = bytes(&code);
        if (funcs.bad || code.bad || type >= type_count ||
            !read_body(body, params[type], shapes, type_count, type, &entries[i])) {
            return false;
        }
    }
    *ret = (indirection_calls){n, entries};
    return !funcs.bad && !code.bad;
}

uint32_t indirection_export_func(slice module, uint32_t position) {
    cursor c = find_section(module, SECTION_EXPORT);
    uint32_t n = count(&c);
    for (uint32_t i = 0; i < n && !c.bad; i++) {
        (void)bytes(&c);
        uint8_t kind = byte(&c);
        uint32_t index = number(&c);
        if (i == position) {
            return kind == 0 && !c.bad ? index : AST_NONE;
        }
    }
    return AST_NONE;
}

// --- filling the table -------------------------------------------------------------------------------------

// Import number of each imported function, in order; false when anything but functions and one table is
// imported.
static bool sort_imports(const ast_module_type *type, uint32_t *func_imports, uint32_t *ret_funcs,
                         uint32_t *ret_table) {
    uint32_t funcs = 0;
    uint32_t tables = 0;
    for (uint32_t i = 0; i < type->import_count; i++) {
        if (type->imports[i].type.kind == CORE_FUNC) {
            func_imports[funcs++] = i;
        } else if (type->imports[i].type.kind == CORE_TABLE) {
            *ret_table = i;
            tables++;
        } else {
            return false;
        }
    }
    *ret_funcs = funcs;
    return tables == 1;
}

static bool read_element(slice module, const uint32_t *func_imports, uint32_t funcs, arena *a,
                         indirection_fill *fill) {
    cursor c = find_section(module, SECTION_ELEMENT);
    if (number(&c) != 1 || number(&c) != 0 || !expect(&c, OP_I32_CONST)) { // one active segment of table 0
        return false;
    }
    fill->first = small_constant(&c);
    if (!expect(&c, OP_END)) {
        return false;
    }
    fill->count = count(&c);
    fill->funcs = ARENA_ARRAY(a, uint32_t, fill->count);
    if (c.bad || fill->funcs == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < fill->count; i++) {
        uint32_t f = number(&c);
        if (c.bad || f >= funcs) {
            return false;
        }
        fill->funcs[i] = func_imports[f];
    }
    return c.at == c.end;
}

bool indirection_is_fill(slice module, const ast_module_type *type, arena *a, indirection_fill *ret) {
    uint32_t allowed =
        1u << SECTION_TYPE | 1u << SECTION_IMPORT | 1u << SECTION_START | 1u << SECTION_ELEMENT;
    uint32_t *func_imports = ARENA_ARRAY(a, uint32_t, type->import_count);
    uint32_t funcs = 0;
    indirection_fill fill = {.start = AST_NONE};
    if (func_imports == NULL || !has_only(module, allowed) ||
        !sort_imports(type, func_imports, &funcs, &fill.table) ||
        !read_element(module, func_imports, funcs, a, &fill)) {
        return false;
    }
    cursor start = find_section(module, SECTION_START);
    if (!start.bad) {
        uint32_t f = number(&start);
        if (start.bad || f >= funcs) {
            return false;
        }
        fill.start = func_imports[f];
    }
    *ret = fill;
    return true;
}
