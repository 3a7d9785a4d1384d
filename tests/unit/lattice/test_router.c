// SPDX-License-Identifier: Apache-2.0
// The router over ways that do what the test says: each has the call that was started on it last.
#include "lattice/router.h"

#include "base/buf.h"
#include "base/mem.h"
#include "test.h"

#define S UINT64_C(1000000000)
enum { HOSTS = 6 };

typedef struct fake_way {
    lattice_transport transport; // first
    lattice_call *call;
    status start_code;
    unsigned started, cancelled, ended_streams;
    size_t room; // bytes that it takes on streams
    buf stream;
    bool is_paused;
} fake_way;

typedef struct fixture {
    loop *l;
    uint64_t now;
    peers *peers;
    router *r;
    fake_way hosts[HOSTS], here, old;
    bool runs_here;
    lattice_call call; // the caller's
    unsigned ended, results, rooms;
    status code;
    char text[ERR_MESSAGE_BYTES_MAX];
} fixture;

static uint64_t clock_now(void *arg) { return *(uint64_t *)arg; }

static status fake_start(lattice_transport *t, lattice_call *c, err *e) {
    fake_way *w = (fake_way *)t;
    if (w->start_code != STATUS_OK) {
        return err_set(e, w->start_code, "this way does not start");
    }
    w->call = c;
    w->started++;
    c->transport = t;
    return STATUS_OK;
}

static void fake_cancel(lattice_call *c) {
    fake_way *w = (fake_way *)c->transport;
    w->cancelled++;
    w->call = NULL;
    c->transport = NULL;
}

static status fake_write(lattice_call *c, size_t path, slice bytes) {
    (void)path;
    fake_way *w = (fake_way *)c->transport;
    if (w->stream.len + bytes.len > w->room) {
        return STATUS_LIMIT;
    }
    return buf_append(&w->stream, bytes);
}

static void fake_end(lattice_call *c, size_t path) {
    (void)path;
    ((fake_way *)c->transport)->ended_streams++;
}

static void fake_pause(lattice_call *c, bool is_paused) { ((fake_way *)c->transport)->is_paused = is_paused; }

static const lattice_transport_ops fake_ops = {fake_start, fake_cancel, fake_write, fake_end, fake_pause};

static void make_way(fake_way *w) {
    *w = (fake_way){.transport.ops = &fake_ops, .room = 1 << 20};
    buf_init(&w->stream, 1 << 20);
}

static nkey_public host(size_t n) {
    nkey_public k = {.kind = NKEY_SERVER};
    memset(k.bytes, (int)n + 1, sizeof k.bytes);
    return k;
}

static lattice_transport *to_host(void *context, const nkey_public *key) {
    return &((fixture *)context)->hosts[key->bytes[0] - 1].transport;
}

static lattice_transport *here(void *context, const lattice_invocation *i) {
    (void)i;
    fixture *f = context;
    return f->runs_here ? &f->here.transport : NULL;
}

static fixture *fixture_of(lattice_call *c) { return LIST_ENTRY(c, fixture, call); }

static void on_ended(lattice_call *c, status code, const err *e) {
    fixture *f = fixture_of(c);
    f->ended++;
    f->code = code;
    snprintf(f->text, sizeof f->text, "%s", e == NULL ? "" : e->message);
}

static void on_results(lattice_call *c, slice results) {
    (void)results;
    fixture_of(c)->results++;
}

static void on_room(lattice_call *c, size_t path) {
    (void)path;
    fixture_of(c)->rooms++;
}

static const lattice_call_ops call_ops = {.on_results = on_results, .on_room = on_room, .ended = on_ended};

static fixture *begin(bool is_settling) {
    fixture *f = MEM_NEW(fixture);
    f->now = 1000 * S;
    const loop_clock clock = {clock_now, &f->now};
    EXPECT_OK(loop_new(&clock, &f->l, NULL));
    f->peers = peers_new(&(peers_options){.self = {.kind = NKEY_SERVER}, .seed = 3});
    for (size_t i = 0; i < HOSTS; i++) {
        make_way(&f->hosts[i]);
    }
    make_way(&f->here);
    make_way(&f->old);
    f->r = router_new(&(router_options){.loop = f->l,
                                        .peers = f->peers,
                                        .context = f,
                                        .here = here,
                                        .to_host = to_host,
                                        .calls_max = 8,
                                        .is_settling = is_settling});
    f->call = (lattice_call){.ops = &call_ops,
                             .invocation = {.target = slice_from_text("t"), .deadline_ns = f->now + 8 * S},
                             .up = {{"0.0"}, 1}};
    return f;
}

