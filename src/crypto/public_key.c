// SPDX-License-Identifier: Apache-2.0
// OpenSSL parses keys and computes ECDSA and RSA; Ed25519 is libsodium's, which refuses keys of small order
// and has the pre-hashed form that this OpenSSL lacks.
#include "crypto/public_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <sodium.h>

#include "base/check.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "crypto/sign.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192 };

struct public_key {
    EVP_PKEY *pkey;
    public_key_kind kind;
    uint8_t *der;
    size_t der_len;
    uint8_t raw[SIGN_PUBLIC_BYTES]; // of Ed25519
};

struct private_key {
    EVP_PKEY *pkey;
    public_key *public_key;
};

_Static_assert((int)PUBLIC_KEY_ID_BYTES == (int)HASH_BYTES, "the name of a key is a SHA-256");

// --- reading -----------------------------------------------------------------------------------------------

static status kind_of_curve(EVP_PKEY *p, public_key_kind *ret, err *e) {
    char name[32] = "";
    int explicit_parameters = 0;
    (void)EVP_PKEY_get_int_param(p, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit_parameters);
    bool named = EVP_PKEY_get_group_name(p, name, sizeof name, NULL) == 1 && explicit_parameters == 0;
    if (named && strcmp(name, "prime256v1") == 0) {
        *ret = PUBLIC_KEY_P256;
    } else if (named && strcmp(name, "secp384r1") == 0) {
        *ret = PUBLIC_KEY_P384;
    } else {
        return err_set(e, STATUS_UNSUPPORTED,
                       "a key is on the elliptic curve \"%.30s\"; P-256 and P-384 are supported", name);
    }
    return STATUS_OK;
}

// With the exponent 1 every text is its own signature; OpenSSL verifies with it all the same.
static status check_rsa(EVP_PKEY *p, err *e) {
    int bits = EVP_PKEY_get_bits(p);
    BIGNUM *exponent = NULL;
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) {
        return err_set(e, STATUS_UNSUPPORTED, "an RSA key has %d bits; %d to %d are supported", bits,
                       RSA_BITS_MIN, RSA_BITS_MAX);
    }
    bool good = EVP_PKEY_get_bn_param(p, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 && BN_is_odd(exponent) &&
                !BN_is_one(exponent);
    BN_free(exponent);
    return good ? STATUS_OK
                : err_set(e, STATUS_INVALID,
                          "the exponent of an RSA key is even or 1, which protects nothing");
}

static status kind_of(EVP_PKEY *p, public_key_kind *ret, err *e) {
    switch (EVP_PKEY_get_base_id(p)) {
    case EVP_PKEY_EC:
        return kind_of_curve(p, ret, e);
    case EVP_PKEY_ED25519:
        *ret = PUBLIC_KEY_ED25519;
        return STATUS_OK;
    case EVP_PKEY_RSA:
        *ret = PUBLIC_KEY_RSA;
        return check_rsa(p, e);
    default:
        return err_set(e, STATUS_UNSUPPORTED,
                       "a key is of a kind that is not supported; P-256, P-384, Ed25519 and RSA are");
    }
}

// Takes `p`, also on failure.
static status wrap(EVP_PKEY *p, public_key **ret, err *e) {
    public_key k = {.pkey = p};
    status s = kind_of(p, &k.kind, e);
    uint8_t *der = NULL;
    int len = s == STATUS_OK ? i2d_PUBKEY(p, &der) : 0;
    if (s == STATUS_OK && (len <= 0 || len > PUBLIC_KEY_BYTES_MAX)) {
        s = err_set(e, STATUS_LIMIT, "a public key cannot be written in at most %d bytes",
                    PUBLIC_KEY_BYTES_MAX);
    }
    size_t raw_len = sizeof k.raw;
    if (s == STATUS_OK && k.kind == PUBLIC_KEY_ED25519 &&
        (EVP_PKEY_get_raw_public_key(p, k.raw, &raw_len) != 1 || raw_len != sizeof k.raw)) {
        s = err_set(e, STATUS_INVALID, "an Ed25519 key has another size than %zu bytes", sizeof k.raw);
    }
    ERR_clear_error();
    if (s != STATUS_OK) {
        OPENSSL_free(der);
        EVP_PKEY_free(p);
        return s;
    }
    k.der_len = (size_t)len;
    k.der = mem_alloc(k.der_len);
    memcpy(k.der, der, k.der_len);
    OPENSSL_free(der);
    *ret = MEM_NEW(public_key);
    **ret = k;
    return STATUS_OK;
}

