// SPDX-License-Identifier: Apache-2.0
// A fake engine over a byte array: enough of core_ops for guest memory and its realloc. Every allocation
// moves the memory to another place, so that a pointer that was kept too long is found by the address
// sanitizer.
#pragma once

#include "component/core.h"
#include "component/memory.h"

typedef struct fake_guest fake_guest;
struct fake_guest {
    core_store store;
    uint8_t *bytes;
    size_t len;
    uint32_t next;      // bump allocator
    uint32_t calls;     // of realloc
    uint32_t last_size; // asked for
    bool has_answer;
    uint32_t answer; // what realloc returns instead of an allocation
    bool traps;      // realloc traps
    bool may_leave;
    bool may_leave_seen; // the flag while realloc ran
    core_extern memory;
    core_extern realloc;
};

void fake_init(fake_guest *g, size_t memory_bytes);
void fake_done(fake_guest *g);
memory_guest fake_memory(fake_guest *g, memory_encoding encoding);
