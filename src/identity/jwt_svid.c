// SPDX-License-Identifier: Apache-2.0
#include "identity/jwt_svid.h"

#include "base/buf.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "crypto/public_key_parts.h"
#include "identity/token.h" // TOKEN_SECONDS_MAX

enum { NUMBER_BYTES_MAX = 1024 };

// Each algorithm that a JWT-SVID may have and we can check: RFC 7518, section 3.1.
typedef struct algorithm {
    const char *name;
    signature_scheme scheme;
    public_key_kind kind;
} algorithm;

static const algorithm algorithms[] = {
    {"ES256", SIGNATURE_ECDSA_SHA256, PUBLIC_KEY_P256},
    {"ES384", SIGNATURE_ECDSA_SHA384, PUBLIC_KEY_P384},
    {"RS256", SIGNATURE_RSA_PKCS1_SHA256, PUBLIC_KEY_RSA},
    {"RS384", SIGNATURE_RSA_PKCS1_SHA384, PUBLIC_KEY_RSA},
    {"RS512", SIGNATURE_RSA_PKCS1_SHA512, PUBLIC_KEY_RSA},
    {"PS256", SIGNATURE_RSA_PSS_SHA256, PUBLIC_KEY_RSA},
    {"PS384", SIGNATURE_RSA_PSS_SHA384, PUBLIC_KEY_RSA},
    {"PS512", SIGNATURE_RSA_PSS_SHA512, PUBLIC_KEY_RSA},
};

typedef struct jwt_key {
    char id[JWT_KEY_ID_BYTES_MAX + 1];
    size_t id_len;
    public_key *key;
} jwt_key;

struct jwt_bundle {
    jwt_key keys[JWT_BUNDLE_KEYS_MAX];
    size_t count;
};

// --- keys --------------------------------------------------------------------------------------------------

static status read_number(const json_value *jwk, const char *member, buf *ret, err *e) {
    slice text;
    buf_init(ret, NUMBER_BYTES_MAX);
    return json_as_text(json_get(jwk, member), &text) && base64_decode(BASE64_URL, text, ret) == STATUS_OK
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "the member \"%s\" of a key is no number in base64url", member);
}

static status read_point(const json_value *jwk, public_key_kind kind, public_key **ret, err *e) {
    auto_buf x = {0}, y = {0};
    TRY(read_number(jwk, "x", &x, e));
    TRY(read_number(jwk, "y", &y, e));
    return public_key_from_point(kind, buf_slice(&x), buf_slice(&y), ret, e);
}

static status read_rsa(const json_value *jwk, public_key **ret, err *e) {
    auto_buf n = {0}, exponent = {0};
    TRY(read_number(jwk, "n", &n, e));
    TRY(read_number(jwk, "e", &exponent, e));
    return public_key_from_rsa(buf_slice(&n), buf_slice(&exponent), ret, e);
}

// `*ret` stays NULL for a kind of key that we do not read.
static status read_key(const json_value *jwk, public_key **ret, err *e) {
    slice kind, curve;
    if (!json_as_text(json_get(jwk, "kty"), &kind)) {
        return err_set(e, STATUS_INVALID, "a key has no \"kty\"");
    }
    if (slice_equal_text(kind, "RSA")) {
        return read_rsa(jwk, ret, e);
    }
    if (!slice_equal_text(kind, "EC") || !json_as_text(json_get(jwk, "crv"), &curve)) {
        return STATUS_OK;
    }
    if (slice_equal_text(curve, "P-256")) {
        return read_point(jwk, PUBLIC_KEY_P256, ret, e);
    }
    return slice_equal_text(curve, "P-384") ? read_point(jwk, PUBLIC_KEY_P384, ret, e) : STATUS_OK;
}

static const jwt_key *find_key(const jwt_bundle *b, slice id) {
    for (size_t i = 0; i < b->count; i++) {
        if (slice_equal(id, slice_of(b->keys[i].id, b->keys[i].id_len))) {
            return &b->keys[i];
        }
    }
    return NULL;
}

static bool is_ours(const json_value *jwk, slice *ret_id) {
    const json_value *use = json_get(jwk, "use");
    slice text;
    bool fits = json_is_absent(use) || (json_as_text(use, &text) && (slice_equal_text(text, "jwt-svid")));
    return fits && json_as_text(json_get(jwk, "kid"), ret_id) && ret_id->len > 0;
}

