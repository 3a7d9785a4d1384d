// SPDX-License-Identifier: Apache-2.0
// Both roles of wRPC against each other, and against peers that are made of plain messages.
#include "lattice/wrpc.h"

#include <stdio.h>

#include "base/mem.h"
#include "bus/bus_local.h"
#include "bus/nats.h"
#include "test.h"

enum { MS = 1000000, MANY = 3 << 20 };
static const uint64_t second = UINT64_C(1000000000);

// --- a bus with both roles ---------------------------------------------------------------------------------

typedef struct served_seen { // what the server under test saw and does
    lattice_served *q;       // that is open
    lattice_paths up, down;
    bool has_function;
    status refusal;
    bool is_answering; // at once, with `results`
    slice results;
    char source[64], link[64], trace[64], target[64], function[64];
    buf params;
    buf data[2];
    bool ended[2];
    bool is_ended;
    status ended_with;
    unsigned calls, rooms;
} served_seen;

typedef struct fixture {
    uint64_t now;
    loop *l;
    bus *b;
    wrpc *w;
    wrpc_export x;
    lattice_server server;
    served_seen seen;
} fixture;

static uint64_t now_ns(void *arg) { return ((fixture *)arg)->now; }

static bool paths(void *context, slice target, slice instance, slice function, lattice_paths *ret_up,
                  lattice_paths *ret_down) {
    fixture *f = context;
    (void)target, (void)instance, (void)function;
    *ret_up = f->seen.up;
    *ret_down = f->seen.down;
    return f->seen.has_function;
}

static status check_call(void *context, const lattice_invocation *i, err *e) {
    fixture *f = context;
    (void)i;
    return f->seen.refusal == STATUS_OK ? STATUS_OK : err_set(e, f->seen.refusal, "no entry");
}

static void seen_data(lattice_served *q, size_t path, slice bytes) {
    served_seen *s = q->data;
    REQUIRE(buf_append(&s->data[path], bytes) == STATUS_OK);
}

static void seen_end(lattice_served *q, size_t path) { ((served_seen *)q->data)->ended[path] = true; }
static void seen_room(lattice_served *q, size_t path) {
    (void)path;
    ((served_seen *)q->data)->rooms++;
}

static void seen_ended(lattice_served *q, status code) {
    served_seen *s = q->data;
    EXPECT(!s->is_ended);
    s->is_ended = true;
    s->ended_with = code;
    s->q = NULL;
}

static const lattice_served_ops served_ops = {seen_data, seen_end, seen_room, seen_ended};

static void put(char *to, size_t size, slice s) { snprintf(to, size, "%.*s", SLICE_ARG(s)); }

static void serve(void *context, lattice_served *q) {
    served_seen *s = &((fixture *)context)->seen;
    q->ops = &served_ops;
    q->data = s;
    s->q = q;
    s->calls++;
    s->is_ended = false;
    put(s->source, sizeof s->source, q->invocation.source);
    put(s->link, sizeof s->link, q->invocation.link);
    put(s->trace, sizeof s->trace, q->invocation.trace);
    put(s->target, sizeof s->target, q->invocation.target);
    put(s->function, sizeof s->function, q->invocation.function);
    buf_clear(&s->params);
    REQUIRE(buf_append(&s->params, q->invocation.params) == STATUS_OK);
    if (s->is_answering) {
        q->transport->answer(q, s->results);
    }
}

#define INSTANCE "wrpc:keyvalue/store@0.2.0-draft"
#define SUBJECT "main.kv.wrpc.0.0.1." INSTANCE ".get"

static void setup(fixture *f) {
    *f = (fixture){.now = second};
    f->server = (lattice_server){f, paths, check_call, serve};
    f->seen.has_function = true;
    buf_init(&f->seen.params, MANY * 2);
    buf_init(&f->seen.data[0], MANY * 2);
    buf_init(&f->seen.data[1], MANY * 2);
    REQUIRE(loop_new(&(loop_clock){now_ns, f}, &f->l, NULL) == STATUS_OK);
    REQUIRE(bus_local_new(&(bus_local_options){.l = f->l, .random = 7}, &f->b, NULL) == STATUS_OK);
    wrpc_options options = {.bus = f->b,
                            .loop = f->l,
                            .lattice = slice_from_text("main"),
                            .server = &f->server,
                            .random = {1, 2},
                            .serve_ns = 30 * second,
                            .params_ns = 5 * second};
    REQUIRE(wrpc_new(&options, &f->w, NULL) == STATUS_OK);
    REQUIRE(wrpc_export_start(f->w, &f->x, slice_from_text("kv"), slice_from_text(INSTANCE),
                              slice_from_text("get"), NULL) == STATUS_OK);
}

