// SPDX-License-Identifier: Apache-2.0
// outgoing-value, and its stream. Before `write-data` says where the object goes, what is written waits here;
// from then on it leaves in parts, one on its way while the next one is filled. `finish` is what makes the
// object; a value that is dropped without it leaves nothing behind.
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "capability/blobstore/blobstore_internal.h"
#include "loop/loop.h"

struct wasi_blobstore_types_outgoing_value {
    wasi_resource base;
    bool is_stream_taken;
    bool is_given; // to write-data
    bool is_ended; // finished or dropped
    blob_link link;
    char upload[BLOBSTORE_UPLOAD_BYTES + 1]; // empty: not begun
    buf filling;                             // at most `part` bytes
    size_t part;
    size_t charged;  // for `part`
    uint64_t sent;   // bytes, with those on their way
    bool is_sending; // or waits until there is room on the way
    rpc_call call;
    loop_timer pause;
    bool has_failed;
    char problem[WASI_FAILURE_TEXT_BYTES];
};

typedef wasi_blobstore_types_outgoing_value value;

static void fail(value *v, slice why) {
    if (!v->has_failed) {
        (void)snprintf(v->problem, sizeof v->problem, "%.*s", SLICE_ARG(why));
        v->has_failed = true;
    }
}

// --- sending -----------------------------------------------------------------------------------------------

static void check_answer(value *v, slice payload) {
    auto_arena memory;
    blobstore_answer a;
    err e;
    const blobstore_call c = {.function = BLOBSTORE_WRITE, .step = BLOBSTORE_APPEND};
    arena_init(&memory, 1 << 16);
    if (blobstore_answer_decode(&c, payload, &memory, &a, &e) != STATUS_OK) {
        fail(v, slice_from_text(e.message));
    } else if (a.is_error) {
        fail(v, a.message);
    }
}

static void send_part(value *v);

static void on_pause_over(void *arg) {
    value *v = arg;
    v->is_sending = false;
    send_part(v);
    wasi_instance_wake(v->base.instance);
}

static void on_sent(void *arg, const rpc_result *result) {
    value *v = arg;
    v->is_sending = false;
    if (result->code == STATUS_OK) {
        check_answer(v, result->payload);
    } else {
        fail(v, slice_from_text(result->e != NULL ? result->e->message : status_name(result->code)));
    }
    wasi_instance_wake(v->base.instance);
}

static blobstore_call step_of(const value *v, blobstore_step step) {
    return (blobstore_call){
        .function = BLOBSTORE_WRITE, .step = step, .upload = slice_from_text(v->upload), .offset = v->sent};
}

static void send_part(value *v) {
    err e;
    if (v->is_sending || v->has_failed || v->upload[0] == '\0' || v->filling.len == 0) {
        return;
    }
    blobstore_call c = step_of(v, BLOBSTORE_APPEND);
    c.bytes = buf_slice(&v->filling);
    v->is_sending = true;
    status s = blob_start(v->base.instance, &v->link, &c, &v->call, on_sent, v, &e);
    if (s == STATUS_LIMIT) { // others have parts on their way: the guest waits
        loop_timer_start_in(&v->pause, BLOB_PAUSE_MS * 1000000ull);
        return;
    }
    if (s != STATUS_OK) {
        v->is_sending = false;
        fail(v, slice_from_text(e.message));
        return;
    }
    v->sent += v->filling.len;
    buf_clear(&v->filling);
}

static void on_abort_ended(void *arg, const rpc_result *result) {
    (void)result;
    mem_free(arg);
}

// Nobody waits for the answer; an upload that hears nothing ends by itself.
static void abort_upload(value *v) {
    const blobstore_call c = step_of(v, BLOBSTORE_ABORT);
    rpc_call_cancel(&v->call);
    loop_timer_stop(&v->pause);
    v->is_sending = false;
    if (v->upload[0] != '\0') {
        rpc_call *pending = MEM_NEW(rpc_call);
        if (blob_start(v->base.instance, &v->link, &c, pending, on_abort_ended, pending, NULL) != STATUS_OK) {
            mem_free(pending);
        }
        v->upload[0] = '\0';
    }
}

// --- the stream --------------------------------------------------------------------------------------------

typedef struct body_stream {
    wasi_io_streams_output_stream stream; // first; its parent is the value
} body_stream;

static value *value_of(wasi_io_streams_output_stream *s) { return (value *)(void *)s->base.parent; }

static wasi_io_state stream_check_write(wasi_io_streams_output_stream *s, uint64_t *ret,
                                        wasi_failure *failure) {
    value *v = value_of(s);
    if (v->has_failed) {
        return wasi_fail(failure, NULL, 0, "%s", v->problem);
    }
    if (v->is_ended) {
        return WASI_IO_CLOSED;
    }
    if (v->filling.len == v->part) {
        send_part(v);
    }
    *ret = v->part - v->filling.len;
    if (*ret == 0 && !v->is_given) {
        return wasi_fail(failure, NULL, 0,
                         "%zu bytes were written, and no write-data has said yet where they go", v->part);
    }
    return WASI_IO_OK;
}

