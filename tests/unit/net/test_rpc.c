// SPDX-License-Identifier: Apache-2.0
// Calls over a socket pair: both ends on one loop, or one end played by hand to break the rules.
#include "net/rpc.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/fd.h"
#include "test.h"

typedef struct fake_time {
    uint64_t now_ns;
} fake_time;

static uint64_t fake_now(void *arg) { return ((fake_time *)arg)->now_ns; }

enum { HELD_MAX = 8192 };

typedef struct end {
    rpc *r;
    rpc_request *held[HELD_MAX]; // calls that are not answered at once
    size_t held_count;
    bool holds;
    bool frees; // itself, in on_call
    int calls;
    int cancels;
    int closed;
    status why;
    char why_text[256];
    char seen[128]; // of the last call
    size_t payload_len;
    uint64_t deadline_ns;
} end;

static void on_call(void *arg, rpc_request *q) {
    end *x = arg;
    const rpc_message *m = rpc_request_message(q);
    x->calls++;
    snprintf(x->seen, sizeof x->seen, "%u %.*s %.*s %.*s", m->target, SLICE_ARG(m->interface),
             SLICE_ARG(m->function), m->payload.len > 40 ? 0 : (int)m->payload.len,
             (const char *)m->payload.data);
    x->payload_len = m->payload.len;
    x->deadline_ns = rpc_request_deadline_ns(q);
    if (x->frees) {
        rpc_free(x->r);
        x->r = NULL;
        x->held[x->held_count++] = q;
    } else if (x->holds) {
        rpc_request_set_data(q, x);
        x->held[x->held_count++] = q;
    } else if (slice_equal_text(m->function, "fail")) {
        rpc_fail(q, STATUS_DENIED, "not %s", "you");
    } else {
        rpc_answer(q, m->payload);
    }
}

static void on_cancel(void *arg, rpc_request *q) {
    end *x = arg;
    EXPECT(rpc_request_is_cancelled(q));
    EXPECT(rpc_request_data(q) == x);
    x->cancels++;
}

static void on_closed(void *arg, status why, const err *e) {
    end *x = arg;
    x->closed++;
    x->why = why;
    snprintf(x->why_text, sizeof x->why_text, "%.200s", e == NULL ? "" : e->message);
}

static void answer_held(end *x) {
    for (size_t i = 0; i < x->held_count; i++) {
        rpc_answer(x->held[i], rpc_request_message(x->held[i])->payload);
    }
    x->held_count = 0;
}

typedef struct pair {
    fake_time t;
    loop *l;
    int fd[2];
    end a, b;
} pair;

static void make_end(pair *p, end *x, int fd, const rpc_limits *limits) {
    rpc_handler h = {.arg = x, .on_call = on_call, .on_cancel = on_cancel, .on_closed = on_closed};
    EXPECT_OK(rpc_new(p->l, fd, limits, &h, &x->r, NULL));
}

// `b` may be the test's own hand: then fd[1] is its socket.
static pair *pair_new(const rpc_limits *a, const rpc_limits *b, bool by_hand) {
    pair *p = MEM_NEW(pair);
    signal(SIGPIPE, SIG_IGN);
    loop_clock clock = {fake_now, &p->t};
    p->t.now_ns = 1000;
    EXPECT_OK(loop_new(&clock, &p->l, NULL));
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p->fd), 0);
    make_end(p, &p->a, p->fd[0], a);
    if (!by_hand) {
        make_end(p, &p->b, p->fd[1], b);
        p->fd[1] = -1;
    }
    return p;
}

static void turns(pair *p, int count) {
    for (int i = 0; i < count; i++) {
        loop_turn(p->l, false);
    }
}

static void pair_free(pair *p) {
    rpc_free(p->a.r);
    rpc_free(p->b.r);
    answer_held(&p->a);
    answer_held(&p->b);
    turns(p, 3);
    fd_close(p->fd[1]);
    loop_free(p->l);
    mem_free(p);
}

