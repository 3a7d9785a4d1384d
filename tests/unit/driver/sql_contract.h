// SPDX-License-Identifier: Apache-2.0
// The contract wasmcloud:postgres (driver/sql/sql.h), as tests that hold for every driver. A test file says
// how its driver is opened, for writing and read-only, on a database without tables, and has them all:
//
//   static const char *open_it(kv *k, bool read_only);   NULL, or why the tests cannot run here
//   SQL_CONTRACT(open_it)
//
// The links have rows-max 100, answer-bytes-max 65536, run-ms-max 20000 and statements-max 3.
#pragma once

#include "base/mem.h"
#include "test.h"
#include "unit/driver/helper_sql.h"

static void contract_values(kv *k) {
    EXPECT(sql_batch(
        k, "CREATE TABLE v (id bigint PRIMARY KEY, s smallint, i integer, b boolean, f double precision,"
           " t text, c varchar(20), x bytea, d date, ts timestamp, tz timestamptz, u uuid, j json)"));
    EXPECT(sql_is(
        k, "INSERT INTO v VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING *",
        "int8:9223372036854775807|int2:-3|int4:70000|bool:true|float8:-0.1|text:a 'b' \xc3\xa4|varchar:vc|"
        "bytea:\x01\xff|date:2024-2-29|timestamp:1999-12-31 23:59:58.7|timestamp_tz:2024-3-1 1:2:3|"
        "uuid:11111111-2222-3333-4444-555555555555|json:{\"a\": 1}",
        "id=int8:9223372036854775807 s=int2:-3 i=int4:70000 b=bool:true f=float8:-0.1 t=text:a 'b' \xc3\xa4 "
        "c=varchar:vc x=bytea:\x01\xff d=date:2024-02-29 ts=timestamp:1999-12-31 23:59:58.000007 "
        "tz=timestamp_tz:2024-03-01 01:02:03+00 u=uuid:11111111-2222-3333-4444-555555555555 "
        "j=json:{\"a\": 1}"));
    EXPECT(sql_is(k, "INSERT INTO v (id, t) VALUES ($2, $1)", "null|int4:2", ""));
    EXPECT(sql_is(k, "SELECT id, t, b FROM v WHERE id < 3", NULL, "id=int8:2 t=null b=null"));
    EXPECT(sql_is(k, "SELECT id FROM v WHERE t = $1", "text:a 'b' \xc3\xa4", "id=int8:9223372036854775807"));
    EXPECT(sql_is(k, "SELECT count(*) AS n FROM v WHERE id = $1 OR id = $1 OR id = $2", "int8:2|int8:3",
                  "n=int8:1"));
    EXPECT(sql_is(k, "SELECT count(*) AS n FROM v WHERE b = $1", "bool:true", "n=int8:1"));
    EXPECT(sql_is(k, "", NULL, ""));
    EXPECT(sql_is(k, " -- nothing\n ;", NULL, ""));
    EXPECT(sql_gives(k, SQL_QUERY, "SELECT 1 AS a; -- one", NULL, "a=int"));
}

static void contract_errors(kv *k) {
    EXPECT(sql_batch(k, "CREATE TABLE e (id bigint PRIMARY KEY, n bigint NOT NULL CHECK (n >= 0));"
                        "CREATE TABLE f (e bigint REFERENCES e(id)); INSERT INTO e VALUES (1, 1)"));
    EXPECT(sql_gives(k, SQL_QUERY, "SELEC 1", NULL, "invalid-query 42601: "));
    EXPECT(sql_gives(k, SQL_QUERY, "SELECT * FROM nowhere", NULL, "invalid-query 42"));
    EXPECT(sql_gives(k, SQL_QUERY, "SELECT 1; SELECT 2", NULL, "invalid-query 42601: "));
    EXPECT(sql_gives(k, SQL_QUERY, "SELECT id FROM e WHERE id = $1", NULL, "invalid-params 08P01: "));
    EXPECT(
        sql_gives(k, SQL_QUERY, "SELECT id FROM e WHERE id = $1", "int8:1|int8:2", "invalid-params 08P01: "));
    EXPECT(sql_gives(k, SQL_QUERY, "SELECT id FROM e WHERE id = $1", "date:2023-2-29", "invalid-params 22"));
    EXPECT(sql_gives(k, SQL_QUERY, "INSERT INTO e VALUES (1, 2)", NULL, "unexpected 23505: "));
    EXPECT(sql_gives(k, SQL_QUERY, "INSERT INTO e VALUES (2, -1)", NULL, "unexpected 23514: "));
    EXPECT(sql_gives(k, SQL_QUERY, "INSERT INTO e VALUES (2, NULL)", NULL, "unexpected 23502: "));
    EXPECT(sql_gives(k, SQL_QUERY, "INSERT INTO f VALUES (7)", NULL, "unexpected 23503: "));
    EXPECT(sql_gives(k, SQL_QUERY_BATCH, "SELECT $1", NULL, "invalid-query 42P02: "));
    EXPECT(sql_is(k, "SELECT id, n FROM e", NULL, "id=int8:1 n=int8:1"));
    char *huge = mem_alloc(70000);
    memset(huge, ' ', 69999);
    huge[69999] = '\0';
    EXPECT(sql_gives(k, SQL_QUERY, huge, NULL, "invalid-query 54000: "));
    mem_free(huge);
}

