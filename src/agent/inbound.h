// SPDX-License-Identifier: Apache-2.0
// What this host serves to its lattice: the server behind every way by which calls come (lattice/call.h), and
// behind the way to this host itself. A target is a component that runs here, whose exports were found out
// before it began, or a provider of this host.
//
// Threads: all on the thread of the loop.
#pragma once

#include "agent/component_links.h"
#include "agent/http_ways.h"
#include "agent/providers.h"
#include "api/component_facts.h"

typedef struct inbound inbound;

typedef struct inbound_options { // borrowed
    loop *loop;
    http_ways *ways; // to components
    gate *gate;
    lattice_core *(*core)(void *context); // NULL: not known yet
    // What a component that runs here exports; NULL: it does not.
    const component_facts *(*facts)(void *context, slice id);
    void *context;
} inbound_options;

inbound *inbound_new(const inbound_options *options);
// After the last call has ended.
void inbound_free(inbound *i); // accepts NULL

// Where they are called, before anything is served.
void inbound_use(inbound *i, component_links *components, providers *p);

const lattice_server *inbound_server(const inbound *i);
// Whether it is served here, and how many calls of it are under way.
bool inbound_serves(const inbound *i, slice target);

typedef struct inbound_counters {
    uint64_t calls;
    uint64_t failed;
    size_t in_flight;
} inbound_counters;
inbound_counters inbound_count(const inbound *i);
