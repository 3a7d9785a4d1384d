// SPDX-License-Identifier: Apache-2.0
#include "cli/run_secrets.h"

static status refresh(void *context, bool *ret_changed, err *e) {
    return secret_store_refresh(context, ret_changed, e);
}

status run_secrets_open(run_secrets *s, const host_config *c, host_observer *observer, err *e) {
    if (!host_config_needs_secrets(c)) {
        return STATUS_OK;
    }
    TRY(secrets_open(&s->request, false, &s->store, e));
    s->source = (host_secret_source){secret_store_source(s->store), s->store, refresh};
    observer->secrets = &s->source;
    return STATUS_OK;
}

void run_secrets_close(run_secrets *s) {
    secret_store_close(s->store);
    s->store = NULL;
}
