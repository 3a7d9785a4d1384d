// SPDX-License-Identifier: Apache-2.0
// What a guest builds and reads: the parts of requests and responses, options, bodies in both directions over
// a source and a target that the test plays.
#include "base/mem.h"
#include "capability/http/http_internal.h"
#include "helper_guest.h"
#include "test.h"
#include "wasi/io_poll.h"

typedef wasi_http_types_outgoing_request request;
typedef wasi_http_types_outgoing_response response;

static slice text(const char *s) { return slice_from_text(s); }

static void start(guest *g) {
    guest_init(g);
    guest_start(g);
}

static wasi_http_types_fields *fields_with(guest *g, const char *name, const char *value) {
    wasi_http_types_fields *f = NULL;
    wasi_http_types_result_void_header_error r = {0};
    EXPECT_OK(wasi_http_types_fields_new(g, &f, NULL));
    if (name != NULL) {
        EXPECT_OK(wasi_http_types_fields_append(g, f, text(name), text(value), &r, NULL));
        EXPECT(!r.is_err);
    }
    return f;
}

static request *new_request(guest *g) {
    request *r = NULL;
    EXPECT_OK(wasi_http_types_outgoing_request_new(g, fields_with(g, NULL, NULL), &r, NULL));
    return r;
}

static response *new_response(guest *g, const char *length) {
    response *r = NULL;
    const char *name = length == NULL ? NULL : "content-length";
    EXPECT_OK(wasi_http_types_outgoing_response_new(g, fields_with(g, name, length), &r, NULL));
    return r;
}

// --- requests ----------------------------------------------------------------------------------------------

static bool set_method(guest *g, request *r, const char *token) {
    wasi_http_types_method m = http_method_from(text(token));
    wasi_http_types_result_void_void result = {0};
    EXPECT_OK(wasi_http_types_outgoing_request_set_method(g, r, &m, &result, NULL));
    return !result.is_err;
}

TEST(methods) {
    guest g;
    start(&g);
    request *r = new_request(&g);
    wasi_http_types_method m = {.tag = 99};
    EXPECT_OK(wasi_http_types_outgoing_request_method(&g, r, &m, NULL));
    EXPECT_EQ(m.tag, WASI_HTTP_TYPES_METHOD_GET);
    EXPECT(set_method(&g, r, "PATCH"));
    EXPECT_OK(wasi_http_types_outgoing_request_method(&g, r, &m, NULL));
    EXPECT_EQ(m.tag, WASI_HTTP_TYPES_METHOD_PATCH);
    EXPECT(set_method(&g, r, "get")); // methods have case: this one is another
    EXPECT_OK(wasi_http_types_outgoing_request_method(&g, r, &m, NULL));
    EXPECT_EQ(m.tag, WASI_HTTP_TYPES_METHOD_OTHER);
    EXPECT_BYTES(m.of.other, text("get"));
    static const char *const bad[] = {"", "GET /", "A\r\nHost: b", "A:", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT(!set_method(&g, r, bad[i]));
    }
    EXPECT_OK(wasi_http_types_outgoing_request_method(&g, r, &m, NULL));
    EXPECT_BYTES(m.of.other, text("get")); // a refused one changes nothing
    guest_done(&g);
}

TEST(tokens_of_methods_go_both_ways) {
    for (uint8_t i = 0; i < WASI_HTTP_TYPES_METHOD_OTHER; i++) {
        wasi_http_types_method m = {.tag = i};
        EXPECT_EQ(http_method_from(http_method_token(&m)).tag, i);
    }
    wasi_http_types_method trace = {.tag = WASI_HTTP_TYPES_METHOD_TRACE};
    EXPECT_BYTES(http_method_token(&trace), text("TRACE"));
}

static bool set_path(guest *g, request *r, const char *path) {
    wasi_http_types_option_string option = {path != NULL, text(path)};
    wasi_http_types_result_void_void result = {0};
    EXPECT_OK(wasi_http_types_outgoing_request_set_path_with_query(g, r, &option, &result, NULL));
    return !result.is_err;
}

