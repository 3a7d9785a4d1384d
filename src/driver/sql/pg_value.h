// SPDX-License-Identifier: Apache-2.0
// The contract's variant pg-value: parameters from the value encoding (codec/values.h), results into it.
//
// A parameter is read into what all databases know (an integer, a number, a truth value, bytes) or into text
// as PostgreSQL reads it: '{"a","b"}' for a list, 2024-02-29 for a date, (1,2) for a point. Results are
// written case by case.
//
// Sources: pg-value of wasmcloud:postgres@0.1.1-draft; PostgreSQL's manual, "Data Types".
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/slice.h"
#include "codec/values.h"

// The cases in the order of the contract, with the shape of their payload: PG_LIST of a shape is a list of
// it.
#define PG_CASES(X)                        \
    X(NULL, VOID, 0)                       \
    X(BIG_INT, S64, 0)                     \
    X(INT8, S64, 0)                        \
    X(INT8_ARRAY, S64, 1)                  \
    X(BIG_SERIAL, S64, 0)                  \
    X(SERIAL8, S64, 0)                     \
    X(BOOL, BOOL, 0)                       \
    X(BOOLEAN, BOOL, 0)                    \
    X(BOOL_ARRAY, BOOL, 1)                 \
    X(DOUBLE, FLOAT8, 0)                   \
    X(FLOAT8, FLOAT8, 0)                   \
    X(FLOAT8_ARRAY, FLOAT8, 1)             \
    X(REAL, FLOAT4, 0)                     \
    X(FLOAT4, FLOAT4, 0)                   \
    X(FLOAT4_ARRAY, FLOAT4, 1)             \
    X(INTEGER, S32, 0)                     \
    X(INT, S32, 0)                         \
    X(INT4, S32, 0)                        \
    X(INT4_ARRAY, S32, 1)                  \
    X(NUMERIC, NUMERIC, 0)                 \
    X(DECIMAL, NUMERIC, 0)                 \
    X(NUMERIC_ARRAY, NUMERIC, 1)           \
    X(SERIAL, U32, 0)                      \
    X(SERIAL4, U32, 0)                     \
    X(SMALL_INT, S16, 0)                   \
    X(INT2, S16, 0)                        \
    X(INT2_ARRAY, S16, 1)                  \
    X(INT2_VECTOR, INT2_VECTOR, 0)         \
    X(INT2_VECTOR_ARRAY, INT2_VECTOR, 1)   \
    X(SMALL_SERIAL, S16, 0)                \
    X(SERIAL2, S16, 0)                     \
    X(BIT, BIT, 0)                         \
    X(BIT_ARRAY, BIT, 1)                   \
    X(BIT_VARYING, VARBIT, 0)              \
    X(VARBIT, VARBIT, 0)                   \
    X(VARBIT_ARRAY, VARBIT, 1)             \
    X(BYTEA, BYTES, 0)                     \
    X(BYTEA_ARRAY, BYTES, 1)               \
    X(CHAR, CHAR, 0)                       \
    X(CHAR_ARRAY, CHAR, 1)                 \
    X(VARCHAR, VARCHAR, 0)                 \
    X(VARCHAR_ARRAY, VARCHAR, 1)           \
    X(CIDR, STRING, 0)                     \
    X(CIDR_ARRAY, STRING, 1)               \
    X(INET, STRING, 0)                     \
    X(INET_ARRAY, STRING, 1)               \
    X(MACADDR, MAC6, 0)                    \
    X(MACADDR_ARRAY, MAC6, 1)              \
    X(MACADDR8, MAC8, 0)                   \
    X(MACADDR8_ARRAY, MAC8, 1)             \
    X(BOX, BOX, 0)                         \
    X(BOX_ARRAY, BOX, 1)                   \
    X(CIRCLE, CIRCLE, 0)                   \
    X(CIRCLE_ARRAY, CIRCLE, 1)             \
    X(LINE, LSEG, 0)                       \
    X(LINE_ARRAY, LSEG, 1)                 \
    X(LSEG, LSEG, 0)                       \
    X(LSEG_ARRAY, LSEG, 1)                 \
    X(PATH, PATH, 0)                       \
    X(PATH_ARRAY, PATH, 1)                 \
    X(POINT, POINT, 0)                     \
    X(POINT_ARRAY, POINT, 1)               \
    X(POLYGON, POLYGON, 0)                 \
    X(POLYGON_ARRAY, POLYGON, 1)           \
    X(DATE, DATE, 0)                       \
    X(DATE_ARRAY, DATE, 1)                 \
    X(INTERVAL, INTERVAL, 0)               \
    X(INTERVAL_ARRAY, INTERVAL, 1)         \
    X(TIME, TIME, 0)                       \
    X(TIME_ARRAY, TIME, 1)                 \
    X(TIME_TZ, TIME_TZ, 0)                 \
    X(TIME_TZ_ARRAY, TIME_TZ, 1)           \
    X(TIMESTAMP, TIMESTAMP, 0)             \
    X(TIMESTAMP_ARRAY, TIMESTAMP, 1)       \
    X(TIMESTAMP_TZ, TIMESTAMP_TZ, 0)       \
    X(TIMESTAMP_TZ_ARRAY, TIMESTAMP_TZ, 1) \
    X(JSON, STRING, 0)                     \
    X(JSON_ARRAY, STRING, 1)               \
    X(JSONB, STRING, 0)                    \
    X(JSONB_ARRAY, STRING, 1)              \
    X(MONEY, NUMERIC, 0)                   \
    X(MONEY_ARRAY, NUMERIC, 1)             \
    X(PG_LSN, LSN, 0)                      \
    X(PG_LSN_ARRAY, LSN, 1)                \
    X(PG_SNAPSHOT, SNAPSHOT, 0)            \
    X(TXID_SNAPSHOT, S64, 0)               \
    X(NAME, STRING, 0)                     \
    X(NAME_ARRAY, STRING, 1)               \
    X(TEXT, STRING, 0)                     \
    X(TEXT_ARRAY, STRING, 1)               \
    X(XML, STRING, 0)                      \
    X(XML_ARRAY, STRING, 1)                \
    X(TS_QUERY, STRING, 0)                 \
    X(TS_VECTOR, TS_VECTOR, 0)             \
    X(UUID, STRING, 0)                     \
    X(UUID_ARRAY, STRING, 1)               \
    X(HSTORE, HSTORE, 0)

