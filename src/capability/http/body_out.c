// SPDX-License-Identifier: Apache-2.0
// Bodies that go out. While nothing waits in the outflow, a write goes from the guest's memory to the
// connection.
#include "base/mem.h"
#include "capability/http/http_internal.h"

struct wasi_http_types_outgoing_body {
    wasi_resource base;
    http_outflow *outflow;
    bool is_stream_taken;
};

typedef struct body_stream {
    wasi_io_streams_output_stream stream; // first
    http_outflow *outflow;
} body_stream;

// --- the way to the target ---------------------------------------------------------------------------------

http_outflow *http_outflow_new(wasi_instance *i, bool is_request, int64_t content_length) {
    http_outflow *o = MEM_NEW(http_outflow);
    o->refs = 1;
    o->account = http_account_ref(http_account_of(i));
    o->is_request = is_request;
    o->content_length = content_length;
    buf_init(&o->unsent, HTTP_UNSENT_BYTES_MAX);
    return o;
}

// After bytes have left `unsent`.
static void settle(http_outflow *o) {
    http_account_refund(o->account, o->charged - o->unsent.len);
    o->charged = o->unsent.len;
}

static http_outflow *outflow_ref(http_outflow *o) {
    o->refs++;
    return o;
}

void http_outflow_unref(http_outflow *o) {
    if (o != NULL && --o->refs == 0) {
        buf_done(&o->unsent);
        settle(o);
        http_account_unref(o->account);
        http_fields_unref(o->trailers);
        mem_free(o);
    }
}

static void abort_outflow(http_outflow *o) {
    http_target *t = o->target;
    if (o->state == HTTP_OUTFLOW_DONE || o->state == HTTP_OUTFLOW_ABORTED) {
        return;
    }
    o->state = HTTP_OUTFLOW_ABORTED;
    buf_done(&o->unsent);
    settle(o);
    o->target = NULL;
    if (t != NULL) {
        t->ops->abort(t);
    }
}

static void finish_target(http_outflow *o) {
    http_target *t = o->target;
    size_t count = o->trailers == NULL ? 0 : o->trailers->count;
    if (count > 0 && t->ops->room(t) == 0) {
        return; // trailers need room too
    }
    o->state = HTTP_OUTFLOW_DONE;
    if (t->ops->finish(t, count == 0 ? NULL : o->trailers->items, count, NULL) != STATUS_OK) {
        o->state = HTTP_OUTFLOW_ABORTED;
    }
}

void http_outflow_push(http_outflow *o) {
    http_target *t = o->target;
    if (t == NULL) {
        return;
    }
    while (o->unsent.len > 0) {
        size_t room = t->ops->room(t);
        if (room == 0) {
            return;
        }
        size_t n = o->unsent.len < room ? o->unsent.len : room;
        if (t->ops->write(t, slice_of(o->unsent.data, n), NULL) != STATUS_OK) {
            abort_outflow(o);
            return;
        }
        buf_consume(&o->unsent, n);
        settle(o);
    }
    if (o->state == HTTP_OUTFLOW_FINISHED) {
        finish_target(o);
    }
}

void http_outflow_attach(http_outflow *o, http_target *t) {
    if (o->state == HTTP_OUTFLOW_ABORTED) {
        t->ops->abort(t);
        return;
    }
    o->target = t;
    http_outflow_push(o);
    if (o->unsent.len == 0) {
        buf_done(&o->unsent);
        buf_init(&o->unsent, HTTP_UNSENT_BYTES_MAX);
    }
}

void http_outflow_detach(http_outflow *o) {
    if (o->target != NULL) {
        o->target = NULL;
        if (o->state != HTTP_OUTFLOW_DONE) {
            o->state = HTTP_OUTFLOW_ABORTED;
        }
    }
}

void http_outflow_message_gone(http_outflow *o) {
    if (o != NULL && o->target == NULL) {
        abort_outflow(o);
    }
    http_outflow_unref(o);
}

// --- the stream --------------------------------------------------------------------------------------------

static http_outflow *outflow_of(wasi_io_streams_output_stream *s) {
    return ((body_stream *)(void *)s)->outflow;
}

static bool is_gone(const http_outflow *o) {
    return o->state == HTTP_OUTFLOW_ABORTED || (o->target != NULL && !o->target->ops->is_open(o->target));
}

static uint64_t permit(http_outflow *o) {
    if (o->target == NULL) {
        size_t left = HTTP_UNSENT_BYTES_MAX - o->unsent.len;
        left = left < http_account_left(o->account) ? left : http_account_left(o->account);
        return left < HTTP_WRITE_BYTES_MAX ? left : HTTP_WRITE_BYTES_MAX;
    }
    http_outflow_push(o);
    if (o->target == NULL || o->unsent.len > 0) {
        return 0;
    }
    size_t room = o->target->ops->room(o->target);
    return room < HTTP_WRITE_BYTES_MAX ? room : HTTP_WRITE_BYTES_MAX;
}

static wasi_io_state stream_check_write(wasi_io_streams_output_stream *s, uint64_t *ret,
                                        wasi_failure *failure) {
    http_outflow *o = outflow_of(s);
    if (is_gone(o)) {
        return wasi_fail(failure, &wasi_http_types_interface,
                         WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED, "the peer is gone");
    }
    if (o->state != HTTP_OUTFLOW_OPEN) {
        return WASI_IO_CLOSED;
    }
    *ret = permit(o);
    return WASI_IO_OK;
}

