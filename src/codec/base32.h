// SPDX-License-Identifier: Apache-2.0
// Base32 without padding (RFC 4648, section 6): the text form of keys.
#pragma once

#include "base/attributes.h"
#include "base/slice.h"

#define BASE32_TEXT_LEN(bytes) (((bytes)*8 + 4) / 5)

// Writes BASE32_TEXT_LEN(bytes.len) upper-case characters, no NUL.
void base32_encode(slice bytes, char *ret);
// Canonical text only: no padding, no lower case, no set bits beyond the last byte. False otherwise, or when
// more than `max` bytes would come out. Takes the same time for any content of a given length.
bool base32_decode(slice text, uint8_t *ret, size_t max, size_t *ret_len) WRIT_MUST_USE;
