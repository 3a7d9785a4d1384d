// SPDX-License-Identifier: Apache-2.0
// What a host says to everybody: bytes with the host's key, its token, the time and a number, signed.
// Presence travels so. Who is believed is the cluster's to say (lattice/cluster.h).
//
// Pure. Not thread-safe.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "identity/nkey.h"
#include "lattice/cluster.h"
#include "lattice/refused.h"

enum {
    STATEMENT_TOPIC_BYTES_MAX = 32,
    STATEMENT_CONTENT_BYTES_MAX = 512 << 10,
    STATEMENT_OVERHEAD_BYTES_MAX = 4096,
};

typedef struct statement {
    slice topic; // "presence": one said for another purpose is none
    slice lattice;
    nkey_public host;
    cluster_member member; // set by reading
    uint64_t wall_ms;      // when it was said
    uint64_t epoch;        // of this life of the host
    uint64_t sequence;     // grows within an epoch
    slice content;
} statement;

// `key` is the host's, `token` its admission; `s->host` and `s->member` are not read. Appends.
status statement_write(const statement *s, const nkey *key, slice token, buf *ret, err *e) WRIT_MUST_USE;

// Checks form, purpose, lattice, time (CLUSTER_CLOCK_SKEW_S), token and signature. Whether it is older than
// what was said before (epoch, then sequence) is the reader's to check. `expect_topic` and `expect_lattice`
// are ours. Slices are borrowed from `bytes`.
status statement_read(slice bytes, slice expect_topic, slice expect_lattice, cluster *c, uint64_t wall_ms,
                      statement *ret, lattice_refused *ret_why, err *e) WRIT_MUST_USE;
