// SPDX-License-Identifier: Apache-2.0
// Calls between two hosts on one bus, and somebody else who may listen and speak there.
#include "lattice/sealed.h"

#include "base/check.h"
#include "base/mem.h"
#include "bus/bus_local.h"
#include "helper_trust.h"
#include "lattice/sealed_frame.h"
#include "test.h"

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
enum { RECORDED_MAX = 4096, BYTES_MAX = 20 << 20 };

typedef struct world world;

typedef struct party {
    trust_host trust;
    sealed *s;
    world *w;
    unsigned ended, silent; // what it was told of other hosts
    lattice_served *held;   // of "hold"
    unsigned served_ended;
    status served_code;
    size_t up_bytes;
    bool is_up_over;
    size_t down_left; // of "pour"
    bool pauses;
} party;

struct world {
    uint64_t now;
    loop *l;
    bus *b;
    nkey *key;
    party a, b_host;
    // what stood on the wire
    bus_subscription tap;
    struct {
        buf subject, reply, payload;
    } wire[RECORDED_MAX];
    size_t wire_count;
    bool records;
};

static uint64_t now_ns(void *arg) { return ((world *)arg)->now; }
static uint64_t wall_ms(void *arg) { return trust_now(((world *)arg)->now).wall_ms; }

// --- who serves --------------------------------------------------------------------------------------------

static bool paths(WRIT_UNUSED void *context, WRIT_UNUSED slice target, WRIT_UNUSED slice instance,
                  slice function, lattice_paths *up, lattice_paths *down) {
    if (slice_equal_text(function, "stream") || slice_equal_text(function, "pour")) {
        *up = *down = (lattice_paths){{"0.0"}, 1};
    }
    return !slice_equal_text(function, "unknown");
}

static status check(WRIT_UNUSED void *context, const lattice_invocation *i, err *e) {
    return slice_equal_text(i->function, "forbidden") ? err_set(e, STATUS_DENIED, "no link leads there")
                                                      : STATUS_OK;
}

static void pour(party *p, lattice_served *q) {
    static uint8_t bytes[100000];
    while (p->down_left > 0) {
        size_t n = p->down_left < sizeof bytes ? p->down_left : sizeof bytes;
        memset(bytes, (int)(p->down_left & 0xff), n);
        if (q->transport->write(q, 0, slice_of(bytes, n)) != STATUS_OK) {
            return;
        }
        p->down_left -= n;
    }
    q->transport->end(q, 0);
}

static void served_data(lattice_served *q, size_t path, slice bytes) {
    party *p = q->data;
    p->up_bytes += bytes.len;
    if (slice_equal_text(q->invocation.function, "stream")) {
        EXPECT_OK(q->transport->write(q, path, bytes));
    }
}
static void served_end(lattice_served *q, size_t path) {
    ((party *)q->data)->is_up_over = true;
    if (slice_equal_text(q->invocation.function, "stream")) {
        q->transport->end(q, path);
    }
}
static void served_room(lattice_served *q, WRIT_UNUSED size_t path) { pour(q->data, q); }
static void served_ended(lattice_served *q, status code) {
    party *p = q->data;
    p->served_ended++;
    p->served_code = code;
    if (p->held == q) {
        p->held = NULL;
    }
}
static const lattice_served_ops served_ops = {served_data, served_end, served_room, served_ended};

static void serve(void *context, lattice_served *q) {
    party *p = context;
    q->ops = &served_ops;
    q->data = p;
    slice function = q->invocation.function;
    if (slice_equal_text(function, "who")) {
        q->transport->answer(q, q->invocation.source_host);
    } else if (slice_equal_text(function, "fail")) {
        q->transport->fail(q, STATUS_DENIED, "the rules say no");
    } else if (slice_equal_text(function, "hold")) {
        p->held = q;
    } else if (slice_equal_text(function, "pour")) {
        q->transport->answer(q, slice_empty());
        pour(p, q);
    } else {
        q->transport->answer(q, q->invocation.params);
    }
}

static void host_ended(void *arg, WRIT_UNUSED const nkey_public *host, WRIT_UNUSED uint64_t epoch) {
    ((party *)arg)->ended++;
}
static void host_silent(void *arg, WRIT_UNUSED const nkey_public *host) { ((party *)arg)->silent++; }

// --- the world ---------------------------------------------------------------------------------------------

static void party_begin(world *w, party *p, uint64_t epoch) {
    const sealed_options o = {
        .bus = w->b,
        .session = {.key = p->trust.key,
                    .token = buf_slice(&p->trust.token),
                    .lattice = slice_from_text("test"),
                    .epoch = epoch,
                    .cluster = p->trust.cluster,
                    .refusals = &p->trust.refusals},
        .server = {.context = p, .paths = paths, .check = check, .call = serve},
        .wall_ms = wall_ms,
        .wall_arg = w,
        .host_ended = host_ended,
        .host_silent = host_silent,
        .arg = p,
    };
    sealed_free(p->s);
    p->s = NULL;
    CHECK(sealed_new(&o, &p->s, NULL) == STATUS_OK);
}

