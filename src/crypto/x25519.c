// SPDX-License-Identifier: Apache-2.0
#include "crypto/x25519.h"

#include <sodium.h>

#include "base/check.h"
#include "crypto/hmac.h"

_Static_assert(X25519_BYTES == crypto_scalarmult_SCALARBYTES && X25519_BYTES == crypto_scalarmult_BYTES,
               "the sizes of libsodium");

void x25519_public(const uint8_t secret_key[X25519_BYTES], uint8_t ret[X25519_BYTES]) {
    CHECK(sodium_init() >= 0 && crypto_scalarmult_base(ret, secret_key) == 0);
}

bool x25519_agree(const uint8_t secret_key[X25519_BYTES], const uint8_t public_key[X25519_BYTES],
                  uint8_t ret[X25519_BYTES]) {
    CHECK(sodium_init() >= 0);
    return crypto_scalarmult(ret, secret_key, public_key) == 0;
}

void hkdf_sha256(slice salt, slice secret_bytes, slice info, uint8_t *ret, size_t len) {
    CHECK(len <= HKDF_BYTES_MAX);
    uint8_t extracted[HASH_BYTES], block[HASH_BYTES], counter = 0;
    hmac_sha256(salt, &secret_bytes, 1, extracted);
    for (size_t at = 0; at < len; at += HASH_BYTES) {
        counter++;
        const slice parts[] = {slice_of(block, at == 0 ? 0 : HASH_BYTES), info, slice_of(&counter, 1)};
        hmac_sha256(slice_of(extracted, HASH_BYTES), parts, 3, block);
        size_t left = len - at;
        memcpy(ret + at, block, left < HASH_BYTES ? left : HASH_BYTES);
    }
    sodium_memzero(extracted, sizeof extracted);
    sodium_memzero(block, sizeof block);
}