static void contract_bounds(kv *k) {
    EXPECT(sql_batch(k, "CREATE TABLE b (id bigint PRIMARY KEY, t text)"));
    for (int i = 0; i < 101; i++) {
        char value[32];
        snprintf(value, sizeof value, "int8:%d", i);
        EXPECT(sql_gives(k, SQL_QUERY, "INSERT INTO b (id) VALUES ($1)", value, ""));
    }
    EXPECT(sql_gives(k, SQL_QUERY, "SELECT id FROM b WHERE id < 100", NULL, "id=int8:0; id=int8:1; "));
    EXPECT(sql_gives(k, SQL_QUERY, "SELECT id FROM b", NULL, "unexpected 54000: "));
    EXPECT(sql_gives(k, SQL_QUERY, "SELECT a.id FROM b a, b c, b d, b e", NULL, "unexpected 54000: "));
    char value[1300] = "text:";
    memset(value + 5, 'x', 1200);
    EXPECT(sql_gives(k, SQL_QUERY, "UPDATE b SET t = $1", value, ""));
    EXPECT(sql_is(k, "SELECT count(t) AS n FROM b", NULL, "n=int8:101"));
    EXPECT(sql_gives(k, SQL_QUERY, "SELECT t FROM b WHERE id < 90", NULL, "unexpected 54000: "));
    EXPECT(sql_gives(k, SQL_QUERY, "SELECT 2 > 1 AS fine", NULL, "fine="));
}

static void contract_batch(kv *k) {
    EXPECT(sql_batch(
        k, "CREATE TABLE t (id bigint PRIMARY KEY); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2);"));
    EXPECT(sql_is(k, "SELECT count(*) AS n FROM t", NULL, "n=int8:2"));
    EXPECT(sql_gives(k, SQL_QUERY_BATCH, "INSERT INTO t VALUES (3); INSERT INTO t VALUES (1)", NULL,
                     "unexpected 23505: "));
    EXPECT(sql_is(k, "SELECT count(*) AS n FROM t", NULL, "n=int8:2")); // as a whole
    EXPECT(
        sql_batch(k, "BEGIN; INSERT INTO t VALUES (3); COMMIT; BEGIN; INSERT INTO t VALUES (4); ROLLBACK"));
    EXPECT(sql_is(k, "SELECT count(*) AS n FROM t", NULL, "n=int8:3"));
    EXPECT(sql_gives(k, SQL_QUERY_BATCH, "BEGIN; INSERT INTO t VALUES (5); COMMIT; INSERT INTO t VALUES (1)",
                     NULL, "unexpected 23505: "));
    EXPECT(sql_is(k, "SELECT count(*) AS n FROM t", NULL, "n=int8:4")); // what was committed stays
    EXPECT(sql_batch(k,
                     "BEGIN; INSERT INTO t VALUES (6); SAVEPOINT s; INSERT INTO t VALUES (7); ROLLBACK TO s;"
                     " COMMIT"));
    EXPECT(sql_is(k, "SELECT count(*) AS n FROM t", NULL, "n=int8:5"));
    EXPECT(sql_batch(k, ""));
    EXPECT(sql_batch(k, "SELECT 1; SELECT 2"));
}

