// SPDX-License-Identifier: Apache-2.0
// Calls of workloads to a provider of 1.x: those whose bytes are the same on both sides, parts of objects and
// pages of lists. Uploads are in wrpc_uploads.c.
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "lattice/wrpc_blobs_internal.h"

enum { RESULTS_BYTES_MAX = 4 << 20, LIST_BYTES_MAX = 4 << 20 };

typedef enum job_kind {
    JOB_PASS, // the answer is passed on
    JOB_INFO, // of an object, before a part of it is read
    JOB_READ,
    JOB_LIST,
    JOB_PROBE, // which version the provider has, before an upload
} job_kind;

// One call on the wire for a call of the workload, or the first of two.
typedef struct blob_job {
    lattice_call call; // in front: see lattice_call
    wrpc_blobs *b;
    list_node node;
    job_kind kind;
    blobstore_function function; // on the wire
    driver_call *origin;
    blobstore_request *q; // of all but JOB_PASS
    buf params, results;
    buf stream, outcome; // what came on the paths
    wrpc_pieces pieces;  // JOB_READ
    uint64_t created_at, size;
    bool is_old, was_retried;
} blob_job;

static blob_job *job_of(lattice_call *c) { return (blob_job *)(void *)c; }

static void free_job(blob_job *j) {
    list_remove(&j->node);
    buf_done(&j->params);
    buf_done(&j->results);
    buf_done(&j->stream);
    buf_done(&j->outcome);
    mem_free(j);
}

// Each answers, after the job is gone.
static void reply(blob_job *j, const blobstore_answer *a) {
    blobstore_request *q = j->q;
    list_remove(&j->node);
    blobstore_reply(q, a);
    free_job(j);
}

static void reply_text(blob_job *j, slice text) {
    reply(j, &(blobstore_answer){.is_error = true, .message = slice_sub(text, 0, WRPC_BLOBS_TEXT_BYTES_MAX)});
}

static void fail_job(blob_job *j, status code, const char *why) {
    list_remove(&j->node);
    if (j->q != NULL) {
        blobstore_fail(j->q, code, "%s", why);
    } else {
        driver_fail(j->origin, code, "%s", why);
    }
    free_job(j);
}

static void start_job(blob_job *j);

// --- what came ---------------------------------------------------------------------------------------------

static uint64_t wanted(const blobstore_call *c, uint64_t size) {
    uint64_t left = c->start < size ? size - c->start : 0;
    return left < c->len ? left : c->len;
}

static void write_revision(const blob_job *j, char ret[64]) {
    snprintf(ret, 64, "%" PRIu64 "-%" PRIu64, j->created_at, j->size);
}

static void answer_part(blob_job *j) {
    char revision[64];
    write_revision(j, revision);
    reply(j, &(blobstore_answer){
                 .revision = slice_from_text(revision), .size = j->size, .bytes = buf_slice(&j->stream)});
}

static void on_info(blob_job *j) {
    char revision[64];
    const blobstore_call *c = &j->q->call;
    values_reader r = values_reader_of(buf_slice(&j->results));
    if (!values_read_is_ok(&r)) {
        slice text = values_read_string(&r);
        reply_text(j, text);
        return;
    }
    j->created_at = values_read_u64(&r);
    j->size = values_read_u64(&r);
    err e;
    if (values_read_end(&r, "what is known of an object", &e) != STATUS_OK) {
        fail_job(j, STATUS_IO, e.message);
        return;
    }
    write_revision(j, revision);
    if (c->has_revision && !slice_equal_text(c->revision, revision)) {
        reply_text(j, slice_from_text(blobstore_error_text(BLOBSTORE_CHANGED)));
        return;
    }
    if (wanted(c, j->size) == 0) {
        answer_part(j);
        return;
    }
    j->kind = JOB_READ;
    j->function = BLOBSTORE_READ;
    start_job(j);
}

// The error beside a stream that has come: false when there is none.
static bool read_outcome(const blob_job *j, slice *ret_text) {
    values_reader r = values_reader_of(buf_slice(&j->outcome));
    if (j->outcome.len == 0 || values_read_is_ok(&r)) {
        return false;
    }
    *ret_text = values_read_string(&r);
    return true;
}

