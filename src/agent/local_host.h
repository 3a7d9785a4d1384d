// SPDX-License-Identifier: Apache-2.0
// The part of a host of a lattice that runs guests: generations of a supervisor with its workers
// (host/generations.h), in processes of their own. The agent says what they are to run, has components
// checked, and is the other end of the workloads' links (host/link_server.h): calls go out and come in there.
//
// Threads: all on the thread of the loop. Callbacks come from the loop only.
#pragma once

#include "api/component_facts.h"
#include "driver/driver.h"
#include "host/config.h"
#include "loop/loop.h"
#include "os/channel.h"
#include "os/process.h"

typedef struct local_host local_host;

typedef struct local_host_ops {
    // What was assigned runs, or (another status) does not, and what ran before goes on.
    void (*assigned)(void *arg, status code, const char *why);
    // What was found out about each component, in `memory`, which may be moved away. Or (another status) why
    // nothing was.
    void (*checked)(void *arg, arena *memory, const component_facts *facts, size_t count, status code,
                    const char *why);
    // A connection with requests that the component makes has come, and is the receiver's.
    void (*http)(void *arg, slice id, int fd);
    // All of it has ended.
    void (*ended)(void *arg, process_exit x);
} local_host_ops;

typedef struct local_host_options { // borrowed
    loop *loop;
    channel *channel;     // to the parent of generations, as their owner
    process *process;     // that parent
    const driver *driver; // what each workload's link is opened by
    void *driver_context; // for it, in driver_environment
    const local_host_ops *ops;
    void *arg;
} local_host_options;

status local_host_new(const local_host_options *options, local_host **ret, err *e) WRIT_MUST_USE;
// Kills what is left of it.
void local_host_free(local_host *h); // accepts NULL

// From now on run the workloads of `c`. One at a time: not before `assigned` of the one before.
status local_host_assign(local_host *h, const host_config *c, err *e) WRIT_MUST_USE;
// Looks at each workload of `c` for itself. One at a time.
status local_host_check(local_host *h, const host_config *c, err *e) WRIT_MUST_USE;
// A connection to a worker, over which requests are for that component. The caller's to close.
// STATUS_NOT_FOUND: no worker serves it.
status local_host_connect(local_host *h, slice id, int *ret_fd, err *e) WRIT_MUST_USE;
// Ends it: what runs gets its time to drain. `ended` follows.
void local_host_stop(local_host *h);
