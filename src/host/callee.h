// SPDX-License-Identifier: Apache-2.0
// Imports of workloads that other workloads of this host satisfy: the part of component/bridge.h that knows
// stores, limits and the loop.
//
// A callee counts as an instance of its workload, with that workload's limits, authority, log and account. It
// lives as long as the instance that calls it, and waits for nothing in a queue: when its workload runs as
// many instances as it may, the call fails at once. Its deadline is the caller's or its own, whichever comes
// first, and its CPU time counts against the caller's limit as well, so that nobody gets more by having
// others work.
#pragma once

#include "host/grants.h"
#include "host/guest.h"

typedef struct callees callees; // of all workloads

// Finds what every import that a workload's configuration sends to another workload is bound to. `components`
// are those of the workloads; borrowed, as the configuration. STATUS_INVALID or STATUS_NOT_FOUND when a
// target does not exist or does not export the interface.
status callees_new(const host_config *config, const component *const *components, callees **ret,
                   err *e) WRIT_MUST_USE;
// Whether the imports of one workload would find it. Of `components` only it and those that it is linked to
// are looked at.
status callees_check(const host_config *config, const component *const *components, uint32_t from,
                     err *e) WRIT_MUST_USE;
void callees_free(callees *c); // accepts NULL; after all workloads

// Gives the gate of a workload what its imports are bound to, before it is linked.
void callees_offer(const callees *c, uint32_t from, grants *g);
// When all workloads are linked. `places` are those of the workloads; borrowed.
status callees_connect(callees *c, const guest_place *places, err *e) WRIT_MUST_USE;
