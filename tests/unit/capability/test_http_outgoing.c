// SPDX-License-Identifier: Apache-2.0
// wasi:http/outgoing-handler: what is refused before anything leaves, what a failure is called, and whole
// requests over the loopback interface to a socket that the test answers from.
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capability/http/http_internal.h"
#include "helper_net.h"
#include "net/http_client.h"
#include "os/fd.h"
#include "policy/network.h"
#include "test.h"
#include "wasi/http_outgoing_handler.h"
#include "wasi/io_poll.h"

typedef wasi_http_types_outgoing_request request;
typedef wasi_http_types_future_incoming_response future;
typedef wasi_http_types_incoming_response response;

static slice text(const char *s) { return slice_from_text(s); }

typedef struct rig {
    guest g;
    net_connector connector;
    network_policy policy;
    http_client *client;
    int listener;
    uint16_t port;
    char log[512];
    int log_lines;
} rig;

static void log_line(void *context, wasi_instance *instance, bool is_stderr, slice line) {
    rig *r = context;
    EXPECT(instance == r->g.instance && is_stderr);
    r->log_lines++;
    snprintf(r->log, sizeof r->log, "%.*s", SLICE_ARG(line));
}

static void rig_start_limited(rig *r, const char *allowed, uint32_t sockets_max) {
    signal(SIGPIPE, SIG_IGN);
    *r = (rig){0};
    guest_init(&r->g);
    r->listener = net_listen(&r->port);
    if (allowed != NULL) {
        EXPECT_OK(network_policy_add(&r->policy, text(allowed), NETWORK_PORT_ANY, NULL));
        r->g.workload.http_policy = &r->policy;
    }
    r->g.workload.log = (wasi_log_sink){.context = r, .line = log_line};
    r->g.workload.limits.sockets_max = sockets_max;
    guest_start(&r->g);
    net_connector_init(&r->connector, &r->g);
    http_client_options options = http_client_options_default();
    options.connector = &r->connector.base;
    EXPECT_OK(http_client_new(r->g.loop, &options, &r->client, NULL));
    r->g.instance->http = r->client;
}

static void rig_start(rig *r, const char *allowed) { rig_start_limited(r, allowed, 16); }

static void rig_stop(rig *r) {
    wasi_instance_free(r->g.instance); // its calls go before their client
    r->g.instance = NULL;
    http_client_free(r->client);
    net_settle(&r->g);
    guest_done(&r->g);
    network_policy_done(&r->policy);
    fd_close(r->listener);
}

// Takes a request whose authority, NULL for none, may contain a %u for the port of the listener.
static request *new_request(rig *r, const char *authority, const char *field, const char *value) {
    wasi_http_types_fields *f = NULL;
    request *q = NULL;
    wasi_http_types_result_void_header_error added = {0};
    EXPECT_OK(wasi_http_types_fields_new(&r->g, &f, NULL));
    if (field != NULL) {
        EXPECT_OK(wasi_http_types_fields_append(&r->g, f, text(field), text(value), &added, NULL));
    }
    EXPECT_OK(wasi_http_types_outgoing_request_new(&r->g, f, &q, NULL));
    wasi_http_types_result_void_void set = {0};
    wasi_http_types_option_scheme http = {true, {.tag = WASI_HTTP_TYPES_SCHEME_HTTP}};
    EXPECT_OK(wasi_http_types_outgoing_request_set_scheme(&r->g, q, &http, &set, NULL));
    if (authority != NULL) {
        char whole[128];
        const char *mark = strchr(authority, '#'); // stands for the port
        snprintf(whole, sizeof whole, mark == NULL ? "%.*s" : "%.*s%u",
                 mark == NULL ? (int)strlen(authority) : (int)(mark - authority), authority, r->port);
        wasi_http_types_option_string option = {true, text(whole)};
        EXPECT_OK(wasi_http_types_outgoing_request_set_authority(&r->g, q, &option, &set, NULL));
        EXPECT(!set.is_err);
    }
    return q;
}

