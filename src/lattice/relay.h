// SPDX-License-Identifier: Apache-2.0
// A call that came in, passed on by another way: parameters, results and streams go through as they come, and
// who is slow at one end holds back the other. Neither end ends without the other.
#pragma once

#include "lattice/call.h"

// From lattice_server.call, in its stead: sets q->ops and q->data and answers it. `as` is the invocation that
// is made, with the parameters of q in place of its own; copied. `group`: a list that all that go this way
// are in, or NULL.
void lattice_relay(lattice_served *q, lattice_transport *by, const lattice_invocation *as, list_node *group);
// The way is about to go: its calls are cancelled and fail where they came from.
void lattice_relay_end_all(list_node *group, status code, const char *why);

// The streams of functions that have any, by the contracts of 1.x (wrpc:http, wrpc:blobstore). False: there
// is no such function.
bool lattice_relay_paths(slice instance, slice function, lattice_paths *ret_up,
                         lattice_paths *ret_down) WRIT_MUST_USE;
