// SPDX-License-Identifier: Apache-2.0
// The order of the checks is in docs/sigstore.md; the first that fails is the answer.
#include "crypto/timestamp.h"
#include "identity/sigstore_internal.h"

#include <inttypes.h>

enum { MESSAGE_BYTES_MAX = SIGSTORE_BUNDLE_BYTES_MAX + SIGSTORE_TEXT_BYTES_MAX + 64 };

const char *sigstore_reason_name(sigstore_reason r) {
    static const char *const names[] = {
        "good",          "malformed",      "unsupported",      "wrong-material",
        "hash-mismatch", "bad-log-entry",  "bad-timestamp",    "no-log-entry",
        "no-time",       "in-the-future",  "outside-validity", "untrusted-certificate",
        "bad-signature", "wrong-identity", "wrong-issuer",
    };
    return (unsigned)r < sizeof names / sizeof names[0] ? names[r] : "unknown";
}

typedef struct verification {
    const sigstore_policy *policy;
    sigstore_subject subject;
    slice file;
    sigstore_facts facts;
    int64_t times[SIGSTORE_ENTRIES_MAX + SIGSTORE_TIMESTAMPS_MAX]; // when trusted parties saw the signature
    size_t time_count;
    sigstore_reason reason;
    err *e;
} verification;

static status refuse(verification *v, sigstore_reason reason, const char *why) {
    v->reason = reason;
    return err_set(v->e, STATUS_DENIED, "%s", why);
}

// --- signatures --------------------------------------------------------------------------------------------

// P-384 with SHA-256 is what older signers made.
bool sigstore_signed_by(const public_key *key, slice message, slice signature) {
    static const signature_scheme schemes[][2] = {
        [PUBLIC_KEY_P256] = {SIGNATURE_ECDSA_SHA256, SIGNATURE_ECDSA_SHA256},
        [PUBLIC_KEY_P384] = {SIGNATURE_ECDSA_SHA384, SIGNATURE_ECDSA_SHA256},
        [PUBLIC_KEY_ED25519] = {SIGNATURE_ED25519, SIGNATURE_ED25519PH},
        [PUBLIC_KEY_RSA] = {SIGNATURE_RSA_PKCS1_SHA256, SIGNATURE_RSA_PSS_SHA256},
    };
    const signature_scheme *two = schemes[public_key_kind_of(key)];
    return public_key_verify(key, two[0], message, signature) ||
           (two[0] != two[1] && public_key_verify(key, two[1], message, signature));
}

static status check_signature(verification *v) {
    const sigstore_bundle *b = v->subject.bundle;
    auto_buf message;
    buf_init(&message, MESSAGE_BYTES_MAX);
    slice signed_bytes = v->file;
    if (b->is_envelope) {
        TRY(sigstore_envelope_message(b, &message, v->e));
        signed_bytes = buf_slice(&message);
    }
    return sigstore_signed_by(v->subject.key, signed_bytes, b->signature)
               ? STATUS_OK
               : refuse(v, SIGSTORE_BAD_SIGNATURE, "the signature is not made by this key over these bytes");
}

static status check_digest(verification *v) {
    const sigstore_bundle *b = v->subject.bundle;
    uint8_t own[HASH_SHA2_BYTES_MAX];
    size_t len = hash_sha2(b->digest_kind, &v->file, 1, own);
    return slice_equal(b->digest, slice_of(own, len))
               ? STATUS_OK
               : refuse(v, SIGSTORE_HASH_MISMATCH,
                        "the bundle was made for another file (its digest differs)");
}

// --- log entries and times ---------------------------------------------------------------------------------

static status add_time(verification *v, int64_t at_s) {
    if (at_s > v->policy->now_s && at_s - v->policy->now_s > SIGSTORE_SKEW_S_MAX) {
        return refuse(v, SIGSTORE_IN_THE_FUTURE, "it was signed after the time of verification");
    }
    v->times[v->time_count++] = at_s;
    return STATUS_OK;
}

static status check_entry(verification *v, const sigstore_entry *entry) {
    const sigstore_log *log = sigstore_find_log(v->policy->root, entry->log_id);
    if (log == NULL) {
        v->facts.entries_unknown++;
        return STATUS_OK;
    }
    status s = sigstore_entry_verify(entry, log, &v->subject, v->e);
    if (s != STATUS_OK) {
        v->reason = s == STATUS_UNSUPPORTED ? SIGSTORE_UNSUPPORTED : SIGSTORE_BAD_LOG_ENTRY;
        return s;
    }
    v->facts.entries_verified++;
    v->facts.proofs_verified += entry->has_proof;
    return entry->promise.len == 0 ? STATUS_OK : add_time(v, (int64_t)entry->integrated_s);
}

