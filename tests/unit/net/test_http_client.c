// SPDX-License-Identifier: Apache-2.0
// The HTTP client against our own server and against raw sockets that answer badly, all on one loop.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http_client.h"
#include "test.h"
#include "unit/net/helper_connector.h"
#include "unit/net/helper_server.h"

static const uint64_t second_ns = 1000000000;

typedef struct rig {
    fixture server; // its loop is the client's too
    direct_connector connector;
    http_client *client;
    int progress;
} rig;

static void on_progress(void *arg) { ((rig *)arg)->progress++; }

static void rig_start(rig *r, const http_client_options *options) {
    *r = (rig){0};
    fixture_start(&r->server, NULL);
    direct_connector_init(&r->connector, r->server.l);
    http_client_options o = options != NULL ? *options : http_client_options_default();
    o.connector = &r->connector.base;
    EXPECT_OK(http_client_new(r->server.l, &o, &r->client, NULL));
}

static void rig_stop(rig *r) {
    http_client_free(r->client);
    for (int i = 0; i < 10; i++) {
        loop_turn(r->server.l, false);
    }
    direct_connector_done(&r->connector);
    fixture_stop(&r->server);
}

static http_call *begin_of(rig *r, bool is_https, uint16_t port, const char *method, const char *path,
                           bool has_body, int64_t length) {
    static char authority[64];
    snprintf(authority, sizeof authority, "service.example:%u", port);
    http_header fields[] = {{SLICE_LITERAL("X-Test"), SLICE_LITERAL("yes")},
                            {SLICE_LITERAL("Trailer"), SLICE_LITERAL("X-Sum")}};
    http_call_request request = {.method = slice_from_text(method),
                                 .is_https = is_https,
                                 .authority = slice_from_text(authority),
                                 .path_with_query = slice_from_text(path),
                                 .headers = fields,
                                 .header_count = length < 0 ? 2 : 1,
                                 .has_body = has_body,
                                 .content_length = length};
    http_call *call = NULL;
    err e = {0};
    EXPECT_STATUS_ERR(http_call_new(r->client, &request, on_progress, r, &call, &e), STATUS_OK, e);
    return call;
}

static http_call *begin_at(rig *r, uint16_t port, const char *method, const char *path, bool has_body,
                           int64_t length) {
    return begin_of(r, false, port, method, path, has_body, length);
}

static http_call *begin(rig *r, const char *method, const char *path) {
    return begin_at(r, r->server.port, method, path, false, 0);
}

enum { TURNS_MAX = 20000 };

static bool wait_for_response(rig *r, http_call *call) {
    for (int i = 0;
         i < TURNS_MAX && http_call_response(call) == NULL && http_call_failure(call) == HTTP_FAILURE_NONE;
         i++) {
        loop_turn(r->server.l, false);
    }
    return http_call_response(call) != NULL;
}

// The whole body, as text.
static http_body_state read_all(rig *r, http_call *call, buf *ret) {
    for (int i = 0; i < TURNS_MAX; i++) {
        slice bytes = slice_empty();
        http_body_state state = http_call_read(call, 10000, &bytes);
        if (state == HTTP_BODY_DATA) {
            EXPECT_OK(buf_append(ret, bytes));
        } else if (state != HTTP_BODY_WAIT) {
            return state;
        } else {
            loop_turn(r->server.l, false);
        }
    }
    return HTTP_BODY_WAIT;
}

static void expect_body(rig *r, http_call *call, const char *text) {
    auto_buf body;
    buf_init(&body, 1 << 20);
    EXPECT_EQ(read_all(r, call, &body), HTTP_BODY_END);
    EXPECT_BYTES(buf_slice(&body), slice_from_text(text));
}

TEST(who_relays_gets_whole_targets_in_the_clear) {
    rig r;
    http_client_options o = http_client_options_default();
    o.is_relayed = true;
    rig_start(&r, &o);
    for (int is_https = 0; is_https < 2; is_https++) {
        http_call *call = begin_of(&r, is_https != 0, r.server.port, "GET", "?a=b/../c", false, 0);
        REQUIRE(wait_for_response(&r, call));
        EXPECT_TEXT(r.server.last_scheme, is_https != 0 ? "https" : "http");
        EXPECT_TEXT(r.server.last_path, "/?a=b/../c");
        EXPECT_CONTAINS(r.server.last_authority, "service.example:");
        http_call_free(call);
    }
    rig_stop(&r);
}

