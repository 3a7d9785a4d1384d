// SPDX-License-Identifier: Apache-2.0
// The loop: timers and run-soon with a clock of the test's own, descriptors, mailboxes, signals and lookups
// for real.
#include "loop/loop.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/mailbox.h"
#include "loop/resolve.h"
#include "loop/signal.h"
#include "test.h"

typedef struct fake_time {
    uint64_t now_ns;
} fake_time;

static uint64_t fake_now(void *arg) { return ((fake_time *)arg)->now_ns; }

typedef struct order { // who ran, in which order
    char text[64];
    size_t len;
} order;

typedef struct mark {
    order *o;
    char letter;
    loop *l;
    loop_timer timer;
    loop_soon soon;
    loop_soon *adds;     // queued again when it runs
    loop_timer *stops;   // stopped when it runs
    uint64_t restart_ns; // started again when it runs, UINT64_MAX = not
} mark;

static void note(void *arg) {
    mark *m = arg;
    m->o->text[m->o->len++] = m->letter;
    if (m->adds != NULL) {
        loop_soon_add(m->l, m->adds);
    }
    if (m->stops != NULL) {
        loop_timer_stop(m->stops);
    }
    if (m->restart_ns != UINT64_MAX) {
        loop_timer_start_in(&m->timer, m->restart_ns);
    }
}

static void mark_init(mark *m, order *o, char letter, loop *l) {
    *m = (mark){.o = o, .letter = letter, .l = l, .restart_ns = UINT64_MAX};
    loop_timer_init(&m->timer, l, note, m);
    loop_soon_init(&m->soon, note, m);
}

static loop *fake_loop(fake_time *t) {
    loop *l = NULL;
    loop_clock clock = {fake_now, t};
    EXPECT_OK(loop_new(&clock, &l, NULL));
    return l;
}

TEST(timers_fire_in_order_and_never_early) {
    fake_time t = {1000};
    loop *l = fake_loop(&t);
    order o = {0};
    mark m[4];
    for (int i = 0; i < 4; i++) {
        mark_init(&m[i], &o, (char)('a' + i), l);
    }
    loop_timer_start_at(&m[0].timer, 1300);
    loop_timer_start_in(&m[1].timer, 100);
    loop_timer_start_in(&m[2].timer, 200);
    loop_timer_start_at(&m[3].timer, 5); // long past
    loop_turn(l, false);
    EXPECT_TEXT(o.text, "d");
    t.now_ns = 1099;
    loop_turn(l, false);
    EXPECT_TEXT(o.text, "d");
    t.now_ns = 1300;
    loop_timer_stop(&m[2].timer);
    loop_timer_stop(&m[2].timer);
    loop_turn(l, false);
    EXPECT_TEXT(o.text, "dba");
    EXPECT(!loop_timer_is_active(&m[0].timer));
    loop_free(l);
}

TEST(a_loop_says_when_it_has_something_to_do) {
    fake_time t = {1000};
    loop *l = fake_loop(&t);
    order o = {0};
    mark m;
    mark_init(&m, &o, 'a', l);
    EXPECT_U64(loop_next_ns(l), UINT64_MAX);
    loop_timer_start_at(&m.timer, 1300);
    EXPECT_U64(loop_next_ns(l), 1300);
    loop_soon_add(l, &m.soon);
    EXPECT_U64(loop_next_ns(l), 0);
    loop_turn(l, false);
    EXPECT_U64(loop_next_ns(l), 1300);
    loop_timer_stop(&m.timer);
    EXPECT_U64(loop_next_ns(l), UINT64_MAX);
    loop_free(l);
}

