// SPDX-License-Identifier: Apache-2.0
// Reading bundles and roots, signatures by key, envelopes, and the trees of logs. What certificates, logs and
// time stamp authorities make is tested against another implementation (tests/interop/test_sigstore.py).
#include "test.h"

#include "codec/base64.h"
#include "identity/sigstore_internal.h"

// Ed25519 keys of no other use.
static const char private_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                                  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                                  "-----END PRIVATE KEY-----\n";
static const char other_pem[] = "-----BEGIN PUBLIC KEY-----\n"
                                "MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n"
                                "-----END PUBLIC KEY-----\n";
static const slice file = SLICE_LITERAL("some component");

typedef struct made {
    private_key *key;
    buf text; // of the bundle
} made;

static made make(void) {
    made m = {0};
    buf_init(&m.text, 1 << 16);
    EXPECT_OK(private_key_from_pem(slice_from_text(private_pem), &m.key, NULL));
    EXPECT_OK(sigstore_sign(file, m.key, &m.text, NULL));
    return m;
}

static void made_done(made *m) {
    private_key_free(m->key);
    buf_done(&m->text);
}

static sigstore_reason judge(slice text, slice bytes, const public_key *key) {
    sigstore_bundle *b = NULL;
    sigstore_facts facts;
    sigstore_reason reason = SIGSTORE_GOOD;
    err e = {0};
    const sigstore_policy policy = {.key = key, .now_s = 1000};
    if (sigstore_bundle_parse(text, &b, &e) != STATUS_OK) {
        EXPECT_CONTAINS(e.message, "bundle: ");
        return e.code == STATUS_UNSUPPORTED ? SIGSTORE_UNSUPPORTED : SIGSTORE_MALFORMED;
    }
    status s = sigstore_verify(b, bytes, &policy, &facts, &reason, &e);
    EXPECT_EQ(s == STATUS_OK, reason == SIGSTORE_GOOD);
    EXPECT_EQ(s == STATUS_OK, e.message[0] == '\0');
    sigstore_bundle_free(b);
    return reason;
}

TEST(signed_with_a_key) {
    made m = make();
    public_key *other = NULL;
    EXPECT_OK(public_key_from_pem(slice_from_text(other_pem), &other, NULL));
    EXPECT_EQ(judge(buf_slice(&m.text), file, private_key_public(m.key)), SIGSTORE_GOOD);
    EXPECT_EQ(judge(buf_slice(&m.text), slice_from_text("another"), private_key_public(m.key)),
              SIGSTORE_HASH_MISMATCH);
    EXPECT_EQ(judge(buf_slice(&m.text), file, other), SIGSTORE_BAD_SIGNATURE);
    EXPECT_EQ(judge(buf_slice(&m.text), file, NULL), SIGSTORE_WRONG_MATERIAL);
    public_key_free(other);
    made_done(&m);
}

// Whatever byte of the signature's or digest's text is changed, it is not believed.
TEST(no_changed_bundle_is_believed) {
    made m = make();
    const char *from = strstr(buf_text(&m.text), "messageDigest");
    REQUIRE(from != NULL);
    for (size_t i = (size_t)(from - (const char *)m.text.data); i + 1 < m.text.len; i++) {
        uint8_t kept = m.text.data[i];
        bool matters = kept != ' ' && kept != '\n';
        m.text.data[i] = kept == 'A' ? 'B' : 'A';
        EXPECT(!matters || judge(buf_slice(&m.text), file, private_key_public(m.key)) != SIGSTORE_GOOD);
        m.text.data[i] = kept;
    }
    made_done(&m);
}

// Replaces the first `from` in the bundle by `to`.
static sigstore_reason judge_with(const char *from, const char *to) {
    made m = make();
    auto_buf text;
    buf_init(&text, 1 << 20);
    const char *whole = buf_text(&m.text), *at = strstr(whole, from);
    EXPECT(at != NULL);
    sigstore_reason reason = SIGSTORE_GOOD;
    if (at != NULL && buf_append(&text, slice_of(whole, (size_t)(at - whole))) == STATUS_OK &&
        buf_append_text(&text, to) == STATUS_OK && buf_append_text(&text, at + strlen(from)) == STATUS_OK) {
        reason = judge(buf_slice(&text), file, private_key_public(m.key));
    }
    made_done(&m);
    return reason;
}

