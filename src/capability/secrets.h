// SPDX-License-Identifier: Apache-2.0
// The secrets of a workload, as the process that runs it has them: names. A value is fetched from the process
// that holds it when a guest reveals it, and is wiped when that host function returns.
#pragma once

#include "capability/wasi.h"
#include "identity/secret_source.h"

enum { WASI_SECRET_NAME_BYTES_MAX = 128 };

typedef struct wasi_secrets {
    const slice
        *names; // that this workload was granted; unique, at most WASI_SECRET_NAME_BYTES_MAX bytes each
    size_t count;
    void *context;
    // Fetches a value; may suspend the guest (wasi_instance_suspend). The value belongs to the caller and
    // lies in locked memory. Leaves no other copy of it behind: what carried it here wipes its buffers.
    // STATUS_CANCELLED when the guest is being given up; anything else but STATUS_OK becomes a trap.
    status (*reveal)(void *context, host_call *call, slice name, secret_value *ret, err *e);
} wasi_secrets;
