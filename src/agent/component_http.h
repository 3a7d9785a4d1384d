// SPDX-License-Identifier: Apache-2.0
// Requests over HTTP that components of this host make and that a link takes to somebody of the lattice: each
// component's come over connections of its own, so that who asks is known by the connection. Links and rules
// are asked for each request.
//
// Threads: all on the thread of the loop.
#pragma once

#include "agent/component_links.h"

typedef struct component_http component_http;

#define COMPONENT_HTTP_INTERFACE "wasi:http/outgoing-handler"
#define COMPONENT_HTTP_LINK "default" // the only name of a link that requests go by

enum { COMPONENT_HTTP_CALLERS_MAX = 4096 };

typedef struct component_http_options { // borrowed
    loop *loop;
    component_links *links;
    lattice_transport *calls;
    uint64_t call_ns; // of a request, with its response
} component_http_options;

component_http *component_http_new(const component_http_options *options);
void component_http_free(component_http *h); // accepts NULL; cuts what is under way

// One more connection of that component, which is taken over.
void component_http_adopt(component_http *h, slice id, int fd);
