// SPDX-License-Identifier: Apache-2.0
// --audit: a host tells its audit log what it decides by, what it was allowed, what it refused, when it began
// and ended.
// What it cannot record does not start.
#pragma once

#include "audit/audit.h"
#include "base/buf.h"
#include "host/generations.h"
#include "host/host.h"

typedef struct run_audit {
    audit *log; // NULL without --audit: everything here does nothing
    nkey *key;
    host_observer inner;
    generation *generation; // who may follow is told by it what changes; or NULL
    char *trust_path;       // of the trust store that counts; or NULL
    buf memo;               // cli/audit_memo.h
    status failed;          // the first event that could not be written stops the start
    err why;
} run_audit;

// Opens the log (NULL: none) under the stored key "host", made on first use, and tells of the host. The start
// of everything else fails unless this works.
status run_audit_open(run_audit *a, const char *path, const host_config *c, generation *g,
                      err *e) WRIT_MUST_USE;
// `inner` with ears for the log, valid as long as `a`.
host_observer run_audit_observer(run_audit *a, const host_observer *inner);
// After the run: how it went. Returns `ran`, or the failure to record it when there is none.
status run_audit_close(run_audit *a, status ran, int exit_code, err *e) WRIT_MUST_USE;