TEST(paths) {
    guest g;
    start(&g);
    request *r = new_request(&g);
    wasi_http_types_option_string path = {.some = true};
    EXPECT_OK(wasi_http_types_outgoing_request_path_with_query(&g, r, &path, NULL));
    EXPECT(!path.some);
    EXPECT(set_path(&g, r, "/a/../b%20c?d=e&f[]=:@!$'()*+,;"));
    EXPECT(set_path(&g, r, "?only=query"));
    static const char *const bad[] = {"a",      "/a b",          "/a#fragment", "/a\r\nHost: b",
                                      "/a\x7f", "http://h/path", "/\xc3\xa9",   "*"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT(!set_path(&g, r, bad[i]));
    }
    EXPECT_OK(wasi_http_types_outgoing_request_path_with_query(&g, r, &path, NULL));
    EXPECT(path.some);
    EXPECT_BYTES(path.value, text("?only=query"));
    EXPECT(set_path(&g, r, ""));
    EXPECT(set_path(&g, r, NULL));
    EXPECT_OK(wasi_http_types_outgoing_request_path_with_query(&g, r, &path, NULL));
    EXPECT(!path.some);
    guest_done(&g);
}

TEST(paths_are_bounded) {
    guest g;
    start(&g);
    request *r = new_request(&g);
    char *path = arena_alloc(&g.arena, HTTP_URI_BYTES_MAX + 2);
    memset(path, 'a', HTTP_URI_BYTES_MAX + 1);
    path[0] = '/';
    path[HTTP_URI_BYTES_MAX + 1] = '\0';
    EXPECT(!set_path(&g, r, path));
    path[HTTP_URI_BYTES_MAX] = '\0';
    int good = 0;
    while (good < 100 && set_path(&g, r, path)) {
        good++;
    }
    EXPECT(good >= 1 && good < 100); // also what was replaced takes room
    EXPECT(http_account_of(g.instance)->bytes <= 10 * HTTP_URI_BYTES_MAX);
    wasi_http_types_outgoing_request_drop(NULL, r);
    EXPECT_EQ(http_account_of(g.instance)->bytes, 0);
    guest_done(&g);
}

static bool set_authority(guest *g, request *r, const char *authority) {
    wasi_http_types_option_string option = {authority != NULL, text(authority)};
    wasi_http_types_result_void_void result = {0};
    EXPECT_OK(wasi_http_types_outgoing_request_set_authority(g, r, &option, &result, NULL));
    return !result.is_err;
}

TEST(authorities) {
    guest g;
    start(&g);
    request *r = new_request(&g);
    wasi_http_types_option_string a = {.some = true};
    EXPECT_OK(wasi_http_types_outgoing_request_authority(&g, r, &a, NULL));
    EXPECT(!a.some);
    static const char *const good[] = {"h", "h.example:80", "127.0.0.1:65535", "[::1]", "[::1]:8080", "h:"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        EXPECT(set_authority(&g, r, good[i]));
        EXPECT_OK(wasi_http_types_outgoing_request_authority(&g, r, &a, NULL));
        EXPECT(a.some);
        EXPECT_BYTES(a.value, text(good[i]));
    }
    static const char *const bad[] = {"",        "user@h",    "user:pass@h", "h/path", "h?q",     "h#f",
                                      "h:65536", "h:80:80",   "h:x",         ":80",    "[::1",    "[]",
                                      "::1",     "h\r\nX:",   "a b",         "h:+1",   "[::1]80", "a\\b",
                                      "[[::1]]", "h\xc3\xa9", "h:000080",    "h\x7f"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (!EXPECT(!set_authority(&g, r, bad[i]))) {
            printf("    %s\n", bad[i]);
        }
    }
    EXPECT_OK(wasi_http_types_outgoing_request_authority(&g, r, &a, NULL));
    EXPECT_BYTES(a.value, text("h:")); // the last good one
    EXPECT(set_authority(&g, r, NULL));
    EXPECT_OK(wasi_http_types_outgoing_request_authority(&g, r, &a, NULL));
    EXPECT(!a.some);
    guest_done(&g);
}

static bool set_scheme(guest *g, request *r, int tag, const char *other) {
    wasi_http_types_option_scheme option = {tag >= 0, {.tag = (uint8_t)tag, .of.other = text(other)}};
    wasi_http_types_result_void_void result = {0};
    EXPECT_OK(wasi_http_types_outgoing_request_set_scheme(g, r, &option, &result, NULL));
    return !result.is_err;
}

