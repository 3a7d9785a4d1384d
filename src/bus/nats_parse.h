// SPDX-License-Identifier: Apache-2.0
// What a NATS server sends, one operation at a time. Pure; reads hostile bytes (fuzz/fuzz_nats.c).
//
//   INFO {json}, MSG subject sid [reply] bytes, HMSG subject sid [reply] header-bytes all-bytes, PING, PONG,
//   +OK, -ERR 'text'; each line ends with CR LF, and so does the payload behind MSG and HMSG.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

enum {
    NATS_LINE_BYTES_MAX = 8 << 10,   // of a line that is no INFO
    NATS_INFO_BYTES_MAX = 256 << 10, // of one that is
    NATS_SUBJECT_BYTES_MAX = 3584,
    NATS_PAYLOAD_BYTES_MAX = 64 << 20, // with headers; more is no message of any server
};

typedef enum nats_op {
    NATS_OP_MESSAGE,
    NATS_OP_INFO,
    NATS_OP_PING,
    NATS_OP_PONG,
    NATS_OP_OK,
    NATS_OP_ERROR,
} nats_op;

typedef struct nats_event { // slices are borrowed from the input
    nats_op op;
    uint64_t sid;
    slice subject;
    slice reply;   // empty = none
    slice headers; // the block with its version line and the empty line; empty = none
    slice payload;
    size_t left_out; // bytes that follow and are to be passed over: a message that is too long; else 0
    slice text;      // INFO: the JSON; ERROR: the sentence without quotes
} nats_event;

// STATUS_OK: `*ret` was in the first `*ret_used` bytes; STATUS_NOT_FOUND: it has not come as a whole;
// STATUS_INVALID, STATUS_LIMIT: the connection is of no use any more. Of a message with more than
// `payload_max` bytes there is only the line: whoever may publish must not be able to cut those who listen.
status nats_parse(slice bytes, size_t payload_max, nats_event *ret, size_t *ret_used, err *e) WRIT_MUST_USE;

// --- headers -----------------------------------------------------------------------------------------------

// The number behind the version, such as 503 in "NATS/1.0 503"; 0 without one. `*ret_text` is what follows.
unsigned nats_headers_status(slice headers, slice *ret_text);
// The next field, `*at` being 0 at first; false at the end. Values without the blanks around them.
bool nats_headers_next(slice headers, size_t *at, slice *ret_name, slice *ret_value);
// The first field of that name (in any case of letters).
bool nats_headers_find(slice headers, const char *name, slice *ret_value);
