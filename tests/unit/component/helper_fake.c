// SPDX-License-Identifier: Apache-2.0
#include "helper_fake.h"

#include "base/mem.h"

static core_memory_view view(core_store *store, const core_extern *memory) {
    fake_guest *g = (fake_guest *)store;
    (void)memory;
    return (core_memory_view){g->bytes, g->len};
}

static void move_memory(fake_guest *g) {
    uint8_t *moved = mem_alloc(g->len == 0 ? 1 : g->len);
    memcpy(moved, g->bytes, g->len);
    mem_free(g->bytes);
    g->bytes = moved;
}

static status call(core_store *store, const core_extern *func, core_value *values, size_t count, err *e) {
    fake_guest *g = (fake_guest *)store;
    (void)func;
    (void)count;
    uint32_t old = values[0].u32;
    uint32_t old_size = values[1].u32;
    uint32_t align = values[2].u32;
    uint32_t size = values[3].u32;
    g->calls++;
    g->last_size = size;
    g->may_leave_seen = g->may_leave;
    if (g->traps) {
        return err_set(e, STATUS_TRAP, "the fake realloc traps");
    }
    move_memory(g);
    if (g->has_answer) {
        values[0].u32 = g->answer;
        return STATUS_OK;
    }
    if (old != 0 && size <= old_size) {
        return STATUS_OK; // in place
    }
    g->next = (g->next + align - 1) & ~(align - 1);
    uint32_t ptr = g->next;
    g->next += size;
    if (g->next <= g->len && old != 0) {
        memmove(g->bytes + ptr, g->bytes + old, old_size);
    }
    values[0].u32 = ptr;
    return STATUS_OK;
}

static const core_ops ops = {.memory_view = view, .call = call};

void fake_init(fake_guest *g, size_t memory_bytes) {
    memset(g, 0, sizeof *g);
    g->store.ops = &ops;
    g->bytes = mem_zalloc(memory_bytes == 0 ? 1 : memory_bytes);
    g->len = memory_bytes;
    g->next = 1024;
    g->may_leave = true;
    g->memory.kind = CORE_MEMORY;
    g->realloc.kind = CORE_FUNC;
}

void fake_done(fake_guest *g) { mem_free(g->bytes); }

memory_guest fake_memory(fake_guest *g, memory_encoding encoding) {
    memory_guest m = {.store = &g->store,
                      .memory = &g->memory,
                      .realloc = &g->realloc,
                      .may_leave = &g->may_leave,
                      .encoding = encoding};
    memory_refresh(&m);
    return m;
}
