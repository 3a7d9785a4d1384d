// SPDX-License-Identifier: Apache-2.0
// The value encoding of wRPC: what arguments and results look like when they leave a process. Values follow
// each other without names, tags or padding, so both ends must know the types.
//
//   bool 00|01 · u8 s8 one byte · other integers LEB128 · f32 f64 little-endian · char its UTF-8
//   string: byte length, UTF-8 · list: count, items (list<u8>: count, bytes) · record, tuple: the fields
//   option: 00 | 01 value · result: 00 ok | 01 err · variant, enum: case number, payload
//   flags: bit i of ceil(n/8) bytes, little-endian · handles: byte length, bytes · lengths and counts are u32
//
// Integers. We write the shortest form. Signed integers that need all bytes of their width (3, 5 or 10) get a
// last byte without sign extension (mask 03, 0f, 01): the readers of wasmCloud 1.x refuse the usual form
// there, and readers that take the usual form get the same bits. We read both forms, and padding within the
// width. Flags. Some writers of wasmCloud 1.x use 4, 8 or 16 bytes where 3, 5 to 7 or 9 to 15 are due (17-24
// and 33-56 flags); nothing in the bytes tells these apart, so flags of such a count are read and written as
// the readers do. A future or a stream as a value is a pending one: the single byte 00.
//
// Pure: no input or output, no allocation but by the writer's buffer. Reading is safe for hostile input; what
// it returns borrows from the input. Fuzzed by fuzz/fuzz_values.c.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

// --- reading -----------------------------------------------------------------------------------------------

// The first failure sticks: later reads give 0 or nothing, so that callers check once, at the end.
typedef struct values_reader {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    const char *problem; // NULL while all is well
} values_reader;

values_reader values_reader_of(slice bytes);
static inline bool values_read_ok(const values_reader *r) { return r->problem == NULL; }
// STATUS_OK when everything was read and nothing is left; else STATUS_INVALID, and a sentence that begins
// with `what` ("result of get") and says where.
status values_read_end(const values_reader *r, const char *what, err *e) WRIT_MUST_USE;
// For rules of the caller's own; the text must be constant. Keeps an earlier problem.
void values_read_fail(values_reader *r, const char *problem);

bool values_read_bool(values_reader *r);
uint8_t values_read_u8(values_reader *r);
uint16_t values_read_u16(values_reader *r);
uint32_t values_read_u32(values_reader *r);
uint64_t values_read_u64(values_reader *r);
int8_t values_read_s8(values_reader *r);
int16_t values_read_s16(values_reader *r);
int32_t values_read_s32(values_reader *r);
int64_t values_read_s64(values_reader *r);
uint32_t values_read_f32(values_reader *r); // the bits, NaN payloads included
uint64_t values_read_f64(values_reader *r);
uint32_t values_read_char(values_reader *r);
slice values_read_string(values_reader *r); // valid UTF-8
slice values_read_bytes(values_reader *r);  // list<u8>, or a handle

enum { VALUES_EMPTY_ITEMS_MAX = 1 << 16 };
// The count of a list whose items take at least `item_bytes_min` bytes each: never more than what is left can
// hold, so that memory for the items may be had at once. Items of no bytes: at most VALUES_EMPTY_ITEMS_MAX.
uint32_t values_read_count(values_reader *r, size_t item_bytes_min);
bool values_read_option(values_reader *r);                   // whether a value follows
bool values_read_is_ok(values_reader *r);                    // of a result: true = ok
uint32_t values_read_case(values_reader *r, uint32_t count); // of a variant or enum: below `count`
void values_read_flags(values_reader *r, uint32_t count,
                       uint8_t *ret); // ceil(count/8) bytes; no bit past them

// --- writing -----------------------------------------------------------------------------------------------

// Sticky too: after the first failure (STATUS_LIMIT: the buffer's maximum) nothing is written.
typedef struct values_writer {
    buf *out; // appended to
    status code;
} values_writer;

static inline values_writer values_writer_of(buf *out) { return (values_writer){out, STATUS_OK}; }
status values_write_end(const values_writer *w, const char *what, err *e) WRIT_MUST_USE;

void values_write_bool(values_writer *w, bool value);
void values_write_u8(values_writer *w, uint8_t value);
void values_write_u16(values_writer *w, uint16_t value);
void values_write_u32(values_writer *w, uint32_t value);
void values_write_u64(values_writer *w, uint64_t value);
void values_write_s8(values_writer *w, int8_t value);
void values_write_s16(values_writer *w, int16_t value);
void values_write_s32(values_writer *w, int32_t value);
void values_write_s64(values_writer *w, int64_t value);
void values_write_f32(values_writer *w, uint32_t bits);
void values_write_f64(values_writer *w, uint64_t bits);
void values_write_char(values_writer *w, uint32_t code); // a Unicode scalar value
void values_write_string(values_writer *w, slice text);  // UTF-8; STATUS_LIMIT over 4 GiB
void values_write_bytes(values_writer *w, slice bytes);
void values_write_count(values_writer *w, uint32_t count);
void values_write_option(values_writer *w, bool has_value);
void values_write_is_ok(values_writer *w, bool is_ok);
void values_write_case(values_writer *w, uint32_t number);
void values_write_flags(values_writer *w, uint32_t count, const uint8_t *bits);
