// SPDX-License-Identifier: Apache-2.0
// The value encoding: known bytes, both forms of signed integers, borders, and hostile input.
#include "codec/values.h"

#include "test.h"

enum { MAX = 1 << 16 };

static values_reader reader_of(const buf *b) { return values_reader_of(buf_slice(b)); }

static void expect_hex(const buf *b, const char *hex) {
    char text[512] = "";
    for (size_t i = 0; i < b->len && i < 100; i++) {
        snprintf(text + 3 * i, 4, "%02x ", b->data[i]);
    }
    EXPECT_TEXT(text, hex);
}

TEST(writes_the_known_examples) {
    auto_buf b;
    buf_init(&b, MAX);
    values_writer w = values_writer_of(&b);
    values_write_string(&w, slice_from_text("a.b"));
    values_write_bytes(&w, slice_from_text("hi"));
    values_write_option(&w, false);
    expect_hex(&b, "03 61 2e 62 02 68 69 00 ");
    buf_clear(&b);
    values_write_is_ok(&w, false);
    values_write_case(&w, 2);
    values_write_string(&w, slice_from_text("x"));
    expect_hex(&b, "01 02 01 78 ");
    buf_clear(&b);
    values_write_u64(&w, 300);
    values_write_char(&w, 0x20ac);
    values_write_f32(&w, 0x3f800000);
    expect_hex(&b, "ac 02 e2 82 ac 00 00 80 3f ");
    EXPECT_OK(values_write_end(&w, "it", NULL));
}

static const int64_t numbers[] = {0,
                                  1,
                                  -1,
                                  63,
                                  64,
                                  -64,
                                  -65,
                                  8191,
                                  8192,
                                  -8192,
                                  -8193,
                                  32767,
                                  -32768,
                                  INT32_MAX,
                                  INT32_MIN,
                                  -(1 << 27),
                                  -(1 << 27) - 1,
                                  1 << 27,
                                  INT64_MAX,
                                  INT64_MIN,
                                  -(1ll << 62),
                                  -(1ll << 62) - 1};

TEST(integers_come_back) {
    auto_buf b;
    buf_init(&b, MAX);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        int64_t n = numbers[i];
        buf_clear(&b);
        values_writer w = values_writer_of(&b);
        values_write_s8(&w, (int8_t)n);
        values_write_s16(&w, (int16_t)n);
        values_write_s32(&w, (int32_t)n);
        values_write_s64(&w, n);
        values_write_u8(&w, (uint8_t)n);
        values_write_u16(&w, (uint16_t)n);
        values_write_u32(&w, (uint32_t)n);
        values_write_u64(&w, (uint64_t)n);
        values_reader r = reader_of(&b);
        EXPECT_EQ(values_read_s8(&r), (int8_t)n);
        EXPECT_EQ(values_read_s16(&r), (int16_t)n);
        EXPECT_EQ(values_read_s32(&r), (int32_t)n);
        EXPECT_EQ(values_read_s64(&r), n);
        EXPECT_EQ(values_read_u8(&r), (uint8_t)n);
        EXPECT_EQ(values_read_u16(&r), (uint16_t)n);
        EXPECT_EQ(values_read_u32(&r), (uint32_t)n);
        EXPECT_U64(values_read_u64(&r), (uint64_t)n);
        EXPECT_OK(values_read_end(&r, "it", NULL));
    }
}

// What wasmCloud 1.x's readers take is what we write where the two forms differ.
TEST(signed_integers_of_full_length_have_no_sign_extension) {
    auto_buf b;
    buf_init(&b, MAX);
    values_writer w = values_writer_of(&b);
    values_write_s16(&w, -32768);
    values_write_s16(&w, -8192);
    expect_hex(&b, "80 80 02 80 40 ");
    buf_clear(&b);
    values_write_s32(&w, INT32_MIN);
    expect_hex(&b, "80 80 80 80 08 ");
    buf_clear(&b);
    values_write_s64(&w, INT64_MIN);
    expect_hex(&b, "80 80 80 80 80 80 80 80 80 01 ");
}

static int64_t read_s(const char *bytes, size_t len, unsigned width, bool *ret_ok) {
    values_reader r = values_reader_of(slice_of(bytes, len));
    int64_t n = width == 16 ? values_read_s16(&r) : width == 32 ? values_read_s32(&r) : values_read_s64(&r);
    *ret_ok = values_read_end(&r, "it", NULL) == STATUS_OK;
    return n;
}

