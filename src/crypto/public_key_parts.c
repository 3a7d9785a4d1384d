// SPDX-License-Identifier: Apache-2.0
#include "crypto/public_key_parts.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

enum { NUMBER_BYTES_MAX = 1024, P256_BYTES = 32, P384_BYTES = 48, POINT_BYTES_MAX = 1 + 2 * P384_BYTES };

static size_t number_bytes(public_key_kind kind) {
    return kind == PUBLIC_KEY_P256 ? P256_BYTES : kind == PUBLIC_KEY_P384 ? P384_BYTES : 0;
}

// --- keys --------------------------------------------------------------------------------------------------

static EVP_PKEY *from_parameters(const char *type, OSSL_PARAM *parameters) {
    EVP_PKEY *p = NULL;
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (c == NULL || parameters == NULL || EVP_PKEY_fromdata_init(c) != 1 ||
        EVP_PKEY_fromdata(c, &p, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
        p = NULL;
    }
    EVP_PKEY_CTX_free(c);
    return p;
}

// Takes `p`. By way of the one encoding, so that every key has passed the same checks.
static status from_library(EVP_PKEY *p, public_key **ret, err *e) {
    uint8_t *der = NULL;
    int len = p == NULL ? 0 : i2d_PUBKEY(p, &der);
    status s = len <= 0 ? err_set(e, STATUS_INVALID, "the numbers of a key do not make one")
                        : public_key_from_der(slice_of(der, (size_t)len), ret, e);
    OPENSSL_free(der);
    EVP_PKEY_free(p);
    ERR_clear_error();
    return s;
}

status public_key_from_point(public_key_kind kind, slice x, slice y, public_key **ret, err *e) {
    size_t n = number_bytes(kind);
    uint8_t point[POINT_BYTES_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    if (n == 0) {
        return err_set(e, STATUS_UNSUPPORTED, "keys of kind %s have no points", public_key_kind_name(kind));
    }
    if (x.len != n || y.len != n) {
        return err_set(e, STATUS_INVALID, "the point of a key has not two numbers of %zu bytes", n);
    }
    memcpy(point + 1, x.data, n);
    memcpy(point + 1 + n, y.data, n);
    char group[16];
    memcpy(group, kind == PUBLIC_KEY_P256 ? "prime256v1" : "secp384r1\0", 11);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * n),
        OSSL_PARAM_construct_end(),
    };
    return from_library(from_parameters("EC", parameters), ret, e);
}

status public_key_from_rsa(slice modulus, slice exponent, public_key **ret, err *e) {
    if (modulus.len == 0 || exponent.len == 0 || modulus.len > NUMBER_BYTES_MAX ||
        exponent.len > sizeof(uint64_t)) {
        return err_set(e, STATUS_INVALID, "the numbers of an RSA key are empty or too long");
    }
    BIGNUM *n = BN_bin2bn(modulus.data, (int)modulus.len, NULL);
    BIGNUM *exp = BN_bin2bn(exponent.data, (int)exponent.len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM *parameters = NULL;
    if (n != NULL && exp != NULL && build != NULL &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exp) == 1) {
        parameters = OSSL_PARAM_BLD_to_param(build);
    }
    EVP_PKEY *p = from_parameters("RSA", parameters);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(exp);
    return from_library(p, ret, e);
}

// --- signatures --------------------------------------------------------------------------------------------

status signature_from_halves(public_key_kind kind, slice halves, buf *ret) {
    size_t n = number_bytes(kind);
    if (n == 0 || halves.len != 2 * n) {
        return STATUS_INVALID;
    }
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(halves.data, (int)n, NULL), *s = BN_bin2bn(halves.data + n, (int)n, NULL);
    uint8_t *der = NULL;
    int len = 0;
    if (signature != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(signature, r, s) == 1) {
        r = s = NULL; // the signature's
        len = i2d_ECDSA_SIG(signature, &der);
    }
    status code = len > 0 ? buf_append(ret, slice_of(der, (size_t)len)) : STATUS_INVALID;
    OPENSSL_free(der);
    ECDSA_SIG_free(signature);
    BN_free(r);
    BN_free(s);
    return code;
}

// --- private keys ------------------------------------------------------------------------------------------

status public_key_check_private(const public_key *k, slice pkcs8, err *e) {
    const uint8_t *at = pkcs8.data;
    PKCS8_PRIV_KEY_INFO *info = pkcs8.len == 0 || pkcs8.len > KEY_PEM_BYTES_MAX
                                    ? NULL
                                    : d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)pkcs8.len);
    EVP_PKEY *p = info == NULL || at != pkcs8.data + pkcs8.len ? NULL : EVP_PKCS82PKEY(info);
    PKCS8_PRIV_KEY_INFO_free(info); // clears what was secret
    uint8_t *der = NULL;
    int len = p == NULL ? 0 : i2d_PUBKEY(p, &der);
    bool same = len > 0 && slice_equal(slice_of(der, (size_t)len), public_key_der(k));
    OPENSSL_free(der);
    EVP_PKEY_free(p);
    ERR_clear_error();
    if (len <= 0) {
        return err_set(e, STATUS_INVALID, "the private key is not one in PKCS #8 form");
    }
    return same ? STATUS_OK : err_set(e, STATUS_DENIED, "the private key does not belong to the certificate");
}