status public_key_from_der(slice der, public_key **ret, err *e) {
    if (der.len > PUBLIC_KEY_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "a public key of %zu bytes is larger than %d", der.len,
                       PUBLIC_KEY_BYTES_MAX);
    }
    const uint8_t *at = der.data;
    EVP_PKEY *p = der.len == 0 ? NULL : d2i_PUBKEY(NULL, &at, (long)der.len);
    ERR_clear_error();
    if (p == NULL || at != der.data + der.len) {
        EVP_PKEY_free(p);
        return err_set(e, STATUS_INVALID, "these %zu bytes are not one public key in DER form", der.len);
    }
    return wrap(p, ret, e);
}

status public_key_from_pem(slice pem, public_key **ret, err *e) {
    pem_reader r = {0};
    pem_block block = {0};
    TRY(pem_begin(pem, KEY_PEM_BYTES_MAX, &r, e));
    status s = pem_next(&r, &block, e);
    pem_end(&r);
    if (s != STATUS_OK) {
        return s == STATUS_NOT_FOUND
                   ? err_set(e, STATUS_INVALID, "no public key (\"-----BEGIN PUBLIC KEY-----\") in the text")
                   : s;
    }
    s = strcmp(block.name, "PUBLIC KEY") == 0
            ? public_key_from_der(pem_bytes(&block), ret, e)
            : err_set(e, STATUS_INVALID, "a public key was expected, and this is a \"%s\"", block.name);
    pem_block_drop(&block);
    return s;
}

// --- what it is --------------------------------------------------------------------------------------------

void public_key_free(public_key *k) {
    if (k != NULL) {
        EVP_PKEY_free(k->pkey);
        mem_free(k->der);
        mem_free(k);
    }
}

public_key_kind public_key_kind_of(const public_key *k) { return k->kind; }
slice public_key_der(const public_key *k) { return slice_of(k->der, k->der_len); }
bool public_key_equal(const public_key *a, const public_key *b) {
    return slice_equal(public_key_der(a), public_key_der(b));
}

const char *public_key_kind_name(public_key_kind kind) {
    static const char *const names[] = {"ECDSA P-256", "ECDSA P-384", "Ed25519", "RSA"};
    return (unsigned)kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}

void public_key_id(const public_key *k, uint8_t ret[PUBLIC_KEY_ID_BYTES]) {
    slice der = public_key_der(k);
    hash_sha256(&der, 1, ret);
}

// --- signatures --------------------------------------------------------------------------------------------

static const EVP_MD *hash_of(signature_scheme scheme) {
    switch (scheme) {
    case SIGNATURE_ECDSA_SHA256:
    case SIGNATURE_RSA_PKCS1_SHA256:
    case SIGNATURE_RSA_PSS_SHA256:
        return EVP_sha256();
    case SIGNATURE_ECDSA_SHA384:
    case SIGNATURE_RSA_PKCS1_SHA384:
    case SIGNATURE_RSA_PSS_SHA384:
        return EVP_sha384();
    case SIGNATURE_ECDSA_SHA512:
    case SIGNATURE_RSA_PKCS1_SHA512:
    case SIGNATURE_RSA_PSS_SHA512:
        return EVP_sha512();
    case SIGNATURE_ED25519:
    case SIGNATURE_ED25519PH:
        break;
    }
    return NULL;
}

static bool scheme_fits(public_key_kind kind, signature_scheme scheme) {
    switch (kind) {
    case PUBLIC_KEY_P256:
    case PUBLIC_KEY_P384:
        return scheme <= SIGNATURE_ECDSA_SHA512;
    case PUBLIC_KEY_ED25519:
        return scheme == SIGNATURE_ED25519 || scheme == SIGNATURE_ED25519PH;
    case PUBLIC_KEY_RSA:
        return scheme >= SIGNATURE_RSA_PKCS1_SHA256;
    }
    return false;
}

static bool verify_ed25519ph(const uint8_t key[SIGN_PUBLIC_BYTES], slice message, slice signature) {
    crypto_sign_ed25519ph_state state;
    return sodium_init() >= 0 && crypto_sign_ed25519ph_init(&state) == 0 &&
           crypto_sign_ed25519ph_update(&state, message.data, message.len) == 0 &&
           crypto_sign_ed25519ph_final_verify(&state, signature.data, key) == 0;
}

