// SPDX-License-Identifier: Apache-2.0
#include "value.h"

#include <inttypes.h>
#include <stdlib.h>

#include "codec/utf.h"

static slice text_of(const json_value *v) {
    slice s = slice_empty();
    (void)json_as_text(v, &s);
    return s;
}

static status no_room(err *e) { return err_set(e, STATUS_LIMIT, "a value of the script is too large"); }

static status mismatch(const ctype *t, slice kind, err *e) {
    buf out;
    buf_init(&out, 200);
    (void)t;
    status s =
        err_set(e, STATUS_INVALID, "a value of kind \"%.*s\" does not fit the parameter", SLICE_ARG(kind));
    buf_done(&out);
    return s;
}

// "-12" or "12"; two's complement.
static bool number_of(slice s, uint64_t *ret) {
    bool negative = s.len > 0 && s.data[0] == '-';
    uint64_t n;
    if (!slice_to_u64(negative ? slice_sub(s, 1, s.len) : s, &n)) {
        return false;
    }
    *ret = negative ? 0 - n : n;
    return true;
}

static uint32_t case_named(const ctype *t, slice name) {
    for (uint32_t i = 0; i < t->case_count; i++) {
        if (slice_equal(t->cases[i].name, name)) {
            return i;
        }
    }
    return UINT32_MAX;
}

static const char *kind_name(const ctype *t) {
    static const char *const names[] = {
        "bool", "s8",     "u8",   "s16",    "u16",   "s32",     "u32",  "s64",    "u64",    "f32",   "f64",
        "char", "string", "list", "record", "tuple", "variant", "enum", "option", "result", "flags",
    };
    return t->kind <= CTYPE_FLAGS ? names[t->kind] : "handle";
}

// --- parsing -----------------------------------------------------------------------------------------------

static status parse_number(slice text, const ctype *t, component_value *ret, err *e) {
    uint64_t n;
    if (!number_of(text, &n)) {
        return err_set(e, STATUS_INVALID, "\"%.*s\" is not a number", SLICE_ARG(text));
    }
    if (t->kind == CTYPE_F32) {
        uint32_t bits = (uint32_t)n;
        memcpy(&ret->of.f32, &bits, sizeof bits);
    } else if (t->kind == CTYPE_F64) {
        memcpy(&ret->of.f64, &n, sizeof n);
    } else {
        ret->of.unsigned_ = n; // shares its bytes with signed_
    }
    return STATUS_OK;
}

static status parse_char(slice text, component_value *ret, err *e) {
    uint32_t at = 0;
    uint32_t code;
    if (text.len == 0 || !utf8_next(text.data, (uint32_t)text.len, &at, &code)) {
        return err_set(e, STATUS_INVALID, "a character of the script is not one");
    }
    ret->of.unsigned_ = code;
    return STATUS_OK;
}

static status parse_list(const json_value *value, const ctype *t, arena *a, component_value *ret, err *e) {
    size_t count = json_count(value);
    component_value *items = ARENA_ARRAY(a, component_value, count);
    if (items == NULL) {
        return no_room(e);
    }
    for (size_t i = 0; i < count; i++) {
        const json_value *item = json_at(value, i);
        const ctype *part = t->element;
        if (t->kind != CTYPE_LIST) {
            if (i >= t->case_count) {
                return mismatch(t, slice_from_text("tuple"), e);
            }
            part = t->cases[i].type;
        }
        if (t->kind == CTYPE_RECORD) { // [name, value]
            item = json_at(item, 1);
        }
        TRY(wast_value_parse(item, part, a, &items[i], e));
    }
    ret->of.list.items = items;
    ret->of.list.count = (uint32_t)count;
    return STATUS_OK;
}

static status parse_payload(const json_value *payload, const ctype *t, arena *a, component_value *ret,
                            err *e) {
    if (t == NULL) {
        return STATUS_OK;
    }
    ret->of.variant.payload = ARENA_NEW(a, component_value);
    if (ret->of.variant.payload == NULL) {
        return no_room(e);
    }
    return wast_value_parse(payload, t, a, ret->of.variant.payload, e);
}

static status parse_case(const json_value *value, const ctype *t, arena *a, component_value *ret, err *e) {
    slice name = t->kind == CTYPE_ENUM ? text_of(value) : text_of(json_get(value, "case"));
    uint32_t tag = case_named(t, name);
    if (tag == UINT32_MAX) {
        return err_set(e, STATUS_INVALID, "no case \"%.*s\"", SLICE_ARG(name));
    }
    ret->of.variant.tag = tag;
    return parse_payload(json_get(value, "payload"), t->cases[tag].type, a, ret, e);
}

