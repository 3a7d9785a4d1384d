// SPDX-License-Identifier: Apache-2.0
#include "driver/sql/pg_value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "codec/utf.h"

typedef enum shape {
    SHAPE_VOID,
    SHAPE_S64,
    SHAPE_BOOL,
    SHAPE_FLOAT8,
    SHAPE_FLOAT4,
    SHAPE_S32,
    SHAPE_U32,
    SHAPE_S16,
    SHAPE_NUMERIC,
    SHAPE_INT2_VECTOR,
    SHAPE_BIT,
    SHAPE_VARBIT,
    SHAPE_BYTES,
    SHAPE_CHAR,
    SHAPE_VARCHAR,
    SHAPE_STRING,
    SHAPE_MAC6,
    SHAPE_MAC8,
    SHAPE_BOX,
    SHAPE_CIRCLE,
    SHAPE_LSEG,
    SHAPE_PATH,
    SHAPE_POINT,
    SHAPE_POLYGON,
    SHAPE_DATE,
    SHAPE_INTERVAL,
    SHAPE_TIME,
    SHAPE_TIME_TZ,
    SHAPE_TIMESTAMP,
    SHAPE_TIMESTAMP_TZ,
    SHAPE_LSN,
    SHAPE_SNAPSHOT,
    SHAPE_TS_VECTOR,
    SHAPE_HSTORE,
} shape;

static const struct {
    uint8_t shape;
    bool is_list;
} cases[PG_CASE_COUNT] = {
#define CASE(name, shape, is_list) [PG_##name] = {SHAPE_##shape, is_list},
    PG_CASES(CASE)
#undef CASE
};

// Reading one parameter. The first problem stays.
typedef struct reading {
    values_reader *r;
    buf out; // the text
    const char *problem;
} reading;

static void complain(reading *x, const char *problem) {
    if (x->problem == NULL) {
        x->problem = problem;
    }
}

static void put(reading *x, slice text) {
    if (buf_append(&x->out, text) != STATUS_OK) {
        complain(x, "a value is too large");
    }
}

static void WRIT_FORMAT(2, 3) put_format(reading *x, const char *format, ...) {
    char text[128];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put(x, slice_of(text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1));
}

// Room for `bytes` more, or NULL.
static uint8_t *room(reading *x, size_t bytes) {
    uint8_t *to = NULL;
    if (x->problem == NULL && buf_reserve(&x->out, bytes, &to) != STATUS_OK) {
        complain(x, "a value is too large");
    }
    return x->problem == NULL ? to : NULL;
}

// With `escape` in front of each `one` and `other`; '\0' = such a byte twice.
static void put_escaped(reading *x, slice text, uint8_t one, uint8_t other, uint8_t escape) {
    uint8_t *to = room(x, 2 * text.len);
    if (to == NULL) {
        return;
    }
    uint8_t *start = to;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == one || c == other) {
            *to++ = escape == 0 ? c : escape;
        }
        *to++ = c;
    }
    x->out.len += (size_t)(to - start);
}

// --- numbers -----------------------------------------------------------------------------------------------

// Mantissa, exponent and sign, as 1.x takes numbers apart: infinity is 2^1024 then (2^128 of a float4), and
// what is above has no other meaning than "no number".
static double read_float(values_reader *r, bool is_float4) {
    uint64_t mantissa = values_read_u64(r);
    int16_t exponent = values_read_s16(r);
    int8_t sign = values_read_s8(r);
    uint64_t infinite = is_float4 ? 0x800000 : 0x10000000000000;
    if (exponent == (is_float4 ? 105 : 972) && mantissa >= infinite && mantissa < 2 * infinite) {
        return mantissa > infinite ? (double)NAN : (double)(sign < 0 ? -INFINITY : INFINITY);
    }
    double value = ldexp((double)mantissa, exponent);
    return sign < 0 ? -value : value;
}

slice pg_number_text(double number, bool is_float4, char text[PG_NUMBER_BYTES_MAX]) {
    if (isnan(number) || isinf(number)) {
        return slice_from_text(isnan(number) ? "NaN" : number < 0 ? "-Infinity" : "Infinity");
    }
    int len = 0;
    for (int digits = is_float4 ? 6 : 15; digits <= (is_float4 ? 9 : 17); digits++) {
        len = snprintf(text, PG_NUMBER_BYTES_MAX, "%.*g", digits, number);
        double back = strtod(text, NULL);
        if (is_float4 ? (float)back == (float)number : back == number) {
            break;
        }
    }
    return slice_of(text, (size_t)len);
}

