// SPDX-License-Identifier: Apache-2.0
// What the files of host_run share: run.c, which decides and starts, and run_in_process.c, which is the host
// without workers.
#pragma once

#include "engine/engine.h"
#include "engine/facts.h"
#include "host/host.h"
#include "host/host_secrets.h"
#include "host/log.h"
#include "host/prepared.h"

enum { RUN_URL_BYTES = 96 };

typedef struct run {
    host_config *config;
    const host_observer *observer;
    logger *logger;
    log_taps *taps;               // of it, and of those of the workloads
    prepared_workload *workloads; // one for each of the configuration
    vetting *vettings;            // likewise
    host_identity *identity;      // NULL without --spiffe
    host_secrets *secrets;        // NULL when none is needed
    bool is_command;
    int worker_count; // 0 = in this process
    engine_options engine_options;
    int *listener_fds;
    size_t listeners_open;
    uint32_t link_count;
    char url[RUN_URL_BYTES];
    uint64_t started_ns;
} run;

static inline size_t run_workload_count(const run *r) { return r->config->workload_count; }

// Native code of all workloads: by a process of its own, or by the engine that will run it (`here`).
status run_compile(run *r, engine *here, err *e) WRIT_MUST_USE;
void run_choose_level(run *r, engine_facts *ret_facts); // and says what this machine does not have
void run_on_started(void *context);                     // a run, all of whose workloads serve

// --workers 0, until the end.
status run_in_process(run *r, int *ret_exit, err *e) WRIT_MUST_USE;
