// SPDX-License-Identifier: Apache-2.0
// wasmcloud:postgres on a real PostgreSQL server: the contract, the server's types, who is believed,
// connections that are lost, and what a call leaves behind.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/driver/helper_postgres.h"
#include "unit/driver/sql_contract.h"

typedef struct place {
    const char *user; // NULL = writ
    const char *password;
    const char *tls;
    const char *ca;
    const char *connections;
    bool read_only;
} place;

static status open_link(kv *k, uint16_t port, const place *p, err *e) {
    char number[8];
    snprintf(number, sizeof number, "%u", port);
    const driver_value values[] = {
        SQL_CONTRACT_SETTINGS,
        {SLICE_LITERAL("port"), slice_from_text(number)},
        {SLICE_LITERAL("user"), slice_from_text(p->user == NULL ? "writ" : p->user)},
        {SLICE_LITERAL("database"), SLICE_LITERAL("test")},
        {SLICE_LITERAL("read-only"), slice_from_text(p->read_only ? "true" : "false")},
        {SLICE_LITERAL("connections"), slice_from_text(p->connections == NULL ? "4" : p->connections)},
        {SLICE_LITERAL("tls"), slice_from_text(p->tls == NULL ? "off" : p->tls)},
        {SLICE_LITERAL("ca"), slice_from_text(p->ca)},
    };
    static driver_value secret; // outlives the link
    secret = (driver_value){SLICE_LITERAL("password"),
                            slice_from_text(p->password == NULL ? POSTGRES_PASSWORD : p->password)};
    const driver_values settings = {values, sizeof values / sizeof values[0] - (p->ca == NULL ? 1 : 0)};
    const driver_values credentials = {&secret, secret.value.len > 0 ? 1 : 0};
    if (k->l == NULL) {
        kv_start(k);
    }
    return kv_open(k, &sql_postgres, &settings, &credentials, e);
}

static const char *open_it(kv *k, bool read_only) {
    uint16_t port;
    const char *why = postgres_process_need(&port);
    if (why != NULL) {
        return why;
    }
    if (k->l == NULL) {
        EXPECT(postgres_process_database("test"));
    }
    EXPECT_OK(open_link(k, port, &(place){.read_only = read_only}, NULL));
    return NULL;
}

SQL_CONTRACT(open_it)

#define NEED_SERVER(port)                               \
    uint16_t port;                                      \
    do {                                                \
        const char *why = postgres_process_need(&port); \
        if (why != NULL) {                              \
            SKIP(why);                                  \
        }                                               \
        EXPECT(postgres_process_database("test"));      \
    } while (0)

