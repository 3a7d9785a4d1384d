// SPDX-License-Identifier: Apache-2.0
#include "crypto/aes_gcm.h"

#include <limits.h>
#include <openssl/evp.h>

#include "base/check.h"

// The handle is the library's context itself.
static EVP_CIPHER_CTX *context_of(aes_gcm *g) { return (EVP_CIPHER_CTX *)(void *)g; }

aes_gcm *aes_gcm_new(const uint8_t key[AES_GCM_KEY_BYTES], bool seals) {
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    CHECK(c != NULL && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, NULL, seals) == 1);
    return (aes_gcm *)(void *)c;
}

void aes_gcm_free(aes_gcm *g) { EVP_CIPHER_CTX_free(context_of(g)); }

// Everything but the tag. The library asks for a place to write to even where there is nothing to write.
static void run(EVP_CIPHER_CTX *c, const uint8_t *nonce, slice about, slice in, uint8_t *out) {
    int n = 0;
    CHECK(about.len <= INT_MAX && in.len <= INT_MAX);
    CHECK(EVP_CipherInit_ex(c, NULL, NULL, NULL, nonce, -1) == 1);
    CHECK(about.len == 0 || EVP_CipherUpdate(c, NULL, &n, about.data, (int)about.len) == 1);
    CHECK(in.len == 0 || EVP_CipherUpdate(c, out, &n, in.data, (int)in.len) == 1);
}

void aes_gcm_seal(aes_gcm *g, const uint8_t nonce[AES_GCM_NONCE_BYTES], slice about, uint8_t *bytes,
                  size_t len, uint8_t ret_tag[AES_GCM_TAG_BYTES]) {
    uint8_t rest[AES_GCM_TAG_BYTES];
    int n = 0;
    run(context_of(g), nonce, about, slice_of(bytes, len), bytes);
    CHECK(EVP_CipherFinal_ex(context_of(g), rest, &n) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(context_of(g), EVP_CTRL_AEAD_GET_TAG, AES_GCM_TAG_BYTES, ret_tag) == 1);
}

bool aes_gcm_open(aes_gcm *g, const uint8_t nonce[AES_GCM_NONCE_BYTES], slice about, slice sealed,
                  const uint8_t tag[AES_GCM_TAG_BYTES], uint8_t *plain) {
    uint8_t expected[AES_GCM_TAG_BYTES], rest[AES_GCM_TAG_BYTES];
    int n = 0;
    memcpy(expected, tag, sizeof expected);
    run(context_of(g), nonce, about, sealed, plain);
    CHECK(EVP_CIPHER_CTX_ctrl(context_of(g), EVP_CTRL_AEAD_SET_TAG, AES_GCM_TAG_BYTES, expected) == 1);
    return EVP_CipherFinal_ex(context_of(g), rest, &n) == 1;
}
