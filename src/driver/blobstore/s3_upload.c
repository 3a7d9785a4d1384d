// SPDX-License-Identifier: Apache-2.0
// Uploads. What fits one part is one request at the end; what does not is a multipart upload, whose parts are
// sent when they are full. Both are visible when they are whole, and not before.
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "driver/blobstore/s3_internal.h"
#include "driver/blobstore/s3_messages.h"

static slice container_of(const s3_upload *u) { return slice_from_text(u->container); }
static slice object_of(const s3_upload *u) { return slice_from_text(u->object); }

static void upload_free(s3_upload *u) {
    hash_sha256_drop(&u->hash);
    buf_done(&u->part);
    for (size_t i = 0; i < u->etag_count; i++) {
        mem_free((void *)u->etags[i].data);
    }
    mem_free(u->etags);
    mem_free(u->id);
    mem_free(u->container);
    mem_free(u->object);
    mem_free(u);
}

// --- giving up ---------------------------------------------------------------------------------------------

static status write_id(s3_op *o, const s3_upload *u, size_t part) {
    buf_clear(&o->query);
    TRY(part > 0 ? buf_append_format(&o->query, "partNumber=%zu&", part) : STATUS_OK);
    TRY(buf_append_text(&o->query, "uploadId="));
    return s3_encode(slice_from_text(u->id), false, &o->query);
}

// Tells the server to forget the parts; what it does not hear is left to its rules for such uploads.
static void forget(s3_op *o, const s3_answer *a) {
    if (a != NULL) {
        upload_free(o->upload);
        s3_op_free(o);
        return;
    }
    s3_wanted w = s3_about("DELETE", container_of(o->upload), object_of(o->upload));
    w.is_repeatable = true;
    s3_send_query(o, &w, write_id(o, o->upload, 0));
}

void s3_upload_expired(void *link, blobstore_upload *base) {
    s3_upload *u = (s3_upload *)base;
    if (u->id == NULL) {
        upload_free(u);
        return;
    }
    s3_op *o = s3_op_new(link, forget);
    o->upload = u;
    forget(o, NULL);
}

// The step has ended badly, and the upload with it.
static void give_up(s3_op *o) {
    s3_upload *u = o->upload;
    o->upload = NULL;
    blobstore_uploads_remove(&u->base);
    s3_upload_expired(o->link, &u->base);
}

static void fail(s3_op *o, const s3_answer *a) {
    give_up(o);
    s3_reply_failure(o, a);
}

// --- parts -------------------------------------------------------------------------------------------------

static void take(s3_upload *u, slice bytes) {
    if (u->hash.context == NULL) {
        hash_sha256_begin(&u->hash);
    }
    hash_sha256_add(&u->hash, bytes);
    CHECK(buf_append(&u->part, bytes) == STATUS_OK);
}

// The part is complete: it will not change before it was sent.
static const char *seal(s3_upload *u) {
    uint8_t hash[HASH_BYTES];
    if (u->hash.context == NULL) {
        return NULL; // of nothing, or sealed already
    }
    hash_sha256_end(&u->hash, hash);
    hash_hex(hash, u->body_hash);
    return u->body_hash;
}

static void send_part(s3_op *o) {
    s3_upload *u = o->upload;
    s3_wanted w = s3_about("PUT", container_of(u), object_of(u));
    w.body = buf_slice(&u->part);
    w.has_body = true;
    w.body_hash = seal(u);
    w.is_repeatable = true;
    s3_send_query(o, &w, write_id(o, u, u->etag_count + 1));
}

static void send_create(s3_op *o) {
    s3_wanted w = s3_about("POST", container_of(o->upload), object_of(o->upload));
    w.query = slice_from_text("uploads=");
    s3_send(o, &w);
}

static bool keep_id(s3_op *o, const s3_answer *a) {
    auto_arena memory;
    slice id;
    arena_init(&memory, 1 << 16);
    if (s3_read_upload(a->body, &memory, &id, NULL) != STATUS_OK || id.len > 2048) {
        return false;
    }
    o->upload->id = mem_slice_dup(id);
    return true;
}

static bool keep_etag(s3_upload *u, const s3_answer *a) {
    if (a->etag.len == 0 || a->etag.len > BLOBSTORE_REVISION_BYTES_MAX) {
        return false;
    }
    if (u->etag_count == u->etag_room) {
        u->etag_room = u->etag_room * 2 + 8;
        u->etags = mem_resize(u->etags, u->etag_room * sizeof *u->etags);
    }
    u->etags[u->etag_count++] = slice_of(mem_slice_dup(a->etag), a->etag.len);
    buf_clear(&u->part);
    return true;
}

// --- steps -------------------------------------------------------------------------------------------------