TEST(schemes) {
    guest g;
    start(&g);
    request *r = new_request(&g);
    wasi_http_types_option_scheme s = {.some = true};
    EXPECT_OK(wasi_http_types_outgoing_request_scheme(&g, r, &s, NULL));
    EXPECT(!s.some);
    EXPECT(set_scheme(&g, r, WASI_HTTP_TYPES_SCHEME_HTTPS, NULL));
    EXPECT_OK(wasi_http_types_outgoing_request_scheme(&g, r, &s, NULL));
    EXPECT(s.some && s.value.tag == WASI_HTTP_TYPES_SCHEME_HTTPS);
    EXPECT(set_scheme(&g, r, WASI_HTTP_TYPES_SCHEME_OTHER, "HTTP")); // the same as `http`
    EXPECT_OK(wasi_http_types_outgoing_request_scheme(&g, r, &s, NULL));
    EXPECT_EQ(s.value.tag, WASI_HTTP_TYPES_SCHEME_HTTP);
    EXPECT(set_scheme(&g, r, WASI_HTTP_TYPES_SCHEME_OTHER, "x-a.b+1"));
    static const char *const bad[] = {"", "1a", "a:", "a/b", "a b", "@", "[", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT(!set_scheme(&g, r, WASI_HTTP_TYPES_SCHEME_OTHER, bad[i]));
    }
    EXPECT_OK(wasi_http_types_outgoing_request_scheme(&g, r, &s, NULL));
    EXPECT(s.value.tag == WASI_HTTP_TYPES_SCHEME_OTHER && slice_equal_text(s.value.of.other, "x-a.b+1"));
    EXPECT(set_scheme(&g, r, -1, NULL));
    EXPECT_OK(wasi_http_types_outgoing_request_scheme(&g, r, &s, NULL));
    EXPECT(!s.some);
    guest_done(&g);
}

TEST(options) {
    guest g;
    start(&g);
    wasi_http_types_request_options *o = NULL;
    EXPECT_OK(wasi_http_types_request_options_new(&g, &o, NULL));
    wasi_http_types_option_u64 got = {.some = true};
    EXPECT_OK(wasi_http_types_request_options_connect_timeout(&g, o, &got, NULL));
    EXPECT(!got.some);
    const wasi_http_types_option_u64 one = {true, 1}, two = {true, UINT64_MAX}, three = {true, 0}, none = {0};
    wasi_http_types_result_void_void r = {.is_err = true};
    EXPECT_OK(wasi_http_types_request_options_set_connect_timeout(&g, o, &one, &r, NULL));
    EXPECT(!r.is_err);
    EXPECT_OK(wasi_http_types_request_options_set_first_byte_timeout(&g, o, &two, &r, NULL));
    EXPECT_OK(wasi_http_types_request_options_set_between_bytes_timeout(&g, o, &three, &r, NULL));
    EXPECT_OK(wasi_http_types_request_options_connect_timeout(&g, o, &got, NULL));
    EXPECT(got.some && got.value == 1);
    EXPECT_OK(wasi_http_types_request_options_first_byte_timeout(&g, o, &got, NULL));
    EXPECT(got.some && got.value == UINT64_MAX);
    EXPECT_OK(wasi_http_types_request_options_between_bytes_timeout(&g, o, &got, NULL));
    EXPECT(got.some && got.value == 0);
    EXPECT_OK(wasi_http_types_request_options_set_connect_timeout(&g, o, &none, &r, NULL));
    EXPECT_OK(wasi_http_types_request_options_connect_timeout(&g, o, &got, NULL));
    EXPECT(!got.some);
    wasi_http_types_request_options_drop(NULL, o);
    guest_done(&g);
}

TEST(status_codes) {
    guest g;
    start(&g);
    response *r = new_response(&g, NULL);
    uint16_t code = 0;
    EXPECT_OK(wasi_http_types_outgoing_response_status_code(&g, r, &code, NULL));
    EXPECT_EQ(code, 200);
    static const uint16_t good[] = {200, 204, 418, 599}, bad[] = {0, 99, 100, 101, 199, 600, 999, 65535};
    wasi_http_types_result_void_void result = {0};
    for (size_t i = 0; i < 4; i++) {
        EXPECT_OK(wasi_http_types_outgoing_response_set_status_code(&g, r, good[i], &result, NULL));
        EXPECT(!result.is_err);
    }
    for (size_t i = 0; i < 8; i++) {
        EXPECT_OK(wasi_http_types_outgoing_response_set_status_code(&g, r, bad[i], &result, NULL));
        EXPECT(result.is_err);
    }
    EXPECT_OK(wasi_http_types_outgoing_response_status_code(&g, r, &code, NULL));
    EXPECT_EQ(code, 599);
    guest_done(&g);
}

