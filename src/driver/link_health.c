// SPDX-License-Identifier: Apache-2.0
#include "driver/link_health.h"

#include <stdio.h>

static void on_soon(void *arg) {
    driver_link_health *h = arg;
    if (h->on_health != NULL) {
        h->on_health(h->arg, &h->now);
    }
}

void driver_link_health_init(driver_link_health *h, loop *l, const driver_link_options *options) {
    *h = (driver_link_health){
        .now = {.state = DRIVER_CONNECTING, .since_ns = loop_now_ns(l), .next_try_ns = UINT64_MAX},
        .l = l,
        .on_health = options->on_health,
        .arg = options->arg,
    };
    loop_soon_init(&h->soon, on_soon, h);
}

void driver_link_health_done(driver_link_health *h) { loop_soon_cancel(&h->soon); }

void driver_link_health_set(driver_link_health *h, driver_state state, const char *reason,
                            uint64_t next_try_ns) {
    if (state != h->now.state) {
        h->now.since_ns = loop_now_ns(h->l);
        loop_soon_add(h->l, &h->soon);
    }
    h->now.state = state;
    h->now.next_try_ns = next_try_ns;
    (void)snprintf(h->now.reason, sizeof h->now.reason, "%.*s", DRIVER_REASON_BYTES_MAX - 1, reason);
}