TEST(gets_and_uses_the_connection_again) {
    rig r;
    rig_start(&r, NULL);
    for (int i = 0; i < 3; i++) {
        http_call *call = begin(&r, "GET", "/hello?a=b/../c");
        REQUIRE(wait_for_response(&r, call));
        EXPECT_EQ(http_call_response(call)->status, 200);
        const http_header *length = http_header_find(
            http_call_response(call)->headers, http_call_response(call)->header_count, "content-length");
        EXPECT(length != NULL && slice_equal_text(length->value, "5"));
        expect_body(&r, call, "hello");
        http_call_free(call);
        EXPECT_TEXT(r.server.last_path, "/hello?a=b/../c"); // exactly as given
        EXPECT_CONTAINS(r.server.last_authority, "service.example:");
    }
    EXPECT_EQ(r.connector.asked, 1);
    EXPECT_TEXT(r.connector.last_host, "service.example");
    EXPECT_EQ(http_server_count(r.server.server).accepted, 1);
    rig_stop(&r);
}

TEST(sends_the_fields_that_were_given_and_no_others) {
    rig r;
    rig_start(&r, NULL);
    http_call *call = begin(&r, "GET", "/fields");
    REQUIRE(wait_for_response(&r, call));
    auto_buf body;
    buf_init(&body, 1 << 20);
    EXPECT_EQ(read_all(&r, call, &body), HTTP_BODY_END);
    char expected[128];
    snprintf(expected, sizeof expected, "[Host]=[service.example:%u]\n[X-Test]=[yes]\n", r.server.port);
    EXPECT_BYTES(buf_slice(&body), slice_from_text(expected));
    http_call_free(call);
    rig_stop(&r);
}

TEST(methods) {
    static const char *const methods[] = {"HEAD", "DELETE", "OPTIONS", "PATCH", "POST", "REPORT"};
    rig r;
    rig_start(&r, NULL);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        http_call *call = begin(&r, methods[i], "/hello");
        REQUIRE(wait_for_response(&r, call));
        EXPECT_TEXT(r.server.last_method, methods[i]);
        expect_body(&r, call, i == 0 ? "" : "hello");
        http_call_free(call);
    }
    rig_stop(&r);
}

TEST(many_calls_at_once_with_few_sockets) {
    http_client_options o = http_client_options_default();
    o.sockets_max = 10;
    rig r;
    rig_start(&r, &o);
    enum { CALLS = 300 };
    http_call *calls[CALLS];
    for (int i = 0; i < CALLS; i++) {
        calls[i] = begin(&r, "GET", "/hello");
    }
    for (int i = 0; i < CALLS; i++) {
        if (EXPECT(wait_for_response(&r, calls[i]))) {
            expect_body(&r, calls[i], "hello");
        } else {
            printf("    call %d: %s\n", i, http_call_failure_text(calls[i]));
        }
    }
    EXPECT(http_server_count(r.server.server).accepted <= 10);
    for (int i = 0; i < CALLS; i++) {
        http_call_free(calls[i]);
    }
    rig_stop(&r);
}

TEST(a_kept_connection_makes_way_for_another_host) {
    http_client_options o = http_client_options_default();
    o.sockets_max = 1;
    rig r;
    rig_start(&r, &o);
    fixture other;
    fixture_start(&other, NULL);
    http_call *call = begin(&r, "GET", "/hello");
    REQUIRE(wait_for_response(&r, call));
    expect_body(&r, call, "hello");
    http_call_free(call);
    http_call *second = begin_at(&r, other.port, "GET", "/hello", false, 0);
    for (int i = 0; i < 1000 && http_call_response(second) == NULL; i++) {
        loop_turn(r.server.l, false);
        loop_turn(other.l, false);
    }
    EXPECT(http_call_response(second) != NULL);
    http_call_free(second);
    fixture_stop(&other);
    rig_stop(&r);
}

TEST(limits_the_number_of_calls) {
    http_client_options o = http_client_options_default();
    o.calls_max = 1;
    rig r;
    rig_start(&r, &o);
    http_call *call = begin(&r, "GET", "/hello");
    http_call_request request = {.method = slice_from_text("GET"), .authority = slice_from_text("a")};
    http_call *another = NULL;
    EXPECT_STATUS(http_call_new(r.client, &request, on_progress, &r, &another, NULL), STATUS_LIMIT);
    http_call_free(call);
    rig_stop(&r);
}