TEST(a_timer_may_stop_another_that_is_due_and_restart_itself) {
    fake_time t = {1};
    loop *l = fake_loop(&t);
    order o = {0};
    mark a;
    mark b;
    mark_init(&a, &o, 'a', l);
    mark_init(&b, &o, 'b', l);
    a.stops = &b.timer;
    a.restart_ns = 0; // waits for the next turn, or this one would never end
    loop_timer_start_in(&a.timer, 0);
    loop_timer_start_in(&b.timer, 0);
    loop_turn(l, false);
    EXPECT_TEXT(o.text, "a");
    loop_turn(l, false);
    EXPECT_TEXT(o.text, "aa");
    loop_timer_stop(&a.timer);
    loop_timer_start_in(&b.timer, UINT64_MAX); // saturates
    loop_turn(l, false);
    EXPECT_TEXT(o.text, "aa");
    loop_timer_stop(&b.timer);
    loop_free(l);
}

// The heap against the obvious: many timers, started, moved and stopped at random, fire sorted.
typedef struct many {
    uint64_t last_ns;
    uint64_t deadline_ns;
    int fired;
    bool is_sorted;
} many;

typedef struct one {
    many *all;
    loop_timer timer;
} one;

static void on_one(void *arg) {
    one *t = arg;
    t->all->is_sorted = t->all->is_sorted && t->timer.deadline_ns >= t->all->last_ns;
    t->all->last_ns = t->timer.deadline_ns;
    t->all->fired++;
}

TEST(many_timers) {
    fake_time t = {0};
    loop *l = fake_loop(&t);
    enum { COUNT = 2000 };
    static one timers[COUNT];
    many all = {.is_sorted = true};
    uint64_t random = 12345;
    int active = 0;
    for (int i = 0; i < COUNT; i++) {
        timers[i].all = &all;
        loop_timer_init(&timers[i].timer, l, on_one, &timers[i]);
    }
    for (int i = 0; i < COUNT * 4; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        loop_timer *timer = &timers[(random >> 33) % COUNT].timer;
        if ((random >> 20) % 4 == 0) {
            loop_timer_stop(timer);
        } else {
            loop_timer_start_at(timer, 1 + (random >> 40) % 1000);
        }
    }
    for (int i = 0; i < COUNT; i++) {
        active += loop_timer_is_active(&timers[i].timer);
    }
    for (t.now_ns = 0; t.now_ns <= 1000; t.now_ns += 50) {
        loop_turn(l, false);
    }
    EXPECT_EQ(all.fired, active);
    EXPECT(all.is_sorted);
    loop_free(l);
}

TEST(soon_is_fair) {
    fake_time t = {1};
    loop *l = fake_loop(&t);
    order o = {0};
    mark a;
    mark b;
    mark c;
    mark_init(&a, &o, 'a', l);
    mark_init(&b, &o, 'b', l);
    mark_init(&c, &o, 'c', l);
    a.adds = &a.soon; // forever
    loop_soon_add(l, &a.soon);
    loop_soon_add(l, &a.soon); // queued once
    loop_soon_add(l, &b.soon);
    loop_soon_add(l, &c.soon);
    loop_soon_cancel(&c.soon);
    loop_turn(l, false);
    EXPECT_TEXT(o.text, "ab");
    loop_timer_start_in(&c.timer, 0);
    loop_turn(l, true); // does not wait while there is more to run
    EXPECT_TEXT(o.text, "abca");
    loop_soon_cancel(&a.soon);
    loop_free(l);
}

TEST(time_is_read_once_a_turn) {
    fake_time t = {10};
    loop *l = fake_loop(&t);
    loop_turn(l, false);
    EXPECT_U64(loop_now_ns(l), 10);
    t.now_ns = 20;
    EXPECT_U64(loop_now_ns(l), 10);
    EXPECT_U64(loop_now_fresh_ns(l), 20);
    t.now_ns = 30;
    loop_turn(l, false);
    EXPECT_U64(loop_now_ns(l), 30);
    loop_free(l);
}

static void stop(void *arg) { loop_stop(arg); }

TEST(real_timers_wake_the_loop) {
    loop *l = NULL;
    EXPECT_OK(loop_new(NULL, &l, NULL));
    loop_timer timer;
    loop_timer_init(&timer, l, stop, l);
    uint64_t before = loop_now_fresh_ns(l);
    loop_timer_start_in(&timer, 3500000);
    loop_run(l);
    EXPECT(loop_now_fresh_ns(l) - before >= 3500000);
    loop_free(l);
}