static status add_key(jwt_bundle *b, const json_value *jwk, err *e) {
    slice id;
    public_key *key = NULL;
    if (!is_ours(jwk, &id)) {
        return STATUS_OK;
    }
    if (id.len > JWT_KEY_ID_BYTES_MAX || b->count >= JWT_BUNDLE_KEYS_MAX) {
        return err_set(e, STATUS_LIMIT, "a set of keys has more than %d, or a name of more than %d bytes",
                       JWT_BUNDLE_KEYS_MAX, JWT_KEY_ID_BYTES_MAX);
    }
    if (find_key(b, id) != NULL) {
        return err_set(e, STATUS_INVALID, "a set of keys has two of one name");
    }
    TRY(read_key(jwk, &key, e));
    if (key != NULL) {
        jwt_key *k = &b->keys[b->count++];
        memcpy(k->id, id.data, id.len);
        k->id_len = id.len;
        k->key = key;
    }
    return STATUS_OK;
}

static status read_keys(jwt_bundle *b, const json_value *document, err *e) {
    const json_value *keys = json_get(document, "keys");
    if (!json_is_array(keys)) {
        return err_set(e, STATUS_INVALID, "a set of keys has no list \"keys\"");
    }
    for (size_t i = 0; i < json_count(keys); i++) {
        TRY(add_key(b, json_at(keys, i), e));
    }
    return STATUS_OK;
}

status jwt_bundle_parse(slice json, jwt_bundle **ret, err *e) {
    json_value *document = NULL;
    if (json.len > JWT_BUNDLE_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "a set of keys of %zu bytes; at most %d are read", json.len,
                       JWT_BUNDLE_BYTES_MAX);
    }
    TRY(json_parse(json, &document, e));
    jwt_bundle *b = MEM_NEW(jwt_bundle);
    status s = read_keys(b, document, e);
    json_free(document);
    if (s != STATUS_OK) {
        jwt_bundle_free(b);
        return s;
    }
    *ret = b;
    return STATUS_OK;
}

void jwt_bundle_free(jwt_bundle *b) {
    for (size_t i = 0; b != NULL && i < b->count; i++) {
        public_key_free(b->keys[i].key);
    }
    mem_free(b);
}

size_t jwt_bundle_count(const jwt_bundle *b) { return b->count; }

// --- tokens ------------------------------------------------------------------------------------------------

typedef struct parts {
    slice signed_bytes; // the first two segments as they stand
    buf header, claims, signature;
} parts;

static void parts_done(parts *p) {
    buf_done(&p->header);
    buf_done(&p->claims);
    buf_done(&p->signature);
}
#define auto_parts WRIT_CLEANUP(parts_done) parts

static status split(slice token, parts *ret, err *e) {
    size_t first = slice_find(token, 0, '.');
    size_t second = first == SIZE_MAX ? SIZE_MAX : slice_find(token, first + 1, '.');
    buf_init(&ret->header, JWT_SVID_BYTES_MAX);
    buf_init(&ret->claims, JWT_SVID_BYTES_MAX);
    buf_init(&ret->signature, SIGNATURE_BYTES_MAX);
    if (token.len > JWT_SVID_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "a JWT-SVID of %zu bytes; at most %d are read", token.len,
                       JWT_SVID_BYTES_MAX);
    }
    if (second == SIZE_MAX ||
        base64_decode(BASE64_URL, slice_sub(token, 0, first), &ret->header) != STATUS_OK ||
        base64_decode(BASE64_URL, slice_sub(token, first + 1, second), &ret->claims) != STATUS_OK ||
        base64_decode(BASE64_URL, slice_sub(token, second + 1, token.len), &ret->signature) != STATUS_OK) {
        return err_set(e, STATUS_INVALID, "a JWT-SVID is not three parts in base64url, joined by dots");
    }
    ret->signed_bytes = slice_sub(token, 0, second);
    return STATUS_OK;
}

static status read_header(const json_value *header, const algorithm **ret_algorithm, slice *ret_key, err *e) {
    static const char *const known[] = {"alg", "kid", "typ"};
    const json_value *type = json_get(header, "typ");
    slice name, text;
    if (!json_is_object(header) || json_unknown_member(header, known, 3) != NULL) {
        return err_set(e, STATUS_INVALID,
                       "the header of a JWT-SVID has something else than alg, kid and typ");
    }
    if (type != NULL &&
        !(json_as_text(type, &text) && (slice_equal_text(text, "JWT") || slice_equal_text(text, "JOSE")))) {
        return err_set(e, STATUS_INVALID, "the type of a JWT-SVID is neither JWT nor JOSE");
    }
    if (!json_as_text(json_get(header, "kid"), ret_key)) {
        return err_set(e, STATUS_INVALID, "a JWT-SVID does not name its key (kid)");
    }
    if (!json_as_text(json_get(header, "alg"), &name)) {
        return err_set(e, STATUS_INVALID, "a JWT-SVID names no algorithm");
    }
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (slice_equal_text(name, algorithms[i].name)) {
            *ret_algorithm = &algorithms[i];
            return STATUS_OK;
        }
    }
    return err_set(e, STATUS_DENIED,
                   "a JWT-SVID has another algorithm than RS, PS (256 to 512), ES256, ES384");
}

