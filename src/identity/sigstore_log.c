// SPDX-License-Identifier: Apache-2.0
// One entry of a transparency log: that the log vouches for it, and that it is an entry of this signature.
//
// The log's word is the signed entry timestamp (a signature of the entry with its time) or an inclusion proof
// (hashes up to a tree head that the log signed), and whichever is there must be good. The time of an entry
// counts only with the former: a tree head does not cover it.
#include "codec/base64.h"
#include "identity/sigstore_internal.h"

#include <inttypes.h>

enum { PAYLOAD_BYTES_MAX = 2 * SIGSTORE_BUNDLE_BYTES_MAX, KEY_HINT_BYTES = 4, NOTE_SIGNATURES_MAX = 32 };

static status refuse(const sigstore_entry *entry, err *e, const char *why) {
    return err_set(e, STATUS_DENIED, "log entry %" PRIu64 ": %s", entry->log_index, why);
}

// --- the promise -------------------------------------------------------------------------------------------

// Its keys in the order of the canonical form; no value needs an escape.
static status promise_payload(const sigstore_entry *entry, buf *ret) {
    TRY(buf_append_text(ret, "{\"body\":\""));
    TRY(base64_encode(BASE64_STANDARD, entry->body, ret));
    TRY(buf_append_format(ret, "\",\"integratedTime\":%" PRIu64 ",\"logID\":\"", entry->integrated_s));
    for (size_t i = 0; i < entry->log_id.len; i++) {
        TRY(buf_append_format(ret, "%02x", entry->log_id.data[i]));
    }
    return buf_append_format(ret, "\",\"logIndex\":%" PRIu64 "}", entry->log_index);
}

static status check_promise(const sigstore_entry *entry, const sigstore_log *log, err *e) {
    auto_buf payload;
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    if (promise_payload(entry, &payload) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "log entry %" PRIu64 " is too large", entry->log_index);
    }
    if (!sigstore_signed_by(log->key, buf_slice(&payload), entry->promise)) {
        return refuse(entry, e, "its signed entry timestamp is not the log's");
    }
    if (!sigstore_in_range(log->valid, (int64_t)entry->integrated_s)) {
        return refuse(entry, e, "its time is outside of the validity of the log's key");
    }
    return STATUS_OK;
}

// --- the proof ---------------------------------------------------------------------------------------------

static void hash_pair(slice left, slice right, uint8_t ret[HASH_BYTES]) {
    const slice parts[] = {SLICE_LITERAL("\x01"), left, right};
    hash_sha256(parts, 3, ret);
}

// RFC 9162, 2.1.3.2.
static bool leads_to_root(const sigstore_entry *entry) {
    const sigstore_proof *p = &entry->proof;
    const slice leaf[] = {slice_of("", 1), entry->body};
    uint8_t hash[HASH_BYTES];
    if (p->log_index >= p->tree_size) {
        return false;
    }
    hash_sha256(leaf, 2, hash);
    uint64_t node = p->log_index, last = p->tree_size - 1;
    for (size_t i = 0; i < p->hash_count; i++, node >>= 1, last >>= 1) {
        slice own = slice_of(hash, sizeof hash);
        if (last == 0) {
            return false;
        }
        if ((node & 1) == 0 && node != last) {
            hash_pair(own, p->hashes[i], hash);
            continue;
        }
        hash_pair(p->hashes[i], own, hash);
        while ((node & 1) == 0 && node != 0) { // a last node without sibling stands for its ancestors
            node >>= 1;
            last >>= 1;
        }
    }
    return last == 0 && slice_equal(p->root, slice_of(hash, sizeof hash));
}

static slice next_line(slice *text) {
    size_t end = slice_find(*text, 0, '\n');
    slice line = slice_sub(*text, 0, end);
    *text = end == SIZE_MAX ? slice_empty() : slice_sub(*text, end + 1, text->len);
    return line;
}

// Where the signatures of a signed note begin: behind the first empty line. SIZE_MAX when there is none.
static size_t signatures_at(slice note) {
    for (size_t at = slice_find(note, 0, '\n'); at != SIZE_MAX && at + 1 < note.len;
         at = slice_find(note, at + 1, '\n')) {
        if (note.data[at + 1] == '\n') {
            return at + 2;
        }
    }
    return SIZE_MAX;
}

