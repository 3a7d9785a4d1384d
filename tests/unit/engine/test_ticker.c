// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <stdatomic.h>

#include "engine/ticker.h"
#include "os/clock.h"

enum { TICK_NS = 100000 };
static const uint64_t patience_ns = 20000000000u;

static void count(void *context) { atomic_fetch_add((atomic_uint *)context, 1); }

static bool ticks_within_patience(atomic_uint *ticks) {
    unsigned before = atomic_load(ticks);
    uint64_t until = clock_now_ns() + patience_ns;
    while (atomic_load(ticks) == before && clock_now_ns() < until) {
    }
    return atomic_load(ticks) != before;
}

static void stay_idle_for(uint64_t ns) {
    uint64_t until = clock_now_ns() + ns;
    while (clock_now_ns() < until) {
    }
}

// The pauses are around the time after which the thread goes to sleep (50 ticks), where a wake-up could get
// lost.
TEST(it_ticks_for_every_guest_after_any_pause) {
    atomic_uint ticks = 0;
    ticker *t = NULL;
    EXPECT_OK(ticker_new(TICK_NS, count, &ticks, &t, NULL));
    for (uint64_t pause = 40; pause <= 70; pause++) {
        stay_idle_for(pause * TICK_NS);
        ticker_enter(t);
        EXPECT(ticks_within_patience(&ticks));
        ticker_leave(t);
    }
    ticker_free(t);
}

TEST(it_does_not_tick_without_guests) {
    atomic_uint ticks = 0;
    ticker *t = NULL;
    EXPECT_OK(ticker_new(TICK_NS, count, &ticks, &t, NULL));
    stay_idle_for(100 * TICK_NS);
    EXPECT_EQ(atomic_load(&ticks), 0);
    ticker_free(t);
}

TEST(it_ends_while_asleep_and_while_a_guest_runs) {
    atomic_uint ticks = 0;
    for (int i = 0; i < 20; i++) {
        ticker *t = NULL;
        EXPECT_OK(ticker_new(TICK_NS, count, &ticks, &t, NULL));
        if (i % 2 == 0) {
            ticker_enter(t);
        }
        stay_idle_for((uint64_t)(i % 5) * 20 * TICK_NS);
        ticker_free(t);
    }
}
