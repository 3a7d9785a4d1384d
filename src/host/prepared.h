// SPDX-License-Identifier: Apache-2.0
// One workload on its way to run: read, believed, decoded, decided, its files open, its native code ready.
// What every process that runs it gets is made here, once.
#pragma once

#include "host/host.h"
#include "host/log.h"
#include "host/workload.h"

typedef struct prepared_workload {
    const workload_config *config; // borrowed
    uint32_t number;
    logger *logger; // of its lines
    buf bytes;
    component *component; // NULL once only workers need it
    workload_kind kind;
    int component_fd; // memory file with the bytes; -1 = not yet
    artifacts artifacts;
    int *directory_fds; // one for each of config->directories
    size_t directories_open;
} prepared_workload;

typedef struct prepared_context { // the same for all workloads; borrowed
    const host_config *config;
    const host_observer *observer; // or NULL
} prepared_context;

// In this order. `v` receives what is known of its writ, also when it is refused.

// Reads the file and asks whether it may run at all, before anything else looks at its bytes.
status prepared_vet(prepared_workload *p, const prepared_context *c, vetting *v, err *e) WRIT_MUST_USE;
// Decodes it and lets the gate decide over its imports.
status prepared_decide(prepared_workload *p, const prepared_context *c, const vetting *v,
                       err *e) WRIT_MUST_USE;
// Opens what it was granted, and puts its bytes where workers can map them.
status prepared_open(prepared_workload *p, err *e) WRIT_MUST_USE;

// Gives up what only this process needed.
void prepared_drop_component(prepared_workload *p);
void prepared_done(prepared_workload *p); // accepts one that is zeroed but for a component_fd of -1
