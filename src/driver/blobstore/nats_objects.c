// SPDX-License-Identifier: Apache-2.0
// Objects: finding, reading, replacing, copying and deleting them.
//
// What is kept of an object is replaced on the condition that nobody else was faster, so that the chunks of
// each object that was replaced are dropped once, by the one who replaced it. Who reads them meanwhile finds
// them gone, looks again, and learns that the object has changed.
#include <stdio.h>

#include "base/mem.h"
#include "driver/blobstore/nats_objects.h"

enum { SUBJECT_BYTES = 4096, ANSWER_BYTES_MAX = 16 << 20, META_BYTES_MAX = 16 << 10 };

static const char damaged[] =
    "the object is damaged: its bytes are not those that were stored with its digest";

// --- finding -----------------------------------------------------------------------------------------------

static void on_found(nats_job *j, const nats_message *m) {
    nats_object *o = j->finding;
    auto_arena memory;
    jetstream_fault fault;
    jetstream_message found = {0};
    err e;
    arena_init(&memory, ANSWER_BYTES_MAX);
    o->meta = (nats_meta){0};
    o->sequence = o->time_s = 0;
    status code = jetstream_read_message(m->payload, &memory, &fault, &found, &e);
    if (code == STATUS_OK && fault.number == 0) {
        code = nats_meta_read(found.payload, &o->meta, &e);
        o->sequence = found.sequence;
        o->time_s = found.time_s;
    }
    if (code != STATUS_OK) {
        nats_job_fail(j, STATUS_IO, e.message);
    } else if (fault.number != 0 && fault.number != JETSTREAM_NO_MESSAGE) {
        nats_job_fault(j, &fault);
    } else {
        j->found(j, NULL);
    }
}

void nats_object_find(nats_job *j, nats_object *o, nats_step next) {
    auto_buf text = {0};
    buf_init(&text, SUBJECT_BYTES);
    j->finding = o;
    j->found = next;
    if (buf_append_text(&text, "{\"last_by_subj\":\"") != STATUS_OK ||
        nats_meta_subject(o->bucket, o->name, &text) != STATUS_OK ||
        buf_append_text(&text, "\"}") != STATUS_OK) {
        nats_job_error(j, BLOBSTORE_BAD_NAME);
        return;
    }
    nats_job_ask(j, "STREAM.MSG.GET", o->bucket, buf_slice(&text), on_found);
}

static void on_info(nats_job *j, const nats_message *m) {
    (void)m;
    const nats_object *o = &j->from;
    if (nats_job_call(j)->function == BLOBSTORE_OBJECT_INFO && !o->meta.is_there) {
        nats_job_error(j, BLOBSTORE_NO_OBJECT);
        return;
    }
    nats_job_reply(
        j, &(blobstore_answer){.is_there = o->meta.is_there, .created_at = o->time_s, .size = o->meta.size});
}

void nats_job_info(nats_job *j) { nats_object_find(j, &j->from, on_info); }

// Whether its bytes can be had; answers otherwise.
static bool is_readable(nats_job *j) {
    if (!j->from.meta.is_there) {
        nats_job_error(j, BLOBSTORE_NO_OBJECT);
        return false;
    }
    if (j->from.meta.is_link) {
        nats_job_other(j, "the object is a link to another one, which this driver does not follow");
        return false;
    }
    return true;
}

// --- chunks ------------------------------------------------------------------------------------------------

void nats_cursor_done(nats_cursor *c) {
    hash_sha256_drop(&c->hash);
    *c = (nats_cursor){0};
}

static void start_cursor(nats_job *j) {
    nats_cursor_done(&j->cursor);
    j->cursor.sequence = 1;
    memcpy(j->cursor.nuid, j->from.meta.nuid, sizeof j->cursor.nuid);
    hash_sha256_begin(&j->cursor.hash);
}

static void ask_chunk(nats_job *j, nats_step next);

static void on_container_known(nats_job *j, const nats_message *m) {
    driver_link *k = j->link;
    jetstream_fault fault;
    jetstream_stream s = {0};
    err e;
    if (jetstream_read_stream(m->payload, &fault, &s, &e) != STATUS_OK) {
        nats_job_fail(j, STATUS_IO, e.message);
    } else if (fault.number != 0) {
        nats_job_fault(j, &fault);
    } else {
        nats_container *c = &k->containers[k->next_container++ % NATS_CONTAINERS_MAX];
        memcpy(c->bucket, j->from.bucket, sizeof c->bucket);
        c->is_direct = s.has_direct;
        ask_chunk(j, j->on_chunk);
    }
}

