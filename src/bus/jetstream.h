// SPDX-License-Identifier: Apache-2.0
// What JetStream, the store of NATS servers, is asked and answers: requests as JSON on subjects below
// $JS.API, messages that are kept by being published. Pure; reads hostile bytes (fuzz/fuzz_nats.c).
//
//   $JS.API.STREAM.INFO.<stream>                    -> jetstream_stream
//   $JS.API.STREAM.CREATE.<stream>, DELETE, PURGE   -> a fault or none
//   $JS.API.STREAM.MSG.GET.<stream>                 -> jetstream_message, from the stream's leader
//   $JS.API.DIRECT.GET.<stream>.<subject>           -> the message itself, with Nats-Sequence among its
//   headers $JS.API.CONSUMER.CREATE.<stream>.<consumer>     -> the count of messages that it will give
//   $JS.API.CONSUMER.MSG.NEXT.<stream>.<consumer>   -> messages, whose reply subjects say their places
// Names of streams have neither blanks, dots, wildcards nor slashes.
#pragma once

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
    JETSTREAM_NAME_BYTES_MAX = 255,
    JETSTREAM_TEXT_BYTES_MAX = 160,
    // Numbers of faults.
    JETSTREAM_NO_PEERS = 10005,   // for so many replicas, or not yet
    JETSTREAM_NO_CLUSTER = 10008, // for now: it has no leader
    JETSTREAM_NO_LEADER = 10009,  // likewise
    JETSTREAM_NO_MESSAGE = 10037,
    JETSTREAM_TOO_LONG = 10054,
    JETSTREAM_FULL = 10077,
    JETSTREAM_NAME_IN_USE = 10058,
    JETSTREAM_NO_STREAM = 10059,
    JETSTREAM_WRONG_SEQUENCE = 10071, // Nats-Expected-Last-Subject-Sequence
};

#define JETSTREAM_EXPECTED_SEQUENCE "Nats-Expected-Last-Subject-Sequence"

// What went wrong on the server's side; `number` 0 = nothing.
typedef struct jetstream_fault {
    uint32_t number;
    char text[JETSTREAM_TEXT_BYTES_MAX]; // printable
} jetstream_fault;

typedef struct jetstream_stream {
    bool has_direct; // DIRECT.GET is served
    uint64_t replicas;
    int64_t history; // messages per subject; -1 = no bound
    uint64_t messages;
    uint64_t first_sequence;
    uint64_t last_sequence;
    uint64_t created_s; // since 1970; 0 = not told
} jetstream_stream;

typedef struct jetstream_message {
    slice subject; // in the arena
    slice headers;
    slice payload;
    uint64_t sequence;
    uint64_t time_s; // since 1970; 0 = not told
} jetstream_message;

// Each: STATUS_OK with `*fault`, and the rest only when it is none; STATUS_INVALID for what is no answer.
// The sequence that a published message got.
status jetstream_read_ack(slice json, jetstream_fault *fault, uint64_t *ret_sequence, err *e) WRIT_MUST_USE;
status jetstream_read_done(slice json, jetstream_fault *fault, err *e) WRIT_MUST_USE;
status jetstream_read_stream(slice json, jetstream_fault *fault, jetstream_stream *ret, err *e) WRIT_MUST_USE;
status jetstream_read_message(slice json, arena *a, jetstream_fault *fault, jetstream_message *ret,
                              err *e) WRIT_MUST_USE;
status jetstream_read_consumer(slice json, jetstream_fault *fault, uint64_t *ret_pending,
                               err *e) WRIT_MUST_USE;

// The answer of DIRECT.GET, by its headers: STATUS_OK; STATUS_NOT_FOUND when there is no such message.
status jetstream_read_direct(slice headers, uint64_t *ret_sequence, err *e) WRIT_MUST_USE;

// The place of a message that a consumer gave, from its reply subject ($JS.ACK. ...); false when it is none.
typedef struct jetstream_place {
    uint64_t sequence; // in the stream
    uint64_t number;   // of those that the consumer gave, from 1
    uint64_t pending;  // to come
} jetstream_place;
bool jetstream_read_place(slice reply, jetstream_place *ret);

// The stream behind a bucket of keys and values with one value per key, as the server's own clients make it.
status jetstream_write_bucket(const char *bucket, uint64_t replicas, bool in_memory, buf *ret) WRIT_MUST_USE;