static void put_number(reading *x, double number, bool is_float4) {
    char text[PG_NUMBER_BYTES_MAX];
    put(x, pg_number_text(number, is_float4, text));
}

static void put_float8(reading *x) { put_number(x, read_float(x->r, false), false); }

static void write_float(values_writer *w, uint64_t mantissa, int exponent, bool is_negative) {
    values_write_u64(w, mantissa);
    values_write_s16(w, (int16_t)exponent);
    values_write_s8(w, is_negative ? -1 : 1);
}

void pg_write_float8(values_writer *w, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    unsigned exponent = bits >> 52 & 0x7ff;
    uint64_t mantissa = bits & 0xfffffffffffff;
    mantissa = exponent == 0 ? mantissa << 1 : mantissa | 0x10000000000000;
    write_float(w, mantissa, (int)exponent - 1075, bits >> 63 != 0);
}

void pg_write_float4(values_writer *w, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    unsigned exponent = bits >> 23 & 0xff;
    uint32_t mantissa = bits & 0x7fffff;
    mantissa = exponent == 0 ? mantissa << 1 : mantissa | 0x800000;
    write_float(w, mantissa, (int)exponent - 150, bits >> 31 != 0);
}

// --- texts and bytes ---------------------------------------------------------------------------------------

static slice checked_text(reading *x, slice text) {
    if (!utf8_valid(text) ||
        memchr(text.data == NULL ? (const uint8_t *)"" : text.data, 0, text.len) != NULL) {
        complain(x, "a text is not UTF-8, or has a zero byte");
        return slice_empty();
    }
    return text;
}

static slice read_string(reading *x) { return checked_text(x, values_read_string(x->r)); }

static slice read_char(reading *x) {
    uint32_t length = values_read_u32(x->r);
    slice text = checked_text(x, values_read_bytes(x->r));
    if (text.len != length) {
        complain(x, "a char has another length than it says");
    }
    return text;
}

static slice read_varchar(reading *x) {
    bool has_max = values_read_option(x->r);
    uint32_t max = has_max ? values_read_u32(x->r) : UINT32_MAX;
    slice text = checked_text(x, values_read_bytes(x->r));
    if (text.len > max) {
        complain(x, "a varchar is longer than it says");
    }
    return text;
}

static void put_hex(reading *x, slice bytes) {
    put(x, slice_from_text("\\x"));
    uint8_t *to = room(x, 2 * bytes.len);
    if (to != NULL) {
        pg_hex(bytes, to);
        x->out.len += 2 * bytes.len;
    }
}

void pg_hex(slice bytes, uint8_t *to) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        to[2 * i] = (uint8_t)digits[bytes.data[i] >> 4];
        to[2 * i + 1] = (uint8_t)digits[bytes.data[i] & 15];
    }
}

static void put_bits(reading *x, bool has_count) {
    uint32_t count = has_count ? values_read_u32(x->r) : 0;
    slice bytes = values_read_bytes(x->r);
    uint64_t bits = has_count ? count : (uint64_t)bytes.len * 8;
    if ((bits + 7) / 8 != bytes.len) {
        complain(x, "bits have another length than they say");
        return;
    }
    uint8_t *to = room(x, bits);
    for (uint64_t i = 0; to != NULL && i < bits; i++) {
        to[i] = (bytes.data[i / 8] >> (7 - i % 8) & 1) != 0 ? '1' : '0';
    }
    x->out.len += to != NULL ? bits : 0;
}

static void put_numeric(reading *x) {
    slice text = values_read_string(x->r);
    for (size_t i = 0; i < text.len; i++) {
        if (strchr("+-.0123456789eE", text.data[i]) == NULL || text.data[i] == 0) {
            if (!slice_equal_text(text, "NaN") && !slice_equal_text(text, "Infinity") &&
                !slice_equal_text(text, "-Infinity")) {
                complain(x, "a numeric is no number");
            }
            break;
        }
    }
    put(x, text);
}

static void put_mac(reading *x, int bytes) {
    for (int i = 0; i < bytes; i++) {
        put_format(x, i == 0 ? "%02x" : ":%02x", values_read_u8(x->r));
    }
}

