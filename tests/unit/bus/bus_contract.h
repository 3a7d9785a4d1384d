// SPDX-License-Identifier: Apache-2.0
// What every bus promises. A test program includes it after defining
//
//   static const char *contract_begin(contract_place *p);  // NULL, or why it cannot be had
//   static bus *contract_open(contract_place *p); // one more client of the same bus, freed by contract_close
//   static void contract_done(contract_place *p);
//
// where a bus within a process gives the same one each time. With CONTRACT_OF_MESSAGES only messages are
// tested.
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "bus/nats.h"
#include "test.h"

static const uint64_t second_ns = 1000000000;

typedef struct contract_place {
    loop *l;
    loop_timer tick;
    struct contract_more *more; // the program's own
} contract_place;

static const char *contract_begin(contract_place *p);
static bus *contract_open(contract_place *p);
static void contract_close(contract_place *p, bus *b);
static void contract_done(contract_place *p);

static void contract_tick(void *arg) { (void)arg; }

static void contract_turn(contract_place *p) {
    loop_timer_start_in(&p->tick, 2000000);
    loop_turn(p->l, true);
    loop_timer_stop(&p->tick);
}

#define WAIT_FOR(p, condition)                           \
    for (int w_ = 0; w_ < 10000 && !(condition); w_++) { \
        contract_turn(p);                                \
    }                                                    \
    EXPECT(condition)

#define BEGIN(p)                                        \
    contract_place p = {0};                             \
    CHECK(loop_new(NULL, &p.l, NULL) == STATUS_OK);     \
    loop_timer_init(&p.tick, p.l, contract_tick, NULL); \
    const char *why_ = contract_begin(&p);              \
    if (why_ != NULL) {                                 \
        contract_done(&p);                              \
        loop_free(p.l);                                 \
        SKIP(why_);                                     \
    }

#define END(p)         \
    contract_done(&p); \
    loop_free(p.l)

// --- messages ----------------------------------------------------------------------------------------------

typedef struct listener {
    bus_subscription s;
    int count;
    bool answers;
    char subject[600];
    char reply[600];
    char headers[600];
    char payload[600];
    size_t bytes;
} listener;

static void on_heard(void *arg, bus_subscription *s, const bus_message *m) {
    listener *x = arg;
    x->count++;
    x->bytes += m->payload.len;
    snprintf(x->subject, sizeof x->subject, "%.*s", SLICE_ARG(m->subject));
    snprintf(x->reply, sizeof x->reply, "%.*s", SLICE_ARG(m->reply));
    snprintf(x->headers, sizeof x->headers, "%.*s", SLICE_ARG(m->headers));
    snprintf(x->payload, sizeof x->payload, "%.*s", SLICE_ARG(slice_sub(m->payload, 0, 500)));
    if (x->answers && m->reply.len > 0) {
        const bus_message answer = {.subject = m->reply, .headers = m->headers, .payload = m->payload};
        EXPECT_OK(bus_publish(s->b, &answer, NULL));
    }
}

static void listen_to(bus *b, listener *x, const char *subject, const char *queue) {
    err e = {0};
    *x = (listener){0};
    EXPECT_STATUS_ERR(
        bus_subscribe(b, &x->s, slice_from_text(subject), slice_from_text(queue), on_heard, x, &e), STATUS_OK,
        e);
}

static status say(bus *b, const char *subject, const char *text) {
    const bus_message m = {.subject = slice_from_text(subject), .payload = slice_from_text(text)};
    return bus_publish(b, &m, NULL);
}

typedef struct asker {
    bus_request r;
    int ends;
    status code;
    char payload[600];
    char headers[600];
} asker;

static void on_asked(void *arg, const bus_result *r) {
    asker *x = arg;
    x->ends++;
    x->code = r->code;
    snprintf(x->payload, sizeof x->payload, "%.*s", SLICE_ARG(r->message.payload));
    snprintf(x->headers, sizeof x->headers, "%.*s", SLICE_ARG(r->message.headers));
    EXPECT(r->code == STATUS_OK || r->text[0] != '\0');
}

