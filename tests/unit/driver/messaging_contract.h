// SPDX-License-Identifier: Apache-2.0
// The contract of messaging (driver/messaging/messaging.h), as tests that hold for every driver. A test file
// says how its driver is prepared and left, and has them all:
//
//   static const char *start_it(msg *m);  msg_start and settings of every link; NULL, or why it cannot run
//   here static void stop_it(msg *m); MESSAGING_CONTRACT(start_it, stop_it)
#pragma once

#include "base/mem.h"
#include "test.h"
#include "unit/driver/helper_messaging.h"

#define MSG_SETTING(name, value) \
    { SLICE_LITERAL(name), SLICE_LITERAL(value) }
#define MSG_SETTING_END        \
    {                          \
        {NULL, 0}, { NULL, 0 } \
    }

static void contract_publish(msg *m) {
    msg_link *a = msg_open(m, NULL, "t.>", NULL), *b = msg_open(m, "t.one,t.two", "t.answers", NULL);
    EXPECT(msg_publish(a, "t.nobody", "lost"));
    EXPECT(msg_publish(a, "t.one", "first"));
    EXPECT(msg_publish(a, "t.two", ""));
    EXPECT(msg_publish_to(a, "t.one", slice_of("\0\xff\r\n", 4), "t.answers"));
    EXPECT(msg_wait_for(b, 3));
    size_t one = slice_equal_text(b->got[0].message.body, "first") ? 0 : 1; // of two subscriptions
    EXPECT(msg_got_is(b, one, "t.one", "first"));
    EXPECT(!b->got[one].message.has_reply_to);
    size_t binary = 0;
    for (size_t i = 0; i < 3; i++) {
        binary = b->got[i].message.has_reply_to ? i : binary;
    }
    EXPECT_BYTES(b->got[binary].message.body, slice_of("\0\xff\r\n", 4));
    EXPECT_BYTES(b->got[binary].message.reply_to, slice_from_text("t.answers"));
    EXPECT_EQ(a->got_count, 0);
}

static void contract_patterns(msg *m) {
    msg_link *a = msg_open(m, NULL, "p.>", NULL), *star = msg_open(m, "p.*.c", NULL, NULL),
             *rest = msg_open(m, "p.a.>", NULL, NULL);
    EXPECT(msg_publish(a, "p.a.c", "both"));
    EXPECT(msg_publish(a, "p.a.b.c", "rest"));
    EXPECT(msg_publish(a, "p.b.c", "star"));
    EXPECT(msg_publish(a, "p.a", "none"));
    EXPECT(msg_publish(a, "p.a.c", "last"));
    EXPECT(msg_wait_for(star, 3) && msg_wait_for(rest, 3));
    EXPECT(msg_got_is(star, 0, "p.a.c", "both") && msg_got_is(star, 1, "p.b.c", "star") &&
           msg_got_is(star, 2, "p.a.c", "last"));
    EXPECT(msg_got_is(rest, 0, "p.a.c", "both") && msg_got_is(rest, 1, "p.a.b.c", "rest") &&
           msg_got_is(rest, 2, "p.a.c", "last"));
}

static void contract_allowed(msg *m) {
    msg_link *a = msg_open(m, NULL, "s.in,s.in.*", NULL), *mute = msg_open(m, "s.mine", NULL, NULL);
    msg_link *b = msg_open(m, "s.>", NULL, NULL);
    slice x = slice_from_text("x");
    EXPECT(msg_is_refused(a, "s.out", x, NULL, "may not publish to s.out"));
    EXPECT(msg_is_refused(a, "s.in.a.b", x, NULL, "may not publish"));
    EXPECT(msg_is_refused(mute, "s.in", x, NULL, "may not publish"));
    EXPECT(msg_is_refused(mute, "s.mine", x, NULL, "may not publish"));
    EXPECT(msg_is_refused(a, "s.in", x, "s.out", "may not have answers sent to s.out"));
    static const char *const wrong[] = {"", "s.in.*", "s.in.>", "s..in", "s.in.", "s.i n", "s.in.\r\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT(msg_is_refused(a, wrong[i], x, NULL, "is no subject that a message can have"));
        EXPECT(msg_is_refused(a, "s.in", x, wrong[i], "may not have answers sent to"));
    }
    EXPECT(msg_request(a, "s.out", "x", 1000, NULL, "may not publish to s.out"));
    EXPECT(msg_publish_to(a, "s.in", x, "s.in.answers"));
    EXPECT(msg_publish(a, "s.in", "last"));
    EXPECT(msg_wait_for(b, 2));
    EXPECT(msg_got_is(b, 0, "s.in", "x") && msg_got_is(b, 1, "s.in", "last"));
}

