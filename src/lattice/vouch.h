// SPDX-License-Identifier: Apache-2.0
// Who said that: values in the buckets of the lattice carry, in headers that hosts of 1.x ignore, the word of
// the host that wrote them. The servers of NATS keep the values, and need not be believed about links and
// configuration.
//
//   Writ-Time: milliseconds since 1970     Writ-Token: the host's token     Writ-Signature: base64url
//
// The signature is over bucket, key, kind ("put", "delete", "purge"), time and value. Whether the token
// counts is asked as of that time: a host that wrote something and left is believed still, until its issuer
// is not trusted any more or it is revoked.
//
// An older word in place of a newer one of the same key is refused when it is older by more than a minute
// (VOUCH_SLACK_MS; hosts' clocks differ). A host that has just started knows no newer one.
//
// Not thread-safe; no clock.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "bus/bus.h"
#include "identity/nkey.h"
#include "lattice/cluster.h"
#include "lattice/refused.h"

enum {
    VOUCH_HEADERS_BYTES_MAX = CLUSTER_TOKEN_BYTES_MAX + 512,
    VOUCH_KEYS_MAX = 1 << 18, // whose newest time is remembered; no more are taken
    VOUCH_SLACK_MS = 60000,
};

typedef struct vouch vouch;

typedef struct vouch_options { // borrowed, but for `lattice`
    const nkey *key;           // of this host
    const buf *token;          // its own; may change
    slice lattice;             // copied
    cluster *cluster;
    lattice_refusals *refusals; // may be NULL
    bool allows_unsigned;       // values without a word are taken: old peers write them
} vouch_options;

vouch *vouch_new(const vouch_options *options);
void vouch_free(vouch *v); // accepts NULL

// Appends a block of headers for the change. `wall_ms`: now; later than every word about that key that is
// known.
status vouch_sign(vouch *v, slice bucket, const bus_kv_entry *change, uint64_t wall_ms, buf *ret,
                  err *e) WRIT_MUST_USE;
// Whether the entry counts. What does not is counted (`now_ns` of any clock that goes on).
bool vouch_check(vouch *v, slice bucket, const bus_kv_entry *entry, uint64_t wall_ms,
                 uint64_t now_ns) WRIT_MUST_USE;