static const nats_container *find_container(const driver_link *k, const char *bucket) {
    for (size_t i = 0; i < NATS_CONTAINERS_MAX; i++) {
        if (strcmp(k->containers[i].bucket, bucket) == 0) {
            return &k->containers[i];
        }
    }
    return NULL;
}

// What one server does not have (yet) is asked of the one that leads.
static void ask_chunk(nats_job *j, nats_step next) {
    char text[512];
    const nats_container *c = find_container(j->link, j->from.bucket);
    j->on_chunk = next;
    if (c == NULL) {
        nats_job_ask(j, "STREAM.INFO", j->from.bucket, slice_empty(), on_container_known);
        return;
    }
    int len = snprintf(text, sizeof text, "{\"seq\":%llu,\"next_by_subj\":\"$O.%s.C.%s\"}",
                       (unsigned long long)j->cursor.sequence, j->from.bucket, j->cursor.nuid);
    j->is_direct = c->is_direct && j->tries == 0;
    nats_job_ask(j, j->is_direct ? "DIRECT.GET" : "STREAM.MSG.GET", j->from.bucket,
                 slice_of(text, (size_t)len), next);
}

static void read_again(nats_job *j, const nats_message *m);

static status take_chunk(nats_job *j, const nats_message *m, arena *a, jetstream_message *ret,
                         jetstream_fault *fault, err *e) {
    *fault = (jetstream_fault){0};
    if (!j->is_direct) {
        return jetstream_read_message(m->payload, a, fault, ret, e);
    }
    ret->payload = m->payload;
    return jetstream_read_direct(m->headers, &ret->sequence, e);
}

// The chunk that was asked for; false when it was answered, or looked for anew.
static bool read_chunk(nats_job *j, const nats_message *m, arena *a, slice *ret) {
    jetstream_fault fault;
    jetstream_message found = {0};
    err e;
    status code = take_chunk(j, m, a, &found, &fault, &e);
    if (code == STATUS_OK && fault.number == JETSTREAM_NO_MESSAGE) {
        code = STATUS_NOT_FOUND;
    }
    if (code != STATUS_OK && code != STATUS_NOT_FOUND) {
        nats_job_fail(j, STATUS_IO, e.message);
        return false;
    }
    if (code == STATUS_NOT_FOUND) {
        if (++j->tries == NATS_TRIES_MAX) {
            nats_job_other(j, damaged);
        } else {
            nats_object_find(j, &j->from, read_again);
        }
        return false;
    }
    if (fault.number != 0) {
        nats_job_fault(j, &fault);
        return false;
    }
    nats_cursor *c = &j->cursor;
    if (found.payload.len > j->from.meta.size - c->offset) {
        nats_job_other(j, damaged);
        return false;
    }
    if (c->hashed == c->offset && c->hash.context != NULL) {
        hash_sha256_add(&c->hash, found.payload);
        c->hashed += found.payload.len;
    }
    c->sequence = found.sequence;
    *ret = found.payload;
    return true;
}

// Of what was read from its beginning to its end.
static bool has_right_digest(nats_job *j) {
    nats_cursor *c = &j->cursor;
    uint8_t hash[HASH_BYTES];
    if (c->hash.context == NULL || c->hashed != j->from.meta.size || !j->from.meta.has_digest) {
        return true;
    }
    hash_sha256_end(&c->hash, hash);
    return hash_equal(hash, j->from.meta.digest);
}

// --- reading -----------------------------------------------------------------------------------------------

static uint64_t read_end(const nats_job *j) {
    const blobstore_call *c = nats_job_call(j);
    uint64_t size = j->from.meta.size;
    return c->len < size - c->start ? c->start + c->len : size;
}

static void take_cursor(nats_job *j) {
    driver_link *k = j->link;
    for (size_t i = 0; i < NATS_CURSORS_MAX; i++) {
        nats_cursor *c = &k->cursors[i];
        if (strcmp(c->nuid, j->from.meta.nuid) == 0 && c->offset <= nats_job_call(j)->start) {
            nats_cursor_done(&j->cursor);
            j->cursor = *c;
            *c = (nats_cursor){0};
            return;
        }
    }
    start_cursor(j);
}

static void keep_cursor(nats_job *j) {
    driver_link *k = j->link;
    nats_cursor *place = &k->cursors[k->next_cursor++ % NATS_CURSORS_MAX];
    if (j->cursor.offset < j->from.meta.size) {
        nats_cursor_done(place);
        *place = j->cursor;
        j->cursor = (nats_cursor){0};
    }
}

