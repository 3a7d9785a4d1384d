// SPDX-License-Identifier: Apache-2.0
// Messages of PostgreSQL's frontend/backend protocol, version 3. Pure. Reading is safe for hostile bytes (a
// server is not believed more than anybody else) and fuzzed by fuzz/fuzz_postgres.c.
//
// Source: PostgreSQL's manual, "Frontend/Backend Protocol".
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

// --- reading -----------------------------------------------------------------------------------------------

typedef struct postgres_message {
    char type;
    slice body;
} postgres_message;

// The first message in `bytes`. STATUS_NOT_FOUND when it is not complete, STATUS_LIMIT when it is of more
// than `max` bytes, STATUS_INVALID for a length that cannot be. `*ret_bytes` is how long it is with its head.
status postgres_message_read(slice bytes, size_t max, postgres_message *ret, size_t *ret_bytes,
                             err *e) WRIT_MUST_USE;

// The parts of a body. The first failure sticks: later reads give 0 or nothing.
typedef struct postgres_reader {
    slice rest;
    bool has_failed;
} postgres_reader;

static inline postgres_reader postgres_reader_of(slice body) { return (postgres_reader){body, false}; }
uint8_t postgres_read_u8(postgres_reader *r);
uint16_t postgres_read_u16(postgres_reader *r);
uint32_t postgres_read_u32(postgres_reader *r);
uint64_t postgres_read_u64(postgres_reader *r);
slice postgres_read_text(postgres_reader *r); // up to a NUL, which is taken
slice postgres_read_bytes(postgres_reader *r, size_t count);
// Whether all was read, and nothing is left.
bool postgres_read_end(const postgres_reader *r);

enum { POSTGRES_STATE_BYTES = 5 };

typedef struct postgres_error {
    char state[POSTGRES_STATE_BYTES + 1]; // "XX000" when it has none
    slice message;
    slice detail;
    bool is_fatal;
} postgres_error;

// ErrorResponse and NoticeResponse; what is missing is empty.
void postgres_error_read(slice body, postgres_error *ret);

// How many rows a CommandComplete is about, and its first word.
uint64_t postgres_tag_rows(slice tag);
slice postgres_tag_word(slice tag);

// --- writing -----------------------------------------------------------------------------------------------

// Sticky, as codec/values.h.
typedef struct postgres_writer {
    buf *out;
    size_t start; // of the message that is being written
    status code;
} postgres_writer;

static inline postgres_writer postgres_writer_of(buf *out) { return (postgres_writer){out, 0, STATUS_OK}; }
void postgres_begin(postgres_writer *w, char type); // '\0': a message without a type, at the start
void postgres_write_u8(postgres_writer *w, uint8_t value);
void postgres_write_u16(postgres_writer *w, uint16_t value);
void postgres_write_u32(postgres_writer *w, uint32_t value);
void postgres_write_text(postgres_writer *w, slice text); // and a NUL
void postgres_write_bytes(postgres_writer *w, slice bytes);
// Room for `bytes` of a body, which the caller fills at once; NULL after a failure.
uint8_t *postgres_write_room(postgres_writer *w, size_t bytes);
void postgres_end(postgres_writer *w);
// Messages of a text, or of nothing.
void postgres_write_query(postgres_writer *w, const char *text);
void postgres_write_sync(postgres_writer *w);

enum { POSTGRES_PROTOCOL = 196608, POSTGRES_SSL_REQUEST = 80877103, POSTGRES_CANCEL_REQUEST = 80877102 };