static void done(fixture *f) {
    router_free(f->r);
    peers_free(f->peers);
    for (size_t i = 0; i < HOSTS; i++) {
        buf_done(&f->hosts[i].stream);
    }
    loop_free(f->l);
    mem_free(f);
}

static void serve(fixture *f, size_t n) {
    const presence_item item = {.id = slice_from_text("t")};
    const presence_message m = {.kind = PRESENCE_ALL,
                                .beat_ms = 100000,
                                .revision = 1,
                                .serves = 1,
                                .parts = 1,
                                .items = &item,
                                .item_count = 1};
    nkey_public k = host(n);
    peers_heard heard;
    EXPECT_OK(peers_hear(f->peers, &k, 1, 1, &m, f->now, &heard, NULL));
}

static status start(fixture *f) {
    err e = {0};
    status code = lattice_call_start(router_transport(f->r), &f->call, &e);
    snprintf(f->text, sizeof f->text, "%s", e.message);
    return code;
}

// Ends the call that is on a way, as a transport does.
static void end_with(fake_way *w, status code) {
    lattice_call *c = w->call;
    err e;
    if (code != STATUS_OK) {
        err_set(&e, code, "the reason of this way");
    }
    w->call = NULL;
    c->transport = NULL;
    c->ops->ended(c, code, code == STATUS_OK ? NULL : &e);
}

static void answer(fake_way *w) {
    w->call->ops->on_results(w->call, slice_from_text("r"));
    end_with(w, STATUS_OK);
}

// The host on which the call is now.
static fake_way *at(fixture *f) {
    for (size_t i = 0; i < HOSTS; i++) {
        if (f->hosts[i].call != NULL) {
            return &f->hosts[i];
        }
    }
    return NULL;
}

TEST(this_host_comes_first) {
    fixture *f = begin(false);
    serve(f, 0);
    f->runs_here = true;
    EXPECT_OK(start(f));
    EXPECT(f->here.call != NULL && at(f) == NULL);
    answer(&f->here);
    EXPECT_EQ(f->ended, 1);
    EXPECT_EQ(f->results, 1);
    EXPECT(f->call.transport == NULL);
    EXPECT_EQ(router_count(f->r).in_flight, 0);
    done(f);
}

TEST(another_host_takes_over_when_this_one_is_full) {
    fixture *f = begin(false);
    serve(f, 0);
    f->runs_here = true;
    EXPECT_OK(start(f));
    end_with(&f->here, STATUS_LIMIT);
    REQUIRE(at(f) != NULL);
    answer(at(f));
    EXPECT_STATUS(f->code, STATUS_OK);
    EXPECT_EQ(router_count(f->r).retried, 1);
    done(f);
}

TEST(nobody_serves_it) {
    fixture *f = begin(false);
    EXPECT_STATUS(start(f), STATUS_NOT_FOUND);
    EXPECT_CONTAINS(f->text, "no host of the lattice serves 't'");
    EXPECT(f->call.transport == NULL);
    EXPECT_EQ(router_count(f->r).in_flight, 0);
    EXPECT_EQ(router_count(f->r).unserved, 1);
    done(f);
}

TEST(each_host_is_tried_once_and_the_last_reason_is_told) {
    fixture *f = begin(false);
    for (size_t i = 0; i < 3; i++) {
        serve(f, i);
    }
    EXPECT_OK(start(f));
    for (int i = 0; i < 3; i++) {
        REQUIRE(at(f) != NULL);
        end_with(at(f), i == 2 ? STATUS_LIMIT : STATUS_NOT_FOUND);
    }
    EXPECT_EQ(f->ended, 1);
    EXPECT_STATUS(f->code, STATUS_LIMIT);
    EXPECT_TEXT(f->text, "the reason of this way");
    for (size_t i = 0; i < 3; i++) {
        EXPECT_EQ(f->hosts[i].started, 1);
    }
    done(f);
}