static void teardown(fixture *f) {
    wrpc_export_stop(&f->x);
    wrpc_free(f->w);
    bus_free(f->b);
    loop_free(f->l);
    buf_done(&f->seen.params);
    buf_done(&f->seen.data[0]);
    buf_done(&f->seen.data[1]);
}

static void turns(fixture *f) {
    for (int i = 0; i < 60; i++) {
        loop_turn(f->l, false);
    }
}

static void pass(fixture *f, uint64_t ns) {
    f->now += ns;
    turns(f);
}

// --- a caller ----------------------------------------------------------------------------------------------

typedef struct caller {
    lattice_call call;
    buf results;
    buf data[2];
    bool ended[2], has_results, is_over;
    bool has_data_before_results;
    status code;
    char why[ERR_MESSAGE_BYTES_MAX];
    unsigned rooms;
} caller;

static void on_results(lattice_call *c, slice results) {
    caller *k = (caller *)(void *)c;
    EXPECT(!k->has_results);
    k->has_results = true;
    REQUIRE(buf_append(&k->results, results) == STATUS_OK);
}

static void on_data(lattice_call *c, size_t path, slice bytes) {
    caller *k = (caller *)(void *)c;
    k->has_data_before_results = k->has_data_before_results || !k->has_results;
    REQUIRE(buf_append(&k->data[path], bytes) == STATUS_OK);
}

static void on_end(lattice_call *c, size_t path) { ((caller *)(void *)c)->ended[path] = true; }
static void on_room(lattice_call *c, size_t path) {
    (void)path;
    ((caller *)(void *)c)->rooms++;
}

static void on_ended(lattice_call *c, status code, const err *e) {
    caller *k = (caller *)(void *)c;
    EXPECT(!k->is_over);
    k->is_over = true;
    k->code = code;
    snprintf(k->why, sizeof k->why, "%s", e == NULL ? "" : e->message);
}

static const lattice_call_ops caller_ops = {on_results, on_data, on_end, on_room, on_ended};

static status start(fixture *f, caller *k, slice params) {
    k->call.ops = &caller_ops;
    k->call.invocation = (lattice_invocation){.source = slice_from_text("shop"),
                                              .link = slice_from_text("fast"),
                                              .target = slice_from_text("kv"),
                                              .instance = slice_from_text(INSTANCE),
                                              .function = slice_from_text("get"),
                                              .params = params,
                                              .trace = slice_from_text("00-01-02-00"),
                                              .deadline_ns = f->now + 10 * second};
    buf_init(&k->results, MANY * 2);
    buf_init(&k->data[0], MANY * 2);
    buf_init(&k->data[1], MANY * 2);
    return lattice_call_start(wrpc_transport(f->w), &k->call, NULL);
}

static void done(caller *k) {
    buf_done(&k->results);
    buf_done(&k->data[0]);
    buf_done(&k->data[1]);
}

static const slice get_params = SLICE_LITERAL("\x01"
                                              "b\x01k");
static const slice get_results = SLICE_LITERAL("\x00\x01\x02\x01\x02");
static const lattice_paths two_paths = {{"0.0", "0.1"}, 2};