typedef struct caller {
    rpc_call call;
    int ended;
    status code;
    char text[256];
    size_t len;
    uint8_t first, last;
    rpc *frees; // in the callback
} caller;

static void on_ended(void *arg, const rpc_result *result) {
    caller *c = arg;
    c->ended++;
    c->code = result->code;
    if (c->frees != NULL) {
        rpc_free(c->frees);
    }
    c->len = result->payload.len;
    if (c->len > 0) {
        c->first = result->payload.data[0];
        c->last = result->payload.data[c->len - 1];
    }
    if (result->e != NULL) {
        snprintf(c->text, sizeof c->text, "%.200s", result->e->message);
    } else {
        snprintf(c->text, sizeof c->text, "%.*s", result->payload.len > 200 ? 0 : (int)result->payload.len,
                 (const char *)result->payload.data);
    }
    EXPECT((result->e == NULL) == (result->code == STATUS_OK));
}

static status start(pair *p, end *x, caller *c, const char *function, const char *payload,
                    uint64_t deadline_ns) {
    (void)p;
    rpc_message m = {.target = 7,
                     .interface = slice_from_text("wasi:keyvalue/store"),
                     .function = slice_from_text(function),
                     .payload = slice_from_text(payload)};
    return rpc_call_start(x->r, &c->call, &m, deadline_ns, on_ended, c, NULL);
}

TEST(both_ends_call) {
    pair *p = pair_new(NULL, NULL, false);
    caller c[3] = {0};
    EXPECT_OK(start(p, &p->a, &c[0], "get", "hello", 6000));
    EXPECT_OK(start(p, &p->b, &c[1], "get", "", UINT64_MAX));
    EXPECT_OK(start(p, &p->b, &c[2], "fail", "x", UINT64_MAX));
    EXPECT(rpc_call_is_active(&c[0].call));
    EXPECT_EQ(c[0].ended, 0);
    turns(p, 4);
    EXPECT_TEXT(p->b.seen, "7 wasi:keyvalue/store get hello");
    EXPECT_U64(p->b.deadline_ns, 6000);
    EXPECT_U64(p->a.deadline_ns, UINT64_MAX);
    EXPECT_EQ(c[0].ended, 1);
    EXPECT_STATUS(c[0].code, STATUS_OK);
    EXPECT_TEXT(c[0].text, "hello");
    EXPECT_STATUS(c[1].code, STATUS_OK);
    EXPECT_EQ(c[1].ended, 1);
    EXPECT_STATUS(c[2].code, STATUS_DENIED);
    EXPECT_TEXT(c[2].text, "not you");
    EXPECT(!rpc_call_is_active(&c[0].call));
    EXPECT_EQ(rpc_count(p->a.r).calls_out, 0);
    EXPECT_EQ(rpc_count(p->a.r).calls_in, 0);
    EXPECT_EQ(rpc_count(p->b.r).in_bytes, 0);
    pair_free(p);
}

TEST(thousands_in_flight_cost_few_system_calls) {
    pair *p = pair_new(NULL, NULL, false);
    enum { COUNT = 4000 };
    caller *c = mem_calloc(COUNT, sizeof *c);
    for (int i = 0; i < COUNT; i++) {
        EXPECT_OK(start(p, &p->a, &c[i], "increment", "0123456789", UINT64_MAX));
    }
    turns(p, 40);
    for (int i = 0; i < COUNT; i++) {
        EXPECT(c[i].ended == 1 && c[i].code == STATUS_OK);
    }
    rpc_counters a = rpc_count(p->a.r);
    rpc_counters b = rpc_count(p->b.r);
    EXPECT_EQ(b.served, COUNT);
    EXPECT(a.writes + a.reads + b.writes + b.reads < 40);
    mem_free(c);
    pair_free(p);
}

