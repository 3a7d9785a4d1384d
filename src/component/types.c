// SPDX-License-Identifier: Apache-2.0
// Builds types: layout in memory (CanonicalABI.md "Alignment", "Element Size"), number of core values,
// summaries.
#include "component/types_internal.h"

#include "base/check.h"

// --- primitive types --------------------------------------------------------------------------------------

#define PRIMITIVE(kind_, bytes_)                                                         \
    {                                                                                    \
        .pub = {.kind = (kind_), .size = (bytes_), .align = (bytes_), .flat_count = 1},  \
        .info = {.weight = 1, .depth = 1, .min_scope = SCOPE_NONE}, .size_64 = (bytes_), \
        .align_64 = (bytes_)                                                             \
    }

static const vtype primitives[] = {
    [CTYPE_BOOL] = PRIMITIVE(CTYPE_BOOL, 1),
    [CTYPE_S8] = PRIMITIVE(CTYPE_S8, 1),
    [CTYPE_U8] = PRIMITIVE(CTYPE_U8, 1),
    [CTYPE_S16] = PRIMITIVE(CTYPE_S16, 2),
    [CTYPE_U16] = PRIMITIVE(CTYPE_U16, 2),
    [CTYPE_S32] = PRIMITIVE(CTYPE_S32, 4),
    [CTYPE_U32] = PRIMITIVE(CTYPE_U32, 4),
    [CTYPE_S64] = PRIMITIVE(CTYPE_S64, 8),
    [CTYPE_U64] = PRIMITIVE(CTYPE_U64, 8),
    [CTYPE_F32] = PRIMITIVE(CTYPE_F32, 4),
    [CTYPE_F64] = PRIMITIVE(CTYPE_F64, 8),
    [CTYPE_CHAR] = PRIMITIVE(CTYPE_CHAR, 4),
    [CTYPE_STRING] =
        {.pub = {.kind = CTYPE_STRING, .size = 8, .align = 4, .flat_count = 2, .has_pointer = true},
         .info = {.weight = 1, .depth = 1, .min_scope = SCOPE_NONE},
         .size_64 = 16,
         .align_64 = 8},
};

const ctype *types_primitive(ctype_kind kind) {
    CHECK(kind <= CTYPE_STRING);
    return &primitives[kind].pub;
}

static const char *const kind_names[] = {
    [CTYPE_BOOL] = "bool",       [CTYPE_S8] = "s8",
    [CTYPE_U8] = "u8",           [CTYPE_S16] = "s16",
    [CTYPE_U16] = "u16",         [CTYPE_S32] = "s32",
    [CTYPE_U32] = "u32",         [CTYPE_S64] = "s64",
    [CTYPE_U64] = "u64",         [CTYPE_F32] = "f32",
    [CTYPE_F64] = "f64",         [CTYPE_CHAR] = "char",
    [CTYPE_STRING] = "string",   [CTYPE_LIST] = "list",
    [CTYPE_RECORD] = "record",   [CTYPE_TUPLE] = "tuple",
    [CTYPE_VARIANT] = "variant", [CTYPE_ENUM] = "enum",
    [CTYPE_OPTION] = "option",   [CTYPE_RESULT] = "result",
    [CTYPE_FLAGS] = "flags",     [CTYPE_OWN] = "own",
    [CTYPE_BORROW] = "borrow",   [CTYPE_STREAM] = "stream",
    [CTYPE_FUTURE] = "future",   [CTYPE_ERROR_CONTEXT] = "error-context",
};

const char *types_kind_name(ctype_kind kind) { return kind_names[kind]; }

const char *types_sort_name(ast_sort sort) {
    static const char *const names[AST_SORT_COUNT] = {
        [AST_CORE_FUNC] = "core func",
        [AST_CORE_TABLE] = "core table",
        [AST_CORE_MEMORY] = "core memory",
        [AST_CORE_GLOBAL] = "core global",
        [AST_CORE_TAG] = "core tag",
        [AST_CORE_TYPE] = "core type",
        [AST_CORE_MODULE] = "core module",
        [AST_CORE_INSTANCE] = "core instance",
        [AST_FUNC] = "func",
        [AST_VALUE] = "value",
        [AST_TYPE] = "type",
        [AST_COMPONENT] = "component",
        [AST_INSTANCE] = "instance",
    };
    return names[sort];
}

// --- layout -----------------------------------------------------------------------------------------------

typedef struct extent {
    uint64_t size;
    uint64_t align;
} extent;

static uint64_t align_up(uint64_t value, uint64_t align) { return (value + align - 1) & ~(align - 1); }

static extent extent_of(const ctype *t, bool wide) {
    if (t == NULL) {
        return (extent){0, 1};
    }
    return wide ? (extent){vtype_of(t)->size_64, vtype_of(t)->align_64} : (extent){t->size, t->align};
}