static void contract_open_transactions(kv *k) {
    EXPECT(sql_batch(k, "CREATE TABLE o (id bigint)"));
    EXPECT(sql_gives(k, SQL_QUERY_BATCH, "BEGIN; INSERT INTO o VALUES (1)", NULL, "invalid-query 25001: "));
    EXPECT(sql_gives(k, SQL_QUERY, "BEGIN", NULL, "invalid-query 25001: "));
    EXPECT(sql_is(k, "INSERT INTO o VALUES (2)", NULL, ""));
    EXPECT(sql_is(k, "ROLLBACK", NULL, ""));
    EXPECT(sql_is(k, "COMMIT", NULL, ""));
    EXPECT(sql_is(k, "SELECT id FROM o", NULL, "id=int8:2"));
}

static void contract_prepared(kv *k) {
    sql_pending insert, other;
    EXPECT(sql_batch(k, "CREATE TABLE p (id bigint PRIMARY KEY, t text)"));
    sql_call(k, &insert, SQL_PREPARE, "INSERT INTO p VALUES ($1, $2)", NULL);
    EXPECT(strncmp(insert.text, "prepared-statement-", 19) == 0);
    EXPECT(sql_gives(k, SQL_EXEC, insert.text, "int8:1|text:a", "ok 1"));
    EXPECT(sql_gives(k, SQL_EXEC, insert.text, "int8:2|null", "ok 1"));
    EXPECT(sql_gives(k, SQL_EXEC, insert.text, "int8:2|null", "unexpected 23505: "));
    EXPECT(sql_gives(k, SQL_EXEC, insert.text, "int8:2", "invalid-params 08P01: "));
    sql_call(k, &other, SQL_PREPARE, "UPDATE p SET t = $1", NULL);
    EXPECT(sql_gives(k, SQL_EXEC, other.text, "text:x", "ok 2"));
    EXPECT(sql_gives(k, SQL_PREPARE, "INSERT INTO p VALUES ($1, $2)", NULL, insert.text)); // the same
    EXPECT(sql_gives(k, SQL_PREPARE, "SELECT id FROM p", NULL, "prepared-statement-"));
    EXPECT(sql_gives(k, SQL_EXEC, insert.text, "int8:3|null", "ok 1"));
    EXPECT(sql_gives(k, SQL_PREPARE, "DELETE FROM p", NULL, "prepared-statement-")); // one goes: the update
    EXPECT(sql_gives(k, SQL_EXEC, other.text, "text:y", "unknown-prepared-query"));
    EXPECT(sql_gives(k, SQL_EXEC, insert.text, "int8:4|null", "ok 1"));
    EXPECT(sql_gives(k, SQL_EXEC, "prepared-statement-", NULL, "unknown-prepared-query"));
    EXPECT(sql_gives(k, SQL_EXEC, "'; DROP TABLE p; --", NULL, "unknown-prepared-query"));
    EXPECT(sql_gives(k, SQL_PREPARE, "SELEC", NULL, "unexpected 42601: "));
    EXPECT(sql_is(k, "SELECT count(*) AS n FROM p WHERE t = 'x'", NULL, "n=int8:2"));
    sql_done(&insert);
    sql_done(&other);
}

static void contract_injection(kv *k) {
    EXPECT(sql_batch(k, "CREATE TABLE i (t text); INSERT INTO i VALUES ('kept')"));
    static const char *const texts[] = {"text:'; DROP TABLE i; --", "text:$1", "text:kept' OR '1'='1",
                                        "text:\\"};
    for (size_t n = 0; n < sizeof texts / sizeof texts[0]; n++) {
        EXPECT(sql_is(k, "SELECT t FROM i WHERE t = $1", texts[n], ""));
    }
    EXPECT(sql_is(k, "SELECT t FROM i", NULL, "t=text:kept"));
}

