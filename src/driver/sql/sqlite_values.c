// SPDX-License-Identifier: Apache-2.0
#include "driver/sql/sqlite_values.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/utf.h"

// --- parameters --------------------------------------------------------------------------------------------

// The number in "$1", also in "$1::bigint", which SQLite takes as one name; 0 when it is none.
static unsigned number_of(const char *name) {
    if (name == NULL || name[0] != '$' || name[1] < '1' || name[1] > '9') {
        return 0;
    }
    char *end;
    unsigned long number = strtoul(name + 1, &end, 10);
    return number <= SQL_PARAMS_MAX && (*end == '\0' || strncmp(end, "::", 2) == 0) ? (unsigned)number : 0;
}

static bool bind_one(sqlite3_stmt *t, int at, const pg_param *p, sql_request *q) {
    int rc = SQLITE_OK;
    switch (p->class) {
    case PG_IS_NULL:
        rc = sqlite3_bind_null(t, at);
        break;
    case PG_IS_INTEGER:
    case PG_IS_BOOL:
        rc = sqlite3_bind_int64(t, at, p->integer);
        break;
    case PG_IS_NUMBER:
        if (isnan(p->number)) {
            sql_set_error(q, SQL_INVALID_PARAMS, "22003", "SQLite has no NaN");
            return false;
        }
        rc = sqlite3_bind_double(t, at, p->number);
        break;
    case PG_IS_BYTES:
        rc = sqlite3_bind_blob64(t, at, p->text.len == 0 ? "" : (const void *)p->text.data, p->text.len,
                                 SQLITE_STATIC);
        break;
    default:
        rc = sqlite3_bind_text64(t, at, p->text.len == 0 ? "" : (const char *)p->text.data, p->text.len,
                                 SQLITE_STATIC, SQLITE_UTF8);
        break;
    }
    if (rc != SQLITE_OK) {
        sql_set_error(q, SQL_INVALID_PARAMS, "54000", "a value of %zu bytes is too long", p->text.len);
    }
    return rc == SQLITE_OK;
}

bool sqlite_values_bind(sqlite3_stmt *t, sql_request *q) {
    unsigned highest = 0;
    int names = sqlite3_bind_parameter_count(t);
    for (int at = 1; at <= names; at++) {
        unsigned number = number_of(sqlite3_bind_parameter_name(t, at));
        if (number == 0) {
            sql_set_error(q, SQL_INVALID_QUERY, "42601", "parameters are written $1, $2 and so on");
            return false;
        }
        highest = number > highest ? number : highest;
        if (number <= q->count && !bind_one(t, at, &q->params[number - 1], q)) {
            return false;
        }
    }
    if (highest != q->count) {
        sql_set_error(q, SQL_INVALID_PARAMS, "08P01", "the statement has %u parameters, and %zu values came",
                      highest, q->count);
        return false;
    }
    return true;
}

// --- times as text -----------------------------------------------------------------------------------------

// Reads `count` digits at `*at`; -1 when there are none.
static int digits(slice text, size_t *at, int count) {
    int value = 0;
    for (int i = 0; i < count; i++, ++*at) {
        if (*at >= text.len || text.data[*at] < '0' || text.data[*at] > '9') {
            return -1;
        }
        value = value * 10 + (text.data[*at] - '0');
    }
    return value;
}

static bool skip(slice text, size_t *at, const char *any) {
    if (*at < text.len && text.data[*at] != 0 && strchr(any, text.data[*at]) != NULL) {
        ++*at;
        return true;
    }
    return false;
}

// YYYY-MM-DD
static bool read_day(slice text, size_t *at, int32_t *ret) {
    int year = digits(text, at, 4);
    bool ok = year >= 0 && skip(text, at, "-");
    int month = ok ? digits(text, at, 2) : -1;
    ok = month > 0 && skip(text, at, "-");
    int day = ok ? digits(text, at, 2) : -1;
    return day > 0 && pg_day_of(year, (uint32_t)month, (uint32_t)day, ret);
}

