// SPDX-License-Identifier: Apache-2.0
// A growing array with the free entries chained through `rep`.
#include "component/handles.h"

#include "base/check.h"
#include "base/mem.h"

enum { HANDLES_FIRST = 16 };

void handle_table_init(handle_table *t, uint32_t max) { *t = (handle_table){.count = 1, .max = max}; }

void handle_table_done(handle_table *t) {
    mem_free(t->items);
    *t = (handle_table){0};
}

static status grow(handle_table *t, err *e) {
    uint32_t want = t->capacity == 0 ? HANDLES_FIRST : t->capacity * 2;
    if (want > t->max) {
        want = t->max;
    }
    if (want <= t->count) {
        return err_set(e, STATUS_TRAP, "the handle table is full: a component instance may hold %u handles",
                       t->max == 0 ? 0 : t->max - 1);
    }
    handle *items = mem_try_resize(t->items, (size_t)want * sizeof *items);
    if (items == NULL) {
        return err_set(e, STATUS_TRAP, "no memory for a handle table of %u entries", want);
    }
    t->items = items;
    t->capacity = want;
    return STATUS_OK;
}

status handle_add(handle_table *t, const handle_type *type, uintptr_t rep, handle_scope *scope, uint32_t *ret,
                  err *e) {
    CHECK(type != NULL);
    uint32_t index = t->free_first;
    if (index != 0) {
        t->free_first = (uint32_t)t->items[index].rep;
    } else {
        if (t->count >= t->capacity) {
            TRY(grow(t, e));
        }
        index = t->count++;
    }
    t->items[index] = (handle){.type = type, .rep = rep, .scope = scope, .own = scope == NULL};
    if (scope != NULL) {
        scope->borrow_count++;
    }
    *ret = index;
    return STATUS_OK;
}

static status wrong_type(uint32_t index, const handle_type *want, const handle_type *have, err *e) {
    return err_set(e, STATUS_TRAP,
                   "handle index %u used with the wrong type, expected %s resource but found a%s %s resource "
                   "(`%.*s` expected, `%.*s` found)",
                   index, want->host == NULL ? "guest-defined" : "host-defined",
                   (want->host == NULL) == (have->host == NULL) ? " different" : "",
                   have->host == NULL ? "guest-defined" : "host-defined", SLICE_ARG(want->name),
                   SLICE_ARG(have->name));
}

status handle_get(const handle_table *t, uint32_t index, const handle_type *type, handle **ret, err *e) {
    if (index == 0 || index >= t->count || t->items[index].type == NULL) {
        return err_set(e, STATUS_TRAP, "unknown handle index %u", index);
    }
    handle *h = &t->items[index];
    if (h->type != type) {
        return wrong_type(index, type, h->type, e);
    }
    *ret = h;
    return STATUS_OK;
}

status handle_check_own(const handle_table *t, uint32_t index, const handle_type *type, handle **ret,
                        err *e) {
    handle *h;
    TRY(handle_get(t, index, type, &h, e));
    if (h->lend_count != 0) {
        return err_set(e, STATUS_TRAP, "cannot remove owned resource while borrowed (handle index %u)",
                       index);
    }
    if (!h->own) {
        return err_set(e, STATUS_TRAP, "cannot lift own resource from a borrow (handle index %u)", index);
    }
    *ret = h;
    return STATUS_OK;
}

static void release(handle_table *t, uint32_t index) {
    t->items[index] = (handle){.rep = t->free_first};
    t->free_first = index;
}

status handle_take_own(handle_table *t, uint32_t index, const handle_type *type, uintptr_t *ret_rep, err *e) {
    handle *h;
    TRY(handle_check_own(t, index, type, &h, e));
    *ret_rep = h->rep;
    release(t, index);
    return STATUS_OK;
}

static status lends_push(handle_lends *lends, uint32_t index, err *e) {
    if (lends->count == lends->capacity) {
        if (lends->capacity >= HANDLE_LENDS_MAX) {
            return err_set(e, STATUS_TRAP, "one call may borrow at most %d handles", HANDLE_LENDS_MAX);
        }
        uint32_t capacity = lends->capacity * 4;
        uint32_t *items = mem_try_resize(lends->items, capacity * sizeof *items);
        if (items == NULL) {
            return err_set(e, STATUS_TRAP, "no memory for %u borrowed handles", capacity);
        }
        if (lends->items == NULL) {
            memcpy(items, lends->inline_items, sizeof lends->inline_items);
        }
        lends->items = items;
        lends->capacity = capacity;
    }
    uint32_t *to = lends->items == NULL ? lends->inline_items : lends->items;
    to[lends->count++] = index;
    return STATUS_OK;
}

status handle_lend(handle_table *t, uint32_t index, const handle_type *type, handle_lends *lends,
                   uintptr_t *ret_rep, err *e) {
    CHECK(lends->table == t);
    handle *h;
    TRY(handle_get(t, index, type, &h, e));
    TRY(lends_push(lends, index, e));
    h->lend_count++; // at most HANDLE_LENDS_MAX for each call on a bounded stack: cannot wrap
    *ret_rep = h->rep;
    return STATUS_OK;
}

status handle_remove(handle_table *t, uint32_t index, const handle_type *type, handle *ret, err *e) {
    handle *h;
    TRY(handle_get(t, index, type, &h, e));
    if (h->lend_count != 0) {
        return err_set(e, STATUS_TRAP, "cannot remove owned resource while borrowed (handle index %u)",
                       index);
    }
    *ret = *h;
    release(t, index);
    if (!ret->own) {
        CHECK(ret->scope->borrow_count > 0);
        ret->scope->borrow_count--;
    }
    return STATUS_OK;
}

void handle_lends_init(handle_lends *lends, handle_table *table) {
    lends->table = table;
    lends->items = NULL;
    lends->count = 0;
    lends->capacity = HANDLE_LENDS_INLINE;
}

void handle_lends_done(handle_lends *lends) {
    const uint32_t *items = lends->items == NULL ? lends->inline_items : lends->items;
    for (uint32_t i = 0; i < lends->count; i++) {
        handle *h = &lends->table->items[items[i]];
        CHECK(h->type != NULL && h->lend_count > 0); // a lent handle cannot leave the table
        h->lend_count--;
    }
    mem_free(lends->items);
    lends->items = NULL;
    lends->count = 0;
    lends->capacity = HANDLE_LENDS_INLINE;
}
