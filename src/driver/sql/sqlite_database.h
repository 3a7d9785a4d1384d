// SPDX-License-Identifier: Apache-2.0
// The blocking half of the SQLite driver: one database file and one connection to it. Used by one thread at a
// time.
//
// What a component sends is SQL that nobody trusts. It reaches this file and nothing else: SQLite's
// authorizer refuses other databases, extensions, virtual tables, temporary tables (they would stay for the
// next call) and settings of the connection. Each call is one transaction.
#pragma once

#include <stdatomic.h>

#include "driver/sql/sql.h"

typedef struct sqlite_database sqlite_database;

typedef struct sqlite_database_options {
    const char *path; // absolute
    uint64_t total_bytes_max;
    size_t value_bytes_max;
    bool syncs; // a change is on the disk when it is answered
    bool read_only;
} sqlite_database_options;

// Makes the file (for this user alone) when it is not there. STATUS_INVALID for a file that is no database.
status sqlite_database_open(const sqlite_database_options *o, sqlite_database **ret, err *e) WRIT_MUST_USE;
void sqlite_database_close(sqlite_database *d); // accepts NULL

// Does what the request asks for: rows, `affected` or an error are in it then. `*stop` may be set by others
// while it runs: it ends soon, with STATUS_CANCELLED. After STATUS_CANCELLED and after an error nothing was
// changed. STATUS_IO when the file cannot be used any more: close it.
status sqlite_database_run(sqlite_database *d, sql_request *q, const _Atomic bool *stop,
                           err *e) WRIT_MUST_USE;