TEST(a_call_is_answered) {
    fixture f;
    caller k = {.call.has_results = true};
    setup(&f);
    f.seen.is_answering = true;
    f.seen.results = get_results;
    REQUIRE(start(&f, &k, get_params) == STATUS_OK);
    EXPECT(!k.is_over);
    turns(&f);
    EXPECT(k.is_over);
    EXPECT_STATUS(k.code, STATUS_OK);
    EXPECT_BYTES(buf_slice(&k.results), get_results);
    EXPECT_BYTES(buf_slice(&f.seen.params), get_params);
    EXPECT_TEXT(f.seen.source, "shop");
    EXPECT_TEXT(f.seen.link, "fast");
    EXPECT_TEXT(f.seen.trace, "00-01-02-00");
    EXPECT_TEXT(f.seen.target, "kv");
    EXPECT_TEXT(f.seen.function, "get");
    EXPECT(f.seen.is_ended);
    EXPECT_STATUS(f.seen.ended_with, STATUS_OK);
    wrpc_counters c = wrpc_count(f.w);
    EXPECT_EQ(c.calls + c.serving, 0);
    EXPECT_U64(c.queued_bytes, 0);
    EXPECT_U64(c.strays, 0);
    done(&k);
    teardown(&f);
}

TEST(calls_without_parameters_and_results) {
    fixture f;
    caller k = {.has_results = false};
    setup(&f);
    f.seen.is_answering = true;
    REQUIRE(start(&f, &k, slice_empty()) == STATUS_OK);
    turns(&f);
    EXPECT(k.is_over && k.has_results);
    EXPECT_STATUS(k.code, STATUS_OK);
    EXPECT_EQ(f.seen.params.len, 0);
    done(&k);
    teardown(&f);
}

TEST(long_parameters_and_results_are_several_messages) {
    fixture f;
    caller k = {.is_over = false};
    uint8_t *bytes = mem_alloc(MANY);
    setup(&f);
    for (size_t i = 0; i < MANY; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 255);
    }
    REQUIRE(start(&f, &k, slice_of(bytes, MANY)) == STATUS_OK);
    turns(&f);
    REQUIRE(f.seen.q != NULL);
    EXPECT_BYTES(buf_slice(&f.seen.params), slice_of(bytes, MANY));
    bytes[0] = 9;
    f.seen.q->transport->answer(f.seen.q, slice_of(bytes, MANY));
    turns(&f);
    EXPECT_STATUS(k.code, STATUS_OK);
    EXPECT_BYTES(buf_slice(&k.results), slice_of(bytes, MANY));
    mem_free(bytes);
    done(&k);
    teardown(&f);
}

// --- failures ----------------------------------------------------------------------------------------------

static void expect_failure(fixture *f, status code, const char *why) {
    caller k = {.call.has_results = true};
    REQUIRE(start(f, &k, get_params) == STATUS_OK);
    turns(f);
    EXPECT(k.is_over);
    EXPECT_STATUS(k.code, code);
    EXPECT_CONTAINS(k.why, why);
    EXPECT_EQ(wrpc_count(f->w).calls, 0);
    done(&k);
}

TEST(a_call_that_nobody_serves_is_not_found) {
    fixture f;
    setup(&f);
    wrpc_export_stop(&f.x);
    expect_failure(&f, STATUS_NOT_FOUND, "get of " INSTANCE " in kv: nobody serves it");
    teardown(&f);
}

TEST(a_refused_call_is_told_at_once_and_not_made) {
    fixture f;
    setup(&f);
    f.seen.refusal = STATUS_DENIED;
    expect_failure(&f, STATUS_DENIED, "no entry");
    f.seen.refusal = STATUS_LIMIT;
    expect_failure(&f, STATUS_LIMIT, "no entry");
    f.seen.has_function = false;
    expect_failure(&f, STATUS_NOT_FOUND, "nobody serves it");
    EXPECT_EQ(f.seen.calls, 0);
    EXPECT_U64(wrpc_count(f.w).refused, 3);
    teardown(&f);
}

TEST(a_failed_call_has_its_reason) {
    fixture f;
    caller k = {.call.has_results = true};
    setup(&f);
    REQUIRE(start(&f, &k, get_params) == STATUS_OK);
    turns(&f);
    REQUIRE(f.seen.q != NULL);
    f.seen.q->transport->fail(f.seen.q, STATUS_DENIED, "not on\r\nSundays");
    turns(&f);
    EXPECT_STATUS(k.code, STATUS_DENIED);
    EXPECT_CONTAINS(k.why, "not on");
    EXPECT(strchr(k.why, '\n') == NULL);
    EXPECT(!k.has_results);
    EXPECT(f.seen.is_ended);
    EXPECT_STATUS(f.seen.ended_with, STATUS_DENIED);
    done(&k);
    teardown(&f);
}

