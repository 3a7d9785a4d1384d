// SPDX-License-Identifier: Apache-2.0
// Against a server that the test plays itself, with a clock of the test's own.
#include "bus/nats.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "test.h"

enum { TEXT_BYTES = 4096 };

static const char info[] = "INFO {\"max_payload\":1000,\"headers\":true}\r\n";
static const uint64_t second = 1000000000;

typedef struct script {
    connector base; // first
    loop *l;
    uint64_t now_ns;
    nats *n;
    // Of the connector.
    loop_soon soon;
    connect_callback done;
    void *done_arg;
    char host[CONNECT_HOST_BYTES_MAX + 1];
    int asked;
    bool refuses;
    int peer; // the server's end; -1 = none
    // What was told.
    int ups, downs, messages, ends;
    status why;
    char reason[NATS_REASON_BYTES_MAX];
    char complaint[NATS_REASON_BYTES_MAX];
    char last[TEXT_BYTES];
    nats_result result;
    char answer[TEXT_BYTES];
    bool frees;
} script;

static uint64_t now_ns(void *arg) { return ((script *)arg)->now_ns; }

static void on_soon(void *arg) {
    script *s = arg;
    int fd[2];
    connect_result r = {.code = STATUS_IO, .fd = -1, .e = &(err){STATUS_IO, "refused"}};
    if (!s->refuses) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) == 0);
        r = (connect_result){.code = STATUS_OK, .fd = fd[0]};
        s->peer = fd[1];
    }
    s->done(s->done_arg, &r);
}

static status request(connector *c, const connect_request *q, connect_callback done, void *arg,
                      uint64_t *ret_id, err *e) {
    (void)e;
    script *s = (script *)c;
    snprintf(s->host, sizeof s->host, "%.*s", SLICE_ARG(q->host));
    s->done = done;
    s->done_arg = arg;
    s->asked++;
    *ret_id = 1;
    loop_soon_add(s->l, &s->soon);
    return STATUS_OK;
}

static void cancel(connector *c, uint64_t id) {
    (void)id;
    loop_soon_cancel(&((script *)c)->soon);
}

static const connector_ops ops = {request, cancel};

static void on_state(void *arg, nats_state state, status why, const char *reason) {
    script *s = arg;
    s->ups += state == NATS_UP;
    s->downs += state == NATS_DOWN;
    s->why = why;
    snprintf(s->reason, sizeof s->reason, "%s", reason);
}

static void on_error(void *arg, slice text) {
    script *s = arg;
    snprintf(s->complaint, sizeof s->complaint, "%.*s", SLICE_ARG(text));
}

static void on_message(void *arg, nats_subscription *sub, const nats_message *m) {
    script *s = arg;
    (void)sub;
    s->messages++;
    snprintf(s->last, sizeof s->last, "%.*s %.*s %.*s", SLICE_ARG(m->subject), SLICE_ARG(m->reply),
             SLICE_ARG(m->payload));
    if (s->frees) {
        nats_free(s->n);
        s->n = NULL;
    }
}

static void on_ended(void *arg, const nats_result *r) {
    script *s = arg;
    s->ends++;
    s->result = *r;
    snprintf(s->answer, sizeof s->answer, "%.*s", SLICE_ARG(r->message.payload));
}

static void turns(script *s, int n) {
    for (int i = 0; i < n; i++) {
        loop_turn(s->l, false);
    }
}

static void begin(script *s, nats_options o) {
    static const nats_server servers[] = {{.host = "one", .port = 1}};
    *s = (script){.base = {&ops}, .peer = -1, .now_ns = 1000};
    CHECK(loop_new(&(loop_clock){now_ns, s}, &s->l, NULL) == STATUS_OK);
    loop_soon_init(&s->soon, on_soon, s);
    o.l = s->l;
    o.connector = &s->base;
    if (o.servers == NULL) {
        o.servers = servers;
        o.server_count = 1;
    }
    o.on_state = on_state;
    o.on_error = on_error;
    o.arg = s;
    EXPECT_OK(nats_new(&o, &s->n, NULL));
    turns(s, 4);
}

static void done(script *s) {
    nats_free(s->n);
    if (s->peer >= 0) {
        close(s->peer);
    }
    loop_free(s->l);
}

static void say(script *s, const char *text) {
    CHECK(write(s->peer, text, strlen(text)) == (ssize_t)strlen(text));
    turns(s, 4);
}

