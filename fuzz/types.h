// SPDX-License-Identifier: Apache-2.0
// Types of the Component Model that are made of a fuzzer's input, and values of them compared.
#pragma once

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "component/component.h"

enum { TYPES_DEPTH_MAX = 4 };

typedef struct input {
    const uint8_t *data;
    size_t left;
} input;

static uint8_t take(input *in) {
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->data++;
}

// --- types -------------------------------------------------------------------------------------------------

static const ctype_resource resource = {.name = SLICE_LITERAL("thing"), .index = 0};

static uint32_t align_up(uint32_t n, uint32_t align) { return (n + align - 1) & ~(align - 1); }

static ctype *new_type(arena *a, ctype_kind kind, uint32_t size, uint32_t align, uint32_t flat) {
    ctype *t = ARENA_NEW(a, ctype);
    CHECK(t != NULL);
    *t = (ctype){.kind = kind, .size = size, .align = align, .flat_count = flat};
    return t;
}

// Of a field, a case or a flag; some are words that formats have a meaning for.
static slice make_label(arena *a, uint32_t i) {
    static const char *const words[] = {"a", "some", "ok", "true", "inf", "b-2"};
    char text[16];
    int n = snprintf(text, sizeof text, "l%u", i);
    slice label = i < sizeof words / sizeof words[0] ? slice_from_text(words[i])
                                                     : arena_copy(a, slice_of(text, (size_t)n));
    CHECK(label.data != NULL);
    return label;
}

static const ctype *make_type(input *in, arena *a, int depth);

static ctype *make_record(input *in, arena *a, int depth, ctype_kind kind) {
    uint32_t count = 1 + take(in) % 4;
    ctype *t = new_type(a, kind, 0, 1, 0);
    ctype_case *cases = ARENA_ARRAY(a, ctype_case, count);
    for (uint32_t i = 0; i < count; i++) {
        const ctype *f = make_type(in, a, depth + 1);
        t->size = align_up(t->size, f->align);
        cases[i] = (ctype_case){.type = f, .offset = t->size};
        cases[i].name = kind == CTYPE_RECORD ? make_label(a, i) : slice_empty();
        t->size += f->size;
        t->align = f->align > t->align ? f->align : t->align;
        t->flat_count += f->flat_count;
        t->has_handle |= f->has_handle;
    }
    t->size = align_up(t->size, t->align);
    t->case_count = count;
    t->cases = cases;
    return t;
}

static void add_payload(ctype *t, const ctype *payload, uint32_t *size, uint32_t *align) {
    if (payload == NULL) {
        return;
    }
    *size = payload->size > *size ? payload->size : *size;
    *align = payload->align > *align ? payload->align : *align;
    t->flat_count = 1 + payload->flat_count > t->flat_count ? 1 + payload->flat_count : t->flat_count;
    t->has_handle |= payload->has_handle;
}

static ctype *make_variant(input *in, arena *a, int depth, ctype_kind kind) {
    ctype *t = new_type(a, kind, 0, 1, 1);
    uint32_t size = 0;
    uint32_t align = 1;
    t->discriminant_size = kind == CTYPE_VARIANT ? (uint32_t[]){1, 2, 4}[take(in) % 3] : 1;
    if (kind == CTYPE_VARIANT) {
        uint32_t count = 1 + take(in) % 4;
        ctype_case *cases = ARENA_ARRAY(a, ctype_case, count);
        for (uint32_t i = 0; i < count; i++) {
            cases[i].name = make_label(a, i);
            cases[i].type = take(in) % 3 == 0 ? NULL : make_type(in, a, depth + 1);
            add_payload(t, cases[i].type, &size, &align);
        }
        t->case_count = count;
        t->cases = cases;
    } else {
        t->element = make_type(in, a, depth + 1);
        t->error = kind == CTYPE_RESULT && take(in) % 2 != 0 ? make_type(in, a, depth + 1) : NULL;
        add_payload(t, t->element, &size, &align);
        add_payload(t, t->error, &size, &align);
    }
    t->payload_offset = align_up(t->discriminant_size, align);
    t->align = align > t->discriminant_size ? align : t->discriminant_size;
    t->size = align_up(t->payload_offset + size, t->align);
    return t;
}

