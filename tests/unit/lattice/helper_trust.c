// SPDX-License-Identifier: Apache-2.0
#include "helper_trust.h"

#include "base/check.h"

session_now trust_now(uint64_t ns) { return (session_now){ns, TRUST_NOW_S * 1000 + ns / UINT64_C(1000000)}; }

nkey *trust_cluster_key(void) {
    nkey *key;
    CHECK(nkey_generate(NKEY_CLUSTER, &key, NULL) == STATUS_OK);
    return key;
}

static void on_ended(void *arg, WRIT_UNUSED const nkey_public *host, WRIT_UNUSED uint64_t epoch) {
    ((trust_host *)arg)->ended++;
}

void trust_host_begin(trust_host *h, uint64_t epoch, uint64_t ns) {
    const sessions_options o = {
        .key = h->key,
        .token = buf_slice(&h->token),
        .lattice = slice_from_text("test"),
        .epoch = epoch,
        .cluster = h->cluster,
        .refusals = &h->refusals,
        .host_ended = on_ended,
        .arg = h,
    };
    sessions_free(h->sessions);
    CHECK(sessions_new(&o, trust_now(ns), &h->sessions, NULL) == STATUS_OK);
}

void trust_host_make(trust_host *h, const nkey *key) {
    *h = (trust_host){0};
    CHECK(nkey_generate(NKEY_SERVER, &h->key, NULL) == STATUS_OK);
    h->name = nkey_public_of(h->key);
    buf_init(&h->token, CLUSTER_TOKEN_BYTES_MAX);
    const nkey_public issuer = nkey_public_of(key);
    const cluster_admission a = {h->name, slice_from_text("a host"), slice_from_text("test"), TRUST_NOW_S,
                                 3600};
    CHECK(cluster_admit(key, &a, &h->token, NULL) == STATUS_OK);
    h->cluster = cluster_new();
    CHECK(cluster_trust(h->cluster, &issuer, UINT64_MAX, NULL) == STATUS_OK);
    trust_host_begin(h, 1, 0);
}

void trust_host_free(trust_host *h) {
    sessions_free(h->sessions);
    cluster_free(h->cluster);
    nkey_free(h->key);
    buf_done(&h->token);
}

uint64_t trust_refused(const trust_host *h) {
    uint64_t sum = 0;
    for (int i = 0; i < LATTICE_REFUSED_COUNT; i++) {
        sum += h->refusals.counts[i];
    }
    return sum;
}
