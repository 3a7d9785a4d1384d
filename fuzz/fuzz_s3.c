// SPDX-License-Identifier: Apache-2.0
// Answers of S3 servers from any bytes.
//
// links: driver
#include "base/check.h"
#include "codec/utf.h"
#include "driver/blobstore/s3_messages.h"
#include "fuzz.h"

enum { MEMORY_MAX = 8 << 20 };

static void listing(slice body) {
    auto_arena a;
    s3_listing found;
    arena_init(&a, MEMORY_MAX);
    if (s3_read_listing(body, 10, &a, &found, NULL) != STATUS_OK) {
        return;
    }
    CHECK(found.count <= 10);
    for (size_t i = 0; i < found.count; i++) {
        CHECK(found.names[i].len > 0 && found.names[i].len <= 1024 && utf8_valid(found.names[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    slice body = slice_of(data, size);
    char code[S3_CODE_BYTES];
    uint64_t made = 0;
    slice upload;
    auto_arena a;
    arena_init(&a, MEMORY_MAX);
    listing(body);
    s3_read_error(body, code);
    CHECK(memchr(code, '\0', sizeof code) != NULL);
    s3_read_delete_error(body, code);
    CHECK(memchr(code, '\0', sizeof code) != NULL);
    (void)!s3_read_bucket_time(body, slice_from_text("b"), &made, NULL);
    CHECK(s3_read_upload(body, &a, &upload, NULL) != STATUS_OK || upload.len > 0);
    (void)s3_read_http_date(body);
    return 0;
}
