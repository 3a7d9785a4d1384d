// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "codec/utf.h"
#include "component/abi_internal.h"
#include "component/wave.h"

enum { FLOAT_BYTES_MAX = 40 };

typedef struct writer {
    buf *out;
    bool is_redacted;
    status code; // the first failure
} writer;

static void put(writer *w, slice text) {
    w->code = w->code == STATUS_OK ? buf_append(w->out, text) : w->code;
}

static void put_text(writer *w, const char *text) { put(w, slice_from_text(text)); }

static void put_label(writer *w, slice label) {
    put_text(w, wave_is_keyword(label) ? "%" : "");
    put(w, label);
}

// --- plain values ------------------------------------------------------------------------------------------

// As few digits as say the same number.
static void put_float(writer *w, double value, bool is_single) {
    char text[FLOAT_BYTES_MAX];
    if (isnan(value) || isinf(value)) {
        put_text(w, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (is_single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value) {
            break;
        }
    }
    put_text(w, text);
}

static void put_code(writer *w, uint32_t code, uint32_t quote) {
    uint8_t bytes[4];
    char text[16];
    const char *escape = code == '\n' ? "\\n" : code == '\r' ? "\\r" : code == '\t' ? "\\t" : NULL;
    if (escape != NULL) {
        put_text(w, escape);
    } else if (utf8_is_control(code)) {
        (void)snprintf(text, sizeof text, "\\u{%" PRIx32 "}", code);
        put_text(w, text);
    } else {
        put_text(w, code == quote || code == '\\' ? "\\" : "");
        put(w, slice_of(bytes, utf8_put(bytes, code)));
    }
}

static void put_length(writer *w, size_t bytes) {
    char text[32];
    (void)snprintf(text, sizeof text, "<%zu bytes>", bytes);
    put_text(w, text);
}

static void put_char(writer *w, uint32_t code) {
    if (w->is_redacted) {
        put_text(w, "<character>");
        return;
    }
    put_text(w, "'");
    put_code(w, code, '\'');
    put_text(w, "'");
}

static void put_string(writer *w, slice text) {
    uint32_t at = 0, code;
    if (w->is_redacted) {
        put_length(w, text.len);
        return;
    }
    put_text(w, "\"");
    while (at < text.len && w->code == STATUS_OK) {
        CHECK(utf8_next(text.data, (uint32_t)text.len, &at, &code)); // lifting has checked it
        put_code(w, code, '"');
    }
    put_text(w, "\"");
}

static void put_integer(writer *w, const component_value *v) {
    char text[24];
    bool is_signed =
        v->kind == CTYPE_S8 || v->kind == CTYPE_S16 || v->kind == CTYPE_S32 || v->kind == CTYPE_S64;
    if (is_signed) {
        (void)snprintf(text, sizeof text, "%" PRId64, v->of.signed_);
    } else {
        (void)snprintf(text, sizeof text, "%" PRIu64, v->of.unsigned_);
    }
    put_text(w, text);
}

// --- what has parts ----------------------------------------------------------------------------------------

static void put_value(writer *w, const ctype *t, const component_value *v);

static void put_list(writer *w, const ctype *t, const component_value *v) {
    if (w->is_redacted && t->element->kind == CTYPE_U8) {
        put_length(w, v->of.list.count);
        return;
    }
    put_text(w, "[");
    for (uint32_t i = 0; i < v->of.list.count && w->code == STATUS_OK; i++) {
        const component_value item = component_value_at(v, i);
        put_text(w, i > 0 ? ", " : "");
        put_value(w, t->element, &item);
    }
    put_text(w, "]");
}

static void put_fields(writer *w, const ctype *t, const component_value *v) {
    bool is_record = t->kind == CTYPE_RECORD;
    put_text(w, is_record ? "{" : "(");
    for (uint32_t i = 0; i < t->case_count && w->code == STATUS_OK; i++) {
        put_text(w, i > 0 ? ", " : "");
        if (is_record) {
            put(w, t->cases[i].name);
            put_text(w, ": ");
        }
        put_value(w, t->cases[i].type, &v->of.list.items[i]);
    }
    put_text(w, is_record ? "}" : ")");
}

static void put_flags(writer *w, const ctype *t, const component_value *v) {
    bool any = false;
    put_text(w, "{");
    for (uint32_t i = 0; i < t->case_count; i++) {
        if ((v->of.unsigned_ >> i & 1) != 0) {
            put_text(w, any ? ", " : "");
            put(w, t->cases[i].name);
            any = true;
        }
    }
    put_text(w, "}");
}

static void put_case(writer *w, const ctype *t, const component_value *v) {
    uint32_t tag = v->of.variant.tag;
    if (t->kind == CTYPE_OPTION) {
        put_text(w, tag == 0 ? "none" : "some");
    } else if (t->kind == CTYPE_RESULT) {
        put_text(w, tag == 0 ? "ok" : "err");
    } else {
        put_label(w, t->cases[tag].name);
    }
    if (v->of.variant.payload != NULL) {
        put_text(w, "(");
        put_value(w, abi_case_type(t, tag), v->of.variant.payload);
        put_text(w, ")");
    }
}

static void put_value(writer *w, const ctype *t, const component_value *v) {
    CHECK(v->kind == t->kind);
    switch (t->kind) {
    case CTYPE_BOOL:
        put_text(w, v->of.boolean ? "true" : "false");
        break;
    case CTYPE_F32:
        put_float(w, (double)v->of.f32, true);
        break;
    case CTYPE_F64:
        put_float(w, v->of.f64, false);
        break;
    case CTYPE_CHAR:
        put_char(w, (uint32_t)v->of.unsigned_);
        break;
    case CTYPE_STRING:
        put_string(w, v->of.string);
        break;
    case CTYPE_LIST:
        put_list(w, t, v);
        break;
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        put_fields(w, t, v);
        break;
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_OPTION:
    case CTYPE_RESULT:
        put_case(w, t, v);
        break;
    case CTYPE_FLAGS:
        put_flags(w, t, v);
        break;
    case CTYPE_OWN:
    case CTYPE_BORROW:
    case CTYPE_STREAM:
    case CTYPE_FUTURE:
    case CTYPE_ERROR_CONTEXT:
        CHECK(false); // such values are never made
        break;
    default:
        put_integer(w, v);
        break;
    }
}

static status write(const ctype *t, const component_value *v, bool is_redacted, buf *out) {
    writer w = {.out = out, .is_redacted = is_redacted};
    put_value(&w, t, v);
    return w.code;
}

status wave_write(const ctype *t, const component_value *v, buf *out) { return write(t, v, false, out); }

status wave_write_redacted(const ctype *t, const component_value *v, buf *out) {
    return write(t, v, true, out);
}
