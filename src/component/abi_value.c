// SPDX-License-Identifier: Apache-2.0
// Between guests and component_value: for exports that the host calls and for tests. Not on the path of
// requests beyond a few handles.
#include "component/abi_internal.h"

#include "base/check.h"

// --- guest to value ----------------------------------------------------------------------------------------

static component_value *new_values(arena *a, size_t count, err *e) {
    component_value *items = ARENA_ARRAY(a, component_value, count);
    if (items == NULL) {
        (void)err_set(e, STATUS_TRAP, "a value with %zu parts is larger than one call may use", count);
    }
    return items;
}

static status lift_items(const ctype *element, uint32_t count, abi_side *from, abi_place source, arena *a,
                         component_value *ret, err *e) {
    TRY(memory_charge(&from->memory, ABI_STEP_WORK * (uint64_t)count, e));
    ret->of.list.items = new_values(a, count, e);
    if (ret->of.list.items == NULL) {
        return STATUS_TRAP;
    }
    for (uint32_t i = 0; i < count; i++) {
        ret->of.list.count = i + 1; // on failure what is there can be dropped
        TRY(abi_lift(element, from, abi_element(source, element, i), a, &ret->of.list.items[i], e));
    }
    return STATUS_OK;
}

static status lift_bytes(const uint8_t *bytes, uint32_t count, arena *a, component_value *ret, err *e) {
    slice copy = arena_copy(a, slice_of(bytes, count));
    if (copy.data == NULL && count > 0) {
        return err_set(e, STATUS_TRAP, "a list of %u bytes is larger than one call may use", count);
    }
    ret->of.list.bytes = copy.data;
    ret->of.list.count = count;
    ret->of.list.is_bytes = true;
    return STATUS_OK;
}

static status lift_list(const ctype *t, abi_side *from, abi_place source, arena *a, component_value *ret,
                        err *e) {
    if (t->has_fixed_length) {
        return lift_items(t->element, t->fixed_length, from, source, a, ret, e);
    }
    uint32_t ptr;
    uint32_t count;
    uint8_t *bytes;
    abi_load_pair(from, source, &ptr, &count);
    TRY(memory_list(&from->memory, ptr, count, t->element->size, t->element->align, &bytes, e));
    if (t->element->kind == CTYPE_U8) {
        return lift_bytes(bytes, count, a, ret, e);
    }
    return lift_items(t->element, count, from, abi_memory(ptr), a, ret, e);
}

static status lift_record(const ctype *t, abi_side *from, abi_place source, arena *a, component_value *ret,
                          err *e) {
    ret->of.list.items = new_values(a, t->case_count, e);
    if (ret->of.list.items == NULL) {
        return STATUS_TRAP;
    }
    uint32_t flat = 0;
    for (uint32_t i = 0; i < t->case_count; i++) {
        const ctype_case *field = &t->cases[i];
        ret->of.list.count = i + 1;
        TRY(abi_lift(field->type, from, abi_field(source, field, flat), a, &ret->of.list.items[i], e));
        flat += field->type->flat_count;
    }
    return STATUS_OK;
}

static status lift_variant(const ctype *t, abi_side *from, abi_place source, arena *a, component_value *ret,
                           err *e) {
    TRY(abi_load_tag(t, from, source, &ret->of.variant.tag, e));
    const ctype *payload = abi_case_type(t, ret->of.variant.tag);
    if (payload == NULL) {
        return STATUS_OK;
    }
    ret->of.variant.payload = new_values(a, 1, e);
    if (ret->of.variant.payload == NULL) {
        return STATUS_TRAP;
    }
    return abi_lift(payload, from, abi_payload(source, t), a, ret->of.variant.payload, e);
}

static status lift_string(abi_side *from, abi_place source, arena *a, component_value *ret, err *e) {
    uint32_t ptr;
    uint32_t length;
    abi_load_pair(from, source, &ptr, &length);
    memory_text text;
    slice utf8;
    TRY(memory_text_at(&from->memory, ptr, length, &text, e));
    TRY(memory_text_utf8(&text, a, &utf8, e));
    slice copy = text.units == MEMORY_UTF8 ? arena_copy(a, utf8) : utf8;
    if (copy.data == NULL && copy.len > 0) {
        return err_set(e, STATUS_TRAP, "a string of %zu bytes is larger than one call may use", utf8.len);
    }
    ret->of.string = copy;
    return STATUS_OK;
}

// `rep` stays NULL until the object is ours, so that dropping a half lifted value drops only what was taken.
static status lift_handle(const ctype *t, abi_side *from, abi_place source, component_value *ret, err *e) {
    const handle_type *type = from->types[t->resource->index];
    ret->of.handle.type = type->host != NULL ? type->host : t->resource;
    uint32_t index = abi_load_u32(from, source);
    uintptr_t rep = 0;
    if (t->kind == CTYPE_OWN) {
        TRY(handle_take_own(from->handles, index, type, &rep, e));
    } else {
        CHECK(from->lends != NULL);
        TRY(handle_lend(from->handles, index, type, from->lends, &rep, e));
    }
    ret->of.handle.rep = (void *)rep;
    return STATUS_OK;
}