static void on_tap(void *arg, WRIT_UNUSED bus_subscription *s, const bus_message *m) {
    world *w = arg;
    if (w->records && w->wire_count < RECORDED_MAX) {
        buf *to[] = {&w->wire[w->wire_count].subject, &w->wire[w->wire_count].reply,
                     &w->wire[w->wire_count].payload};
        slice from[] = {m->subject, m->reply, m->payload};
        for (int i = 0; i < 3; i++) {
            buf_init(to[i], BUS_PAYLOAD_BYTES_MAX);
            CHECK(buf_append(to[i], from[i]) == STATUS_OK);
        }
        w->wire_count++;
    }
}

static world *world_new(void) {
    world *w = MEM_NEW(world);
    w->now = SECOND;
    CHECK(loop_new(&(loop_clock){now_ns, w}, &w->l, NULL) == STATUS_OK);
    const bus_local_options o = {.l = w->l, .random = 7};
    CHECK(bus_local_new(&o, &w->b, NULL) == STATUS_OK);
    w->key = trust_cluster_key();
    trust_host_make(&w->a.trust, w->key);
    trust_host_make(&w->b_host.trust, w->key);
    w->a.w = w->b_host.w = w;
    party_begin(w, &w->a, 1);
    party_begin(w, &w->b_host, 1);
    CHECK(bus_subscribe(w->b, &w->tap, slice_from_text("writ.v1.test.host.>"), slice_empty(), on_tap, w,
                        NULL) == STATUS_OK);
    return w;
}

static void wire_forget(world *w) {
    for (size_t i = 0; i < w->wire_count; i++) {
        buf_done(&w->wire[i].subject);
        buf_done(&w->wire[i].reply);
        buf_done(&w->wire[i].payload);
    }
    w->wire_count = 0;
}

static void world_free(world *w) {
    wire_forget(w);
    bus_unsubscribe(&w->tap);
    sealed_free(w->a.s);
    sealed_free(w->b_host.s);
    trust_host_free(&w->a.trust);
    trust_host_free(&w->b_host.trust);
    nkey_free(w->key);
    bus_free(w->b);
    loop_free(w->l);
    mem_free(w);
}

static void turns(world *w, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        loop_turn(w->l, false);
    }
}

static void pass(world *w, uint64_t ns) { // in small steps
    for (uint64_t end = w->now + ns; w->now < end;) {
        uint64_t step = end - w->now < 50 * MS ? end - w->now : 50 * MS;
        w->now += step;
        turns(w, 12);
    }
}

// --- who calls ---------------------------------------------------------------------------------------------

typedef struct caller {
    lattice_call call; // first
    buf results, data;
    bool is_over, has_ended;
    unsigned rooms;
    status code;
    char why[300];
} caller;

static void on_results(lattice_call *c, slice r) {
    EXPECT_OK(buf_append(&((caller *)(void *)c)->results, r));
}
static void on_data(lattice_call *c, WRIT_UNUSED size_t path, slice bytes) {
    EXPECT_OK(buf_append(&((caller *)(void *)c)->data, bytes));
}
static void on_end(lattice_call *c, WRIT_UNUSED size_t path) { ((caller *)(void *)c)->is_over = true; }
static void on_room(lattice_call *c, WRIT_UNUSED size_t path) { ((caller *)(void *)c)->rooms++; }
static void on_ended(lattice_call *c, status code, const err *e) {
    caller *k = (caller *)(void *)c;
    EXPECT(!k->has_ended);
    k->has_ended = true;
    k->code = code;
    snprintf(k->why, sizeof k->why, "%.299s", e == NULL ? "" : e->message);
}
static const lattice_call_ops call_ops = {on_results, on_data, on_end, on_room, on_ended};

static void caller_make(caller *k, world *w, const char *function, slice params) {
    *k = (caller){.call = {.ops = &call_ops}};
    buf_init(&k->results, BYTES_MAX);
    buf_init(&k->data, BYTES_MAX);
    k->call.invocation = (lattice_invocation){
        .source = SLICE_LITERAL("shop-cart"),
        .source_issuer = SLICE_LITERAL("AISSUER"),
        .link = SLICE_LITERAL("default"),
        .target = SLICE_LITERAL("shop-stock"),
        .instance = SLICE_LITERAL("shop:stock/api@1.0.0"),
        .function = slice_from_text(function),
        .params = params,
        .deadline_ns = w->now + 5 * SECOND,
    };
}

