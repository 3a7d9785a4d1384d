// SPDX-License-Identifier: Apache-2.0
// The contract writ:crypto@0.1.0, the part that needs keys, as C values and their bytes (codec/values.h). A
// link is a key: its name is what a component opens.
//
//   writ:crypto/keys     algorithm() -> result<algorithm, error>
//   writ:crypto/hmac     authenticate(message) -> result<list<u8>, error>
//                        verify(message, tag) -> result<bool, error>
//   writ:crypto/signing  sign(message) -> result<list<u8>, error>
//                        verify(message, signature) -> result<bool, error>
//                        public-key() -> result<list<u8>, error>
//
// What every driver does alike (tests/unit/driver/keys_contract.h): a key does what its algorithm is for, and
// `unsupported` is the answer to everything else; no answer and no error has bytes of the key in it; what was
// made with the key before a rotation still verifies while the driver is given both.
#pragma once

#include "base/buf.h"
#include "driver/driver.h"

enum {
    KEYS_MESSAGE_BYTES_MAX = 1 << 20, // what a setting may allow: nobody else is served meanwhile
    KEYS_PROOF_BYTES_MAX = 64,        // of a tag or a signature
    KEYS_CALL_BYTES_MAX = KEYS_MESSAGE_BYTES_MAX + 1024,
    KEYS_ERROR_BYTES_MAX = 1024,
};

#define KEYS_INTERFACE "writ:crypto/keys"
extern const char *const keys_interfaces[]; // NULL at the end

typedef enum keys_function {
    KEYS_ALGORITHM,
    KEYS_AUTHENTICATE,
    KEYS_VERIFY_TAG,
    KEYS_SIGN,
    KEYS_VERIFY_SIGNATURE,
    KEYS_PUBLIC_KEY,
    KEYS_FUNCTION_COUNT,
} keys_function;

const char *keys_interface_name(keys_function f);
const char *keys_function_name(keys_function f);
bool keys_function_find(slice interface, slice function, keys_function *ret);

typedef enum keys_algorithm {
    KEYS_HMAC_SHA256,
    KEYS_HMAC_SHA512,
    KEYS_ED25519,
    KEYS_ALGORITHM_COUNT,
} keys_algorithm;

typedef enum keys_error {
    KEYS_NOT_FOUND,
    KEYS_ACCESS_DENIED,
    KEYS_UNSUPPORTED,
    KEYS_TOO_LARGE,
    KEYS_OTHER,
    KEYS_ERROR_COUNT,
} keys_error;

typedef struct keys_call {
    keys_function function;
    slice message; // not of ALGORITHM and PUBLIC_KEY
    slice proof;   // of the two that verify
} keys_call;

typedef struct keys_answer {
    bool is_error;
    keys_error error;
    slice text;               // of KEYS_OTHER
    keys_algorithm algorithm; // ALGORITHM
    bool is_right;            // of the two that verify
    slice bytes;              // of the others
} keys_answer;

// Each appends; STATUS_LIMIT over the maximum of `out`.
status keys_call_encode(const keys_call *c, buf *out, err *e) WRIT_MUST_USE;
status keys_answer_encode(keys_function f, const keys_answer *a, buf *out, err *e) WRIT_MUST_USE;
// Each reads hostile bytes; slices are borrowed from `payload`. STATUS_INVALID.
status keys_call_decode(keys_function f, slice payload, keys_call *ret, err *e) WRIT_MUST_USE;
status keys_answer_decode(keys_function f, slice payload, keys_answer *ret, err *e) WRIT_MUST_USE;

// The drivers.
extern const driver keys_local; // keys from secrets of this host: see local.c