TEST(reads_both_forms_of_signed_integers) {
    bool ok = false;
    EXPECT_EQ(read_s("\x80\x80\x7e", 3, 16, &ok), -32768);
    EXPECT(ok);
    EXPECT_EQ(read_s("\x80\x80\x02", 3, 16, &ok), -32768);
    EXPECT(ok);
    EXPECT_EQ(read_s("\x80\x80\x80\x80\x78", 5, 32, &ok), INT32_MIN);
    EXPECT(ok);
    EXPECT_EQ(read_s("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10, 64, &ok), -1);
    EXPECT(ok);
    EXPECT_EQ(read_s("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, 64, &ok), -1);
    EXPECT(ok);
    read_s("\x80\x80\x7c", 3, 16, &ok); // the sign bit is 0, the bits past it are not
    EXPECT(!ok);
    read_s("\x80\x80\x40", 3, 16, &ok);
    EXPECT(!ok);
    read_s("\x80\x80\x80\x00", 4, 16, &ok);
    EXPECT(!ok);
}

typedef struct bad_case {
    const char *bytes;
    size_t len;
    char kind;
} bad_case;

static void read_kind(values_reader *r, char kind) {
    uint8_t flags[4];
    switch (kind) {
    case 'b':
        values_read_bool(r);
        break;
    case 'H':
        values_read_u16(r);
        break;
    case 'I':
        values_read_u32(r);
        break;
    case 'Q':
        values_read_u64(r);
        break;
    case 's':
        values_read_string(r);
        break;
    case 'c':
        values_read_char(r);
        break;
    case 'l':
        values_read_count(r, 2);
        break;
    case 'e':
        values_read_count(r, 0);
        break;
    case 'v':
        values_read_case(r, 3);
        break;
    case 'o':
        values_read_option(r);
        break;
    case 'r':
        values_read_is_ok(r);
        break;
    case 'f':
        values_read_flags(r, 9, flags);
        break;
    case 'd':
        values_read_f64(r);
        break;
    default:
        EXPECT(false);
    }
}

TEST(refuses_what_no_writer_makes) {
    static const bad_case cases[] = {
        {"\x02", 1, 'b'},
        {"", 0, 'b'},
        {"\xff\xff\x04", 3, 'H'},
        {"\x80\x80\x80\x00", 4, 'H'},
        {"\xff\xff\xff\xff\x10", 5, 'I'},
        {"\x80", 1, 'I'},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, 'Q'},
        {"\x02\xff\xff", 3, 's'},
        {"\x03"
         "ab",
         3, 's'},
        {"\xed\xa0\x80", 3, 'c'},
        {"\xe2\x82", 2, 'c'},
        {"", 0, 'c'},
        {"\x02"
         "abc",
         4, 'l'},
        {"\xff\xff\xff\xff\x0f", 5, 'l'},
        {"\x81\x80\x04", 3, 'e'},
        {"\x03", 1, 'v'},
        {"\x02", 1, 'o'},
        {"\x02", 1, 'r'},
        {"\x00\x02", 2, 'f'},
        {"\x00", 1, 'f'},
        {"1234567", 7, 'd'},
        {"\x01\x00", 2, 'b'},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        values_reader r = values_reader_of(slice_of(cases[i].bytes, cases[i].len));
        read_kind(&r, cases[i].kind);
        err e = {0};
        if (!EXPECT_STATUS(values_read_end(&r, "it", &e), STATUS_INVALID)) {
            printf("    case %zu\n", i);
        }
        EXPECT(e.message[0] != '\0');
    }
}

TEST(the_first_problem_sticks) {
    values_reader r = values_reader_of(slice_from_text("\x05\x01"));
    EXPECT(!values_read_bool(&r));
    EXPECT_EQ(values_read_u8(&r), 0);
    EXPECT_EQ(values_read_bytes(&r).len, 0);
    EXPECT_EQ(values_read_count(&r, 1), 0);
    err e = {0};
    EXPECT_STATUS(values_read_end(&r, "thing", &e), STATUS_INVALID);
    EXPECT_TEXT(e.message, "thing: at byte 0: a bool is 0 or 1");
}

TEST(flags_and_floats_come_back) {
    auto_buf b;
    buf_init(&b, MAX);
    values_writer w = values_writer_of(&b);
    const uint8_t bits[2] = {0x81, 0x01};
    values_write_flags(&w, 9, bits);
    values_write_f64(&w, 0x7ff8000000000001);
    values_write_bool(&w, true);
    values_reader r = reader_of(&b);
    uint8_t back[2];
    values_read_flags(&r, 9, back);
    EXPECT_EQ(memcmp(bits, back, 2), 0);
    EXPECT_U64(values_read_f64(&r), 0x7ff8000000000001);
    EXPECT(values_read_bool(&r));
    EXPECT_OK(values_read_end(&r, "it", NULL));
}

TEST(a_writer_stops_at_its_maximum) {
    auto_buf b;
    buf_init(&b, 4);
    values_writer w = values_writer_of(&b);
    values_write_string(&w, slice_from_text("abc"));
    EXPECT_OK(values_write_end(&w, "it", NULL));
    values_write_u8(&w, 1);
    EXPECT_STATUS(values_write_end(&w, "it", NULL), STATUS_LIMIT);
    EXPECT_EQ(b.len, 4);
}