// The payload that case `i` of a variant-like type has; NULL when none.
static const ctype *case_type(const ctype *t, uint32_t i) {
    switch (t->kind) {
    case CTYPE_OPTION:
        return i == 0 ? NULL : t->element;
    case CTYPE_RESULT:
        return i == 0 ? t->element : t->error;
    default:
        return t->cases[i].type;
    }
}

static uint32_t case_count(const ctype *t) {
    return t->kind == CTYPE_OPTION || t->kind == CTYPE_RESULT ? 2 : t->case_count;
}

static uint32_t discriminant_size(uint32_t cases) { return cases <= 256 ? 1 : cases <= 65536 ? 2 : 4; }

static extent variant_extent(const ctype *t, bool wide, uint64_t *ret_payload_offset) {
    uint32_t discriminant = discriminant_size(case_count(t));
    extent payload = {0, 1};
    for (uint32_t i = 0; i < case_count(t); i++) {
        extent e = extent_of(case_type(t, i), wide);
        payload.size = e.size > payload.size ? e.size : payload.size;
        payload.align = e.align > payload.align ? e.align : payload.align;
    }
    uint64_t align = payload.align > discriminant ? payload.align : discriminant;
    *ret_payload_offset = align_up(discriminant, payload.align);
    return (extent){align_up(*ret_payload_offset + payload.size, align), align};
}

static extent fields_extent(const ctype *t, bool wide, ctype_case *offsets) {
    extent all = {0, 1};
    for (uint32_t i = 0; i < t->case_count; i++) {
        extent e = extent_of(t->cases[i].type, wide);
        all.size = align_up(all.size, e.align);
        if (offsets != NULL) {
            offsets[i].offset = (uint32_t)all.size; // within the limit on the whole, or the type is refused
        }
        all.size += e.size;
        all.align = e.align > all.align ? e.align : all.align;
    }
    all.size = align_up(all.size, all.align);
    return all;
}

static extent type_extent(const vtype *v, bool wide, uint64_t *ret_payload_offset) {
    const ctype *t = &v->pub;
    uint64_t pointer = wide ? 8 : 4;
    switch (t->kind) {
    case CTYPE_LIST:
        if (t->has_fixed_length) {
            extent e = extent_of(t->element, wide);
            return (extent){e.size * t->fixed_length, e.align};
        }
        return (extent){2 * pointer, pointer};
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        return fields_extent(t, wide, NULL);
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_OPTION:
    case CTYPE_RESULT:
        return variant_extent(t, wide, ret_payload_offset);
    case CTYPE_FLAGS: {
        uint64_t bytes = t->case_count <= 8 ? 1 : t->case_count <= 16 ? 2 : 4;
        return (extent){bytes, bytes};
    }
    default: // OWN, BORROW
        return (extent){4, 4};
    }
}

// --- number of core values --------------------------------------------------------------------------------

static uint32_t flat_count(const ctype *t) {
    uint64_t count = 0;
    switch (t->kind) {
    case CTYPE_LIST:
        count = t->has_fixed_length ? (uint64_t)t->element->flat_count * t->fixed_length : 2;
        break;
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        for (uint32_t i = 0; i < t->case_count; i++) {
            count += t->cases[i].type->flat_count;
        }
        break;
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_OPTION:
    case CTYPE_RESULT:
        for (uint32_t i = 0; i < case_count(t); i++) {
            const ctype *payload = case_type(t, i);
            if (payload != NULL && payload->flat_count > count) {
                count = payload->flat_count;
            }
        }
        count++;
        break;
    default:
        count = 1;
        break;
    }
    return count > CTYPE_FLAT_LIMIT ? CTYPE_FLAT_LIMIT : (uint32_t)count;
}

// --- summaries --------------------------------------------------------------------------------------------

void types_info_add(type_info *whole, type_info part) {
    uint64_t weight = (uint64_t)whole->weight + part.weight;
    whole->weight = weight > UINT32_MAX ? UINT32_MAX : (uint32_t)weight;
    whole->depth = part.depth + 1 > whole->depth ? part.depth + 1 : whole->depth;
    whole->min_scope = part.min_scope < whole->min_scope ? part.min_scope : whole->min_scope;
}

bool types_check_info(decoder *d, type_info info, size_t offset) {
    d->type_count++;
    if (info.weight > d->limits->items_max || d->type_count > d->limits->items_max) {
        decode_fail_as(d, STATUS_LIMIT, offset, "types of more than %u parts", d->limits->items_max);
    } else if (info.depth > d->limits->depth_max) {
        decode_fail_as(d, STATUS_LIMIT, offset, "a type is nested more than %u deep", d->limits->depth_max);
    }
    return decode_ok(d);
}

type_info types_info(const ast_type *t) {
    switch (t->kind) {
    case AST_TYPE_VALUE:
        return vtype_of(t->of.value)->info;
    case AST_TYPE_FUNC:
        return vfunc_of(t->of.func)->info;
    case AST_TYPE_INSTANCE:
        return vinstance_of(t->of.instance)->info;
    case AST_TYPE_COMPONENT:
        return vcomponent_of(t->of.component)->info;
    default:
        return (type_info){.weight = 1, .depth = 1, .min_scope = vresource_of(t->of.resource)->scope};
    }
}

