// SPDX-License-Identifier: Apache-2.0
// A bus over NATS from what people name: servers and files. Everything that is read is read once, at the
// start.
#pragma once

#include "bus/bus.h"

typedef struct connection connection;

typedef struct connection_settings { // texts are borrowed; NULL = not named
    const char *servers;             // "nats://a:4222,tls://b"
    const char *creds_path;          // user JWT and seed
    const char *seed_path;           // an nkey's seed
    const char *jwt;                 // with `seed`: the same as a file of credentials has
    const char *seed;                // alone: an nkey's seed
    const char *tls_ca_path;         // PEM; several with ',' between
    const char *tls_certificate_path;
    const char *tls_key_path;
    bool tls_wanted; // also of servers that are named nats://
    bool tls_first;
    const char *domain; // of JetStream
    uint64_t replicas;  // of buckets that are made; 0 = 1
    const char *name;   // that the server lists
} connection_settings;

// Begins to connect. STATUS_INVALID for what cannot be, STATUS_NOT_FOUND and so on for files.
status connection_new(loop *l, const connection_settings *settings, connection **ret, err *e) WRIT_MUST_USE;
void connection_free(connection *c); // accepts NULL

bus *connection_bus(connection *c);
const char *connection_url(const connection *c); // of the first server, "nats://host:port"