static status stamp_time(verification *v, slice stamp, int64_t *ret, err *e) {
    const sigstore_root *root = v->policy->root;
    status s = err_set(e, STATUS_DENIED, "the trusted root names no time stamp authority");
    for (size_t i = 0; i < root->stamper_count; i++) {
        const sigstore_authority *a = &root->stampers[i];
        s = timestamp_verify(stamp, v->subject.bundle->signature, &a->chain, &a->anchor, ret, e);
        if (s == STATUS_OK && sigstore_in_range(a->valid, *ret)) {
            return STATUS_OK;
        }
        s = s == STATUS_OK
                ? err_set(e, STATUS_DENIED, "the authority was not in use at the time of the stamp")
                : s;
    }
    return s;
}

// A stamp of an authority that is not in the root cannot be told from a wrong one: it does not count, and is
// the reason when nothing else gives a time.
static status check_stamps(verification *v, err *first) {
    const sigstore_bundle *b = v->subject.bundle;
    for (size_t i = 0; i < b->timestamp_count; i++) {
        int64_t at_s;
        err e = {0};
        if (stamp_time(v, b->timestamps[i], &at_s, &e) == STATUS_OK) {
            v->facts.timestamps_verified++;
            TRY(add_time(v, at_s));
        } else if (first->code == STATUS_OK) {
            *first = e;
        }
    }
    return STATUS_OK;
}

// An entry without promise has no time of its own: its log must have been in use at every time that we have.
static status check_log_ranges(verification *v) {
    const sigstore_bundle *b = v->subject.bundle;
    for (size_t i = 0; i < b->entry_count; i++) {
        const sigstore_log *log = sigstore_find_log(v->policy->root, b->entries[i].log_id);
        for (size_t j = 0; log != NULL && j < v->time_count; j++) {
            if (!sigstore_in_range(log->valid, v->times[j])) {
                return refuse(v, SIGSTORE_BAD_LOG_ENTRY, "a log was not in use when it was signed");
            }
        }
    }
    return STATUS_OK;
}

static status check_witnesses(verification *v) {
    const sigstore_bundle *b = v->subject.bundle;
    err stamp_error = {0};
    v->facts.root_used = true;
    for (size_t i = 0; i < b->entry_count; i++) {
        TRY(check_entry(v, &b->entries[i]));
    }
    TRY(check_stamps(v, &stamp_error));
    TRY(check_log_ranges(v));
    if (v->policy->root->log_count > 0 && v->facts.entries_verified == 0 && b->by_certificate) {
        return refuse(v, SIGSTORE_NO_LOG_ENTRY, "no transparency log of the trusted root has this signature");
    }
    if (v->time_count == 0 && stamp_error.code != STATUS_OK) {
        return refuse(v, SIGSTORE_BAD_TIMESTAMP, stamp_error.message);
    }
    for (size_t i = 0; i < v->time_count; i++) {
        bool earlier = !v->facts.has_time || v->times[i] < v->facts.signed_at_s;
        v->facts.signed_at_s = earlier ? v->times[i] : v->facts.signed_at_s;
        v->facts.has_time = true;
    }
    return STATUS_OK;
}

// --- the certificate ---------------------------------------------------------------------------------------

static status chain_at(verification *v, int64_t at_s) {
    const sigstore_root *root = v->policy->root;
    const certificate_rules rules = {.at_s = at_s, .purpose = CERTIFICATE_CODE_SIGNING};
    status s = err_set(v->e, STATUS_DENIED, "no authority of the trusted root was in use when it was signed");
    for (size_t i = 0; i < root->authority_count; i++) {
        const sigstore_authority *a = &root->authorities[i];
        if (!sigstore_in_range(a->valid, at_s)) {
            continue;
        }
        status one = certificate_verify(v->subject.signer, &a->chain, &a->anchor, &rules, v->e);
        if (one == STATUS_OK) {
            err_clear(v->e);
            return STATUS_OK;
        }
        s = one;
    }
    v->reason = s == STATUS_TIMEOUT ? SIGSTORE_OUTSIDE_VALIDITY : SIGSTORE_UNTRUSTED_CERTIFICATE;
    if (v->e != NULL) {
        v->e->code = STATUS_DENIED;
    }
    return STATUS_DENIED;
}

