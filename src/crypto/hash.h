// SPDX-License-Identifier: Apache-2.0
// Hashes. Thread-safe; inputs are lists of parts, hashed as if they stood one after the other.
#pragma once

#include <stdbool.h>

#include "base/slice.h"

enum {
    HASH_BYTES = 32,
    HASH_KEY_BYTES = 32,
    HASH_HEX_BYTES = 2 * HASH_BYTES + 1,
};

// SHA-256 (FIPS 180-4): names of things that anybody may compute.
void hash_sha256(const slice *parts, size_t count, uint8_t ret[HASH_BYTES]);
// Any of SHA-2, where a format of others lets its writer choose; returns how many bytes it has.
typedef enum hash_kind { HASH_SHA256, HASH_SHA384, HASH_SHA512 } hash_kind;
enum { HASH_SHA2_BYTES_MAX = 64 };
size_t hash_sha2(hash_kind kind, const slice *parts, size_t count, uint8_t ret[HASH_SHA2_BYTES_MAX]);

// The same in pieces. Each begin needs an end or a drop.
typedef struct hash_sha2_state {
    void *context;
} hash_sha2_state;
void hash_sha2_begin(hash_sha2_state *s, hash_kind kind);
void hash_sha2_add(hash_sha2_state *s, slice bytes);
size_t hash_sha2_end(hash_sha2_state *s, uint8_t ret[HASH_SHA2_BYTES_MAX]);
void hash_sha2_drop(hash_sha2_state *s); // accepts a zeroed or ended one

typedef hash_sha2_state hash_sha256_state;
void hash_sha256_begin(hash_sha256_state *s);
void hash_sha256_add(hash_sha256_state *s, slice bytes);
void hash_sha256_end(hash_sha256_state *s, uint8_t ret[HASH_BYTES]);
void hash_sha256_drop(hash_sha256_state *s);

// BLAKE2b-256 with a key (RFC 7693): only who has the key can compute or check it.
void hash_keyed(const uint8_t key[HASH_KEY_BYTES], const slice *parts, size_t count, uint8_t ret[HASH_BYTES]);
// The same in pieces, for what does not lie in memory at once.
typedef struct hash_keyed_state {
    _Alignas(64) uint8_t opaque[384];
} hash_keyed_state;
void hash_keyed_begin(hash_keyed_state *s, const uint8_t key[HASH_KEY_BYTES]);
void hash_keyed_add(hash_keyed_state *s, slice bytes);
void hash_keyed_end(hash_keyed_state *s, uint8_t ret[HASH_BYTES]); // and wipes the state

// Takes the same time whether they differ early or late.
bool hash_equal(const uint8_t a[HASH_BYTES], const uint8_t b[HASH_BYTES]);
// Lower case, NUL-terminated.
void hash_hex(const uint8_t hash[HASH_BYTES], char ret[HASH_HEX_BYTES]);
// The other way. Where texts are compared, one case alone, so that a hash has one spelling.
typedef enum hash_case { HASH_LOWER_CASE, HASH_UPPER_CASE, HASH_ANY_CASE } hash_case;
bool hash_from_hex(slice text, hash_case letters, uint8_t ret[HASH_BYTES]);
