// SPDX-License-Identifier: Apache-2.0
// What the files of `writ host` share.
#pragma once

#include "agent/agent.h"
#include "cli/host_start.h"

enum { HOST_LABELS_MAX = 64, HOST_USERS_MAX = 256 };

typedef enum host_value_name { // texts as they were given, by option or variable
    HOST_LATTICE,
    HOST_NAME,
    HOST_PLACE,
    HOST_NATS,
    HOST_NATS_HOST,
    HOST_NATS_PORT,
    HOST_NATS_JWT,
    HOST_NATS_SEED,
    HOST_NATS_CREDS,
    HOST_CTL_HOST,
    HOST_CTL_PORT,
    HOST_CTL_JWT,
    HOST_CTL_SEED,
    HOST_CTL_CREDS,
    HOST_CTL_TLS,
    HOST_CTL_PREFIX,
    HOST_RPC_HOST,
    HOST_RPC_PORT,
    HOST_RPC_JWT,
    HOST_RPC_SEED,
    HOST_RPC_CREDS,
    HOST_RPC_TLS,
    HOST_RPC_TIMEOUT,
    HOST_JS_DOMAIN,
    HOST_KV_REPLICAS,
    HOST_TLS_CA,
    HOST_TLS_CERTIFICATE,
    HOST_TLS_KEY,
    HOST_TLS_FIRST,
    HOST_SEED,
    HOST_KEY,
    HOST_KEYS,
    HOST_PASSPHRASE_FILE,
    HOST_CLUSTER_KEY,
    HOST_CLUSTER_SEED,
    HOST_CLUSTER_TOKEN,
    HOST_CLUSTER_ISSUERS,
    HOST_LATTICE_TRUST,
    HOST_ALLOW_FILE_LOAD,
    HOST_ALLOW_UNSIGNED_PEERS,
    HOST_PROVIDER_DIRECT,
    HOST_UNSIGNED_CONTROL,
    HOST_UNSIGNED,
    HOST_MAX_EXECUTION_TIME,
    HOST_MAX_MEMORY,
    HOST_MAX_COMPONENT_SIZE,
    HOST_MAX_COMPONENTS,
    HOST_HEARTBEAT,
    HOST_SHUTDOWN_DELAY,
    HOST_COMPONENT_AUCTION,
    HOST_PROVIDER_AUCTION,
    HOST_VALUES,
} host_value_name;

typedef struct host_args {
    cli_host host; // first
    const char *values[HOST_VALUES];
    lattice_pair labels[HOST_LABELS_MAX];
    size_t label_count;
    agent_user users[HOST_USERS_MAX];
    size_t user_count;
    nkey *key, *cluster_key, *audit_key;
    audit *audit; // NULL without --audit
    buf token;
    trust_store *trust;
    int place_fd, lock_fd, door_fd; // of its name; -1 = it has none
    char *metrics_address;          // of the lattice; NULL = none are served
    uint16_t metrics_port;
    int metrics_fd;
    connection_settings ctl, rpc;
    char ctl_url[512], rpc_url[512];
} host_args;

static inline const char *host_value(const host_args *a, host_value_name name, const char *otherwise) {
    return a->values[name] != NULL ? a->values[name] : otherwise;
}

// host_options.c: options, then variables for those that were not given.
status host_parse(int argc, char **argv, host_args *a, err *e) WRIT_MUST_USE;
// Everything that options say about the lattice. What it points at is in `a`.
status host_fill_agent(host_args *a, agent_options *o, err *e) WRIT_MUST_USE;
