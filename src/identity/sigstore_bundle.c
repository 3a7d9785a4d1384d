// SPDX-License-Identifier: Apache-2.0
#include "identity/sigstore_internal.h"

#include <stdio.h>

#include "base/mem.h"

// The parts of a document are copied out of it once, and decoding makes them smaller.
enum { BUNDLE_MEMORY_BYTES_MAX = 2 * SIGSTORE_BUNDLE_BYTES_MAX };
enum { LOG_ID_BYTES_MAX = 64, KIND_BYTES_MAX = 64, ISSUER_BYTES_MAX = 4 << 10 };

// --- media type --------------------------------------------------------------------------------------------

static int version_of(slice media_type) {
    static const struct {
        const char *name;
        int version;
    } known[] = {
        {"application/vnd.dev.sigstore.bundle+json;version=0.1", 1},
        {"application/vnd.dev.sigstore.bundle+json;version=0.2", 2},
        {"application/vnd.dev.sigstore.bundle+json;version=0.3", 3},
        {"application/vnd.dev.sigstore.bundle.v0.3+json", 3},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (slice_equal_text(media_type, known[i].name)) {
            return known[i].version;
        }
    }
    return 0;
}

// --- verification material ---------------------------------------------------------------------------------

// Fulcio's two forms of the issuer: the older is the bare text, the newer one a DER string.
static void read_issuer(sigstore_reader *r, sigstore_bundle *b) {
    slice raw = slice_empty(), old = slice_empty(), new = slice_empty();
    const certificate *c = b->chain.items[0];
    bool has_old = certificate_extension(c, "1.3.6.1.4.1.57264.1.1", &old);
    bool has_new = certificate_extension(c, "1.3.6.1.4.1.57264.1.8", &raw);
    if (has_new && !certificate_der_text(raw, &new)) {
        sigstore_fail(r, STATUS_INVALID, "the OIDC issuer in the certificate is broken");
    } else if (has_old && has_new && !slice_equal(old, new)) {
        sigstore_fail(r, STATUS_INVALID, "the certificate names two OIDC issuers");
    } else if (old.len > ISSUER_BYTES_MAX || new.len > ISSUER_BYTES_MAX) {
        sigstore_fail(r, STATUS_LIMIT, "the OIDC issuer in the certificate is too long");
    } else {
        b->issuer = has_new ? new : old;
    }
}

static void read_certificates(sigstore_reader *r, sigstore_bundle *b, const json_value *chain,
                              const json_value *single) {
    b->by_certificate = true;
    if (single != NULL) {
        sigstore_certificate(r, single, &b->chain);
    } else {
        const json_value *list = sigstore_certificates(r, chain);
        for (size_t i = 0; i < json_count(list); i++) {
            sigstore_certificate(r, json_at(list, i), &b->chain);
        }
    }
    if (r->result == STATUS_OK) {
        read_issuer(r, b);
    }
}

static void read_proof(sigstore_reader *r, const json_value *object, sigstore_proof *p) {
    p->log_index = sigstore_integer(r, object, "logIndex");
    p->tree_size = sigstore_integer(r, object, "treeSize");
    p->root = sigstore_bytes(r, object, "rootHash", HASH_BYTES, true);
    const json_value *hashes = sigstore_array(r, object, "hashes", SIGSTORE_PROOF_HASHES_MAX);
    p->hashes = sigstore_alloc(r, json_count(hashes) + 1, sizeof(slice));
    for (size_t i = 0; i < json_count(hashes) && r->result == STATUS_OK; i++) {
        slice text = slice_empty();
        (void)json_as_text(json_at(hashes, i), &text);
        p->hashes[p->hash_count] = sigstore_decode(r, text, "hashes", HASH_BYTES);
        if (p->hashes[p->hash_count++].len != HASH_BYTES) {
            sigstore_fail(r, STATUS_INVALID, "a hash of the inclusion proof has not %d bytes", HASH_BYTES);
        }
    }
    const json_value *checkpoint = sigstore_object(r, object, "checkpoint", true);
    p->checkpoint = sigstore_text(r, checkpoint, "envelope", 16 << 10, true);
    if (r->result == STATUS_OK && p->root.len != HASH_BYTES) {
        sigstore_fail(r, STATUS_INVALID, "\"rootHash\" has not %d bytes", HASH_BYTES);
    }
}

