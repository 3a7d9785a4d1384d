// SPDX-License-Identifier: Apache-2.0
// DSSE envelopes with in-toto statements: a signed list of files by their digests.
#include "identity/sigstore_internal.h"

enum { SUBJECTS_MAX = 1024, STATEMENT_MEMORY_BYTES_MAX = 2 * SIGSTORE_BUNDLE_BYTES_MAX };

status sigstore_envelope_message(const sigstore_bundle *b, buf *ret, err *e) {
    if (buf_append_format(ret, "DSSEv1 %zu ", b->payload_type.len) != STATUS_OK ||
        buf_append(ret, b->payload_type) != STATUS_OK ||
        buf_append_format(ret, " %zu ", b->payload.len) != STATUS_OK ||
        buf_append(ret, b->payload) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "the envelope is too large");
    }
    return STATUS_OK;
}

typedef struct digests {
    slice of_file[3]; // by hash_kind
} digests;

// One known digest of the file at least, and no known digest that differs.
static bool covers(sigstore_reader *r, const json_value *subject, const digests *own) {
    static const char *const names[] = {"sha256", "sha384", "sha512"};
    const json_value *digest = sigstore_object(r, subject, "digest", true);
    bool same = false, other = false;
    for (size_t i = 0; i < 3 && r->result == STATUS_OK; i++) {
        if (json_kind_of(json_get(digest, names[i])) != JSON_KIND_NONE) {
            bool equal = slice_equal(sigstore_hex(r, digest, names[i], HASH_SHA2_BYTES_MAX), own->of_file[i]);
            same = same || equal;
            other = other || !equal;
        }
    }
    return r->result == STATUS_OK && same && !other;
}

static status read_statement(sigstore_reader *r, const json_value *document, const digests *own) {
    slice type = sigstore_text(r, document, "_type", SIGSTORE_TEXT_BYTES_MAX, true);
    if (r->result == STATUS_OK && !slice_equal_text(type, "https://in-toto.io/Statement/v1") &&
        !slice_equal_text(type, "https://in-toto.io/Statement/v0.1")) {
        sigstore_fail(r, STATUS_UNSUPPORTED, "the envelope holds no in-toto statement 0.1 or 1");
    }
    const json_value *subjects = sigstore_array(r, document, "subject", SUBJECTS_MAX);
    for (size_t i = 0; i < json_count(subjects) && r->result == STATUS_OK; i++) {
        if (covers(r, json_at(subjects, i), own)) {
            return STATUS_OK;
        }
    }
    sigstore_fail(r, STATUS_DENIED, "the signed statement is about other files (none of its digests fits)");
    return r->result;
}

status sigstore_statement_covers(const sigstore_bundle *b, slice file, err *e) {
    if (!slice_equal_text(b->payload_type, "application/vnd.in-toto+json")) {
        return err_set(e, STATUS_UNSUPPORTED, "the envelope holds no in-toto statement");
    }
    json_value *document = NULL;
    TRY(json_parse(b->payload, &document, e));
    uint8_t bytes[3][HASH_SHA2_BYTES_MAX];
    digests own;
    for (int kind = HASH_SHA256; kind <= HASH_SHA512; kind++) {
        own.of_file[kind] = slice_of(bytes[kind], hash_sha2((hash_kind)kind, &file, 1, bytes[kind]));
    }
    arena memory;
    arena_init(&memory, STATEMENT_MEMORY_BYTES_MAX);
    sigstore_reader r = {.memory = &memory, .e = e};
    status s = read_statement(&r, document, &own);
    arena_done(&memory);
    json_free(document);
    return s;
}
