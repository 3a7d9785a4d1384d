// SPDX-License-Identifier: Apache-2.0
// The driver that calls on a schedule, with clocks of the test's: nothing here takes as long as it says.
#include "driver/cron/cron.h"

#include "base/mem.h"
#include "codec/date.h"
#include "codec/values.h"
#include "driver/messaging/messaging.h"
#include "test.h"

enum { CALLS_MAX = 256 };

typedef struct clocks {
    uint64_t now_ns;  // of the loop
    uint64_t wall_ns; // ahead of it by whatever the test likes
    loop *l;
    driver_link *link;
    driver_delivery *calls[CALLS_MAX]; // NULL: ended
    size_t count;
    size_t refusals; // so many are not begun
    size_t refused;
    bool ends_at_once;
    uint64_t moments[CALLS_MAX]; // in seconds since the start
    bool is_closed;
    slice payload;
    slice interface;
} clocks;

static const uint64_t start_s = 1767225600; // 2026-01-01T00:00:00Z

static uint64_t now_ns(void *arg) { return ((clocks *)arg)->now_ns; }
static uint64_t wall_ns(void *arg) { return ((clocks *)arg)->wall_ns; }

static status deliver(void *arg, driver_delivery *d, err *e) {
    clocks *c = arg;
    if (c->refusals > 0) {
        c->refusals--;
        c->refused++;
        return err_set(e, STATUS_CLOSED, "no worker");
    }
    EXPECT(c->count < CALLS_MAX);
    c->moments[c->count] = c->wall_ns / 1000000000 - start_s;
    c->payload = d->payload;
    c->interface = d->interface;
    c->calls[c->count++] = d;
    return STATUS_OK;
}

static void deliver_cancel(void *arg, driver_delivery *d) {
    clocks *c = arg;
    for (size_t i = 0; i < c->count; i++) {
        c->calls[i] = c->calls[i] == d ? NULL : c->calls[i];
    }
}

static void on_closed(void *arg) { ((clocks *)arg)->is_closed = true; }

static void end(clocks *c, size_t index, status code) {
    driver_delivery *d = c->calls[index];
    err e = {.code = code};
    c->calls[index] = NULL;
    d->ended(d, code, slice_of("\0", code == STATUS_OK ? 1 : 0), code == STATUS_OK ? NULL : &e);
}

// The clocks move on together, a tenth of a second at a time.
static void pass(clocks *c, uint64_t ms) {
    for (uint64_t i = 0; i < ms; i += 100) {
        c->now_ns += 100000000;
        c->wall_ns += 100000000;
        loop_turn(c->l, false);
        for (size_t k = 0; k < c->count && c->ends_at_once; k++) {
            if (c->calls[k] != NULL) {
                end(c, k, STATUS_OK);
            }
        }
    }
}

static status open_link(clocks *c, const driver_value *values, size_t count, err *e) {
    const loop_clock clock = {now_ns, c};
    *c = (clocks){.now_ns = 1000000000, .wall_ns = start_s * 1000000000, .ends_at_once = true};
    EXPECT_OK(loop_new(&clock, &c->l, NULL));
    const driver_environment env = {.l = c->l, .random = 3, .wall = {wall_ns, c}};
    const driver_link_options o = {.settings = {values, count},
                                   .on_closed = on_closed,
                                   .deliver = deliver,
                                   .deliver_cancel = deliver_cancel,
                                   .arg = c};
    return driver_open(&cron_timer, &env, &o, &c->link, e);
}

static void start(clocks *c, const driver_value *values, size_t count) {
    err e = {0};
    EXPECT_STATUS(open_link(c, values, count, &e), STATUS_OK);
}

static void stop(clocks *c) {
    cron_timer.link_close(c->link);
    for (size_t i = 0; i < c->count; i++) {
        EXPECT(c->calls[i] == NULL);
    }
    loop_turn(c->l, false);
    EXPECT(c->is_closed);
    loop_free(c->l);
}

#define SETTING(name, value) \
    { SLICE_LITERAL(name), SLICE_LITERAL(value) }

TEST(a_job_is_called_at_its_moments) {
    static const driver_value values[] = {SETTING("schedule", "*/10 * * * * *"), SETTING("payload", "hello")};
    clocks c;
    start(&c, values, 2);
    pass(&c, 35000);
    EXPECT_EQ(c.count, 3);
    EXPECT(c.moments[0] == 10 && c.moments[1] == 20 && c.moments[2] == 30);
    EXPECT_BYTES(c.payload, slice_from_text("\x05hello"));
    EXPECT_BYTES(c.interface, slice_from_text("wasmcloud:cron/scheduler"));
    stop(&c);
}

TEST(a_job_far_away_is_called_in_time) {
    static const driver_value values[] = {SETTING("schedule", "0 6 * * *")};
    clocks c;
    start(&c, values, 1);
    pass(&c, 7 * 3600000);
    EXPECT_EQ(c.count, 1);
    EXPECT_EQ(c.moments[0], 6 * 3600);
    stop(&c);
}

TEST(several_jobs_each_have_their_payload) {
    static const driver_value values[] = {SETTING("cronjobs", "a=@every 10s:{\"a\":1};b=@every 15s")};
    clocks c;
    start(&c, values, 1);
    pass(&c, 12000);
    EXPECT_BYTES(c.payload, slice_from_text("\x07{\"a\":1}"));
    pass(&c, 5000);
    EXPECT_BYTES(c.payload, slice_from_text("\x02{}"));
    pass(&c, 14000);
    EXPECT_EQ(c.count, 5);
    stop(&c);
}

