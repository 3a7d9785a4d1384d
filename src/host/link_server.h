// SPDX-License-Identifier: Apache-2.0
// The end of links: opens the drivers of a list of links and serves calls of workers to them. Runs in the
// process with the drivers.
//
// A worker's call names a link, an interface and a function. Nothing in it is believed: the link must exist,
// the interface must be one of the link's, and the rest is decoded by the driver. Calls in flight are bounded
// per link, so that one workload's backend cannot take the room of another's.
#pragma once

#include "driver/driver.h"
#include "host/links.h"

typedef struct link_server link_server;

typedef struct link_server_options {
    loop *loop;
    connector *connector;    // NULL = drivers connect nowhere
    trust_roots *roots;      // for TLS of drivers; NULL = none but those in settings
    const char *directory;   // for files of drivers, absolute; NULL = none
    const host_links *links; // borrowed
    // The health of a link has changed. May be NULL.
    void (*on_health)(void *context, uint32_t link, const driver_health *h);
    void *context;
} link_server_options;

// Opens every link. All that cannot be opened are told in one message, a line each.
status link_server_new(const link_server_options *options, link_server **ret, err *e) WRIT_MUST_USE;
// Serves one more worker over a connected stream socket, which is taken over.
status link_server_attach(link_server *s, int fd, err *e) WRIT_MUST_USE;
// Cuts the connections and closes the links; waits on the loop until every driver has let go, up to
// `wait_ns`.
void link_server_free(link_server *s, uint64_t wait_ns); // accepts NULL

// Calls of drivers to workloads go to the attached worker that has the fewest of them. A worker that ends is
// asked no more; what it had is STATUS_CLOSED. Of one link, of all workers; and of one worker, of all links.
enum { LINK_SERVER_DELIVERIES_MAX = 1024, LINK_SERVER_WORKER_DELIVERIES_MAX = 2048 };

// In flight of one link, of all workers. One worker alone gets half of it, of two each a third, and so on.
enum { LINK_SERVER_CALLS_MAX = 2048 };
