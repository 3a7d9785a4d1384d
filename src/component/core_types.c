// SPDX-License-Identifier: Apache-2.0
// Core types. A recursion group is written down in a normal form (references into the group by position,
// others by identity) and looked up by it, which makes equal groups the same objects.
#include "component/core_types_internal.h"

typedef struct group {
    reader *r;
    core_space *space;
    uint32_t first; // type index of the first member
    uint32_t count;
    vec words; // uint32_t: the normal form
} group;

static void put(group *g, uint32_t word) {
    uint32_t *slot = vec_push(g->r->d, &g->words, sizeof *slot);
    if (slot != NULL) {
        *slot = word;
    }
}

// --- value types ------------------------------------------------------------------------------------------

static bool abstract_heap_type(uint8_t byte) { return byte >= 0x68 && byte <= 0x75; }

// A heap type: an abstract one, or an index. `g` is NULL outside of recursion groups.
static uint32_t heap_type_read(reader *r, const core_space *space, const group *g) {
    size_t offset = reader_offset(r);
    int64_t value = reader_s33(r);
    if (!decode_ok(r->d)) {
        return 0;
    }
    if (value < 0) {
        uint8_t byte = (uint8_t)(value & 0x7f);
        if (value < -64 || !abstract_heap_type(byte)) {
            decode_fail(r->d, offset, "invalid heap type");
        }
        return byte;
    }
    uint64_t index = (uint64_t)value;
    if (g != NULL && index >= g->first && index < (uint64_t)g->first + g->count) {
        return CORE_VALUE_OWN_GROUP | ((uint32_t)index - g->first);
    }
    if (index >= space->types.count) {
        decode_fail(r->d, offset, "core type index %llu out of bounds", (unsigned long long)index);
        return 0;
    }
    const core_def *def = ((const core_def *const *)space->types.items)[index];
    if (def == NULL) { // a module type, in the index space of a component
        decode_fail(r->d, offset, "core type index %llu is not a core type", (unsigned long long)index);
        return 0;
    }
    return CORE_VALUE_DEFINED | def->id;
}

static core_value_type value_type_read(reader *r, const core_space *space, const group *g) {
    size_t offset = reader_offset(r);
    uint8_t byte = reader_byte(r);
    if (byte >= CORE_VALUE_V128 && byte <= CORE_VALUE_I32) {
        return byte;
    }
    if (byte == 0x63 || byte == 0x64) {
        return CORE_VALUE_REF | (byte == 0x63 ? CORE_VALUE_NULL : 0) | heap_type_read(r, space, g);
    }
    if (!abstract_heap_type(byte)) {
        decode_fail(r->d, offset, "invalid core value type 0x%02x", byte);
    }
    return CORE_VALUE_REF | CORE_VALUE_NULL | byte;
}

core_value_type core_value_type_read(reader *r, const core_space *space) {
    return value_type_read(r, space, NULL);
}

// --- reading one group into its normal form ---------------------------------------------------------------

static void values_read(group *g) {
    uint32_t count = reader_count(g->r);
    put(g, count);
    for (uint32_t i = 0; i < count && decode_ok(g->r->d); i++) {
        put(g, value_type_read(g->r, g->space, g));
    }
}

static void field_read(group *g) {
    uint8_t byte = reader_peek(g->r);
    if (byte == 0x78 || byte == 0x77) { // i8, i16
        put(g, reader_byte(g->r));
    } else {
        put(g, value_type_read(g->r, g->space, g));
    }
    put(g, reader_flag(g->r));
}

static void composite_read(group *g, uint8_t kind, size_t offset) {
    put(g, kind);
    if (kind == CORE_DEF_FUNC) {
        values_read(g);
        values_read(g);
    } else if (kind == CORE_DEF_ARRAY) {
        field_read(g);
    } else if (kind == CORE_DEF_STRUCT) {
        uint32_t count = reader_count(g->r);
        put(g, count);
        for (uint32_t i = 0; i < count && decode_ok(g->r->d); i++) {
            field_read(g);
        }
    } else if (kind == CORE_DEF_CONT) {
        put(g, heap_type_read(g->r, g->space, g));
    } else {
        decode_fail(g->r->d, offset, "invalid core type 0x%02x", kind);
    }
}

// In the normal form: final, has a supertype, supertype, composite type.
static void member_read(group *g) {
    size_t offset = reader_offset(g->r);
    uint8_t byte = reader_byte(g->r);
    bool sub = byte == 0x50 || byte == 0x4f;
    put(g, byte != 0x50);
    uint32_t supers = sub ? reader_count(g->r) : 0;
    if (supers > 1) {
        decode_fail(g->r->d, offset, "more than one supertype");
    }
    put(g, supers);
    if (supers == 1) {
        put(g, heap_type_read(g->r, g->space, g));
    }
    if (sub) {
        offset = reader_offset(g->r);
        byte = reader_byte(g->r);
    }
    composite_read(g, byte, offset);
}

