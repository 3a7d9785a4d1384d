// SPDX-License-Identifier: Apache-2.0
// Bodies that come in: incoming-body, its stream, and the trailers after it. The stream hands out the bytes
// where the connection received them.
#include "base/mem.h"
#include "capability/http/http_internal.h"
#include "loop/loop.h"

struct wasi_http_types_incoming_body {
    wasi_resource base;
    http_source *source;
    bool is_stream_taken;
};

typedef struct body_stream {
    wasi_io_streams_input_stream stream; // first
    http_source *source;
} body_stream;

struct wasi_http_types_future_trailers {
    wasi_resource base;
    http_source *source;
    loop_soon again; // to go on dropping what is left of the body
    bool is_taken;
};

// --- the stream --------------------------------------------------------------------------------------------

static http_source *source_of(wasi_io_streams_input_stream *s) { return ((body_stream *)(void *)s)->source; }

static wasi_io_state stream_read(wasi_io_streams_input_stream *s, size_t max, slice *ret,
                                 wasi_failure *failure) {
    http_source *source = source_of(s);
    switch (source->ops->read(source, max, ret)) {
    case HTTP_BODY_DATA:
        return WASI_IO_OK;
    case HTTP_BODY_WAIT:
        *ret = slice_empty();
        return WASI_IO_OK;
    case HTTP_BODY_END:
        return WASI_IO_CLOSED;
    default:
        return wasi_fail(failure, &wasi_http_types_interface, source->ops->failure(source).tag,
                         "the body ended before it was complete");
    }
}

static bool stream_ready(wasi_io_streams_input_stream *s) {
    return source_of(s)->ops->can_read(source_of(s));
}

// Asking whether it is ready has armed it already.
static status stream_arm(wasi_io_streams_input_stream *s, err *e) {
    (void)s, (void)e;
    return STATUS_OK;
}

static void free_stream(wasi_resource *r) {
    body_stream *s = (body_stream *)(void *)r;
    s->source->ops->unref(s->source);
    mem_free(s);
}

static const wasi_input_ops stream_ops = {.read = stream_read, .ready = stream_ready, .arm = stream_arm};
static const wasi_resource_ops stream_resource_ops = {.free = free_stream};

// --- incoming-body -----------------------------------------------------------------------------------------

static void free_body(wasi_resource *r) {
    wasi_http_types_incoming_body *b = (wasi_http_types_incoming_body *)(void *)r;
    if (b->source != NULL) {
        b->source->ops->unref(b->source);
    }
    mem_free(b);
}

static const wasi_resource_ops body_ops = {.free = free_body};

status http_incoming_body_new(wasi_instance *i, http_source *s, wasi_http_types_incoming_body **ret, err *e) {
    wasi_http_types_incoming_body *b =
        WASI_NEW(i, wasi_http_types_incoming_body, &body_ops, WASI_CLASS_OTHER, NULL, e);
    if (b == NULL) {
        s->ops->unref(s);
        return STATUS_LIMIT;
    }
    b->source = s;
    *ret = b;
    return STATUS_OK;
}

status http_incoming_body_consume(wasi_instance *i, http_source *s, bool *is_consumed,
                                  wasi_http_types_result_incoming_body_void *ret, err *e) {
    ret->is_err = *is_consumed;
    if (ret->is_err) {
        return STATUS_OK;
    }
    *is_consumed = true;
    s->ops->ref(s);
    return http_incoming_body_new(i, s, &ret->ok, e);
}

void wasi_http_types_incoming_body_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_http_types_incoming_body *)rep)->base);
}

status wasi_http_types_incoming_body_stream(host_call *call, wasi_http_types_incoming_body *self,
                                            wasi_http_types_result_input_stream_void *ret, err *e) {
    ret->is_err = self->is_stream_taken;
    if (ret->is_err) {
        return STATUS_OK;
    }
    body_stream *s = MEM_NEW(body_stream);
    status made =
        wasi_input_stream_init(&s->stream, wasi_of(call), &stream_resource_ops, &stream_ops, &self->base, e);
    if (made != STATUS_OK) {
        mem_free(s);
        return made;
    }
    self->is_stream_taken = true;
    s->source = self->source;
    s->source->ops->ref(s->source); // of its own: `finish` passes the body's on
    ret->ok = &s->stream;
    return STATUS_OK;
}