TEST(no_more_hosts_than_the_bound_are_tried) {
    fixture *f = begin(false);
    for (size_t i = 0; i < HOSTS; i++) {
        serve(f, i);
    }
    EXPECT_OK(start(f));
    for (int i = 0; i < ROUTER_TRIES_MAX; i++) {
        REQUIRE(at(f) != NULL);
        end_with(at(f), STATUS_LIMIT);
    }
    EXPECT_EQ(f->ended, 1);
    done(f);
}

static void expect_one_try(status code, bool is_idempotent) {
    fixture *f = begin(false);
    serve(f, 0);
    serve(f, 1);
    f->call.invocation.is_idempotent = is_idempotent;
    EXPECT_OK(start(f));
    end_with(at(f), code);
    EXPECT_EQ(f->ended, 1);
    EXPECT_STATUS(f->code, code);
    EXPECT(at(f) == NULL);
    done(f);
}

TEST(what_may_have_been_done_is_not_done_again) {
    expect_one_try(STATUS_CLOSED, false);
    expect_one_try(STATUS_TIMEOUT, false);
    expect_one_try(STATUS_TRAP, true);
    expect_one_try(STATUS_DENIED, true);
}

TEST(a_lost_call_that_may_be_done_twice_is_done_elsewhere) {
    fixture *f = begin(false);
    serve(f, 0);
    serve(f, 1);
    f->call.invocation.is_idempotent = true;
    EXPECT_OK(start(f));
    fake_way *first = at(f);
    EXPECT_U64(first->call->invocation.deadline_ns, f->now + 4 * S); // half of the time
    f->now += 4 * S;
    loop_turn(f->l, false);
    end_with(first, STATUS_TIMEOUT);
    REQUIRE(at(f) != NULL && at(f) != first);
    EXPECT_U64(at(f)->call->invocation.deadline_ns, f->now + 4 * S); // all that is left
    answer(at(f));
    EXPECT_STATUS(f->code, STATUS_OK);
    // Whoever failed is avoided now.
    for (int i = 0; i < 20; i++) {
        EXPECT_OK(start(f));
        EXPECT(at(f) != first);
        answer(at(f));
    }
    done(f);
}

TEST(nothing_is_tried_again_after_results) {
    fixture *f = begin(false);
    serve(f, 0);
    serve(f, 1);
    f->call.invocation.is_idempotent = true;
    EXPECT_OK(start(f));
    at(f)->call->ops->on_results(at(f)->call, slice_from_text("r"));
    end_with(at(f), STATUS_CLOSED);
    EXPECT_STATUS(f->code, STATUS_CLOSED);
    EXPECT(at(f) == NULL);
    done(f);
}

TEST(a_way_that_does_not_start_is_passed_over) {
    fixture *f = begin(false);
    for (size_t i = 0; i < 2; i++) {
        serve(f, i);
        f->hosts[i].start_code = STATUS_CLOSED;
    }
    EXPECT_STATUS(start(f), STATUS_CLOSED);
    f->hosts[1].start_code = STATUS_OK;
    for (int i = 0; i < 10; i++) {
        EXPECT_OK(start(f));
        EXPECT(at(f) == &f->hosts[1]);
        answer(at(f));
    }
    done(f);
}

TEST(old_hosts_come_last_and_only_when_allowed) {
    fixture *f = begin(false);
    router_free(f->r);
    f->r = router_new(&(router_options){.loop = f->l,
                                        .peers = f->peers,
                                        .context = f,
                                        .here = here,
                                        .to_host = to_host,
                                        .old = &f->old.transport});
    serve(f, 0);
    EXPECT_OK(start(f));
    EXPECT(f->old.call == NULL);
    end_with(at(f), STATUS_NOT_FOUND);
    REQUIRE(f->old.call != NULL);
    end_with(&f->old, STATUS_NOT_FOUND);
    EXPECT_STATUS(f->code, STATUS_NOT_FOUND);
    done(f);
}

