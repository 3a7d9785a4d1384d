// SPDX-License-Identifier: Apache-2.0
// Values, tokens and SCRAM of wasmcloud:postgres, without a database.
#include <math.h>

#include "driver/sql/postgres_scram.h"
#include "driver/sql/postgres_values.h"
#include "driver/sql/sql.h"
#include "test.h"

// What the bytes of a value are read as; NULL when the reader fails.
static const char *read_as_text(int type, const void *bytes, size_t len) {
    static char text[512];
    uint8_t whole[64] = {(uint8_t)type};
    memcpy(whole + 1, bytes, len);
    arena a;
    pg_param p;
    arena_init(&a, 1 << 20);
    values_reader r = values_reader_of(slice_of(whole, len + 1));
    const char *problem = pg_param_read(&r, &a, &p);
    if (!values_read_ok(&r)) {
        arena_done(&a);
        return NULL;
    }
    snprintf(text, sizeof text, "%.*s", SLICE_ARG(p.text));
    arena_done(&a);
    return problem != NULL ? problem : text;
}

// A few bytes that are a numeric of 131003 digits: 1e131000, as the server sends it.
static void put_long_numeric(buf *out) {
    static const uint8_t bytes[] = {0, 0, 0, 10, 0, 1, 0x7f, 0xee, 0, 0, 0, 0, 0, 1};
    EXPECT_OK(buf_append(out, slice_of(bytes, sizeof bytes)));
}

TEST(what_finds_no_room_is_not_made) {
    enum { NUMERIC_ARRAY_OID = 1231, COUNT = 8 };
    static const uint8_t head[] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 6, 0xa4, 0, 0, 0, COUNT + 1, 0, 0, 0, 1};
    static const uint8_t nonsense[] = {0, 0, 0, 1, 0}; // which is seen by who reads on
    auto_buf value, out;
    buf_init(&value, 1024);
    buf_init(&out, 1 << 18);
    EXPECT_OK(buf_append(&value, slice_of(head, sizeof head)));
    for (int i = 0; i < COUNT; i++) {
        put_long_numeric(&value);
    }
    EXPECT_OK(buf_append(&value, slice_of(nonsense, sizeof nonsense)));
    values_writer w = values_writer_of(&out);
    EXPECT(postgres_value_write(NUMERIC_ARRAY_OID, buf_slice(&value), &w) == NULL);
    EXPECT_STATUS(w.code, STATUS_LIMIT);
}

TEST(values_as_text) {
    static const struct {
        int type;
        const char *bytes;
        size_t len;
        const char *text;
    } cases[] = {
        {PG_DATE, "\x02\xe8\x0f\x02\x1d", 5, "2024-02-29"},
        {PG_DATE, "\x02\xe7\x0f\x02\x1d", 5, "there is no such date"},
        {PG_DATE, "\x02\x00\x01\x01", 4, "0001-01-01 BC"},
        {PG_DATE, "\x00", 1, "infinity"},
        {PG_TIME, "\x17\x3b\x3b\xbf\x84\x3d", 6, "23:59:59.999999"},
        {PG_TIME, "\x18\x00\x00\x00", 4, "there is no such time"},
        {PG_BIT, "\x09\x02\xff\x80", 4, "111111111"},
        {PG_BIT, "\x02\x01\x80", 3, "10"},
        {PG_BIT, "\x02\x02\x80\x00", 4, "bits have another length than they say"},
        {PG_CHAR,
         "\x02\x01"
         "a",
         3, "a char has another length than it says"},
        {PG_TEXT_ARRAY,
         "\x02\x01"
         "a\x04"
         "b\"\\c",
         8, "{\"a\",\"b\\\"\\\\c\"}"},
        {PG_TEXT, "\x02\xff\xfe", 3, NULL},
        {PG_TEXT,
         "\x02"
         "a\x00",
         3, "a text is not UTF-8, or has a zero byte"},
        {PG_CASE_COUNT, "\x00", 1, NULL},
        {PG_HSTORE, "\x01\x01k\x01\x02v\"", 7, "\"k\"=>\"v\\\"\""},
        {PG_HSTORE, "\x01\x01k\x00", 4, "\"k\"=>NULL"},
        {PG_MACADDR, "\x01\x02\x03\x04\x05\xff", 6, "01:02:03:04:05:ff"},
        {PG_PG_LSN, "\x81\x80\x80\x80\xa0\x09", 6, "4A/1"},
        {PG_PG_SNAPSHOT, "\x0a\x14\x02\x0a\x0f", 5, "10:20:10,15"},
        {PG_NUMERIC,
         "\x05"
         "1.5e3",
         6, "1.5e3"},
        {PG_NUMERIC,
         "\x05"
         "1; --",
         6, "a numeric is no number"},
        {PG_TS_VECTOR, "\x01\x01\x03\x01\x00\x03it'", 9, "'it''':3A"},
        {PG_INT2_VECTOR, "\x02\x01\x7f", 3, "1 -1"},
        {PG_TIME_TZ, "\x03UTC\x0c\x00\x00\x00", 8, "12:00:00 UTC"},
        {PG_TIME_TZ, "\x03';-\x0c\x00\x00\x00", 8, "there is no such time zone"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = read_as_text(cases[i].type, cases[i].bytes, cases[i].len);
        EXPECT((text == NULL) == (cases[i].text == NULL));
        if (text != NULL && cases[i].text != NULL) {
            EXPECT_TEXT(text, cases[i].text);
        }
    }
}

static double there_and_back(double value, bool is_float4) {
    auto_buf bytes;
    arena a;
    pg_param p;
    buf_init(&bytes, 64);
    arena_init(&a, 1024);
    values_writer w = values_writer_of(&bytes);
    pg_write_case(&w, is_float4 ? PG_FLOAT4 : PG_FLOAT8);
    if (is_float4) {
        pg_write_float4(&w, (float)value);
    } else {
        pg_write_float8(&w, value);
    }
    values_reader r = values_reader_of(buf_slice(&bytes));
    EXPECT(pg_param_read(&r, &a, &p) == NULL && values_read_end(&r, "", NULL) == STATUS_OK);
    arena_done(&a);
    return p.number;
}

TEST(numbers_are_taken_apart_and_put_together) {
    static const double values[] = {0, 1, -1, 0.1, 1e300, 5e-324, 1.7976931348623157e308, -1e-310};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        EXPECT(there_and_back(values[i], false) == values[i]);
    }
    EXPECT(there_and_back(0.1, true) == (double)0.1F && there_and_back(1e-45, true) == (double)1e-45F);
    EXPECT(isnan(there_and_back(NAN, false)) && isnan(there_and_back(NAN, true)));
    EXPECT(isinf(there_and_back(-INFINITY, false)) && there_and_back(-INFINITY, true) < 0);
    EXPECT(signbit(there_and_back(-0.0, false)) != 0);
    char text[PG_NUMBER_BYTES_MAX];
    EXPECT(slice_equal_text(pg_number_text(0.1, false, text), "0.1"));
    EXPECT(slice_equal_text(pg_number_text((double)0.1F, true, text), "0.1"));
    EXPECT(slice_equal_text(pg_number_text(-INFINITY, false, text), "-Infinity"));
}

