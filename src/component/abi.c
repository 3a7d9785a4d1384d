// SPDX-License-Identifier: Apache-2.0
// Flat values need no tables of joined types: a core value is 16 raw bytes, so a narrow value is read from
// the low bytes of a wide slot, and written with the upper bytes of the slot zero, which is what joining asks
// for.
#include "component/abi_internal.h"

#include "base/check.h"

// --- layout ------------------------------------------------------------------------------------------------

status abi_layout_make(const ctype_func *type, arena *a, abi_layout *ret, err *e) {
    uint32_t *offsets = ARENA_ARRAY(a, uint32_t, type->param_count);
    if (offsets == NULL) {
        return err_set(e, STATUS_LIMIT, "no room to lay out a function's parameters");
    }
    uint64_t at = 0;
    uint32_t align = 1;
    uint32_t flat = 0;
    for (uint32_t i = 0; i < type->param_count; i++) {
        const ctype *t = type->params[i].type;
        at = (at + t->align - 1) & ~(uint64_t)(t->align - 1);
        offsets[i] = (uint32_t)at;
        at += t->size;
        align = t->align > align ? t->align : align;
        flat = flat + t->flat_count > CTYPE_FLAT_LIMIT ? CTYPE_FLAT_LIMIT : flat + t->flat_count;
        if (at > MEMORY_LIST_BYTES_MAX) {
            return err_set(e, STATUS_LIMIT, "the parameters of a function are larger than 2^28 bytes");
        }
    }
    *ret = (abi_layout){
        .type = type,
        .size = (uint32_t)((at + align - 1) & ~(uint64_t)(align - 1)),
        .align = align,
        .flat_count = flat,
        .offsets = offsets,
        .params_spilled = flat > CTYPE_FLAT_PARAMS_MAX,
        .result_spilled = type->result != NULL && type->result->flat_count > CTYPE_FLAT_RESULTS_MAX,
    };
    return STATUS_OK;
}

// --- scalars -----------------------------------------------------------------------------------------------

static uint64_t load_bits(const abi_side *from, abi_place p, uint32_t size) {
    if (p.flat != NULL) {
        return size == 8 ? p.flat->u64 : p.flat->u32;
    }
    uint64_t v = 0;
    memcpy(&v, memory_at(&from->memory, p.ptr), size);
    return v;
}

static void store_bits(const abi_side *to, abi_place p, uint32_t size, uint64_t v) {
    if (p.flat != NULL) {
        p.flat->u64 = size == 8 ? v : (uint32_t)v;
    } else {
        memcpy(memory_at(&to->memory, p.ptr), &v, size);
    }
}

uint32_t abi_load_u32(const abi_side *from, abi_place p) { return (uint32_t)load_bits(from, p, 4); }

void abi_store_u32(const abi_side *to, abi_place p, uint32_t value) { store_bits(to, p, 4, value); }

void abi_load_pair(const abi_side *from, abi_place p, uint32_t *ret_ptr, uint32_t *ret_len) {
    if (p.flat != NULL) {
        *ret_ptr = p.flat[0].u32;
        *ret_len = p.flat[1].u32;
    } else {
        memcpy(ret_ptr, memory_at(&from->memory, p.ptr), 4);
        memcpy(ret_len, memory_at(&from->memory, p.ptr) + 4, 4);
    }
}

void abi_store_pair(const abi_side *to, abi_place p, uint32_t ptr, uint32_t len) {
    if (p.flat != NULL) {
        p.flat[0].u64 = ptr;
        p.flat[1].u64 = len;
    } else {
        memcpy(memory_at(&to->memory, p.ptr), &ptr, 4);
        memcpy(memory_at(&to->memory, p.ptr) + 4, &len, 4);
    }
}

status abi_check_char(uint32_t code, err *e) {
    if (code >= 0x110000 || (code >= 0xd800 && code <= 0xdfff)) {
        return err_set(e, STATUS_TRAP, "invalid `char` bit pattern: 0x%x is not a Unicode scalar value",
                       code);
    }
    return STATUS_OK;
}