static void caller_done(caller *k) {
    lattice_call_cancel(&k->call);
    buf_done(&k->results);
    buf_done(&k->data);
}

static status call_start(world *w, caller *k) {
    return lattice_call_start(sealed_to(w->a.s, &w->b_host.trust.name), &k->call, NULL);
}

// A whole call of "echo"; whether it was answered.
static bool honest_call_works(world *w) {
    caller k;
    caller_make(&k, w, "echo", slice_from_text("are you there?"));
    EXPECT_OK(call_start(w, &k));
    pass(w, 2 * SECOND);
    bool is = k.has_ended && k.code == STATUS_OK && slice_equal_text(buf_slice(&k.results), "are you there?");
    caller_done(&k);
    return is;
}

// --- calls -------------------------------------------------------------------------------------------------

TEST(a_call_is_answered) {
    world *w = world_new();
    caller k;
    w->records = true;
    caller_make(&k, w, "echo", slice_from_text("three of these"));
    EXPECT_OK(call_start(w, &k));
    turns(w, 20);
    EXPECT(k.has_ended && k.code == STATUS_OK);
    EXPECT(slice_equal_text(buf_slice(&k.results), "three of these"));
    EXPECT_EQ(w->wire_count, 6); // hello, welcome, here, call, heard, answer
    for (size_t i = 0; i < w->wire_count; i++) {
        buf *p = &w->wire[i].payload;
        EXPECT(memmem(p->data, p->len, "three", 5) == NULL && memmem(p->data, p->len, "shop", 4) == NULL);
    }
    EXPECT_EQ(w->b_host.served_ended, 1);
    EXPECT_EQ(w->b_host.served_code, STATUS_OK);
    caller_done(&k);
    wire_forget(w);
    EXPECT(honest_call_works(w));
    EXPECT_EQ(w->wire_count, 2); // one there, one back
    EXPECT_EQ(trust_refused(&w->a.trust) + trust_refused(&w->b_host.trust), 0);
    sealed_counters n = sealed_count(w->a.s);
    EXPECT(n.calls_out == 2 && n.open_out == 0 && n.failed_out == 0 && n.memory == 0);
    world_free(w);
}

TEST(who_calls_is_who_proved_it) {
    world *w = world_new();
    caller k;
    caller_make(&k, w, "who", slice_empty());
    EXPECT_OK(call_start(w, &k));
    turns(w, 20);
    EXPECT(slice_equal_text(buf_slice(&k.results), nkey_public_text(&w->a.trust.name).text));
    caller_done(&k);
    world_free(w);
}

TEST(failures_have_their_reason) {
    world *w = world_new();
    caller k, n, d;
    caller_make(&k, w, "fail", slice_empty());
    caller_make(&n, w, "unknown", slice_empty());
    caller_make(&d, w, "forbidden", slice_empty());
    EXPECT_OK(call_start(w, &d));
    EXPECT_OK(call_start(w, &k));
    EXPECT_OK(call_start(w, &n));
    turns(w, 20);
    EXPECT_EQ(k.code, STATUS_DENIED);
    EXPECT(strstr(k.why, "the rules say no") != NULL);
    EXPECT_EQ(n.code, STATUS_NOT_FOUND);
    EXPECT_EQ(d.code, STATUS_DENIED);
    EXPECT(strstr(d.why, "no link leads there") != NULL);
    EXPECT_EQ(w->b_host.served_ended, 1);
    caller_done(&d);
    caller_done(&k);
    caller_done(&n);
    world_free(w);
}

TEST(large_ones_go_in_pieces) {
    world *w = world_new();
    static uint8_t bytes[16 << 20];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7 + (i >> 12));
    }
    static const size_t sizes[] = {0, 1, 65536, (1 << 20) - 5000, 1 << 20, (3 << 20) + 1, 16 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        caller k;
        caller_make(&k, w, "echo", slice_of(bytes, sizes[i]));
        EXPECT_OK(call_start(w, &k));
        turns(w, 200);
        EXPECT(k.has_ended && k.code == STATUS_OK);
        EXPECT(slice_equal(buf_slice(&k.results), slice_of(bytes, sizes[i])));
        caller_done(&k);
    }
    caller k;
    caller_make(&k, w, "echo", slice_of(bytes, sizeof bytes));
    k.call.invocation.params.len++;
    EXPECT_EQ(call_start(w, &k), STATUS_LIMIT);
    EXPECT_EQ(sealed_count(w->a.s).memory + sealed_count(w->b_host.s).memory, 0);
    caller_done(&k);
    world_free(w);
}

