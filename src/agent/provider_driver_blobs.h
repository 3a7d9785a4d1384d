// SPDX-License-Identifier: Apache-2.0
// A call of wrpc:blobstore to a provider of ours: several calls of its driver, in parts.
#pragma once

#include "lattice/call.h"
#include "loop/loop.h"
#include "net/rpc.h"

// Where a call of the driver goes now: the connection, and the number of the link of who called.
// STATUS_DENIED without a link, STATUS_CLOSED without a connection.
typedef status (*provider_driver_way)(void *context, const lattice_invocation *i, slice interface, rpc **ret,
                                      uint32_t *ret_number, err *e);

// From lattice_server.call. `group`: a list of those that are under way.
void provider_driver_blobs_serve(lattice_served *q, loop *l, provider_driver_way way, void *context,
                                 list_node *group);
// `context` goes: all fail from now on.
void provider_driver_blobs_end_all(list_node *group);
