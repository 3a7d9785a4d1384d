// SPDX-License-Identifier: Apache-2.0
// The ends of the links that components of this host have (api/assignment.h), seen from the agent: calls that
// components make go out here, calls that are for components go in.
//
// Out: the link that the lattice has for the caller, the name and the interface says who is called; without
// one the call fails. Rules are asked, then the call goes its way as one of the lattice.
//
// Threads: all on the thread of the loop.
#pragma once

#include "driver/driver.h"
#include "lattice/call.h"
#include "lattice/core.h"
#include "policy/gate.h"

typedef struct component_links component_links;

typedef struct component_links_options { // borrowed
    loop *loop;
    lattice_core *(*core)(void *context); // NULL: not known yet
    lattice_transport *calls;
    gate *gate;
    uint64_t call_ns; // of a call that says no deadline
    void *context;
} component_links_options;

component_links *component_links_new(const component_links_options *options);
// After every link of it was closed.
void component_links_free(component_links *c); // accepts NULL

// For local_host_options, with the component_links as its context.
extern const driver component_link_driver;

// Whether that component has a link: it is about to run, runs, or ends.
bool component_links_have(const component_links *c, slice id);
// Calls it; as driver_link_options.deliver. The payload begins with a delivery_caller. STATUS_NOT_FOUND: it
// does not run here.
status component_links_deliver(component_links *c, slice id, driver_delivery *d, err *e) WRIT_MUST_USE;
void component_links_deliver_cancel(component_links *c, slice id, driver_delivery *d);

// Whom a call of a component reaches: the link says it, the rules allow it. STATUS_NOT_FOUND without a link,
// STATUS_DENIED. What it gives is valid until the core's next input.
typedef struct component_asked {
    slice interface; // without a version
    slice name;      // of the link
    slice function;
} component_asked;
typedef struct component_route {
    slice target;
    slice issuer; // of the caller
    const lattice_link *link;
} component_route;
status component_links_route(component_links *c, slice id, const component_asked *asked, component_route *ret,
                             err *e) WRIT_MUST_USE;

typedef struct component_links_counters {
    uint64_t calls;    // that components made
    uint64_t unlinked; // of these: without a link
    uint64_t denied;   // by a rule
    uint64_t failed;   // that did not end with an answer
    size_t in_flight;
} component_links_counters;
component_links_counters component_links_count(const component_links *c);
