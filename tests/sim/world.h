// SPDX-License-Identifier: Apache-2.0
// A simulated world: one time, chance from one seed, and machines whose clocks are not quite right. Each
// machine has a loop of its own, so that it can stand still while the others go on. The same seed always goes
// the same way.
#pragma once

#include "base/list.h"
#include "loop/loop.h"

#define WORLD_MS UINT64_C(1000000)
#define WORLD_S (1000 * WORLD_MS)
#define WORLD_START_S UINT64_C(1800000000) // of the wall clocks

typedef struct world {
    uint64_t now_ns; // of the world
    uint64_t random;
    loop *net; // of what is between the machines
    list_node machines;
    uint64_t turns;
} world;

typedef struct machine {
    world *w;
    loop *l;
    uint64_t offset_ns;   // of its monotonic clock
    int32_t drift_ppm;    // how much faster it goes
    int64_t wall_skew_ms; // of its wall clock
    bool is_paused;
    list_node node;
} machine;

void world_init(world *w, uint64_t seed);
void world_done(world *w); // after its machines

uint64_t world_random(world *w);
uint64_t world_between(world *w, uint64_t from, uint64_t to); // both included
bool world_chance(world *w, unsigned per_mille);

void machine_init(machine *m, world *w, int64_t wall_skew_ms, int32_t drift_ppm);
void machine_done(machine *m);
uint64_t machine_wall_ms(void *m);

// Everything that happens until then, in its order.
void world_run(world *w, uint64_t until_ns);
