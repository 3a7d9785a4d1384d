// SPDX-License-Identifier: Apache-2.0
// What the files of the S3 driver share: a link, and calls of components on their way through one or more
// requests. A call is a handler that is called at first without an answer, then with the answer to each
// request that it sent, until it replies.
#pragma once

#include "base/buf.h"
#include "crypto/trust_roots.h"
#include "driver/blobstore/blobstore.h"
#include "driver/blobstore/s3_exchange.h"
#include "driver/link_health.h"

enum {
    S3_PARTS_MAX = 10000, // of one object
    S3_PART_BYTES_MIN = 5 << 20,
};

typedef struct s3_upload {
    blobstore_upload base; // first
    driver_link *link;
    char *container;
    char *object;
    buf part; // that is being filled
    hash_sha256_state hash;
    char body_hash[HASH_HEX_BYTES];
    char *id; // of the multipart upload; NULL = none yet
    slice *etags;
    size_t etag_count;
    size_t etag_room;
} s3_upload;

typedef struct s3_op s3_op;
typedef void (*s3_handler)(s3_op *o, const s3_answer *a);

struct s3_op {
    driver_link *link;
    blobstore_request *request; // NULL: of our own
    s3_handler handler;
    int step; // the handler's: how many answers it had
    s3_exchange exchange;
    buf body;  // of the request that is on its way
    buf query; // likewise
    http_header extra[S3_EXTRA_MAX];
    char text[BLOBSTORE_REVISION_BYTES_MAX + 64]; // for a field's value
    arena names;                                  // of a page that is being removed
    s3_upload *upload;                            // of a step
    slice rest;                                   // of an append: what is behind the part that is full
    size_t bytes;                                 // that are counted
};

struct driver_link {
    loop *l;
    driver_link_options options; // the callbacks only
    blobstore_limits limits;
    s3_server server;
    trust_roots *roots; // of the setting ca; NULL = the host's
    s3_client client;
    size_t part_bytes;
    driver_link_health health;
    loop_soon closed_soon;
    loop_timer probe;
    s3_exchange probing;
    uint64_t probe_ms;
    blobstore_uploads uploads;
    uint32_t own_ops; // that nobody waits for
    size_t call_count;
    size_t call_bytes;
    bool is_closing;
};

static inline const blobstore_call *s3_call(const s3_op *o) { return &o->request->call; }

// --- requests ----------------------------------------------------------------------------------------------

// One about the container and object of the call, without query and body.
s3_wanted s3_about(const char *method, slice container, slice object);
void s3_send(s3_op *o, const s3_wanted *w);
// Sends with o->query, which was just written (`written` says whether it could be).
void s3_send_query(s3_op *o, s3_wanted *w, status written);
// Each ends the call.
void s3_reply(s3_op *o, const blobstore_answer *a);
void s3_reply_error(s3_op *o, blobstore_error x);
void s3_reply_failure(s3_op *o, const s3_answer *a); // what the server says, or that there is no answer
void s3_op_free(s3_op *o);                           // of our own
s3_op *s3_op_new(driver_link *k, s3_handler handler);

static inline bool s3_is_good(const s3_answer *a) {
    return a->code == STATUS_OK && a->status >= 200 && a->status < 300 && a->error[0] == '\0';
}

// --- handlers ----------------------------------------------------------------------------------------------

s3_handler s3_handler_of(blobstore_function f); // all but WRITE (s3_functions.c)
// Whether a path names it alone: servers, and what is between, tidy up ".", ".." and empty parts, and would
// reach another object.
bool s3_name_is_fit(slice name);

// s3_upload.c
void s3_upload_call(s3_op *o); // WRITE
void s3_upload_expired(void *link, blobstore_upload *u);