TEST(large_payloads_go_both_ways) {
    pair *p = pair_new(NULL, NULL, false);
    size_t sizes[] = {65536 - 60, 65536, 1 << 20, 16 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *bytes = mem_zalloc(sizes[i]);
        bytes[0] = 5;
        bytes[sizes[i] - 1] = 9;
        rpc_message m = {.function = slice_from_text("f"), .payload = slice_of(bytes, sizes[i])};
        caller c = {0};
        caller small = {0};
        EXPECT_OK(rpc_call_start(p->a.r, &c.call, &m, UINT64_MAX, on_ended, &c, NULL));
        EXPECT_OK(start(p, &p->a, &small, "get", "after", UINT64_MAX));
        turns(p, 2000);
        EXPECT_EQ(c.ended, 1);
        EXPECT_STATUS(c.code, STATUS_OK);
        EXPECT_EQ(c.len, sizes[i]);
        EXPECT(c.first == 5 && c.last == 9);
        EXPECT_TEXT(small.text, "after");
        EXPECT_EQ(p->b.payload_len, 5);
        mem_free(bytes);
    }
    pair_free(p);
}

TEST(limits_answer_at_once) {
    rpc_limits tight = {.payload_bytes_max = 1000,
                        .calls_out_max = 4,
                        .calls_in_max = 2,
                        .in_bytes_max = 2000,
                        .out_bytes_max = 3000};
    pair *p = pair_new(&tight, &tight, false);
    caller c[6] = {0};
    p->b.holds = true;
    for (int i = 0; i < 5; i++) {
        EXPECT_STATUS(start(p, &p->a, &c[i], "get", "x", UINT64_MAX), i < 4 ? STATUS_OK : STATUS_LIMIT);
    }
    turns(p, 4);
    EXPECT_EQ(p->b.held_count, 2);
    EXPECT_STATUS(c[2].code, STATUS_LIMIT); // the other end takes two
    EXPECT_STATUS(c[3].code, STATUS_LIMIT);
    EXPECT_EQ(c[0].ended + c[1].ended, 0);
    EXPECT_EQ(rpc_count(p->b.r).refused, 2);
    answer_held(&p->b);
    turns(p, 4);
    EXPECT_EQ(c[0].ended + c[1].ended, 2);
    char text[1002] = "";
    memset(text, 'x', 1001);
    EXPECT_STATUS(start(p, &p->a, &c[4], "get", text, UINT64_MAX), STATUS_LIMIT);
    text[950] = '\0';
    EXPECT_OK(start(p, &p->a, &c[0], "get", text, UINT64_MAX));
    EXPECT_OK(start(p, &p->a, &c[1], "get", text, UINT64_MAX));
    EXPECT_OK(start(p, &p->a, &c[2], "get", "x", UINT64_MAX));
    EXPECT_STATUS(start(p, &p->a, &c[3], "get", text, UINT64_MAX), STATUS_LIMIT); // too much queued
    EXPECT_STATUS(start(p, &p->a, &c[3], "get", "x", 1000), STATUS_TIMEOUT);
    char name[1100];
    memset(name, 'n', sizeof name);
    name[RPC_NAME_BYTES_MAX + 1] = '\0';
    EXPECT_STATUS(start(p, &p->a, &c[3], name, "x", UINT64_MAX), STATUS_INVALID);
    turns(p, 4);
    answer_held(&p->b);
    turns(p, 4);
    EXPECT_STATUS(c[1].code, STATUS_OK);
    EXPECT(rpc_is_open(p->a.r) && rpc_is_open(p->b.r));
    pair_free(p);
}

TEST(an_answer_over_the_limits_is_a_failure) {
    rpc_limits a = rpc_limits_default();
    rpc_limits b = rpc_limits_default();
    a.payload_bytes_max = b.payload_bytes_max = 100;
    pair *p = pair_new(&a, &b, false);
    p->b.holds = true;
    caller c = {0};
    EXPECT_OK(start(p, &p->a, &c, "get", "x", UINT64_MAX));
    turns(p, 3);
    uint8_t bytes[101] = {0};
    rpc_answer(p->b.held[0], slice_of(bytes, sizeof bytes));
    p->b.held_count = 0;
    turns(p, 3);
    EXPECT_STATUS(c.code, STATUS_LIMIT);
    EXPECT_CONTAINS(c.text, "101 bytes");
    pair_free(p);
}

