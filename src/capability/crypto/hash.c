// SPDX-License-Identifier: Apache-2.0
// writ:crypto/hash and verification: computed in the worker, a bounded piece at a time, so that nobody else
// waits for it.
#include "crypto/hash.h"
#include "base/mem.h"
#include "capability/wasi.h"
#include "crypto/sign.h"
#include "writ/crypto_hash.h"
#include "writ/crypto_verification.h"

enum { PIECE_BYTES_MAX = 1 << 20 };

_Static_assert((int)WRIT_CRYPTO_HASH_ALGORITHM_SHA256 == (int)HASH_SHA256 &&
                   (int)WRIT_CRYPTO_HASH_ALGORITHM_SHA384 == (int)HASH_SHA384 &&
                   (int)WRIT_CRYPTO_HASH_ALGORITHM_SHA512 == (int)HASH_SHA512,
               "one list of algorithms");

struct writ_crypto_hash_hasher {
    wasi_resource base;
    hash_kind kind;
    hash_sha2_state state; // not begun before the first update
    bool is_begun;
};

static void hasher_free(wasi_resource *r) {
    writ_crypto_hash_hasher *h = (writ_crypto_hash_hasher *)r;
    hash_sha2_drop(&h->state);
    mem_free(h);
}

static const wasi_resource_ops hasher_ops = {.free = hasher_free};

static status check_piece(host_call *call, slice bytes, err *e) {
    if (bytes.len <= PIECE_BYTES_MAX) {
        return STATUS_OK;
    }
    wasi_of(call)->counters.limits_hit++;
    return err_set(e, STATUS_TRAP, "%zu bytes at once; at most %d are possible: use a hasher", bytes.len,
                   PIECE_BYTES_MAX);
}

static status give(host_call *call, const uint8_t *hash, size_t len, slice *ret, err *e) {
    *ret = arena_copy(host_call_arena(call), slice_of(hash, len));
    return ret->data != NULL ? STATUS_OK : err_set(e, STATUS_TRAP, "no memory for a hash");
}

status writ_crypto_hash_hasher_new(host_call *call, writ_crypto_hash_algorithm algorithm,
                                   writ_crypto_hash_hasher **ret, err *e) {
    writ_crypto_hash_hasher *h =
        WASI_NEW(wasi_of(call), writ_crypto_hash_hasher, &hasher_ops, WASI_CLASS_OTHER, NULL, e);
    if (h == NULL) {
        return STATUS_TRAP;
    }
    h->kind = (hash_kind)algorithm;
    *ret = h;
    return STATUS_OK;
}

void writ_crypto_hash_hasher_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(rep);
}

static void begin(writ_crypto_hash_hasher *h) {
    if (!h->is_begun) {
        hash_sha2_begin(&h->state, h->kind);
        h->is_begun = true;
    }
}

status writ_crypto_hash_hasher_update(host_call *call, writ_crypto_hash_hasher *self, slice bytes, err *e) {
    TRY(check_piece(call, bytes, e));
    begin(self);
    hash_sha2_add(&self->state, bytes);
    return STATUS_OK;
}

status writ_crypto_hash_hasher_finish(host_call *call, writ_crypto_hash_hasher *self, slice *ret, err *e) {
    uint8_t hash[HASH_SHA2_BYTES_MAX];
    begin(self);
    size_t len = hash_sha2_end(&self->state, hash);
    self->is_begun = false;
    return give(call, hash, len, ret, e);
}

status writ_crypto_hash_digest(host_call *call, writ_crypto_hash_algorithm algorithm, slice bytes, slice *ret,
                               err *e) {
    uint8_t hash[HASH_SHA2_BYTES_MAX];
    TRY(check_piece(call, bytes, e));
    return give(call, hash, hash_sha2((hash_kind)algorithm, &bytes, 1, hash), ret, e);
}

status writ_crypto_verification_ed25519(host_call *call, slice public_key, slice message, slice signature,
                                        bool *ret, err *e) {
    TRY(check_piece(call, message, e));
    *ret = public_key.len == SIGN_PUBLIC_BYTES && signature.len == SIGN_SIGNATURE_BYTES &&
           sign_verify(public_key.data, message, signature.data);
    return STATUS_OK;
}
