// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "crypto/certificate.h"
#include "helper_openssl.h"

// A root, two authorities below it (one for code signing only), and leaves.
static const char make_chain[] =
    "key() { openssl ecparam -name prime256v1 -genkey -noout -out $1.key; }\n"
    "issue() { key $1; openssl req -new -key $1.key -subj \"/CN=$1\" -out $1.csr; printf \"$3\" >$1.ext\n"
    "openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -set_serial 7 -days ${4:-2} -extfile $1.ext -out "
    "$1.pem\n"
    "openssl x509 -in $1.pem -outform DER -out $1.der; }\n"
    "key root; openssl req -x509 -new -key root.key -subj /CN=root -days 9 -out root.pem\n"
    "key other; openssl req -x509 -new -key other.key -subj /CN=root -days 9 -out other.pem\n"
    "issue middle root 'basicConstraints=critical,CA:true\\nkeyUsage=critical,keyCertSign\\n"
    "extendedKeyUsage=codeSigning\\nsubjectKeyIdentifier=hash'\n"
    "issue plain root 'basicConstraints=critical,CA:true\\nkeyUsage=critical,keyCertSign\\n"
    "subjectKeyIdentifier=hash'\n"
    "issue leaf middle 'keyUsage=critical,digitalSignature\\nextendedKeyUsage=codeSigning\\n"
    "subjectAltName=URI:https://example.org/a,email:dev@example.org,DNS:example.org,IP:127.0.0.1\\n"
    "1.3.6.1.4.1.57264.1.1=DER:68747470733a2f2f6c6f67696e\\n"
    "1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:https://login'\n"
    "issue workload plain 'keyUsage=critical,digitalSignature\\nsubjectAltName=URI:spiffe://example.org/w'\n"
    "issue misused middle 'keyUsage=critical,digitalSignature\\nextendedKeyUsage=serverAuth'\n"
    "issue below leaf 'keyUsage=critical,digitalSignature\\nextendedKeyUsage=codeSigning'\n"
    "issue critical middle 'extendedKeyUsage=codeSigning\\n1.2.3.4=critical,DER:0500'\n"
    "issue brief root 'basicConstraints=critical,CA:true\\nkeyUsage=critical,keyCertSign' 1\n"
    "issue outlives brief 'keyUsage=critical,digitalSignature'\n"
    "cat leaf.der middle.der >two.der; cat leaf.pem middle.pem >two.pem; cat leaf.pem leaf.key >mixed.pem";

static bool begin(openssl_place *p) { return openssl_begin(p) && EXPECT(openssl_run(p, make_chain)); }

static certificate_list read_list(const openssl_place *p, const char *name) {
    certificate_list l = {0};
    err e = {0};
    auto_buf pem = {0};
    EXPECT(openssl_read(p, name, &pem));
    EXPECT_STATUS_ERR(certificate_list_from_pem(buf_slice(&pem), &l, &e), STATUS_OK, e);
    return l;
}

static status verify(const openssl_place *p, const char *leaf, const char *middle, const char *root,
                     certificate_purpose purpose, int64_t after_start_s, err *e) {
    certificate_list leaves = read_list(p, leaf), roots = read_list(p, root), untrusted = {0};
    status s = STATUS_INTERNAL;
    if (middle != NULL) {
        untrusted = read_list(p, middle);
    }
    if (leaves.count == 1) {
        certificate_rules rules = {.at_s = certificate_not_before_s(leaves.items[0]) + after_start_s,
                                   .purpose = purpose};
        s = certificate_verify(leaves.items[0], &untrusted, &roots, &rules, e);
    }
    certificate_list_free(&leaves);
    certificate_list_free(&roots);
    certificate_list_free(&untrusted);
    return s;
}

#define EXPECT_VERIFY(leaf, middle, root, purpose, after, expected) \
    EXPECT_STATUS_ERR(verify(&p, leaf, middle, root, purpose, after, &e), expected, e)