TEST(silence_is_a_deadline) {
    fixture f;
    caller k = {.call.has_results = true};
    setup(&f);
    REQUIRE(start(&f, &k, get_params) == STATUS_OK);
    turns(&f);
    pass(&f, 9 * second);
    EXPECT(!k.is_over);
    pass(&f, 2 * second);
    EXPECT_STATUS(k.code, STATUS_TIMEOUT);
    EXPECT_CONTAINS(k.why, "no answer by the deadline");
    EXPECT(!f.seen.is_ended);
    pass(&f, 30 * second);
    EXPECT(f.seen.is_ended);
    EXPECT_STATUS(f.seen.ended_with, STATUS_TIMEOUT);
    done(&k);
    teardown(&f);
}

TEST(a_lost_connection_ends_what_is_open) {
    fixture f;
    caller k = {.call.has_results = true};
    setup(&f);
    REQUIRE(start(&f, &k, get_params) == STATUS_OK);
    turns(&f);
    bus_tell_watchers(f.b, false, "test");
    turns(&f);
    EXPECT_STATUS(k.code, STATUS_CLOSED);
    EXPECT_STATUS(f.seen.ended_with, STATUS_CLOSED);
    EXPECT_EQ(wrpc_count(f.w).calls + wrpc_count(f.w).serving, 0);
    done(&k);
    teardown(&f);
}

TEST(names_that_are_none_are_not_sent) {
    fixture f;
    setup(&f);
    static const char *const targets[] = {"", "a.b", "a b", "*", ">"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        lattice_call c = {
            .ops = &caller_ops,
            .invocation = {.target = slice_from_text(targets[i]), .function = slice_from_text("x")}};
        EXPECT_STATUS(lattice_call_start(wrpc_transport(f.w), &c, NULL), STATUS_INVALID);
        EXPECT(c.transport == NULL);
    }
    lattice_call c = {.ops = &caller_ops, .invocation = {.target = slice_from_text("kv")}};
    EXPECT_STATUS(lattice_call_start(wrpc_transport(f.w), &c, NULL), STATUS_INVALID);
    c.invocation.function = slice_from_text("x");
    c.invocation.source = slice_from_text("a\r\nb: c");
    EXPECT_STATUS(lattice_call_start(wrpc_transport(f.w), &c, NULL), STATUS_INVALID);
    EXPECT_EQ(wrpc_count(f.w).calls, 0);
    teardown(&f);
}

// --- streams -----------------------------------------------------------------------------------------------

static void setup_streams(fixture *f, caller *k) {
    setup(f);
    f->seen.up = f->seen.down = two_paths;
    k->call.up = k->call.down = two_paths;
    REQUIRE(start(f, k, get_params) == STATUS_OK);
}

TEST(streams_go_both_ways) {
    fixture f;
    caller k = {.is_over = false};
    setup_streams(&f, &k);
    EXPECT_OK(lattice_call_write(&k.call, 0, slice_from_text("\x03one")));
    turns(&f);
    REQUIRE(f.seen.q != NULL);
    lattice_served *q = f.seen.q;
    EXPECT_BYTES(buf_slice(&f.seen.data[0]), slice_from_text("\x03one"));
    q->transport->answer(q, get_results);
    EXPECT_OK(q->transport->write(q, 1, slice_from_text("later")));
    q->transport->end(q, 1);
    turns(&f);
    EXPECT(k.has_results && !k.is_over);
    EXPECT_BYTES(buf_slice(&k.data[1]), slice_from_text("later"));
    EXPECT(k.ended[1] && !k.ended[0]);
    EXPECT_OK(lattice_call_write(&k.call, 0, slice_from_text("two")));
    lattice_call_end(&k.call, 0);
    turns(&f);
    EXPECT_BYTES(buf_slice(&f.seen.data[0]), slice_from_text("\x03onetwo"));
    EXPECT(f.seen.ended[0] && !f.seen.ended[1]);
    EXPECT_OK(q->transport->write(q, 0, slice_from_text("x")));
    q->transport->end(q, 0);
    turns(&f);
    EXPECT(k.is_over && f.seen.is_ended); // though the caller has not ended its second stream
    EXPECT_STATUS(k.code, STATUS_OK);
    EXPECT(!k.has_data_before_results);
    EXPECT_EQ(wrpc_count(f.w).serving, 0);
    done(&k);
    teardown(&f);
}

