// SPDX-License-Identifier: Apache-2.0
// What a client of NATS sends, one operation at a time. Pure; reads hostile bytes (fuzz/fuzz_door.c).
//
//   CONNECT {json}, PING, PONG, SUB subject [queue] sid, UNSUB sid [max], PUB subject [reply] bytes,
//   HPUB subject [reply] header-bytes all-bytes; each line ends with CR LF, and so does the payload.
#pragma once

#include "base/attributes.h"
#include "base/slice.h"
#include "base/status.h"
#include "crypto/sign.h"
#include "identity/nkey.h"

enum {
    DOOR_LINE_BYTES_MAX = 4096,        // of a line that is no CONNECT
    DOOR_CONNECT_BYTES_MAX = 64 << 10, // of one that is
    DOOR_SID_BYTES_MAX = 32,
    DOOR_PASSWORD_BYTES_MAX = 1024,
};

typedef enum door_op { DOOR_CONNECT, DOOR_PING, DOOR_PONG, DOOR_SUB, DOOR_UNSUB, DOOR_PUB } door_op;

typedef struct door_request { // slices are borrowed from the input
    door_op op;
    slice json;    // CONNECT
    slice sid;     // SUB, UNSUB
    slice queue;   // SUB; empty = none
    uint64_t max;  // UNSUB; 0 = at once
    slice subject; // SUB, PUB
    slice reply;
    slice headers;
    slice payload;
} door_request;

// STATUS_OK: `*ret` was in the first `*ret_used` bytes; STATUS_NOT_FOUND: it has not come as a whole; else
// the client is told `*ret_error`, as a server words it, and cut. Before the client is known nothing but
// CONNECT, PING and PONG is read (STATUS_DENIED).
status door_parse(slice bytes, bool is_known, size_t payload_max, door_request *ret, size_t *ret_used,
                  const char **ret_error) WRIT_MUST_USE;

// What a CONNECT says, checked.
typedef struct door_connect {
    bool is_verbose;
    bool has_headers;
    bool has_no_responders;
    bool has_key; // and its signature
    nkey_public key;
    uint8_t signature[SIGN_SIGNATURE_BYTES];
    char user[DOOR_PASSWORD_BYTES_MAX + 1]; // empty = none
    char password[DOOR_PASSWORD_BYTES_MAX + 1];
} door_connect;

status door_connect_read(slice json, door_connect *ret, const char **ret_error) WRIT_MUST_USE;
