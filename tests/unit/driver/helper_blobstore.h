// SPDX-License-Identifier: Apache-2.0
// Calls to a driver of the blob store. The link, its loop and its directory are those of helper_keyvalue.h.
#pragma once

#include "driver/blobstore/blobstore.h"
#include "unit/driver/helper_keyvalue.h"

typedef struct blobs {
    kv k;
    bool names_are_paths; // the backend may refuse names
    void *data;           // of the test file
} blobs;

typedef struct blob_pending { // a call on its way, and what came of it
    driver_call call;
    blobstore_call asked; // function and step
    buf payload;
    bool is_done;
    status code;
    char message[512]; // unless STATUS_OK
    blobstore_answer answer;
    buf bytes; // what the answer's slices point at
    arena memory;
} blob_pending;

// Begins a call; the loop has to be turned (blob_wait). blob_done frees, and what was done can be used again.
void blob_begin(blobs *b, blob_pending *p, const blobstore_call *c, uint64_t deadline_ns);
void blob_wait(blobs *b, blob_pending *p);
void blob_done(blob_pending *p);
void blob_call(blobs *b, const blobstore_call *c, blob_pending *ret); // begins and waits

static inline blobstore_call blob_on_container(blobstore_function f, const char *container) {
    return (blobstore_call){
        .function = f, .container = slice_from_text(container), .limit = BLOBSTORE_PAGE_NAMES_MAX};
}
static inline blobstore_call blob_on_object(blobstore_function f, const char *container, slice object) {
    return (blobstore_call){.function = f,
                            .container = slice_from_text(container),
                            .object = object,
                            .len = BLOBSTORE_PART_BYTES_MAX};
}

// Whether it ends well; what did not is printed.
bool blob_do(blobs *b, const blobstore_call *c);
// Whether it ends with that error of the contract.
bool blob_is_error(blobs *b, const blobstore_call *c, blobstore_error x);

bool blob_create(blobs *b, const char *container);
bool blob_exists(blobs *b, const char *container);
// An upload's name; false when it could not begin.
typedef struct blob_upload {
    char name[BLOBSTORE_UPLOAD_BYTES + 1];
    uint64_t bytes;
} blob_upload;
// Each gives the error's text (constant, or the test's until the next call), NULL when it went well.
const char *blob_upload_begin(blobs *b, const char *container, slice object, blob_upload *ret);
const char *blob_upload_append(blobs *b, blob_upload *u, slice bytes);
const char *blob_upload_finish(blobs *b, const blob_upload *u);
const char *blob_upload_abort(blobs *b, const blob_upload *u);
// begin, append as often as it takes, finish. Aborts after a failure.
const char *blob_write(blobs *b, const char *container, slice object, slice bytes);
bool blob_put(blobs *b, const char *container, const char *object, const char *text); // prints what is wrong
bool blob_has(blobs *b, const char *container, slice object);
// Whether the whole object is this; NULL = it is not there.
bool blob_is(blobs *b, const char *container, const char *object, const char *text);
bool blob_is_bytes(blobs *b, const char *container, slice object, slice bytes);