TEST(an_error_has_no_streams) {
    fixture f;
    caller k = {.is_over = false};
    setup_streams(&f, &k);
    turns(&f);
    REQUIRE(f.seen.q != NULL);
    f.seen.q->transport->answer(f.seen.q, slice_from_text("\x01\x05"));
    turns(&f);
    EXPECT(k.is_over && f.seen.is_ended);
    EXPECT_STATUS(k.code, STATUS_OK);
    done(&k);
    teardown(&f);
}

TEST(what_waits_is_bounded_and_there_is_room_again) {
    fixture f;
    caller k = {.is_over = false};
    static const uint8_t piece[300 << 10];
    size_t sent = 0;
    setup_streams(&f, &k);
    while (lattice_call_write(&k.call, 0, slice_of(piece, sizeof piece)) == STATUS_OK) {
        sent++;
        REQUIRE(sent < 10);
    }
    EXPECT_EQ(sent, 3);
    EXPECT_EQ(k.rooms, 0);
    turns(&f);
    EXPECT_EQ(k.rooms, 1);
    EXPECT_OK(lattice_call_write(&k.call, 0, slice_of(piece, sizeof piece)));
    turns(&f);
    EXPECT_EQ(f.seen.data[0].len, 4 * sizeof piece);
    lattice_call_cancel(&k.call);
    done(&k);
    teardown(&f);
}

TEST(a_paused_call_gets_nothing_until_it_goes_on) {
    fixture f;
    caller k = {.is_over = false};
    setup_streams(&f, &k);
    turns(&f);
    lattice_served *q = f.seen.q;
    REQUIRE(q != NULL);
    q->transport->pause(q, true);
    lattice_call_pause(&k.call, true);
    EXPECT_OK(lattice_call_write(&k.call, 0, slice_from_text("up")));
    lattice_call_end(&k.call, 0);
    q->transport->answer(q, get_results);
    EXPECT_OK(q->transport->write(q, 0, slice_from_text("down")));
    q->transport->end(q, 0);
    turns(&f);
    EXPECT_EQ(f.seen.data[0].len + k.data[0].len, 0);
    EXPECT(!k.ended[0] && !f.seen.ended[0]);
    q->transport->pause(q, false);
    lattice_call_pause(&k.call, false);
    turns(&f);
    EXPECT_BYTES(buf_slice(&k.data[0]), slice_from_text("down"));
    EXPECT_BYTES(buf_slice(&f.seen.data[0]), slice_from_text("up"));
    EXPECT(k.ended[0] && f.seen.ended[0]);
    lattice_call_cancel(&k.call);
    done(&k);
    teardown(&f);
}

TEST(who_does_not_take_what_comes_loses_the_call_alone) {
    fixture f;
    caller k = {.is_over = false}, other = {.is_over = false};
    static const uint8_t piece[1 << 20];
    setup_streams(&f, &k);
    turns(&f);
    lattice_served *q = f.seen.q;
    REQUIRE(q != NULL);
    lattice_call_pause(&k.call, true);
    q->transport->answer(q, get_results);
    for (int i = 0; i < 40 && !k.is_over; i++) {
        EXPECT_OK(q->transport->write(q, 0, slice_of(piece, sizeof piece)));
        turns(&f);
    }
    EXPECT(k.is_over);
    EXPECT_STATUS(k.code, STATUS_LIMIT);
    q->transport->end(q, 0);
    q->transport->end(q, 1);
    turns(&f);
    EXPECT(f.seen.is_ended);
    EXPECT_U64(wrpc_count(f.w).queued_bytes, 0);
    f.seen.is_answering = true;
    f.seen.down = (lattice_paths){.count = 0};
    f.seen.results = get_results;
    REQUIRE(start(&f, &other, get_params) == STATUS_OK);
    turns(&f);
    EXPECT_STATUS(other.code, STATUS_OK);
    done(&k);
    done(&other);
    teardown(&f);
}