static wasi_io_state stream_write(wasi_io_streams_output_stream *s, slice bytes, wasi_failure *failure) {
    http_outflow *o = outflow_of(s);
    if (o->content_length >= 0 && bytes.len > (uint64_t)o->content_length - o->written) {
        uint32_t code = o->is_request ? WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE
                                      : WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_BODY_SIZE;
        return wasi_fail(failure, &wasi_http_types_interface, code,
                         "the body is longer than its content-length");
    }
    o->written += bytes.len;
    status written = STATUS_OK;
    if (o->target != NULL && o->unsent.len == 0) {
        written = o->target->ops->write(o->target, bytes, NULL);
    } else {
        written = http_account_charge(o->account, bytes.len) ? STATUS_OK : STATUS_LIMIT;
        o->charged += written == STATUS_OK ? bytes.len : 0;
        written = written == STATUS_OK ? buf_append(&o->unsent, bytes) : written;
    }
    if (written != STATUS_OK) {
        return wasi_fail(failure, &wasi_http_types_interface,
                         WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED, "the peer is gone");
    }
    return WASI_IO_OK;
}

static bool stream_ready(wasi_io_streams_output_stream *s) {
    http_outflow *o = outflow_of(s);
    return o->state != HTTP_OUTFLOW_OPEN || is_gone(o) || permit(o) > 0;
}

// Asking for room has armed it already. A body that nobody will send while the guest waits here cannot move:
// WASI leaves that to the guest, and its deadline ends it.
static status stream_arm(wasi_io_streams_output_stream *s, err *e) {
    (void)s, (void)e;
    return STATUS_OK;
}

static void free_stream(wasi_resource *r) {
    body_stream *s = (body_stream *)(void *)r;
    http_outflow_unref(s->outflow);
    mem_free(s);
}

// No flush: what was written leaves at the latest at the end of the loop's turn, which is now when the guest
// waits.
static const wasi_output_ops stream_ops = {
    .check_write = stream_check_write, .write = stream_write, .ready = stream_ready, .arm = stream_arm};
static const wasi_resource_ops stream_resource_ops = {.free = free_stream};

// --- outgoing-body -----------------------------------------------------------------------------------------

static void drop_body(wasi_resource *r) {
    http_outflow *o = ((wasi_http_types_outgoing_body *)(void *)r)->outflow;
    if (o->state == HTTP_OUTFLOW_OPEN) {
        abort_outflow(o);
    }
}

static void free_body(wasi_resource *r) {
    wasi_http_types_outgoing_body *b = (wasi_http_types_outgoing_body *)(void *)r;
    http_outflow_unref(b->outflow);
    mem_free(b);
}

static const wasi_resource_ops body_ops = {.drop = drop_body, .free = free_body};

status http_outgoing_body_new(wasi_instance *i, http_outflow *o, wasi_http_types_outgoing_body **ret,
                              err *e) {
    wasi_http_types_outgoing_body *b =
        WASI_NEW(i, wasi_http_types_outgoing_body, &body_ops, WASI_CLASS_OTHER, NULL, e);
    if (b == NULL) {
        return STATUS_LIMIT;
    }
    b->outflow = outflow_ref(o);
    *ret = b;
    return STATUS_OK;
}

void wasi_http_types_outgoing_body_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_http_types_outgoing_body *)rep)->base);
}

status wasi_http_types_outgoing_body_write(host_call *call, wasi_http_types_outgoing_body *self,
                                           wasi_http_types_result_output_stream_void *ret, err *e) {
    ret->is_err = self->is_stream_taken;
    if (ret->is_err) {
        return STATUS_OK;
    }
    body_stream *s = MEM_NEW(body_stream);
    status made =
        wasi_output_stream_init(&s->stream, wasi_of(call), &stream_resource_ops, &stream_ops, &self->base, e);
    if (made != STATUS_OK) {
        mem_free(s);
        return made;
    }
    s->outflow = outflow_ref(self->outflow);
    self->is_stream_taken = true;
    ret->ok = &s->stream;
    return STATUS_OK;
}

static wasi_http_types_error_code wrong_length(const http_outflow *o) {
    wasi_http_types_error_code code = {0};
    if (o->is_request) {
        code.tag = WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE;
        code.of.HTTP_request_body_size = (wasi_http_types_option_u64){true, o->written};
    } else {
        code.tag = WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_BODY_SIZE;
        code.of.HTTP_response_body_size = (wasi_http_types_option_u64){true, o->written};
    }
    return code;
}

status wasi_http_types_outgoing_body_finish(host_call *call, wasi_http_types_outgoing_body *this,
                                            const wasi_http_types_option_fields *trailers,
                                            wasi_http_types_result_void_error_code *ret, err *e) {
    (void)call, (void)e;
    http_outflow *o = this->outflow;
    http_fields *list = trailers->some ? http_fields_take(trailers->value) : NULL;
    ret->is_err = false;
    if (o->content_length >= 0 && o->written != (uint64_t)o->content_length) {
        ret->is_err = true;
        ret->err = wrong_length(o);
        http_fields_unref(list);
        abort_outflow(o);
    } else if (is_gone(o)) {
        ret->is_err = true;
        ret->err = http_error(WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED);
        http_fields_unref(list);
    } else {
        o->state = HTTP_OUTFLOW_FINISHED;
        o->trailers = list;
        http_outflow_push(o);
    }
    wasi_resource_drop(&this->base);
    return STATUS_OK;
}