// Hands it over. The tag of the error, or -1 and the future.
static int handle(rig *r, request *q, future **ret) {
    wasi_http_outgoing_handler_option_request_options none = {0};
    wasi_http_outgoing_handler_result_future_incoming_response_error_code result = {0};
    EXPECT_OK(wasi_http_outgoing_handler_handle(&r->g, q, &none, &result, NULL));
    *ret = result.is_err ? NULL : result.ok;
    return result.is_err ? result.err.tag : -1;
}

static int refusal(rig *r, request *q) {
    future *f = NULL;
    return handle(r, q, &f);
}

// Waits for the answer: the tag of the error, or -1 and the response.
static int wait_for(rig *r, future *f, response **ret) {
    wasi_io_poll_pollable *p = NULL;
    EXPECT_OK(wasi_http_types_future_incoming_response_subscribe(&r->g, f, &p, NULL));
    EXPECT_OK(wasi_io_poll_pollable_block(&r->g, p, NULL));
    wasi_io_poll_pollable_drop(NULL, p);
    wasi_http_types_option_result_result_incoming_response_error_code_void got = {0};
    EXPECT_OK(wasi_http_types_future_incoming_response_get(&r->g, f, &got, NULL));
    if (!EXPECT(got.some && !got.value.is_err)) {
        return -2;
    }
    *ret = got.value.ok.is_err ? NULL : got.value.ok.ok;
    return got.value.ok.is_err ? got.value.ok.err.tag : -1;
}

// The other side: takes the connection and reads until `end` has come.
static int serve(rig *r, const char *end, char *got, size_t size) {
    net_settle(&r->g); // up to here the client connects
    int fd = accept(r->listener, NULL, NULL);
    size_t len = 0;
    got[0] = '\0';
    for (int i = 0; i < 10000 && strstr(got, end) == NULL; i++) {
        loop_turn(r->g.loop, false);
        ssize_t n = recv(fd, got + len, size - 1 - len, MSG_DONTWAIT);
        len += n > 0 ? (size_t)n : 0;
        got[len] = '\0';
    }
    EXPECT_CONTAINS(got, end);
    return fd;
}

static void reply(int fd, const char *bytes) {
    EXPECT_EQ(send(fd, bytes, strlen(bytes), MSG_NOSIGNAL), (ssize_t)strlen(bytes));
    close(fd);
}

// --- what does not leave -----------------------------------------------------------------------------------

TEST(nothing_is_reachable_without_a_grant) {
    static const char *const rules[] = {NULL, "other.example", "h.example:81", "127.0.0.1"};
    for (size_t i = 0; i < 4; i++) {
        rig r;
        rig_start(&r, rules[i]);
        EXPECT_EQ(refusal(&r, new_request(&r, "h.example", NULL, NULL)),
                  WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED);
        EXPECT_EQ(r.log_lines, 1); // the operator reads which option would allow it
        EXPECT_CONTAINS(r.log, "--allow-http");
        EXPECT_CONTAINS(r.log, "h.example");
        net_settle(&r.g);
        EXPECT_EQ(r.connector.asked, 0);
        EXPECT_EQ(r.g.instance->resource_count, 0); // the request was taken all the same
        EXPECT_EQ(http_account_of(r.g.instance)->bytes, 0);
        rig_stop(&r);
    }
}

TEST(a_policy_that_allows_nothing_is_no_grant) {
    rig r;
    rig_start(&r, NULL);
    r.g.workload.http_policy = &r.policy;
    EXPECT_EQ(refusal(&r, new_request(&r, "h.example", NULL, NULL)),
              WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED);
    rig_stop(&r);
}

TEST(requests_that_make_no_sense_are_refused) {
    rig r;
    rig_start(&r, "*");
    EXPECT_EQ(refusal(&r, new_request(&r, NULL, NULL, NULL)),
              WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID);
    EXPECT_EQ(refusal(&r, new_request(&r, "h.example:0", NULL, NULL)),
              WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID);
    EXPECT_EQ(refusal(&r, new_request(&r, "h.example", "Content-Length", "many")),
              WASI_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR);
    EXPECT_EQ(refusal(&r, new_request(&r, "h.example", "Content-Length", "5")), // and no body
              WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE);
    request *q = new_request(&r, "h.example", NULL, NULL);
    wasi_http_types_option_scheme ftp = {true,
                                         {.tag = WASI_HTTP_TYPES_SCHEME_OTHER, .of.other = text("ftp")}};
    wasi_http_types_result_void_void set = {0};
    EXPECT_OK(wasi_http_types_outgoing_request_set_scheme(&r.g, q, &ftp, &set, NULL));
    EXPECT_EQ(refusal(&r, q), WASI_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR);
    net_settle(&r.g);
    EXPECT_EQ(r.connector.asked, 0);
    EXPECT_EQ(http_account_of(r.g.instance)->bytes, 0);
    rig_stop(&r);
}

