// SPDX-License-Identifier: Apache-2.0
// Everything that reads what a SPIFFE workload API says. The first byte tells what follows:
//
//   i  a SPIFFE ID
//   c  two bytes of length, so many bytes of certificates in DER (the chain), then those of the bundle
//   x  the message X509SVIDResponse, read as a whole: certificates, key, bundles of others
//   j  a JWT-SVID, and behind a zero byte the JWK set of its trust domain
//   t  the message JWTSVIDResponse
//   b  the message JWTBundlesResponse
//   g  an answer of gRPC: a byte that says how the body is cut, lines up to an empty one, the body
//
// links: identity net
#include "base/check.h"
#include "base/mem.h"
#include "fuzz.h"
#include "identity/jwt_svid.h"
#include "identity/svid.h"
#include "identity/workload_api.h"
#include "identity/x509_svid.h"
#include "net/grpc_answer.h"

enum { NOW_S = 1800000000, MESSAGE_BYTES_MAX = 4096, MESSAGES_MAX = 64 };
#define DOMAIN "example.org"

// The rules of the standard, written a second time.
static void check_id(const spiffe_id *id) {
    slice domain = spiffe_id_trust_domain(id), path = spiffe_id_path(id), whole = spiffe_id_text(id);
    CHECK(whole.len <= SPIFFE_ID_BYTES_MAX && id->text[whole.len] == '\0');
    CHECK(strlen(id->text) == whole.len && strpbrk(id->text, " %?#@[]\\\"\n\x1b") == NULL);
    CHECK(domain.len > 0 && domain.len <= SPIFFE_TRUST_DOMAIN_BYTES_MAX);
    CHECK(sizeof "spiffe://" - 1 + domain.len + path.len == whole.len);
    CHECK(slice_find(domain, 0, '/') == SIZE_MAX && slice_find(domain, 0, ':') == SIZE_MAX);
    CHECK(path.len == 0 || (path.data[0] == '/' && path.data[path.len - 1] != '/'));
    CHECK(strstr(id->text + sizeof "spiffe://" - 1, "//") == NULL && strstr(id->text, "/./") == NULL &&
          strstr(id->text, "/../") == NULL);
    CHECK(path.len < 3 || memcmp(path.data + path.len - 3, "/..", 3) != 0);
}

static void try_id(slice text) {
    spiffe_id id, again;
    err e = {0};
    if (spiffe_id_parse(text, &id, &e) != STATUS_OK) {
        CHECK(e.message[0] != '\0');
        return;
    }
    CHECK(slice_equal(spiffe_id_text(&id), text));
    check_id(&id);
    CHECK(spiffe_id_parse(spiffe_id_text(&id), &again, NULL) == STATUS_OK && spiffe_id_equal(&id, &again));
}

static void try_chain(slice bytes) {
    certificate_list chain = {0}, bundle = {0};
    spiffe_id id;
    err e = {0};
    size_t len = bytes.len < 2 ? 0 : (size_t)bytes.data[0] << 8 | bytes.data[1];
    if (certificate_list_from_der(slice_sub(bytes, 2, 2 + len), &chain, NULL) == STATUS_OK &&
        certificate_list_from_der(slice_sub(bytes, 2 + len, bytes.len), &bundle, NULL) == STATUS_OK) {
        if (x509_svid_check(&chain, &bundle, slice_from_text(DOMAIN), NOW_S, &id, &e) == STATUS_OK) {
            check_id(&id);
            CHECK(slice_equal_text(spiffe_id_trust_domain(&id), DOMAIN) && spiffe_id_path(&id).len > 0);
            CHECK(!certificate_is_authority(chain.items[0]));
        } else {
            CHECK(e.message[0] != '\0');
        }
    }
    certificate_list_free(&chain);
    certificate_list_free(&bundle);
}

// The authorities come with the message, so that it may be believed.
static void try_x509_message(slice message) {
    svid s = {0};
    err e = {0};
    if (svid_read(message, NOW_S, &s, &e) == STATUS_OK) {
        check_id(&s.id);
        CHECK(s.key.len > 0 && s.chain.count > 0 && s.bundle.count > 0);
        CHECK(s.not_before_s <= NOW_S && NOW_S <= s.not_after_s);
    } else {
        CHECK(e.message[0] != '\0' && s.key.data == NULL);
    }
    svid_done(&s);
}

