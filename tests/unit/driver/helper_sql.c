// SPDX-License-Identifier: Apache-2.0
#include "unit/driver/helper_sql.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

enum { BYTES_MAX = 32 << 20 };

static const char *const names[PG_CASE_COUNT] = {
#define NAME(name, shape, is_list) [PG_##name] = #name,
    PG_CASES(NAME)
#undef NAME
};

// --- parameters --------------------------------------------------------------------------------------------

static pg_case case_of(const char *name, size_t len) {
    for (int c = 0; c < PG_CASE_COUNT; c++) {
        if (strlen(names[c]) == len && strncasecmp(names[c], name, len) == 0) {
            return (pg_case)c;
        }
    }
    printf("    there is no case %.*s\n", (int)len, name);
    CHECK(false);
    return PG_NULL;
}

static void write_ymd(values_writer *w, const char **at) {
    if (strncmp(*at, "infinity", 8) == 0) {
        values_write_case(w, 0);
        *at += 8;
        return;
    }
    char *next;
    values_write_case(w, 2);
    values_write_s32(w, (int32_t)strtol(*at, &next, 10));
    values_write_u32(w, (uint32_t)strtoul(next + 1, &next, 10));
    values_write_u32(w, (uint32_t)strtoul(next + 1, &next, 10));
    *at = next;
}

static void write_hms(values_writer *w, const char *at) {
    char *next;
    values_write_u32(w, (uint32_t)strtoul(at, &next, 10));
    values_write_u32(w, (uint32_t)strtoul(next + 1, &next, 10));
    values_write_u32(w, (uint32_t)strtoul(next + 1, &next, 10));
    values_write_u32(w, *next == '.' ? (uint32_t)strtoul(next + 1, &next, 10) : 0);
}

static void write_list(values_writer *w, pg_case c, const char *text) {
    uint32_t count = text[0] != '\0';
    for (const char *p = text; *p != '\0'; p++) {
        count += *p == ',';
    }
    values_write_count(w, count);
    char copy[256];
    snprintf(copy, sizeof copy, "%s", text);
    char *save = NULL;
    for (char *part = strtok_r(copy, ",", &save); part != NULL; part = strtok_r(NULL, ",", &save)) {
        if (c == PG_TEXT_ARRAY) {
            values_write_string(w, slice_from_text(part));
        } else {
            values_write_s64(w, strtoll(part, NULL, 10));
        }
    }
}

static void write_value(values_writer *w, const char *text) {
    const char *colon = strchr(text, ':');
    pg_case c = case_of(text, colon == NULL ? strlen(text) : (size_t)(colon - text));
    const char *value = colon == NULL ? "" : colon + 1;
    slice bytes = slice_from_text(value);
    pg_write_case(w, c);
    switch (c) {
    case PG_NULL:
        break;
    case PG_INT8:
        values_write_s64(w, strtoll(value, NULL, 10));
        break;
    case PG_INT4:
        values_write_s32(w, (int32_t)strtol(value, NULL, 10));
        break;
    case PG_INT2:
        values_write_s16(w, (int16_t)strtol(value, NULL, 10));
        break;
    case PG_SERIAL:
        values_write_u32(w, (uint32_t)strtoul(value, NULL, 10));
        break;
    case PG_BOOL:
        values_write_bool(w, value[0] == 't');
        break;
    case PG_FLOAT8:
        pg_write_float8(w, strtod(value, NULL));
        break;
    case PG_FLOAT4:
        pg_write_float4(w, strtof(value, NULL));
        break;
    case PG_BYTEA:
        values_write_bytes(w, bytes);
        break;
    case PG_VARCHAR:
        values_write_option(w, false);
        values_write_bytes(w, bytes);
        break;
    case PG_DATE:
        write_ymd(w, &value);
        break;
    case PG_TIME:
        write_hms(w, value);
        break;
    case PG_TIMESTAMP:
    case PG_TIMESTAMP_TZ:
        write_ymd(w, &value);
        write_hms(w, value + (*value == ' '));
        if (c == PG_TIMESTAMP_TZ) {
            values_write_case(w, 0);
            values_write_s32(w, 0);
        }
        break;
    case PG_INT8_ARRAY:
    case PG_TEXT_ARRAY:
        write_list(w, c, value);
        break;
    default: // the others that are tested are strings
        values_write_string(w, bytes);
        break;
    }
}

static void write_params(values_writer *w, const char *params) {
    char copy[4096];
    uint32_t count = params != NULL && params[0] != '\0';
    snprintf(copy, sizeof copy, "%s", params == NULL ? "" : params);
    for (const char *p = copy; *p != '\0'; p++) {
        count += *p == '|';
    }
    values_write_count(w, count);
    char *save = NULL;
    for (char *part = strtok_r(copy, "|", &save); part != NULL; part = strtok_r(NULL, "|", &save)) {
        write_value(w, part);
    }
}

// --- answers -----------------------------------------------------------------------------------------------

static void WRIT_FORMAT(2, 3) add(sql_pending *p, const char *format, ...) {
    size_t len = strlen(p->text);
    va_list args;
    va_start(args, format);
    vsnprintf(p->text + len, sizeof p->text - len, format, args);
    va_end(args);
}

