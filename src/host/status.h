// SPDX-License-Identifier: Apache-2.0
// What can be asked of a workload while it runs, for metrics. On the thread of host_run.
//
// The numbers of a worker come from pages that the worker itself writes: one that was taken over can lie in
// its own, and nothing but what is shown follows from them.
#pragma once

#include "host/cell.h"
#include "host/host_identity.h"
#include "host/vetting.h"

typedef struct host_figures {
    uint32_t workers;         // that there should be; 0 = everything runs in this process
    uint32_t workers_serving; // that serve now
    uint64_t worker_restarts;
    uint64_t running;                                     // instances now
    uint64_t waiting;                                     // requests that wait for one
    uint64_t requests, traps, timeouts, rejected, cpu_ns; // since the start, of all workers that there were
} host_figures;

// Adds the counters of a worker's page, which may be NULL.
static inline void host_figures_add(host_figures *sum, const cell *c) {
    if (c != NULL) {
        sum->requests += atomic_load_explicit(&c->requests, memory_order_relaxed);
        sum->traps += atomic_load_explicit(&c->traps, memory_order_relaxed);
        sum->timeouts += atomic_load_explicit(&c->timeouts, memory_order_relaxed);
        sum->rejected += atomic_load_explicit(&c->rejected, memory_order_relaxed);
        sum->cpu_ns += atomic_load_explicit(&c->cpu_ns, memory_order_relaxed);
    }
}

typedef struct host_status {
    const host_config *config;
    const vetting *vetting;
    void *source;
    void (*read)(void *source, host_figures *ret);
    const host_identity *identity; // or NULL
} host_status;

static inline void host_status_read(const host_status *s, host_figures *ret) { s->read(s->source, ret); }
