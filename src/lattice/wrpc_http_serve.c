// SPDX-License-Identifier: Apache-2.0
// A call that came as a request over HTTP.
#include "base/mem.h"
#include "lattice/wrpc_http.h"
#include "lattice/wrpc_http_codec.h"

enum { BODY = 0, TRAILERS = 1, ARENA_BYTES_MAX = 1 << 20, HEADERS_EXTRA = 1 };

typedef struct http_serving {
    lattice_served *q;
    wrpc_http_serve_options options;
    arena memory; // of `request`
    wrpc_http_request request;
    http_call *call; // NULL before it was made, and after the end
    loop_soon soon;
    // Up: the body that came, for the client.
    wrpc_pieces pieces;
    buf held; // bytes that the client had no room for
    buf trailers;
    bool is_body_ended, are_trailers_ended, is_request_ended, is_paused;
    // Down: the response.
    buf piece;
    size_t piece_path;
    bool is_answered, is_body_read, is_down_done;
} http_serving;

// --- failures ----------------------------------------------------------------------------------------------

// Before there is a response it is an error-code, after it the streams end early.
static void fail(http_serving *s, uint32_t error_code, const char *why) {
    auto_buf out;
    wrpc_http_response r = {.is_error = true, .error_code = error_code, .error_text = slice_from_text(why)};
    err e;
    buf_init(&out, WRPC_HTTP_HEAD_BYTES_MAX);
    if (s->is_down_done) {
        return;
    }
    s->is_down_done = true;
    if (s->is_answered || wrpc_http_response_encode(&r, &out, &e) != STATUS_OK) {
        s->q->transport->fail(s->q, STATUS_CLOSED, why);
    } else {
        s->is_answered = true;
        s->q->transport->answer(s->q, buf_slice(&out));
    }
    http_call_free(s->call); // `why` may be the call's
    s->call = NULL;
}

static bool is_going(const http_serving *s) { return s->call != NULL && !s->is_down_done; }

// --- down: the response ------------------------------------------------------------------------------------

static bool answer(http_serving *s, const http_response *from) {
    auto_buf out;
    err e;
    wrpc_http_response r = {.status = from->status, .headers = {from->headers, from->header_count}};
    buf_init(&out, WRPC_HTTP_HEAD_BYTES_MAX);
    if (wrpc_http_response_encode(&r, &out, &e) != STATUS_OK) {
        fail(s, WRPC_HTTP_RESPONSE_HEADER_SECTION_SIZE, e.message);
        return false;
    }
    s->is_answered = true;
    s->q->transport->answer(s->q, buf_slice(&out));
    return true;
}

static bool put_piece(http_serving *s, slice bytes) {
    uint8_t head[WRPC_PIECE_HEAD_BYTES_MAX];
    size_t len = wrpc_piece_head((uint32_t)bytes.len, head);
    s->piece_path = BODY;
    return buf_append(&s->piece, slice_of(head, len)) == STATUS_OK &&
           buf_append(&s->piece, bytes) == STATUS_OK;
}

static bool put_trailers(http_serving *s) {
    wrpc_http_fields fields = {.count = 0};
    s->q->transport->end(s->q, BODY);
    fields.items = http_call_trailers(s->call, &fields.count);
    s->piece_path = TRAILERS;
    s->is_down_done = true;
    return wrpc_http_trailers_encode(fields, &s->piece, NULL) == STATUS_OK;
}

// The next piece of what goes down; false when there is none now.
static bool next_piece(http_serving *s) {
    slice bytes;
    if (s->is_body_read) {
        return put_trailers(s);
    }
    switch (http_call_read(s->call, WRPC_HTTP_CHUNK_BYTES_MAX, &bytes)) {
    case HTTP_BODY_DATA:
        return put_piece(s, bytes);
    case HTTP_BODY_END:
        s->is_body_read = true;
        return put_piece(s, slice_empty());
    case HTTP_BODY_FAILED:
        fail(s, WRPC_HTTP_RESPONSE_INCOMPLETE, http_call_failure_text(s->call));
        return false;
    case HTTP_BODY_WAIT:
        break;
    }
    return false;
}

static bool send_piece(http_serving *s) {
    if (s->piece.len > 0) {
        if (s->q->transport->write(s->q, s->piece_path, buf_slice(&s->piece)) != STATUS_OK) {
            return false; // on_room
        }
        buf_clear(&s->piece);
    }
    return true;
}

static void pump_down(http_serving *s) {
    while (is_going(s)) {
        const http_response *response = http_call_response(s->call);
        http_failure failure = http_call_failure(s->call);
        if (response == NULL && failure != HTTP_FAILURE_NONE) {
            fail(s, wrpc_http_error_of(failure), http_call_failure_text(s->call));
            return;
        }
        if (response == NULL || (!s->is_answered && !answer(s, response)) || !send_piece(s) ||
            !next_piece(s)) {
            return;
        }
    }
}

