// SPDX-License-Identifier: Apache-2.0
#include "driver/sql/sqlite_database.h"

#include <sqlite3.h>
#include <stdio.h>

#include "base/mem.h"
#include "driver/sql/sqlite_values.h"
#include "os/private.h"

enum {
    PAGE_BYTES = 4096,
    WAL_PAGES = 1000,
    STEPS_BETWEEN_LOOKS = 1000, // of the virtual machine: some microseconds
    WAIT_MS = 2,                // for another connection that writes
    HEAP_BYTES_MAX = 512 << 20, // of SQLite in this process: for sorting and the like
};

typedef enum control {
    CONTROL_NONE,
    CONTROL_BEGIN,
    CONTROL_COMMIT,
    CONTROL_ROLLBACK,
    CONTROL_SAVEPOINT
} control;

struct sqlite_database {
    sqlite3 *db;
    bool read_only;
    bool is_ours; // the statement that is being prepared is the driver's
    const _Atomic bool *stop;
    control control;     // of the statement that was prepared last
    const char *refused; // what the authorizer refused of it
};

// --- what SQL may do ---------------------------------------------------------------------------------------

static bool is_one_of(const char *name, const char *const *list) {
    for (size_t i = 0; name != NULL && list[i] != NULL; i++) {
        if (sqlite3_stricmp(name, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int refuse(sqlite_database *d, const char *what) {
    d->refused = what;
    return SQLITE_DENY;
}

static int check_pragma(sqlite_database *d, const char *name, const char *value) {
    static const char *const readable[] = {"table_info", "table_xinfo", "table_list",       "index_list",
                                           "index_info", "index_xinfo", "foreign_key_list", NULL};
    bool ok = is_one_of(name, readable) ||
              (sqlite3_stricmp(name, "user_version") == 0 && (value == NULL || !d->read_only));
    return ok ? SQLITE_OK : refuse(d, "this PRAGMA");
}

static control control_of(const char *word) {
    return sqlite3_stricmp(word, "BEGIN") == 0    ? CONTROL_BEGIN
           : sqlite3_stricmp(word, "COMMIT") == 0 ? CONTROL_COMMIT
                                                  : CONTROL_ROLLBACK;
}

static bool only_reads(int action) {
    return action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_FUNCTION ||
           action == SQLITE_RECURSIVE;
}

static bool is_stopped(const sqlite_database *d) {
    return d->stop != NULL && atomic_load_explicit(d->stop, memory_order_relaxed);
}

// Also what ends the making of a statement that takes for ever, such as one of views of views.
static int authorize(void *arg, int action, const char *first, const char *second, const char *schema,
                     const char *within) {
    static const char *const functions[] = {"load_extension", "fts3_tokenizer", NULL};
    static const char *const tables[] = {"sqlite_dbpage", "dbstat", NULL};
    sqlite_database *d = arg;
    (void)within;
    if (d->is_ours) {
        return SQLITE_OK;
    }
    if (is_stopped(d)) {
        return SQLITE_DENY;
    }
    switch (action) {
    case SQLITE_TRANSACTION:
        d->control = control_of(first);
        return SQLITE_OK;
    case SQLITE_SAVEPOINT:
        d->control = CONTROL_SAVEPOINT;
        return SQLITE_OK;
    case SQLITE_PRAGMA:
        return check_pragma(d, first, second);
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        return refuse(d, "other databases");
    case SQLITE_CREATE_VTABLE:
    case SQLITE_DROP_VTABLE:
        return refuse(d, "virtual tables");
    case SQLITE_FUNCTION:
        return is_one_of(second, functions) ? refuse(d, "this function") : SQLITE_OK;
    case SQLITE_READ:
        return is_one_of(first, tables) ? refuse(d, "this table") : SQLITE_OK;
    default:
        if (d->read_only && !only_reads(action)) {
            return refuse(d, "changes: the link is read-only");
        }
        return schema != NULL && sqlite3_stricmp(schema, "temp") == 0 ? refuse(d, "temporary tables")
                                                                      : SQLITE_OK;
    }
}

static int on_progress(void *arg) { return is_stopped(arg); }

static int on_busy(void *arg, int tries) {
    (void)tries;
    if (on_progress(arg)) {
        return 0;
    }
    sqlite3_sleep(WAIT_MS);
    return 1;
}

// --- opening -----------------------------------------------------------------------------------------------

static status failed(const sqlite_database *d, int rc, const char *what, err *e) {
    const char *said = d->db != NULL ? sqlite3_errmsg(d->db) : sqlite3_errstr(rc);
    return err_set(e, rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT ? STATUS_INVALID : STATUS_IO, "%s: %s",
                   what, said);
}

static int run_ours(sqlite_database *d, const char *text) {
    d->is_ours = true;
    int rc = sqlite3_exec(d->db, text, NULL, NULL, NULL);
    d->is_ours = false;
    return rc;
}

static void set_limits(sqlite3 *db, const sqlite_database_options *o) {
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, (int)o->value_bytes_max);
    sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, SQL_STATEMENT_BYTES_MAX);
    sqlite3_limit(db, SQLITE_LIMIT_COLUMN, SQL_COLUMNS_MAX);
    sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 200);
    sqlite3_limit(db, SQLITE_LIMIT_VDBE_OP, 250000);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(db, SQLITE_LIMIT_TRIGGER_DEPTH, 20);
    sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
    sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000);
    sqlite3_limit(db, SQLITE_LIMIT_VARIABLE_NUMBER, SQL_PARAMS_MAX);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL); // "x" is a name, as in PostgreSQL
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
}

