// SPDX-License-Identifier: Apache-2.0
// What all drivers of the contract share: the way in, with its limits, and the ways out.
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "codec/utf.h"
#include "driver/sql/sql.h"

enum {
    REQUEST_MEMORY_MAX =
        3 * SQL_CALL_BYTES_MAX + (8 << 20), // the parameters as text, and what a driver makes of them
    HEAD_BYTES = 6,                         // in front of rows: "ok" and their count
};

// --- names -------------------------------------------------------------------------------------------------

const char *const sql_interfaces[] = {"wasmcloud:postgres/query", "wasmcloud:postgres/prepared", NULL};

static const struct {
    uint8_t interface;
    const char *name;
} names[SQL_FUNCTION_COUNT] = {
    [SQL_QUERY] = {0, "query"},
    [SQL_QUERY_BATCH] = {0, "query-batch"},
    [SQL_PREPARE] = {1, "prepare"},
    [SQL_EXEC] = {1, "exec"},
};

const char *sql_interface_name(sql_function f) { return sql_interfaces[names[f].interface]; }
const char *sql_function_name(sql_function f) { return names[f].name; }

bool sql_function_find(slice interface, slice function, sql_function *ret) {
    for (unsigned f = 0; f < SQL_FUNCTION_COUNT; f++) {
        if (slice_equal_text(function, names[f].name) &&
            slice_equal_text(interface, sql_interfaces[names[f].interface])) {
            *ret = (sql_function)f;
            return true;
        }
    }
    return false;
}

// --- limits ------------------------------------------------------------------------------------------------

status sql_limits_read(const driver_values *settings, sql_limits *ret, err *e) {
    uint64_t statement = 1 << 16, answer = 4 << 20, rows = 10000, statements = 1024, run_ms = 10000;
    bool read_only = false;
    TRY(driver_values_number(settings, "statement-bytes-max", 1, SQL_STATEMENT_BYTES_MAX, &statement, e));
    TRY(driver_values_number(settings, "answer-bytes-max", 1, SQL_ANSWER_BYTES_MAX, &answer, e));
    TRY(driver_values_number(settings, "rows-max", 1, SQL_ROWS_MAX, &rows, e));
    TRY(driver_values_number(settings, "statements-max", 1, 1 << 16, &statements, e));
    TRY(driver_values_number(settings, "run-ms-max", 1, SQL_RUN_MS_MAX, &run_ms, e));
    TRY(driver_values_bool(settings, "read-only", &read_only, e));
    *ret = (sql_limits){.statement_bytes_max = statement,
                        .answer_bytes_max = answer,
                        .rows_max = rows,
                        .statements_max = statements,
                        .run_ns_max = run_ms * 1000000,
                        .read_only = read_only};
    return STATUS_OK;
}

// --- errors ------------------------------------------------------------------------------------------------