static void try_token(slice token, slice keys) {
    jwt_bundle *bundle = NULL;
    jwt_svid found;
    err e = {0};
    if (jwt_bundle_parse(keys, &bundle, &e) != STATUS_OK) {
        CHECK(bundle == NULL && e.message[0] != '\0');
        return;
    }
    slice domain = slice_from_text(DOMAIN);
    if (jwt_svid_check(token, bundle, domain, slice_from_text("reports"), NOW_S, &found, &e) == STATUS_OK) {
        check_id(&found.id);
        CHECK(slice_equal(spiffe_id_trust_domain(&found.id), domain) && found.expires_at_s > NOW_S);
    } else {
        CHECK(e.message[0] != '\0');
    }
    CHECK(jwt_svid_check(token, bundle, domain, slice_empty(), NOW_S, &found, NULL) != STATUS_OK);
    jwt_bundle_free(bundle);
}

static void try_jwt_message(slice message) {
    workload_jwt_reply r = {0};
    if (workload_jwt_reply_read(message, &r, NULL) == STATUS_OK) {
        try_id(r.id);
        try_token(r.token, slice_from_text("{\"keys\":[]}"));
    }
    secret_free(&r.memory);
}

static void try_bundles_message(slice message) {
    workload_bundles_reply r = {0};
    if (workload_bundles_reply_read(message, &r, NULL) == STATUS_OK) {
        CHECK(r.count <= WORKLOAD_API_BUNDLES_MAX);
        for (size_t i = 0; i < r.count; i++) {
            try_id(r.at[i].trust_domain);
            try_token(slice_from_text("e30.e30."), r.at[i].bytes);
        }
    }
    secret_free(&r.memory);
}

// --- gRPC --------------------------------------------------------------------------------------------------

typedef struct messages {
    size_t count;
    size_t bytes;
    uint32_t sum;
} messages;

static status on_message(void *arg, secret *message, err *e) {
    messages *m = arg;
    for (size_t i = 0; i < message->len; i++) {
        m->sum = m->sum * 31 + message->data[i];
    }
    CHECK(message->len <= MESSAGE_BYTES_MAX);
    m->bytes += message->len;
    m->sum = m->sum * 31 + 1;
    secret_free(message);
    return ++m->count <= MESSAGES_MAX ? STATUS_OK : err_set(e, STATUS_LIMIT, "many messages");
}

// Feeds the body in pieces of this size (0 = at once).
static status feed(slice head, slice body, size_t piece, messages *ret) {
    grpc_answer a = {.message_bytes_max = MESSAGE_BYTES_MAX, .message = on_message, .arg = ret};
    status s = STATUS_OK;
    err e = {0};
    for (size_t at = 0; s == STATUS_OK && at < head.len;) {
        size_t end = slice_find(head, at, '\n');
        end = end == SIZE_MAX ? head.len : end + 1;
        s = grpc_answer_line(&a, slice_sub(head, at, end), &e);
        at = end;
    }
    piece = piece == 0 ? body.len : piece;
    for (size_t at = 0; s == STATUS_OK && at < body.len; at += piece) {
        s = grpc_answer_body(&a, slice_sub(body, at, at + piece), &e);
    }
    CHECK(s == STATUS_OK || e.message[0] != '\0');
    CHECK(a.code <= 16 && strlen(a.text) < GRPC_TEXT_BYTES_MAX && (a.is_grpc || ret->count == 0));
    for (const char *c = a.text; *c != '\0'; c++) {
        CHECK(*c >= 0x20 && *c < 0x7f);
    }
    grpc_answer_done(&a);
    return s;
}

// However the body is cut, the same messages come out of it.
static void try_answer(slice bytes) {
    size_t piece = bytes.len == 0 ? 0 : bytes.data[0];
    size_t end = 1;
    while (end < bytes.len && !(bytes.data[end - 1] == '\n' && bytes.data[end] == '\n')) {
        end++;
    }
    slice head = slice_sub(bytes, 1, end), body = slice_sub(bytes, end + 1, bytes.len);
    messages once = {0}, cut = {0};
    status s = feed(head, body, 0, &once);
    CHECK(feed(head, body, piece, &cut) == s);
    CHECK(once.count == cut.count && once.bytes == cut.bytes && once.sum == cut.sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    slice rest = size == 0 ? slice_empty() : slice_of(data + 1, size - 1);
    size_t zero = slice_find(rest, 0, 0);
    switch (size == 0 ? 0 : data[0]) {
    case 'i':
        try_id(rest);
        break;
    case 'c':
        try_chain(rest);
        break;
    case 'x':
        try_x509_message(rest);
        break;
    case 'j':
        try_token(slice_sub(rest, 0, zero),
                  zero == SIZE_MAX ? slice_empty() : slice_sub(rest, zero + 1, rest.len));
        break;
    case 't':
        try_jwt_message(rest);
        break;
    case 'b':
        try_bundles_message(rest);
        break;
    case 'g':
        try_answer(rest);
        break;
    default:
        break;
    }
    return 0;
}
