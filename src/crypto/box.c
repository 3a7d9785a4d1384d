// SPDX-License-Identifier: Apache-2.0
#include "crypto/box.h"

#include <sodium.h>

#include "base/check.h"

enum { NONCE_BYTES = crypto_box_NONCEBYTES };

_Static_assert(BOX_KEY_BYTES == crypto_box_SECRETKEYBYTES && BOX_KEY_BYTES == crypto_box_PUBLICKEYBYTES &&
                   BOX_OVERHEAD_BYTES == NONCE_BYTES + crypto_box_MACBYTES,
               "the sizes of libsodium");

status box_seal(const uint8_t own_secret[BOX_KEY_BYTES], const uint8_t peer_public[BOX_KEY_BYTES],
                slice plain, uint8_t *ret, err *e) {
    CHECK(sodium_init() >= 0);
    randombytes_buf(ret, NONCE_BYTES);
    if (crypto_box_easy(ret + NONCE_BYTES, plain.data, plain.len, ret, peer_public, own_secret) != 0) {
        return err_set(e, STATUS_INVALID, "nothing can be sealed for this public key");
    }
    return STATUS_OK;
}

status box_open(const uint8_t own_secret[BOX_KEY_BYTES], const uint8_t peer_public[BOX_KEY_BYTES],
                slice sealed, secret *ret, err *e) {
    secret plain = {0};
    CHECK(sodium_init() >= 0);
    if (sealed.len < BOX_OVERHEAD_BYTES) {
        return err_set(e, STATUS_DENIED, "sealed bytes are cut short");
    }
    TRY(secret_new(sealed.len - BOX_OVERHEAD_BYTES, &plain, e));
    if (crypto_box_open_easy(plain.data, sealed.data + NONCE_BYTES, sealed.len - NONCE_BYTES, sealed.data,
                             peer_public, own_secret) != 0) {
        secret_free(&plain);
        return err_set(e, STATUS_DENIED, "sealed bytes were changed, or these are not their keys");
    }
    *ret = plain;
    return STATUS_OK;
}