// --- from the normal form to objects ----------------------------------------------------------------------

static uint8_t public_type(core_value_type v) {
    switch (v) {
    case CORE_VALUE_I32:
        return CORE_I32;
    case CORE_VALUE_I64:
        return CORE_I64;
    case CORE_VALUE_F32:
        return CORE_F32;
    case CORE_VALUE_F64:
        return CORE_F64;
    case CORE_VALUE_V128:
        return CORE_V128;
    case CORE_VALUE_REF | CORE_VALUE_NULL | 0x70:
        return CORE_FUNCREF;
    case CORE_VALUE_REF | CORE_VALUE_NULL | 0x6f:
        return CORE_EXTERNREF;
    default:
        return CORE_REF_OTHER;
    }
}

static uint32_t absolute(uint32_t word, uint32_t first_id) {
    if ((word & CORE_VALUE_OWN_GROUP) == 0) {
        return word;
    }
    uint32_t flags = word & ~(CORE_VALUE_OWN_GROUP | CORE_VALUE_HEAP);
    return flags | CORE_VALUE_DEFINED | (first_id + (word & CORE_VALUE_HEAP));
}

// Makes one list of a function type; returns the position after it.
static const uint32_t *values_make(decoder *d, const uint32_t *words, uint32_t first_id,
                                   const core_value_type **ret_values, const uint8_t **ret_public,
                                   uint32_t *ret_count) {
    uint32_t count = *words++;
    core_value_type *values = KEEP_ARRAY(d, core_value_type, count);
    uint8_t *types = KEEP_ARRAY(d, uint8_t, count);
    for (uint32_t i = 0; i < count && values != NULL && types != NULL; i++) {
        values[i] = (words[i] & CORE_VALUE_REF) != 0 ? absolute(words[i], first_id) : words[i];
        types[i] = public_type(values[i]);
    }
    *ret_values = values;
    *ret_public = types;
    *ret_count = count;
    return words + count;
}

static const uint32_t *composite_make(decoder *d, core_def *def, const uint32_t *words, uint32_t first_id) {
    def->kind = (core_def_kind)*words++;
    switch (def->kind) {
    case CORE_DEF_FUNC:
        words = values_make(d, words, first_id, &def->params, &def->func.params, &def->func.param_count);
        return values_make(d, words, first_id, &def->results, &def->func.results, &def->func.result_count);
    case CORE_DEF_STRUCT:
        return words + 1 + 2 * (size_t)words[0];
    case CORE_DEF_ARRAY:
        return words + 2;
    default:
        return words + 1;
    }
}

static const core_def *super_find(const group *g, const core_def *defs, uint32_t word) {
    if ((word & CORE_VALUE_OWN_GROUP) != 0) {
        return &defs[word & CORE_VALUE_HEAP];
    }
    const core_def *const *types = g->space->types.items;
    for (uint32_t i = 0; i < g->space->types.count; i++) {
        if (types[i] != NULL && types[i]->id == (word & CORE_VALUE_HEAP)) {
            return types[i];
        }
    }
    return NULL;
}

static const core_def *group_make(decoder *d, const group *g) {
    core_def *defs = KEEP_ARRAY(d, core_def, g->count);
    const uint32_t *words = g->words.items;
    uint32_t first_id = d->core_def_count;
    d->core_def_count += g->count;
    for (uint32_t i = 0; i < g->count && decode_ok(d); i++) {
        defs[i].id = first_id + i;
        defs[i].final = *words++ != 0;
        bool has_super = *words++ != 0;
        if (has_super) {
            defs[i].super = super_find(g, defs, *words++);
            decode_work(d, g->space->types.count);
        }
        words = composite_make(d, &defs[i], words, first_id);
    }
    return defs;
}

static void group_intern(group *g) {
    decoder *d = g->r->d;
    slice words = slice_of(g->words.items, g->words.count * sizeof(uint32_t));
    const core_def *defs = name_map_get(d, &d->core_defs, words);
    if (defs == NULL) {
        defs = group_make(d, g);
        name_map_add(d, &d->core_defs, words, defs);
    }
    for (uint32_t i = 0; i < g->count && decode_ok(d); i++) {
        const core_def **slot = vec_push(d, &g->space->types, sizeof *slot);
        if (slot != NULL) {
            *slot = &defs[i];
        }
    }
}

void core_types_read(reader *r, core_space *space) {
    group g = {.r = r, .space = space, .first = space->types.count, .count = 1};
    if (reader_peek(r) == 0x4e) {
        reader_byte(r);
        g.count = reader_count(r);
    }
    for (uint32_t i = 0; i < g.count && decode_ok(r->d); i++) {
        member_read(&g);
    }
    if (decode_ok(r->d) && g.count > 0) {
        group_intern(&g);
    }
}

