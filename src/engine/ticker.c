// SPDX-License-Identifier: Apache-2.0
// The sleep protocol: the thread sets `is_asleep`, then looks at `running` once more and waits; ticker_enter
// raises `running`, then looks at `is_asleep`. Both are sequentially consistent, so one of the two sees the
// other.
#include "engine/ticker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "os/clock.h"

enum { QUIET_TICKS_MAX = 50 }; // without a guest, until the thread sleeps

struct ticker {
    uint64_t tick_ns;
    void (*tick)(void *context);
    void *context;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping; // under the lock
    atomic_uint running;
    atomic_uint entries; // wraps; only compared for change
    atomic_bool is_asleep;
};

static struct timespec timespec_at(uint64_t ns) {
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
}

// Under the lock, which it gives up while it waits.
static void ticker_sleep_until_guest(ticker *t) {
    atomic_store(&t->is_asleep, true);
    while (atomic_load(&t->running) == 0 && !t->is_stopping && atomic_load(&t->is_asleep)) {
        pthread_cond_wait(&t->wake, &t->lock);
    }
    atomic_store(&t->is_asleep, false);
}

static void ticker_wait(ticker *t, uint64_t until_ns) {
    struct timespec at = timespec_at(until_ns);
    while (!t->is_stopping && pthread_cond_timedwait(&t->wake, &t->lock, &at) == 0) {
    }
}

static void *ticker_main(void *arg) {
    ticker *t = arg;
    uint32_t quiet = 0;
    uint32_t entries_seen = 0;
    pthread_mutex_lock(&t->lock);
    while (!t->is_stopping) {
        ticker_wait(t, clock_now_ns() + t->tick_ns);
        uint32_t entries = atomic_load_explicit(&t->entries, memory_order_relaxed);
        if (atomic_load(&t->running) > 0) {
            quiet = 0;
            t->tick(t->context);
        } else if (entries != entries_seen) {
            quiet = 0;
        } else if (++quiet >= QUIET_TICKS_MAX) {
            ticker_sleep_until_guest(t);
            quiet = 0;
        }
        entries_seen = entries;
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

status ticker_new(uint64_t tick_ns, void (*tick)(void *context), void *context, ticker **ret, err *e) {
    ticker *t = MEM_NEW(ticker);
    t->tick_ns = tick_ns;
    t->tick = tick;
    t->context = context;
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&t->wake, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    CHECK(pthread_mutex_init(&t->lock, NULL) == 0);
    int failed = pthread_create(&t->thread, NULL, ticker_main, t);
    if (failed != 0) {
        pthread_cond_destroy(&t->wake);
        pthread_mutex_destroy(&t->lock);
        mem_free(t);
        return err_set_errno(e, failed, "start the thread that stops endless guests");
    }
    *ret = t;
    return STATUS_OK;
}

void ticker_free(ticker *t) {
    if (t == NULL) {
        return;
    }
    pthread_mutex_lock(&t->lock);
    t->is_stopping = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

void ticker_enter(ticker *t) {
    atomic_fetch_add_explicit(&t->entries, 1, memory_order_relaxed);
    atomic_fetch_add(&t->running, 1);
    if (WRIT_UNLIKELY(atomic_load(&t->is_asleep))) {
        pthread_mutex_lock(&t->lock);
        atomic_store(&t->is_asleep, false);
        pthread_cond_signal(&t->wake);
        pthread_mutex_unlock(&t->lock);
    }
}

void ticker_leave(ticker *t) { atomic_fetch_sub(&t->running, 1); }
