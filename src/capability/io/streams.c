// SPDX-License-Identifier: Apache-2.0
// wasi:io/streams over the operations that capabilities implement.
//
// Blocking functions are loops: try, and while nothing moved, arm and suspend. Bytes that the guest passes
// live in its memory only until a suspend, so blocking writes copy them first.
#include "base/mem.h"
#include "capability/stream.h"

enum {
    READ_BYTES_MAX = 1 << 20,        // of one call, whatever the guest asks for
    BLOCKING_WRITE_BYTES_MAX = 4096, // stated by the interface
};

typedef wasi_io_streams_stream_error stream_error;

void wasi_io_streams_input_stream_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_io_streams_input_stream *)rep)->base);
}

void wasi_io_streams_output_stream_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_io_streams_output_stream *)rep)->base);
}

static void free_plain(wasi_resource *r) { mem_free(r); }

// Turns the end or a failure into the interface's error.
static status make_error(host_call *call, wasi_io_state state, const wasi_failure *failure, stream_error *ret,
                         err *e) {
    static const wasi_resource_ops plain = {.free = free_plain};
    if (state == WASI_IO_CLOSED) {
        ret->tag = WASI_IO_STREAMS_STREAM_ERROR_CLOSED;
        return STATUS_OK;
    }
    wasi_io_error_error *error =
        WASI_NEW(wasi_of(call), wasi_io_error_error, &plain, WASI_CLASS_OTHER, NULL, e);
    if (error == NULL) {
        return STATUS_LIMIT;
    }
    error->failure = *failure;
    ret->tag = WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED;
    ret->of.last_operation_failed = error;
    return STATUS_OK;
}

// The same into any of the result types, which all have `is_err` and `err`.
#define RETURN_ERROR(call, state, failure, ret, e)                       \
    do {                                                                 \
        (ret)->is_err = true;                                            \
        return make_error((call), (state), (failure), &(ret)->err, (e)); \
    } while (0)

// --- waiting ---------------------------------------------------------------------------------------------

static bool input_ready(wasi_io_streams_input_stream *s) { return s->is_closed || s->ops->ready(s); }
static bool output_ready(wasi_io_streams_output_stream *s) { return s->is_closed || s->ops->ready(s); }

static status input_arm(wasi_io_streams_input_stream *s, err *e) {
    return s->ops->arm == NULL ? STATUS_OK : s->ops->arm(s, e);
}

static status output_arm(wasi_io_streams_output_stream *s, err *e) {
    return s->ops->arm == NULL ? STATUS_OK : s->ops->arm(s, e);
}

static status input_block(host_call *call, wasi_io_streams_input_stream *s, err *e) {
    while (!input_ready(s)) {
        TRY(input_arm(s, e));
        TRY(wasi_instance_suspend(call, e));
    }
    return STATUS_OK;
}

static status output_block(host_call *call, wasi_io_streams_output_stream *s, err *e) {
    while (!output_ready(s)) {
        TRY(output_arm(s, e));
        TRY(wasi_instance_suspend(call, e));
    }
    return STATUS_OK;
}

static bool input_pollable_ready(wasi_io_poll_pollable *p) { return input_ready(p->source); }
static status input_pollable_arm(wasi_io_poll_pollable *p, err *e) { return input_arm(p->source, e); }
static bool output_pollable_ready(wasi_io_poll_pollable *p) { return output_ready(p->source); }
static status output_pollable_arm(wasi_io_poll_pollable *p, err *e) { return output_arm(p->source, e); }

status wasi_io_streams_input_stream_subscribe(host_call *call, wasi_io_streams_input_stream *self,
                                              wasi_io_poll_pollable **ret, err *e) {
    static const wasi_pollable_ops ops = {.ready = input_pollable_ready, .arm = input_pollable_arm};
    return wasi_pollable_new(wasi_of(call), &ops, &self->base, self, ret, e);
}