static void start_asking(contract_place *p, bus *b, asker *x, const char *subject, uint64_t within_ns) {
    const bus_message m = {.subject = slice_from_text(subject), .payload = slice_from_text("?")};
    err e = {0};
    *x = (asker){0};
    EXPECT_STATUS_ERR(bus_request_start(b, &x->r, &m, loop_now_ns(p->l) + within_ns, on_asked, x, &e),
                      STATUS_OK, e);
    EXPECT_EQ(x->ends, 0);
}

// All that this client did before has reached the bus.
static void settle(contract_place *p, bus *b) {
    char room[BUS_INBOX_BYTES_MAX];
    listener x = {0};
    slice inbox = bus_inbox(b, room);
    EXPECT_OK(bus_subscribe(b, &x.s, inbox, slice_empty(), on_heard, &x, NULL));
    const bus_message m = {.subject = inbox};
    EXPECT_OK(bus_publish(b, &m, NULL));
    WAIT_FOR(p, x.count == 1);
    bus_unsubscribe(&x.s);
}

TEST(a_message_reaches_all_whose_pattern_it_fits) {
    BEGIN(p);
    static const struct {
        const char *pattern;
        int expected;
    } cases[] = {{"a.b.c", 1},   {"a.*.c", 1}, {"a.>", 2}, {">", 4},   {"*.b.*", 1}, {"a.b", 0},
                 {"a.b.c.d", 0}, {"a.*", 1},   {"*", 1},   {"b.>", 0}, {"a.b.c", 1}};
    enum { COUNT = sizeof cases / sizeof cases[0] };
    listener x[COUNT];
    bus *b = contract_open(&p);
    bus *other = contract_open(&p);
    for (size_t i = 0; i < COUNT; i++) {
        listen_to(b, &x[i], cases[i].pattern, "");
    }
    settle(&p, b);
    int before = x[3].count;
    EXPECT_OK(say(other, "a.b.c", "1"));
    EXPECT_OK(say(other, "a.x", "2"));
    EXPECT_OK(say(other, "z", "3"));
    EXPECT_OK(say(other, "z.z", "4"));
    WAIT_FOR(&p, x[3].count - before >= 4);
    for (size_t i = 0; i < COUNT; i++) {
        EXPECT_EQ(x[i].count - (i == 3 ? before : 0), cases[i].expected);
    }
    EXPECT_TEXT(x[0].subject, "a.b.c");
    EXPECT_TEXT(x[0].payload, "1");
    EXPECT_TEXT(x[0].reply, "");
    bus_unsubscribe(&x[0].s);
    bus_unsubscribe(&x[0].s);
    settle(&p, b);
    EXPECT_OK(say(other, "a.b.c", "5"));
    WAIT_FOR(&p, x[10].count == 2);
    EXPECT_EQ(x[0].count, 1);
    for (size_t i = 0; i < COUNT; i++) {
        bus_unsubscribe(&x[i].s);
    }
    contract_close(&p, other);
    contract_close(&p, b);
    END(p);
}

TEST(order_headers_and_replies_are_kept) {
    BEGIN(p);
    listener x;
    bus *b = contract_open(&p);
    auto_buf headers = {0};
    buf_init(&headers, 1000);
    EXPECT_OK(nats_headers_begin(&headers));
    EXPECT_OK(nats_headers_put(&headers, slice_from_text("Key"), slice_from_text("a b")));
    EXPECT_OK(nats_headers_end(&headers));
    listen_to(b, &x, "in.order", "");
    for (int i = 0; i < 1000; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "%d", i);
        const bus_message m = {.subject = slice_from_text("in.order"),
                               .reply = slice_from_text("nobody.there"),
                               .headers = i == 999 ? buf_slice(&headers) : slice_empty(),
                               .payload = slice_of(text, (size_t)len)};
        EXPECT_OK(bus_publish(b, &m, NULL));
        EXPECT_EQ(x.count, 0);
    }
    while (x.count < 1000) {
        int was = x.count;
        contract_turn(&p);
        char last[16];
        snprintf(last, sizeof last, "%d", x.count - 1);
        EXPECT(x.count == was || strcmp(x.payload, last) == 0);
    }
    EXPECT_TEXT(x.headers, "NATS/1.0\r\nKey: a b\r\n\r\n");
    EXPECT_TEXT(x.reply, "nobody.there");
    bus_unsubscribe(&x.s);
    contract_close(&p, b);
    END(p);
}