TEST(types_of_the_server) {
    NEED_SERVER(port);
    kv k = {0};
    EXPECT_OK(open_link(&k, port, &(place){0}, NULL));
    static const char *const cases[][2] = {
        {"true", "bool:true"},
        {"'abc'::name", "name:abc"},
        {"'x'::\"char\"", "char:x"},
        {"'ab'::char(4)", "char:ab  "},
        {"1.5::float4", "float4:1.5"},
        {"'NaN'::float8", "float8:NaN"},
        {"'-Infinity'::float4", "float4:-Infinity"},
        {"5e-324::float8", "float8:4.94065645841247e-324"},
        {"12345678901234567890.00012::numeric", "numeric:12345678901234567890.00012"},
        {"-0.5::numeric", "numeric:-0.5"},
        {"0.00001::numeric", "numeric:0.00001"},
        {"10000::numeric", "numeric:10000"},
        {"100000000::numeric(20,3)", "numeric:100000000.000"},
        {"'NaN'::numeric", "numeric:NaN"},
        {"1e40::numeric", "numeric:10000000000000000000000000000000000000000"},
        {"'-12.34'::money", "money:-12.34"},
        {"B'10110'", "bit:10110"},
        {"B'1011011110'::varbit", "bit:1011011110"},
        {"'10.1.2.3/8'::inet", "inet:10.1.2.3/8"},
        {"'2001:db8::1'::inet", "inet:2001:db8::1"},
        {"'10.0.0.0/8'::cidr", "cidr:10.0.0.0/8"},
        {"'08:00:2b:01:02:03'::macaddr", "macaddr:08:00:2b:01:02:03"},
        {"'08:00:2b:01:02:03:04:05'::macaddr8", "macaddr8:08:00:2b:01:02:03:04:05"},
        {"'(1,2.5)'::point", "point:(1,2.5)"},
        {"'((0,1),(2,3))'::box", "box:(0,1),(2,3)"},
        {"'<(1,2),3>'::circle", "circle:<(1,2),3>"},
        {"'[(1,2),(3,4)]'::lseg", "lseg:[(1,2),(3,4)]"},
        {"'[(1,2),(3,4),(5,6)]'::path", "path:[(1,2),(3,4),(5,6)]"},
        {"'((1,2),(3,4))'::polygon", "polygon:((1,2),(3,4))"},
        {"'infinity'::date", "date:infinity"},
        {"'0044-03-15 BC'::date", "date:0044-03-15 BC"},
        {"'23:59:59.5'::time", "time:23:59:59.500000"},
        {"'-infinity'::timestamp", "timestamp:-infinity"},
        {"'1969-12-31 23:59:59.999999'::timestamp", "timestamp:1969-12-31 23:59:59.999999"},
        {"'2024-05-06 07:08:09+02'::timestamptz", "timestamp_tz:2024-05-06 05:08:09+00"},
        {"'{\"a\":[1]}'::jsonb", "json:{\"a\": [1]}"},
        {"'AB/CDEF01'::pg_lsn", "pg_lsn:AB/CDEF01"},
        {"'<a/>'::xml", "xml:<a/>"},
        {"ARRAY[1,2,-3]", "int4_array:{\"1\",\"2\",\"-3\"}"},
        {"ARRAY['a','b\"c']", "text_array:{\"a\",\"b\\\"c\"}"},
        {"'{}'::int8[]", "int8_array:{}"},
        {"ARRAY[true,false]", "bool_array:{\"t\",\"f\"}"},
        {"ARRAY[1.5,2]::numeric[]", "numeric_array:{\"1.5\",\"2\"}"},
        {"ARRAY['(0,1),(2,3)'::box]", "box_array:{\"(0,1),(2,3)\"}"},
        {"'1 2 3'::int2vector", "int2_vector:1 2 3"},
        {"'1 day'::interval", "text:1 day"},
        {"int4range(1,5)", "text:[1,5)"},
        {"'a & b'::tsquery", "text:'a' & 'b'"},
        {"'12:00+02'::timetz", "text:12:00:00+02"},
        {"NULL::int", "null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char sql[256], expected[256];
        snprintf(sql, sizeof sql, "SELECT %s AS v", cases[i][0]);
        snprintf(expected, sizeof expected, "v=%s", cases[i][1]);
        EXPECT(sql_is(&k, sql, NULL, expected));
    }
    EXPECT(
        sql_gives(&k, SQL_QUERY, "SELECT ARRAY[1,NULL] AS v", NULL, "unexpected 0A000: the column v holds"));
    EXPECT(
        sql_gives(&k, SQL_QUERY, "SELECT ARRAY[[1],[2]] AS v", NULL, "unexpected 0A000: the column v holds"));
    EXPECT(sql_batch(&k, "CREATE TYPE mood AS ENUM ('sad', 'ok')"));
    EXPECT(sql_is(&k, "SELECT $1::mood AS v", "text:ok", "v=text:ok"));
    kv_stop(&k);
}

TEST(values_go_to_parameters_of_any_type) {
    NEED_SERVER(port);
    kv k = {0};
    EXPECT_OK(open_link(&k, port, &(place){0}, NULL));
    EXPECT(sql_is(&k, "SELECT $1::int + $2::bigint AS v", "int8:2|int2:3", "v=int8:5"));
    EXPECT(sql_is(&k, "SELECT $1::text AS v", "int8:5", "v=text:5"));
    EXPECT(sql_is(&k, "SELECT $1::text AS v", "bytea:ab", "v=text:\\x6162"));
    EXPECT(sql_is(&k, "SELECT sum(x)::bigint AS v FROM unnest($1::bigint[]) AS t(x)", "int8_array:1,2,39",
                  "v=int8:42"));
    EXPECT(sql_is(&k, "SELECT x AS v FROM unnest($1::text[]) AS t(x)", "text_array:a\",b\\,{c}",
                  "v=text:a\"; v=text:b\\; v=text:{c}"));
    EXPECT(sql_is(&k, "SELECT $1::float8 AS v, $2::float4 AS w", "float8:1e300|float4:0.1",
                  "v=float8:1e+300 w=float4:0.1"));
    EXPECT(sql_is(&k, "SELECT $1::numeric AS v", "numeric:12345678901234567890.5",
                  "v=numeric:12345678901234567890.5"));
    EXPECT(sql_is(&k, "SELECT $1::date AS v", "date:infinity", "v=date:infinity"));
    EXPECT(sql_gives(&k, SQL_QUERY, "SELECT $1::int AS v", "text:x", "invalid-params 22P02: "));
    EXPECT(sql_gives(&k, SQL_QUERY, "SELECT $1::int2 AS v", "int8:70000", "invalid-params 22003: "));
    kv_stop(&k);
}

TEST(what_a_call_leaves_behind_is_gone) {
    NEED_SERVER(port);
    kv k = {0};
    EXPECT_OK(open_link(&k, port, &(place){.connections = "1"}, NULL));
    EXPECT(sql_is(&k, "SET search_path = nowhere", NULL, ""));
    EXPECT(sql_is(&k, "SELECT current_setting('search_path') AS v", NULL, "v=text:\"$user\", public"));
    EXPECT(sql_batch(&k, "CREATE TEMP TABLE t (id int)"));
    EXPECT(sql_gives(&k, SQL_QUERY, "SELECT * FROM t", NULL, "invalid-query 42P01: "));
    EXPECT(sql_is(&k, "CREATE TEMP TABLE t AS SELECT 1 AS id", NULL, "")); // which calls itself a SELECT
    EXPECT(sql_gives(&k, SQL_QUERY, "SELECT * FROM t", NULL, "invalid-query 42P01: "));
    EXPECT(sql_batch(&k, "SELECT 1; SELECT 2 AS id INTO TEMP t; SELECT 3"));
    EXPECT(sql_gives(&k, SQL_QUERY, "SELECT * FROM t", NULL, "invalid-query 42P01: "));
    EXPECT(sql_gives(&k, SQL_QUERY_BATCH, "BEGIN; CREATE TABLE u (id int); SET statement_timeout = 1", NULL,
                     "invalid-query 25001: "));
    EXPECT(sql_gives(&k, SQL_QUERY, "SELECT * FROM u", NULL, "invalid-query 42P01: "));
    EXPECT(sql_is(&k, "SELECT current_setting('statement_timeout') AS v", NULL, "v=text:20s"));
    EXPECT(sql_is(&k, "PREPARE mine AS SELECT 1", NULL, ""));
    EXPECT(sql_gives(&k, SQL_QUERY, "EXECUTE mine", NULL, "invalid-query 26000: "));
    EXPECT(sql_gives(&k, SQL_QUERY, "COPY pg_class TO STDOUT", NULL, ""));
    EXPECT(sql_batch(&k, "CREATE TABLE c (id int)"));
    EXPECT(sql_gives(&k, SQL_QUERY, "COPY c FROM STDIN", NULL, "unexpected 57014: "));
    EXPECT(sql_gives(&k, SQL_QUERY_BATCH, "COPY c FROM STDIN", NULL, "unexpected 57014: "));
    EXPECT(sql_is(&k, "SELECT 1 AS v", NULL, "v=int4:1"));
    kv_stop(&k);
}

TEST(a_table_that_changed_is_looked_at_again) {
    NEED_SERVER(port);
    kv k = {0};
    EXPECT_OK(open_link(&k, port, &(place){.connections = "1"}, NULL));
    char ignored[64];
    EXPECT(sql_batch(&k, "CREATE TABLE t (id int); INSERT INTO t VALUES (1)"));
    EXPECT(sql_is(&k, "SELECT * FROM t", NULL, "id=int4:1"));
    EXPECT(postgres_process_say("test", "ALTER TABLE t ADD name text DEFAULT 'x'", ignored, sizeof ignored));
    EXPECT(sql_is(&k, "SELECT * FROM t", NULL, "id=int4:1 name=text:x"));
    EXPECT(sql_batch(&k, "CREATE FUNCTION f(x int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF x = 3 THEN "
                         "RAISE EXCEPTION 'no' USING ERRCODE = '0A000'; END IF; RETURN x; END $$"));
    for (int i = 0; i < 3; i++) { // an error of the same kind, which is none of that
        EXPECT(sql_gives(&k, SQL_QUERY, "SELECT f(x) AS v FROM generate_series(1, 5) AS x", NULL,
                         "invalid-query 0A000: no"));
    }
    for (int i = 0; i < 200; i++) { // more statements than are kept
        char sql[64], expected[32];
        snprintf(sql, sizeof sql, "SELECT %d AS v FROM t WHERE id = $1", i % 100);
        snprintf(expected, sizeof expected, "v=int4:%d", i % 100);
        EXPECT(sql_is(&k, sql, "int4:1", expected));
    }
    EXPECT(sql_is(&k, "SELECT count(*) < 70 AS v FROM pg_prepared_statements", NULL, "v=bool:true"));
    kv_stop(&k);
}

// How opening a link ends: "up", or why not.
static const char *end_of(uint16_t port, const place *p) {
    static char text[DRIVER_REASON_BYTES_MAX];
    kv k = {0};
    err e = {0};
    if (open_link(&k, port, p, &e) != STATUS_OK) {
        snprintf(text, sizeof text, "%.200s", e.message);
        kv_stop(&k);
        return text;
    }
    driver_health h = {0};
    do {
        kv_turn(&k);
        k.d->health(k.link, &h);
    } while (h.state == DRIVER_CONNECTING);
    snprintf(text, sizeof text, "%s", h.state == DRIVER_UP ? "up" : h.reason);
    kv_stop(&k);
    return text;
}

TEST(who_is_believed) {
    NEED_SERVER(port);
    auto_buf right, wrong;
    buf_init(&right, 1 << 16);
    buf_init(&wrong, 1 << 16);
    EXPECT(postgres_process_authority(true, &right) && postgres_process_authority(false, &wrong));
    const char *ca = buf_text(&right);
    const char *other = buf_text(&wrong);
    EXPECT_TEXT(end_of(port, &(place){0}), "up");
    EXPECT_TEXT(end_of(port, &(place){.tls = "require", .ca = ca}), "up");
    EXPECT_TEXT(end_of(port, &(place){.user = "secured", .tls = "require", .ca = ca}), "up");
    EXPECT_TEXT(end_of(port, &(place){.user = "plain", .tls = "require", .ca = ca}), "up");
    EXPECT_TEXT(end_of(port, &(place){.user = "trusted", .password = ""}), "up");
    EXPECT_TEXT(end_of(port, &(place){.user = "trusted", .tls = "require", .ca = ca}), "up");
    EXPECT_CONTAINS(end_of(port, &(place){.tls = "require", .ca = other}), "certificate");
    EXPECT_CONTAINS(end_of(port, &(place){.password = "wrong"}), "28P01");
    EXPECT_CONTAINS(end_of(port, &(place){.password = ""}), "the link has none");
    EXPECT_CONTAINS(end_of(port, &(place){.user = "secured"}), "28000");
    EXPECT_CONTAINS(end_of(port, &(place){.user = "plain"}), "in the clear");
    EXPECT_CONTAINS(end_of(port, &(place){.user = "hashed"}), "MD5");
    EXPECT_CONTAINS(end_of(port, &(place){.user = "trusted"}), "did not ask for the password");
    EXPECT_CONTAINS(end_of(port, &(place){.user = "nobody"}), "28P01");
    EXPECT_CONTAINS(end_of(port, &(place){.tls = "off", .ca = ca}), "tls is off");
    EXPECT_CONTAINS(end_of(port, &(place){.tls = "prefer"}), "require or off");
}

// How opening a link without TLS ends when whoever is there says just this.
static const char *end_of_fake(const void *said, size_t len) {
    static char text[DRIVER_REASON_BYTES_MAX];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    EXPECT_EQ(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    EXPECT_EQ(listen(listener, 8), 0);
    EXPECT_EQ(getsockname(listener, (struct sockaddr *)&a, &size), 0);
    kv k = {0};
    driver_health h = {0};
    EXPECT_OK(open_link(&k, ntohs(a.sin_port), &(place){0}, NULL));
    kv_turn(&k);
    int fd = accept(listener, NULL, NULL);
    EXPECT_EQ(write(fd, said, len), (ssize_t)len);
    do {
        kv_turn(&k);
        k.d->health(k.link, &h);
    } while (h.state == DRIVER_CONNECTING);
    snprintf(text, sizeof text, "%s", h.state == DRIVER_UP ? "up" : h.reason);
    close(fd);
    close(listener);
    kv_stop(&k);
    return text;
}

TEST(somebody_else_is_not_taken_for_the_server) {
    static const char let_in[] = "R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
    static const char ready[] = "Z\0\0\0\x05I"; // without a word about the password
    static const char shouting[] = "E\0\0\0\x12"
                                   "C28000\0"
                                   "M\x1b[2J\n\0";
    EXPECT_CONTAINS(end_of_fake(let_in, sizeof let_in - 1), "did not ask for the password");
    EXPECT_CONTAINS(end_of_fake(ready, sizeof ready - 1), "before it has let anybody in");
    EXPECT_CONTAINS(end_of_fake(shouting, sizeof shouting), "28000: \\x1b[2J\\x0a");
}

TEST(a_call_that_is_given_up_stops_on_the_server) {
    NEED_SERVER(port);
    auto_buf right;
    buf_init(&right, 1 << 16);
    EXPECT(postgres_process_authority(true, &right));
    for (int secure = 0; secure < 2; secure++) {
        kv k = {0};
        char said[64];
        const place p = {
            .connections = "1", .tls = secure ? "require" : "off", .ca = secure ? buf_text(&right) : NULL};
        EXPECT_OK(open_link(&k, port, &p, NULL));
        sql_pending slow;
        sql_begin(&k, &slow, SQL_QUERY, "SELECT pg_sleep(600)", NULL, loop_now_fresh_ns(k.l) + 300000000);
        sql_wait(&k, &slow);
        EXPECT_STATUS(slow.code, STATUS_TIMEOUT);
        sql_done(&slow);
        EXPECT(sql_is(&k, "SELECT 1 AS v", NULL, "v=int4:1"));
        for (int i = 0; i < 200; i++) {
            kv_turn(&k);
            EXPECT(postgres_process_say("postgres",
                                        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
                                        "'SELECT pg_sleep%'",
                                        said, sizeof said));
            if (strcmp(said, "0") == 0) {
                break;
            }
        }
        EXPECT_TEXT(said, "0");
        kv_stop(&k);
    }
}

TEST(a_server_that_was_lost_comes_back) {
    NEED_SERVER(port);
    kv k = {0};
    EXPECT_OK(open_link(&k, port, &(place){.connections = "2"}, NULL));
    EXPECT(sql_batch(&k, "CREATE TABLE t (id int)"));
    sql_pending lost;
    sql_begin(&k, &lost, SQL_QUERY, "SELECT pg_sleep(600)", NULL, UINT64_MAX);
    for (int i = 0; i < 30; i++) {
        kv_turn(&k);
    }
    EXPECT(postgres_process_restart());
    sql_wait(&k, &lost);
    EXPECT_STATUS(lost.code, STATUS_CLOSED);
    EXPECT_CONTAINS(lost.text, "not known whether it was done");
    sql_done(&lost);
    kv_wait_up(&k);
    EXPECT(sql_is(&k, "SELECT count(*) AS v FROM t", NULL, "v=int8:0"));
    kv_stop(&k);
}

TEST(connections_are_bounded_and_shared) {
    NEED_SERVER(port);
    kv k = {0};
    char said[64];
    EXPECT_OK(open_link(&k, port, &(place){.connections = "3"}, NULL));
    kv_wait_up(&k);
    EXPECT(postgres_process_say("postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = 'test'",
                                said, sizeof said));
    EXPECT_TEXT(said, "1"); // the others when they are needed
    sql_pending *p = mem_calloc(60, sizeof *p);
    for (int i = 0; i < 60; i++) {
        sql_begin(&k, &p[i], SQL_QUERY, "SELECT pg_backend_pid() > 0 AS v, pg_sleep(0.01) IS NULL AS w", NULL,
                  UINT64_MAX);
    }
    for (int i = 0; i < 60; i++) {
        sql_wait(&k, &p[i]);
        EXPECT_TEXT(p[i].text, "v=bool:true w=bool:false");
        sql_done(&p[i]);
    }
    EXPECT(postgres_process_say("postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = 'test'",
                                said, sizeof said));
    EXPECT_TEXT(said, "3");
    mem_free(p);
    kv_stop(&k);
}

TEST(new_credentials_are_for_the_next_connection) {
    NEED_SERVER(port);
    kv k = {0};
    EXPECT_OK(open_link(&k, port, &(place){.password = "wrong"}, NULL));
    driver_health h = {0};
    do {
        kv_turn(&k);
        k.d->health(k.link, &h);
    } while (h.state != DRIVER_DOWN);
    EXPECT_CONTAINS(h.reason, "28P01");
    EXPECT(strstr(h.reason, "wrong") == NULL);
    EXPECT(sql_gives(&k, SQL_QUERY, "SELECT 1", NULL, "closed postgres at 127.0.0.1"));
    static const driver_value right = {SLICE_LITERAL("password"), SLICE_LITERAL(POSTGRES_PASSWORD)};
    const driver_values given = {&right, 1};
    EXPECT_OK(k.d->credentials(k.link, &given, NULL));
    kv_wait_up(&k);
    EXPECT(sql_is(&k, "SELECT 1 AS v", NULL, "v=int4:1"));
    kv_stop(&k);
}

// --- without a server --------------------------------------------------------------------------------------

TEST(calls_that_wait_are_bounded) {
    enum { CALLS = 2048 };
    kv k = {0};
    kv_start(&k);
    k.connector.never_answers = true;
    EXPECT_OK(open_link(&k, 1, &(place){0}, NULL));
    sql_pending *p = mem_calloc(CALLS + 1, sizeof *p);
    for (int i = 0; i <= CALLS; i++) {
        sql_begin(&k, &p[i], SQL_QUERY, "SELECT 1", NULL, UINT64_MAX);
    }
    EXPECT(p[CALLS].is_done && !p[CALLS - 1].is_done);
    EXPECT_STATUS(p[CALLS].code, STATUS_LIMIT);
    for (int i = 0; i < CALLS; i++) {
        k.d->cancel(k.link, &p[i].call);
        EXPECT_STATUS(p[i].code, STATUS_CANCELLED);
        EXPECT_CONTAINS(p[i].text, "nothing was done");
    }
    for (int i = 0; i <= CALLS; i++) {
        sql_done(&p[i]);
    }
    mem_free(p);
    kv_stop(&k);
}

TEST(settings) {
    static const struct {
        const char *name;
        const char *value;
        const char *why;
    } cases[] = {
        {"host", "", "host is a name"},
        {"port", "0", "port is a number"},
        {"user", "", "user is a name"},
        {"connections", "65", "connections is a number"},
        {"tls", "maybe", "require or off"},
        {"ca", "no certificate", ""},
        {"password", "x", "is a credential"},
        {"postgres_password", "x", "is a credential"},
        {"nonsense", "x", "has no setting"},
        {"postgres_pool_size", "0", "is a number"},
        {"host", "db.example", "nobody to trust"}, // TLS is the default there, and the test trusts nobody
    };
    kv k = {0};
    kv_start(&k);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const driver_value value = {slice_from_text(cases[i].name), slice_from_text(cases[i].value)};
        const driver_values values = {&value, 1};
        err e = {0};
        EXPECT(kv_open(&k, &sql_postgres, &values, NULL, &e) != STATUS_OK);
        printf("    %s\n", e.message);
        EXPECT_CONTAINS(e.message, cases[i].why);
    }
    kv_stop(&k);
}

static void found_peer(void *arg, slice host, uint16_t port) {
    snprintf(arg, 64, "%.*s:%u", SLICE_ARG(host), port);
}

TEST(the_only_peer_is_the_server) {
    static const driver_value values[] = {{SLICE_LITERAL("postgres_host"), SLICE_LITERAL("db.internal")},
                                          {SLICE_LITERAL("port"), SLICE_LITERAL("6000")}};
    const driver_values settings = {values, 2};
    char found[64] = "";
    EXPECT_OK(sql_postgres.peers(&settings, found_peer, found, NULL));
    EXPECT_TEXT(found, "db.internal:6000");
}