static void contract_reserved(msg *m) {
    msg_link *all = msg_open(m, ">", ">", NULL);
    msg_link *named = msg_open(m, "$T.>,_INBOX.t.*", "$T.>,_INBOX.t.*,s.a", NULL);
    slice x = slice_from_text("x");
    all->holds = true;
    EXPECT(msg_publish(named, "$T.bucket.key", "x"));
    EXPECT(msg_publish(named, "_INBOX.t.1", "y"));
    EXPECT(msg_publish_to(named, "s.a", x, "$T.bucket.key"));
    EXPECT(msg_wait_for(all, 1) && msg_wait_for(named, 2));
    EXPECT(msg_got_is(all, 0, "s.a", "x") && msg_got_is(named, 0, "$T.bucket.key", "x"));
    EXPECT(msg_is_refused(all, "$T.bucket.key", x, NULL, "may not publish to $T.bucket.key")); // though asked
    EXPECT(msg_is_refused(all, "_INBOX.t.2", x, NULL, "may not publish"));
    EXPECT(msg_is_refused(all, "s.a", x, "$T.bucket.key", "may not have answers sent to"));
    msg_end(&all->got[0], STATUS_OK, NULL);
}

static void contract_bounds(msg *m) {
    enum { MAX = 1000 };
    static const driver_value settings[] = {MSG_SETTING("body-bytes-max", "1000"), MSG_SETTING_END};
    msg_link *a = msg_open(m, NULL, "b.x", settings), *b = msg_open(m, "b.x", NULL, NULL);
    uint8_t *body = mem_alloc(MAX + 1);
    memset(body, 0xa5, MAX + 1);
    EXPECT(msg_is_refused(a, "b.x", slice_of(body, MAX + 1), NULL, "longer than the 1000"));
    EXPECT(msg_publish_to(a, "b.x", slice_of(body, MAX), NULL));
    EXPECT(msg_wait_for(b, 1));
    EXPECT_BYTES(b->got[0].message.body, slice_of(body, MAX));
    mem_free(body);
}

static void contract_large(msg *m) {
    enum { BYTES = 1000000 };
    msg_link *a = msg_open(m, NULL, "l.x", NULL), *b = msg_open(m, "l.x", NULL, NULL);
    uint8_t *body = mem_alloc(BYTES);
    for (size_t i = 0; i < BYTES; i++) {
        body[i] = (uint8_t)(i * 7 >> 3);
    }
    EXPECT(msg_publish_to(a, "l.x", slice_of(body, BYTES), NULL));
    EXPECT(msg_wait_for(b, 1));
    EXPECT(slice_equal(b->got[0].message.body, slice_of(body, BYTES)));
    mem_free(body);
}

static void contract_queues(msg *m) {
    enum { COUNT = 100 };
    msg_link *a = msg_open(m, NULL, "q.x", NULL), *b = msg_open(m, "q.x|workers", NULL, NULL),
             *c = msg_open(m, "q.x|workers", NULL, NULL), *all = msg_open(m, "q.x|others", NULL, NULL);
    for (int i = 0; i < COUNT; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i);
        EXPECT(msg_publish(a, "q.x", body));
    }
    EXPECT(msg_wait_for(all, COUNT));
    for (int i = 0; i < 2000 && b->got_count + c->got_count < COUNT; i++) {
        msg_turn(m);
    }
    EXPECT_EQ(b->got_count + c->got_count, COUNT);
    EXPECT(b->got_count > 0 && c->got_count > 0);
    EXPECT_EQ(all->got_count, COUNT);
}

