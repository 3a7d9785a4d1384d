// SPDX-License-Identifier: Apache-2.0
// A call into a capability without a guest, a component layer or an engine: implementations are called
// directly, and "suspending" runs the event loop (or a hook of the test) until the instance is woken.
#pragma once

#include "capability/wasi.h"
#include "loop/loop.h"

struct host_call {
    arena arena;
    wasi_instance *instance;
    slice label;            // of the import that it calls through
    wasi_workload workload; // change it before guest_start
    loop *loop;             // of the machine's clock, or of `now_ns` when `has_clock`
    bool has_clock;         // set before guest_start: time stands still until the test moves `now_ns`
    uint64_t now_ns;
    wasi_clock clock;
    bool is_woken;
    int suspends;
    // Called instead of running the loop, when set: makes happen what is waited for.
    void (*on_suspend)(host_call *call, void *arg);
    void *on_suspend_arg;
};

typedef host_call guest;

// Default limits, no authority.
void guest_init(guest *g);
// Makes the loop and the instance.
void guest_start(guest *g);
// Ends the instance and checks that nothing of it is left.
void guest_done(guest *g);
// What the return of a host function does: frees what lived until then.
static inline void guest_return(guest *g) { arena_reset(&g->arena); }
