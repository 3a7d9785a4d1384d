// SPDX-License-Identifier: Apache-2.0
#include "capability/pollable.h"
#include "helper_guest.h"
#include "os/clock.h"
#include "test.h"
#include "wasi/clocks_monotonic_clock.h"
#include "wasi/clocks_wall_clock.h"

static void pass_a_second(host_call *call, void *arg) {
    (void)arg;
    call->now_ns += 1000000000;
    loop_turn(call->loop, false); // the timer fires in here, if it is due
}

static void start(guest *g) {
    guest_init(g);
    g->has_clock = true;
    g->on_suspend = pass_a_second;
    guest_start(g);
}

TEST(now_and_resolution) {
    guest g;
    start(&g);
    g.now_ns = 5000000003;
    uint64_t now = 0, resolution = 0;
    EXPECT_OK(wasi_clocks_monotonic_clock_now(&g, &now, NULL));
    EXPECT_U64(now, 5000000003);
    EXPECT_OK(wasi_clocks_monotonic_clock_resolution(&g, &resolution, NULL));
    EXPECT(resolution > 0);
    wasi_clocks_wall_clock_datetime wall = {0};
    EXPECT_OK(wasi_clocks_wall_clock_now(&g, &wall, NULL));
    EXPECT_U64(wall.seconds, 1005);
    EXPECT_EQ(wall.nanoseconds, 3);
    EXPECT_OK(wasi_clocks_wall_clock_resolution(&g, &wall, NULL));
    EXPECT(wall.seconds > 0 || wall.nanoseconds > 0);
    guest_done(&g);
}

TEST(waiting_for_a_moment) {
    guest g;
    err e;
    start(&g);
    wasi_io_poll_pollable *p = NULL, *past = NULL;
    bool ready = true;
    EXPECT_OK(wasi_clocks_monotonic_clock_subscribe_duration(&g, 2500000000, &p, &e));
    EXPECT_OK(wasi_clocks_monotonic_clock_subscribe_instant(&g, 1, &past, &e));
    EXPECT_OK(wasi_io_poll_pollable_ready(&g, p, &ready, &e));
    EXPECT(!ready);
    EXPECT_OK(wasi_io_poll_pollable_ready(&g, past, &ready, &e));
    EXPECT(ready);
    EXPECT_OK(wasi_io_poll_pollable_block(&g, p, &e));
    EXPECT_U64(g.now_ns, 3000000001);
    EXPECT(g.is_woken); // by the timer, not by chance
    wasi_io_poll_pollable_drop(g.instance, p);
    wasi_io_poll_pollable_drop(g.instance, past);
    guest_done(&g);
}

TEST(many_moments_and_an_end_before_them) {
    guest g;
    err e;
    start(&g);
    wasi_io_poll_pollable *items[3];
    EXPECT_OK(wasi_clocks_monotonic_clock_subscribe_duration(&g, UINT64_MAX, &items[0], &e)); // saturates
    EXPECT_OK(wasi_clocks_monotonic_clock_subscribe_instant(&g, 900000000000, &items[1], &e));
    EXPECT_OK(wasi_clocks_monotonic_clock_subscribe_instant(&g, 4000000000, &items[2], &e));
    wasi_io_poll_list_borrow_pollable list = {.items = items, .count = 3};
    wasi_io_poll_list_u32 r = {0};
    EXPECT_OK(wasi_io_poll_poll(&g, &list, &r, &e));
    EXPECT(r.count == 1 && r.items[0] == 2);
    EXPECT(g.now_ns >= 4000000000 && g.now_ns < 5000000002);
    guest_done(&g); // stops the timers that still run
}

TEST(the_clock_of_the_machine) {
    guest g;
    err e;
    guest_init(&g);
    guest_start(&g);
    wasi_io_poll_pollable *p = NULL;
    uint64_t before = 0, after = 0;
    EXPECT_OK(wasi_clocks_monotonic_clock_now(&g, &before, &e));
    EXPECT_OK(wasi_clocks_monotonic_clock_subscribe_duration(&g, 3000000, &p, &e));
    EXPECT_OK(wasi_io_poll_pollable_block(&g, p, &e)); // really waits, on the loop
    EXPECT_OK(wasi_clocks_monotonic_clock_now(&g, &after, &e));
    EXPECT(after - before >= 3000000);
    EXPECT(g.suspends >= 1);
    wasi_clocks_wall_clock_datetime wall = {0};
    EXPECT_OK(wasi_clocks_wall_clock_now(&g, &wall, &e));
    EXPECT(wall.seconds > 1700000000);
    guest_done(&g);
}