static void end_read(nats_job *j) {
    if (!has_right_digest(j)) {
        nats_job_other(j, damaged);
        return;
    }
    keep_cursor(j);
    nats_job_reply(j, &(blobstore_answer){.size = j->from.meta.size,
                                          .revision = slice_from_text(j->from.meta.nuid),
                                          .bytes = buf_slice(&j->bytes)});
}

static void on_read_chunk(nats_job *j, const nats_message *m) {
    auto_arena memory;
    slice chunk;
    arena_init(&memory, ANSWER_BYTES_MAX);
    if (!read_chunk(j, m, &memory, &chunk)) {
        return;
    }
    nats_cursor *c = &j->cursor;
    uint64_t wanted = nats_job_call(j)->start + j->bytes.len;
    uint64_t end = read_end(j);
    uint64_t chunk_end = c->offset + chunk.len;
    if (wanted < chunk_end) {
        size_t from = (size_t)(wanted - c->offset);
        size_t to = chunk_end < end ? chunk.len : (size_t)(end - c->offset);
        if (buf_append(&j->bytes, slice_sub(chunk, from, to)) != STATUS_OK) {
            nats_job_fail(j, STATUS_LIMIT, "no memory for what was read");
            return;
        }
    }
    if (chunk_end <= end) { // a part of it is wanted again else
        c->offset = chunk_end;
        c->sequence++;
    }
    if (chunk_end >= end) {
        end_read(j);
    } else {
        ask_chunk(j, on_read_chunk);
    }
}

static void on_read(nats_job *j, const nats_message *m) {
    (void)m;
    const blobstore_call *c = nats_job_call(j);
    if (!is_readable(j)) {
        return;
    }
    if (c->has_revision && !slice_equal_text(c->revision, j->from.meta.nuid)) {
        nats_job_error(j, BLOBSTORE_CHANGED);
        return;
    }
    buf_clear(&j->bytes);
    if (c->start >= j->from.meta.size) {
        nats_job_reply(j, &(blobstore_answer){.size = j->from.meta.size,
                                              .revision = slice_from_text(j->from.meta.nuid)});
        return;
    }
    take_cursor(j);
    ask_chunk(j, on_read_chunk);
}

void nats_job_read(nats_job *j) { nats_object_find(j, &j->from, on_read); }

// --- replacing ---------------------------------------------------------------------------------------------

static void on_replaced(nats_job *j, const nats_message *m) {
    bool is_late = false;
    j->is_committing = false;
    j->has_draft = j->to.meta.is_there && j->upload == NULL;
    if (!nats_job_stored(j, m, &is_late)) {
        return;
    }
    if (is_late) { // another one has written it: that is what is there now
        if (++j->tries == NATS_TRIES_MAX) {
            nats_job_other(j, "others write the object again and again");
        } else {
            nats_object_replace(j);
        }
        return;
    }
    j->has_draft = false;
    if (j->old.meta.is_there && !j->old.meta.is_link) {
        nats_chunks_drop(j->link, j->old.bucket, j->old.meta.nuid);
    }
    j->then(j, NULL);
}

static void write_meta(nats_job *j) {
    auto_buf json = {0};
    auto_buf subject = {0};
    char headers[128];
    buf_init(&json, META_BYTES_MAX);
    buf_init(&subject, SUBJECT_BYTES);
    int len = snprintf(headers, sizeof headers,
                       "NATS/1.0\r\nNats-Rollup: sub\r\n" JETSTREAM_EXPECTED_SEQUENCE ": %llu\r\n\r\n",
                       (unsigned long long)j->old.sequence);
    if (nats_meta_write(&j->to.meta, slice_from_text(j->to.bucket), j->to.name, NATS_CHUNK_BYTES, &json) !=
            STATUS_OK ||
        nats_meta_subject(j->to.bucket, j->to.name, &subject) != STATUS_OK) {
        nats_job_error(j, BLOBSTORE_BAD_NAME);
        return;
    }
    j->has_draft = false;
    j->is_committing = true;
    nats_job_put(j, buf_slice(&subject), slice_of(headers, (size_t)len), buf_slice(&json), on_replaced);
}

static void on_old(nats_job *j, const nats_message *m) {
    (void)m;
    if (!j->to.meta.is_there) {
        if (!j->old.meta.is_there) {
            j->then(j, NULL);
            return;
        }
        if (j->only_nuid != NULL && strcmp(j->only_nuid, j->old.meta.nuid) != 0) {
            nats_job_error(j, BLOBSTORE_CHANGED);
            return;
        }
        memcpy(j->to.meta.nuid, j->old.meta.nuid, sizeof j->to.meta.nuid);
    }
    write_meta(j);
}