static bool verify_with_openssl(const public_key *k, signature_scheme scheme, slice message,
                                slice signature) {
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_PKEY_CTX *parameters = NULL; // belongs to `c`
    bool pss = scheme >= SIGNATURE_RSA_PSS_SHA256;
    bool good = c != NULL && EVP_DigestVerifyInit(c, &parameters, hash_of(scheme), NULL, k->pkey) == 1 &&
                (!pss || (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
                          EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
                EVP_DigestVerify(c, signature.data, signature.len, message.data, message.len) == 1;
    EVP_MD_CTX_free(c);
    ERR_clear_error();
    return good;
}

bool public_key_verify(const public_key *k, signature_scheme scheme, slice message, slice signature) {
    if (!scheme_fits(k->kind, scheme) || signature.len == 0 || signature.len > SIGNATURE_BYTES_MAX) {
        return false;
    }
    if (k->kind != PUBLIC_KEY_ED25519) {
        return verify_with_openssl(k, scheme, message, signature);
    }
    if (signature.len != SIGN_SIGNATURE_BYTES) {
        return false;
    }
    return scheme == SIGNATURE_ED25519PH ? verify_ed25519ph(k->raw, message, signature)
                                         : sign_verify(k->raw, message, signature.data);
}

// --- private keys ------------------------------------------------------------------------------------------

static EVP_PKEY *parse_private(const pem_block *block) {
    const uint8_t *at = block->data;
    if (strcmp(block->name, "EC PRIVATE KEY") == 0) {
        return d2i_PrivateKey(EVP_PKEY_EC, NULL, &at, block->len);
    }
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, block->len);
    EVP_PKEY *p = info == NULL ? NULL : EVP_PKCS82PKEY(info);
    PKCS8_PRIV_KEY_INFO_free(info);
    return p;
}

static status read_private(const pem_block *block, EVP_PKEY **ret, err *e) {
    if (block->encrypted) {
        return err_set(e, STATUS_UNSUPPORTED,
                       "the private key is encrypted (\"%s\"), which is not supported: decrypt it into a "
                       "private place first, with \"openssl pkey\" for instance",
                       block->name);
    }
    if (strcmp(block->name, "PRIVATE KEY") != 0 && strcmp(block->name, "EC PRIVATE KEY") != 0) {
        return err_set(e, STATUS_INVALID, "a private key was expected, and this is a \"%s\"", block->name);
    }
    *ret = parse_private(block);
    ERR_clear_error();
    return *ret != NULL ? STATUS_OK : err_set(e, STATUS_INVALID, "the private key is broken");
}

static bool can_sign(public_key_kind kind) { return kind == PUBLIC_KEY_P256 || kind == PUBLIC_KEY_ED25519; }

status private_key_from_pem(slice pem, private_key **ret, err *e) {
    pem_reader r = {0};
    pem_block block = {0};
    EVP_PKEY *pkey = NULL;
    TRY(pem_begin(pem, KEY_PEM_BYTES_MAX, &r, e));
    status s = pem_next(&r, &block, e);
    if (s == STATUS_OK && strcmp(block.name, "EC PARAMETERS") == 0) { // as "openssl ecparam -genkey" writes
        pem_block_drop(&block);
        s = pem_next(&r, &block, e);
    }
    pem_end(&r);
    s = s == STATUS_OK ? read_private(&block, &pkey, e) : s;
    pem_block_drop(&block);
    if (s != STATUS_OK) {
        return s == STATUS_NOT_FOUND ? err_set(e, STATUS_INVALID, "no private key in the text") : s;
    }
    public_key *half = NULL;
    CHECK(EVP_PKEY_up_ref(pkey) == 1);
    s = wrap(pkey, &half, e);
    if (s == STATUS_OK && !can_sign(half->kind)) {
        s = err_set(e, STATUS_UNSUPPORTED,
                    "signing with a key of kind %s is not supported; ECDSA P-256 and "
                    "Ed25519 are",
                    public_key_kind_name(half->kind));
    }
    if (s != STATUS_OK) {
        public_key_free(half);
        EVP_PKEY_free(pkey);
        return s;
    }
    *ret = MEM_NEW(private_key);
    **ret = (private_key){.pkey = pkey, .public_key = half};
    return STATUS_OK;
}

void private_key_free(private_key *k) {
    if (k != NULL) {
        public_key_free(k->public_key);
        EVP_PKEY_free(k->pkey); // OpenSSL clears what was secret
        mem_free(k);
    }
}

const public_key *private_key_public(const private_key *k) { return k->public_key; }

status private_key_sign(const private_key *k, slice message, buf *ret, err *e) {
    const EVP_MD *md = k->public_key->kind == PUBLIC_KEY_ED25519 ? NULL : EVP_sha256();
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t len = sizeof signature;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool done = c != NULL && EVP_DigestSignInit(c, NULL, md, NULL, k->pkey) == 1 &&
                EVP_DigestSign(c, signature, &len, message.data, message.len) == 1;
    EVP_MD_CTX_free(c);
    ERR_clear_error();
    if (!done) {
        return err_set(e, STATUS_INTERNAL, "OpenSSL does not sign with this key");
    }
    return buf_append(ret, slice_of(signature, len));
}
