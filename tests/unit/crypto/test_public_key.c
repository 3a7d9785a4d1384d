// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "crypto/public_key.h"
#include "crypto/public_key_parts.h"
#include "helper_openssl.h"

static const slice message = SLICE_LITERAL("what was signed");

static const char make_keys[] = "printf 'what was signed' >m\n"
                                "openssl ecparam -name prime256v1 -genkey -noout -out p256\n"
                                "openssl ecparam -name secp384r1 -genkey -noout -out p384\n"
                                "openssl genpkey -algorithm ed25519 -out ed\n"
                                "openssl genrsa -out rsa 2048\n"
                                "for k in p256 p384 ed rsa; do openssl pkey -in $k -pubout -out $k.pub\n"
                                "openssl pkey -in $k -pubout -outform DER -out $k.der; done\n"
                                "openssl dgst -sha256 -sign p256 -out p256.256 m\n"
                                "openssl dgst -sha384 -sign p384 -out p384.384 m\n"
                                "openssl dgst -sha256 -sign p384 -out p384.256 m\n"
                                "openssl pkeyutl -sign -rawin -inkey ed -in m -out ed.sig\n"
                                "openssl dgst -sha256 -sign rsa -out rsa.pkcs1 m\n"
                                "openssl dgst -sha512 -sign rsa -out rsa.pkcs1_512 m\n"
                                "openssl dgst -sha256 -sign rsa -sigopt rsa_padding_mode:pss -sigopt "
                                "rsa_pss_saltlen:digest -out rsa.pss m";

static public_key *read_key(const openssl_place *p, const char *name) {
    public_key *k = NULL;
    auto_buf pem = {0};
    EXPECT(openssl_read(p, name, &pem));
    EXPECT_OK(public_key_from_pem(buf_slice(&pem), &k, NULL));
    return k;
}

static void expect_signature(const openssl_place *p, const char *key, const char *file, public_key_kind kind,
                             signature_scheme scheme) {
    public_key *k = read_key(p, key);
    auto_buf signature = {0};
    REQUIRE(k != NULL && openssl_read(p, file, &signature));
    slice good = buf_slice(&signature);
    EXPECT_EQ(public_key_kind_of(k), kind);
    for (int other = SIGNATURE_ECDSA_SHA256; other <= SIGNATURE_RSA_PSS_SHA512; other++) {
        EXPECT_EQ(public_key_verify(k, (signature_scheme)other, message, good), other == (int)scheme);
    }
    EXPECT(!public_key_verify(k, scheme, slice_sub(message, 1, message.len), good));
    EXPECT(!public_key_verify(k, scheme, message, slice_sub(good, 0, good.len - 1)));
    EXPECT(!public_key_verify(k, scheme, message, slice_empty()));
    for (size_t i = 0; i < good.len; i++) {
        signature.data[i] ^= 1;
        EXPECT(!public_key_verify(k, scheme, message, good));
        signature.data[i] ^= 1;
    }
    EXPECT(buf_append_byte(&signature, 0) == STATUS_OK);
    EXPECT(!public_key_verify(k, scheme, message, buf_slice(&signature)));
    public_key_free(k);
}

TEST(signatures_of_openssl) {
    openssl_place p;
    if (!openssl_begin(&p)) {
        SKIP("no openssl command here");
    }
    EXPECT(openssl_run(&p, make_keys));
    expect_signature(&p, "p256.pub", "p256.256", PUBLIC_KEY_P256, SIGNATURE_ECDSA_SHA256);
    expect_signature(&p, "p384.pub", "p384.384", PUBLIC_KEY_P384, SIGNATURE_ECDSA_SHA384);
    expect_signature(&p, "p384.pub", "p384.256", PUBLIC_KEY_P384, SIGNATURE_ECDSA_SHA256);
    expect_signature(&p, "ed.pub", "ed.sig", PUBLIC_KEY_ED25519, SIGNATURE_ED25519);
    expect_signature(&p, "rsa.pub", "rsa.pkcs1", PUBLIC_KEY_RSA, SIGNATURE_RSA_PKCS1_SHA256);
    expect_signature(&p, "rsa.pub", "rsa.pkcs1_512", PUBLIC_KEY_RSA, SIGNATURE_RSA_PKCS1_SHA512);
    expect_signature(&p, "rsa.pub", "rsa.pss", PUBLIC_KEY_RSA, SIGNATURE_RSA_PSS_SHA256);
    openssl_end(&p);
}