static void add_value(sql_pending *p, const pg_param *v) {
    char name[40];
    char text[PG_NUMBER_BYTES_MAX];
    snprintf(name, sizeof name, "%s", names[v->type]);
    for (char *c = name; *c != '\0'; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
    }
    switch (v->class) {
    case PG_IS_NULL:
        add(p, "null");
        break;
    case PG_IS_INTEGER:
        add(p, "%s:%" PRId64, name, v->integer);
        break;
    case PG_IS_BOOL:
        add(p, "%s:%s", name, v->integer != 0 ? "true" : "false");
        break;
    case PG_IS_NUMBER:
        add(p, "%s:%.*s", name, SLICE_ARG(pg_number_text(v->number, v->type == PG_FLOAT4, text)));
        break;
    default:
        add(p, "%s:%.*s", name, (int)(v->text.len < 200 ? v->text.len : 200), (const char *)v->text.data);
        break;
    }
}

static void read_rows(sql_pending *p, values_reader *r) {
    arena a;
    arena_init(&a, BYTES_MAX);
    uint32_t rows = values_read_count(r, 1);
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t columns = values_read_count(r, 2);
        add(p, i == 0 ? "" : "; ");
        for (uint32_t k = 0; k < columns; k++) {
            pg_param v;
            slice name = values_read_string(r);
            add(p, "%s%.*s=", k == 0 ? "" : " ", SLICE_ARG(name));
            const char *problem = pg_param_read(r, &a, &v);
            if (problem != NULL || !values_read_ok(r)) {
                add(p, "?%s", problem == NULL ? r->problem : problem);
                arena_done(&a);
                return;
            }
            add_value(p, &v);
        }
    }
    arena_done(&a);
}

static void read_error(sql_pending *p, values_reader *r) {
    static const char *const kinds[] = {"invalid-params", "invalid-query", "unexpected"};
    uint32_t outer = 1;
    if (p->function == SQL_EXEC) {
        outer = values_read_case(r, 3);
    }
    if (outer == 0) {
        add(p, "unknown-prepared-query");
        return;
    }
    uint32_t kind = p->function == SQL_PREPARE ? values_read_case(r, 1) + 2 : values_read_case(r, 3);
    slice text = values_read_string(r);
    add(p, "%s %.*s", kinds[kind], SLICE_ARG(text));
}

static void read_answer(sql_pending *p, slice payload) {
    values_reader r = values_reader_of(payload);
    err e = {0};
    if (!values_read_is_ok(&r)) {
        read_error(p, &r);
    } else if (p->function == SQL_QUERY) {
        read_rows(p, &r);
    } else if (p->function == SQL_EXEC) {
        add(p, "ok %" PRIu64, values_read_u64(&r));
    } else if (p->function == SQL_PREPARE) {
        slice token = values_read_string(&r);
        add(p, "%.*s", SLICE_ARG(token));
    } else {
        add(p, "ok");
    }
    if (values_read_end(&r, "answer", &e) != STATUS_OK) {
        add(p, " ?%s", e.message);
    }
}

static void on_end(driver_call *c, status code, slice payload, const err *e) {
    sql_pending *p = c->host;
    CHECK(!p->is_done && (code == STATUS_OK) == (e == NULL));
    p->is_done = true;
    p->code = code;
    if (code == STATUS_OK) {
        read_answer(p, payload);
    } else {
        add(p, "%s %.1000s", status_name(code), e->message);
    }
}

// --- calls -------------------------------------------------------------------------------------------------

void sql_begin(kv *k, sql_pending *p, sql_function f, const char *text, const char *params,
               uint64_t deadline_ns) {
    *p = (sql_pending){.function = f};
    buf_init(&p->payload, BYTES_MAX);
    values_writer w = values_writer_of(&p->payload);
    values_write_string(&w, slice_from_text(text));
    if (f == SQL_QUERY || f == SQL_EXEC) {
        write_params(&w, params);
    }
    CHECK(w.code == STATUS_OK);
    p->call = (driver_call){.interface = slice_from_text(sql_interface_name(f)),
                            .function = slice_from_text(sql_function_name(f)),
                            .payload = buf_slice(&p->payload),
                            .deadline_ns = deadline_ns,
                            .end = on_end,
                            .host = p};
    k->d->call(k->link, &p->call);
}

void sql_done(sql_pending *p) { buf_done(&p->payload); }

void sql_wait(kv *k, sql_pending *p) {
    while (!p->is_done) {
        kv_turn(k);
    }
}

void sql_call(kv *k, sql_pending *p, sql_function f, const char *text, const char *params) {
    sql_begin(k, p, f, text, params, UINT64_MAX);
    sql_wait(k, p);
}

static bool compare(const sql_pending *p, const char *text, const char *expected, size_t len) {
    bool ok = strncmp(p->text, expected, len) == 0;
    if (!ok) {
        printf("    %s\n      gave     %s\n      expected %s\n", text, p->text, expected);
    }
    return ok;
}

bool sql_is(kv *k, const char *text, const char *params, const char *rows) {
    sql_pending p;
    sql_call(k, &p, SQL_QUERY, text, params);
    bool ok = compare(&p, text, rows, SIZE_MAX);
    sql_done(&p);
    return ok;
}

bool sql_gives(kv *k, sql_function f, const char *text, const char *params, const char *start) {
    sql_pending p;
    sql_call(k, &p, f, text, params);
    bool ok = compare(&p, text, start, strlen(start));
    sql_done(&p);
    return ok;
}

bool sql_batch(kv *k, const char *text) { return sql_gives(k, SQL_QUERY_BATCH, text, NULL, "ok"); }