static status set_up(sqlite_database *d, const sqlite_database_options *o, err *e) {
    char pragmas[512];
    snprintf(pragmas, sizeof pragmas,
             "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA journal_mode = WAL;"
             "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA synchronous = %s;"
             "PRAGMA wal_autocheckpoint = %d; PRAGMA max_page_count = %llu; PRAGMA query_only = %s;",
             o->syncs ? "FULL" : "NORMAL", WAL_PAGES,
             (unsigned long long)(o->total_bytes_max / PAGE_BYTES + 16), o->read_only ? "ON" : "OFF");
    sqlite3_hard_heap_limit64(HEAP_BYTES_MAX);
    sqlite3_busy_timeout(d->db, 2000);
    set_limits(d->db, o);
    int rc = run_ours(d, pragmas);
    if (rc == SQLITE_OK) { // reads the file
        rc = run_ours(d, "SELECT count(*) FROM sqlite_schema");
    }
    sqlite3_busy_handler(d->db, on_busy, d);
    sqlite3_progress_handler(d->db, STEPS_BETWEEN_LOOKS, on_progress, d);
    sqlite3_set_authorizer(d->db, authorize, d);
    return rc == SQLITE_OK ? STATUS_OK : failed(d, rc, o->path, e);
}

status sqlite_database_open(const sqlite_database_options *o, sqlite_database **ret, err *e) {
    TRY(private_file_make(o->path, e)); // SQLite would make it readable for others
    sqlite_database *d = MEM_NEW(sqlite_database);
    d->read_only = o->read_only;
    int rc = sqlite3_open_v2(o->path, &d->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    status code = rc == SQLITE_OK ? set_up(d, o, e) : failed(d, rc, o->path, e);
    if (code != STATUS_OK) {
        sqlite_database_close(d);
        return code;
    }
    *ret = d;
    return STATUS_OK;
}

void sqlite_database_close(sqlite_database *d) {
    if (d != NULL) {
        sqlite3_close(d->db);
        mem_free(d);
    }
}

// --- errors ------------------------------------------------------------------------------------------------

static const char *state_of(int rc) {
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return "23505";
    case SQLITE_CONSTRAINT_NOTNULL:
        return "23502";
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return "23503";
    case SQLITE_CONSTRAINT_CHECK:
        return "23514";
    default:
        break;
    }
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        return "23000";
    case SQLITE_AUTH:
        return "42501";
    case SQLITE_READONLY:
        return "25006";
    case SQLITE_FULL:
        return "53100";
    case SQLITE_NOMEM:
        return "53200";
    case SQLITE_TOOBIG:
        return "54000";
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
        return "22000";
    default:
        return "42601";
    }
}

