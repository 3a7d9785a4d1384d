// SPDX-License-Identifier: Apache-2.0
// Runs one workload on this machine: the entry points that cli/ calls.
#pragma once

#include "host/config.h"
#include "host/grants.h"

// Loads, checks, compiles (or finds in the cache) and runs the component: serves until SIGTERM or SIGINT when it
// exports wasi:http/incoming-handler, or executes it once when it exports wasi:cli/run. `ret_exit` receives the
// exit status for the process (a command's own; 0 after a graceful shutdown). On failure before the start nothing
// runs and `e` says why.
status host_run(const host_config *config, int *ret_exit, err *e) WRIT_MUST_USE;

// The main function of the processes that the supervisor starts from the same binary ("__worker", "__compiler").
// Returns the exit status.
int host_worker_main(int argc, char **argv);
int host_compiler_main(int argc, char **argv);
