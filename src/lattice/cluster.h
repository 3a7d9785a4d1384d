// SPDX-License-Identifier: Apache-2.0
// Which hosts belong to a lattice. A host belongs to it when a cluster key that we trust has signed a token
// for the host's key: claims of type host, for this lattice, with an end (identity/token.h). A host that has
// the cluster key signs its own; else somebody who has it admits the host (`writ lattice admit`), and the
// host keeps nothing but the token.
//
// Pure: no files, no clock. Not thread-safe.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "identity/nkey.h"
#include "lattice/refused.h"

enum {
    CLUSTER_ISSUERS_MAX = 64,
    CLUSTER_REVOKED_MAX = 4096,
    CLUSTER_TOKEN_BYTES_MAX = 2048,
    CLUSTER_LATTICE_BYTES_MAX = 64, // letters, digits, '_', '-': one token of a subject
    CLUSTER_CLOCK_SKEW_S = 30,      // how far the clocks of two hosts may be apart
    CLUSTER_LIFETIME_S_MAX = 366 * 24 * 3600,
};

typedef struct cluster cluster;

cluster *cluster_new(void);    // believes nobody
void cluster_free(cluster *c); // accepts NULL

void cluster_clear(cluster *c); // believes nobody again: what follows is a new list
// A cluster key (C) whose tokens count; again with another end replaces it. `until_s`: UINT64_MAX = no end.
// STATUS_INVALID for another kind of key, STATUS_LIMIT.
status cluster_trust(cluster *c, const nkey_public *issuer, uint64_t until_s, err *e) WRIT_MUST_USE;
// "C...,C...": as --cluster-issuers has it.
status cluster_trust_text(cluster *c, slice keys, err *e) WRIT_MUST_USE;
// A host (N) or an issuer (C): what was signed for it, or by it, before that second counts no more.
status cluster_revoke(cluster *c, const nkey_public *subject, uint64_t before_s, err *e) WRIT_MUST_USE;
// How often it was changed: sessions of hosts that are not believed any more end (lattice/session.h).
uint64_t cluster_version(const cluster *c);
size_t cluster_issuer_count(const cluster *c);
const nkey_public *cluster_issuer_at(const cluster *c, size_t index);

typedef struct cluster_member {
    nkey_public host;
    nkey_public issuer;
    uint64_t issued_at_s;
    uint64_t expires_at_s;
} cluster_member;

// Whether the token is one of a host of this lattice, now. What was verified before is found again, so that
// it costs a hash. On failure `*ret_why` says what is wrong: MALFORMED, BAD_SIGNATURE, UNKNOWN_ISSUER,
// EXPIRED, CLOCK, REVOKED, NOT_FOR_US.
status cluster_check(cluster *c, slice token, slice lattice, uint64_t now_s, cluster_member *ret,
                     lattice_refused *ret_why, err *e) WRIT_MUST_USE;
// The same of a member that was checked before: as the lists and the time are now.
status cluster_check_again(const cluster *c, const cluster_member *m, uint64_t now_s,
                           lattice_refused *ret_why, err *e) WRIT_MUST_USE;

// Signs a token. `key` is a cluster key, `host` a server key; `name` may be empty. Appends the text.
typedef struct cluster_admission {
    nkey_public host;
    slice name;
    slice lattice;
    uint64_t now_s;
    uint64_t lifetime_s; // at most CLUSTER_LIFETIME_S_MAX
} cluster_admission;
status cluster_admit(const nkey *key, const cluster_admission *a, buf *ret, err *e) WRIT_MUST_USE;

// One token of a subject, at most CLUSTER_LATTICE_BYTES_MAX.
status cluster_lattice_check(slice lattice, err *e) WRIT_MUST_USE;