static void cut(script *s) {
    close(s->peer);
    s->peer = -1;
    turns(s, 4);
}

// What the client has said since the last time.
static const char *heard(script *s) {
    static char text[TEXT_BYTES];
    turns(s, 2);
    ssize_t n = read(s->peer, text, sizeof text - 1);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static void come_up(script *s) {
    say(s, info);
    const char *said = heard(s);
    EXPECT_CONTAINS(said, "CONNECT {\"verbose\":false");
    EXPECT_CONTAINS(said, ".* 1\r\n");
    EXPECT_CONTAINS(said, "PING\r\n");
    say(s, "PONG\r\n");
    EXPECT_EQ(nats_state_of(s->n), NATS_UP);
}

static void wait_for(script *s, uint64_t ns) {
    s->now_ns += ns;
    turns(s, 4);
}

static nats_message message(const char *subject, const char *payload) {
    return (nats_message){.subject = slice_from_text(subject), .payload = slice_from_text(payload)};
}

TEST(it_greets_and_publishes) {
    script s;
    begin(&s, (nats_options){.name = "me"});
    EXPECT_STATUS(nats_publish(s.n, &(nats_message){.subject = SLICE_LITERAL("a")}, NULL), STATUS_CLOSED);
    come_up(&s);
    EXPECT_EQ(s.ups, 1);
    nats_message m = message("a.b", "hello");
    EXPECT_OK(nats_publish(s.n, &m, NULL));
    m.reply = slice_from_text("back");
    auto_buf headers;
    buf_init(&headers, 1000);
    EXPECT_OK(nats_headers_begin(&headers));
    EXPECT_OK(nats_headers_put(&headers, slice_from_text("A"), slice_from_text("b")));
    EXPECT_STATUS(nats_headers_put(&headers, slice_from_text("A"), slice_from_text("b\r\nC: d")),
                  STATUS_INVALID);
    EXPECT_OK(nats_headers_end(&headers));
    m.headers = buf_slice(&headers);
    EXPECT_OK(nats_publish(s.n, &m, NULL));
    EXPECT_TEXT(heard(&s), "PUB a.b 5\r\nhello\r\nHPUB a.b back 18 23\r\nNATS/1.0\r\nA: b\r\n\r\nhello\r\n");
    m.subject = slice_from_text("a b");
    EXPECT_STATUS(nats_publish(s.n, &m, NULL), STATUS_INVALID);
    char big[1001];
    m = (nats_message){.subject = SLICE_LITERAL("a"), .payload = slice_of(big, sizeof big)};
    EXPECT_STATUS(nats_publish(s.n, &m, NULL), STATUS_LIMIT);
    say(&s, "PING\r\n");
    EXPECT_TEXT(heard(&s), "PONG\r\n");
    done(&s);
}

static uint64_t sid_of(const char *said, const char *subject) {
    char pattern[64];
    uint64_t sid = 0;
    snprintf(pattern, sizeof pattern, "SUB %s ", subject);
    const char *at = strstr(said, pattern);
    EXPECT(at != NULL && sscanf(at + strlen(pattern), "%" SCNu64, &sid) == 1);
    return sid;
}

TEST(subscriptions_get_messages_and_outlive_connections) {
    script s;
    nats_subscription sub = {0};
    nats_subscription once = {0};
    char text[200];
    begin(&s, (nats_options){0});
    EXPECT_OK(
        nats_subscribe(s.n, &sub, slice_from_text("a.>"), slice_from_text("group"), 0, on_message, &s, NULL));
    come_up(&s);
    EXPECT_OK(nats_subscribe(s.n, &once, slice_from_text("b"), slice_empty(), 2, on_message, &s, NULL));
    const char *said = heard(&s);
    uint64_t sid = sid_of(said, "b");
    snprintf(text, sizeof text, "UNSUB %" PRIu64 " 2\r\n", sid);
    EXPECT_CONTAINS(said, text);
    snprintf(text, sizeof text, "MSG b %" PRIu64 " r 2\r\nhi\r\nMSG b %" PRIu64 " 2\r\nho\r\n", sid, sid);
    say(&s, text);
    EXPECT_EQ(s.messages, 2);
    EXPECT_TEXT(s.last, "b  ho");
    EXPECT(once.n == NULL); // has ended
    say(&s, text);
    EXPECT_EQ(s.messages, 2);
    cut(&s);
    EXPECT_EQ(s.downs, 1);
    EXPECT_STATUS(s.why, STATUS_CLOSED);
    wait_for(&s, second);
    say(&s, info);
    said = heard(&s);
    EXPECT_CONTAINS(said, "SUB a.> group ");
    EXPECT(strstr(said, "SUB b") == NULL);
    sid = sub.sid;
    say(&s, "PONG\r\n");
    nats_unsubscribe(&sub);
    snprintf(text, sizeof text, "UNSUB %" PRIu64 "\r\n", sid);
    EXPECT_TEXT(heard(&s), text);
    snprintf(text, sizeof text, "MSG a.b %" PRIu64 " 2\r\nhi\r\n", sid);
    say(&s, text);
    EXPECT_EQ(s.messages, 2);
    done(&s);
}

TEST(a_callback_may_free_the_client) {
    script s;
    nats_subscription sub = {0};
    nats_request r = {0};
    char text[200];
    begin(&s, (nats_options){0});
    EXPECT_OK(nats_subscribe(s.n, &sub, slice_from_text("a"), slice_empty(), 0, on_message, &s, NULL));
    come_up(&s);
    const nats_message m = message("q", "");
    EXPECT_OK(nats_request_start(s.n, &r, &m, UINT64_MAX, on_ended, &s, NULL));
    s.frees = true;
    snprintf(text, sizeof text, "MSG a %" PRIu64 " 2\r\nhi\r\nMSG a %" PRIu64 " 2\r\nhi\r\n", sub.sid,
             sub.sid);
    say(&s, text);
    EXPECT_EQ(s.messages, 1);
    EXPECT_EQ(s.ends, 0);
    EXPECT(sub.n == NULL && !nats_request_is_active(&r));
    done(&s);
}

// The inbox behind the subject that a request was published to.
static void inbox_of(script *s, const char *subject, char *ret, size_t size) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "PUB %s _INBOX.", subject);
    const char *at = strstr(heard(s), pattern);
    REQUIRE(at != NULL);
    snprintf(ret, size, "%.*s", (int)strcspn(at + strlen(pattern) - 7, " "), at + strlen(pattern) - 7);
}

