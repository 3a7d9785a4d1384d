// SPDX-License-Identifier: Apache-2.0
// Keys with a role, in the text form that NATS and wasmCloud 1.x use ("nkeys"): base32 of a prefix byte that
// names the role, 32 bytes, and a CRC-16/XMODEM, little-endian. A public key is 56 characters and begins with
// the letter of its role; a seed is 58 and begins with S and that letter.
// Source: nkeys of NATS (README, "Encoding"), checked against its Go and Python packages.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

typedef enum nkey_kind {
    NKEY_ACCOUNT,  // A: issues components and providers
    NKEY_CLUSTER,  // C
    NKEY_MODULE,   // M: a component
    NKEY_SERVER,   // N: a host
    NKEY_OPERATOR, // O: issues accounts
    NKEY_USER,     // U
    NKEY_SERVICE,  // V: a provider
    NKEY_CURVE,    // X: X25519, for sealing; cannot sign
} nkey_kind;
enum { NKEY_KIND_COUNT = NKEY_CURVE + 1 };

const char *nkey_kind_name(nkey_kind kind); // "account", ...
char nkey_kind_letter(nkey_kind kind);
bool nkey_kind_parse(slice name, nkey_kind *ret) WRIT_MUST_USE; // by name

// --- public keys -----------------------------------------------------------------------------------------

typedef struct nkey_public {
    nkey_kind kind;
    uint8_t bytes[SIGN_PUBLIC_BYTES];
} nkey_public;

enum { NKEY_PUBLIC_TEXT_LEN = 56, NKEY_SEED_TEXT_LEN = 58 };
typedef struct nkey_text { // NUL-terminated
    char text[NKEY_PUBLIC_TEXT_LEN + 1];
} nkey_text;

// STATUS_INVALID; the message says whether it is a wrong length, alphabet, checksum or prefix, or a seed
// where a public key belongs, and never repeats what may be a seed.
status nkey_public_parse(slice text, nkey_public *ret, err *e) WRIT_MUST_USE;
nkey_text nkey_public_text(const nkey_public *k);
bool nkey_public_equal(const nkey_public *a, const nkey_public *b);
// False for a curve key too.
bool nkey_verify(const nkey_public *k, slice message,
                 const uint8_t signature[SIGN_SIGNATURE_BYTES]) WRIT_MUST_USE;

// --- key pairs -------------------------------------------------------------------------------------------

// A key pair; its seed lives in locked memory and leaves only through nkey_seed_text. One owner.
typedef struct nkey nkey;

status nkey_generate(nkey_kind kind, nkey **ret, err *e) WRIT_MUST_USE;
// Surrounding white space (a file's last newline) is accepted. The message never repeats the text.
status nkey_from_seed_text(slice text, nkey **ret, err *e) WRIT_MUST_USE;
void nkey_free(nkey *k); // accepts NULL; wipes

nkey_public nkey_public_of(const nkey *k);
status nkey_seed_text(const nkey *k, secret *ret, err *e) WRIT_MUST_USE;
// STATUS_UNSUPPORTED for a curve key.
status nkey_sign(const nkey *k, slice message, uint8_t ret[SIGN_SIGNATURE_BYTES], err *e) WRIT_MUST_USE;

// --- sealing -----------------------------------------------------------------------------------------------

// From one curve key to another, in the form "xkv1" of nkeys: these four letters, then crypto/box.h.
enum { NKEY_SEAL_OVERHEAD_BYTES = 4 + 24 + 16 };

// Appends. STATUS_UNSUPPORTED unless both are curve keys, STATUS_INVALID for a public key of no use,
// STATUS_LIMIT.
status nkey_seal(const nkey *k, const nkey_public *peer, slice plain, buf *ret, err *e) WRIT_MUST_USE;
// STATUS_UNSUPPORTED likewise; STATUS_DENIED when the bytes were changed or are from or for somebody else.
status nkey_open(const nkey *k, const nkey_public *peer, slice sealed, secret *ret, err *e) WRIT_MUST_USE;
