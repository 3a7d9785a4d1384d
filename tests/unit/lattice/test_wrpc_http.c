// SPDX-License-Identifier: Apache-2.0
// HTTP to a front, a call over wRPC, HTTP to a server behind it: over real sockets.
#include "lattice/wrpc_http.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/bus_local.h"
#include "lattice/wrpc.h"
#include "lattice/wrpc_http_codec.h"
#include "test.h"
#include "unit/net/helper_connector.h"
#include "unit/net/helper_server.h"

static const uint64_t second = UINT64_C(1000000000);

typedef struct bridge {
    fixture back;  // the server behind
    fixture front; // of which only the port, the loop and the server are used
    direct_connector connector;
    http_client *client;
    bus *bus;
    wrpc *wrpc;
    wrpc_export x;
    lattice_server server;
    const char *instance;
    unsigned ended;
    status why;
    char text[ERR_MESSAGE_BYTES_MAX];
    uint64_t deadline_ns;
} bridge;

static bool paths(void *context, slice target, slice instance, slice function, lattice_paths *ret_up,
                  lattice_paths *ret_down) {
    bool is_outgoing;
    (void)context, (void)target;
    *ret_up = *ret_down = wrpc_http_paths();
    return wrpc_http_is(instance, function, &is_outgoing);
}

// A name in the front's Host field, with the port of the server behind.
static void serve(void *context, lattice_served *q) {
    bridge *b = context;
    wrpc_http_serve_options options = {b->back.l, b->client, true};
    wrpc_http_serve(q, &options);
}

static void forward_ended(void *arg, status why, const char *text) {
    bridge *b = arg;
    b->ended++;
    b->why = why;
    snprintf(b->text, sizeof b->text, "%s", text);
}

static void on_front_request(void *arg, http_exchange *x) {
    bridge *b = arg;
    wrpc_http_forward_options options = {
        .loop = b->back.l,
        .transport = wrpc_transport(b->wrpc),
        .invocation = {.source = slice_from_text("front"),
                       .link = slice_from_text("default"),
                       .target = slice_from_text("web"),
                       .instance = slice_from_text(b->instance),
                       .deadline_ns = b->back.now_ns + b->deadline_ns},
        .ended = forward_ended,
        .arg = b,
    };
    wrpc_http_forward_start(x, &options, NULL);
}

static void start_front(bridge *b) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    http_server_options options = http_server_options_default();
    http_server_handler handler = {b, on_front_request, NULL};
    b->front.l = b->back.l;
    b->front.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    REQUIRE(bind(b->front.listen_fd, (struct sockaddr *)&a, sizeof a) == 0);
    REQUIRE(listen(b->front.listen_fd, 16) == 0);
    REQUIRE(getsockname(b->front.listen_fd, (struct sockaddr *)&a, &len) == 0);
    b->front.port = ntohs(a.sin_port);
    REQUIRE(http_server_new(b->front.l, b->front.listen_fd, &options, &handler, &b->front.server, NULL) ==
            STATUS_OK);
}

static void setup(bridge *b) {
    *b = (bridge){.instance = WRPC_HTTP_INCOMING, .deadline_ns = 30 * second};
    fixture_start(&b->back, NULL);
    loop *l = b->back.l;
    direct_connector_init(&b->connector, l);
    http_client_options options = http_client_options_default();
    options.connector = &b->connector.base;
    REQUIRE(http_client_new(l, &options, &b->client, NULL) == STATUS_OK);
    REQUIRE(bus_local_new(&(bus_local_options){.l = l, .random = 7}, &b->bus, NULL) == STATUS_OK);
    b->server = (lattice_server){.context = b, .paths = paths, .call = serve};
    wrpc_options calls = {
        .bus = b->bus, .loop = l, .lattice = slice_from_text("main"), .server = &b->server, .random = {3, 4}};
    REQUIRE(wrpc_new(&calls, &b->wrpc, NULL) == STATUS_OK);
    REQUIRE(wrpc_export_start(b->wrpc, &b->x, slice_from_text("web"), slice_from_text(WRPC_HTTP_INCOMING),
                              slice_from_text(WRPC_HTTP_FUNCTION), NULL) == STATUS_OK);
    start_front(b);
}

