// SPDX-License-Identifier: Apache-2.0
// The life of a request: admitted, queued, run in a guest, answered. See service.h for the rules.
#pragma once

#include "host/guest.h"
#include "net/http_server.h"

// The requests of one workload in one process, and its guests that wait to be used again.
typedef struct request_pool request_pool;

request_pool *request_pool_new(const guest_place *place); // `place` is borrowed
void request_pool_free(request_pool *p); // accepts NULL; cancels what runs and releases what waits

// Takes the exchange.
void request_admit(request_pool *p, http_exchange *x);
// Takes the exchange of a request that is for no workload, and answers it.
void request_reject_unrouted(http_exchange *x);
