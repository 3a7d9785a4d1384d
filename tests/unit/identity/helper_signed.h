// SPDX-License-Identifier: Apache-2.0
// Signed components for tests: made of pseudo-random sections, or of given bytes.
#pragma once

#include "base/buf.h"
#include "base/slice.h"
#include "identity/token.h"

enum { HELPER_SIGNED_AT_S = 1800000000 }; // the date of all signatures; they end a day later

uint32_t helper_random(uint32_t *state); // the same sequence everywhere
// About `bytes` bytes in `sections` sections, in core modules and components nested three deep.
void helper_make_component(size_t bytes, size_t sections, buf *ret);
// What the signature of helper_sign says about `bytes`; `memory` of the claims is static.
token_claims helper_claims(slice bytes);
// Appends a token for exactly these claims.
void helper_append(buf *component, const token_claims *claims);
void helper_token_of(const token_claims *claims, buf *ret);
// Signs the component in the buffer, which is canonical.
void helper_sign(buf *component);
