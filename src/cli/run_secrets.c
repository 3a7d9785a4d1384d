// SPDX-License-Identifier: Apache-2.0
#include "cli/run_secrets.h"

#include "host/host_secrets.h"

status run_secrets_open(run_secrets *s, const host_config *c, host_observer *observer, err *e) {
    if (host_secrets_need_store(c)) {
        TRY(secrets_open(&s->request, false, &s->store, e));
        observer->secrets = s->store;
    }
    return STATUS_OK;
}

void run_secrets_close(run_secrets *s) {
    secret_store_close(s->store);
    s->store = NULL;
}
