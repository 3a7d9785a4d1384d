// SPDX-License-Identifier: Apache-2.0
// A pool has as many lanes as pieces that may run; each lane has one of libuv's requests. What finds no free
// lane waits in the pool's own queue, so that libuv's queue never holds more than the lanes.
#include "loop/work.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

typedef struct loop_work_lane {
    uv_work_t request; // first, so that libuv's pointer is ours
    loop_work_pool *pool;
    loop_work *work;   // NULL when free
    loop_callback run; // copies, for the other thread
    void *arg;
} loop_work_lane;

struct loop_work_pool {
    loop *l;
    list_node waiting;
    size_t waiting_count;
    size_t waiting_max;
    list_node cancelled; // their `done` is still to be called
    loop_soon soon;
    size_t busy_count;
    size_t lane_count;
    loop_work_lane lanes[];
};

// libuv reads it when it makes its threads.
void loop_work_set_threads(unsigned count) {
    char text[16];
    (void)snprintf(text, sizeof text, "%u", count);
    CHECK(setenv("UV_THREADPOOL_SIZE", text, 1) == 0);
}

static void on_thread(uv_work_t *request) {
    loop_work_lane *lane = (loop_work_lane *)request;
    lane->run(lane->arg);
}

static void finish(loop_work *w, bool was_cancelled) {
    loop_callback done = w->done;
    w->pool = NULL;
    w->lane = NULL;
    w->was_cancelled = was_cancelled;
    done(w->arg); // which may start it again, or free it
}

static void on_ended(uv_work_t *request, int failed);

static void fill(loop_work_lane *lane, loop_work *w) {
    lane->work = w;
    lane->run = w->run;
    lane->arg = w->arg;
    w->lane = lane;
    lane->pool->busy_count++;
    CHECK(uv_queue_work(&lane->pool->l->uv, &lane->request, on_thread, on_ended) ==
          0); // fails without a function
}

static loop_work_lane *free_lane(loop_work_pool *p) {
    for (size_t i = 0; p->busy_count < p->lane_count && i < p->lane_count; i++) {
        if (p->lanes[i].work == NULL) {
            return &p->lanes[i];
        }
    }
    return NULL;
}

// The next piece gets the lane before `done` is called, so that what `done` starts comes after those that
// waited.
static void on_ended(uv_work_t *request, int failed) {
    loop_work_lane *lane = (loop_work_lane *)request;
    loop_work_pool *p = lane->pool;
    loop_work *ended = lane->work;
    lane->work = NULL;
    p->busy_count--;
    list_node *next = list_pop_front(&p->waiting);
    if (next != NULL) {
        p->waiting_count--;
        fill(lane, LIST_ENTRY(next, loop_work, node));
    }
    finish(ended, failed == UV_ECANCELED);
}

static void on_soon(void *arg) {
    loop_work_pool *p = arg;
    list_node *first = list_pop_front(&p->cancelled);
    if (first == NULL) {
        return;
    }
    if (!list_empty(&p->cancelled)) {
        loop_soon_add(p->l, &p->soon); // one per turn: the pool may be gone after the last
    }
    finish(LIST_ENTRY(first, loop_work, node), true);
}

status loop_work_pool_new(loop *l, size_t running_max, size_t queue_max, loop_work_pool **ret, err *e) {
    (void)e;
    CHECK(running_max > 0 && running_max <= LOOP_WORK_RUNNING_MAX && queue_max <= LOOP_WORK_QUEUE_MAX);
    loop_work_pool *p = mem_zalloc(sizeof *p + running_max * sizeof p->lanes[0]);
    p->l = l;
    p->waiting_max = queue_max;
    p->lane_count = running_max;
    list_init(&p->waiting);
    list_init(&p->cancelled);
    loop_soon_init(&p->soon, on_soon, p);
    for (size_t i = 0; i < running_max; i++) {
        p->lanes[i].pool = p;
    }
    *ret = p;
    return STATUS_OK;
}

bool loop_work_pool_is_idle(const loop_work_pool *p) {
    return p->busy_count == 0 && p->waiting_count == 0 && list_empty(&p->cancelled);
}

void loop_work_pool_free(loop_work_pool *p) {
    if (p != NULL) {
        CHECK(loop_work_pool_is_idle(p));
        loop_soon_cancel(&p->soon);
        mem_free(p);
    }
}

status loop_work_start(loop_work_pool *p, loop_work *w, loop_callback run, loop_callback done, void *arg,
                       err *e) {
    CHECK(w->pool == NULL);
    loop_work_lane *lane = free_lane(p);
    if (lane == NULL && p->waiting_count >= p->waiting_max) {
        return err_set(e, STATUS_LIMIT, "too much work waits for a thread (%zu pieces)", p->waiting_count);
    }
    *w = (loop_work){.run = run, .done = done, .arg = arg, .pool = p};
    list_init(&w->node);
    if (lane != NULL) {
        fill(lane, w);
    } else {
        list_push_back(&p->waiting, &w->node);
        p->waiting_count++;
    }
    return STATUS_OK;
}

void loop_work_cancel(loop_work *w) {
    loop_work_pool *p = w->pool;
    if (p == NULL || w->was_cancelled) {
        return;
    }
    if (w->lane != NULL) { // libuv has it: when no thread has begun, it comes back soon
        uv_cancel((uv_req_t *)&w->lane->request);
        return;
    }
    w->was_cancelled = true;
    list_remove(&w->node);
    p->waiting_count--;
    list_push_back(&p->cancelled, &w->node);
    loop_soon_add(p->l, &p->soon);
}
