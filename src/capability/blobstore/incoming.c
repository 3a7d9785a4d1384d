// SPDX-License-Identifier: Apache-2.0
// incoming-value, and its stream: while the guest reads one part of the object, the next one is on its way.
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "capability/blobstore/blobstore_internal.h"
#include "loop/loop.h"

typedef struct held_part {
    buf bytes;
    size_t charged; // to the instance's account while `bytes` may be so large
} held_part;

// Reads [at, end) of an object of one revision. One call at a time.
typedef struct reader {
    wasi_instance *instance;
    blob_link link;
    char *container;
    char *object;
    size_t revision_len;
    uint8_t revision[BLOBSTORE_REVISION_BYTES_MAX];
    uint64_t at; // of the next part
    uint64_t end;
    held_part now; // being read
    size_t now_at;
    held_part next;
    bool has_next;
    bool is_fetching; // or waits until there is room on the way
    rpc_call call;
    loop_timer pause;
    uint32_t asked;
    bool has_failed;
    char problem[WASI_FAILURE_TEXT_BYTES];
} reader;

struct wasi_blobstore_types_incoming_value {
    wasi_resource base;
    uint64_t size;
    reader *reader; // NULL when it was consumed
};

typedef wasi_blobstore_types_incoming_value value;

static void on_pause_over(void *arg);

static void part_free(wasi_instance *i, held_part *p) {
    blob_account_give(i, p->charged);
    buf_done(&p->bytes);
}

// Empties a part for the next one, and says how large that may be. Memory that was charged and is so no more
// goes.
static size_t part_renew(wasi_instance *i, held_part *p, size_t wanted) {
    blob_account_give(i, p->charged);
    size_t len = blob_account_take(i, wanted, &p->charged);
    if (p->bytes.capacity > len) {
        buf_done(&p->bytes);
        buf_init(&p->bytes, BLOBSTORE_PART_BYTES_MAX);
    }
    buf_clear(&p->bytes);
    return len;
}

static reader *reader_new(wasi_instance *i, const wasi_blobstore_container_container *c, slice name) {
    reader *r = MEM_NEW(reader);
    r->instance = i;
    r->link = c->link;
    r->container = mem_text_dup(c->name);
    r->object = mem_slice_dup(name);
    buf_init(&r->now.bytes, BLOBSTORE_PART_BYTES_MAX);
    buf_init(&r->next.bytes, BLOBSTORE_PART_BYTES_MAX);
    loop_timer_init(&r->pause, i->loop, on_pause_over, r);
    return r;
}

static void reader_free(reader *r) {
    if (r != NULL) {
        rpc_call_cancel(&r->call);
        loop_timer_stop(&r->pause);
        part_free(r->instance, &r->now);
        part_free(r->instance, &r->next);
        mem_free(r->container);
        mem_free(r->object);
        mem_free(r);
    }
}

static blobstore_call part_of(const reader *r, size_t len) {
    return (blobstore_call){.function = BLOBSTORE_READ,
                            .container = slice_from_text(r->container),
                            .object = slice_from_text(r->object),
                            .start = r->at,
                            .len = (uint32_t)len,
                            .has_revision = r->revision_len > 0,
                            .revision = slice_of(r->revision, r->revision_len)};
}

static void fail(reader *r, const char *format, ...) WRIT_FORMAT(2, 3);
static void fail(reader *r, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(r->problem, sizeof r->problem, format, args);
    va_end(args);
    r->has_failed = true;
}

// The driver is bound to give the bytes that were asked for, of the revision that was named.
static void keep_part(reader *r, slice payload) {
    auto_arena memory;
    blobstore_answer a;
    err e;
    const blobstore_call c = {.function = BLOBSTORE_READ};
    arena_init(&memory, BLOBSTORE_CALL_BYTES_MAX);
    if (blobstore_answer_decode(&c, payload, &memory, &a, &e) != STATUS_OK) {
        fail(r, "%s", e.message);
    } else if (a.is_error) {
        fail(r, "%.*s", SLICE_ARG(a.message));
    } else if (a.bytes.len != r->asked || buf_append(&r->next.bytes, a.bytes) != STATUS_OK) {
        fail(r, "the store gave %zu bytes instead of %u", a.bytes.len, r->asked);
    } else {
        r->has_next = true;
        r->at += a.bytes.len;
    }
}

