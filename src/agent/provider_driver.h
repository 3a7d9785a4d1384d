// SPDX-License-Identifier: Apache-2.0
// A provider of ours: a driver in a process of its own, to which this host is what a supervisor and its
// workers are. Calls of the lattice go to the driver's link of who calls, its calls to components go to the
// lattice.
//
// Links that change open a second session with the same process: what is the same in both goes on as it is,
// calls that are under way end where they began, and the first session ends after the last of them.
#pragma once

#include "agent/provider_wants.h"
#include "lattice/call.h"

typedef struct provider_driver provider_driver;

typedef struct provider_driver_options {
    const providers_options *host; // borrowed
    slice id;                      // copied
    const char *driver_name;       // a constant: "sqlite"
} provider_driver_options;

provider_driver *provider_driver_new(const provider_driver_options *options);
void provider_driver_free(provider_driver *d); // accepts NULL; calls that are served fail

// Opens what is new and closes what is gone; nothing when it has the same already. Links that cannot be are
// left out, which the log tells. A failure changes nothing; else `w` is taken.
status provider_driver_want(provider_driver *d, provider_wants *w, err *e) WRIT_MUST_USE;
bool provider_driver_is_idle(const provider_driver *d);    // no call is under way, in either direction
bool provider_driver_is_healthy(const provider_driver *d); // no link is down

// As of lattice_server. A caller without a link is STATUS_DENIED.
status provider_driver_check(provider_driver *d, const lattice_invocation *i, err *e) WRIT_MUST_USE;
void provider_driver_call(provider_driver *d, lattice_served *q);
