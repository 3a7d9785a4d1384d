// SPDX-License-Identifier: Apache-2.0
// Uploads: chunks are stored when they are full, under a name that no object has; what makes them an object
// comes last.
#include "base/check.h"
#include "base/mem.h"
#include "driver/blobstore/nats_objects.h"

static void free_upload(nats_upload *u) {
    hash_sha256_drop(&u->hash);
    buf_done(&u->part);
    mem_free(u->name);
    mem_free(u);
}

void nats_upload_expired(void *link, blobstore_upload *base) {
    nats_upload *u = (nats_upload *)base;
    if (u->object.meta.chunks > 0) {
        nats_chunks_drop(link, u->object.bucket, u->object.meta.nuid);
    }
    free_upload(u);
}

// What may have become an object is left alone.
void nats_upload_give_up(nats_job *j) {
    nats_upload *u = j->upload;
    j->upload = NULL;
    blobstore_uploads_remove(&u->base);
    if (j->is_committing) {
        u->object.meta.chunks = 0;
    }
    nats_upload_expired(j->link, &u->base);
}

// --- chunks ------------------------------------------------------------------------------------------------

static void store_part(nats_job *j, nats_step next) {
    nats_upload *u = j->upload;
    auto_buf subject = {0};
    buf_init(&subject, 1024);
    if (nats_chunk_subject(u->object.bucket, u->object.meta.nuid, &subject) != STATUS_OK) {
        nats_job_error(j, BLOBSTORE_BAD_NAME);
        return;
    }
    u->object.meta.chunks++; // also when it is not known whether it was stored
    nats_job_put(j, buf_slice(&subject), slice_empty(), buf_slice(&u->part), next);
}

static void fill(nats_job *j);

static void on_part(nats_job *j, const nats_message *m) {
    if (nats_job_stored(j, m, NULL)) {
        buf_clear(&j->upload->part);
        fill(j);
    }
}

// Full chunks leave, the rest begins the next one.
static void fill(nats_job *j) {
    nats_upload *u = j->upload;
    slice taken = slice_sub(j->rest, 0, NATS_CHUNK_BYTES - u->part.len);
    CHECK(buf_append(&u->part, taken) == STATUS_OK);
    hash_sha256_add(&u->hash, taken);
    j->rest = slice_sub(j->rest, taken.len, j->rest.len);
    if (u->part.len == NATS_CHUNK_BYTES && j->rest.len > 0) {
        store_part(j, on_part);
        return;
    }
    j->upload = NULL;
    blobstore_uploads_end_step(&u->base, nats_job_call(j)->bytes.len);
    nats_job_reply(j, &(blobstore_answer){0});
}

// --- the end -----------------------------------------------------------------------------------------------

static void on_finished(nats_job *j, const nats_message *m) {
    nats_upload *u = j->upload;
    (void)m;
    j->upload = NULL;
    blobstore_uploads_remove(&u->base);
    free_upload(u);
    nats_job_reply(j, &(blobstore_answer){0});
}

static void finish(nats_job *j) {
    nats_upload *u = j->upload;
    uint8_t hash[HASH_BYTES];
    hash_sha256_end(&u->hash, hash);
    u->object.meta.is_there = u->object.meta.has_digest = true;
    u->object.meta.size = u->base.bytes;
    memcpy(u->object.meta.digest, hash, HASH_BYTES);
    j->to = u->object;
    j->then = on_finished;
    nats_object_replace(j);
}

static void on_last_part(nats_job *j, const nats_message *m) {
    if (nats_job_stored(j, m, NULL)) {
        finish(j);
    }
}

// --- steps -------------------------------------------------------------------------------------------------

static void begin(nats_job *j) {
    const blobstore_call *c = nats_job_call(j);
    nats_upload *u = MEM_NEW(nats_upload);
    u->link = j->link;
    u->object = j->from;
    u->name = mem_slice_dup(c->object);
    u->object.name = slice_from_text(u->name);
    nats_nuid_make(u->object.meta.nuid);
    buf_init(&u->part, NATS_CHUNK_BYTES);
    hash_sha256_begin(&u->hash);
    if (!blobstore_uploads_add(&j->link->uploads, &u->base)) {
        free_upload(u);
        nats_job_error(j, BLOBSTORE_TOO_MANY);
        return;
    }
    nats_job_reply(j, &(blobstore_answer){.upload = slice_from_text(u->base.name)});
}

void nats_job_write(nats_job *j) {
    switch (nats_job_call(j)->step) {
    case BLOBSTORE_BEGIN:
        begin(j);
        break;
    case BLOBSTORE_APPEND:
        j->rest = nats_job_call(j)->bytes;
        fill(j);
        break;
    case BLOBSTORE_FINISH:
        if (j->upload->part.len > 0) {
            store_part(j, on_last_part);
        } else {
            finish(j);
        }
        break;
    default:
        nats_upload_give_up(j);
        nats_job_reply(j, &(blobstore_answer){0});
        break;
    }
}
