// SPDX-License-Identifier: Apache-2.0
// The bodies of S3: what we send, what servers answer. Reading is safe for hostile input; fuzzed by
// fuzz/fuzz_s3.c.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "driver/blobstore/s3_exchange.h"

// The code of an error's body; empty when there is none.
void s3_read_error(slice body, char ret[S3_CODE_BYTES]);
// The same for the answer to DeleteObjects: of the first name that could not be removed.
void s3_read_delete_error(slice body, char ret[S3_CODE_BYTES]);
// Whether the body is whole and of that root: what may say 200 before it has gone wrong ends with it.
bool s3_is_result(slice body, const char *root);
// "Sun, 06 Nov 1994 08:49:37 GMT"; 0 for anything else.
uint64_t s3_read_http_date(slice text);

typedef struct s3_listing {
    slice *names; // of the arena
    size_t count;
    bool is_truncated;
} s3_listing;
// The answer to ListObjectsV2, of at most `max` names.
status s3_read_listing(slice body, size_t max, arena *a, s3_listing *ret, err *e) WRIT_MUST_USE;
// When the bucket was made, in the answer to ListBuckets; 0 when it is not in there.
status s3_read_bucket_time(slice body, slice bucket, uint64_t *ret, err *e) WRIT_MUST_USE;
// The name of a multipart upload, of the arena.
status s3_read_upload(slice body, arena *a, slice *ret, err *e) WRIT_MUST_USE;

// The bodies of DeleteObjects, CompleteMultipartUpload and CreateBucket. STATUS_INVALID for a name that XML
// cannot say, STATUS_LIMIT.
status s3_write_delete(const slice *names, size_t count, buf *ret) WRIT_MUST_USE;
status s3_write_complete(const slice *etags, size_t count, buf *ret) WRIT_MUST_USE;
status s3_write_create(const char *region, buf *ret) WRIT_MUST_USE;