// Whether the file is at fault, and nobody's SQL.
static bool is_of_file(int rc) {
    rc &= 0xff;
    return rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_IOERR || rc == SQLITE_CANTOPEN ||
           rc == SQLITE_PROTOCOL || rc == SQLITE_PERM;
}

// Notes what went wrong. STATUS_OK when the file is all right.
static status note(sqlite_database *d, sql_request *q, int rc, err *e) {
    if (q->has_failed) {
        return STATUS_OK;
    }
    if (is_stopped(d) || (rc & 0xff) == SQLITE_INTERRUPT || (rc & 0xff) == SQLITE_BUSY ||
        (rc & 0xff) == SQLITE_LOCKED) {
        return err_set(e, STATUS_CANCELLED, "stopped");
    }
    if (is_of_file(rc)) {
        return failed(d, rc, "the database", e);
    }
    const char *state = state_of(rc);
    if (d->refused != NULL) {
        sql_set_error(q, SQL_UNEXPECTED, d->read_only ? "25006" : "42501", "this link does not allow %s",
                      d->refused);
    } else {
        sql_set_error(q, sql_error_of_state(state), state, "%s", sqlite3_errmsg(d->db));
    }
    return STATUS_OK;
}

// --- statements --------------------------------------------------------------------------------------------

// The next statement of `*text`, which moves behind it; NULL when only blanks and comments are left.
static int prepare(sqlite_database *d, slice *text, sqlite3_stmt **ret) {
    const char *tail = NULL;
    d->control = CONTROL_NONE;
    d->refused = NULL;
    *ret = NULL;
    while (text->len > 0) {
        int rc = sqlite3_prepare_v3(d->db, (const char *)text->data, (int)text->len, 0, ret, &tail);
        *text = slice_sub(*text, (size_t)(tail - (const char *)text->data), text->len);
        if (rc != SQLITE_OK || *ret != NULL) {
            return rc;
        }
    }
    return SQLITE_OK;
}

