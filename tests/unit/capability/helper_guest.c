// SPDX-License-Identifier: Apache-2.0
#include "helper_guest.h"

#include "base/check.h"

static uint64_t fake_now_ns(void *context) { return ((guest *)context)->now_ns; }

static void fake_wall(void *context, uint64_t *ret_seconds, uint32_t *ret_nanoseconds) {
    uint64_t now = ((guest *)context)->now_ns;
    *ret_seconds = 1000 + now / 1000000000;
    *ret_nanoseconds = (uint32_t)(now % 1000000000);
}

static void on_wake(void *waker) {
    guest *g = waker;
    CHECK(!g->is_woken); // at most once per suspend
    g->is_woken = true;
    if (g->on_suspend == NULL) {
        loop_stop(g->loop);
    }
}

void guest_init(guest *g) {
    *g = (guest){.now_ns = 1};
    g->workload.limits = wasi_limits_default();
    arena_init(&g->arena, 1 << 22);
}

void guest_start(guest *g) {
    err e;
    loop_clock clock = {.now_ns = fake_now_ns, .arg = g};
    g->clock = (wasi_clock){.context = g, .monotonic_ns = fake_now_ns, .wall = fake_wall};
    g->workload.clock = g->has_clock ? &g->clock : NULL;
    CHECK(loop_new(g->has_clock ? &clock : NULL, &g->loop, &e) == STATUS_OK);
    wasi_instance_options options = {.workload = &g->workload, .loop = g->loop, .wake = on_wake, .waker = g};
    CHECK(wasi_instance_new(&options, &g->instance, &e) == STATUS_OK);
}

void guest_done(guest *g) {
    wasi_instance_free(g->instance);
    loop_free(g->loop);
    arena_done(&g->arena);
}

// --- what capabilities and glue call ---------------------------------------------------------------------

void *host_call_context(host_call *call) { return call->instance; }
arena *host_call_arena(host_call *call) { return &call->arena; }
const semver *host_call_version(const host_call *call) {
    static const semver none = {0};
    (void)call;
    return &none;
}
slice host_call_label(const host_call *call) { return call->label; }
core_store *host_call_store(host_call *call) {
    (void)call;
    return NULL;
}

status host_call_suspend(host_call *call, err *e) {
    if (++call->suspends > 1000) {
        return err_set(e, STATUS_CANCELLED, "the guest waits for ever");
    }
    call->is_woken = false;
    if (call->on_suspend != NULL) {
        call->on_suspend(call, call->on_suspend_arg);
        return STATUS_OK;
    }
    loop_run(call->loop); // until on_wake
    return STATUS_OK;
}

// There is no guest memory and there are no handles: tests call implementations, not glue. These only satisfy
// the linker.
static status none(err *e) { return err_set(e, STATUS_INTERNAL, "there is no guest in this test"); }

status host_memory_at(host_call *call, uint32_t ptr, uint64_t bytes, uint32_t align, uint8_t **ret, err *e) {
    (void)call, (void)ptr, (void)bytes, (void)align, (void)ret;
    return none(e);
}

status host_list_at(host_call *call, uint32_t ptr, uint32_t count, uint32_t size, uint32_t align,
                    uint8_t **ret, err *e) {
    (void)call, (void)ptr, (void)count, (void)size, (void)align, (void)ret;
    return none(e);
}

status host_lift_string(host_call *call, uint32_t ptr, uint32_t length, slice *ret, err *e) {
    (void)call, (void)ptr, (void)length, (void)ret;
    return none(e);
}

status host_lift_char(host_call *call, uint32_t code, uint32_t *ret, err *e) {
    (void)call, (void)code, (void)ret;
    return none(e);
}

status host_alloc(host_call *call, uint32_t bytes, uint32_t align, uint32_t *ret_ptr, err *e) {
    (void)call, (void)bytes, (void)align, (void)ret_ptr;
    return none(e);
}

status host_lower_string(host_call *call, slice text, uint32_t *ret_ptr, uint32_t *ret_length, err *e) {
    (void)call, (void)text, (void)ret_ptr, (void)ret_length;
    return none(e);
}

status host_lower_bytes(host_call *call, slice bytes, uint32_t *ret_ptr, uint32_t *ret_count, err *e) {
    (void)call, (void)bytes, (void)ret_ptr, (void)ret_count;
    return none(e);
}

status host_lift_borrow(host_call *call, uint32_t handle, const ctype_resource *type, void **ret, err *e) {
    (void)call, (void)handle, (void)type, (void)ret;
    return none(e);
}

status host_check_own(host_call *call, uint32_t handle, const ctype_resource *type, void **ret, err *e) {
    (void)call, (void)handle, (void)type, (void)ret;
    return none(e);
}

status host_take_own(host_call *call, uint32_t handle, const ctype_resource *type, void **ret, err *e) {
    (void)call, (void)handle, (void)type, (void)ret;
    return none(e);
}

status host_lower_own(host_call *call, const ctype_resource *type, void *rep, uint32_t *ret_handle, err *e) {
    (void)call, (void)type, (void)rep, (void)ret_handle;
    return none(e);
}
