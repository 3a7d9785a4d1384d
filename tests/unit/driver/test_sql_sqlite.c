// SPDX-License-Identifier: Apache-2.0
// wasmcloud:postgres over a SQLite file: the contract, what SQL may not reach, and the driver's own settings.
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/driver/sql_contract.h"

static const char *open_it(kv *k, bool read_only) {
    const driver_value values[] = {
        SQL_CONTRACT_SETTINGS,
        {SLICE_LITERAL("sync"), SLICE_LITERAL("false")},
        {SLICE_LITERAL("read-only"), slice_from_text(read_only ? "true" : "false")},
    };
    const driver_values settings = {values, sizeof values / sizeof values[0]};
    if (k->l == NULL) {
        kv_start(k);
    }
    EXPECT_OK(kv_open(k, &sql_sqlite, &settings, NULL, NULL));
    return NULL;
}

SQL_CONTRACT(open_it)

TEST(sql_reaches_this_file_and_no_other) {
    kv k = {0};
    open_it(&k, false);
    static const char *const refused[] = {
        "ATTACH DATABASE '/tmp/writ-test-other.sqlite3' AS other",
        "SELECT load_extension('/tmp/x.so')",
        "PRAGMA journal_mode = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA database_list",
        "CREATE VIRTUAL TABLE v USING fts5(t)",
        "CREATE TEMP TABLE t (id bigint)",
        "CREATE TEMP VIEW v AS SELECT 1",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        EXPECT(sql_gives(&k, SQL_QUERY, refused[i], NULL, "unexpected 42501: this link does not allow"));
        EXPECT(
            sql_gives(&k, SQL_QUERY_BATCH, refused[i], NULL, "unexpected 42501: this link does not allow"));
        EXPECT(sql_gives(&k, SQL_PREPARE, refused[i], NULL, "unexpected 42501: this link does not allow"));
    }
    EXPECT(sql_gives(&k, SQL_QUERY, "VACUUM INTO '/tmp/writ-test-other.sqlite3'", NULL,
                     "invalid-query 42601: "));
    EXPECT_EQ(access("/tmp/writ-test-other.sqlite3", F_OK), -1);
    EXPECT(sql_gives(&k, SQL_QUERY, "UPDATE sqlite_schema SET sql = ''", NULL, "invalid-query 42601: "));
    EXPECT(sql_batch(&k, "CREATE TABLE t (id bigint)"));
    EXPECT(sql_is(&k, "SELECT name FROM pragma_table_info('t')", NULL, "name=text:id"));
    kv_stop(&k);
}

TEST(values_that_do_not_fit_their_columns_come_as_what_they_are) {
    kv k = {0};
    open_it(&k, false);
    EXPECT(sql_batch(&k,
                     "CREATE TABLE t (i integer, b boolean, d date, n numeric, ts timestamptz, f float4);"
                     "INSERT INTO t VALUES (5000000000, 7, 'soon', 1.5, '2024-01-01T12:00:00+02:00', 0.1)"));
    EXPECT(
        sql_is(&k, "SELECT * FROM t", NULL,
               "i=int8:5000000000 b=int8:7 d=text:soon n=numeric:1.5 ts=timestamp_tz:2024-01-01 10:00:00+00 "
               "f=float4:0.1"));
    EXPECT(sql_is(&k, "SELECT $1::bigint + $2 AS sum, $3 AS list, CAST(x'ff' AS blob) AS x",
                  "int8:2|int4:3|text_array:a,b\"", "sum=int8:5 list=text:{\"a\",\"b\\\"\"} x=bytea:\xff"));
    EXPECT(sql_gives(&k, SQL_QUERY, "SELECT CAST(x'ff' AS text) AS t", NULL, "unexpected 22021: "));
    EXPECT(sql_gives(&k, SQL_QUERY, "SELECT :name", "int8:1", "invalid-query 42601: "));
    EXPECT(sql_gives(&k, SQL_QUERY, "SELECT ?", "int8:1", "invalid-query 42601: "));
    EXPECT(sql_gives(&k, SQL_QUERY, "SELECT $1", "float8:nan", "invalid-params 22003: "));
    EXPECT(sql_gives(&k, SQL_QUERY, "SELECT \"no column\"", NULL, "invalid-query 42601: "));
    kv_stop(&k);
}

TEST(an_answer_that_does_not_fit_undoes_its_statement) {
    kv k = {0};
    open_it(&k, false);
    EXPECT(sql_batch(&k, "CREATE TABLE t (id bigint)"));
    EXPECT(sql_gives(
        &k, SQL_QUERY,
        "INSERT INTO t WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 200)"
        " SELECT x FROM n RETURNING id",
        NULL, "unexpected 54000: "));
    EXPECT(sql_is(&k, "SELECT count(*) AS n FROM t", NULL, "n=int8:0"));
    kv_stop(&k);
}

// The work of views of views doubles with each, before anything runs.
TEST(a_statement_that_takes_for_ever_to_make_is_stopped) {
    kv k = {0};
    open_it(&k, false);
    EXPECT(sql_batch(&k, "CREATE TABLE v0 (x bigint)"));
    for (int i = 1; i <= 14; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "CREATE VIEW v%d AS SELECT a.x FROM v%d a, v%d b", i, i - 1, i - 1);
        EXPECT(sql_batch(&k, sql));
    }
    sql_pending slow;
    uint64_t start = loop_now_fresh_ns(k.l);
    sql_begin(&k, &slow, SQL_QUERY, "SELECT * FROM v14", NULL, start + 100000000);
    sql_wait(&k, &slow);
    printf("    stopped after %d ms\n", (int)((loop_now_fresh_ns(k.l) - start) / 1000000));
    EXPECT_STATUS(slow.code, STATUS_TIMEOUT);
    sql_done(&slow);
    kv_stop(&k);
}

