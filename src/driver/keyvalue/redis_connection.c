// SPDX-License-Identifier: Apache-2.0
#include "driver/keyvalue/redis_connection.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "codec/utf.h"

enum { WORD_HEAD_BYTES = 32 };

static const uint64_t second = 1000000000;
static const uint64_t connect_ns_max = 5 * 1000000000ull;

static void on_timer(void *arg);

void redis_connection_init(redis_connection *c, loop *l, connector *by, const redis_server *server,
                           const redis_events *events) {
    *c = (redis_connection){.l = l, .connector = by, .server = server, .events = *events};
    c->tags = mem_calloc(REDIS_IN_FLIGHT_MAX, sizeof(void *));
    loop_timer_init(&c->timer, l, on_timer, c);
}

void redis_connection_stop(redis_connection *c) {
    if (c->phase == REDIS_CONNECTING) {
        connector_cancel(c->connector, c->connect_id);
    }
    byte_stream_free(c->stream);
    c->stream = NULL;
    c->phase = REDIS_IDLE;
    loop_timer_stop(&c->timer);
    secret_free(&c->greeting);
    c->first = c->next;
    if (c->reader != NULL && !c->is_reading) {
        redisReaderFree(c->reader);
        c->reader = NULL;
    }
}

void redis_connection_done(redis_connection *c) {
    redis_connection_stop(c);
    mem_free(c->tags);
    c->tags = NULL;
}

// The end of the connection, from the loop.
static void lose(redis_connection *c, status why, const char *text) {
    uint64_t first = c->first;
    uint64_t next = c->next;
    redis_connection_stop(c);
    c->first = first; // handed back one by one
    while (c->first != next) {
        void *tag = c->tags[c->first++ % REDIS_IN_FLIGHT_MAX];
        if (tag != NULL) {
            c->events.on_unanswered(c->events.arg, c, tag);
        }
    }
    c->events.on_lost(c->events.arg, c, why, text);
}

static void on_timer(void *arg) {
    redis_connection *c = arg;
    if (c->phase == REDIS_READY && redis_in_flight(c) == 0) {
        return;
    }
    lose(c, STATUS_TIMEOUT,
         c->phase == REDIS_READY ? "the server does not answer" : "the server does not answer the greeting");
}

// --- sending -----------------------------------------------------------------------------------------------

static uint8_t *put_text(uint8_t *to, const char *text, size_t len) {
    memcpy(to, text, len);
    return to + len;
}

static uint8_t *put_head(uint8_t *to, char kind, size_t number) {
    char head[WORD_HEAD_BYTES];
    return put_text(to, head, (size_t)snprintf(head, sizeof head, "%c%zu\r\n", kind, number));
}

// At most `words_size` bytes.
static uint8_t *put_command(uint8_t *to, const slice *words, size_t count) {
    to = put_head(to, '*', count);
    for (size_t i = 0; i < count; i++) {
        to = put_head(to, '$', words[i].len);
        if (words[i].len > 0) {
            memcpy(to, words[i].data, words[i].len);
        }
        to = put_text(to + words[i].len, "\r\n", 2);
    }
    return to;
}

static size_t command_size_max(const slice *words, size_t count) {
    size_t size = WORD_HEAD_BYTES * (count + 1);
    for (size_t i = 0; i < count; i++) {
        size += words[i].len + 2;
    }
    return size;
}

status redis_connection_send(redis_connection *c, const slice *words, size_t count, void *tag,
                             uint64_t *ret) {
    if (c->phase != REDIS_READY) {
        return STATUS_CLOSED;
    }
    size_t size = command_size_max(words, count);
    if (redis_in_flight(c) >= REDIS_IN_FLIGHT_MAX) {
        return STATUS_LIMIT;
    }
    uint8_t *to = NULL;
    TRY(byte_stream_reserve(c->stream, size, &to));
    byte_stream_commit(c->stream, (size_t)(put_command(to, words, count) - to));
    if (redis_in_flight(c) == 0) {
        loop_timer_start_in(&c->timer, c->server->stall_ns);
    }
    *ret = c->next;
    c->tags[c->next++ % REDIS_IN_FLIGHT_MAX] = tag;
    return STATUS_OK;
}