TEST(streams_go_to_the_next_way_again) {
    fixture *f = begin(false);
    serve(f, 0);
    serve(f, 1);
    EXPECT_OK(start(f));
    fake_way *first = at(f);
    fake_way *second = first == &f->hosts[0] ? &f->hosts[1] : &f->hosts[0];
    second->room = 3;
    EXPECT_OK(lattice_call_write(&f->call, 0, slice_from_text("abc")));
    EXPECT_OK(lattice_call_write(&f->call, 0, slice_from_text("de")));
    lattice_call_end(&f->call, 0);
    lattice_call_pause(&f->call, true);
    EXPECT_EQ(first->ended_streams, 1);
    end_with(first, STATUS_LIMIT);
    REQUIRE(second->call != NULL);
    EXPECT(second->is_paused);
    EXPECT_EQ(second->stream.len, 0); // no room for the piece yet
    EXPECT_EQ(second->ended_streams, 0);
    second->room = 100;
    second->call->ops->on_room(second->call, 0);
    EXPECT_BYTES(buf_slice(&second->stream), slice_from_text("abcde"));
    EXPECT_EQ(second->ended_streams, 1);
    answer(second);
    EXPECT_STATUS(f->code, STATUS_OK);
    done(f);
}

TEST(more_than_is_kept_is_sent_once) {
    fixture *f = begin(false);
    serve(f, 0);
    serve(f, 1);
    EXPECT_OK(start(f));
    uint8_t *bytes = mem_zalloc(ROUTER_KEEP_BYTES);
    EXPECT_OK(lattice_call_write(&f->call, 0, slice_of(bytes, ROUTER_KEEP_BYTES)));
    EXPECT_OK(lattice_call_write(&f->call, 0, slice_of(bytes, 1)));
    EXPECT_EQ(at(f)->stream.len, ROUTER_KEEP_BYTES + 1);
    end_with(at(f), STATUS_LIMIT);
    EXPECT_STATUS(f->code, STATUS_LIMIT);
    mem_free(bytes);
    done(f);
}

TEST(before_the_lattice_is_known_calls_wait) {
    fixture *f = begin(true);
    EXPECT_OK(start(f));
    EXPECT_OK(lattice_call_write(&f->call, 0, slice_from_text("abc")));
    EXPECT_EQ(router_count(f->r).waiting, 1);
    router_look_again(f->r, false);
    loop_turn(f->l, false);
    EXPECT_EQ(router_count(f->r).waiting, 1);
    serve(f, 2);
    router_look_again(f->r, false);
    loop_turn(f->l, false);
    EXPECT_EQ(router_count(f->r).waiting, 0);
    REQUIRE(f->hosts[2].call != NULL);
    EXPECT_BYTES(buf_slice(&f->hosts[2].stream), slice_from_text("abc"));
    answer(&f->hosts[2]);
    EXPECT_STATUS(f->code, STATUS_OK);
    done(f);
}

TEST(calls_that_wait_fail_when_nobody_came) {
    fixture *f = begin(true);
    EXPECT_OK(start(f));
    router_look_again(f->r, true);
    loop_turn(f->l, false);
    EXPECT_STATUS(f->code, STATUS_NOT_FOUND);
    EXPECT_STATUS(start(f), STATUS_NOT_FOUND); // at once from now on
    done(f);
    f = begin(true);
    EXPECT_OK(start(f));
    loop_turn(f->l, false);
    f->now += 8 * S;
    loop_turn(f->l, false);
    EXPECT_EQ(f->ended, 1);
    EXPECT_STATUS(f->code, STATUS_NOT_FOUND);
    done(f);
}

TEST(cancelled_calls_are_cancelled_on_their_way) {
    fixture *f = begin(false);
    serve(f, 0);
    EXPECT_OK(start(f));
    lattice_call_cancel(&f->call);
    lattice_call_cancel(&f->call);
    EXPECT_EQ(f->hosts[0].cancelled, 1);
    EXPECT_EQ(f->ended, 0);
    EXPECT_EQ(router_count(f->r).in_flight, 0);
    EXPECT_OK(start(f));
    done(f); // with a call under way
}

TEST(calls_are_bounded) {
    fixture *f = begin(false);
    serve(f, 0);
    lattice_call more[8];
    for (size_t i = 0; i < 8; i++) {
        more[i] = f->call;
        EXPECT_OK(lattice_call_start(router_transport(f->r), &more[i], NULL));
    }
    EXPECT_STATUS(start(f), STATUS_LIMIT);
    EXPECT_EQ(router_count(f->r).limited, 1);
    for (size_t i = 0; i < 8; i++) {
        lattice_call_cancel(&more[i]);
    }
    done(f);
}
