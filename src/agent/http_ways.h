// SPDX-License-Identifier: Apache-2.0
// Requests over HTTP to components of this host: a client for each, whose connections lead to a worker and to
// no network (agent/local_host.h).
//
// Threads: all on the thread of the loop.
#pragma once

#include "agent/local_host.h"
#include "net/http_client.h"

typedef struct http_ways http_ways;

enum { HTTP_WAYS_MAX = 4096 };

http_ways *http_ways_new(loop *l);
void http_ways_use(http_ways *w, local_host *h); // before the first request
// Every call must have ended.
void http_ways_free(http_ways *w); // accepts NULL

// The client for that component, made at the first use. NULL over HTTP_WAYS_MAX.
http_client *http_ways_to(http_ways *w, slice id);