static status check_certificate(verification *v) {
    if (v->time_count == 0) {
        return refuse(v, SIGSTORE_NO_TIME,
                      "no log or time stamp authority of the trusted root says when it was signed, and a "
                      "certificate counts only at that time");
    }
    if (!certificate_allows(v->subject.signer, CERTIFICATE_DIGITAL_SIGNATURE)) {
        return refuse(v, SIGSTORE_UNTRUSTED_CERTIFICATE, "the certificate's key may not sign (key usage)");
    }
    for (size_t i = 0; i < v->time_count; i++) {
        TRY(chain_at(v, v->times[i]));
    }
    return STATUS_OK;
}

static status check_identity(verification *v) {
    const certificate *c = v->subject.signer;
    const sigstore_policy *p = v->policy;
    if (!certificate_has_name(c, CERTIFICATE_NAME_URI, p->identity) &&
        !certificate_has_name(c, CERTIFICATE_NAME_EMAIL, p->identity)) {
        v->reason = SIGSTORE_WRONG_IDENTITY;
        slice other = certificate_name_count(c) > 0 ? certificate_name_at(c, 0).text : slice_empty();
        return err_set(v->e, STATUS_DENIED, "it is signed by \"%.*s\", not by \"%.*s\"",
                       SLICE_ARG(slice_sub(other, 0, 200)), SLICE_ARG(slice_sub(p->identity, 0, 200)));
    }
    if (p->issuer.len == 0 || !slice_equal(v->subject.bundle->issuer, p->issuer)) {
        v->reason = SIGSTORE_WRONG_ISSUER;
        return err_set(v->e, STATUS_DENIED, "the signer was named by another OIDC issuer than \"%.*s\"",
                       SLICE_ARG(slice_sub(p->issuer, 0, 200)));
    }
    v->facts.identity = p->identity;
    v->facts.issuer = v->subject.bundle->issuer;
    return STATUS_OK;
}

// --- all of it ---------------------------------------------------------------------------------------------

static status choose_key(verification *v) {
    const sigstore_bundle *b = v->subject.bundle;
    if (v->policy->key == NULL && (v->policy->root == NULL || v->policy->identity.len == 0)) {
        return refuse(v, SIGSTORE_WRONG_MATERIAL,
                      "neither a key nor an identity with a trusted root was given");
    }
    if (b->by_certificate != (v->policy->key == NULL)) {
        return refuse(v, SIGSTORE_WRONG_MATERIAL,
                      b->by_certificate ? "it is signed with a certificate: name the identity, not a key"
                                        : "it is signed with a key: give the public key, not an identity");
    }
    v->subject.signer = b->by_certificate ? b->chain.items[0] : NULL;
    v->subject.key = b->by_certificate ? certificate_key(v->subject.signer) : v->policy->key;
    v->facts.by_certificate = b->by_certificate;
    v->facts.is_envelope = b->is_envelope;
    v->facts.key_kind = public_key_kind_of(v->subject.key);
    public_key_id(v->subject.key, v->facts.key_id);
    return STATUS_OK;
}

static status check_statement(verification *v) {
    status s = sigstore_statement_covers(v->subject.bundle, v->file, v->e);
    v->reason = s == STATUS_DENIED        ? SIGSTORE_HASH_MISMATCH
                : s == STATUS_UNSUPPORTED ? SIGSTORE_UNSUPPORTED
                                          : SIGSTORE_MALFORMED;
    return s;
}

static status verify(verification *v) {
    const sigstore_bundle *b = v->subject.bundle;
    TRY(choose_key(v));
    if (!b->is_envelope) {
        TRY(check_digest(v));
    }
    if (v->policy->root != NULL) {
        TRY(check_witnesses(v));
    }
    if (b->by_certificate) {
        TRY(check_certificate(v));
    }
    TRY(check_signature(v));
    if (b->is_envelope) {
        TRY(check_statement(v));
    }
    return b->by_certificate ? check_identity(v) : STATUS_OK;
}

status sigstore_verify(const sigstore_bundle *b, slice file, const sigstore_policy *policy,
                       sigstore_facts *ret, sigstore_reason *ret_reason, err *e) {
    verification v = {
        .policy = policy, .subject = {.bundle = b}, .file = file, .reason = SIGSTORE_MALFORMED, .e = e};
    status s = verify(&v);
    if (s == STATUS_OK) {
        *ret = v.facts;
    }
    *ret_reason = s == STATUS_OK ? SIGSTORE_GOOD : v.reason;
    return s;
}
