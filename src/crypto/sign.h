// SPDX-License-Identifier: Apache-2.0
// Ed25519 signatures (RFC 8032) and X25519 public keys (RFC 7748). Thread-safe; keeps nothing.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/slice.h"

enum { SIGN_SEED_BYTES = 32, SIGN_PUBLIC_BYTES = 32, SIGN_SIGNATURE_BYTES = 64 };

void sign_public_of_seed(const uint8_t seed[SIGN_SEED_BYTES], uint8_t ret[SIGN_PUBLIC_BYTES]);
void sign_message(const uint8_t seed[SIGN_SEED_BYTES], slice message, uint8_t ret[SIGN_SIGNATURE_BYTES]);
// Refuses keys of small order and signatures whose scalar is not reduced, so that no second signature exists
// for a message without the key.
bool sign_verify(const uint8_t public_key[SIGN_PUBLIC_BYTES], slice message,
                 const uint8_t signature[SIGN_SIGNATURE_BYTES]) WRIT_MUST_USE;

// The public key of a curve ("x") key pair.
void sign_curve_public_of_seed(const uint8_t seed[SIGN_SEED_BYTES], uint8_t ret[SIGN_PUBLIC_BYTES]);
