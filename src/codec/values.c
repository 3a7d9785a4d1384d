// SPDX-License-Identifier: Apache-2.0
#include "codec/values.h"

#include "base/check.h"
#include "codec/leb128.h"
#include "codec/utf.h"

// --- reading -----------------------------------------------------------------------------------------------

values_reader values_reader_of(slice bytes) {
    static const uint8_t nothing[1] = {0}; // an empty slice may have no address to count from
    const uint8_t *start = bytes.data == NULL ? nothing : bytes.data;
    return (values_reader){.start = start, .at = start, .end = start + bytes.len};
}

void values_read_fail(values_reader *r, const char *problem) {
    if (r->problem == NULL) {
        r->problem = problem;
    }
}

status values_read_end(const values_reader *r, const char *what, err *e) {
    if (r->problem != NULL) {
        return err_set(e, STATUS_INVALID, "%s: at byte %zu: %s", what, (size_t)(r->at - r->start),
                       r->problem);
    }
    if (r->at != r->end) {
        return err_set(e, STATUS_INVALID, "%s: %zu bytes too many at the end", what,
                       (size_t)(r->end - r->at));
    }
    return STATUS_OK;
}

// The next `count` bytes, or NULL.
static const uint8_t *take(values_reader *r, size_t count) {
    if (r->problem != NULL) {
        return NULL;
    }
    if ((size_t)(r->end - r->at) < count) {
        r->problem = "the input ends inside a value";
        return NULL;
    }
    const uint8_t *bytes = r->at;
    r->at += count;
    return bytes;
}

uint8_t values_read_u8(values_reader *r) {
    const uint8_t *p = take(r, 1);
    return p == NULL ? 0 : *p;
}

// 00 or 01; anything else is `problem`.
static bool read_two(values_reader *r, const char *problem) {
    uint8_t byte = values_read_u8(r);
    if (byte > 1) {
        r->at--;
        values_read_fail(r, problem);
        return false;
    }
    return byte == 1;
}

bool values_read_bool(values_reader *r) { return read_two(r, "a bool is 0 or 1"); }

static unsigned bytes_of_width(unsigned width) { return (width + 6) / 7; }

// The bits of a LEB128 number of at most the bytes of its width, whatever stands past the width; `*ret_last`
// is its last byte without the mark, and `*ret_shift` where that byte's bits begin.
static uint64_t read_groups(values_reader *r, unsigned width, uint8_t *ret_last, unsigned *ret_shift) {
    uint64_t value = 0;
    unsigned count = bytes_of_width(width);
    *ret_last = 0;
    *ret_shift = 0;
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *p = take(r, 1);
        if (p == NULL) {
            return 0;
        }
        *ret_last = *p & 0x7f;
        *ret_shift = 7 * i;
        value |= (uint64_t)*ret_last << *ret_shift;
        if ((*p & 0x80) == 0) {
            return value;
        }
    }
    r->at--;
    values_read_fail(r, "an integer has more bytes than its type allows");
    return 0;
}

static uint64_t read_unsigned(values_reader *r, unsigned width) {
    uint8_t last;
    unsigned shift;
    uint64_t value = read_groups(r, width, &last, &shift);
    if (shift + 7 > width && last >> (width - shift) != 0) {
        r->at--;
        values_read_fail(r, "an integer is larger than its type");
        return 0;
    }
    return value;
}

// The last byte of a number of full length has bits past the width. They repeat the sign in the usual form
// and are zero in the form of wasmCloud 1.x.
static int64_t read_signed(values_reader *r, unsigned width) {
    uint8_t last;
    unsigned shift;
    uint64_t value = read_groups(r, width, &last, &shift);
    unsigned sign_bit = shift + 6;
    if (shift + 7 > width) {
        uint8_t past = (uint8_t)(last >> (width - shift));
        uint8_t ones = (uint8_t)(0x7f >> (width - shift));
        sign_bit = width - 1;
        if (past != 0 && (past != ones || (value >> sign_bit & 1) == 0)) {
            r->at--;
            values_read_fail(r, "an integer is larger than its type");
            return 0;
        }
    }
    if ((value >> sign_bit & 1) != 0 && sign_bit < 63) {
        value |= UINT64_MAX << sign_bit;
    }
    return (int64_t)value;
}

uint16_t values_read_u16(values_reader *r) { return (uint16_t)read_unsigned(r, 16); }
uint32_t values_read_u32(values_reader *r) { return (uint32_t)read_unsigned(r, 32); }
uint64_t values_read_u64(values_reader *r) { return read_unsigned(r, 64); }
int8_t values_read_s8(values_reader *r) { return (int8_t)values_read_u8(r); }
int16_t values_read_s16(values_reader *r) { return (int16_t)read_signed(r, 16); }
int32_t values_read_s32(values_reader *r) { return (int32_t)read_signed(r, 32); }
int64_t values_read_s64(values_reader *r) { return read_signed(r, 64); }

static uint64_t read_fixed(values_reader *r, unsigned count) {
    const uint8_t *p = take(r, count);
    uint64_t value = 0;
    for (unsigned i = 0; p != NULL && i < count; i++) {
        value |= (uint64_t)p[i] << (8 * i);
    }
    return value;
}

uint32_t values_read_f32(values_reader *r) { return (uint32_t)read_fixed(r, 4); }
uint64_t values_read_f64(values_reader *r) { return read_fixed(r, 8); }

uint32_t values_read_char(values_reader *r) {
    size_t left = r->problem != NULL ? 0 : (size_t)(r->end - r->at);
    uint32_t at = 0;
    uint32_t code = 0;
    if (left == 0 || !utf8_next(r->at, left < 4 ? (uint32_t)left : 4, &at, &code)) {
        values_read_fail(r, "a char is not UTF-8");
        return 0;
    }
    r->at += at;
    return code;
}

