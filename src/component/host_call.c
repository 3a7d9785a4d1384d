// SPDX-License-Identifier: Apache-2.0
// The functions of host.h: thin, because all checks are in memory.c and handles.c.
#include "component/host_call.h"

#include "component/abi_internal.h"

void *host_call_context(host_call *call) { return call->instance->context; }

arena *host_call_arena(host_call *call) { return &call->arena; }

core_store *host_call_store(host_call *call) { return call->instance->store; }

slice host_call_interface(const host_call *call) { return call->func->from->name; }
const semver *host_call_version(const host_call *call) { return &call->func->from->version; }
slice host_call_function(const host_call *call) { return call->func->name; }
slice host_call_label(const host_call *call) { return call->func->label; }

status host_call_suspend(host_call *call, err *e) {
    core_store *store = call->instance->store;
    TRY(store->ops->suspend(store, e));
    memory_refresh(&call->side.memory);
    return STATUS_OK;
}

// --- memory ------------------------------------------------------------------------------------------------

status host_memory_at(host_call *call, uint32_t ptr, uint64_t bytes, uint32_t align, uint8_t **ret, err *e) {
    return memory_range(&call->side.memory, ptr, bytes, align, "content", ret, e);
}

status host_list_at(host_call *call, uint32_t ptr, uint32_t count, uint32_t size, uint32_t align,
                    uint8_t **ret, err *e) {
    return memory_list(&call->side.memory, ptr, count, size, align, ret, e);
}

status host_lift_string(host_call *call, uint32_t ptr, uint32_t length, slice *ret, err *e) {
    memory_text text;
    TRY(memory_text_at(&call->side.memory, ptr, length, &text, e));
    return memory_text_utf8(&text, &call->arena, ret, e);
}

status host_lift_char(host_call *call, uint32_t code, uint32_t *ret, err *e) {
    (void)call;
    TRY(abi_check_char(code, e));
    *ret = code;
    return STATUS_OK;
}

status host_alloc(host_call *call, uint32_t bytes, uint32_t align, uint32_t *ret_ptr, err *e) {
    uint8_t *ignored;
    return memory_alloc(&call->side.memory, align, bytes, "result", ret_ptr, &ignored, e);
}

// Bytes that an implementation took from the guest's memory, in place, have to be found again after its
// realloc.
static bool find_in_guest(host_call *call, slice bytes, uint32_t *ret_ptr) {
    const core_memory_view *view = &call->side.memory.view;
    if (view->base == NULL || bytes.data < view->base || bytes.data >= view->base + view->len) {
        return false;
    }
    *ret_ptr = (uint32_t)(bytes.data - view->base);
    return true;
}

status host_lower_string(host_call *call, slice text, uint32_t *ret_ptr, uint32_t *ret_length, err *e) {
    memory_text t;
    TRY(memory_text_from_utf8(text, &t, e));
    if (find_in_guest(call, text, &t.ptr)) {
        memory_text at;
        memory_guest *m = &call->side.memory;
        if (m->encoding == MEMORY_ENCODING_UTF8) {
            TRY(memory_text_at(m, t.ptr, t.unit_count, &at, e));
            return memory_text_store(m, &at, ret_ptr, ret_length, e);
        }
    }
    return memory_text_store(&call->side.memory, &t, ret_ptr, ret_length, e);
}

status host_lower_bytes(host_call *call, slice bytes, uint32_t *ret_ptr, uint32_t *ret_count, err *e) {
    if (bytes.len > MEMORY_LIST_BYTES_MAX) {
        return err_set(e, STATUS_TRAP, "a list of %zu bytes is too long to be passed", bytes.len);
    }
    memory_guest *m = &call->side.memory;
    uint32_t from = 0;
    bool in_guest = bytes.len > 0 && find_in_guest(call, bytes, &from);
    uint32_t ptr;
    uint8_t *to;
    TRY(memory_alloc(m, 1, bytes.len, "list content", &ptr, &to, e));
    if (in_guest) {
        memmove(to, memory_at(m, from), bytes.len);
    } else if (bytes.len > 0) {
        memcpy(to, bytes.data, bytes.len);
    }
    *ret_ptr = ptr;
    *ret_count = (uint32_t)bytes.len;
    return STATUS_OK;
}

// --- handles -----------------------------------------------------------------------------------------------

// Few host resources exist, so a walk beats a map.
static status find_type(host_call *call, const ctype_resource *resource, const handle_type **ret, err *e) {
    const plan *p = &call->instance->program->plan;
    for (uint32_t i = 0; i < p->host_type_count; i++) {
        if (p->host_types[i]->host == resource) {
            *ret = p->host_types[i];
            return STATUS_OK;
        }
    }
    return err_set(e, STATUS_INTERNAL, "the component does not know the resource \"%.*s\"",
                   SLICE_ARG(resource->name));
}

status host_lift_borrow(host_call *call, uint32_t index, const ctype_resource *type, void **ret, err *e) {
    const handle_type *t;
    uintptr_t rep;
    TRY(find_type(call, type, &t, e));
    TRY(handle_lend(call->side.handles, index, t, &call->lends, &rep, e));
    *ret = (void *)rep;
    return STATUS_OK;
}

status host_check_own(host_call *call, uint32_t index, const ctype_resource *type, void **ret, err *e) {
    const handle_type *t;
    handle *h;
    TRY(find_type(call, type, &t, e));
    TRY(handle_check_own(call->side.handles, index, t, &h, e));
    *ret = (void *)h->rep;
    return STATUS_OK;
}

status host_take_own(host_call *call, uint32_t index, const ctype_resource *type, void **ret, err *e) {
    const handle_type *t;
    uintptr_t rep;
    TRY(find_type(call, type, &t, e));
    TRY(handle_take_own(call->side.handles, index, t, &rep, e));
    *ret = (void *)rep;
    return STATUS_OK;
}

status host_lower_own(host_call *call, const ctype_resource *type, void *rep, uint32_t *ret_handle, err *e) {
    const handle_type *t;
    status s = find_type(call, type, &t, e);
    if (s != STATUS_OK) {
        if (type->drop != NULL) {
            type->drop(call->instance->context, rep);
        }
        return s;
    }
    return abi_lower_own(t, (uintptr_t)rep, &call->side, ret_handle, e);
}

// --- whole results -----------------------------------------------------------------------------------------

status host_call_lower_result(host_call *call, const component_value *value, core_value *values,
                              uint32_t return_pointer, err *e) {
    const abi_layout *l = &call->func->layout;
    const ctype *t = l->type->result;
    abi_place place = abi_flat(values);
    uint32_t consumed = 0;
    memory_refresh(&call->side.memory);
    if (l->result_spilled) {
        uint8_t *ignored;
        TRY(memory_range(&call->side.memory, return_pointer, t->size, t->align, "return area", &ignored, e));
        place = abi_memory(return_pointer);
    }
    return abi_lower(t, value, &call->side, place, &consumed, e);
}