typedef enum pg_case {
#define PG_CASE_NAME(name, shape, is_list) PG_##name,
    PG_CASES(PG_CASE_NAME)
#undef PG_CASE_NAME
        PG_CASE_COUNT,
} pg_case;

// --- parameters --------------------------------------------------------------------------------------------

typedef enum pg_class {
    PG_IS_NULL,
    PG_IS_INTEGER,
    PG_IS_NUMBER,
    PG_IS_BOOL,
    PG_IS_BYTES,
    PG_IS_TEXT
} pg_class;

typedef struct pg_param {
    pg_case type;
    pg_class class;
    int64_t integer; // PG_IS_INTEGER; PG_IS_BOOL: 0 or 1
    double number;   // PG_IS_NUMBER
    slice text;      // PG_IS_TEXT: UTF-8 without NUL; PG_IS_BYTES
} pg_param;

// Reads one value. Text is in `a` or borrowed. NULL, or what is wrong with the value (a date that there is
// not); what is wrong with the bytes is the reader's problem.
const char *pg_param_read(values_reader *r, arena *a, pg_param *ret);
enum { PG_NUMBER_BYTES_MAX = 32 };
// The shortest text that is this number, "NaN" and "Infinity" among them.
slice pg_number_text(double number, bool is_float4, char text[PG_NUMBER_BYTES_MAX]);

// Two digits for each byte.
void pg_hex(slice bytes, uint8_t *to);

// --- results -----------------------------------------------------------------------------------------------

static inline void pg_write_case(values_writer *w, pg_case c) { values_write_case(w, c); }
// The payload of hashable-f64 and hashable-f32.
void pg_write_float8(values_writer *w, double value);
void pg_write_float4(values_writer *w, float value);
enum { PG_DAY_INFINITY = INT32_MAX, PG_DAY_MINUS_INFINITY = INT32_MIN };
// The payload of a date: days since 2000-01-01. False when there is no such year in the contract.
void pg_write_date(values_writer *w, int32_t day);
void pg_write_time(values_writer *w, int64_t microseconds); // since midnight, of one day
// The payload of a timestamp (microseconds since 2000-01-01; INT64_MAX and INT64_MIN = infinite), and of a
// timestamp-tz in UTC.
void pg_write_timestamp(values_writer *w, int64_t microseconds);
void pg_write_timestamp_tz(values_writer *w, int64_t microseconds);
void pg_write_text(values_writer *w, pg_case c, slice text);
void pg_write_bytes(values_writer *w, slice bytes); // bytea
// varchar without a length.
void pg_write_varchar(values_writer *w, slice bytes);
void pg_write_char(values_writer *w, slice bytes);

// Days since 2000-01-01 of a day of the Gregorian calendar, or false.
bool pg_day_of(int32_t year, uint32_t month, uint32_t day, int32_t *ret);