TEST(of_a_queue_group_one_gets_it) {
    BEGIN(p);
    listener x[4], all, other;
    bus *b = contract_open(&p);
    bus *c = contract_open(&p);
    listen_to(b, &x[0], "work.*", "group");
    listen_to(c, &x[1], "work.*", "group");
    listen_to(b, &x[2], "work.>", "group"); // another pattern, the same group
    listen_to(c, &x[3], "work.a", "another");
    listen_to(b, &other, "work.b", "group");
    listen_to(c, &all, "work.a", "");
    settle(&p, b);
    settle(&p, c);
    for (int i = 0; i < 300; i++) {
        EXPECT_OK(say(b, "work.a", "x"));
    }
    WAIT_FOR(&p, all.count == 300 && x[3].count == 300 && x[0].count + x[1].count + x[2].count == 300);
    EXPECT(x[0].count > 0 && x[1].count > 0 && x[2].count > 0);
    EXPECT_EQ(other.count, 0);
    for (int i = 0; i < 4; i++) {
        bus_unsubscribe(&x[i].s);
    }
    bus_unsubscribe(&other.s);
    bus_unsubscribe(&all.s);
    contract_close(&p, c);
    contract_close(&p, b);
    END(p);
}

TEST(a_request_has_one_answer_or_says_why_not) {
    BEGIN(p);
    listener x, silent;
    asker a[3];
    bus *b = contract_open(&p);
    bus *c = contract_open(&p);
    listen_to(b, &x, "echo", "");
    listen_to(b, &silent, "silent", "");
    x.answers = true;
    settle(&p, b);
    start_asking(&p, c, &a[0], "echo", 10 * second_ns);
    start_asking(&p, c, &a[1], "nobody.is.there", 10 * second_ns);
    start_asking(&p, c, &a[2], "silent", second_ns / 20);
    WAIT_FOR(&p, a[0].ends == 1 && a[1].ends == 1 && a[2].ends == 1);
    EXPECT_STATUS(a[0].code, STATUS_OK);
    EXPECT_TEXT(a[0].payload, "?");
    EXPECT_STATUS(a[1].code, STATUS_NOT_FOUND);
    EXPECT_STATUS(a[2].code, STATUS_TIMEOUT);
    EXPECT(a[0].r.b == NULL && a[2].r.b == NULL);
    EXPECT_OK(say(b, silent.reply, "late")); // finds nobody
    start_asking(&p, c, &a[0], "echo", 10 * second_ns);
    bus_request_cancel(&a[0].r);
    bus_request_cancel(&a[0].r);
    settle(&p, c);
    EXPECT_EQ(a[0].ends, 0);
    bus_unsubscribe(&x.s);
    bus_unsubscribe(&silent.s);
    contract_close(&p, c);
    contract_close(&p, b);
    END(p);
}

TEST(a_reply_subject_hears_that_nobody_listens) {
    BEGIN(p);
    char room[2][BUS_INBOX_BYTES_MAX];
    listener x;
    bus *b = contract_open(&p);
    slice inbox = bus_inbox(b, room[0]);
    EXPECT(!slice_equal(inbox, bus_inbox(b, room[1])));
    *(&x) = (listener){0};
    EXPECT_OK(bus_subscribe(b, &x.s, inbox, slice_empty(), on_heard, &x, NULL));
    const bus_message m = {.subject = slice_from_text("nobody"), .reply = inbox};
    EXPECT_OK(bus_publish(b, &m, NULL));
    WAIT_FOR(&p, x.count == 1);
    EXPECT_CONTAINS(x.headers, "NATS/1.0 503");
    EXPECT_TEXT(x.payload, "");
    bus_unsubscribe(&x.s);
    contract_close(&p, b);
    END(p);
}