TEST(what_breaks_the_format) {
    EXPECT_EQ(judge_with("bundle.v0.3+json", "bundle.v0.4+json"), SIGSTORE_UNSUPPORTED);
    EXPECT_EQ(judge_with("bundle.v0.3+json", "bundle+json;version=0.3"), SIGSTORE_GOOD);
    EXPECT_EQ(judge_with("bundle.v0.3+json", "bundle+json;version=0.1"), SIGSTORE_GOOD);
    EXPECT_EQ(judge_with("bundle.v0.3+json", "bundle+json;version=0.0"), SIGSTORE_UNSUPPORTED);
    EXPECT_EQ(judge_with("SHA2_256", "SHA2_512"), SIGSTORE_MALFORMED); // of 32 bytes
    EXPECT_EQ(judge_with("SHA2_256", "SHA1"), SIGSTORE_UNSUPPORTED);
    EXPECT_EQ(judge_with("\"publicKey\"", "\"publicKey\": {}, \"certificate\""), SIGSTORE_MALFORMED);
    EXPECT_EQ(judge_with("\"publicKey\"", "\"certificate\": null, \"publicKey\""), SIGSTORE_GOOD);
    EXPECT_EQ(judge_with("\"publicKey\"", "\"publicKey\": {}, \"publicKey\""), SIGSTORE_MALFORMED);
    EXPECT_EQ(judge_with("\"publicKey\"", "\"tlogEntries\": {}, \"publicKey\""), SIGSTORE_MALFORMED);
    EXPECT_EQ(judge_with("\"publicKey\"", "\"tlogEntries\": [null], \"publicKey\""), SIGSTORE_MALFORMED);
    EXPECT_EQ(judge_with("\"publicKey\"", "\"tlogEntries\": [{}], \"publicKey\""), SIGSTORE_MALFORMED);
    EXPECT_EQ(judge_with("\"publicKey\"", "\"somethingNew\": 1, \"publicKey\""), SIGSTORE_GOOD);
    EXPECT_EQ(judge_with("\"messageSignature\"", "\"dsseEnvelope\": {}, \"messageSignature\""),
              SIGSTORE_MALFORMED);
    EXPECT_EQ(judge_with("\"messageSignature\"", "\"nothing\""), SIGSTORE_MALFORMED);
    EXPECT_EQ(judge_with("\"signature\": \"", "\"signature\": \" "), SIGSTORE_MALFORMED);
    EXPECT_EQ(judge_with("\"signature\": \"", "\"signature\": \"_"), SIGSTORE_MALFORMED);
    EXPECT_EQ(judge_with("\"digest\": \"", "\"digest\": \"AAAA"), SIGSTORE_MALFORMED);
    EXPECT_EQ(judge_with("{", "["), SIGSTORE_MALFORMED);
}

TEST(counts_are_bounded) {
    auto_buf list;
    buf_init(&list, 1 << 20);
    EXPECT_OK(buf_append_text(
        &list, "\"timestampVerificationData\": {\"rfc3161Timestamps\": [{\"signedTimestamp\":\"AA==\"}"));
    for (int i = 0; i < SIGSTORE_TIMESTAMPS_MAX; i++) {
        EXPECT_OK(buf_append_text(&list, ",{\"signedTimestamp\":\"AA==\"}"));
    }
    EXPECT_OK(buf_append_text(&list, "]}, \"publicKey\""));
    EXPECT_EQ(judge_with("\"publicKey\"", buf_text(&list)), SIGSTORE_MALFORMED);
}

// --- trusted roots -----------------------------------------------------------------------------------------

#define ROOT_TYPE "{\"mediaType\":\"application/vnd.dev.sigstore.trustedroot+json;version=0.1\""
#define LOG_KEY "\"rawBytes\":\"MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\""

static status parse_root(const char *text, sigstore_root **ret) {
    err e = {0};
    status s = sigstore_root_parse(slice_from_text(text), ret, &e);
    EXPECT_EQ(s == STATUS_OK, e.message[0] == '\0');
    return s;
}

