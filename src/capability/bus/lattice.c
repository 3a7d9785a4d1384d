// SPDX-License-Identifier: Apache-2.0
// wasmcloud:bus/lattice: which link the next calls of this instance go through. Version 1 has no way to say
// that there is no such link, so that shows at the call.
#include "base/mem.h"
#include "capability/links.h"
#include "wasmcloud/bus_lattice.h"
#include "wasmcloud/bus_lattice_1.h"

typedef struct target { // a call-target-interface: "namespace:package/interface"
    wasi_resource base;
    size_t len;
    uint8_t name[WASI_LINK_NAME_BYTES_MAX];
} target;

struct wasmcloud_bus_lattice_call_target_interface {
    target target;
};
struct wasmcloud_bus_lattice_1_call_target_interface {
    target target;
};

static void target_free(wasi_resource *r) { mem_free(r); }

static const wasi_resource_ops target_ops = {.free = target_free};

static uint8_t *put(uint8_t *to, slice s) {
    if (s.len > 0) {
        memcpy(to, s.data, s.len);
    }
    return to + s.len;
}

static status new_target(host_call *call, slice namespace, slice package, slice interface, size_t bytes,
                         target **ret, err *e) {
    size_t len = namespace.len + package.len + interface.len + 2;
    target *t;
    if (len > sizeof t->name) {
        return err_set(e, STATUS_TRAP, "the name of an interface has at most %zu bytes", sizeof t->name);
    }
    t = wasi_resource_new(wasi_of(call), bytes, &target_ops, WASI_CLASS_OTHER, NULL, e);
    if (t == NULL) {
        return STATUS_TRAP;
    }
    t->len = len;
    uint8_t *at = put(t->name, namespace);
    *at++ = ':';
    at = put(at, package);
    *at++ = '/';
    (void)put(at, interface);
    *ret = t;
    return STATUS_OK;
}

status wasmcloud_bus_lattice_call_target_interface_new(host_call *call, slice namespace, slice package,
                                                       slice interface,
                                                       wasmcloud_bus_lattice_call_target_interface **ret,
                                                       err *e) {
    target *t;
    TRY(new_target(call, namespace, package, interface, sizeof **ret, &t, e));
    *ret = (void *)t;
    return STATUS_OK;
}

void wasmcloud_bus_lattice_call_target_interface_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(rep);
}

// Own handles: whatever happens to some, all are let go.
status wasmcloud_bus_lattice_set_link_name(host_call *call, slice name,
                                           const wasmcloud_bus_lattice_list_call_target_interface *interfaces,
                                           wasmcloud_bus_lattice_result_void_string *ret, err *e) {
    wasi_instance *i = wasi_of(call);
    err why;
    status s = STATUS_OK;
    (void)e;
    for (size_t k = 0; k < interfaces->count; k++) {
        target *t = &interfaces->items[k]->target;
        err one;
        status chosen = wasi_link_choose(i, slice_of(t->name, t->len), name, &one);
        if (chosen != STATUS_OK && s == STATUS_OK) {
            s = chosen;
            why = one;
        }
        wasi_resource_drop(&t->base);
    }
    ret->is_err = s != STATUS_OK;
    if (ret->is_err) {
        ret->err = arena_copy(host_call_arena(call), slice_from_text(why.message));
    }
    return STATUS_OK;
}

// --- version 1 ---------------------------------------------------------------------------------------------

status wasmcloud_bus_lattice_1_call_target_interface_new(host_call *call, slice namespace, slice package,
                                                         slice interface,
                                                         wasmcloud_bus_lattice_1_call_target_interface **ret,
                                                         err *e) {
    target *t;
    TRY(new_target(call, namespace, package, interface, sizeof **ret, &t, e));
    *ret = (void *)t;
    return STATUS_OK;
}

void wasmcloud_bus_lattice_1_call_target_interface_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(rep);
}

status
wasmcloud_bus_lattice_1_set_link_name(host_call *call, slice name,
                                      const wasmcloud_bus_lattice_1_list_call_target_interface *interfaces,
                                      err *e) {
    wasi_instance *i = wasi_of(call);
    status s = STATUS_OK;
    for (size_t k = 0; k < interfaces->count; k++) {
        target *t = &interfaces->items[k]->target;
        if (s != STATUS_LIMIT) {
            s = wasi_link_choose(i, slice_of(t->name, t->len), name, e);
        }
        wasi_resource_drop(&t->base);
    }
    if (s == STATUS_LIMIT && e != NULL) {
        e->code = STATUS_TRAP;
    }
    return s == STATUS_LIMIT ? STATUS_TRAP : STATUS_OK;
}