TEST(what_is_no_subject_is_refused) {
    BEGIN(p);
    static const char *const wrong[] = {"",    ".",   "a.", ".a",           "a..b",
                                        "a b", "a.*", ">",  "a\r\nPUB x 0", "a\t"};
    bus *b = contract_open(&p);
    char too_long[BUS_SUBJECT_BYTES_MAX + 2] = "";
    memset(too_long, 'a', sizeof too_long - 1);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_STATUS(say(b, wrong[i], ""), STATUS_INVALID);
    }
    EXPECT_STATUS(say(b, too_long, ""), STATUS_INVALID);
    bus_message m = {.subject = slice_from_text("a"), .reply = slice_from_text("b.*")};
    EXPECT_STATUS(bus_publish(b, &m, NULL), STATUS_INVALID);
    m = (bus_message){.subject = slice_from_text("a"), .headers = slice_from_text("X: y\r\n\r\n")};
    EXPECT_STATUS(bus_publish(b, &m, NULL), STATUS_INVALID);
    listener x = {0};
    EXPECT_STATUS(bus_subscribe(b, &x.s, slice_from_text("a.>.b"), slice_empty(), on_heard, &x, NULL),
                  STATUS_INVALID);
    EXPECT_STATUS(bus_subscribe(b, &x.s, slice_from_text("a"), slice_from_text("q.*"), on_heard, &x, NULL),
                  STATUS_INVALID);
    EXPECT_STATUS(bus_subscribe(b, &x.s, slice_from_text("a"), slice_from_text("q q"), on_heard, &x, NULL),
                  STATUS_INVALID);
    contract_close(&p, b);
    END(p);
}

TEST(a_message_has_a_longest_length) {
    BEGIN(p);
    listener x;
    bus *b = contract_open(&p);
    size_t max = bus_payload_max(b);
    uint8_t *bytes = mem_zalloc(max + 1);
    listen_to(b, &x, "big", "");
    settle(&p, b);
    bus_message m = {.subject = slice_from_text("big"), .payload = slice_of(bytes, max + 1)};
    err e;
    EXPECT_STATUS(bus_publish(b, &m, &e), STATUS_LIMIT);
    m.payload.len = max;
    EXPECT_OK(bus_publish(b, &m, NULL));
    WAIT_FOR(&p, x.count == 1);
    EXPECT_U64(x.bytes, max);
    mem_free(bytes);
    bus_unsubscribe(&x.s);
    contract_close(&p, b);
    END(p);
}

// --- scatter and gather ------------------------------------------------------------------------------------

typedef struct gatherer {
    bus_gather g;
    int answers;
    int ends;
    status code;
    int cancel_at;
} gatherer;

static void on_gathered(void *arg, const bus_message *m) {
    gatherer *x = arg;
    EXPECT_BYTES(m->payload, slice_from_text("?"));
    if (++x->answers == x->cancel_at) {
        bus_gather_cancel(&x->g);
    }
}

static void on_gather_ended(void *arg, status code) {
    gatherer *x = arg;
    x->ends++;
    x->code = code;
}

static void gather(contract_place *p, bus *b, gatherer *x, const char *subject, uint64_t within_ns,
                   uint64_t quiet_ns, size_t max) {
    const bus_message m = {.subject = slice_from_text(subject), .payload = slice_from_text("?")};
    *x = (gatherer){.g = {.answer = on_gathered, .ended = on_gather_ended, .arg = x},
                    .cancel_at = x->cancel_at};
    EXPECT_OK(bus_gather_start(b, &x->g, &m, loop_now_ns(p->l) + within_ns, quiet_ns, max, NULL));
    EXPECT_EQ(x->ends, 0);
}

