// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"

#include <sodium.h>

#include "base/check.h"

enum { NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES };

_Static_assert(AEAD_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES &&
                   AEAD_OVERHEAD_BYTES == NONCE_BYTES + crypto_aead_xchacha20poly1305_ietf_ABYTES,
               "the sizes of libsodium");

void aead_seal(const uint8_t key[AEAD_KEY_BYTES], slice about, slice plain, uint8_t *ret) {
    CHECK(sodium_init() >= 0);
    randombytes_buf(ret, NONCE_BYTES);
    CHECK(crypto_aead_xchacha20poly1305_ietf_encrypt(ret + NONCE_BYTES, NULL, plain.data, plain.len,
                                                     about.data, about.len, NULL, ret, key) == 0);
}

status aead_open(const uint8_t key[AEAD_KEY_BYTES], slice about, slice sealed, secret *ret, err *e) {
    secret plain = {0};
    CHECK(sodium_init() >= 0);
    if (sealed.len < AEAD_OVERHEAD_BYTES) {
        return err_set(e, STATUS_DENIED, "sealed bytes are cut short");
    }
    TRY(secret_new(sealed.len - AEAD_OVERHEAD_BYTES, &plain, e));
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain.data, NULL, NULL, sealed.data + NONCE_BYTES,
                                                   sealed.len - NONCE_BYTES, about.data, about.len,
                                                   sealed.data, key) != 0) {
        secret_free(&plain);
        return err_set(e, STATUS_DENIED, "sealed bytes were changed, or this is not their key");
    }
    *ret = plain;
    return STATUS_OK;
}
