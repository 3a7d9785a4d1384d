// SPDX-License-Identifier: Apache-2.0
// wasi:clocks: time, and waiting for it. The clock is the workload's, so tests decide what time it is.
#include "base/mem.h"
#include "capability/pollable.h"
#include "capability/virtual.h"
#include "loop/loop.h"
#include "os/clock.h"
#include "wasi/clocks_monotonic_clock.h"
#include "wasi/clocks_wall_clock.h"

static uint64_t now_ns(const wasi_instance *i) { return i->clock->monotonic_ns(i->clock->context); }

status wasi_clocks_monotonic_clock_now(host_call *call, uint64_t *ret, err *e) {
    (void)e;
    *ret = now_ns(wasi_of(call));
    return STATUS_OK;
}

status wasi_clocks_monotonic_clock_resolution(host_call *call, uint64_t *ret, err *e) {
    (void)call, (void)e;
    *ret = clock_resolution_ns();
    return STATUS_OK;
}

status wasi_clocks_wall_clock_now(host_call *call, wasi_clocks_wall_clock_datetime *ret, err *e) {
    (void)e;
    const wasi_clock *clock = wasi_of(call)->clock;
    clock->wall(clock->context, &ret->seconds, &ret->nanoseconds);
    return STATUS_OK;
}

status wasi_clocks_wall_clock_resolution(host_call *call, wasi_clocks_wall_clock_datetime *ret, err *e) {
    (void)call, (void)e;
    clock_wall resolution = clock_wall_resolution();
    *ret = (wasi_clocks_wall_clock_datetime){resolution.seconds, resolution.nanoseconds};
    return STATUS_OK;
}

// --- waiting for a moment --------------------------------------------------------------------------------

typedef struct moment {
    wasi_io_poll_pollable base;
    uint64_t deadline_ns;
    loop_timer timer;
} moment;

// Virtual time, when the clock is that.
static wasi_virtual *virtual_of(const wasi_instance *i) {
    return i->virtual != NULL && wasi_virtual_clock(i->virtual) == i->clock ? i->virtual : NULL;
}

static void on_timer(void *arg) {
    moment *a = arg;
    wasi_virtual *v = virtual_of(a->base.base.instance);
    if (v != NULL) {
        wasi_virtual_pass(v);
    }
    wasi_instance_wake(a->base.base.instance);
}

static void moment_free(wasi_resource *r) {
    moment *a = (moment *)r;
    loop_timer_stop(&a->timer);
    mem_free(a);
}

static bool moment_ready(wasi_io_poll_pollable *p) {
    return now_ns(p->base.instance) >= ((moment *)p)->deadline_ns;
}

static status moment_arm(wasi_io_poll_pollable *p, err *e) {
    moment *a = (moment *)p;
    wasi_instance *i = p->base.instance;
    if (i->loop == NULL) {
        return err_set(e, STATUS_TRAP, "the guest waits for time to pass where no event loop runs");
    }
    wasi_virtual *v = virtual_of(i);
    if (v != NULL) {
        wasi_virtual_wait(v, a->deadline_ns);
        loop_timer_start_at(&a->timer, loop_now_fresh_ns(i->loop));
    } else if (!loop_timer_is_active(&a->timer)) {
        // The guest may have run for long since the loop last read the time.
        uint64_t loop_now_ns_ = loop_now_fresh_ns(i->loop);
        uint64_t now = now_ns(i);
        uint64_t left = a->deadline_ns > now ? a->deadline_ns - now : 0;
        loop_timer_start_at(&a->timer, left > UINT64_MAX - loop_now_ns_ ? UINT64_MAX : loop_now_ns_ + left);
    }
    return STATUS_OK;
}

static status subscribe(host_call *call, uint64_t deadline_ns, wasi_io_poll_pollable **ret, err *e) {
    static const wasi_resource_ops resource_ops = {.free = moment_free};
    static const wasi_pollable_ops ops = {.ready = moment_ready, .arm = moment_arm};
    wasi_instance *i = wasi_of(call);
    moment *a = WASI_NEW(i, moment, &resource_ops, WASI_CLASS_OTHER, NULL, e);
    if (a == NULL) {
        return STATUS_LIMIT;
    }
    a->base.ops = &ops;
    a->deadline_ns = deadline_ns;
    if (i->loop != NULL) {
        loop_timer_init(&a->timer, i->loop, on_timer, a);
    }
    *ret = &a->base;
    return STATUS_OK;
}

status wasi_clocks_monotonic_clock_subscribe_instant(host_call *call, uint64_t when,
                                                     wasi_io_poll_pollable **ret, err *e) {
    return subscribe(call, when, ret, e);
}

status wasi_clocks_monotonic_clock_subscribe_duration(host_call *call, uint64_t when,
                                                      wasi_io_poll_pollable **ret, err *e) {
    uint64_t now = now_ns(wasi_of(call));
    return subscribe(call, when > UINT64_MAX - now ? UINT64_MAX : now + when, ret, e);
}
