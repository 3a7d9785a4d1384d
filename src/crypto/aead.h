// SPDX-License-Identifier: Apache-2.0
// Bytes under a key, together with words about them that are not hidden but cannot be changed either:
// XChaCha20-Poly1305 of libsodium. The nonce is random and goes in front.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "crypto/secret.h"

enum { AEAD_KEY_BYTES = 32, AEAD_OVERHEAD_BYTES = 24 + 16 };

// Writes plain.len + AEAD_OVERHEAD_BYTES bytes.
void aead_seal(const uint8_t key[AEAD_KEY_BYTES], slice about, slice plain, uint8_t *ret);
// STATUS_DENIED when the key, `about` or the bytes are not those of the sealing.
status aead_open(const uint8_t key[AEAD_KEY_BYTES], slice about, slice sealed, secret *ret,
                 err *e) WRIT_MUST_USE;
