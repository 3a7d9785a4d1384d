// SPDX-License-Identifier: Apache-2.0
// The audit log: what a host did, allowed and refused, in an append-only file whose lines are chained by hash
// and signed one by one (docs/audit.md). Several processes of one host may write it; they take turns by a
// lock that each holds for one line.
//
// A line is on the disk when audit_append returns (see `sync_every`). What cannot be written is not done: the
// caller must refuse the action whose event failed. Where lines cannot be synced, nothing more is written
// until the log is opened again.
//
// An audit belongs to one thread. Processes that write should ignore SIGXFSZ, if a limit on the size of files
// is set for them.
#pragma once

#include "audit/line.h"

typedef struct audit audit;

#define AUDIT_SYNC_NEVER UINT32_MAX // only at the end, and when a file is full
enum {
    AUDIT_FILE_BYTES = 64 << 20,      // the default size of a full file
    AUDIT_FILE_BYTES_MIN = 128 << 10, // two of the longest lines
    AUDIT_WAIT_MS = 2000,
};

typedef struct audit_options {
    const char *path;          // its directory is made, and must belong to this user alone
    const nkey *key;           // signs; borrowed until the log is closed
    const char *by;            // who acts, such as "host" or "uid:1000"; borrowed until the log is closed
    clock_wall (*now)(void *); // NULL: the clock of the machine
    void *arg;
    uint32_t sync_every;     // lines; 0 means 1: each
    uint64_t file_bytes_max; // 0: AUDIT_FILE_BYTES
    uint32_t wait_ms;        // for another writer; 0: AUDIT_WAIT_MS
} audit_options;

// Opens or begins a log. An incomplete last line, which a loss of power leaves, is set aside in a file of its
// own, and a line says so. STATUS_DENIED when the log does not end as its head says or is not of this key: it
// must be looked at, and moved away, before anything is written. STATUS_TIMEOUT when another process holds
// it.
status audit_open(const audit_options *o, audit **ret, err *e) WRIT_MUST_USE;
// Syncs. Accepts NULL.
void audit_close(audit *a);

// Use audit_event.
status audit_append(audit *a, audit_kind kind, const audit_field *fields, size_t count, err *e) WRIT_MUST_USE;

// Writes an event: audit_event(a, e, AUDIT_REFUSAL, audit_text("workload", name), audit_text("reason", why)).
// Without a log (NULL) it does nothing, and its arguments are not looked at.
#define audit_event(a, e, kind, ...)                                             \
    ((a) == NULL ? STATUS_OK                                                     \
                 : audit_append((a), (kind), (const audit_field[]){__VA_ARGS__}, \
                                sizeof((const audit_field[]){__VA_ARGS__}) / sizeof(audit_field), (e)))

// What was written is on the disk when it returns. For those who sync several lines together.
status audit_sync(audit *a, err *e) WRIT_MUST_USE;

// Where the chain stands; worth noting elsewhere.
audit_mark audit_last(const audit *a);
