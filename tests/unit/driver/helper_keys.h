// SPDX-License-Identifier: Apache-2.0
// Calls to a driver of writ:crypto, on links that are opened as for key-value.
#pragma once

#include "driver/keys/keys.h"
#include "unit/driver/helper_keyvalue.h"

typedef struct key_result {
    status code;        // STATUS_OK: `answer`
    char message[1024]; // else
    keys_answer answer;
    buf bytes; // what the answer's slices point at
    bool is_done;
} key_result;

// Calls and waits; for key_result_done.
void key_call(kv *k, const keys_call *c, key_result *ret);
void key_result_done(key_result *r);

// What a function of (message) gives, in hex; "!N" for error N, "?N" for a status.
const char *key_made(kv *k, keys_function f, const char *message, char *text, size_t size);
// Whether a proof, in hex, is right; what came instead of an answer is printed.
bool key_verifies(kv *k, keys_function f, const char *message, const char *proof_hex);
// Whether it ends with that error.
bool key_refuses(kv *k, keys_function f, slice message, keys_error error);
