// SPDX-License-Identifier: Apache-2.0
// The bus over NATS when JetStream does what real servers do seldom. The test plays the server.
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "bus/bus_nats.h"
#include "bus/door_parse.h"
#include "test.h"

static const uint64_t ms = 1000000;
static const char no_leader[] = "{\"error\":{\"code\":503,\"err_code\":10008,\"description\":\"no leader\"}}";
static const char no_stream[] = "{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"not found\"}}";
static const char done[] = "{\"success\":true}";
static const char acked[] = "{\"stream\":\"KV_B\",\"seq\":7}";
static const char nobody[] = "NATS/1.0 503\r\n\r\n";

enum { SAID_BYTES = 1 << 16, TEXT_BYTES = 200 };

typedef struct played {
    connector base; // first
    uint64_t now_ns;
    loop *l;
    bus *b;
    loop_soon soon;
    connect_callback done;
    void *done_arg;
    int peer;
    uint8_t said[SAID_BYTES];
    size_t len;
    int asked;                // requests of the bus
    char subject[TEXT_BYTES]; // of the last one
    char reply[TEXT_BYTES];
    char inbox_sid[TEXT_BYTES];
    char watch_sid[TEXT_BYTES];
    bus_kv_op op;
    int ends;
    status code;
    bus_kv_watch w;
    char seen[TEXT_BYTES];
} played;

// --- the client's side -------------------------------------------------------------------------------------

static uint64_t now(void *arg) { return ((played *)arg)->now_ns; }

static void on_soon(void *arg) {
    played *x = arg;
    int fd[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) == 0);
    x->peer = fd[1];
    x->done(x->done_arg, &(connect_result){.code = STATUS_OK, .fd = fd[0]});
}

static status request(connector *c, const connect_request *q, connect_callback then, void *arg,
                      uint64_t *ret_id, err *e) {
    played *x = (played *)c;
    (void)q, (void)e;
    x->done = then;
    x->done_arg = arg;
    *ret_id = 1;
    loop_soon_add(x->l, &x->soon);
    return STATUS_OK;
}

static void cancel(connector *c, uint64_t id) {
    (void)id;
    loop_soon_cancel(&((played *)c)->soon);
}

static void note(played *x, const char *mark, slice text) {
    size_t len = strlen(x->seen);
    snprintf(x->seen + len, sizeof x->seen - len, "%s%.*s ", mark, SLICE_ARG(text));
}

static void on_restarted(void *arg) { note(arg, "again", slice_empty()); }
static void on_entry(void *arg, const bus_kv_entry *entry) {
    note(arg, entry->kind == BUS_KV_PUT ? "" : "-", entry->key);
}
static void on_caught_up(void *arg) { note(arg, "|", slice_empty()); }
static void on_failed(void *arg, status code, const char *text) {
    (void)text;
    note(arg, "!", slice_from_text(status_name(code)));
}
static void on_op(void *arg, const bus_kv_result *r) {
    played *x = arg;
    x->ends++;
    x->code = r->code;
}

// --- the server's side -------------------------------------------------------------------------------------

static void hear_one(played *x, const door_request *r) {
    if (r->op == DOOR_SUB && slice_starts_with(r->subject, "_INBOX.")) {
        bool is_all = r->subject.data[r->subject.len - 1] == '*';
        snprintf(is_all ? x->inbox_sid : x->watch_sid, TEXT_BYTES, "%.*s", SLICE_ARG(r->sid));
    } else if (r->op == DOOR_PUB) {
        x->asked += r->reply.len > 0;
        snprintf(x->subject, sizeof x->subject, "%.*s", SLICE_ARG(r->subject));
        snprintf(x->reply, sizeof x->reply, "%.*s", SLICE_ARG(r->reply));
    }
}

