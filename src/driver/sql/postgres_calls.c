// SPDX-License-Identifier: Apache-2.0
// Calls on a connection. A statement is prepared once and then run with one exchange: bind, execute, sync.
// Each sync ends with the server's "ready"; a stage is what lies between two of these.
#include "driver/sql/postgres_connection.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "driver/sql/postgres_internal.h"
#include "driver/sql/postgres_statements.h"
#include "driver/sql/postgres_values.h"

enum { CLEANING_SECONDS_MAX = 10 };

static status send_out(postgres_connection *c, const postgres_writer *w) {
    return w->code == STATUS_OK ? postgres_send(c, w->out) : w->code;
}

static void begin_stages(postgres_connection *c, postgres_phase phase, unsigned main_stage,
                         unsigned last_stage) {
    c->phase = phase;
    c->stage = 0;
    c->main_stage = main_stage;
    c->last_stage = last_stage;
}

// --- sending -----------------------------------------------------------------------------------------------

static void write_close(postgres_writer *w, const char *name) {
    postgres_begin(w, 'C');
    postgres_write_u8(w, 'S');
    postgres_write_text(w, slice_from_text(name));
    postgres_end(w);
}

// `closing` is the name of a statement that has to go first; may be empty.
static status send_prepare(postgres_connection *c, const char *closing) {
    auto_buf out;
    char dropped[24];
    buf_init(&out, POSTGRES_OUT_BYTES_MAX);
    postgres_writer w = postgres_writer_of(&out);
    postgres_statement *s = postgres_statements_add(c, c->q->text, dropped);
    if (closing[0] != '\0') {
        write_close(&w, closing);
    }
    if (dropped[0] != '\0') {
        write_close(&w, dropped);
    }
    postgres_begin(&w, 'P');
    postgres_write_text(&w, slice_from_text(s->name));
    postgres_write_text(&w, s->text);
    postgres_write_u16(&w, 0);
    postgres_end(&w);
    postgres_begin(&w, 'D');
    postgres_write_u8(&w, 'S');
    postgres_write_text(&w, slice_from_text(s->name));
    postgres_end(&w);
    postgres_write_sync(&w);
    c->statement = s;
    begin_stages(c, POSTGRES_PREPARING, 0, 0);
    return send_out(c, &w);
}

static void write_hex(postgres_writer *w, slice bytes) {
    postgres_write_u32(w, (uint32_t)(2 + 2 * bytes.len));
    postgres_write_bytes(w, slice_from_text("\\x"));
    uint8_t *to = postgres_write_room(w, 2 * bytes.len);
    if (to != NULL) {
        pg_hex(bytes, to);
    }
}

static void write_sized(postgres_writer *w, slice text) {
    postgres_write_u32(w, (uint32_t)text.len);
    postgres_write_bytes(w, text);
}

static bool is_binary_param(const pg_param *p, uint32_t oid) {
    return p->class == PG_IS_BYTES && oid == POSTGRES_OID_BYTEA;
}

// As text, which the server reads by the type that it found for the parameter; bytes for bytes as they are.
static void write_param(postgres_writer *w, const pg_param *p, uint32_t oid) {
    char text[PG_NUMBER_BYTES_MAX];
    switch (p->class) {
    case PG_IS_NULL:
        postgres_write_u32(w, UINT32_MAX);
        break;
    case PG_IS_INTEGER:
        snprintf(text, sizeof text, "%" PRId64, p->integer);
        write_sized(w, slice_from_text(text));
        break;
    case PG_IS_BOOL:
        write_sized(w, slice_from_text(p->integer != 0 ? "t" : "f"));
        break;
    case PG_IS_NUMBER:
        write_sized(w, pg_number_text(p->number, p->type == PG_FLOAT4 || p->type == PG_REAL, text));
        break;
    case PG_IS_BYTES:
        if (is_binary_param(p, oid)) {
            write_sized(w, p->text);
        } else {
            write_hex(w, p->text);
        }
        break;
    case PG_IS_TEXT:
        write_sized(w, p->text);
        break;
    }
}

