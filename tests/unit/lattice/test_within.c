// SPDX-License-Identifier: Apache-2.0
// Calls within a process, and through a relay of two such ways: the same must hold for both.
#include "lattice/within.h"

#include "base/check.h"
#include "base/mem.h"
#include "lattice/relay.h"
#include "test.h"

#define T(text) SLICE_LITERAL(text)
#define SECOND_NS 1000000000ull

typedef enum manner { ECHOES, FAILS, WAITS, FLOODS } manner;

// Who serves, and who calls.
typedef struct scene {
    uint64_t now_ns;
    loop *l;
    lattice_server server, relay_server;
    lattice_within *within, *front;
    list_node relays;
    bool has_relay;
    manner how;
    lattice_served *q; // NULL: it has ended
    int served, serve_ends;
    status serve_end;
    char source[64], params[64];
    bool is_refusing;
    size_t flood_left;
    lattice_call c; // the caller's
    buf results, down;
    size_t down_total; // of a flood
    bool has_ended, down_ended, drops;
    status end;
    char why[200];
} scene;

static scene *scene_of(lattice_call *c) { return (scene *)(void *)((char *)c - offsetof(scene, c)); }

static uint64_t now(void *arg) { return ((scene *)arg)->now_ns; }

static void turn(scene *s) {
    for (int i = 0; i < 40; i++) {
        loop_turn(s->l, false);
    }
}

// --- who serves --------------------------------------------------------------------------------------------

static bool paths(void *context, slice target, slice instance, slice function, lattice_paths *ret_up,
                  lattice_paths *ret_down) {
    (void)context;
    (void)instance;
    bool has_streams = slice_equal_text(function, "streams");
    *ret_up = *ret_down = (lattice_paths){{"0.0"}, has_streams ? 1 : 0};
    return slice_equal_text(target, "kv");
}

static status check(void *context, const lattice_invocation *i, err *e) {
    (void)i;
    scene *s = context;
    return s->is_refusing ? err_set(e, STATUS_DENIED, "not you") : STATUS_OK;
}

static void flood(scene *s) {
    static const uint8_t piece[64 << 10];
    while (s->q != NULL && s->flood_left > 0 &&
           s->q->transport->write(s->q, 0, slice_of(piece, sizeof piece)) == STATUS_OK) {
        s->flood_left--;
    }
    if (s->q != NULL && s->flood_left == 0) {
        s->q->transport->end(s->q, 0);
    }
}

static void on_up(lattice_served *q, size_t path, slice bytes) {
    EXPECT_OK(q->transport->write(q, path, bytes));
}
static void on_up_end(lattice_served *q, size_t path) { q->transport->end(q, path); }
static void on_down_room(lattice_served *q, size_t path) {
    EXPECT_EQ(path, 0);
    flood(q->data);
}
static void on_served_end(lattice_served *q, status code) {
    scene *s = q->data;
    s->q = NULL;
    s->serve_ends++;
    s->serve_end = code;
}

static const lattice_served_ops served_ops = {on_up, on_up_end, on_down_room, on_served_end};

static void call(void *context, lattice_served *q) {
    scene *s = context;
    s->q = q;
    s->served++;
    q->ops = &served_ops;
    q->data = s;
    (void)snprintf(s->source, sizeof s->source, "%.*s", SLICE_ARG(q->invocation.source));
    (void)snprintf(s->params, sizeof s->params, "%.*s", SLICE_ARG(q->invocation.params));
    if (s->how == FAILS) {
        q->transport->fail(q, STATUS_TRAP, "it broke");
    } else if (s->how == ECHOES || s->how == FLOODS) {
        q->transport->answer(q, q->invocation.params);
    }
    if (s->how == FLOODS) {
        flood(s);
    }
}

static void pass_on(void *context, lattice_served *q) {
    scene *s = context;
    lattice_invocation as = q->invocation;
    as.source = slice_from_text("relay");
    lattice_relay(q, lattice_within_transport(s->within), &as, &s->relays);
}

// --- who calls ---------------------------------------------------------------------------------------------