TEST(streams_go_both_ways) {
    world *w = world_new();
    caller k;
    static uint8_t piece[70000];
    caller_make(&k, w, "stream", slice_from_text("head"));
    k.call.up = k.call.down = (lattice_paths){{"0.0"}, 1};
    EXPECT_OK(call_start(w, &k));
    turns(w, 20);
    for (int i = 0; i < 20; i++) {
        memset(piece, 'a' + i, sizeof piece);
        EXPECT_OK(lattice_call_write(&k.call, 0, slice_of(piece, sizeof piece)));
        turns(w, 6);
    }
    EXPECT(!k.has_ended);
    lattice_call_end(&k.call, 0);
    turns(w, 20);
    EXPECT(k.has_ended && k.code == STATUS_OK && k.is_over);
    EXPECT(slice_equal_text(buf_slice(&k.results), "head"));
    EXPECT_EQ(k.data.len, 20 * sizeof piece);
    EXPECT(k.data.data[0] == 'a' && k.data.data[k.data.len - 1] == 'a' + 19);
    caller_done(&k);
    world_free(w);
}

TEST(results_that_are_an_error_have_no_streams) {
    world *w = world_new();
    caller k;
    caller_make(&k, w, "stream", slice_of("\x01no", 3));
    k.call.up = k.call.down = (lattice_paths){{"0.0"}, 1};
    EXPECT_OK(call_start(w, &k));
    turns(w, 20);
    EXPECT(k.has_ended && k.code == STATUS_OK && !k.is_over);
    EXPECT(slice_equal_text(buf_slice(&k.results), "\x01no"));
    EXPECT_EQ(w->b_host.served_code, STATUS_OK);
    EXPECT_EQ(sealed_count(w->b_host.s).open_in, 0);
    caller_done(&k);
    world_free(w);
}

TEST(who_does_not_take_is_not_sent_more) {
    world *w = world_new();
    caller k;
    w->b_host.down_left = 10 << 20;
    caller_make(&k, w, "pour", slice_empty());
    k.call.up = k.call.down = (lattice_paths){{"0.0"}, 1};
    EXPECT_OK(call_start(w, &k));
    lattice_call_pause(&k.call, true);
    turns(w, 100);
    EXPECT_EQ(k.data.len, 0);
    EXPECT(w->b_host.down_left > 8 << 20);
    EXPECT(sealed_count(w->a.s).memory <= 2 << 20);
    lattice_call_pause(&k.call, false);
    turns(w, 400);
    EXPECT(k.has_ended && k.code == STATUS_OK);
    EXPECT_EQ(k.data.len, 10 << 20);
    caller_done(&k);
    world_free(w);
}

TEST(a_deadline_ends_a_call_on_both_sides) {
    world *w = world_new();
    caller k;
    caller_make(&k, w, "hold", slice_empty());
    EXPECT_OK(call_start(w, &k));
    turns(w, 20);
    EXPECT(w->b_host.held != NULL);
    pass(w, 6 * SECOND);
    EXPECT(k.has_ended && k.code == STATUS_TIMEOUT);
    EXPECT_EQ(w->b_host.served_ended, 1);
    EXPECT(honest_call_works(w));
    caller_done(&k);
    world_free(w);
}

TEST(a_cancelled_call_ends_there) {
    world *w = world_new();
    caller k;
    caller_make(&k, w, "hold", slice_empty());
    EXPECT_OK(call_start(w, &k));
    turns(w, 20);
    lattice_call_cancel(&k.call);
    turns(w, 20);
    EXPECT(!k.has_ended);
    EXPECT_EQ(w->b_host.served_code, STATUS_CANCELLED);
    EXPECT_EQ(sealed_count(w->a.s).open_out + sealed_count(w->b_host.s).open_in, 0);
    caller_done(&k);
    world_free(w);
}

TEST(nobody_there_is_said_soon) {
    world *w = world_new();
    caller k;
    sealed_free(w->b_host.s);
    w->b_host.s = NULL;
    bus_unsubscribe(&w->tap);
    caller_make(&k, w, "echo", slice_empty());
    EXPECT_OK(call_start(w, &k));
    turns(w, 20);
    EXPECT(k.has_ended && k.code == STATUS_NOT_FOUND);
    EXPECT_EQ(w->a.silent, 1);
    caller_done(&k);
    world_free(w);
}

TEST(a_host_that_does_not_answer_is_given_up) {
    world *w = world_new();
    caller k;
    EXPECT_OK(cluster_revoke(w->b_host.trust.cluster, &w->a.trust.name, UINT64_MAX, NULL));
    caller_make(&k, w, "echo", slice_empty());
    EXPECT_OK(call_start(w, &k));
    pass(w, 4 * SECOND);
    EXPECT(k.has_ended && k.code == STATUS_NOT_FOUND);
    EXPECT(strstr(k.why, "did not answer our greeting") != NULL);
    EXPECT_EQ(w->b_host.trust.refusals.counts[LATTICE_REFUSED_REVOKED], 3);
    caller_done(&k);
    world_free(w);
}