TEST(without_a_client_it_is_the_configuration) {
    rig r;
    rig_start(&r, "h.example");
    r.g.instance->http = NULL;
    EXPECT_EQ(refusal(&r, new_request(&r, "h.example", NULL, NULL)),
              WASI_HTTP_TYPES_ERROR_CODE_CONFIGURATION_ERROR);
    rig_stop(&r);
}

TEST(the_port_of_the_scheme_is_asked_for) {
    rig r;
    rig_start(&r, "h.example:443");
    EXPECT_EQ(refusal(&r, new_request(&r, "h.example", NULL, NULL)),
              WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED);
    request *q = new_request(&r, "h.example", NULL, NULL);
    wasi_http_types_option_scheme unset = {0};
    wasi_http_types_result_void_void set = {0};
    EXPECT_OK(wasi_http_types_outgoing_request_set_scheme(&r.g, q, &unset, &set, NULL)); // https then
    future *f = NULL;
    EXPECT_EQ(handle(&r, q, &f), -1);
    net_settle(&r.g);
    EXPECT_EQ(r.connector.last.port, 443);
    rig_stop(&r);
}

TEST(calls_at_one_time_are_bounded) {
    rig r;
    rig_start_limited(&r, "*", 2);
    r.connector.is_mute = true;
    future *a = NULL, *b = NULL;
    EXPECT_EQ(handle(&r, new_request(&r, "a.example", NULL, NULL), &a), -1);
    EXPECT_EQ(handle(&r, new_request(&r, "b.example", NULL, NULL), &b), -1);
    EXPECT_EQ(refusal(&r, new_request(&r, "c.example", NULL, NULL)),
              WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_LIMIT_REACHED);
    EXPECT_U64(r.g.instance->counters.limits_hit, 1);
    wasi_http_types_future_incoming_response_drop(NULL, a);
    EXPECT_EQ(handle(&r, new_request(&r, "c.example", NULL, NULL), &a), -1);
    rig_stop(&r);
}

TEST(dropping_the_future_gives_up_the_call) {
    rig r;
    rig_start(&r, "*");
    r.connector.is_mute = true;
    future *f = NULL;
    EXPECT_EQ(handle(&r, new_request(&r, "h.example", NULL, NULL), &f), -1);
    net_settle(&r.g);
    EXPECT_EQ(r.connector.asked, 1);
    wasi_http_types_option_result_result_incoming_response_error_code_void got = {.some = true};
    EXPECT_OK(wasi_http_types_future_incoming_response_get(&r.g, f, &got, NULL));
    EXPECT(!got.some); // not yet
    wasi_http_types_future_incoming_response_drop(NULL, f);
    EXPECT_EQ(r.connector.cancelled, 1);
    EXPECT_EQ(http_account_of(r.g.instance)->bytes, 0);
    rig_stop(&r);
}

// --- failures ----------------------------------------------------------------------------------------------

