// SPDX-License-Identifier: Apache-2.0
#include "loop/signal.h"

#include "base/mem.h"
#include "loop/loop_internal.h"

struct loop_signal {
    uv_signal_t handle; // first, so that libuv's pointer is ours
    loop_callback fn;
    void *arg;
};

static void on_signal(uv_signal_t *handle, int number) {
    (void)number;
    loop_signal *s = (loop_signal *)handle;
    s->fn(s->arg);
}

status loop_signal_new(loop *l, int number, loop_callback fn, void *arg, loop_signal **ret, err *e) {
    loop_signal *s = MEM_NEW(loop_signal);
    int failed = uv_signal_init(&l->uv, &s->handle);
    if (failed != 0) {
        mem_free(s);
        return loop_err_uv(e, failed, "signal watcher");
    }
    s->fn = fn;
    s->arg = arg;
    failed = uv_signal_start(&s->handle, on_signal, number);
    if (failed != 0) {
        uv_close((uv_handle_t *)&s->handle, loop_free_closed);
        return loop_err_uv(e, failed, "signal watcher");
    }
    *ret = s;
    return STATUS_OK;
}

void loop_signal_free(loop_signal *s) {
    if (s != NULL) {
        uv_close((uv_handle_t *)&s->handle, loop_free_closed);
    }
}