static void on_part(blob_job *j) {
    slice text;
    uint64_t due = wanted(&j->q->call, j->size);
    if (j->stream.len < due && read_outcome(j, &text)) {
        reply_text(j, text);
    } else if (j->stream.len < due) {
        reply_text(j, slice_from_text("the provider gave less of the object than there is"));
    } else {
        j->stream.len = (size_t)due;
        answer_part(j);
    }
}

// The names of a stream of lists; those behind `limit` are left out.
static bool read_names(slice bytes, arena *a, uint32_t limit, const slice **ret, size_t *ret_count) {
    values_reader r = values_reader_of(bytes);
    slice *names = ARENA_ARRAY(a, slice, limit);
    size_t count = 0;
    uint32_t left;
    while (names != NULL && (left = values_read_count(&r, 1)) > 0 && values_read_ok(&r)) {
        for (; left > 0 && values_read_ok(&r); left--) {
            slice name = values_read_string(&r);
            if (name.len > BLOBSTORE_OBJECT_BYTES_MAX) {
                return false;
            }
            if (count < limit) {
                names[count++] = name;
            }
        }
    }
    *ret = names;
    *ret_count = count;
    return names != NULL && values_read_ok(&r);
}

static uint64_t offset_of(const blobstore_call *c) {
    uint64_t offset = 0;
    return c->has_cursor && slice_to_u64(c->cursor, &offset) ? offset : 0;
}

static void on_list(blob_job *j) {
    slice text;
    char cursor[32];
    blobstore_answer a = {.is_error = false};
    const blobstore_call *c = &j->q->call;
    if (read_outcome(j, &text)) {
        reply_text(j, text);
        return;
    }
    if (!read_names(buf_slice(&j->stream), &j->q->memory, c->limit, &a.names, &a.count)) {
        fail_job(j, STATUS_IO, "the list of the provider is malformed");
        return;
    }
    snprintf(cursor, sizeof cursor, "%" PRIu64, offset_of(c) + a.count);
    a.has_cursor = a.count == c->limit;
    a.cursor = slice_from_text(cursor);
    reply(j, &a);
}

static void on_probe(blob_job *j) {
    wrpc_blobs *b = j->b;
    blobstore_request *q = j->q;
    values_reader r = values_reader_of(buf_slice(&j->results));
    bool is_there = values_read_is_ok(&r) && values_read_bool(&r);
    if (!is_there) {
        reply_text(j, slice_from_text(blobstore_error_text(BLOBSTORE_NO_CONTAINER)));
        return;
    }
    free_job(j);
    wrpc_uploads_begin(b, q);
}

// --- callbacks ---------------------------------------------------------------------------------------------

static void finish_job(blob_job *j);

// A stream that stands in place is all of it, whatever its outcome beside it would say.
static void on_inline(blob_job *j, values_reader *r) {
    const uint8_t *from = r->at;
    if (j->kind == JOB_READ) {
        slice bytes = values_read_bytes(r);
        slice fitting = slice_sub(bytes, 0, (size_t)wanted(&j->q->call, j->size));
        if (buf_append(&j->stream, fitting) != STATUS_OK) {
            values_read_fail(r, "a part of an object is too long");
        }
    } else {
        for (uint32_t left = values_read_count(r, 1); left > 0 && values_read_ok(r); left--) {
            (void)values_read_string(r);
        }
        if (buf_append(&j->stream, slice_of(from, (size_t)(r->at - from))) != STATUS_OK ||
            buf_append_byte(&j->stream, 0) != STATUS_OK) {
            values_read_fail(r, "the list of the provider is too long");
        }
    }
    lattice_call_cancel(&j->call);
    if (values_read_ok(r)) {
        finish_job(j);
    } else {
        fail_job(j, STATUS_IO, r->problem);
    }
}

// An error in place of a stream, or one whose bytes stand here; otherwise what follows is on the paths.
static void on_stream_results(blob_job *j, slice results) {
    values_reader r = values_reader_of(results);
    if (!values_read_is_ok(&r)) {
        slice text = values_read_string(&r);
        lattice_call_cancel(&j->call);
        reply_text(j, text);
    } else if (results.len > 1 && results.data[1] != 0) {
        on_inline(j, &r);
    }
}

