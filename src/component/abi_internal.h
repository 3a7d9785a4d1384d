// SPDX-License-Identifier: Apache-2.0
// Parts of the movers that abi.c and abi_value.c share.
#pragma once

#include "component/abi.h"

enum { ABI_STEP_WORK = 8 }; // what moving one element counts, as bytes (see MEMORY_WORK_MAX)

// The parts of a compound value.
static inline abi_place abi_field(abi_place p, const ctype_case *field, uint32_t flat_before) {
    return p.flat != NULL ? abi_flat(p.flat + flat_before) : abi_memory(p.ptr + field->offset);
}
static inline abi_place abi_payload(abi_place p, const ctype *t) {
    return p.flat != NULL ? abi_flat(p.flat + 1) : abi_memory(p.ptr + t->payload_offset);
}
static inline abi_place abi_element(abi_place p, const ctype *element, uint32_t index) {
    return p.flat != NULL ? abi_flat(p.flat + (size_t)index * element->flat_count)
                          : abi_memory(p.ptr + index * element->size);
}

// A number, character, bool, float, enum or set of flags as canonical bits: sign or zero extended to 64 bits.
status abi_load_scalar(const ctype *t, const abi_side *from, abi_place p, uint64_t *ret,
                       err *e) WRIT_MUST_USE;
void abi_store_scalar(const ctype *t, const abi_side *to, abi_place p, uint64_t value);

// A discriminant; also of an enum.
status abi_load_tag(const ctype *t, const abi_side *from, abi_place p, uint32_t *ret, err *e) WRIT_MUST_USE;
void abi_store_tag(const ctype *t, const abi_side *to, abi_place p, uint32_t tag);
// Flat slots that a smaller case leaves unused are zero.
void abi_zero_rest(const ctype *t, abi_place target, const ctype *payload);

// Pointer and length (or count) of a string or list.
void abi_load_pair(const abi_side *from, abi_place p, uint32_t *ret_ptr, uint32_t *ret_len);
void abi_store_pair(const abi_side *to, abi_place p, uint32_t ptr, uint32_t len);
uint32_t abi_load_u32(const abi_side *from, abi_place p);
void abi_store_u32(const abi_side *to, abi_place p, uint32_t value);

// How many cases a variant, enum, option or result has, and the payload of one (NULL when it has none).
uint32_t abi_case_count(const ctype *t);
const ctype *abi_case_type(const ctype *t, uint32_t tag);

// Gives a resource to a guest. On failure an own host object is dropped.
status abi_lower_own(const handle_type *type, uintptr_t rep, abi_side *to, uint32_t *ret,
                     err *e) WRIT_MUST_USE;
status abi_lower_borrow(const handle_type *type, uintptr_t rep, abi_side *to, uint32_t *ret,
                        err *e) WRIT_MUST_USE;
void abi_drop_host(const handle_type *type, uintptr_t rep, void *context);