static void expect_der(const openssl_place *p, const char *pem_name, const char *der_name) {
    public_key *a = read_key(p, pem_name), *b = NULL;
    auto_buf der = {0};
    REQUIRE(a != NULL && openssl_read(p, der_name, &der));
    EXPECT_BYTES(public_key_der(a), buf_slice(&der));
    EXPECT_OK(public_key_from_der(buf_slice(&der), &b, NULL));
    EXPECT(b != NULL && public_key_equal(a, b));
    public_key_free(b);
    b = NULL;
    EXPECT_STATUS(public_key_from_der(slice_sub(buf_slice(&der), 0, der.len - 1), &b, NULL), STATUS_INVALID);
    EXPECT(buf_append_byte(&der, 0) == STATUS_OK);
    EXPECT_STATUS(public_key_from_der(buf_slice(&der), &b, NULL), STATUS_INVALID);
    public_key_free(a);
}

TEST(one_der_form) {
    openssl_place p;
    if (!openssl_begin(&p)) {
        SKIP("no openssl command here");
    }
    EXPECT(openssl_run(&p, make_keys));
    expect_der(&p, "p256.pub", "p256.der");
    expect_der(&p, "p384.pub", "p384.der");
    expect_der(&p, "ed.pub", "ed.der");
    expect_der(&p, "rsa.pub", "rsa.der");
    openssl_end(&p);
}

static void expect_refused(const openssl_place *p, const char *name, status expected, const char *part) {
    public_key *k = NULL;
    err e = {0};
    auto_buf pem = {0};
    REQUIRE(openssl_read(p, name, &pem));
    EXPECT_STATUS_ERR(public_key_from_pem(buf_slice(&pem), &k, &e), expected, e);
    EXPECT(k == NULL);
    EXPECT_CONTAINS(e.message, part);
}

TEST(weak_and_unknown_keys_are_refused) {
    openssl_place p;
    if (!openssl_begin(&p)) {
        SKIP("no openssl command here");
    }
    EXPECT(openssl_run(&p,
                       "openssl genrsa -out a 1024\nopenssl pkey -in a -pubout -out rsa1024\n"
                       "openssl ecparam -name secp256k1 -genkey -noout -out b\n"
                       "openssl pkey -in b -pubout -out k1\n"
                       "openssl ecparam -name prime256v1 -genkey -noout -param_enc explicit -out c\n"
                       "openssl ec -in c -pubout -param_enc explicit -out explicit\n"
                       "openssl genpkey -algorithm x25519 -out d\nopenssl pkey -in d -pubout -out x25519\n"
                       "echo nothing >none\nprintf -- '-----BEGIN PUBLIC KEY-----\\nAAAA\\n' >half"));
    expect_refused(&p, "rsa1024", STATUS_UNSUPPORTED, "1024 bits");
    expect_refused(&p, "k1", STATUS_UNSUPPORTED, "secp256k1");
    expect_refused(&p, "explicit", STATUS_UNSUPPORTED, "curve");
    expect_refused(&p, "x25519", STATUS_UNSUPPORTED, "not supported");
    expect_refused(&p, "none", STATUS_INVALID, "BEGIN PUBLIC KEY");
    expect_refused(&p, "half", STATUS_INVALID, "broken");
    expect_refused(&p, "b", STATUS_INVALID, "a public key was expected");
    openssl_end(&p);
}

// Whoever knows the modulus would sign with such a key.
TEST(exponents_that_protect_nothing_are_refused) {
    static const struct {
        const char *bytes;
        size_t len;
        status expected;
    } cases[] = {
        {"\1\0\1", 3, STATUS_OK},    {"\3", 1, STATUS_OK},      {"\1", 1, STATUS_INVALID},
        {"\0\1", 2, STATUS_INVALID}, {"\2", 1, STATUS_INVALID}, {"\1\0\0", 3, STATUS_INVALID},
        {"\0", 1, STATUS_INVALID},
    };
    uint8_t modulus[256];
    memset(modulus, 0xff, sizeof modulus);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        public_key *k = NULL;
        slice exponent = slice_of(cases[i].bytes, cases[i].len);
        EXPECT_STATUS(public_key_from_rsa(slice_of(modulus, sizeof modulus), exponent, &k, NULL),
                      cases[i].expected);
        public_key_free(k);
    }
}