status wasi_io_streams_output_stream_subscribe(host_call *call, wasi_io_streams_output_stream *self,
                                               wasi_io_poll_pollable **ret, err *e) {
    static const wasi_pollable_ops ops = {.ready = output_pollable_ready, .arm = output_pollable_arm};
    return wasi_pollable_new(wasi_of(call), &ops, &self->base, self, ret, e);
}

// --- input -----------------------------------------------------------------------------------------------

status wasi_io_streams_input_stream_read(host_call *call, wasi_io_streams_input_stream *self, uint64_t len,
                                         wasi_io_streams_result_list_u8_stream_error *ret, err *e) {
    wasi_failure failure = {0};
    slice bytes = slice_empty();
    wasi_io_state state =
        wasi_input_stream_read(self, len < READ_BYTES_MAX ? (size_t)len : READ_BYTES_MAX, &bytes, &failure);
    if (state != WASI_IO_OK) {
        RETURN_ERROR(call, state, &failure, ret, e);
    }
    ret->is_err = false;
    ret->ok = bytes;
    return STATUS_OK;
}

status wasi_io_streams_input_stream_blocking_read(host_call *call, wasi_io_streams_input_stream *self,
                                                  uint64_t len,
                                                  wasi_io_streams_result_list_u8_stream_error *ret, err *e) {
    do {
        TRY(input_block(call, self, e));
        TRY(wasi_io_streams_input_stream_read(call, self, len, ret, e));
    } while (!ret->is_err && ret->ok.len == 0 && len > 0);
    return STATUS_OK;
}

static wasi_io_state skip_by_reading(wasi_io_streams_input_stream *s, uint64_t len, uint64_t *ret,
                                     wasi_failure *failure) {
    slice bytes = slice_empty();
    wasi_io_state state =
        s->ops->read(s, len < READ_BYTES_MAX ? (size_t)len : READ_BYTES_MAX, &bytes, failure);
    *ret = bytes.len;
    return state;
}

status wasi_io_streams_input_stream_skip(host_call *call, wasi_io_streams_input_stream *self, uint64_t len,
                                         wasi_io_streams_result_u64_stream_error *ret, err *e) {
    wasi_failure failure = {0};
    uint64_t skipped = 0;
    wasi_io_state state = WASI_IO_CLOSED;
    if (!self->is_closed) {
        state = len == 0                  ? WASI_IO_OK
                : self->ops->skip != NULL ? self->ops->skip(self, len, &skipped, &failure)
                                          : skip_by_reading(self, len, &skipped, &failure);
        self->is_closed = state != WASI_IO_OK;
    }
    if (state != WASI_IO_OK) {
        RETURN_ERROR(call, state, &failure, ret, e);
    }
    ret->is_err = false;
    ret->ok = skipped;
    return STATUS_OK;
}

status wasi_io_streams_input_stream_blocking_skip(host_call *call, wasi_io_streams_input_stream *self,
                                                  uint64_t len, wasi_io_streams_result_u64_stream_error *ret,
                                                  err *e) {
    do {
        TRY(input_block(call, self, e));
        TRY(wasi_io_streams_input_stream_skip(call, self, len, ret, e));
    } while (!ret->is_err && ret->ok == 0 && len > 0);
    return STATUS_OK;
}

// --- output ----------------------------------------------------------------------------------------------

status wasi_io_streams_output_stream_check_write(host_call *call, wasi_io_streams_output_stream *self,
                                                 wasi_io_streams_result_u64_stream_error *ret, err *e) {
    wasi_failure failure = {0};
    uint64_t permit = 0;
    wasi_io_state state = wasi_output_stream_check_write(self, &permit, &failure);
    if (state != WASI_IO_OK) {
        RETURN_ERROR(call, state, &failure, ret, e);
    }
    ret->is_err = false;
    ret->ok = permit;
    return STATUS_OK;
}