TEST(chains) {
    openssl_place p;
    err e = {0};
    if (!begin(&p)) {
        SKIP("no openssl command here");
    }
    EXPECT_VERIFY("leaf.pem", "middle.pem", "root.pem", CERTIFICATE_CODE_SIGNING, 60, STATUS_OK);
    EXPECT_VERIFY("leaf.pem", NULL, "middle.pem", CERTIFICATE_CODE_SIGNING, 60, STATUS_OK); // its own anchor
    EXPECT_VERIFY("workload.pem", "plain.pem", "root.pem", CERTIFICATE_ANY_PURPOSE, 60, STATUS_OK);
    EXPECT_VERIFY("leaf.pem", NULL, "root.pem", CERTIFICATE_CODE_SIGNING, 60, STATUS_DENIED);
    EXPECT_VERIFY("leaf.pem", "middle.pem", "other.pem", CERTIFICATE_CODE_SIGNING, 60, STATUS_DENIED);
    EXPECT_VERIFY("leaf.pem", "plain.pem", "root.pem", CERTIFICATE_CODE_SIGNING, 60, STATUS_DENIED);
    EXPECT_VERIFY("leaf.pem", "middle.pem", "root.pem", CERTIFICATE_TLS_SERVER, 60, STATUS_DENIED);
    EXPECT_VERIFY("workload.pem", "plain.pem", "root.pem", CERTIFICATE_CODE_SIGNING, 60, STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "purpose");
    EXPECT_VERIFY("misused.pem", "middle.pem", "root.pem", CERTIFICATE_TLS_SERVER, 60, STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "may not issue");
    EXPECT_VERIFY("below.pem", "two.pem", "root.pem", CERTIFICATE_CODE_SIGNING, 60, STATUS_DENIED);
    EXPECT_VERIFY("middle.pem", NULL, "root.pem", CERTIFICATE_CODE_SIGNING, 60, STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "authority's");
    EXPECT_VERIFY("critical.pem", "middle.pem", "root.pem", CERTIFICATE_CODE_SIGNING, 60, STATUS_DENIED);
    openssl_end(&p);
}

// Both ends belong to the validity.
TEST(chains_at_their_ends) {
    openssl_place p;
    err e = {0};
    if (!begin(&p)) {
        SKIP("no openssl command here");
    }
    certificate_list l = read_list(&p, "leaf.pem");
    REQUIRE(l.count == 1);
    int64_t length = certificate_not_after_s(l.items[0]) - certificate_not_before_s(l.items[0]);
    certificate_list_free(&l);
    EXPECT_EQ(length, 2 * 24 * 3600);
    // The anchor is the authority itself, which was made up to a second before.
    EXPECT_VERIFY("leaf.pem", NULL, "middle.pem", CERTIFICATE_CODE_SIGNING, 0, STATUS_OK);
    EXPECT_VERIFY("leaf.pem", NULL, "middle.pem", CERTIFICATE_CODE_SIGNING, -1, STATUS_TIMEOUT);
    EXPECT_CONTAINS(e.message, "not yet");
    EXPECT_VERIFY("workload.pem", NULL, "plain.pem", CERTIFICATE_ANY_PURPOSE, length + 1, STATUS_TIMEOUT);
    EXPECT_CONTAINS(e.message, "no longer");
    // The leaf is valid for two days, its authority for one: the end of the authority counts too, and nobody
    // looks at the clock.
    EXPECT_VERIFY("outlives.pem", "brief.pem", "root.pem", CERTIFICATE_ANY_PURPOSE, 60, STATUS_OK);
    EXPECT_VERIFY("outlives.pem", "brief.pem", "root.pem", CERTIFICATE_ANY_PURPOSE, 36 * 3600,
                  STATUS_TIMEOUT);
    EXPECT_VERIFY("outlives.pem", NULL, "brief.pem", CERTIFICATE_ANY_PURPOSE, 36 * 3600, STATUS_TIMEOUT);
    openssl_end(&p);
}

