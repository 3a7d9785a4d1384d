// SPDX-License-Identifier: Apache-2.0
// Making the connection: TLS, who we are, who the server is. What happens on it then is in postgres_calls.c.
#include "driver/sql/postgres_connection.h"

#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "codec/base64.h"
#include "codec/utf.h"
#include "crypto/secret.h"
#include "driver/sql/postgres_internal.h"
#include "driver/sql/postgres_statements.h"
#include "os/random.h"

enum { LIMITS_IN_ROOM = 1 << 16, REASON_BYTES_MAX = 512 };

// --- the end -----------------------------------------------------------------------------------------------

static void cut(postgres_connection *c) {
    if (c->connect_id != 0) {
        connector_cancel(c->connector, c->connect_id);
        c->connect_id = 0;
    }
    loop_timer_stop(&c->timer);
    byte_stream_free(c->stream);
    c->stream = NULL;
    c->phase = POSTGRES_IDLE;
    c->password = slice_empty();
    if (c->statement != NULL && !c->statement->is_kept) {
        postgres_statements_drop(c, c->statement);
    }
    c->statement = NULL;
    postgres_statements_clear(c);
}

void postgres_lose(postgres_connection *c, status why, const char *format, ...) {
    char text[REASON_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sql_request *q = c->q;
    c->q = NULL;
    cut(c);
    c->events.on_lost(c->events.arg, c, q, why, text);
}

void postgres_connection_stop(postgres_connection *c) {
    if (c->phase >= POSTGRES_READY && c->q == NULL) { // a farewell, while nothing runs
        static const uint8_t terminate[] = {'X', 0, 0, 0, 4};
        if (byte_stream_write(c->stream, slice_of(terminate, sizeof terminate)) == STATUS_OK) {
            byte_stream_flush(c->stream);
        }
    }
    c->q = NULL;
    cut(c);
}

static void on_timer(void *arg) {
    postgres_connection *c = arg;
    if (c->phase == POSTGRES_CONNECTING && c->connect_id == 0) {
        postgres_lose(c, STATUS_CLOSED, "%s", c->refused);
    } else {
        postgres_lose(c, STATUS_TIMEOUT, "the server took too long to answer");
    }
}

// --- greeting ----------------------------------------------------------------------------------------------

status postgres_send(postgres_connection *c, const buf *bytes) {
    return byte_stream_write(c->stream, buf_slice(bytes));
}

static void send_or_lose(postgres_connection *c, const buf *bytes, status code) {
    code = code == STATUS_OK ? postgres_send(c, bytes) : code;
    if (code != STATUS_OK) {
        postgres_lose(c, code, "no room for a message to the server");
    }
}

static void write_pair(postgres_writer *w, const char *name, slice value) {
    postgres_write_text(w, slice_from_text(name));
    postgres_write_text(w, value);
}

static void greet(postgres_connection *c) {
    auto_buf out;
    char run_ms[24];
    buf_init(&out, 4096);
    postgres_writer w = postgres_writer_of(&out);
    postgres_begin(&w, '\0');
    postgres_write_u32(&w, POSTGRES_PROTOCOL);
    write_pair(&w, "user", c->server->user);
    write_pair(&w, "database", c->server->database);
    write_pair(&w, "application_name", slice_from_text("writ"));
    write_pair(&w, "client_encoding", slice_from_text("UTF8"));
    write_pair(&w, "DateStyle", slice_from_text("ISO, YMD"));
    snprintf(run_ms, sizeof run_ms, "%llu", (unsigned long long)c->server->run_ms);
    write_pair(&w, "statement_timeout", slice_from_text(run_ms));
    if (c->server->read_only) {
        write_pair(&w, "default_transaction_read_only", slice_from_text("on"));
    }
    postgres_write_u8(&w, 0);
    postgres_end(&w);
    c->phase = POSTGRES_GREETING;
    send_or_lose(c, &out, w.code);
}

static void on_secure(void *arg) { greet(arg); }

static size_t read_tls_answer(postgres_connection *c, slice bytes) {
    err e;
    if (bytes.data[0] == 'S') {
        c->phase = POSTGRES_SECURING;
        if (byte_stream_start_tls(c->stream, c->server->tls, slice_from_text(c->server->host), &e) !=
            STATUS_OK) {
            postgres_lose(c, STATUS_DENIED, "%s", e.message);
        }
        return 1;
    }
    postgres_lose(
        c, STATUS_DENIED,
        "the server has no TLS, and the link demands it: switch it on there, or set tls=off where the way "
        "to the server can be trusted");
    return 0;
}

// --- passwords ---------------------------------------------------------------------------------------------

static void send_scram(postgres_connection *c, slice mechanism, const buf *message) {
    auto_buf out;
    buf_init(&out, 4096);
    postgres_writer w = postgres_writer_of(&out);
    postgres_begin(&w, 'p');
    if (mechanism.len > 0) {
        postgres_write_text(&w, mechanism);
        postgres_write_u32(&w, (uint32_t)message->len);
    }
    postgres_write_bytes(&w, buf_slice(message));
    postgres_end(&w);
    send_or_lose(c, &out, w.code);
}

static void begin_scram(postgres_connection *c, postgres_reader *r) {
    static const char mechanism[] = "SCRAM-SHA-256";
    bool is_offered = false;
    while (!r->has_failed && r->rest.len > 1) {
        is_offered = slice_equal_text(postgres_read_text(r), mechanism) || is_offered;
    }
    if (!is_offered) {
        postgres_lose(c, STATUS_DENIED, "the server asks for a password in a way that is not known");
        return;
    }
    if (c->password.len == 0) {
        postgres_lose(c, STATUS_DENIED, "the server asks for a password, and the link has none");
        return;
    }
    uint8_t random[SCRAM_NONCE_BYTES / 4 * 3];
    auto_buf nonce, message;
    err e;
    buf_init(&nonce, SCRAM_NONCE_BYTES);
    buf_init(&message, SCRAM_MESSAGE_BYTES_MAX);
    random_fill(random, sizeof random);
    CHECK(base64_encode(BASE64_STANDARD, slice_of(random, sizeof random), &nonce) == STATUS_OK);
    CHECK(postgres_scram_first(&c->scram, (const char *)nonce.data, &message, &e) == STATUS_OK);
    send_scram(c, slice_from_text(mechanism), &message);
}

static void go_on_scram(postgres_connection *c, postgres_reader *r, bool is_final) {
    auto_buf message;
    err e = {0};
    buf_init(&message, 2 * SCRAM_MESSAGE_BYTES_MAX);
    status code = is_final ? postgres_scram_verify(&c->scram, r->rest, &e)
                           : postgres_scram_final(&c->scram, r->rest, c->password, &message, &e);
    if (code != STATUS_OK) {
        postgres_lose(c, code, "%s", e.message);
    } else if (is_final) {
        c->has_proved = true;
    } else {
        send_scram(c, slice_empty(), &message);
    }
}

// The password itself, to a server that proved by TLS who it is.
static void send_password(postgres_connection *c) {
    secret message;
    if (!byte_stream_is_secure(c->stream) || c->password.len == 0) {
        postgres_lose(c, STATUS_DENIED,
                      c->password.len == 0
                          ? "the server asks for a password, and the link has none"
                          : "the server asks for the password in the clear; it gets it under TLS "
                            "only");
        return;
    }
    size_t len = c->password.len + 6;
    if (secret_new(len, &message, NULL) != STATUS_OK) {
        postgres_lose(c, STATUS_LIMIT, "no locked memory for the password");
        return;
    }
    message.data[0] = 'p';
    for (size_t i = 0; i < 4; i++) {
        message.data[1 + i] = (uint8_t)((len - 1) >> (8 * (3 - i)));
    }
    memcpy(message.data + 5, c->password.data, c->password.len);
    if (byte_stream_write_secret(c->stream, &message) != STATUS_OK) {
        postgres_lose(c, STATUS_LIMIT, "no room for a message to the server");
    }
}

static void authenticate(postgres_connection *c, slice body) {
    postgres_reader r = postgres_reader_of(body);
    switch (postgres_read_u32(&r)) {
    case 0:
        // Without TLS nothing but the password tells who the server is.
        if (c->password.len > 0 && !c->has_proved && !byte_stream_is_secure(c->stream)) {
            postgres_lose(
                c, STATUS_DENIED,
                "the server did not ask for the password, so that nobody knows who it is: give the link no "
                "password, or use TLS");
            break;
        }
        c->is_let_in = true;
        break;
    case 3:
        send_password(c);
        break;
    case 5:
        postgres_lose(c, STATUS_DENIED,
                      "the server asks for an MD5 of the password, which tells it to who listens: set "
                      "password_encryption = 'scram-sha-256' there, and the password again");
        break;
    case 10:
        begin_scram(c, &r);
        break;
    case 11:
        go_on_scram(c, &r, false);
        break;
    case 12:
        go_on_scram(c, &r, true);
        break;
    default:
        postgres_lose(c, STATUS_DENIED, "the server asks for a kind of authentication that is not known");
        break;
    }
}

static void refuse(postgres_connection *c, slice body) {
    postgres_error x;
    char state[32], message[200];
    postgres_error_read(body, &x);
    bool is_denial = strncmp(x.state, "28", 2) == 0 || strncmp(x.state, "3D", 2) == 0;
    postgres_lose(c, is_denial ? STATUS_DENIED : STATUS_CLOSED, "the server says %s: %s",
                  utf8_shown(slice_from_text(x.state), state, sizeof state),
                  utf8_shown(x.message, message, sizeof message));
}

static void come_up(postgres_connection *c) {
    if (!c->is_let_in) { // nobody has looked who it is
        postgres_lose(c, STATUS_DENIED, "the server is ready before it has let anybody in");
        return;
    }
    loop_timer_stop(&c->timer);
    c->password = slice_empty();
    c->phase = POSTGRES_READY;
    c->events.on_up(c->events.arg, c);
}

static void read_greeting(postgres_connection *c, const postgres_message *m) {
    postgres_reader r = postgres_reader_of(m->body);
    switch (m->type) {
    case 'R':
        authenticate(c, m->body);
        break;
    case 'E':
        refuse(c, m->body);
        break;
    case 'K':
        c->process = postgres_read_u32(&r);
        c->key = postgres_read_u32(&r);
        break;
    case 'Z':
        come_up(c);
        break;
    case 'S':
    case 'N':
    case 'v':
        break;
    default:
        postgres_lose(c, STATUS_IO, "the server greets with nonsense");
        break;
    }
}

// --- bytes -------------------------------------------------------------------------------------------------

static size_t on_bytes(void *arg, slice bytes) {
    postgres_connection *c = arg;
    const byte_stream *s = c->stream;
    size_t taken = 0;
    err e = {0};
    if (c->phase == POSTGRES_ASKING_TLS) {
        return read_tls_answer(c, bytes);
    }
    for (;;) {
        postgres_message m;
        size_t len;
        status code =
            postgres_message_read(slice_sub(bytes, taken, bytes.len), c->server->message_max, &m, &len, &e);
        if (code == STATUS_NOT_FOUND) {
            return taken;
        }
        if (code != STATUS_OK) {
            postgres_lose(c, code, "%s", e.message);
            return taken;
        }
        taken += len;
        if (c->phase == POSTGRES_GREETING) {
            read_greeting(c, &m);
        } else {
            postgres_read_message(c, &m);
        }
        if (c->stream != s) {
            return taken;
        }
    }
}

static void on_end(void *arg, status why, const err *e) {
    postgres_lose(arg, why, "%s", e != NULL ? e->message : "the connection has ended");
}

static void ask_tls(postgres_connection *c) {
    auto_buf out;
    buf_init(&out, 16);
    postgres_writer w = postgres_writer_of(&out);
    postgres_begin(&w, '\0');
    postgres_write_u32(&w, POSTGRES_SSL_REQUEST);
    postgres_end(&w);
    c->phase = POSTGRES_ASKING_TLS;
    send_or_lose(c, &out, w.code);
}

static void on_connected(void *arg, const connect_result *result) {
    postgres_connection *c = arg;
    const byte_stream_limits limits = {c->server->message_max + LIMITS_IN_ROOM, POSTGRES_OUT_BYTES_MAX};
    const byte_stream_handler handler = {
        .arg = c, .on_bytes = on_bytes, .on_secure = on_secure, .on_end = on_end};
    err e = {0};
    c->connect_id = 0;
    if (result->code != STATUS_OK) {
        postgres_lose(c, result->code, "%s", result->e->message);
        return;
    }
    status code = byte_stream_new(c->l, result->fd, &limits, &handler, &c->stream, &e);
    if (code != STATUS_OK) {
        postgres_lose(c, code, "%s", e.message);
    } else if (c->server->tls != NULL) {
        ask_tls(c);
    } else {
        greet(c);
    }
}

void postgres_connection_init(postgres_connection *c, loop *l, connector *by, const postgres_server *server,
                              const postgres_events *events) {
    *c = (postgres_connection){.l = l, .connector = by, .server = server, .events = *events};
    list_init(&c->statements);
    loop_timer_init(&c->timer, l, on_timer, c);
}

void postgres_connection_start(postgres_connection *c, slice password) {
    err e = {0};
    CHECK(c->phase == POSTGRES_IDLE);
    c->phase = POSTGRES_CONNECTING;
    c->password = password;
    c->has_proved = c->is_let_in = false;
    c->scram = (postgres_scram){0};
    c->process = c->key = 0;
    loop_timer_start_in(&c->timer, c->server->connect_ns);
    const connect_request request = {.purpose = CONNECT_SOCKETS,
                                     .protocol = CONNECT_TCP,
                                     .action = CONNECT_TO,
                                     .host = slice_from_text(c->server->host),
                                     .port = c->server->port,
                                     .deadline_ns = loop_now_ns(c->l) + c->server->connect_ns};
    if (connector_request(c->connector, &request, on_connected, c, &c->connect_id, &e) != STATUS_OK) {
        c->connect_id = 0;
        snprintf(c->refused, sizeof c->refused, "%.255s", e.message);
        loop_timer_start_in(&c->timer, 0); // told from the loop
    }
}
