// SPDX-License-Identifier: Apache-2.0
// From bytes to belief: everything that must hold before a component's first byte is compiled. Offline and
// pure: the clock and the trust store are the caller's.
#pragma once

#include "base/arena.h"
#include "base/attributes.h"
#include "base/err.h"
#include "identity/envelope.h"
#include "identity/refusal.h"
#include "identity/token.h"
#include "identity/trust.h"

typedef struct verify_input {
    slice bytes;              // of the component
    slice detached_token;     // beside it; empty = the one inside. Both at once must be equal.
    const trust_store *trust; // NULL: all but trust is checked
    uint64_t now_s;           // seconds since 1970
} verify_input;

typedef struct verification {
    refusal reason; // NONE: believed
    err error;      // the sentence; empty when believed
    bool has_token; // its signature is good and `claims` are filled, whether or not the rest holds
    envelope envelope;
    token_claims claims;
    token_claims chain[TOKEN_CHAIN_MAX];
    size_t chain_count;
    trust_answer trust; // when believed
    arena memory;       // of claims and trust
} verification;

// Fills everything that could be found out, also for what is not believed. The bytes must outlive it.
void verify_component(const verify_input *input, verification *ret);
void verification_done(verification *v); // accepts a zeroed one

// Whether writ and trust together let it import the interface; checked for every import before linking.
// NOT_ALLOWED otherwise, with who does not allow it. A token without allow-list does not narrow.
status verification_check_import(const verification *v, slice interface, const semver *version,
                                 err *e) WRIT_MUST_USE;
