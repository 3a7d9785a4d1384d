// SPDX-License-Identifier: Apache-2.0
// How a link is, for drivers whose backend can go away: part of their link. Changes of the state are told by
// its on_health.
#pragma once

#include "driver/driver.h"

typedef struct driver_link_health {
    driver_health now;
    loop *l;
    void (*on_health)(void *arg, const driver_health *h); // may be NULL
    void *arg;
    loop_soon soon;
} driver_link_health;

// Connecting; in place until driver_link_health_done, after which nothing is told. Both are for one thread,
// the loop's.
void driver_link_health_init(driver_link_health *h, loop *l, const driver_link_options *options);
void driver_link_health_done(driver_link_health *h); // accepts a zeroed one
// Told later, from the loop, when the state is another one. A reason that is too long is cut.
void driver_link_health_set(driver_link_health *h, driver_state state, const char *reason,
                            uint64_t next_try_ns);
