// SPDX-License-Identifier: Apache-2.0
#include "crypto/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/mem.h"

enum {
    HOST_BYTES_MAX = 253,
    CHAIN_MAX = 16,
    OUT_BYTES_MAX = 16 << 20, // far over what one write of a caller makes
    KEPT_BYTES = 128 << 10,
    ALERT_REASONS = 1000, // reasons from here on are alerts of the peer
    ALERT_REASONS_END = 1256,
};

struct tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *carrier; // reads `in` of a session, writes its `out`
    unsigned users;      // its owner and its sessions
};

struct tls_session {
    tls_context *context;
    SSL *ssl;
    char host[HOST_BYTES_MAX + 1];
    buf in;
    size_t in_start;
    buf out;
    size_t out_start;
    bool is_broken; // no call goes on
};

// --- the library's view of the network ---------------------------------------------------------------------

static int carrier_read(BIO *b, char *to, int room) {
    tls_session *s = BIO_get_data(b);
    size_t left = s->in.len - s->in_start;
    size_t n = room > 0 && (size_t)room < left ? (size_t)room : left;
    BIO_clear_retry_flags(b);
    if (n == 0 || room <= 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    memcpy(to, s->in.data + s->in_start, n);
    s->in_start += n;
    return (int)n;
}

static int carrier_write(BIO *b, const char *bytes, int len) {
    tls_session *s = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    return len >= 0 && buf_append(&s->out, slice_of(bytes, (size_t)len)) == STATUS_OK ? len : -1;
}

static long carrier_control(BIO *b, int command, long number, void *pointer) {
    (void)b, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *carrier_new(void) {
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "writ");
    if (m != NULL) {
        BIO_meth_set_read(m, carrier_read);
        BIO_meth_set_write(m, carrier_write);
        BIO_meth_set_ctrl(m, carrier_control);
    }
    return m;
}

// --- contexts ----------------------------------------------------------------------------------------------

static int no_passphrase(char *to, int room, int is_writing, void *arg) {
    (void)to, (void)room, (void)is_writing, (void)arg;
    return -1;
}

static bool add_certificates(SSL_CTX *ssl, slice pem) {
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    int count = 0;
    bool ok = bio != NULL;
    while (ok) {
        X509 *one = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        if (one == NULL) {
            break;
        }
        ok = count == 0 ? SSL_CTX_use_certificate(ssl, one) == 1
                        : count < CHAIN_MAX && SSL_CTX_add1_chain_cert(ssl, one) == 1;
        count++;
        X509_free(one);
    }
    BIO_free(bio);
    return ok && count > 0;
}

static bool add_key(SSL_CTX *ssl, slice pem) {
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    bool ok = key != NULL && SSL_CTX_use_PrivateKey(ssl, key) == 1 && SSL_CTX_check_private_key(ssl) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    return ok;
}

static status add_identity(SSL_CTX *ssl, const tls_options *o, err *e) {
    if ((o->certificate.len == 0) != (o->key.len == 0)) {
        return err_set(e, STATUS_INVALID,
                       "TLS: a client certificate and its key go together: give both or none");
    }
    if (o->certificate.len == 0) {
        return STATUS_OK;
    }
    if (o->certificate.len > TLS_PEM_BYTES_MAX || !add_certificates(ssl, o->certificate)) {
        return err_set(e, STATUS_INVALID,
                       "TLS: the client certificate is no chain of certificates in PEM form");
    }
    if (o->key.len > TLS_PEM_BYTES_MAX || !add_key(ssl, o->key)) {
        return err_set(
            e, STATUS_INVALID,
            "TLS: the client key is no private key in PEM form without a passphrase, or not that of "
            "the certificate");
    }
    return STATUS_OK;
}

static status add_trust(SSL_CTX *ssl, const tls_options *o, err *e) {
    if (o->ca.len == 0) {
        return o->roots != NULL ? trust_roots_apply(o->roots, ssl, e)
                                : err_set(e, STATUS_INVALID, "TLS: there is nobody to trust: name a CA");
    }
    trust_roots *own;
    TRY(trust_roots_from_pem(o->ca, &own, e));
    status s = trust_roots_apply(own, ssl, e);
    trust_roots_free(own);
    return s;
}

static void release(tls_context *c) {
    if (--c->users == 0) {
        SSL_CTX_free(c->ssl);
        BIO_meth_free(c->carrier);
        mem_free(c);
    }
}

void tls_context_free(tls_context *c) {
    if (c != NULL) {
        release(c);
    }
}

status tls_context_new(const tls_options *options, tls_context **ret, err *e) {
    tls_context *c = MEM_NEW(tls_context);
    c->users = 1;
    c->ssl = SSL_CTX_new(TLS_client_method());
    c->carrier = carrier_new();
    if (c->ssl == NULL || c->carrier == NULL || SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION) != 1) {
        release(c);
        return err_set(e, STATUS_LIMIT, "TLS: no memory for a context");
    }
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
    status s = add_trust(c->ssl, options, e);
    if (s == STATUS_OK) {
        s = add_identity(c->ssl, options, e);
    }
    ERR_clear_error();
    if (s != STATUS_OK) {
        release(c);
        return s;
    }
    *ret = c;
    return STATUS_OK;
}

// --- sessions ----------------------------------------------------------------------------------------------

// Who is meant: the certificate must have it, and a name is told to the server.
static bool set_host(tls_session *s) {
    X509_VERIFY_PARAM *p = SSL_get0_param(s->ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(p, s->host) == 1) {
        return true;
    }
    X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(p, s->host, 0) == 1 && SSL_set_tlsext_host_name(s->ssl, s->host) == 1;
}