TEST(sessions_are_renewed_under_way) {
    world *w = world_new();
    EXPECT(honest_call_works(w));
    uint64_t before = sealed_count(w->a.s).handshakes;
    for (int i = 0; i < 40; i++) {
        pass(w, 30 * SECOND);
        EXPECT(honest_call_works(w));
    }
    EXPECT(sealed_count(w->a.s).handshakes >= before + 2);
    EXPECT_EQ(trust_refused(&w->a.trust) + trust_refused(&w->b_host.trust), 0);
    world_free(w);
}

TEST(a_lost_session_is_given_up) {
    world *w = world_new();
    EXPECT(honest_call_works(w));
    party_begin(w, &w->b_host, 2); // and nobody says so
    caller k;
    caller_make(&k, w, "echo", slice_from_text("x"));
    k.call.invocation.deadline_ns += 60 * SECOND;
    EXPECT_OK(call_start(w, &k));
    pass(w, 12 * SECOND);
    EXPECT(k.has_ended && k.code == STATUS_CLOSED); // its new life says that the old one is over
    EXPECT(honest_call_works(w));
    caller_done(&k);
    world_free(w);
}

static status drop(WRIT_UNUSED bus *b, WRIT_UNUSED const bus_message *m, WRIT_UNUSED err *e) {
    return STATUS_OK;
}

// What is published while the bus drops is lost without a word.
static void turn_lossy(world *w, const bus_ops *whole, bus_ops *lossy, void (*act)(world *w, caller *k),
                       caller *k) {
    *lossy = *whole;
    lossy->publish = drop;
    w->b->ops = lossy;
    act(w, k);
    turns(w, 20);
    w->b->ops = whole;
}

static void answer_held(world *w, WRIT_UNUSED caller *k) {
    w->b_host.held->transport->answer(w->b_host.held, slice_from_text("never heard"));
}
static void start_it(world *w, caller *k) { EXPECT_OK(call_start(w, k)); }

TEST(a_lost_answer_ends_the_call_in_seconds) {
    world *w = world_new();
    caller k;
    bus_ops lossy;
    const bus_ops *whole = w->b->ops;
    caller_make(&k, w, "hold", slice_empty());
    k.call.invocation.deadline_ns = w->now + 600 * SECOND;
    EXPECT_OK(call_start(w, &k));
    pass(w, 20 * SECOND); // it takes its time, which is no failure
    EXPECT(!k.has_ended && w->b_host.held != NULL);
    turn_lossy(w, whole, &lossy, answer_held, &k);
    pass(w, 20 * SECOND);
    EXPECT(k.has_ended && k.code == STATUS_CLOSED);
    EXPECT(honest_call_works(w));
    caller_done(&k);
    world_free(w);
}

TEST(a_lost_call_ends_in_seconds) {
    world *w = world_new();
    caller k;
    bus_ops lossy;
    const bus_ops *whole = w->b->ops;
    EXPECT(honest_call_works(w));
    caller_make(&k, w, "echo", slice_from_text("x"));
    k.call.invocation.deadline_ns = w->now + 600 * SECOND;
    turn_lossy(w, whole, &lossy, start_it, &k);
    pass(w, 5 * SECOND);
    EXPECT(k.has_ended && k.code == STATUS_CLOSED);
    caller_done(&k);
    world_free(w);
}

TEST(a_call_outlives_its_session) {
    world *w = world_new();
    caller k;
    caller_make(&k, w, "hold", slice_empty());
    k.call.invocation.deadline_ns = w->now + 1200 * SECOND;
    EXPECT_OK(call_start(w, &k));
    pass(w, 700 * SECOND);
    EXPECT(sealed_count(w->a.s).handshakes >= 2);
    EXPECT(w->b_host.held != NULL);
    if (w->b_host.held != NULL) {
        lattice_served *q = w->b_host.held;
        q->transport->answer(q, slice_from_text("at last"));
    }
    pass(w, SECOND);
    EXPECT(k.has_ended && k.code == STATUS_OK && slice_equal_text(buf_slice(&k.results), "at last"));
    caller_done(&k);
    world_free(w);
}

TEST(a_goodbye_ends_calls_and_the_next_life_is_found) {
    world *w = world_new();
    caller k;
    caller_make(&k, w, "hold", slice_empty());
    EXPECT_OK(call_start(w, &k));
    turns(w, 20);
    sealed_goodbye(w->b_host.s);
    turns(w, 20);
    EXPECT(k.has_ended && k.code == STATUS_CLOSED);
    EXPECT_EQ(w->a.ended, 1);
    party_begin(w, &w->b_host, 2);
    EXPECT(honest_call_works(w));
    caller_done(&k);
    world_free(w);
}

