// SPDX-License-Identifier: Apache-2.0
#include "crypto/certificate.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <time.h>

#include "base/arena.h"
#include "base/mem.h"
#include "crypto/certificate_internal.h"
#include "crypto/pem.h"

// Of everything that is copied out of one certificate; it has at most CERTIFICATE_BYTES_MAX itself.
enum { COPY_BYTES_MAX = 4 * CERTIFICATE_BYTES_MAX, SECURITY_LEVEL = 2 };

// By certificate_purpose.
static const uint32_t purpose_bits[] = {0, XKU_CODE_SIGN, XKU_TIMESTAMP, XKU_SSL_SERVER, XKU_SSL_CLIENT};

struct certificate {
    X509 *x509;
    public_key *key;
    arena memory; // of all that follows
    slice der;
    slice subject;
    certificate_name *names;
    size_t name_count;
    int64_t not_before_s;
    int64_t not_after_s;
    uint32_t flags; // X509_get_extension_flags
};

// --- reading -----------------------------------------------------------------------------------------------

static bool seconds_of(const ASN1_TIME *t, int64_t *ret) {
    struct tm parts = {0};
    if (ASN1_TIME_to_tm(t, &parts) != 1) {
        return false;
    }
    *ret = (int64_t)timegm(&parts);
    return true;
}

static status read_subject(certificate *c, err *e) {
    BIO *out = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (out == NULL || X509_NAME_print_ex(out, X509_get_subject_name(c->x509), 0, XN_FLAG_RFC2253) < 0) {
        BIO_free(out);
        return err_set(e, STATUS_INVALID, "the subject of a certificate cannot be read");
    }
    long len = BIO_get_mem_data(out, &text);
    c->subject = arena_copy(&c->memory, slice_of(text, (size_t)len));
    BIO_free(out);
    return len == 0 || c->subject.data != NULL
               ? STATUS_OK
               : err_set(e, STATUS_LIMIT, "a certificate's subject is too long");
}

static certificate_name name_of(const GENERAL_NAME *g) {
    const ASN1_IA5STRING *text = NULL;
    certificate_name n = {.kind = CERTIFICATE_NAME_OTHER};
    switch (g->type) {
    case GEN_URI:
        n.kind = CERTIFICATE_NAME_URI;
        text = g->d.uniformResourceIdentifier;
        break;
    case GEN_EMAIL:
        n.kind = CERTIFICATE_NAME_EMAIL;
        text = g->d.rfc822Name;
        break;
    case GEN_DNS:
        n.kind = CERTIFICATE_NAME_DNS;
        text = g->d.dNSName;
        break;
    default:
        break;
    }
    if (text != NULL) {
        n.text = slice_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
    }
    return n;
}

static bool is_printable(slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] > 0x7e) {
            return false;
        }
    }
    return text.len > 0;
}

static status copy_names(certificate *c, const GENERAL_NAMES *names, err *e) {
    int count = sk_GENERAL_NAME_num(names);
    if (count > CERTIFICATE_NAMES_MAX) {
        return err_set(e, STATUS_LIMIT, "a certificate has more than %d alternative names",
                       CERTIFICATE_NAMES_MAX);
    }
    c->names = ARENA_ARRAY(&c->memory, certificate_name, (size_t)count);
    for (int i = 0; c->names != NULL && i < count; i++) {
        certificate_name n = name_of(sk_GENERAL_NAME_value(names, i));
        if (n.kind != CERTIFICATE_NAME_OTHER && !is_printable(n.text)) {
            return err_set(e, STATUS_INVALID,
                           "an alternative name of a certificate is empty or not of printable ASCII");
        }
        n.text = n.text.len == 0 ? slice_empty() : arena_copy(&c->memory, n.text);
        if (n.kind != CERTIFICATE_NAME_OTHER && n.text.data == NULL) {
            return err_set(e, STATUS_LIMIT, "a certificate's names are too long");
        }
        c->names[c->name_count++] = n;
    }
    return c->names != NULL ? STATUS_OK : err_set(e, STATUS_LIMIT, "a certificate's names are too long");
}

static status read_names(certificate *c, err *e) {
    int found = -1; // becomes -2 when the extension is there twice
    GENERAL_NAMES *names = X509_get_ext_d2i(c->x509, NID_subject_alt_name, &found, NULL);
    if (names == NULL) {
        return found == -1 ? STATUS_OK
                           : err_set(e, STATUS_INVALID, "the alternative names of a certificate are broken");
    }
    status s = copy_names(c, names, e);
    GENERAL_NAMES_free(names);
    return s;
}

