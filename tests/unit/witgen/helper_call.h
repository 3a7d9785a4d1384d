// SPDX-License-Identifier: Apache-2.0
// A guest made of an array: what generated glue needs of a call, without a component layer or an engine.
//
// Every allocation moves the whole memory, so that glue which keeps a pointer across one is caught by ASan.
#pragma once

#include "component/host.h"

enum { FAKE_MEMORY_BYTES = 4096, FAKE_HANDLES = 16 };

typedef struct fake_handle {
    const ctype_resource *type; // NULL: free
    void *rep;
    bool is_lent;
} fake_handle;

struct host_call {
    arena arena;
    uint8_t *memory;
    uint32_t next; // of the allocator
    fake_handle handles[FAKE_HANDLES];
    int dropped;        // by a failed host_lower_own
    bool refuses_alloc; // the guest's realloc traps
};

void fake_init(host_call *call);
void fake_done(host_call *call);
uint32_t fake_add_handle(host_call *call, const ctype_resource *type, void *rep);
// Copies into guest memory at `at`.
void fake_put(host_call *call, uint32_t at, const void *bytes, size_t len);
void fake_put_u32(host_call *call, uint32_t at, uint32_t value);
uint32_t fake_u32(const host_call *call, uint32_t at);
slice fake_slice(const host_call *call, uint32_t at, uint32_t len);
