// SPDX-License-Identifier: Apache-2.0
// One connection to a PostgreSQL server: it connects, under TLS and with a password where they are asked for,
// and runs one call at a time. What a call leaves behind (an open transaction, settings of the session,
// temporary tables) is gone before the next one.
//
// Callbacks come from the loop only. They may start a call and stop the connection; its memory is the link's
// and stays while a callback runs.
#pragma once

#include "driver/sql/postgres_protocol.h"
#include "driver/sql/postgres_scram.h"
#include "driver/sql/sql.h"
#include "net/byte_stream.h"

typedef struct postgres_connection postgres_connection;
typedef struct postgres_statement postgres_statement;

enum {
    POSTGRES_STATEMENTS_MAX = 64,             // that a connection keeps prepared
    POSTGRES_STATEMENT_KEPT_BYTES_MAX = 8192, // longer texts are prepared each time
    POSTGRES_OUT_BYTES_MAX = 80 << 20,
};

typedef struct postgres_events {
    void *arg;
    void (*on_up)(void *arg, postgres_connection *c);
    // The call has ended: rows, `affected` or an error are in the request. The connection may be busy still.
    void (*on_done)(void *arg, postgres_connection *c, sql_request *q);
    void (*on_ready)(void *arg, postgres_connection *c); // for another call
    // It could not be made, or was lost, and with it the call that ran (NULL = none): it may have been done.
    // postgres_connection_start may be called again, also from here.
    void (*on_lost)(void *arg, postgres_connection *c, sql_request *q, status why, const char *text);
} postgres_events;

typedef struct postgres_server { // borrowed for the connection's life
    const char *host;
    uint16_t port;
    slice user;
    slice database;
    tls_context *tls; // NULL = in the clear
    bool read_only;
    uint64_t run_ms;     // what the server stops a statement after
    size_t message_max;  // bytes of one message of the server's
    uint64_t connect_ns; // for everything until it is ready
} postgres_server;

typedef enum postgres_phase {
    POSTGRES_IDLE,
    POSTGRES_CONNECTING,
    POSTGRES_ASKING_TLS,
    POSTGRES_SECURING,
    POSTGRES_GREETING,
    POSTGRES_READY,
    POSTGRES_PREPARING,
    POSTGRES_RUNNING,
    POSTGRES_CLEANING,
} postgres_phase;

struct postgres_connection {
    loop *l;
    connector *connector;
    const postgres_server *server;
    postgres_events events;
    slice password; // borrowed while it is being made; may be replaced at any time
    postgres_phase phase;
    uint64_t connect_id;
    byte_stream *stream;
    loop_timer timer;  // of connecting and cleaning
    char refused[256]; // what the connector said at once
    postgres_scram scram;
    uint32_t process; // for cancelling
    uint32_t key;
    bool has_proved; // the server knows the password, or there is none
    bool is_let_in;  // the server said so, when it was known well enough who it is
    // The call.
    sql_request *q;
    postgres_statement *statement; // of it
    bool was_kept;                 // the statement was prepared before, and may be stale
    unsigned stage;                // how many times the server was ready for the next query
    unsigned main_stage;           // where what the call asks for happens
    unsigned last_stage;
    bool has_columns; // what runs gives rows; a SELECT that does not makes a table
    bool is_dirty;    // it may have changed its session
    bool is_stale;    // the statement has to be prepared again
    bool is_refused;  // it could not be prepared
    // Prepared statements, the least used first.
    list_node statements;
    size_t statement_count;
    uint64_t statement_number;
};

void postgres_connection_init(postgres_connection *c, loop *l, connector *by, const postgres_server *server,
                              const postgres_events *events);
// Connects; ends in on_up or on_lost, later. `password` is borrowed until then; empty = none.
void postgres_connection_start(postgres_connection *c, slice password);
// Cuts. No callback follows, a call that ran is forgotten.
void postgres_connection_stop(postgres_connection *c);
// Runs a call; for one that is POSTGRES_READY. STATUS_LIMIT, STATUS_CLOSED: nothing was sent.
status postgres_connection_run(postgres_connection *c, sql_request *q) WRIT_MUST_USE;