TEST(with_a_subject_a_message_is_handled) {
    static const driver_value values[] = {SETTING("schedule", "@every 10s"), SETTING("subject", "tick.ten")};
    clocks c;
    messaging_message m = {0};
    start(&c, values, 2);
    c.ends_at_once = false;
    pass(&c, 10500);
    EXPECT_EQ(c.count, 1);
    EXPECT_OK(messaging_message_decode(c.payload, &m, NULL));
    EXPECT_BYTES(m.subject, slice_from_text("tick.ten"));
    EXPECT_BYTES(m.body, slice_from_text("{}"));
    EXPECT(!m.has_reply_to);
    EXPECT_BYTES(c.interface, slice_from_text(MESSAGING_HANDLER));
    stop(&c); // cancels it
}

TEST(moments_while_it_runs_are_left_out) {
    static const driver_value values[] = {SETTING("schedule", "@every 10s")};
    clocks c;
    start(&c, values, 1);
    c.ends_at_once = false;
    pass(&c, 35000);
    EXPECT_EQ(c.count, 1);
    end(&c, 0, STATUS_TRAP);
    pass(&c, 10000);
    EXPECT_EQ(c.count, 2);
    EXPECT_EQ(c.moments[1], 40);
    end(&c, 1, STATUS_CLOSED); // not made again
    pass(&c, 4000);
    EXPECT_EQ(c.count, 2);
    stop(&c);
}

TEST(moments_while_it_runs_are_made_up_for_when_asked) {
    static const driver_value values[] = {SETTING("schedule", "@every 10s"), SETTING("missed", "once")};
    clocks c;
    start(&c, values, 2);
    c.ends_at_once = false;
    pass(&c, 35000);
    EXPECT_EQ(c.count, 1);
    end(&c, 0, STATUS_OK);
    EXPECT_EQ(c.count, 2); // one for two
    end(&c, 1, STATUS_OK);
    EXPECT_EQ(c.count, 2);
    stop(&c);
}

TEST(calls_run_beside_each_other_when_asked) {
    static const driver_value values[] = {SETTING("schedule", "* * * * * *"), SETTING("overlap", "true")};
    clocks c;
    start(&c, values, 2);
    c.ends_at_once = false;
    pass(&c, 40000);
    EXPECT_EQ(c.count, CRON_OVERLAP_MAX);
    end(&c, 0, STATUS_OK);
    pass(&c, 1000);
    EXPECT_EQ(c.count, CRON_OVERLAP_MAX + 1);
    stop(&c);
}

TEST(what_could_not_begin_is_tried_until_the_next_moment) {
    static const driver_value values[] = {SETTING("schedule", "@every 60s")};
    clocks c;
    start(&c, values, 1);
    c.refusals = 3;
    c.ends_at_once = false;
    pass(&c, 70000);
    EXPECT_EQ(c.refused, 3);
    EXPECT_EQ(c.count, 1);
    EXPECT(c.moments[0] >= 60 && c.moments[0] <= 61);
    end(&c, 0, STATUS_LIMIT); // no room: not begun either
    pass(&c, 2000);
    EXPECT_EQ(c.count, 2);
    end(&c, 1, STATUS_OK);
    c.refusals = SIZE_MAX;
    pass(&c, 70000);
    EXPECT_EQ(c.count, 2);
    c.refusals = 0;
    c.ends_at_once = true;
    pass(&c, 70000);
    EXPECT_EQ(c.moments[c.count - 1] % 60, 0); // of its own moment
    stop(&c);
}

// The machine sleeps: its wall clock moves, the loop's does not.
TEST(moments_that_the_machine_slept_through) {
    static const driver_value skip[] = {SETTING("schedule", "0 * * * *")};
    static const driver_value once[] = {SETTING("schedule", "0 * * * *"), SETTING("missed", "once")};
    for (int makes_up = 0; makes_up < 2; makes_up++) {
        clocks c;
        start(&c, makes_up == 1 ? once : skip, makes_up == 1 ? 2 : 1);
        pass(&c, 10000);
        c.wall_ns += 5ull * 3600 * 1000000000 + 1800ull * 1000000000;
        pass(&c, 60000);
        EXPECT_EQ(c.count, (size_t)makes_up);
        pass(&c, 1800000);
        EXPECT_EQ(c.count, (size_t)makes_up + 1);
        EXPECT_EQ(c.moments[c.count - 1], 6 * 3600);
        stop(&c);
    }
}

TEST(a_clock_that_is_set_back) {
    static const driver_value values[] = {SETTING("schedule", "0 * * * *")};
    clocks c;
    start(&c, values, 1);
    pass(&c, 3700000);
    EXPECT_EQ(c.count, 1);
    c.wall_ns -= 1800ull * 1000000000;
    pass(&c, 1900000);
    EXPECT_EQ(c.count, 2);
    EXPECT_EQ(c.moments[1], 3600);
    stop(&c);
}

TEST(settings_that_mean_nothing) {
    static const struct {
        driver_value values[2];
        const char *part;
    } wrong[] = {
        {{SETTING("missed", "skip"), SETTING("overlap", "false")}, "there is no job"},
        {{SETTING("schedule", "0 0 31 2 *"), SETTING("overlap", "true")}, "never comes"},
        {{SETTING("schedule", "@hourly"), SETTING("missed", "all")}, "the setting missed is skip or once"},
        {{SETTING("schedule", "@hourly"), SETTING("subject", "a.*")}, "the setting subject"},
        {{SETTING("cronjobs", "x"), SETTING("overlap", "true")}, "is no job"},
        {{SETTING("schedule", "@hourly"), SETTING("overlap", "yes")}, "overlap is true or false"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        clocks c;
        err e = {0};
        EXPECT_STATUS(open_link(&c, wrong[i].values, 2, &e), STATUS_INVALID);
        EXPECT_CONTAINS(e.message, wrong[i].part);
        loop_free(c.l);
    }
}
