// SPDX-License-Identifier: Apache-2.0
// Tokens for tests: fixed keys, and tokens of any claims, right or wrong, signed well.
#pragma once

#include "base/buf.h"
#include "identity/nkey.h"
#include "identity/token.h"

// The key of this kind whose seed is 32 times `number`; the caller frees it.
nkey *helper_key(nkey_kind kind, uint8_t number);
nkey_public helper_public(nkey_kind kind, uint8_t number);
// header.claims.signature of the texts as they are, signed by `issuer`.
void helper_sign_text(const char *header, slice claims, const nkey *issuer, buf *ret);
