// SPDX-License-Identifier: Apache-2.0
// Which workload a request is for: one listener, many workloads. Pure.
//
// A route is a host and a path.
//
//   host   "api.example.org"   that name, in any case, with or without a port
//          "*.example.org"     names below it
//          NULL                any host, also none
//   path   "/shop"             "/shop" and what is below it, "/shop/cart": whole segments only, so not
//   "/shopping"
//          "/"                 every path
//
// Of the routes that match a request the most specific one is taken: a named host before a pattern, a longer
// pattern before a shorter one, any of them before no host; then the longer path. Paths are compared as they
// were sent, the query left aside; an escaped letter is equal to the letter, nothing else is decoded and no
// dots are resolved.
#pragma once

#include "host/config.h"

enum { ROUTES_NONE = UINT32_MAX };

// Whether this can be a route. `host` may be NULL. STATUS_INVALID says what is wrong with it.
status route_check(const char *host, const char *path, err *e) WRIT_MUST_USE;

typedef struct routes routes;

// All routes of all workloads. The configuration is borrowed. STATUS_DENIED when two workloads have the same
// route, with both names.
status routes_new(const host_config *c, routes **ret, err *e) WRIT_MUST_USE;
void routes_free(routes *r); // accepts NULL
size_t routes_count(const routes *r);

// The number of the workload that a request is for, or ROUTES_NONE. `authority` as in a Host field, may be
// empty; `path` may have a query.
uint32_t routes_find(const routes *r, slice authority, slice path);
