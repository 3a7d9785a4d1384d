// SPDX-License-Identifier: Apache-2.0
// Calls that come to a worker from the process with the drivers: of a function that a workload exports, such
// as a handler of messages (driver_delivery in driver/driver.h).
//
// Nothing in such a call is believed: the link must be one of a workload's, the interface one of that link's
// and an export of the component, the arguments values of the types that the component declares, and the gate
// is asked as for calls in the other direction, with the driver's target as the caller and the workload as
// the target. Each call gets an instance with the limits of the workload, among its requests over HTTP and
// other calls (host/job.h): a fresh one, unless the workload has its instances serve several.
//
// A call through a link that takes every interface (WASI_LINK_ANY) begins with who calls (delivery_caller),
// about whom the gate is asked then: whoever sends it has verified that.
//
// What goes wrong is a status for the driver: STATUS_DENIED (no such link, it was cut, a rule says no),
// STATUS_UNSUPPORTED (no such export, or one with resources), STATUS_INVALID (the arguments), STATUS_LIMIT
// (no room: it was not called), STATUS_TRAP, STATUS_TIMEOUT, STATUS_NOT_FOUND (this worker ends: it was
// not called; never for another reason, so that another worker can have it).
#pragma once

#include "host/job.h"
#include "net/rpc.h"
#include "policy/gate.h"

typedef struct deliveries deliveries;

typedef struct deliveries_options {
    loop *loop; // borrowed, like everything here
    const guest_place *places;
    job_pool *const *pools; // one for each place; NULL of a workload that cannot be called
    size_t count;
    void (*drained)(void *context);
    void *context;
} deliveries_options;

typedef struct delivery_caller {
    slice name;   // of the component or provider that calls
    slice issuer; // public key of who signed it; empty = nobody
    slice link;   // name of the link, as the caller has it
} delivery_caller;

enum { DELIVERY_CALLER_BYTES_MAX = 3 * (GATE_NAME_BYTES_MAX + 4) };
// In front of the arguments.
status delivery_caller_write(const delivery_caller *c, buf *ret, err *e) WRIT_MUST_USE;
// `ret_rest`: what is behind it.
status delivery_caller_read(slice payload, delivery_caller *ret, slice *ret_rest, err *e) WRIT_MUST_USE;

deliveries *deliveries_new(const deliveries_options *o);
void deliveries_free(deliveries *d); // accepts NULL; after the pools

// What rpc_handler calls.
void deliveries_call(deliveries *d, rpc_request *q);
void deliveries_cancel(rpc_request *q);

// No new calls; `drained` is called, from the loop, when those that are there have ended. They are given up
// at the deadline (of loop_now_ns).
void deliveries_drain(deliveries *d, uint64_t deadline_ns);