// A line "— NAME BASE64": four bytes that hint at the key, then its signature. The hint is the start of the
// key's SHA-256, or of one with the name (for Ed25519); since the key is known, the signature alone decides.
static bool line_is_signed(slice line, slice note, const public_key *key) {
    static const char dash[] = "\xe2\x80\x94 ";
    auto_buf bytes;
    buf_init(&bytes, KEY_HINT_BYTES + SIGNATURE_BYTES_MAX);
    if (!slice_starts_with(line, dash)) {
        return false;
    }
    slice rest = slice_sub(line, sizeof dash - 1, line.len);
    size_t space = slice_find(rest, 0, ' ');
    if (space == SIZE_MAX || space == 0 ||
        base64_decode(BASE64_STANDARD, slice_sub(rest, space + 1, rest.len), &bytes) != STATUS_OK) {
        return false;
    }
    return bytes.len > KEY_HINT_BYTES &&
           sigstore_signed_by(key, note, slice_sub(buf_slice(&bytes), KEY_HINT_BYTES, bytes.len));
}

static bool note_is_signed(slice text, size_t signatures, const public_key *key) {
    slice note = slice_sub(text, 0, signatures - 1), rest = slice_sub(text, signatures, text.len);
    for (int i = 0; rest.len > 0 && i < NOTE_SIGNATURES_MAX; i++) {
        if (line_is_signed(next_line(&rest), note, key)) {
            return true;
        }
    }
    return false;
}

// The tree head that the log signed is the one that the proof leads to.
static bool head_matches(slice note, const sigstore_proof *p) {
    auto_buf root;
    uint64_t size;
    buf_init(&root, HASH_BYTES);
    slice origin = next_line(&note), count = next_line(&note), hash = next_line(&note);
    return origin.len > 0 && slice_to_u64(count, &size) && size == p->tree_size &&
           base64_decode(BASE64_STANDARD, hash, &root) == STATUS_OK && slice_equal(buf_slice(&root), p->root);
}

status sigstore_proof_verify(const sigstore_entry *entry, const sigstore_log *log, err *e) {
    slice checkpoint = entry->proof.checkpoint;
    size_t signatures = signatures_at(checkpoint);
    if (signatures == SIZE_MAX || !note_is_signed(checkpoint, signatures, log->key)) {
        return refuse(entry, e, "its tree head is not signed by the log");
    }
    if (!head_matches(checkpoint, &entry->proof)) {
        return refuse(entry, e, "the signed tree head is not the one of its inclusion proof");
    }
    if (!leads_to_root(entry)) {
        return refuse(entry, e, "its inclusion proof does not lead to the tree head");
    }
    return STATUS_OK;
}

// --- what the entry is of ----------------------------------------------------------------------------------

typedef struct body {
    sigstore_reader reader;
    const sigstore_entry *entry;
    const sigstore_subject *subject;
    err *e;
} body;

static bool is_own_der(const sigstore_subject *s, slice der) {
    return slice_equal(der, s->signer != NULL ? certificate_der(s->signer) : public_key_der(s->key));
}

// The certificate or public key in PEM, as the first kinds of entries have it.
static bool is_own_pem(const sigstore_subject *s, slice pem) {
    if (s->signer != NULL) {
        certificate_list l = {0};
        bool own = certificate_list_from_pem(pem, &l, NULL) == STATUS_OK &&
                   is_own_der(s, certificate_der(l.items[0]));
        certificate_list_free(&l);
        return own;
    }
    public_key *key = NULL;
    bool own = public_key_from_pem(pem, &key, NULL) == STATUS_OK && public_key_equal(key, s->key);
    public_key_free(key);
    return own;
}

static status compare(const body *b, slice signature, bool own_key, bool own_digest) {
    if (b->reader.result != STATUS_OK) {
        return b->reader.result;
    }
    if (!own_digest) {
        return refuse(b->entry, b->e, "it is an entry of another file");
    }
    if (!slice_equal(signature, b->subject->bundle->signature)) {
        return refuse(b->entry, b->e, "it is an entry of another signature");
    }
    return own_key ? STATUS_OK : refuse(b->entry, b->e, "it is an entry of another certificate or key");
}

