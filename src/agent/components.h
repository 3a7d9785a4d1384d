// SPDX-License-Identifier: Apache-2.0
// The components that this host should run, made so: each image is fetched, checked for itself, and then runs
// with all others in the next generation of the local host (agent/local_host.h). Changes that come while one
// is on its way are gathered for the next. What became of a wish is told to the core (lattice/core.h).
//
// A component that calls another one of this host through a link is bound to it in memory; what else it calls
// goes through its link to the agent (agent/component_links.h).
//
// Threads: all on the thread of the loop.
#pragma once

#include "agent/images.h"
#include "agent/local_host.h"
#include "lattice/core.h"

typedef struct components components;

typedef struct components_options { // borrowed
    loop *loop;
    images *images;
    lattice_core *core;
    lattice_time (*now)(void *context);
    bool allows_unsigned;      // components that nobody signed whom this host trusts
    uint64_t memory_bytes_max; // of those that name none; 0 = the host's default
    uint64_t time_ns_max;      // likewise, of one call
    // Something else runs, or nothing: the accessors have changed.
    void (*changed)(void *context);
    void (*trouble)(void *context, const char *what); // for the log
    void *context;
} components_options;

components *components_new(const components_options *options);
void components_free(components *c); // accepts NULL
// The host that runs them, before anything else; its events go to the functions below.
void components_use(components *c, local_host *h);
void components_assigned(components *c, status code, const char *why);
void components_checked(components *c, arena *memory, const component_facts *facts, size_t count, status code,
                        const char *why);

// The core wants something else, or links or configurations have changed.
void components_look(components *c);
// From now on nothing new is begun.
void components_stop(components *c);

// --- what runs ---------------------------------------------------------------------------------------------

size_t components_count(const components *c); // those that are known, running or not
// What the running one exports and who signed it; NULL: it does not run. Valid until something else runs.
// `ret_serial`: another one for each image that was checked.
const component_facts *components_at(const components *c, size_t index, slice *ret_id, uint64_t *ret_serial);
const component_facts *components_facts(const components *c, slice id);
uint32_t components_instances(const components *c, slice id); // that it may have; 0: it does not run
