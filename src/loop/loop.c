// SPDX-License-Identifier: Apache-2.0
// The turn of the loop. libuv's order in a turn is: its timers, idle, prepare, wait and watchers, check,
// closing. We do our part in `prepare`, right before the wait, so that whatever watchers queued runs before
// the loop blocks.
#include "loop/loop.h"

#include "base/check.h"
#include "base/mem.h"
#include "loop/loop_internal.h"
#include "os/clock.h"

static uint64_t machine_now_ns(void *arg) {
    (void)arg;
    return clock_now_ns();
}

status loop_err_uv(err *e, int code, const char *what) { return err_set_errno(e, -code, what); }

void loop_free_closed(uv_handle_t *handle) { mem_free(handle); }

static void on_idle(uv_idle_t *idle) { (void)idle; } // being active is all it is for

static void on_wake(uv_timer_t *wake) {
    loop *l = wake->data;
    l->wake_at_ns = UINT64_MAX; // the timers themselves run in prepare, right after this
}

// Nodes queued from here on wait for the next turn: the queue is moved aside first.
static void run_soon_queue(loop *l) {
    if (list_empty(&l->soon)) {
        return;
    }
    list_node batch = l->soon;
    batch.next->prev = &batch;
    batch.prev->next = &batch;
    list_init(&l->soon);
    for (list_node *node; (node = list_pop_front(&batch)) != NULL;) {
        loop_soon *s = LIST_ENTRY(node, loop_soon, node);
        s->is_queued = false;
        s->fn(s->arg);
    }
}

// Makes the coming wait end in time for the earliest timer. Rounded up, so that it is never early.
static void set_wake(loop *l) {
    uint64_t at = l->timers == NULL ? UINT64_MAX : l->timers->deadline_ns;
    if (l->has_own_clock || at == l->wake_at_ns) {
        return;
    }
    l->wake_at_ns = at;
    if (at == UINT64_MAX) {
        uv_timer_stop(&l->wake);
        return;
    }
    uint64_t now = loop_now_fresh_ns(l);
    uint64_t ms = at <= now ? 0 : (at - now) / 1000000 + ((at - now) % 1000000 != 0);
    uv_update_time(&l->uv); // libuv counts from its own cached time
    uv_timer_start(&l->wake, on_wake, ms, 0);
}

static void on_prepare(uv_prepare_t *prepare) {
    loop *l = prepare->data;
    loop_timers_run(l);
    run_soon_queue(l);
    bool has_more = !list_empty(&l->soon);
    if (has_more) {
        uv_idle_start(&l->idle, on_idle);
    } else {
        uv_idle_stop(&l->idle);
        set_wake(l);
    }
    l->is_now_stale = true;
}

status loop_new(const loop_clock *clock, loop **ret, err *e) {
    loop *l = MEM_NEW(loop);
    l->has_own_clock = clock != NULL;
    l->clock = clock != NULL ? *clock : (loop_clock){machine_now_ns, NULL};
    int failed = uv_loop_init(&l->uv);
    if (failed != 0) {
        mem_free(l);
        return loop_err_uv(e, failed, "event loop");
    }
    l->now_ns = l->clock.now_ns(l->clock.arg);
    l->wake_at_ns = UINT64_MAX;
    list_init(&l->soon);
    uv_prepare_init(&l->uv, &l->prepare);
    uv_idle_init(&l->uv, &l->idle);
    uv_timer_init(&l->uv, &l->wake);
    l->prepare.data = l->wake.data = l;
    uv_prepare_start(&l->prepare, on_prepare);
    *ret = l;
    return STATUS_OK;
}

static void check_closing(uv_handle_t *handle, void *arg) {
    (void)arg;
    CHECK(uv_is_closing(handle)); // else a watch, mailbox or signal was not stopped
}

void loop_free(loop *l) {
    if (l == NULL) {
        return;
    }
    CHECK(list_empty(&l->soon) && l->timers == NULL);
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_walk(&l->uv, check_closing, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT); // the rest of closing handles and lookups
    CHECK(uv_loop_close(&l->uv) == 0);
    while (l->spare != NULL) {
        loop_watch_handle *h = l->spare;
        l->spare = h->spare_next;
        mem_free(h);
    }
    mem_free(l);
}

void loop_run(loop *l) { uv_run(&l->uv, UV_RUN_DEFAULT); }

void loop_stop(loop *l) { uv_stop(&l->uv); }

void loop_turn(loop *l, bool wait) {
    bool only_timers = l->has_own_clock && l->timers != NULL;
    uv_run(&l->uv, wait && !only_timers ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

uint64_t loop_next_ns(const loop *l) {
    if (!list_empty(&l->soon)) {
        return 0;
    }
    return l->timers == NULL ? UINT64_MAX : l->timers->deadline_ns;
}

uint64_t loop_now_fresh_ns(loop *l) {
    l->now_ns = l->clock.now_ns(l->clock.arg);
    l->is_now_stale = false;
    return l->now_ns;
}

uint64_t loop_now_ns(loop *l) { return WRIT_UNLIKELY(l->is_now_stale) ? loop_now_fresh_ns(l) : l->now_ns; }

void loop_soon_init(loop_soon *s, loop_callback fn, void *arg) {
    *s = (loop_soon){.fn = fn, .arg = arg};
    list_init(&s->node);
}

void loop_soon_add(loop *l, loop_soon *s) {
    if (!s->is_queued) {
        s->is_queued = true;
        list_push_back(&l->soon, &s->node);
    }
}

void loop_soon_cancel(loop_soon *s) {
    if (s->is_queued) {
        s->is_queued = false;
        list_remove(&s->node);
    }
}
