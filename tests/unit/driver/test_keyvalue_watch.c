// SPDX-License-Identifier: Apache-2.0
// Who is told what was written, in which order, and what is lost.
#include "driver/keyvalue/keyvalue.h"

#include "base/mem.h"
#include "codec/values.h"
#include "loop/loop.h"
#include "test.h"

enum { GOT_MAX = 4, LINES_BYTES = 4096 };

typedef struct place { // one link's limits, and whom they deliver to
    keyvalue_limits limits;
    driver_delivery *running;
    status refuses; // what deliver answers; STATUS_OK: it takes it
    char lines[LINES_BYTES];
    int lost;
} place;

typedef struct fixture {
    loop *l;
    list_node shared;
    place places[GOT_MAX];
} fixture;

static void note(place *p, const driver_delivery *d) {
    values_reader r = values_reader_of(d->payload);
    slice bucket = values_read_bytes(&r), key = values_read_string(&r), value = slice_empty();
    if (slice_equal_text(d->function, "on-set")) {
        value = values_read_bytes(&r);
    }
    EXPECT(values_read_end(&r, "event", NULL) == STATUS_OK);
    EXPECT(slice_equal_text(d->interface, "wasi:keyvalue/watcher"));
    size_t at = strlen(p->lines);
    (void)snprintf(p->lines + at, sizeof p->lines - at, "%.*s %.*s.%.*s=%.*s\n", SLICE_ARG(d->function),
                   SLICE_ARG(bucket), SLICE_ARG(key), SLICE_ARG(slice_sub(value, 0, 20)));
}

static status deliver(void *arg, driver_delivery *d, err *e) {
    place *p = arg;
    if (p->refuses != STATUS_OK) {
        return err_set(e, p->refuses, "not now");
    }
    EXPECT(p->running == NULL); // one at a time
    p->running = d;
    note(p, d);
    return STATUS_OK;
}

static void deliver_cancel(void *arg, driver_delivery *d) {
    place *p = arg;
    EXPECT(p->running == d);
    p->running = NULL;
}

static void on_lost(void *arg, const char *what, status why) {
    (void)what, (void)why;
    ((place *)arg)->lost++;
}

static void end(place *p, status code) {
    driver_delivery *d = p->running;
    const err e = {.code = code};
    p->running = NULL;
    d->ended(d, code, slice_empty(), code == STATUS_OK ? NULL : &e);
}

static status open_place(fixture *f, place *p, const char *watch, const char *feed) {
    driver_value values[2];
    size_t count = 0;
    if (watch != NULL) {
        values[count++] = (driver_value){slice_from_text("watch"), slice_from_text(watch)};
    }
    if (feed != NULL) {
        values[count++] = (driver_value){slice_from_text("feed"), slice_from_text(feed)};
    }
    const driver_environment env = {.l = f->l, .random = 1, .shared = &f->shared};
    const driver_link_options o = {.settings = {values, count},
                                   .deliver = deliver,
                                   .deliver_cancel = deliver_cancel,
                                   .on_lost = on_lost,
                                   .arg = p};
    return keyvalue_watch_open(&env, &o, &p->limits, NULL);
}

static void setup(fixture *f) {
    *f = (fixture){0};
    list_init(&f->shared);
    REQUIRE(loop_new(NULL, &f->l, NULL) == STATUS_OK);
}

static void teardown(fixture *f) {
    for (int i = 0; i < GOT_MAX; i++) {
        keyvalue_limits_done(&f->places[i].limits);
        EXPECT(f->places[i].running == NULL);
    }
    EXPECT(list_empty(&f->shared));
    loop_free(f->l);
}

static void write_one(place *p, keyvalue_function fn, const char *bucket, const char *key,
                      const char *value) {
    const keyvalue_call c = {.function = fn,
                             .bucket = slice_from_text(bucket),
                             .key = slice_from_text(key),
                             .value = slice_from_text(value)};
    keyvalue_watch_tell(p->limits.watch, &c, &(keyvalue_answer){.is_there = true, .number = 7});
}

static void on_tick(void *arg) { (void)arg; }

