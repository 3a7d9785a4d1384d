// SPDX-License-Identifier: Apache-2.0
// wasi:http/incoming-handler: one exchange of a real server on the loopback interface, and what a guest may
// do with it, from the first look at the request to the answer that its client reads.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capability/http/http_internal.h"
#include "capability/http/incoming.h"
#include "helper_net.h"
#include "os/fd.h"
#include "test.h"

typedef wasi_http_types_incoming_request request;
typedef wasi_http_types_response_outparam outparam;
typedef wasi_http_types_outgoing_response response;

static slice text(const char *s) { return slice_from_text(s); }

typedef struct rig {
    guest g;
    http_server *server;
    int listener;
    int client;
    http_exchange *exchange;
    http_incoming *incoming;
    request *request;
    outparam *outparam;
    int aborted;
    char answer[4096]; // that the client has read
} rig;

static void on_request(void *arg, http_exchange *x) { ((rig *)arg)->exchange = x; }
static void on_aborted(void *arg) { ((rig *)arg)->aborted++; }

// Sends the request and makes the guest's end of it.
static bool rig_start(rig *r, const char *bytes) {
    signal(SIGPIPE, SIG_IGN);
    *r = (rig){0};
    uint16_t port = 0;
    guest_init(&r->g);
    guest_start(&r->g);
    r->listener = net_listen(&port);
    http_server_options options = http_server_options_default();
    http_server_handler handler = {.arg = r, .on_request = on_request};
    EXPECT_OK(http_server_new(r->g.loop, r->listener, &options, &handler, &r->server, NULL));
    r->client = net_connect(port);
    EXPECT_EQ(send(r->client, bytes, strlen(bytes), MSG_NOSIGNAL), (ssize_t)strlen(bytes));
    for (int i = 0; i < 10000 && r->exchange == NULL; i++) {
        loop_turn(r->g.loop, false);
    }
    if (!EXPECT(r->exchange != NULL)) {
        return false;
    }
    http_incoming_options o = {
        .instance = r->g.instance, .exchange = r->exchange, .aborted = on_aborted, .context = r};
    component_value args[2];
    EXPECT_OK(http_incoming_new(&o, &r->incoming, NULL));
    http_incoming_args(r->incoming, args);
    r->request = args[0].of.handle.rep;
    r->outparam = args[1].of.handle.rep;
    return true;
}

// The call is over; collects what the client reads until nothing moves any more.
static void rig_end(rig *r, http_incoming_outcome outcome) {
    http_incoming_end(r->incoming, outcome);
    size_t len = 0;
    for (int quiet = 0; quiet < 20; quiet++) {
        loop_turn(r->g.loop, false);
        ssize_t n = recv(r->client, r->answer + len, sizeof r->answer - 1 - len, MSG_DONTWAIT);
        len += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet;
    }
    r->answer[len] = '\0';
}

static void rig_stop(rig *r) {
    wasi_instance_free(r->g.instance);
    r->g.instance = NULL;
    fd_close(r->client);
    http_server_free(r->server);
    net_settle(&r->g);
    guest_done(&r->g);
    fd_close(r->listener);
}

static response *new_response(rig *r, const char *name, const char *value) {
    wasi_http_types_fields *f = NULL;
    response *p = NULL;
    wasi_http_types_result_void_header_error added = {0};
    EXPECT_OK(wasi_http_types_fields_new(&r->g, &f, NULL));
    if (name != NULL) {
        EXPECT_OK(wasi_http_types_fields_append(&r->g, f, text(name), text(value), &added, NULL));
    }
    EXPECT_OK(wasi_http_types_outgoing_response_new(&r->g, f, &p, NULL));
    return p;
}

static void answer_with(rig *r, response *p) {
    wasi_http_types_result_outgoing_response_error_code answer = {.ok = p};
    EXPECT_OK(wasi_http_types_response_outparam_set(&r->g, r->outparam, &answer, NULL));
}

static void answer_error(rig *r, uint8_t code) {
    wasi_http_types_result_outgoing_response_error_code answer = {.is_err = true, .err = http_error(code)};
    EXPECT_OK(wasi_http_types_response_outparam_set(&r->g, r->outparam, &answer, NULL));
}

// --- the request -------------------------------------------------------------------------------------------