// --- dates and times ---------------------------------------------------------------------------------------

static bool is_leap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

static bool is_day(int32_t year, uint32_t month, uint32_t day) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

// Eras of 400 years, each of which begins on the first of March.
enum { ERA_DAYS = 146097, DAYS_TO_2000 = 730425 }; // 0000-03-01 to 2000-01-01

bool pg_day_of(int32_t year, uint32_t month, uint32_t day, int32_t *ret) {
    if (year < -4712 || year > 294276 || !is_day(year, month, day)) { // what PostgreSQL's timestamps reach
        return false;
    }
    int64_t y = (int64_t)year - (month <= 2 ? 1 : 0);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    *ret = (int32_t)(era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_2000);
    return true;
}

static void put_date(reading *x, const char **ret_suffix) {
    *ret_suffix = "";
    uint32_t tag = values_read_case(x->r, 3);
    if (tag < 2) {
        put(x, slice_from_text(tag == 0 ? "infinity" : "-infinity"));
        return;
    }
    int32_t year = values_read_s32(x->r);
    uint32_t month = values_read_u32(x->r);
    uint32_t day = values_read_u32(x->r);
    int32_t number;
    if (!pg_day_of(year, month, day, &number)) {
        complain(x, "there is no such date");
        return;
    }
    *ret_suffix = year <= 0 ? " BC" : "";
    put_format(x, "%04d-%02u-%02u", year <= 0 ? 1 - year : year, month, day);
}

static void put_time(reading *x) {
    uint32_t hour = values_read_u32(x->r);
    uint32_t minute = values_read_u32(x->r);
    uint32_t second = values_read_u32(x->r);
    uint32_t micro = values_read_u32(x->r);
    if (hour > 23 || minute > 59 || second > 59 || micro > 999999) {
        complain(x, "there is no such time");
        return;
    }
    put_format(x, "%02u:%02u:%02u", hour, minute, second);
    if (micro != 0) {
        put_format(x, ".%06u", micro);
    }
}

static void put_timestamp(reading *x, const char *zone) {
    const char *suffix;
    size_t start = x->out.len;
    put_date(x, &suffix);
    bool is_infinite = x->out.len > start && (x->out.data[x->out.len - 1] == 'y');
    size_t end = x->out.len;
    put(x, slice_from_text(" "));
    put_time(x);
    if (is_infinite) {
        x->out.len = end;
    } else {
        put_format(x, "%s%s", zone, suffix);
    }
}

// 1.x takes the timestamp as UTC whatever the offset says, and writes it so.
static void put_timestamp_tz(reading *x) {
    put_timestamp(x, "+00");
    (void)values_read_case(x->r, 2);
    (void)values_read_s32(x->r);
}

static void put_time_tz(reading *x) {
    slice zone = values_read_string(x->r);
    put_time(x);
    for (size_t i = 0; i < zone.len; i++) {
        uint8_t c = zone.data[i] | 0x20;
        if (!(c >= 'a' && c <= 'z') && strchr("0123456789+-:/_", zone.data[i]) == NULL) {
            complain(x, "there is no such time zone");
            return;
        }
    }
    put_format(x, " %.*s", SLICE_ARG(slice_sub(zone, 0, 64)));
}

// The contract's interval has two ends: what PostgreSQL calls a range of dates.
static void put_interval(reading *x) {
    reading ends[2] = {{.r = x->r}, {.r = x->r}};
    bool inclusive[2] = {false, false};
    for (int i = 0; i < 2; i++) {
        const char *suffix;
        buf_init(&ends[i].out, 64);
        put_date(&ends[i], &suffix);
        put(&ends[i], slice_from_text(suffix));
        inclusive[i] = values_read_bool(x->r);
    }
    if (ends[0].problem != NULL || ends[1].problem != NULL) {
        complain(x, "there is no such date");
    } else {
        put_format(x, "%c%.*s,%.*s%c", inclusive[0] ? '[' : '(', SLICE_ARG(buf_slice(&ends[0].out)),
                   SLICE_ARG(buf_slice(&ends[1].out)), inclusive[1] ? ']' : ')');
    }
    buf_done(&ends[0].out);
    buf_done(&ends[1].out);
}

