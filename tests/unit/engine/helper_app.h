// SPDX-License-Identifier: Apache-2.0
// Several components that call each other, for tests of component/bridge.h: the embedder's part without a
// loop. Everything that waits is resumed again and again, so that every wait also sees resumes for nothing.
#pragma once

#include "component/bridge.h"
#include "unit/engine/helper_engine.h"

enum { APP_UNITS_MAX = 4, APP_BRIDGES_MAX = 8, APP_HOMES_MAX = 64 };

typedef struct app app;
typedef struct app_unit app_unit;

typedef struct app_link { // `from` imports `interface` from `to`
    const char *from;
    const char *interface;
    const char *to;
} app_link;

struct app_unit {
    app *app;
    const char *name;
    slice bytes;
    component *component;
    core_module *modules[8];
    component_program *program;
    uint64_t cpu_ns_max; // of each call of it
    uint64_t memory_bytes_max;
    uint64_t cpu_ns; // spent by its calls
    uint32_t opened; // instances of it that were called
    uint32_t closed;
};

typedef struct app_home { // of one callee, or of the instance that the test calls; the context of host
                          // functions
    app *app;
    app_unit *unit;
    core_store *store;
    bridge_callee *callee;
} app_home;

struct app {
    app_unit units[APP_UNITS_MAX];
    size_t unit_count;
    bridge *bridges[APP_BRIDGES_MAX];
    app_link links[APP_BRIDGES_MAX];
    size_t bridge_count;
    app_home *homes[APP_HOMES_MAX]; // NULL: free
    uint32_t waits;                 // how often a guest called test:host/wait
    // The instance of the first unit that the test calls.
    app_home top;
    component_instance *instance;
    core_task *task;
};

// Components from text. `from` of a link is a unit's name. On failure app_close it all the same.
void app_add(app *a, const char *name, const char *wat);
status app_link_all(app *a, const app_link *links, size_t count, err *e);
void app_close(app *a);
// The next call is one of a new instance.
void app_restart(app *a);

typedef struct app_call {
    app *app;
    const char *name; // a function that the first unit exports at the top level
    component_value args[4];
    size_t arg_count;
    component_value ret;
    arena arena;
    status result;
    err e;
} app_call;

// Calls, with everything resumed as often as it takes, at most `rounds_max` times. False when that was not
// enough: then the call has been given up. app_call_done in any case.
bool app_call_run(app *a, app_call *c, uint32_t rounds_max);
void app_call_done(app_call *c);

// Calls a function of one number. Ends the test program when it needs too many rounds.
status app_number(app *a, const char *name, uint32_t argument, uint64_t *ret, err *e);
