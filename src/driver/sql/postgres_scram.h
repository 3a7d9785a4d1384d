// SPDX-License-Identifier: Apache-2.0
// SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side, as PostgreSQL uses it: each side proves to the other
// that it knows the password, or what is made of it. Pure, but for the nonce that the caller brings.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/hash.h"

enum {
    SCRAM_NONCE_BYTES = 24, // of the caller's, printable, no comma
    SCRAM_MESSAGE_BYTES_MAX = 1024,
    SCRAM_ROUNDS_MIN = 1000, // fewer would give the password away to who listens
    SCRAM_ROUNDS_MAX = 200000,
};

typedef struct postgres_scram {
    enum { SCRAM_NEW, SCRAM_FIRST, SCRAM_FINAL, SCRAM_DONE } step;
    char nonce[SCRAM_NONCE_BYTES + 1];
    uint8_t server_signature[HASH_BYTES];
} postgres_scram;

// Appends the client's first message.
status postgres_scram_first(postgres_scram *s, const char nonce[SCRAM_NONCE_BYTES], buf *ret,
                            err *e) WRIT_MUST_USE;
// The answer to the server's first message. STATUS_INVALID, STATUS_LIMIT.
status postgres_scram_final(postgres_scram *s, slice server_first, slice password, buf *ret,
                            err *e) WRIT_MUST_USE;
// STATUS_DENIED when the server does not know the password.
status postgres_scram_verify(postgres_scram *s, slice server_final, err *e) WRIT_MUST_USE;
