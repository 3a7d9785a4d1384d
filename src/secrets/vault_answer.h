// SPDX-License-Identifier: Apache-2.0
// Answers of a server with the API of HashiCorp Vault, read in the locked memory that they came into, without
// copies: the JSON is walked, and what is wanted is decoded into locked memory at once. They come from
// outside: whatever is not as it should be is STATUS_INVALID, and no message has a part of them.
#pragma once

#include "base/err.h"
#include "identity/secret_source.h"

enum { VAULT_ANSWER_BYTES_MAX = 768 << 10, VAULT_ANSWER_DEPTH_MAX = 32, VAULT_TOKEN_BYTES_MAX = 8192 };

// A secret of the engine KV, version 2. `field` NULL: the only one. STATUS_NOT_FOUND when there is no such
// field, or none was named among several; the message says which.
status vault_answer_secret(slice answer, const char *field, secret_value *ret, err *e) WRIT_MUST_USE;

typedef struct vault_login {
    secret token;     // visible ASCII; for secret_free
    uint64_t lease_s; // 0 = it has no end
    bool is_renewable;
} vault_login;

// Of a login, or of renewing a token.
status vault_answer_login(slice answer, vault_login *ret, err *e) WRIT_MUST_USE;