static void on_results(lattice_call *c, slice results) {
    EXPECT_OK(buf_append(&scene_of(c)->results, results));
}
static void on_data(lattice_call *c, size_t path, slice bytes) {
    scene *s = scene_of(c);
    EXPECT_EQ(path, 0);
    s->down_total += bytes.len;
    EXPECT(s->drops || buf_append(&s->down, bytes) == STATUS_OK);
}
static void on_end(lattice_call *c, size_t path) {
    EXPECT_EQ(path, 0);
    scene_of(c)->down_ended = true;
}
static void on_ended(lattice_call *c, status code, const err *e) {
    scene *s = scene_of(c);
    EXPECT(!s->has_ended && (code == STATUS_OK) == (e == NULL));
    s->has_ended = true;
    s->end = code;
    (void)snprintf(s->why, sizeof s->why, "%.199s", e == NULL ? "" : e->message);
}

static const lattice_call_ops call_ops = {
    .on_results = on_results, .on_data = on_data, .on_end = on_end, .ended = on_ended};

static status start(scene *s, const char *function, err *e) {
    bool has_streams = strcmp(function, "streams") == 0;
    s->c = (lattice_call){.ops = &call_ops,
                          .invocation = {.source = T("app"),
                                         .target = T("kv"),
                                         .instance = T("a:b/c@1.0.0"),
                                         .function = slice_from_text(function),
                                         .params = T("\2params"), // no error: streams follow
                                         .deadline_ns = s->now_ns + 10 * SECOND_NS},
                          .up = {{"0.0"}, has_streams ? 1 : 0},
                          .down = {{"0.0"}, has_streams ? 1 : 0}};
    s->has_ended = s->down_ended = false;
    buf_clear(&s->results);
    buf_clear(&s->down);
    return lattice_call_start(lattice_within_transport(s->has_relay ? s->front : s->within), &s->c, e);
}

static scene *scene_new(bool has_relay, manner how) {
    scene *s = MEM_NEW(scene);
    *s = (scene){.now_ns = SECOND_NS, .has_relay = has_relay, .how = how};
    CHECK(loop_new(&(loop_clock){now, s}, &s->l, NULL) == STATUS_OK);
    list_init(&s->relays);
    buf_init(&s->results, 1 << 20);
    buf_init(&s->down, 1 << 20);
    s->server = (lattice_server){.context = s, .paths = paths, .check = check, .call = call};
    s->relay_server = (lattice_server){.context = s, .paths = paths, .call = pass_on};
    s->within = lattice_within_new(s->l, &s->server);
    s->front = lattice_within_new(s->l, &s->relay_server);
    return s;
}

static void scene_free(scene *s) {
    lattice_relay_end_all(&s->relays, STATUS_CLOSED, "over");
    lattice_within_free(s->front);
    lattice_within_free(s->within);
    EXPECT_EQ(s->served, s->serve_ends);
    loop_free(s->l);
    buf_done(&s->results);
    buf_done(&s->down);
    mem_free(s);
}

