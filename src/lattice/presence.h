// SPDX-License-Identifier: Apache-2.0
// Presence: what this host says of itself to its lattice, and how it hears of the others. Everything said is
// a signed statement (lattice/statement.h); what it says is in lattice/presence_message.h, what is heard goes
// to lattice/peers.h.
//
//   writ.v1.{lattice}.presence              to all: beats, changes, `all` when many want it, the end
//   writ.v1.{lattice}.presence.ask.{host}   to one: tell me all
//
// On start a host asks everybody; answers come to its inbox, spread over time. It says at once what changes,
// and with nothing to say a beat every PRESENCE_BEAT_NS, or more seldom in a large lattice
// (PRESENCE_BEAT_NS_PER_HOST for each host), so that what a host hears stays within 110 messages a second.
//
// Threads: all on the thread of the loop of the bus.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "bus/bus.h"
#include "identity/nkey.h"
#include "lattice/cluster.h"
#include "lattice/peers.h"
#include "lattice/refused.h"

#define PRESENCE_BEAT_NS (3 * UINT64_C(1000000000))
#define PRESENCE_BEAT_NS_PER_HOST (10 * UINT64_C(1000000))
#define PRESENCE_GATHER_NS (20 * UINT64_C(1000000))         // changes of that long are told together
#define PRESENCE_ANSWER_NS_PER_HOST (1 * UINT64_C(1000000)) // over which the answers to a question are spread
#define PRESENCE_SETTLE_NS (500 * UINT64_C(1000000))        // of silence after the question to all
#define PRESENCE_SETTLE_NS_MAX (5 * UINT64_C(1000000000))
enum { PRESENCE_ANSWERS_MAX = 8 }; // of `all` to one each at a time; more who ask get one that goes to all

typedef struct presence presence;

typedef struct presence_options {
    bus *bus;                       // borrowed; its loop is ours
    const nkey *key;                // the host's; borrowed
    slice token;                    // copied; see presence_set_token
    slice lattice;                  // copied
    uint64_t epoch;                 // the same as of its sessions
    slice version;                  // of the program; copied
    cluster *cluster;               // borrowed
    lattice_refusals *refusals;     // borrowed; may be NULL
    uint64_t (*wall_ms)(void *arg); // NULL: the clock of the machine
    void *wall_arg;
    uint64_t seed; // of waits and choices
    bool allows_unsigned_peers;
    // What became of another host; from the loop, or from inside presence_end_host. May be NULL.
    void (*peer_changed)(void *arg, const peer *p, peer_news news);
    // Everybody who was asked at the start has had time to answer. Once, from the loop. May be NULL.
    void (*settled)(void *arg);
    void *arg;
} presence_options;

// Subscribes, says what it is, and asks.
status presence_start(const presence_options *o, presence **ret, err *e) WRIT_MUST_USE;
void presence_free(presence *p); // accepts NULL; says nothing
// Says that this host ends. Before presence_free, and after the last call was answered.
void presence_end(presence *p);
void presence_set_token(presence *p, slice token);

// Who is there; borrowed.
peers *presence_peers(presence *p);
bool presence_is_settled(const presence *p);

// What this host serves: `id` is added, or its revision changed. STATUS_LIMIT over PEER_SERVES_MAX.
status presence_serve(presence *p, slice id, bool is_provider, int32_t revision, err *e) WRIT_MUST_USE;
void presence_withdraw(presence *p, slice id); // nothing when it is not served
// How busy it is: told with the next message.
void presence_set_load(presence *p, uint32_t in_flight, uint32_t room);
void presence_drain(presence *p); // told at once: others send no more calls where they can choose
// Heard from elsewhere that a host has ended that life (sealed_options.host_ended).
void presence_end_host(presence *p, const nkey_public *host, uint64_t epoch);

typedef struct presence_counters {
    uint64_t said, said_bytes;
    uint64_t heard, heard_bytes; // of other hosts, believed
    uint64_t refused;
    uint64_t questions; // of ours, because something was missed
} presence_counters;
presence_counters presence_count(const presence *p);
