// SPDX-License-Identifier: Apache-2.0
// One connection to a Redis server on the loop: commands go out in order, many at a time, and replies come
// back in the same order. hiredis reads the replies.
//
// Callbacks come from the loop only. They may send commands and stop the connection; its memory is the link's
// and stays while a callback runs.
#pragma once

#include <hiredis/hiredis.h>

#include "loop/loop.h"
#include "net/byte_stream.h"
#include "net/connector.h"

typedef struct redis_connection redis_connection;

enum {
    REDIS_IN_FLIGHT_MAX = 4096,       // commands of one connection
    REDIS_OUT_BYTES_MAX = 64 << 20,   // that wait for the kernel
    REDIS_REPLY_BYTES_MAX = 40 << 20, // of one reply
    REDIS_REPLY_ITEMS_MAX = 1 << 16,  // likewise, in all of its lists
};

#if HIREDIS_MAJOR > 0
typedef size_t redis_count; // as hiredis counts what is in a list
#else
typedef int redis_count;
#endif

typedef struct redis_events {
    void *arg;
    void (*on_up)(void *arg, redis_connection *c);
    // A reply to the command that was sent with `tag`; never for one that was forgotten.
    void (*on_reply)(void *arg, redis_connection *c, void *tag, const redisReply *reply);
    // The connection is gone, and with it the command of that tag: whether it was done is not known. Before
    // on_lost.
    void (*on_unanswered)(void *arg, redis_connection *c, void *tag);
    // It could not be made, or was lost. redis_connection_start may be called again, also from here.
    void (*on_lost)(void *arg, redis_connection *c, status why, const char *text);
} redis_events;

typedef enum redis_phase { REDIS_IDLE, REDIS_CONNECTING, REDIS_GREETING, REDIS_READY } redis_phase;

typedef struct redis_server { // borrowed for the connection's life
    const char *host;
    uint16_t port;
    uint32_t database;
    slice user;        // empty = the default one
    tls_context *tls;  // NULL = in the clear
    uint64_t stall_ns; // a server that owes replies and sends nothing for so long is gone
} redis_server;

struct redis_connection {
    loop *l;
    connector *connector;
    const redis_server *server;
    redis_events events;
    redis_phase phase;
    uint64_t connect_id;
    byte_stream *stream;
    loop_timer timer; // connecting, greeting, stalled
    redisReader *reader;
    redisReplyObjectFunctions makers; // of replies, for the reader
    void *(*make_list)(const redisReadTask *, redis_count);
    size_t items;              // announced by the lists of the reply that is read
    size_t unread;             // bytes of a reply that is not complete
    secret greeting;           // until it is sent
    unsigned greeting_replies; // that are still to come
    bool is_reading;           // the reader is in use below a callback
    void **tags;               // ring of the commands in flight; NULL = forgotten
    uint64_t first;            // number of the oldest
    uint64_t next;
};

void redis_connection_init(redis_connection *c, loop *l, connector *by, const redis_server *server,
                           const redis_events *events);
void redis_connection_done(redis_connection *c); // must be stopped, outside of its callbacks

// Connects and greets; ends in on_up or on_lost, later. `password` is borrowed for this call; empty = no
// AUTH.
void redis_connection_start(redis_connection *c, slice password);
// Cuts; no callback follows, commands in flight are forgotten.
void redis_connection_stop(redis_connection *c);

static inline size_t redis_in_flight(const redis_connection *c) { return (size_t)(c->next - c->first); }

// Sends one command of `count` words. `*ret` is its number. STATUS_LIMIT, STATUS_CLOSED: nothing was sent.
status redis_connection_send(redis_connection *c, const slice *words, size_t count, void *tag, uint64_t *ret);
// The reply will be dropped.
void redis_connection_forget(redis_connection *c, uint64_t number);