void pg_write_date(values_writer *w, int32_t day) {
    if (day == PG_DAY_INFINITY || day == PG_DAY_MINUS_INFINITY) {
        values_write_case(w, day == PG_DAY_INFINITY ? 0 : 1);
        return;
    }
    int64_t number = (int64_t)day + DAYS_TO_2000;
    int64_t era = (number >= 0 ? number : number - (ERA_DAYS - 1)) / ERA_DAYS;
    int64_t of_era = number - era * ERA_DAYS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t shifted = (5 * of_year + 2) / 153; // months since March
    int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
    values_write_case(w, 2);
    values_write_s32(w, (int32_t)(year + era * 400 + (month <= 2 ? 1 : 0)));
    values_write_u32(w, (uint32_t)month);
    values_write_u32(w, (uint32_t)(of_year - (153 * shifted + 2) / 5 + 1));
}

void pg_write_time(values_writer *w, int64_t microseconds) {
    int64_t seconds = microseconds / 1000000;
    values_write_u32(w, (uint32_t)(seconds / 3600));
    values_write_u32(w, (uint32_t)(seconds / 60 % 60));
    values_write_u32(w, (uint32_t)(seconds % 60));
    values_write_u32(w, (uint32_t)(microseconds % 1000000));
}

void pg_write_timestamp(values_writer *w, int64_t microseconds) {
    static const int64_t of_day = INT64_C(86400000000);
    if (microseconds == INT64_MAX || microseconds == INT64_MIN) {
        pg_write_date(w, microseconds > 0 ? PG_DAY_INFINITY : PG_DAY_MINUS_INFINITY);
        pg_write_time(w, 0);
        return;
    }
    int64_t rest = microseconds % of_day;
    int64_t day = microseconds / of_day - (rest < 0 ? 1 : 0);
    pg_write_date(w, (int32_t)day);
    pg_write_time(w, rest < 0 ? rest + of_day : rest);
}

void pg_write_timestamp_tz(values_writer *w, int64_t microseconds) {
    pg_write_timestamp(w, microseconds);
    values_write_case(w, 1); // western, as 1.x writes UTC
    values_write_s32(w, 0);
}

// --- shapes ------------------------------------------------------------------------------------------------

static void put_point(reading *x) {
    put(x, slice_from_text("("));
    put_float8(x);
    put(x, slice_from_text(","));
    put_float8(x);
    put(x, slice_from_text(")"));
}

static void put_points(reading *x, uint32_t count, const char *open, const char *close) {
    put(x, slice_from_text(open));
    for (uint32_t i = 0; i < count && values_read_ok(x->r); i++) {
        put(x, slice_from_text(i == 0 ? "" : ","));
        put_point(x);
    }
    put(x, slice_from_text(close));
}

static void put_circle(reading *x) {
    put(x, slice_from_text("<"));
    put_point(x);
    put(x, slice_from_text(","));
    put_float8(x);
    put(x, slice_from_text(">"));
}

// --- the others --------------------------------------------------------------------------------------------

static void put_int2_vector(reading *x) {
    uint32_t count = values_read_count(x->r, 1);
    for (uint32_t i = 0; i < count && values_read_ok(x->r); i++) {
        put_format(x, i == 0 ? "%d" : " %d", values_read_s16(x->r));
    }
}

static void put_snapshot(reading *x) {
    int64_t xmin = values_read_s64(x->r);
    int64_t xmax = values_read_s64(x->r);
    uint32_t count = values_read_count(x->r, 1);
    put_format(x, "%" PRId64 ":%" PRId64 ":", xmin, xmax);
    for (uint32_t i = 0; i < count && values_read_ok(x->r); i++) {
        put_format(x, i == 0 ? "%" PRId64 : ",%" PRId64, values_read_s64(x->r));
    }
}

static void put_lexemes(reading *x) {
    uint32_t count = values_read_count(x->r, 3);
    for (uint32_t i = 0; i < count && values_read_ok(x->r); i++) {
        bool has_position = values_read_option(x->r);
        unsigned position = has_position ? values_read_u16(x->r) : 0;
        bool has_weight = values_read_option(x->r);
        char weight = has_weight ? "ABCD"[values_read_case(x->r, 4)] : 'D';
        put(x, slice_from_text(i == 0 ? "'" : " '"));
        put_escaped(x, read_string(x), '\'', '\\', 0);
        put(x, slice_from_text("'"));
        if (has_position) {
            put_format(x, ":%u%c", position, weight);
        }
    }
}

