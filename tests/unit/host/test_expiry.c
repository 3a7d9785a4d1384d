// SPDX-License-Identifier: Apache-2.0
// When the end of a token is announced, by clocks of the test's own at every boundary.
#include "host/expiry.h"

#include "test.h"

typedef struct world {
    uint64_t now_ns; // of the loop
    uint64_t wall_s; // set apart from it where the test says so
    uint64_t wall_set_at_ns;
    loop *l;
    logger *log;
    int soon, expired, others;
    expiry x;
} world;

static uint64_t loop_ns(void *arg) { return ((world *)arg)->now_ns; }

static uint64_t wall_s(void *arg) {
    world *w = arg;
    return w->wall_s + (w->now_ns - w->wall_set_at_ns) / 1000000000u;
}

static void on_record(void *arg, const log_record *r) {
    world *w = arg;
    if (slice_equal_text(r->event, "token-expires-soon")) {
        w->soon++;
    } else if (slice_equal_text(r->event, "token-expired")) {
        w->expired++;
    } else {
        w->others++;
    }
}

static void setup(world *w, uint64_t now_s, uint64_t begin_s, uint64_t end_s) {
    *w = (world){.now_ns = 5000000000u, .wall_s = now_s, .wall_set_at_ns = 5000000000u};
    err e = {0};
    loop_clock clock = {loop_ns, w};
    logger_options o = {.fd = -1, .sink = on_record, .context = w};
    REQUIRE(loop_new(&clock, &w->l, &e) == STATUS_OK);
    REQUIRE(logger_new(&o, &w->log, &e) == STATUS_OK);
    expiry_start(&w->x, w->l, w->log, begin_s, end_s, wall_s, w);
}

// Lets the time go by, as the loop sees it: in steps of no more than a second.
static void pass(world *w, uint64_t seconds) {
    for (uint64_t i = 0; i < seconds; i++) {
        w->now_ns += 1000000000u;
        loop_turn(w->l, false);
    }
}

static void teardown(world *w) {
    EXPECT_EQ(w->others, 0);
    expiry_stop(&w->x);
    logger_free(w->log);
    loop_free(w->l);
}

TEST(a_tenth_before_and_at_the_end) {
    world w;
    setup(&w, 1000, 1000, 2000);
    EXPECT_EQ(w.soon, 0);
    pass(&w, 899);
    EXPECT_EQ(w.soon, 0);
    pass(&w, 1); // 1900
    EXPECT_EQ(w.soon, 1);
    pass(&w, 99);
    EXPECT_EQ(w.expired, 0);
    pass(&w, 1); // 2000: refused from this second on
    EXPECT_EQ(w.expired, 1);
    pass(&w, 20000);
    EXPECT_EQ(w.soon + w.expired, 2);
    teardown(&w);
}

TEST(a_day_before_for_a_long_life) {
    world w;
    const uint64_t end = 86400u * 365;
    setup(&w, end - 86400 - 2, 0, end);
    pass(&w, 1);
    EXPECT_EQ(w.soon, 0);
    pass(&w, 1);
    EXPECT_EQ(w.soon, 1);
    teardown(&w);
}

TEST(what_is_the_case_already_is_said_at_once) {
    world w;
    setup(&w, 1950, 1000, 2000);
    EXPECT_EQ(w.soon, 1);
    teardown(&w);
    setup(&w, 2000, 1000, 2000);
    EXPECT_EQ(w.soon, 0);
    EXPECT_EQ(w.expired, 1);
    teardown(&w);
}

TEST(a_wall_clock_that_jumps_is_noticed_within_the_hour) {
    world w;
    setup(&w, 1000, 0, 1000000);
    w.wall_s = 2000000; // woken from a long suspend
    pass(&w, 3599);
    EXPECT_EQ(w.expired, 0);
    pass(&w, 1);
    EXPECT_EQ(w.expired, 1);
    teardown(&w);
    setup(&w, 999950, 0, 1000000);
    EXPECT_EQ(w.soon, 1);
    w.wall_s = 1000; // set back: nothing is over
    pass(&w, 100);
    EXPECT_EQ(w.expired, 0);
    teardown(&w);
}