static status parse_log(const char *valid) {
    sigstore_root *root = NULL;
    auto_buf text;
    buf_init(&text, 4096);
    EXPECT_OK(buf_append_format(
        &text, ROOT_TYPE ",\"tlogs\":[{\"logId\":{\"keyId\":\"AAEC\"},\"publicKey\":{" LOG_KEY "%s}}]}",
        valid));
    status s = parse_root(buf_text(&text), &root);
    sigstore_root_free(root);
    return s;
}

TEST(roots) {
    sigstore_root *root = NULL;
    EXPECT_OK(parse_root(ROOT_TYPE "}", &root));
    sigstore_root_free(root);
    root = NULL;
    EXPECT_STATUS(parse_root("{}", &root), STATUS_INVALID);
    EXPECT_STATUS(parse_root("[]", &root), STATUS_INVALID);
    EXPECT_STATUS(parse_root("{\"mediaType\":\"application/json\"}", &root), STATUS_UNSUPPORTED);
    EXPECT_STATUS(
        parse_root(ROOT_TYPE ",\"certificateAuthorities\":[{\"certChain\":{\"certificates\":[]}}]}", &root),
        STATUS_INVALID);
    EXPECT_STATUS(parse_root(ROOT_TYPE ",\"certificateAuthorities\":[{\"certChain\":{\"certificates\":["
                                       "{\"rawBytes\":\"AAAA\"}]}}]}",
                             &root),
                  STATUS_INVALID);
    EXPECT_STATUS(parse_log(""), STATUS_INVALID); // a log has a start
    EXPECT_STATUS(parse_log(",\"validFor\":{\"start\":\"yesterday\"}"), STATUS_INVALID);
    EXPECT_STATUS(parse_log(",\"validFor\":{\"start\":\"2026-01-31T12:00:00.Z\"}"), STATUS_INVALID);
    EXPECT_STATUS(parse_log(",\"validFor\":{\"start\":\"2026-01-31T12:00:00.5\"}"), STATUS_INVALID);
    EXPECT_OK(parse_log(",\"validFor\":{\"start\":\"2026-01-31T12:00:00.123456789Z\"}"));
    EXPECT_OK(parse_log(",\"validFor\":{\"start\":\"2026-01-31T12:00:00Z\",\"end\":null}"));
}

TEST(ranges_of_a_root_include_their_ends) {
    sigstore_root *root = NULL;
    EXPECT_OK(parse_root(ROOT_TYPE ",\"tlogs\":[{\"logId\":{\"keyId\":\"AAEC\"},\"publicKey\":{" LOG_KEY
                                   ",\"validFor\":{\"start\":\"1970-01-01T00:01:00.5Z\",\"end\":"
                                   "\"1970-01-01T00:02:00.5Z\"}}}]}",
                         &root));
    REQUIRE(root != NULL);
    const sigstore_log *log = sigstore_find_log(root, slice_of("\0\1\2", 3));
    REQUIRE(log != NULL);
    EXPECT(!sigstore_in_range(log->valid, 60) && sigstore_in_range(log->valid, 61));
    EXPECT(sigstore_in_range(log->valid, 120) && !sigstore_in_range(log->valid, 121));
    EXPECT(sigstore_find_log(root, slice_of("\0\1", 2)) == NULL);
    sigstore_root_free(root);
}

// --- inclusion proofs --------------------------------------------------------------------------------------

enum { TREE_MAX = 20 };

static void hash_leaf(uint8_t number, uint8_t ret[HASH_BYTES]) {
    const slice parts[] = {slice_of("", 1), slice_of(&number, 1)};
    hash_sha256(parts, 2, ret);
}

// RFC 9162, 2.1.1, as its definition reads.
static void tree_root(uint8_t first, uint8_t count, uint8_t ret[HASH_BYTES]) {
    uint8_t left[HASH_BYTES], right[HASH_BYTES], k = 1;
    if (count == 1) {
        hash_leaf(first, ret);
        return;
    }
    while (2 * k < count) {
        k = (uint8_t)(2 * k);
    }
    tree_root(first, k, left);
    tree_root((uint8_t)(first + k), (uint8_t)(count - k), right);
    const slice parts[] = {SLICE_LITERAL("\x01"), slice_of(left, HASH_BYTES), slice_of(right, HASH_BYTES)};
    hash_sha256(parts, 3, ret);
}

