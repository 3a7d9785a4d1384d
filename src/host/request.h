// SPDX-License-Identifier: Apache-2.0
// A request over HTTP as a job (host/job.h): run in a guest, answered. See service.h for the rules.
#pragma once

#include "host/job.h"
#include "net/http_server.h"

// Takes the exchange.
void request_admit(job_pool *p, http_exchange *x);
// Takes the exchange of a request that is for no workload, and answers it.
void request_reject_unrouted(http_exchange *x);
