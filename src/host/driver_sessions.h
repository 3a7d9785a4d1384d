// SPDX-License-Identifier: Apache-2.0
// Supervisors as sessions at the end of links (host/link_server.h), each over a channel: what it sends
// (MESSAGE_SERVE, then MESSAGE_ATTACH, MESSAGE_PUT_LINK, MESSAGE_CUT_LINK, MESSAGE_HTTP in any order) and
// what it is told (MESSAGE_OPENED, MESSAGE_LINK_HEALTH and so on). A packet that is wrong, or that comes at
// the wrong time, ends the session, with the reason as MESSAGE_FAILED.
#pragma once

#include "host/link_server.h"
#include "os/channel.h"

typedef struct driver_sessions driver_sessions;

typedef struct driver_sessions_options { // borrowed
    loop *loop;
    link_server *server;
    const char *directory; // that each must name; NULL = any
    bool connects;         // through the supervisor of each session; else drivers connect nowhere
    // A connection with requests of a workload has come, and is the receiver's. NULL = none may.
    void (*http)(void *context, slice workload, int fd);
    void *context;
} driver_sessions_options;

driver_sessions *driver_sessions_new(const driver_sessions_options *options);
void driver_sessions_free(driver_sessions *d); // accepts NULL; before the server

// Sends a connection with requests for a workload, by its name, to the newest session whose workers serve it;
// the caller keeps its descriptor. STATUS_NOT_FOUND: there is none.
status driver_sessions_http(driver_sessions *d, slice workload, int fd, err *e) WRIT_MUST_USE;

// One more, over its channel, which is taken over. `first` is the packet that has been received from it
// already, which is taken over too; or NULL.
status driver_sessions_add(driver_sessions *d, int fd, channel_packet *first, err *e) WRIT_MUST_USE;
