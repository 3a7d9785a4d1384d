// SPDX-License-Identifier: Apache-2.0
// The store of secrets, open while a host runs that needs it.
#pragma once

#include "cli/secrets_internal.h"
#include "host/host.h"

typedef struct run_secrets {
    secrets_request request; // which store; filled by options
    secret_store *store;     // NULL when nothing needs it
} run_secrets;

// Opens the store when the configuration names secrets in it, and hands it to the observer. Values are
// fetched by the host. Asks for the passphrase when there is one.
status run_secrets_open(run_secrets *s, const host_config *c, host_observer *observer, err *e) WRIT_MUST_USE;
void run_secrets_close(run_secrets *s);
