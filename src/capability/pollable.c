// SPDX-License-Identifier: Apache-2.0
#include "capability/pollable.h"

#include "base/mem.h"

static void free_plain(wasi_resource *r) { mem_free(r); }

static bool always_ready(wasi_io_poll_pollable *p) {
    (void)p;
    return true;
}

status wasi_pollable_new(wasi_instance *i, const wasi_pollable_ops *ops, wasi_resource *parent, void *source,
                         wasi_io_poll_pollable **ret, err *e) {
    static const wasi_resource_ops plain = {.free = free_plain};
    wasi_io_poll_pollable *p = WASI_NEW(i, wasi_io_poll_pollable, &plain, WASI_CLASS_OTHER, parent, e);
    if (p == NULL) {
        return STATUS_LIMIT;
    }
    p->ops = ops;
    p->source = source;
    *ret = p;
    return STATUS_OK;
}

status wasi_pollable_new_ready(wasi_instance *i, wasi_resource *parent, wasi_io_poll_pollable **ret, err *e) {
    static const wasi_pollable_ops ops = {.ready = always_ready};
    return wasi_pollable_new(i, &ops, parent, NULL, ret, e);
}

status wasi_pollable_block(host_call *call, wasi_io_poll_pollable *p, err *e) {
    while (!p->ops->ready(p)) {
        if (p->ops->arm != NULL) {
            TRY(p->ops->arm(p, e));
        }
        TRY(wasi_instance_suspend(call, e));
    }
    return STATUS_OK;
}