slice values_read_bytes(values_reader *r) {
    uint32_t len = values_read_u32(r);
    const uint8_t *p = take(r, len);
    return p == NULL ? slice_empty() : slice_of(p, len);
}

slice values_read_string(values_reader *r) {
    slice text = values_read_bytes(r);
    if (!utf8_valid(text)) {
        r->at = text.data;
        values_read_fail(r, "a string is not UTF-8");
        return slice_empty();
    }
    return text;
}

uint32_t values_read_count(values_reader *r, size_t item_bytes_min) {
    uint32_t count = values_read_u32(r);
    size_t max = item_bytes_min == 0 ? VALUES_EMPTY_ITEMS_MAX : (size_t)(r->end - r->at) / item_bytes_min;
    if (count > max) {
        values_read_fail(r, item_bytes_min == 0 ? "a list has too many items"
                                                : "a list has more items than the input holds");
        return 0;
    }
    return count;
}

bool values_read_option(values_reader *r) { return read_two(r, "an option begins with 0 or 1"); }

bool values_read_is_ok(values_reader *r) { return !read_two(r, "a result begins with 0 or 1"); }

uint32_t values_read_case(values_reader *r, uint32_t count) {
    uint32_t number = values_read_u32(r);
    if (number >= count) {
        values_read_fail(r, "a variant has no such case");
        return 0;
    }
    return number;
}

void values_read_flags(values_reader *r, uint32_t count, uint8_t *ret) {
    size_t len = ((size_t)count + 7) / 8;
    memset(ret, 0, len);
    const uint8_t *p = take(r, len);
    if (p == NULL) {
        return;
    }
    if (count % 8 != 0 && p[len - 1] >> (count % 8) != 0) {
        values_read_fail(r, "flags have a bit that no flag has");
        return;
    }
    memcpy(ret, p, len);
}

// --- writing -----------------------------------------------------------------------------------------------

status values_write_end(const values_writer *w, const char *what, err *e) {
    return w->code == STATUS_OK
               ? STATUS_OK
               : err_set(e, w->code, "%s: longer than the %zu bytes that are allowed", what, w->out->max);
}

static void put(values_writer *w, const void *bytes, size_t len) {
    if (w->code == STATUS_OK) {
        w->code = buf_append(w->out, slice_of(bytes, len));
    }
}

void values_write_u8(values_writer *w, uint8_t value) {
    if (w->code == STATUS_OK) {
        w->code = buf_append_byte(w->out, value);
    }
}

void values_write_u64(values_writer *w, uint64_t value) {
    uint8_t bytes[LEB128_U64_BYTES_MAX];
    put(w, bytes, leb128_write_u64(bytes, value));
}

static void write_signed(values_writer *w, int64_t value, unsigned width) {
    uint8_t bytes[LEB128_U64_BYTES_MAX];
    unsigned count_max = bytes_of_width(width);
    unsigned count = 0;
    for (;;) {
        uint8_t byte = (uint8_t)((uint64_t)value & 0x7f);
        value >>= 7; // keeps the sign: gcc and clang
        bool done = (value == 0 && (byte & 0x40) == 0) || (value == -1 && (byte & 0x40) != 0);
        if (++count == count_max) {
            byte &= (uint8_t)((1u << (width - 7 * (count_max - 1))) - 1);
            done = true;
        }
        bytes[count - 1] = (uint8_t)(byte | (done ? 0 : 0x80));
        if (done) {
            break;
        }
    }
    put(w, bytes, count);
}

void values_write_bool(values_writer *w, bool value) { values_write_u8(w, value ? 1 : 0); }
void values_write_u16(values_writer *w, uint16_t value) { values_write_u64(w, value); }
void values_write_u32(values_writer *w, uint32_t value) { values_write_u64(w, value); }
void values_write_s8(values_writer *w, int8_t value) { values_write_u8(w, (uint8_t)value); }
void values_write_s16(values_writer *w, int16_t value) { write_signed(w, value, 16); }
void values_write_s32(values_writer *w, int32_t value) { write_signed(w, value, 32); }
void values_write_s64(values_writer *w, int64_t value) { write_signed(w, value, 64); }

static void write_fixed(values_writer *w, uint64_t bits, unsigned count) {
    uint8_t bytes[8];
    for (unsigned i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(bits >> (8 * i));
    }
    put(w, bytes, count);
}

void values_write_f32(values_writer *w, uint32_t bits) { write_fixed(w, bits, 4); }
void values_write_f64(values_writer *w, uint64_t bits) { write_fixed(w, bits, 8); }

void values_write_char(values_writer *w, uint32_t code) {
    uint8_t bytes[4];
    CHECK(code <= 0x10ffff && (code < 0xd800 || code > 0xdfff));
    put(w, bytes, utf8_put(bytes, code));
}

void values_write_bytes(values_writer *w, slice bytes) {
    if (bytes.len > UINT32_MAX) {
        w->code = w->code == STATUS_OK ? STATUS_LIMIT : w->code;
        return;
    }
    values_write_u64(w, bytes.len);
    put(w, bytes.data, bytes.len);
}

void values_write_string(values_writer *w, slice text) { values_write_bytes(w, text); }
void values_write_count(values_writer *w, uint32_t count) { values_write_u64(w, count); }
void values_write_option(values_writer *w, bool has_value) { values_write_bool(w, has_value); }
void values_write_is_ok(values_writer *w, bool is_ok) { values_write_bool(w, !is_ok); }
void values_write_case(values_writer *w, uint32_t number) { values_write_u64(w, number); }

void values_write_flags(values_writer *w, uint32_t count, const uint8_t *bits) {
    put(w, bits, ((size_t)count + 7) / 8);
}
