// SPDX-License-Identifier: Apache-2.0
#include "crypto/hmac.h"

#include <limits.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "base/check.h"

_Static_assert(HASH_BYTES == crypto_auth_hmacsha256_BYTES, "SHA-256");
_Static_assert(crypto_auth_hmacsha512_BYTES == HMAC_BYTES_MAX, "the longest tag");

void hmac_sha256(slice key, const slice *parts, size_t count, uint8_t ret[HASH_BYTES]) {
    crypto_auth_hmacsha256_state s;
    crypto_auth_hmacsha256_init(&s, key.data == NULL ? (const uint8_t *)"" : key.data, key.len);
    for (size_t i = 0; i < count; i++) {
        crypto_auth_hmacsha256_update(&s, parts[i].data, parts[i].len);
    }
    crypto_auth_hmacsha256_final(&s, ret);
    sodium_memzero(&s, sizeof s);
}

static void sha512(slice key, slice message, uint8_t *ret) {
    crypto_auth_hmacsha512_state s;
    crypto_auth_hmacsha512_init(&s, key.data, key.len);
    crypto_auth_hmacsha512_update(&s, message.data, message.len);
    crypto_auth_hmacsha512_final(&s, ret);
    sodium_memzero(&s, sizeof s);
}

size_t hmac_compute(hmac_kind kind, slice key, slice message, uint8_t *ret) {
    CHECK(sodium_init() >= 0);
    if (kind == HMAC_SHA256) {
        hmac_sha256(key, &message, 1, ret);
        return HASH_BYTES;
    }
    sha512(key, message, ret);
    return crypto_auth_hmacsha512_BYTES;
}

bool hmac_verify(hmac_kind kind, slice key, slice message, slice tag) {
    uint8_t right[HMAC_BYTES_MAX];
    size_t n = hmac_compute(kind, key, message, right);
    return tag.len == n && sodium_memcmp(tag.data, right, n) == 0;
}

status hmac_pbkdf2_sha256(slice password, slice salt, uint32_t iterations, uint8_t ret[HASH_BYTES], err *e) {
    if (iterations == 0 || iterations > HMAC_ITERATIONS_MAX || password.len > INT_MAX || salt.len > INT_MAX) {
        return err_set(e, STATUS_LIMIT, "a key of a password with %u rounds, and 1 to %d are done",
                       iterations, HMAC_ITERATIONS_MAX);
    }
    CHECK(PKCS5_PBKDF2_HMAC(password.len == 0 ? "" : (const char *)password.data, (int)password.len,
                            salt.data, (int)salt.len, (int)iterations, EVP_sha256(), HASH_BYTES, ret) == 1);
    return STATUS_OK;
}
