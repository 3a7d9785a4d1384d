// SPDX-License-Identifier: Apache-2.0
// The loop's insides, shared by the files of this folder only.
#pragma once

#include <uv.h>

#include "loop/loop.h"

enum { LOOP_SPARE_HANDLES_MAX = 1024 };

typedef struct loop_watch_handle {
    uv_poll_t poll; // first, so that libuv's pointer is ours
    loop *l;
    loop_watch *watch; // NULL when closing or spare
    struct loop_watch_handle *spare_next;
} loop_watch_handle;

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare; // our timers and the run-soon queue
    uv_idle_t idle;       // active while there is more to run soon: keeps the wait at zero
    uv_timer_t wake;      // ends the wait for the earliest of our timers
    loop_clock clock;
    bool has_own_clock;
    bool is_now_stale; // the loop may have waited since `now_ns` was read
    uint64_t now_ns;
    uint64_t wake_at_ns; // what `wake` is set to; UINT64_MAX = not set
    loop_timer *timers;  // root of a pairing heap by deadline
    list_node soon;
    loop_watch_handle *spare; // closed handles to use again
    size_t spare_count;
    size_t lookups_in_flight;
};

// Timers.
void loop_timers_run(loop *l);
// Fills `err` from a libuv error code.
status loop_err_uv(err *e, int code, const char *what);
// For uv_close of a handle that was allocated on its own.
void loop_free_closed(uv_handle_t *handle);
