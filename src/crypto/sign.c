// SPDX-License-Identifier: Apache-2.0
#include "crypto/sign.h"

#include <sodium.h>

#include "base/check.h"

_Static_assert(SIGN_SEED_BYTES == crypto_sign_SEEDBYTES && SIGN_PUBLIC_BYTES == crypto_sign_PUBLICKEYBYTES &&
                   SIGN_SIGNATURE_BYTES == crypto_sign_BYTES,
               "the sizes of Ed25519");
_Static_assert(SIGN_SEED_BYTES == crypto_scalarmult_SCALARBYTES &&
                   SIGN_PUBLIC_BYTES == crypto_scalarmult_BYTES,
               "the sizes of X25519");

void sign_public_of_seed(const uint8_t seed[SIGN_SEED_BYTES], uint8_t ret[SIGN_PUBLIC_BYTES]) {
    uint8_t expanded[crypto_sign_SECRETKEYBYTES];
    CHECK(sodium_init() >= 0 && crypto_sign_seed_keypair(ret, expanded, seed) == 0);
    sodium_memzero(expanded, sizeof expanded);
}

void sign_message(const uint8_t seed[SIGN_SEED_BYTES], slice message, uint8_t ret[SIGN_SIGNATURE_BYTES]) {
    uint8_t expanded[crypto_sign_SECRETKEYBYTES], public_key[SIGN_PUBLIC_BYTES];
    CHECK(sodium_init() >= 0 && crypto_sign_seed_keypair(public_key, expanded, seed) == 0 &&
          crypto_sign_detached(ret, NULL, message.data, message.len, expanded) == 0);
    sodium_memzero(expanded, sizeof expanded);
}

bool sign_verify(const uint8_t public_key[SIGN_PUBLIC_BYTES], slice message,
                 const uint8_t signature[SIGN_SIGNATURE_BYTES]) {
    return sodium_init() >= 0 &&
           crypto_sign_verify_detached(signature, message.data, message.len, public_key) == 0;
}

void sign_curve_public_of_seed(const uint8_t seed[SIGN_SEED_BYTES], uint8_t ret[SIGN_PUBLIC_BYTES]) {
    CHECK(sodium_init() >= 0 && crypto_scalarmult_base(ret, seed) == 0);
}
