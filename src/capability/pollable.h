// SPDX-License-Identifier: Apache-2.0
// Something that a guest can wait for. Capabilities embed or make these; wasi:io/poll works on all of them.
//
// The protocol, for pollables and streams alike: `ready` tells whether waiting is over; when it is not and
// the guest wants to wait, `arm` is called once before the guest is suspended: it starts the timer or the
// watch, unless one runs already, and returns. When the event happens, its source calls wasi_instance_wake.
// The guest is then asked about again from the beginning; what was armed for it may stay armed.
#pragma once

#include "capability/wasi.h"
#include "wasi/io_poll.h"

typedef struct wasi_pollable_ops {
    bool (*ready)(wasi_io_poll_pollable *p);
    // May be NULL where readiness never changes. A failure traps.
    status (*arm)(wasi_io_poll_pollable *p, err *e);
} wasi_pollable_ops;

struct wasi_io_poll_pollable {
    wasi_resource base;
    const wasi_pollable_ops *ops;
    // Free for use by ops; whatever they need more stands behind this struct in a larger one.
    void *source;
};

// A pollable over `source`, kept alive by it: `parent` may be NULL. For the simple kind that owns nothing.
status wasi_pollable_new(wasi_instance *i, const wasi_pollable_ops *ops, wasi_resource *parent, void *source,
                         wasi_io_poll_pollable **ret, err *e) WRIT_MUST_USE;
// One that is always ready.
status wasi_pollable_new_ready(wasi_instance *i, wasi_resource *parent, wasi_io_poll_pollable **ret,
                               err *e) WRIT_MUST_USE;

// Suspends the guest until `p` is ready.
status wasi_pollable_block(host_call *call, wasi_io_poll_pollable *p, err *e) WRIT_MUST_USE;