static status check_signature(const parts *p, const jwt_bundle *bundle, const algorithm *a, slice key_id,
                              err *e) {
    const jwt_key *k = find_key(bundle, key_id);
    if (k == NULL) {
        return err_set(e, STATUS_DENIED, "the key of a JWT-SVID is not among those of the trust domain");
    }
    if (public_key_kind_of(k->key) != a->kind) {
        return err_set(e, STATUS_DENIED, "the key of a JWT-SVID is not one for %s", a->name);
    }
    auto_buf der;
    buf_init(&der, SIGNATURE_BYTES_MAX);
    slice signature = buf_slice(&p->signature);
    if (a->kind != PUBLIC_KEY_RSA) {
        if (signature_from_halves(a->kind, signature, &der) != STATUS_OK) {
            return err_set(e, STATUS_DENIED, "the signature of a JWT-SVID has a wrong length");
        }
        signature = buf_slice(&der);
    }
    return public_key_verify(k->key, a->scheme, p->signed_bytes, signature)
               ? STATUS_OK
               : err_set(e, STATUS_DENIED, "the signature of a JWT-SVID is wrong");
}

static bool has_audience(const json_value *value, slice audience) {
    slice text;
    if (json_as_text(value, &text)) {
        return slice_equal(text, audience);
    }
    bool found = false;
    if (json_count(value) > JWT_AUDIENCES_MAX) {
        return false;
    }
    for (size_t i = 0; i < json_count(value); i++) {
        if (!json_as_text(json_at(value, i), &text)) {
            return false;
        }
        found = found || slice_equal(text, audience);
    }
    return found;
}

static status check_time(const json_value *claims, uint64_t now_s, uint64_t *ret_expiry_s, err *e) {
    const json_value *begin = json_get(claims, "nbf");
    int64_t end_s = 0, begin_s = 0;
    if (!json_as_integer(json_get(claims, "exp"), &end_s) || end_s < 0 ||
        end_s > (int64_t)TOKEN_SECONDS_MAX) {
        return err_set(e, STATUS_INVALID, "a JWT-SVID does not say when it expires");
    }
    if (!json_is_absent(begin) && (!json_as_integer(begin, &begin_s) || begin_s < 0)) {
        return err_set(e, STATUS_INVALID, "a JWT-SVID says wrongly from when on it is valid");
    }
    if (now_s >= (uint64_t)end_s || now_s < (uint64_t)begin_s) {
        return err_set(e, STATUS_TIMEOUT, "a JWT-SVID %s",
                       now_s >= (uint64_t)end_s ? "has expired" : "is not yet valid");
    }
    *ret_expiry_s = (uint64_t)end_s;
    return STATUS_OK;
}

static status check_claims(const json_value *claims, slice trust_domain, slice audience, uint64_t now_s,
                           jwt_svid *ret, err *e) {
    slice subject;
    if (!json_as_text(json_get(claims, "sub"), &subject)) {
        return err_set(e, STATUS_INVALID, "a JWT-SVID has no subject");
    }
    TRY(spiffe_id_parse(subject, &ret->id, e));
    if (!slice_equal(spiffe_id_trust_domain(&ret->id), trust_domain) || spiffe_id_path(&ret->id).len == 0) {
        return err_set(e, STATUS_DENIED, "%s has no path or is not of the trust domain %.*s", ret->id.text,
                       SLICE_ARG(trust_domain));
    }
    if (audience.len == 0 || !has_audience(json_get(claims, "aud"), audience)) {
        return err_set(e, STATUS_DENIED, "a JWT-SVID is not for the audience \"%.*s\"",
                       SLICE_ARG(slice_sub(audience, 0, 200)));
    }
    return check_time(claims, now_s, &ret->expires_at_s, e);
}

status jwt_svid_check(slice token, const jwt_bundle *bundle, slice trust_domain, slice audience,
                      uint64_t now_s, jwt_svid *ret, err *e) {
    auto_parts p = {0};
    const algorithm *a = NULL;
    slice key_id = {0};
    jwt_svid found = {0};
    json_value *header = NULL, *claims = NULL;
    TRY(split(token, &p, e));
    status s = json_parse(buf_slice(&p.header), &header, e);
    s = s == STATUS_OK ? read_header(header, &a, &key_id, e) : s;
    s = s == STATUS_OK ? check_signature(&p, bundle, a, key_id, e) : s;
    s = s == STATUS_OK ? json_parse(buf_slice(&p.claims), &claims, e) : s;
    s = s == STATUS_OK ? check_claims(claims, trust_domain, audience, now_s, &found, e) : s;
    json_free(header);
    json_free(claims);
    if (s == STATUS_OK) {
        *ret = found;
    }
    return s;
}