TEST(a_host_that_starts_anew_loses_the_calls_of_its_old_life) {
    world *w = world_new();
    caller k;
    caller_make(&k, w, "hold", slice_empty());
    EXPECT_OK(call_start(w, &k));
    turns(w, 20);
    party_begin(w, &w->b_host, 2); // without a word; a statement of it says so
    sealed_host_ended(w->a.s, &w->b_host.trust.name, 2);
    EXPECT_EQ(w->a.ended, 0); // who says it need not be told
    turns(w, 20);
    EXPECT(k.has_ended && k.code == STATUS_CLOSED);
    EXPECT(honest_call_works(w));
    caller_done(&k);
    world_free(w);
}

// --- a hostile neighbour -----------------------------------------------------------------------------------

static void say(world *w, slice subject, slice reply, slice payload) {
    const bus_message m = {.subject = subject, .reply = reply, .payload = payload};
    EXPECT_OK(bus_publish(w->b, &m, NULL));
}

static void say_to(world *w, const party *p, slice payload) {
    char subject[128];
    snprintf(subject, sizeof subject, "writ.v1.test.host.%s", nkey_public_text(&p->trust.name).text);
    say(w, slice_from_text(subject), slice_empty(), payload);
}

TEST(replayed_messages_are_refused) {
    world *w = world_new();
    w->records = true;
    EXPECT(honest_call_works(w));
    w->records = false;
    uint64_t calls = sealed_count(w->b_host.s).calls_in;
    for (int k = 0; k < 3; k++) {
        for (size_t i = 0; i < w->wire_count; i++) {
            say(w, buf_slice(&w->wire[i].subject), buf_slice(&w->wire[i].reply),
                buf_slice(&w->wire[i].payload));
        }
    }
    turns(w, 20);
    EXPECT_EQ(sealed_count(w->b_host.s).calls_in, calls);
    EXPECT_EQ(w->b_host.trust.refusals.counts[LATTICE_REFUSED_REPLAYED], 9); // hello, here, call
    EXPECT_EQ(w->a.trust.refusals.counts[LATTICE_REFUSED_REPLAYED], 6);      // heard, answer
    EXPECT_EQ(w->a.trust.refusals.counts[LATTICE_REFUSED_FAKE_REPLY], 3);    // welcome
    EXPECT(honest_call_works(w));
    world_free(w);
}

TEST(reflected_and_redirected_messages_are_refused) {
    world *w = world_new();
    trust_host third;
    w->records = true;
    EXPECT(honest_call_works(w));
    w->records = false;
    uint64_t calls = sealed_count(w->b_host.s).calls_in + sealed_count(w->a.s).calls_in;
    for (size_t i = 0; i < w->wire_count; i++) { // each to the other one
        bool was_for_b = slice_equal(buf_slice(&w->wire[i].subject), buf_slice(&w->wire[0].subject));
        say_to(w, was_for_b ? &w->a : &w->b_host, buf_slice(&w->wire[i].payload));
    }
    turns(w, 20);
    EXPECT_EQ(sealed_count(w->b_host.s).calls_in + sealed_count(w->a.s).calls_in, calls);
    EXPECT_EQ(w->a.trust.refusals.counts[LATTICE_REFUSED_NOT_FOR_US], 1); // its own hello
    EXPECT_EQ(w->b_host.trust.refusals.counts[LATTICE_REFUSED_NOT_FOR_US], 1);
    EXPECT_EQ(w->a.trust.refusals.counts[LATTICE_REFUSED_UNKNOWN_SESSION], 2);
    // And to a third one.
    party c = {.w = w};
    trust_host_make(&third, w->key);
    c.trust = third;
    party_begin(w, &c, 1);
    for (size_t i = 0; i < w->wire_count; i++) {
        say_to(w, &c, buf_slice(&w->wire[i].payload));
    }
    turns(w, 20);
    EXPECT_EQ(trust_refused(&c.trust), w->wire_count);
    EXPECT_EQ(sealed_count(c.s).calls_in, 0);
    EXPECT(honest_call_works(w));
    sealed_free(c.s);
    trust_host_free(&c.trust);
    world_free(w);
}