static void on_results(lattice_call *c, slice results) {
    blob_job *j = job_of(c);
    if (j->kind == JOB_READ || j->kind == JOB_LIST) {
        on_stream_results(j, results);
    } else if (buf_append(&j->results, results) != STATUS_OK) {
        lattice_call_cancel(c);
        fail_job(j, STATUS_LIMIT, "the answer of the provider is too long");
    }
}

static void on_part_bytes(blob_job *j, slice bytes) {
    uint64_t due = wanted(&j->q->call, j->size);
    slice run;
    while (bytes.len > 0) {
        if (wrpc_pieces_read(&j->pieces, &bytes, &run) != STATUS_OK) {
            lattice_call_cancel(&j->call);
            fail_job(j, STATUS_IO, "the bytes of an object that came are malformed");
            return;
        }
        slice fitting = slice_sub(run, 0, (size_t)due - j->stream.len);
        if (buf_append(&j->stream, fitting) != STATUS_OK) {
            lattice_call_cancel(&j->call);
            fail_job(j, STATUS_LIMIT, "a part of an object is too long");
            return;
        }
    }
}

static void on_data(lattice_call *c, size_t path, slice bytes) {
    blob_job *j = job_of(c);
    if (path == WRPC_BLOBS_STREAM && j->kind == JOB_READ) {
        on_part_bytes(j, bytes);
    } else if (buf_append(path == WRPC_BLOBS_STREAM ? &j->stream : &j->outcome, bytes) != STATUS_OK) {
        lattice_call_cancel(c);
        fail_job(j, STATUS_LIMIT, "the list of the provider is too long");
    }
}

static void finish_job(blob_job *j) {
    switch (j->kind) {
    case JOB_PASS: {
        driver_call *origin = j->origin;
        list_remove(&j->node);
        driver_answer(origin, buf_slice(&j->results));
        free_job(j);
        break;
    }
    case JOB_INFO:
        on_info(j);
        break;
    case JOB_READ:
        on_part(j);
        break;
    case JOB_LIST:
        on_list(j);
        break;
    case JOB_PROBE:
        on_probe(j);
        break;
    }
}

static void on_ended(lattice_call *c, status code, const err *e) {
    blob_job *j = job_of(c);
    if (code == STATUS_NOT_FOUND && !j->was_retried) {
        j->was_retried = true;
        j->is_old = !j->is_old;
        start_job(j);
        return;
    }
    if (code != STATUS_OK) {
        fail_job(j, code, e->message);
        return;
    }
    j->b->is_old = j->is_old;
    j->b->is_version_known = true;
    finish_job(j);
}

static const lattice_call_ops call_ops = {.on_results = on_results, .on_data = on_data, .ended = on_ended};

// --- beginning ---------------------------------------------------------------------------------------------

static void write_option(values_writer *w, uint64_t number) {
    values_write_option(w, true);
    values_write_u64(w, number);
}

static status encode(blob_job *j) {
    values_writer w = values_writer_of(&j->params);
    const blobstore_call *c = j->q != NULL ? &j->q->call : NULL;
    buf_clear(&j->params);
    switch (j->kind) {
    case JOB_PASS:
        return buf_append(&j->params, j->origin->payload);
    case JOB_PROBE:
        values_write_string(&w, c->container);
        break;
    case JOB_LIST:
        values_write_string(&w, c->container);
        write_option(&w, c->limit);
        write_option(&w, offset_of(c));
        break;
    case JOB_INFO:
        wrpc_blobs_write_id(&w, c->container, c->object);
        break;
    case JOB_READ:
        wrpc_blobs_write_id(&w, c->container, c->object);
        values_write_u64(&w, c->start);
        values_write_u64(&w, c->start + wanted(c, j->size));
        break;
    }
    return w.code;
}

static void start_job(blob_job *j) {
    err e;
    lattice_call *c = &j->call;
    *c = (lattice_call){.ops = &call_ops, .invocation = wrpc_blobs_invocation(j->b, j->is_old, j->origin)};
    c->invocation.function = slice_from_text(blobstore_function_name(j->function));
    c->down = wrpc_blobs_down(j->function, j->is_old);
    c->has_results = true;
    buf_clear(&j->results);
    buf_clear(&j->stream);
    buf_clear(&j->outcome);
    status s = encode(j);
    if (s != STATUS_OK) {
        fail_job(j, s, "the arguments are too long");
        return;
    }
    c->invocation.params = buf_slice(&j->params);
    s = lattice_call_start(j->b->options.transport, c, &e);
    if (s != STATUS_OK) {
        on_ended(c, s, &e);
    }
}