static status parse_option(const json_value *value, const ctype *t, arena *a, component_value *ret, err *e) {
    bool some = json_get(value, "type") != NULL;
    ret->of.variant.tag = some;
    return some ? parse_payload(value, t->element, a, ret, e) : STATUS_OK;
}

static status parse_result(const json_value *value, const ctype *t, arena *a, component_value *ret, err *e) {
    const json_value *bad = json_get(value, "Err");
    ret->of.variant.tag = bad != NULL;
    return bad != NULL ? parse_payload(bad, t->error, a, ret, e)
                       : parse_payload(json_get(value, "Ok"), t->element, a, ret, e);
}

static status parse_flags(const json_value *value, const ctype *t, component_value *ret, err *e) {
    for (size_t i = 0; i < json_count(value); i++) {
        uint32_t bit = case_named(t, text_of(json_at(value, i)));
        if (bit >= 64) {
            return err_set(e, STATUS_INVALID, "no such flag");
        }
        ret->of.unsigned_ |= (uint64_t)1 << bit;
    }
    return STATUS_OK;
}

static status parse_text(slice text, arena *a, component_value *ret, err *e) {
    ret->of.string = arena_copy(a, text);
    return ret->of.string.data == NULL && text.len > 0 ? no_room(e) : STATUS_OK;
}

status wast_value_parse(const json_value *json, const ctype *t, arena *a, component_value *ret, err *e) {
    const json_value *value = json_get(json, "value");
    slice kind = text_of(json_get(json, "type"));
    memset(ret, 0, sizeof *ret);
    ret->kind = t->kind;
    if (!slice_equal_text(kind, kind_name(t))) {
        return mismatch(t, kind, e);
    }
    switch (t->kind) {
    case CTYPE_BOOL:
        return json_as_bool(value, &ret->of.boolean) ? STATUS_OK : mismatch(t, kind, e);
    case CTYPE_CHAR:
        return parse_char(text_of(value), ret, e);
    case CTYPE_STRING:
        return parse_text(text_of(value), a, ret, e);
    case CTYPE_LIST:
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        return parse_list(value, t, a, ret, e);
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
        return parse_case(value, t, a, ret, e);
    case CTYPE_OPTION:
        return parse_option(value, t, a, ret, e);
    case CTYPE_RESULT:
        return parse_result(value, t, a, ret, e);
    case CTYPE_FLAGS:
        return parse_flags(value, t, ret, e);
    default:
        return t->kind <= CTYPE_F64 ? parse_number(text_of(value), t, ret, e) : mismatch(t, kind, e);
    }
}

// --- comparing ---------------------------------------------------------------------------------------------

static bool float_matches(slice want, uint64_t bits, bool wide) {
    uint64_t quiet = wide ? 0x7ff8000000000000u : 0x7fc00000u;
    uint64_t magnitude = bits & (wide ? 0x7fffffffffffffffu : 0x7fffffffu);
    uint64_t n;
    if (slice_equal_text(want, "nan:canonical")) {
        return magnitude == quiet;
    }
    if (slice_equal_text(want, "nan:arithmetic")) {
        return (magnitude & quiet) == quiet;
    }
    return number_of(want, &n) && n == bits;
}

static uint64_t bits_of(const ctype *t, const component_value *v) {
    uint64_t bits = v->of.unsigned_;
    if (t->kind == CTYPE_F32) {
        uint32_t low;
        memcpy(&low, &v->of.f32, sizeof low);
        bits = low;
    } else if (t->kind == CTYPE_F64) {
        memcpy(&bits, &v->of.f64, sizeof bits);
    }
    return bits;
}

// The quiet bit and the payload of a NaN are not something that a component can observe.
static bool same_float(const component_value *a, const component_value *b, const ctype *t) {
    uint64_t x = bits_of(t, a);
    uint64_t y = bits_of(t, b);
    uint64_t infinity = t->kind == CTYPE_F32 ? 0x7f800000u : 0x7ff0000000000000u;
    uint64_t magnitude = t->kind == CTYPE_F32 ? 0x7fffffffu : 0x7fffffffffffffffu;
    bool both_nan = (x & magnitude) > infinity && (y & magnitude) > infinity;
    return both_nan || x == y;
}