TEST(the_end_of_a_host_ends_what_it_serves) {
    fixture f;
    caller k = {.is_over = false};
    setup_streams(&f, &k);
    turns(&f);
    lattice_call_cancel(&k.call);
    EXPECT(!f.seen.is_ended);
    teardown(&f);
    EXPECT(f.seen.is_ended);
    EXPECT_STATUS(f.seen.ended_with, STATUS_CLOSED);
    done(&k);
}

// --- byte for byte -----------------------------------------------------------------------------------------

typedef struct raw_message {
    char subject[160], reply[160], headers[512];
    uint8_t payload[64];
    size_t len;
} raw_message;

typedef struct raw_peer { // everything that is said on the bus
    bus_subscription all;
    raw_message items[64];
    size_t count;
} raw_peer;

static void on_raw(void *arg, bus_subscription *s, const bus_message *m) {
    raw_peer *p = arg;
    (void)s;
    REQUIRE(p->count < 64);
    raw_message *r = &p->items[p->count++];
    put(r->subject, sizeof r->subject, m->subject);
    put(r->reply, sizeof r->reply, m->reply);
    put(r->headers, sizeof r->headers, m->headers);
    r->len = m->payload.len < sizeof r->payload ? m->payload.len : sizeof r->payload;
    if (r->len > 0) {
        memcpy(r->payload, m->payload.data, r->len);
    }
}

static void overhear(fixture *f, raw_peer *p) {
    *p = (raw_peer){.count = 0};
    REQUIRE(bus_subscribe(f->b, &p->all, slice_from_text(">"), slice_empty(), on_raw, p, NULL) == STATUS_OK);
}

static void say(fixture *f, const char *subject, const char *reply, slice headers, slice payload) {
    bus_message m = {slice_from_text(subject), slice_from_text(reply), headers, payload};
    REQUIRE(bus_publish(f->b, &m, NULL) == STATUS_OK);
}

static const char *below(char ret[200], const char *subject, const char *path) {
    snprintf(ret, 200, "%s.%s", subject, path);
    return ret;
}

static void expect_said(const raw_peer *p, size_t at, const char *subject, slice payload) {
    if (!EXPECT(at < p->count)) {
        return;
    }
    EXPECT_TEXT(p->items[at].subject, subject);
    EXPECT_BYTES(slice_of(p->items[at].payload, p->items[at].len), payload);
}

TEST(what_a_caller_says_byte_for_byte) {
    fixture f;
    caller k = {.call.has_results = true};
    raw_peer p;
    char path[200];
    setup(&f);
    wrpc_export_stop(&f.x);
    overhear(&f, &p);
    REQUIRE(start(&f, &k, get_params) == STATUS_OK);
    turns(&f);
    REQUIRE(p.count == 1);
    expect_said(&p, 0, SUBJECT, get_params);
    EXPECT_TEXT(p.items[0].headers,
                "NATS/1.0\r\nsource-id: shop\r\nlink-name: fast\r\ntraceparent: 00-01-02-00\r\n\r\n");
    char own[160];
    snprintf(own, sizeof own, "%s", p.items[0].reply);
    say(&f, own, "_INBOX.peer.1", slice_empty(), slice_empty());
    turns(&f);
    expect_said(&p, 2, "_INBOX.peer.1.params", slice_empty());
    say(&f, below(path, own, "results"), "", slice_empty(), slice_sub(get_results, 0, 1));
    say(&f, below(path, own, "results"), "", slice_empty(), slice_sub(get_results, 1, 5));
    say(&f, below(path, own, "results"), "", slice_empty(), slice_empty());
    turns(&f);
    EXPECT_STATUS(k.code, STATUS_OK);
    EXPECT_EQ(p.count, 6);
    bus_unsubscribe(&p.all);
    done(&k);
    teardown(&f);
}

