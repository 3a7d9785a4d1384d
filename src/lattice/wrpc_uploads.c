// SPDX-License-Identifier: Apache-2.0
// Uploads to a provider of 1.x: one call that stays open, whose stream gets what each append brings.
#include <stdio.h>

#include "base/mem.h"
#include "lattice/wrpc_blobs_internal.h"

static const uint64_t upload_ns_max = UINT64_C(86400000000000); // a day

typedef struct wire_upload {
    blobstore_upload upload; // in front: see blobstore_uploads
    lattice_call call;
    wrpc_blobs *b;
    buf params, results, outcome;
    buf piece; // for the stream, from `at` on
    size_t at;
    blobstore_request *q; // the step that runs
    bool is_over;         // the call has ended
    status code;
    char why[ERR_MESSAGE_BYTES_MAX];
} wire_upload;

static wire_upload *upload_of(lattice_call *c) { return LIST_ENTRY(c, wire_upload, call); }

static void free_upload(wire_upload *u) {
    blobstore_uploads_remove(&u->upload);
    lattice_call_cancel(&u->call);
    buf_done(&u->params);
    buf_done(&u->results);
    buf_done(&u->outcome);
    buf_done(&u->piece);
    mem_free(u);
}

// Without the mark of its end the stream is no object for the provider.
static void on_expired(void *arg, blobstore_upload *u) {
    (void)arg;
    free_upload((wire_upload *)(void *)u);
}

// --- the end of a step -------------------------------------------------------------------------------------

static void end_step(wire_upload *u) {
    blobstore_request *q = u->q;
    uint64_t added = q->call.bytes.len;
    u->q = NULL;
    blobstore_reply(q, &(blobstore_answer){.is_error = false});
    blobstore_uploads_end_step(&u->upload, added);
}

static void fail_step(wire_upload *u, status code, const char *why) {
    blobstore_request *q = u->q;
    u->q = NULL;
    blobstore_fail(q, code, "%s", why);
    free_upload(u);
}

// What the provider says of the whole: an error's text, or that it is written.
static void finish_upload(wire_upload *u) {
    blobstore_request *q = u->q;
    bool has_future = u->call.down.count > 0;
    values_reader r = values_reader_of(buf_slice(&u->results));
    bool is_ok = values_read_is_ok(&r);
    if (is_ok && has_future) {
        if (!values_read_option(&r)) {
            r = values_reader_of(buf_slice(&u->outcome));
        }
        is_ok = values_read_is_ok(&r);
    }
    slice text = is_ok ? slice_empty() : values_read_string(&r);
    if (!values_read_ok(&r)) {
        fail_step(u, STATUS_IO, "what the provider said of an upload is malformed");
        return;
    }
    u->q = NULL;
    bool is_early = is_ok && q->call.step != BLOBSTORE_FINISH;
    slice early = slice_from_text("the provider ended the upload too early");
    blobstore_reply(
        q, &(blobstore_answer){.is_error = !is_ok || is_early,
                               .message = is_early ? early : slice_sub(text, 0, WRPC_BLOBS_TEXT_BYTES_MAX)});
    free_upload(u);
}

static void settle(wire_upload *u) {
    if (u->q == NULL || !u->is_over) {
        return;
    }
    if (u->code == STATUS_OK) {
        finish_upload(u);
    } else {
        fail_step(u, u->code, u->why);
    }
}

// --- the stream --------------------------------------------------------------------------------------------

static void pump(wire_upload *u) {
    while (u->at < u->piece.len && !u->is_over) {
        slice next = slice_sub(buf_slice(&u->piece), u->at, u->at + WRPC_BLOBS_WRITE_BYTES_MAX);
        if (lattice_call_write(&u->call, 0, next) != STATUS_OK) {
            return; // on_room
        }
        u->at += next.len;
    }
    if (u->is_over || u->q == NULL) {
        settle(u);
        return;
    }
    buf_clear(&u->piece);
    u->at = 0;
    if (u->q->call.step == BLOBSTORE_FINISH) {
        lattice_call_end(&u->call, 0);
    } else {
        end_step(u);
    }
}

static void on_results(lattice_call *c, slice results) {
    wire_upload *u = upload_of(c);
    status s = buf_append(&u->results, slice_sub(results, 0, WRPC_BLOBS_TEXT_BYTES_MAX));
    (void)s; // what is missing is malformed
}

static void on_data(lattice_call *c, size_t path, slice bytes) {
    wire_upload *u = upload_of(c);
    (void)path;
    status s = buf_append(&u->outcome, slice_sub(bytes, 0, WRPC_BLOBS_TEXT_BYTES_MAX));
    (void)s;
}

static void on_room(lattice_call *c, size_t path) {
    wire_upload *u = upload_of(c);
    (void)path;
    if (u->q != NULL && u->piece.len > 0) {
        pump(u);
    }
}