static bool same_value(const ctype *t, const component_value *a, const component_value *b) {
    switch (t->kind) {
    case CTYPE_BOOL:
        return a->of.boolean == b->of.boolean;
    case CTYPE_F32:
    case CTYPE_F64:
        return same_float(a, b, t);
    case CTYPE_STRING:
        return slice_equal(a->of.string, b->of.string);
    case CTYPE_LIST:
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        if (a->of.list.count != b->of.list.count) {
            return false;
        }
        for (uint32_t i = 0; i < a->of.list.count; i++) {
            const ctype *part = t->kind == CTYPE_LIST ? t->element : t->cases[i].type;
            const component_value x = component_value_at(a, i), y = component_value_at(b, i);
            if (!same_value(part, &x, &y)) {
                return false;
            }
        }
        return true;
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_OPTION:
    case CTYPE_RESULT: {
        if (a->of.variant.tag != b->of.variant.tag) {
            return false;
        }
        if (a->of.variant.payload == NULL || b->of.variant.payload == NULL) {
            return a->of.variant.payload == b->of.variant.payload;
        }
        const ctype *payload = t->kind == CTYPE_OPTION   ? t->element
                               : t->kind == CTYPE_RESULT ? (a->of.variant.tag == 0 ? t->element : t->error)
                                                         : t->cases[a->of.variant.tag].type;
        return same_value(payload, a->of.variant.payload, b->of.variant.payload);
    }
    default:
        return a->of.unsigned_ == b->of.unsigned_;
    }
}

bool wast_value_matches(const json_value *expected, const ctype *t, const component_value *value) {
    arena a;
    component_value want;
    arena_init(&a, 64 << 20);
    bool matches = wast_value_parse(expected, t, &a, &want, NULL) == STATUS_OK && same_value(t, &want, value);
    arena_done(&a);
    return matches;
}

void wast_value_format(const ctype *t, const component_value *value, buf *out) {
    switch (t->kind) {
    case CTYPE_BOOL:
        (void)!buf_append_text(out, value->of.boolean ? "true" : "false");
        break;
    case CTYPE_STRING:
        (void)!buf_append_format(out, "\"%.*s\"", SLICE_ARG(value->of.string));
        break;
    case CTYPE_S8:
    case CTYPE_S16:
    case CTYPE_S32:
    case CTYPE_S64:
        (void)!buf_append_format(out, "%" PRId64, value->of.signed_);
        break;
    case CTYPE_LIST:
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        (void)!buf_append_text(out, "(");
        for (uint32_t i = 0; i < value->of.list.count && out->len < out->max; i++) {
            (void)!buf_append_text(out, i == 0 ? "" : ", ");
            const component_value item = component_value_at(value, i);
            wast_value_format(t->kind == CTYPE_LIST ? t->element : t->cases[i].type, &item, out);
        }
        (void)!buf_append_text(out, ")");
        break;
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_OPTION:
    case CTYPE_RESULT:
        (void)!buf_append_format(out, "case %u", value->of.variant.tag);
        break;
    default:
        (void)!buf_append_format(out, "%s 0x%" PRIx64, kind_name(t), bits_of(t, value));
        break;
    }
}

// --- core values -------------------------------------------------------------------------------------------

static bool core_type_of(slice kind, uint8_t *ret) {
    static const struct {
        const char *name;
        uint8_t type;
    } types[] = {{"i32", CORE_I32}, {"i64", CORE_I64}, {"f32", CORE_F32}, {"f64", CORE_F64}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (slice_equal_text(kind, types[i].name)) {
            *ret = types[i].type;
            return true;
        }
    }
    return false;
}

status wast_core_parse(const json_value *json, core_value *ret, err *e) {
    uint8_t type;
    uint64_t n;
    memset(ret, 0, sizeof *ret);
    if (!core_type_of(text_of(json_get(json, "type")), &type) ||
        !number_of(text_of(json_get(json, "value")), &n)) {
        return err_set(e, STATUS_UNSUPPORTED, "a core value that this runner does not know");
    }
    ret->u64 = type == CORE_I32 || type == CORE_F32 ? (uint32_t)n : n;
    return STATUS_OK;
}

bool wast_core_matches(const json_value *expected, uint8_t type, const core_value *value) {
    uint8_t want;
    slice text = text_of(json_get(expected, "value"));
    if (!core_type_of(text_of(json_get(expected, "type")), &want) || want != type) {
        return false;
    }
    bool wide = type == CORE_I64 || type == CORE_F64;
    uint64_t bits = wide ? value->u64 : value->u32;
    if (type == CORE_F32 || type == CORE_F64) {
        return float_matches(text, bits, wide);
    }
    uint64_t n;
    return number_of(text, &n) && (wide ? n : (uint32_t)n) == bits;
}
