// SPDX-License-Identifier: Apache-2.0
// What the files of the driver `nats` of the blob store share. A call is a chain of requests: each names the
// function that gets its answer.
#pragma once

#include "bus/jetstream.h"
#include "driver/blobstore/blobstore.h"
#include "driver/blobstore/nats_meta.h"
#include "driver/nats_link.h"
#include "driver/nats_names.h"

enum {
    NATS_CHUNK_BYTES = 128 << 10, // as other clients have it
    NATS_CURSORS_MAX = 32,
    NATS_CONTAINERS_MAX = 16, // that are remembered
    NATS_TRIES_MAX = 5,       // against others that write the same object
};

typedef struct nats_job nats_job;
typedef void (*nats_step)(nats_job *j, const nats_message *m);

// An object, and what is kept of it.
typedef struct nats_object {
    char bucket[NATS_BUCKET_BYTES_MAX + 1]; // as it is written
    slice name;
    nats_meta meta;
    uint64_t sequence; // of that message; 0 = there is none
    uint64_t time_s;
} nats_object;

// Where the reading of an object has come to, so that the next part need not look for its place.
typedef struct nats_cursor {
    char nuid[NATS_NUID_BYTES_MAX + 1]; // empty = none
    uint64_t offset;                    // of the chunk that has a number of at least `sequence`
    uint64_t sequence;
    uint64_t hashed; // bytes from the beginning on
    hash_sha256_state hash;
} nats_cursor;

typedef struct nats_upload {
    blobstore_upload base; // first
    driver_link *link;
    nats_object object; // its meta becomes that of the upload
    char *name;         // of the object
    buf part;           // the chunk that is being filled
    hash_sha256_state hash;
} nats_upload;

// Whether the chunks of a container can be asked for as they are, instead of in JSON.
typedef struct nats_container {
    char bucket[NATS_BUCKET_BYTES_MAX + 1]; // empty = none
    bool is_direct;
} nats_container;

struct nats_job {
    driver_link *link;
    blobstore_request *q;
    list_node node; // of the link
    nats_request request;
    nats_step next;
    bool is_api; // what the request asks: else it is a message for the stream
    unsigned tries;
    nats_object from; // the object of the call; COPY and MOVE: the first
    nats_object to;   // what is written or deleted
    nats_object old;  // what is there in the place of `to`
    nats_object *finding;
    nats_step found;
    nats_step then;        // after `to` was written or deleted
    const char *only_nuid; // nothing else is deleted; NULL = whatever is there
    bool has_draft;        // chunks of to.meta that belong to no object yet
    bool is_committing;    // it is not known whether they do
    nats_cursor cursor;    // READ, COPY, MOVE
    nats_step on_chunk;
    bool is_direct;      // the chunk that was asked for
    buf bytes;           // READ: what was read
    slice rest;          // APPEND: what is not in a chunk yet
    nats_upload *upload; // of a step
    size_t index;        // DELETE_OBJECTS
    void *listing;
};

struct driver_link {
    nats_link base;
    blobstore_limits limits;
    blobstore_uploads uploads;
    nats *client;
    uint64_t replicas;
    bool in_memory;
    list_node jobs;
    size_t job_count;
    nats_cursor cursors[NATS_CURSORS_MAX];
    size_t next_cursor;
    nats_container containers[NATS_CONTAINERS_MAX];
    size_t next_container;
    loop_soon closed;
};

static inline const blobstore_call *nats_job_call(const nats_job *j) { return &j->q->call; }

// --- ends: each answers and frees --------------------------------------------------------------------------

void nats_job_reply(nats_job *j, const blobstore_answer *a);
void nats_job_error(nats_job *j, blobstore_error x);
void nats_job_other(nats_job *j, const char *text);
void nats_job_fail(nats_job *j, status code, const char *text);
void nats_job_fault(nats_job *j, const jetstream_fault *fault);

// --- requests ----------------------------------------------------------------------------------------------

// To "$JS.API.<verb>.OBJ_<bucket>".
void nats_job_ask(nats_job *j, const char *verb, const char *bucket, slice payload, nats_step next);
// A message for the stream.
void nats_job_put(nats_job *j, slice subject, slice headers, slice payload, nats_step next);
// Reads the answer to a message for the stream; false when it was answered. `*ret_is_late`: the condition
// does not hold (may be NULL: no condition was made).
bool nats_job_stored(nats_job *j, const nats_message *m, bool *ret_is_late);
// That what was kept of the nuid is dropped; nobody waits for it.
void nats_chunks_drop(driver_link *k, const char *bucket, const char *nuid);

// --- objects (nats_objects.c) ------------------------------------------------------------------------------

// Fills o->meta, sequence and time; `next` gets no message. `o` is in the job.
void nats_object_find(nats_job *j, nats_object *o, nats_step next);
// Writes j->to in place of what is there, or marks it as deleted when its meta is not there; then j->then.
void nats_object_replace(nats_job *j);
void nats_job_read(nats_job *j);
void nats_job_info(nats_job *j);
void nats_job_copy(nats_job *j);
void nats_job_delete(nats_job *j);
void nats_cursor_done(nats_cursor *c);

// --- the rest ----------------------------------------------------------------------------------------------

void nats_job_write(nats_job *j);
void nats_upload_expired(void *link, blobstore_upload *u);
void nats_upload_give_up(nats_job *j); // the step has ended badly, and the upload with it
void nats_job_list(nats_job *j);
void nats_listing_drop(nats_job *j);
