// SPDX-License-Identifier: Apache-2.0
// Bytes from one key pair to another, so that nobody else can read them and the receiver knows that one of
// the two has sealed them: NaCl's box (X25519, XSalsa20-Poly1305) of libsodium. The nonce is random and goes
// in front. Nothing in it says when it was sealed or for what: both is the caller's to put inside.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "crypto/secret.h"

enum { BOX_KEY_BYTES = 32, BOX_OVERHEAD_BYTES = 24 + 16 };

// Writes plain.len + BOX_OVERHEAD_BYTES bytes. STATUS_INVALID for a public key that is no point of use.
status box_seal(const uint8_t own_secret[BOX_KEY_BYTES], const uint8_t peer_public[BOX_KEY_BYTES],
                slice plain, uint8_t *ret, err *e) WRIT_MUST_USE;
// STATUS_DENIED when the keys or the bytes are not those of the sealing.
status box_open(const uint8_t own_secret[BOX_KEY_BYTES], const uint8_t peer_public[BOX_KEY_BYTES],
                slice sealed, secret *ret, err *e) WRIT_MUST_USE;
