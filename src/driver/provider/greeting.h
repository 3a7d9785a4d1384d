// SPDX-License-Identifier: Apache-2.0
// How the two ends of a connection to a provider (a driver in a process of its own) find out that each knows
// the key, before anything else is said. Neither sends the key:
//
//   client   "WRITPRV1", 32 random bytes
//   server   "WRITPRV1", 32 random bytes, HMAC-SHA256(key, "server", both random numbers)
//   client   HMAC-SHA256(key, "client", both random numbers)
//
// Random numbers stand in the order client, server. What one end says cannot be played back to another one
// (the numbers are fresh) nor to whoever said it (the labels differ). It says who is there and nothing more:
// what follows is neither encrypted nor guarded against somebody in between, so it is for loopback only. A
// client that does not know the key gets one HMAC of it, which a guess can be tried on: keys are random.
//
// Pure: no input or output, no memory. Fuzzed by fuzz/fuzz_provider.c.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/hash.h"

enum {
    GREETING_NONCE_BYTES = 32,
    GREETING_BYTES_MAX = 8 + GREETING_NONCE_BYTES + HASH_BYTES, // of one message
    GREETING_KEY_BYTES_MIN = 16,
    GREETING_KEY_BYTES_MAX = 1024,
};

typedef enum greeting_side { GREETING_CLIENT, GREETING_SERVER } greeting_side;

typedef struct greeting {
    greeting_side side;
    bool is_done; // each knows the key; `out` may still have to be sent
    uint8_t own[GREETING_NONCE_BYTES];
    uint8_t other[GREETING_NONCE_BYTES];
    uint8_t in[GREETING_BYTES_MAX];
    size_t in_len, in_wanted; // of the message that is awaited
    uint8_t out[GREETING_BYTES_MAX];
    size_t out_len; // to be sent before more is taken; the caller sets it to 0
    int step;
} greeting;

// `nonce` is fresh and random.
void greeting_begin(greeting *g, greeting_side side, const uint8_t nonce[GREETING_NONCE_BYTES]);
// Takes bytes of the other end, never one behind the greeting: more are wanted unless `is_done`.
// STATUS_DENIED: it has another key; STATUS_INVALID: it speaks something else.
status greeting_take(greeting *g, slice key, slice bytes, size_t *ret_taken, err *e) WRIT_MUST_USE;
// How many bytes it takes now.
static inline size_t greeting_wants(const greeting *g) { return g->is_done ? 0 : g->in_wanted - g->in_len; }
