// SPDX-License-Identifier: Apache-2.0
// A TLS server of an independent maker (the openssl command) on the loopback interface: it sends each line
// back with its letters in reverse order.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "unit/crypto/helper_openssl.h"

typedef struct tls_server {
    openssl_place
        place; // ca.pem, other.pem (another authority), server.pem, server.key, client.pem, client.key
    pid_t pid;
    uint16_t port;
} tls_server;

// Makes the keys. The server's certificate is for "db.example" and 127.0.0.1. NULL, or why it cannot be.
const char *tls_server_prepare(tls_server *s);
// With more words for its command line (NULL at the end; may be NULL).
const char *tls_server_start(tls_server *s, const char *const *options);
int tls_server_connect(const tls_server *s); // a connected, non-blocking socket
void tls_server_stop(tls_server *s);         // the process
void tls_server_done(tls_server *s);         // and the folder
