// SPDX-License-Identifier: Apache-2.0
// Public keys and signatures of other people's standards: ECDSA, RSA and Ed25519, in the DER and PEM forms of
// X.509 (RFC 5280, 5480, 8017, 8410, 7468). Our own tokens use crypto/sign.h.
//
// Accepted are P-256, P-384, Ed25519, and RSA of 2048 to 8192 bits. Everything else is STATUS_UNSUPPORTED.
// A key is not changed after it was made: threads may share it as long as its owner keeps it.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

typedef struct public_key public_key;
typedef struct private_key private_key;

typedef enum public_key_kind {
    PUBLIC_KEY_P256,
    PUBLIC_KEY_P384,
    PUBLIC_KEY_ED25519,
    PUBLIC_KEY_RSA,
} public_key_kind;

// Which signature is meant; the caller decides it, never the bytes that are checked.
typedef enum signature_scheme {
    SIGNATURE_ECDSA_SHA256, // signatures are DER (RFC 3279, 2.2.3)
    SIGNATURE_ECDSA_SHA384,
    SIGNATURE_ECDSA_SHA512,
    SIGNATURE_ED25519,   // RFC 8032, of the message itself
    SIGNATURE_ED25519PH, // RFC 8032, 5.1, of its SHA-512, without context
    SIGNATURE_RSA_PKCS1_SHA256,
    SIGNATURE_RSA_PKCS1_SHA384,
    SIGNATURE_RSA_PKCS1_SHA512,
    SIGNATURE_RSA_PSS_SHA256, // salt as long as the digest, MGF1 with the same hash
    SIGNATURE_RSA_PSS_SHA384,
    SIGNATURE_RSA_PSS_SHA512,
} signature_scheme;

enum {
    PUBLIC_KEY_BYTES_MAX = 4 << 10, // of the DER form
    PUBLIC_KEY_ID_BYTES = 32,
    KEY_PEM_BYTES_MAX = 64 << 10,
    SIGNATURE_BYTES_MAX = 1024, // RSA of 8192 bits
};

// A whole SubjectPublicKeyInfo and nothing behind it. STATUS_INVALID, STATUS_UNSUPPORTED.
status public_key_from_der(slice der, public_key **ret, err *e) WRIT_MUST_USE;
// The first block of the text, which must be "PUBLIC KEY".
status public_key_from_pem(slice pem, public_key **ret, err *e) WRIT_MUST_USE;
void public_key_free(public_key *k); // accepts NULL

public_key_kind public_key_kind_of(const public_key *k);
const char *public_key_kind_name(public_key_kind kind); // "ECDSA P-256"
slice public_key_der(const public_key *k);              // its one SubjectPublicKeyInfo; borrowed
// SHA-256 of that form: the name of a key in transparency logs and the usual hint in bundles.
void public_key_id(const public_key *k, uint8_t ret[PUBLIC_KEY_ID_BYTES]);
bool public_key_equal(const public_key *a, const public_key *b);

// False when the scheme does not fit the kind of key.
bool public_key_verify(const public_key *k, signature_scheme scheme, slice message,
                       slice signature) WRIT_MUST_USE;

// One private key in PEM: "PRIVATE KEY" (PKCS #8) or "EC PRIVATE KEY". STATUS_UNSUPPORTED for an encrypted
// one and for kinds that cannot sign here (P-256 and Ed25519 can).
status private_key_from_pem(slice pem, private_key **ret, err *e) WRIT_MUST_USE;
void private_key_free(private_key *k);                      // accepts NULL; wipes it
const public_key *private_key_public(const private_key *k); // borrowed
// Signs with SIGNATURE_ECDSA_SHA256 or SIGNATURE_ED25519, whichever the key is for. Appends.
status private_key_sign(const private_key *k, slice message, buf *ret, err *e) WRIT_MUST_USE;