static void put_quoted(reading *x, slice text) {
    put(x, slice_from_text("\""));
    put_escaped(x, text, '"', '\\', '\\');
    put(x, slice_from_text("\""));
}

static void put_hstore(reading *x) {
    uint32_t count = values_read_count(x->r, 2);
    for (uint32_t i = 0; i < count && values_read_ok(x->r); i++) {
        put(x, slice_from_text(i == 0 ? "" : ","));
        put_quoted(x, read_string(x));
        put(x, slice_from_text("=>"));
        if (values_read_option(x->r)) {
            put_quoted(x, read_string(x));
        } else {
            put(x, slice_from_text("NULL"));
        }
    }
}

// --- all ---------------------------------------------------------------------------------------------------

static void put_number_shape(reading *x, shape s) {
    switch (s) {
    case SHAPE_S64:
        put_format(x, "%" PRId64, values_read_s64(x->r));
        break;
    case SHAPE_BOOL:
        put(x, slice_from_text(values_read_bool(x->r) ? "t" : "f"));
        break;
    case SHAPE_FLOAT8:
    case SHAPE_FLOAT4:
        put_number(x, read_float(x->r, s == SHAPE_FLOAT4), s == SHAPE_FLOAT4);
        break;
    case SHAPE_S32:
        put_format(x, "%" PRId32, values_read_s32(x->r));
        break;
    case SHAPE_S16:
        put_format(x, "%d", values_read_s16(x->r));
        break;
    case SHAPE_NUMERIC:
        put_numeric(x);
        break;
    case SHAPE_INT2_VECTOR:
        put_int2_vector(x);
        break;
    case SHAPE_LSN: {
        uint64_t lsn = values_read_u64(x->r);
        put_format(x, "%" PRIX32 "/%" PRIX32, (uint32_t)(lsn >> 32), (uint32_t)lsn);
        break;
    }
    default:
        put_snapshot(x);
        break;
    }
}

static void put_geometry(reading *x, shape s) {
    switch (s) {
    case SHAPE_BOX:
        put_points(x, 2, "", "");
        break;
    case SHAPE_CIRCLE:
        put_circle(x);
        break;
    case SHAPE_LSEG:
        put_points(x, 2, "[", "]");
        break;
    case SHAPE_PATH:
        put_points(x, values_read_count(x->r, 6), "[", "]");
        break;
    case SHAPE_POLYGON:
        put_points(x, values_read_count(x->r, 6), "(", ")");
        break;
    default:
        put_point(x);
        break;
    }
}

static void put_date_shape(reading *x, shape s) {
    const char *suffix = "";
    switch (s) {
    case SHAPE_DATE:
        put_date(x, &suffix);
        put(x, slice_from_text(suffix));
        break;
    case SHAPE_INTERVAL:
        put_interval(x);
        break;
    case SHAPE_TIME:
        put_time(x);
        break;
    case SHAPE_TIME_TZ:
        put_time_tz(x);
        break;
    case SHAPE_TIMESTAMP:
        put_timestamp(x, "");
        break;
    default:
        put_timestamp_tz(x);
        break;
    }
}

static void put_text_shape(reading *x, shape s) {
    switch (s) {
    case SHAPE_BIT:
        put_bits(x, true);
        break;
    case SHAPE_VARBIT:
        put_bits(x, values_read_option(x->r));
        break;
    case SHAPE_BYTES:
        put_hex(x, values_read_bytes(x->r));
        break;
    case SHAPE_CHAR:
        put(x, read_char(x));
        break;
    case SHAPE_VARCHAR:
        put(x, read_varchar(x));
        break;
    case SHAPE_MAC6:
    case SHAPE_MAC8:
        put_mac(x, s == SHAPE_MAC6 ? 6 : 8);
        break;
    case SHAPE_TS_VECTOR:
        put_lexemes(x);
        break;
    case SHAPE_HSTORE:
        put_hstore(x);
        break;
    default:
        put(x, read_string(x));
        break;
    }
}