// The interface says that a write of more than check-write allowed traps. What it allows is asked anew, so
// that a guest that writes twice within one permit need not be tracked.
static status check_permit(wasi_io_streams_output_stream *s, uint64_t len, wasi_io_state *ret,
                           wasi_failure *failure, err *e) {
    uint64_t permit = 0;
    *ret = wasi_output_stream_check_write(s, &permit, failure);
    if (*ret == WASI_IO_OK && len > permit) {
        return err_set(e, STATUS_TRAP, "the guest wrote %llu bytes to a stream that takes %llu now",
                       (unsigned long long)len, (unsigned long long)permit);
    }
    return STATUS_OK;
}

status wasi_io_streams_output_stream_write(host_call *call, wasi_io_streams_output_stream *self,
                                           slice contents, wasi_io_streams_result_void_stream_error *ret,
                                           err *e) {
    wasi_failure failure = {0};
    wasi_io_state state;
    TRY(check_permit(self, contents.len, &state, &failure, e));
    if (state == WASI_IO_OK) {
        state = wasi_output_stream_write(self, contents, &failure);
    }
    if (state != WASI_IO_OK) {
        RETURN_ERROR(call, state, &failure, ret, e);
    }
    ret->is_err = false;
    return STATUS_OK;
}

// In one piece: an implementation promises room for one write only, since a write may leave more behind than
// its bytes (the frame of a chunk) or make it wait.
static wasi_io_state write_zeroes(wasi_io_streams_output_stream *s, uint64_t len, wasi_failure *failure) {
    uint8_t *zeroes = mem_zalloc(len > 0 ? (size_t)len : 1); // at most WASI_WRITE_BYTES_MAX
    wasi_io_state state = wasi_output_stream_write(s, slice_of(zeroes, (size_t)len), failure);
    mem_free(zeroes);
    return state;
}

status wasi_io_streams_output_stream_write_zeroes(host_call *call, wasi_io_streams_output_stream *self,
                                                  uint64_t len, wasi_io_streams_result_void_stream_error *ret,
                                                  err *e) {
    wasi_failure failure = {0};
    wasi_io_state state;
    TRY(check_permit(self, len, &state, &failure, e));
    if (state == WASI_IO_OK) {
        state = write_zeroes(self, len, &failure);
    }
    if (state != WASI_IO_OK) {
        RETURN_ERROR(call, state, &failure, ret, e);
    }
    ret->is_err = false;
    return STATUS_OK;
}

status wasi_io_streams_output_stream_flush(host_call *call, wasi_io_streams_output_stream *self,
                                           wasi_io_streams_result_void_stream_error *ret, err *e) {
    wasi_failure failure = {0};
    wasi_io_state state = wasi_output_stream_flush(self, &failure);
    if (state != WASI_IO_OK) {
        RETURN_ERROR(call, state, &failure, ret, e);
    }
    ret->is_err = false;
    return STATUS_OK;
}

// Waits for room; `ret_permit` is greater than 0 when the state is WASI_IO_OK.
static status wait_for_room(host_call *call, wasi_io_streams_output_stream *s, uint64_t *ret_permit,
                            wasi_io_state *ret_state, wasi_failure *failure, err *e) {
    do {
        TRY(output_block(call, s, e));
        *ret_state = wasi_output_stream_check_write(s, ret_permit, failure);
    } while (*ret_state == WASI_IO_OK && *ret_permit == 0);
    return STATUS_OK;
}

status wasi_io_streams_output_stream_blocking_flush(host_call *call, wasi_io_streams_output_stream *self,
                                                    wasi_io_streams_result_void_stream_error *ret, err *e) {
    TRY(wasi_io_streams_output_stream_flush(call, self, ret, e));
    if (ret->is_err) {
        return STATUS_OK;
    }
    wasi_failure failure = {0};
    uint64_t permit = 0;
    wasi_io_state state;
    TRY(wait_for_room(call, self, &permit, &state, &failure, e)); // there is none until the flush is done
    if (state != WASI_IO_OK) {
        RETURN_ERROR(call, state, &failure, ret, e);
    }
    return STATUS_OK;
}