// --- trailers ----------------------------------------------------------------------------------------------

static void free_trailers(wasi_resource *r) {
    wasi_http_types_future_trailers *t = (wasi_http_types_future_trailers *)(void *)r;
    loop_soon_cancel(&t->again);
    t->source->ops->unref(t->source);
    mem_free(t);
}

static void on_again(void *arg) { wasi_instance_wake(arg); }

static const wasi_resource_ops trailers_ops = {.free = free_trailers};

status wasi_http_types_incoming_body_finish(host_call *call, wasi_http_types_incoming_body *this,
                                            wasi_http_types_future_trailers **ret, err *e) {
    wasi_http_types_future_trailers *t =
        WASI_NEW(wasi_of(call), wasi_http_types_future_trailers, &trailers_ops, WASI_CLASS_OTHER, NULL, e);
    if (t != NULL) {
        loop_soon_init(&t->again, on_again, wasi_of(call));
        t->source = this->source;
        this->source = NULL;
        *ret = t;
    }
    wasi_resource_drop(&this->base);
    return t == NULL ? STATUS_LIMIT : STATUS_OK;
}

// The trailers come after the body: what the guest left of it is read and dropped.
static http_body_state skip_to_end(http_source *s) {
    slice dropped = slice_empty();
    http_body_state state = HTTP_BODY_DATA;
    for (int i = 0; i < 16 && state == HTTP_BODY_DATA; i++) { // a fast sender must not hold the loop here
        state = s->ops->read(s, SIZE_MAX, &dropped);
    }
    return state;
}

static wasi_http_types_future_trailers *trailers_of(wasi_io_poll_pollable *p) { return p->source; }

static bool trailers_ready(wasi_io_poll_pollable *p) {
    wasi_http_types_future_trailers *t = trailers_of(p);
    return t->is_taken || skip_to_end(t->source) >= HTTP_BODY_END;
}

static status trailers_arm(wasi_io_poll_pollable *p, err *e) {
    (void)e;
    wasi_http_types_future_trailers *t = trailers_of(p);
    if (t->source->ops->can_read(t->source)) {
        loop_soon_add(p->base.instance->loop, &t->again);
    }
    return STATUS_OK;
}

void wasi_http_types_future_trailers_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_http_types_future_trailers *)rep)->base);
}

status wasi_http_types_future_trailers_subscribe(host_call *call, wasi_http_types_future_trailers *self,
                                                 wasi_io_poll_pollable **ret, err *e) {
    static const wasi_pollable_ops ops = {.ready = trailers_ready, .arm = trailers_arm};
    return wasi_pollable_new(wasi_of(call), &ops, &self->base, self, ret, e);
}

static status take_trailers(host_call *call, http_source *s,
                            wasi_http_types_result_option_fields_error_code *ret, err *e) {
    size_t count = 0;
    const http_header *trailers = s->ops->trailers(s, &count);
    ret->is_err = false;
    ret->ok.some = count > 0;
    if (count == 0) {
        return STATUS_OK;
    }
    http_fields *list = NULL;
    TRY(http_fields_from_wire(wasi_of(call), trailers, count, &list, e));
    return http_fields_resource_new(wasi_of(call), list, true, &ret->ok.value, e);
}

status
wasi_http_types_future_trailers_get(host_call *call, wasi_http_types_future_trailers *self,
                                    wasi_http_types_option_result_result_option_fields_error_code_void *ret,
                                    err *e) {
    *ret = (wasi_http_types_option_result_result_option_fields_error_code_void){.some = true};
    if (self->is_taken) {
        ret->value.is_err = true;
        return STATUS_OK;
    }
    http_body_state state = skip_to_end(self->source);
    if (state == HTTP_BODY_END) {
        TRY(take_trailers(call, self->source, &ret->value.ok, e));
    } else if (state == HTTP_BODY_FAILED) {
        ret->value.ok.is_err = true;
        ret->value.ok.err = self->source->ops->failure(self->source);
    } else {
        ret->some = false;
        return STATUS_OK;
    }
    self->is_taken = true;
    return STATUS_OK;
}
