// SPDX-License-Identifier: Apache-2.0
// What a server of gRPC sends back in one call, read piece by piece: the lines of its head and trailers, and
// the messages in its body. Knows no connection, so that hostile answers can be tried out without one.
//
// Messages may hold keys: they are collected in locked memory that is wiped.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/secret.h"

enum {
    GRPC_PREFIX_BYTES = 5, // a flag and a length of four bytes
    GRPC_TEXT_BYTES_MAX = 256,
    GRPC_HEADER_BYTES_MAX = 16 << 10, // with the trailers
};

// Zeroed but for the first three fields.
typedef struct grpc_answer {
    size_t message_bytes_max;
    // A whole message, which is the callee's from now on; anything but STATUS_OK ends the reading.
    status (*message)(void *arg, secret *message, err *e);
    void *arg;

    bool is_grpc;  // HTTP status 200 and the content type of gRPC: only then a body has messages
    bool has_code; // "grpc-status" was there
    unsigned code; // GRPC_UNKNOWN for one that is none
    char text[GRPC_TEXT_BYTES_MAX]; // "grpc-message", decoded; what could steer a terminal is '?'

    // Below: the reading's own.
    bool is_200;
    size_t header_bytes;
    uint8_t prefix[GRPC_PREFIX_BYTES];
    size_t prefix_len;
    secret body; // as long as the message will be
    size_t body_len;
} grpc_answer;

// One line of the head or the trailers, with or without its line end. STATUS_LIMIT when all together are too
// long.
status grpc_answer_line(grpc_answer *a, slice line, err *e) WRIT_MUST_USE;
// The next bytes of the body; passed over unless the head was one of gRPC. STATUS_INVALID for a compressed
// message, STATUS_LIMIT for one that is too large (which is known before it is there), or what `message`
// said.
status grpc_answer_body(grpc_answer *a, slice bytes, err *e) WRIT_MUST_USE;
void grpc_answer_done(grpc_answer *a); // wipes what was half read; idempotent