// --- bodies out --------------------------------------------------------------------------------------------

// Where a body goes, with room for `room` bytes.
typedef struct sink {
    http_target target; // first
    char got[256];
    size_t len;
    size_t room;
    bool is_open;
    bool is_finished;
    bool is_aborted;
    size_t trailer_count;
    char trailer[64];
} sink;

static bool sink_is_open(http_target *t) { return ((sink *)(void *)t)->is_open; }
static size_t sink_room(http_target *t) { return ((sink *)(void *)t)->room; }
static status sink_write(http_target *t, slice bytes, err *e) {
    sink *s = (sink *)(void *)t;
    if (bytes.len > s->room || s->len + bytes.len >= sizeof s->got) {
        return err_set(e, STATUS_INTERNAL, "a write over the room");
    }
    memcpy(s->got + s->len, bytes.data, bytes.len);
    s->len += bytes.len;
    s->room -= bytes.len;
    return STATUS_OK;
}
static status sink_finish(http_target *t, const http_header *trailers, size_t count, err *e) {
    (void)e;
    sink *s = (sink *)(void *)t;
    s->is_finished = true;
    s->trailer_count = count;
    if (count > 0) {
        snprintf(s->trailer, sizeof s->trailer, "%.*s=%.*s", SLICE_ARG(trailers[0].name),
                 SLICE_ARG(trailers[0].value));
    }
    return STATUS_OK;
}
static void sink_abort(http_target *t) { ((sink *)(void *)t)->is_aborted = true; }

static void sink_init(sink *s, size_t room) {
    static const http_target_ops ops = {sink_is_open, sink_room, sink_write, sink_finish, sink_abort};
    *s = (sink){.target = {&ops}, .room = room, .is_open = true};
}

static slice sink_got(const sink *s) { return slice_of(s->got, s->len); }

static wasi_http_types_outgoing_body *body_of(guest *g, response *r) {
    wasi_http_types_result_outgoing_body_void result = {0};
    EXPECT_OK(wasi_http_types_outgoing_response_body(g, r, &result, NULL));
    return result.is_err ? NULL : result.ok;
}

static wasi_io_streams_output_stream *stream_of(guest *g, wasi_http_types_outgoing_body *b) {
    wasi_http_types_result_output_stream_void result = {0};
    EXPECT_OK(wasi_http_types_outgoing_body_write(g, b, &result, NULL));
    return result.is_err ? NULL : result.ok;
}

enum { CLOSED = -1, FAILED = -2 };

// What check-write permits.
static int64_t permit(guest *g, wasi_io_streams_output_stream *s) {
    wasi_io_streams_result_u64_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_output_stream_check_write(g, s, &r, NULL));
    return !r.is_err ? (int64_t)r.ok : r.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED ? CLOSED : FAILED;
}

// The http-error-code of a failed write; -1 when it went well, -2 when the stream was closed.
static int write_error(guest *g, wasi_io_streams_output_stream *s, const char *bytes) {
    wasi_io_streams_result_void_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_output_stream_write(g, s, text(bytes), &r, NULL));
    if (!r.is_err || r.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED) {
        return r.is_err ? -2 : -1;
    }
    wasi_http_types_option_error_code code = {0};
    EXPECT_OK(wasi_http_types_http_error_code(g, r.err.of.last_operation_failed, &code, NULL));
    return code.some ? code.value.tag : -3;
}

// The tag of the error, -1 when it went well.
static int finish(guest *g, wasi_http_types_outgoing_body *b, wasi_http_types_fields *trailers) {
    wasi_http_types_option_fields option = {trailers != NULL, trailers};
    wasi_http_types_result_void_error_code r = {0};
    EXPECT_OK(wasi_http_types_outgoing_body_finish(g, b, &option, &r, NULL));
    return r.is_err ? r.err.tag : -1;
}

