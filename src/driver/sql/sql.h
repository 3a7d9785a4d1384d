// SPDX-License-Identifier: Apache-2.0
// The contract wasmcloud:postgres as drivers see it: calls and answers as bytes, limits, and what all drivers
// share.
//
// The functions on the wire (driver/driver.h):
//
//   query     query(query: string, params: list<pg-value>) -> result<list<result-row>, query-error>
//             query-batch(query: string) -> result<_, query-error>
//   prepared  prepare(statement: string) -> result<string, statement-prepare-error>
//             exec(token: string, params: list<pg-value>) -> result<u64, prepared-statement-exec-error>
//
// What every driver does alike (tests/unit/driver/sql_contract.h holds them against it):
// - query and exec are one statement, with parameters $1 to $n of which each has a value. Several statements
//   are an error; none is an answer without rows.
// - query-batch is several statements without parameters. They happen as a whole or not at all, unless they
//   say BEGIN, COMMIT and ROLLBACK themselves.
// - No transaction outlives its call: one that is left open is rolled back, and the call is told so.
// - A token stands for the text of its statement: the same text has the same token on every link, and a
//   driver that does not know it (any more) answers unknown-prepared-query.
// - An error's text begins with a SQLSTATE and ": ", the same for the same mistake as far as a backend tells:
//   42601 for syntax, 23505 for a key that is there already.
// - A link that is read-only changes nothing, whatever is sent through it.
// - Answers have at most rows-max rows and answer-bytes-max bytes, a call takes at most run-ms-max.
// - A call that ended with another status than STATUS_OK, or was stopped for its time, may have been done,
//   unless it is told that it was not.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "codec/values.h"
#include "driver/driver.h"
#include "driver/sql/pg_value.h"

typedef enum sql_function {
    SQL_QUERY,
    SQL_QUERY_BATCH,
    SQL_PREPARE,
    SQL_EXEC,
    SQL_FUNCTION_COUNT,
} sql_function;

const char *sql_interface_name(sql_function f);
const char *sql_function_name(sql_function f);
bool sql_function_find(slice interface, slice function, sql_function *ret);

extern const char *const sql_interfaces[]; // for a `driver`; NULL at the end

enum {
    SQL_STATEMENT_BYTES_MAX = 1 << 20, // of what a setting may allow
    SQL_ANSWER_BYTES_MAX = 16 << 20,   // likewise
    SQL_ROWS_MAX = 1000000,            // likewise
    SQL_RUN_MS_MAX = 3600000,          // likewise
    SQL_CALL_BYTES_MAX = 16 << 20,     // of a call's payload
    SQL_PARAMS_MAX = 32766,            // as many as SQLite takes; PostgreSQL takes 65535
    SQL_COLUMNS_MAX = 2000,
    SQL_MESSAGE_BYTES_MAX = 512, // of an error's text
};

typedef enum sql_error { // query-error, in its order
    SQL_INVALID_PARAMS,
    SQL_INVALID_QUERY,
    SQL_UNEXPECTED,
} sql_error;

// --- limits ------------------------------------------------------------------------------------------------

// The settings that all drivers of the contract have.
typedef struct sql_limits {
    size_t statement_bytes_max;
    size_t answer_bytes_max;
    size_t rows_max;
    size_t statements_max; // that are known by tokens
    uint64_t run_ns_max;
    bool read_only;
} sql_limits;

#define SQL_SETTINGS                                                                                        \
    {"read-only", "whether nothing may be changed through this link; default false", false, false},         \
        {"rows-max", "rows of one answer (at most 1000000; default 10000)", false, false},                  \
        {"answer-bytes-max", "bytes of one answer (at most 16777216; default 4194304)", false, false},      \
        {"statement-bytes-max", "bytes of one text of SQL (at most 1048576; default 65536)", false, false}, \
        {"run-ms-max", "milliseconds that one call may take (at most 3600000; default 10000)", false,       \
         false},                                                                                            \
    {                                                                                                       \
        "statements-max", "statements that are known by tokens (at most 65536; default 1024)", false, false \
    }

status sql_limits_read(const driver_values *settings, sql_limits *ret, err *e) WRIT_MUST_USE;

// --- statements behind tokens ------------------------------------------------------------------------------

enum { SQL_TOKEN_BYTES = 51 }; // "prepared-statement-" and 32 hexadecimal digits

typedef struct sql_statements sql_statements; // of one link; the least used one goes when there are too many

sql_statements *sql_statements_new(size_t max);
void sql_statements_free(sql_statements *s); // accepts NULL
// Keeps a copy of the text; `ret` is its token.
void sql_statements_add(sql_statements *s, slice text, char ret[SQL_TOKEN_BYTES + 1]);
// The text, in `a`. STATUS_NOT_FOUND; STATUS_LIMIT when the arena is full.
status sql_statements_find(sql_statements *s, slice token, arena *a, slice *ret) WRIT_MUST_USE;

// --- rows --------------------------------------------------------------------------------------------------

// An answer to `query` while it is made. Values are written with the functions of pg_value.h into `w`.
typedef struct sql_rows {
    buf bytes;
    values_writer w;
    size_t count;
    size_t rows_max;
} sql_rows;

void sql_rows_init(sql_rows *r, const sql_limits *l);
void sql_rows_done(sql_rows *r); // accepts a zeroed one
// A row of so many columns follows: for each of them its name, and a value. False when there are too many.
bool sql_rows_begin(sql_rows *r, size_t columns);
static inline void sql_rows_name(sql_rows *r, slice name) { values_write_string(&r->w, name); }

// --- a call ------------------------------------------------------------------------------------------------

// A call that was decoded and is within the limits. Lives until its answer.
typedef struct sql_request {
    sql_function function;
    slice text; // of EXEC: the statement's
    const pg_param *params;
    size_t count;
    driver_call *origin; // deadline_ns, is_cancelled; its `data` is this
    sql_statements *statements;
    sql_rows rows;     // of the answer to QUERY
    uint64_t affected; // of the answer to EXEC
    list_node node;    // the driver's
    loop_timer timer;  // the driver's; stopped when it is answered
    arena memory;      // bounded
    // The error when there is one; else what was answered.
    bool has_failed;
    sql_error error;
    char message[SQL_MESSAGE_BYTES_MAX];
    void *driver; // the driver's own part, freed with the request
} sql_request;

// The one way in: decodes and checks. When the call is wrong it is answered and NULL is returned.
// `driver_bytes` of zeroed memory are for the driver.
sql_request *sql_receive(driver_call *c, const sql_limits *l, sql_statements *statements,
                         size_t driver_bytes);
// Notes an error of the contract; the first one stays. `state` is a SQLSTATE. Other threads may call it while
// the request is theirs.
void sql_set_error(sql_request *q, sql_error error, const char *state, const char *format, ...)
    WRIT_FORMAT(4, 5);
// Answers with the noted error, or with rows, count or token; and frees.
void sql_reply(sql_request *q);
// Fails the call, and frees.
void sql_fail(sql_request *q, status code, const char *format, ...) WRIT_FORMAT(3, 4);
// Which error a SQLSTATE is.
sql_error sql_error_of_state(const char *state);

// The drivers.
extern const driver sql_postgres; // a PostgreSQL server
extern const driver sql_sqlite;   // one file
