// SPDX-License-Identifier: Apache-2.0
// HMAC with SHA-2 (RFC 2104) and keys made of passwords with it (RFC 8018), for components and protocols of
// others that have them. For our own formats see hash_keyed. Thread-safe; keeps nothing of a key.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"
#include "crypto/hash.h"

// Of parts, as if they stood one after the other.
void hmac_sha256(slice key, const slice *parts, size_t count, uint8_t ret[HASH_BYTES]);

typedef enum hmac_kind { HMAC_SHA256, HMAC_SHA512 } hmac_kind;
enum { HMAC_BYTES_MAX = 64 };

// Writes 32 or 64 bytes, as the hash has, and returns how many.
size_t hmac_compute(hmac_kind kind, slice key, slice message, uint8_t *ret);
// Takes the same time wherever the tag differs; false for one of another length.
bool hmac_verify(hmac_kind kind, slice key, slice message, slice tag) WRIT_MUST_USE;

enum { HMAC_ITERATIONS_MAX = 1000000 }; // about half a second
// PBKDF2; takes as long as `iterations` says. STATUS_LIMIT for none, or more than the maximum.
status hmac_pbkdf2_sha256(slice password, slice salt, uint32_t iterations, uint8_t ret[HASH_BYTES],
                          err *e) WRIT_MUST_USE;
