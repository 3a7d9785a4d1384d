// SPDX-License-Identifier: Apache-2.0
// Who this host is, as a SPIFFE workload API says it: fetched before anything starts, renewed while it runs.
// Belongs to the supervisor; workers get neither the socket nor the key.
//
// What does not pass every check is not used: at the start it stops the start, later the identity that is
// there stays until it expires. The SPIFFE ID does not change while the host runs, since the IDs of workloads
// follow from it: an SVID with another one is refused, and said so in the log.
#pragma once

#include "host/log.h"
#include "host/vetting.h"
#include "identity/spiffe_id.h"
#include "identity/svid.h"
#include "loop/loop.h"

typedef struct host_identity host_identity;

typedef struct host_identity_options {
    const char *endpoint;          // "unix:///path"; borrowed for the call
    const char *audience;          // also have a JWT-SVID for it, and check that; NULL = none
    logger *logger;                // borrowed; NULL = nobody is told
    uint64_t (*wall_s)(void *arg); // seconds since 1970; NULL = this machine's clock
    void *arg;
} host_identity_options;

// STATUS_INVALID for an endpoint or audience that cannot be one.
status host_identity_new(const host_identity_options *o, host_identity **ret, err *e) WRIT_MUST_USE;
void host_identity_free(host_identity *h); // accepts NULL

// Asks once and waits for the answers, five seconds for each. STATUS_DENIED when this process is not
// registered, may not connect, or is given what does not pass the checks; STATUS_NOT_FOUND without a socket;
// STATUS_LIMIT; STATUS_IO for everything else. The message says what to do.
status host_identity_fetch(host_identity *h, err *e) WRIT_MUST_USE;

// Keeps what was fetched up to date, on the supervisor's loop, until host_identity_unwatch.
void host_identity_watch(host_identity *h, loop *l);
void host_identity_unwatch(host_identity *h); // idempotent; accepts NULL

// Below: after a fetch that succeeded.

const svid *host_identity_svid(const host_identity *h); // changes with each rotation
uint64_t host_identity_rotations(const host_identity *h);
// Of the JWT-SVID; false when there is none.
bool host_identity_jwt(const host_identity *h, uint64_t *ret_expires_at_s, size_t *ret_bundle_keys);
const char *host_identity_audience(const host_identity *h); // or NULL
// The ID of a component: spiffe://TRUST-DOMAIN/writ/ISSUER/SUBJECT. False for one that nobody vouches for.
bool host_identity_of_workload(const host_identity *h, const vetting *v, spiffe_id *ret);
