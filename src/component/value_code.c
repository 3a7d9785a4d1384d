// SPDX-License-Identifier: Apache-2.0
#include "component/value_code.h"

#include "base/check.h"
#include "component/abi_internal.h"

status value_code_check(const ctype_func *f, err *e) {
    bool has_handle = f->result != NULL && f->result->has_handle;
    for (uint32_t i = 0; i < f->param_count; i++) {
        has_handle = has_handle || f->params[i].type->has_handle;
    }
    return !has_handle ? STATUS_OK
                       : err_set(e, STATUS_UNSUPPORTED,
                                 "a function with resources can be called only by a component beside it");
}

// --- reading -----------------------------------------------------------------------------------------------

static component_value *new_values(values_reader *r, arena *a, size_t count) {
    component_value *items = ARENA_ARRAY(a, component_value, count);
    if (items == NULL) {
        values_read_fail(r, "the values need more memory than one call may use");
    }
    return items;
}

static void read_items(const ctype *element, uint32_t count, values_reader *r, arena *a,
                       component_value *ret) {
    component_value *items = new_values(r, a, count);
    for (uint32_t i = 0; i < count && values_read_ok(r); i++) {
        value_code_read(element, r, a, &items[i]);
    }
    ret->of.list.items = items;
    ret->of.list.count = count;
}

static void read_list(const ctype *t, values_reader *r, arena *a, component_value *ret) {
    if (t->has_fixed_length) {
        read_items(t->element, t->fixed_length, r, a, ret);
    } else if (t->element->kind == CTYPE_U8) {
        slice bytes = values_read_bytes(r);
        ret->of.list.bytes = bytes.data;
        ret->of.list.count = (uint32_t)bytes.len;
        ret->of.list.is_bytes = true;
    } else {
        read_items(t->element, values_read_count(r, t->element->size > 0 ? 1 : 0), r, a, ret);
    }
}

static void read_record(const ctype *t, values_reader *r, arena *a, component_value *ret) {
    component_value *items = new_values(r, a, t->case_count);
    for (uint32_t i = 0; i < t->case_count && values_read_ok(r); i++) {
        value_code_read(t->cases[i].type, r, a, &items[i]);
    }
    ret->of.list.items = items;
    ret->of.list.count = t->case_count;
}

static uint32_t read_tag(const ctype *t, values_reader *r) {
    switch (t->kind) {
    case CTYPE_OPTION:
        return values_read_option(r);
    case CTYPE_RESULT:
        return !values_read_is_ok(r);
    default:
        return values_read_case(r, t->case_count);
    }
}

static void read_variant(const ctype *t, values_reader *r, arena *a, component_value *ret) {
    ret->of.variant.tag = read_tag(t, r);
    const ctype *payload = values_read_ok(r) ? abi_case_type(t, ret->of.variant.tag) : NULL;
    if (payload != NULL) {
        ret->of.variant.payload = new_values(r, a, 1);
        if (values_read_ok(r)) {
            value_code_read(payload, r, a, ret->of.variant.payload);
        }
    }
}

static void read_flags(const ctype *t, values_reader *r, component_value *ret) {
    uint8_t bytes[sizeof ret->of.unsigned_] = {0};
    CHECK(t->case_count <= sizeof bytes * 8); // the decoder refuses more than 32
    values_read_flags(r, t->case_count, bytes);
    memcpy(&ret->of.unsigned_, bytes, sizeof bytes);
}

static void read_float(const ctype *t, values_reader *r, component_value *ret) {
    if (t->kind == CTYPE_F32) {
        uint32_t bits = values_read_f32(r);
        memcpy(&ret->of.f32, &bits, sizeof bits);
    } else {
        uint64_t bits = values_read_f64(r);
        memcpy(&ret->of.f64, &bits, sizeof bits);
    }
}

static void read_integer(const ctype *t, values_reader *r, component_value *ret) {
    switch (t->kind) {
    case CTYPE_S8:
        ret->of.signed_ = values_read_s8(r);
        break;
    case CTYPE_U8:
        ret->of.unsigned_ = values_read_u8(r);
        break;
    case CTYPE_S16:
        ret->of.signed_ = values_read_s16(r);
        break;
    case CTYPE_U16:
        ret->of.unsigned_ = values_read_u16(r);
        break;
    case CTYPE_S32:
        ret->of.signed_ = values_read_s32(r);
        break;
    case CTYPE_U32:
        ret->of.unsigned_ = values_read_u32(r);
        break;
    case CTYPE_S64:
        ret->of.signed_ = values_read_s64(r);
        break;
    default:
        ret->of.unsigned_ = values_read_u64(r);
        break;
    }
}

