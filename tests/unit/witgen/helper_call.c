// SPDX-License-Identifier: Apache-2.0
#include "helper_call.h"

#include "base/check.h"
#include "base/mem.h"

void fake_init(host_call *call) {
    *call = (host_call){.next = 2048};
    arena_init(&call->arena, 1 << 16);
    call->memory = mem_zalloc(FAKE_MEMORY_BYTES);
}

void fake_done(host_call *call) {
    arena_done(&call->arena);
    mem_free(call->memory);
}

uint32_t fake_add_handle(host_call *call, const ctype_resource *type, void *rep) {
    for (uint32_t i = 1; i < FAKE_HANDLES; i++) {
        if (call->handles[i].type == NULL) {
            call->handles[i] = (fake_handle){.type = type, .rep = rep};
            return i;
        }
    }
    CHECK(false);
    return 0;
}

void fake_put(host_call *call, uint32_t at, const void *bytes, size_t len) {
    memcpy(call->memory + at, bytes, len);
}
void fake_put_u32(host_call *call, uint32_t at, uint32_t value) { host_store_u32(call->memory + at, value); }
uint32_t fake_u32(const host_call *call, uint32_t at) { return host_load_u32(call->memory + at); }
slice fake_slice(const host_call *call, uint32_t at, uint32_t len) {
    return slice_of(call->memory + at, len);
}

// --- what glue calls -------------------------------------------------------------------------------------

void *host_call_context(host_call *call) { return call; }
arena *host_call_arena(host_call *call) { return &call->arena; }

status host_memory_at(host_call *call, uint32_t ptr, uint64_t bytes, uint32_t align, uint8_t **ret, err *e) {
    if (ptr % align != 0) {
        return err_set(e, STATUS_TRAP, "unaligned");
    }
    if (ptr + bytes > FAKE_MEMORY_BYTES) {
        return err_set(e, STATUS_TRAP, "out of bounds");
    }
    *ret = call->memory + ptr;
    return STATUS_OK;
}

status host_list_at(host_call *call, uint32_t ptr, uint32_t count, uint32_t size, uint32_t align,
                    uint8_t **ret, err *e) {
    return host_memory_at(call, ptr, (uint64_t)count * size, align, ret, e);
}

status host_lift_string(host_call *call, uint32_t ptr, uint32_t length, slice *ret, err *e) {
    uint8_t *data;
    TRY(host_memory_at(call, ptr, length, 1, &data, e));
    *ret = slice_of(data, length);
    return STATUS_OK;
}

status host_lift_char(host_call *call, uint32_t code, uint32_t *ret, err *e) {
    (void)call;
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
        return err_set(e, STATUS_TRAP, "no character");
    }
    *ret = code;
    return STATUS_OK;
}

status host_alloc(host_call *call, uint32_t bytes, uint32_t align, uint32_t *ret_ptr, err *e) {
    if (call->refuses_alloc) {
        return err_set(e, STATUS_TRAP, "no memory in the guest");
    }
    uint8_t *moved = mem_alloc(FAKE_MEMORY_BYTES);
    memcpy(moved, call->memory, FAKE_MEMORY_BYTES);
    mem_free(call->memory);
    call->memory = moved;
    call->next = (call->next + align - 1) / align * align;
    *ret_ptr = call->next;
    call->next += bytes;
    return call->next <= FAKE_MEMORY_BYTES ? STATUS_OK : err_set(e, STATUS_TRAP, "no memory in the guest");
}

status host_lower_bytes(host_call *call, slice bytes, uint32_t *ret_ptr, uint32_t *ret_count, err *e) {
    TRY(host_alloc(call, (uint32_t)bytes.len, 1, ret_ptr, e));
    if (bytes.len > 0) {
        memcpy(call->memory + *ret_ptr, bytes.data, bytes.len);
    }
    *ret_count = (uint32_t)bytes.len;
    return STATUS_OK;
}

status host_lower_string(host_call *call, slice text, uint32_t *ret_ptr, uint32_t *ret_length, err *e) {
    return host_lower_bytes(call, text, ret_ptr, ret_length, e);
}

static status find(host_call *call, uint32_t handle, const ctype_resource *type, fake_handle **ret, err *e) {
    if (handle == 0 || handle >= FAKE_HANDLES || call->handles[handle].type != type) {
        return err_set(e, STATUS_TRAP, "unknown handle %u", handle);
    }
    *ret = &call->handles[handle];
    return STATUS_OK;
}

status host_lift_borrow(host_call *call, uint32_t handle, const ctype_resource *type, void **ret, err *e) {
    fake_handle *h = NULL;
    TRY(find(call, handle, type, &h, e));
    h->is_lent = true;
    *ret = h->rep;
    return STATUS_OK;
}

status host_check_own(host_call *call, uint32_t handle, const ctype_resource *type, void **ret, err *e) {
    fake_handle *h = NULL;
    TRY(find(call, handle, type, &h, e));
    *ret = h->rep;
    return h->is_lent ? err_set(e, STATUS_TRAP, "lent") : STATUS_OK;
}

status host_take_own(host_call *call, uint32_t handle, const ctype_resource *type, void **ret, err *e) {
    TRY(host_check_own(call, handle, type, ret, e));
    call->handles[handle] = (fake_handle){0};
    return STATUS_OK;
}

status host_lower_own(host_call *call, const ctype_resource *type, void *rep, uint32_t *ret_handle, err *e) {
    (void)e;
    *ret_handle = fake_add_handle(call, type, rep);
    return STATUS_OK;
}
