// SPDX-License-Identifier: Apache-2.0
#include "driver/link_health.h"

#include <string.h>

#include "test.h"

static driver_health told;
static size_t times;

static void on_health(void *arg, const driver_health *h) {
    (void)arg;
    told = *h;
    times++;
}

TEST(a_change_is_told_once_and_from_the_loop) {
    loop *l;
    EXPECT_OK(loop_new(NULL, &l, NULL));
    driver_link_health h;
    times = 0;
    driver_link_health_init(&h, l, &(driver_link_options){.on_health = on_health});
    EXPECT_EQ(h.now.state, DRIVER_CONNECTING);
    driver_link_health_set(&h, DRIVER_CONNECTING, "", 7); // the same state is no news
    loop_turn(l, false);
    EXPECT_EQ(times, 0);
    EXPECT_EQ(h.now.next_try_ns, 7);
    driver_link_health_set(&h, DRIVER_UP, "", UINT64_MAX);
    driver_link_health_set(&h, DRIVER_DOWN, "it is away", 9);
    EXPECT_EQ(times, 0);
    loop_turn(l, false);
    EXPECT_EQ(times, 1);
    EXPECT_EQ(told.state, DRIVER_DOWN);
    EXPECT_TEXT(told.reason, "it is away");
    EXPECT_EQ(told.next_try_ns, 9);
    driver_link_health_done(&h);
    loop_free(l);
}

TEST(nothing_is_told_after_the_end) {
    loop *l;
    EXPECT_OK(loop_new(NULL, &l, NULL));
    driver_link_health h;
    times = 0;
    driver_link_health_init(&h, l, &(driver_link_options){.on_health = on_health});
    driver_link_health_set(&h, DRIVER_UP, "", UINT64_MAX);
    driver_link_health_done(&h);
    loop_turn(l, false);
    EXPECT_EQ(times, 0);
    loop_free(l);
}

TEST(a_long_reason_is_cut) {
    loop *l;
    EXPECT_OK(loop_new(NULL, &l, NULL));
    char reason[2 * DRIVER_REASON_BYTES_MAX];
    memset(reason, 'x', sizeof reason);
    reason[sizeof reason - 1] = '\0';
    driver_link_health h;
    driver_link_health_init(&h, l, &(driver_link_options){0});
    driver_link_health_set(&h, DRIVER_DOWN, reason, UINT64_MAX);
    loop_turn(l, false); // nobody is told
    EXPECT_EQ(strlen(h.now.reason), DRIVER_REASON_BYTES_MAX - 1);
    driver_link_health_done(&h);
    loop_free(l);
}
