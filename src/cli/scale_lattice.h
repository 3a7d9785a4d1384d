// SPDX-License-Identifier: Apache-2.0
// How many instances of a component there may be on hosts of a lattice; 0 stops it.
#pragma once

#include "cli/lattice_words.h"

typedef struct cli_scaling {
    const char *id;
    const char *host; // NULL = wherever it runs
    uint64_t count;
    uint64_t wait_ns;         // 0 = only until it is accepted
    const cli_words *configs; // names of its configuration; NULL = those that it has, where the host tells
} cli_scaling;

enum { CLI_SCALE_WAIT_S = 60 };

// Tells what it did.
status cli_lattice_scale(const cli_scaling *c, cli_lattice_args *a, cli_lattice *l, err *e) WRIT_MUST_USE;
// One of those that run, which has these configurations (an array, or NULL). Tells nothing.
status cli_lattice_scale_one(const cli_scaling *c, slice host, const json_value *item,
                             const json_value *known, cli_lattice *l, err *e) WRIT_MUST_USE;
