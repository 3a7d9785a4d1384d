// SPDX-License-Identifier: Apache-2.0
// A request that came over HTTP as a call.
#include <stdio.h>

#include "base/mem.h"
#include "lattice/wrpc_http.h"
#include "lattice/wrpc_http_codec.h"

enum { BODY = 0, TRAILERS = 1, ARENA_BYTES_MAX = 1 << 20, WHY_BYTES_MAX = 512 };

struct wrpc_http_forward {
    lattice_call call; // in front: see lattice_call
    wrpc_http_forward_options options;
    http_exchange *x; // NULL: answered and released
    buf names;        // what the invocation points at
    buf params;
    // Up: the request's body, as pieces.
    buf piece; // made, and not yet taken by the transport
    size_t piece_path;
    bool is_body_read, is_up_done;
    // Down: the response's.
    wrpc_pieces pieces;
    buf held;     // bytes for a client that takes no more now
    buf trailers; // as they came
    bool is_started, is_body_ended, are_trailers_ended;
    bool is_paused;
    // The end.
    status outcome;
    char why[ERR_MESSAGE_BYTES_MAX];
    loop_soon soon;
};

static wrpc_http_forward *forward_of(lattice_call *c) { return (wrpc_http_forward *)(void *)c; }

// --- the end -----------------------------------------------------------------------------------------------

static void free_forward(wrpc_http_forward *f) {
    loop_soon_cancel(&f->soon);
    buf_done(&f->names);
    buf_done(&f->params);
    buf_done(&f->piece);
    buf_done(&f->held);
    buf_done(&f->trailers);
    mem_free(f);
}

static void tell_end(void *arg) {
    wrpc_http_forward *f = arg;
    if (f->options.ended != NULL) {
        f->options.ended(f->options.arg, f->outcome, f->why);
    }
    free_forward(f);
}

static void finish(wrpc_http_forward *f, status code, const char *why) {
    if (f->x == NULL) {
        return;
    }
    http_exchange_release(f->x);
    f->x = NULL;
    lattice_call_cancel(&f->call);
    f->outcome = code;
    snprintf(f->why, sizeof f->why, "%s", why);
    loop_soon_add(f->options.loop, &f->soon);
}

static bool is_outgoing(const wrpc_http_forward *f) {
    return slice_equal_text(f->call.invocation.instance, WRPC_HTTP_OUTGOING);
}

static const char error_field[] = "writ-http-error";
enum { NO_ERROR = UINT32_MAX };

// `error`: an error-code that is told, or NO_ERROR.
static void answer_failure(http_exchange *x, unsigned number, uint32_t error) {
    char text[128], told[64];
    int len = snprintf(text, sizeof text, "%s\n", http_reason(number));
    int told_len = snprintf(told, sizeof told, "%u %s", error, wrpc_http_error_name(error));
    http_header headers[2] = {{SLICE_LITERAL("content-type"), SLICE_LITERAL("text/plain")},
                              {slice_from_text(error_field), slice_of(told, (size_t)told_len)}};
    status s = http_exchange_reply(x, (uint16_t)number, headers, error != NO_ERROR ? 2 : 1,
                                   slice_of(text, (size_t)len), NULL);
    (void)s; // the client is gone
}

static unsigned status_number(status code) {
    switch (code) {
    case STATUS_DENIED:
        return 403;
    case STATUS_LIMIT:
        return 503;
    case STATUS_TIMEOUT:
        return 504;
    default:
        return 502;
    }
}

// Of a call that had no response.
static uint32_t error_of(status code) {
    switch (code) {
    case STATUS_DENIED:
        return WRPC_HTTP_REQUEST_DENIED;
    case STATUS_LIMIT:
        return WRPC_HTTP_CONNECTION_LIMIT_REACHED;
    case STATUS_TIMEOUT:
        return WRPC_HTTP_RESPONSE_TIMEOUT;
    case STATUS_NOT_FOUND:
        return WRPC_HTTP_DESTINATION_UNAVAILABLE;
    case STATUS_INVALID:
        return WRPC_HTTP_PROTOCOL_ERROR;
    default:
        return WRPC_HTTP_CONNECTION_TERMINATED;
    }
}

