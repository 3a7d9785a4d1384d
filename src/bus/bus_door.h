// SPDX-License-Identifier: Apache-2.0
// A door to a bus for programs that speak NATS: the server's end of its client protocol on a listening
// socket. Who comes in is one of the users that the door was told of; each has a bus of its own behind it (or
// the same as another), and may publish and subscribe to what was named and nothing else.
//
// What there is: INFO, CONNECT (an nkey's signature, alone or with a user JWT, or user and password), SUB
// with queue groups, UNSUB with a number, PUB, HPUB, MSG, HMSG, PING, PONG, +OK, -ERR; headers; the answer
// 503 of no_responders. What there is not: TLS (the socket is a local one), JetStream, echo off, clusters.
//
// A JWT is read for the key that it names and is believed in nothing else: the signature of the server's
// nonce proves the key, and the door knows the rest.
//
// Bounds: connections, subscriptions, bytes of a message, a line, bytes queued for a client: one that does
// not read is cut, as servers do. Before it has proved who it is a client gets one line of its own in, and
// little time.
//
// Threads: all on the thread of the loop. Callbacks come from the loop only, never from inside a function of
// this header, and may call anything here.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "bus/bus.h"
#include "identity/nkey.h"
#include "loop/loop.h"

typedef struct bus_door bus_door;
typedef struct bus_door_user bus_door_user;

enum {
    BUS_DOOR_USERS_MAX = 4096,
    BUS_DOOR_PATTERNS_MAX = 256, // of one list of a user
    BUS_DOOR_NAME_BYTES_MAX = 256,
    BUS_DOOR_ANSWERS_MAX = 1024, // reply subjects that a connection may still publish to
};

typedef enum bus_door_event {
    BUS_DOOR_CAME,    // a user's connection is up
    BUS_DOOR_WENT,    // and has ended; the text says why
    BUS_DOOR_REFUSED, // somebody who is no user, or breaks the protocol before it is one; `user` is NULL
    BUS_DOOR_DENIED,  // a subject that is not allowed; the connection goes on
} bus_door_event;

typedef struct bus_door_counts {
    uint64_t connections; // now
    uint64_t came;
    uint64_t refused;
    uint64_t denied;
    uint64_t slow;    // cut because they did not read
    uint64_t dropped; // messages that the bus did not take
} bus_door_counts;

typedef struct bus_door_options {
    loop *l;
    int listener;             // listening, non-blocking, TCP or local; taken over, also on failure
    size_t connections_max;   // 0 = 1024
    size_t subscriptions_max; // of a connection; 0 = 16384
    size_t payload_bytes_max; // with headers; 0 = 1 MiB
    size_t out_bytes_max;     // queued for one; 0 = 64 MiB
    uint64_t greeting_ns_max; // until a client has proved who it is; 0 = 2 s
    uint64_t ping_ns;         // a client that is silent for that long is asked, twice; 0 = 60 s
    // For logs and the audit; `text` is a sentence, printable. May be NULL.
    void (*on_event)(void *arg, bus_door_event event, const bus_door_user *user, const char *text);
    void *arg;
} bus_door_options;

status bus_door_new(const bus_door_options *options, bus_door **ret, err *e) WRIT_MUST_USE;
// Cuts all; its users are gone with it. Before the buses behind it are freed.
void bus_door_free(bus_door *d); // accepts NULL
bus_door_counts bus_door_count(const bus_door *d);

typedef struct bus_door_subjects { // patterns
    const slice *items;
    size_t count;
} bus_door_subjects;

typedef struct bus_door_user_options { // all copied
    slice name;                        // for logs
    bus *b;                            // behind the door, for this user; stays until it is removed
    const nkey_public *key;            // a user key; NULL = none
    slice user, password;              // both or none; at least one of the two ways
    bus_door_subjects publish;         // what it may publish to
    bus_door_subjects subscribe;       // what it may subscribe to: a pattern of its own must be within one
    bool may_answer;                   // it may publish to the reply subjects of what it got, and below them
    size_t connections_max;            // of this user; 0 = 16
    void *data;                        // the caller's, see bus_door_user_data
} bus_door_user_options;

// STATUS_EXISTS for a key or a name of a user that another one has, STATUS_INVALID, STATUS_LIMIT.
status bus_door_add_user(bus_door *d, const bus_door_user_options *options, bus_door_user **ret,
                         err *e) WRIT_MUST_USE;
void bus_door_remove_user(bus_door_user *u); // and cuts its connections; accepts NULL
const char *bus_door_user_name(const bus_door_user *u);
void *bus_door_user_data(const bus_door_user *u);
size_t bus_door_user_connections(const bus_door_user *u); // now

// A JWT for clients that want one beside the seed: it names the key, signed by the key itself.
status bus_door_write_jwt(const nkey *user, slice name, buf *ret) WRIT_MUST_USE;