TEST(all_answers_are_gathered) {
    BEGIN(p);
    listener x[5];
    gatherer g = {0};
    bus *b = contract_open(&p);
    bus *c = contract_open(&p);
    for (int i = 0; i < 5; i++) {
        listen_to(i % 2 == 0 ? b : c, &x[i], "ping", "");
        x[i].answers = true;
    }
    settle(&p, b);
    settle(&p, c);
    gather(&p, b, &g, "ping", second_ns / 4, 0, 0);
    WAIT_FOR(&p, g.ends == 1);
    EXPECT_EQ(g.answers, 5);
    EXPECT_STATUS(g.code, STATUS_OK);
    gather(&p, c, &g, "ping", 100 * second_ns, second_ns / 4, 0);
    WAIT_FOR(&p, g.ends == 1);
    EXPECT_EQ(g.answers, 5);
    gather(&p, c, &g, "ping", 100 * second_ns, 0, 3);
    WAIT_FOR(&p, g.ends == 1);
    EXPECT_EQ(g.answers, 3);
    gather(&p, c, &g, "nobody", 100 * second_ns, 0, 0);
    WAIT_FOR(&p, g.ends == 1);
    EXPECT_EQ(g.answers, 0);
    EXPECT_STATUS(g.code, STATUS_NOT_FOUND);
    g.cancel_at = 2;
    gather(&p, c, &g, "ping", 100 * second_ns, 0, 0);
    WAIT_FOR(&p, g.answers == 2);
    settle(&p, c);
    EXPECT_EQ(g.answers, 2);
    EXPECT_EQ(g.ends, 0);
    for (int i = 0; i < 5; i++) {
        bus_unsubscribe(&x[i].s);
    }
    contract_close(&p, c);
    contract_close(&p, b);
    END(p);
}

#ifndef CONTRACT_OF_MESSAGES

// --- buckets -----------------------------------------------------------------------------------------------

typedef struct keeper {
    bus_kv_op o;
    int ends;
    status code;
    uint64_t revision;
    char value[600];
    size_t len;
    char text[300];
} keeper;

static void on_kept(void *arg, const bus_kv_result *r) {
    keeper *x = arg;
    x->ends++;
    x->code = r->code;
    x->revision = r->entry.revision;
    x->len = r->entry.value.len;
    snprintf(x->value, sizeof x->value, "%.*s", SLICE_ARG(slice_sub(r->entry.value, 0, 500)));
    snprintf(x->text, sizeof x->text, "%s", r->code == STATUS_OK ? "" : r->text);
    EXPECT(r->code == STATUS_OK || r->text[0] != '\0');
}

#ifndef CONTRACT_NO_BUCKET
#define CONTRACT_NO_BUCKET STATUS_NOT_FOUND
#endif

static uint64_t soon(contract_place *p) {
    return loop_now_ns(p->l) + (CONTRACT_NO_BUCKET == STATUS_TIMEOUT ? 3 : 20) * second_ns;
}

static void wait_kept(contract_place *p, keeper *x, status expected, status started) {
    EXPECT_STATUS(started, STATUS_OK);
    EXPECT_EQ(x->ends, 0);
    WAIT_FOR(p, x->ends == 1);
    if (!EXPECT_STATUS(x->code, expected)) {
        printf("    %s\n", x->text);
    }
}

static void open_bucket_of(contract_place *p, bus *b, const char *bucket) {
    keeper x = {0};
    wait_kept(p, &x, STATUS_OK, bus_kv_open(b, &x.o, slice_from_text(bucket), soon(p), on_kept, &x, NULL));
}

static uint64_t keep(contract_place *p, bus *b, const char *key, const char *value, uint64_t expected,
                     status code) {
    keeper x = {0};
    wait_kept(p, &x, code,
              bus_kv_put(b, &x.o, slice_from_text("B"), slice_from_text(key), slice_from_text(value),
                         expected, soon(p), on_kept, &x, NULL));
    return x.revision;
}

static uint64_t drop(contract_place *p, bus *b, const char *key, bus_kv_kind kind, uint64_t expected,
                     status code) {
    keeper x = {0};
    wait_kept(p, &x, code,
              bus_kv_remove(b, &x.o, slice_from_text("B"), slice_from_text(key), kind, expected, soon(p),
                            on_kept, &x, NULL));
    return x.revision;
}

static void look_up(contract_place *p, bus *b, const char *key, keeper *ret, status code) {
    *ret = (keeper){0};
    wait_kept(
        p, ret, code,
        bus_kv_get(b, &ret->o, slice_from_text("B"), slice_from_text(key), soon(p), on_kept, ret, NULL));
}