void nats_object_replace(nats_job *j) {
    j->old = (nats_object){.name = j->to.name};
    memcpy(j->old.bucket, j->to.bucket, sizeof j->old.bucket);
    nats_object_find(j, &j->old, on_old);
}

// --- deleting ----------------------------------------------------------------------------------------------

static void delete_next(nats_job *j, const nats_message *m) {
    const blobstore_call *c = nats_job_call(j);
    (void)m;
    if (j->index == c->count) {
        nats_job_reply(j, &(blobstore_answer){0});
        return;
    }
    j->to.name = c->names[j->index++];
    j->to.meta = (nats_meta){0};
    j->tries = 0;
    j->then = delete_next;
    nats_object_replace(j);
}

// Of no objects: whether there is such a container is to be told all the same.
static void on_container(nats_job *j, const nats_message *m) {
    jetstream_fault fault;
    jetstream_stream s;
    err e;
    if (jetstream_read_stream(m->payload, &fault, &s, &e) != STATUS_OK) {
        nats_job_fail(j, STATUS_IO, e.message);
    } else if (fault.number != 0) {
        nats_job_fault(j, &fault);
    } else {
        nats_job_reply(j, &(blobstore_answer){0});
    }
}

void nats_job_delete(nats_job *j) {
    memcpy(j->to.bucket, j->from.bucket, sizeof j->to.bucket);
    if (nats_job_call(j)->count == 0) {
        nats_job_ask(j, "STREAM.INFO", j->from.bucket, slice_empty(), on_container);
    } else {
        delete_next(j, NULL);
    }
}

// --- copying -----------------------------------------------------------------------------------------------

static void on_moved(nats_job *j, const nats_message *m) {
    (void)m;
    nats_job_reply(j, &(blobstore_answer){0});
}

static void on_copied(nats_job *j, const nats_message *m) {
    (void)m;
    if (nats_job_call(j)->function == BLOBSTORE_COPY) {
        nats_job_reply(j, &(blobstore_answer){0});
        return;
    }
    j->to = j->from;
    j->to.meta = (nats_meta){0};
    j->only_nuid = j->from.meta.nuid;
    j->tries = 0;
    j->then = on_moved;
    nats_object_replace(j);
}

static void copy_next(nats_job *j);

static void on_chunk_copied(nats_job *j, const nats_message *m) {
    if (nats_job_stored(j, m, NULL)) {
        j->to.meta.chunks++;
        copy_next(j);
    }
}

static void on_copy_chunk(nats_job *j, const nats_message *m) {
    auto_arena memory;
    auto_buf subject = {0};
    slice chunk;
    arena_init(&memory, ANSWER_BYTES_MAX);
    buf_init(&subject, SUBJECT_BYTES);
    if (!read_chunk(j, m, &memory, &chunk)) {
        return;
    }
    j->cursor.offset += chunk.len;
    j->cursor.sequence++;
    if (nats_chunk_subject(j->to.bucket, j->to.meta.nuid, &subject) != STATUS_OK) {
        nats_job_error(j, BLOBSTORE_BAD_NAME);
        return;
    }
    j->has_draft = true;
    nats_job_put(j, buf_slice(&subject), slice_empty(), chunk, on_chunk_copied);
}

static void copy_next(nats_job *j) {
    if (j->cursor.offset < j->from.meta.size) {
        ask_chunk(j, on_copy_chunk);
    } else if (!has_right_digest(j)) {
        nats_job_other(j, damaged);
    } else {
        j->then = on_copied;
        nats_object_replace(j);
    }
}

static void on_copy(nats_job *j, const nats_message *m) {
    (void)m;
    if (!is_readable(j)) {
        return;
    }
    if (strcmp(j->from.bucket, j->to.bucket) == 0 && slice_equal(j->from.name, j->to.name)) {
        nats_job_reply(j, &(blobstore_answer){0}); // to itself
        return;
    }
    if (j->has_draft) { // of an object that was replaced while it was copied
        nats_chunks_drop(j->link, j->to.bucket, j->to.meta.nuid);
        j->has_draft = false;
    }
    j->to.meta = j->from.meta;
    j->to.meta.chunks = 0;
    nats_nuid_make(j->to.meta.nuid);
    start_cursor(j);
    copy_next(j);
}

void nats_job_copy(nats_job *j) { nats_object_find(j, &j->from, on_copy); }

static void read_again(nats_job *j, const nats_message *m) {
    if (nats_job_call(j)->function == BLOBSTORE_READ) {
        on_read(j, m);
    } else {
        on_copy(j, m);
    }
}
