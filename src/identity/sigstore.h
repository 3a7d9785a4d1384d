// SPDX-License-Identifier: Apache-2.0
// Detached signatures in the Sigstore bundle format (media types 0.1 to 0.3), verified with what the caller
// gives: a public key, or the identity in a certificate together with a trusted root. No service is called
// and nothing is fetched. docs/sigstore.md lists the checks in their order.
//
// All values are parsed once here, with limits, and not changed afterwards.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/certificate.h"
#include "crypto/public_key.h"

enum {
    SIGSTORE_BUNDLE_BYTES_MAX = 16 << 20,
    SIGSTORE_ROOT_BYTES_MAX = 4 << 20,
    SIGSTORE_ENTRIES_MAX = 32,    // log entries in a bundle
    SIGSTORE_TIMESTAMPS_MAX = 32, // in a bundle
    SIGSTORE_MEMBERS_MAX = 32,    // authorities, logs, time stamp authorities in a root: each
    SIGSTORE_SKEW_S_MAX = 300,    // how far a signing time may lie after the time of verification
};

// Why a bundle was not believed. The words are stable, for scripts and tests.
typedef enum sigstore_reason {
    SIGSTORE_GOOD,
    SIGSTORE_MALFORMED,        // breaks a rule of the format
    SIGSTORE_UNSUPPORTED,      // a version, kind of entry or algorithm that this version does not know
    SIGSTORE_WRONG_MATERIAL,   // signed with a certificate where a key was asked for, or the reverse
    SIGSTORE_HASH_MISMATCH,    // made for another file
    SIGSTORE_BAD_LOG_ENTRY,    // a log that we know did not promise this, or the entry is of another file
    SIGSTORE_BAD_TIMESTAMP,    // no time stamp authority that we know vouches for it
    SIGSTORE_NO_LOG_ENTRY,     // the root names logs, and none of them has it
    SIGSTORE_NO_TIME,          // nobody whom we trust says when it was signed
    SIGSTORE_IN_THE_FUTURE,    // signed after the time of verification
    SIGSTORE_OUTSIDE_VALIDITY, // the certificate was not valid when it signed
    SIGSTORE_UNTRUSTED_CERTIFICATE, // does not lead to the root, or may not sign code
    SIGSTORE_BAD_SIGNATURE,
    SIGSTORE_WRONG_IDENTITY,
    SIGSTORE_WRONG_ISSUER,
} sigstore_reason;

const char *sigstore_reason_name(sigstore_reason r); // "good", "hash-mismatch", ...

typedef struct sigstore_bundle sigstore_bundle;
typedef struct sigstore_root sigstore_root;

// STATUS_INVALID, STATUS_UNSUPPORTED, STATUS_LIMIT.
status sigstore_bundle_parse(slice json, sigstore_bundle **ret, err *e) WRIT_MUST_USE;
void sigstore_bundle_free(sigstore_bundle *b); // accepts NULL
// A trusted root (media types 0.1 and 0.2) as its owner published it.
status sigstore_root_parse(slice json, sigstore_root **ret, err *e) WRIT_MUST_USE;
void sigstore_root_free(sigstore_root *r); // accepts NULL

// What a bundle says of itself. Nothing here is verified. Borrowed from the bundle.
typedef struct sigstore_claims {
    int version;               // 1 to 3, of 0.1 to 0.3
    bool is_envelope;          // a DSSE envelope with a statement, not a signature of the file itself
    bool by_certificate;       // else by key
    slice hint;                // of the key
    const certificate *signer; // NULL without certificate
    slice issuer;              // OIDC issuer in the certificate; may be empty
    char digest_hex[129];      // NUL-terminated
    const char *digest_name;   // "sha256", or NULL in an envelope
    size_t entry_count;        // log entries
    size_t timestamp_count;
    slice payload_type; // of the envelope
} sigstore_claims;
void sigstore_bundle_claims(const sigstore_bundle *b, sigstore_claims *ret);

typedef struct sigstore_policy {
    const public_key *key;     // this key must have signed; or NULL, then:
    slice identity;            // the subject alternative name (URI or e-mail), exactly
    slice issuer;              // the OIDC issuer, exactly
    const sigstore_root *root; // needed with `identity`; with `key` it makes log entries and stamps count
    int64_t now_s;             // seconds since 1970: the time of verification
} sigstore_policy;

// What was verified. Slices are borrowed from the bundle.
typedef struct sigstore_facts {
    bool by_certificate;
    public_key_kind key_kind;
    uint8_t key_id[PUBLIC_KEY_ID_BYTES]; // SHA-256 of the public key
    slice identity;                      // of the certificate
    slice issuer;
    bool has_time;
    int64_t signed_at_s;     // the earliest verified time
    size_t entries_verified; // log entries
    size_t entries_unknown;  // of logs that the root does not name: not looked at
    size_t proofs_verified;  // entries with an inclusion proof
    size_t timestamps_verified;
    bool root_used; // else log entries and time stamps were not looked at
    bool is_envelope;
} sigstore_facts;

// STATUS_OK when everything holds. Otherwise STATUS_DENIED (INVALID, UNSUPPORTED for such bundles), with
// the reason in `ret_reason`, which is always written.
status sigstore_verify(const sigstore_bundle *b, slice file, const sigstore_policy *policy,
                       sigstore_facts *ret, sigstore_reason *ret_reason, err *e) WRIT_MUST_USE;

// A bundle 0.3 with a signature of the file by this key and the key's name as hint; no log, no time. Appends
// JSON with a line end.
status sigstore_sign(slice file, const private_key *key, buf *ret, err *e) WRIT_MUST_USE;