static uint64_t flags_mask(const ctype *t) {
    return t->case_count >= 64 ? UINT64_MAX : ((uint64_t)1 << t->case_count) - 1;
}

status abi_load_scalar(const ctype *t, const abi_side *from, abi_place p, uint64_t *ret, err *e) {
    uint64_t v = load_bits(from, p, t->size);
    switch (t->kind) {
    case CTYPE_BOOL:
        *ret = (p.flat != NULL ? v : (uint8_t)v) != 0;
        return STATUS_OK;
    case CTYPE_S8:
        *ret = (uint64_t)(int64_t)(int8_t)v;
        return STATUS_OK;
    case CTYPE_U8:
        *ret = (uint8_t)v;
        return STATUS_OK;
    case CTYPE_S16:
        *ret = (uint64_t)(int64_t)(int16_t)v;
        return STATUS_OK;
    case CTYPE_U16:
        *ret = (uint16_t)v;
        return STATUS_OK;
    case CTYPE_S32:
        *ret = (uint64_t)(int64_t)(int32_t)v;
        return STATUS_OK;
    case CTYPE_U32:
        *ret = (uint32_t)v;
        return STATUS_OK;
    case CTYPE_S64:
    case CTYPE_U64:
        *ret = v;
        return STATUS_OK;
    case CTYPE_F32:
        *ret = memory_canonical_f32((uint32_t)v);
        return STATUS_OK;
    case CTYPE_F64:
        *ret = memory_canonical_f64(v);
        return STATUS_OK;
    case CTYPE_CHAR:
        TRY(abi_check_char((uint32_t)v, e));
        *ret = (uint32_t)v;
        return STATUS_OK;
    case CTYPE_FLAGS:
        *ret = v & flags_mask(t);
        return STATUS_OK;
    default:
        return err_set(e, STATUS_INTERNAL, "not a scalar type");
    }
}

void abi_store_scalar(const ctype *t, const abi_side *to, abi_place p, uint64_t value) {
    store_bits(to, p, t->size, value);
}

status abi_load_tag(const ctype *t, const abi_side *from, abi_place p, uint32_t *ret, err *e) {
    uint32_t tag = (uint32_t)load_bits(from, p, t->discriminant_size);
    uint32_t count = abi_case_count(t);
    if (tag >= count) {
        return err_set(e, STATUS_TRAP, "invalid variant discriminant: %u of a type with %u cases", tag,
                       count);
    }
    *ret = tag;
    return STATUS_OK;
}

void abi_store_tag(const ctype *t, const abi_side *to, abi_place p, uint32_t tag) {
    store_bits(to, p, t->discriminant_size, tag);
}

uint32_t abi_case_count(const ctype *t) {
    return t->kind == CTYPE_OPTION || t->kind == CTYPE_RESULT ? 2 : t->case_count;
}

const ctype *abi_case_type(const ctype *t, uint32_t tag) {
    switch (t->kind) {
    case CTYPE_OPTION:
        return tag == 0 ? NULL : t->element;
    case CTYPE_RESULT:
        return tag == 0 ? t->element : t->error;
    case CTYPE_VARIANT:
        return t->cases[tag].type;
    default:
        return NULL;
    }
}

void abi_zero_rest(const ctype *t, abi_place target, const ctype *payload) {
    if (target.flat == NULL) {
        return;
    }
    for (uint32_t i = 1 + (payload == NULL ? 0 : payload->flat_count); i < t->flat_count; i++) {
        target.flat[i].u64 = 0;
    }
}

// --- handles -----------------------------------------------------------------------------------------------

void abi_drop_host(const handle_type *type, uintptr_t rep, void *context) {
    if (type->host != NULL && type->host->drop != NULL) {
        type->host->drop(context, (void *)rep);
    }
}

