// SPDX-License-Identifier: Apache-2.0
// What can be asked of a host and its workloads while they run, for metrics. On the thread of host_run.
//
// The numbers of a worker come from pages that the worker itself writes: one that was taken over can lie in
// its own, and nothing but what is shown follows from them.
#pragma once

#include "host/cell.h"
#include "host/host_identity.h"
#include "host/log.h"
#include "host/vetting.h"

typedef struct host_figures {
    uint32_t workers;         // that there should be; 0 = everything runs in this process
    uint32_t workers_serving; // that serve now
    uint64_t worker_restarts;
} host_figures;

typedef struct workload_figures {
    uint64_t running; // instances now
    uint64_t waiting; // requests that wait for one
    uint64_t requests, deliveries, traps, timeouts, rejected,
        cpu_ns; // since the start, of all workers that there were
} workload_figures;

// Adds the counters of a worker's page.
static inline void workload_figures_add(workload_figures *sum, const cell_work *c) {
    sum->requests += atomic_load_explicit(&c->requests, memory_order_relaxed);
    sum->deliveries += atomic_load_explicit(&c->deliveries, memory_order_relaxed);
    sum->traps += atomic_load_explicit(&c->traps, memory_order_relaxed);
    sum->timeouts += atomic_load_explicit(&c->timeouts, memory_order_relaxed);
    sum->rejected += atomic_load_explicit(&c->rejected, memory_order_relaxed);
    sum->cpu_ns += atomic_load_explicit(&c->cpu_ns, memory_order_relaxed);
}

typedef struct host_status {
    const host_config *config;
    const vetting *vettings; // one for each workload of the configuration
    void *source;
    void (*read)(void *source, host_figures *ret);
    void (*read_workload)(void *source, uint32_t workload, workload_figures *ret);
    const host_identity *identity; // or NULL
    logger *logger;
    log_taps *taps; // of the log of the host and of all workloads
} host_status;

static inline void host_status_read(const host_status *s, host_figures *ret) { s->read(s->source, ret); }
static inline void host_status_read_workload(const host_status *s, uint32_t workload, workload_figures *ret) {
    s->read_workload(s->source, workload, ret);
}