static void write_bind(postgres_writer *w, const postgres_statement *s, const sql_request *q) {
    postgres_begin(w, 'B');
    postgres_write_text(w, slice_empty());
    postgres_write_text(w, slice_from_text(s->name));
    postgres_write_u16(w, (uint16_t)q->count);
    for (size_t i = 0; i < q->count; i++) {
        postgres_write_u16(w, is_binary_param(&q->params[i], s->params[i]) ? 1 : 0);
    }
    postgres_write_u16(w, (uint16_t)q->count);
    for (size_t i = 0; i < q->count; i++) {
        write_param(w, &q->params[i], s->params[i]);
    }
    postgres_write_u16(w, (uint16_t)s->column_count);
    for (size_t i = 0; i < s->column_count; i++) {
        postgres_write_u16(w, postgres_is_binary(s->columns[i].oid) ? 1 : 0);
    }
    postgres_end(w);
}

// One row more than fits, so that too many are noticed and the server stops by itself.
static void write_execute(postgres_writer *w, const sql_request *q) {
    postgres_begin(w, 'E');
    postgres_write_text(w, slice_empty());
    postgres_write_u32(w, q->function == SQL_QUERY ? (uint32_t)q->rows.rows_max + 1 : 0);
    postgres_end(w);
}

static status send_execute(postgres_connection *c) {
    auto_buf out;
    bool read_only = c->server->read_only;
    buf_init(&out, POSTGRES_OUT_BYTES_MAX);
    postgres_writer w = postgres_writer_of(&out);
    if (read_only) { // nothing that a single statement says can widen it, and it is over with the statement
        postgres_write_query(&w, "BEGIN READ ONLY");
    }
    write_bind(&w, c->statement, c->q);
    write_execute(&w, c->q);
    postgres_write_sync(&w);
    if (read_only) {
        postgres_write_query(&w, "ROLLBACK");
    }
    begin_stages(c, POSTGRES_RUNNING, read_only ? 1 : 0, read_only ? 2 : 0);
    c->has_columns = c->statement->column_count > 0;
    return send_out(c, &w);
}

static status send_batch(postgres_connection *c) {
    auto_buf out;
    buf_init(&out, POSTGRES_OUT_BYTES_MAX);
    postgres_writer w = postgres_writer_of(&out);
    postgres_begin(&w, 'Q');
    postgres_write_text(&w, c->q->text);
    postgres_end(&w);
    begin_stages(c, POSTGRES_RUNNING, 0, 0);
    c->has_columns = false;
    return send_out(c, &w);
}

// For a statement that is prepared already.
static status send_sync(postgres_connection *c) {
    auto_buf out;
    buf_init(&out, 16);
    postgres_writer w = postgres_writer_of(&out);
    postgres_write_sync(&w);
    begin_stages(c, POSTGRES_PREPARING, 0, 0);
    return send_out(c, &w);
}

// The call was not sent.
static void forget(postgres_connection *c) {
    if (c->statement != NULL && !c->was_kept) {
        postgres_statements_drop(c, c->statement);
    }
    c->statement = NULL;
    c->q = NULL;
    c->phase = POSTGRES_READY;
}

status postgres_connection_run(postgres_connection *c, sql_request *q) {
    CHECK(c->phase == POSTGRES_READY);
    c->q = q;
    c->is_dirty = false;
    c->is_stale = false;
    c->is_refused = false;
    c->statement = q->function == SQL_QUERY_BATCH ? NULL : postgres_statements_find(c, q->text);
    c->was_kept = c->statement != NULL;
    status s = q->function == SQL_QUERY_BATCH ? send_batch(c)
               : c->statement == NULL         ? send_prepare(c, "")
               : q->function == SQL_PREPARE   ? send_sync(c)
                                              : send_execute(c);
    if (s != STATUS_OK) {
        forget(c);
    }
    return s;
}

// --- what comes back ---------------------------------------------------------------------------------------

static void note_error(postgres_connection *c, slice body) {
    postgres_error x;
    postgres_error_read(body, &x);
    if (x.is_fatal) {
        return; // the connection ends
    }
    c->is_refused = c->is_refused || c->phase == POSTGRES_PREPARING;
    if (c->was_kept && (strcmp(x.state, "0A000") == 0 || strcmp(x.state, "26000") == 0) &&
        !c->q->has_failed && c->q->rows.count == 0) {
        c->is_stale = true; // its table has changed, or somebody dropped it
        return;
    }
    sql_set_error(c->q, sql_error_of_state(x.state), x.state, "%.*s%s%.*s", SLICE_ARG(x.message),
                  x.detail.len > 0 ? " " : "", SLICE_ARG(x.detail));
}