TEST(days) {
    int32_t day;
    EXPECT(pg_day_of(2000, 1, 1, &day) && day == 0);
    EXPECT(pg_day_of(1970, 1, 1, &day) && day == -10957);
    EXPECT(pg_day_of(2400, 2, 29, &day) && !pg_day_of(2100, 2, 29, &day));
    for (int32_t n = -2000000; n < 3000000; n += 997) {
        auto_buf bytes;
        buf_init(&bytes, 32);
        values_writer w = values_writer_of(&bytes);
        pg_write_date(&w, n);
        values_reader r = values_reader_of(buf_slice(&bytes));
        EXPECT_EQ(values_read_case(&r, 3), 2);
        int32_t year = values_read_s32(&r);
        uint32_t month = values_read_u32(&r);
        EXPECT(!pg_day_of(year, month, values_read_u32(&r), &day) || day == n);
    }
}

TEST(tokens_are_of_texts) {
    char one[SQL_TOKEN_BYTES + 1], same[SQL_TOKEN_BYTES + 1], other[SQL_TOKEN_BYTES + 1];
    sql_statements *a = sql_statements_new(1);
    sql_statements *b = sql_statements_new(1);
    arena memory;
    slice text;
    arena_init(&memory, 1024);
    sql_statements_add(a, slice_from_text("SELECT 1"), one);
    sql_statements_add(b, slice_from_text("SELECT 1"), same);
    sql_statements_add(b, slice_from_text("SELECT 2"), other);
    EXPECT_TEXT(one, same);
    EXPECT(strcmp(one, other) != 0);
    EXPECT_OK(sql_statements_find(a, slice_from_text(one), &memory, &text));
    EXPECT(slice_equal_text(text, "SELECT 1"));
    EXPECT_STATUS(sql_statements_find(b, slice_from_text(same), &memory, &text), STATUS_NOT_FOUND);
    EXPECT_STATUS(sql_statements_find(a, slice_from_text("prepared-statement-XX"), &memory, &text),
                  STATUS_NOT_FOUND);
    arena_done(&memory);
    sql_statements_free(a);
    sql_statements_free(b);
}

// The exchange is that of RFC 7677, section 3, without its name.
TEST(scram) {
    postgres_scram s = {0};
    auto_buf out;
    err e = {0};
    buf_init(&out, 4096);
    EXPECT_OK(postgres_scram_first(&s, "rOprNGfwEbeRWgbNEkqO....", &out, &e));
    EXPECT_TEXT(buf_text(&out), "n,,n=,r=rOprNGfwEbeRWgbNEkqO....");
    static const char *const wrong[] = {
        "",
        "r=rOprNGfwEbeRWgbNEkqO....,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", // nothing of the server's
        "r=else,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO....x,s=?,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO....x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1",
        "r=rOprNGfwEbeRWgbNEkqO....x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000",
        "m=x,r=rOprNGfwEbeRWgbNEkqO....x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_STATUS(
            postgres_scram_final(&s, slice_from_text(wrong[i]), slice_from_text("pencil"), &out, &e),
            STATUS_INVALID);
    }
    buf_clear(&out);
    EXPECT_OK(postgres_scram_final(
        &s, slice_from_text("r=rOprNGfwEbeRWgbNEkqO....hvYDpWUa2,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
        slice_from_text("pencil"), &out, &e));
    EXPECT(strncmp(buf_text(&out), "c=biws,r=rOprNGfwEbeRWgbNEkqO....hvYDpWUa2,p=", 45) == 0);
    EXPECT_STATUS(
        postgres_scram_verify(&s, slice_from_text("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), &e),
        STATUS_DENIED);
    EXPECT_STATUS(postgres_scram_verify(&s, slice_from_text("e=other-error"), &e), STATUS_INVALID);
}
