// SPDX-License-Identifier: Apache-2.0
// Public keys and signatures as JSON Web Keys and JSON Web Signatures spell them (RFC 7518): big numbers, big
// end first.
#pragma once

#include "base/buf.h"
#include "crypto/public_key.h"

// The point of an elliptic curve; each half exactly as long as a number of the curve. STATUS_INVALID when it
// is not on the curve; STATUS_UNSUPPORTED for a kind that has no points.
status public_key_from_point(public_key_kind kind, slice x, slice y, public_key **ret, err *e) WRIT_MUST_USE;
// RSA (2048 to 8192 bits).
status public_key_from_rsa(slice modulus, slice exponent, public_key **ret, err *e) WRIT_MUST_USE;
// An ECDSA signature, both numbers one behind the other, into the DER form that public_key_verify takes.
// Appends. STATUS_INVALID when it has not the length that this kind of key gives.
status signature_from_halves(public_key_kind kind, slice halves, buf *ret) WRIT_MUST_USE;

// Whether the private key in DER (PKCS #8, nothing behind it) belongs to `k`. STATUS_INVALID when it is no
// key, STATUS_DENIED when it is another's. Nothing of it is kept.
status public_key_check_private(const public_key *k, slice pkcs8, err *e) WRIT_MUST_USE;