static bool write_row(postgres_connection *c, slice body) {
    sql_request *q = c->q;
    const postgres_statement *s = c->statement;
    postgres_reader r = postgres_reader_of(body);
    if (postgres_read_u16(&r) != s->column_count || !sql_rows_begin(&q->rows, s->column_count)) {
        return false;
    }
    for (size_t i = 0; i < s->column_count && q->rows.w.code == STATUS_OK; i++) {
        uint32_t len = postgres_read_u32(&r);
        sql_rows_name(&q->rows, s->columns[i].name);
        if (len == UINT32_MAX) {
            pg_write_case(&q->rows.w, PG_NULL);
            continue;
        }
        const char *problem =
            postgres_value_write(s->columns[i].oid, postgres_read_bytes(&r, len), &q->rows.w);
        if (problem != NULL) {
            sql_set_error(q, SQL_UNEXPECTED, "0A000", "the column %.*s holds %s",
                          SLICE_ARG(s->columns[i].name), problem);
            return false;
        }
    }
    return q->rows.w.code == STATUS_OK && postgres_read_end(&r);
}

static void read_row(postgres_connection *c, slice body) {
    sql_request *q = c->q;
    if (q->function != SQL_QUERY || c->statement == NULL || q->has_failed) {
        return;
    }
    if (!write_row(c, body)) {
        sql_set_error(
            q, SQL_UNEXPECTED, "54000",
            "the answer has more rows or bytes than the link allows (%zu rows, %zu bytes); what the "
            "statement changed stays",
            q->rows.rows_max, q->rows.bytes.max);
    }
}

static bool is_plain(slice word) {
    static const char *const words[] = {"SELECT", "INSERT",   "UPDATE",    "DELETE",  "MERGE", "BEGIN",
                                        "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "START"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (slice_equal_text(word, words[i])) {
            return true;
        }
    }
    return false;
}

static void complete(postgres_connection *c, slice body) {
    postgres_reader r = postgres_reader_of(body);
    slice tag = postgres_read_text(&r);
    slice word = postgres_tag_word(tag);
    bool makes_table = slice_equal_text(word, "SELECT") && !c->has_columns; // perhaps a temporary one
    c->q->affected = postgres_tag_rows(tag);
    c->is_dirty = c->is_dirty || makes_table || !is_plain(word);
    c->has_columns = false; // of the next statement of a batch
}

// COPY FROM STDIN: nothing is copied.
static void refuse_copy(postgres_connection *c) {
    auto_buf out;
    buf_init(&out, 256);
    postgres_writer w = postgres_writer_of(&out);
    postgres_begin(&w, 'f');
    postgres_write_text(&w, slice_from_text("the contract has no COPY"));
    postgres_end(&w);
    if (c->q->function != SQL_QUERY_BATCH) {
        postgres_write_sync(&w); // the one that was sent went by
    }
    if (send_out(c, &w) != STATUS_OK) {
        postgres_lose(c, STATUS_LIMIT, "no room for a message to the server");
    }
}

// --- the ends of stages ------------------------------------------------------------------------------------

static void end_call(postgres_connection *c) {
    sql_request *q = c->q;
    c->q = NULL;
    if (c->statement != NULL && (!c->statement->is_kept || c->is_refused || c->statement->params == NULL)) {
        postgres_statements_drop(c, c->statement); // for this call alone, or it could not be prepared
    }
    c->statement = NULL;
    c->events.on_done(c->events.arg, c, q);
}

static void be_ready(postgres_connection *c) {
    loop_timer_stop(&c->timer);
    c->phase = POSTGRES_READY;
    c->events.on_ready(c->events.arg, c);
}

static void clean(postgres_connection *c, bool is_open) {
    auto_buf out;
    buf_init(&out, 256);
    postgres_writer w = postgres_writer_of(&out);
    if (is_open) {
        postgres_write_query(&w, "ROLLBACK");
    }
    if (c->is_dirty) {
        postgres_write_query(&w, "DISCARD ALL");
        postgres_statements_clear(c);
    }
    begin_stages(c, POSTGRES_CLEANING, 0, is_open && c->is_dirty ? 1 : 0);
    loop_timer_start_in(&c->timer, CLEANING_SECONDS_MAX * UINT64_C(1000000000));
    if (send_out(c, &w) != STATUS_OK) {
        postgres_lose(c, STATUS_LIMIT, "no room for a message to the server");
    }
}

