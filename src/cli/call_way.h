// SPDX-License-Identifier: Apache-2.0
// The way on which a command calls a component of a lattice: as hosts of 1.x call, or sealed, as a host of
// the lattice that is there for this one call.
#pragma once

#include "cli/lattice.h"
#include "lattice/call.h"

typedef struct call_way call_way;

// `cluster_key` (a name in the store, or a file): signs the admission of a host whose key is made here and
// forgotten with the call, which goes to `host`, whose key is believed when the same cluster key has admitted
// it. NULL: as hosts of 1.x call.
status call_way_open(cli_lattice *l, const cli_lattice_args *a, const char *cluster_key, slice host,
                     call_way **ret, err *e) WRIT_MUST_USE;
lattice_transport *call_way_transport(call_way *w);
void call_way_close(call_way *w); // accepts NULL; after the call