static void make_job(wrpc_blobs *b, job_kind kind, blobstore_function f, driver_call *origin,
                     blobstore_request *q) {
    blob_job *j = MEM_NEW(blob_job);
    j->b = b;
    j->kind = kind;
    j->function = f;
    j->origin = origin;
    j->q = q;
    j->is_old = b->is_old;
    list_push_back(&b->jobs, &j->node);
    buf_init(&j->params, BLOBSTORE_CALL_BYTES_MAX);
    buf_init(&j->results, RESULTS_BYTES_MAX);
    buf_init(&j->stream, LIST_BYTES_MAX);
    buf_init(&j->outcome, WRPC_BLOBS_TEXT_BYTES_MAX * 2);
    start_job(j);
}

static void begin_write(wrpc_blobs *b, blobstore_request *q) {
    if (q->call.step == BLOBSTORE_BEGIN && !b->is_version_known) {
        make_job(b, JOB_PROBE, BLOBSTORE_CONTAINER_EXISTS, q->origin, q);
    } else if (q->call.step == BLOBSTORE_BEGIN) {
        wrpc_uploads_begin(b, q);
    } else {
        wrpc_uploads_step(b, q);
    }
}

void wrpc_blobs_call(wrpc_blobs *b, driver_call *c) {
    blobstore_function f;
    bool is_known =
        slice_equal_text(c->interface, BLOBSTORE_INTERFACE) && blobstore_function_find(c->function, &f);
    if (is_known && f != BLOBSTORE_READ && f != BLOBSTORE_LIST && f != BLOBSTORE_WRITE) {
        make_job(b, JOB_PASS, f, c, NULL);
        return;
    }
    blobstore_request *q = blobstore_receive(c, &b->limits);
    if (q == NULL) {
        return;
    }
    if (f == BLOBSTORE_WRITE) {
        begin_write(b, q);
    } else if (f == BLOBSTORE_LIST) {
        make_job(b, JOB_LIST, BLOBSTORE_LIST, c, q);
    } else {
        make_job(b, JOB_INFO, BLOBSTORE_OBJECT_INFO, c, q);
    }
}

void wrpc_blobs_cancel(wrpc_blobs *b, driver_call *c) {
    for (list_node *n = b->jobs.next; n != &b->jobs; n = n->next) {
        blob_job *j = LIST_ENTRY(n, blob_job, node);
        if (j->origin == c) {
            lattice_call_cancel(&j->call);
            fail_job(j, STATUS_CANCELLED, "the call was given up");
            return;
        }
    }
    wrpc_uploads_cancel(b, c);
}

// --- the whole ---------------------------------------------------------------------------------------------

lattice_invocation wrpc_blobs_invocation(const wrpc_blobs *b, bool is_old, const driver_call *origin) {
    uint64_t own = loop_now_ns(b->options.loop) + b->options.call_ns;
    lattice_invocation i = b->options.invocation;
    i.instance = slice_from_text(is_old ? WRPC_BLOBSTORE_OLD : WRPC_BLOBSTORE_NEW);
    i.deadline_ns = origin != NULL && origin->deadline_ns < UINT64_MAX ? origin->deadline_ns : own;
    return i;
}

wrpc_blobs *wrpc_blobs_new(const wrpc_blobs_options *options) {
    wrpc_blobs *b = MEM_NEW(wrpc_blobs);
    b->options = *options;
    b->options.invocation = lattice_invocation_keep(&options->invocation, &b->names);
    b->limits = (blobstore_limits){.object_bytes_max = UINT64_MAX >> 1,
                                   .uploads_max = WRPC_BLOBS_UPLOADS_MAX,
                                   .upload_idle_ns = options->call_ns};
    list_init(&b->jobs);
    wrpc_uploads_init(b);
    return b;
}

void wrpc_blobs_free(wrpc_blobs *b) {
    if (b == NULL) {
        return;
    }
    wrpc_uploads_done(b);
    buf_done(&b->names);
    mem_free(b);
}
