// SPDX-License-Identifier: Apache-2.0
// All secrets of a host, in the process that starts the others: fetched before anything runs, revealed to
// workloads one by one, lent to the drivers as credentials. The values lie in locked memory
// (secrets/pool.h); no configuration has them.
//
// While the host runs, what backends have now is looked at from time to time; a reveal waits for none of
// them.
#pragma once

#include "host/host.h"
#include "host/host_audit.h"
#include "host/log.h"
#include "secrets/backend.h"

typedef struct host_secrets host_secrets;

typedef struct host_secrets_options {
    const host_config *config;     // borrowed; its links are numbered
    uint32_t link_count;           // of all workloads
    secret_backend *sealed;        // the store of this machine, taken in any case; NULL = there is none
    const host_observer *observer; // borrowed; is told what is missing; may be NULL
    logger *logger;                // borrowed
} host_secrets_options;

// Whoever needs the sealed store: the name of a secret in it or of a credential for another backend.
bool host_secrets_need_store(const host_config *c);

// STATUS_NOT_FOUND when some are missing, over all workloads and links; the observer was told each. NULL when
// none is needed.
status host_secrets_new(const host_secrets_options *o, host_secrets **ret, err *e) WRIT_MUST_USE;
void host_secrets_free(host_secrets *s); // accepts NULL; when unwatched

typedef struct host_secrets_watcher {
    host_audit *audit; // hears of each reveal; borrowed; may be NULL
    void *context;
    // From the loop: a credential of the link of this number has another value; host_secrets_lend has it. May
    // be NULL.
    void (*renewed)(void *context, uint32_t link);
} host_secrets_watcher;

// From now on on this loop. Accepts NULL.
status host_secrets_watch(host_secrets *s, loop *l, const host_secrets_watcher *w, err *e) WRIT_MUST_USE;
void host_secrets_unwatch(host_secrets *s); // may turn the loop

// Whether the workload was granted a secret that it calls so; whoever asks for another one is none of ours.
bool host_secrets_knows(const host_secrets *s, uint32_t workload, slice name); // accepts NULL

// One reveal; the caller's, in place until it is over.
typedef struct host_reveal {
    // From the loop, once, when host_secrets_reveal said that it waits. `e` is NULL with STATUS_OK.
    void (*done)(void *arg, status code, const err *e);
    void *arg;
    secret_value value; // with STATUS_OK; the caller's then
    // Of host_secrets.
    host_secrets *from; // NULL when it does not wait
    uint64_t event;
} host_reveal;

// A copy of the value of now, once the audit log has it on the disk that it was revealed; `*ret_waits` is
// whether that is still to come. What cannot be recorded is not revealed. STATUS_NOT_FOUND; STATUS_LIMIT over
// the number of reveals that a workload has in a second.
enum { HOST_REVEALS_PER_SECOND_MAX = 500 };
status host_secrets_reveal(host_secrets *s, uint32_t workload, slice name, host_reveal *r, bool *ret_waits,
                           err *e) WRIT_MUST_USE;
// `done` will not be called. Idempotent; accepts a zeroed one.
void host_reveal_cancel(host_reveal *r);

// Gives a link its credentials: they stay here, and valid until the loop turns. Accepts NULL.
void host_secrets_lend(host_secrets *s, host_link *l);
