// SPDX-License-Identifier: Apache-2.0
// A bus between simulated machines: a server (a bus within this process) behind connections that delay, lose,
// duplicate and reorder what goes through them. Hosts can be cut off from the server, and the lattice can
// fall into parts that do not hear each other, of which the first has the buckets.
#pragma once

#include "bus/bus.h"
#include "world.h"

enum { BUS_SIM_CLIENTS_MAX = 250 };

typedef struct bus_sim_faults {
    uint64_t delay_ns_min, delay_ns_max;
    unsigned lose, duplicate, reorder; // per mille
    // Per mille of what hosts say to each other: somebody listens, and says it again up to 20 s later.
    unsigned replay;
} bus_sim_faults;

typedef struct bus_net bus_net;

bus_net *bus_net_new(world *w, const bus_sim_faults *faults);
void bus_net_free(bus_net *n); // after its clients
void bus_net_set_faults(bus_net *n, const bus_sim_faults *faults);
// The bus behind it all, without faults: for whoever watches the whole.
bus *bus_net_server(bus_net *n);

status bus_sim_new(bus_net *n, machine *m, bus **ret);
// The part of the lattice that it is in; 0 has the buckets.
void bus_sim_set_part(bus *b, unsigned part);
// Cuts or restores its connection: what is under way is lost.
void bus_sim_set_connected(bus *b, bool is_connected);
// Sees each entry right before a watch of this client is told, and says whether it is.
void bus_sim_observe(bus *b, bool (*seen)(void *arg, slice bucket, const bus_kv_entry *entry), void *arg);
// Its watches miss something and begin anew.
void bus_sim_break_watches(bus *b);

typedef struct bus_sim_traffic {
    uint64_t out, out_bytes; // published, requests included
    uint64_t in, in_bytes;   // handed over to subscribers
} bus_sim_traffic;
bus_sim_traffic bus_sim_count(const bus *b);
