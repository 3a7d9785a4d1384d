// SPDX-License-Identifier: Apache-2.0
// Secrets on a server with the API of HashiCorp Vault (Vault, OpenBao): the engine KV, version 2. A key is a
// path below the mount; a version is the number that the server counts; older ones are given as long as the
// server keeps them.
//
// A token comes from a file or from a secret of the sealed store, or from a login with AppRole or with the
// token of a Kubernetes service account; it is renewed, or the login repeated, before its time is over. The
// server is asked over HTTPS, its answers are bounded, one request is on its way at a time.
#pragma once

#include "net/connector.h"
#include "secrets/backend.h"
#include "secrets/settings.h"

typedef struct vault_options {
    const secret_settings *settings; // borrowed until it is freed
    // Connects to the address of the settings, and to nothing else.
    status (*connector_new)(void *context, loop *l, connector **ret, err *e);
    void (*connector_free)(connector *c);
    // A copy of the credential, when the settings name one of the sealed store; else NULL.
    status (*credential)(void *context, secret_value *ret, err *e);
    void *context;
} vault_options;

// Reads the authorities that TLS trusts.
status vault_backend_new(const vault_options *o, secret_backend **ret, err *e) WRIT_MUST_USE;
