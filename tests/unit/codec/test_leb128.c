// SPDX-License-Identifier: Apache-2.0
#include "codec/leb128.h"
#include "test.h"

typedef struct unsigned_case {
    uint8_t bytes[11];
    size_t length;
    leb128_result result;
    uint64_t value;
} unsigned_case;

TEST(u32) {
    static const unsigned_case cases[] = {
        {{0x00}, 1, LEB128_OK, 0},
        {{0x7f}, 1, LEB128_OK, 127},
        {{0xe5, 0x8e, 0x26}, 3, LEB128_OK, 624485},
        {{0xff, 0xff, 0xff, 0xff, 0x0f}, 5, LEB128_OK, UINT32_MAX},
        {{0x80, 0x80, 0x80, 0x80, 0x00}, 5, LEB128_OK, 0}, // padded to the full length
        {{0xff, 0xff, 0xff, 0xff, 0x1f}, 5, LEB128_LARGE, 0},
        {{0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, 6, LEB128_LARGE, 0},
        {{0x80, 0x80}, 2, LEB128_SHORT, 0},
        {{0}, 0, LEB128_SHORT, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *p = cases[i].bytes;
        uint32_t value = 77;
        EXPECT_EQ(leb128_read_u32(&p, cases[i].bytes + cases[i].length, &value), cases[i].result);
        bool ok = cases[i].result == LEB128_OK;
        EXPECT_EQ(value, ok ? cases[i].value : 77);
        EXPECT_EQ(p - cases[i].bytes, ok ? cases[i].length : 0);
    }
}

TEST(u64) {
    static const uint8_t max[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    const uint8_t *p = max;
    uint64_t value;
    EXPECT_EQ(leb128_read_u64(&p, max + sizeof max, &value), LEB128_OK);
    EXPECT_U64(value, UINT64_MAX);
    static const uint8_t large[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x03};
    p = large;
    EXPECT_EQ(leb128_read_u64(&p, large + sizeof large, &value), LEB128_LARGE);
}

static int64_t read_s33(const char *bytes, size_t length, leb128_result expected) {
    const uint8_t *start = (const uint8_t *)bytes;
    const uint8_t *p = start;
    int64_t value = 77;
    EXPECT_EQ(leb128_read_s33(&p, start + length, &value), expected);
    return value;
}

TEST(s33) {
    EXPECT_EQ(read_s33("\x7f", 1, LEB128_OK), -1);
    EXPECT_EQ(read_s33("\x40", 1, LEB128_OK), -64);
    EXPECT_EQ(read_s33("\xc0\x00", 2, LEB128_OK), 64);
    EXPECT_EQ(read_s33("\xff\xff\xff\xff\x0f", 5, LEB128_OK), UINT32_MAX);
    EXPECT_EQ(read_s33("\x80\x80\x80\x80\x70", 5, LEB128_OK), -((int64_t)1 << 32));
    EXPECT_EQ(read_s33("\xff\xff\xff\xff\x1f", 5, LEB128_LARGE), 77); // the sign does not fill the rest
    EXPECT_EQ(read_s33("\xff", 1, LEB128_SHORT), 77);
}

TEST(s32_and_s64) {
    static const uint8_t min32[] = {0x80, 0x80, 0x80, 0x80, 0x78};
    const uint8_t *p = min32;
    int32_t narrow;
    EXPECT_EQ(leb128_read_s32(&p, min32 + sizeof min32, &narrow), LEB128_OK);
    EXPECT_EQ(narrow, INT32_MIN);
    static const uint8_t large32[] = {0x80, 0x80, 0x80, 0x80, 0x08}; // 2^31
    p = large32;
    EXPECT_EQ(leb128_read_s32(&p, large32 + sizeof large32, &narrow), LEB128_LARGE);
    static const uint8_t min64[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f};
    p = min64;
    int64_t wide;
    EXPECT_EQ(leb128_read_s64(&p, min64 + sizeof min64, &wide), LEB128_OK);
    EXPECT_EQ(wide, INT64_MIN);
}

TEST(write_then_read) {
    static const uint64_t values[] = {0,         1, 127, 128, 16383, 16384, UINT32_MAX, (uint64_t)1 << 63,
                                      UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        uint8_t bytes[LEB128_U64_BYTES_MAX];
        size_t length = leb128_write_u64(bytes, values[i]);
        const uint8_t *p = bytes;
        uint64_t value;
        EXPECT_EQ(leb128_read_u64(&p, bytes + length, &value), LEB128_OK);
        EXPECT_U64(value, values[i]);
        EXPECT_EQ(p - bytes, length);
    }
}
