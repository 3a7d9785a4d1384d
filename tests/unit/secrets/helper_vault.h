// SPDX-License-Identifier: Apache-2.0
// A strict double of a server with the API of HashiCorp Vault, on the loopback interface and the test's own
// loop, and a connector to it. tests/scenario/test_up_secrets.py holds the same backend to a real one.
#pragma once

#include "net/connector.h"
#include "net/http_server.h"
#include "secrets/vault.h"

enum { VAULT_DOUBLE_SECRETS = 16 };

typedef struct vault_secret {
    char key[64];
    unsigned version;
    char data[512]; // JSON of the fields; empty = it was destroyed
} vault_secret;

typedef struct vault_double {
    loop *l;
    int fd;
    uint16_t port;
    http_server *server;
    vault_secret secrets[VAULT_DOUBLE_SECRETS];
    size_t count;
    const char *token; // that it takes
    unsigned answers;  // instead of everything: a status code; 0 = as usual
    const char *body;  // instead of every answer; NULL = as usual
    bool is_silent;
    http_exchange *held;
    int requests, logins, renewals;
    char last_path[256];
    char address[64];
    secret_settings settings;
} vault_double;

void vault_double_start(vault_double *d, loop *l);
void vault_double_stop(vault_double *d);
// A new version.
void vault_double_put(vault_double *d, const char *key, const char *data);
status vault_double_backend(vault_double *d, secret_backend **ret);
