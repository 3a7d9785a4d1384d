// SPDX-License-Identifier: Apache-2.0
// Numbers and byte strings in the messages between our own processes: little-endian, lengths first. Readers
// check every length; the first failure sticks, so that a decoder reads all its fields and asks once at the
// end.
#pragma once

#include "base/buf.h"

typedef struct wire_reader {
    slice rest;
    bool has_failed;
} wire_reader;

static inline wire_reader wire_reader_of(slice bytes) { return (wire_reader){bytes, false}; }

uint8_t wire_read_u8(wire_reader *r);
uint16_t wire_read_u16(wire_reader *r);
uint32_t wire_read_u32(wire_reader *r);
uint64_t wire_read_u64(wire_reader *r);
bool wire_read_bool(wire_reader *r);               // anything but 0 and 1 fails
slice wire_read_bytes(wire_reader *r, size_t max); // borrowed from the message
// Whether everything was read, and nothing is left over.
bool wire_read_is_done(const wire_reader *r);

// Writing into a buffer whose maximum fits by construction; over it the result sticks in `has_failed`.
typedef struct wire_writer {
    buf *out;
    bool has_failed;
} wire_writer;

static inline wire_writer wire_writer_of(buf *out) { return (wire_writer){out, false}; }

void wire_write_u8(wire_writer *w, uint8_t v);
void wire_write_u16(wire_writer *w, uint16_t v);
void wire_write_u32(wire_writer *w, uint32_t v);
void wire_write_u64(wire_writer *w, uint64_t v);
void wire_write_bool(wire_writer *w, bool v);
void wire_write_bytes(wire_writer *w, slice bytes);
