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
