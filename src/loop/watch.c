// SPDX-License-Identifier: Apache-2.0
// Watches. A libuv handle may be freed only some time after it was closed, so watches borrow theirs from the
// loop, which keeps closed ones for the next watch.
#include "base/check.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

static void on_event(uv_poll_t *poll, int failed, int uv_events) {
    loop_watch *w = ((loop_watch_handle *)poll)->watch;
    unsigned events = 0;
    if (failed != 0) { // libuv has stopped the handle
        events = (w->events & (LOOP_READABLE | LOOP_WRITABLE)) | LOOP_ERROR;
        w->events = 0;
    } else {
        events |= (uv_events & UV_READABLE) != 0 ? LOOP_READABLE : 0u;
        events |= (uv_events & UV_WRITABLE) != 0 ? LOOP_WRITABLE : 0u;
        events |= (uv_events & UV_DISCONNECT) != 0 ? LOOP_HANGUP : 0u;
    }
    w->fn(w->arg, events);
}

static loop_watch_handle *take_handle(loop *l) {
    loop_watch_handle *h = l->spare;
    if (h == NULL) {
        return MEM_NEW(loop_watch_handle);
    }
    l->spare = h->spare_next;
    l->spare_count--;
    return h;
}

static void give_handle(loop_watch_handle *h) {
    loop *l = h->l;
    if (l == NULL || l->spare_count >= LOOP_SPARE_HANDLES_MAX) {
        mem_free(h);
        return;
    }
    h->spare_next = l->spare;
    l->spare = h;
    l->spare_count++;
}

static void on_closed(uv_handle_t *handle) { give_handle((loop_watch_handle *)handle); }

status loop_watch_start(loop_watch *w, loop *l, int fd, unsigned events, loop_watch_callback fn, void *arg,
                        err *e) {
    CHECK(w->handle == NULL);
    loop_watch_handle *h = take_handle(l);
    h->l = l;
    int failed = uv_poll_init(&l->uv, &h->poll, fd);
    if (failed != 0) {
        give_handle(h);
        return loop_err_uv(e, failed, "watch descriptor");
    }
    h->watch = w;
    *w = (loop_watch){.fn = fn, .arg = arg, .handle = h};
    loop_watch_set(w, events);
    return STATUS_OK;
}

void loop_watch_set(loop_watch *w, unsigned events) {
    CHECK(w->handle != NULL);
    if (events == w->events) {
        return;
    }
    w->events = events;
    int uv_events = ((events & LOOP_READABLE) != 0 ? UV_READABLE : 0) |
                    ((events & LOOP_WRITABLE) != 0 ? UV_WRITABLE : 0) |
                    ((events & LOOP_HANGUP) != 0 ? UV_DISCONNECT : 0);
    if (uv_events == 0) {
        uv_poll_stop(&w->handle->poll);
    } else {
        CHECK(uv_poll_start(&w->handle->poll, uv_events, on_event) == 0); // fails only for a closing handle
    }
}

void loop_watch_stop(loop_watch *w) {
    loop_watch_handle *h = w->handle;
    if (h == NULL) {
        return;
    }
    w->handle = NULL;
    w->events = 0;
    h->watch = NULL;
    uv_close((uv_handle_t *)&h->poll, on_closed);
}