// 50 transfers at once between two accounts: the sum stays, and no statement is lost.
static void contract_concurrent(kv *k) {
    enum { COUNT = 50 };
    EXPECT(sql_batch(k, "CREATE TABLE a (id bigint PRIMARY KEY, n bigint NOT NULL);"
                        "INSERT INTO a VALUES (1, 1000), (2, 1000)"));
    sql_pending *p = mem_calloc(COUNT, sizeof *p);
    for (int i = 0; i < COUNT; i++) {
        sql_begin(
            k, &p[i], SQL_QUERY_BATCH,
            i % 2 == 0
                ? "BEGIN; UPDATE a SET n = n - 3 WHERE id = 1; UPDATE a SET n = n + 3 WHERE id = 2; COMMIT"
                : "UPDATE a SET n = n + 1 WHERE id = 1; UPDATE a SET n = n - 1 WHERE id = 2",
            NULL, UINT64_MAX);
    }
    for (int i = 0; i < COUNT; i++) {
        sql_wait(k, &p[i]);
        EXPECT_TEXT(p[i].text, "ok");
        sql_done(&p[i]);
    }
    EXPECT(sql_is(k, "SELECT id, n FROM a ORDER BY id", NULL, "id=int8:1 n=int8:950; id=int8:2 n=int8:1050"));
    mem_free(p);
}

// Something that takes for ever.
static const char contract_endless[] =
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT 1 - x FROM n) SELECT count(*) FROM n";

static void contract_deadline(kv *k) {
    sql_pending slow, next;
    sql_begin(k, &slow, SQL_QUERY, contract_endless, NULL, loop_now_fresh_ns(k->l) + 100000000);
    sql_wait(k, &slow);
    EXPECT_STATUS(slow.code, STATUS_TIMEOUT);
    sql_done(&slow);
    sql_begin(k, &slow, SQL_QUERY, contract_endless, NULL, UINT64_MAX);
    for (int i = 0; i < 20; i++) {
        kv_turn(k);
    }
    EXPECT(!slow.is_done);
    slow.call.is_cancelled = true;
    k->d->cancel(k->link, &slow.call);
    k->d->cancel(k->link, &slow.call);
    sql_wait(k, &slow);
    EXPECT_STATUS(slow.code, STATUS_CANCELLED);
    sql_done(&slow);
    sql_call(k, &next, SQL_QUERY, "SELECT 'on' AS it", NULL);
    EXPECT_TEXT(next.text, "it=text:on");
    sql_done(&next);
}

static void contract_wrong_calls(kv *k) {
    static const struct {
        const char *interface;
        const char *function;
        const char *bytes;
        size_t len;
        status expected;
    } cases[] = {
        {"wasmcloud:postgres/query", "steal", "", 0, STATUS_UNSUPPORTED},
        {"wasmcloud:postgres/prepared", "query", "\0\0", 2, STATUS_UNSUPPORTED},
        {"wasmcloud:postgres/query", "query", "", 0, STATUS_INVALID},
        {"wasmcloud:postgres/query", "query", "\x05SELE", 5, STATUS_INVALID},
        {"wasmcloud:postgres/query", "query", "\x01;\x01\x7f", 4, STATUS_INVALID}, // no such case
        {"wasmcloud:postgres/query", "query", "\x01;\xff\xff\xff\xff\x0f", 7,
         STATUS_INVALID}, // 4 billion values
        {"wasmcloud:postgres/query", "query", "\x01;\x00\x00", 4, STATUS_INVALID},
        {"wasmcloud:postgres/query", "query-batch", "\x02\xff\xff", 3, STATUS_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sql_pending p;
        sql_call(k, &p, SQL_QUERY_BATCH, "", NULL); // fills it
        p.is_done = false;
        p.text[0] = '\0';
        p.call.interface = slice_from_text(cases[i].interface);
        p.call.function = slice_from_text(cases[i].function);
        p.call.payload = slice_of(cases[i].bytes, cases[i].len);
        k->d->call(k->link, &p.call);
        sql_wait(k, &p);
        EXPECT_STATUS(p.code, cases[i].expected);
        sql_done(&p);
    }
}

// Whatever is sent through a read-only link, nothing changes.
static void contract_read_only(kv *k) {
    static const char *const tries[] = {
        "INSERT INTO r VALUES (2)",
        "UPDATE r SET id = 2",
        "DELETE FROM r",
        "DROP TABLE r",
        "CREATE TABLE s (id bigint)",
        "BEGIN; DELETE FROM r; COMMIT",
        "SET TRANSACTION READ WRITE; DELETE FROM r",
        "COMMIT; BEGIN READ WRITE; DELETE FROM r; COMMIT",
        "ROLLBACK; DELETE FROM r",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET default_transaction_read_only = off",
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        "SELECT set_config('transaction_read_only', 'off', false), id FROM r",
        "WITH x AS (DELETE FROM r RETURNING id) SELECT id FROM x",
        "EXPLAIN ANALYZE DELETE FROM r",
        "DO $$ BEGIN PERFORM set_config('transaction_read_only', 'off', false); DELETE FROM r; END $$",
        "PREPARE d AS DELETE FROM r",
        "EXECUTE d",
        "TRUNCATE r",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA user_version = 7",
        "VACUUM",
        "REINDEX",
        "ANALYZE",
        "SELECT 1; DELETE FROM r",
        "COMMIT AND CHAIN",
        "COPY r FROM STDIN",
    };
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        for (int f = SQL_QUERY; f <= SQL_PREPARE; f++) {
            sql_pending p;
            sql_call(k, &p, (sql_function)f, tries[i], NULL);
            if (f == SQL_PREPARE && strncmp(p.text, "prepared-", 9) == 0) {
                char token[128];
                snprintf(token, sizeof token, "%.100s", p.text);
                sql_done(&p);
                sql_call(k, &p, SQL_EXEC, token, NULL);
            }
            sql_done(&p);
            EXPECT(sql_is(k, "SELECT id FROM r", NULL, "id=int8:1"));
        }
    }
    EXPECT(sql_gives(k, SQL_QUERY, "DELETE FROM r", NULL, "unexpected 25006: "));
    EXPECT(sql_gives(k, SQL_QUERY_BATCH, "DELETE FROM r", NULL, "unexpected 25006: "));
    EXPECT(sql_is(k, "SELECT id FROM r WHERE id = $1", "int8:1", "id=int8:1"));
}