void wrpc_http_refuse(http_exchange *x, status why) {
    answer_failure(x, status_number(why), error_of(why));
    http_exchange_release(x);
}

static void fail(wrpc_http_forward *f, status code, const char *why) {
    if (f->x == NULL) {
        return;
    }
    if (f->is_started) {
        http_exchange_abort(f->x);
    } else {
        answer_failure(f->x, status_number(code), is_outgoing(f) ? error_of(code) : NO_ERROR);
    }
    finish(f, code, why);
}

// --- up ----------------------------------------------------------------------------------------------------

static bool is_calling(const wrpc_http_forward *f) { return f->x != NULL && f->call.transport != NULL; }

static bool put_piece(wrpc_http_forward *f, slice bytes) {
    uint8_t head[WRPC_PIECE_HEAD_BYTES_MAX];
    size_t len = wrpc_piece_head((uint32_t)bytes.len, head);
    f->piece_path = BODY;
    return buf_append(&f->piece, slice_of(head, len)) == STATUS_OK &&
           buf_append(&f->piece, bytes) == STATUS_OK;
}

static bool put_trailers(wrpc_http_forward *f) {
    wrpc_http_fields fields = {.count = 0};
    lattice_call_end(&f->call, BODY);
    fields.items = http_exchange_trailers(f->x, &fields.count);
    f->piece_path = TRAILERS;
    f->is_up_done = true;
    return wrpc_http_trailers_encode(fields, &f->piece, NULL) == STATUS_OK;
}

// The next piece of what goes up; false when there is none now.
static bool next_piece(wrpc_http_forward *f) {
    slice bytes;
    if (f->is_up_done) {
        lattice_call_end(&f->call, TRAILERS);
        return false;
    }
    if (f->is_body_read) {
        return put_trailers(f);
    }
    switch (http_exchange_read(f->x, WRPC_HTTP_CHUNK_BYTES_MAX, &bytes)) {
    case HTTP_BODY_DATA:
        return put_piece(f, bytes);
    case HTTP_BODY_END:
        f->is_body_read = true;
        return put_piece(f, slice_empty());
    case HTTP_BODY_FAILED:
        fail(f, STATUS_CLOSED, "the client did not send all of its request");
        return false;
    case HTTP_BODY_WAIT:
        break;
    }
    return false;
}

static void pump_up(wrpc_http_forward *f) {
    while (is_calling(f)) {
        if (f->piece.len > 0) {
            if (lattice_call_write(&f->call, f->piece_path, buf_slice(&f->piece)) != STATUS_OK) {
                return; // on_room
            }
            buf_clear(&f->piece);
        }
        if (!next_piece(f)) {
            return;
        }
    }
}

// --- down --------------------------------------------------------------------------------------------------

static bool is_complete(const wrpc_http_forward *f) {
    return f->x != NULL && f->is_started && f->is_body_ended && f->are_trailers_ended && f->held.len == 0;
}

static void finish_if_complete(wrpc_http_forward *f) {
    auto_arena memory;
    wrpc_http_fields trailers = {NULL, 0};
    err e;
    arena_init(&memory, ARENA_BYTES_MAX);
    if (!is_complete(f)) {
        return;
    }
    if (wrpc_http_trailers_decode(buf_slice(&f->trailers), &memory, &trailers, &e) != STATUS_OK) {
        fail(f, STATUS_INVALID, e.message);
        return;
    }
    status s = http_exchange_end(f->x, trailers.items, trailers.count, &e);
    finish(f, s, s == STATUS_OK ? "" : e.message);
}

static void pause(wrpc_http_forward *f, bool is_paused) {
    if (f->is_paused != is_paused && f->call.transport != NULL) {
        lattice_call_pause(&f->call, is_paused);
    }
    f->is_paused = is_paused;
}

static bool write_some(wrpc_http_forward *f, slice *bytes) {
    err e;
    while (bytes->len > 0) {
        slice now = slice_sub(*bytes, 0, http_exchange_room(f->x));
        if (now.len == 0) {
            return true;
        }
        status s = http_exchange_write(f->x, now, &e);
        if (s != STATUS_OK) {
            fail(f, s, e.message);
            return false;
        }
        *bytes = slice_sub(*bytes, now.len, bytes->len);
    }
    return true;
}

