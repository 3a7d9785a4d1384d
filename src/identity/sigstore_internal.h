// SPDX-License-Identifier: Apache-2.0
// The parsed forms of a bundle and a trusted root, shared by the files that read and verify them.
#pragma once

#include "base/arena.h"
#include "codec/json.h"
#include "crypto/hash.h"
#include "identity/sigstore.h"

enum { SIGSTORE_PROOF_HASHES_MAX = 64, SIGSTORE_TEXT_BYTES_MAX = 4 << 10 };

typedef struct sigstore_proof {
    uint64_t log_index;
    uint64_t tree_size;
    slice root; // HASH_BYTES
    slice *hashes;
    size_t hash_count;
    slice checkpoint;
} sigstore_proof;

typedef struct sigstore_entry {
    uint64_t log_index;
    slice log_id;
    slice kind;
    slice version;
    uint64_t integrated_s; // 0 when there is none
    slice promise;         // signed entry timestamp; empty when there is none
    bool has_proof;
    sigstore_proof proof;
    slice body;
} sigstore_entry;

struct sigstore_bundle {
    arena memory;
    int version;
    bool by_certificate;
    slice hint;
    certificate_list chain; // the signer's first
    slice issuer;           // in the signer's certificate
    sigstore_entry *entries;
    size_t entry_count;
    slice *timestamps;
    size_t timestamp_count;
    bool is_envelope;
    slice signature;
    hash_kind digest_kind; // of a message signature
    slice digest;
    slice payload_type; // of an envelope
    slice payload;
};

typedef struct sigstore_range { // both ends belong to it
    int64_t from_s;
    int64_t to_s;
} sigstore_range;

static inline bool sigstore_in_range(sigstore_range r, int64_t at_s) {
    return at_s >= r.from_s && at_s <= r.to_s;
}

typedef struct sigstore_authority {
    certificate_list chain; // all but the anchor
    certificate_list anchor;
    sigstore_range valid;
} sigstore_authority;

typedef struct sigstore_log {
    public_key *key;
    slice id;
    sigstore_range valid;
} sigstore_log;

struct sigstore_root {
    arena memory;
    sigstore_authority *authorities;
    size_t authority_count;
    sigstore_authority *stampers;
    size_t stamper_count;
    sigstore_log *logs;
    size_t log_count;
};

// --- reading JSON (sigstore_json.c) ------------------------------------------------------------------------

// Reads fields until one is wrong; then `result` stays as it is and everything else reads as empty.
typedef struct sigstore_reader {
    arena *memory;
    status result;
    err *e;
} sigstore_reader;

// Members, with null read as absent. An absent one is an empty value unless `need` is true.
const json_value *sigstore_object(sigstore_reader *r, const json_value *in, const char *name, bool need);
const json_value *sigstore_array(sigstore_reader *r, const json_value *in, const char *name, size_t max);
slice sigstore_text(sigstore_reader *r, const json_value *in, const char *name, size_t max, bool need);
slice sigstore_bytes(sigstore_reader *r, const json_value *in, const char *name, size_t max, bool need);
slice sigstore_hex(sigstore_reader *r, const json_value *in, const char *name, size_t max);
const json_value *sigstore_certificates(sigstore_reader *r, const json_value *in); // one at least
void sigstore_certificate(sigstore_reader *r, const json_value *in, certificate_list *to);
uint64_t sigstore_integer(sigstore_reader *r, const json_value *in, const char *name); // number or text
slice sigstore_decode(sigstore_reader *r, slice base64, const char *name, size_t max);
bool sigstore_fail(sigstore_reader *r, status code, const char *format, ...) WRIT_FORMAT(3, 4); // false
void *sigstore_alloc(sigstore_reader *r, size_t count, size_t bytes);

// --- verifying (sigstore_log.c, sigstore_statement.c, sigstore.c) ------------------------------------------

// The file and the key that are being verified.
typedef struct sigstore_subject {
    const sigstore_bundle *bundle;
    const public_key *key;
    const certificate *signer; // NULL when there is only a key
} sigstore_subject;

// Whether the key made this signature with a scheme that fits it.
bool sigstore_signed_by(const public_key *key, slice message, slice signature);
const sigstore_log *sigstore_find_log(const sigstore_root *root, slice id);
// Whether the log promised or proves the entry, and the entry is of this subject. STATUS_DENIED, INVALID,
// UNSUPPORTED.
status sigstore_entry_verify(const sigstore_entry *entry, const sigstore_log *log,
                             const sigstore_subject *subject, err *e) WRIT_MUST_USE;
// Its two halves that need no promise: the signed tree head and the way to it; and what the body is of.
status sigstore_proof_verify(const sigstore_entry *entry, const sigstore_log *log, err *e) WRIT_MUST_USE;
status sigstore_entry_is_of(const sigstore_entry *entry, const sigstore_subject *subject,
                            err *e) WRIT_MUST_USE;
// The digest in an in-toto statement is that of the file.
status sigstore_statement_covers(const sigstore_bundle *b, slice file, err *e) WRIT_MUST_USE;
// Appends what a DSSE signature is of.
status sigstore_envelope_message(const sigstore_bundle *b, buf *ret, err *e) WRIT_MUST_USE;
