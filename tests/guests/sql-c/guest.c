// SPDX-License-Identifier: Apache-2.0
//
// Sends the SQL of each request to the database; ../README.md lists the routes. Errors of the contract are
// answers, too.
#include "sql.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 65536, VALUE_BYTES_MAX = 4096, PARAMS_MAX = 16 };

typedef struct answer {
    uint16_t status;
    size_t length;
    char text[TEXT_BYTES_MAX];
} answer;

static void add(answer *a, const void *bytes, size_t length) {
    size_t room = TEXT_BYTES_MAX - a->length;
    length = length < room ? length : room;
    memcpy(a->text + a->length, bytes, length);
    a->length += length;
}

__attribute__((format(printf, 2, 3))) static void say(answer *a, const char *format, ...) {
    char line[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    add(a, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

static sql_string_t text_of(const char *s) { return (sql_string_t){(uint8_t *)s, strlen(s)}; }

// --- what is asked -----------------------------------------------------------------------------------------

static char path[16384];

static int digit(char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

// The value of NAME in the query, the first one from `*at` on, behind which `*at` moves; NULL without it.
static const char *asked(const char *name, const char **at, char value[VALUE_BYTES_MAX]) {
    size_t len = strlen(name), n = 0;
    while ((*at = strpbrk(*at, "?&")) != NULL) {
        ++*at;
        if (strncmp(*at, name, len) != 0 || (*at)[len] != '=') {
            continue;
        }
        for (const char *p = *at + len + 1; *p != '\0' && *p != '&' && n < VALUE_BYTES_MAX - 1; p++) {
            bool is_escape = *p == '%' && p[1] != '\0' && p[2] != '\0';
            value[n++] = is_escape ? (char)(digit(p[1]) * 16 + digit(p[2])) : *p;
            p += is_escape ? 2 : 0;
        }
        value[n] = '\0';
        return value;
    }
    return NULL;
}

// "int8:5", "text:a", "bool:true", "numeric:1.5", "null"
static pg_pg_value_t value_of(char *text) {
    pg_pg_value_t v = {.tag = PG_PG_VALUE_NULL};
    char *colon = strchr(text, ':');
    const char *rest = colon == NULL ? "" : colon + 1;
    if (strncmp(text, "int8:", 5) == 0) {
        v.tag = PG_PG_VALUE_INT8;
        v.val.int8 = strtoll(rest, NULL, 10);
    } else if (strncmp(text, "bool:", 5) == 0) {
        v.tag = PG_PG_VALUE_BOOL;
        v.val.bool_ = rest[0] == 't';
    } else if (strncmp(text, "numeric:", 8) == 0) {
        v.tag = PG_PG_VALUE_NUMERIC;
        v.val.numeric = text_of(rest);
    } else if (strncmp(text, "text:", 5) == 0) {
        v.tag = PG_PG_VALUE_TEXT;
        v.val.text = text_of(rest);
    }
    return v;
}

static query_list_pg_value_t params_asked(void) {
    static pg_pg_value_t values[PARAMS_MAX];
    static char texts[PARAMS_MAX][VALUE_BYTES_MAX];
    const char *at = path;
    size_t count = 0;
    while (count < PARAMS_MAX && asked("p", &at, texts[count]) != NULL) {
        values[count] = value_of(texts[count]);
        count++;
    }
    return (query_list_pg_value_t){values, count};
}

// --- what comes back ---------------------------------------------------------------------------------------

static void say_text(answer *a, const char *kind, sql_string_t text) {
    say(a, "%s:", kind);
    add(a, text.ptr, text.len);
}

static void say_value(answer *a, const pg_pg_value_t *v) {
    switch (v->tag) {
    case PG_PG_VALUE_NULL:
        say(a, "null");
        break;
    case PG_PG_VALUE_INT8:
        say(a, "int8:%" PRId64, v->val.int8);
        break;
    case PG_PG_VALUE_INT4:
        say(a, "int4:%" PRId32, v->val.int4);
        break;
    case PG_PG_VALUE_BOOL:
        say(a, "bool:%s", v->val.bool_ ? "true" : "false");
        break;
    case PG_PG_VALUE_FLOAT8:
        say(a, "float8:%" PRIu64 "*2^%d*%d", v->val.float8.f0, v->val.float8.f1, v->val.float8.f2);
        break;
    case PG_PG_VALUE_NUMERIC:
        say_text(a, "numeric", v->val.numeric);
        break;
    case PG_PG_VALUE_TEXT:
        say_text(a, "text", v->val.text);
        break;
    case PG_PG_VALUE_TIMESTAMP_TZ:
        say(a, "timestamp-tz:%d", v->val.timestamp_tz.timestamp.date.val.ymd.f0);
        break;
    default:
        say(a, "case %u", v->tag);
        break;
    }
}

static void say_query_error(answer *a, const pg_query_error_t *e) {
    static const char *const kinds[] = {"invalid-params", "invalid-query", "unexpected"};
    a->status = 502;
    say_text(a, kinds[e->tag], e->val.invalid_params);
    say(a, "\n");
}

static void query(answer *a, sql_string_t text) {
    static char times[VALUE_BYTES_MAX];
    const char *at = path;
    query_list_pg_value_t params = params_asked();
    query_list_result_row_t rows;
    pg_query_error_t e;
    for (long n = asked("times", &at, times) == NULL ? 1 : strtol(times, NULL, 10); n > 1; n--) {
        if (query_query(&text, &params, &rows, &e)) {
            query_list_result_row_free(&rows);
        }
    }
    if (!query_query(&text, &params, &rows, &e)) {
        say_query_error(a, &e);
        return;
    }
    for (size_t i = 0; i < rows.len; i++) {
        for (size_t k = 0; k < rows.ptr[i].len; k++) {
            const pg_result_row_entry_t *entry = &rows.ptr[i].ptr[k];
            add(a, k == 0 ? "" : " ", k == 0 ? 0 : 1);
            add(a, entry->column_name.ptr, entry->column_name.len);
            say(a, "=");
            say_value(a, &entry->value);
        }
        say(a, "\n");
    }
}

static void exec(answer *a, sql_string_t token) {
    query_list_pg_value_t values = params_asked();
    prepared_list_pg_value_t params = {values.ptr, values.len};
    prepared_prepared_statement_exec_error_t e;
    uint64_t rows;
    if (prepared_exec(&token, &params, &rows, &e)) {
        say(a, "%" PRIu64 "\n", rows);
    } else if (e.tag == PG_PREPARED_STATEMENT_EXEC_ERROR_QUERY_ERROR) {
        say_query_error(a, &e.val.query_error);
    } else {
        a->status = 502;
        say(a,
            e.tag == PG_PREPARED_STATEMENT_EXEC_ERROR_UNKNOWN_PREPARED_QUERY ? "unknown\n" : "unexpected\n");
    }
}

static void prepare(answer *a, sql_string_t text) {
    prepared_prepared_statement_token_t token;
    prepared_statement_prepare_error_t e;
    if (!prepared_prepare(&text, &token, &e)) {
        a->status = 502;
        say_text(a, "unexpected", e.val.unexpected);
    } else if (strncmp(path, "/prepare?", 9) == 0) {
        add(a, token.ptr, token.len);
    } else {
        exec(a, token);
    }
}

static void answer_path(answer *a) {
    static char text[VALUE_BYTES_MAX];
    const char *at = path;
    sql_string_t sql = text_of(asked("sql", &at, text) == NULL ? "" : text);
    pg_query_error_t e;
    if (strncmp(path, "/query?", 7) == 0) {
        query(a, sql);
    } else if (strncmp(path, "/exec?", 6) == 0) {
        exec(a, sql);
    } else if (strncmp(path, "/prepare", 8) == 0) {
        prepare(a, sql);
    } else if (strncmp(path, "/batch?", 7) == 0) {
        if (query_query_batch(&sql, &e)) {
            say(a, "done\n");
        } else {
            say_query_error(a, &e);
        }
    } else {
        a->status = 404;
    }
}

// Before anything else: ?link=NAME chooses among the links.
static bool choose_link(answer *a) {
    static char name[VALUE_BYTES_MAX];
    const char *at = path;
    if (asked("link", &at, name) == NULL) {
        return true;
    }
    sql_string_t chosen = text_of(name), ns = text_of("wasmcloud"), package = text_of("postgres"), e;
    sql_string_t interface = text_of("query");
    lattice_own_call_target_interface_t target =
        lattice_constructor_call_target_interface(&ns, &package, &interface);
    lattice_list_own_call_target_interface_t list = {&target, 1};
    if (lattice_set_link_name(&chosen, &list, &e)) {
        return true;
    }
    a->status = 502;
    say_text(a, "set-link-name", e);
    return false;
}

static void send(exports_handler_own_response_outparam_t out, const answer *a) {
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), a->status);
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);
    http_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
    http_static_response_outparam_set(out, &result);
    http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream);
    for (size_t at = 0; at < a->length; at += 4096) {
        sql_list_u8_t piece = {(uint8_t *)a->text + at, a->length - at < 4096 ? a->length - at : 4096};
        io_stream_error_t e;
        if (!io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &piece, &e)) {
            break;
        }
    }
    io_output_stream_drop_own(stream);
    http_error_code_t e;
    http_static_outgoing_body_finish(body, NULL, &e);
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    static answer a;
    sql_string_t asked_path = {0};
    a.status = 200;
    if (http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &asked_path)) {
        size_t n = asked_path.len < sizeof path - 1 ? asked_path.len : sizeof path - 1;
        memcpy(path, asked_path.ptr, n);
    }
    if (choose_link(&a)) {
        answer_path(&a);
    }
    send(out, &a);
    http_incoming_request_drop_own(request);
}