static void teardown(bridge *b) {
    EXPECT_EQ(wrpc_count(b->wrpc).calls + wrpc_count(b->wrpc).serving, 0);
    EXPECT_U64(wrpc_count(b->wrpc).queued_bytes, 0);
    http_server_free(b->front.server);
    close(b->front.listen_fd);
    wrpc_export_stop(&b->x);
    wrpc_free(b->wrpc);
    bus_free(b->bus);
    http_client_free(b->client);
    direct_connector_done(&b->connector);
    fixture_stop(&b->back);
}

// `rest` is what follows the Host field.
static void ask(bridge *b, const char *line, const char *rest, answer *a) {
    char request[2048];
    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: h:%u\r\n%s", line, b->back.port, rest);
    exchange(&b->front, request, a);
}

TEST(a_request_and_its_response_pass) {
    bridge b;
    answer a;
    setup(&b);
    ask(&b, "GET /hello?x=1", "\r\n", &a);
    EXPECT_EQ(answer_status(&a), 200);
    EXPECT_CONTAINS(a.text, "\r\n\r\nhello");
    EXPECT_TEXT(b.back.last_method, "GET");
    EXPECT_TEXT(b.back.last_path, "/hello?x=1");
    char authority[32];
    snprintf(authority, sizeof authority, "h:%u", b.back.port);
    EXPECT_TEXT(b.back.last_authority, authority);
    EXPECT_EQ(b.ended, 1);
    EXPECT_STATUS(b.why, STATUS_OK);
    teardown(&b);
}