// Waits, but not long: a turn that waits blocks after it ran what was due.
static void turn(loop *l) {
    loop_timer tick;
    loop_timer_init(&tick, l, on_tick, NULL);
    loop_timer_start_in(&tick, 2000000);
    loop_turn(l, true);
    loop_timer_stop(&tick);
}

TEST(nobody_who_did_not_ask_is_told) {
    fixture f;
    setup(&f);
    EXPECT_OK(open_place(&f, &f.places[0], NULL, NULL));
    EXPECT(f.places[0].limits.watch == NULL);
    EXPECT_OK(open_place(&f, &f.places[1], "a,b", NULL));
    write_one(&f.places[0], KEYVALUE_SET, "a", "k", "1");
    write_one(&f.places[1], KEYVALUE_SET, "c", "k", "1");
    write_one(&f.places[1], KEYVALUE_GET, "a", "k", "1");
    EXPECT_TEXT(f.places[1].lines, "");
    write_one(&f.places[1], KEYVALUE_SET, "b", "k", "1");
    EXPECT_TEXT(f.places[1].lines, "on-set b.k=1\n");
    teardown(&f); // one is on its way still
}

TEST(links_with_one_feed_tell_each_other) {
    fixture f;
    setup(&f);
    EXPECT_OK(open_place(&f, &f.places[0], NULL, "x"));
    EXPECT_OK(open_place(&f, &f.places[1], "*", "x"));
    EXPECT_OK(open_place(&f, &f.places[2], "*", "y"));
    EXPECT_OK(open_place(&f, &f.places[3], "*", NULL));
    write_one(&f.places[0], KEYVALUE_INCREMENT, "a", "n", "");
    EXPECT_TEXT(f.places[1].lines, "on-set a.n=7\n");
    EXPECT_TEXT(f.places[2].lines, "");
    EXPECT_TEXT(f.places[3].lines, "");
    teardown(&f);
}

TEST(events_come_in_their_order_and_once) {
    fixture f;
    setup(&f);
    place *p = &f.places[0];
    EXPECT_OK(open_place(&f, p, "*", NULL));
    write_one(p, KEYVALUE_SET, "b", "1", "x");
    write_one(p, KEYVALUE_DELETE, "b", "2", "");
    write_one(p, KEYVALUE_COMPARE_AND_SWAP, "b", "3", "z");
    EXPECT_TEXT(p->lines, "on-set b.1=x\n");
    end(p, STATUS_TRAP); // lost, and the workload has a line about it
    EXPECT_TEXT(p->lines, "on-set b.1=x\non-delete b.2=\n");
    end(p, STATUS_LIMIT); // was not called: again, later
    EXPECT(p->running == NULL);
    while (p->running == NULL) {
        turn(f.l);
    }
    EXPECT_TEXT(p->lines, "on-set b.1=x\non-delete b.2=\non-delete b.2=\n");
    end(p, STATUS_OK);
    end(p, STATUS_CLOSED);
    EXPECT(p->running == NULL && p->lost == 1);
    EXPECT_CONTAINS(p->lines, "on-set b.3=z\n");
    teardown(&f);
}

TEST(what_waits_is_bounded) {
    fixture f;
    setup(&f);
    place *p = &f.places[0];
    p->refuses = STATUS_CLOSED;
    EXPECT_OK(open_place(&f, p, "*", NULL));
    for (int i = 0; i < 1024; i++) {
        write_one(p, KEYVALUE_SET, "b", "k", "v");
    }
    EXPECT_EQ(p->lost, 0);
    write_one(p, KEYVALUE_SET, "b", "k", "v");
    EXPECT_EQ(p->lost, 1);
    teardown(&f);
}

TEST(bytes_are_bounded_too) {
    fixture f;
    setup(&f);
    place *p = &f.places[0];
    char *large = mem_calloc(1 << 20, 1);
    memset(large, 'x', (1 << 20) - 1);
    p->refuses = STATUS_LIMIT;
    EXPECT_OK(open_place(&f, p, "*", NULL));
    for (int i = 0; i < 20; i++) {
        write_one(p, KEYVALUE_SET, "b", "k", large);
    }
    EXPECT(p->lost >= 4 && p->lost <= 5);
    mem_free(large);
    teardown(&f);
}