// Echoes while it is still sending, far more than any buffer holds.
static void echo_on(rig *r, int64_t length, size_t total, bool reads_early) {
    http_call *call = begin_at(r, r->server.port, "POST", "/echo", true, length);
    size_t sent = 0;
    size_t received = 0;
    bool same = true;
    static uint8_t bytes[64 * 1024];
    http_body_state state = HTTP_BODY_WAIT;
    for (int turn = 0; turn < 200000 && state != HTTP_BODY_END && state != HTTP_BODY_FAILED; turn++) {
        size_t room = http_call_room(call);
        size_t n = total - sent < room ? total - sent : room;
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (uint8_t)((sent + i) * 2654435761u >> 11);
        }
        if (n > 0) {
            EXPECT_OK(http_call_write(call, slice_of(bytes, n), NULL));
            sent += n;
            if (sent == total) {
                static const http_header trailer = {SLICE_LITERAL("X-Sum"), SLICE_LITERAL("42")};
                http_call_end(call, &trailer, length < 0 ? 1 : 0);
            }
        }
        slice got = slice_empty();
        if (turn % 3 != 0 && (reads_early || sent == total)) { // now and then the reader is slow
            state = http_call_read(call, 50000, &got);
        }
        for (size_t i = 0; i < got.len; i++) {
            same = same && got.data[i] == (uint8_t)((received + i) * 2654435761u >> 11);
        }
        received += got.len;
        loop_turn(r->server.l, false);
    }
    EXPECT_EQ(state, HTTP_BODY_END);
    EXPECT_EQ(received, total);
    EXPECT(same);
    size_t count = 0;
    const http_header *trailers = http_call_trailers(call, &count);
    EXPECT_EQ(count, length < 0 ? 1 : 0);
    EXPECT(count == 0 || slice_equal_text(trailers[0].value, "42"));
    http_call_free(call);
}

static void echo(int64_t length, size_t total, bool reads_early) {
    rig r;
    rig_start(&r, NULL);
    for (int i = 0; i < 3; i++) { // what one call leaves behind must not disturb the next
        echo_on(&r, length, total, reads_early);
    }
    rig_stop(&r);
}

TEST(echoes_with_a_length) { echo(3000000, 3000000, true); }
TEST(echoes_in_chunks_with_trailers) { echo(-1, 3000000, true); }
TEST(echoes_that_are_read_after_all_was_sent) {
    echo(600000, 600000, false);
    echo(-1, 600000, false);
}

TEST(a_slow_reader_stops_the_server) {
    rig r;
    rig_start(&r, NULL);
    http_call *call = begin(&r, "GET", "/big");
    REQUIRE(wait_for_response(&r, call));
    for (int i = 0; i < 2000; i++) {
        loop_turn(r.server.l, false);
    }
    EXPECT(http_call_can_read(call));
    size_t received = 0;
    for (int i = 0; i < TURNS_MAX * 10; i++) {
        slice bytes = slice_empty();
        http_body_state state = http_call_read(call, 30000, &bytes);
        received += bytes.len;
        if (state == HTTP_BODY_END) {
            break;
        }
        loop_turn(r.server.l, false);
    }
    EXPECT_EQ(received, 8 << 20);
    http_call_free(call);
    rig_stop(&r);
}

static void turns(rig *r, int count) {
    for (int i = 0; i < count; i++) {
        loop_turn(r->server.l, false);
    }
}

static void hold_and_write(rig *r, size_t len) {
    static const uint8_t zeros[64 * 1024];
    EXPECT(http_exchange_room(r->server.held) >= len);
    EXPECT_OK(http_exchange_write(r->server.held, slice_of(zeros, len), NULL));
    turns(r, 50);
}

// The buffer is full to its end, all of it is lent to a reader that waits for more, and more comes.
TEST(a_reader_that_waits_is_told) {
    rig r;
    rig_start(&r, NULL);
    http_call *call = begin(&r, "GET", "/hold");
    turns(&r, 50);
    REQUIRE(r.server.held != NULL);
    http_response_head head = {200, NULL, 0, -1};
    EXPECT_OK(http_exchange_start(r.server.held, &head, NULL));
    hold_and_write(&r, 40000);
    hold_and_write(&r, 25500);
    slice bytes = slice_empty();
    EXPECT_EQ(http_call_read(call, 65000, &bytes), HTTP_BODY_DATA);
    EXPECT_EQ(http_call_read(call, 65000, &bytes), HTTP_BODY_DATA);
    EXPECT_EQ(bytes.len, 500);
    EXPECT(!http_call_can_read(call));
    int seen = r.progress;
    hold_and_write(&r, 20000);
    EXPECT(r.progress > seen);
    EXPECT(http_call_can_read(call));
    EXPECT_EQ(http_call_read(call, 65000, &bytes), HTTP_BODY_DATA);
    http_call_free(call);
    turns(&r, 20);
    rig_stop(&r);
}

