// SPDX-License-Identifier: Apache-2.0
#include "identity/svid.h"

#include "base/mem.h"
#include "crypto/public_key_parts.h"
#include "identity/workload_api.h"
#include "identity/x509_svid.h"

static status read_lists(const workload_x509_svid *from, svid *to, err *e) {
    if (certificate_list_from_der(from->chain, &to->chain, e) != STATUS_OK) {
        return err_wrap(e, "the certificates of the SVID");
    }
    if (certificate_list_from_der(from->bundle, &to->bundle, e) != STATUS_OK) {
        return err_wrap(e, "the authorities of the trust domain");
    }
    return STATUS_OK;
}

static status check(const workload_x509_svid *from, int64_t now_s, svid *to, err *e) {
    spiffe_id said;
    TRY(spiffe_id_parse(from->id, &said, e));
    TRY(read_lists(from, to, e));
    const certificate *leaf = to->chain.items[0];
    TRY(x509_svid_check(&to->chain, &to->bundle, spiffe_id_trust_domain(&said), now_s, &to->id, e));
    if (!spiffe_id_equal(&said, &to->id)) {
        return err_set(e, STATUS_DENIED, "the certificate is for %s, not for %s", to->id.text, said.text);
    }
    TRY(public_key_check_private(certificate_key(leaf), from->key, e));
    TRY(secret_new(from->key.len, &to->key, e));
    memcpy(to->key.data, from->key.data, from->key.len);
    to->not_before_s = certificate_not_before_s(leaf);
    to->not_after_s = certificate_not_after_s(leaf);
    return STATUS_OK;
}

static status read_foreign(const workload_bundle *from, svid_foreign *to, err *e) {
    spiffe_id id;
    certificate_list l = {0};
    TRY(spiffe_id_parse(from->trust_domain, &id, e));
    to->is_readable = from->bytes.len == 0 || certificate_list_from_der(from->bytes, &l, NULL) == STATUS_OK;
    to->authorities = l.count;
    certificate_list_free(&l);
    to->trust_domain = mem_zalloc(id.trust_domain_len + 1u);
    memcpy(to->trust_domain, spiffe_id_trust_domain(&id).data, id.trust_domain_len);
    return STATUS_OK;
}

static status read_all(const workload_x509_reply *r, int64_t now_s, svid *to, err *e) {
    TRY(check(&r->svids[0], now_s, to, e));
    to->foreign = mem_calloc(r->bundle_count + 1, sizeof *to->foreign);
    for (size_t i = 0; i < r->bundle_count; i++) {
        TRY(read_foreign(&r->bundles[i], &to->foreign[i], e));
        to->foreign_count++;
    }
    return STATUS_OK;
}

status svid_read(slice message, int64_t now_s, svid *ret, err *e) {
    workload_x509_reply r = {0};
    svid found = {0};
    TRY(workload_x509_reply_read(message, &r, e));
    status s = read_all(&r, now_s, &found, e);
    secret_free(&r.memory);
    if (s != STATUS_OK) {
        svid_done(&found);
        return s;
    }
    *ret = found;
    return STATUS_OK;
}

void svid_done(svid *s) {
    certificate_list_free(&s->chain);
    certificate_list_free(&s->bundle);
    secret_free(&s->key);
    for (size_t i = 0; i < s->foreign_count; i++) {
        mem_free(s->foreign[i].trust_domain);
    }
    mem_free(s->foreign);
    *s = (svid){0};
}
