// SPDX-License-Identifier: Apache-2.0
// Secrets at rest under a passphrase: Argon2id for the key, XSalsa20-Poly1305 for the box (libsodium's
// secretbox). The sealed form carries its own parameters, so that they can be raised later; opening refuses
// parameters beyond fixed maxima, so that a hostile file cannot take the machine's memory.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/secret.h"

// Appends the sealed bytes.
status passphrase_seal(slice passphrase, slice plain, buf *ret, err *e) WRIT_MUST_USE;
// STATUS_INVALID when the bytes are not a sealed secret, STATUS_DENIED when the passphrase is wrong or the
// bytes were changed (which of the two cannot be told).
status passphrase_open(slice passphrase, slice sealed, secret *ret, err *e) WRIT_MUST_USE;