TEST(a_body_and_its_stream_are_had_once) {
    guest g;
    start(&g);
    response *r = new_response(&g, NULL);
    wasi_http_types_outgoing_body *b = body_of(&g, r);
    REQUIRE(b != NULL);
    EXPECT(body_of(&g, r) == NULL);
    EXPECT(stream_of(&g, b) != NULL);
    EXPECT(stream_of(&g, b) == NULL);
    wasi_http_types_outgoing_body_drop(NULL, b);
    EXPECT(body_of(&g, r) == NULL); // also after it is gone
    request *q = new_request(&g);
    wasi_http_types_result_outgoing_body_void result = {0};
    EXPECT_OK(wasi_http_types_outgoing_request_body(&g, q, &result, NULL));
    EXPECT(!result.is_err);
    EXPECT_OK(wasi_http_types_outgoing_request_body(&g, q, &result, NULL));
    EXPECT(result.is_err);
    guest_done(&g);
}

TEST(a_body_whose_length_contradicts_itself_is_not_had) {
    guest g;
    start(&g);
    EXPECT(body_of(&g, new_response(&g, "12a")) == NULL);
    EXPECT(body_of(&g, new_response(&g, "12")) != NULL);
    guest_done(&g);
}

TEST(a_body_waits_for_its_message_and_for_room) {
    guest g;
    sink t;
    start(&g);
    sink_init(&t, 4);
    response *r = new_response(&g, NULL);
    wasi_http_types_outgoing_body *b = body_of(&g, r);
    wasi_io_streams_output_stream *s = stream_of(&g, b);
    EXPECT_EQ(permit(&g, s), HTTP_WRITE_BYTES_MAX);
    EXPECT_EQ(write_error(&g, s, "before "), -1);
    http_outflow_attach(r->body, &t.target);
    EXPECT_BYTES(sink_got(&t), text("befo"));
    EXPECT_EQ(permit(&g, s), 0); // what waits goes first
    t.room = 100;
    EXPECT_EQ(permit(&g, s), 97);
    EXPECT_EQ(write_error(&g, s, "after"), -1);
    EXPECT_BYTES(sink_got(&t), text("before after"));
    t.room = 0;
    EXPECT_EQ(permit(&g, s), 0);
    EXPECT_EQ(finish(&g, b, NULL), -1);
    EXPECT(t.is_finished && t.trailer_count == 0 && !t.is_aborted);
    EXPECT_EQ(permit(&g, s), CLOSED); // a stream that outlives its body is at its end
    EXPECT_EQ(http_account_of(g.instance)->bytes, 0);
    guest_done(&g);
}

TEST(trailers_leave_after_the_body) {
    guest g;
    sink t;
    start(&g);
    sink_init(&t, 0);
    response *r = new_response(&g, NULL);
    wasi_http_types_outgoing_body *b = body_of(&g, r);
    EXPECT_EQ(write_error(&g, stream_of(&g, b), "body"), -1);
    http_outflow_attach(r->body, &t.target);
    EXPECT_EQ(finish(&g, b, fields_with(&g, "x-sum", "4")), -1);
    EXPECT(!t.is_finished);
    t.room = 4;
    http_outflow_push(r->body);
    EXPECT(!t.is_finished); // they need room too
    t.room = 1;
    http_outflow_push(r->body);
    EXPECT(t.is_finished);
    EXPECT_TEXT(t.trailer, "x-sum=4");
    EXPECT_BYTES(sink_got(&t), text("body"));
    guest_done(&g);
}

TEST(a_declared_length_is_kept) {
    guest g;
    sink t;
    start(&g);
    response *r = new_response(&g, "4");
    wasi_http_types_outgoing_body *b = body_of(&g, r);
    wasi_io_streams_output_stream *s = stream_of(&g, b);
    EXPECT_EQ(write_error(&g, s, "123"), -1);
    EXPECT_EQ(write_error(&g, s, "45"), WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_BODY_SIZE);
    EXPECT_EQ(write_error(&g, s, "4"), -2); // a stream that failed is closed
    sink_init(&t, 100);
    http_outflow_attach(r->body, &t.target);
    wasi_http_types_option_fields none = {0};
    wasi_http_types_result_void_error_code result = {0};
    EXPECT_OK(wasi_http_types_outgoing_body_finish(&g, b, &none, &result, NULL));
    REQUIRE(result.is_err); // one is missing
    EXPECT_EQ(result.err.tag, WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_BODY_SIZE);
    EXPECT(result.err.of.HTTP_response_body_size.some);
    EXPECT_U64(result.err.of.HTTP_response_body_size.value, 3);
    EXPECT(t.is_aborted && !t.is_finished);
    guest_done(&g);
}

