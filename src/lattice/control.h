// SPDX-License-Identifier: Apache-2.0
// Binds a core (lattice/core.h) to a bus: opens and watches the two buckets, subscribes to the subjects of
// the control interface, carries out operations, and keeps its time. What is left for the owner is what runs.
//
// Threads: all on the thread of the bus's loop. The owner's callbacks come from the loop, or from inside the
// functions of core.h that it calls itself.
#pragma once

#include "base/attributes.h"
#include "bus/bus.h"
#include "lattice/core.h"
#include "lattice/vouch.h"

typedef struct lattice_control lattice_control;

typedef struct lattice_control_owner {
    void *context;
    void (*changed)(void *context, unsigned changes);  // core_changes; read the accessors
    void (*stop)(void *context, uint64_t timeout_ns);  // end what runs, then lattice_control_stopped
    void (*describe)(void *context, json_value *writ); // NULL = nothing to add
    // Both buckets are open, everything that was in them is known, and messages are taken from now on.
    void (*ready)(void *context);
    // Whether who sent a message may ask for that: STATUS_OK, or the failure that is answered. `command` is
    // "component.scale". NULL = everybody may.
    status (*permit)(void *context, const bus_message *m, slice command, err *e);
} lattice_control_owner;

typedef struct lattice_control_options {
    bus *ctl; // borrowed, longer than the control
    bus *rpc; // may be the same
    lattice_time (*now)(void *arg);
    void (*random)(void *arg, void *ret, size_t len);
    void *arg;
    lattice_control_owner owner;
    core_settings core;
    vouch *vouch; // what is in the buckets counts when a host vouches for it; NULL = always; borrowed
} lattice_control_options;

// Starts by itself as soon as there is a connection, and tries again until it succeeds.
status lattice_control_new(const lattice_control_options *options, lattice_control **ret,
                           err *e) WRIT_MUST_USE;
void lattice_control_free(lattice_control *c); // accepts NULL; nothing is published

lattice_core *lattice_control_core(lattice_control *c);
bool lattice_control_is_ready(const lattice_control *c);
const char *lattice_control_trouble(const lattice_control *c); // why it is not ready; NULL = it is, or soon

// Takes no more messages that others could serve as well, and no auctions; before a stop that lasts.
void lattice_control_drain(lattice_control *c);
// Publishes host_stopped, ends watches and subscriptions.
void lattice_control_stopped(lattice_control *c);

// The news of what runs are told to the core with this time.
lattice_time lattice_control_now(lattice_control *c);