type_info types_extern_info(const ast_extern *t) {
    switch (t->sort) {
    case AST_FUNC:
        return vfunc_of(t->of.func)->info;
    case AST_INSTANCE:
        return vinstance_of(t->of.instance)->info;
    case AST_COMPONENT:
        return vcomponent_of(t->of.component)->info;
    case AST_TYPE:
        return types_info(&t->of.type);
    default:
        return (type_info){.weight = 1, .depth = 1, .min_scope = SCOPE_NONE};
    }
}

static void add_part(vtype *v, const ctype *part) {
    if (part != NULL) {
        types_info_add(&v->info, vtype_of(part)->info);
        v->pub.has_pointer |= part->has_pointer;
        v->pub.has_handle |= part->has_handle;
        v->has_borrow |= vtype_of(part)->has_borrow;
    }
}

static void summarise(vtype *v) {
    ctype *t = &v->pub;
    v->info = (type_info){.weight = 1, .depth = 1, .min_scope = SCOPE_NONE};
    for (uint32_t i = 0; i < t->case_count; i++) {
        v->info.weight++;
        add_part(v, t->cases[i].type);
    }
    add_part(v, t->element);
    add_part(v, t->error);
    if (t->kind == CTYPE_OWN || t->kind == CTYPE_BORROW) {
        t->has_handle = true;
        v->has_borrow = t->kind == CTYPE_BORROW;
        v->info.min_scope = vresource_of(t->resource)->scope;
    }
    t->has_pointer |= t->kind == CTYPE_LIST && !t->has_fixed_length;
}

const ctype *types_finish(decoder *d, vtype *v, size_t offset) {
    if (!decode_ok(d)) {
        return NULL;
    }
    ctype *t = &v->pub;
    summarise(v);
    if (!types_check_info(d, v->info, offset)) {
        return NULL;
    }
    uint64_t payload_offset = 0;
    extent wide = type_extent(v, true, &payload_offset);
    if (wide.size >= (v->is_pair ? 2u * TYPE_BYTES_MAX : TYPE_BYTES_MAX)) {
        decode_fail(d, offset, "a type of %llu bytes exceeds the maximum byte size",
                    (unsigned long long)wide.size);
        return NULL;
    }
    extent narrow = type_extent(v, false, &payload_offset);
    v->size_64 = wide.size;
    v->align_64 = (uint32_t)wide.align;
    t->size = (uint32_t)narrow.size;
    t->align = (uint32_t)narrow.align;
    t->flat_count = flat_count(t);
    t->payload_offset = (uint32_t)payload_offset;
    if (t->kind == CTYPE_VARIANT || t->kind == CTYPE_ENUM || t->kind == CTYPE_OPTION ||
        t->kind == CTYPE_RESULT) {
        t->discriminant_size = discriminant_size(case_count(t));
    }
    if (t->kind == CTYPE_RECORD || t->kind == CTYPE_TUPLE) {
        fields_extent(t, false, (ctype_case *)(uintptr_t)t->cases); // still ours to write
    }
    return t;
}

const ctype_func *types_finish_func(decoder *d, vfunc *f, size_t offset) {
    if (!decode_ok(d)) {
        return NULL;
    }
    f->info = (type_info){.weight = 1, .depth = 1, .min_scope = SCOPE_NONE};
    for (uint32_t i = 0; i < f->pub.param_count; i++) {
        types_info_add(&f->info, vtype_of(f->pub.params[i].type)->info);
    }
    if (f->pub.result != NULL) {
        types_info_add(&f->info, vtype_of(f->pub.result)->info);
    }
    return types_check_info(d, f->info, offset) ? &f->pub : NULL;
}

// --- names ------------------------------------------------------------------------------------------------

static const void *copy_of(decoder *d, const void *original, size_t bytes) {
    void *copy = decode_keep(d, 1, bytes);
    return copy == NULL ? original : memcpy(copy, original, bytes);
}

ast_type types_rename(decoder *d, ast_type t) {
    switch (t.kind) {
    case AST_TYPE_VALUE:
        t.of.value = copy_of(d, t.of.value, sizeof(vtype));
        break;
    case AST_TYPE_FUNC:
        t.of.func = copy_of(d, t.of.func, sizeof(vfunc));
        break;
    case AST_TYPE_RESOURCE:
        t.of.resource = copy_of(d, t.of.resource, sizeof(vresource));
        break;
    case AST_TYPE_INSTANCE:
        t.of.instance = copy_of(d, t.of.instance, sizeof(vinstance));
        break;
    case AST_TYPE_COMPONENT:
        t.of.component = copy_of(d, t.of.component, sizeof(vcomponent));
        break;
    }
    return t;
}