static wasi_io_state stream_write(wasi_io_streams_output_stream *s, slice bytes, wasi_failure *failure) {
    value *v = value_of(s);
    if (buf_append(&v->filling, bytes) != STATUS_OK) {
        return wasi_fail(failure, NULL, 0, "no room for %zu bytes", bytes.len);
    }
    if (v->filling.len == v->part) {
        send_part(v);
    }
    return WASI_IO_OK;
}

static bool stream_ready(wasi_io_streams_output_stream *s) {
    const value *v = value_of(s);
    return v->has_failed || v->is_ended || v->filling.len < v->part || !v->is_sending;
}

// What there is no room for yet is on its way.
static status stream_arm(wasi_io_streams_output_stream *s, err *e) {
    (void)s, (void)e;
    return STATUS_OK;
}

static void free_stream(wasi_resource *r) { mem_free((body_stream *)(void *)r); }

// No flush: nothing of an object can be seen before it is whole, so small parts would only cost time.
static const wasi_output_ops stream_ops = {
    .check_write = stream_check_write, .write = stream_write, .ready = stream_ready, .arm = stream_arm};
static const wasi_resource_ops stream_resource_ops = {.free = free_stream};

// --- outgoing-value ----------------------------------------------------------------------------------------

static void drop_value(wasi_resource *r) {
    value *v = (value *)(void *)r;
    v->is_ended = true;
    abort_upload(v);
}

static void free_value(wasi_resource *r) {
    value *v = (value *)(void *)r;
    blob_account_give(r->instance, v->charged);
    buf_done(&v->filling);
    mem_free(v);
}

static const wasi_resource_ops value_ops = {.drop = drop_value, .free = free_value};

void wasi_blobstore_types_outgoing_value_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((value *)rep)->base);
}

status wasi_blobstore_types_outgoing_value_new_outgoing_value(host_call *call, value **ret, err *e) {
    value *v = WASI_NEW(wasi_of(call), value, &value_ops, WASI_CLASS_STREAM, NULL, e);
    if (v == NULL) {
        return STATUS_LIMIT;
    }
    v->part = blob_account_take(wasi_of(call), BLOBSTORE_PART_BYTES_MAX, &v->charged);
    buf_init(&v->filling, v->part);
    loop_timer_init(&v->pause, wasi_of(call)->loop, on_pause_over, v);
    *ret = v;
    return STATUS_OK;
}

status wasi_blobstore_types_outgoing_value_outgoing_value_write_body(
    host_call *call, value *self, wasi_blobstore_types_result_output_stream_void *ret, err *e) {
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
    self->is_stream_taken = true;
    ret->ok = &s->stream;
    return STATUS_OK;
}

// "" stands for one that was not begun.
static bool is_upload(slice name) {
    return name.len > 0 && name.len <= BLOBSTORE_UPLOAD_BYTES && slice_find(name, 0, '\0') == SIZE_MAX;
}

status blob_outgoing_begin(host_call *call, const wasi_blobstore_container_container *c, slice name,
                           value *data, wasi_blobstore_container_result_void_string *ret, err *e) {
    blobstore_answer a;
    const blobstore_call begin = {.function = BLOBSTORE_WRITE,
                                  .step = BLOBSTORE_BEGIN,
                                  .container = slice_from_text(c->name),
                                  .object = name};
    ret->is_err = data->is_given;
    if (ret->is_err) {
        ret->err = blob_error_text(call, "the value was given to write-data already");
        return STATUS_OK;
    }
    data->is_given = true;
    data->link = c->link;
    TRY(blob_call(call, &data->link, &begin, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err && !is_upload(a.upload)) {
        ret->is_err = true;
        ret->err = blob_error_text(call, "the store gave the upload a name that is none");
    }
    if (ret->is_err) {
        fail(data, ret->err);
        return STATUS_OK;
    }
    memcpy(data->upload, a.upload.data, a.upload.len);
    return STATUS_OK;
}

static status send_rest(host_call *call, value *v, err *e) {
    while (!v->has_failed && (v->is_sending || v->filling.len > 0)) {
        send_part(v);
        if (v->is_sending) {
            TRY(wasi_instance_suspend(call, e));
        }
    }
    return STATUS_OK;
}

static status finish(host_call *call, value *v, wasi_blobstore_types_result_void_string *ret, err *e) {
    blobstore_answer a;
    ret->is_err = true;
    if (!v->is_given) {
        ret->err = blob_error_text(call, "the value was given to no write-data, so nothing was written");
        return STATUS_OK;
    }
    TRY(send_rest(call, v, e));
    if (v->has_failed) {
        ret->err = blob_error_text(call, v->problem);
        return STATUS_OK;
    }
    const blobstore_call c = step_of(v, BLOBSTORE_FINISH);
    TRY(blob_call(call, &v->link, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        v->upload[0] = '\0'; // there is nothing to abort
    }
    return STATUS_OK;
}

status wasi_blobstore_types_outgoing_value_finish(host_call *call, value *this,
                                                  wasi_blobstore_types_result_void_string *ret, err *e) {
    this->is_ended = true;
    status s = finish(call, this, ret, e);
    wasi_resource_drop(&this->base);
    return s;
}