TEST(requests_end_in_every_way_once) {
    script s;
    nats_request r = {0};
    char inbox[100];
    char text[300];
    const nats_message m = message("ask.me", "?");
    begin(&s, (nats_options){0});
    EXPECT_STATUS(nats_request_start(s.n, &r, &m, UINT64_MAX, on_ended, &s, NULL), STATUS_CLOSED);
    come_up(&s);
    EXPECT_OK(nats_request_start(s.n, &r, &m, UINT64_MAX, on_ended, &s, NULL));
    inbox_of(&s, "ask.me", inbox, sizeof inbox);
    snprintf(text, sizeof text, "MSG %s 1 3\r\nyes\r\nMSG %s 1 5\r\nlater\r\n", inbox, inbox);
    say(&s, text);
    EXPECT_EQ(s.ends, 1);
    EXPECT_STATUS(s.result.code, STATUS_OK);
    EXPECT_TEXT(s.answer, "yes");

    EXPECT_OK(nats_request_start(s.n, &r, &m, UINT64_MAX, on_ended, &s, NULL));
    inbox_of(&s, "ask.me", inbox, sizeof inbox);
    snprintf(text, sizeof text, "HMSG %s 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n", inbox);
    say(&s, text);
    EXPECT_STATUS(s.result.code, STATUS_NOT_FOUND);

    EXPECT_OK(nats_request_start(s.n, &r, &m, s.now_ns + second, on_ended, &s, NULL));
    wait_for(&s, 2 * second);
    EXPECT_EQ(s.ends, 3);
    EXPECT_STATUS(s.result.code, STATUS_TIMEOUT);

    EXPECT_OK(nats_request_start(s.n, &r, &m, UINT64_MAX, on_ended, &s, NULL));
    say(&s, "-ERR 'Permissions Violation for Publish to \"ask.you\"'\r\n");
    EXPECT_EQ(s.ends, 3);
    say(&s, "-ERR 'Permissions Violation for Publish to \"ask.me\"'\r\n");
    EXPECT_STATUS(s.result.code, STATUS_DENIED);
    EXPECT_CONTAINS(s.complaint, "Permissions Violation");

    EXPECT_OK(nats_request_start(s.n, &r, &m, UINT64_MAX, on_ended, &s, NULL));
    nats_request_cancel(&r);
    EXPECT_OK(nats_request_start(s.n, &r, &m, UINT64_MAX, on_ended, &s, NULL));
    cut(&s);
    EXPECT_EQ(s.ends, 5);
    EXPECT_STATUS(s.result.code, STATUS_CLOSED);
    done(&s);
}

