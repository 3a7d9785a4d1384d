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

typedef struct host_link_state { // what is known of a link
    bool is_open;                // not cut
    bool was_kept;               // it was open before this host took over from another
    const char *state;           // "up", "down", "connecting", "" when nothing was heard
    const char *reason;          // why it is not up
} host_link_state;

// Once, from the loop. When it failed nothing has changed.
typedef void (*host_put_ended)(void *arg, status code, const err *e);

typedef struct host_worker {
    int32_t pid;
    bool is_serving;
} host_worker;

// What can be told to a host that runs; one in a single process takes none of it.
typedef struct host_changes {
    void (*read_link)(void *source, uint32_t link, host_link_state *ret);
    // Lets what `l` names (moved out of its place) take the place of the link of its number, as soon as it is
    // open and its backend reached: new calls go there, those in flight end where they are. A link that was
    // cut is open again.
    status (*put_link)(void *source, host_link *l, host_put_ended ended, void *arg, err *e);
    void (*cut_link)(void *source, uint32_t link); // calls are refused from now on
    // Somebody of this user has changed or cut a link: for the audit log.
    void (*tell_link)(void *source, const host_link *l, bool is_cut);
    uint32_t (*read_workers)(void *source, host_worker *ret, uint32_t max);
} host_changes;

typedef struct host_status {
    const host_config *config;
    const vetting *vettings; // one for each workload of the configuration
    void *source;
    void (*read)(void *source, host_figures *ret);
    void (*read_workload)(void *source, uint32_t workload, workload_figures *ret);
    const host_identity *identity; // or NULL
    logger *logger;
    log_taps *taps;              // of the log of the host and of all workloads
    const host_changes *changes; // or NULL
} host_status;

static inline void host_status_read(const host_status *s, host_figures *ret) { s->read(s->source, ret); }
static inline void host_status_read_workload(const host_status *s, uint32_t workload, workload_figures *ret) {
    s->read_workload(s->source, workload, ret);
}