TEST(deadlines_end_calls_and_tell_the_other_end) {
    pair *p = pair_new(NULL, NULL, false);
    p->b.holds = true;
    caller c[2] = {0};
    EXPECT_OK(start(p, &p->a, &c[0], "get", "x", 5000));
    EXPECT_OK(start(p, &p->a, &c[1], "get", "y", 9000));
    turns(p, 3);
    EXPECT_EQ(p->b.held_count, 2);
    p->t.now_ns = 4999;
    turns(p, 3);
    EXPECT_EQ(c[0].ended, 0);
    p->t.now_ns = 5000;
    turns(p, 3);
    EXPECT_STATUS(c[0].code, STATUS_TIMEOUT);
    EXPECT_EQ(c[1].ended, 0);
    EXPECT_EQ(p->b.cancels, 1);
    EXPECT_EQ(rpc_count(p->a.r).calls_out, 2); // until it is answered
    answer_held(&p->b);
    turns(p, 3);
    EXPECT_EQ(c[0].ended, 1);
    EXPECT_STATUS(c[1].code, STATUS_OK);
    EXPECT_EQ(rpc_count(p->a.r).calls_out, 0);
    pair_free(p);
}

TEST(cancelled_calls_do_not_end) {
    pair *p = pair_new(NULL, NULL, false);
    p->b.holds = true;
    caller c = {0};
    EXPECT_OK(start(p, &p->a, &c, "get", "x", 5000));
    turns(p, 3);
    rpc_call_cancel(&c.call);
    rpc_call_cancel(&c.call);
    EXPECT(!rpc_call_is_active(&c.call));
    turns(p, 3);
    EXPECT_EQ(p->b.cancels, 1);
    answer_held(&p->b);
    turns(p, 3);
    EXPECT_EQ(c.ended, 0);
    EXPECT_EQ(rpc_count(p->a.r).calls_out, 0);
    EXPECT(rpc_is_open(p->a.r));
    pair_free(p);
}

TEST(an_orderly_close_finishes_what_runs) {
    pair *p = pair_new(NULL, NULL, false);
    p->b.holds = true;
    caller c = {0};
    caller back = {0};
    EXPECT_OK(start(p, &p->a, &c, "get", "x", UINT64_MAX));
    turns(p, 3);
    EXPECT_OK(start(p, &p->b, &back, "get", "y", UINT64_MAX)); // crosses the goodbye
    rpc_close(p->a.r);
    rpc_close(p->a.r);
    EXPECT(!rpc_is_open(p->a.r));
    EXPECT_STATUS(start(p, &p->a, &(caller){0}, "get", "z", UINT64_MAX), STATUS_CLOSED);
    turns(p, 4);
    EXPECT_STATUS(back.code, STATUS_OK);
    EXPECT_EQ(back.ended, 1);
    EXPECT(!rpc_is_open(p->b.r));
    EXPECT_EQ(p->a.closed + p->b.closed, 0);
    answer_held(&p->b);
    turns(p, 5);
    EXPECT_EQ(c.ended, 1);
    EXPECT_STATUS(c.code, STATUS_OK);
    EXPECT_EQ(p->a.closed, 1);
    EXPECT_EQ(p->b.closed, 1);
    EXPECT_STATUS(p->a.why, STATUS_OK);
    EXPECT_STATUS(p->b.why, STATUS_OK);
    pair_free(p);
}