TEST(cancelled_calls_close_their_connection) {
    rig r;
    rig_start(&r, NULL);
    http_call *call = begin(&r, "GET", "/hold");
    for (int i = 0; i < 100 && r.server.held == NULL; i++) {
        loop_turn(r.server.l, false);
    }
    REQUIRE(r.server.held != NULL);
    http_call_free(call);
    for (int i = 0; i < 20; i++) {
        loop_turn(r.server.l, false);
    }
    EXPECT_EQ(r.server.aborts, 1);
    // Also before there is a connection.
    call = begin(&r, "GET", "/hello");
    loop_turn(r.server.l, false);
    http_call_free(call);
    rig_stop(&r);
}

TEST(failures_of_the_connector) {
    static const struct {
        status refuses;
        http_failure expected;
    } rows[] = {{STATUS_DENIED, HTTP_FAILURE_DENIED},
                {STATUS_NOT_FOUND, HTTP_FAILURE_DNS},
                {STATUS_TIMEOUT, HTTP_FAILURE_CONNECT_TIMEOUT},
                {STATUS_LIMIT, HTTP_FAILURE_LIMIT}};
    rig r;
    rig_start(&r, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        r.connector.refuses = rows[i].refuses;
        http_call *call = begin(&r, "GET", "/");
        EXPECT(!wait_for_response(&r, call));
        EXPECT_EQ(http_call_failure(call), rows[i].expected);
        EXPECT_CONTAINS(http_call_failure_text(call), "refused by the test");
        http_call_free(call);
    }
    r.connector.refuses = STATUS_OK;
    http_call *call = begin_at(&r, 1, "GET", "/", false, 0); // nobody listens there
    EXPECT(!wait_for_response(&r, call));
    EXPECT_EQ(http_call_failure(call), HTTP_FAILURE_REFUSED);
    http_call_free(call);
    rig_stop(&r);
}

TEST(time_outs) {
    rig r;
    rig_start(&r, NULL);
    r.connector.never_answers = true;
    http_call *call = begin(&r, "GET", "/");
    loop_turn(r.server.l, false);
    r.server.now_ns += 31 * second_ns;
    EXPECT(!wait_for_response(&r, call));
    EXPECT_EQ(http_call_failure(call), HTTP_FAILURE_CONNECT_TIMEOUT);
    http_call_free(call);
    r.connector.never_answers = false;
    // A server that does not answer.
    call = begin(&r, "GET", "/hold");
    for (int i = 0; i < 100 && r.server.held == NULL; i++) {
        loop_turn(r.server.l, false);
    }
    REQUIRE(r.server.held != NULL);
    r.server.now_ns += 601 * second_ns;
    EXPECT(!wait_for_response(&r, call));
    EXPECT_EQ(http_call_failure(call), HTTP_FAILURE_RESPONSE_TIMEOUT);
    http_call_free(call);
    // One that stops in the middle of the body.
    call = begin(&r, "GET", "/hold");
    for (int i = 0; i < 100 && r.server.held == NULL; i++) {
        loop_turn(r.server.l, false);
    }
    REQUIRE(r.server.held != NULL);
    http_response_head head = {200, NULL, 0, 10};
    EXPECT_OK(http_exchange_start(r.server.held, &head, NULL));
    EXPECT_OK(http_exchange_write(r.server.held, slice_from_text("some"), NULL));
    REQUIRE(wait_for_response(&r, call));
    for (int i = 0; i < 50; i++) {
        loop_turn(r.server.l, false);
    }
    r.server.now_ns += 601 * second_ns;
    auto_buf body;
    buf_init(&body, 1000);
    EXPECT_EQ(read_all(&r, call, &body), HTTP_BODY_FAILED);
    EXPECT_BYTES(buf_slice(&body), slice_from_text("some")); // what came before is not lost
    EXPECT_EQ(http_call_failure(call), HTTP_FAILURE_READ_TIMEOUT);
    http_call_free(call);
    rig_stop(&r);
}

// A server that answers every connection with the same bytes and closes it.
typedef struct raw_server {
    loop *l;
    loop_watch watch;
    int fd;
    loop_watch peer_watch;
    int peer;
    const char *text;
} raw_server;

static void on_raw_request(void *arg, unsigned events) {
    (void)events;
    raw_server *s = arg;
    char request[4096];
    EXPECT(recv(s->peer, request, sizeof request, 0) >= 0);
    EXPECT(send(s->peer, s->text, strlen(s->text), MSG_NOSIGNAL) >= 0);
    loop_watch_stop(&s->peer_watch);
    close(s->peer);
}

