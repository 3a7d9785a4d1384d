// SPDX-License-Identifier: Apache-2.0
// Serves a workload over HTTP in one process: admits requests, queues them within a bound, runs each in a
// guest.
//
//   accepted -> running      while fewer than the workload's instances run
//            -> queued       while fewer than its queue wait
//            -> 503 at once  beyond that, with Retry-After
//   running  -> answered     by the guest
//            -> 500          it trapped, or returned without a response
//            -> 504          its time was over
// A response that has begun when something goes wrong is cut, so that the client notices.
#pragma once

#include "host/guest.h"

typedef struct service service;

typedef struct service_options {
    const guest_place *place; // borrowed
    int listener_fd;
    void (*drained)(void *context);
    void *context;
} service_options;

status service_new(const service_options *options, service **ret, err *e) WRIT_MUST_USE;
void service_drain(service *s, uint64_t deadline_ns);
void service_free(service *s); // accepts NULL; cancels what runs