// Writes `bytes`, or as many zeroes where `bytes.data` is NULL, waiting for room as often as it takes; then
// flushes.
static status write_all_and_flush(host_call *call, wasi_io_streams_output_stream *s, slice bytes,
                                  wasi_io_streams_result_void_stream_error *ret, err *e) {
    wasi_failure failure = {0};
    wasi_io_state state = WASI_IO_OK;
    size_t done = 0;
    while (done < bytes.len && state == WASI_IO_OK) {
        uint64_t permit = 0;
        TRY(wait_for_room(call, s, &permit, &state, &failure, e));
        if (state == WASI_IO_OK) {
            size_t part = bytes.len - done < permit ? bytes.len - done : (size_t)permit;
            state = bytes.data == NULL
                        ? write_zeroes(s, part, &failure)
                        : wasi_output_stream_write(s, slice_of(bytes.data + done, part), &failure);
            done += part;
        }
    }
    if (state != WASI_IO_OK) {
        RETURN_ERROR(call, state, &failure, ret, e);
    }
    return wasi_io_streams_output_stream_blocking_flush(call, s, ret, e);
}

static status check_blocking_length(uint64_t len, err *e) {
    if (len > BLOCKING_WRITE_BYTES_MAX) {
        return err_set(e, STATUS_TRAP, "a blocking write of %llu bytes; the interface allows %d at once",
                       (unsigned long long)len, (int)BLOCKING_WRITE_BYTES_MAX);
    }
    return STATUS_OK;
}

status wasi_io_streams_output_stream_blocking_write_and_flush(host_call *call,
                                                              wasi_io_streams_output_stream *self,
                                                              slice contents,
                                                              wasi_io_streams_result_void_stream_error *ret,
                                                              err *e) {
    TRY(check_blocking_length(contents.len, e));
    uint8_t copy[BLOCKING_WRITE_BYTES_MAX];
    if (contents.len > 0) {
        memcpy(copy, contents.data, contents.len);
    }
    return write_all_and_flush(call, self, slice_of(copy, contents.len), ret, e);
}

status wasi_io_streams_output_stream_blocking_write_zeroes_and_flush(
    host_call *call, wasi_io_streams_output_stream *self, uint64_t len,
    wasi_io_streams_result_void_stream_error *ret, err *e) {
    TRY(check_blocking_length(len, e));
    return write_all_and_flush(call, self, slice_of(NULL, (size_t)len), ret, e);
}

// --- splice ----------------------------------------------------------------------------------------------

status wasi_io_streams_output_stream_splice(host_call *call, wasi_io_streams_output_stream *self,
                                            wasi_io_streams_input_stream *src, uint64_t len,
                                            wasi_io_streams_result_u64_stream_error *ret, err *e) {
    wasi_failure failure = {0};
    uint64_t permit = 0;
    slice bytes = slice_empty();
    wasi_io_state state = wasi_output_stream_check_write(self, &permit, &failure);
    uint64_t max = len < permit ? len : permit;
    if (state == WASI_IO_OK && max > 0) {
        state = wasi_input_stream_read(src, max < READ_BYTES_MAX ? (size_t)max : READ_BYTES_MAX, &bytes,
                                       &failure);
        if (state == WASI_IO_OK) {
            state = wasi_output_stream_write(self, bytes, &failure);
        }
    }
    if (state != WASI_IO_OK) {
        RETURN_ERROR(call, state, &failure, ret, e);
    }
    ret->is_err = false;
    ret->ok = bytes.len;
    return STATUS_OK;
}

status wasi_io_streams_output_stream_blocking_splice(host_call *call, wasi_io_streams_output_stream *self,
                                                     wasi_io_streams_input_stream *src, uint64_t len,
                                                     wasi_io_streams_result_u64_stream_error *ret, err *e) {
    do {
        TRY(output_block(call, self, e));
        TRY(input_block(call, src, e));
        TRY(wasi_io_streams_output_stream_splice(call, self, src, len, ret, e));
    } while (!ret->is_err && ret->ok == 0 && len > 0);
    return STATUS_OK;
}
