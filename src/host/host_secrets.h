// SPDX-License-Identifier: Apache-2.0
// All secrets of a host, in the process that starts the others: fetched before anything runs, revealed to
// workloads one by one, lent to the drivers as credentials. The values lie in locked memory; no configuration
// has them.
//
// A value is as new as the source: once in a second at most, a reveal looks whether something has changed.
#pragma once

#include "host/host.h"
#include "host/log.h"
#include "identity/secret_grants.h"

typedef struct host_secrets host_secrets;

typedef struct host_secrets_options {
    const host_config *config;     // borrowed; its links are numbered
    uint32_t link_count;           // of all workloads
    const host_observer *observer; // borrowed; where they come from, and who is told; may be NULL
    logger *logger;                // borrowed
} host_secrets_options;

// STATUS_NOT_FOUND names all that are missing, over all workloads and links. NULL when none is needed.
status host_secrets_new(const host_secrets_options *o, host_secrets **ret, err *e) WRIT_MUST_USE;
void host_secrets_free(host_secrets *s); // accepts NULL

// Whether the workload was granted a secret that it calls so; whoever asks for another one is none of ours.
bool host_secrets_knows(const host_secrets *s, uint32_t workload, slice name); // accepts NULL
// A copy of the value, after the observer was told; what it cannot record is not revealed. STATUS_LIMIT over
// the number of reveals that a workload has in a second.
enum { HOST_REVEALS_PER_SECOND_MAX = 500 };
status host_secrets_reveal(host_secrets *s, uint32_t workload, slice name, secret_value *ret,
                           err *e) WRIT_MUST_USE;

// Gives a link its credentials: they stay here, and valid until the next call. Accepts NULL.
void host_secrets_lend(const host_secrets *s, host_link *l);