void sql_set_error(sql_request *q, sql_error error, const char *state, const char *format, ...) {
    if (q->has_failed) {
        return;
    }
    char text[SQL_MESSAGE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    q->has_failed = true;
    q->error = error;
    int len = snprintf(q->message, sizeof q->message, "%.5s: ", state);
    // What a server says, or a part of a statement, may be anything; a text of the contract is UTF-8.
    size_t room = sizeof q->message - (size_t)len;
    size_t good = strlen(text);
    (void)utf8_check(slice_from_text(text), &good);
    snprintf(q->message + len, room, "%.*s", (int)good, text);
    size_t whole = strlen(q->message);
    if (utf8_check(slice_from_text(q->message), &whole) != UTF_VALID) { // cut in the middle of a character
        q->message[whole] = '\0';
    }
}

// Classes of SQLSTATE: what the query itself is to blame for, and what its values are.
sql_error sql_error_of_state(const char *state) {
    if (strncmp(state, "42501", 5) == 0) {
        return SQL_UNEXPECTED; // somebody said no
    }
    if (strncmp(state, "42", 2) == 0 || strncmp(state, "0A", 2) == 0 || strncmp(state, "26", 2) == 0 ||
        strncmp(state, "3F", 2) == 0) {
        return SQL_INVALID_QUERY;
    }
    return strncmp(state, "22", 2) == 0 || strncmp(state, "08P01", 5) == 0 ? SQL_INVALID_PARAMS
                                                                           : SQL_UNEXPECTED;
}

static void free_request(sql_request *q) {
    loop_timer_stop(&q->timer);
    sql_rows_done(&q->rows);
    arena_done(&q->memory);
    mem_free(q->driver);
    mem_free(q);
}

// --- in ----------------------------------------------------------------------------------------------------

static const char *read_params(values_reader *r, sql_request *q) {
    q->count = values_read_count(r, 1);
    if (q->count > SQL_PARAMS_MAX) {
        return "too many parameters";
    }
    pg_param *params = ARENA_ARRAY(&q->memory, pg_param, q->count);
    if (params == NULL) {
        return "too many parameters";
    }
    q->params = params;
    const char *problem = NULL;
    for (size_t i = 0; i < q->count && problem == NULL && values_read_ok(r); i++) {
        problem = pg_param_read(r, &q->memory, &params[i]);
    }
    return problem;
}

// Finds the statement behind a token. False when it was answered.
static bool find_statement(sql_request *q) {
    slice token = q->text;
    status code = sql_statements_find(q->statements, token, &q->memory, &q->text);
    if (code == STATUS_OK) {
        return true;
    }
    if (code != STATUS_NOT_FOUND) {
        sql_fail(q, code, "no memory for the statement");
        return false;
    }
    static const uint8_t unknown[] = {1, 0}; // err, unknown-prepared-query
    q->origin->data = NULL;
    driver_answer(q->origin, slice_of(unknown, sizeof unknown));
    free_request(q);
    return false;
}

static bool check_text(sql_request *q, const sql_limits *l) {
    if (q->text.len > l->statement_bytes_max) {
        sql_set_error(q, SQL_INVALID_QUERY, "54000", "%zu bytes of SQL, and the link allows %zu", q->text.len,
                      l->statement_bytes_max);
    } else if (q->text.len > 0 && memchr(q->text.data, 0, q->text.len) != NULL) {
        sql_set_error(q, SQL_INVALID_QUERY, "42601", "a zero byte in the text");
    }
    return !q->has_failed;
}

// False when it was answered.
static bool decode(sql_request *q, const sql_limits *l) {
    values_reader r = values_reader_of(q->origin->payload);
    const char *problem = NULL;
    q->text = values_read_string(&r);
    if (q->function == SQL_QUERY || q->function == SQL_EXEC) {
        problem = read_params(&r, q);
    }
    err e = {0};
    // A value that is no value ends the reading.
    status code = problem != NULL && values_read_ok(&r)
                      ? STATUS_OK
                      : values_read_end(&r, "arguments of a SQL function", &e);
    if (code != STATUS_OK) {
        sql_fail(q, code, "%s", e.message);
        return false;
    }
    if (problem != NULL) {
        sql_set_error(q, SQL_INVALID_PARAMS, "22023", "%s", problem);
    } else if (q->function == SQL_EXEC && !find_statement(q)) {
        return false;
    }
    if (q->function == SQL_QUERY_BATCH && l->read_only) {
        sql_set_error(q, SQL_UNEXPECTED, "25006", "query-batch is for changes, and the link is read-only");
    }
    if (q->has_failed || !check_text(q, l)) {
        sql_reply(q);
        return false;
    }
    return true;
}

sql_request *sql_receive(driver_call *c, const sql_limits *l, sql_statements *statements,
                         size_t driver_bytes) {
    sql_function f;
    if (!sql_function_find(c->interface, c->function, &f)) {
        driver_fail(c, STATUS_UNSUPPORTED, "SQL has no such function");
        return NULL;
    }
    if (c->payload.len > SQL_CALL_BYTES_MAX) {
        driver_fail(c, STATUS_LIMIT, "arguments of %zu bytes", c->payload.len);
        return NULL;
    }
    sql_request *q = MEM_NEW(sql_request);
    arena_init(&q->memory, REQUEST_MEMORY_MAX);
    list_init(&q->node);
    q->function = f;
    q->origin = c;
    q->statements = statements;
    q->driver = mem_zalloc(driver_bytes);
    sql_rows_init(&q->rows, l);
    c->data = q;
    return decode(q, l) ? q : NULL;
}

// --- rows --------------------------------------------------------------------------------------------------

void sql_rows_init(sql_rows *r, const sql_limits *l) {
    *r = (sql_rows){.rows_max = l->rows_max};
    buf_init(&r->bytes, l->answer_bytes_max + HEAD_BYTES);
    r->w = values_writer_of(&r->bytes);
}

void sql_rows_done(sql_rows *r) { buf_done(&r->bytes); }

bool sql_rows_begin(sql_rows *r, size_t columns) {
    if (r->count >= r->rows_max) {
        return false;
    }
    if (r->count++ == 0) {
        uint8_t *head;
        if (buf_reserve(&r->bytes, HEAD_BYTES, &head) != STATUS_OK) {
            return false;
        }
        r->bytes.len = HEAD_BYTES;
    }
    values_write_count(&r->w, (uint32_t)columns);
    return true;
}

// The head is of 2 to 6 bytes, right in front of the rows.
static void answer_rows(sql_request *q, driver_call *c) {
    uint8_t bytes[16];
    buf head = {.data = bytes, .capacity = sizeof bytes, .max = sizeof bytes};
    values_writer w = values_writer_of(&head);
    values_write_is_ok(&w, true);
    values_write_count(&w, (uint32_t)q->rows.count);
    if (q->rows.count == 0) {
        driver_answer(c, buf_slice(&head));
        return;
    }
    CHECK(head.len <= HEAD_BYTES);
    uint8_t *at = q->rows.bytes.data + HEAD_BYTES - head.len;
    memcpy(at, head.data, head.len);
    driver_answer(c, slice_of(at, q->rows.bytes.len - HEAD_BYTES + head.len));
}

// --- out ---------------------------------------------------------------------------------------------------

static void write_error(values_writer *w, const sql_request *q) {
    values_write_is_ok(w, false);
    if (q->function == SQL_PREPARE) {
        values_write_case(w, 0); // unexpected
    } else {
        if (q->function == SQL_EXEC) {
            values_write_case(w, 1); // query-error
        }
        values_write_case(w, q->error);
    }
    values_write_string(w, slice_from_text(q->message));
}

static void write_ok(values_writer *w, sql_request *q) {
    values_write_is_ok(w, true);
    if (q->function == SQL_EXEC) {
        values_write_u64(w, q->affected);
    } else if (q->function == SQL_PREPARE) {
        char token[SQL_TOKEN_BYTES + 1];
        sql_statements_add(q->statements, q->text, token);
        values_write_string(w, slice_of(token, SQL_TOKEN_BYTES));
    }
}

void sql_reply(sql_request *q) {
    driver_call *c = q->origin;
    c->data = NULL;
    if (q->function == SQL_QUERY && !q->has_failed) {
        answer_rows(q, c);
    } else {
        auto_buf bytes;
        buf_init(&bytes, SQL_MESSAGE_BYTES_MAX + 64);
        values_writer w = values_writer_of(&bytes);
        if (q->has_failed) {
            write_error(&w, q);
        } else {
            write_ok(&w, q);
        }
        CHECK(w.code == STATUS_OK);
        driver_answer(c, buf_slice(&bytes));
    }
    free_request(q);
}

void sql_fail(sql_request *q, status code, const char *format, ...) {
    char text[SQL_MESSAGE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    q->origin->data = NULL;
    driver_fail(q->origin, code, "%s", text);
    free_request(q);
}