TEST(the_length_of_a_request_has_errors_of_its_own) {
    guest g;
    start(&g);
    request *q = NULL;
    EXPECT_OK(wasi_http_types_outgoing_request_new(&g, fields_with(&g, "Content-Length", "1"), &q, NULL));
    wasi_http_types_result_outgoing_body_void body = {0};
    EXPECT_OK(wasi_http_types_outgoing_request_body(&g, q, &body, NULL));
    REQUIRE(!body.is_err);
    EXPECT_EQ(write_error(&g, stream_of(&g, body.ok), "12"),
              WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE);
    EXPECT_EQ(finish(&g, body.ok, NULL), WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE);
    guest_done(&g);
}

TEST(a_body_that_is_dropped_is_cut) {
    guest g;
    sink t;
    start(&g);
    sink_init(&t, 100);
    response *r = new_response(&g, NULL);
    wasi_http_types_outgoing_body *b = body_of(&g, r);
    http_outflow_attach(r->body, &t.target);
    wasi_http_types_outgoing_body_drop(NULL, b);
    EXPECT(t.is_aborted && !t.is_finished);
    sink late;
    sink_init(&late, 100);
    response *other = new_response(&g, NULL);
    wasi_http_types_outgoing_body_drop(NULL, body_of(&g, other)); // before it was sent
    http_outflow_attach(other->body, &late.target);
    EXPECT(late.is_aborted);
    guest_done(&g);
}

TEST(the_peer_may_go_away) {
    guest g;
    sink t;
    start(&g);
    sink_init(&t, 100);
    response *r = new_response(&g, NULL);
    wasi_http_types_outgoing_body *b = body_of(&g, r);
    wasi_io_streams_output_stream *s = stream_of(&g, b);
    http_outflow_attach(r->body, &t.target);
    t.is_open = false;
    EXPECT_EQ(write_error(&g, s, "x"), WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED);
    EXPECT_EQ(finish(&g, b, NULL), WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED);
    EXPECT(t.is_aborted && !t.is_finished);
    guest_done(&g);
}

TEST(what_waits_is_bounded) {
    guest g;
    start(&g);
    response *r = new_response(&g, NULL);
    wasi_io_streams_output_stream *s = stream_of(&g, body_of(&g, r));
    uint8_t *zeroes = arena_zalloc(&g.arena, HTTP_WRITE_BYTES_MAX);
    wasi_io_streams_result_void_stream_error result = {0};
    int64_t room, sum = 0;
    while ((room = permit(&g, s)) > 0 && sum <= HTTP_UNSENT_BYTES_MAX) {
        EXPECT_OK(wasi_io_streams_output_stream_write(&g, s, slice_of(zeroes, (size_t)room), &result, NULL));
        EXPECT(!result.is_err);
        sum += room;
    }
    EXPECT_EQ(sum, HTTP_UNSENT_BYTES_MAX);
    EXPECT_EQ(http_account_of(g.instance)->bytes, HTTP_UNSENT_BYTES_MAX);
    err e = {0};
    EXPECT_STATUS(wasi_io_streams_output_stream_write(&g, s, text("x"), &result, &e), STATUS_TRAP);
    guest_done(&g);
}

// Nobody will ever read such a body: its writer must not wait until the deadline ends it.
TEST(a_body_ends_with_a_message_that_was_not_sent) {
    guest g;
    start(&g);
    for (int i = 0; i < 2; i++) {
        response *r = new_response(&g, NULL);
        request *q = new_request(&g);
        wasi_http_types_result_outgoing_body_void body = {0};
        EXPECT_OK(i == 0 ? wasi_http_types_outgoing_response_body(&g, r, &body, NULL)
                         : wasi_http_types_outgoing_request_body(&g, q, &body, NULL));
        wasi_io_streams_output_stream *s = stream_of(&g, body.ok);
        EXPECT_EQ(write_error(&g, s, "waits"), -1);
        wasi_http_types_outgoing_response_drop(NULL, r);
        wasi_http_types_outgoing_request_drop(NULL, q);
        EXPECT_EQ(http_account_of(g.instance)->bytes, 0);
        EXPECT_EQ(permit(&g, s), FAILED);
        EXPECT_EQ(finish(&g, body.ok, NULL), WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED);
    }
    guest_done(&g);
}