// The trailers are made, and only they are left.
static void finish_down(http_serving *s) {
    if (s->is_down_done && s->piece.len > 0 && send_piece(s)) {
        s->q->transport->end(s->q, TRAILERS);
    }
}

// --- up: the request ---------------------------------------------------------------------------------------

static bool write_some(http_serving *s, slice *bytes) {
    err e;
    while (bytes->len > 0) {
        slice now = slice_sub(*bytes, 0, http_call_may_write(s->call) ? http_call_room(s->call) : SIZE_MAX);
        if (now.len == 0) {
            break;
        }
        if (http_call_may_write(s->call) && http_call_write(s->call, now, &e) != STATUS_OK) {
            return false; // its failure says so
        }
        *bytes = slice_sub(*bytes, now.len, bytes->len); // what is not wanted any more is dropped
    }
    return true;
}

static void pause(http_serving *s, bool is_paused) {
    if (s->is_paused != is_paused) {
        s->is_paused = is_paused;
        s->q->transport->pause(s->q, is_paused);
    }
}

static void write_held(http_serving *s) {
    slice rest = buf_slice(&s->held);
    if (s->call != NULL && rest.len > 0 && write_some(s, &rest)) {
        buf_consume(&s->held, s->held.len - rest.len);
    }
    if (s->call != NULL && s->held.len == 0) {
        pause(s, false);
    }
}

static bool wants_trailers(const http_serving *s) {
    return http_header_find(s->request.headers.items, s->request.headers.count, "trailer") != NULL;
}

static void end_request(http_serving *s) {
    wrpc_http_fields trailers = {NULL, 0};
    bool is_ready = s->is_body_ended && s->held.len == 0 && (s->are_trailers_ended || !wants_trailers(s));
    if (!is_ready || s->is_request_ended || !is_going(s)) {
        return;
    }
    s->is_request_ended = true;
    if (!http_call_may_write(s->call)) {
        return;
    }
    if (s->are_trailers_ended && s->trailers.len > 0 &&
        wrpc_http_trailers_decode(buf_slice(&s->trailers), &s->memory, &trailers, NULL) != STATUS_OK) {
        fail(s, WRPC_HTTP_PROTOCOL_ERROR, "the trailers of the request are malformed");
        return;
    }
    http_call_end(s->call, trailers.items, trailers.count);
}

static void on_progress(void *arg) {
    http_serving *s = arg;
    loop_soon_add(s->options.loop, &s->soon);
}

static void pump(void *arg) {
    http_serving *s = arg;
    write_held(s);
    end_request(s);
    pump_down(s);
    finish_down(s);
}

static int64_t length_of(wrpc_http_fields headers) {
    const http_header *h = http_header_find(headers.items, headers.count, "content-length");
    uint64_t length;
    return h != NULL && slice_to_u64(h->value, &length) && length <= INT64_MAX ? (int64_t)length : -1;
}

// `is_empty`: the body has come, and there is nothing in it.
static void make_call(http_serving *s, bool is_empty) {
    const wrpc_http_request *q = &s->request;
    int64_t length = length_of(q->headers);
    bool is_https = slice_equal_text(q->scheme, "https");
    http_call_request r = {
        .method = q->method,
        .is_https = is_https && !s->options.is_inside,
        .authority = q->authority.len > 0 ? q->authority : slice_from_text("localhost"),
        .path_with_query = q->path,
        .headers = q->headers.items,
        .header_count = q->headers.count,
        .has_body = !is_empty && length != 0,
        .content_length = is_empty ? 0 : length,
        .connect_ns = q->connect_ns,
        .first_byte_ns = q->first_byte_ns,
        .between_bytes_ns = q->between_bytes_ns,
    };
    err e;
    status code = http_call_new(s->options.client, &r, on_progress, s, &s->call, &e);
    if (code != STATUS_OK) {
        s->call = NULL;
        fail(s, code == STATUS_LIMIT ? WRPC_HTTP_CONNECTION_LIMIT_REACHED : WRPC_HTTP_INTERNAL_ERROR,
             e.message);
    }
}

// Whether there is a body is said by its length, or by what comes first on its path.
static bool is_body_unknown(const http_serving *s) {
    static const char *const without[] = {"GET", "HEAD", "OPTIONS", "TRACE", "DELETE"};
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
        if (slice_equal_text(s->request.method, without[i])) {
            return length_of(s->request.headers) < 0;
        }
    }
    return false;
}

