// SPDX-License-Identifier: Apache-2.0
// The provider's end of links (driver/provider/provider.h): takes connections, greets, opens for each the
// link that it asks for, with a driver of a table, and closes it with the connection. Nothing that a
// connection says is believed before the greeting, and after it no more than what a host may say: it can use
// the drivers of the table with settings of its own.
//
// Everything on the thread of the loop. Bounded: connections, calls of each, bytes.
#pragma once

#include "driver/driver.h"

typedef struct provider provider;

enum {
    PROVIDER_CONNECTIONS_MAX = 64,
    PROVIDER_CALLS_MAX = 2048,      // in flight of one link
    PROVIDER_DELIVERIES_MAX = 1024, // likewise, in the other direction
};

typedef enum provider_event_kind {
    PROVIDER_REFUSED,
    PROVIDER_OPENED,
    PROVIDER_UNREACHED,
    PROVIDER_CLOSED,
} provider_event_kind;

typedef struct provider_event {
    provider_event_kind what;
    const char *driver; // NULL: none was found
    slice workload;     // as the other end says
    const char *text;   // why
} provider_event;

typedef struct provider_options {
    loop *loop;
    const driver *const *drivers;          // NULL at the end
    const driver_environment *environment; // of every link; `l`, `random` and `shared` are set here
    slice key;                             // as greeting.h bounds it; borrowed
    // For the log: a connection was refused (it is not greeted right, its link could not be opened), a link
    // was opened, its backend was lost, it was closed. From the loop, as often as somebody connects. May be
    // NULL.
    void (*on_event)(void *arg, const provider_event *v);
    void *arg;
} provider_options;

// The options are copied, what they point at is borrowed.
provider *provider_new(const provider_options *options);
// Takes `fd` over, also on failure: a connected stream socket. STATUS_LIMIT over the connections.
status provider_accept(provider *p, int fd, err *e) WRIT_MUST_USE;
// Ends all connections and waits on the loop until every driver has let go, up to `wait_ns`.
void provider_free(provider *p, uint64_t wait_ns); // accepts NULL
