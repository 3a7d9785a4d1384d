// SPDX-License-Identifier: Apache-2.0
// What the files of the door share.
#pragma once

#include "base/siphash.h"
#include "bus/bus_door.h"
#include "bus/door_parse.h"
#include "crypto/hash.h"
#include "net/byte_stream.h"

enum {
    DOOR_NONCE_BYTES = 24, // of its text, with the NUL
    DOOR_SID_PLACES = 256,
    DOOR_TEXT_BYTES = 256,
};

typedef struct door_patterns {
    char **items;
    size_t count;
} door_patterns;

struct bus_door_user {
    list_node node;
    bus_door *d;
    char *name;
    bus *b;
    bool has_key;
    nkey_public key;
    char *user; // NULL = none
    uint8_t password[HASH_BYTES];
    door_patterns publish;
    door_patterns subscribe;
    bool may_answer;
    size_t connections_max;
    size_t connections;
    void *data;
};

typedef struct door_subscription door_subscription;

typedef struct door_client {
    list_node node;
    bus_door *d;
    bus_door_user *u;    // NULL until it is known
    byte_stream *stream; // NULL = it was cut
    loop_timer timer;    // the end of the greeting; the next look whether it is alive
    char nonce[DOOR_NONCE_BYTES];
    bool is_verbose;
    bool has_headers;
    bool has_no_responders;
    bool was_heard;
    unsigned silences;
    list_node subscriptions;
    size_t subscription_count;
    door_subscription *places[DOOR_SID_PLACES];
    uint64_t *answers; // hashes of reply subjects, a ring; NULL = it may not answer
    size_t answer_at;
    unsigned holds;
} door_client;

struct bus_door {
    bus_door_options options;
    siphash_key hash_key;
    int listener;
    loop_watch watch;
    loop_timer accept_again;
    list_node users;
    size_t user_count;
    list_node clients;
    uint64_t id;
    uint64_t last_id; // of a client
    bus_door_counts counts;
    unsigned holds;
    bool is_freed;
};

void bus_door_release(bus_door *d); // a hold
void bus_door_tell(bus_door *d, bus_door_event event, const bus_door_user *u, const char *text);
// The user who proves itself so; NULL when it is none.
bus_door_user *bus_door_find(const bus_door *d, const door_connect *c, const char *nonce);

// Takes `fd` over.
void door_client_begin(bus_door *d, int fd);
// Without a word to anybody; it is freed when nothing of it runs.
void door_client_cut(door_client *c);