static status read_key(certificate *c, err *e) {
    X509_PUBKEY *info = X509_get_X509_PUBKEY(c->x509);
    uint8_t *der = NULL;
    int len = info == NULL ? 0 : i2d_X509_PUBKEY(info, &der);
    status s = len <= 0 ? err_set(e, STATUS_INVALID, "a certificate has no public key that can be read")
                        : public_key_from_der(slice_of(der, (size_t)len), &c->key, e);
    OPENSSL_free(der);
    return s;
}

static status read_facts(certificate *c, slice der, err *e) {
    c->der = arena_copy(&c->memory, der);
    c->flags = X509_get_extension_flags(c->x509);
    if (c->der.data == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for a certificate");
    }
    if ((c->flags & EXFLAG_INVALID) != 0) {
        return err_set(e, STATUS_INVALID, "the extensions of a certificate are broken or there twice");
    }
    if (!seconds_of(X509_get0_notBefore(c->x509), &c->not_before_s) ||
        !seconds_of(X509_get0_notAfter(c->x509), &c->not_after_s)) {
        return err_set(e, STATUS_INVALID, "the validity of a certificate cannot be read");
    }
    TRY(read_key(c, e));
    TRY(read_subject(c, e));
    return read_names(c, e);
}

// Reads one certificate at the start of `der` and says how long it is.
static status read_first(slice der, certificate **ret, size_t *ret_len, err *e) {
    const uint8_t *at = der.data;
    X509 *x509 = der.len == 0 ? NULL : d2i_X509(NULL, &at, (long)der.len);
    ERR_clear_error();
    if (x509 == NULL) {
        return err_set(e, STATUS_INVALID, "these %zu bytes are no certificate in DER form", der.len);
    }
    size_t len = (size_t)(at - der.data);
    certificate *c = MEM_NEW(certificate);
    c->x509 = x509;
    arena_init(&c->memory, COPY_BYTES_MAX);
    status s = len > CERTIFICATE_BYTES_MAX
                   ? err_set(e, STATUS_LIMIT, "a certificate of %zu bytes is larger than %d", len,
                             CERTIFICATE_BYTES_MAX)
                   : read_facts(c, slice_sub(der, 0, len), e);
    ERR_clear_error();
    if (s != STATUS_OK) {
        certificate_free(c);
        return s;
    }
    *ret = c;
    *ret_len = len;
    return STATUS_OK;
}

status certificate_from_der(slice der, certificate **ret, err *e) {
    if (der.len > CERTIFICATE_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "a certificate of %zu bytes is larger than %d", der.len,
                       CERTIFICATE_BYTES_MAX);
    }
    certificate *c = NULL;
    size_t len = 0;
    TRY(read_first(der, &c, &len, e));
    if (len != der.len) {
        certificate_free(c);
        return err_set(e, STATUS_INVALID, "%zu bytes stand behind a certificate", der.len - len);
    }
    *ret = c;
    return STATUS_OK;
}

void certificate_free(certificate *c) {
    if (c != NULL) {
        X509_free(c->x509);
        public_key_free(c->key);
        arena_done(&c->memory);
        mem_free(c);
    }
}

// --- lists -------------------------------------------------------------------------------------------------

status certificate_list_add(certificate_list *l, certificate *c, err *e) {
    if (l->count >= CERTIFICATE_COUNT_MAX) {
        certificate_free(c);
        return err_set(e, STATUS_LIMIT, "more than %d certificates in one list", CERTIFICATE_COUNT_MAX);
    }
    l->items = mem_resize(l->items, (l->count + 1) * sizeof(certificate *));
    l->items[l->count++] = c;
    return STATUS_OK;
}

void certificate_list_free(certificate_list *l) {
    for (size_t i = 0; i < l->count; i++) {
        certificate_free(l->items[i]);
    }
    mem_free(l->items);
    *l = (certificate_list){0};
}

static status add_block(certificate_list *l, const pem_block *block, err *e) {
    certificate *c = NULL;
    if (strcmp(block->name, "CERTIFICATE") != 0) {
        return err_set(e, STATUS_INVALID, "a certificate was expected, and this is a \"%s\"", block->name);
    }
    TRY(certificate_from_der(pem_bytes(block), &c, e));
    return certificate_list_add(l, c, e);
}

status certificate_list_from_pem(slice pem, certificate_list *ret, err *e) {
    pem_reader r = {0};
    certificate_list l = {0};
    TRY(pem_begin(pem, CERTIFICATE_PEM_BYTES_MAX, &r, e));
    status s = STATUS_OK;
    while (s == STATUS_OK) {
        pem_block block = {0};
        s = pem_next(&r, &block, e);
        s = s == STATUS_OK ? add_block(&l, &block, e) : s;
        pem_block_drop(&block);
    }
    pem_end(&r);
    if (s == STATUS_NOT_FOUND && l.count > 0) {
        err_clear(e);
        *ret = l;
        return STATUS_OK;
    }
    certificate_list_free(&l);
    return s == STATUS_NOT_FOUND
               ? err_set(e, STATUS_INVALID, "no certificate (\"-----BEGIN CERTIFICATE-----\") in the text")
               : s;
}

