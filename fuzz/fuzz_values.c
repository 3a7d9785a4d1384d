// SPDX-License-Identifier: Apache-2.0
// The first bytes say which types to read, the rest are the values: reading never leaves the input, and what
// was read can be written and read again to the same values.
//
// links: codec
#include "base/check.h"
#include "codec/values.h"
#include "fuzz.h"

enum { KINDS = 18, FLAGS_MAX = 40 };

// Reads one value and writes it again.
static void one(uint8_t kind, values_reader *r, values_writer *w) {
    uint8_t flags[FLAGS_MAX / 8];
    switch (kind % KINDS) {
    case 0:
        values_write_bool(w, values_read_bool(r));
        break;
    case 1:
        values_write_u8(w, values_read_u8(r));
        break;
    case 2:
        values_write_u16(w, values_read_u16(r));
        break;
    case 3:
        values_write_u32(w, values_read_u32(r));
        break;
    case 4:
        values_write_u64(w, values_read_u64(r));
        break;
    case 5:
        values_write_s8(w, values_read_s8(r));
        break;
    case 6:
        values_write_s16(w, values_read_s16(r));
        break;
    case 7:
        values_write_s32(w, values_read_s32(r));
        break;
    case 8:
        values_write_s64(w, values_read_s64(r));
        break;
    case 9:
        values_write_f32(w, values_read_f32(r));
        break;
    case 10:
        values_write_f64(w, values_read_f64(r));
        break;
    case 11:
        values_write_char(w, values_read_char(r));
        break;
    case 12:
        values_write_string(w, values_read_string(r));
        break;
    case 13:
        values_write_bytes(w, values_read_bytes(r));
        break;
    case 14:
        values_write_option(w, values_read_option(r));
        break;
    case 15:
        values_write_is_ok(w, values_read_is_ok(r));
        break;
    case 16:
        values_write_case(w, values_read_case(r, kind));
        break;
    default:
        values_read_flags(r, FLAGS_MAX - kind % 9, flags);
        values_write_flags(w, FLAGS_MAX - kind % 9, flags);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t kinds = size > 0 ? data[0] % 32u : 0;
    if (size < 1 + kinds || size > 1 << 20) {
        return 0;
    }
    slice input = slice_of(data + 1 + kinds, size - 1 - kinds);
    auto_buf first;
    auto_buf second;
    buf_init(&first, 2 << 20);
    buf_init(&second, 2 << 20);
    values_reader r = values_reader_of(input);
    values_writer w = values_writer_of(&first);
    for (size_t i = 0; i < kinds; i++) {
        one(data[1 + i], &r, &w);
    }
    err e = {0};
    if (values_read_end(&r, "input", &e) != STATUS_OK) {
        CHECK(e.code == STATUS_INVALID && e.message[0] != '\0');
        return 0;
    }
    CHECK(values_write_end(&w, "output", NULL) == STATUS_OK);
    CHECK(first.len <= input.len); // the shortest form
    r = values_reader_of(buf_slice(&first));
    w = values_writer_of(&second);
    for (size_t i = 0; i < kinds; i++) {
        one(data[1 + i], &r, &w);
    }
    CHECK(values_read_end(&r, "again", NULL) == STATUS_OK);
    CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
    return 0;
}
