// SPDX-License-Identifier: Apache-2.0
// The life of one provider of 1.x, without its process: when it is started, asked, told and ended. Messages
// go over a bus, time is the loop's, the process is the owner's.
//
//   start -> running -- ended by itself --> waiting -- start anew, with what it is to have now --> running
//   running, waiting -- stop --> asked to end -- has ended, or is killed after the delay --> stopped
//
// - Health: asked 5 s after each start and then every 30 s. No answer counts as one that says "not well", but
//   only where it was well before.
// - A link that changes ends first, and begins anew half a second later.
// - What changes is told at once, and once more with the first answer about its health: until then it may not
//   have been listening.
// - Waits between starts: half to all of 1, 2, 4 ... 60 s; from the beginning again after a minute of life.
#pragma once

#include "agent/provider_wants.h"

typedef struct provider_life provider_life;

#define PROVIDER_HEALTH_FIRST_NS 5000000000ull
#define PROVIDER_HEALTH_NS 30000000000ull
#define PROVIDER_HEALTH_WAIT_NS 5000000000ull // for an answer
#define PROVIDER_RESTART_NS_MAX 60000000000ull
#define PROVIDER_SHUTDOWN_NS_DEFAULT 300000000ull

typedef struct provider_life_owner {
    void *arg;
    // Starts the process, with `line` for its standard input (to be wiped). provider_life_ended follows.
    status (*spawn)(void *arg, slice line, err *e);
    void (*kill)(void *arg); // at once; it has ended then, provider_life_ended does not come
    void (*health)(void *arg, providers_health h);
    void (*restarting)(void *arg, const char *how, uint64_t wait_ns);
    void (*stopped)(void *arg); // the last; from the loop, or from inside provider_life_ended
} provider_life_owner;

typedef struct provider_life_options {
    const providers_options *host; // borrowed
    bus *bus;                      // that it is on; borrowed
    slice url, jwt, seed;          // how it comes there; copied
    bool is_bus_shared;            // as in providers_options
    slice id;                      // copied
    const nkey *host_xkey;         // borrowed
    uint64_t random;               // seeds waits
    provider_life_owner owner;
} provider_life_options;

status provider_life_new(const provider_life_options *options, provider_life **ret, err *e) WRIT_MUST_USE;
void provider_life_free(provider_life *l); // accepts NULL; kills

// Takes `wants` over. The first start; fails when the process cannot be started, and is not to be used then.
status provider_life_start(provider_life *l, provider_wants *wants, err *e) WRIT_MUST_USE;
// Takes `wants` over, and tells what is other than before.
void provider_life_want(provider_life *l, provider_wants *wants);
void provider_life_ended(provider_life *l, const char *how);       // the process has, by itself or not
void provider_life_stop(provider_life *l);                         // idempotent
slice provider_life_link_key(const provider_life *l);              // on whose subject it hears of links
const provider_wants *provider_life_wants(const provider_life *l); // what it is to have now