static ctype *make_list(input *in, arena *a, int depth) {
    const ctype *element = make_type(in, a, depth + 1);
    ctype *t = new_type(a, CTYPE_LIST, 8, 4, 2);
    t->element = element;
    t->has_handle = element->has_handle;
    if (take(in) % 4 == 0) {
        t->has_fixed_length = true;
        t->fixed_length = 1 + take(in) % 3;
        t->size = element->size * t->fixed_length;
        t->align = element->align;
        t->flat_count = element->flat_count * t->fixed_length;
    }
    return t;
}

static ctype *make_labels(input *in, arena *a, ctype_kind kind) {
    uint32_t count = 1 + take(in) % (kind == CTYPE_FLAGS ? 32U : 200U);
    uint32_t size = kind == CTYPE_ENUM || count <= 8 ? 1 : count <= 16 ? 2 : 4;
    ctype *t = new_type(a, kind, size, size, 1);
    t->discriminant_size = 1;
    t->case_count = count;
    ctype_case *cases = ARENA_ARRAY(a, ctype_case, count);
    for (uint32_t i = 0; i < count; i++) {
        cases[i].name = make_label(a, i);
    }
    t->cases = cases;
    return t;
}

static ctype *make_leaf(arena *a, uint8_t which) {
    static const uint8_t sizes[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 4};
    if (which >= 13) {
        ctype *t = new_type(a, CTYPE_OWN, 4, 4, 1);
        t->resource = &resource;
        t->has_handle = true;
        return t;
    }
    if (which == 12) {
        return new_type(a, CTYPE_STRING, 8, 4, 2);
    }
    return new_type(a, (ctype_kind)which, sizes[which], sizes[which], 1);
}

static const ctype *make_type(input *in, arena *a, int depth) {
    uint8_t which = take(in) % 24;
    if (which < 14 || depth >= TYPES_DEPTH_MAX) {
        return make_leaf(a, which % 14);
    }
    switch (which) {
    case 14:
        return make_record(in, a, depth, CTYPE_RECORD);
    case 15:
        return make_record(in, a, depth, CTYPE_TUPLE);
    case 16:
        return make_variant(in, a, depth, CTYPE_VARIANT);
    case 17:
        return make_variant(in, a, depth, CTYPE_OPTION);
    case 18:
        return make_variant(in, a, depth, CTYPE_RESULT);
    case 19:
        return make_labels(in, a, CTYPE_ENUM);
    case 20:
        return make_labels(in, a, CTYPE_FLAGS);
    default:
        return make_list(in, a, depth);
    }
}

// --- values ------------------------------------------------------------------------------------------------

static bool same(const ctype *t, const component_value *a, const component_value *b) {
    if (a->kind != b->kind) {
        return false;
    }
    switch (t->kind) {
    case CTYPE_STRING:
        return slice_equal(a->of.string, b->of.string);
    case CTYPE_LIST:
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        for (uint32_t i = 0; i < a->of.list.count && i < b->of.list.count; i++) {
            const ctype *part = t->kind == CTYPE_LIST ? t->element : t->cases[i].type;
            const component_value x = component_value_at(a, i), y = component_value_at(b, i);
            if (!same(part, &x, &y)) {
                return false;
            }
        }
        return a->of.list.count == b->of.list.count;
    case CTYPE_VARIANT:
    case CTYPE_OPTION:
    case CTYPE_RESULT:
    case CTYPE_ENUM: {
        uint32_t tag = a->of.variant.tag;
        if (tag != b->of.variant.tag || a->of.variant.payload == NULL) {
            return tag == b->of.variant.tag;
        }
        const ctype *payload = t->kind == CTYPE_VARIANT              ? t->cases[tag].type
                               : tag == 1 && t->kind == CTYPE_RESULT ? t->error
                                                                     : t->element;
        return same(payload, a->of.variant.payload, b->of.variant.payload);
    }
    case CTYPE_OWN:
        return a->of.handle.rep == b->of.handle.rep;
    case CTYPE_BOOL:
        return a->of.boolean == b->of.boolean;
    case CTYPE_F32:
        return memcmp(&a->of.f32, &b->of.f32, 4) == 0;
    default:
        return a->of.unsigned_ == b->of.unsigned_;
    }
}