TEST(a_bucket_keeps_values_with_revisions) {
    BEGIN(p);
    keeper x;
    bus *b = contract_open(&p);
    bus *c = contract_open(&p);
    look_up(&p, b, "key", &x, STATUS_NOT_FOUND); // no bucket
    keep(&p, b, "key", "x", BUS_KV_ANY, CONTRACT_NO_BUCKET);
    open_bucket_of(&p, b, "B");
    open_bucket_of(&p, c, "B");
    look_up(&p, b, "key", &x, STATUS_NOT_FOUND);
    uint64_t first = keep(&p, b, "key", "one", 0, STATUS_OK);
    keep(&p, c, "key", "two", 0, STATUS_EXISTS);
    look_up(&p, c, "key", &x, STATUS_OK);
    EXPECT_TEXT(x.value, "one");
    EXPECT_U64(x.revision, first);
    uint64_t second = keep(&p, c, "key", "two", first, STATUS_OK);
    EXPECT(second > first);
    keep(&p, b, "key", "three", first, STATUS_EXISTS);
    uint64_t third = keep(&p, b, "key", "", BUS_KV_ANY, STATUS_OK);
    EXPECT(third > second);
    look_up(&p, c, "key", &x, STATUS_OK);
    EXPECT_U64(x.len, 0);
    keep(&p, c, "COMPONENT_a/b=c.d-e_F", "strange", 0, STATUS_OK);
    look_up(&p, b, "COMPONENT_a/b=c.d-e_F", &x, STATUS_OK);
    EXPECT_TEXT(x.value, "strange");
    EXPECT(x.revision > third);
    contract_close(&p, c);
    contract_close(&p, b);
    END(p);
}

TEST(what_was_removed_is_not_there) {
    BEGIN(p);
    keeper x;
    bus *b = contract_open(&p);
    static const bus_kv_kind kinds[] = {BUS_KV_DELETE, BUS_KV_PURGE};
    open_bucket_of(&p, b, "B");
    for (int i = 0; i < 2; i++) {
        uint64_t first = keep(&p, b, "key", "one", 0, STATUS_OK);
        drop(&p, b, "key", kinds[i], first + 100, STATUS_EXISTS);
        uint64_t removed = drop(&p, b, "key", kinds[i], first, STATUS_OK);
        EXPECT(removed > first);
        look_up(&p, b, "key", &x, STATUS_NOT_FOUND);
        drop(&p, b, "key", kinds[i], BUS_KV_ANY, STATUS_OK);
        drop(&p, b, "key", kinds[i], 0, STATUS_OK);
        drop(&p, b, "key", kinds[i], first, STATUS_EXISTS);
        drop(&p, b, "never", kinds[i], BUS_KV_ANY, STATUS_OK);
        keep(&p, b, "key", "again", first, STATUS_EXISTS);
        uint64_t again = keep(&p, b, "key", "again", 0, STATUS_OK); // a removed one counts as none
        EXPECT(again > removed);
        look_up(&p, b, "key", &x, STATUS_OK);
        EXPECT_TEXT(x.value, "again");
        drop(&p, b, "key", kinds[i], BUS_KV_ANY, STATUS_OK);
    }
    contract_close(&p, b);
    END(p);
}

TEST(names_of_buckets_and_keys_have_rules) {
    BEGIN(p);
    static const char *const keys[] = {"", ".a", "a.", "a..b", "a b", "a*", ">", "ä"};
    bus *b = contract_open(&p);
    keeper x = {0};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        EXPECT_STATUS(
            bus_kv_get(b, &x.o, slice_from_text("B"), slice_from_text(keys[i]), soon(&p), on_kept, &x, NULL),
            STATUS_INVALID);
    }
    EXPECT_STATUS(bus_kv_open(b, &x.o, slice_from_text("a.b"), soon(&p), on_kept, &x, NULL), STATUS_INVALID);
    EXPECT_STATUS(bus_kv_open(b, &x.o, slice_empty(), soon(&p), on_kept, &x, NULL), STATUS_INVALID);
    bus_kv_watch w = {0};
    EXPECT_STATUS(bus_kv_watch_start(b, &w, slice_from_text("a/b"), NULL), STATUS_INVALID);
    contract_close(&p, b);
    END(p);
}

