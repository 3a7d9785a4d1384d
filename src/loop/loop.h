// SPDX-License-Identifier: Apache-2.0
// The event loop: one per thread that serves. Timers, descriptors to watch, and work to run soon.
//
// A turn of the loop: due timers fire, then the nodes of the run-soon queue run, then the loop waits for
// descriptors (not at all when there is more to run soon) and calls their watchers. Everything here belongs
// to the thread of its loop, except loop_mailbox_post (mailbox.h).
//
// Callbacks are called from the loop only, never from inside a function of this header. All structures are
// owned by the caller, zero-initialised or made with the init functions, and may be stopped and freed at any
// moment outside of a pass over them, also from their own callback. Nothing here allocates except watches
// (from a pool of the loop). The only folder that knows libuv.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/err.h"
#include "base/list.h"

typedef struct loop loop;

// Where the loop reads the time; tests give their own. Must never go back.
typedef struct loop_clock {
    uint64_t (*now_ns)(void *arg);
    void *arg;
} loop_clock;

typedef void (*loop_callback)(void *arg);

// `clock` NULL = the machine's monotonic clock. With a clock of its own a loop never sleeps for a timer: a
// turn that would only wait for one returns, so that the test can move the clock on.
status loop_new(const loop_clock *clock, loop **ret, err *e) WRIT_MUST_USE;
// Everything that was started on it must have been stopped. Waits for name lookups that still run.
void loop_free(loop *l); // accepts NULL

void loop_run(loop *l);             // until loop_stop
void loop_stop(loop *l);            // the running turn is finished first
void loop_turn(loop *l, bool wait); // one turn; with `wait` it blocks until there is something to do
// When it has something to do by itself: 0 = now (work to run soon), the deadline of the earliest timer, or
// UINT64_MAX. For whoever moves the clock of several loops.
uint64_t loop_next_ns(const loop *l);

// The time, read at most once between two waits: cheap, and the same for all that one turn does. For
// deadlines.
uint64_t loop_now_ns(loop *l);
// Reads the clock anew, for after something that took long (a guest that ran).
uint64_t loop_now_fresh_ns(loop *l);

// --- timers ------------------------------------------------------------------------------------------------

// Fires once, never early; late by up to a millisecond and by what runs before it in the turn.
typedef struct loop_timer {
    loop *l;
    loop_callback fn;
    void *arg;
    uint64_t deadline_ns;
    enum { LOOP_TIMER_IDLE, LOOP_TIMER_WAITING, LOOP_TIMER_DUE } state;
    struct loop_timer *child, *next, *prev; // in the heap of the loop; prev is the parent for a first child
    list_node due;                          // when LOOP_TIMER_DUE
} loop_timer;

void loop_timer_init(loop_timer *t, loop *l, loop_callback fn, void *arg);
void loop_timer_start_at(loop_timer *t, uint64_t deadline_ns); // of loop_now_ns; starting again moves it
void loop_timer_start_in(loop_timer *t, uint64_t delay_ns);    // saturates
void loop_timer_stop(loop_timer *t);                           // idempotent; accepts a zeroed timer
static inline bool loop_timer_is_active(const loop_timer *t) { return t->state != LOOP_TIMER_IDLE; }

// --- run soon ----------------------------------------------------------------------------------------------

// A node runs once per time it is queued, in the order of queueing. What is queued while the queue is being
// run waits for the next turn, so descriptors and timers get their share between.
typedef struct loop_soon {
    loop_callback fn;
    void *arg;
    list_node node;
    bool is_queued;
} loop_soon;

void loop_soon_init(loop_soon *s, loop_callback fn, void *arg);
void loop_soon_add(loop *l, loop_soon *s); // nothing when it is queued already
void loop_soon_cancel(loop_soon *s);       // idempotent; accepts a zeroed node

// --- watching descriptors ----------------------------------------------------------------------------------

enum {
    LOOP_READABLE = 1,
    LOOP_WRITABLE = 2,
    LOOP_HANGUP = 4, // the peer will send no more; reported only when asked for
    LOOP_ERROR =
        8, // never asked for. The watch has been set to 0 events: read SO_ERROR, or read and write to see
};

typedef void (*loop_watch_callback)(void *arg, unsigned events);

// Level-triggered. One watch per descriptor and loop. The descriptor stays the caller's, who stops the watch
// before closing it.
typedef struct loop_watch {
    loop_watch_callback fn;
    void *arg;
    unsigned events;
    struct loop_watch_handle *handle; // NULL when stopped
} loop_watch;

// Starts watching `fd` (made non-blocking) for `events`, which may be 0 for the time being. The watch must be
// zeroed or stopped.
status loop_watch_start(loop_watch *w, loop *l, int fd, unsigned events, loop_watch_callback fn, void *arg,
                        err *e) WRIT_MUST_USE;
void loop_watch_set(loop_watch *w, unsigned events); // cheap when nothing changes
void loop_watch_stop(loop_watch *w);                 // idempotent; accepts a zeroed watch
static inline bool loop_watch_is_active(const loop_watch *w) { return w->handle != NULL; }