static void echo(msg_got *g) {
    char body[64];
    snprintf(body, sizeof body, "echo %.*s", SLICE_ARG(g->message.body));
    EXPECT(msg_answer(g, body));
}

// The handler runs for as long as it takes to publish: the loop is turned inside, so it must not be one that
// the loop calls.
static void contract_requests(msg *m) {
    msg_link *a = msg_open(m, NULL, "r.>", NULL), *b = msg_open(m, "r.echo", NULL, NULL);
    b->holds = true;
    messaging_call c = {.function = MESSAGING_REQUEST,
                        .message = {.subject = SLICE_LITERAL("r.echo"), .body = SLICE_LITERAL("hi")},
                        .timeout_ms = 20000};
    for (size_t i = 0; i < 3; i++) {
        msg_pending p;
        msg_begin(a, &p, &c);
        EXPECT(msg_wait_for(b, i + 1));
        echo(&b->got[i]);
        msg_wait(a, &p);
        EXPECT(p.code == STATUS_OK && !p.answer.is_error);
        EXPECT_BYTES(p.answer.message.body, slice_from_text("echo hi"));
        EXPECT(msg_answer(&b->got[i], "a second answer goes nowhere"));
        msg_end(&b->got[i], STATUS_OK, NULL);
        msg_pending_done(&p);
    }
    EXPECT(msg_request(a, "r.echo", "slow", 50, NULL, "no answer came within 50 ms"));
    EXPECT(msg_request(a, "r.nobody", "x", 20000, NULL, "nobody is subscribed"));
}

static void contract_replies_end_with_the_handler(msg *m) {
    msg_link *a = msg_open(m, "o.answers", "o.x", NULL), *b = msg_open(m, "o.x", NULL, NULL);
    b->holds = true;
    EXPECT(msg_publish_to(a, "o.x", slice_from_text("x"), "o.answers"));
    EXPECT(msg_wait_for(b, 1));
    EXPECT(msg_answer(&b->got[0], "one"));
    EXPECT(msg_answer(&b->got[0], "two"));
    msg_end(&b->got[0], STATUS_OK, NULL);
    while (b->running > 0) {
        msg_turn(m);
    }
    EXPECT(msg_is_refused(b, "o.answers", slice_from_text("late"), NULL, "may not publish to o.answers"));
    EXPECT(msg_wait_for(a, 2));
    EXPECT(msg_got_is(a, 0, "o.answers", "one") && msg_got_is(a, 1, "o.answers", "two"));
}

static void contract_order(msg *m) {
    enum { COUNT = 200 };
    static const driver_value one[] = {MSG_SETTING("concurrency", "1"), MSG_SETTING_END};
    static const driver_value three[] = {MSG_SETTING("concurrency", "3"), MSG_SETTING_END};
    msg_link *a = msg_open(m, NULL, "n.x", NULL), *b = msg_open(m, "n.x", NULL, one),
             *c = msg_open(m, "n.x", NULL, three);
    c->holds = true;
    for (int i = 0; i < COUNT; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i);
        EXPECT(msg_publish(a, "n.x", body));
    }
    EXPECT(msg_wait_for(b, COUNT) && msg_wait_for(c, 3));
    EXPECT_EQ(b->running_max, 1);
    EXPECT_EQ(c->got_count, 3);
    for (size_t i = 0; i < COUNT; i++) {
        char body[16];
        snprintf(body, sizeof body, "%zu", i);
        EXPECT(msg_got_is(b, i, "n.x", body));
    }
    for (size_t i = 0; i < COUNT && msg_wait_for(c, i + 1); i++) {
        msg_end(&c->got[i], STATUS_OK, NULL);
    }
    EXPECT_EQ(c->got_count, COUNT);
    EXPECT_EQ(c->running_max, 3);
}

