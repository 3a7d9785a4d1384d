// SPDX-License-Identifier: Apache-2.0
// Agreeing on a secret (RFC 7748) and making keys of it (HKDF with SHA-256, RFC 5869). Thread-safe; keeps
// nothing.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/slice.h"

enum { X25519_BYTES = 32, HKDF_BYTES_MAX = 255 * 32 };

void x25519_public(const uint8_t secret_key[X25519_BYTES], uint8_t ret[X25519_BYTES]);
// False for a key of the other side with which every secret would be the same.
bool x25519_agree(const uint8_t secret_key[X25519_BYTES], const uint8_t public_key[X25519_BYTES],
                  uint8_t ret[X25519_BYTES]) WRIT_MUST_USE;

// Writes `len` bytes, at most HKDF_BYTES_MAX.
void hkdf_sha256(slice salt, slice secret_bytes, slice info, uint8_t *ret, size_t len);
