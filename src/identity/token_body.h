// SPDX-License-Identifier: Apache-2.0
// The claims of a token whose signature is good; internal to the token reader.
#pragma once

#include "codec/json.h"
#include "identity/token.h"

// Reads all claims but "iss". On failure `*ret_why` is MALFORMED or WRONG_KEY_TYPE.
status token_body_read(const json_value *claims, const nkey_public *issuer, arena *memory, token_claims *ret,
                       refusal *ret_why, err *e) WRIT_MUST_USE;

// Reads and writes the claim "writ".
status token_writ_read(const json_value *writ, arena *memory, token_claims *ret, err *e) WRIT_MUST_USE;
// NULL when there is nothing to say.
json_value *token_writ_write(const token_claims *c);
