// SPDX-License-Identifier: Apache-2.0
// A PostgreSQL server that sends anything: to a connection with a call on it, in pieces; as values of any
// type; as its part of SCRAM. The first byte says how long the pieces are, the second what is asked and how
// the server begins.
//
// links: driver
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "driver/sql/postgres_connection.h"
#include "driver/sql/postgres_values.h"
#include "fuzz.h"

typedef struct state {
    connector base;
    loop *l;
    loop_soon soon;
    connect_callback done;
    void *arg;
    int peer;
    int ends; // of the connection
    int answers;
    sql_request *q;
    sql_function function;
    sql_statements *statements;
    driver_call call;
    postgres_connection c;
} state;

static const sql_limits limits = {.statement_bytes_max = 100,
                                  .answer_bytes_max = 4096,
                                  .rows_max = 10,
                                  .statements_max = 2,
                                  .run_ns_max = 1};

static uint64_t fixed_now(void *arg) {
    (void)arg;
    return 1;
}

static void on_soon(void *arg) {
    state *s = arg;
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    s->peer = pair[1];
    s->done(s->arg, &(connect_result){.code = STATUS_OK, .fd = pair[0]});
}

static status request(connector *c, const connect_request *r, connect_callback done, void *arg,
                      uint64_t *ret_id, err *e) {
    (void)r, (void)e;
    state *s = (state *)c;
    s->done = done;
    s->arg = arg;
    *ret_id = 1;
    loop_soon_add(s->l, &s->soon);
    return STATUS_OK;
}

static void cancel(connector *c, uint64_t id) {
    (void)id;
    loop_soon_cancel(&((state *)c)->soon);
}

static void on_end(driver_call *c, status code, slice payload, const err *e) {
    CHECK((code == STATUS_OK) == (e == NULL) && (code != STATUS_OK || payload.len > 0));
    ((state *)c->host)->answers++;
}

// One call after the other.
static void run(state *s) {
    static const uint8_t query[] = {1, 'q', 1, 2, 5}, text[] = {1, 'q'};
    bool has_params = s->function == SQL_QUERY || s->function == SQL_EXEC;
    sql_function f = s->function == SQL_EXEC ? SQL_QUERY : s->function;
    s->call =
        (driver_call){.interface = slice_from_text(sql_interface_name(f)),
                      .function = slice_from_text(sql_function_name(f)),
                      .payload = has_params ? slice_of(query, sizeof query) : slice_of(text, sizeof text),
                      .deadline_ns = UINT64_MAX,
                      .end = on_end,
                      .host = s};
    s->q = sql_receive(&s->call, &limits, s->statements, 8);
    CHECK(s->q != NULL && postgres_connection_run(&s->c, s->q) == STATUS_OK);
}

static void on_up(void *arg, postgres_connection *c) {
    (void)c;
    run(arg);
}

static void on_done(void *arg, postgres_connection *c, sql_request *q) {
    (void)c;
    state *s = arg;
    CHECK(q == s->q);
    s->q = NULL;
    sql_reply(q);
}

static void on_lost(void *arg, postgres_connection *c, sql_request *q, status why, const char *text) {
    (void)c;
    state *s = arg;
    CHECK(why != STATUS_OK && text[0] != '\0' && q == s->q);
    s->ends++;
    if (q != NULL) {
        s->q = NULL;
        sql_fail(q, STATUS_CLOSED, "%s", text);
    }
}

static void turns(const state *s, int n) {
    for (int i = 0; i < n; i++) {
        loop_turn(s->l, false);
    }
}

static void say(const state *s, slice bytes, size_t step) {
    char said[4096];
    for (size_t at = 0; at < bytes.len; at += step) {
        slice part = slice_sub(bytes, at, at + step);
        if (send(s->peer, part.data, part.len, MSG_NOSIGNAL) < 0) {
            return;
        }
        turns(s, 3);
        while (read(s->peer, said, sizeof said) > 0) {
        }
    }
}

static void connection(slice bytes, size_t step, uint8_t how) {
    static const connector_ops ops = {request, cancel};
    static const uint8_t greeting[] = "R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x02Z\0\0\0\x05I";
    state s = {.base = {&ops}, .peer = -1, .function = (sql_function)(how & 3)};
    const postgres_server server = {.host = "a",
                                    .port = 1,
                                    .user = SLICE_LITERAL("u"),
                                    .database = SLICE_LITERAL("d"),
                                    .read_only = (how & 4) != 0,
                                    .run_ms = 1,
                                    .message_max = 8192,
                                    .connect_ns = 1000};
    const postgres_events events = {&s, on_up, on_done, on_up, on_lost};
    CHECK(loop_new(&(loop_clock){fixed_now, NULL}, &s.l, NULL) == STATUS_OK);
    s.statements = sql_statements_new(2);
    loop_soon_init(&s.soon, on_soon, &s);
    postgres_connection_init(&s.c, s.l, &s.base, &server, &events);
    postgres_connection_start(&s.c, (how & 8) != 0 ? slice_from_text("password") : slice_empty());
    turns(&s, 3);
    if ((how & 16) == 0) {
        say(&s, slice_of(greeting, sizeof greeting - 1), sizeof greeting);
    }
    say(&s, bytes, step);
    close(s.peer);
    turns(&s, 4);
    CHECK(s.ends == 1 && s.q == NULL && s.c.phase == POSTGRES_IDLE);
    postgres_connection_stop(&s.c);
    sql_statements_free(s.statements);
    loop_free(s.l);
}

// Whatever a value's bytes are: what is written is a value of the contract.
static void value(slice bytes) {
    postgres_reader r = postgres_reader_of(bytes);
    uint32_t oid = postgres_read_u16(&r);
    auto_buf out;
    auto_arena a;
    pg_param p;
    buf_init(&out, 1 << 20);
    arena_init(&a, 16 << 20);
    values_writer w = values_writer_of(&out);
    if (postgres_value_write(oid, r.rest, &w) != NULL || w.code != STATUS_OK) {
        return;
    }
    values_reader back = values_reader_of(buf_slice(&out));
    (void)pg_param_read(&back, &a, &p);
    CHECK(values_read_ok(&back));
}

static void scram(slice bytes) {
    postgres_scram s = {0};
    auto_buf out;
    buf_init(&out, 4096);
    size_t half = slice_find(bytes, 0, '\n');
    slice first = slice_sub(bytes, 0, half);
    CHECK(postgres_scram_first(&s, "fyko+d2lbbFgONRv9qkxdawL", &out, NULL) == STATUS_OK);
    if (bytes.len < 300 && postgres_scram_final(&s, first, slice_from_text("p"), &out, NULL) == STATUS_OK) {
        CHECK(postgres_scram_verify(&s, slice_sub(bytes, half == SIZE_MAX ? bytes.len : half + 1, bytes.len),
                                    NULL) != STATUS_OK); // nobody guesses it
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > 20000) {
        return 0;
    }
    slice bytes = slice_of(data + 2, size - 2);
    value(bytes);
    if ((data[1] & 0xe0) == 0xe0) {
        scram(bytes);
    }
    connection(bytes, data[0] == 0 ? size : (size_t)data[0] * 8, data[1]);
    return 0;
}
