// SPDX-License-Identifier: Apache-2.0
// A key pair under a passphrase, as text:
//
//   writ sealed key 1
//   public ADLVVG...
//   sealed K5JE...
//
// Three lines; the last is base32 of crypto/passphrase.h's form of the seed's text. The public key can be
// read without the passphrase; whether it is the right one is known only after opening.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "identity/nkey.h"

enum { SEALED_KEY_BYTES_MAX = 256, SEALED_KEY_TEXT_BYTES_MAX = 1024 };

typedef struct sealed_key {
    nkey_public public_key; // stated by the file
    uint8_t sealed[SEALED_KEY_BYTES_MAX];
    size_t sealed_len;
} sealed_key;

// Whether the text means to be a sealed key, well-formed or not.
bool sealed_key_is(slice text);
status sealed_key_read(slice text, sealed_key *ret, err *e) WRIT_MUST_USE;
status sealed_key_write(const sealed_key *k, buf *ret) WRIT_MUST_USE; // appends; STATUS_LIMIT

status sealed_key_seal(const nkey *k, slice passphrase, sealed_key *ret, err *e) WRIT_MUST_USE;
// STATUS_DENIED for a wrong passphrase, STATUS_INVALID when the stated public key is not this one's.
status sealed_key_open(const sealed_key *k, slice passphrase, nkey **ret, err *e) WRIT_MUST_USE;