typedef struct watched {
    loop *l;
    loop_watch watch;
    int fd;
    unsigned seen;
    int calls;
    bool stops;
} watched;

static void on_watch(void *arg, unsigned events) {
    watched *w = arg;
    char byte;
    w->seen |= events;
    w->calls++;
    if (w->stops) {
        loop_watch_stop(&w->watch);
        memset(w, 0xee, sizeof *w); // gone, and nobody looks at it again
    } else if ((events & LOOP_READABLE) != 0) {
        EXPECT(read(w->fd, &byte, 1) >= 0);
    }
}

TEST(watches) {
    loop *l = NULL;
    EXPECT_OK(loop_new(NULL, &l, NULL));
    int pair[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    watched w = {.l = l, .fd = pair[0]};
    EXPECT_OK(loop_watch_start(&w.watch, l, pair[0], LOOP_READABLE, on_watch, &w, NULL));
    loop_turn(l, false);
    EXPECT_EQ(w.calls, 0);
    EXPECT_EQ(write(pair[1], "x", 1), 1);
    loop_turn(l, true);
    EXPECT_EQ(w.seen, LOOP_READABLE);
    loop_watch_set(&w.watch, LOOP_WRITABLE);
    w.seen = 0;
    loop_turn(l, true);
    EXPECT_EQ(w.seen, LOOP_WRITABLE);
    loop_watch_set(&w.watch, 0);
    w.seen = 0;
    EXPECT_EQ(write(pair[1], "x", 1), 1);
    loop_turn(l, false);
    EXPECT_EQ(w.seen, 0);
    loop_watch_set(&w.watch, LOOP_HANGUP);
    close(pair[1]);
    loop_turn(l, true);
    EXPECT((w.seen & LOOP_HANGUP) != 0);
    loop_watch_stop(&w.watch);
    loop_watch_stop(&w.watch);
    loop_turn(l, false);
    close(pair[0]);
    loop_free(l);
}

TEST(a_watch_may_vanish_in_its_callback_and_its_handle_is_used_again) {
    loop *l = NULL;
    EXPECT_OK(loop_new(NULL, &l, NULL));
    for (int i = 0; i < 5; i++) {
        int pair[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        watched w = {.l = l, .fd = pair[0], .stops = true};
        EXPECT_OK(loop_watch_start(&w.watch, l, pair[0], LOOP_READABLE | LOOP_WRITABLE, on_watch, &w, NULL));
        loop_turn(l, true);
        close(pair[0]);
        close(pair[1]);
        loop_turn(l, false);
    }
    loop_free(l);
}

TEST(what_cannot_be_watched_is_an_error) {
    loop *l = NULL;
    EXPECT_OK(loop_new(NULL, &l, NULL));
    watched w = {.l = l};
    EXPECT(loop_watch_start(&w.watch, l, 987654, LOOP_READABLE, on_watch, &w, NULL) != STATUS_OK);
    EXPECT(!loop_watch_is_active(&w.watch));
    loop_free(l);
}

typedef struct inbox {
    loop *l;
    loop_mailbox *mailbox;
    long sum;
    int count;
    int refused;
} inbox;

enum { MESSAGES = 20000, THREADS = 2 };

static void on_message(void *arg, void *message) {
    inbox *b = arg;
    b->sum += (long)(intptr_t)message;
    if (++b->count == MESSAGES * THREADS) {
        loop_stop(b->l);
    }
}

static void *post_all(void *arg) {
    inbox *b = arg;
    for (intptr_t i = 1; i <= MESSAGES; i++) {
        while (!loop_mailbox_post(b->mailbox, (void *)i)) {
            sched_yield();
        }
    }
    return NULL;
}

TEST(mailbox_from_other_threads) {
    inbox b = {0};
    EXPECT_OK(loop_new(NULL, &b.l, NULL));
    EXPECT_OK(loop_mailbox_new(b.l, 64, on_message, &b, &b.mailbox, NULL));
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        EXPECT_EQ(pthread_create(&threads[i], NULL, post_all, &b), 0);
    }
    loop_run(b.l);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    EXPECT_EQ(b.sum, (long)THREADS * MESSAGES * (MESSAGES + 1) / 2);
    loop_mailbox_free(b.mailbox, NULL);
    loop_free(b.l);
}

static void discard(void *message) { ++*(int *)message; }

TEST(mailbox_is_bounded_and_gives_back_what_it_holds) {
    inbox b = {0};
    EXPECT_OK(loop_new(NULL, &b.l, NULL));
    EXPECT_OK(loop_mailbox_new(b.l, 2, on_message, &b, &b.mailbox, NULL));
    int discarded = 0;
    EXPECT(loop_mailbox_post(b.mailbox, &discarded));
    EXPECT(loop_mailbox_post(b.mailbox, &discarded));
    EXPECT(!loop_mailbox_post(b.mailbox, &discarded));
    loop_mailbox_free(b.mailbox, discard);
    EXPECT_EQ(discarded, 2);
    loop_free(b.l);
}

TEST(signals) {
    loop *l = NULL;
    loop_signal *s = NULL;
    EXPECT_OK(loop_new(NULL, &l, NULL));
    EXPECT_OK(loop_signal_new(l, SIGUSR1, stop, l, &s, NULL));
    EXPECT_EQ(raise(SIGUSR1), 0);
    loop_run(l); // ends because of it
    loop_signal_free(s);
    loop_free(l);
}

typedef struct lookup {
    loop *l;
    status result;
    size_t count;
    bool has_loopback;
    int calls;
} lookup;

static void on_found(void *arg, status result, const loop_address *addresses, size_t count, const err *e) {
    lookup *q = arg;
    q->result = result;
    q->count = count;
    q->calls++;
    for (size_t i = 0; i < count; i++) {
        bool is_v4 = addresses[i].any.sa_family == AF_INET;
        q->has_loopback = q->has_loopback ||
                          (is_v4 && addresses[i].v4.sin_addr.s_addr == htonl(INADDR_LOOPBACK)) ||
                          (!is_v4 && IN6_IS_ADDR_LOOPBACK(&addresses[i].v6.sin6_addr));
    }
    EXPECT(result == STATUS_OK ? e == NULL : e != NULL && e->message[0] != '\0');
    loop_stop(q->l);
}

TEST(lookups) {
    lookup q = {0};
    loop_resolve *r = NULL;
    EXPECT_OK(loop_new(NULL, &q.l, NULL));
    uint64_t later = loop_now_ns(q.l) + 60ull * 1000000000;
    EXPECT_OK(loop_resolve_start(q.l, slice_from_text("localhost"), later, on_found, &q, &r, NULL));
    loop_run(q.l);
    EXPECT_EQ(q.result, STATUS_OK);
    EXPECT(q.has_loopback);
    EXPECT_STATUS(loop_resolve_start(q.l, slice_empty(), later, on_found, &q, &r, NULL), STATUS_INVALID);
    EXPECT_STATUS(loop_resolve_start(q.l, slice_of("a\0b", 3), later, on_found, &q, &r, NULL),
                  STATUS_INVALID);
    q.calls = 0;
    EXPECT_OK(loop_resolve_start(q.l, slice_from_text("localhost"), later, on_found, &q, &r, NULL));
    loop_resolve_cancel(r);
    loop_free(q.l); // waits for the thread
    EXPECT_EQ(q.calls, 0);
}

TEST(lookups_are_late_after_their_deadline) {
    lookup q = {0};
    loop_resolve *r = NULL;
    EXPECT_OK(loop_new(NULL, &q.l, NULL));
    EXPECT_OK(loop_resolve_start(q.l, slice_from_text("127.0.0.1"), 0, on_found, &q, &r, NULL));
    loop_run(q.l);
    EXPECT_EQ(q.calls, 1);
    EXPECT(q.result == STATUS_TIMEOUT ||
           q.result == STATUS_OK); // the thread may have been faster than the first turn
    loop_free(q.l);
    EXPECT_EQ(q.calls, 1);
}
