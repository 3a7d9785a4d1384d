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
    json_value *grants; // events about imports since the start or change began
    buf inert;          // what was said last about imports without authority
    bool is_changing;   // a start or change is under way
    bool is_serving;
    bool has_crashed; // it served, and ended although nobody had asked it to
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
// A member of an event; empty when it has none.
slice dev_event_text(const json_value *object, const char *key);
// Text of a component or tool: lines that cannot steer a terminal. `before` is ours.
void dev_event_print(const char *before, slice text);

// --- dev_advice.c: what could be added to the manifest -----------------------------------------------------

void dev_advice_keep(dev_host *h, slice line); // an event about imports
void dev_advice_links(const dev_host *h);      // the links that are missing, as the manifest would have them
void dev_advice_inert(dev_host *h);            // what was bound without authority, when that has changed
