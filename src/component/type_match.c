// SPDX-License-Identifier: Apache-2.0
// One walk for all comparisons; what differs is how two resources compare.
#include "component/type_match.h"

typedef struct matcher {
    const handle_type *const *a_types;
    const handle_type *const *b_types; // NULL: `b` is of the host, and its resources are host resources
} matcher;

static bool same_value(const matcher *m, const ctype *a, const ctype *b);

static bool same_optional(const matcher *m, const ctype *a, const ctype *b) {
    return a == NULL || b == NULL ? a == b : same_value(m, a, b);
}

static bool same_cases(const matcher *m, const ctype *a, const ctype *b) {
    if (a->case_count != b->case_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->case_count; i++) {
        if (!slice_equal(a->cases[i].name, b->cases[i].name) ||
            !same_optional(m, a->cases[i].type, b->cases[i].type)) {
            return false;
        }
    }
    return true;
}

static bool same_resource(const matcher *m, const ctype_resource *a, const ctype_resource *b) {
    const handle_type *left = m->a_types[a->index];
    if (left == NULL) {
        return false;
    }
    return m->b_types == NULL ? left->host == b : left == m->b_types[b->index];
}

static bool same_value(const matcher *m, const ctype *a, const ctype *b) {
    if (a->kind != b->kind || a->size != b->size || a->align != b->align || a->flat_count != b->flat_count) {
        return false;
    }
    switch (a->kind) {
    case CTYPE_LIST:
        return a->is_map == b->is_map && a->has_fixed_length == b->has_fixed_length &&
               a->fixed_length == b->fixed_length && same_value(m, a->element, b->element);
    case CTYPE_OPTION:
        return same_value(m, a->element, b->element);
    case CTYPE_RESULT:
        return same_optional(m, a->element, b->element) && same_optional(m, a->error, b->error);
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_FLAGS:
        return same_cases(m, a, b);
    case CTYPE_OWN:
    case CTYPE_BORROW:
        return same_resource(m, a->resource, b->resource);
    default:
        return true;
    }
}

static bool same_func(const matcher *m, const ctype_func *a, const ctype_func *b) {
    if (a->param_count != b->param_count || a->is_async != b->is_async ||
        !same_optional(m, a->result, b->result)) {
        return false;
    }
    for (uint32_t i = 0; i < a->param_count; i++) {
        if (!same_value(m, a->params[i].type, b->params[i].type)) {
            return false;
        }
    }
    return true;
}

bool type_match_value(const ctype *own, const handle_type *const *types, const ctype *host) {
    return same_value(&(matcher){types, NULL}, own, host);
}

bool type_match_func(const ctype_func *own, const handle_type *const *types, const ctype_func *host) {
    return same_func(&(matcher){types, NULL}, own, host);
}

bool type_match_values(const ctype *a, const handle_type *const *a_types, const ctype *b,
                       const handle_type *const *b_types) {
    return same_value(&(matcher){a_types, b_types}, a, b);
}

bool type_match_funcs(const ctype_func *a, const handle_type *const *a_types, const ctype_func *b,
                      const handle_type *const *b_types) {
    return same_func(&(matcher){a_types, b_types}, a, b);
}

// --- text
// --------------------------------------------------------------------------------------------------------

static void put(buf *out, const char *text) { (void)!buf_append_text(out, text); }

static void put_slice(buf *out, slice s) { (void)!buf_append(out, s); }

static void put_optional(const ctype *t, buf *out) {
    if (t == NULL) {
        put(out, "_");
    } else {
        type_format_value(t, out);
    }
}

static void put_cases(const ctype *t, const char *keyword, buf *out) {
    put(out, keyword);
    put(out, " { ");
    for (uint32_t i = 0; i < t->case_count && out->len < out->max; i++) {
        put(out, i == 0 ? "" : ", ");
        put_slice(out, t->cases[i].name);
        if (t->cases[i].type != NULL) {
            put(out, t->kind == CTYPE_RECORD ? ": " : "(");
            type_format_value(t->cases[i].type, out);
            put(out, t->kind == CTYPE_RECORD ? "" : ")");
        }
    }
    put(out, " }");
}

static void put_tuple(const ctype *t, buf *out) {
    put(out, "tuple<");
    for (uint32_t i = 0; i < t->case_count && out->len < out->max; i++) {
        put(out, i == 0 ? "" : ", ");
        type_format_value(t->cases[i].type, out);
    }
    put(out, ">");
}

static void put_list(const ctype *t, buf *out) {
    if (t->is_map) {
        put(out, "map<");
        type_format_value(t->element->cases[0].type, out);
        put(out, ", ");
        type_format_value(t->element->cases[1].type, out);
        put(out, ">");
        return;
    }
    put(out, "list<");
    type_format_value(t->element, out);
    if (t->has_fixed_length) {
        (void)!buf_append_format(out, ", %u", t->fixed_length);
    }
    put(out, ">");
}

static void put_result(const ctype *t, buf *out) {
    put(out, "result");
    if (t->element == NULL && t->error == NULL) {
        return;
    }
    put(out, "<");
    put_optional(t->element, out);
    if (t->error != NULL) {
        put(out, ", ");
        type_format_value(t->error, out);
    }
    put(out, ">");
}

void type_format_value(const ctype *t, buf *out) {
    if (t->name.len > 0) {
        put_slice(out, t->name);
    } else {
        type_format_definition(t, out);
    }
}

void type_format_definition(const ctype *t, buf *out) {
    static const char *const names[] = {"bool", "s8",  "u8",  "s16", "u16",  "s32",   "u32",
                                        "s64",  "u64", "f32", "f64", "char", "string"};
    switch (t->kind) {
    case CTYPE_LIST:
        put_list(t, out);
        break;
    case CTYPE_RECORD:
        put_cases(t, "record", out);
        break;
    case CTYPE_TUPLE:
        put_tuple(t, out);
        break;
    case CTYPE_VARIANT:
        put_cases(t, "variant", out);
        break;
    case CTYPE_ENUM:
        put_cases(t, "enum", out);
        break;
    case CTYPE_FLAGS:
        put_cases(t, "flags", out);
        break;
    case CTYPE_OPTION:
        put(out, "option<");
        type_format_value(t->element, out);
        put(out, ">");
        break;
    case CTYPE_RESULT:
        put_result(t, out);
        break;
    case CTYPE_OWN:
    case CTYPE_BORROW:
        put(out, t->kind == CTYPE_BORROW ? "borrow<" : "own<");
        put_slice(out, t->resource->name);
        put(out, ">");
        break;
    default:
        put(out, t->kind <= CTYPE_STRING ? names[t->kind] : "(async type)");
        break;
    }
}

void type_format_func(const ctype_func *f, buf *out) {
    put(out, f->is_async ? "async func(" : "func(");
    for (uint32_t i = 0; i < f->param_count; i++) {
        put(out, i == 0 ? "" : ", ");
        put_slice(out, f->params[i].name);
        put(out, ": ");
        type_format_value(f->params[i].type, out);
    }
    put(out, ")");
    if (f->result != NULL) {
        put(out, " -> ");
        type_format_value(f->result, out);
    }
}