// RFC 9162, 2.1.3.1. The hashes nearest to the leaf come first.
static size_t tree_path(uint8_t index, uint8_t first, uint8_t count, uint8_t hashes[][HASH_BYTES]) {
    uint8_t k = 1;
    if (count == 1) {
        return 0;
    }
    while (2 * k < count) {
        k = (uint8_t)(2 * k);
    }
    bool is_left = index < k;
    size_t n = is_left ? tree_path(index, first, k, hashes)
                       : tree_path((uint8_t)(index - k), (uint8_t)(first + k), (uint8_t)(count - k), hashes);
    tree_root(is_left ? (uint8_t)(first + k) : first, is_left ? (uint8_t)(count - k) : k, hashes[n]);
    return n + 1;
}

typedef struct signed_tree {
    sigstore_log log;
    private_key *key;
    sigstore_entry entry;
    uint8_t number;
    uint8_t root[HASH_BYTES];
    uint8_t hashes[TREE_MAX][HASH_BYTES];
    slice slices[TREE_MAX];
    buf checkpoint;
} signed_tree;

static void append_signature(signed_tree *t, slice note) {
    auto_buf signature;
    buf_init(&signature, 1024);
    EXPECT_OK(buf_append_text(&signature, "hint"));
    EXPECT_OK(private_key_sign(t->key, note, &signature, NULL));
    EXPECT_OK(buf_append_text(&t->checkpoint, "\n\xe2\x80\x94 log "));
    EXPECT_OK(base64_encode(BASE64_STANDARD, buf_slice(&signature), &t->checkpoint));
    EXPECT_OK(buf_append_text(&t->checkpoint, "\n"));
}

static void tree_make(uint8_t index, uint8_t count, signed_tree *t) {
    *t = (signed_tree){.number = index};
    buf_init(&t->checkpoint, 4096);
    EXPECT_OK(private_key_from_pem(slice_from_text(private_pem), &t->key, NULL));
    EXPECT_OK(public_key_from_der(public_key_der(private_key_public(t->key)), &t->log.key, NULL));
    tree_root(0, count, t->root);
    sigstore_proof *p = &t->entry.proof;
    p->hash_count = tree_path(index, 0, count, t->hashes);
    for (size_t i = 0; i < p->hash_count; i++) {
        t->slices[i] = slice_of(t->hashes[i], HASH_BYTES);
    }
    p->log_index = index;
    p->tree_size = count;
    p->hashes = t->slices;
    p->root = slice_of(t->root, HASH_BYTES);
    t->entry.body = slice_of(&t->number, 1);
    EXPECT_OK(buf_append_format(&t->checkpoint, "log\n%d\n", count));
    EXPECT_OK(base64_encode(BASE64_STANDARD, p->root, &t->checkpoint));
    EXPECT_OK(buf_append_text(&t->checkpoint, "\nanything else\n"));
    auto_buf note; // signing appends to the text that is signed
    buf_init(&note, 4096);
    EXPECT_OK(buf_append(&note, buf_slice(&t->checkpoint)));
    append_signature(t, buf_slice(&note));
    p->checkpoint = buf_slice(&t->checkpoint);
}

static void tree_done(signed_tree *t) {
    private_key_free(t->key);
    public_key_free(t->log.key);
    buf_done(&t->checkpoint);
}

static bool proven(const signed_tree *t) {
    return sigstore_proof_verify(&t->entry, &t->log, NULL) == STATUS_OK;
}

TEST(every_place_in_every_small_tree) {
    for (uint8_t count = 1; count <= TREE_MAX; count++) {
        for (uint8_t index = 0; index < count; index++) {
            signed_tree t;
            tree_make(index, count, &t);
            sigstore_proof *p = &t.entry.proof;
            EXPECT(proven(&t));
            for (p->log_index = 0; p->log_index <= count; p->log_index++) {
                EXPECT_EQ(proven(&t), p->log_index == index);
            }
            p->log_index = index;
            t.number ^= 1;
            EXPECT(!proven(&t));
            t.number ^= 1;
            if (p->hash_count > 0) {
                p->hash_count--;
                EXPECT(!proven(&t));
                p->hash_count++;
            }
            t.slices[p->hash_count++] = slice_of(t.root, HASH_BYTES);
            EXPECT(!proven(&t));
            tree_done(&t);
        }
    }
}