static bool set_carrier(tls_session *s) {
    BIO *b = BIO_new(s->context->carrier);
    if (b == NULL) {
        return false;
    }
    BIO_set_data(b, s);
    BIO_set_init(b, 1);
    SSL_set_bio(s->ssl, b, b); // owns it
    return true;
}

status tls_session_new(tls_context *c, slice host, tls_session **ret, err *e) {
    if (host.len > 1 && host.data[host.len - 1] == '.') {
        host.len--; // certificates have names without the root's dot
    }
    if (host.len == 0 || host.len > HOST_BYTES_MAX || memchr(host.data, 0, host.len) != NULL) {
        return err_set(e, STATUS_INVALID, "TLS: the host is a name or an address of 1 to %d bytes",
                       HOST_BYTES_MAX);
    }
    tls_session *s = MEM_NEW(tls_session);
    s->context = c;
    c->users++;
    memcpy(s->host, host.data, host.len);
    buf_init(&s->in, TLS_HELD_BYTES_MAX);
    buf_init(&s->out, OUT_BYTES_MAX);
    s->ssl = SSL_new(c->ssl);
    if (s->ssl == NULL || !set_host(s) || !set_carrier(s)) {
        ERR_clear_error();
        tls_session_free(s);
        return err_set(e, STATUS_INVALID, "TLS: no session for the host %.*s", SLICE_ARG(host));
    }
    SSL_set_connect_state(s->ssl);
    *ret = s;
    return STATUS_OK;
}

void tls_session_free(tls_session *s) {
    if (s != NULL) {
        SSL_free(s->ssl);
        buf_done(&s->in);
        buf_done(&s->out);
        release(s->context);
        mem_free(s);
    }
}

// --- the network's side ------------------------------------------------------------------------------------

// Drops what was used; large memory goes once it is empty.
static void tidy(buf *b, size_t *start) {
    if (*start < b->len) {
        buf_consume(b, *start);
    } else if (b->capacity > KEPT_BYTES) {
        size_t max = b->max;
        buf_done(b);
        buf_init(b, max);
    } else {
        buf_clear(b);
    }
    *start = 0;
}

status tls_session_put(tls_session *s, slice bytes, size_t *ret, err *e) {
    tidy(&s->in, &s->in_start);
    size_t room = TLS_HELD_BYTES_MAX - s->in.len;
    slice taken = slice_sub(bytes, 0, room);
    if (buf_append(&s->in, taken) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "TLS: no memory for what the peer sends");
    }
    *ret = taken.len;
    return STATUS_OK;
}

slice tls_session_pending(tls_session *s) { return slice_sub(buf_slice(&s->out), s->out_start, s->out.len); }

void tls_session_sent(tls_session *s, size_t bytes) {
    s->out_start += bytes;
    if (s->out_start == s->out.len) {
        tidy(&s->out, &s->out_start);
    }
}

// --- the plain side ----------------------------------------------------------------------------------------

static status fail(tls_session *s, err *e) {
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    const char *text = ERR_reason_error_string(error);
    long verified = SSL_get_verify_result(s->ssl);
    s->is_broken = true;
    ERR_clear_error();
    if (verified != X509_V_OK) {
        return err_set(e, STATUS_DENIED, "TLS: the certificate of %s is not believed: %s", s->host,
                       X509_verify_cert_error_string(verified));
    }
    if (reason >= ALERT_REASONS && reason < ALERT_REASONS_END) {
        return err_set(e, STATUS_DENIED, "TLS: %s refuses the connection: %s", s->host,
                       text != NULL ? text : "no reason given");
    }
    return err_set(e, STATUS_INVALID, "TLS: what %s sent is no TLS that is spoken here: %s", s->host,
                   text != NULL ? text : "no reason given");
}

// What a call of the library that did not succeed means.
static status not_done(tls_session *s, int result, err *e) {
    switch (SSL_get_error(s->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return STATUS_NOT_FOUND;
    case SSL_ERROR_ZERO_RETURN:
        return err_set(e, STATUS_CLOSED, "%s closed the connection", s->host);
    default:
        return fail(s, e);
    }
}

static status check_usable(const tls_session *s, err *e) {
    return s->is_broken ? err_set(e, STATUS_INVALID, "TLS: the session with %s has ended", s->host)
                        : STATUS_OK;
}

status tls_session_handshake(tls_session *s, err *e) {
    TRY(check_usable(s, e));
    ERR_clear_error();
    int result = SSL_do_handshake(s->ssl);
    return result == 1 ? STATUS_OK : not_done(s, result, e);
}

status tls_session_read(tls_session *s, uint8_t *to, size_t room, size_t *ret, err *e) {
    TRY(check_usable(s, e));
    ERR_clear_error();
    int result = SSL_read_ex(s->ssl, to, room, ret);
    return result == 1 ? STATUS_OK : not_done(s, result, e);
}

status tls_session_write(tls_session *s, slice plain, err *e) {
    TRY(check_usable(s, e));
    if (plain.len == 0) {
        return STATUS_OK;
    }
    size_t written = 0;
    ERR_clear_error();
    return SSL_write_ex(s->ssl, plain.data, plain.len, &written) == 1 && written == plain.len ? STATUS_OK
                                                                                              : fail(s, e);
}

void tls_session_close(tls_session *s) {
    if (!s->is_broken && SSL_is_init_finished(s->ssl)) {
        (void)SSL_shutdown(s->ssl);
    }
    s->is_broken = true;
    ERR_clear_error();
}
