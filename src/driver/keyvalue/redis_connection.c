// SPDX-License-Identifier: Apache-2.0
#include "driver/keyvalue/redis_connection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "codec/utf.h"
#include "os/fd.h"
#include "os/socket.h"

enum {
    READ_BYTES = 64 << 10,
    READS_MAX = 4, // in one turn
    KEPT_OUT_BYTES = 1 << 20,
    WORD_HEAD_BYTES = 32,
};

static const uint64_t second = 1000000000;
static const uint64_t connect_ns_max = 5 * 1000000000ull;

static void on_timer(void *arg);
static void on_flush(void *arg);
static void on_event(void *arg, unsigned events);

void redis_connection_init(redis_connection *c, loop *l, connector *by, const redis_server *server,
                           const redis_events *events) {
    *c = (redis_connection){.l = l, .connector = by, .server = server, .events = *events, .fd = -1};
    c->tags = mem_calloc(REDIS_IN_FLIGHT_MAX, sizeof(void *));
    buf_init(&c->out, 2 * (size_t)REDIS_OUT_BYTES_MAX);
    loop_soon_init(&c->flush, on_flush, c);
    loop_timer_init(&c->timer, l, on_timer, c);
}

void redis_connection_stop(redis_connection *c) {
    if (c->phase == REDIS_CONNECTING) {
        connector_cancel(c->connector, c->connect_id);
    }
    loop_watch_stop(&c->watch);
    fd_close(c->fd);
    c->fd = -1;
    c->phase = REDIS_IDLE;
    loop_soon_cancel(&c->flush);
    loop_timer_stop(&c->timer);
    secret_free(&c->greeting);
    c->greeting = (secret){0};
    buf_done(&c->out);
    buf_init(&c->out, 2 * (size_t)REDIS_OUT_BYTES_MAX);
    c->out_start = 0;
    c->is_blocked = false;
    c->first = c->next;
    if (c->reader != NULL && !c->is_reading) {
        redisReaderFree(c->reader);
        c->reader = NULL;
    }
}

void redis_connection_done(redis_connection *c) {
    redis_connection_stop(c);
    buf_done(&c->out);
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

static bool is_dead_socket(redis_connection *c, long n) {
    if (n >= 0 || n == -EAGAIN) {
        return false;
    }
    char text[96];
    snprintf(text, sizeof text, "the connection was lost (error %ld)", -n);
    lose(c, STATUS_CLOSED, text);
    return true;
}

static void set_blocked(redis_connection *c, bool is_blocked) {
    if (c->is_blocked != is_blocked) {
        c->is_blocked = is_blocked;
        loop_watch_set(&c->watch, LOOP_READABLE | (is_blocked ? LOOP_WRITABLE : 0u));
    }
}

// False when the kernel takes no more, or the connection is gone.
static bool flush_greeting(redis_connection *c) {
    size_t left = c->greeting.len - c->greeting_sent;
    if (left == 0) {
        return true;
    }
    long n = socket_send(c->fd, c->greeting.data + c->greeting_sent, left);
    if (is_dead_socket(c, n)) {
        return false;
    }
    c->greeting_sent += n > 0 ? (size_t)n : 0;
    if (c->greeting_sent < c->greeting.len) {
        set_blocked(c, true);
        return false;
    }
    secret_free(&c->greeting);
    c->greeting = (secret){0};
    c->greeting_sent = 0;
    return true;
}

static void flush(redis_connection *c) {
    if (c->fd < 0 || !flush_greeting(c)) {
        return;
    }
    size_t left = c->out.len - c->out_start;
    if (left > 0) {
        long n = socket_send(c->fd, c->out.data + c->out_start, left);
        if (is_dead_socket(c, n)) {
            return;
        }
        c->out_start += n > 0 ? (size_t)n : 0;
    }
    bool is_blocked = c->out_start < c->out.len;
    if (!is_blocked) {
        c->out_start = 0;
        buf_clear(&c->out);
        if (c->out.capacity > KEPT_OUT_BYTES) {
            buf_done(&c->out);
            buf_init(&c->out, 2 * (size_t)REDIS_OUT_BYTES_MAX);
        }
    }
    set_blocked(c, is_blocked);
}

static void on_flush(void *arg) { flush(arg); }

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
    if (redis_in_flight(c) >= REDIS_IN_FLIGHT_MAX || c->out.len - c->out_start + size > REDIS_OUT_BYTES_MAX) {
        return STATUS_LIMIT;
    }
    if (c->out_start > 0 && c->out_start >= c->out.len / 2) {
        buf_consume(&c->out, c->out_start);
        c->out_start = 0;
    }
    uint8_t *to = NULL;
    TRY(buf_reserve(&c->out, size, &to));
    c->out.len = (size_t)(put_command(to, words, count) - c->out.data);
    if (redis_in_flight(c) == 0) {
        loop_timer_start_in(&c->timer, c->server->stall_ns);
    }
    *ret = c->next;
    c->tags[c->next++ % REDIS_IN_FLIGHT_MAX] = tag;
    if (!c->is_blocked) {
        loop_soon_add(c->l, &c->flush);
    }
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

// Replies that are complete. A callback may have stopped the connection, or even made a new one.
static void take_replies(redis_connection *c, redisReader *reader) {
    for (;;) {
        void *reply = NULL;
        if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
            lose(c, STATUS_INVALID, "the server does not speak the protocol of Redis");
            return;
        }
        if (reply == NULL) {
            return;
        }
        c->unread = 0;
        on_reply(c, reply);
        freeReplyObject(reply);
        if (c->fd < 0 || c->reader != reader) {
            return;
        }
    }
}

// False when there is no more, or the connection is gone.
static bool receive(redis_connection *c) {
    char bytes[READ_BYTES];
    long n = socket_receive(c->fd, bytes, sizeof bytes);
    if (n == 0) {
        lose(c, STATUS_CLOSED, "the server closed the connection");
        return false;
    }
    if (is_dead_socket(c, n) || n < 0) {
        return false;
    }
    c->unread += (size_t)n;
    if (c->unread > REDIS_REPLY_BYTES_MAX) {
        lose(c, STATUS_LIMIT, "the server sent a reply that is too long");
        return false;
    }
    redisReader *reader = c->reader;
    if (redisReaderFeed(reader, bytes, (size_t)n) != REDIS_OK) {
        lose(c, STATUS_INVALID, "the server does not speak the protocol of Redis");
        return false;
    }
    c->is_reading = true;
    take_replies(c, reader);
    c->is_reading = false;
    if (c->fd < 0) { // stopped from below
        redisReaderFree(reader);
        c->reader = NULL;
        return false;
    }
    return n == READ_BYTES;
}

static void on_event(void *arg, unsigned events) {
    redis_connection *c = arg;
    if ((events & LOOP_WRITABLE) != 0) {
        flush(c);
    }
    for (int i = 0; c->fd >= 0 && i < READS_MAX && receive(c); i++) {
    }
    if (c->fd >= 0 && (events & LOOP_ERROR) != 0) {
        lose(c, STATUS_CLOSED, "the connection was lost");
    }
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
    c->greeting_sent = 0;
    return STATUS_OK;
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
    c->fd = result->fd;
    socket_option_set(c->fd, IPPROTO_TCP, TCP_NODELAY, 1);
    socket_option_set(c->fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    c->reader = redisReaderCreate();
    c->unread = 0;
    if (c->reader == NULL ||
        loop_watch_start(&c->watch, c->l, c->fd, LOOP_READABLE, on_event, c, NULL) != STATUS_OK) {
        lose(c, STATUS_LIMIT, "no memory for a connection");
        return;
    }
    flush(c);
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