TEST(swapped_payloads_are_refused) {
    world *w = world_new();
    EXPECT(honest_call_works(w));
    sealed_free(w->b_host.s); // so that the call is not consumed
    w->b_host.s = NULL;
    w->records = true;
    caller k, n;
    caller_make(&k, w, "echo", slice_from_text("pay 10"));
    caller_make(&n, w, "echo", slice_from_text("pay 99"));
    EXPECT_OK(call_start(w, &k));
    EXPECT_OK(call_start(w, &n));
    turns(w, 20);
    w->records = false;
    REQUIRE(w->wire_count == 2);
    // The sealed part of one under the head of the other.
    buf *one = &w->wire[0].payload, *two = &w->wire[1].payload;
    memcpy(one->data + SESSION_HEAD_BYTES, two->data + SESSION_HEAD_BYTES, two->len - SESSION_HEAD_BYTES);
    party_begin(w, &w->b_host, 2);
    say_to(w, &w->b_host, buf_slice(one));
    turns(w, 20);
    EXPECT_EQ(w->b_host.trust.refusals.counts[LATTICE_REFUSED_UNKNOWN_SESSION], 1);
    caller_done(&k);
    caller_done(&n);
    world_free(w);
}

TEST(fake_replies_end_no_call) {
    world *w = world_new();
    EXPECT(honest_call_works(w));
    w->records = true;
    caller k;
    caller_make(&k, w, "hold", slice_empty());
    EXPECT_OK(call_start(w, &k));
    turns(w, 20);
    REQUIRE(w->wire_count == 1);
    say(w, buf_slice(&w->wire[0].reply), slice_empty(), slice_from_text("all is well"));
    uint8_t junk[200] = {SESSION_SEALED};
    say_to(w, &w->a, slice_of(junk, sizeof junk));
    say_to(w, &w->a, slice_from_text("answer"));
    say_to(w, &w->a, slice_empty());
    turns(w, 20);
    EXPECT(!k.has_ended);
    EXPECT_EQ(w->a.trust.refusals.counts[LATTICE_REFUSED_FAKE_REPLY], 1);
    EXPECT_EQ(w->a.trust.refusals.counts[LATTICE_REFUSED_UNKNOWN_SESSION], 1);
    EXPECT_EQ(w->a.trust.refusals.counts[LATTICE_REFUSED_MALFORMED], 2);
    REQUIRE(w->b_host.held != NULL);
    w->b_host.held->transport->answer(w->b_host.held, slice_from_text("really"));
    turns(w, 20);
    EXPECT(k.has_ended && k.code == STATUS_OK && slice_equal_text(buf_slice(&k.results), "really"));
    caller_done(&k);
    world_free(w);
}

TEST(a_flood_holds_up_no_honest_call) {
    world *w = world_new();
    EXPECT(honest_call_works(w));
    trust_host stranger;
    nkey *foreign = trust_cluster_key();
    trust_host_make(&stranger, foreign);
    buf hello;
    buf_init(&hello, SESSION_HELLO_BYTES_MAX);
    REQUIRE(sessions_greet(stranger.sessions, &w->b_host.trust.name, trust_now(w->now), &hello, NULL) ==
            STATUS_OK);
    static uint8_t junk[100000] = {SESSION_SEALED};
    for (int i = 0; i < 500; i++) {
        say_to(w, &w->b_host, buf_slice(&hello));
        say_to(w, &w->b_host, slice_of(junk, sizeof junk));
    }
    EXPECT(honest_call_works(w));
    EXPECT_EQ(trust_refused(&w->b_host.trust), 1000);
    EXPECT(w->b_host.trust.refusals.counts[LATTICE_REFUSED_FLOOD] > 0);
    EXPECT_EQ(sealed_count(w->b_host.s).memory, 0);
    buf_done(&hello);
    trust_host_free(&stranger);
    nkey_free(foreign);
    world_free(w);
}

TEST(who_listens_too_learns_and_ends_nothing) { // a squatter on the subject, also in a queue group
    world *w = world_new();
    bus_subscription squat = {0};
    char subject[128];
    snprintf(subject, sizeof subject, "writ.v1.test.host.%s", nkey_public_text(&w->b_host.trust.name).text);
    REQUIRE(bus_subscribe(w->b, &squat, slice_from_text(subject), slice_from_text("any"), on_tap, w, NULL) ==
            STATUS_OK);
    for (int i = 0; i < 10; i++) {
        EXPECT(honest_call_works(w));
    }
    bus_unsubscribe(&squat);
    world_free(w);
}

TEST(held_back_calls_are_not_done_late) {
    world *w = world_new();
    EXPECT(honest_call_works(w));
    // A host of ours that hears everything 40 s late: its session is good, the call's time is over.
    w->records = true;
    caller k;
    caller_make(&k, w, "echo", slice_from_text("buy"));
    EXPECT_OK(call_start(w, &k));
    turns(w, 20);
    w->records = false;
    uint64_t calls = sealed_count(w->b_host.s).calls_in;
    pass(w, 40 * SECOND);
    REQUIRE(w->wire_count >= 1);
    say_to(w, &w->b_host, buf_slice(&w->wire[0].payload));
    turns(w, 20);
    EXPECT_EQ(sealed_count(w->b_host.s).calls_in, calls);
    caller_done(&k);
    world_free(w);
}