TEST(an_operation_can_be_cancelled) {
    BEGIN(p);
    bus *b = contract_open(&p);
    keeper x = {0};
    open_bucket_of(&p, b, "B");
    EXPECT_OK(bus_kv_get(b, &x.o, slice_from_text("B"), slice_from_text("k"), soon(&p), on_kept, &x, NULL));
    bus_kv_cancel(&x.o);
    bus_kv_cancel(&x.o);
    keep(&p, b, "other", "", BUS_KV_ANY, STATUS_OK);
    EXPECT_EQ(x.ends, 0);
    contract_close(&p, b);
    END(p);
}

// --- watching ----------------------------------------------------------------------------------------------

typedef struct observer {
    bus_kv_watch w;
    int restarts, entries, removals, marks, failures;
    status code;
    uint64_t revision;
    bool is_out_of_order;
    char seen[1000];
    int stop_at;
} observer;

static void on_restarted(void *arg) { ((observer *)arg)->restarts++; }

static void on_entry(void *arg, const bus_kv_entry *entry) {
    observer *x = arg;
    size_t len = strlen(x->seen);
    x->entries += entry->kind == BUS_KV_PUT;
    x->removals += entry->kind != BUS_KV_PUT;
    x->is_out_of_order = x->is_out_of_order || entry->revision <= x->revision;
    x->revision = entry->revision;
    if (sizeof x->seen - len > 64) {
        snprintf(x->seen + len, sizeof x->seen - len, "%s%.*s%.*s ", entry->kind == BUS_KV_PUT ? "" : "-",
                 SLICE_ARG(slice_sub(entry->key, 0, 20)), SLICE_ARG(slice_sub(entry->value, 0, 20)));
    }
    if (x->entries + x->removals == x->stop_at) {
        bus_kv_watch_stop(&x->w);
    }
}

static void on_caught_up(void *arg) {
    observer *x = arg;
    size_t len = strlen(x->seen);
    x->marks++;
    snprintf(x->seen + len, sizeof x->seen - len, "| ");
}

static void on_watch_failed(void *arg, status code, const char *text) {
    observer *x = arg;
    x->failures++;
    x->code = code;
    EXPECT(text[0] != '\0');
}

static void observe(bus *b, observer *x, const char *bucket) {
    *x = (observer){.w = {.restarted = on_restarted,
                          .entry = on_entry,
                          .caught_up = on_caught_up,
                          .failed = on_watch_failed,
                          .arg = x},
                    .stop_at = x->stop_at};
    EXPECT_OK(bus_kv_watch_start(b, &x->w, slice_from_text(bucket), NULL));
}

TEST(who_watches_is_told_all_and_every_change) {
    BEGIN(p);
    observer x = {0}, y = {0}, z = {.stop_at = 2};
    bus *b = contract_open(&p);
    bus *c = contract_open(&p);
    open_bucket_of(&p, b, "B");
    observe(b, &y, "B"); // of an empty one
    WAIT_FOR(&p, y.marks == 1);
    keep(&p, b, "a", "1", BUS_KV_ANY, STATUS_OK);
    keep(&p, b, "gone", "1", BUS_KV_ANY, STATUS_OK);
    WAIT_FOR(&p, y.entries == 2); // what is replaced before it is told need not be
    keep(&p, b, "b", "1", BUS_KV_ANY, STATUS_OK);
    keep(&p, b, "a", "2", BUS_KV_ANY, STATUS_OK);
    drop(&p, b, "gone", BUS_KV_DELETE, BUS_KV_ANY, STATUS_OK);
    WAIT_FOR(&p, y.removals == 1);
    observe(c, &x, "B");
    observe(c, &z, "B");
    WAIT_FOR(&p, x.marks == 1 && z.entries == 2);
    EXPECT_TEXT(x.seen, "b1 a2 | ");
    keep(&p, b, "c.d", "3", BUS_KV_ANY, STATUS_OK);
    WAIT_FOR(&p, x.entries == 3 && y.entries == 5);
    drop(&p, b, "a", BUS_KV_DELETE, BUS_KV_ANY, STATUS_OK);
    drop(&p, b, "b", BUS_KV_PURGE, BUS_KV_ANY, STATUS_OK);
    WAIT_FOR(&p, x.removals == 2 && y.removals == 3);
    EXPECT_TEXT(x.seen, "b1 a2 | c.d3 -a -b ");
    EXPECT_TEXT(y.seen, "| a1 gone1 b1 a2 -gone c.d3 -a -b ");
    EXPECT_TEXT(z.seen, "b1 a2 ");
    EXPECT(!x.is_out_of_order && !y.is_out_of_order);
    EXPECT_EQ(x.restarts + y.restarts, 0);
    bus_kv_watch_stop(&x.w);
    bus_kv_watch_stop(&x.w);
    keep(&p, b, "late", "", BUS_KV_ANY, STATUS_OK);
    WAIT_FOR(&p, y.entries == 6);
    EXPECT_EQ(x.entries, 3);
    bus_kv_watch_stop(&y.w);
    contract_close(&p, c);
    contract_close(&p, b);
    END(p);
}

