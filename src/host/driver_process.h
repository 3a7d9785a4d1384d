// SPDX-License-Identifier: Apache-2.0
// The process with the drivers, seen from who starts it: a supervisor, or the parent of generations, so that
// it lives longer than any of those. It is started when the first session is wanted, and again when it has
// ended and another one is.
#pragma once

#include "os/channel.h"
#include "os/process.h"

typedef struct driver_process {
    process process; // pidfd -1: there is none
    channel door;    // on which it gets its sessions
    int error_fd;    // what it writes to its standard error
    process_exit last;
    bool has_last; // one has ended, like that
} driver_process;

// A connection of one supervisor to it. All are the receiver's to close.
typedef struct driver_session {
    channel channel;
    int error_fd; // each session reads from the same one
    int pidfd;    // to see its end, and to end it; it may be another's child
} driver_session;

void driver_process_init(driver_process *p);
void driver_process_done(driver_process *p); // ends it

status driver_process_session(driver_process *p, driver_session *ret, err *e) WRIT_MUST_USE;
// How the last one ended; exit status 0 when that is not known.
process_exit driver_process_last(driver_process *p);

// The same for one who holds a channel to a process that has it. Each waits for the answer.
status driver_process_ask_session(channel *c, driver_session *ret, err *e) WRIT_MUST_USE;
process_exit driver_process_ask_last(channel *c);
// The other side: answers what has come. STATUS_NOT_FOUND when there is nothing left, STATUS_CLOSED.
status driver_process_answer(driver_process *p, channel *c) WRIT_MUST_USE;
// The same for somebody else who serves sessions. `opener` fills what the caller then closes; its `pidfd` may
// be of anything that becomes readable when there are no sessions any more.
typedef status (*driver_process_open)(void *context, driver_session *ret, err *e);
status driver_process_answer_by(channel *c, driver_process_open opener, void *context) WRIT_MUST_USE;
