// SPDX-License-Identifier: Apache-2.0
// The audit log of a process that must not wait for a disk: events are taken on the loop, and written and
// synced on another thread, in the order in which they were taken. Those that came while the disk was busy go
// out together, by one sync.
//
// `done` says that an event is on the disk; whoever acts only then leaves nothing unrecorded. A loss of power
// loses at most what was being written, whose actions have not been done.
//
// Everything here on the thread of the loop.
#pragma once

#include "audit/audit.h"
#include "loop/loop.h"

typedef struct audit_queue audit_queue;

enum {
    AUDIT_QUEUE_EVENTS_MAX = 4096, // that are not on the disk yet
    AUDIT_QUEUE_BYTES_MAX = 16 << 20,
};

// Later, from the loop: the event is on the disk, or could not be written. `e` is NULL with STATUS_OK.
typedef void (*audit_queue_done)(void *arg, status code, const err *e);

// The log is the queue's until audit_queue_free; borrowed.
status audit_queue_new(audit *a, loop *l, audit_queue **ret, err *e) WRIT_MUST_USE;
// Turns the loop until all that was taken is written: when nothing else is left on it. Accepts NULL.
void audit_queue_free(audit_queue *q);

// Copies the event. `done` may be NULL; `ret_id` (may be NULL) is for audit_queue_forget. STATUS_LIMIT when
// too much waits: `done` will not be called.
status audit_queue_add(audit_queue *q, audit_kind kind, const audit_field *fields, size_t count,
                       audit_queue_done done, void *arg, uint64_t *ret_id, err *e) WRIT_MUST_USE;
// The event is written all the same, but `done` is not called. An id that is unknown is ignored.
void audit_queue_forget(audit_queue *q, uint64_t id);
