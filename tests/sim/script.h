// SPDX-License-Identifier: Apache-2.0
// One run of the simulated lattice.
#pragma once

#include "lattice_sim.h"

typedef struct sim_outcome {
    char why[SIM_WHY_BYTES]; // what must not be; empty = all was well
    uint64_t turns, calls, ok, refused, lost, served, lives, acknowledged, refusals;
    uint64_t random; // the next number of chance: the same for the same run
} sim_outcome;

// False: something was that must not be.
bool sim_run(uint64_t seed, sim_break broken, bool is_verbose, sim_outcome *ret);

// What hosts say to each other when nobody asks for anything, and when one more joins.
typedef struct sim_traffic {
    size_t hosts;
    double out_per_s, out_bytes_per_s, in_per_s, in_bytes_per_s; // of each host: messages, and their bytes
    double join_s, join_bytes;                                   // of the one that joins
} sim_traffic;

void sim_measure(size_t hosts, size_t components, sim_traffic *ret);
