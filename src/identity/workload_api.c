// SPDX-License-Identifier: Apache-2.0
#include "identity/workload_api.h"

#include <proto/workload.pb-c.h>

#include "base/mem.h"

// A message becomes somewhat larger in memory; one of very many small fields becomes much larger and is
// refused.
enum { ARENA_BYTES_LEAST = 64 << 10, ARENA_FACTOR = 4, ALIGNMENT = 16, TEXT_BYTES_MAX = 4 << 10 };

// Memory for one message: taken piece by piece from a secret, given back at once.
typedef struct pieces {
    secret memory;
    size_t used;
} pieces;

static void *take_piece(void *arg, size_t bytes) {
    pieces *p = arg;
    size_t len = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (len < bytes || len > p->memory.len - p->used) {
        return NULL;
    }
    void *at = p->memory.data + p->used;
    p->used += len;
    return at;
}

static void drop_piece(void *arg, void *at) { (void)arg, (void)at; }

// Reads the message into fresh locked memory, which the caller frees. What the library made of it lies there
// and needs no other release.
static status unpack(const ProtobufCMessageDescriptor *d, slice message, pieces *p, ProtobufCMessage **ret,
                     err *e) {
    if (message.len > WORKLOAD_API_ANSWER_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "an answer of %zu bytes; at most %d are read", message.len,
                       WORKLOAD_API_ANSWER_BYTES_MAX);
    }
    // The start of what libsodium gives is as aligned as its length.
    size_t wanted = (ARENA_BYTES_LEAST + ARENA_FACTOR * message.len) & ~(size_t)(ALIGNMENT - 1);
    TRY(secret_new(wanted < SECRET_BYTES_MAX ? wanted : SECRET_BYTES_MAX, &p->memory, e));
    ProtobufCAllocator a = {.alloc = take_piece, .free = drop_piece, .allocator_data = p};
    ProtobufCMessage *m = protobuf_c_message_unpack(d, &a, message.len, message.data);
    if (m == NULL) {
        secret_free(&p->memory);
        return err_set(e, STATUS_INVALID, "the answer is no message of the workload API, or too large a one");
    }
    *ret = m;
    return STATUS_OK;
}

static slice of_text(const char *text) { return slice_from_text(text); }
static slice of_bytes(ProtobufCBinaryData b) { return slice_of(b.data, b.len); }

// --- X.509 -------------------------------------------------------------------------------------------------

static status copy_x509(const X509SVIDResponse *m, pieces *p, workload_x509_reply *ret, err *e) {
    if (m->n_svids == 0) {
        return err_set(e, STATUS_INVALID, "the answer has no X.509-SVID");
    }
    if (m->n_svids > WORKLOAD_API_SVIDS_MAX || m->n_federated_bundles > WORKLOAD_API_BUNDLES_MAX) {
        return err_set(e, STATUS_LIMIT, "the answer has %zu SVIDs and %zu bundles; %d and %d are read",
                       m->n_svids, m->n_federated_bundles, WORKLOAD_API_SVIDS_MAX, WORKLOAD_API_BUNDLES_MAX);
    }
    ret->svids = take_piece(p, m->n_svids * sizeof *ret->svids);
    ret->bundles = take_piece(p, m->n_federated_bundles * sizeof *ret->bundles);
    if (ret->svids == NULL || ret->bundles == NULL) {
        return err_set(e, STATUS_LIMIT, "the answer is too large");
    }
    for (size_t i = 0; i < m->n_svids; i++) {
        const X509SVID *v = m->svids[i];
        ret->svids[i] =
            (workload_x509_svid){of_text(v->spiffe_id), of_bytes(v->x509_svid), of_bytes(v->x509_svid_key),
                                 of_bytes(v->bundle), of_text(v->hint)};
    }
    for (size_t i = 0; i < m->n_federated_bundles; i++) {
        ret->bundles[i] = (workload_bundle){of_text(m->federated_bundles[i]->key),
                                            of_bytes(m->federated_bundles[i]->value)};
    }
    ret->svid_count = m->n_svids;
    ret->bundle_count = m->n_federated_bundles;
    return STATUS_OK;
}

status workload_x509_reply_read(slice message, workload_x509_reply *ret, err *e) {
    pieces p = {0};
    ProtobufCMessage *m = NULL;
    workload_x509_reply r = {0};
    TRY(unpack(&x509_svidresponse__descriptor, message, &p, &m, e));
    status s = copy_x509((const X509SVIDResponse *)(const void *)m, &p, &r, e);
    if (s != STATUS_OK) {
        secret_free(&p.memory);
        return s;
    }
    *ret = r;
    ret->memory = p.memory;
    return STATUS_OK;
}

// --- JWT ---------------------------------------------------------------------------------------------------

status workload_jwt_reply_read(slice message, workload_jwt_reply *ret, err *e) {
    pieces p = {0};
    ProtobufCMessage *m = NULL;
    TRY(unpack(&jwtsvidresponse__descriptor, message, &p, &m, e));
    const JWTSVIDResponse *r = (const JWTSVIDResponse *)(const void *)m;
    if (r->n_svids == 0) {
        secret_free(&p.memory);
        return err_set(e, STATUS_INVALID, "the answer has no JWT-SVID");
    }
    *ret = (workload_jwt_reply){p.memory, of_text(r->svids[0]->spiffe_id), of_text(r->svids[0]->svid)};
    return STATUS_OK;
}

status workload_bundles_reply_read(slice message, workload_bundles_reply *ret, err *e) {
    pieces p = {0};
    ProtobufCMessage *m = NULL;
    TRY(unpack(&jwtbundles_response__descriptor, message, &p, &m, e));
    const JWTBundlesResponse *r = (const JWTBundlesResponse *)(const void *)m;
    workload_bundle *at = take_piece(&p, r->n_bundles * sizeof *at);
    if (r->n_bundles > WORKLOAD_API_BUNDLES_MAX || at == NULL) {
        secret_free(&p.memory);
        return err_set(e, STATUS_LIMIT, "the answer has %zu bundles; %d are read", r->n_bundles,
                       WORKLOAD_API_BUNDLES_MAX);
    }
    for (size_t i = 0; i < r->n_bundles; i++) {
        at[i] = (workload_bundle){of_text(r->bundles[i]->key), of_bytes(r->bundles[i]->value)};
    }
    *ret = (workload_bundles_reply){p.memory, r->n_bundles, at};
    return STATUS_OK;
}

status workload_jwt_request_write(slice audience, slice id, buf *ret, err *e) {
    char audience_text[TEXT_BYTES_MAX], id_text[TEXT_BYTES_MAX];
    if (audience.len >= sizeof audience_text || id.len >= sizeof id_text) {
        return err_set(e, STATUS_LIMIT, "an audience or SPIFFE ID is longer than %d bytes",
                       TEXT_BYTES_MAX - 1);
    }
    memcpy(audience_text, audience.data, audience.len);
    memcpy(id_text, id.data, id.len);
    audience_text[audience.len] = id_text[id.len] = '\0';
    char *audiences[] = {audience_text};
    JWTSVIDRequest r = JWTSVIDREQUEST__INIT;
    r.n_audience = 1;
    r.audience = audiences;
    r.spiffe_id = id_text;
    uint8_t *to = NULL;
    size_t len = jwtsvidrequest__get_packed_size(&r);
    if (buf_reserve(ret, len, &to) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "no room for a request of %zu bytes", len);
    }
    ret->len += jwtsvidrequest__pack(&r, to);
    return STATUS_OK;
}