static void on_ended(lattice_call *c, status code, const err *e) {
    wire_upload *u = upload_of(c);
    u->is_over = true;
    u->code = code;
    snprintf(u->why, sizeof u->why, "%s", e == NULL ? "" : e->message);
    settle(u);
}

static const lattice_call_ops call_ops = {
    .on_results = on_results, .on_data = on_data, .on_room = on_room, .ended = on_ended};

// --- steps -------------------------------------------------------------------------------------------------

static status encode(wire_upload *u, const blobstore_call *c) {
    values_writer w = values_writer_of(&u->params);
    wrpc_blobs_write_id(&w, c->container, c->object);
    values_write_count(&w, 0); // the stream follows
    return w.code;
}

static status start(wire_upload *u, const blobstore_call *c, err *e) {
    wrpc_blobs *b = u->b;
    u->call.ops = &call_ops;
    u->call.invocation = wrpc_blobs_invocation(b, b->is_old, NULL);
    u->call.invocation.function = slice_from_text(blobstore_function_name(BLOBSTORE_WRITE));
    u->call.invocation.deadline_ns = loop_now_ns(b->options.loop) + upload_ns_max;
    u->call.up = wrpc_blobs_up(BLOBSTORE_WRITE);
    u->call.down = wrpc_blobs_down(BLOBSTORE_WRITE, b->is_old);
    u->call.has_results = true;
    TRY(encode(u, c));
    u->call.invocation.params = buf_slice(&u->params);
    return lattice_call_start(b->options.transport, &u->call, e);
}

void wrpc_uploads_begin(wrpc_blobs *b, blobstore_request *q) {
    wire_upload *u = MEM_NEW(wire_upload);
    err e = {.message = "the names are too long"};
    u->b = b;
    buf_init(&u->params, WRPC_BLOBS_TEXT_BYTES_MAX);
    buf_init(&u->results, WRPC_BLOBS_TEXT_BYTES_MAX);
    buf_init(&u->outcome, WRPC_BLOBS_TEXT_BYTES_MAX);
    buf_init(&u->piece, BLOBSTORE_PART_BYTES_MAX + 2 * WRPC_PIECE_HEAD_BYTES_MAX);
    if (!blobstore_uploads_add(&b->uploads, &u->upload)) {
        free_upload(u);
        blobstore_reply_error(q, BLOBSTORE_TOO_MANY);
        return;
    }
    status s = start(u, &q->call, &e);
    if (s != STATUS_OK) {
        free_upload(u);
        blobstore_fail(q, s, "%s", e.message);
        return;
    }
    blobstore_reply(q, &(blobstore_answer){.upload = slice_from_text(u->upload.name)});
}

static bool put_piece(wire_upload *u, slice bytes) {
    uint8_t head[WRPC_PIECE_HEAD_BYTES_MAX];
    size_t len = wrpc_piece_head((uint32_t)bytes.len, head);
    return buf_append(&u->piece, slice_of(head, len)) == STATUS_OK &&
           buf_append(&u->piece, bytes) == STATUS_OK;
}

void wrpc_uploads_step(wrpc_blobs *b, blobstore_request *q) {
    blobstore_upload *found = blobstore_uploads_begin_step(&b->uploads, q);
    wire_upload *u = (wire_upload *)(void *)found;
    if (found == NULL) {
        return;
    }
    u->q = q;
    if (q->call.step == BLOBSTORE_ABORT) {
        u->q = NULL;
        free_upload(u);
        blobstore_reply(q, &(blobstore_answer){.is_error = false});
        return;
    }
    if (u->is_over) {
        settle(u);
        return;
    }
    slice bytes = q->call.step == BLOBSTORE_APPEND ? q->call.bytes : slice_empty();
    if (q->call.step == BLOBSTORE_APPEND && bytes.len == 0) {
        end_step(u);
    } else if (!put_piece(u, bytes)) {
        fail_step(u, STATUS_LIMIT, "a part of an object is too long");
    } else {
        pump(u);
    }
}

void wrpc_uploads_cancel(wrpc_blobs *b, driver_call *c) {
    for (list_node *n = b->uploads.items.next; n != &b->uploads.items; n = n->next) {
        wire_upload *u = (wire_upload *)(void *)LIST_ENTRY(n, blobstore_upload, node);
        if (u->q != NULL && u->q->origin == c) {
            fail_step(u, STATUS_CANCELLED, "the call was given up");
            return;
        }
    }
}

void wrpc_uploads_init(wrpc_blobs *b) {
    blobstore_uploads_init(&b->uploads, b->options.loop, &b->limits, on_expired, b);
}

void wrpc_uploads_done(wrpc_blobs *b) {
    blobstore_upload *u;
    while ((u = blobstore_uploads_take(&b->uploads)) != NULL) {
        free_upload((wire_upload *)(void *)u);
    }
}