TEST(a_full_file_says_so) {
    kv k = {0};
    kv_start(&k);
    static const driver_value values[] = {{SLICE_LITERAL("total-bytes-max"), SLICE_LITERAL("200000")}};
    const driver_values settings = {values, 1};
    EXPECT_OK(kv_open(&k, &sql_sqlite, &settings, NULL, NULL));
    EXPECT(sql_batch(&k, "CREATE TABLE t (x blob)"));
    EXPECT(sql_gives(&k, SQL_QUERY, "INSERT INTO t VALUES (zeroblob(900000))", NULL, "unexpected 53100: "));
    EXPECT(sql_is(&k, "SELECT count(*) AS n FROM t", NULL, "n=int8:0"));
    char path[128];
    struct stat s;
    snprintf(path, sizeof path, "%s/postgres.sqlite3", k.directory);
    EXPECT_EQ(stat(path, &s), 0);
    EXPECT_EQ(s.st_mode & 0777, 0600);
    kv_stop(&k);
}

TEST(links_to_one_file_wait_for_each_other) {
    kv a = {0};
    kv b = {0};
    open_it(&a, false);
    kv_start(&b);
    b.env.directory = a.directory;
    open_it(&b, false);
    EXPECT(sql_batch(&a, "CREATE TABLE t (n bigint); INSERT INTO t VALUES (0)"));
    sql_pending *p = mem_calloc(100, sizeof *p);
    for (int i = 0; i < 100; i++) {
        sql_begin(i % 2 == 0 ? &a : &b, &p[i], SQL_QUERY, "UPDATE t SET n = n + 1", NULL, UINT64_MAX);
    }
    for (int i = 0; i < 100; i++) {
        sql_wait(i % 2 == 0 ? &a : &b, &p[i]);
        EXPECT_TEXT(p[i].text, "");
        sql_done(&p[i]);
    }
    EXPECT(sql_is(&b, "SELECT n FROM t", NULL, "n=int8:100"));
    mem_free(p);
    kv_stop(&b);
    kv_stop(&a);
}

TEST(a_file_that_is_no_database_is_told_as_health) {
    kv k = {0};
    kv_start(&k);
    char path[128];
    snprintf(path, sizeof path, "%s/postgres.sqlite3", k.directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; i < 10; i++) {
        EXPECT_EQ(write(fd, "this is a letter, and not a database at all. ", 45), 45);
    }
    close(fd);
    EXPECT_OK(kv_open(&k, &sql_sqlite, NULL, NULL, NULL));
    EXPECT(sql_gives(&k, SQL_QUERY, "SELECT 1", NULL, "closed "));
    driver_health h;
    do {
        kv_turn(&k);
        k.d->health(k.link, &h);
    } while (h.state == DRIVER_CONNECTING);
    EXPECT_EQ(h.state, DRIVER_DOWN);
    EXPECT_CONTAINS(h.reason, "not a database");
    EXPECT(sql_gives(&k, SQL_QUERY, "SELECT 1", NULL, "closed "));
    unlink(path); // the next try makes a new one
    kv_wait_up(&k);
    EXPECT(sql_batch(&k, "CREATE TABLE t (id bigint)"));
    kv_stop(&k);
}

TEST(calls_behind_a_locked_file_end_at_their_deadline) {
    kv k = {0};
    open_it(&k, false);
    EXPECT(sql_batch(&k, "CREATE TABLE t (id bigint)"));
    char path[128];
    sqlite3 *other = NULL;
    snprintf(path, sizeof path, "%s/postgres.sqlite3", k.directory);
    EXPECT_EQ(sqlite3_open(path, &other), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    sql_pending first, second, third;
    uint64_t now = loop_now_fresh_ns(k.l);
    sql_begin(&k, &first, SQL_QUERY, "INSERT INTO t VALUES (1)", NULL, now + 60000000);
    sql_begin(&k, &second, SQL_QUERY_BATCH, "INSERT INTO t VALUES (2)", NULL,
              now + 30000000); // behind the first
    sql_begin(&k, &third, SQL_QUERY, "INSERT INTO t VALUES (3)", NULL, UINT64_MAX);
    sql_wait(&k, &second);
    sql_wait(&k, &first);
    EXPECT_STATUS(second.code, STATUS_TIMEOUT);
    EXPECT_STATUS(first.code, STATUS_TIMEOUT);
    EXPECT(!third.is_done);
    EXPECT_EQ(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    sql_wait(&k, &third);
    EXPECT_TEXT(third.text, "");
    EXPECT(sql_is(&k, "SELECT id FROM t", NULL, "id=int8:3"));
    sql_done(&first);
    sql_done(&second);
    sql_done(&third);
    kv_stop(&k);
}

TEST(wrong_settings_are_refused) {
    static const driver_value cases[][1] = {
        {{SLICE_LITERAL("path"), SLICE_LITERAL("../x")}},
        {{SLICE_LITERAL("rows-max"), SLICE_LITERAL("0")}},
        {{SLICE_LITERAL("read-only"), SLICE_LITERAL("yes")}},
        {{SLICE_LITERAL("run-ms-max"), SLICE_LITERAL("99999999")}},
    };
    kv k = {0};
    kv_start(&k);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const driver_values settings = {cases[i], 1};
        err e = {0};
        EXPECT_STATUS(kv_open(&k, &sql_sqlite, &settings, NULL, &e), STATUS_INVALID);
        EXPECT_CONTAINS(e.message, "setting");
    }
    kv_stop(&k);
}