static void on_raw(void *arg, unsigned events) {
    (void)events;
    raw_server *s = arg;
    s->peer = accept(s->fd, NULL, NULL);
    if (EXPECT(s->peer >= 0)) {
        EXPECT_OK(loop_watch_start(&s->peer_watch, s->l, s->peer, LOOP_READABLE, on_raw_request, s, NULL));
    }
}

static uint16_t raw_start(raw_server *s, loop *l) {
    *s = (raw_server){.l = l, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    EXPECT(bind(s->fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(s->fd, 16) == 0 &&
           getsockname(s->fd, (struct sockaddr *)&a, &len) == 0);
    EXPECT_OK(loop_watch_start(&s->watch, l, s->fd, LOOP_READABLE, on_raw, s, NULL));
    return ntohs(a.sin_port);
}

TEST(bad_responses) {
    static const struct {
        const char *text;
        http_failure expected;
        bool has_response;
    } rows[] = {
        {"", HTTP_FAILURE_RESPONSE_INCOMPLETE, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", HTTP_FAILURE_RESPONSE_INCOMPLETE, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
         HTTP_FAILURE_RESPONSE_INCOMPLETE, true},
        {"nonsense\r\n\r\n", HTTP_FAILURE_PROTOCOL, false},
        {"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n", HTTP_FAILURE_PROTOCOL, false},
        {"HTTP/1.1 301 Moved\r\nLocation: http://elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
         HTTP_FAILURE_NONE, true}, // not followed
        {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
         HTTP_FAILURE_NONE, true},
    };
    rig r;
    rig_start(&r, NULL);
    raw_server s;
    uint16_t port = raw_start(&s, r.server.l);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        s.text = rows[i].text;
        http_call *call = begin_at(&r, port, "GET", "/", false, 0);
        EXPECT_EQ(wait_for_response(&r, call), rows[i].has_response);
        auto_buf body;
        buf_init(&body, 1000);
        EXPECT_EQ(read_all(&r, call, &body),
                  rows[i].expected == HTTP_FAILURE_NONE ? HTTP_BODY_END : HTTP_BODY_FAILED);
        if (!EXPECT_EQ(http_call_failure(call), rows[i].expected)) {
            printf("    response %zu: %s\n", i, http_call_failure_text(call));
        }
        http_call_free(call);
    }
    loop_watch_stop(&s.watch);
    close(s.fd);
    rig_stop(&r);
}

TEST(a_stale_connection_is_replaced) {
    rig r;
    rig_start(&r, NULL);
    http_call *call = begin(&r, "GET", "/hello");
    REQUIRE(wait_for_response(&r, call));
    expect_body(&r, call, "hello");
    http_call_free(call);
    r.server.now_ns += 100 * second_ns; // the server closes it
    for (int i = 0; i < 20; i++) {
        loop_turn(r.server.l, false);
    }
    call = begin(&r, "GET", "/hello");
    EXPECT(wait_for_response(&r, call));
    expect_body(&r, call, "hello");
    EXPECT_EQ(r.connector.asked, 2);
    http_call_free(call);
    rig_stop(&r);
}

TEST(refuses_what_cannot_be_sent) {
    rig r;
    rig_start(&r, NULL);
    static const struct {
        const char *method;
        const char *authority;
        const char *path;
        const char *name;
        const char *value;
    } rows[] = {
        {"GET x", "a", "/", "X", "1"},          {"GET", "", "/", "X", "1"},
        {"GET", "u@a", "/", "X", "1"},          {"GET", "a:0", "/", "X", "1"},
        {"GET", "a", "/ HTTP/1.1", "X", "1"},   {"GET", "a", "x", "X", "1"},
        {"GET", "a", "/", "X", "1\r\nHost: b"}, {"GET", "a", "/", "X: y", "1"},
        {"GET", "a%41", "/", "X", "1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        http_header field = {slice_from_text(rows[i].name), slice_from_text(rows[i].value)};
        http_call_request request = {.method = slice_from_text(rows[i].method),
                                     .authority = slice_from_text(rows[i].authority),
                                     .path_with_query = slice_from_text(rows[i].path),
                                     .headers = &field,
                                     .header_count = 1};
        http_call *call = NULL;
        EXPECT_STATUS(http_call_new(r.client, &request, on_progress, &r, &call, NULL), STATUS_INVALID);
    }
    EXPECT_EQ(r.connector.asked, 0);
    rig_stop(&r);
}
