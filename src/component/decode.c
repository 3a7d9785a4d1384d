// SPDX-License-Identifier: Apache-2.0
// Sections of a component, nested components, and the whole.
#include "component/scope_internal.h"

#include "base/mem.h"
#include "component/decoded_internal.h"

// --- the first bytes --------------------------------------------------------------------------------------

static const uint8_t magic[4] = {0, 'a', 's', 'm'};
static const uint8_t component_version[4] = {0x0d, 0, 1, 0};
static const uint8_t module_version[4] = {1, 0, 0, 0};

static bool looks_like_text(slice bytes) {
    size_t length = bytes.len < 64 ? bytes.len : 64;
    for (size_t i = 0; i < length; i++) {
        uint8_t c = bytes.data[i];
        if (c != '\t' && c != '\n' && c != '\r' && (c < 0x20 || c == 0x7f)) {
            return false;
        }
    }
    return true;
}

static void root_preamble_check(decoder *d, slice bytes) {
    if (bytes.len == 0) {
        decode_fail(d, 0, "the file is empty");
    } else if (bytes.len < 8 || memcmp(bytes.data, magic, 4) != 0) {
        if (looks_like_text(bytes)) {
            decode_fail(d, 0,
                        "this is text, not a WebAssembly component (the text format must be made binary "
                        "first, for example with `wasm-tools parse`)");
        } else if (memcmp(bytes.data, magic, bytes.len < 4 ? bytes.len : 4) == 0) {
            decode_fail(d, bytes.len, "unexpected end: a component begins with 8 bytes");
        } else {
            decode_fail(d, 0, "this is not WebAssembly: it does not begin with \\0asm");
        }
    } else if (memcmp(bytes.data + 4, module_version, 4) == 0) {
        decode_fail_as(d, STATUS_UNSUPPORTED, 4,
                       "this is a core WebAssembly module, not a component: make one "
                       "of it with `wasm-tools component new`, or build for the target wasm32-wasip2");
    } else if (memcmp(bytes.data + 4, component_version, 4) != 0) {
        decode_fail(d, 4, "unknown version %02x%02x and layer %02x%02x of the binary format", bytes.data[5],
                    bytes.data[4], bytes.data[7], bytes.data[6]);
    }
}

static void nested_preamble_check(decoder *d, slice bytes, size_t offset) {
    if (bytes.len < 8 || memcmp(bytes.data, magic, 4) != 0 ||
        memcmp(bytes.data + 4, component_version, 4) != 0) {
        decode_fail(d, offset, "expected a component in a component section");
    }
}

// --- sections ---------------------------------------------------------------------------------------------

enum {
    SECTION_CUSTOM,
    SECTION_CORE_MODULE,
    SECTION_CORE_INSTANCE,
    SECTION_CORE_TYPE,
    SECTION_COMPONENT,
    SECTION_INSTANCE,
    SECTION_ALIAS,
    SECTION_TYPE,
    SECTION_CANON,
    SECTION_START,
    SECTION_IMPORT,
    SECTION_EXPORT,
    SECTION_VALUE,
    SECTION_COUNT,
};

static void custom_section_read(reader *r, const scope *s) {
    slice name = reader_name(r);
    if (s->depth == 0) {
        component_section *section = vec_push(r->d, &r->d->sections, sizeof *section);
        if (section != NULL) {
            *section = (component_section){name, slice_of(r->at, (size_t)(r->end - r->at))};
        }
    }
}

static void core_module_section_read(decoder *d, scope *s, slice bytes, size_t offset) {
    ast_def def = scope_def_begin(s, AST_DEF_CORE_MODULE, AST_CORE_MODULE, offset);
    ast_module *module = KEEP_NEW(d, ast_module);
    if (module == NULL) {
        return;
    }
    module->number = d->modules.count;
    module->bytes = bytes;
    module->offset = offset;
    module->type = core_module_read(d, bytes);
    def.type = (ast_extern){.sort = AST_CORE_MODULE, .of.module = module->type};
    def.of.module = module;
    if (decode_ok(d)) {
        scope_add_pointer(d, &d->modules, module);
        scope_add(d, s, &def.type);
        scope_def_end(d, s, &def);
    }
}

static void component_section_read(decoder *d, scope *s, slice bytes, size_t offset) {
    ast_def def = scope_def_begin(s, AST_DEF_COMPONENT, AST_COMPONENT, offset);
    nested_preamble_check(d, bytes, offset);
    def.type.sort = AST_COMPONENT;
    def.of.component = component_read(d, bytes, &def.type.of.component);
    if (decode_ok(d)) {
        scope_add(d, s, &def.type);
        scope_def_end(d, s, &def);
    }
}

static void items_read(reader *r, scope *s, void (*item_read)(reader *r, scope *s)) {
    uint32_t count = reader_count(r);
    for (uint32_t i = 0; i < count && decode_ok(r->d); i++) {
        item_read(r, s);
    }
    if (decode_ok(r->d) && r->at != r->end) {
        decode_fail(r->d, reader_offset(r), "bytes left at the end of a section");
    }
}