static void read_entry(sigstore_reader *r, int version, const json_value *object, sigstore_entry *entry) {
    entry->log_index = sigstore_integer(r, object, "logIndex");
    const json_value *id = sigstore_object(r, object, "logId", true);
    entry->log_id = sigstore_bytes(r, id, "keyId", LOG_ID_BYTES_MAX, true);
    const json_value *kind = sigstore_object(r, object, "kindVersion", true);
    entry->kind = sigstore_text(r, kind, "kind", KIND_BYTES_MAX, true);
    entry->version = sigstore_text(r, kind, "version", KIND_BYTES_MAX, true);
    entry->integrated_s = sigstore_integer(r, object, "integratedTime");
    const json_value *promise = sigstore_object(r, object, "inclusionPromise", version == 1);
    entry->promise = sigstore_bytes(r, promise, "signedEntryTimestamp", SIGNATURE_BYTES_MAX, promise != NULL);
    const json_value *proof = sigstore_object(r, object, "inclusionProof", version > 1);
    entry->has_proof = proof != NULL;
    if (proof != NULL) {
        read_proof(r, proof, &entry->proof);
    }
    entry->body = sigstore_bytes(r, object, "canonicalizedBody", SIGSTORE_BUNDLE_BYTES_MAX, true);
}

static void read_material(sigstore_reader *r, sigstore_bundle *b, const json_value *material) {
    const json_value *key = sigstore_object(r, material, "publicKey", false);
    const json_value *chain = sigstore_object(r, material, "x509CertificateChain", false);
    const json_value *single = sigstore_object(r, material, "certificate", false);
    if ((key != NULL) + (chain != NULL) + (single != NULL) != 1) {
        sigstore_fail(r, STATUS_INVALID,
                      "\"verificationMaterial\" must have one of publicKey, certificate, "
                      "x509CertificateChain");
    } else if (chain != NULL && b->version >= 3) {
        sigstore_fail(r, STATUS_INVALID, "a bundle 0.3 has a single certificate, not x509CertificateChain");
    } else if (key != NULL) {
        b->hint = sigstore_text(r, key, "hint", SIGSTORE_TEXT_BYTES_MAX, false);
    } else {
        read_certificates(r, b, chain, single);
    }
    const json_value *entries = sigstore_array(r, material, "tlogEntries", SIGSTORE_ENTRIES_MAX);
    b->entry_count = json_count(entries);
    b->entries = sigstore_alloc(r, b->entry_count + 1, sizeof(sigstore_entry));
    for (size_t i = 0; i < b->entry_count && r->result == STATUS_OK; i++) {
        read_entry(r, b->version, json_at(entries, i), &b->entries[i]);
    }
    const json_value *stamps =
        sigstore_array(r, sigstore_object(r, material, "timestampVerificationData", false),
                       "rfc3161Timestamps", SIGSTORE_TIMESTAMPS_MAX);
    b->timestamp_count = json_count(stamps);
    b->timestamps = sigstore_alloc(r, b->timestamp_count + 1, sizeof(slice));
    for (size_t i = 0; i < b->timestamp_count && r->result == STATUS_OK; i++) {
        b->timestamps[i] = sigstore_bytes(r, json_at(stamps, i), "signedTimestamp", 64 << 10, true);
    }
}

// --- content -----------------------------------------------------------------------------------------------

static const char *const digest_names[] = {"sha256", "sha384", "sha512"};

static void read_message(sigstore_reader *r, sigstore_bundle *b, const json_value *message) {
    static const char *const names[] = {"SHA2_256", "SHA2_384", "SHA2_512"};
    static const size_t sizes[] = {32, 48, 64};
    const json_value *digest = sigstore_object(r, message, "messageDigest", true);
    slice name = sigstore_text(r, digest, "algorithm", KIND_BYTES_MAX, true);
    b->digest = sigstore_bytes(r, digest, "digest", HASH_SHA2_BYTES_MAX, true);
    b->signature = sigstore_bytes(r, message, "signature", SIGNATURE_BYTES_MAX, true);
    for (size_t i = 0; i < 3 && r->result == STATUS_OK; i++) {
        if (slice_equal_text(name, names[i])) {
            b->digest_kind = (hash_kind)i;
            if (b->digest.len != sizes[i]) {
                sigstore_fail(r, STATUS_INVALID, "the digest has not %zu bytes", sizes[i]);
            }
            return;
        }
    }
    sigstore_fail(r, STATUS_UNSUPPORTED, "the digest is none of SHA2_256, SHA2_384 and SHA2_512");
}