static status lift_scalar(const ctype *t, abi_side *from, abi_place source, component_value *ret, err *e) {
    uint64_t bits;
    TRY(abi_load_scalar(t, from, source, &bits, e));
    switch (t->kind) {
    case CTYPE_BOOL:
        ret->of.boolean = bits != 0;
        break;
    case CTYPE_S8:
    case CTYPE_S16:
    case CTYPE_S32:
    case CTYPE_S64:
        ret->of.signed_ = (int64_t)bits;
        break;
    case CTYPE_F32: {
        uint32_t low = (uint32_t)bits;
        memcpy(&ret->of.f32, &low, sizeof low);
        break;
    }
    case CTYPE_F64:
        memcpy(&ret->of.f64, &bits, sizeof bits);
        break;
    default:
        ret->of.unsigned_ = bits;
        break;
    }
    return STATUS_OK;
}

status abi_lift(const ctype *t, abi_side *from, abi_place source, arena *a, component_value *ret, err *e) {
    ret->kind = t->kind;
    switch (t->kind) {
    case CTYPE_STRING:
        return lift_string(from, source, a, ret, e);
    case CTYPE_LIST:
        return lift_list(t, from, source, a, ret, e);
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        return lift_record(t, from, source, a, ret, e);
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_OPTION:
    case CTYPE_RESULT:
        return lift_variant(t, from, source, a, ret, e);
    case CTYPE_OWN:
    case CTYPE_BORROW:
        return lift_handle(t, from, source, ret, e);
    default:
        return lift_scalar(t, from, source, ret, e);
    }
}

// --- value to guest ----------------------------------------------------------------------------------------

static status wrong_shape(const char *what, err *e) {
    return err_set(e, STATUS_INVALID, "a value passed to the component has the wrong %s", what);
}

static status lower_items(const ctype *element, const component_value *v, abi_side *to, abi_place target,
                          uint32_t *consumed, err *e) {
    for (uint32_t i = 0; i < v->of.list.count; i++) {
        TRY(abi_lower(element, &v->of.list.items[i], to, abi_element(target, element, i), consumed, e));
    }
    return STATUS_OK;
}

static status lower_list(const ctype *t, const component_value *v, abi_side *to, abi_place target,
                         uint32_t *consumed, err *e) {
    if (v->of.list.is_bytes && (t->has_fixed_length || t->element->kind != CTYPE_U8)) {
        return wrong_shape("form of a list", e);
    }
    if (t->has_fixed_length) {
        return v->of.list.count == t->fixed_length ? lower_items(t->element, v, to, target, consumed, e)
                                                   : wrong_shape("length of a list", e);
    }
    uint64_t bytes = (uint64_t)v->of.list.count * t->element->size;
    if (bytes > MEMORY_LIST_BYTES_MAX) {
        return err_set(e, STATUS_TRAP, "a list of %u elements is too long to be passed", v->of.list.count);
    }
    uint32_t ptr;
    uint8_t *content;
    TRY(memory_alloc(&to->memory, t->element->align, bytes, "list content", &ptr, &content, e));
    if (v->of.list.is_bytes) {
        if (bytes > 0) {
            memcpy(content, v->of.list.bytes, (size_t)bytes);
        }
    } else {
        TRY(lower_items(t->element, v, to, abi_memory(ptr), consumed, e));
    }
    abi_store_pair(to, target, ptr, v->of.list.count);
    return STATUS_OK;
}

static status lower_record(const ctype *t, const component_value *v, abi_side *to, abi_place target,
                           uint32_t *consumed, err *e) {
    if (v->of.list.count != t->case_count || v->of.list.is_bytes) {
        return wrong_shape("number of fields", e);
    }
    uint32_t flat = 0;
    for (uint32_t i = 0; i < t->case_count; i++) {
        const ctype_case *field = &t->cases[i];
        TRY(abi_lower(field->type, &v->of.list.items[i], to, abi_field(target, field, flat), consumed, e));
        flat += field->type->flat_count;
    }
    return STATUS_OK;
}

static status lower_variant(const ctype *t, const component_value *v, abi_side *to, abi_place target,
                            uint32_t *consumed, err *e) {
    if (v->of.variant.tag >= abi_case_count(t)) {
        return wrong_shape("case", e);
    }
    const ctype *payload = abi_case_type(t, v->of.variant.tag);
    if ((payload == NULL) != (v->of.variant.payload == NULL)) {
        return wrong_shape("payload", e);
    }
    abi_store_tag(t, to, target, v->of.variant.tag);
    abi_zero_rest(t, target, payload);
    return payload == NULL
               ? STATUS_OK
               : abi_lower(payload, v->of.variant.payload, to, abi_payload(target, t), consumed, e);
}

