// SPDX-License-Identifier: Apache-2.0
// Why something was not believed. One word per reason: stable, for scripts, metrics and tests; the sentence
// for people is in the err beside it.
//
// Checks run in the order of this list, cheap and public facts first, and stop at the first that fails;
// claims are looked at only after their signature was found good, so a refusal says nothing about claims that
// nobody vouches for.
#pragma once

typedef enum refusal {
    REFUSAL_NONE,
    REFUSAL_UNSIGNED,        // no token at all
    REFUSAL_MALFORMED,       // token, component or list breaks a rule of its format
    REFUSAL_WRONG_ALGORITHM, // a header whose "alg" is not "Ed25519"
    REFUSAL_WRONG_KEY_TYPE,  // issuer or subject is a key of a kind that may not stand there
    REFUSAL_BAD_SIGNATURE,
    REFUSAL_HASH_MISMATCH, // the token was made for other bytes
    REFUSAL_NOT_YET_VALID,
    REFUSAL_EXPIRED,
    REFUSAL_UNKNOWN_ISSUER, // good, but nobody here trusts who signed it
    REFUSAL_WRONG_ISSUER,   // the issuer is known, but may not speak for this subject or name
    REFUSAL_REVOKED,
    REFUSAL_ROLLED_BACK, // revision below the minimum for this subject, or a list older than the one we have
    REFUSAL_NOT_ALLOWED, // asks for a capability that its writ, or the trust in its issuer, does not cover
} refusal;

// "none", "unsigned", "malformed", "wrong-algorithm", "hash-mismatch", ...
const char *refusal_name(refusal r);
