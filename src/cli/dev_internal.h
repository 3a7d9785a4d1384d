// SPDX-License-Identifier: Apache-2.0
// Parts of `writ dev` among themselves.
#pragma once

#include "cli/cli.h"
#include "codec/json.h"
#include "loop/loop.h"
#include "os/process.h"

// What people read, and what programs read. `event` and `component` (or NULL) are for programs.
void dev_say(cli_output output, const char *event, const char *component, const char *format, ...)
    WRIT_FORMAT(4, 5);

// --- dev_host.c: the host that runs the application, `writ up` in a process of its own --------------------

typedef struct dev_host_options {
    const char *const *argv; // NULL-terminated
    const char *folder;
    const char *manifest; // as messages call it
    cli_output output;
    void (*settled)(void *context); // a start or change of it has come to its end, whichever; or the host has
    void *context;
} dev_host_options;

typedef struct dev_host {
    dev_host_options options;
    loop *loop;
    process process;
    int lines_fd; // what it says
    loop_watch lines_watch, end_watch;
    buf lines;
    json_value *refused; // imports without a link, by workload, since the start or change began
    bool is_changing;    // a start or change is under way
    bool is_serving;
} dev_host;

void dev_host_init(dev_host *h, loop *l, const dev_host_options *o);
static inline bool dev_host_is_there(const dev_host *h) { return h->process.pidfd >= 0; }
// Starts it, or tells it to take what has changed.
status dev_host_run(dev_host *h, err *e) WRIT_MUST_USE;
void dev_host_end(const dev_host *h, int signal_number);
void dev_host_done(dev_host *h);

// --- dev_event.c: what the host says, in the words of `writ dev` -------------------------------------------

// Whether the line ends a start or change; `h` keeps what will be needed for advice.
bool dev_event_show(dev_host *h, slice line);