#define BOTH_WAYS(name)                          \
    static void name(bool has_relay);            \
    TEST(within_##name) { name(false); }         \
    TEST(through_a_relay_##name) { name(true); } \
    static void name(bool has_relay)

// --- tests -------------------------------------------------------------------------------------------------

BOTH_WAYS(a_call_is_answered_from_the_loop) {
    scene *s = scene_new(has_relay, ECHOES);
    EXPECT_OK(start(s, "f", NULL));
    EXPECT(s->served == 0 && !s->has_ended); // from the loop only
    turn(s);
    EXPECT(s->has_ended);
    EXPECT_EQ(s->end, STATUS_OK);
    EXPECT_TEXT(s->source, has_relay ? "relay" : "app");
    EXPECT_TEXT(s->params, "\2params");
    EXPECT_BYTES(buf_slice(&s->results), slice_from_text("\2params"));
    EXPECT_EQ(s->serve_end, STATUS_OK);
    scene_free(s);
}

BOTH_WAYS(a_failure_comes_with_its_reason) {
    scene *s = scene_new(has_relay, FAILS);
    EXPECT_OK(start(s, "f", NULL));
    turn(s);
    EXPECT_EQ(s->end, STATUS_TRAP);
    EXPECT_TEXT(s->why, "it broke");
    s->is_refusing = true;
    err e = {0};
    status refused = start(s, "f", &e);
    turn(s);
    EXPECT_EQ(has_relay ? s->end : refused, STATUS_DENIED);
    EXPECT_TEXT(has_relay ? s->why : e.message, "not you");
    scene_free(s);
}

BOTH_WAYS(streams_go_both_ways_and_end) {
    scene *s = scene_new(has_relay, ECHOES);
    EXPECT_OK(start(s, "streams", NULL));
    EXPECT_OK(lattice_call_write(&s->c, 0, slice_from_text("one ")));
    turn(s);
    EXPECT_BYTES(buf_slice(&s->down), slice_from_text("one "));
    EXPECT_OK(lattice_call_write(&s->c, 0, slice_from_text("two")));
    lattice_call_end(&s->c, 0);
    turn(s);
    EXPECT_BYTES(buf_slice(&s->down), slice_from_text("one two"));
    EXPECT(s->down_ended && s->has_ended);
    EXPECT_EQ(s->end, STATUS_OK);
    scene_free(s);
}

BOTH_WAYS(one_that_does_not_take_holds_back_the_other) {
    enum { PIECES = 160, PIECE = 64 << 10 }; // 10 MiB
    scene *s = scene_new(has_relay, FLOODS);
    s->flood_left = PIECES;
    s->drops = true;
    EXPECT_OK(start(s, "streams", NULL));
    lattice_call_pause(&s->c, true);
    turn(s);
    EXPECT(s->flood_left > 100); // what fits into the queues was taken
    EXPECT_EQ(s->down_total, 0);
    lattice_call_pause(&s->c, false);
    for (int i = 0; i < 100; i++) {
        turn(s);
    }
    EXPECT_EQ(s->down_total, PIECES * PIECE);
    EXPECT(s->has_ended);
    EXPECT_EQ(s->end, STATUS_OK);
    scene_free(s);
}

BOTH_WAYS(a_call_that_is_cancelled_ends_where_it_is_served) {
    scene *s = scene_new(has_relay, WAITS);
    EXPECT_OK(start(s, "f", NULL));
    turn(s);
    EXPECT(s->q != NULL);
    lattice_call_cancel(&s->c);
    lattice_call_cancel(&s->c);
    turn(s);
    EXPECT(!s->has_ended);
    EXPECT_EQ(s->serve_ends, 1);
    EXPECT_EQ(s->serve_end, STATUS_CANCELLED);
    EXPECT_OK(start(s, "f", NULL)); // before it is served
    lattice_call_cancel(&s->c);
    turn(s);
    EXPECT_EQ(s->served, 1);
    scene_free(s);
}

BOTH_WAYS(a_deadline_ends_a_call_on_both_sides) {
    scene *s = scene_new(has_relay, WAITS);
    EXPECT_OK(start(s, "f", NULL));
    turn(s);
    s->now_ns += 11 * SECOND_NS;
    turn(s);
    EXPECT_EQ(s->end, STATUS_TIMEOUT);
    EXPECT_EQ(s->serve_ends, 1);
    scene_free(s);
}

BOTH_WAYS(what_is_not_there_is_told_at_once) {
    scene *s = scene_new(has_relay, ECHOES);
    err e = {0};
    s->c.invocation.target = slice_from_text("other");
    s->c =
        (lattice_call){.ops = &call_ops, .invocation = {.target = T("other"), .deadline_ns = UINT64_MAX - 1}};
    EXPECT_STATUS(lattice_call_start(lattice_within_transport(has_relay ? s->front : s->within), &s->c, &e),
                  STATUS_NOT_FOUND);
    s->c = (lattice_call){
        .ops = &call_ops,
        .invocation = {.target = T("kv"), .function = T("streams"), .deadline_ns = UINT64_MAX - 1}};
    EXPECT_STATUS(lattice_call_start(lattice_within_transport(has_relay ? s->front : s->within), &s->c, &e),
                  STATUS_INVALID);
    scene_free(s);
}

BOTH_WAYS(what_is_under_way_when_it_is_freed_ends_where_it_is_served) {
    scene *s = scene_new(has_relay, WAITS);
    EXPECT_OK(start(s, "streams", NULL));
    turn(s);
    EXPECT_EQ(s->served, 1);
    lattice_call_cancel(&s->c);
    scene_free(s);
}

TEST(a_way_that_goes_fails_what_was_relayed) {
    scene *s = scene_new(true, WAITS);
    EXPECT_OK(start(s, "f", NULL));
    turn(s);
    lattice_relay_end_all(&s->relays, STATUS_CLOSED, "the provider is stopped");
    turn(s);
    EXPECT_EQ(s->end, STATUS_CLOSED);
    EXPECT_TEXT(s->why, "the provider is stopped");
    EXPECT_EQ(s->serve_end, STATUS_CANCELLED);
    scene_free(s);
}
