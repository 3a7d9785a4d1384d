// SPDX-License-Identifier: Apache-2.0
// HMAC (RFC 2104) with SHA-2. Thread-safe; keeps nothing of the key.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/slice.h"

typedef enum mac_kind { MAC_HMAC_SHA256, MAC_HMAC_SHA512 } mac_kind;
enum { MAC_BYTES_MAX = 64 };

// Writes 32 or 64 bytes, as the hash has, and returns how many.
size_t mac_compute(mac_kind kind, slice key, slice message, uint8_t *ret);
// Takes the same time wherever the tag differs; false for one of another length.
bool mac_verify(mac_kind kind, slice key, slice message, slice tag) WRIT_MUST_USE;