TEST(what_a_server_says_byte_for_byte) {
    fixture f;
    raw_peer p;
    char path[200];
    setup(&f);
    overhear(&f, &p);
    f.seen.is_answering = true;
    f.seen.results = get_results;
    f.seen.up = f.seen.down = two_paths;
    say(&f, SUBJECT, "_INBOX.old.7", slice_empty(), slice_sub(get_params, 0, 1));
    turns(&f);
    REQUIRE(p.count == 2);
    expect_said(&p, 1, "_INBOX.old.7", slice_empty());
    char own[160];
    snprintf(own, sizeof own, "%s", p.items[1].reply);
    EXPECT(strlen(own) > 0);
    say(&f, below(path, own, "params.0.0"), "", slice_empty(), slice_from_text("early"));
    say(&f, below(path, own, "params"), "", slice_empty(), slice_sub(get_params, 1, 4));
    say(&f, below(path, own, "params"), "", slice_empty(), slice_empty());
    turns(&f);
    EXPECT_TEXT(f.seen.source, "");
    EXPECT_TEXT(f.seen.link, "default");
    EXPECT_BYTES(buf_slice(&f.seen.params), get_params);
    EXPECT_BYTES(buf_slice(&f.seen.data[0]), slice_from_text("early"));
    expect_said(&p, 5, "_INBOX.old.7.results", get_results);
    expect_said(&p, 6, "_INBOX.old.7.results", slice_empty());
    REQUIRE(f.seen.q != NULL);
    EXPECT_OK(f.seen.q->transport->write(f.seen.q, 0, slice_from_text("\x02hi")));
    f.seen.q->transport->end(f.seen.q, 0);
    f.seen.q->transport->end(f.seen.q, 1);
    turns(&f);
    expect_said(&p, 7, "_INBOX.old.7.results.0.0", slice_from_text("\x02hi"));
    expect_said(&p, 8, "_INBOX.old.7.results.0.0", slice_empty());
    expect_said(&p, 9, "_INBOX.old.7.results.0.1", slice_empty());
    EXPECT_EQ(p.count, 10);
    EXPECT(f.seen.is_ended);
    bus_unsubscribe(&p.all);
    teardown(&f);
}

TEST(old_peers_fail_with_an_answer_that_is_empty) {
    fixture f;
    caller k = {.call.has_results = true};
    raw_peer p;
    char path[200];
    setup(&f);
    wrpc_export_stop(&f.x);
    overhear(&f, &p);
    REQUIRE(start(&f, &k, get_params) == STATUS_OK);
    turns(&f);
    REQUIRE(p.count == 1);
    say(&f, p.items[0].reply, "_INBOX.peer.1", slice_empty(), slice_empty());
    say(&f, below(path, p.items[0].reply, "results"), "", slice_empty(), slice_empty());
    turns(&f);
    EXPECT_STATUS(k.code, STATUS_TRAP);
    bus_unsubscribe(&p.all);
    done(&k);
    teardown(&f);
}

TEST(a_late_accept_of_a_call_that_was_given_up_gets_the_end_marks) {
    fixture f;
    caller k = {.call = {.up = two_paths}};
    raw_peer p;
    setup(&f);
    wrpc_export_stop(&f.x);
    overhear(&f, &p);
    REQUIRE(start(&f, &k, get_params) == STATUS_OK);
    turns(&f);
    REQUIRE(p.count == 1);
    lattice_call_cancel(&k.call);
    say(&f, p.items[0].reply, "_INBOX.peer.1", slice_empty(), slice_empty());
    turns(&f);
    expect_said(&p, 2, "_INBOX.peer.1.params", slice_empty());
    expect_said(&p, 3, "_INBOX.peer.1.params.0.0", slice_empty());
    expect_said(&p, 4, "_INBOX.peer.1.params.0.1", slice_empty());
    EXPECT_EQ(p.count, 5);
    say(&f, p.items[0].reply, "_INBOX.peer.2", slice_empty(), slice_empty());
    turns(&f);
    EXPECT_U64(wrpc_count(f.w).strays, 1);
    EXPECT(!k.is_over);
    bus_unsubscribe(&p.all);
    done(&k);
    teardown(&f);
}

