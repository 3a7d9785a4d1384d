// SPDX-License-Identifier: Apache-2.0
// The process with the drivers, seen from the supervisor: started before the workers, given the links with
// their credentials, connected to every worker, replaced when it ends.
//
// Its connections to backends are made here, as those of workers are, so that it needs no right to connect.
// What comes from it is read as strictly as what comes from a worker. Which links are open stands in a page
// that this process writes and workers read: cutting a link is one store.
#pragma once

#include "capability/links.h"
#include "host/config.h"
#include "host/host_secrets.h"
#include "host/log.h"
#include "loop/loop.h"

typedef struct drivers drivers;

typedef struct drivers_options {
    const host_config *config; // borrowed; its links are numbered, there is at least one
    uint32_t link_count;
    loop *loop;
    logger *logger;              // borrowed
    const host_secrets *secrets; // credentials of the links; borrowed; or NULL
    const char *directory;       // for files of drivers, absolute; made when it is not there
    // A new process has taken the place of the one that ended: every worker needs a new connection. From the
    // loop.
    void (*replaced)(void *context);
    void *context;
} drivers_options;

// Starts the process and waits, at most 10 s, until every link is opened (not: connected).
status drivers_new(const drivers_options *options, drivers **ret, err *e) WRIT_MUST_USE;
void drivers_free(drivers *d); // accepts NULL; ends the process

// The end of a new connection, for one worker; closed at the other side already while there is no process.
status drivers_connect(drivers *d, int *ret_fd, err *e) WRIT_MUST_USE;

int drivers_page_fd(const drivers *d);
const _Atomic uint32_t *drivers_states(const drivers *d); // the page, in this process
// From now on calls through the link are refused, or not any more.
void drivers_set_state(drivers *d, uint32_t link, wasi_link_state state);

// All links of the configuration as one list, in the order of their numbers; borrows from it. For mem_free.
host_links drivers_links(const host_config *config, uint32_t count);
