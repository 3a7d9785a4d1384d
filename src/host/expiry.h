// SPDX-License-Identifier: Apache-2.0
// Announces in the log that the token of what runs comes to its end: once when a tenth of its life is left
// (a day at most), and once when it is over. What runs goes on: the next start is what an expired token
// refuses. The loop's clock does not count the time in suspend and nobody adjusts it, so the wall clock is
// asked again at least once in an hour.
#pragma once

#include "host/log.h"
#include "loop/loop.h"

typedef struct expiry {
    logger *logger;
    uint64_t (*wall_s)(void *arg); // seconds since 1970
    void *arg;
    uint64_t begins_at_s, ends_at_s;
    loop_timer timer;
    bool has_warned, is_over;
} expiry;

// Announces at once what is already the case. `wall_s` NULL = this machine's clock.
void expiry_start(expiry *x, loop *l, logger *log, uint64_t begins_at_s, uint64_t ends_at_s,
                  uint64_t (*wall_s)(void *arg), void *arg);
void expiry_stop(expiry *x); // idempotent; accepts a zeroed one