status abi_lower_own(const handle_type *type, uintptr_t rep, abi_side *to, uint32_t *ret, err *e) {
    status s = handle_add(to->handles, type, rep, NULL, ret, e);
    if (s != STATUS_OK) {
        to->memory.has_failed = true;
        abi_drop_host(type, rep, to->context);
    }
    return s;
}

status abi_lower_borrow(const handle_type *type, uintptr_t rep, abi_side *to, uint32_t *ret, err *e) {
    if (type->host == NULL && type->instance == to->instance) {
        *ret = (uint32_t)rep;
        return STATUS_OK;
    }
    CHECK(to->scope != NULL); // the validator allows borrows in parameters only
    return handle_add(to->handles, type, rep, to->scope, ret, e);
}

static uintptr_t remote_rep(const abi_remote *r, uintptr_t rep) {
    return (uintptr_t)r->generation << 32 | (uint32_t)rep;
}

static status move_handle_here(const ctype *t, const handle_type *type, abi_side *from, uint32_t index,
                               abi_side *to, uint32_t *ret, err *e) {
    uintptr_t rep;
    if (t->kind == CTYPE_OWN) {
        TRY(handle_take_own(from->handles, index, type, &rep, e));
        return abi_lower_own(type, rep, to, ret, e);
    }
    CHECK(from->lends != NULL);
    TRY(handle_lend(from->handles, index, type, from->lends, &rep, e));
    return abi_lower_borrow(type, rep, to, ret, e);
}

// Back to the program that defines it.
static status move_handle_home(const ctype *t, const handle_type *type, abi_side *from, uint32_t index,
                               abi_side *to, uint32_t *ret, err *e) {
    const handle_type *own = to->remote->types[type->host->index];
    uintptr_t rep;
    if (t->kind == CTYPE_OWN) {
        TRY(handle_take_own(from->handles, index, type, &rep, e));
    } else {
        TRY(handle_lend(from->handles, index, type, from->lends, &rep, e));
    }
    if (rep >> 32 != to->remote->generation) {
        to->memory.has_failed = true;
        return err_set(e, STATUS_TRAP, "the instance that the resource \"%.*s\" was of has failed before",
                       SLICE_ARG(type->name));
    }
    return t->kind == CTYPE_OWN ? abi_lower_own(own, (uint32_t)rep, to, ret, e)
                                : abi_lower_borrow(own, (uint32_t)rep, to, ret, e);
}

// From the program that defines it: never a borrow, which results cannot have.
static status move_handle_abroad(const handle_type *type, abi_side *from, uint32_t index, abi_side *to,
                                 uint32_t *ret, err *e) {
    const handle_type *own = from->remote->types[type->host->index];
    uintptr_t rep;
    TRY(handle_take_own(from->handles, index, own, &rep, e));
    return abi_lower_own(type, remote_rep(from->remote, rep), to, ret, e);
}

static status move_handle(const ctype *t, abi_side *from, abi_place source, abi_side *to, abi_place target,
                          err *e) {
    const handle_type *type = (from->remote != NULL ? to : from)->types[t->resource->index];
    uint32_t index = abi_load_u32(from, source);
    uint32_t given;
    if (to->remote != NULL) {
        TRY(move_handle_home(t, type, from, index, to, &given, e));
    } else if (from->remote != NULL) {
        TRY(move_handle_abroad(type, from, index, to, &given, e));
    } else {
        TRY(move_handle_here(t, type, from, index, to, &given, e));
    }
    abi_store_u32(to, target, given);
    return STATUS_OK;
}

// --- compound values ---------------------------------------------------------------------------------------

static status move_string(abi_side *from, abi_place source, abi_side *to, abi_place target, err *e) {
    uint32_t ptr;
    uint32_t length;
    abi_load_pair(from, source, &ptr, &length);
    memory_text text;
    TRY(memory_text_at(&from->memory, ptr, length, &text, e));
    TRY(memory_text_store(&to->memory, &text, &ptr, &length, e));
    abi_store_pair(to, target, ptr, length);
    return STATUS_OK;
}

