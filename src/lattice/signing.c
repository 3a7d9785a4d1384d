// SPDX-License-Identifier: Apache-2.0
#include "lattice/signing.h"

#include "base/check.h"
#include "crypto/hash.h"
#include "lattice/cluster.h"

typedef struct signed_text {
    uint8_t bytes[SIGNING_SENTENCE_BYTES_MAX + HASH_BYTES];
    size_t len;
} signed_text;

static signed_text text_of(const char *sentence, slice bytes) {
    signed_text t;
    size_t len = strlen(sentence);
    CHECK(len <= SIGNING_SENTENCE_BYTES_MAX);
    memcpy(t.bytes, sentence, len);
    hash_sha256(&bytes, 1, t.bytes + len);
    t.len = len + HASH_BYTES;
    return t;
}

status signing_put(const nkey *key, const char *sentence, buf *b, size_t begin, err *e) {
    uint8_t signature[SIGN_SIGNATURE_BYTES];
    signed_text t = text_of(sentence, slice_of(b->data + begin, b->len - begin));
    TRY(nkey_sign(key, slice_of(t.bytes, t.len), signature, e));
    if (buf_append(b, slice_of(signature, sizeof signature)) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "no room for a signature behind %zu bytes", b->len);
    }
    return STATUS_OK;
}

bool signing_check(const nkey_public *key, const char *sentence, slice bytes, slice signature) {
    signed_text t = text_of(sentence, bytes);
    return signature.len == SIGN_SIGNATURE_BYTES &&
           nkey_verify(key, slice_of(t.bytes, t.len), signature.data);
}

bool signing_is_near(uint64_t a_ms, uint64_t b_ms) {
    return (a_ms > b_ms ? a_ms - b_ms : b_ms - a_ms) <= CLUSTER_CLOCK_SKEW_S * UINT64_C(1000);
}