const core_func_type *core_func_type_make(decoder *d, const uint8_t *params, uint32_t param_count,
                                          const uint8_t *results, uint32_t result_count) {
    static const uint8_t bytes[] = {CORE_VALUE_I32, CORE_VALUE_I64, CORE_VALUE_F32, CORE_VALUE_F64};
    reader r = reader_of(d, slice_empty());
    core_space space = {0};
    group g = {.r = &r, .space = &space, .count = 1};
    put(&g, 1); // final
    put(&g, 0); // no supertype
    put(&g, CORE_DEF_FUNC);
    put(&g, param_count);
    for (uint32_t i = 0; i < param_count; i++) {
        put(&g, bytes[params[i]]);
    }
    put(&g, result_count);
    for (uint32_t i = 0; i < result_count; i++) {
        put(&g, bytes[results[i]]);
    }
    if (decode_ok(d)) {
        group_intern(&g);
    }
    return decode_ok(d) ? &((const core_def *const *)space.types.items)[0]->func : NULL;
}

const core_def *core_space_func(reader *r, const core_space *space, uint32_t index) {
    if (!decode_ok(r->d)) {
        return NULL;
    }
    if (index >= space->types.count) {
        decode_fail(r->d, reader_offset(r), "core type index %u out of bounds", index);
        return NULL;
    }
    const core_def *def = ((const core_def *const *)space->types.items)[index];
    if (def == NULL || def->kind != CORE_DEF_FUNC) {
        decode_fail(r->d, reader_offset(r), "core type index %u is not a function type", index);
        return NULL;
    }
    return def;
}

// --- types of imports and exports -------------------------------------------------------------------------

static uint64_t bound_read(reader *r, bool is_64) { return is_64 ? reader_u64(r) : reader_u32(r); }

static void limits_read(reader *r, bool memory, ast_core_limits *l) {
    size_t offset = reader_offset(r);
    uint8_t flags = reader_byte(r);
    if (flags > (memory ? 0x0f : 0x07) || (!memory && (flags & 2) != 0)) {
        decode_fail(r->d, offset, "invalid limits 0x%02x", flags);
    }
    l->has_max = (flags & 1) != 0;
    l->shared = (flags & 2) != 0;
    l->is_64 = (flags & 4) != 0;
    l->min = bound_read(r, l->is_64);
    l->max = l->has_max ? bound_read(r, l->is_64) : 0;
    l->page_size_log2 = memory ? 16 : 0;
    if ((flags & 8) != 0) {
        l->page_size_log2 = reader_u32(r);
    }
    if (l->has_max && l->min > l->max) {
        decode_fail(r->d, offset, "the minimum of a size must not be greater than its maximum");
    }
    if (!memory) {
        return;
    }
    if (l->page_size_log2 != 0 && l->page_size_log2 != 16) {
        decode_fail(r->d, offset, "invalid custom page size");
        return;
    }
    uint64_t pages_max = l->is_64 ? (uint64_t)1 << 48 : (uint64_t)1 << 16;
    if (l->page_size_log2 == 0) {
        pages_max = l->is_64 ? UINT64_MAX : UINT32_MAX;
    }
    if (l->min > pages_max || (l->has_max && l->max > pages_max)) {
        decode_fail(r->d, offset, "memory size must be at most %llu pages", (unsigned long long)pages_max);
    }
    if (l->shared && !l->has_max) {
        decode_fail(r->d, offset, "shared memory must have a maximum");
    }
}

void core_extern_read(reader *r, const core_space *space, uint8_t kind, ast_core_extern *ret) {
    size_t offset = reader_offset(r);
    *ret = (ast_core_extern){.kind = (core_extern_kind)kind};
    const core_def *def = NULL;
    switch (kind) {
    case CORE_TAG:
        if (reader_byte(r) != 0) {
            decode_fail(r->d, offset, "invalid tag attribute");
        }
        __attribute__((fallthrough));
    case CORE_FUNC:
        def = core_space_func(r, space, reader_u32(r));
        ret->func = def == NULL ? NULL : &def->func;
        break;
    case CORE_TABLE:
        ret->value_type = core_value_type_read(r, space);
        if ((ret->value_type & CORE_VALUE_REF) == 0) {
            decode_fail(r->d, offset, "the elements of a table must be references");
        }
        limits_read(r, false, &ret->limits);
        break;
    case CORE_MEMORY:
        limits_read(r, true, &ret->limits);
        break;
    case CORE_GLOBAL:
        ret->value_type = core_value_type_read(r, space);
        ret->mutable_ = reader_flag(r);
        break;
    default:
        decode_fail(r->d, offset, "invalid kind 0x%02x of a core import or export", kind);
        break;
    }
}