TEST(a_peer_that_goes_ends_all_calls) {
    pair *p = pair_new(NULL, NULL, false);
    p->a.holds = p->b.holds = true;
    caller c[3] = {0};
    caller back = {0};
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(start(p, &p->a, &c[i], "get", "x", UINT64_MAX));
    }
    EXPECT_OK(start(p, &p->b, &back, "get", "y", UINT64_MAX));
    turns(p, 3);
    rpc_free(p->b.r);
    p->b.r = NULL;
    EXPECT_EQ(back.ended, 0); // not from inside
    turns(p, 3);
    EXPECT_STATUS(back.code, STATUS_CLOSED);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(c[i].ended, 1);
        EXPECT_STATUS(c[i].code, STATUS_CLOSED);
    }
    EXPECT_EQ(p->a.cancels, 1);
    EXPECT_EQ(p->a.closed, 1);
    EXPECT_STATUS(p->a.why, STATUS_CLOSED);
    EXPECT_STATUS(start(p, &p->a, &c[0], "get", "z", UINT64_MAX), STATUS_CLOSED);
    EXPECT_EQ(rpc_request_message(p->b.held[0])->payload.len, 1); // still valid
    pair_free(p);
}

TEST(callbacks_may_free) {
    pair *p = pair_new(NULL, NULL, false);
    p->b.frees = true;
    caller c[2] = {0};
    EXPECT_OK(start(p, &p->a, &c[0], "get", "x", UINT64_MAX));
    EXPECT_OK(start(p, &p->a, &c[1], "get", "y", UINT64_MAX));
    c[0].frees = p->a.r;
    p->a.r = NULL; // freed by the first that ends
    turns(p, 5);
    EXPECT_EQ(p->b.calls, 1);
    EXPECT_EQ(c[0].ended + c[1].ended, 2);
    EXPECT_STATUS(c[1].code, STATUS_CLOSED);
    EXPECT_EQ(p->a.closed, 0);
    pair_free(p);
}

TEST(an_answer_may_free_the_connection_and_still_be_read) {
    pair *p = pair_new(NULL, NULL, false);
    caller c[2] = {0};
    EXPECT_OK(start(p, &p->a, &c[0], "get", "payload", UINT64_MAX));
    EXPECT_OK(start(p, &p->a, &c[1], "get", "next", UINT64_MAX));
    c[0].frees = p->a.r;
    p->a.r = NULL;
    turns(p, 5);
    EXPECT_TEXT(c[0].text, "payload");
    EXPECT_STATUS(c[1].code, STATUS_CLOSED);
    pair_free(p);
}

// --- rules ---

// Bytes in hexadecimal; blanks do not matter.
static size_t from_hex(const char *hex, uint8_t *ret) {
    size_t len = 0;
    for (unsigned byte; *hex != '\0';) {
        if (*hex == ' ') {
            hex++;
        } else {
            EXPECT_EQ(sscanf(hex, "%2x", &byte), 1);
            ret[len++] = (uint8_t)byte;
            hex += 2;
        }
    }
    return len;
}

static void send_hex(const pair *p, const char *hex) {
    uint8_t bytes[128];
    size_t len = from_hex(hex, bytes);
    EXPECT_EQ(write(p->fd[1], bytes, len), (int64_t)len);
}