status certificate_list_from_der(slice der, certificate_list *ret, err *e) {
    certificate_list l = {0};
    status s = der.len > 0 ? STATUS_OK : err_set(e, STATUS_INVALID, "an empty list of certificates");
    while (s == STATUS_OK && der.len > 0) {
        certificate *c = NULL;
        size_t len = 0;
        s = read_first(slice_sub(der, 0, CERTIFICATE_BYTES_MAX), &c, &len, e);
        s = s == STATUS_OK ? certificate_list_add(&l, c, e) : s;
        der = slice_sub(der, len, der.len);
    }
    if (s != STATUS_OK) {
        certificate_list_free(&l);
        return s;
    }
    *ret = l;
    return STATUS_OK;
}

// --- what it says ------------------------------------------------------------------------------------------

slice certificate_der(const certificate *c) { return c->der; }
const public_key *certificate_key(const certificate *c) { return c->key; }
int64_t certificate_not_before_s(const certificate *c) { return c->not_before_s; }
int64_t certificate_not_after_s(const certificate *c) { return c->not_after_s; }
slice certificate_subject(const certificate *c) { return c->subject; }
bool certificate_is_version_3(const certificate *c) { return X509_get_version(c->x509) == X509_VERSION_3; }
// The flag of basic constraints alone: X509_check_ca says no to an authority whose key usage does not let it
// sign.
bool certificate_is_authority(const certificate *c) { return (c->flags & EXFLAG_CA) != 0; }

bool certificate_allows(const certificate *c, unsigned usage) {
    uint32_t present = (c->flags & EXFLAG_KUSAGE) != 0 ? X509_get_key_usage(c->x509) : 0;
    unsigned allowed = ((present & KU_DIGITAL_SIGNATURE) != 0 ? CERTIFICATE_DIGITAL_SIGNATURE : 0u) |
                       ((present & KU_KEY_CERT_SIGN) != 0 ? CERTIFICATE_CERT_SIGN : 0u) |
                       ((present & KU_CRL_SIGN) != 0 ? CERTIFICATE_CRL_SIGN : 0u);
    return (allowed & usage) == usage;
}

bool certificate_is_for(const certificate *c, certificate_purpose purpose) {
    return (c->flags & EXFLAG_XKUSAGE) != 0 &&
           (X509_get_extended_key_usage(c->x509) & purpose_bits[purpose]) != 0;
}

size_t certificate_name_count(const certificate *c) { return c->name_count; }
certificate_name certificate_name_at(const certificate *c, size_t index) { return c->names[index]; }

bool certificate_has_name(const certificate *c, certificate_name_kind kind, slice text) {
    for (size_t i = 0; i < c->name_count; i++) {
        if (c->names[i].kind == kind && slice_equal(c->names[i].text, text)) {
            return true;
        }
    }
    return false;
}

bool certificate_extension(const certificate *c, const char *oid, slice *ret) {
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    int at = object == NULL ? -1 : X509_get_ext_by_OBJ(c->x509, object, -1);
    bool once = at >= 0 && X509_get_ext_by_OBJ(c->x509, object, at) < 0;
    ASN1_OBJECT_free(object);
    if (!once) {
        return false;
    }
    const ASN1_OCTET_STRING *data = X509_EXTENSION_get_data(X509_get_ext(c->x509, at));
    *ret = slice_of(ASN1_STRING_get0_data(data), (size_t)ASN1_STRING_length(data));
    return true;
}

bool certificate_der_text(slice der, slice *ret) {
    const uint8_t *at = der.data;
    long len = 0;
    int tag = 0, class = 0;
    if (der.len == 0 || der.len > CERTIFICATE_BYTES_MAX) {
        return false;
    }
    int form = ASN1_get_object(&at, &len, &tag, &class, (long)der.len);
    ERR_clear_error();
    bool whole = form == 0 && class == V_ASN1_UNIVERSAL && len >= 0 && at + len == der.data + der.len;
    if (!whole || (tag != V_ASN1_UTF8STRING && tag != V_ASN1_IA5STRING)) {
        return false;
    }
    *ret = slice_of(at, (size_t)len);
    return true;
}

// --- chains ------------------------------------------------------------------------------------------------