// Whatever keeps it from being begun is waited for.
static void contract_no_room(msg *m) {
    msg_link *a = msg_open(m, NULL, "f.x", NULL), *b = msg_open(m, "f.x", NULL, NULL);
    b->refusals = 3;
    static const status ends[] = {STATUS_LIMIT, STATUS_LIMIT};
    memcpy(b->ends, ends, sizeof ends);
    b->end_count = 2;
    EXPECT(msg_publish(a, "f.x", "patient"));
    EXPECT(msg_wait_for(b, 3));
    EXPECT_EQ(b->refused, 3);
    EXPECT(msg_got_is(b, 2, "f.x", "patient"));
    EXPECT(msg_publish(a, "f.x", "next"));
    EXPECT(msg_wait_for(b, 4));
    EXPECT(msg_got_is(b, 3, "f.x", "next"));
}

static void contract_lost_once(msg *m) {
    msg_link *a = msg_open(m, NULL, "d.x", NULL), *b = msg_open(m, "d.x", NULL, NULL);
    static const status ends[] = {STATUS_CLOSED, STATUS_TRAP, STATUS_TIMEOUT};
    memcpy(b->ends, ends, sizeof ends);
    b->end_count = 3;
    EXPECT(msg_publish(a, "d.x", "0") && msg_publish(a, "d.x", "1") && msg_publish(a, "d.x", "2"));
    EXPECT(msg_publish(a, "d.x", "3"));
    EXPECT(msg_wait_for(b, 4));
    for (size_t i = 0; i < 4; i++) {
        char body[16];
        snprintf(body, sizeof body, "%zu", i);
        EXPECT(msg_got_is(b, i, "d.x", body)); // none comes again
    }
}

static void contract_redeliver(msg *m) {
    static const driver_value twice[] = {MSG_SETTING("redeliver", "2"), MSG_SETTING_END};
    msg_link *a = msg_open(m, NULL, "e.x", NULL), *b = msg_open(m, "e.x", NULL, twice);
    b->holds = true;
    EXPECT(msg_publish(a, "e.x", "x"));
    EXPECT(msg_wait_for(b, 1));
    msg_end(&b->got[0], STATUS_CLOSED, NULL);
    EXPECT(msg_wait_for(b, 2));
    msg_end(&b->got[1], STATUS_OK, "not this time");
    EXPECT(msg_wait_for(b, 3));
    msg_end(&b->got[2], STATUS_TRAP, NULL); // given up
    EXPECT(msg_publish(a, "e.x", "y"));
    EXPECT(msg_wait_for(b, 4));
    msg_end(&b->got[3], STATUS_DENIED, NULL); // never tried again
    EXPECT(msg_publish(a, "e.x", "z"));
    EXPECT(msg_wait_for(b, 5));
    EXPECT(msg_got_is(b, 1, "e.x", "x") && msg_got_is(b, 2, "e.x", "x") && msg_got_is(b, 3, "e.x", "y") &&
           msg_got_is(b, 4, "e.x", "z"));
    msg_end(&b->got[4], STATUS_OK, NULL);
}

// A link that is closed gets no more, and its handlers are given up.
static void contract_closing(msg *m) {
    msg_link *a = msg_open(m, NULL, "c.x", NULL), *b = msg_open(m, "c.x", NULL, NULL),
             *c = msg_open(m, "c.x", NULL, NULL);
    b->holds = true;
    EXPECT(msg_publish(a, "c.x", "one"));
    EXPECT(msg_wait_for(b, 1) && msg_wait_for(c, 1));
    msg_close(b); // checks that nothing runs afterwards
    EXPECT(msg_publish(a, "c.x", "two"));
    EXPECT(msg_wait_for(c, 2));
}

static void contract_cancel(msg *m) {
    msg_link *a = msg_open(m, NULL, "k.x", NULL), *b = msg_open(m, "k.x", NULL, NULL);
    messaging_call c = {.function = MESSAGING_REQUEST,
                        .message = {.subject = SLICE_LITERAL("k.x"), .body = SLICE_LITERAL("x")},
                        .timeout_ms = 60000};
    msg_pending p;
    msg_begin(a, &p, &c);
    EXPECT(msg_wait_for(b, 1));
    p.call.is_cancelled = true;
    m->d->cancel(a->link, &p.call);
    msg_wait(a, &p);
    EXPECT_STATUS(p.code, STATUS_CANCELLED);
    msg_pending_done(&p);
    EXPECT(msg_publish(a, "k.x", "goes on"));
    EXPECT(msg_wait_for(b, 2));
}