TEST(a_request_is_told) {
    rig r;
    REQUIRE(rig_start(&r,
                      "PATCH /a/b?c=d HTTP/1.1\r\nHost: h.example:8080\r\nX-One: 1\r\nConnection: close\r\n"
                      "x-one: \xff\r\n\r\n"));
    wasi_http_types_method m = {0};
    wasi_http_types_option_string s = {0};
    wasi_http_types_option_scheme scheme = {0};
    EXPECT_OK(wasi_http_types_incoming_request_method(&r.g, r.request, &m, NULL));
    EXPECT_EQ(m.tag, WASI_HTTP_TYPES_METHOD_PATCH);
    EXPECT_OK(wasi_http_types_incoming_request_path_with_query(&r.g, r.request, &s, NULL));
    EXPECT(s.some);
    EXPECT_BYTES(s.value, text("/a/b?c=d"));
    EXPECT_OK(wasi_http_types_incoming_request_authority(&r.g, r.request, &s, NULL));
    EXPECT_BYTES(s.value, text("h.example:8080"));
    EXPECT_OK(wasi_http_types_incoming_request_scheme(&r.g, r.request, &scheme, NULL));
    EXPECT(scheme.some && scheme.value.tag == WASI_HTTP_TYPES_SCHEME_HTTP);
    wasi_http_types_fields *f = NULL;
    wasi_http_types_list_tuple_string_field_value list = {0};
    EXPECT_OK(wasi_http_types_incoming_request_headers(&r.g, r.request, &f, NULL));
    EXPECT_OK(wasi_http_types_fields_entries(&r.g, f, &list, NULL));
    REQUIRE(list.count == 2); // without the transport's
    EXPECT_BYTES(list.items[0].f0, text("X-One"));
    EXPECT_BYTES(list.items[1].f1, text("\xff"));
    wasi_http_types_result_void_header_error changed = {0};
    EXPECT_OK(wasi_http_types_fields_append(&r.g, f, text("a"), text("b"), &changed, NULL));
    EXPECT(changed.is_err && changed.err.tag == WASI_HTTP_TYPES_HEADER_ERROR_IMMUTABLE);
    rig_end(&r, HTTP_INCOMING_RETURNED);
    rig_stop(&r);
}

TEST(a_body_is_consumed_once_and_has_trailers) {
    rig r;
    REQUIRE(rig_start(&r, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n"
                          "3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n"));
    wasi_http_types_result_incoming_body_void body = {0}, again = {0};
    EXPECT_OK(wasi_http_types_incoming_request_consume(&r.g, r.request, &body, NULL));
    EXPECT_OK(wasi_http_types_incoming_request_consume(&r.g, r.request, &again, NULL));
    REQUIRE(!body.is_err && again.is_err);
    wasi_http_types_result_input_stream_void in = {0};
    wasi_io_streams_result_list_u8_stream_error read = {0};
    EXPECT_OK(wasi_http_types_incoming_body_stream(&r.g, body.ok, &in, NULL));
    EXPECT_OK(wasi_io_streams_input_stream_blocking_read(&r.g, in.ok, 100, &read, NULL));
    EXPECT_BYTES(read.ok, text("abc"));
    wasi_io_streams_input_stream_drop(NULL, in.ok);
    wasi_http_types_future_trailers *t = NULL;
    EXPECT_OK(wasi_http_types_incoming_body_finish(&r.g, body.ok, &t, NULL));
    wasi_http_types_option_result_result_option_fields_error_code_void got = {0};
    EXPECT_OK(wasi_http_types_future_trailers_get(&r.g, t, &got, NULL));
    REQUIRE(got.some && !got.value.is_err && !got.value.ok.is_err && got.value.ok.ok.some);
    bool has = false;
    EXPECT_OK(wasi_http_types_fields_has(&r.g, got.value.ok.ok.value, text("x-sum"), &has, NULL));
    EXPECT(has);
    rig_end(&r, HTTP_INCOMING_RETURNED);
    rig_stop(&r);
}

