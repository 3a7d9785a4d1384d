// SPDX-License-Identifier: Apache-2.0
// The movers of the canonical ABI: values of one type from one guest straight into another, or between a
// guest and component_value. There is no tree of values in between; strings and lists of plain numbers are
// copied as blocks.
//
// A place is where a value stands: consecutive core values (flat), or an address in guest memory that was
// checked for the whole value. Recursion follows types, whose depth the decoder bounds, never data.
// Every failure is STATUS_TRAP and the instance must not run again, so nothing is undone except that objects
// of the host are never lost: each is in exactly one table, or dropped. Source: CanonicalABI.md "Loading" to
// "Lifting and Lowering Values".
#pragma once

#include "base/arena.h"
#include "component/component.h"
#include "component/handles.h"
#include "component/memory.h"

// Resources of an instance of another program, as its callers hold them: the number of the instance in the
// upper half, so that a handle never reaches one that took its place.
typedef struct abi_remote {
    const handle_type *const *types; // by index, in the numbering of that program
    uint32_t generation;
} abi_remote;

// One component instance as one side of one call.
typedef struct abi_side {
    memory_guest memory;
    handle_table *handles;
    uint32_t instance; // its number: borrows of a resource that it defines itself pass as the number
    const handle_type *const *types; // by ctype_resource.index, in the numbering of the type that is moved
    handle_lends *lends;             // caller: what it lends
    handle_scope *scope;             // callee: the borrows that it must drop
    void *context;                   // for dropping host objects
    const abi_remote *remote;        // of the side that is an instance of another program; else NULL
} abi_side;

typedef struct abi_place {
    core_value *flat; // NULL: in memory at `ptr`
    uint32_t ptr;
} abi_place;

static inline abi_place abi_flat(core_value *values) { return (abi_place){.flat = values}; }
static inline abi_place abi_memory(uint32_t ptr) { return (abi_place){.ptr = ptr}; }

// The parameters of a function as one tuple, laid out once when the program is linked.
typedef struct abi_layout {
    const ctype_func *type;
    uint32_t size; // of the tuple of all parameters
    uint32_t align;
    uint32_t flat_count; // of all parameters together, saturating
    const uint32_t *offsets;
    bool params_spilled;
    bool result_spilled;
} abi_layout;

// STATUS_LIMIT when the arena is full or the tuple has no 32-bit layout.
status abi_layout_make(const ctype_func *type, arena *a, abi_layout *ret, err *e) WRIT_MUST_USE;

// Moves one value. The resource types are those of `from->types`, indexed by `t`; for `to` they are the same.
// Where one side is remote, they are those of the other side, in both directions.
status abi_move(const ctype *t, abi_side *from, abi_place source, abi_side *to, abi_place target,
                err *e) WRIT_MUST_USE;

// Guest to value; what it points to is in `a`. Own host objects that were taken are dropped again on failure
// by abi_values_drop of what is complete, so pass a zeroed value.
status abi_lift(const ctype *t, abi_side *from, abi_place source, arena *a, component_value *ret,
                err *e) WRIT_MUST_USE;

// Value to guest. `consumed` counts the own handles that have been given to the guest (or dropped).
status abi_lower(const ctype *t, const component_value *value, abi_side *to, abi_place target,
                 uint32_t *consumed, err *e) WRIT_MUST_USE;

// Drops the own host objects in `value` except the first `*skip` (in the order of abi_lower), which it counts
// down.
void abi_value_drop(const ctype *t, const component_value *value, const abi_side *side, uint32_t *skip);

// Scalars, shared with the glue's functions.
status abi_check_char(uint32_t code, err *e) WRIT_MUST_USE;