TEST(statuses_in_place_of_an_accept) {
    static const struct {
        const char *line;
        status code;
    } cases[] = {{"NATS/1.0 503\r\n\r\n", STATUS_NOT_FOUND},
                 {"NATS/1.0 408 Timeout\r\n\r\n", STATUS_TIMEOUT},
                 {"NATS/1.0 500 oops\r\n\r\n", STATUS_IO},
                 {"", STATUS_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture f;
        caller k = {.is_over = false};
        raw_peer p;
        setup(&f);
        wrpc_export_stop(&f.x);
        overhear(&f, &p);
        REQUIRE(start(&f, &k, get_params) == STATUS_OK);
        turns(&f);
        say(&f, p.items[0].reply, "", slice_from_text(cases[i].line), slice_empty());
        turns(&f);
        EXPECT_STATUS(k.code, cases[i].code);
        bus_unsubscribe(&p.all);
        done(&k);
        teardown(&f);
    }
}

// --- hostile peers -----------------------------------------------------------------------------------------

TEST(nobody_has_this_host_write_where_it_should_not) {
    static const char *const replies[] = {"wasmbus.ctl.v1.main.host.stop.N", "$JS.API.STREAM.DELETE.x",
                                          "main.kv.wrpc.0.0.1." INSTANCE, "writ.v1.main.presence", ""};
    fixture f;
    raw_peer p;
    setup(&f);
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        overhear(&f, &p);
        say(&f, SUBJECT, replies[i], slice_empty(), get_params);
        turns(&f);
        EXPECT_EQ(p.count, 1);
        bus_unsubscribe(&p.all);
    }
    EXPECT_EQ(wrpc_count(f.w).serving, 0);
    EXPECT_U64(wrpc_count(f.w).refused, sizeof replies / sizeof replies[0]);
    teardown(&f);
}

TEST(parameters_that_never_end_are_given_up) {
    fixture f;
    raw_peer p;
    setup(&f);
    overhear(&f, &p);
    say(&f, SUBJECT, "_INBOX.old.7", slice_empty(), get_params);
    turns(&f);
    EXPECT_EQ(wrpc_count(f.w).serving, 1);
    pass(&f, 6 * second);
    EXPECT_EQ(wrpc_count(f.w).serving, 0);
    EXPECT_EQ(f.seen.calls, 0);
    EXPECT_CONTAINS(p.items[2].headers, "writ-status: timeout");
    bus_unsubscribe(&p.all);
    teardown(&f);
}

TEST(parameters_that_are_too_long_end_the_call) {
    fixture f;
    raw_peer p;
    char path[200];
    static const uint8_t piece[1 << 20];
    setup(&f);
    overhear(&f, &p);
    say(&f, SUBJECT, "_INBOX.old.7", slice_empty(), get_params);
    turns(&f);
    char own[160];
    snprintf(own, sizeof own, "%s", p.items[1].reply);
    for (int i = 0; i < 20; i++) {
        say(&f, below(path, own, "params"), "", slice_empty(), slice_of(piece, sizeof piece));
        turns(&f);
    }
    EXPECT_EQ(wrpc_count(f.w).serving, 0);
    EXPECT_U64(wrpc_count(f.w).queued_bytes, 0);
    EXPECT_EQ(f.seen.calls, 0);
    EXPECT(wrpc_count(f.w).strays > 0);
    bus_unsubscribe(&p.all);
    teardown(&f);
}

TEST(messages_for_no_call_are_counted) {
    fixture f;
    caller k = {.is_over = false};
    raw_peer p;
    char path[200];
    static const char *const paths_below[] = {"results.0.7", "params", "resultsx", "x", "results.0.0.0"};
    setup(&f);
    wrpc_export_stop(&f.x);
    overhear(&f, &p);
    k.call.down = two_paths;
    REQUIRE(start(&f, &k, get_params) == STATUS_OK);
    turns(&f);
    for (size_t i = 0; i < sizeof paths_below / sizeof paths_below[0]; i++) {
        say(&f, below(path, p.items[0].reply, paths_below[i]), "", slice_empty(), slice_from_text("x"));
    }
    p.items[0].reply[strlen(p.items[0].reply) - 1] ^= 1;
    say(&f, p.items[0].reply, "", slice_empty(), slice_from_text("x"));
    turns(&f);
    EXPECT_U64(wrpc_count(f.w).strays, 6);
    EXPECT(!k.is_over);
    lattice_call_cancel(&k.call);
    bus_unsubscribe(&p.all);
    done(&k);
    teardown(&f);
}