TEST(a_request_ends_with_its_call) {
    rig r;
    err e = {0};
    REQUIRE(rig_start(&r, "POST / HTTP/1.1\r\nHost: h\r\nX-A: b\r\nContent-Length: 5\r\n\r\nabcde"));
    wasi_http_types_result_incoming_body_void body = {0};
    wasi_http_types_result_input_stream_void in = {0};
    wasi_io_streams_result_list_u8_stream_error read = {0};
    wasi_http_types_fields *f = NULL;
    EXPECT_OK(wasi_http_types_incoming_request_headers(&r.g, r.request, &f, NULL));
    EXPECT_OK(wasi_http_types_incoming_request_consume(&r.g, r.request, &body, NULL));
    EXPECT_OK(wasi_http_types_incoming_body_stream(&r.g, body.ok, &in, NULL));
    rig_end(&r, HTTP_INCOMING_RETURNED);
    wasi_http_types_method m = {0};
    EXPECT_STATUS(wasi_http_types_incoming_request_method(&r.g, r.request, &m, &e), STATUS_TRAP);
    EXPECT_CONTAINS(e.message, "after the call that it belongs to");
    EXPECT_OK(wasi_io_streams_input_stream_read(&r.g, in.ok, 100, &read, NULL));
    EXPECT(read.is_err);
    bool has = false;
    EXPECT_OK(wasi_http_types_fields_has(&r.g, f, text("x-a"), &has, NULL)); // a copy
    EXPECT(has);
    rig_stop(&r);
}

// --- the answer --------------------------------------------------------------------------------------------