static void write_held(wrpc_http_forward *f) {
    slice rest = buf_slice(&f->held);
    if (rest.len > 0 && write_some(f, &rest)) {
        buf_consume(&f->held, f->held.len - rest.len);
    }
}

static void write_body(wrpc_http_forward *f, slice bytes) {
    if ((f->held.len == 0 && !write_some(f, &bytes)) || bytes.len == 0) {
        return;
    }
    if (buf_append(&f->held, bytes) != STATUS_OK) {
        fail(f, STATUS_LIMIT, "the client does not take its response");
        return;
    }
    pause(f, true);
}

static void on_body(wrpc_http_forward *f, slice bytes) {
    while (f->x != NULL && bytes.len > 0) {
        slice run;
        if (wrpc_pieces_read(&f->pieces, &bytes, &run) != STATUS_OK) {
            fail(f, STATUS_INVALID, "the body of the response is malformed");
            return;
        }
        write_body(f, run);
    }
}

static void on_data(lattice_call *c, size_t path, slice bytes) {
    wrpc_http_forward *f = forward_of(c);
    if (path == BODY) {
        on_body(f, bytes);
    } else if (buf_append(&f->trailers, bytes) != STATUS_OK) {
        fail(f, STATUS_LIMIT, "the trailers of the response are too long");
    }
}

static void on_end(lattice_call *c, size_t path) {
    wrpc_http_forward *f = forward_of(c);
    if (path == TRAILERS) {
        f->are_trailers_ended = true;
    } else if (f->pieces.is_ended || f->is_body_ended) {
        f->is_body_ended = true;
    } else {
        fail(f, STATUS_CLOSED, "the response ended too early");
        return;
    }
    finish_if_complete(f);
}

static int64_t length_of(wrpc_http_fields headers) {
    const http_header *h = http_header_find(headers.items, headers.count, "content-length");
    uint64_t length;
    return h != NULL && slice_to_u64(h->value, &length) && length <= INT64_MAX ? (int64_t)length : -1;
}

// Only an answer of ours has it, for whoever takes its word.
static bool drop_error_field(arena *memory, wrpc_http_fields *headers) {
    http_header *kept = ARENA_ARRAY(memory, http_header, headers->count + 1);
    size_t count = 0;
    for (size_t i = 0; kept != NULL && i < headers->count; i++) {
        if (!slice_equal_nocase(headers->items[i].name, slice_from_text(error_field))) {
            kept[count++] = headers->items[i];
        }
    }
    *headers = (wrpc_http_fields){kept, count};
    return kept != NULL;
}

static void start_response(wrpc_http_forward *f, const wrpc_http_response *r) {
    err e;
    http_response_head head = {r->status, r->headers.items, r->headers.count, length_of(r->headers)};
    status s = http_exchange_start(f->x, &head, &e);
    if (s == STATUS_OK && r->trailers.is_there) {
        f->are_trailers_ended = true;
        s = wrpc_http_trailers_encode(r->trailers.trailers, &f->trailers, &e);
    }
    if (s != STATUS_OK) {
        fail(f, s, e.message);
        return;
    }
    f->is_started = true;
    if (r->body.is_there) {
        f->is_body_ended = true;
        write_body(f, r->body.body);
    }
    finish_if_complete(f);
}

static void on_results(lattice_call *c, slice results) {
    wrpc_http_forward *f = forward_of(c);
    auto_arena memory;
    wrpc_http_response r;
    err e;
    arena_init(&memory, ARENA_BYTES_MAX);
    if (wrpc_http_response_decode(results, &memory, &r, &e) != STATUS_OK) {
        fail(f, STATUS_INVALID, e.message);
    } else if (!drop_error_field(&memory, &r.headers)) {
        fail(f, STATUS_LIMIT, "no memory for a response");
    } else if (r.is_error) {
        char why[WHY_BYTES_MAX];
        const char *name = wrpc_http_error_name(r.error_code);
        snprintf(why, sizeof why, "%s %.*s", name, SLICE_ARG(r.error_text));
        answer_failure(f->x, wrpc_http_error_status(r.error_code), is_outgoing(f) ? r.error_code : NO_ERROR);
        finish(f, STATUS_OK, why);
    } else {
        start_response(f, &r);
    }
}