void redis_connection_forget(redis_connection *c, uint64_t number) {
    if (number - c->first < c->next - c->first) {
        c->tags[number % REDIS_IN_FLIGHT_MAX] = NULL;
    }
}

// --- receiving ---------------------------------------------------------------------------------------------

static void on_greeted(redis_connection *c, const redisReply *reply) {
    if (reply->type == REDIS_REPLY_ERROR) {
        char shown[120];
        char text[160];
        utf8_shown(slice_of(reply->str, reply->len), shown, sizeof shown);
        snprintf(text, sizeof text, "the server refused the greeting: %s", shown);
        lose(c, STATUS_DENIED, text);
        return;
    }
    if (--c->greeting_replies == 0) {
        c->phase = REDIS_READY;
        loop_timer_stop(&c->timer);
        c->events.on_up(c->events.arg, c);
    }
}

static void on_reply(redis_connection *c, const redisReply *reply) {
    if (c->phase == REDIS_GREETING) {
        on_greeted(c, reply);
        return;
    }
    if (redis_in_flight(c) == 0) {
        lose(c, STATUS_INVALID, "the server sent a reply to nothing");
        return;
    }
    void *tag = c->tags[c->first++ % REDIS_IN_FLIGHT_MAX];
    if (redis_in_flight(c) > 0) {
        loop_timer_start_in(&c->timer, c->server->stall_ns);
    } else {
        loop_timer_stop(&c->timer);
    }
    if (tag != NULL) {
        c->events.on_reply(c->events.arg, c, tag, reply);
    }
}

// hiredis makes room for a list when it reads its length, which a few bytes say.
static void *make_list(const redisReadTask *t, redis_count count) {
    redis_connection *c = t->privdata;
    c->items = t->parent == NULL ? 0 : c->items;
    if ((size_t)count > REDIS_REPLY_ITEMS_MAX - c->items) {
        return NULL;
    }
    c->items += (size_t)count;
    return c->make_list(t, count);
}

static redisReader *new_reader(redis_connection *c) {
    redisReader *r = redisReaderCreate();
    if (r != NULL) {
        c->makers = *r->fn;
        c->make_list = c->makers.createArray;
        c->makers.createArray = make_list;
        r->fn = &c->makers;
        r->privdata = c;
    }
    return r;
}

// Replies that are complete. A callback may have stopped the connection, or even made a new one.
static void take_replies(redis_connection *c, redisReader *reader) {
    const byte_stream *stream = c->stream;
    for (;;) {
        void *reply = NULL;
        if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
            lose(c, STATUS_INVALID,
                 reader->err == REDIS_ERR_OOM ? "the server sent a reply that is too long"
                                              : "the server does not speak the protocol of Redis");
            return;
        }
        if (reply == NULL) {
            return;
        }
        c->unread = 0;
        on_reply(c, reply);
        freeReplyObject(reply);
        if (c->stream != stream) {
            return;
        }
    }
}

static size_t on_bytes(void *arg, slice bytes) {
    redis_connection *c = arg;
    redisReader *reader = c->reader;
    const byte_stream *stream = c->stream;
    c->unread += bytes.len;
    if (c->unread > REDIS_REPLY_BYTES_MAX) {
        lose(c, STATUS_LIMIT, "the server sent a reply that is too long");
        return bytes.len;
    }
    if (redisReaderFeed(reader, (const char *)bytes.data, bytes.len) != REDIS_OK) {
        lose(c, STATUS_INVALID, "the server does not speak the protocol of Redis");
        return bytes.len;
    }
    c->is_reading = true;
    take_replies(c, reader);
    c->is_reading = false;
    if (c->stream != stream) { // stopped from below
        redisReaderFree(reader);
        c->reader = NULL;
    }
    return bytes.len;
}