// HH:MM[:SS[.ffffff]]
static bool read_time(slice text, size_t *at, int64_t *ret) {
    int hour = digits(text, at, 2);
    int minute = hour >= 0 && skip(text, at, ":") ? digits(text, at, 2) : -1;
    int second = 0;
    int64_t micro = 0;
    if (minute >= 0 && skip(text, at, ":")) {
        second = digits(text, at, 2);
        if (second >= 0 && skip(text, at, ".")) {
            int64_t unit = 100000;
            while (*at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9') {
                micro += unit * (text.data[(*at)++] - '0');
                unit /= 10;
            }
        }
    }
    *ret = ((hour * 60 + minute) * 60 + second) * INT64_C(1000000) + micro;
    return hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60;
}

// Nothing, Z, or +HH[:MM]; in microseconds.
static bool read_zone(slice text, size_t *at, int64_t *ret) {
    *ret = 0;
    if (*at == text.len || skip(text, at, "Zz")) {
        return true;
    }
    bool is_west = text.data[*at] == '-';
    int hour = skip(text, at, "+-") ? digits(text, at, 2) : -1;
    int minute = *at < text.len ? (skip(text, at, ":"), digits(text, at, 2)) : 0;
    *ret = (hour * 60 + minute) * INT64_C(60000000) * (is_west ? -1 : 1);
    return hour >= 0 && hour < 16 && minute >= 0 && minute < 60;
}

// False when the text is none of these: it is a text then.
static bool write_moment(values_writer *w, pg_case c, slice text) {
    int32_t day = 0;
    int64_t micro = 0, zone = 0;
    size_t at = 0;
    bool ok = c == PG_TIME || read_day(text, &at, &day);
    if (ok && c != PG_DATE) {
        ok = (c == PG_TIME || skip(text, &at, " T")) && read_time(text, &at, &micro);
    }
    ok = ok && (c != PG_TIMESTAMP_TZ || read_zone(text, &at, &zone)) && at == text.len;
    if (!ok) {
        return false;
    }
    int64_t stamp = day * INT64_C(86400000000) + micro - zone;
    pg_write_case(w, c);
    if (c == PG_DATE) {
        pg_write_date(w, day);
    } else if (c == PG_TIME) {
        pg_write_time(w, micro);
    } else if (c == PG_TIMESTAMP) {
        pg_write_timestamp(w, stamp);
    } else {
        pg_write_timestamp_tz(w, stamp);
    }
    return true;
}

// --- results -----------------------------------------------------------------------------------------------

static const struct {
    const char *name;
    pg_case type;
} declared[] = {
    {"bool", PG_BOOL},
    {"boolean", PG_BOOL},
    {"smallint", PG_INT2},
    {"int2", PG_INT2},
    {"smallserial", PG_INT2},
    {"integer", PG_INT4},
    {"int", PG_INT4},
    {"int4", PG_INT4},
    {"serial", PG_INT4},
    {"real", PG_FLOAT8}, // SQLite's own, of 64 bits
    {"float4", PG_FLOAT4},
    {"float8", PG_FLOAT8},
    {"float", PG_FLOAT8},
    {"double", PG_FLOAT8},
    {"double precision", PG_FLOAT8},
    {"numeric", PG_NUMERIC},
    {"decimal", PG_NUMERIC},
    {"money", PG_MONEY},
    {"varchar", PG_VARCHAR},
    {"character varying", PG_VARCHAR},
    {"char", PG_CHAR},
    {"character", PG_CHAR},
    {"date", PG_DATE},
    {"time", PG_TIME},
    {"timestamp", PG_TIMESTAMP},
    {"timestamp without time zone", PG_TIMESTAMP},
    {"datetime", PG_TIMESTAMP},
    {"timestamptz", PG_TIMESTAMP_TZ},
    {"timestamp with time zone", PG_TIMESTAMP_TZ},
    {"json", PG_JSON},
    {"jsonb", PG_JSON}, // as 1.x gives a jsonb
    {"uuid", PG_UUID},
    {"inet", PG_INET},
    {"cidr", PG_CIDR},
    {"name", PG_NAME},
    {"xml", PG_XML},
};

// PG_NULL for what is not declared, or as anything else.
static pg_case type_of(const char *text) {
    char name[40];
    size_t len = 0;
    for (; text != NULL && text[len] != '\0' && text[len] != '(' && len + 1 < sizeof name; len++) {
        name[len] = (char)tolower((unsigned char)text[len]);
    }
    name[len] = '\0';
    for (size_t i = 0; i < sizeof declared / sizeof declared[0]; i++) {
        if (strcmp(name, declared[i].name) == 0) {
            return declared[i].type;
        }
    }
    return PG_NULL;
}

