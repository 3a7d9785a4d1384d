// SPDX-License-Identifier: Apache-2.0
// HMAC with SHA-256 (RFC 2104) and keys made of passwords with it (RFC 8018), for protocols of others that
// have them. For our own formats see hash_keyed. Thread-safe.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "crypto/hash.h"

// Of parts, as if they stood one after the other.
void hmac_sha256(slice key, const slice *parts, size_t count, uint8_t ret[HASH_BYTES]);

enum { HMAC_ITERATIONS_MAX = 1000000 }; // about half a second
// PBKDF2; takes as long as `iterations` says. STATUS_LIMIT for none, or more than the maximum.
status hmac_pbkdf2_sha256(slice password, slice salt, uint32_t iterations, uint8_t ret[HASH_BYTES],
                          err *e) WRIT_MUST_USE;