TEST(a_tree_head_is_signed_whole) {
    signed_tree t;
    tree_make(3, 6, &t);
    // Neither the name nor the hint (four bytes of base64) decides: they stand behind this place.
    const char *line = strstr(buf_text(&t.checkpoint), " log ");
    REQUIRE(line != NULL);
    t.entry.proof.checkpoint = buf_slice(&t.checkpoint); // the line end may have moved it
    size_t at = (size_t)(line - (const char *)t.checkpoint.data);
    for (size_t i = 0; i + 1 < t.checkpoint.len; i++) { // all but the last line end
        t.checkpoint.data[i] ^= 1;
        EXPECT((i > at && i < at + 5 + 6) || !proven(&t));
        t.checkpoint.data[i] ^= 1;
    }
    EXPECT(proven(&t));
    t.entry.proof.tree_size = 7; // another size than the head's
    EXPECT(!proven(&t));
    tree_done(&t);
}

// --- statements --------------------------------------------------------------------------------------------

static status covers(const char *type, const char *subjects, const char *payload_type) {
    sigstore_bundle b = {.is_envelope = true, .payload_type = slice_from_text(payload_type)};
    auto_buf text;
    buf_init(&text, 4096);
    EXPECT_OK(buf_append_format(&text, "{\"_type\":\"%s\",\"subject\":[%s]}", type, subjects));
    b.payload = buf_slice(&text);
    return sigstore_statement_covers(&b, slice_from_text("abc"), NULL);
}

#define IN_TOTO "application/vnd.in-toto+json"
#define TYPE_1 "https://in-toto.io/Statement/v1"
#define ABC_256 "\"sha256\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""
#define ABC_384                                                                     \
    "\"sha384\":\"cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed" \
    "8086072ba1e7cc2358baeca134c825a7\""
#define ZERO_512                                                                                   \
    "\"sha512\":\"0000000000000000000000000000000000000000000000000000000000000000000000000000000" \
    "0000000000000000000000000000000000000000000000000\""

TEST(statements) {
    EXPECT_OK(covers(TYPE_1, "{\"digest\":{" ABC_256 "}}", IN_TOTO));
    EXPECT_OK(covers("https://in-toto.io/Statement/v0.1", "{\"digest\":{" ABC_384 "}}", IN_TOTO));
    EXPECT_OK(
        covers(TYPE_1, "{\"digest\":{\"md5\":\"00\"}},{\"digest\":{" ABC_256 "," ABC_384 "}}", IN_TOTO));
    EXPECT_STATUS(covers(TYPE_1, "{\"digest\":{" ABC_256 "," ZERO_512 "}}", IN_TOTO), STATUS_DENIED);
    EXPECT_STATUS(covers(TYPE_1, "{\"digest\":{\"md5\":\"00\"}}", IN_TOTO), STATUS_DENIED);
    EXPECT_STATUS(covers(TYPE_1, "", IN_TOTO), STATUS_DENIED);
    EXPECT_STATUS(covers(TYPE_1, "{\"digest\":{\"sha256\":7}}", IN_TOTO), STATUS_INVALID);
    EXPECT_STATUS(covers(TYPE_1, "{\"digest\":{\"sha256\":\"BA\"}}", IN_TOTO), STATUS_INVALID);
    EXPECT_STATUS(covers(TYPE_1, "{}", IN_TOTO), STATUS_INVALID);
    EXPECT_STATUS(covers("https://example.org", "{\"digest\":{" ABC_256 "}}", IN_TOTO), STATUS_UNSUPPORTED);
    EXPECT_STATUS(covers(TYPE_1, "{\"digest\":{" ABC_256 "}}", "text/plain"), STATUS_UNSUPPORTED);
}

TEST(names_of_reasons) {
    EXPECT_TEXT(sigstore_reason_name(SIGSTORE_GOOD), "good");
    EXPECT_TEXT(sigstore_reason_name(SIGSTORE_OUTSIDE_VALIDITY), "outside-validity");
    EXPECT_TEXT(sigstore_reason_name(SIGSTORE_WRONG_ISSUER), "wrong-issuer");
    EXPECT_TEXT(sigstore_reason_name((sigstore_reason)99), "unknown");
}
