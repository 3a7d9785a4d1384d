// SPDX-License-Identifier: Apache-2.0
// A component made ready to run in this process: decoded, admitted by the gate, its native code loaded, its
// imports linked, its authority opened. Immutable once made; every request or command starts from it.
#pragma once

#include "capability/links.h"
#include "capability/secrets.h"
#include "component/component.h"
#include "engine/engine.h"
#include "engine/store.h"
#include "host/compile.h"
#include "host/grants.h"
#include "host/log.h"
#include "net/rpc.h"

typedef enum workload_kind {
    WORKLOAD_HTTP,    // exports wasi:http/incoming-handler
    WORKLOAD_COMMAND, // exports wasi:cli/run; runs alone
    WORKLOAD_LIBRARY, // exports neither: it is there to be called by other workloads, or by drivers
} workload_kind;

// What a component is for, by its exports. A component with both serves. `is_alone`: it is the only workload
// of the host, so it must be one of the first two or be called by drivers; among others it can be no command.
// STATUS_UNSUPPORTED.
status workload_kind_of(const component *c, const workload_config *config, bool is_alone, workload_kind *ret,
                        err *e) WRIT_MUST_USE;
// Whether one of the link's interfaces is an import or an export of the component.
bool workload_uses_link(const component *c, const host_link *l);
// Whether a link is for calls to it: one of the link's interfaces is an export of the component.
bool workload_is_called_by_drivers(const component *c, const workload_config *config);

// Who gives a value out when a guest reveals it: the supervisor over the channel, or this process.
typedef struct secret_teller {
    void *context;
    // As wasi_secrets.reveal. `name` is one that the workload was granted.
    status (*reveal)(void *context, uint32_t workload, host_call *call, slice name, secret_value *ret,
                     err *e);
} secret_teller;

typedef struct workload_options {
    const workload_config *config; // borrowed
    uint32_t number;               // of it, on this host
    bool is_alone;
    const component *component; // decoded; borrowed
    const artifacts *artifacts;
    engine *engine;                      // borrowed
    logger *logger;                      // borrowed
    const int *directory_fds;            // one for each of config->directories; borrowed
    const _Atomic uint32_t *link_states; // by number of the link; borrowed, like what `drivers` points at
    uint32_t link_count;
    struct rpc *const *drivers;
    // What stands behind imports that other workloads satisfy; NULL = nothing.
    const struct callees *callees;
    struct gate *gate; // of calls; borrowed
    secret_teller secrets;
} workload_options;

typedef struct workload {
    const workload_config *config;
    uint32_t number; // on this host
    engine *engine;
    logger *logger;
    const component *component;
    grants *grants;
    core_module **modules;
    size_t module_count;
    component_program *program;
    workload_kind kind;
    const component_func *entry; // NULL of a library
    wasi_workload wasi;
    wasi_test_mode test;
    wasi_links links;
    rpc_share share; // of the connection to the drivers; it outlives that
    wasi_config values;
    wasi_secrets secrets;
    secret_teller teller; // of their values
    engine_store_options store_options;
    uint64_t cpu_ns_max; // of one call; 0 = no limit
    uint64_t wall_ns_max;
    uint64_t denied_next_ns; // when a refused call may be logged again
    uint64_t denied_unsaid;  // since the last that was
    arena arena;             // arrays of `wasi`
} workload;

status workload_new(const workload_options *options, workload **ret, err *e) WRIT_MUST_USE;
void workload_free(workload *w); // accepts NULL; all instances must be gone

// Opens the directories of the configuration, in order. On failure nothing stays open.
status workload_open_directories(const workload_config *config, int *ret_fds, err *e) WRIT_MUST_USE;