void value_code_read(const ctype *t, values_reader *r, arena *a, component_value *ret) {
    *ret = (component_value){.kind = t->kind};
    switch (t->kind) {
    case CTYPE_BOOL:
        ret->of.boolean = values_read_bool(r);
        break;
    case CTYPE_F32:
    case CTYPE_F64:
        read_float(t, r, ret);
        break;
    case CTYPE_CHAR:
        ret->of.unsigned_ = values_read_char(r);
        break;
    case CTYPE_STRING:
        ret->of.string = values_read_string(r);
        break;
    case CTYPE_LIST:
        read_list(t, r, a, ret);
        break;
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        read_record(t, r, a, ret);
        break;
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_OPTION:
    case CTYPE_RESULT:
        read_variant(t, r, a, ret);
        break;
    case CTYPE_FLAGS:
        read_flags(t, r, ret);
        break;
    case CTYPE_OWN:
    case CTYPE_BORROW:
    case CTYPE_STREAM:
    case CTYPE_FUTURE:
    case CTYPE_ERROR_CONTEXT:
        values_read_fail(r, "a resource has no bytes");
        break;
    default:
        read_integer(t, r, ret);
        break;
    }
}

status value_code_read_params(const ctype_func *f, slice payload, arena *a, component_value **ret, err *e) {
    values_reader r = values_reader_of(payload);
    component_value *args = new_values(&r, a, f->param_count);
    for (uint32_t i = 0; i < f->param_count && values_read_ok(&r); i++) {
        value_code_read(f->params[i].type, &r, a, &args[i]);
    }
    TRY(values_read_end(&r, "the arguments", e));
    *ret = args;
    return STATUS_OK;
}

// --- writing -----------------------------------------------------------------------------------------------

static void write_list(const ctype *t, const component_value *v, values_writer *w) {
    if (v->of.list.is_bytes) {
        values_write_bytes(w, slice_of(v->of.list.bytes, v->of.list.count));
        return;
    }
    if (!t->has_fixed_length) {
        values_write_count(w, v->of.list.count);
    }
    for (uint32_t i = 0; i < v->of.list.count && w->code == STATUS_OK; i++) {
        value_code_write(t->element, &v->of.list.items[i], w);
    }
}

static void write_variant(const ctype *t, const component_value *v, values_writer *w) {
    uint32_t tag = v->of.variant.tag;
    if (t->kind == CTYPE_OPTION) {
        values_write_option(w, tag != 0);
    } else if (t->kind == CTYPE_RESULT) {
        values_write_is_ok(w, tag == 0);
    } else {
        values_write_case(w, tag);
    }
    if (v->of.variant.payload != NULL) {
        value_code_write(abi_case_type(t, tag), v->of.variant.payload, w);
    }
}

static void write_float(const component_value *v, values_writer *w) {
    if (v->kind == CTYPE_F32) {
        uint32_t bits;
        memcpy(&bits, &v->of.f32, sizeof bits);
        values_write_f32(w, bits);
    } else {
        uint64_t bits;
        memcpy(&bits, &v->of.f64, sizeof bits);
        values_write_f64(w, bits);
    }
}

static void write_flags(const ctype *t, const component_value *v, values_writer *w) {
    uint8_t bytes[sizeof v->of.unsigned_];
    CHECK(t->case_count <= sizeof bytes * 8);
    memcpy(bytes, &v->of.unsigned_, sizeof bytes);
    values_write_flags(w, t->case_count, bytes);
}

static void write_integer(const component_value *v, values_writer *w) {
    switch (v->kind) {
    case CTYPE_S8:
        values_write_s8(w, (int8_t)v->of.signed_);
        break;
    case CTYPE_U8:
        values_write_u8(w, (uint8_t)v->of.unsigned_);
        break;
    case CTYPE_S16:
        values_write_s16(w, (int16_t)v->of.signed_);
        break;
    case CTYPE_U16:
        values_write_u16(w, (uint16_t)v->of.unsigned_);
        break;
    case CTYPE_S32:
        values_write_s32(w, (int32_t)v->of.signed_);
        break;
    case CTYPE_U32:
        values_write_u32(w, (uint32_t)v->of.unsigned_);
        break;
    case CTYPE_S64:
        values_write_s64(w, v->of.signed_);
        break;
    default:
        values_write_u64(w, v->of.unsigned_);
        break;
    }
}

void value_code_write(const ctype *t, const component_value *v, values_writer *w) {
    CHECK(v->kind == t->kind);
    switch (t->kind) {
    case CTYPE_BOOL:
        values_write_bool(w, v->of.boolean);
        break;
    case CTYPE_F32:
    case CTYPE_F64:
        write_float(v, w);
        break;
    case CTYPE_CHAR:
        values_write_char(w, (uint32_t)v->of.unsigned_);
        break;
    case CTYPE_STRING:
        values_write_string(w, v->of.string);
        break;
    case CTYPE_LIST:
        write_list(t, v, w);
        break;
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        for (uint32_t i = 0; i < t->case_count && w->code == STATUS_OK; i++) {
            value_code_write(t->cases[i].type, &v->of.list.items[i], w);
        }
        break;
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_OPTION:
    case CTYPE_RESULT:
        write_variant(t, v, w);
        break;
    case CTYPE_FLAGS:
        write_flags(t, v, w);
        break;
    case CTYPE_OWN:
    case CTYPE_BORROW:
    case CTYPE_STREAM:
    case CTYPE_FUTURE:
    case CTYPE_ERROR_CONTEXT:
        CHECK(false); // value_code_check
        break;
    default:
        write_integer(v, w);
        break;
    }
}

status value_code_write_result(const ctype_func *f, const component_value *v, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    if (f->result != NULL) {
        value_code_write(f->result, v, &w);
    }
    return values_write_end(&w, "the result", e);
}