static void write_body(http_serving *s, slice bytes) {
    if (s->call == NULL && !s->is_down_done) {
        make_call(s, false);
    }
    if (!is_going(s) || (s->held.len == 0 && (!write_some(s, &bytes) || bytes.len == 0))) {
        return;
    }
    if (buf_append(&s->held, bytes) != STATUS_OK) {
        fail(s, WRPC_HTTP_INTERNAL_ERROR, "the body of the request comes faster than it is taken");
        return;
    }
    pause(s, true);
}

static void on_body(http_serving *s, slice bytes) {
    while (bytes.len > 0 && !s->is_down_done) {
        slice run;
        if (wrpc_pieces_read(&s->pieces, &bytes, &run) != STATUS_OK) {
            fail(s, WRPC_HTTP_PROTOCOL_ERROR, "the body of the request is malformed");
            return;
        }
        if (run.len > 0) {
            write_body(s, run);
        }
    }
}

static void on_data(lattice_served *q, size_t up_path, slice bytes) {
    http_serving *s = q->data;
    if (up_path == BODY) {
        on_body(s, bytes);
    } else if (buf_append(&s->trailers, bytes) != STATUS_OK) {
        fail(s, WRPC_HTTP_PROTOCOL_ERROR, "the trailers of the request are too long");
    }
}

static void on_end(lattice_served *q, size_t up_path) {
    http_serving *s = q->data;
    if (up_path == TRAILERS) {
        s->are_trailers_ended = true;
    } else if (!s->is_body_ended && !s->pieces.is_ended) {
        if (s->call != NULL) {
            http_call_abort(s->call);
        }
        fail(s, WRPC_HTTP_PROTOCOL_ERROR, "the body of the request ended too early");
        return;
    } else {
        s->is_body_ended = true;
    }
    if (s->is_body_ended && s->call == NULL && !s->is_down_done) {
        make_call(s, true);
    }
    end_request(s);
}

static void on_room(lattice_served *q, size_t down_path) {
    (void)down_path;
    pump(q->data);
}

static void on_ended(lattice_served *q, status code) {
    http_serving *s = q->data;
    (void)code;
    http_call_free(s->call);
    loop_soon_cancel(&s->soon);
    arena_done(&s->memory);
    buf_done(&s->held);
    buf_done(&s->trailers);
    buf_done(&s->piece);
    mem_free(s);
}

static const lattice_served_ops served_ops = {on_data, on_end, on_room, on_ended};

// --- the beginning -----------------------------------------------------------------------------------------

// A worker that is called inside sees the scheme of the request only here.
static bool add_scheme(http_serving *s) {
    wrpc_http_fields *f = &s->request.headers;
    if (!s->options.is_inside || !s->request.has_scheme) {
        return true;
    }
    http_header *items = ARENA_ARRAY(&s->memory, http_header, f->count + HEADERS_EXTRA);
    if (items == NULL) {
        return false;
    }
    size_t count = 0;
    slice name = slice_from_text("x-forwarded-proto");
    for (size_t i = 0; i < f->count; i++) {
        if (!slice_equal_nocase(f->items[i].name, name)) {
            items[count++] = f->items[i];
        }
    }
    items[count++] = (http_header){name, s->request.scheme};
    *f = (wrpc_http_fields){items, count};
    return true;
}

static void start_inline(http_serving *s) {
    if (s->request.trailers.is_there) {
        s->are_trailers_ended = true;
    }
    if (s->request.body.is_there) {
        make_call(s, false);
        write_body(s, s->request.body.body);
        s->is_body_ended = true;
        end_request(s);
    } else if (!is_body_unknown(s)) {
        make_call(s, false);
    }
}

void wrpc_http_serve(lattice_served *q, const wrpc_http_serve_options *options) {
    http_serving *s = MEM_NEW(http_serving);
    err e;
    bool is_out;
    s->q = q;
    s->options = *options;
    q->ops = &served_ops;
    q->data = s;
    loop_soon_init(&s->soon, pump, s);
    arena_init(&s->memory, ARENA_BYTES_MAX);
    buf_init(&s->held, LATTICE_PARAMS_BYTES_MAX * 2);
    buf_init(&s->trailers, WRPC_HTTP_HEAD_BYTES_MAX);
    buf_init(&s->piece, WRPC_HTTP_HEAD_BYTES_MAX);
    (void)wrpc_http_is(q->invocation.instance, q->invocation.function, &is_out);
    if (wrpc_http_request_decode(q->invocation.params, is_out, &s->memory, &s->request, &e) != STATUS_OK) {
        fail(s, WRPC_HTTP_PROTOCOL_ERROR, e.message);
    } else if (!add_scheme(s)) {
        fail(s, WRPC_HTTP_INTERNAL_ERROR, "no memory for a request");
    } else {
        start_inline(s);
    }
}
