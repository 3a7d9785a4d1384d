// SPDX-License-Identifier: Apache-2.0
#include "host/expiry.h"

#include "codec/date.h"
#include "os/clock.h"

#define DAY_S 86400ull
#define LOOK_S_MAX 3600ull
#define SECOND_NS 1000000000ull

static uint64_t machine_wall_s(void *arg) {
    (void)arg;
    return clock_wall_now().seconds;
}

static uint64_t warns_at_s(const expiry *x) {
    uint64_t life = x->ends_at_s > x->begins_at_s ? x->ends_at_s - x->begins_at_s : 0;
    uint64_t before = life / 10 < DAY_S ? life / 10 : DAY_S;
    return x->ends_at_s - before;
}

static void announce(expiry *x, uint64_t now_s) {
    char when[DATE_TEXT_BYTES];
    (void)date_text(x->ends_at_s, when);
    if (now_s >= x->ends_at_s) {
        x->is_over = x->has_warned = true;
        logger_event(x->logger, LOG_WARN, "token-expired", LOG_FIELDS(LOG_NUMBER("expires_at", x->ends_at_s)),
                     "the token of this component expired at %s: it goes on running, and the next start will "
                     "be refused unless it is signed anew",
                     when);
    } else if (!x->has_warned && now_s >= warns_at_s(x)) {
        x->has_warned = true;
        logger_event(
            x->logger, LOG_WARN, "token-expires-soon",
            LOG_FIELDS(LOG_NUMBER("expires_at", x->ends_at_s), LOG_NUMBER("left_s", x->ends_at_s - now_s)),
            "the token of this component expires at %s, in %llu s: sign it anew before the next start", when,
            (unsigned long long)(x->ends_at_s - now_s));
    }
}

static void on_time(void *arg) {
    expiry *x = arg;
    uint64_t now_s = x->wall_s(x->arg);
    announce(x, now_s);
    if (x->is_over) {
        return;
    }
    uint64_t next = x->has_warned ? x->ends_at_s : warns_at_s(x);
    uint64_t left = next > now_s ? next - now_s : 1;
    loop_timer_start_in(&x->timer, (left < LOOK_S_MAX ? left : LOOK_S_MAX) * SECOND_NS);
}

void expiry_start(expiry *x, loop *l, logger *log, uint64_t begins_at_s, uint64_t ends_at_s,
                  uint64_t (*wall_s)(void *arg), void *arg) {
    *x = (expiry){.logger = log,
                  .wall_s = wall_s != NULL ? wall_s : machine_wall_s,
                  .arg = arg,
                  .begins_at_s = begins_at_s,
                  .ends_at_s = ends_at_s};
    loop_timer_init(&x->timer, l, on_time, x);
    on_time(x);
}

void expiry_stop(expiry *x) { loop_timer_stop(&x->timer); }