static void expect_signs(const openssl_place *p, const char *name, signature_scheme scheme) {
    private_key *k = NULL;
    err e = {0};
    auto_buf pem = {0}, signature;
    buf_init(&signature, SIGNATURE_BYTES_MAX);
    REQUIRE(openssl_read(p, name, &pem));
    EXPECT_STATUS_ERR(private_key_from_pem(buf_slice(&pem), &k, &e), STATUS_OK, e);
    REQUIRE(k != NULL);
    EXPECT_OK(private_key_sign(k, message, &signature, &e));
    EXPECT(public_key_verify(private_key_public(k), scheme, message, buf_slice(&signature)));
    private_key_free(k);
}

static void expect_no_private(const openssl_place *p, const char *name, status expected, const char *part) {
    private_key *k = NULL;
    err e = {0};
    auto_buf pem = {0};
    REQUIRE(openssl_read(p, name, &pem));
    EXPECT_STATUS_ERR(private_key_from_pem(buf_slice(&pem), &k, &e), expected, e);
    EXPECT_CONTAINS(e.message, part);
    EXPECT(k == NULL);
}

TEST(private_keys) {
    openssl_place p;
    if (!openssl_begin(&p)) {
        SKIP("no openssl command here");
    }
    EXPECT(openssl_run(&p, make_keys));
    EXPECT(openssl_run(&p, "openssl pkcs8 -topk8 -nocrypt -in p256 -out p256.pk8\n"
                           "openssl pkcs8 -topk8 -passout pass:x -in p256 -out sealed\n"
                           "openssl ec -in p256 -aes128 -passout pass:x -out sealed_old\n"
                           "openssl ecparam -name prime256v1 -genkey -out with_parameters"));
    expect_signs(&p, "p256", SIGNATURE_ECDSA_SHA256);
    expect_signs(&p, "p256.pk8", SIGNATURE_ECDSA_SHA256);
    expect_signs(&p, "with_parameters", SIGNATURE_ECDSA_SHA256);
    expect_signs(&p, "ed", SIGNATURE_ED25519);
    expect_no_private(&p, "sealed", STATUS_UNSUPPORTED, "encrypted");
    expect_no_private(&p, "sealed_old", STATUS_UNSUPPORTED, "encrypted");
    expect_no_private(&p, "p384", STATUS_UNSUPPORTED, "P-384");
    expect_no_private(&p, "rsa", STATUS_UNSUPPORTED, "RSA");
    expect_no_private(&p, "p256.pub", STATUS_INVALID, "a private key was expected");
    openssl_end(&p);
}

static size_t from_hex(const char *text, uint8_t *ret) {
    size_t n = 0;
    for (unsigned byte; sscanf(text + 2 * n, "%2x", &byte) == 1; n++) {
        ret[n] = (uint8_t)byte;
    }
    return n;
}

// RFC 8032, 7.3.
TEST(ed25519ph_known_answer) {
    uint8_t der[64], signature[64];
    size_t len = from_hex("302a300506032b6570032100"
                          "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
                          der);
    from_hex("98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
             "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406",
             signature);
    public_key *k = NULL;
    EXPECT_OK(public_key_from_der(slice_of(der, len), &k, NULL));
    REQUIRE(k != NULL);
    slice abc = SLICE_LITERAL("abc");
    EXPECT(public_key_verify(k, SIGNATURE_ED25519PH, abc, slice_of(signature, 64)));
    EXPECT(!public_key_verify(k, SIGNATURE_ED25519, abc, slice_of(signature, 64)));
    signature[63] ^= 1;
    EXPECT(!public_key_verify(k, SIGNATURE_ED25519PH, abc, slice_of(signature, 64)));
    public_key_free(k);
}
