// SPDX-License-Identifier: Apache-2.0
#include "crypto/trust_roots.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/buf.h"
#include "base/mem.h"
#include "os/whole_file.h"

enum { FILE_BYTES_MAX = 16 << 20 };

struct trust_roots {
    buf pem;           // emptied once it is parsed
    X509_STORE *store; // NULL until needed
};

// Where distributions keep the bundle: Debian, Fedora, SUSE, Alpine.
static const char *const bundles[] = {"/etc/ssl/certs/ca-certificates.crt",
                                      "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
                                      "/etc/ssl/cert.pem"};

// Adds what the text holds; returns how many certificates that were.
static int add_all(X509_STORE *store, slice pem) {
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    int count = 0;
    if (bio == NULL) {
        return 0;
    }
    for (X509 *one; (one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL; X509_free(one)) {
        count += X509_STORE_add_cert(store, one) == 1;
    }
    BIO_free(bio);
    ERR_clear_error(); // the end of the text counts as an error
    return count;
}

static bool holds_certificates(slice pem) {
    X509_STORE *store = X509_STORE_new();
    int count = store == NULL ? 0 : add_all(store, pem);
    X509_STORE_free(store);
    return count > 0;
}

static status read_extra(trust_roots *r, const char *path, err *e) {
    auto_buf extra;
    buf_init(&extra, FILE_BYTES_MAX);
    if (file_read_whole(path, FILE_BYTES_MAX, &extra, e) != STATUS_OK) {
        return err_wrap(e, "certificate authorities");
    }
    if (!holds_certificates(buf_slice(&extra))) {
        return err_set(e, STATUS_INVALID, "certificate authorities: %s holds no certificate in PEM form",
                       path);
    }
    if (buf_append_byte(&r->pem, '\n') != STATUS_OK || buf_append(&r->pem, buf_slice(&extra)) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "certificate authorities: more than %d bytes", FILE_BYTES_MAX);
    }
    return STATUS_OK;
}

status trust_roots_new(const char *extra_file, trust_roots **ret, err *e) {
    trust_roots *r = MEM_NEW(trust_roots);
    buf_init(&r->pem, FILE_BYTES_MAX);
    for (size_t i = 0; i < sizeof bundles / sizeof bundles[0] && r->pem.len == 0; i++) {
        if (file_read_whole(bundles[i], FILE_BYTES_MAX, &r->pem, NULL) != STATUS_OK) {
            buf_clear(&r->pem);
        }
    }
    status read = extra_file == NULL ? STATUS_OK : read_extra(r, extra_file, e);
    if (read != STATUS_OK) {
        trust_roots_free(r);
        return read;
    }
    *ret = r;
    return STATUS_OK;
}

status trust_roots_from_pem(slice pem, trust_roots **ret, err *e) {
    if (pem.len > FILE_BYTES_MAX || !holds_certificates(pem)) {
        return err_set(e, STATUS_INVALID, "certificate authorities: there is no certificate in PEM form");
    }
    trust_roots *r = MEM_NEW(trust_roots);
    buf_init(&r->pem, FILE_BYTES_MAX);
    status s = buf_append(&r->pem, pem);
    if (s != STATUS_OK) {
        trust_roots_free(r);
        return err_set(e, s, "no memory for certificate authorities");
    }
    *ret = r;
    return STATUS_OK;
}

void trust_roots_free(trust_roots *r) {
    if (r != NULL) {
        buf_done(&r->pem);
        X509_STORE_free(r->store);
        mem_free(r);
    }
}

status trust_roots_apply(trust_roots *r, void *ssl_context, err *e) {
    if (r->store == NULL) {
        r->store = X509_STORE_new();
        if (r->store == NULL) {
            return err_set(e, STATUS_LIMIT, "no memory for certificate authorities");
        }
        add_all(r->store, buf_slice(&r->pem));
        buf_done(&r->pem);
        buf_init(&r->pem, 0);
    }
    SSL_CTX_set1_cert_store(ssl_context, r->store);
    return STATUS_OK;
}
