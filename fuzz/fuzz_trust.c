// SPDX-License-Identifier: Apache-2.0
// Any text: the reader of the trust store answers with a store or an error, and what it accepted can be
// written, read again, and is then written the same.
//
// links: identity
#include "base/check.h"
#include "fuzz.h"
#include "identity/trust_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    trust_store *s = trust_store_new(), *again = trust_store_new();
    err e = {0};
    buf text, second;
    buf_init(&text, 2 * TRUST_BYTES_MAX);
    buf_init(&second, 2 * TRUST_BYTES_MAX);
    if (trust_read_document(slice_of(data, size), "fuzz", s, &e) != STATUS_OK) {
        CHECK(e.code != STATUS_OK && e.message[0] != '\0');
    } else if (trust_write_document(s, &text, &e) == STATUS_OK) {
        CHECK(trust_read_document(buf_slice(&text), "fuzz", again, &e) == STATUS_OK);
        CHECK(trust_write_document(again, &second, &e) == STATUS_OK);
        CHECK(slice_equal(buf_slice(&text), buf_slice(&second)));
    }
    buf_done(&text);
    buf_done(&second);
    trust_store_free(s);
    trust_store_free(again);
    return 0;
}
