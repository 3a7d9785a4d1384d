// SPDX-License-Identifier: Apache-2.0
#include "host/wire.h"

static uint64_t read_number(wire_reader *r, size_t bytes) {
    if (r->has_failed || r->rest.len < bytes) {
        r->has_failed = true;
        return 0;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++) {
        v |= (uint64_t)r->rest.data[i] << (8 * i);
    }
    r->rest = slice_sub(r->rest, bytes, r->rest.len);
    return v;
}

uint8_t wire_read_u8(wire_reader *r) { return (uint8_t)read_number(r, 1); }
uint16_t wire_read_u16(wire_reader *r) { return (uint16_t)read_number(r, 2); }
uint32_t wire_read_u32(wire_reader *r) { return (uint32_t)read_number(r, 4); }
uint64_t wire_read_u64(wire_reader *r) { return read_number(r, 8); }

bool wire_read_bool(wire_reader *r) {
    uint8_t v = wire_read_u8(r);
    r->has_failed = r->has_failed || v > 1;
    return v == 1;
}

slice wire_read_bytes(wire_reader *r, size_t max) {
    uint32_t len = wire_read_u32(r);
    if (r->has_failed || len > max || len > r->rest.len) {
        r->has_failed = true;
        return slice_empty();
    }
    slice bytes = slice_sub(r->rest, 0, len);
    r->rest = slice_sub(r->rest, len, r->rest.len);
    return bytes;
}

bool wire_read_is_done(const wire_reader *r) { return !r->has_failed && r->rest.len == 0; }

static void write_number(wire_writer *w, uint64_t v, size_t bytes) {
    uint8_t text[8];
    for (size_t i = 0; i < bytes; i++) {
        text[i] = (uint8_t)(v >> (8 * i));
    }
    w->has_failed = w->has_failed || buf_append(w->out, slice_of(text, bytes)) != STATUS_OK;
}

void wire_write_u8(wire_writer *w, uint8_t v) { write_number(w, v, 1); }
void wire_write_u16(wire_writer *w, uint16_t v) { write_number(w, v, 2); }
void wire_write_u32(wire_writer *w, uint32_t v) { write_number(w, v, 4); }
void wire_write_u64(wire_writer *w, uint64_t v) { write_number(w, v, 8); }
void wire_write_bool(wire_writer *w, bool v) { write_number(w, v ? 1 : 0, 1); }

void wire_write_bytes(wire_writer *w, slice bytes) {
    w->has_failed = w->has_failed || bytes.len > UINT32_MAX;
    write_number(w, bytes.len, 4);
    w->has_failed = w->has_failed || buf_append(w->out, bytes) != STATUS_OK;
}