TEST(bodies_pass_in_both_directions) {
    bridge b;
    answer a;
    setup(&b);
    ask(&b, "POST /echo", "Content-Length: 9\r\n\r\nsome body", &a);
    EXPECT_EQ(answer_status(&a), 200);
    EXPECT_CONTAINS(a.text, "some body");
    ask(&b, "POST /echo", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n5\r\n body\r\n0\r\n\r\n", &a);
    EXPECT_EQ(answer_status(&a), 200);
    EXPECT_CONTAINS(a.text, "some");
    EXPECT_CONTAINS(a.text, "body");
    EXPECT_EQ(b.ended, 2);
    teardown(&b);
}

TEST(fields_pass_but_those_of_the_connection) {
    bridge b;
    answer a;
    setup(&b);
    ask(&b, "GET /fields", "X-A: 1\r\nX-A: 2\r\nConnection: X-Hop\r\nX-Hop: 3\r\nTE: trailers\r\n\r\n", &a);
    EXPECT_EQ(answer_status(&a), 200);
    EXPECT_CONTAINS(a.text, "x-a");
    EXPECT_CONTAINS(a.text, "x-forwarded-proto");
    EXPECT(strstr(a.text, "x-hop") == NULL && strstr(a.text, "X-Hop") == NULL);
    teardown(&b);
}

TEST(heads_without_bodies) {
    bridge b;
    answer a;
    setup(&b);
    ask(&b, "HEAD /hello", "\r\n", &a);
    EXPECT_EQ(answer_status(&a), 200);
    EXPECT(strstr(a.text, "\r\n\r\nhello") == NULL);
    EXPECT_EQ(b.ended, 1);
    teardown(&b);
}

// All bytes of a connection until it is quiet, that are more than an `answer` holds.
static size_t count_bytes(bridge *b, int fd) {
    size_t count = 0;
    char piece[65536];
    for (int quiet = 0; quiet < 200; quiet++) {
        loop_turn(b->back.l, false);
        ssize_t n = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
        if (n > 0) {
            count += (size_t)n;
            quiet = 0;
        }
    }
    return count;
}

TEST(a_long_response_waits_for_a_slow_client) {
    bridge b;
    char request[128];
    setup(&b);
    snprintf(request, sizeof request, "GET /big HTTP/1.1\r\nHost: h:%u\r\n\r\n", b.back.port);
    int fd = client_connect(&b.front);
    client_send(fd, request);
    for (int i = 0; i < 2000; i++) {
        loop_turn(b.back.l, false);
    }
    EXPECT_EQ(b.ended, 0);
    size_t count = count_bytes(&b, fd);
    EXPECT(count > 8 << 20);
    EXPECT_EQ(b.ended, 1);
    EXPECT_STATUS(b.why, STATUS_OK);
    close(fd);
    teardown(&b);
}

TEST(a_client_that_goes_ends_the_call) {
    bridge b;
    answer a = {0};
    char request[128];
    setup(&b);
    snprintf(request, sizeof request, "GET /hold HTTP/1.1\r\nHost: h:%u\r\n\r\n", b.back.port);
    int fd = client_connect(&b.front);
    client_send(fd, request);
    client_collect(&b.front, fd, &a);
    EXPECT(b.back.held != NULL);
    close(fd);
    for (int i = 0; i < 50; i++) {
        loop_turn(b.back.l, false);
    }
    EXPECT_EQ(b.ended, 1);
    EXPECT_STATUS(b.why, STATUS_CLOSED);
    EXPECT_EQ(wrpc_count(b.wrpc).calls, 0);
    fixture_release_held(&b.back); // the one who was called does not know
    for (int i = 0; i < 50; i++) {
        loop_turn(b.back.l, false);
    }
    teardown(&b);
}

TEST(a_server_that_fails_is_an_error_of_the_gateway) {
    bridge b;
    answer a;
    setup(&b);
    b.connector.refuses = STATUS_DENIED;
    ask(&b, "GET /hello", "\r\n", &a);
    EXPECT_EQ(answer_status(&a), 403);
    EXPECT(strstr(a.text, "writ-http-error") == NULL);
    b.connector.refuses = STATUS_IO;
    ask(&b, "GET /hello", "\r\n", &a);
    EXPECT(answer_status(&a) >= 502);
    wrpc_export_stop(&b.x);
    ask(&b, "GET /hello", "\r\n", &a);
    EXPECT_EQ(answer_status(&a), 502);
    EXPECT_STATUS(b.why, STATUS_NOT_FOUND);
    EXPECT_CONTAINS(b.text, "nobody serves it");
    teardown(&b);
}

TEST(outgoing_calls_tell_the_error_by_name) {
    bridge b;
    answer a;
    setup(&b);
    wrpc_export_stop(&b.x);
    b.instance = WRPC_HTTP_OUTGOING;
    REQUIRE(wrpc_export_start(b.wrpc, &b.x, slice_from_text("web"), slice_from_text(WRPC_HTTP_OUTGOING),
                              slice_from_text(WRPC_HTTP_FUNCTION), NULL) == STATUS_OK);
    b.connector.refuses = STATUS_DENIED;
    ask(&b, "GET /hello", "\r\n", &a);
    EXPECT_EQ(answer_status(&a), 403);
    EXPECT_CONTAINS(a.text, "writ-http-error: 4 destination-IP-prohibited");
    EXPECT_CONTAINS(b.text, "destination-IP-prohibited");
    b.connector.refuses = STATUS_OK;
    ask(&b, "GET /hello", "\r\n", &a);
    EXPECT_EQ(answer_status(&a), 200);
    teardown(&b);
}

TEST(a_deadline_is_an_answer) {
    bridge b;
    answer a = {0};
    char request[128];
    setup(&b);
    b.deadline_ns = second;
    snprintf(request, sizeof request, "GET /hold HTTP/1.1\r\nHost: h:%u\r\n\r\n", b.back.port);
    int fd = client_connect(&b.front);
    client_send(fd, request);
    client_collect(&b.front, fd, &a);
    EXPECT_EQ(a.len, 0);
    b.back.now_ns += 2 * second;
    client_collect(&b.front, fd, &a);
    EXPECT_EQ(answer_status(&a), 504);
    EXPECT_STATUS(b.why, STATUS_TIMEOUT);
    fixture_release_held(&b.back);
    close(fd);
    client_collect(&b.front, client_connect(&b.front), &a);
    teardown(&b);
}

// --- a peer that says what it likes ------------------------------------------------------------------------

typedef struct raw_server { // accepts, and answers with these bytes
    bus *b;
    bus_subscription s, params;
    char reply[160];
    slice results, body;
} raw_server;

static void say(raw_server *r, const char *below, const char *reply, slice payload) {
    char subject[200];
    snprintf(subject, sizeof subject, "%s%s", r->reply, below);
    bus_message m = {slice_from_text(subject), slice_from_text(reply), slice_empty(), payload};
    REQUIRE(bus_publish(r->b, &m, NULL) == STATUS_OK);
}

static void on_raw_call(void *arg, bus_subscription *s, const bus_message *m) {
    raw_server *r = arg;
    (void)s;
    snprintf(r->reply, sizeof r->reply, "%.*s", SLICE_ARG(m->reply));
    say(r, "", "_INBOX.raw", slice_empty());
    say(r, ".results", "", r->results);
    say(r, ".results", "", slice_empty());
    if (r->body.len > 0) {
        say(r, ".results.0.0", "", r->body);
    }
    say(r, ".results.0.0", "", slice_empty());
    say(r, ".results.0.1", "", slice_of("\x00", 1));
    say(r, ".results.0.1", "", slice_empty());
}

#define OK_RESULTS "\x00\x00\x00\xc8\x01\x00"

static void expect_raw(slice results, slice body, int code, status why) {
    bridge b;
    answer a;
    setup(&b);
    wrpc_export_stop(&b.x);
    raw_server r = {.b = b.bus, .results = results, .body = body};
    REQUIRE(bus_subscribe(b.bus, &r.s, slice_from_text("main.web.wrpc.0.0.1." WRPC_HTTP_INCOMING ".handle"),
                          slice_empty(), on_raw_call, &r, NULL) == STATUS_OK);
    ask(&b, "GET /", "Connection: close\r\n\r\n", &a);
    EXPECT_EQ(answer_status(&a), code);
    EXPECT_EQ(b.ended, 1);
    EXPECT_STATUS(b.why, why);
    EXPECT(strstr(a.text, "evil: 1") == NULL);
    bus_unsubscribe(&r.s);
    teardown(&b);
}

#define BYTES(text) slice_of(text, sizeof(text) - 1)

TEST(responses_of_peers) {
    expect_raw(BYTES(OK_RESULTS), BYTES("\x02hi\x00"), 200, STATUS_OK);
    expect_raw(BYTES("\x00\x02hi\x01\x00\xc8\x01\x00"), slice_empty(), 200, STATUS_OK); // all of it in place
    expect_raw(BYTES("\x01\x0f"), slice_empty(), 403, STATUS_OK);
    expect_raw(BYTES("\x00\x00\x00\xc8\x01\x01\x01x\x01\x0ay\r\nevil: 1"), slice_empty(), 502,
               STATUS_INVALID);
    expect_raw(BYTES("\x00\x00"), slice_empty(), 502, STATUS_INVALID);
    expect_raw(slice_empty(), slice_empty(), 502, STATUS_TRAP);
    expect_raw(BYTES("\x00\x00\x00\x65\x00"), slice_empty(), 502, STATUS_INVALID); // 101
}

TEST(a_body_that_ends_too_early_is_cut) {
    bridge b;
    answer a;
    setup(&b);
    wrpc_export_stop(&b.x);
    raw_server r = {.b = b.bus, .results = BYTES(OK_RESULTS), .body = BYTES("\x09hi")};
    REQUIRE(bus_subscribe(b.bus, &r.s, slice_from_text("main.web.wrpc.0.0.1." WRPC_HTTP_INCOMING ".handle"),
                          slice_empty(), on_raw_call, &r, NULL) == STATUS_OK);
    ask(&b, "GET /", "\r\n", &a);
    EXPECT(a.is_closed);
    EXPECT(strstr(a.text, "0\r\n\r\n") == NULL);
    EXPECT_STATUS(b.why, STATUS_CLOSED);
    bus_unsubscribe(&r.s);
    teardown(&b);
}

// --- a caller that says what it likes ----------------------------------------------------------------------

typedef struct raw_client {
    bridge b;
    bus_subscription accept, inbox;
    char to[160]; // where its parameters go
    buf results, body, trailers;
    unsigned ends;
} raw_client;

static void on_raw_answer(void *arg, bus_subscription *s, const bus_message *m) {
    raw_client *c = arg;
    slice path = slice_sub(m->subject, strlen("_INBOX.old"), m->subject.len);
    (void)s;
    if (path.len == 0) {
        snprintf(c->to, sizeof c->to, "%.*s", SLICE_ARG(m->reply));
        return;
    }
    buf *to = slice_equal_text(path, ".results")       ? &c->results
              : slice_equal_text(path, ".results.0.0") ? &c->body
                                                       : &c->trailers;
    c->ends += m->payload.len == 0;
    REQUIRE(buf_append(to, m->payload) == STATUS_OK);
}

static void tell(raw_client *c, const char *path, slice payload) {
    char subject[200];
    snprintf(subject, sizeof subject, "%s.params%s", c->to, path);
    bus_message m = {slice_from_text(subject), slice_empty(), slice_empty(), payload};
    REQUIRE(bus_publish(c->b.bus, &m, NULL) == STATUS_OK);
}

static void turn_client(raw_client *c) {
    for (int i = 0; i < 60; i++) {
        loop_turn(c->b.back.l, false);
    }
}

static void open_client(raw_client *c) {
    *c = (raw_client){.ends = 0};
    setup(&c->b);
    buf_init(&c->results, 1 << 20);
    buf_init(&c->body, 1 << 20);
    buf_init(&c->trailers, 1 << 20);
    REQUIRE(bus_subscribe(c->b.bus, &c->accept, slice_from_text("_INBOX.old"), slice_empty(), on_raw_answer,
                          c, NULL) == STATUS_OK);
    REQUIRE(bus_subscribe(c->b.bus, &c->inbox, slice_from_text("_INBOX.old.>"), slice_empty(), on_raw_answer,
                          c, NULL) == STATUS_OK);
}

static void start_client(raw_client *c, slice params) {
    bus_message m = {slice_from_text("main.web.wrpc.0.0.1." WRPC_HTTP_INCOMING ".handle"),
                     slice_from_text("_INBOX.old"), slice_empty(), params};
    REQUIRE(bus_publish(c->b.bus, &m, NULL) == STATUS_OK);
    turn_client(c);
    REQUIRE(c->to[0] != '\0');
    tell(c, "", slice_empty());
    turn_client(c);
}

static void stop_client(raw_client *c) {
    bus_unsubscribe(&c->inbox);
    bus_unsubscribe(&c->accept);
    buf_done(&c->results);
    buf_done(&c->body);
    buf_done(&c->trailers);
    teardown(&c->b);
}

// A POST to /echo of the server behind, with a body whose length is not said.
static void start_echo(raw_client *c) {
    auto_buf out;
    char authority[32];
    buf_init(&out, 4096);
    open_client(c);
    snprintf(authority, sizeof authority, "h:%u", c->b.back.port);
    wrpc_http_request r = {.method = slice_from_text("POST"),
                           .path = slice_from_text("/echo"),
                           .authority = slice_from_text(authority)};
    REQUIRE(wrpc_http_request_encode(&r, &out, NULL) == STATUS_OK);
    start_client(c, buf_slice(&out));
}

TEST(malformed_requests_are_errors_of_the_protocol) {
    raw_client c;
    open_client(&c);
    start_client(&c, BYTES("\x00\x00\x00\x01\x03/ x\x00\x00\x00"));
    EXPECT_BYTES(buf_slice(&c.results), BYTES("\x01\x23"));
    stop_client(&c);
    open_client(&c);
    start_client(&c, slice_empty());
    EXPECT_BYTES(buf_slice(&c.results), BYTES("\x01\x23"));
    stop_client(&c);
}

TEST(a_body_goes_both_ways_while_it_comes) {
    raw_client c;
    start_echo(&c);
    tell(&c, ".0.0", BYTES("\x03one"));
    turn_client(&c);
    EXPECT(c.results.len > 4 && c.results.data[0] == 0);
    EXPECT_BYTES(buf_slice(&c.body), BYTES("\x03one"));
    tell(&c, ".0.0", BYTES("\x01"));
    tell(&c, ".0.0", BYTES("2\x00"));
    tell(&c, ".0.0", slice_empty());
    turn_client(&c);
    EXPECT_BYTES(buf_slice(&c.body), BYTES("\x03one\x01\x32\x00"));
    EXPECT_BYTES(buf_slice(&c.trailers), BYTES("\x00"));
    EXPECT_EQ(c.ends, 3);
    stop_client(&c);
}

TEST(a_request_that_is_cut_off_is_none) {
    raw_client c;
    start_echo(&c);
    tell(&c, ".0.0", BYTES("\x09half"));
    turn_client(&c);
    tell(&c, ".0.0", slice_empty());
    turn_client(&c);
    EXPECT(c.body.len < 6 || c.body.data[c.body.len - 1] != 0); // no end of the response, either
    EXPECT_EQ(c.b.back.aborts, 1);
    EXPECT_EQ(wrpc_count(c.b.wrpc).serving, 0);
    stop_client(&c);
}

TEST(pieces_that_are_none_end_the_request) {
    raw_client c;
    start_echo(&c);
    tell(&c, ".0.0", BYTES("\xff\xff\xff\xff\xff"));
    turn_client(&c);
    EXPECT_EQ(c.body.len, 0); // the response had begun, and ends early
    EXPECT_EQ(c.b.back.aborts, 1);
    EXPECT_EQ(wrpc_count(c.b.wrpc).serving, 0);
    stop_client(&c);
}
