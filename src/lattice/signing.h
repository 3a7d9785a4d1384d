// SPDX-License-Identifier: Apache-2.0
// Signatures under messages between hosts: over a sentence, which says what the message is for, and the
// SHA-256 of its bytes. What was signed for one purpose counts for no other.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "identity/nkey.h"

enum { SIGNING_SENTENCE_BYTES_MAX = 64 };

// Appends the signature over what stands in `b` from `begin` on.
status signing_put(const nkey *key, const char *sentence, buf *b, size_t begin, err *e) WRIT_MUST_USE;
// `signature` of another length than SIGN_SIGNATURE_BYTES is none.
bool signing_check(const nkey_public *key, const char *sentence, slice bytes, slice signature) WRIT_MUST_USE;
// Whether two clocks, in milliseconds, are within CLUSTER_CLOCK_SKEW_S.
bool signing_is_near(uint64_t a_ms, uint64_t b_ms);