static void finish(postgres_connection *c, char transaction) {
    bool is_open = transaction != 'I';
    if (is_open) {
        sql_set_error(c->q, SQL_INVALID_QUERY, "25001", "the transaction was left open, and is rolled back");
    }
    const byte_stream *s = c->stream;
    end_call(c);
    if (c->stream != s) {
        return; // the callback has stopped it
    }
    if (is_open || c->is_dirty) {
        clean(c, is_open);
    } else {
        be_ready(c);
    }
}

static void fail_send(postgres_connection *c, status code) {
    if (code != STATUS_OK) {
        postgres_lose(c, code, "no room for a message to the server");
    }
}

static void prepare_again(postgres_connection *c) {
    char stale[24];
    memcpy(stale, c->statement->name, sizeof stale);
    c->is_stale = false;
    c->was_kept = false;
    postgres_statements_drop(c, c->statement);
    c->statement = NULL;
    fail_send(c, send_prepare(c, stale));
}

static bool has_right_count(postgres_connection *c) {
    if (c->q->count == c->statement->param_count) {
        return true;
    }
    sql_set_error(c->q, SQL_INVALID_PARAMS, "08P01", "the statement has %zu parameters, and %zu values came",
                  c->statement->param_count, c->q->count);
    return false;
}

static void end_stage(postgres_connection *c, char transaction) {
    if (c->stage++ < c->last_stage) {
        return;
    }
    if (c->phase == POSTGRES_CLEANING) {
        be_ready(c);
    } else if (c->is_stale) {
        prepare_again(c);
    } else if (c->phase == POSTGRES_PREPARING && !c->q->has_failed && c->q->function != SQL_PREPARE &&
               has_right_count(c)) {
        fail_send(c, send_execute(c));
    } else {
        finish(c, transaction);
    }
}

static void nonsense(postgres_connection *c) {
    postgres_lose(c, STATUS_IO, "the server answers with nonsense");
}

static void read_description(postgres_connection *c, const postgres_message *m) {
    bool is_due = c->phase == POSTGRES_PREPARING && c->statement != NULL;
    bool ok = is_due &&
              (m->type == 't'
                   ? c->statement->params == NULL && postgres_statement_read_params(c->statement, m->body)
                   : c->statement->columns == NULL && postgres_statement_read_columns(c->statement, m->body));
    if (!ok) {
        nonsense(c);
    }
}

static void read_of_call(postgres_connection *c, const postgres_message *m) {
    bool is_main = c->q != NULL && c->stage == c->main_stage;
    switch (m->type) {
    case 'D':
        if (is_main) {
            read_row(c, m->body);
        }
        break;
    case 'C':
        if (is_main) {
            complete(c, m->body);
        }
        break;
    case 'E':
        if (c->q != NULL) {
            note_error(c, m->body);
        }
        break;
    case 't':
        read_description(c, m);
        break;
    case 'T': // of a batch too, whose rows nobody wants
        c->has_columns = true;
        if (c->phase == POSTGRES_PREPARING) {
            read_description(c, m);
        }
        break;
    default:
        refuse_copy(c);
        break;
    }
}

void postgres_read_message(postgres_connection *c, const postgres_message *m) {
    postgres_reader r = postgres_reader_of(m->body);
    bool is_busy = c->phase > POSTGRES_READY;
    char transaction;
    switch (m->type) {
    case 'Z':
        transaction = (char)postgres_read_u8(&r);
        if (is_busy && postgres_read_end(&r)) {
            end_stage(c, transaction);
        } else {
            nonsense(c);
        }
        break;
    case 'D':
    case 'C':
    case 'E':
    case 't':
    case 'T':
        if (is_busy) {
            read_of_call(c, m);
        } else if (m->type != 'E') { // what is said before it closes
            nonsense(c);
        }
        break;
    case 'G':
    case 'W':
        if (is_busy && c->q != NULL) {
            read_of_call(c, m);
        } else {
            nonsense(c);
        }
        break;
    default: // parsed, bound, closed, no data, suspended, empty, copied, notices, settings
        break;
    }
}
