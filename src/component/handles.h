// SPDX-License-Identifier: Apache-2.0
// The handle table of one component instance: small integers that guest code holds instead of pointers.
//
// Index 0 is never used; freed indices are used again, last freed first (the specification fixes both, so
// that guests can rely on them). Every access checks index, resource type and ownership; a failed check is a
// trap of the guest. Bounded by handles_max. Not thread-safe: belongs to one store.
// Source: CanonicalABI.md "Table State", "Resource State", "canon resource.*".
#pragma once

#include "base/err.h"
#include "component/core.h"
#include "component/type.h"

// A resource type of a linked program. Identity is the address.
typedef struct handle_type {
    const ctype_resource *host; // the host's own type; NULL when a component defines it
    // When another program defines it, that program's component; `host` is in its numbering, and the
    // representation says which instance it is of (abi_remote).
    const struct component *remote;
    uint32_t instance;   // the component instance that defines it; only when host is NULL
    uint32_t destructor; // slot of the core function to call with the representation, or HANDLE_NO_DESTRUCTOR
    slice name;          // for messages; may be empty
} handle_type;

enum { HANDLE_NO_DESTRUCTOR = UINT32_MAX };

// One call into a component: counts the borrowed handles that it was given and has not dropped yet.
typedef struct handle_scope {
    uint32_t borrow_count;
} handle_scope;

typedef struct handle {
    const handle_type *type; // NULL: a free entry
    uintptr_t rep;       // the host's object or the guest's 32-bit number; next free index in a free entry
    handle_scope *scope; // of a borrowed handle; NULL when owned
    uint32_t lend_count; // calls in progress that borrow from this handle
    bool own;
} handle;

typedef struct handle_table {
    handle *items;  // [0] is not used
    uint32_t count; // entries that were ever used, with [0]
    uint32_t capacity;
    uint32_t free_first; // 0 when none is free
    uint32_t max;
} handle_table;

// What one call has borrowed from the caller's table, to be given back when it returns. Lives on the stack.
enum { HANDLE_LENDS_INLINE = 8, HANDLE_LENDS_MAX = 1 << 15 };
typedef struct handle_lends {
    handle_table *table;
    uint32_t *items; // NULL while the inline ones suffice
    uint32_t count;
    uint32_t capacity;
    uint32_t inline_items[HANDLE_LENDS_INLINE];
} handle_lends;

void handle_table_init(handle_table *t, uint32_t max);
void handle_table_done(handle_table *t); // frees the table, not what the handles stand for

// STATUS_TRAP when the table is full.
status handle_add(handle_table *t, const handle_type *type, uintptr_t rep, handle_scope *scope, uint32_t *ret,
                  err *e) WRIT_MUST_USE;
// Finds a handle of this type; the pointer is valid until the table changes.
status handle_get(const handle_table *t, uint32_t index, const handle_type *type, handle **ret,
                  err *e) WRIT_MUST_USE;
// The checks of lifting `own`, without the removal.
status handle_check_own(const handle_table *t, uint32_t index, const handle_type *type, handle **ret,
                        err *e) WRIT_MUST_USE;
// Lifts `own`: takes the handle out of the table.
status handle_take_own(handle_table *t, uint32_t index, const handle_type *type, uintptr_t *ret_rep,
                       err *e) WRIT_MUST_USE;
// Lifts `borrow`: the handle stays and cannot be dropped until handle_lends_done.
status handle_lend(handle_table *t, uint32_t index, const handle_type *type, handle_lends *lends,
                   uintptr_t *ret_rep, err *e) WRIT_MUST_USE;
// resource.drop without the destructor: removes any handle that is not lent. `ret` is what was removed.
status handle_remove(handle_table *t, uint32_t index, const handle_type *type, handle *ret,
                     err *e) WRIT_MUST_USE;

void handle_lends_init(handle_lends *lends, handle_table *table);
// The call has returned (or trapped): what it borrowed may be dropped again.
void handle_lends_done(handle_lends *lends);
