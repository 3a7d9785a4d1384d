// SPDX-License-Identifier: Apache-2.0
// The way for calls that stay in this process: from whoever calls to a lattice_server beside it, with the
// order, the bounds and the callbacks from the loop that ways between hosts have.
//
// Threads: all on the thread of the loop.
#pragma once

#include "lattice/call.h"

typedef struct lattice_within lattice_within;

enum { LATTICE_WITHIN_CALLS_MAX = 1 << 14 };

// `server` is borrowed.
lattice_within *lattice_within_new(loop *l, const lattice_server *server);
// Calls that were started must have ended or been cancelled; who serves one that was hears of its end.
void lattice_within_free(lattice_within *w); // accepts NULL
lattice_transport *lattice_within_transport(lattice_within *w);