TEST(failures_have_their_codes) {
    static const struct {
        status code;
        int os_error;
        int expected;
    } rows[] = {
        {STATUS_DENIED, 0, WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_PROHIBITED},
        {STATUS_NOT_FOUND, 0, WASI_HTTP_TYPES_ERROR_CODE_DNS_ERROR},
        {STATUS_LIMIT, 0, WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_LIMIT_REACHED},
        {STATUS_TIMEOUT, 0, WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TIMEOUT},
        {STATUS_IO, ECONNREFUSED, WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_REFUSED},
        {STATUS_IO, ENETUNREACH, WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_UNAVAILABLE},
        {STATUS_IO, EHOSTUNREACH, WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig r;
        rig_start(&r, "*");
        r.connector.refuses = rows[i].code;
        r.connector.os_error = rows[i].os_error;
        future *f = NULL;
        response *p = NULL;
        EXPECT_EQ(handle(&r, new_request(&r, "h.example", NULL, NULL), &f), -1);
        EXPECT_EQ(wait_for(&r, f, &p), rows[i].expected);
        rig_stop(&r);
    }
}

TEST(answers_that_are_no_answers) {
    static const struct {
        const char *bytes;
        int expected;
    } rows[] = {
        {"", WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE},
        {"HTTP/1.1 200 OK\r\nA: b", WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE},
        {"SSH-2.0-x\r\n\r\n", WASI_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig r;
        char got[1024];
        rig_start(&r, "*");
        future *f = NULL;
        response *p = NULL;
        EXPECT_EQ(handle(&r, new_request(&r, "h.example:#", NULL, NULL), &f), -1);
        reply(serve(&r, "\r\n\r\n", got, sizeof got), rows[i].bytes);
        int code = wait_for(&r, f, &p);
        if (!EXPECT(code == rows[i].expected || code == WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED)) {
            printf("    row %zu: %d\n", i, code);
        }
        rig_stop(&r);
    }
}

// --- whole requests ----------------------------------------------------------------------------------------

TEST(a_request_and_its_response) {
    rig r;
    char got[2048];
    rig_start(&r, "h.example");
    future *f = NULL;
    response *p = NULL;
    EXPECT_EQ(handle(&r, new_request(&r, "h.example:#", "X-Test", "yes"), &f), -1);
    EXPECT_EQ(r.g.instance->resource_count, 1); // the future alone: the request was taken
    int fd = serve(&r, "\r\n\r\n", got, sizeof got);
    EXPECT_CONTAINS(got, "GET / HTTP/1.1\r\n");
    EXPECT_CONTAINS(got, "Host: h.example:");
    EXPECT_CONTAINS(got, "X-Test: yes\r\n");
    EXPECT_TEXT(r.connector.last_host, "h.example");
    EXPECT_EQ(r.connector.last.purpose, CONNECT_HTTP);
    reply(fd, "HTTP/1.1 404 Not Found\r\nX-A: 1\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody");
    EXPECT_EQ(wait_for(&r, f, &p), -1);
    REQUIRE(p != NULL);
    uint16_t code = 0;
    EXPECT_OK(wasi_http_types_incoming_response_status(&r.g, p, &code, NULL));
    EXPECT_EQ(code, 404);
    wasi_http_types_fields *h = NULL;
    bool has = false;
    EXPECT_OK(wasi_http_types_incoming_response_headers(&r.g, p, &h, NULL));
    EXPECT_OK(wasi_http_types_fields_has(&r.g, h, text("x-a"), &has, NULL));
    EXPECT(has);
    EXPECT_OK(wasi_http_types_fields_has(&r.g, h, text("connection"), &has, NULL));
    EXPECT(!has);
    wasi_http_types_result_void_header_error changed = {0};
    EXPECT_OK(wasi_http_types_fields_delete(&r.g, h, text("x-a"), &changed, NULL));
    EXPECT(changed.is_err && changed.err.tag == WASI_HTTP_TYPES_HEADER_ERROR_IMMUTABLE);
    wasi_http_types_result_incoming_body_void body = {0};
    EXPECT_OK(wasi_http_types_incoming_response_consume(&r.g, p, &body, NULL));
    REQUIRE(!body.is_err);
    wasi_http_types_incoming_body *b = body.ok;
    EXPECT_OK(wasi_http_types_incoming_response_consume(&r.g, p, &body, NULL));
    EXPECT(body.is_err);
    wasi_http_types_option_result_result_incoming_response_error_code_void again = {0};
    EXPECT_OK(wasi_http_types_future_incoming_response_get(&r.g, f, &again, NULL));
    EXPECT(again.some && again.value.is_err); // taken
    wasi_http_types_result_input_stream_void in = {0};
    wasi_io_streams_result_list_u8_stream_error read = {0};
    EXPECT_OK(wasi_http_types_incoming_body_stream(&r.g, b, &in, NULL));
    wasi_http_types_future_incoming_response_drop(NULL, f); // the body goes on without them
    wasi_http_types_incoming_response_drop(NULL, p);
    EXPECT_OK(wasi_io_streams_input_stream_blocking_read(&r.g, in.ok, 100, &read, NULL));
    EXPECT(!read.is_err);
    EXPECT_BYTES(read.ok, text("body"));
    EXPECT_OK(wasi_io_streams_input_stream_blocking_read(&r.g, in.ok, 100, &read, NULL));
    EXPECT(read.is_err && read.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    rig_stop(&r);
}

TEST(a_body_follows_its_request) {
    rig r;
    char got[2048];
    rig_start(&r, "*");
    request *q = new_request(&r, "h.example:#", NULL, NULL);
    wasi_http_types_method post = {.tag = WASI_HTTP_TYPES_METHOD_POST};
    wasi_http_types_result_void_void set = {0};
    wasi_http_types_result_outgoing_body_void body = {0};
    wasi_http_types_result_output_stream_void out = {0};
    wasi_io_streams_result_void_stream_error written = {0};
    EXPECT_OK(wasi_http_types_outgoing_request_set_method(&r.g, q, &post, &set, NULL));
    EXPECT_OK(wasi_http_types_outgoing_request_body(&r.g, q, &body, NULL));
    EXPECT_OK(wasi_http_types_outgoing_body_write(&r.g, body.ok, &out, NULL));
    EXPECT_OK(wasi_io_streams_output_stream_write(&r.g, out.ok, text("before-"), &written, NULL));
    future *f = NULL;
    response *p = NULL;
    EXPECT_EQ(handle(&r, q, &f), -1);
    EXPECT_OK(
        wasi_io_streams_output_stream_blocking_write_and_flush(&r.g, out.ok, text("after"), &written, NULL));
    EXPECT(!written.is_err);
    wasi_http_types_option_fields none = {0};
    wasi_http_types_result_void_error_code finished = {0};
    EXPECT_OK(wasi_http_types_outgoing_body_finish(&r.g, body.ok, &none, &finished, NULL));
    EXPECT(!finished.is_err);
    int fd = serve(&r, "0\r\n\r\n", got, sizeof got);
    EXPECT_CONTAINS(got, "POST / HTTP/1.1\r\n");
    EXPECT_CONTAINS(got, "ransfer-Encoding: chunked\r\n");
    EXPECT_CONTAINS(got, "before-");
    EXPECT_CONTAINS(got, "after");
    reply(fd, "HTTP/1.1 204 No Content\r\n\r\n");
    EXPECT_EQ(wait_for(&r, f, &p), -1);
    rig_stop(&r);
}

TEST(a_response_that_stops_early_fails_its_body) {
    rig r;
    char got[1024];
    rig_start(&r, "*");
    future *f = NULL;
    response *p = NULL;
    EXPECT_EQ(handle(&r, new_request(&r, "h.example:#", NULL, NULL), &f), -1);
    reply(serve(&r, "\r\n\r\n", got, sizeof got), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort");
    EXPECT_EQ(wait_for(&r, f, &p), -1);
    REQUIRE(p != NULL);
    wasi_http_types_result_incoming_body_void body = {0};
    wasi_http_types_result_input_stream_void in = {0};
    wasi_io_streams_result_list_u8_stream_error read = {0};
    EXPECT_OK(wasi_http_types_incoming_response_consume(&r.g, p, &body, NULL));
    EXPECT_OK(wasi_http_types_incoming_body_stream(&r.g, body.ok, &in, NULL));
    EXPECT_OK(wasi_io_streams_input_stream_blocking_read(&r.g, in.ok, 100, &read, NULL));
    EXPECT_BYTES(read.ok, text("short"));
    EXPECT_OK(wasi_io_streams_input_stream_blocking_read(&r.g, in.ok, 100, &read, NULL));
    REQUIRE(read.is_err && read.err.tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    wasi_http_types_option_error_code code = {0};
    EXPECT_OK(wasi_http_types_http_error_code(&r.g, read.err.of.last_operation_failed, &code, NULL));
    EXPECT(code.some);
    EXPECT_EQ(code.value.tag, WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE);
    rig_stop(&r);
}
