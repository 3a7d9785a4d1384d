// SPDX-License-Identifier: Apache-2.0
// Reads a log over all of its files, oldest first, and checks it on the way. Sees the log as it was when it
// was opened, also while others write. Not thread-safe.
#pragma once

#include "audit/check.h"

typedef struct audit_reader audit_reader;

typedef struct audit_reader_options {
    const char *path;
    const nkey_public *key; // of the host that wrote it; NULL: signatures are not checked
    const audit_mark
        *anchor;      // a place that was noted elsewhere; NULL: none. Lines before it may be elsewhere
    bool is_lenient;  // goes on after what is wrong
    uint32_t wait_ms; // for a writer that is in the middle of a line
} audit_reader_options;

// The options are borrowed until the reader is closed. STATUS_NOT_FOUND without a log, STATUS_TIMEOUT.
status audit_reader_open(const audit_reader_options *o, audit_reader **ret, err *e) WRIT_MUST_USE;
void audit_reader_close(audit_reader *r); // accepts NULL

// The next line, which needs audit_line_done. STATUS_NOT_FOUND after the last one; STATUS_DENIED when a rule
// is broken, with `fault`: then reading is over, unless the reader is lenient (`ret` is zeroed when there is
// no line to give). STATUS_IO.
status audit_reader_next(audit_reader *r, audit_line *ret, audit_fault *fault, err *e) WRIT_MUST_USE;

typedef struct audit_summary {
    uint64_t lines;
    uint64_t files;
    uint64_t first_seq; // 0 when there are no lines
    audit_mark last;
    uint64_t clock_backs; // lines written after the clock had been set back
} audit_summary;
// Of what has been read so far.
audit_summary audit_reader_summary(const audit_reader *r);