static void put_shape(reading *x, shape s) {
    if (s >= SHAPE_DATE && s <= SHAPE_TIMESTAMP_TZ) {
        put_date_shape(x, s);
    } else if (s >= SHAPE_BOX && s <= SHAPE_POLYGON) {
        put_geometry(x, s);
    } else if (s <= SHAPE_INT2_VECTOR || s == SHAPE_LSN || s == SHAPE_SNAPSHOT) {
        put_number_shape(x, s);
    } else {
        put_text_shape(x, s);
    }
}

// '{"1","2"}'; boxes have commas themselves, and a semicolon between them.
static void put_list(reading *x, shape s) {
    uint32_t count = values_read_count(x->r, 1);
    put(x, slice_from_text("{"));
    for (uint32_t i = 0; i < count && values_read_ok(x->r) && x->problem == NULL; i++) {
        reading item = {.r = x->r};
        buf_init(&item.out, x->out.max);
        put(x, slice_from_text(i == 0 ? "" : s == SHAPE_BOX ? ";" : ","));
        put_shape(&item, s);
        if (item.problem != NULL) {
            complain(x, item.problem);
        }
        put_quoted(x, buf_slice(&item.out));
        buf_done(&item.out);
    }
    put(x, slice_from_text("}"));
}

static int64_t read_integer(values_reader *r, shape s) {
    switch (s) {
    case SHAPE_S32:
        return values_read_s32(r);
    case SHAPE_U32:
        return values_read_u32(r);
    case SHAPE_S16:
        return values_read_s16(r);
    default:
        return values_read_s64(r);
    }
}

// What needs no text. False for the others.
static bool read_plain(reading *x, shape s, pg_param *ret) {
    switch (s) {
    case SHAPE_VOID:
        ret->class = PG_IS_NULL;
        return true;
    case SHAPE_S64:
    case SHAPE_S32:
    case SHAPE_U32:
    case SHAPE_S16:
        ret->class = PG_IS_INTEGER;
        ret->integer = read_integer(x->r, s);
        return true;
    case SHAPE_BOOL:
        ret->class = PG_IS_BOOL;
        ret->integer = values_read_bool(x->r);
        return true;
    case SHAPE_FLOAT8:
    case SHAPE_FLOAT4:
        ret->class = PG_IS_NUMBER;
        ret->number = read_float(x->r, s == SHAPE_FLOAT4);
        return true;
    case SHAPE_BYTES:
        ret->class = PG_IS_BYTES;
        ret->text = values_read_bytes(x->r);
        return true;
    case SHAPE_STRING:
    case SHAPE_CHAR:
    case SHAPE_VARCHAR:
        ret->class = PG_IS_TEXT;
        ret->text = s == SHAPE_STRING ? read_string(x) : s == SHAPE_CHAR ? read_char(x) : read_varchar(x);
        return true;
    default:
        return false;
    }
}

const char *pg_param_read(values_reader *r, arena *a, pg_param *ret) {
    uint32_t number = values_read_case(r, PG_CASE_COUNT);
    if (!values_read_ok(r)) {
        return NULL;
    }
    reading x = {.r = r};
    *ret = (pg_param){.type = (pg_case)number};
    shape s = (shape)cases[number].shape;
    if (cases[number].is_list || !read_plain(&x, s, ret)) {
        buf_init(&x.out, a->max);
        if (cases[number].is_list) {
            put_list(&x, s);
        } else {
            put_shape(&x, s);
        }
        ret->class = PG_IS_TEXT;
        ret->text = arena_copy(a, buf_slice(&x.out));
        if (ret->text.data == NULL && ret->text.len > 0) {
            complain(&x, "the values are too large");
        }
        buf_done(&x.out);
    }
    return x.problem;
}

// --- results -----------------------------------------------------------------------------------------------

void pg_write_text(values_writer *w, pg_case c, slice text) {
    pg_write_case(w, c);
    values_write_string(w, text);
}

void pg_write_bytes(values_writer *w, slice bytes) {
    pg_write_case(w, PG_BYTEA);
    values_write_bytes(w, bytes);
}

void pg_write_varchar(values_writer *w, slice bytes) {
    pg_write_case(w, PG_VARCHAR);
    values_write_option(w, false);
    values_write_bytes(w, bytes);
}

void pg_write_char(values_writer *w, slice bytes) {
    pg_write_case(w, PG_CHAR);
    values_write_u32(w, (uint32_t)bytes.len);
    values_write_bytes(w, bytes);
}
