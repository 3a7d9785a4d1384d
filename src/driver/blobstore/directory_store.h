// SPDX-License-Identifier: Apache-2.0
// The blocking half of the directory driver: containers are directories below one, objects are files in them.
// An object is written to a file of its own and renamed to its place when it is whole, so that nobody sees a
// part and nobody changes a file that is there. All functions may be called on several threads at one time.
//
//   %uploads/        files of uploads (locked while their upload lives) and directories that are going away
//   %usage           how many bytes there are in all; taken in turns by whoever changes something
//   CONTAINER/%made  when it was made
//   CONTAINER/...    objects; see directory_names.h
//
// Results: 0; or the number of an error of the contract, as directory_problem has it; or an errno value.
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "driver/blobstore/blobstore.h"

typedef struct directory_store directory_store;

typedef struct directory_store_options {
    const char *path; // absolute
    uint64_t total_bytes_max;
    bool syncs; // what was written is on the disk when it is answered
} directory_store_options;

static inline int directory_problem(blobstore_error x) { return -1 - (int)x; }
static inline blobstore_error directory_error(int problem) { return (blobstore_error)(-1 - problem); }

// Makes the directory (for this user alone) when it is not there, and removes what uploads of processes that
// are gone have left.
status directory_store_open(const directory_store_options *o, directory_store **ret, err *e) WRIT_MUST_USE;
void directory_store_close(directory_store *s); // accepts NULL

// Every function but WRITE. What the answer points at is of the arena. Gives up between two steps when
// `*is_cancelled`: ECANCELED.
int directory_store_do(directory_store *s, const blobstore_call *c, arena *memory,
                       const atomic_bool *is_cancelled, blobstore_answer *ret) WRIT_MUST_USE;

typedef struct directory_upload directory_upload;
int directory_upload_begin(directory_store *s, const blobstore_call *c, directory_upload **ret) WRIT_MUST_USE;
int directory_upload_append(directory_upload *u, uint64_t offset, slice bytes) WRIT_MUST_USE;
// Puts it in its place. The upload is still to be freed.
int directory_upload_finish(directory_upload *u, uint64_t size) WRIT_MUST_USE;
void directory_upload_free(directory_upload *u); // what is not in its place goes away; accepts NULL
