// SPDX-License-Identifier: Apache-2.0
// Signatures of requests to S3: "AWS4-HMAC-SHA256" (Signature Version 4), in the Authorization field. Pure.
#pragma once

#include "base/buf.h"
#include "crypto/hash.h"
#include "net/http.h"

typedef struct s3_keys { // the caller's, in place
    slice id;
    slice secret;
    slice token; // empty = none
} s3_keys;

enum { S3_HEADERS_MAX = 12, S3_DATE_BYTES = 17 };

typedef struct s3_to_sign {
    const char *method;
    slice path;                 // as it is sent: encoded, with '/' in front
    slice query;                // as it is sent: encoded, sorted, each parameter with '='; without '?'
    const http_header *headers; // those that are signed: lower-case names, sorted; with host and x-amz-*
    size_t header_count;
    const char *body_hash; // in hexadecimal
    const char *region;
    const char *date; // of s3_date; also the field x-amz-date
} s3_to_sign;

// "20130524T000000Z", NUL-terminated.
void s3_date(uint64_t now_s, char ret[S3_DATE_BYTES]);
// Appends the value of the field Authorization.
status s3_sign(const s3_to_sign *r, const s3_keys *keys, buf *ret, err *e) WRIT_MUST_USE;
// Appends with all bytes but unreserved ones as %XX; '/' stays as it is in a path.
status s3_encode(slice text, bool is_path, buf *ret) WRIT_MUST_USE;
