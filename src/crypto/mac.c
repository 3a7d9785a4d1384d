// SPDX-License-Identifier: Apache-2.0
#include "crypto/mac.h"

#include <sodium.h>

#include "base/check.h"

_Static_assert(crypto_auth_hmacsha512_BYTES == MAC_BYTES_MAX, "the longest tag");

static void sha256(slice key, slice message, uint8_t *ret) {
    crypto_auth_hmacsha256_state s;
    CHECK(crypto_auth_hmacsha256_init(&s, key.data, key.len) == 0 &&
          crypto_auth_hmacsha256_update(&s, message.data, message.len) == 0 &&
          crypto_auth_hmacsha256_final(&s, ret) == 0);
    sodium_memzero(&s, sizeof s);
}

static void sha512(slice key, slice message, uint8_t *ret) {
    crypto_auth_hmacsha512_state s;
    CHECK(crypto_auth_hmacsha512_init(&s, key.data, key.len) == 0 &&
          crypto_auth_hmacsha512_update(&s, message.data, message.len) == 0 &&
          crypto_auth_hmacsha512_final(&s, ret) == 0);
    sodium_memzero(&s, sizeof s);
}

size_t mac_compute(mac_kind kind, slice key, slice message, uint8_t *ret) {
    CHECK(sodium_init() >= 0);
    (kind == MAC_HMAC_SHA256 ? sha256 : sha512)(key, message, ret);
    return kind == MAC_HMAC_SHA256 ? crypto_auth_hmacsha256_BYTES : crypto_auth_hmacsha512_BYTES;
}

bool mac_verify(mac_kind kind, slice key, slice message, slice tag) {
    uint8_t right[MAC_BYTES_MAX];
    size_t n = mac_compute(kind, key, message, right);
    return tag.len == n && sodium_memcmp(tag.data, right, n) == 0;
}