static bool digest_is(slice name, const char *const names[3], slice digest, const sigstore_bundle *b) {
    return slice_equal_text(name, names[b->digest_kind]) && slice_equal(digest, b->digest);
}

static const char *const old_names[] = {"sha256", "sha384", "sha512"};
static const char *const new_names[] = {"SHA2_256", "SHA2_384", "SHA2_512"};

static status check_hashedrekord_1(body *b, const json_value *spec) {
    sigstore_reader *r = &b->reader;
    const json_value *hash = sigstore_object(r, sigstore_object(r, spec, "data", true), "hash", true);
    slice name = sigstore_text(r, hash, "algorithm", 32, true);
    slice digest = sigstore_hex(r, hash, "value", HASH_SHA2_BYTES_MAX);
    const json_value *signature = sigstore_object(r, spec, "signature", true);
    slice content = sigstore_bytes(r, signature, "content", SIGNATURE_BYTES_MAX, true);
    slice pem = sigstore_bytes(r, sigstore_object(r, signature, "publicKey", true), "content",
                               CERTIFICATE_PEM_BYTES_MAX, true);
    if (b->subject->bundle->is_envelope) {
        return refuse(b->entry, b->e, "it is an entry of a file, and the bundle has an envelope");
    }
    return compare(b, content, is_own_pem(b->subject, pem),
                   digest_is(name, old_names, digest, b->subject->bundle));
}

// The digest that an entry of the second kind has of an envelope is of what was signed.
static bool envelope_digest_is(const sigstore_bundle *b, slice name, slice digest) {
    auto_buf message;
    uint8_t own[HASH_SHA2_BYTES_MAX];
    buf_init(&message, PAYLOAD_BYTES_MAX);
    if (sigstore_envelope_message(b, &message, NULL) != STATUS_OK) {
        return false;
    }
    for (int kind = HASH_SHA256; kind <= HASH_SHA512; kind++) {
        slice whole = buf_slice(&message);
        if (slice_equal_text(name, new_names[kind])) {
            return slice_equal(digest, slice_of(own, hash_sha2((hash_kind)kind, &whole, 1, own)));
        }
    }
    return false;
}

static status check_hashedrekord_2(body *b, const json_value *spec) {
    sigstore_reader *r = &b->reader;
    const sigstore_bundle *bundle = b->subject->bundle;
    const json_value *record = sigstore_object(r, spec, "hashedRekordV002", true);
    const json_value *data = sigstore_object(r, record, "data", true);
    slice name = sigstore_text(r, data, "algorithm", 32, true);
    slice digest = sigstore_bytes(r, data, "digest", HASH_SHA2_BYTES_MAX, true);
    const json_value *signature = sigstore_object(r, record, "signature", true);
    slice content = sigstore_bytes(r, signature, "content", SIGNATURE_BYTES_MAX, true);
    const json_value *verifier = sigstore_object(r, signature, "verifier", true);
    const char *holder = b->subject->signer != NULL ? "x509Certificate" : "publicKey";
    slice der = sigstore_bytes(r, sigstore_object(r, verifier, holder, true), "rawBytes",
                               CERTIFICATE_BYTES_MAX, true);
    bool own_digest = bundle->is_envelope ? envelope_digest_is(bundle, name, digest)
                                          : digest_is(name, new_names, digest, bundle);
    return compare(b, content, is_own_der(b->subject, der), own_digest);
}

static bool payload_hash_is(sigstore_reader *r, const json_value *in, const sigstore_bundle *b) {
    uint8_t own[HASH_BYTES];
    const json_value *hash = sigstore_object(r, in, "payloadHash", true);
    slice name = sigstore_text(r, hash, "algorithm", 32, true);
    slice value = sigstore_hex(r, hash, "value", HASH_BYTES);
    hash_sha256(&b->payload, 1, own);
    return b->is_envelope && slice_equal_text(name, "sha256") &&
           slice_equal(value, slice_of(own, sizeof own));
}

