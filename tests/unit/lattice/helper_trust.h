// SPDX-License-Identifier: Apache-2.0
// Hosts of a lattice for tests: keys, an admission, sessions.
#pragma once

#include "base/buf.h"
#include "lattice/cluster.h"
#include "lattice/session.h"

#define TRUST_NOW_S UINT64_C(1800000000)

typedef struct trust_host {
    nkey *key;
    nkey_public name;
    buf token;
    cluster *cluster;
    lattice_refusals refusals;
    sessions *sessions;
    unsigned ended; // how often host_ended came
} trust_host;

nkey *trust_cluster_key(void); // a fresh one
// A host that believes `key`, admitted by it for an hour to "test", in its first life.
void trust_host_make(trust_host *h, const nkey *key);
void trust_host_begin(trust_host *h, uint64_t epoch, uint64_t ns); // anew, with a life of its own
void trust_host_free(trust_host *h);
session_now trust_now(uint64_t ns);
uint64_t trust_refused(const trust_host *h); // all together
