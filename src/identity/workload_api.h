// SPDX-License-Identifier: Apache-2.0
// The messages of the SPIFFE Workload API (proto/workload.proto), read into memory that is locked and wiped,
// since one of them holds private keys. Source: the standard SPIFFE Workload API.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "crypto/secret.h"

#define WORKLOAD_API_FETCH_X509 "/SpiffeWorkloadAPI/FetchX509SVID"
#define WORKLOAD_API_FETCH_JWT "/SpiffeWorkloadAPI/FetchJWTSVID"
#define WORKLOAD_API_FETCH_JWT_BUNDLES "/SpiffeWorkloadAPI/FetchJWTBundles"
#define WORKLOAD_API_METADATA "workload.spiffe.io: true" // every call has it, or is refused

enum {
    WORKLOAD_API_SVIDS_MAX = 64,
    WORKLOAD_API_BUNDLES_MAX = 256,
    WORKLOAD_API_ANSWER_BYTES_MAX = 512 << 10, // of a message that is read
};

// Everything borrows from the `memory` of its reply. Nothing but sizes and counts was checked.
typedef struct workload_x509_svid {
    slice id;
    slice chain;  // DER, one behind the other
    slice key;    // PKCS #8
    slice bundle; // DER, one behind the other
    slice hint;
} workload_x509_svid;

typedef struct workload_bundle {
    slice trust_domain; // its SPIFFE ID
    slice bytes;
} workload_bundle;

typedef struct workload_x509_reply {
    secret memory;
    size_t svid_count; // at least one
    workload_x509_svid *svids;
    size_t bundle_count; // of other trust domains
    workload_bundle *bundles;
} workload_x509_reply;

typedef struct workload_jwt_reply {
    secret memory;
    slice id;
    slice token;
} workload_jwt_reply;

typedef struct workload_bundles_reply {
    secret memory;
    size_t count;
    workload_bundle *at;
} workload_bundles_reply;

// STATUS_INVALID for bytes that are no such message, or one without what it is for; STATUS_LIMIT.
status workload_x509_reply_read(slice message, workload_x509_reply *ret, err *e) WRIT_MUST_USE;
status workload_jwt_reply_read(slice message, workload_jwt_reply *ret, err *e) WRIT_MUST_USE; // the first
status workload_bundles_reply_read(slice message, workload_bundles_reply *ret, err *e) WRIT_MUST_USE;

// The request for a JWT-SVID of `id` (its own, from an X.509-SVID).
status workload_jwt_request_write(slice audience, slice id, buf *ret, err *e) WRIT_MUST_USE;