// The one signature of an entry of an envelope.
static const json_value *only_signature(body *b, const json_value *in) {
    const json_value *list = sigstore_array(&b->reader, in, "signatures", 16);
    if (json_count(list) != 1) {
        sigstore_fail(&b->reader, STATUS_INVALID, "log entry %" PRIu64 " has not one signature",
                      b->entry->log_index);
    }
    return json_at(list, 0);
}

static status check_dsse_1(body *b, const json_value *spec) {
    sigstore_reader *r = &b->reader;
    bool own_digest = payload_hash_is(r, spec, b->subject->bundle);
    const json_value *one = only_signature(b, spec);
    slice signature = sigstore_bytes(r, one, "signature", SIGNATURE_BYTES_MAX, true);
    slice pem = sigstore_bytes(r, one, "verifier", CERTIFICATE_PEM_BYTES_MAX, true);
    return compare(b, signature, is_own_pem(b->subject, pem), own_digest);
}

static status check_intoto_2(body *b, const json_value *spec) {
    sigstore_reader *r = &b->reader;
    const json_value *content = sigstore_object(r, spec, "content", true);
    bool own_digest = payload_hash_is(r, content, b->subject->bundle);
    const json_value *one = only_signature(b, sigstore_object(r, content, "envelope", true));
    slice text = sigstore_bytes(r, one, "sig", 2 * SIGNATURE_BYTES_MAX, true); // base64 twice
    slice signature = sigstore_decode(r, text, "sig", SIGNATURE_BYTES_MAX);
    slice pem = sigstore_bytes(r, one, "publicKey", CERTIFICATE_PEM_BYTES_MAX, true);
    return compare(b, signature, is_own_pem(b->subject, pem), own_digest);
}

static const struct {
    const char *kind;
    const char *version;
    status (*check)(body *b, const json_value *spec);
} kinds[] = {
    {"hashedrekord", "0.0.1", check_hashedrekord_1},
    {"hashedrekord", "0.0.2", check_hashedrekord_2},
    {"dsse", "0.0.1", check_dsse_1},
    {"intoto", "0.0.2", check_intoto_2},
};

static status check_document(body *b, const json_value *document) {
    sigstore_reader *r = &b->reader;
    slice kind = sigstore_text(r, document, "kind", 64, true);
    slice version = sigstore_text(r, document, "apiVersion", 64, true);
    const json_value *spec = sigstore_object(r, document, "spec", true);
    if (r->result != STATUS_OK) {
        return r->result;
    }
    if (!slice_equal(kind, b->entry->kind) || !slice_equal(version, b->entry->version)) {
        return refuse(b->entry, b->e, "its body is of another kind than the bundle says");
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (slice_equal_text(kind, kinds[i].kind) && slice_equal_text(version, kinds[i].version)) {
            return kinds[i].check(b, spec);
        }
    }
    return err_set(b->e, STATUS_UNSUPPORTED,
                   "log entry %" PRIu64 " is of kind %.*s %.*s, which is not supported", b->entry->log_index,
                   SLICE_ARG(kind), SLICE_ARG(version));
}

status sigstore_entry_is_of(const sigstore_entry *entry, const sigstore_subject *subject, err *e) {
    arena memory;
    json_value *document = NULL;
    err inner = {0};
    status s = json_parse(entry->body, &document, &inner);
    arena_init(&memory, PAYLOAD_BYTES_MAX);
    if (s == STATUS_OK) {
        body b = {
            .reader = {.memory = &memory, .e = &inner}, .entry = entry, .subject = subject, .e = &inner};
        s = check_document(&b, document);
    }
    arena_done(&memory);
    json_free(document);
    return s == STATUS_OK ? s : err_set(e, s, "%s", inner.message);
}

status sigstore_entry_verify(const sigstore_entry *entry, const sigstore_log *log,
                             const sigstore_subject *subject, err *e) {
    if (entry->promise.len == 0 && !entry->has_proof) {
        return refuse(entry, e, "it has neither a signed entry timestamp nor an inclusion proof");
    }
    if (entry->promise.len > 0) {
        TRY(check_promise(entry, log, e));
    }
    if (entry->has_proof) {
        TRY(sigstore_proof_verify(entry, log, e));
    }
    return sigstore_entry_is_of(entry, subject, e);
}
