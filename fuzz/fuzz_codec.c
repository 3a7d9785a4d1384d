// SPDX-License-Identifier: Apache-2.0
// Small codecs on any bytes: numbers that were read can be written and read again, text that was found valid
// can be taken apart and put together again.
//
// links: codec
#include "base/check.h"
#include "codec/leb128.h"
#include "codec/utf.h"
#include "fuzz.h"

static void numbers(const uint8_t *data, size_t size) {
    const uint8_t *end = data + size;
    const uint8_t *p = data;
    uint64_t wide = 0;
    if (leb128_read_u64(&p, end, &wide) == LEB128_OK) {
        uint8_t bytes[LEB128_U64_BYTES_MAX];
        size_t length = leb128_write_u64(bytes, wide);
        CHECK(length <= (size_t)(p - data));
        uint64_t again = 0;
        p = bytes;
        CHECK(leb128_read_u64(&p, bytes + length, &again) == LEB128_OK && again == wide);
        uint32_t narrow = 0;
        p = data;
        leb128_result fits = leb128_read_u32(&p, end, &narrow);
        CHECK(fits == LEB128_OK ? narrow == wide : narrow == 0);
    } else {
        CHECK(p == data);
    }
    int64_t s64 = 0;
    int64_t s33 = 0;
    int32_t s32 = 0;
    p = data;
    leb128_result r64 = leb128_read_s64(&p, end, &s64);
    p = data;
    leb128_result r33 = leb128_read_s33(&p, end, &s33);
    p = data;
    leb128_result r32 = leb128_read_s32(&p, end, &s32);
    CHECK(r33 != LEB128_OK || (r64 == LEB128_OK && s33 == s64));
    CHECK(r32 != LEB128_OK || (r33 == LEB128_OK && s32 == s33));
}

// Valid text is a sequence of characters whose encodings, put one behind the other, are the text.
static void text(const uint8_t *data, size_t size) {
    size_t bad = size;
    utf_result result = utf8_check(slice_of(data, size), &bad);
    CHECK(bad <= size);
    CHECK(result == UTF_VALID || bad < size);
    for (uint32_t at = 0; at < bad;) {
        uint32_t before = at;
        uint32_t code = 0;
        CHECK(utf8_next(data, (uint32_t)size, &at, &code));
        uint8_t bytes[4];
        CHECK(utf8_put(bytes, code) == at - before);
        CHECK(memcmp(bytes, data + before, at - before) == 0);
        uint8_t units[4];
        uint32_t back = 0;
        uint32_t from = 0;
        CHECK(utf16_next(units, utf16_put(units, code), &from, &back) && back == code);
    }
    size_t units = size / 2;
    bad = units;
    result = utf16_check(data, units, &bad);
    CHECK(bad <= units);
    CHECK(result == UTF_VALID || bad < units);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 1 << 20) {
        return 0;
    }
    numbers(data, size);
    text(data, size);
    return 0;
}