TEST(what_is_too_long_is_passed_over) {
    script s;
    nats_subscription sub = {0};
    nats_request r = {0};
    char inbox[100];
    char text[400];
    const nats_message m = message("ask.me", "?");
    begin(&s, (nats_options){.payload_bytes_max = 10});
    EXPECT_OK(nats_subscribe(s.n, &sub, slice_from_text("a"), slice_empty(), 0, on_message, &s, NULL));
    come_up(&s);
    EXPECT_OK(nats_request_start(s.n, &r, &m, UINT64_MAX, on_ended, &s, NULL));
    inbox_of(&s, "ask.me", inbox, sizeof inbox);
    snprintf(text, sizeof text,
             "MSG a %" PRIu64 " 11\r\n12345678901\r\nMSG a %" PRIu64 " 2\r\nhi\r\nMSG %s 1 12\r\n1234",
             sub.sid, sub.sid, inbox);
    say(&s, text);
    EXPECT_EQ(s.downs, 0);
    EXPECT_EQ(s.messages, 1);
    EXPECT_TEXT(s.last, "a  hi");
    EXPECT_EQ(s.ends, 1);
    EXPECT_STATUS(s.result.code, STATUS_LIMIT);
    snprintf(text, sizeof text, "56789012\r\nMSG a %" PRIu64 " 10\r\n1234567890\r\n", sub.sid);
    say(&s, text);
    EXPECT_EQ(s.downs, 0);
    EXPECT_EQ(s.messages, 2);
    done(&s);
}

static void on_flushed(void *arg, status code) {
    script *s = arg;
    s->ends++;
    s->why = code;
}

TEST(flushes_of_one_turn_share_a_question) {
    script s;
    nats_flush f[3] = {0};
    begin(&s, (nats_options){0});
    EXPECT_STATUS(nats_flush_start(s.n, &f[0], on_flushed, &s, NULL), STATUS_CLOSED);
    come_up(&s);
    const nats_message m = message("a", "x");
    EXPECT_OK(nats_flush_start(s.n, &f[0], on_flushed, &s, NULL));
    EXPECT_OK(nats_publish(s.n, &m, NULL));
    EXPECT_OK(nats_flush_start(s.n, &f[1], on_flushed, &s, NULL));
    EXPECT_TEXT(heard(&s), "PUB a 1\r\nx\r\nPING\r\n");
    EXPECT_OK(nats_flush_start(s.n, &f[2], on_flushed, &s, NULL));
    EXPECT_TEXT(heard(&s), "PING\r\n");
    say(&s, "PONG\r\n");
    EXPECT_EQ(s.ends, 2);
    EXPECT_STATUS(s.why, STATUS_OK);
    nats_flush_cancel(&f[2]);
    say(&s, "PONG\r\n");
    EXPECT_OK(nats_flush_start(s.n, &f[2], on_flushed, &s, NULL));
    cut(&s);
    EXPECT_EQ(s.ends, 3);
    done(&s);
}

TEST(waits_between_attempts_grow_and_servers_take_turns) {
    static const nats_server servers[] = {{.host = "one", .port = 1}, {.host = "two", .port = 2}};
    script s;
    begin(&s, (nats_options){.servers = servers, .server_count = 2});
    char first[8];
    snprintf(first, sizeof first, "%.7s", s.host);
    say(&s, info);
    cut(&s);
    s.refuses = true;
    uint64_t longest = 0;
    for (int i = 0; i < 40; i++) {
        uint64_t next = nats_next_try_ns(s.n);
        REQUIRE(next != UINT64_MAX);
        longest = next - s.now_ns > longest ? next - s.now_ns : longest;
        EXPECT(next - s.now_ns <= 15 * second);
        s.now_ns = next;
        turns(&s, 4);
        EXPECT_EQ(strcmp(s.host, first) == 0, i % 2 == 1);
    }
    EXPECT(longest >= 7 * second);
    EXPECT_EQ(s.downs, 41);
    EXPECT_CONTAINS(s.reason, "refused");
    s.refuses = false;
    wait_for(&s, 15 * second);
    come_up(&s);
    done(&s);
}

