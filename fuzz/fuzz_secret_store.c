// SPDX-License-Identifier: Apache-2.0
// Any bytes: the reader of the store of secrets answers with its content or an error, and what it accepted is
// written as the same bytes.
//
// links: identity
#include "base/check.h"
#include "fuzz.h"
#include "identity/secret_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    slice bytes = slice_of(data, size), body, proof;
    secret_file f;
    err e = {0};
    arena memory;
    buf written;
    arena_init(&memory, 64 << 20);
    buf_init(&written, SECRET_STORE_BYTES_MAX);
    if (secret_file_read(bytes, &memory, &f, &e) != STATUS_OK) {
        CHECK(e.code != STATUS_OK && e.message[0] != '\0');
    } else {
        CHECK(secret_file_split(bytes, &body, &proof, &e) == STATUS_OK);
        CHECK(secret_file_write(&f, &written, &e) == STATUS_OK);
        CHECK(slice_equal(buf_slice(&written), body));
    }
    buf_done(&written);
    arena_done(&memory);
    return 0;
}
