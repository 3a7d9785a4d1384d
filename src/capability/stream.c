// SPDX-License-Identifier: Apache-2.0
#include "capability/stream.h"

#include <stdio.h>

#include "base/mem.h"

wasi_io_state wasi_fail(wasi_failure *failure, const host_interface *origin, uint32_t code,
                        const char *format, ...) {
    failure->origin = origin;
    failure->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(failure->text, sizeof failure->text, format, args);
    va_end(args);
    return WASI_IO_FAILED;
}

status wasi_input_stream_init(wasi_io_streams_input_stream *s, wasi_instance *i,
                              const wasi_resource_ops *resource_ops, const wasi_input_ops *ops,
                              wasi_resource *parent, err *e) {
    TRY(wasi_resource_init(&s->base, i, resource_ops, WASI_CLASS_STREAM, parent, e));
    s->ops = ops;
    s->is_closed = false;
    return STATUS_OK;
}

status wasi_output_stream_init(wasi_io_streams_output_stream *s, wasi_instance *i,
                               const wasi_resource_ops *resource_ops, const wasi_output_ops *ops,
                               wasi_resource *parent, err *e) {
    TRY(wasi_resource_init(&s->base, i, resource_ops, WASI_CLASS_STREAM, parent, e));
    s->ops = ops;
    s->is_closed = false;
    return STATUS_OK;
}

// --- operations that remember the end --------------------------------------------------------------------

wasi_io_state wasi_input_stream_read(wasi_io_streams_input_stream *s, size_t max, slice *ret,
                                     wasi_failure *failure) {
    if (s->is_closed) {
        return WASI_IO_CLOSED;
    }
    *ret = slice_empty();
    if (max == 0) {
        return WASI_IO_OK;
    }
    wasi_io_state state = s->ops->read(s, max, ret, failure);
    s->is_closed = state != WASI_IO_OK;
    return state;
}

wasi_io_state wasi_output_stream_check_write(wasi_io_streams_output_stream *s, uint64_t *ret_permit,
                                             wasi_failure *failure) {
    if (s->is_closed) {
        return WASI_IO_CLOSED;
    }
    wasi_io_state state = s->ops->check_write(s, ret_permit, failure);
    *ret_permit = *ret_permit < WASI_WRITE_BYTES_MAX ? *ret_permit : WASI_WRITE_BYTES_MAX;
    s->is_closed = state != WASI_IO_OK;
    return state;
}

wasi_io_state wasi_output_stream_write(wasi_io_streams_output_stream *s, slice bytes, wasi_failure *failure) {
    if (s->is_closed) {
        return WASI_IO_CLOSED;
    }
    wasi_io_state state = bytes.len == 0 ? WASI_IO_OK : s->ops->write(s, bytes, failure);
    s->is_closed = state != WASI_IO_OK;
    return state;
}

wasi_io_state wasi_output_stream_flush(wasi_io_streams_output_stream *s, wasi_failure *failure) {
    if (s->is_closed) {
        return WASI_IO_CLOSED;
    }
    wasi_io_state state = s->ops->flush == NULL ? WASI_IO_OK : s->ops->flush(s, failure);
    s->is_closed = state != WASI_IO_OK;
    return state;
}

// --- streams without anything behind them ----------------------------------------------------------------

static void free_plain(wasi_resource *r) { mem_free(r); }
static const wasi_resource_ops plain = {.free = free_plain};

static wasi_io_state empty_read(wasi_io_streams_input_stream *s, size_t max, slice *ret,
                                wasi_failure *failure) {
    (void)s, (void)max, (void)ret, (void)failure;
    return WASI_IO_CLOSED;
}

static bool empty_ready(wasi_io_streams_input_stream *s) {
    (void)s;
    return true;
}

status wasi_input_stream_new_empty(wasi_instance *i, wasi_io_streams_input_stream **ret, err *e) {
    static const wasi_input_ops ops = {.read = empty_read, .ready = empty_ready};
    wasi_io_streams_input_stream *s = MEM_NEW(wasi_io_streams_input_stream);
    status made = wasi_input_stream_init(s, i, &plain, &ops, NULL, e);
    if (made != STATUS_OK) {
        mem_free(s);
        return made;
    }
    *ret = s;
    return STATUS_OK;
}

typedef struct discard_stream {
    wasi_io_streams_output_stream base;
    uint64_t *counter; // may be NULL
} discard_stream;

static wasi_io_state discard_check_write(wasi_io_streams_output_stream *s, uint64_t *ret_permit,
                                         wasi_failure *failure) {
    (void)s, (void)failure;
    *ret_permit = 1 << 20;
    return WASI_IO_OK;
}

static wasi_io_state discard_write(wasi_io_streams_output_stream *s, slice bytes, wasi_failure *failure) {
    (void)failure;
    discard_stream *d = (discard_stream *)s;
    if (d->counter != NULL) {
        *d->counter += bytes.len;
    }
    return WASI_IO_OK;
}

static bool discard_ready(wasi_io_streams_output_stream *s) {
    (void)s;
    return true;
}

status wasi_output_stream_new_discard(wasi_instance *i, uint64_t *counter,
                                      wasi_io_streams_output_stream **ret, err *e) {
    static const wasi_output_ops ops = {
        .check_write = discard_check_write, .write = discard_write, .ready = discard_ready};
    discard_stream *d = MEM_NEW(discard_stream);
    status made = wasi_output_stream_init(&d->base, i, &plain, &ops, NULL, e);
    if (made != STATUS_OK) {
        mem_free(d);
        return made;
    }
    d->counter = counter;
    *ret = &d->base;
    return STATUS_OK;
}
