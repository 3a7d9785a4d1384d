// SPDX-License-Identifier: Apache-2.0
// The HTTP server as a provider of ours: listens where its links say, and passes each request on as a call of
// `wrpc:http/incoming-handler` to the component that it is for, wherever in the lattice that runs.
//
// Configuration as of the server of 1.x: `routing_mode` (address, path, host) and `default_address` of the
// provider, `address`, `path`, `host`, `readonly_mode` and `timeout_ms` of a link. A path is taken with what
// is below it (host/routes.h). TLS, CORS and `cache_control` are not served here: a link that asks for one of
// them is left out, which the log tells.
//
// Threads: all on the thread of the loop.
#pragma once

#include "agent/provider_wants.h"

typedef struct provider_http provider_http;

// `host` is borrowed, `id` copied.
provider_http *provider_http_new(const providers_options *host, slice id);
// Cuts what is under way.
void provider_http_free(provider_http *p); // accepts NULL

// From now on these links. Requests under way go on; a listener that nobody wants any more closes. What
// cannot be served is left out, and logged.
status provider_http_want(provider_http *p, const provider_wants *w, err *e) WRIT_MUST_USE;
// Tries again to listen where that was not possible.
void provider_http_retry(provider_http *p);
void provider_http_drain(provider_http *p);            // listens no more; what is under way goes on
bool provider_http_is_idle(const provider_http *p);    // all answers have gone out, after a drain
bool provider_http_is_healthy(const provider_http *p); // it listens wherever it should
