// SPDX-License-Identifier: Apache-2.0
// A host of a lattice, the process that `writ host` is: it has the host's keys and the connections to the
// bus, takes part in the control interface (lattice/control.h), knows the other hosts (lattice/presence.h),
// decides where calls go (lattice/router.h), and says what the local host runs (agent/local_host.h). Guests
// never run here, and no byte of a component is decoded here.
#pragma once

#include "agent/connection.h"
#include "audit/audit.h"
#include "host/log.h"
#include "host/rules.h"
#include "identity/nkey.h"
#include "identity/trust.h"
#include "lattice/cluster.h"
#include "lattice/core.h"
#include "lattice/roles.h"
#include "os/channel.h"
#include "os/process.h"

typedef struct agent_user { // who may tell this host something
    nkey_public key;
    role what;
} agent_user;

typedef struct agent_options { // borrowed
    channel *host_channel;     // to the parent of generations, as their owner
    process *host_process;

    const char *lattice;
    const char *friendly_name;
    lattice_pairs labels;
    const nkey *key;             // of the host: a server key
    const nkey *cluster_key;     // that signs the host's own token; or NULL
    slice token;                 // of the host, by a cluster key; empty with a cluster key
    const char *cluster_issuers; // "C...,C..."; or NULL
    audit *audit;                // NULL: without a log
    const char *lattice_file;    // of lattice/cluster_file.h, read again on SIGHUP; or NULL

    // NULL = a lattice of one host, within this process, whose state is in `state_path`.
    const connection_settings *ctl, *rpc; // `rpc` NULL = the same as `ctl`
    const char *state_path;               // NULL = in memory
    const char *prefix;                   // of the control interface; NULL = the usual

    bool allows_unsigned_peers; // hosts and providers of 1.x
    bool
        are_providers_direct; // with it: programs are on the servers of NATS themselves, with our credentials
    role everybody;           // what requests without a signature may do
    const agent_user *users;
    size_t user_count;

    bool allows_unsigned_components;
    bool allows_files;            // images that are files of this machine
    const char *images_directory; // absolute
    size_t image_bytes_max;
    size_t components_max;
    uint64_t memory_bytes_max;  // 0 = the host's default
    uint64_t time_ns_max;       // of one call; 0 = the host's default
    const host_rules *rules;    // of calls
    const trust_store *trust;   // of providers; NULL = nobody is trusted
    const char *data_directory; // of drivers, absolute
    bool refuses_component_auctions, refuses_provider_auctions;
    uint64_t heartbeat_ns; // 0 = the usual
    uint64_t rpc_timeout_ms;
    uint64_t provider_shutdown_ns;
    uint64_t drain_ns;

    int door_fd; // a listening local socket for commands of our user, which speak NATS there; -1 = none.
                 // Taken over
    const char *door_user; // what they say that they are, as user and as password

    int metrics_fd; // a listening socket for GET /metrics; -1 = none. Borrowed

    bool is_json, is_verbose; // log lines
} agent_options;

// Until it is told to end. `ret_exit` is the exit status of the process.
status agent_run(const agent_options *options, int *ret_exit, err *e) WRIT_MUST_USE;