TEST(what_a_certificate_says) {
    openssl_place p;
    slice value, text;
    if (!begin(&p)) {
        SKIP("no openssl command here");
    }
    certificate_list l = read_list(&p, "leaf.pem");
    REQUIRE(l.count == 1);
    const certificate *c = l.items[0];
    EXPECT(certificate_has_name(c, CERTIFICATE_NAME_URI, slice_from_text("https://example.org/a")));
    EXPECT(certificate_has_name(c, CERTIFICATE_NAME_EMAIL, slice_from_text("dev@example.org")));
    EXPECT(certificate_has_name(c, CERTIFICATE_NAME_DNS, slice_from_text("example.org")));
    EXPECT(!certificate_has_name(c, CERTIFICATE_NAME_EMAIL, slice_from_text("https://example.org/a")));
    EXPECT(!certificate_has_name(c, CERTIFICATE_NAME_URI, slice_from_text("https://example.org/")));
    EXPECT_EQ(certificate_name_count(c), 4);
    EXPECT_EQ(certificate_name_at(c, 3).kind, CERTIFICATE_NAME_OTHER);
    EXPECT(certificate_allows(c, CERTIFICATE_DIGITAL_SIGNATURE));
    EXPECT(!certificate_allows(c, CERTIFICATE_CERT_SIGN));
    EXPECT(certificate_is_for(c, CERTIFICATE_CODE_SIGNING) && !certificate_is_for(c, CERTIFICATE_TLS_SERVER));
    EXPECT(!certificate_is_authority(c) && certificate_is_version_3(c));
    EXPECT_BYTES(certificate_subject(c), slice_from_text("CN=leaf"));
    REQUIRE(certificate_extension(c, "1.3.6.1.4.1.57264.1.1", &value));
    EXPECT_BYTES(value, slice_from_text("https://login"));
    REQUIRE(certificate_extension(c, "1.3.6.1.4.1.57264.1.8", &value));
    EXPECT(certificate_der_text(value, &text) && slice_equal_text(text, "https://login"));
    EXPECT(!certificate_der_text(slice_sub(value, 0, value.len - 1), &text));
    EXPECT(!certificate_extension(c, "1.3.6.1.4.1.57264.1.2", &value));
    EXPECT(!certificate_extension(c, "not an identifier", &value));
    certificate_list_free(&l);
    openssl_end(&p);
}

TEST(lists_and_their_bytes) {
    openssl_place p;
    auto_buf der = {0}, pem = {0};
    certificate_list l = {0};
    certificate *c = NULL;
    if (!begin(&p)) {
        SKIP("no openssl command here");
    }
    REQUIRE(openssl_read(&p, "two.der", &der) && openssl_read(&p, "mixed.pem", &pem));
    EXPECT_OK(certificate_list_from_der(buf_slice(&der), &l, NULL));
    EXPECT_EQ(l.count, 2);
    EXPECT_STATUS(certificate_from_der(buf_slice(&der), &c, NULL), STATUS_INVALID);      // bytes behind it
    EXPECT_STATUS(certificate_list_from_pem(buf_slice(&pem), &l, NULL), STATUS_INVALID); // a key in it
    certificate_list again = {0};
    EXPECT_STATUS(certificate_list_from_der(slice_sub(buf_slice(&der), 0, der.len - 1), &again, NULL),
                  STATUS_INVALID);
    EXPECT_STATUS(certificate_list_from_der(slice_empty(), &again, NULL), STATUS_INVALID);
    EXPECT_STATUS(certificate_list_from_pem(slice_from_text("nothing"), &again, NULL), STATUS_INVALID);
    EXPECT(again.items == NULL && c == NULL);
    certificate_list_free(&l);
    openssl_end(&p);
}

// Whatever byte is changed: it is refused, or says another thing and does not lead to the root.
TEST(no_changed_certificate_is_believed) {
    openssl_place p;
    auto_buf der = {0};
    if (!begin(&p)) {
        SKIP("no openssl command here");
    }
    certificate_list roots = read_list(&p, "middle.pem");
    REQUIRE(roots.count == 1 && openssl_read(&p, "leaf.der", &der));
    for (size_t i = 0; i < der.len; i++) {
        certificate *c = NULL;
        der.data[i] ^= 1;
        if (certificate_from_der(buf_slice(&der), &c, NULL) == STATUS_OK) {
            certificate_rules rules = {.at_s = certificate_not_before_s(roots.items[0]) + 60};
            EXPECT(certificate_verify(c, NULL, &roots, &rules, NULL) != STATUS_OK);
        }
        certificate_free(c);
        der.data[i] ^= 1;
    }
    certificate_list_free(&roots);
    openssl_end(&p);
}