TEST(a_silent_server_is_asked_and_then_left) {
    script s;
    begin(&s, (nats_options){0});
    come_up(&s);
    wait_for(&s, 20 * second); // something was heard meanwhile
    EXPECT_TEXT(heard(&s), "");
    wait_for(&s, 20 * second);
    EXPECT_TEXT(heard(&s), "PING\r\n");
    say(&s, "PONG\r\n");
    wait_for(&s, 20 * second);
    wait_for(&s, 20 * second);
    wait_for(&s, 20 * second);
    EXPECT_TEXT(heard(&s), "PING\r\nPING\r\n");
    EXPECT_EQ(s.downs, 0);
    wait_for(&s, 20 * second);
    EXPECT_EQ(s.downs, 1);
    EXPECT_STATUS(s.why, STATUS_TIMEOUT);
    close(s.peer);
    s.peer = -1;
    done(&s);
}

TEST(a_server_that_does_not_greet_is_left) {
    script s;
    begin(&s, (nats_options){0});
    wait_for(&s, 6 * second);
    EXPECT_STATUS(s.why, STATUS_TIMEOUT);
    done(&s);
    static const struct {
        const char *text;
        status why;
        const char *reason;
    } cases[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", STATUS_INVALID, "does not speak the protocol"},
        {"INFO nonsense\r\n", STATUS_INVALID, "greeting"},
        {"MSG a 1 1\r\nx\r\n", STATUS_INVALID, "before it was greeted"},
        {"INFO {\"max_payload\":1000,\"tls_required\":true}\r\n", STATUS_DENIED, "demands TLS"},
        {"-ERR 'Maximum Connections Exceeded'\r\n", STATUS_DENIED, "Maximum Connections Exceeded"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(&s, (nats_options){0});
        say(&s, cases[i].text);
        EXPECT_EQ(s.downs, 1);
        EXPECT_STATUS(s.why, cases[i].why);
        EXPECT_CONTAINS(s.reason, cases[i].reason);
        done(&s);
    }
}

TEST(other_servers_of_the_cluster_are_taken_only_when_allowed) {
    static const char told[] = "INFO {\"max_payload\":1000,\"connect_urls\":[\"one:1\",\"three:3\"]}\r\n";
    for (int discovers = 0; discovers < 2; discovers++) {
        script s;
        bool was_there = false;
        begin(&s, (nats_options){.discovers = discovers == 1});
        say(&s, told);
        cut(&s);
        s.refuses = true;
        for (int i = 0; i < 3; i++) {
            wait_for(&s, 15 * second);
            was_there = was_there || strcmp(s.host, "three") == 0;
        }
        EXPECT_EQ(was_there, discovers == 1);
        done(&s);
    }
}

TEST(paused_it_reads_nothing) {
    script s;
    nats_subscription sub = {0};
    char text[100];
    begin(&s, (nats_options){0});
    EXPECT_OK(nats_subscribe(s.n, &sub, slice_from_text("a"), slice_empty(), 0, on_message, &s, NULL));
    come_up(&s);
    nats_pause(s.n);
    snprintf(text, sizeof text, "MSG a %" PRIu64 " 2\r\nhi\r\n", sub.sid);
    say(&s, text);
    EXPECT_EQ(s.messages, 0);
    nats_resume(s.n);
    turns(&s, 4);
    EXPECT_EQ(s.messages, 1);
    nats_pause(s.n);
    cut(&s); // is noticed later, when something is written
    const nats_message m = message("b", "x");
    EXPECT_OK(nats_publish(s.n, &m, NULL));
    turns(&s, 4);
    EXPECT_EQ(s.downs, 1);
    wait_for(&s, second);
    come_up(&s); // the greeting is read all the same
    say(&s, text);
    EXPECT_EQ(s.messages, 1);
    nats_resume(s.n);
    turns(&s, 4);
    EXPECT_EQ(s.messages, 2);
    done(&s);
}

TEST(options_are_checked) {
    nats *n = NULL;
    err e;
    const nats_server secure = {.host = "a", .port = 1, .is_secure = true};
    EXPECT_STATUS(nats_new(&(nats_options){0}, &n, &e), STATUS_INVALID);
    EXPECT_STATUS(nats_new(&(nats_options){.servers = &secure, .server_count = 1}, &n, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "TLS");
    EXPECT(n == NULL);
}