static void on_part(void *arg, const rpc_result *result) {
    reader *r = arg;
    r->is_fetching = false;
    if (result->code == STATUS_OK) {
        keep_part(r, result->payload);
    } else {
        fail(r, "%s", result->e != NULL ? result->e->message : status_name(result->code));
    }
    wasi_instance_wake(r->instance);
}

static void fetch(reader *r) {
    err e;
    if (r->is_fetching || r->has_next || r->has_failed || r->at == r->end) {
        return;
    }
    uint64_t left = r->end - r->at;
    size_t wanted = left < BLOBSTORE_PART_BYTES_MAX ? (size_t)left : BLOBSTORE_PART_BYTES_MAX;
    size_t len = part_renew(r->instance, &r->next, wanted);
    const blobstore_call c = part_of(r, len);
    r->asked = (uint32_t)len;
    r->is_fetching = true;
    status s = blob_start(r->instance, &r->link, &c, &r->call, on_part, r, &e);
    if (s == STATUS_LIMIT) { // others have calls on their way: the guest waits
        loop_timer_start_in(&r->pause, BLOB_PAUSE_MS * 1000000ull);
    } else if (s != STATUS_OK) {
        r->is_fetching = false;
        fail(r, "%s", e.message);
    }
}

static void on_pause_over(void *arg) {
    reader *r = arg;
    r->is_fetching = false;
    fetch(r);
    wasi_instance_wake(r->instance);
}

// --- the stream --------------------------------------------------------------------------------------------

typedef struct body_stream {
    wasi_io_streams_input_stream stream; // first
    reader *reader;
} body_stream;

static reader *reader_of(wasi_io_streams_input_stream *s) { return ((body_stream *)(void *)s)->reader; }

// Makes the next part the one that is read, when that is over.
static void turn(reader *r) {
    if (r->now_at == r->now.bytes.len && r->has_next) {
        held_part read = r->now;
        r->now = r->next;
        r->next = read;
        r->now_at = 0;
        r->has_next = false;
    }
    fetch(r);
}

static wasi_io_state stream_read(wasi_io_streams_input_stream *s, size_t max, slice *ret,
                                 wasi_failure *failure) {
    reader *r = reader_of(s);
    turn(r);
    *ret = slice_sub(buf_slice(&r->now.bytes), r->now_at, r->now_at + max);
    r->now_at += ret->len;
    if (ret->len > 0) {
        return WASI_IO_OK;
    }
    if (r->has_failed) {
        return wasi_fail(failure, NULL, 0, "%s", r->problem);
    }
    return r->at == r->end && !r->is_fetching ? WASI_IO_CLOSED : WASI_IO_OK;
}

static bool stream_ready(wasi_io_streams_input_stream *s) {
    reader *r = reader_of(s);
    turn(r);
    return r->now_at < r->now.bytes.len || r->has_failed || !r->is_fetching;
}

// What is waited for is on its way.
static status stream_arm(wasi_io_streams_input_stream *s, err *e) {
    (void)s, (void)e;
    return STATUS_OK;
}

static void free_stream(wasi_resource *r) {
    body_stream *s = (body_stream *)(void *)r;
    reader_free(s->reader);
    mem_free(s);
}

static const wasi_input_ops stream_ops = {.read = stream_read, .ready = stream_ready, .arm = stream_arm};
static const wasi_resource_ops stream_resource_ops = {.free = free_stream};

// --- incoming-value ----------------------------------------------------------------------------------------

static void free_value(wasi_resource *r) {
    value *v = (value *)(void *)r;
    reader_free(v->reader);
    mem_free(v);
}

static const wasi_resource_ops value_ops = {.free = free_value};

void wasi_blobstore_types_incoming_value_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((value *)rep)->base);
}

// Takes the first part, which says how large the object is. `end` is the last byte that is wanted.
static status begin(host_call *call, reader *r, uint64_t start, uint64_t end, bool *ret_is_error,
                    slice *ret_error, err *e) {
    blobstore_answer a;
    r->at = start;
    size_t wanted = end - start < BLOB_FIRST_PART_BYTES ? (size_t)(end - start) + 1 : BLOB_FIRST_PART_BYTES;
    wanted = part_renew(r->instance, &r->now, wanted);
    const blobstore_call c = part_of(r, wanted);
    TRY(blob_call(call, &r->link, &c, &a, ret_is_error, ret_error, e));
    if (*ret_is_error) {
        return STATUS_OK;
    }
    r->end = a.size == 0 ? 0 : end < a.size ? end + 1 : a.size;
    r->end = r->end < start ? start : r->end;
    uint64_t due = r->end - start < wanted ? r->end - start : wanted;
    if (a.bytes.len != due || buf_append(&r->now.bytes, a.bytes) != STATUS_OK) {
        *ret_is_error = true;
        *ret_error = blob_error_text(call, "the store gave another number of bytes than were asked for");
        return STATUS_OK;
    }
    r->at = start + due;
    r->revision_len = a.revision.len;
    memcpy(r->revision, a.revision.data == NULL ? (const uint8_t *)"" : a.revision.data, a.revision.len);
    return STATUS_OK;
}

