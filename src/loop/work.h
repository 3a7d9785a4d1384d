// SPDX-License-Identifier: Apache-2.0
// Work that blocks, on other threads: for libraries that know no event loop. A pool runs at most so many
// pieces at one time and keeps a bounded queue of those that wait. The threads are the process's (libuv's, as
// many as UV_THREADPOOL_SIZE says, 4 without it), shared by all pools and by name lookups.
//
// Threads: everything of this header on the thread of the loop; only `run` is called on another one. Whatever
// `run` reads was written before loop_work_start, and what it wrote can be read in `done`; between the two
// the piece of work belongs to the thread.
#pragma once

#include <stddef.h>

#include "base/list.h"
#include "loop/loop.h"

// For a process in which much blocks for long. Before its first work or name lookup; at most 1024.
void loop_work_set_threads(unsigned count);

typedef struct loop_work_pool loop_work_pool;

enum {
    LOOP_WORK_RUNNING_MAX = 64,
    LOOP_WORK_QUEUE_MAX = 1 << 16,
};

// `running_max` pieces at one time (1 = one after the other, in the order of starting), `queue_max` more that
// wait.
status loop_work_pool_new(loop *l, size_t running_max, size_t queue_max, loop_work_pool **ret,
                          err *e) WRIT_MUST_USE;
// When no work is queued or running (see loop_work_pool_is_idle).
void loop_work_pool_free(loop_work_pool *p); // accepts NULL
bool loop_work_pool_is_idle(const loop_work_pool *p);

// One piece; the caller's, zeroed or done, in place until `done` was called.
typedef struct loop_work {
    loop_callback run; // on another thread
    loop_callback
        done; // on the loop, exactly once for each start, never from inside a function of this header
    void *arg;
    bool was_cancelled;          // for `done`: `run` was not called
    struct loop_work_pool *pool; // NULL when idle
    struct loop_work_lane *lane; // NULL while it waits in the queue
    list_node node;
} loop_work;

// STATUS_LIMIT when the queue is full: nothing was started.
status loop_work_start(loop_work_pool *p, loop_work *w, loop_callback run, loop_callback done, void *arg,
                       err *e) WRIT_MUST_USE;
// What has not begun will not: `done` comes soon, with `was_cancelled`. Work that has begun goes on to its
// end. Idempotent; accepts zeroed work.
void loop_work_cancel(loop_work *w);
static inline bool loop_work_is_active(const loop_work *w) { return w->pool != NULL; }
