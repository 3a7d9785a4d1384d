// SPDX-License-Identifier: Apache-2.0
// The life of a request: admitted, queued, run in a guest, answered. See service.h for the rules.
#pragma once

#include "host/guest.h"
#include "net/http_server.h"

typedef struct request_pool
    request_pool; // the requests of one process, and the guests that wait to be used again

request_pool *request_pool_new(const guest_place *place); // `place` is borrowed
void request_pool_free(request_pool *p); // accepts NULL; cancels what runs and releases what waits

// Takes the exchange.
void request_admit(request_pool *p, http_exchange *x);
