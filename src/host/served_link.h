// SPDX-License-Identifier: Apache-2.0
// One link in the process with the drivers: opened by its driver, used by sessions (host/link_server.h),
// closed when none has it any more and the last call was answered.
#pragma once

#include "base/list.h"
#include "driver/driver.h"
#include "host/links.h"

typedef struct served_link served_link;

typedef struct served_link_events {
    void *context;
    void (*health)(void *context, served_link *l, const driver_health *h); // it has changed
    // As in driver_link_options. When nothing of the link is left, `closed` ends those that are on their way.
    status (*deliver)(served_link *l, driver_delivery *d, err *e);
    void (*deliver_cancel)(driver_delivery *d);
    void (*closed)(served_link *l);
    void (*lost)(void *context, served_link *l, status why, const char *what); // at most once in a second
} served_link_events;

struct served_link {
    host_link config; // owned
    const driver *driver;
    driver_link *opened;
    driver_environment environment;
    driver_value *values; // of settings and credentials, borrowed from `config`
    connector *connector; // to whoever connects for it now; NULL = it connects nowhere
    void *way;            // for the owner: whose connector that is
    served_link_events events;
    uint32_t references;  // places in sessions
    uint32_t calls;       // not answered yet
    list_node deliveries; // of the owner, with their number
    uint32_t delivery_count;
    uint64_t lost_next_ns; // when a call that was lost may be told again
    uint64_t lost_unsaid;  // since the last that was
    bool is_closing;
    list_node node; // of the owner, in its list of all
};

typedef struct served_link_place { // the same for all links
    loop *loop;
    trust_roots *roots;    // for TLS; NULL = none but those in settings
    const char *directory; // for files, absolute; NULL = none
    const driver *const *drivers;
    void *context;
    uint64_t random;
    list_node *shared; // by links, in driver_environment
    served_link_events events;
} served_link_place;

// Moves `config` out of its place, and leaves that zeroed, on success only. `way` NULL = it connects nowhere.
status served_link_open(const served_link_place *place, host_link *config, connector *way, served_link **ret,
                        err *e) WRIT_MUST_USE;
// Closes it when nobody has it, and calls in both directions have ended. To be called when that may have
// become true.
void served_link_close_unused(served_link *l);

bool served_link_has_interface(const served_link *l, slice interface);
