// SPDX-License-Identifier: Apache-2.0
// The blocking half of the SQLite driver: one database file with the table of keys. Used by one thread at a
// time.
//
// A batch of calls is one transaction, so that many writes cost one wait for the disk. When something goes
// wrong in it nothing of it was done, and its calls are done again one by one: only those at fault fail.
#pragma once

#include "base/err.h"
#include "base/list.h"
#include "driver/keyvalue/keyvalue.h"

typedef struct sqlite_store sqlite_store;

typedef struct sqlite_store_options {
    const char *path; // absolute
    uint64_t total_bytes_max;
    uint32_t busy_ms_max; // wait for another process that writes
    bool syncs;           // a write is on the disk when it is answered
} sqlite_store_options;

// What a call came to; `data` of each request while it is with the store.
typedef struct sqlite_outcome {
    status code;         // STATUS_OK: `answer`; else `problem`
    const char *problem; // constant, or of the request's memory
    keyvalue_answer answer;
} sqlite_outcome;

// Makes the file (for this user alone) when it is not there. STATUS_INVALID for a file that is no such
// database.
status sqlite_store_open(const sqlite_store_options *o, sqlite_store **ret, err *e) WRIT_MUST_USE;
void sqlite_store_close(sqlite_store *s); // accepts NULL
// Fills the outcomes of the requests of the list (their `node`), from its beginning to before `*ret_end`: the
// others were not begun, because the answers of those before take much memory. At least one is. Other than
// STATUS_OK when the file cannot be used any more: close it and open it again.
status sqlite_store_run(sqlite_store *s, list_node *requests, list_node **ret_end, err *e) WRIT_MUST_USE;
