// SPDX-License-Identifier: Apache-2.0
// What `writ get` shows of a lattice.
#pragma once

#include "cli/lattice.h"

// "hosts", "inventory", "links", "config" and "claims": these are of a lattice.
bool get_lattice_knows(const char *what);
// `name`: the host of "inventory" (NULL = all), the configuration of "config"; else NULL. The exit code.
int get_lattice(cli_lattice_args *a, const char *what, const char *name);
// `writ config get`, which is the same.
status get_lattice_config(cli_lattice *l, cli_lattice_args *a, const char *name, err *e) WRIT_MUST_USE;
