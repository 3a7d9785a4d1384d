// SPDX-License-Identifier: Apache-2.0
// The process with the drivers, seen from the supervisor: started before the workers, or found there when
// this host takes over from another one; given the links with their credentials, connected to every worker,
// replaced when it ends.
//
// Its connections to backends are made here, as those of workers are, so that it needs no right to connect.
// What comes from it is read as strictly as what comes from a worker. Which links are open stands in a page
// that this process writes and workers read: cutting a link is one store. What is behind a link can be
// changed while calls go through it.
#pragma once

#include "capability/links.h"
#include "host/config.h"
#include "host/driver_process.h"
#include "host/host_secrets.h"
#include "host/log.h"
#include "loop/loop.h"

typedef struct drivers drivers;

typedef struct drivers_options {
    host_config *config; // borrowed; its links are numbered, there is at least one; changes with them
    uint32_t link_count;
    loop *loop;
    logger *logger;          // borrowed
    host_secrets *secrets;   // credentials of the links; borrowed; or NULL
    struct channel *holder;  // to who has the process (host/driver_process.h); NULL = it is here
    driver_process *process; // of several of these, one of which takes over from another; NULL = its own
    const char *directory;   // for files of drivers, absolute; made when it is not there
    // A new process has taken the place of the one that ended: every worker needs a new connection. From the
    // loop.
    void (*replaced)(void *context);
    // A connection with requests for the workload of that link has come, and is the receiver's. NULL = none
    // may.
    void (*http)(void *context, uint32_t workload, int fd);
    void *context;
} drivers_options;

// Starts the process and waits, at most 10 s, until every link is opened (not: connected).
status drivers_new(const drivers_options *options, drivers **ret, err *e) WRIT_MUST_USE;
void drivers_free(drivers *d); // accepts NULL; ends the process

// The end of a new connection, for one worker; closed at the other side already while there is no process.
status drivers_connect(drivers *d, int *ret_fd, err *e) WRIT_MUST_USE;

// Sends a connection with requests of a workload to the end of its links; the caller keeps its descriptor.
status drivers_send_http(drivers *d, uint32_t workload, int fd, err *e) WRIT_MUST_USE;

int drivers_page_fd(const drivers *d);
const _Atomic uint32_t *drivers_states(const drivers *d); // the page, in this process

// As host_changes say; the configuration is changed, too.
status drivers_put(drivers *d, host_link *l, host_put_ended ended, void *arg, err *e) WRIT_MUST_USE;
// Its credentials have changed: opens it anew with those that host_secrets lends now. What cannot be done is
// a line in the log, and the link keeps what it has.
void drivers_renew(drivers *d, uint32_t link);
void drivers_cut(drivers *d, uint32_t link);
void drivers_read_link(const drivers *d, uint32_t link, host_link_state *ret);

// All links of the configuration as one list, in the order of their numbers; borrows from it. For mem_free.
host_links drivers_links(const host_config *config, uint32_t count);
