// SPDX-License-Identifier: Apache-2.0
// Runs all workloads in this process: the same in a worker and in the single process of --workers 0, which
// differ only in where connections and log lines go and in what they gave up before runner_start.
#pragma once

#include "host/admission.h"
#include "host/cell.h"
#include "host/workload.h"
#include "loop/loop.h"
#include "net/connector.h"

typedef struct runner runner;

typedef struct runner_workload { // what belongs to one
    logger *logger;
    const artifacts *artifacts;
    const component *component;
    const int *directory_fds;
} runner_workload;

typedef struct runner_options {
    const host_config *config;        // borrowed, like everything below
    const runner_workload *workloads; // one for each of the configuration; borrowed for runner_new
    loop *loop;
    connector *connector;
    struct trust_roots *roots; // for outgoing TLS, read while files could be; NULL = none
    cell *cell;
    engine *engine;
    const _Atomic uint32_t *link_states; // of the links of all workloads, by number (capability/links.h)
    uint32_t link_count;
    struct rpc *const *drivers; // where links lead; what it points at may come and go
    secret_teller secrets;      // of all workloads; zeroed = there are none
    int listener_fd;            // -1 for a command
    admission_page *admissions; // one for each workload, over all workers
    uint32_t worker;            // our row in them
    uint32_t worker_count;
    // The command has ended, or everything is drained. From the loop, or from runner_start or runner_drain.
    void (*finished)(void *context, uint8_t exit_status);
    void *context;
} runner_options;

// Loads and links: everything that needs files and executable memory.
status runner_new(const runner_options *options, runner **ret, err *e) WRIT_MUST_USE;
// Serves or starts the command. Opens nothing.
status runner_start(runner *r, err *e) WRIT_MUST_USE;
// No new requests; cuts what is not done at the deadline (of loop_now_ns). A command is stopped at once.
void runner_drain(runner *r, uint64_t deadline_ns);
// The same for one whose listener goes on elsewhere (http_server_retire).
void runner_retire(runner *r, uint64_t deadline_ns);
void runner_free(runner *r); // accepts NULL

// A connection with requests for that workload, which is taken over. Once it is started.
void runner_adopt(runner *r, int fd, uint32_t number);
// Calls from the process with the drivers (host/delivery.h): what rpc_handler calls. Once it is started.
void runner_deliver(runner *r, struct rpc_request *q);
void runner_deliver_cancel(struct rpc_request *q);