TEST(many_entries_come_in_order) {
    BEGIN(p);
    enum { COUNT = 2000 };
    observer x = {0}, late = {0};
    bus *b = contract_open(&p);
    keeper *all = mem_calloc(COUNT, sizeof *all);
    open_bucket_of(&p, b, "B");
    observe(b, &x, "B");
    for (int i = 0; i < COUNT; i++) {
        char key[32];
        int len = snprintf(key, sizeof key, "key.%d", i);
        EXPECT_OK(bus_kv_put(b, &all[i].o, slice_from_text("B"), slice_of(key, (size_t)len),
                             slice_from_text("v"), 0, soon(&p), on_kept, &all[i], NULL));
    }
    WAIT_FOR(&p, x.entries == COUNT);
    int done = 0;
    for (int i = 0; i < COUNT; i++) {
        WAIT_FOR(&p, all[i].ends == 1);
        done += all[i].code == STATUS_OK;
    }
    EXPECT_EQ(done, COUNT);
    observe(b, &late, "B");
    WAIT_FOR(&p, late.marks == 1);
    EXPECT_EQ(late.entries, COUNT);
    EXPECT(!x.is_out_of_order && !late.is_out_of_order);
    bus_kv_watch_stop(&x.w);
    bus_kv_watch_stop(&late.w);
    mem_free(all);
    contract_close(&p, b);
    END(p);
}

TEST(a_bucket_that_is_not_there_is_waited_for) {
    BEGIN(p);
    observer x = {0};
    bus *b = contract_open(&p);
    observe(b, &x, "B");
    WAIT_FOR(&p, x.failures >= 1);
    EXPECT_STATUS(x.code, STATUS_NOT_FOUND);
    EXPECT_EQ(x.marks, 0);
    open_bucket_of(&p, b, "B");
    keep(&p, b, "a", "1", BUS_KV_ANY, STATUS_OK);
    WAIT_FOR(&p, x.marks == 1 && x.entries == 1);
    bus_kv_watch_stop(&x.w);
    contract_close(&p, b);
    END(p);
}

// --- life --------------------------------------------------------------------------------------------------

TEST(what_is_in_flight_is_forgotten_with_the_bus) {
    BEGIN(p);
    bus *b = contract_open(&p);
    bus *c = contract_open(&p);
    listener *heard = MEM_NEW(listener);
    asker *a = MEM_NEW(asker);
    keeper *k = MEM_NEW(keeper);
    observer *o = MEM_NEW(observer);
    gatherer *g = MEM_NEW(gatherer);
    if (b != c) { // else it is another one's, too
        open_bucket_of(&p, b, "B");
        listen_to(b, heard, "silent", "");
        settle(&p, b);
        start_asking(&p, b, a, "silent", 100 * second_ns);
        gather(&p, b, g, "silent", 100 * second_ns, 0, 0);
        observe(b, o, "B");
        EXPECT_OK(
            bus_kv_get(b, &k->o, slice_from_text("B"), slice_from_text("k"), soon(&p), on_kept, k, NULL));
        contract_close(&p, b);
        EXPECT(heard->s.b == NULL && a->r.b == NULL && k->o.b == NULL && o->w.b == NULL && g->g.b == NULL);
    }
    mem_free(heard);
    mem_free(a);
    mem_free(k);
    mem_free(o);
    mem_free(g);
    settle(&p, c);
    contract_close(&p, c);
    END(p);
}

#endif