static void write_integer(values_writer *w, pg_case type, int64_t value) {
    char text[PG_NUMBER_BYTES_MAX];
    if (type == PG_BOOL && (value == 0 || value == 1)) {
        pg_write_case(w, PG_BOOL);
        values_write_bool(w, value == 1);
    } else if (type == PG_INT2 && value == (int16_t)value) {
        pg_write_case(w, PG_INT2);
        values_write_s16(w, (int16_t)value);
    } else if (type == PG_INT4 && value == (int32_t)value) {
        pg_write_case(w, PG_INT4);
        values_write_s32(w, (int32_t)value);
    } else if (type == PG_NUMERIC || type == PG_MONEY) {
        snprintf(text, sizeof text, "%" PRId64, value);
        pg_write_text(w, type, slice_from_text(text));
    } else if (type == PG_FLOAT8) {
        pg_write_case(w, PG_FLOAT8);
        pg_write_float8(w, (double)value);
    } else {
        pg_write_case(w, PG_INT8);
        values_write_s64(w, value);
    }
}

static void write_number(values_writer *w, pg_case type, double value) {
    char text[PG_NUMBER_BYTES_MAX];
    if (type == PG_NUMERIC || type == PG_MONEY) {
        pg_write_text(w, type, pg_number_text(value, false, text));
    } else if (type == PG_FLOAT4) {
        pg_write_case(w, PG_FLOAT4);
        pg_write_float4(w, (float)value);
    } else {
        pg_write_case(w, PG_FLOAT8);
        pg_write_float8(w, value);
    }
}

static void write_text(values_writer *w, pg_case type, slice text) {
    switch (type) {
    case PG_VARCHAR:
        pg_write_varchar(w, text);
        return;
    case PG_CHAR:
        pg_write_char(w, text);
        return;
    case PG_DATE:
    case PG_TIME:
    case PG_TIMESTAMP:
    case PG_TIMESTAMP_TZ:
        if (write_moment(w, type, text)) {
            return;
        }
        break;
    case PG_NUMERIC:
    case PG_MONEY:
    case PG_JSON:
    case PG_UUID:
    case PG_INET:
    case PG_CIDR:
    case PG_NAME:
    case PG_XML:
        pg_write_text(w, type, text);
        return;
    default:
        break;
    }
    pg_write_text(w, PG_TEXT, text);
}

static bool write_column(sqlite3_stmt *t, int at, sql_request *q) {
    values_writer *w = &q->rows.w;
    pg_case type = type_of(sqlite3_column_decltype(t, at));
    slice text;
    switch (sqlite3_column_type(t, at)) {
    case SQLITE_NULL:
        pg_write_case(w, PG_NULL);
        break;
    case SQLITE_INTEGER:
        write_integer(w, type, sqlite3_column_int64(t, at));
        break;
    case SQLITE_FLOAT:
        write_number(w, type, sqlite3_column_double(t, at));
        break;
    case SQLITE_TEXT:
        text.data = sqlite3_column_text(t, at);
        text.len = (size_t)sqlite3_column_bytes(t, at);
        if (!utf8_valid(text)) {
            sql_set_error(q, SQL_UNEXPECTED, "22021", "a text that is not UTF-8; cast it to a blob");
            return false;
        }
        write_text(w, type, text);
        break;
    default:
        text.data = sqlite3_column_blob(t, at);
        text.len = (size_t)sqlite3_column_bytes(t, at);
        pg_write_bytes(w, text);
        break;
    }
    return true;
}

bool sqlite_values_row(sqlite3_stmt *t, sql_request *q) {
    int columns = sqlite3_data_count(t);
    if (!sql_rows_begin(&q->rows, (size_t)columns)) {
        return false;
    }
    for (int at = 0; at < columns; at++) {
        slice name = slice_from_text(sqlite3_column_name(t, at));
        sql_rows_name(&q->rows, utf8_valid(name) ? name : slice_empty());
        if (!write_column(t, at, q)) {
            return false;
        }
    }
    return q->rows.w.code == STATUS_OK;
}
