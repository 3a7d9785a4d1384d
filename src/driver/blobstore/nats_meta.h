// SPDX-License-Identifier: Apache-2.0
// What the object store of NATS keeps of an object besides its bytes. Pure.
//
// A container is the stream OBJ_<bucket>. An object's bytes are messages on $O.<bucket>.C.<nuid>, in their
// order, where the nuid is a random name; what belongs to them is one message on $O.<bucket>.M.<name>, with
// the name in base64, in JSON. It comes last, and what replaces or deletes an object is another such message.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/hash.h"

enum { NATS_NUID_BYTES_MAX = 64, NATS_NUID_BYTES = 22 };

typedef struct nats_meta {
    bool is_there; // and not deleted
    bool is_link;  // to another object; such ones are not followed
    char nuid[NATS_NUID_BYTES_MAX + 1];
    uint64_t size;
    uint64_t chunks;
    bool has_digest;
    uint8_t digest[HASH_BYTES]; // SHA-256
} nats_meta;

// STATUS_INVALID for what is none.
status nats_meta_read(slice json, nats_meta *ret, err *e) WRIT_MUST_USE;
// Appends. One that is not there is the mark of a deleted object.
status nats_meta_write(const nats_meta *m, slice bucket, slice name, uint64_t chunk_bytes,
                       buf *ret) WRIT_MUST_USE;

// "$O.<bucket>.M.<name>" and "$O.<bucket>.C.<nuid>", appended. `bucket` as it is written (nats_names.h).
status nats_meta_subject(const char *bucket, slice name, buf *ret) WRIT_MUST_USE;
status nats_chunk_subject(const char *bucket, const char *nuid, buf *ret) WRIT_MUST_USE;
// The name of the object that a meta subject is about, appended; STATUS_INVALID when it is none.
status nats_meta_name(const char *bucket, slice subject, buf *ret) WRIT_MUST_USE;

void nats_nuid_make(char ret[NATS_NUID_BYTES + 1]);