static void contract_wrong(msg_link *k, const char *interface, const char *function, slice payload,
                           status expected) {
    messaging_call c = {.function = MESSAGING_PUBLISH, .message = {.subject = SLICE_LITERAL("w.x")}};
    msg_pending p;
    msg_begin(k, &p, &c); // fills it
    msg_wait(k, &p);
    p.is_done = false;
    buf_clear(&p.bytes);
    p.call.interface = slice_from_text(interface);
    p.call.function = slice_from_text(function);
    p.call.payload = payload;
    k->m->d->call(k->link, &p.call);
    msg_wait(k, &p);
    EXPECT_STATUS(p.code, expected);
    msg_pending_done(&p);
}

static void contract_wrong_calls(msg *m) {
    msg_link *a = msg_open(m, NULL, "w.x", NULL);
    contract_wrong(a, MESSAGING_CONSUMER, "steal", slice_empty(), STATUS_UNSUPPORTED);
    contract_wrong(a, MESSAGING_HANDLER, "handle-message", slice_empty(), STATUS_UNSUPPORTED);
    contract_wrong(a, MESSAGING_CONSUMER, "publish", slice_from_text("\x05w.x"), STATUS_INVALID);
    contract_wrong(a, MESSAGING_CONSUMER, "request", slice_empty(), STATUS_INVALID);
    EXPECT(msg_publish(a, "w.x", "still works"));
}

WRIT_UNUSED static void contract_settings(msg *m) {
    static const struct {
        driver_value value;
        const char *part;
    } wrong[] = {
        {MSG_SETTING("subscriptions", "a..b"), "the setting subscriptions: \"a..b\" is not a subject"},
        {MSG_SETTING("subscriptions", "a.b|"), "the setting subscriptions"},
        {MSG_SETTING("subscriptions", "a|b c"), "the setting subscriptions"},
        {MSG_SETTING("subjects", "a,,b"), "the setting subjects: \"\" is not a subject"},
        {MSG_SETTING("concurrency", "0"), "the setting concurrency is a number from 1 to 512"},
        {MSG_SETTING("body-bytes-max", "9000000"), "the setting body-bytes-max"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        driver_value values[MSG_SETTINGS_MAX];
        memcpy(values, m->common, m->common_count * sizeof values[0]);
        values[m->common_count] = wrong[i].value;
        const driver_link_options o = {.settings = {values, m->common_count + 1},
                                       .credentials = m->credentials};
        driver_link *none = NULL;
        err e = {0};
        EXPECT_STATUS(driver_open(m->d, &m->env, &o, &none, &e), STATUS_INVALID);
        EXPECT_CONTAINS(e.message, wrong[i].part);
    }
}

#define MESSAGING_CONTRACT_TEST(start_it, stop_it, name) \
    TEST(contract_##name) {                              \
        msg m = {0};                                     \
        const char *why = start_it(&m);                  \
        if (why != NULL) {                               \
            SKIP(why);                                   \
        }                                                \
        contract_##name(&m);                             \
        stop_it(&m);                                     \
    }

// All but those on settings, for a driver that passes them on to where they are checked.
#define MESSAGING_CONTRACT_CALLS(start_it, stop_it)                          \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, publish)                      \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, patterns)                     \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, allowed)                      \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, reserved)                     \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, bounds)                       \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, large)                        \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, queues)                       \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, requests)                     \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, replies_end_with_the_handler) \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, order)                        \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, no_room)                      \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, lost_once)                    \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, redeliver)                    \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, closing)                      \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, cancel)                       \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, wrong_calls)

#define MESSAGING_CONTRACT(start_it, stop_it)   \
    MESSAGING_CONTRACT_CALLS(start_it, stop_it) \
    MESSAGING_CONTRACT_TEST(start_it, stop_it, settings)