// Elements whose bytes are the same on both sides whatever they are.
static bool is_plain(const ctype *t) { return t->kind >= CTYPE_S8 && t->kind <= CTYPE_U64; }

static status move_elements(const ctype *element, uint32_t count, abi_side *from, abi_place source,
                            abi_side *to, abi_place target, err *e) {
    if (is_plain(element) && source.flat == NULL && target.flat == NULL) {
        if (count != 0) {
            memcpy(memory_at(&to->memory, target.ptr), memory_at(&from->memory, source.ptr),
                   (size_t)count * element->size);
        }
        return STATUS_OK;
    }
    TRY(memory_charge(&from->memory, ABI_STEP_WORK * (uint64_t)count, e));
    for (uint32_t i = 0; i < count; i++) {
        TRY(abi_move(element, from, abi_element(source, element, i), to, abi_element(target, element, i), e));
    }
    return STATUS_OK;
}

static status move_list(const ctype *t, abi_side *from, abi_place source, abi_side *to, abi_place target,
                        err *e) {
    const ctype *element = t->element;
    if (t->has_fixed_length) {
        return move_elements(element, t->fixed_length, from, source, to, target, e);
    }
    uint32_t ptr;
    uint32_t count;
    uint8_t *bytes;
    abi_load_pair(from, source, &ptr, &count);
    TRY(memory_list(&from->memory, ptr, count, element->size, element->align, &bytes, e));
    uint32_t to_ptr;
    TRY(memory_alloc(&to->memory, element->align, (uint64_t)count * element->size, "list content", &to_ptr,
                     &bytes, e));
    memory_refresh(&from->memory); // its base may have moved
    TRY(move_elements(element, count, from, abi_memory(ptr), to, abi_memory(to_ptr), e));
    abi_store_pair(to, target, to_ptr, count);
    return STATUS_OK;
}

static status move_record(const ctype *t, abi_side *from, abi_place source, abi_side *to, abi_place target,
                          err *e) {
    uint32_t flat = 0;
    for (uint32_t i = 0; i < t->case_count; i++) {
        const ctype_case *field = &t->cases[i];
        TRY(abi_move(field->type, from, abi_field(source, field, flat), to, abi_field(target, field, flat),
                     e));
        flat += field->type->flat_count;
    }
    return STATUS_OK;
}

static status move_variant(const ctype *t, abi_side *from, abi_place source, abi_side *to, abi_place target,
                           err *e) {
    uint32_t tag;
    TRY(abi_load_tag(t, from, source, &tag, e));
    abi_store_tag(t, to, target, tag);
    const ctype *payload = abi_case_type(t, tag);
    abi_zero_rest(t, target, payload);
    if (payload == NULL) {
        return STATUS_OK;
    }
    return abi_move(payload, from, abi_payload(source, t), to, abi_payload(target, t), e);
}

status abi_move(const ctype *t, abi_side *from, abi_place source, abi_side *to, abi_place target, err *e) {
    uint64_t bits;
    switch (t->kind) {
    case CTYPE_STRING:
        return move_string(from, source, to, target, e);
    case CTYPE_LIST:
        return move_list(t, from, source, to, target, e);
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        return move_record(t, from, source, to, target, e);
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_OPTION:
    case CTYPE_RESULT:
        return move_variant(t, from, source, to, target, e);
    case CTYPE_OWN:
    case CTYPE_BORROW:
        return move_handle(t, from, source, to, target, e);
    case CTYPE_STREAM:
    case CTYPE_FUTURE:
    case CTYPE_ERROR_CONTEXT:
        return err_set(e, STATUS_INTERNAL, "an async value reached the movers");
    default:
        TRY(abi_load_scalar(t, from, source, &bits, e));
        abi_store_scalar(t, to, target, bits);
        return STATUS_OK;
    }
}