// --- bodies in ---------------------------------------------------------------------------------------------

// Gives what `script` says: '-' = nothing now (once), '.' = the end, '!' = a failure, else one byte.
typedef struct tap {
    http_source source; // first
    const char *script;
    int refs;
    http_header trailers[2];
    size_t trailer_count;
} tap;

static http_body_state tap_read(http_source *s, size_t max, slice *ret) {
    tap *t = (tap *)(void *)s;
    EXPECT(max > 0);
    switch (*t->script) {
    case '-':
        t->script++;
        return HTTP_BODY_WAIT;
    case '.':
        return HTTP_BODY_END;
    case '!':
        return HTTP_BODY_FAILED;
    default:
        *ret = slice_of(t->script++, 1);
        return HTTP_BODY_DATA;
    }
}
static bool tap_can_read(http_source *s) { return *((tap *)(void *)s)->script != '-'; }
static const http_header *tap_trailers(http_source *s, size_t *ret_count) {
    *ret_count = ((tap *)(void *)s)->trailer_count;
    return ((tap *)(void *)s)->trailers;
}
static wasi_http_types_error_code tap_failure(http_source *s) {
    (void)s;
    return http_error(WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE);
}
static void tap_ref(http_source *s) { ((tap *)(void *)s)->refs++; }
static void tap_unref(http_source *s) { ((tap *)(void *)s)->refs--; }

static wasi_http_types_incoming_body *tap_body(guest *g, tap *t, const char *script) {
    static const http_source_ops ops = {tap_read,    tap_can_read, tap_trailers,
                                        tap_failure, tap_ref,      tap_unref};
    *t = (tap){.source = {&ops}, .script = script, .refs = 1};
    wasi_http_types_incoming_body *b = NULL;
    EXPECT_OK(http_incoming_body_new(g->instance, &t->source, &b, NULL));
    return b;
}

static wasi_io_streams_input_stream *input_of(guest *g, wasi_http_types_incoming_body *b) {
    wasi_http_types_result_input_stream_void r = {0};
    EXPECT_OK(wasi_http_types_incoming_body_stream(g, b, &r, NULL));
    return r.is_err ? NULL : r.ok;
}

typedef wasi_http_types_option_result_result_option_fields_error_code_void trailers_result;

static trailers_result get_trailers(guest *g, wasi_http_types_future_trailers *t) {
    trailers_result r = {0};
    EXPECT_OK(wasi_http_types_future_trailers_get(g, t, &r, NULL));
    return r;
}