static void turn(played *x) {
    for (int i = 0; i < 6; i++) {
        loop_turn(x->l, false);
    }
    ssize_t n = recv(x->peer, x->said + x->len, SAID_BYTES - x->len, MSG_DONTWAIT);
    x->len += n > 0 ? (size_t)n : 0;
    door_request r;
    const char *error;
    size_t used;
    size_t at = 0;
    while (door_parse(slice_of(x->said + at, x->len - at), true, SAID_BYTES, &r, &used, &error) ==
           STATUS_OK) {
        hear_one(x, &r);
        at += used;
    }
    memmove(x->said, x->said + at, x->len - at);
    x->len -= at;
}

static void pass(played *x, uint64_t time_ms) {
    x->now_ns += time_ms * ms;
    turn(x);
}

static void say(played *x, const char *text) {
    CHECK(send(x->peer, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
    turn(x);
}

static void say_message(played *x, const char *subject, const char *sid, const char *reply,
                        const char *headers, const char *payload) {
    char text[1000];
    size_t len = strlen(headers);
    if (len > 0) {
        snprintf(text, sizeof text, "HMSG %s %s %s %zu %zu\r\n%s%s\r\n", subject, sid, reply, len,
                 len + strlen(payload), headers, payload);
    } else {
        snprintf(text, sizeof text, "MSG %s %s %s %zu\r\n%s\r\n", subject, sid, reply, strlen(payload),
                 payload);
    }
    say(x, text);
}

static void answer(played *x, int nth, const char *subject, const char *headers, const char *payload) {
    EXPECT_EQ(x->asked, nth);
    EXPECT_TEXT(x->subject, subject);
    say_message(x, x->reply, x->inbox_sid, "", headers, payload);
}

static void tell(played *x, const char *key, int sequence, int number, int pending) {
    char subject[50];
    char reply[100];
    snprintf(subject, sizeof subject, "$KV.B.%s", key);
    snprintf(reply, sizeof reply, "$JS.ACK.KV_B.c.1.%d.%d.1600000000.%d", sequence, number, pending);
    say_message(x, subject, x->watch_sid, reply, "", "value");
}

static void begin(played *x, bool watches) {
    static const connector_ops ops = {request, cancel};
    static const nats_server server = {.host = "a", .port = 1};
    *x = (played){.base = {&ops}, .now_ns = 1000 * ms, .peer = -1};
    const loop_clock clock = {now, x};
    CHECK(loop_new(&clock, &x->l, NULL) == STATUS_OK);
    loop_soon_init(&x->soon, on_soon, x);
    const bus_nats_options o = {
        .nats = {.l = x->l, .connector = &x->base, .servers = &server, .server_count = 1}};
    CHECK(bus_nats_new(&o, &x->b, NULL) == STATUS_OK);
    x->w = (bus_kv_watch){.restarted = on_restarted,
                          .entry = on_entry,
                          .caught_up = on_caught_up,
                          .failed = on_failed,
                          .arg = x};
    if (watches) {
        EXPECT_OK(bus_kv_watch_start(x->b, &x->w, slice_from_text("B"), NULL));
    }
    for (int i = 0; i < 4; i++) {
        loop_turn(x->l, false);
    }
    say(x, "INFO {\"max_payload\":4096,\"headers\":true}\r\nPONG\r\n");
    EXPECT(bus_is_up(x->b));
}

static void end(played *x) {
    bus_free(x->b);
    close(x->peer);
    loop_free(x->l);
}

// --- watches -----------------------------------------------------------------------------------------------

#define CREATE "$JS.API.CONSUMER.CREATE.KV_B"

TEST(a_missing_message_begins_a_watch_anew) {
    played x;
    begin(&x, true);
    answer(&x, 1, CREATE, "", "{\"num_pending\":2}");
    EXPECT_TEXT(x.seen, "");
    tell(&x, "a", 3, 1, 1);
    tell(&x, "b", 4, 2, 0);
    tell(&x, "c", 5, 3, 0);
    EXPECT_TEXT(x.seen, "a b | c ");
    char old[TEXT_BYTES];
    snprintf(old, sizeof old, "%s", x.watch_sid);
    tell(&x, "e", 7, 5, 0); // without the fourth
    EXPECT_TEXT(x.seen, "a b | c ");
    say_message(&x, "$KV.B.f", old, "$JS.ACK.KV_B.c.1.8.6.1600000000.0", "", "late");
    answer(&x, 2, CREATE, "", "{\"num_pending\":1}");
    tell(&x, "d", 9, 1, 0);
    EXPECT_TEXT(x.seen, "a b | c again d | ");
    end(&x);
}

TEST(what_comes_before_the_answer_is_taken) {
    played x;
    begin(&x, true);
    tell(&x, "a", 3, 1, 1);
    EXPECT_TEXT(x.seen, "a ");
    answer(&x, 1, CREATE, "", "{\"num_pending\":2}");
    tell(&x, "b", 4, 2, 0);
    EXPECT_TEXT(x.seen, "a b | ");
    end(&x);
}

TEST(heartbeats_tell_what_is_missing_and_that_all_is_there) {
    static const char beat[] = "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: %d\r\n\r\n";
    char headers[100];
    played x;
    begin(&x, true);
    answer(&x, 1, CREATE, "", "{\"num_pending\":9}"); // it counts wrongly
    tell(&x, "a", 3, 1, 8);
    snprintf(headers, sizeof headers, beat, 1);
    say_message(&x, "any", x.watch_sid, "", headers, "");
    EXPECT_TEXT(x.seen, "a | ");
    pass(&x, 2500);
    say_message(&x, "any", x.watch_sid, "", headers, "");
    pass(&x, 2500); // less than three beats since
    EXPECT_EQ(x.asked, 1);
    snprintf(headers, sizeof headers, beat, 2); // which never came
    say_message(&x, "any", x.watch_sid, "", headers, "");
    answer(&x, 2, CREATE, "", "{\"num_pending\":0}");
    EXPECT_TEXT(x.seen, "a | again | ");
    pass(&x, 3100); // silence
    answer(&x, 3, CREATE, "", no_stream);
    EXPECT_TEXT(x.seen, "a | again | !not-found ");
    pass(&x, 2000);
    EXPECT_EQ(x.asked, 4);
    end(&x);
}

TEST(flow_control_is_answered) {
    played x;
    begin(&x, true);
    answer(&x, 1, CREATE, "", "{\"num_pending\":1}");
    say_message(&x, "any", x.watch_sid, "$JS.FC.more", "NATS/1.0 100 FlowControl Request\r\n\r\n", "");
    EXPECT_TEXT(x.subject, "$JS.FC.more");
    say_message(&x, "any", x.watch_sid, "",
                "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 0\r\nNats-Consumer-Stalled: "
                "$JS.FC.stalled\r\n\r\n",
                "");
    EXPECT_TEXT(x.subject, "$JS.FC.stalled");
    end(&x);
}

// --- complaints --------------------------------------------------------------------------------------------

static void on_complaint(void *arg, const char *text) { note(arg, text, slice_empty()); }
static void free_it(void *arg, const char *text) {
    played *x = arg;
    (void)text;
    bus_free(x->b);
    x->b = NULL;
}

TEST(what_the_server_complains_of_is_told) {
    played x;
    begin(&x, false);
    bus_watcher none = {0};
    bus_watcher w = {.complains = on_complaint, .arg = &x};
    bus_watcher last = {.complains = free_it, .arg = &x};
    bus_watcher never = {.complains = on_complaint, .arg = &x};
    bus_add_watcher(x.b, &none);
    bus_add_watcher(x.b, &w);
    say(&x, "-ERR 'Permissions Violation for Subscription to \"a\x1b\"'\r\n");
    EXPECT_TEXT(x.seen, "Permissions Violation for Subscription to \"a\\x1b\" ");
    EXPECT(bus_is_up(x.b));
    bus_remove_watcher(&w);
    bus_add_watcher(x.b, &last);
    bus_add_watcher(x.b, &never);
    x.seen[0] = '\0';
    say(&x, "-ERR 'again'\r\n");
    EXPECT(x.b == NULL);
    EXPECT_TEXT(x.seen, "");
    end(&x);
}

// --- operations --------------------------------------------------------------------------------------------

static void start_put(played *x, uint64_t expected, uint64_t within_ms) {
    x->ends = 0;
    EXPECT_OK(bus_kv_put(x->b, &x->op, slice_from_text("B"), slice_from_text("k"), slice_from_text("v"),
                         expected, x->now_ns + within_ms * ms, on_op, x, NULL));
    turn(x);
}

#define INFO "$JS.API.STREAM.INFO.KV_B"
#define GET "$JS.API.STREAM.MSG.GET.KV_B"

TEST(a_change_waits_for_a_leader) {
    played x;
    begin(&x, false);
    start_put(&x, BUS_KV_ANY, 5000);
    answer(&x, 1, "$KV.B.k", nobody, "");
    answer(&x, 2, INFO, "", done); // the bucket is there
    EXPECT_EQ(x.ends, 0);
    pass(&x, 300);
    answer(&x, 3, "$KV.B.k", "", no_leader);
    pass(&x, 300);
    answer(&x, 4, "$KV.B.k", "", acked);
    EXPECT_EQ(x.ends, 1);
    EXPECT_STATUS(x.code, STATUS_OK);
    start_put(&x, BUS_KV_ANY, 5000);
    answer(&x, 5, "$KV.B.k", nobody, "");
    answer(&x, 6, INFO, "", no_stream);
    EXPECT_STATUS(x.code, STATUS_NOT_FOUND);
    start_put(&x, BUS_KV_ANY, 100);
    answer(&x, 7, "$KV.B.k", nobody, "");
    answer(&x, 8, INFO, "", done);
    pass(&x, 300);
    answer(&x, 9, "$KV.B.k", nobody, ""); // too late
    EXPECT_EQ(x.ends, 1);
    EXPECT_STATUS(x.code, STATUS_TIMEOUT);
    end(&x);
}

TEST(a_change_that_may_have_been_made_is_not_made_again) {
    played x;
    begin(&x, false);
    start_put(&x, BUS_KV_ANY, 5000);
    pass(&x, 4000);
    EXPECT_EQ(x.asked, 1);
    EXPECT_EQ(x.ends, 0);
    pass(&x, 1100);
    EXPECT_STATUS(x.code, STATUS_TIMEOUT);
    EXPECT_EQ(x.asked, 1);
    end(&x);
}

TEST(who_was_asked_for_a_value_may_be_gone) {
    played x;
    begin(&x, false);
    EXPECT_OK(bus_kv_get(x.b, &x.op, slice_from_text("B"), slice_from_text("k"), x.now_ns + 5000 * ms, on_op,
                         &x, NULL));
    turn(&x);
    pass(&x, 2100);
    pass(&x, 300);
    answer(&x, 2, GET, "", "{\"message\":{\"subject\":\"$KV.B.k\",\"seq\":9,\"data\":\"dg==\"}}");
    EXPECT_EQ(x.ends, 1);
    EXPECT_STATUS(x.code, STATUS_OK);
    end(&x);
}

TEST(a_key_that_changes_hands_all_the_time_is_given_up) {
    static const char wrong[] = "{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"wrong\"}}";
    static const char removed[] = "{\"message\":{\"subject\":\"$KV.B.k\",\"seq\":9,\"hdrs\":"
                                  "\"TkFUUy8xLjANCktWLU9wZXJhdGlvbjogREVMDQoNCg==\"}}";
    played x;
    begin(&x, false);
    start_put(&x, 0, 5000);
    for (int i = 1; x.ends == 0 && i < 20; i += 2) {
        answer(&x, i, "$KV.B.k", "", wrong);
        answer(&x, i + 1, GET, "", removed);
    }
    EXPECT_STATUS(x.code, STATUS_EXISTS);
    end(&x);
}