static status make_value(host_call *call, reader *r, uint64_t start,
                         wasi_blobstore_container_result_incoming_value_string *ret) {
    err why;
    value *v = WASI_NEW(wasi_of(call), value, &value_ops, WASI_CLASS_STREAM, NULL, &why);
    if (v == NULL) {
        ret->is_err = true;
        ret->err = blob_error_text(call, why.message);
        reader_free(r);
        return STATUS_OK;
    }
    v->size = r->end - start;
    v->reader = r;
    ret->ok = v;
    return STATUS_OK;
}

status blob_incoming_new(host_call *call, const wasi_blobstore_container_container *c, slice name,
                         uint64_t start, uint64_t end,
                         wasi_blobstore_container_result_incoming_value_string *ret, err *e) {
    slice problem = slice_empty();
    if (start > end) {
        ret->is_err = true;
        ret->err = blob_error_text(call, "the range ends before it begins");
        return STATUS_OK;
    }
    reader *r = reader_new(wasi_of(call), c, name);
    status begun = begin(call, r, start, end, &ret->is_err, &problem, e);
    if (begun != STATUS_OK || ret->is_err) {
        ret->err = problem;
        reader_free(r);
        return begun;
    }
    return make_value(call, r, start, ret);
}

status wasi_blobstore_types_incoming_value_size(host_call *call, value *self, uint64_t *ret, err *e) {
    (void)call, (void)e;
    *ret = self->size;
    return STATUS_OK;
}

status wasi_blobstore_types_incoming_value_incoming_value_consume_async(
    host_call *call, value *this, wasi_blobstore_types_result_input_stream_string *ret, err *e) {
    (void)e;
    err why;
    body_stream *s = MEM_NEW(body_stream);
    ret->is_err = wasi_input_stream_init(&s->stream, wasi_of(call), &stream_resource_ops, &stream_ops, NULL,
                                         &why) != STATUS_OK;
    if (ret->is_err) {
        ret->err = blob_error_text(call, why.message);
        mem_free(s);
    } else {
        s->reader = this->reader;
        this->reader = NULL;
        fetch(s->reader);
        ret->ok = &s->stream;
    }
    wasi_resource_drop(&this->base);
    return STATUS_OK;
}

static status read_all(host_call *call, reader *r, uint8_t *bytes, size_t size, err *e) {
    for (size_t done = 0; done < size;) {
        turn(r);
        slice part = slice_sub(buf_slice(&r->now.bytes), r->now_at, r->now.bytes.len);
        if (part.len > 0) {
            memcpy(bytes + done, part.data, part.len);
            r->now_at += part.len;
            done += part.len;
        } else if (r->has_failed) {
            return STATUS_OK;
        } else {
            TRY(wasi_instance_suspend(call, e));
        }
    }
    return STATUS_OK;
}

status wasi_blobstore_types_incoming_value_incoming_value_consume_sync(
    host_call *call, value *this, wasi_blobstore_types_result_incoming_value_sync_body_string *ret, err *e) {
    status s = STATUS_OK;
    uint8_t *bytes = NULL;
    ret->is_err = this->size > BLOB_SYNC_BYTES_MAX;
    if (!ret->is_err) {
        bytes = arena_alloc(host_call_arena(call), (size_t)this->size);
        ret->is_err = bytes == NULL;
    }
    if (ret->is_err) {
        ret->err =
            blob_error_text(call, "the value is too large to be consumed at once: consume it as a stream");
    } else {
        s = read_all(call, this->reader, bytes, (size_t)this->size, e);
        ret->is_err = this->reader->has_failed;
        if (ret->is_err) {
            ret->err = blob_error_text(call, this->reader->problem);
        } else {
            ret->ok = slice_of(bytes, (size_t)this->size);
        }
    }
    wasi_resource_drop(&this->base);
    return s;
}