static void section_read(decoder *d, scope *s, uint8_t id, slice bytes, size_t offset) {
    static void (*const items[SECTION_COUNT])(reader *r, scope *s) = {
        [SECTION_CORE_INSTANCE] = core_instance_read,
        [SECTION_CORE_TYPE] = core_type_definition_read,
        [SECTION_INSTANCE] = instance_read,
        [SECTION_ALIAS] = alias_read,
        [SECTION_TYPE] = type_definition_read,
        [SECTION_CANON] = canon_read,
        [SECTION_IMPORT] = import_read,
        [SECTION_EXPORT] = export_read,
    };
    reader r = reader_of(d, bytes);
    if (id >= SECTION_COUNT) {
        decode_fail(d, offset, "malformed section id %u", id);
    } else if (items[id] != NULL) {
        items_read(&r, s, items[id]);
    } else if (id == SECTION_CUSTOM) {
        custom_section_read(&r, s);
    } else if (id == SECTION_CORE_MODULE) {
        core_module_section_read(d, s, bytes, reader_offset(&r));
    } else if (id == SECTION_COMPONENT) {
        component_section_read(d, s, bytes, reader_offset(&r));
    } else {
        decode_fail_as(d, STATUS_UNSUPPORTED, offset, "uses values, which this version does not host");
    }
}

// --- components -------------------------------------------------------------------------------------------

// What a component leaves behind when it has been read.
static const ast_component *component_finish(decoder *d, scope *s, const ast_component_type **ret_type) {
    ast_component *c = KEEP_NEW(d, ast_component);
    vcomponent *t = KEEP_NEW(d, vcomponent);
    if (c == NULL || t == NULL) {
        return NULL;
    }
    t->scope = s->number;
    t->pub.import_count = s->imports.count;
    t->pub.imports = vec_keep(d, &s->imports, sizeof(ast_named_extern));
    t->pub.export_count = s->exports.count;
    t->pub.exports = vec_keep(d, &s->exports, sizeof(ast_named_extern));
    c->type = types_finish_component(d, t, d->whole.len);
    if (c->type != NULL) {
        types_check_resources(d, c->type, d->whole.len);
    }
    c->depth = s->depth;
    c->def_count = s->defs.count;
    c->defs = vec_keep(d, &s->defs, sizeof(ast_def));
    c->resource_count = s->resources.count;
    c->resources = vec_keep(d, &s->resources, sizeof(ast_resource));
    for (uint32_t sort = 0; sort < AST_SORT_COUNT; sort++) {
        c->space_count[sort] = scope_count(s, (ast_sort)sort);
    }
    *ret_type = c->type;
    return c;
}

const ast_component *component_read(decoder *d, slice bytes, const ast_component_type **ret_type) {
    if (!decode_ok(d)) {
        return NULL;
    }
    reader r = reader_of(d, bytes);
    scope *s = scope_open(d, SCOPE_COMPONENT, reader_offset(&r));
    if (s == NULL) {
        return NULL;
    }
    reader_bytes(&r, 8);
    while (!reader_done(&r)) {
        size_t offset = reader_offset(&r);
        uint8_t id = reader_byte(&r);
        slice content = reader_bytes(&r, reader_u32(&r));
        if (decode_ok(d)) {
            section_read(d, s, id, content, offset);
        }
    }
    scope_close(d);
    return decode_ok(d) ? component_finish(d, s, ret_type) : NULL;
}

// --- the whole --------------------------------------------------------------------------------------------

component_limits component_limits_default(void) {
    return (component_limits){
        .bytes_max = 128 << 20,
        .depth_max = 100,
        .items_max = 1000 * 1000,
        .name_bytes_max = 8 << 10,
        .arena_bytes_max = 64 << 20,
    };
}

static void decode_root(decoder *d, component *c) {
    if (d->whole.len > d->limits->bytes_max) {
        decode_fail_as(d, STATUS_LIMIT, 0, "the component has %zu bytes, more than the limit of %u",
                       d->whole.len, d->limits->bytes_max);
        return;
    }
    root_preamble_check(d, d->whole);
    const ast_component_type *type;
    c->root = component_read(d, d->whole, &type);
    c->module_count = d->modules.count;
    c->modules = vec_keep(d, &d->modules, sizeof(const ast_module *));
    c->section_count = d->sections.count;
    c->sections = vec_keep(d, &d->sections, sizeof(component_section));
    component_items_make(d, c);
}

status component_decode(slice bytes, const component_limits *limits, component **ret, err *e) {
    component *c = MEM_NEW(component);
    component_limits used = limits != NULL ? *limits : component_limits_default();
    arena_init(&c->memory, used.arena_bytes_max);
    decoder d = {.keep = &c->memory, .limits = &used, .whole = bytes, .e = e};
    d.hash_seed = (uintptr_t)c;
    arena_init(&d.scratch, used.arena_bytes_max);
    decode_root(&d, c);
    arena_done(&d.scratch);
    if (d.code != STATUS_OK) {
        component_free(c);
        return d.code;
    }
    *ret = c;
    return STATUS_OK;
}

void component_free(component *c) {
    if (c != NULL) {
        arena_done(&c->memory);
        mem_free(c);
    }
}
