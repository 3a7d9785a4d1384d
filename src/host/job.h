// SPDX-License-Identifier: Apache-2.0
// What a workload does in one process when it is asked from outside: a request over HTTP, a message. Each is
// a job: admitted, queued within a bound, run in a guest, ended. All jobs of a workload share its bounds, and
// wait in one queue.
//
//   job_admit    a job runs at once, or waits, or is refused
//   prepare      when it has a guest: makes what the body needs
//   body         in the guest's task
//   ended        once, when it ran: how; or it waited until its deadline. Not after job_drop
//   undo         when it was prepared: what that made goes, before the guest goes
//   release      always, the last: frees the job
//
// Belongs to the thread of its loop.
#pragma once

#include "host/guest.h"

typedef struct job_pool job_pool;
typedef struct job job;

typedef struct job_ops {
    // False when it cannot be now, for want of memory: it is tried again.
    bool (*prepare)(job *j);
    status (*body)(job *j, component_instance *instance, err *e);
    // NULL: no guest was free before the deadline.
    void (*ended)(job *j, const guest_end *end);
    void (*undo)(job *j); // may be NULL
    void (*release)(job *j);
} job_ops;

struct job { // the first part of its owner's; all fields are this module's
    list_node node;
    job_pool *pool;
    const job_ops *ops;
    bool is_running; // in which list it is
    guest *guest;    // while it runs
    uint32_t uses;   // of the guest, before this one
    uint64_t deadline_ns;
    loop_timer deadline; // while it waits; the guest keeps it afterwards
};

job_pool *job_pool_new(const guest_place *place); // `place` is borrowed
// Accepts NULL; drops every job.
void job_pool_free(job_pool *p);
const guest_place *job_pool_place(const job_pool *p);
bool job_pool_is_idle(const job_pool *p); // nothing runs and nothing waits

// Takes `j`, which may have ended when this returns. `deadline_ns` of loop_now_ns. False: over the bounds,
// and `j` is the caller's still.
bool job_admit(job_pool *p, job *j, const job_ops *ops, uint64_t deadline_ns) WRIT_MUST_USE;
// Nobody wants it any more: without `ended`. Not from inside its body.
void job_drop(job *j);
// Ends the guest if it runs, with GUEST_CANCELLED, soon; drops the job if it waits.
void job_cancel(job *j);

enum { JOB_TEXT_BYTES_MAX = 1500 };
// Why it trapped or was stopped, for the log.
void job_describe(const job *j, const guest_end *end, char text[JOB_TEXT_BYTES_MAX]);