TEST(a_body_is_read_by_one_stream) {
    guest g;
    tap t;
    start(&g);
    wasi_http_types_incoming_body *b = tap_body(&g, &t, "a-b.");
    wasi_io_streams_input_stream *s = input_of(&g, b);
    REQUIRE(s != NULL);
    EXPECT(input_of(&g, b) == NULL);
    static const char *const reads[] = {"a", "", "b"};
    wasi_io_streams_result_list_u8_stream_error r = {0};
    for (size_t i = 0; i < 3; i++) {
        EXPECT_OK(wasi_io_streams_input_stream_read(&g, s, 10, &r, NULL));
        EXPECT(!r.is_err);
        EXPECT_BYTES(r.ok, text(reads[i]));
    }
    EXPECT_OK(wasi_io_streams_input_stream_read(&g, s, 10, &r, NULL));
    EXPECT(r.is_err && r.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    guest_done(&g);
    EXPECT_EQ(t.refs, 0);
}

TEST(a_body_that_breaks_says_why) {
    guest g;
    tap t;
    start(&g);
    wasi_io_streams_input_stream *s = input_of(&g, tap_body(&g, &t, "!"));
    wasi_io_streams_result_list_u8_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_input_stream_read(&g, s, 10, &r, NULL));
    REQUIRE(r.is_err && r.err.tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    wasi_http_types_option_error_code code = {0};
    EXPECT_OK(wasi_http_types_http_error_code(&g, r.err.of.last_operation_failed, &code, NULL));
    EXPECT(code.some && code.value.tag == WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE);
    r.err.of.last_operation_failed->failure.origin = &wasi_io_streams_interface;
    EXPECT_OK(wasi_http_types_http_error_code(&g, r.err.of.last_operation_failed, &code, NULL));
    EXPECT(!code.some); // an error of somebody else has no such code
    guest_done(&g);
    EXPECT_EQ(t.refs, 0);
}

TEST(trailers_come_once_and_after_the_body) {
    guest g;
    tap t;
    start(&g);
    wasi_http_types_future_trailers *f = NULL;
    wasi_http_types_incoming_body *b = tap_body(&g, &t, "unread-rest.");
    t.trailers[0] = (http_header){text("Connection"), text("x")};
    t.trailers[1] = (http_header){text("X-Sum"), text("1")};
    t.trailer_count = 2;
    EXPECT_OK(wasi_http_types_incoming_body_finish(&g, b, &f, NULL));
    EXPECT(!get_trailers(&g, f).some); // it waits in the middle
    trailers_result r = get_trailers(&g, f);
    REQUIRE(r.some && !r.value.is_err && !r.value.ok.is_err && r.value.ok.ok.some);
    wasi_http_types_list_tuple_string_field_value list = {0};
    EXPECT_OK(wasi_http_types_fields_entries(&g, r.value.ok.ok.value, &list, NULL));
    EXPECT(list.count == 1 && slice_equal_text(list.items[0].f0, "X-Sum"));
    wasi_http_types_result_void_header_error changed = {0};
    EXPECT_OK(wasi_http_types_fields_append(&g, r.value.ok.ok.value, text("a"), text("b"), &changed, NULL));
    EXPECT(changed.is_err && changed.err.tag == WASI_HTTP_TYPES_HEADER_ERROR_IMMUTABLE);
    r = get_trailers(&g, f);
    EXPECT(r.some && r.value.is_err);
    guest_done(&g);
    EXPECT_EQ(t.refs, 0);
}

TEST(there_may_be_no_trailers) {
    guest g;
    tap t;
    start(&g);
    wasi_http_types_future_trailers *f = NULL;
    wasi_http_types_incoming_body *b = tap_body(&g, &t, ".");
    wasi_io_streams_input_stream *s = input_of(&g, b); // outlives the body
    EXPECT_OK(wasi_http_types_incoming_body_finish(&g, b, &f, NULL));
    trailers_result r = get_trailers(&g, f);
    EXPECT(r.some && !r.value.is_err && !r.value.ok.is_err && !r.value.ok.ok.some);
    wasi_io_streams_result_list_u8_stream_error read = {0};
    EXPECT_OK(wasi_io_streams_input_stream_read(&g, s, 10, &read, NULL));
    EXPECT(read.is_err);
    wasi_http_types_future_trailers_drop(NULL, f);
    guest_done(&g);
    EXPECT_EQ(t.refs, 0);
}

TEST(a_broken_body_has_no_trailers) {
    guest g;
    tap t;
    start(&g);
    wasi_http_types_future_trailers *f = NULL;
    EXPECT_OK(wasi_http_types_incoming_body_finish(&g, tap_body(&g, &t, "ab!"), &f, NULL));
    trailers_result r = get_trailers(&g, f);
    EXPECT(r.some && !r.value.is_err && r.value.ok.is_err);
    EXPECT_EQ(r.value.ok.err.tag, WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE);
    guest_done(&g);
    EXPECT_EQ(t.refs, 0);
}

// A sender that is faster than the guest must not keep the loop: what is left is dropped in parts.
TEST(waiting_for_trailers_drops_a_long_body) {
    guest g;
    tap t;
    start(&g);
    char script[1001];
    memset(script, 'x', 999);
    script[999] = '.';
    script[1000] = '\0';
    wasi_http_types_future_trailers *f = NULL;
    wasi_io_poll_pollable *p = NULL;
    EXPECT_OK(wasi_http_types_incoming_body_finish(&g, tap_body(&g, &t, script), &f, NULL));
    EXPECT_OK(wasi_http_types_future_trailers_subscribe(&g, f, &p, NULL));
    EXPECT_OK(wasi_io_poll_pollable_block(&g, p, NULL));
    EXPECT(g.suspends > 10);
    EXPECT(get_trailers(&g, f).some);
    guest_done(&g);
    EXPECT_EQ(t.refs, 0);
}