TEST(an_answer_with_a_body) {
    rig r;
    REQUIRE(rig_start(&r, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    response *p = new_response(&r, "X-A", "1");
    wasi_http_types_result_void_void set = {0};
    wasi_http_types_result_outgoing_body_void body = {0};
    wasi_http_types_result_output_stream_void out = {0};
    wasi_io_streams_result_void_stream_error written = {0};
    wasi_http_types_option_fields none = {0};
    wasi_http_types_result_void_error_code finished = {0};
    EXPECT_OK(wasi_http_types_outgoing_response_set_status_code(&r.g, p, 201, &set, NULL));
    EXPECT_OK(wasi_http_types_outgoing_response_body(&r.g, p, &body, NULL));
    EXPECT_EQ(http_incoming_status(r.incoming), 0);
    answer_with(&r, p);
    EXPECT_EQ(http_incoming_status(r.incoming), 201);
    EXPECT_OK(wasi_http_types_outgoing_body_write(&r.g, body.ok, &out, NULL));
    EXPECT_OK(wasi_io_streams_output_stream_write(&r.g, out.ok, text("hello"), &written, NULL));
    EXPECT_OK(wasi_http_types_outgoing_body_finish(&r.g, body.ok, &none, &finished, NULL));
    EXPECT(!finished.is_err);
    rig_end(&r, HTTP_INCOMING_RETURNED);
    EXPECT_CONTAINS(r.answer, "HTTP/1.1 201 Created\r\n");
    EXPECT_CONTAINS(r.answer, "X-A: 1\r\n");
    EXPECT_CONTAINS(r.answer, "\r\nhello\r\n0\r\n\r\n");
    rig_stop(&r);
}

TEST(an_answer_without_a_body) {
    rig r;
    REQUIRE(rig_start(&r, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    answer_with(&r, new_response(&r, NULL, NULL));
    rig_end(&r, HTTP_INCOMING_RETURNED);
    EXPECT_CONTAINS(r.answer, "HTTP/1.1 200 OK\r\n");
    EXPECT_CONTAINS(r.answer, "ontent-Length: 0\r\n");
    rig_stop(&r);
}

TEST(an_answer_that_contradicts_itself_is_500) {
    static const char *const lengths[] = {"5", "x"};
    for (size_t i = 0; i < 2; i++) {
        rig r;
        REQUIRE(rig_start(&r, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
        answer_with(&r, new_response(&r, "Content-Length", lengths[i])); // and no body
        rig_end(&r, HTTP_INCOMING_RETURNED);
        EXPECT_CONTAINS(r.answer, "HTTP/1.1 500 ");
        rig_stop(&r);
    }
    rig r;
    REQUIRE(rig_start(&r, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"));
    answer_with(&r, new_response(&r, "Content-Length", "5")); // of what GET would give
    rig_end(&r, HTTP_INCOMING_RETURNED);
    EXPECT_CONTAINS(r.answer, "HTTP/1.1 200 ");
    EXPECT_CONTAINS(r.answer, "ontent-Length: 5\r\n");
    rig_stop(&r);
}

TEST(errors_have_their_status) {
    static const uint16_t expected[] = {
        504, 502, 502, 502, 502, 502, 502, 502, 504, 504, 504, 502, 502, // names, connections, TLS
        502, 502, 403, 411, 413, 400, 400, 414, 431, 431, 400, 400,      // the request
        502, 502, 502, 502, 502, 502, 502, 502, 504, 502, 502, 508, 500, 500};
    _Static_assert(sizeof expected / sizeof expected[0] == WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR + 1,
                   "one for each code");
    for (uint8_t code = 0; code <= WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR; code++) {
        rig r;
        REQUIRE(rig_start(&r, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
        answer_error(&r, code);
        if (!EXPECT_EQ(http_incoming_status(r.incoming), expected[code])) {
            printf("    error code %u\n", code);
        }
        rig_end(&r, HTTP_INCOMING_RETURNED);
        char line[32];
        snprintf(line, sizeof line, "HTTP/1.1 %u ", expected[code]);
        EXPECT_CONTAINS(r.answer, line);
        rig_stop(&r);
    }
}

TEST(no_answer_is_an_answer_too) {
    static const struct {
        http_incoming_outcome outcome;
        const char *line;
    } rows[] = {{HTTP_INCOMING_RETURNED, "HTTP/1.1 500 "},
                {HTTP_INCOMING_TRAPPED, "HTTP/1.1 500 "},
                {HTTP_INCOMING_TIMED_OUT, "HTTP/1.1 504 "}};
    for (size_t i = 0; i < 3; i++) {
        rig r;
        REQUIRE(rig_start(&r, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
        if (i == 0) {
            wasi_http_types_response_outparam_drop(NULL, r.outparam); // without a word
        }
        rig_end(&r, rows[i].outcome);
        EXPECT_CONTAINS(r.answer, rows[i].line);
        rig_stop(&r);
    }
}

TEST(an_answer_that_is_not_finished_is_cut) {
    rig r;
    REQUIRE(rig_start(&r, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    response *p = new_response(&r, NULL, NULL);
    wasi_http_types_result_outgoing_body_void body = {0};
    EXPECT_OK(wasi_http_types_outgoing_response_body(&r.g, p, &body, NULL));
    answer_with(&r, p);
    wasi_http_types_result_output_stream_void out = {0};
    wasi_io_streams_result_void_stream_error written = {0};
    EXPECT_OK(wasi_http_types_outgoing_body_write(&r.g, body.ok, &out, NULL));
    EXPECT_OK(wasi_io_streams_output_stream_write(&r.g, out.ok, text("begun"), &written, NULL));
    rig_end(&r, HTTP_INCOMING_TRAPPED);
    EXPECT_CONTAINS(r.answer, "HTTP/1.1 200 OK\r\n");
    EXPECT(strstr(r.answer, "0\r\n\r\n") == NULL); // no end that a client could believe
    char byte;
    EXPECT_EQ(recv(r.client, &byte, 1, MSG_DONTWAIT), 0); // and the connection is closed
    EXPECT_OK(wasi_io_streams_output_stream_write(&r.g, out.ok, text(""), &written, NULL));
    EXPECT(written.is_err);
    rig_stop(&r);
}

TEST(a_client_that_leaves_is_noticed_once) {
    rig r;
    REQUIRE(rig_start(&r, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"));
    fd_close(r.client);
    r.client = -1;
    for (int i = 0; i < 10000 && r.aborted == 0; i++) {
        wasi_http_types_method m = {0}; // the request stays until the call is over
        EXPECT_OK(wasi_http_types_incoming_request_method(&r.g, r.request, &m, NULL));
        loop_turn(r.g.loop, false);
    }
    EXPECT_EQ(r.aborted, 1);
    response *p = new_response(&r, NULL, NULL);
    wasi_http_types_result_outgoing_body_void body = {0};
    wasi_http_types_result_output_stream_void out = {0};
    wasi_io_streams_result_u64_stream_error permit = {0};
    EXPECT_OK(wasi_http_types_outgoing_response_body(&r.g, p, &body, NULL));
    EXPECT_OK(wasi_http_types_outgoing_body_write(&r.g, body.ok, &out, NULL));
    answer_with(&r, p);
    EXPECT_OK(wasi_io_streams_output_stream_check_write(&r.g, out.ok, &permit, NULL));
    EXPECT(permit.is_err); // nobody reads this body any more
    http_incoming_end(r.incoming, HTTP_INCOMING_ABORTED);
    EXPECT_EQ(r.aborted, 1);
    rig_stop(&r);
}
