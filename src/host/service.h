// SPDX-License-Identifier: Apache-2.0
// Serves workloads over HTTP in one process: finds out which one a request is for, admits requests, queues
// them within a bound, runs each in a guest. Bounds are those of the workload.
//
//   accepted -> 404          when no route matches
//            -> running      while fewer than the workload's instances run
//            -> queued       while fewer than its queue wait
//            -> 503 at once  beyond that, with Retry-After
//   running  -> answered     by the guest
//            -> 500          it trapped, or returned without a response
//            -> 504          its time was over
// A response that has begun when something goes wrong is cut, so that the client notices.
#pragma once

#include "host/job.h"

typedef struct service service;

typedef struct service_options {
    const host_config *config; // borrowed, like everything here
    loop *loop;
    const guest_place *places; // one for each workload of the configuration
    job_pool *const *pools;    // likewise
    int listener_fd;
    void (*drained)(void *context);
    void *context;
} service_options;

status service_new(const service_options *options, service **ret, err *e) WRIT_MUST_USE;
// One more connection, which is taken over; all its requests are for the workload of that number.
void service_adopt(service *s, int fd, uint32_t number);
void service_drain(service *s, uint64_t deadline_ns);
void service_retire(service *s, uint64_t deadline_ns); // http_server_retire
void service_free(service *s);                         // accepts NULL; after the pools, or what they hold
