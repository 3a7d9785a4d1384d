// SPDX-License-Identifier: Apache-2.0
// Runs workloads on this machine: the entry points that cli/ calls.
#pragma once

#include "audit/audit.h"
#include "host/config.h"
#include "host/grants.h"
#include "host/status.h"
#include "identity/secret_store.h"
#include "loop/loop.h"

// Somebody who watches the workloads from their supervisor's loop while they run.
typedef struct host_monitor {
    void *context;
    // Before the first worker starts; a failure stops the start. `s` and the loop are valid until `ending`.
    status (*supervising)(void *context, loop *l, const host_status *s, err *e);
    void (*retiring)(void *context); // another generation serves; or NULL
    void (*ending)(void *context);   // also after a failure of `supervising`
} host_monitor;

// A secret that was named and cannot be had.
typedef struct host_missing_secret {
    const char *origin; // "app.yaml:12:9", or NULL
    const char *workload;
    const host_link *link; // whose credential it is; NULL = the workload's own
    const char *name;      // as the workload, or the driver, calls it
    status code;           // STATUS_NOT_FOUND: there is none; else it is not known
    const char *why;
} host_missing_secret;

// What the caller wants to be told (and shows to people). Called in the process that called host_run, on its
// thread. `workload` is a number in the configuration.
typedef struct host_observer {
    void *context;
    // It may run (or is allowed to although nobody vouches for it); before its bytes are decoded.
    void (*vetted)(void *context, const host_config *config, uint32_t workload, const vetting *v);
    // This host has a SPIFFE identity (--spiffe), valid during the run; after all are vetted. `vettings`: one
    // for each workload.
    void (*identified)(void *context, const host_config *config, const host_identity *identity,
                       const vetting *vettings);
    // The gate has decided; called before anything starts, and also when the start will be refused.
    void (*decided)(void *context, const host_config *config, uint32_t workload, const grants *decisions);
    // Everything is decided and opened, nothing has run: the last moment at which a failure stops the start.
    status (*starting)(void *context, const host_config *config, err *e);
    // Compiling takes long enough for a person to wonder: `done` of `total` core modules are ready.
    void (*compiling)(void *context, size_t done, size_t total);
    // Just before: the sockets on which they do, one for each worker. They stay the host's. May be NULL.
    void (*listening)(void *context, const int *fds, size_t count);
    // All workers serve. `url` such as "http://127.0.0.1:8000/".
    void (*serving)(void *context, const char *url, int workers);
    // Each secret that cannot be had, before the start is refused. May be NULL.
    void (*missing)(void *context, const host_missing_secret *what);
    const host_monitor *monitor; // or NULL
    secret_store *secrets;       // the sealed store, open; NULL = there is none. The host's until it returns
    audit *audit; // or NULL; the host's from `starting` until it returns: links, reveals, refusals of them
} host_observer;

// Loads, checks, compiles (or finds in the cache) and runs the workloads: serves until SIGTERM or SIGINT
// those that export wasi:http/incoming-handler, each where its routes say; one that exports wasi:cli/run is
// executed once, when it is the only one. `ret_exit` receives the exit status for the process (a command's
// own; 0 after a graceful shutdown). Everything that can be refused is refused before anything runs, and `e`
// says why. What the configuration leaves to the machine (instances_max of 0) is filled in.
status host_run(host_config *config, const host_observer *observer, int *ret_exit, err *e) WRIT_MUST_USE;

// The same up to the decision: nothing runs, no port opens, no file is made. What host_run would refuse is
// refused, but for what only starting can tell.
status host_check(host_config *config, const host_observer *observer, err *e) WRIT_MUST_USE;

// Reads and decodes the component of the configuration without running anything and without asking who
// vouches for it: for inspect and --suggest-grants. `ret_bytes` is owned by the caller (buf_done) and must
// outlive the component.
status host_load_component(const char *path, buf *ret_bytes, component **ret, err *e) WRIT_MUST_USE;
// The same in two steps, for what must happen between them. The message of a failure names the path.
status host_read_component(const char *path, buf *ret_bytes, err *e) WRIT_MUST_USE;
status host_decode_component(const char *path, slice bytes, component **ret, err *e) WRIT_MUST_USE;

// Where compiled code is kept: `named` (--cache) when it is not NULL, else the user's cache directory
// ($XDG_CACHE_HOME/writ/code, or $HOME/.cache/writ/code). STATUS_NOT_FOUND when nothing names one.
status host_cache_directory(const char *named, buf *ret, err *e) WRIT_MUST_USE;

// Where drivers keep their files: `named` (--data) when it is not NULL, else $XDG_DATA_HOME/writ/data or
// $HOME/.local/share/writ/data. STATUS_NOT_FOUND when nothing names one.
status host_data_directory(const char *named, buf *ret, err *e) WRIT_MUST_USE;

// The main function of the processes that the supervisor starts from the same binary ("__worker",
// "__compiler"). Returns the exit status.
int host_worker_main(int argc, char **argv);
int host_compiler_main(int argc, char **argv);
int host_drivers_main(int argc, char **argv);
