// SPDX-License-Identifier: Apache-2.0
// wasi:io/poll
#include "capability/pollable.h"

void wasi_io_poll_pollable_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_io_poll_pollable *)rep)->base);
}

status wasi_io_poll_pollable_ready(host_call *call, wasi_io_poll_pollable *self, bool *ret, err *e) {
    (void)call, (void)e;
    *ret = self->ops->ready(self);
    return STATUS_OK;
}

status wasi_io_poll_pollable_block(host_call *call, wasi_io_poll_pollable *self, err *e) {
    return wasi_pollable_block(call, self, e);
}

static status arm_all(const wasi_io_poll_list_borrow_pollable *in, err *e) {
    for (size_t i = 0; i < in->count; i++) {
        wasi_io_poll_pollable *p = in->items[i];
        if (p->ops->arm != NULL) {
            TRY(p->ops->arm(p, e));
        }
    }
    return STATUS_OK;
}

status wasi_io_poll_poll(host_call *call, const wasi_io_poll_list_borrow_pollable *in,
                         wasi_io_poll_list_u32 *ret, err *e) {
    if (in->count == 0) {
        return err_set(e, STATUS_TRAP, "poll was called with an empty list, which could never return");
    }
    uint32_t *indices = ARENA_ARRAY(host_call_arena(call), uint32_t, in->count);
    if (indices == NULL) {
        return err_set(e, STATUS_TRAP, "poll of %zu pollables needs more memory than a call may use",
                       in->count);
    }
    for (;;) {
        size_t count = 0;
        for (size_t i = 0; i < in->count; i++) {
            if (in->items[i]->ops->ready(in->items[i])) {
                indices[count++] = (uint32_t)i; // lists from a guest have at most 2^32 - 1 elements
            }
        }
        if (count > 0) {
            *ret = (wasi_io_poll_list_u32){.items = indices, .count = count};
            return STATUS_OK;
        }
        TRY(arm_all(in, e));
        TRY(wasi_instance_suspend(call, e));
    }
}