TEST(who_breaks_a_rule_loses_the_connection) {
    static const char *const cases[][2] = {
        {"type 0", "08000000 00 00 0000 00000000"},
        {"a stream", "08000000 10 00 0000 00000000"},
        {"short", "07000000 03 00 0000 00000000"},
        {"reserved byte", "08000000 03 01 0000 00000000"},
        {"huge", "ffffff7f 01 00 0000 00000000"},
        {"answer to nothing", "08000000 02 00 0000 00000000"},
        {"answer to a far number", "08000000 02 00 0000 7f000000"},
        {"unknown status", "08000000 02 00 7f00 00000000"},
        {"call without head", "08000000 01 00 0000 00000000"},
        {"names longer than the call",
         "1a000000 01 00 0100 00000000 07000000 02000000 0000000000000000 6162"},
        {"the same number twice", "1a000000 01 00 0100 00000000 07000000 01000000 0000000000000000 6162 "
                                  "1a000000 01 00 0100 00000000 07000000 01000000 0000000000000000 6162"},
        {"number too large", "1a000000 01 00 0100 00000100 07000000 01000000 0000000000000000 6162"},
        {"cancel with more", "09000000 03 00 0000 00000000 78"},
        {"goodbye twice", "08000000 04 00 0000 00000000 08000000 04 00 0000 00000000"},
        {"goodbye to a number", "08000000 04 00 0000 01000000"},
        {"call after goodbye",
         "08000000 04 00 0000 00000000 1a000000 01 00 0100 00000000 07000000 01000000 0000000000000000 6162"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pair *p = pair_new(NULL, NULL, true);
        p->a.holds = true;
        send_hex(p, cases[i][1]);
        turns(p, 3);
        if (!EXPECT_EQ(p->a.closed, 1) || !EXPECT_STATUS(p->a.why, STATUS_INVALID)) {
            printf("    %s: %s\n", cases[i][0], p->a.why_text);
        }
        pair_free(p);
    }
}

TEST(what_is_not_a_rule_broken) {
    pair *p = pair_new(NULL, NULL, true);
    p->a.holds = true;
    send_hex(p, "08000000 03 00 0000 05000000");
    uint8_t call[64];
    size_t len = from_hex("1a000000 01 00 0100 03000000 07000000 01000000 0000000000000000 6162", call);
    for (size_t i = 0; i < len; i++) { // byte by byte
        EXPECT_EQ(write(p->fd[1], call + i, 1), 1);
        turns(p, 2);
    }
    EXPECT_TEXT(p->a.seen, "7 a b ");
    EXPECT_EQ(p->a.closed, 0);
    answer_held(&p->a);
    turns(p, 3);
    char answer[64];
    EXPECT_EQ(read(p->fd[1], answer, sizeof answer), 12);
    uint8_t expected[64];
    EXPECT_EQ(memcmp(answer, expected, from_hex("08000000 02 00 0000 03000000", expected)), 0);
    pair_free(p);
}

TEST(a_peer_that_does_not_read_is_cut) {
    rpc_limits tight = {.payload_bytes_max = 1000,
                        .calls_out_max = 4,
                        .calls_in_max = 2,
                        .in_bytes_max = 2000,
                        .out_bytes_max = 3000};
    pair *p = pair_new(&tight, NULL, true);
    uint8_t call[64];
    size_t len = from_hex("1a000000 01 00 0100 03000000 07000000 01000000 0000000000000000 6162",
                          call); // refused: number 3
    for (int i = 0; i < 200000 && p->a.closed == 0; i++) {
        if (write(p->fd[1], call, len) < 0) {
            turns(p, 1);
        }
    }
    turns(p, 3);
    EXPECT_EQ(p->a.closed, 1);
    EXPECT_STATUS(p->a.why, STATUS_LIMIT);
    pair_free(p);
}

TEST(a_large_call_over_the_limit_is_refused_and_skipped) {
    rpc_limits a = rpc_limits_default();
    a.in_bytes_max = 1000;
    pair *p = pair_new(NULL, &a, false);
    uint8_t *bytes = mem_zalloc(3 << 20);
    rpc_message m = {.function = slice_from_text("f"), .payload = slice_of(bytes, 3 << 20)};
    caller large = {0};
    caller small = {0};
    EXPECT_OK(rpc_call_start(p->a.r, &large.call, &m, UINT64_MAX, on_ended, &large, NULL));
    EXPECT_OK(start(p, &p->a, &small, "get", "x", UINT64_MAX));
    turns(p, 300);
    EXPECT_STATUS(large.code, STATUS_LIMIT);
    EXPECT_STATUS(small.code, STATUS_OK);
    EXPECT_EQ(p->b.calls, 1);
    mem_free(bytes);
    pair_free(p);
}

// One caller floods and gives up what it started: the peer still has it all, and others must get through.
TEST(a_flood_of_one_caller_leaves_room_for_others) {
    enum { ALL = 64 };
    rpc_limits a = rpc_limits_default();
    a.calls_out_max = ALL;
    pair *p = pair_new(&a, NULL, false);
    p->b.holds = true;
    rpc_share hostile = {0}, second = {0}, third = {0};
    caller flood[ALL] = {0}, others[ALL] = {0};
    int count = 0;
    for (flood[0].call.share = &hostile;
         start(p, &p->a, &flood[count], "get", "x", UINT64_MAX) == STATUS_OK;) {
        rpc_call_cancel(&flood[count].call);
        flood[++count].call.share = &hostile;
    }
    EXPECT_EQ(count, ALL / 2);
    EXPECT_EQ(hostile.calls, ALL / 2);
    others[0].call.share = &second;
    EXPECT_OK(start(p, &p->a, &others[0], "get", "x", UINT64_MAX));
    others[1].call.share = &third;
    EXPECT_OK(start(p, &p->a, &others[1], "get", "x", UINT64_MAX));
    turns(p, 5);
    EXPECT_EQ(p->b.calls, ALL / 2 + 2);
    answer_held(&p->b);
    turns(p, 5);
    EXPECT_EQ(hostile.calls, 0);
    EXPECT_EQ(hostile.bytes, 0);
    EXPECT_EQ(others[0].ended + others[1].ended, 2);
    EXPECT_EQ(rpc_count(p->a.r).call_bytes, 0);
    pair_free(p);
}

TEST(bytes_of_one_caller_leave_room_for_others) {
    rpc_limits a = rpc_limits_default();
    a.in_bytes_max = 1 << 20;
    pair *p = pair_new(&a, NULL, false);
    p->b.holds = true;
    rpc_share hostile = {0}, second = {0};
    caller flood[3] = {0}, other = {.call.share = &second};
    uint8_t *bytes = mem_zalloc(1 << 20);
    rpc_message m = {.function = slice_from_text("f"), .payload = slice_of(bytes, 400 << 10)};
    for (int i = 0; i < 2; i++) {
        flood[i].call.share = &hostile;
        EXPECT_STATUS(rpc_call_start(p->a.r, &flood[i].call, &m, UINT64_MAX, on_ended, &flood[i], NULL),
                      i == 0 ? STATUS_OK : STATUS_LIMIT);
    }
    EXPECT_OK(start(p, &p->a, &other, "get", "x", UINT64_MAX));
    rpc_free(p->a.r); // what is lost is nobody's any more
    p->a.r = NULL;
    EXPECT_EQ(hostile.calls + second.calls, 0);
    turns(p, 5);
    mem_free(bytes);
    pair_free(p);
}

TEST(large_answers_leave_room_for_small_ones) {
    rpc_limits b = rpc_limits_default();
    b.out_bytes_max = 1 << 20;
    pair *p = pair_new(NULL, &b, false);
    p->b.holds = true;
    caller large[8] = {0}, small = {0};
    uint8_t *bytes = mem_zalloc(300 << 10);
    rpc_message m = {.function = slice_from_text("f"), .payload = slice_of(bytes, 300 << 10)};
    for (int i = 0; i < 8; i++) {
        EXPECT_OK(rpc_call_start(p->a.r, &large[i].call, &m, UINT64_MAX, on_ended, &large[i], NULL));
    }
    EXPECT_OK(start(p, &p->a, &small, "get", "x", UINT64_MAX));
    for (int i = 0; i < 500 && p->b.calls < 9; i++) {
        turns(p, 1);
    }
    answer_held(&p->b); // all before one is read
    turns(p, 300);
    EXPECT_STATUS(large[0].code, STATUS_OK);
    EXPECT_STATUS(large[7].code, STATUS_LIMIT);
    EXPECT_STATUS(small.code, STATUS_OK);
    mem_free(bytes);
    pair_free(p);
}

TEST(hostile_text_of_a_failure_is_shown_safely) {
    pair *p = pair_new(NULL, NULL, true);
    caller c = {0};
    EXPECT_OK(start(p, &p->a, &c, "get", "x", UINT64_MAX));
    turns(p, 2);
    send_hex(p, "0c000000 02 00 0300 00000000 1b5b324a");
    turns(p, 2);
    EXPECT_STATUS(c.code, STATUS_DENIED);
    EXPECT_TEXT(c.text, "\\x1b[2J");
    pair_free(p);
}