// --- a hostile member: what it seals is believed to be of it, and nothing more
// -------------------------------

typedef struct member {
    trust_host trust;
    session *c;
    buf frame;
    nkey_public to;
} member;

static void on_member(void *arg, WRIT_UNUSED bus_subscription *s, const bus_message *m) {
    member *x = arg;
    if (m->payload.len > 0 && m->payload.data[0] == SESSION_WELCOME) {
        EXPECT_OK(sessions_finish(x->trust.sessions, m->payload, trust_now(2 * SECOND), &x->c, NULL));
    }
}

static void member_say(world *w, member *x, const frame *f, slice body) {
    uint8_t *head;
    buf_clear(&x->frame);
    REQUIRE(buf_reserve(&x->frame, SESSION_HEAD_BYTES, &head) == STATUS_OK);
    x->frame.len = SESSION_HEAD_BYTES;
    REQUIRE(frame_write(f, &x->frame) == STATUS_OK && buf_append(&x->frame, body) == STATUS_OK);
    REQUIRE(session_seal(x->c, &x->frame, NULL) == STATUS_OK);
    say_to(w, &w->b_host, buf_slice(&x->frame));
    turns(w, 8);
}

static frame call_frame(world *w, uint64_t number, const char *function, uint32_t total) {
    return (frame){.kind = FRAME_CALL,
                   .is_from_caller = true,
                   .call = number,
                   .sent_ms = trust_now(w->now).wall_ms,
                   .wait_ms = 3000,
                   .total = total,
                   .invocation = {.target = SLICE_LITERAL("t"), .function = slice_from_text(function)}};
}

TEST(a_hostile_member_is_bounded) {
    world *w = world_new();
    static member x;
    static uint8_t bytes[600000];
    bus_subscription sub = {0};
    char subject[128];
    trust_host_make(&x.trust, w->key);
    buf_init(&x.frame, 2 << 20);
    snprintf(subject, sizeof subject, "writ.v1.test.host.%s", nkey_public_text(&x.trust.name).text);
    REQUIRE(bus_subscribe(w->b, &sub, slice_from_text(subject), slice_empty(), on_member, &x, NULL) ==
            STATUS_OK);
    REQUIRE(sessions_greet(x.trust.sessions, &w->b_host.trust.name, trust_now(w->now), &x.frame, NULL) ==
            STATUS_OK);
    say_to(w, &w->b_host, buf_slice(&x.frame));
    turns(w, 20);
    REQUIRE(x.c != NULL);
    lattice_refusals *r = &w->b_host.trust.refusals;
    // More parameters than announced.
    frame f = call_frame(w, 1, "echo", 10);
    member_say(w, &x, &f, slice_of(bytes, 5));
    f = (frame){.kind = FRAME_ROOT, .is_from_caller = true, .call = 1, .index = 1};
    member_say(w, &x, &f, slice_of(bytes, 6));
    EXPECT_EQ(r->counts[LATTICE_REFUSED_TOO_LARGE], 1);
    // A stream that never ends, to who does not take it: parameters are not complete.
    f = call_frame(w, 2, "stream", 10);
    member_say(w, &x, &f, slice_empty());
    for (uint32_t i = 1; i < 10; i++) {
        f = (frame){.kind = FRAME_DATA, .is_from_caller = true, .call = 2, .index = i};
        member_say(w, &x, &f, slice_of(bytes, sizeof bytes));
    }
    EXPECT_EQ(r->counts[LATTICE_REFUSED_TOO_LARGE], 2);
    EXPECT(sealed_count(w->b_host.s).memory < 4 << 20);
    // Frames that wait for one that never comes.
    f = call_frame(w, 3, "echo", 10);
    member_say(w, &x, &f, slice_empty());
    for (uint32_t i = 2; i < 200; i++) {
        f = (frame){.kind = FRAME_ROOT, .is_from_caller = true, .call = 3, .index = i};
        member_say(w, &x, &f, slice_of(bytes, 1));
    }
    EXPECT(sealed_count(w->b_host.s).memory < 4 << 20);
    // Calls that never end: each its time, and no more than a host may have.
    for (uint64_t i = 0; i < 5000; i++) {
        f = call_frame(w, 100 + i, "hold", 0);
        member_say(w, &x, &f, slice_empty());
    }
    EXPECT(sealed_count(w->b_host.s).open_in <= SEALED_HOST_CALLS_MAX);
    EXPECT(honest_call_works(w));
    pass(w, 4 * SECOND);
    EXPECT_EQ(sealed_count(w->b_host.s).open_in, 0);
    EXPECT_EQ(sealed_count(w->b_host.s).memory, 0);
    bus_unsubscribe(&sub);
    trust_host_free(&x.trust);
    buf_done(&x.frame);
    world_free(w);
}