static status lower_string(const component_value *v, abi_side *to, abi_place target, err *e) {
    memory_text text;
    uint32_t ptr;
    uint32_t length;
    TRY(memory_text_from_utf8(v->of.string, &text, e));
    TRY(memory_text_store(&to->memory, &text, &ptr, &length, e));
    abi_store_pair(to, target, ptr, length);
    return STATUS_OK;
}

// Whether a handle value is of this type: host resources by identity, those of components by number.
static bool is_of_type(const ctype_resource *have, const handle_type *want, const ctype_resource *named) {
    if (want->host != NULL) {
        return have == want->host;
    }
    return have != NULL && have->interface.len == 0 && have->index == named->index;
}

static status lower_handle(const ctype *t, const component_value *v, abi_side *to, abi_place target,
                           uint32_t *consumed, err *e) {
    const handle_type *type = to->types[t->resource->index];
    if (!is_of_type(v->of.handle.type, type, t->resource)) {
        return wrong_shape("resource type", e);
    }
    uint32_t index;
    if (t->kind == CTYPE_OWN) {
        (*consumed)++;
        TRY(abi_lower_own(type, (uintptr_t)v->of.handle.rep, to, &index, e));
    } else {
        TRY(abi_lower_borrow(type, (uintptr_t)v->of.handle.rep, to, &index, e));
    }
    abi_store_u32(to, target, index);
    return STATUS_OK;
}

static status lower_scalar(const ctype *t, const component_value *v, abi_side *to, abi_place target, err *e) {
    uint64_t bits = v->of.unsigned_;
    uint32_t low;
    switch (t->kind) {
    case CTYPE_BOOL:
        bits = v->of.boolean;
        break;
    case CTYPE_S8:
    case CTYPE_S16:
    case CTYPE_S32:
    case CTYPE_S64:
        bits = (uint64_t)v->of.signed_;
        break;
    case CTYPE_F32:
        memcpy(&low, &v->of.f32, sizeof low);
        bits = memory_canonical_f32(low);
        break;
    case CTYPE_F64:
        memcpy(&bits, &v->of.f64, sizeof bits);
        bits = memory_canonical_f64(bits);
        break;
    case CTYPE_CHAR:
        if (abi_check_char((uint32_t)bits, e) != STATUS_OK || bits > UINT32_MAX) {
            return wrong_shape("character", e);
        }
        break;
    default:
        break;
    }
    abi_store_scalar(t, to, target, bits);
    return STATUS_OK;
}

status abi_lower(const ctype *t, const component_value *value, abi_side *to, abi_place target,
                 uint32_t *consumed, err *e) {
    if (value->kind != t->kind) {
        return wrong_shape("kind", e);
    }
    switch (t->kind) {
    case CTYPE_STRING:
        return lower_string(value, to, target, e);
    case CTYPE_LIST:
        return lower_list(t, value, to, target, consumed, e);
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        return lower_record(t, value, to, target, consumed, e);
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_OPTION:
    case CTYPE_RESULT:
        return lower_variant(t, value, to, target, consumed, e);
    case CTYPE_OWN:
    case CTYPE_BORROW:
        return lower_handle(t, value, to, target, consumed, e);
    default:
        return lower_scalar(t, value, to, target, e);
    }
}

// --- dropping ----------------------------------------------------------------------------------------------

// Only the kinds in `value` are trusted where they agree with the type: a value of the wrong shape ends the
// walk.
void abi_value_drop(const ctype *t, const component_value *value, const abi_side *side, uint32_t *skip) {
    if (value->kind != t->kind || !t->has_handle) {
        return;
    }
    switch (t->kind) {
    case CTYPE_LIST:
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        for (uint32_t i = 0; i < value->of.list.count && (t->kind == CTYPE_LIST || i < t->case_count); i++) {
            const ctype *part = t->kind == CTYPE_LIST ? t->element : t->cases[i].type;
            abi_value_drop(part, &value->of.list.items[i], side, skip);
        }
        break;
    case CTYPE_VARIANT:
    case CTYPE_OPTION:
    case CTYPE_RESULT:
        if (value->of.variant.tag < abi_case_count(t) && value->of.variant.payload != NULL) {
            const ctype *payload = abi_case_type(t, value->of.variant.tag);
            if (payload != NULL) {
                abi_value_drop(payload, value->of.variant.payload, side, skip);
            }
        }
        break;
    case CTYPE_OWN:
        if (*skip > 0) {
            (*skip)--;
        } else if (value->of.handle.rep != NULL) {
            const handle_type *type = side->types[t->resource->index];
            if (value->of.handle.type == type->host) {
                abi_drop_host(type, (uintptr_t)value->of.handle.rep, side->context);
            }
        }
        break;
    default:
        break;
    }
}
