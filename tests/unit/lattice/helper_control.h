// SPDX-License-Identifier: Apache-2.0
// Hosts of a lattice on a bus of this process, with an owner who makes what is wanted so (or not) at once,
// and a client who asks them.
#pragma once

#include "bus/bus_local.h"
#include "lattice/control.h"

enum { CONTROL_SECOND = 1000000000, CONTROL_TEXT_MAX = 1 << 16, CONTROL_EVENTS_MAX = 64 };

typedef struct control_place control_place;

typedef struct control_host {
    control_place *place;
    const char *id;
    lattice_control *control;
    bool is_ready;
    bool is_idle;               // tells nothing of what became of wishes
    const char *failure;        // of every wish for a component or provider; NULL = none
    const char *failing_ref;    // only of this image; NULL = of all
    const token_claims *claims; // of what is started
    const char *refused;        // a command that nobody may ask for; NULL = none
    unsigned changes;
    uint64_t stop_ns; // asked for; 0 = not
    size_t stops;
} control_host;

struct control_place {
    uint64_t now_ns;
    loop *l;
    bus *b;
    bus_subscription events;
    size_t event_count;
    char event_names[CONTROL_EVENTS_MAX][64];
    char event_data[CONTROL_EVENTS_MAX][2048]; // the member "data", as JSON
    char last_event[4096];                     // all of it
    bus_subscription rpc;
    size_t rpc_count;
    char rpc_subject[512];
    char rpc_payload[4096];
    status answer_code;
    char answer[CONTROL_TEXT_MAX];
    size_t answers;
};

void control_place_begin(control_place *p);
void control_place_done(control_place *p);
void control_turns(control_place *p);
void control_pass(control_place *p, uint64_t ns);

// The rest of `options` is as the test sets it.
void control_host_start(control_place *p, control_host *h, const core_settings *settings);
void control_host_done(control_host *h);
lattice_core *control_core(control_host *h);
lattice_time control_time(control_host *h);

// The answer to a request (noun, verb, object after the lattice), "" when none comes.
const char *control_ask(control_place *p, const char *tail, const char *body);
void control_forget_events(control_place *p);
// The data of the event at that place among those of that name since they were forgotten; "" = there is none.
const char *control_event(const control_place *p, const char *name, size_t index);
size_t control_event_count(const control_place *p, const char *name);
// What is in a bucket, "" = nothing.
const char *control_stored(control_place *p, const char *bucket, const char *key);
void control_store(control_place *p, const char *bucket, const char *key, const char *value);
void control_purge(control_place *p, const char *bucket, const char *key);
