// SPDX-License-Identifier: Apache-2.0
// The supervisor: starts the workers of a host's workloads, watches them, replaces those that die or hang,
// makes their connections, writes their log lines, and ends them.
//
// It never runs guest code and holds no engine. A worker's word is believed for nothing but its own state:
// packets are decoded strictly (a malformed one costs the worker its life), what it asks for is checked
// against the policy, and its heartbeat only has to change.
#pragma once

#include "host/compile.h"
#include "host/host.h"
#include "host/host_secrets.h"
#include "host/log.h"
#include "host/prepared.h"

typedef struct supervisor_options {
    host_config *config;                // borrowed, like everything here; changes with links
    const prepared_workload *workloads; // one for each of the configuration
    const vetting *vettings;            // what is known of their writs, likewise; or NULL
    const host_observer *observer;
    host_identity *identity; // of this host, or NULL
    host_secrets *secrets;   // of all workloads, or NULL
    logger *logger;
    log_taps *taps;  // of it, and of those of the workloads; or NULL
    bool is_command; // the only workload is one
    int worker_count;
    engine_level level;         // of the artifacts
    const int *listener_fds;    // one per worker, or NULL; they stay open here, so that what waits on a dead
                                // worker's socket is served by its replacement
    uint32_t link_count;        // of all workloads
    const char *data_directory; // for files of drivers, absolute; NULL when there are no links
    const char *url;
    void (*started)(void *context); // all workers were ready; once
    void *context;
} supervisor_options;

// Runs until the end. `ret_exit` as host_run. An error means that the workers could not start.
status supervisor_run(const supervisor_options *options, int *ret_exit, err *e) WRIT_MUST_USE;
