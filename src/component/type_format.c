// SPDX-License-Identifier: Apache-2.0
#include "component/type_format.h"

typedef struct printer {
    buf *out;
    bool spelled; // no names
} printer;

static void put(printer *p, const char *text) { (void)!buf_append_text(p->out, text); }
static void put_slice(printer *p, slice s) { (void)!buf_append(p->out, s); }
static bool full(const printer *p) { return p->out->len >= p->out->max; }

static void put_definition(printer *p, const ctype *t);

static void put_value(printer *p, const ctype *t) {
    if (t->name.len > 0 && !p->spelled) {
        put_slice(p, t->name);
    } else {
        put_definition(p, t);
    }
}

static void put_cases(printer *p, const ctype *t, const char *keyword) {
    put(p, keyword);
    put(p, " { ");
    for (uint32_t i = 0; i < t->case_count && !full(p); i++) {
        put(p, i == 0 ? "" : ", ");
        put_slice(p, t->cases[i].name);
        if (t->cases[i].type != NULL) {
            put(p, t->kind == CTYPE_RECORD ? ": " : "(");
            put_value(p, t->cases[i].type);
            put(p, t->kind == CTYPE_RECORD ? "" : ")");
        }
    }
    put(p, " }");
}

// The fields of a tuple, the two halves of a map.
static void put_parts(printer *p, const char *keyword, const ctype *t) {
    put(p, keyword);
    for (uint32_t i = 0; i < t->case_count && !full(p); i++) {
        put(p, i == 0 ? "<" : ", ");
        put_value(p, t->cases[i].type);
    }
    put(p, ">");
}

static void put_list(printer *p, const ctype *t) {
    if (t->is_map) {
        put_parts(p, "map", t->element);
        return;
    }
    put(p, "list<");
    put_value(p, t->element);
    if (t->has_fixed_length) {
        (void)!buf_append_format(p->out, ", %u", t->fixed_length);
    }
    put(p, ">");
}

static void put_result(printer *p, const ctype *t) {
    put(p, "result");
    if (t->element == NULL && t->error == NULL) {
        return;
    }
    put(p, "<");
    if (t->element == NULL) {
        put(p, "_");
    } else {
        put_value(p, t->element);
    }
    if (t->error != NULL) {
        put(p, ", ");
        put_value(p, t->error);
    }
    put(p, ">");
}

static void put_handle(printer *p, const ctype *t) {
    put(p, t->kind == CTYPE_BORROW ? "borrow<" : "own<");
    put_slice(p, t->resource->name);
    put(p, ">");
}

// Recursion is bounded by the depth of types, output by its maximum.
static void put_definition(printer *p, const ctype *t) {
    static const char *const names[] = {"bool", "s8",  "u8",  "s16", "u16",  "s32",   "u32",
                                        "s64",  "u64", "f32", "f64", "char", "string"};
    if (full(p)) {
        return;
    }
    switch (t->kind) {
    case CTYPE_LIST:
        put_list(p, t);
        break;
    case CTYPE_RECORD:
        put_cases(p, t, "record");
        break;
    case CTYPE_TUPLE:
        put_parts(p, "tuple", t);
        break;
    case CTYPE_VARIANT:
        put_cases(p, t, "variant");
        break;
    case CTYPE_ENUM:
        put_cases(p, t, "enum");
        break;
    case CTYPE_FLAGS:
        put_cases(p, t, "flags");
        break;
    case CTYPE_OPTION:
        put(p, "option<");
        put_value(p, t->element);
        put(p, ">");
        break;
    case CTYPE_RESULT:
        put_result(p, t);
        break;
    case CTYPE_OWN:
    case CTYPE_BORROW:
        put_handle(p, t);
        break;
    default:
        put(p, t->kind <= CTYPE_STRING ? names[t->kind] : "(async type)");
        break;
    }
}

static void put_func(printer *p, const ctype_func *f) {
    put(p, f->is_async ? "async func(" : "func(");
    for (uint32_t i = 0; i < f->param_count && !full(p); i++) {
        put(p, i == 0 ? "" : ", ");
        put_slice(p, f->params[i].name);
        put(p, ": ");
        put_value(p, f->params[i].type);
    }
    put(p, ")");
    if (f->result != NULL) {
        put(p, " -> ");
        put_value(p, f->result);
    }
}

void type_format_value(const ctype *t, buf *out) { put_value(&(printer){.out = out}, t); }
void type_format_definition(const ctype *t, buf *out) { put_definition(&(printer){.out = out}, t); }
void type_format_func(const ctype_func *f, buf *out) { put_func(&(printer){.out = out}, f); }
void type_format_func_spelled(const ctype_func *f, buf *out) {
    put_func(&(printer){.out = out, .spelled = true}, f);
}