static void end_append(s3_op *o) {
    s3_upload *u = o->upload;
    o->upload = NULL;
    take(u, o->rest);
    blobstore_uploads_end_step(&u->base, s3_call(o)->bytes.len);
    s3_reply(o, &(blobstore_answer){0});
}

// Bytes that fill the part make it leave; the rest begins the next one.
static void append(s3_op *o, const s3_answer *a) {
    s3_upload *u = o->upload;
    const s3_answer odd = {.code = STATUS_IO,
                           .why = "the server's answer to a part of an upload makes no sense"};
    if (a == NULL) {
        size_t room = o->link->part_bytes - u->part.len;
        take(u, slice_sub(s3_call(o)->bytes, 0, room));
        o->rest = slice_sub(s3_call(o)->bytes, room, s3_call(o)->bytes.len);
        if (u->part.len < o->link->part_bytes || o->rest.len == 0) {
            end_append(o);
        } else if (u->id == NULL) {
            send_create(o);
        } else {
            send_part(o);
        }
    } else if (!s3_is_good(a)) {
        fail(o, a);
    } else if (u->id == NULL) {
        if (keep_id(o, a)) {
            send_part(o);
        } else {
            fail(o, &odd);
        }
    } else if (keep_etag(u, a)) {
        end_append(o);
    } else {
        fail(o, &odd);
    }
}

static void send_whole(s3_op *o) {
    s3_upload *u = o->upload;
    s3_wanted w = s3_about("PUT", container_of(u), object_of(u));
    w.body = buf_slice(&u->part);
    w.has_body = true;
    w.body_hash = seal(u);
    s3_send(o, &w);
}

static void send_complete(s3_op *o) {
    s3_upload *u = o->upload;
    s3_wanted w = s3_about("POST", container_of(u), object_of(u));
    buf_clear(&o->body);
    status s = s3_write_complete(u->etags, u->etag_count, &o->body);
    w.body = buf_slice(&o->body);
    w.has_body = true;
    o->step = 1000; // what comes next is the last answer
    s3_send_query(o, &w, s == STATUS_OK ? write_id(o, u, 0) : s);
}

static void end_finish(s3_op *o, const s3_answer *a) {
    s3_answer last = *a; // of which 200 may be said before it went wrong
    if (s3_is_good(a) && o->step > 1000) {
        s3_read_error(a->body, last.error);
        if (last.error[0] == '\0' && !s3_is_result(a->body, "CompleteMultipartUploadResult")) {
            last = (s3_answer){.code = STATUS_IO,
                               .why = "the server's answer to the end of an upload makes no sense"};
        }
    }
    if (!s3_is_good(&last)) {
        fail(o, &last);
        return;
    }
    blobstore_uploads_remove(&o->upload->base);
    upload_free(o->upload);
    o->upload = NULL;
    s3_reply(o, &(blobstore_answer){0});
}

static void finish(s3_op *o, const s3_answer *a) {
    s3_upload *u = o->upload;
    if (a == NULL && u->id == NULL) {
        send_whole(o);
    } else if (a == NULL && u->part.len > 0) {
        send_part(o);
    } else if (a == NULL) {
        send_complete(o);
    } else if (u->id == NULL || o->step > 1000 || !s3_is_good(a)) {
        end_finish(o, a);
    } else if (keep_etag(u, a)) {
        send_complete(o);
    } else {
        fail(o, &(s3_answer){.code = STATUS_IO, .why = "the server gave a part no ETag"});
    }
}

static void begin(s3_op *o) {
    const blobstore_call *c = s3_call(o);
    if (!s3_name_is_fit(c->object)) {
        s3_reply_error(o, BLOBSTORE_BAD_NAME);
        return;
    }
    s3_upload *u = MEM_NEW(s3_upload);
    u->link = o->link;
    u->container = mem_slice_dup(c->container);
    u->object = mem_slice_dup(c->object);
    buf_init(&u->part, o->link->part_bytes);
    if (!blobstore_uploads_add(&o->link->uploads, &u->base)) {
        upload_free(u);
        s3_reply_error(o, BLOBSTORE_TOO_MANY);
        return;
    }
    s3_reply(o, &(blobstore_answer){.upload = slice_from_text(u->base.name)});
}

static void abort_upload(s3_op *o) {
    give_up(o);
    s3_reply(o, &(blobstore_answer){0});
}

void s3_upload_call(s3_op *o) {
    blobstore_step step = s3_call(o)->step;
    if (step == BLOBSTORE_BEGIN) {
        begin(o);
        return;
    }
    if (step == BLOBSTORE_ABORT) {
        abort_upload(o);
        return;
    }
    o->handler = step == BLOBSTORE_APPEND ? append : finish;
    o->handler(o, NULL);
}
