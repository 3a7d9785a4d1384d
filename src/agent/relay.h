// SPDX-License-Identifier: Apache-2.0
// A call that came by one way goes on by another, with its streams.
#pragma once

#include "lattice/call.h"

// The streams of functions that have any, by the contracts of 1.x (wrpc:http, wrpc:blobstore). False: there
// is no such function.
bool relay_paths(slice instance, slice function, lattice_paths *ret_up, lattice_paths *ret_down);

// From lattice_server.call: sets q->ops and q->data.
void relay_start(lattice_served *q, lattice_transport *to);
