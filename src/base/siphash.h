// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4: a keyed hash of short inputs whose outcome tells nothing about them without the key. For
// tables that outsiders fill, and for identities that guests may compare but not read. Source: Aumasson,
// Bernstein, "SipHash: a fast short-input PRF" (2012).
#pragma once

#include "base/slice.h"

typedef struct siphash_key {
    uint64_t k0;
    uint64_t k1;
} siphash_key;

uint64_t siphash(siphash_key key, slice bytes);
