// SPDX-License-Identifier: Apache-2.0
// Everything that reads bundles, trusted roots and certificates. The first byte says what follows:
//
//   b  a bundle, and behind a zero byte a trusted root: both are read, then the bundle is verified
//   c  a certificate in DER, P certificates in PEM, k a public key in DER, K a private key in PEM
//   t  a time stamp response
//   1  2  d  i  the body of a log entry, of each kind
//   h  a checkpoint, s a statement
//
// Nothing here is signed by anybody trusted, so nothing may be believed.
//
// links: identity
#include "base/check.h"
#include "crypto/timestamp.h"
#include "fuzz.h"
#include "identity/sigstore_internal.h"

static const uint8_t key_der[] = {
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00, 0xd7, 0x5a, 0x98,
    0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1,
    0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
};
static const slice file = SLICE_LITERAL("abc");

static public_key *own_key(void) {
    public_key *k = NULL;
    CHECK(public_key_from_der(slice_of(key_der, sizeof key_der), &k, NULL) == STATUS_OK);
    return k;
}

static void verify(const sigstore_bundle *b, const sigstore_root *root, const public_key *key) {
    sigstore_facts facts;
    sigstore_reason reason = SIGSTORE_GOOD;
    err e = {0};
    const sigstore_policy policy = {
        .key = key,
        .identity = slice_from_text("a"),
        .issuer = slice_from_text("b"),
        .root = root,
        .now_s = INT32_MAX,
    };
    CHECK(sigstore_verify(b, file, &policy, &facts, &reason, &e) != STATUS_OK);
    CHECK(reason != SIGSTORE_GOOD && e.message[0] != '\0');
}

static void try_bundle(slice text) {
    sigstore_bundle *b = NULL;
    sigstore_root *root = NULL;
    sigstore_claims claims;
    public_key *key = own_key();
    size_t end = slice_find(text, 0, 0);
    slice second = end == SIZE_MAX ? slice_empty() : slice_sub(text, end + 1, text.len);
    err e = {0};
    if (sigstore_root_parse(second, &root, &e) != STATUS_OK) {
        CHECK(root == NULL && e.message[0] != '\0');
    }
    if (sigstore_bundle_parse(slice_sub(text, 0, end), &b, &e) == STATUS_OK) {
        sigstore_bundle_claims(b, &claims);
        verify(b, root, key);
        verify(b, root, NULL);
    }
    public_key_free(key);
    sigstore_bundle_free(b);
    sigstore_root_free(root);
}

static void try_chain(const certificate *c) {
    const certificate_rules rules = {.at_s = certificate_not_before_s(c),
                                     .purpose = CERTIFICATE_CODE_SIGNING};
    slice value, text;
    certificate_list none = {0};
    CHECK(certificate_verify(c, NULL, &none, &rules, NULL) != STATUS_OK);
    if (certificate_extension(c, "1.3.6.1.4.1.57264.1.8", &value)) {
        (void)certificate_der_text(value, &text);
    }
}

static void try_certificates(uint8_t kind, slice bytes) {
    certificate *c = NULL;
    certificate_list l = {0};
    if (kind == 'c' && certificate_from_der(bytes, &c, NULL) == STATUS_OK) {
        try_chain(c);
    }
    certificate_free(c);
    status s =
        kind == 'c' ? certificate_list_from_der(bytes, &l, NULL) : certificate_list_from_pem(bytes, &l, NULL);
    CHECK((s == STATUS_OK) == (l.count > 0));
    certificate_list_free(&l);
}

static void try_keys(uint8_t kind, slice bytes) {
    public_key *public_half = NULL;
    private_key *private_half = NULL;
    if (kind == 'k' && public_key_from_der(bytes, &public_half, NULL) == STATUS_OK) {
        CHECK(!sigstore_signed_by(public_half, file, file));
    }
    if (kind == 'K') {
        (void)!private_key_from_pem(bytes, &private_half, NULL);
    }
    public_key_free(public_half);
    private_key_free(private_half);
}

static void try_entry(uint8_t kind, slice bytes) {
    public_key *key = own_key();
    sigstore_bundle b = {.signature = file, .digest = file, .is_envelope = kind == 'd' || kind == 'i'};
    const sigstore_subject subject = {.bundle = &b, .key = key};
    const char *name = kind == 'd' ? "dsse" : kind == 'i' ? "intoto" : "hashedrekord";
    sigstore_entry entry = {
        .kind = slice_from_text(name),
        .version = slice_from_text(kind == '2' || kind == 'i' ? "0.0.2" : "0.0.1"),
        .body = bytes,
    };
    err e = {0};
    CHECK(sigstore_entry_is_of(&entry, &subject, &e) != STATUS_OK && e.message[0] != '\0');
    public_key_free(key);
}

static void try_checkpoint(slice bytes) {
    const sigstore_log log = {.key = own_key()};
    sigstore_entry entry = {.proof = {.tree_size = 1, .root = file, .checkpoint = bytes}};
    CHECK(sigstore_proof_verify(&entry, &log, NULL) != STATUS_OK);
    public_key_free(log.key);
}

static void try_statement(slice bytes) {
    sigstore_bundle b = {.is_envelope = true, .payload = bytes};
    err e = {0};
    b.payload_type = slice_from_text("application/vnd.in-toto+json");
    if (sigstore_statement_covers(&b, file, &e) != STATUS_OK) { // it may be, since nobody signs here
        CHECK(e.message[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    slice rest = slice_of(data + 1, size - 1);
    int64_t at_s;
    certificate_list none = {0};
    switch (data[0]) {
    case 'b':
        try_bundle(rest);
        break;
    case 'c':
    case 'P':
        try_certificates(data[0], rest);
        break;
    case 'k':
    case 'K':
        try_keys(data[0], rest);
        break;
    case 't':
        CHECK(timestamp_verify(rest, file, &none, &none, &at_s, NULL) != STATUS_OK);
        break;
    case '1':
    case '2':
    case 'd':
    case 'i':
        try_entry(data[0], rest);
        break;
    case 'h':
        try_checkpoint(rest);
        break;
    case 's':
        try_statement(rest);
        break;
    default:
        break;
    }
    return 0;
}