static void on_room(lattice_call *c, size_t path) {
    (void)path;
    pump_up(forward_of(c));
}

static void on_ended(lattice_call *c, status code, const err *e) {
    if (code != STATUS_OK) {
        fail(forward_of(c), code, e->message);
    }
}

static const lattice_call_ops call_ops = {on_results, on_data, on_end, on_room, on_ended};

// --- the client --------------------------------------------------------------------------------------------

static void on_readable(void *arg) { pump_up(arg); }

static void on_writable(void *arg) {
    wrpc_http_forward *f = arg;
    write_held(f);
    if (f->x != NULL && f->held.len == 0) {
        pause(f, false);
        finish_if_complete(f);
    }
}

static void on_abort(void *arg) { finish(arg, STATUS_CLOSED, "the client is gone"); }

static const http_exchange_ops exchange_ops = {on_readable, on_writable, on_abort};

// --- the beginning -----------------------------------------------------------------------------------------

static status encode(wrpc_http_forward *f, err *e) {
    const http_request *q = http_exchange_request(f->x);
    const char *scheme = f->options.is_https ? "https" : "http";
    wrpc_http_request r = {
        .method = q->method,
        .path = q->path_with_query,
        .has_scheme = true,
        .scheme = q->scheme.len > 0 ? q->scheme : slice_from_text(scheme),
        .authority = q->authority,
        .headers = {q->headers, q->header_count},
        .has_options = is_outgoing(f),
        .connect_ns = f->options.connect_ns,
        .first_byte_ns = f->options.first_byte_ns,
        .between_bytes_ns = f->options.between_bytes_ns,
    };
    return wrpc_http_request_encode(&r, &f->params, e);
}

static status start_call(wrpc_http_forward *f, err *e) {
    TRY(encode(f, e));
    f->call.invocation.params = buf_slice(&f->params);
    return lattice_call_start(f->options.transport, &f->call, e);
}

lattice_paths wrpc_http_paths(void) { return (lattice_paths){{"0.0", "0.1"}, 2}; }

bool wrpc_http_is(slice instance, slice function, bool *ret_is_outgoing) {
    *ret_is_outgoing = slice_equal_text(instance, WRPC_HTTP_OUTGOING);
    return (*ret_is_outgoing || slice_equal_text(instance, WRPC_HTTP_INCOMING)) &&
           slice_equal_text(function, WRPC_HTTP_FUNCTION);
}

void wrpc_http_forward_start(http_exchange *x, const wrpc_http_forward_options *options,
                             wrpc_http_forward **ret) {
    wrpc_http_forward *f = MEM_NEW(wrpc_http_forward);
    err e;
    f->x = x;
    f->options = *options;
    f->call.ops = &call_ops;
    f->call.invocation = lattice_invocation_keep(&options->invocation, &f->names);
    f->call.invocation.function = slice_from_text(WRPC_HTTP_FUNCTION);
    f->call.up = f->call.down = wrpc_http_paths();
    f->call.has_results = true;
    loop_soon_init(&f->soon, tell_end, f);
    buf_init(&f->params, WRPC_HTTP_HEAD_BYTES_MAX);
    buf_init(&f->piece, WRPC_HTTP_HEAD_BYTES_MAX);
    buf_init(&f->held, LATTICE_PARAMS_BYTES_MAX * 2);
    buf_init(&f->trailers, WRPC_HTTP_HEAD_BYTES_MAX);
    http_exchange_bind(x, &exchange_ops, f);
    if (ret != NULL) {
        *ret = f;
    }
    status s = start_call(f, &e);
    if (s != STATUS_OK) {
        fail(f, s, e.message);
        return;
    }
    pump_up(f);
}

void wrpc_http_forward_cancel(wrpc_http_forward *f) {
    if (f->x != NULL) {
        http_exchange_abort(f->x);
        http_exchange_release(f->x);
        lattice_call_cancel(&f->call);
    }
    free_forward(f);
}