// Steps to the end, with the rows if they are wanted.
static int step_all(sqlite3_stmt *t, sql_request *q) {
    int rc;
    uint64_t rows = 0;
    while ((rc = sqlite3_step(t)) == SQLITE_ROW) {
        rows++;
        if (q->function == SQL_QUERY && !sqlite_values_row(t, q)) {
            sql_set_error(
                q, SQL_UNEXPECTED, "54000",
                "the answer has more rows or bytes than the link allows (%zu rows, %zu bytes); nothing was "
                "changed",
                q->rows.rows_max, q->rows.bytes.max);
            return SQLITE_ABORT;
        }
    }
    q->affected = rows;
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static const char *begin_text(const sqlite_database *d) { return d->read_only ? "BEGIN" : "BEGIN IMMEDIATE"; }

static void roll_back(sqlite_database *d) {
    if (sqlite3_get_autocommit(d->db) == 0) {
        d->stop = NULL; // this much has to be done
        run_ours(d, "ROLLBACK");
    }
}

// A statement that changes something is a transaction, so that it can be undone when its answer does not fit.
static int run_statement(sqlite_database *d, sqlite3_stmt *t, sql_request *q) {
    bool changes = sqlite3_stmt_readonly(t) == 0;
    sqlite3_int64 before = sqlite3_total_changes64(d->db);
    int rc = changes ? run_ours(d, begin_text(d)) : SQLITE_OK;
    if (rc == SQLITE_OK) {
        rc = step_all(t, q);
    }
    if (rc == SQLITE_OK && changes) {
        q->affected = sqlite3_total_changes64(d->db) == before ? 0 : (uint64_t)sqlite3_changes64(d->db);
        sqlite3_reset(t);
        rc = run_ours(d, "COMMIT");
    }
    return rc;
}

static status run_one(sqlite_database *d, sql_request *q, err *e) {
    slice text = q->text;
    sqlite3_stmt *t = NULL;
    int rc = prepare(d, &text, &t);
    control what = d->control;
    if (rc == SQLITE_OK && t != NULL) {
        sqlite3_stmt *second = NULL;
        const char *refused = d->refused;
        int next = prepare(d, &text, &second);
        sqlite3_finalize(second);
        d->refused = refused;
        if (next != SQLITE_OK || second != NULL) {
            sql_set_error(q, SQL_INVALID_QUERY, "42601",
                          "more than one statement; query-batch takes several");
        } else if (what == CONTROL_BEGIN || what == CONTROL_SAVEPOINT) {
            sql_set_error(q, SQL_INVALID_QUERY, "25001",
                          "a transaction ends with its call: begin it in query-batch");
        } else if (what == CONTROL_NONE && q->function != SQL_PREPARE && sqlite_values_bind(t, q)) {
            rc = run_statement(d, t, q);
        }
    }
    status code = rc == SQLITE_OK ? STATUS_OK : note(d, q, rc, e);
    sqlite3_finalize(t);
    return code;
}

// --- several statements ------------------------------------------------------------------------------------

typedef struct batch {
    bool is_open;     // a transaction is
    bool is_explicit; // by a BEGIN of the text
} batch;

// As PostgreSQL does: what is not in a transaction of the text's own is in one that ends with the text, or
// with the next COMMIT or ROLLBACK of it.
static int run_control(sqlite_database *d, sqlite3_stmt *t, control what, batch *b) {
    int rc = SQLITE_OK;
    if (!b->is_open && (what == CONTROL_BEGIN || what == CONTROL_NONE || what == CONTROL_SAVEPOINT)) {
        rc = run_ours(d, begin_text(d));
        b->is_open = rc == SQLITE_OK;
    }
    if (what == CONTROL_BEGIN) {
        b->is_explicit = true;
        return rc;
    }
    if (rc == SQLITE_OK && (b->is_open || what == CONTROL_NONE)) {
        while ((rc = sqlite3_step(t)) == SQLITE_ROW) { // nobody wants them
        }
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    if (sqlite3_get_autocommit(d->db) != 0) {
        *b = (batch){0};
    }
    return rc;
}

static int run_next(sqlite_database *d, sql_request *q, slice *text, batch *b, bool *ret_done) {
    sqlite3_stmt *t = NULL;
    int rc = prepare(d, text, &t);
    *ret_done = t == NULL;
    if (rc == SQLITE_OK && t != NULL) {
        if (sqlite3_bind_parameter_count(t) > 0) {
            sql_set_error(q, SQL_INVALID_QUERY, "42P02", "query-batch takes no parameters");
            rc = SQLITE_ABORT;
        } else {
            rc = run_control(d, t, d->control, b);
        }
    }
    sqlite3_finalize(t);
    return rc;
}

static status run_batch(sqlite_database *d, sql_request *q, err *e) {
    slice text = q->text;
    batch b = {0};
    bool is_done = false;
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && !is_done) {
        rc = run_next(d, q, &text, &b, &is_done);
    }
    if (rc == SQLITE_OK && b.is_explicit) {
        sql_set_error(q, SQL_INVALID_QUERY, "25001", "the transaction was left open, and is rolled back");
    } else if (rc == SQLITE_OK && b.is_open) {
        rc = run_ours(d, "COMMIT");
    }
    return rc == SQLITE_OK ? STATUS_OK : note(d, q, rc, e);
}

status sqlite_database_run(sqlite_database *d, sql_request *q, const _Atomic bool *stop, err *e) {
    d->stop = stop;
    status code = q->function == SQL_QUERY_BATCH ? run_batch(d, q, e) : run_one(d, q, e);
    roll_back(d);
    d->stop = NULL;
    return code;
}
