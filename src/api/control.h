// SPDX-License-Identifier: Apache-2.0
// What a running host can be asked and told over a local socket, by its own user: what runs and how it is,
// other applications, other numbers of instances, other backends behind links, its log, its end. HTTP/1.1 and
// JSON; docs/control.md has every operation.
//
// Runs on the supervisor's loop. What needs new workers is a plan for the next generation (api/plan.h), and
// its answer waits until that serves or has failed; what is behind a link is swapped in place. Clients are
// bounded in number, time and bytes by net/http_server.h; each connection is of this user or of root.
#pragma once

#include "api/plan.h"
#include "host/generations.h"
#include "host/log_ring.h"
#include "host/status.h"
#include "loop/loop.h"

typedef struct control control;

typedef struct control_options { // all borrowed
    const char *name;            // of the host
    loop *loop;
    int listen_fd;
    const host_status *status;
    generation *generation;
    plan *plan; // what runs; changes with links
    log_ring *ring;
    const char *host_options; // what people gave about the host when it started; for comparison
} control_options;

status control_new(const control_options *options, control **ret, err *e) WRIT_MUST_USE;
// All workers serve: from now on clients are. `url` is where the host serves.
void control_serve(control *c, const char *url);
// Another generation serves: what is under way is answered, new clients are its.
void control_retire(control *c);
// Waits on the loop until answers have left, for a second at most.
void control_free(control *c); // accepts NULL