X509_STORE *certificate_store(const certificate_list *roots, int64_t at_s) {
    X509_STORE *store = X509_STORE_new(); // empty: nothing of this machine is in it
    for (size_t i = 0; store != NULL && i < roots->count; i++) {
        if (X509_STORE_add_cert(store, roots->items[i]->x509) != 1) {
            X509_STORE_free(store);
            return NULL;
        }
    }
    if (store != NULL) {
        X509_VERIFY_PARAM *p = X509_STORE_get0_param(store);
        X509_VERIFY_PARAM_set_time(p, (time_t)at_s); // also switches the machine's clock off
        X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN);
        X509_VERIFY_PARAM_set_depth(p, CERTIFICATE_DEPTH_MAX);
        X509_VERIFY_PARAM_set_auth_level(p, SECURITY_LEVEL);
    }
    return store;
}

STACK_OF(X509) * certificate_stack(const certificate_list *l) {
    STACK_OF(X509) *stack = sk_X509_new_null();
    for (size_t i = 0; stack != NULL && l != NULL && i < l->count; i++) {
        if (sk_X509_push(stack, l->items[i]->x509) <= 0) {
            sk_X509_free(stack);
            return NULL;
        }
    }
    return stack;
}

// OpenSSL 3.0 knows no code signing purpose, and takes some old certificates without basic constraints for
// authorities.
static status check_authorities(STACK_OF(X509) * chain, certificate_purpose purpose, err *e) {
    for (int i = 1; i < sk_X509_num(chain); i++) {
        X509 *one = sk_X509_value(chain, i);
        if (X509_check_ca(one) != 1) {
            return err_set(e, STATUS_DENIED, "certificate %d of the chain is no authority", i + 1);
        }
        bool restricted = (X509_get_extension_flags(one) & EXFLAG_XKUSAGE) != 0;
        uint32_t allowed = restricted ? X509_get_extended_key_usage(one) : UINT32_MAX;
        if (purpose != CERTIFICATE_ANY_PURPOSE && (allowed & (purpose_bits[purpose] | XKU_ANYEKU)) == 0) {
            return err_set(e, STATUS_DENIED,
                           "certificate %d of the chain may not issue certificates for this purpose", i + 1);
        }
    }
    return STATUS_OK;
}

static status verify_in_context(X509_STORE_CTX *x, const certificate_rules *rules, err *e) {
    int good = X509_verify_cert(x);
    int why = X509_STORE_CTX_get_error(x);
    if (good == 1 && why == X509_V_OK) {
        return check_authorities(X509_STORE_CTX_get0_chain(x), rules->purpose, e);
    }
    bool is_time = why == X509_V_ERR_CERT_NOT_YET_VALID || why == X509_V_ERR_CERT_HAS_EXPIRED;
    return err_set(e, is_time ? STATUS_TIMEOUT : STATUS_DENIED,
                   "the certificate does not lead to a trusted authority: %s (certificate %d of the chain)",
                   X509_verify_cert_error_string(why), X509_STORE_CTX_get_error_depth(x) + 1);
}

static status check_leaf(const certificate *leaf, const certificate_rules *rules, err *e) {
    if (certificate_is_authority(leaf)) {
        return err_set(e, STATUS_DENIED, "the certificate is an authority's, not one of a signer");
    }
    if (rules->purpose != CERTIFICATE_ANY_PURPOSE && !certificate_is_for(leaf, rules->purpose)) {
        return err_set(e, STATUS_DENIED, "the certificate is not made for this purpose (extended key usage)");
    }
    if (rules->at_s < leaf->not_before_s || rules->at_s > leaf->not_after_s) {
        return err_set(e, STATUS_TIMEOUT, "the certificate was %s at that time",
                       rules->at_s < leaf->not_before_s ? "not yet valid" : "no longer valid");
    }
    return STATUS_OK;
}

status certificate_verify(const certificate *leaf, const certificate_list *untrusted,
                          const certificate_list *roots, const certificate_rules *rules, err *e) {
    TRY(check_leaf(leaf, rules, e));
    X509_STORE *store = certificate_store(roots, rules->at_s);
    STACK_OF(X509) *stack = certificate_stack(untrusted);
    X509_STORE_CTX *x = X509_STORE_CTX_new();
    status s = STATUS_OK;
    if (store == NULL || stack == NULL || x == NULL ||
        X509_STORE_CTX_init(x, store, leaf->x509, stack) != 1) {
        s = err_set(e, STATUS_LIMIT, "no memory to verify a certificate");
    } else {
        s = verify_in_context(x, rules, e);
    }
    X509_STORE_CTX_free(x);
    sk_X509_free(stack);
    X509_STORE_free(store);
    ERR_clear_error();
    return s;
}
