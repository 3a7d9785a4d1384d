// SPDX-License-Identifier: Apache-2.0
// A lattice of simulated hosts: the control interface, presence, sessions, sealed calls and the router are
// those of the program; what runs, and who calls whom, is made up here. Beside it stands an oracle, which
// sees everything and knows what must never be.
#pragma once

#include "base/buf.h"
#include "bus_sim.h"
#include "identity/nkey.h"
#include "lattice/control.h"
#include "lattice/presence.h"
#include "lattice/router.h"
#include "lattice/sealed.h"
#include "lattice/within.h"
#include "world.h"

enum {
    SIM_HOSTS_MAX = 240, // of runs with calls 32 at most
    SIM_COMPONENTS = 4,  // "c0" ...
    SIM_LINK_NAMES = 2,  // "default", "other"
    SIM_CONFIGS = 4,
    SIM_CALLS_MAX = 1 << 14,
    SIM_HISTORY_MAX = 1 << 12,
    SIM_GRANTS_MAX = 64,
    SIM_WHY_BYTES = 512,
};

// What can be broken on purpose, to see that the oracle notices.
typedef enum sim_break {
    SIM_BREAK_NOTHING,
    SIM_BREAK_WATCH,       // a host passes over some changes of the lattice's data
    SIM_BREAK_LINKS,       // nobody asks whether the caller is linked
    SIM_BREAK_INSTANCES,   // a component takes one call more than it has instances
    SIM_BREAK_SESSIONS,    // a copy of a call of a life that has ended is served
    SIM_BREAK_ONCE,        // a call is served twice
    SIM_BREAK_PRESENCE,    // hosts do not say what they serve no more
    SIM_BREAK_ENDS,        // the end of a call is told twice
    SIM_BREAK_ACKNOWLEDGE, // a deletion is acknowledged that was not made
    SIM_BREAK_ANSWERS,     // calls are not answered
    SIM_BREAK_COUNT,
} sim_break;

const char *sim_break_name(sim_break b);

typedef struct sim sim;
typedef struct sim_host sim_host;

typedef struct sim_component { // that runs on a host, or begins to
    sim_host *h;
    char id[8];
    bool is_known; // the host was told to run it
    uint64_t generation;
    uint32_t instances; // that it has; 0 = it does not run
    uint32_t in_flight;
    loop_timer apply;
} sim_component;

typedef struct sim_call { // that somebody makes
    lattice_call call;    // first
    sim *s;
    sim_host *from;
    size_t number;
    uint64_t life; // of its host
    size_t source, target, name;
    uint64_t deadline_world_ns;
    bool is_started, has_ended, is_forgotten; // its host is gone
    bool must_succeed;
    unsigned results;
    size_t answered_by; // host
    status code;
    uint32_t served_by; // hosts, as bits
    uint64_t began_ns;  // of the world
    char params[16];    // its number
    char why[128];
} sim_call;

typedef struct sim_served { // that a host serves
    sim_host *h;
    sim_component *c;
    lattice_served *q;
    size_t number; // of the call
    loop_timer work;
    list_node node;
    bool has_ended;
} sim_served;

typedef struct sim_grant {
    size_t component;
    uint32_t count;
    uint64_t at_ns; // of the machine
} sim_grant;

struct sim_host {
    sim *s;
    size_t number;
    nkey *key;
    nkey_public name;
    nkey_text id;
    uint64_t life; // grows with each; 0 = never
    bool is_alive;
    bool is_ending;
    machine m;
    bus *b;
    cluster *cluster;
    buf token;
    uint64_t random;
    lattice_refusals refusals;
    lattice_control *control;
    presence *presence;
    sealed *sealed;
    lattice_server server;
    lattice_within *within;
    router *router;
    sim_component components[SIM_COMPONENTS];
    list_node serving;
    loop_timer call_soon;
    loop_timer end;
    uint64_t paused_ns; // when it last stood still, of the world
    // What the oracle knows of it.
    sim_grant grants[SIM_GRANTS_MAX];
    size_t grant_count;
    uint64_t seen_revision[SIM_COMPONENTS]; // of the links of each source
    uint64_t heard_life[SIM_HOSTS_MAX];     // of others, at least
    uint64_t ended_life[SIM_HOSTS_MAX];     // of others, that it heard of
};

typedef struct sim_change { // in the bucket of the lattice
    size_t source;
    uint64_t revision;
    uint64_t at_ns;
    uint32_t links; // bits by sim_link_bit
    size_t link_count;
} sim_change;

typedef struct sim_request { // of the operator
    sim *s;
    bus_request r;
    bool is_used, is_link_put, is_link_del;
    size_t source, name, target;
    uint64_t began_ns;
} sim_request;

enum { SIM_REQUESTS_MAX = 32 };

struct sim {
    world w;
    bus_net *net;
    sim_break broken;
    bool is_verbose;
    nkey *issuer;
    size_t host_count;
    sim_host *hosts;
    machine operator_machine;
    bus *operator;
    sim_request requests[SIM_REQUESTS_MAX];
    bool is_calm; // the faults are over
    sim_call *calls;
    size_t call_count;
    // The truth, of both buckets.
    bus_kv_watch lattice_watch, config_watch;
    sim_change *changes;
    size_t change_count;
    char *configs[SIM_CONFIGS]; // values; NULL = there is none
    char why[SIM_WHY_BYTES];    // the first thing that must not be; empty = all is well
    struct {
        uint64_t calls, ok, refused, lost, served, lives, acknowledged, refusals;
    } counters;
};

// The key of that kind whose seed is `number` in each byte.
nkey *sim_key(nkey_kind kind, uint8_t number);
void sim_trace(sim *s, const char *format, ...) WRIT_FORMAT(2, 3);

// host.c
void sim_host_init(sim_host *h, sim *s, size_t number);
void sim_host_done(sim_host *h);
void sim_host_start(sim_host *h);
void sim_host_crash(sim_host *h);
void sim_host_stop(sim_host *h); // with its goodbyes; it is gone a while later
bool sim_host_runs(const sim_host *h, size_t component);
sim_call *sim_host_call(sim_host *h, size_t source, size_t name, size_t target, bool is_idempotent,
                        bool must_succeed);

// oracle.c: each is told what happens, and sets `why` when it must not.
void sim_fail(sim *s, const char *format, ...) WRIT_FORMAT(2, 3);
void sim_oracle_init(sim *s); // after its hosts have their place
void sim_oracle_done(sim *s);
void sim_oracle_delivered(sim_host *h, slice bucket, const bus_kv_entry *entry);
void sim_oracle_command(sim_host *h, slice command, const bus_message *m);
void sim_oracle_peer(sim_host *h, const peer *p, peer_news news);
void sim_oracle_called(sim_call *c);
void sim_oracle_served(sim_host *h, sim_component *c, const lattice_invocation *i, size_t number);
void sim_oracle_results(sim_call *c, slice results);
void sim_oracle_ended(sim_call *c, status code);
void sim_oracle_acknowledged(sim_request *r, bool success);
void sim_oracle_converged(sim *s); // all hosts know the same, which is the truth
void sim_oracle_calls(sim *s);     // every call has ended once
bool sim_oracle_is_linked(const sim *s, size_t source, size_t name, size_t target);

static inline uint32_t sim_link_bit(size_t name, size_t target) {
    return UINT32_C(1) << (name * SIM_COMPONENTS + target);
}
static inline const char *sim_link_name(size_t name) { return name == 0 ? "default" : "other"; }