static void on_end(void *arg, status why, const err *e) {
    char text[256];
    snprintf(text, sizeof text, "%.250s", e->message);
    lose(arg, why, text);
}

// --- connecting --------------------------------------------------------------------------------------------

// AUTH and SELECT, or a PING, so that there is always a reply that says that the server is one.
static status make_greeting(redis_connection *c, slice password) {
    const redis_server *s = c->server;
    char number[16];
    slice auth[3] = {SLICE_LITERAL("AUTH")};
    size_t auth_count = 1;
    if (s->user.len > 0) {
        auth[auth_count++] = s->user;
    }
    auth[auth_count++] = password;
    slice select[2] = {SLICE_LITERAL("SELECT"),
                       slice_of(number, (size_t)snprintf(number, sizeof number, "%u", s->database))};
    slice ping[1] = {SLICE_LITERAL("PING")};
    size_t size =
        command_size_max(auth, auth_count) + command_size_max(select, 2) + command_size_max(ping, 1);
    TRY(secret_new(size, &c->greeting, NULL));
    uint8_t *to = c->greeting.data;
    c->greeting_replies = 1;
    if (password.len > 0) {
        to = put_command(to, auth, auth_count);
        c->greeting_replies++;
    }
    if (s->database != 0) {
        to = put_command(to, select, 2);
        c->greeting_replies++;
    }
    to = put_command(to, ping, 1);
    c->greeting.len = (size_t)(to - c->greeting.data);
    return STATUS_OK;
}

static status open_stream(redis_connection *c, int fd, err *e) {
    const byte_stream_limits limits = {1, REDIS_OUT_BYTES_MAX}; // the reader takes all that comes
    const byte_stream_handler handler = {.arg = c, .on_bytes = on_bytes, .on_end = on_end};
    TRY(byte_stream_new(c->l, fd, &limits, &handler, &c->stream, e));
    c->reader = new_reader(c);
    c->unread = 0;
    if (c->reader == NULL) {
        return STATUS_LIMIT;
    }
    if (c->server->tls != NULL) {
        TRY(byte_stream_start_tls(c->stream, c->server->tls, slice_from_text(c->server->host), e));
    }
    return byte_stream_write_secret(c->stream, &c->greeting);
}

static void on_connected(void *arg, const connect_result *result) {
    redis_connection *c = arg;
    c->phase = REDIS_GREETING;
    if (result->code != STATUS_OK) {
        char text[256];
        snprintf(text, sizeof text, "%.240s", result->e->message);
        lose(c, result->code == STATUS_IO ? STATUS_CLOSED : result->code, text);
        return;
    }
    err e = {.message = "no memory for a connection"};
    status code = open_stream(c, result->fd, &e);
    if (code != STATUS_OK) {
        lose(c, code, e.message);
    }
}

static void on_no_start(void *arg) { lose(arg, STATUS_CLOSED, "the connection could not be asked for"); }

void redis_connection_start(redis_connection *c, slice password) {
    CHECK(c->phase == REDIS_IDLE);
    connect_request request = {.purpose = CONNECT_SOCKETS,
                               .protocol = CONNECT_TCP,
                               .action = CONNECT_TO,
                               .host = slice_from_text(c->server->host),
                               .port = c->server->port,
                               .deadline_ns = loop_now_ns(c->l) + connect_ns_max};
    loop_timer_init(&c->timer, c->l, on_timer, c);
    if (make_greeting(c, password) != STATUS_OK ||
        connector_request(c->connector, &request, on_connected, c, &c->connect_id, NULL) != STATUS_OK) {
        c->phase = REDIS_GREETING; // nothing to cancel
        loop_timer_init(&c->timer, c->l, on_no_start, c);
        loop_timer_start_in(&c->timer, 0);
        return;
    }
    c->phase = REDIS_CONNECTING;
    loop_timer_start_in(&c->timer, connect_ns_max + second);
}