static void read_envelope(sigstore_reader *r, sigstore_bundle *b, const json_value *envelope) {
    b->is_envelope = true;
    b->payload_type = sigstore_text(r, envelope, "payloadType", SIGSTORE_TEXT_BYTES_MAX, true);
    b->payload = sigstore_bytes(r, envelope, "payload", SIGSTORE_BUNDLE_BYTES_MAX, true);
    const json_value *list = sigstore_array(r, envelope, "signatures", 16);
    if (r->result == STATUS_OK && json_count(list) != 1) {
        sigstore_fail(r, STATUS_INVALID, "an envelope in a bundle has one signature, not %zu",
                      json_count(list));
    }
    b->signature = sigstore_bytes(r, json_at(list, 0), "sig", SIGNATURE_BYTES_MAX, true);
    slice keyid = sigstore_text(r, json_at(list, 0), "keyid", SIGSTORE_TEXT_BYTES_MAX, false);
    if (r->result == STATUS_OK && keyid.len > 0 && b->hint.len > 0 && !slice_equal(keyid, b->hint)) {
        sigstore_fail(r, STATUS_INVALID, "the envelope names another key than the bundle");
    }
}

static status read_bundle(sigstore_bundle *b, const json_value *document, err *e) {
    sigstore_reader r = {.memory = &b->memory, .e = e};
    if (json_kind_of(document) != JSON_KIND_OBJECT) {
        return err_set(e, STATUS_INVALID, "not a JSON object");
    }
    slice media_type = sigstore_text(&r, document, "mediaType", SIGSTORE_TEXT_BYTES_MAX, true);
    b->version = version_of(media_type);
    if (r.result == STATUS_OK && b->version == 0) {
        sigstore_fail(&r, STATUS_UNSUPPORTED, "media type \"%.*s\"; bundles 0.1 to 0.3 are supported",
                      SLICE_ARG(slice_sub(media_type, 0, 80)));
    }
    read_material(&r, b, sigstore_object(&r, document, "verificationMaterial", true));
    const json_value *message = sigstore_object(&r, document, "messageSignature", false);
    const json_value *envelope = sigstore_object(&r, document, "dsseEnvelope", false);
    if ((message != NULL) == (envelope != NULL)) {
        sigstore_fail(&r, STATUS_INVALID, "a bundle has one of messageSignature and dsseEnvelope");
    } else if (message != NULL) {
        read_message(&r, b, message);
    } else {
        read_envelope(&r, b, envelope);
    }
    return r.result;
}

status sigstore_bundle_parse(slice json, sigstore_bundle **ret, err *e) {
    json_value *document = NULL;
    if (json.len > SIGSTORE_BUNDLE_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "bundle: larger than %d bytes", SIGSTORE_BUNDLE_BYTES_MAX);
    }
    err inner = {0};
    status s = json_parse(json, &document, &inner);
    sigstore_bundle *b = MEM_NEW(sigstore_bundle);
    arena_init(&b->memory, BUNDLE_MEMORY_BYTES_MAX);
    s = s == STATUS_OK ? read_bundle(b, document, &inner) : s;
    json_free(document);
    if (s != STATUS_OK) {
        sigstore_bundle_free(b);
        return err_set(e, s, "bundle: %s", inner.message);
    }
    *ret = b;
    return STATUS_OK;
}

void sigstore_bundle_free(sigstore_bundle *b) {
    if (b != NULL) {
        certificate_list_free(&b->chain);
        arena_done(&b->memory);
        mem_free(b);
    }
}

void sigstore_bundle_claims(const sigstore_bundle *b, sigstore_claims *ret) {
    *ret = (sigstore_claims){
        .version = b->version,
        .is_envelope = b->is_envelope,
        .by_certificate = b->by_certificate,
        .hint = b->hint,
        .signer = b->chain.count > 0 ? b->chain.items[0] : NULL,
        .issuer = b->issuer,
        .digest_name = b->is_envelope ? NULL : digest_names[b->digest_kind],
        .entry_count = b->entry_count,
        .timestamp_count = b->timestamp_count,
        .payload_type = b->payload_type,
    };
    for (size_t i = 0; i < b->digest.len; i++) {
        snprintf(ret->digest_hex + 2 * i, 3, "%02x", b->digest.data[i]);
    }
}