#define SQL_CONTRACT_TEST(open_it, name)      \
    TEST(contract_##name) {                   \
        kv k = {0};                           \
        const char *why = open_it(&k, false); \
        if (why != NULL) {                    \
            SKIP(why);                        \
        }                                     \
        contract_##name(&k);                  \
        kv_stop(&k);                          \
    }

// Two links to one database.
#define SQL_CONTRACT_READ_ONLY(open_it)                                                \
    TEST(contract_read_only) {                                                         \
        kv k = {0};                                                                    \
        const char *why = open_it(&k, false);                                          \
        if (why != NULL) {                                                             \
            SKIP(why);                                                                 \
        }                                                                              \
        EXPECT(sql_batch(&k, "CREATE TABLE r (id bigint); INSERT INTO r VALUES (1)")); \
        kv_close(&k);                                                                  \
        EXPECT(open_it(&k, true) == NULL);                                             \
        contract_read_only(&k);                                                        \
        kv_close(&k);                                                                  \
        EXPECT(open_it(&k, false) == NULL);                                            \
        EXPECT(sql_is(&k, "SELECT id FROM r", NULL, "id=int8:1"));                     \
        kv_stop(&k);                                                                   \
    }

#define SQL_CONTRACT(open_it)                     \
    SQL_CONTRACT_TEST(open_it, values)            \
    SQL_CONTRACT_TEST(open_it, errors)            \
    SQL_CONTRACT_TEST(open_it, bounds)            \
    SQL_CONTRACT_TEST(open_it, batch)             \
    SQL_CONTRACT_TEST(open_it, open_transactions) \
    SQL_CONTRACT_TEST(open_it, prepared)          \
    SQL_CONTRACT_TEST(open_it, injection)         \
    SQL_CONTRACT_TEST(open_it, concurrent)        \
    SQL_CONTRACT_TEST(open_it, deadline)          \
    SQL_CONTRACT_TEST(open_it, wrong_calls)       \
    SQL_CONTRACT_READ_ONLY(open_it)

// The settings that the contract's tests need, besides the driver's own.
#define SQL_CONTRACT_SETTINGS                                        \
    {SLICE_LITERAL("rows-max"), SLICE_LITERAL("100")},               \
        {SLICE_LITERAL("answer-bytes-max"), SLICE_LITERAL("65536")}, \
        {SLICE_LITERAL("run-ms-max"), SLICE_LITERAL("20000")}, {     \
        SLICE_LITERAL("statements-max"), SLICE_LITERAL("3")          \
    }
