// SPDX-License-Identifier: Apache-2.0
// What the drivers on NATS have in common: settings, credentials, TLS, connections and health of a link.
#pragma once

#include "bus/nats.h"
#include "driver/driver.h"
#include "driver/link_health.h"
#include "driver/tls_settings.h"

enum { NATS_LINK_SERVERS_MAX = 8 };

typedef struct nats_link {
    loop *l;
    connector *connector;
    driver_link_options options; // callbacks and credentials
    nats_server servers[NATS_LINK_SERVERS_MAX];
    size_t server_count;
    char user[256];
    tls_context *tls; // NULL = in the clear
    bool tls_first;
    uint64_t time_ns_max; // of a call
    uint64_t random;
    driver_link_health health;
} nats_link;

#define NATS_LINK_SETTINGS                                                                                \
    {"url",                                                                                               \
     "servers of one cluster, with ',' or ';' between: nats://host[:port] or tls://host[:port]; default " \
     "nats://127.0.0.1:4222",                                                                             \
     false, false},                                                                                       \
        {"cluster_uris", "another name of url, as manifests of 1.x have it", false, false},               \
        {"cluster_uri", "likewise", false, false},                                                        \
        {"tls", "whether connections are under TLS; default: only with tls:// in url", false, false},     \
        {"tls-first", "TLS before the server's greeting (handshake_first of the server); default false",  \
         false, false},                                                                                   \
        DRIVER_TLS_SETTINGS, {"user", "name of a user of the server", false, false},                      \
        {"password", "of the user", true, false}, {"token", "in place of a user", true, false},           \
        {"seed", "of the user's nkey, in place of a password", true, false},                              \
        {"creds", "a credentials file: the user's JWT and seed", true, false}, {                          \
        "timeout-ms", "the longest time for one call, in milliseconds; default 10000", false, false       \
    }

// Of drivers that keep something in JetStream.
#define NATS_STORAGE_SETTINGS                                                                  \
    {"replicas", "of what is made on the server, 1 to 5; default 1", false, false}, {          \
        "storage", "of what is made on the server: file or memory; default file", false, false \
    }
status nats_link_storage(const driver_values *settings, uint64_t *ret_replicas, bool *ret_in_memory,
                         err *e) WRIT_MUST_USE;

// STATUS_INVALID with what is wrong with a setting. `k` stays in place until nats_link_done.
status nats_link_init(nats_link *k, const driver_environment *env, const driver_link_options *options,
                      err *e) WRIT_MUST_USE;
void nats_link_done(nats_link *k); // after the clients were freed; accepts a zeroed one
// A client on the link's servers; `o` says the rest: callbacks, bounds.
status nats_link_connect(nats_link *k, nats_options *o, nats **ret, err *e) WRIT_MUST_USE;
// Told by on_health, later.
void nats_link_set_health(nats_link *k, driver_state state, const char *reason, uint64_t next_try_ns);
void nats_link_set_credentials(nats_link *k, nats *n, const driver_values *credentials);
// For `peers` of a driver.
status nats_link_peers(const driver_values *settings, driver_peer found, void *arg, err *e) WRIT_MUST_USE;
