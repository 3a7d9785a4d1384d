// SPDX-License-Identifier: Apache-2.0
#include "component/memory.h"

#include "helper_fake.h"
#include "test.h"

TEST(ranges_are_checked_for_bounds_and_alignment) {
    fake_guest g;
    err e;
    uint8_t *p;
    fake_init(&g, 65536);
    memory_guest m = fake_memory(&g, MEMORY_ENCODING_UTF8);
    EXPECT_STATUS_ERR(memory_range(&m, 0, 65536, 1, "content", &p, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(memory_range(&m, 65536, 0, 8, "content", &p, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(memory_range(&m, 65536, 1, 1, "content", &p, &e), STATUS_TRAP, e);
    EXPECT_CONTAINS(e.message, "content out-of-bounds");
    EXPECT_STATUS_ERR(memory_range(&m, 65537, 0, 1, "content", &p, &e), STATUS_TRAP, e);
    EXPECT_STATUS_ERR(memory_range(&m, UINT32_MAX, 1, 1, "content", &p, &e), STATUS_TRAP, e);
    EXPECT_STATUS_ERR(memory_range(&m, 8, UINT64_MAX, 1, "content", &p, &e), STATUS_TRAP, e);
    EXPECT_STATUS_ERR(memory_range(&m, 2, 4, 4, "content", &p, &e), STATUS_TRAP, e);
    EXPECT_CONTAINS(e.message, "unaligned pointer");
    fake_done(&g);
}

TEST(list_sizes_cannot_overflow) {
    fake_guest g;
    err e;
    uint8_t *p;
    fake_init(&g, 65536);
    memory_guest m = fake_memory(&g, MEMORY_ENCODING_UTF8);
    EXPECT_STATUS_ERR(memory_list(&m, 0, 8192, 8, 8, &p, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(memory_list(&m, 0, 8193, 8, 8, &p, &e), STATUS_TRAP, e);
    EXPECT_STATUS_ERR(memory_list(&m, 0, 0x20000000, 8, 8, &p, &e), STATUS_TRAP, e); // 2^32 bytes
    EXPECT_STATUS_ERR(memory_list(&m, 0, UINT32_MAX, UINT32_MAX, 1, &p, &e), STATUS_TRAP, e);
    EXPECT_CONTAINS(e.message, "list content out-of-bounds");
    fake_done(&g);
}

TEST(one_call_reads_a_bounded_number_of_bytes) {
    fake_guest g;
    err e;
    uint8_t *p;
    fake_init(&g, 65536);
    memory_guest m = fake_memory(&g, MEMORY_ENCODING_UTF8);
    uint64_t lists = 0;
    while (lists <= MEMORY_WORK_MAX / 65536 && memory_list(&m, 0, 65536, 1, 1, &p, &e) == STATUS_OK) {
        lists++;
    }
    EXPECT_EQ(lists, MEMORY_WORK_MAX / 65536);
    EXPECT_CONTAINS(e.message, "one call passes more than");
    memory_text t;
    EXPECT_STATUS_ERR(memory_text_at(&m, 0, 1, &t, &e), STATUS_TRAP, e);
    fake_done(&g);
}

TEST(a_memory_that_is_not_there_traps) {
    fake_guest g;
    err e;
    uint8_t *p;
    uint32_t ptr;
    fake_init(&g, 65536);
    memory_guest m = fake_memory(&g, MEMORY_ENCODING_UTF8);
    m.memory = NULL;
    m.realloc = NULL;
    memory_refresh(&m);
    EXPECT_STATUS_ERR(memory_range(&m, 0, 1, 1, "content", &p, &e), STATUS_TRAP, e);
    EXPECT_STATUS_ERR(memory_alloc(&m, 1, 1, "content", &ptr, &p, &e), STATUS_TRAP, e);
    fake_done(&g);
}

TEST(what_realloc_returns_is_checked) {
    fake_guest g;
    err e;
    uint8_t *p;
    uint32_t ptr = 0;
    fake_init(&g, 65536);
    memory_guest m = fake_memory(&g, MEMORY_ENCODING_UTF8);
    EXPECT_STATUS_ERR(memory_alloc(&m, 8, 100, "content", &ptr, &p, &e), STATUS_OK, e);
    EXPECT_EQ(ptr % 8, 0);
    EXPECT(!g.may_leave_seen && g.may_leave);
    g.has_answer = true;
    g.answer = 65530;
    EXPECT_STATUS_ERR(memory_alloc(&m, 2, 100, "content", &ptr, &p, &e), STATUS_TRAP, e);
    EXPECT_CONTAINS(e.message, "beyond end of memory");
    g.answer = UINT32_MAX;
    EXPECT_STATUS_ERR(memory_alloc(&m, 1, 2, "content", &ptr, &p, &e), STATUS_TRAP, e);
    g.answer = 1001;
    EXPECT_STATUS_ERR(memory_alloc(&m, 2, 2, "content", &ptr, &p, &e), STATUS_TRAP, e);
    EXPECT_CONTAINS(e.message, "result not aligned");
    g.has_answer = false;
    g.traps = true;
    EXPECT_STATUS_ERR(memory_alloc(&m, 2, 2, "content", &ptr, &p, &e), STATUS_TRAP, e);
    EXPECT(g.may_leave);
    EXPECT_STATUS_ERR(memory_alloc(&m, 2, (uint64_t)UINT32_MAX + 1, "content", &ptr, &p, &e), STATUS_TRAP, e);
    fake_done(&g);
}

// --- strings -----------------------------------------------------------------------------------------------

static status lift_utf8(const char *bytes, size_t len, err *e) {
    fake_guest g;
    memory_text t;
    fake_init(&g, 65536);
    memory_guest m = fake_memory(&g, MEMORY_ENCODING_UTF8);
    memcpy(g.bytes + 100, bytes, len);
    status s = memory_text_at(&m, 100, (uint32_t)len, &t, e);
    fake_done(&g);
    return s;
}

TEST(utf8_is_validated) {
    err e;
    EXPECT_STATUS_ERR(lift_utf8("h\xc3\xb6\xe2\x98\x83\xf0\x9f\x8d\xb0", 10, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(lift_utf8("\xf4\x8f\xbf\xbf", 4, &e), STATUS_OK, e);
    static const char *const bad[] = {
        "\x80",             // continuation alone
        "\xc0\xaf",         // overlong
        "\xe0\x9f\xbf",     // overlong
        "\xed\xa0\x80",     // surrogate
        "\xf0\x8f\xbf\xbf", // overlong
        "\xf4\x90\x80\x80", // beyond 10FFFF
        "\xf5\x80\x80\x80",
        "0123456789abcdef0123\xff",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT_STATUS_ERR(lift_utf8(bad[i], strlen(bad[i]), &e), STATUS_TRAP, e);
        EXPECT_CONTAINS(e.message, "invalid utf-8");
    }
    EXPECT_STATUS_ERR(lift_utf8("ab\xe2\x98", 4, &e), STATUS_TRAP, e);
    EXPECT_CONTAINS(e.message, "incomplete utf-8 byte sequence");
}

TEST(utf16_needs_pairs_and_alignment) {
    fake_guest g;
    err e;
    memory_text t;
    fake_init(&g, 65536);
    memory_guest m = fake_memory(&g, MEMORY_ENCODING_UTF16);
    const uint16_t good[] = {0x68, 0x2603, 0xd83c, 0xdf70};
    memcpy(g.bytes + 100, good, sizeof good);
    EXPECT_STATUS_ERR(memory_text_at(&m, 100, 4, &t, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(memory_text_at(&m, 100, 3, &t, &e), STATUS_TRAP, e); // high surrogate at the end
    EXPECT_STATUS_ERR(memory_text_at(&m, 106, 1, &t, &e), STATUS_TRAP, e); // low surrogate alone
    EXPECT_STATUS_ERR(memory_text_at(&m, 101, 1, &t, &e), STATUS_TRAP, e);
    EXPECT_CONTAINS(e.message, "unaligned pointer");
    EXPECT_STATUS_ERR(memory_text_at(&m, 65534, 2, &t, &e), STATUS_TRAP, e);
    EXPECT_STATUS_ERR(memory_text_at(&m, 0, 1u << 27, &t, &e), STATUS_TRAP, e); // 2^28 bytes
    EXPECT_STATUS_ERR(memory_text_at(&m, 0, UINT32_MAX, &t, &e), STATUS_TRAP, e);
    fake_done(&g);
}

// Texts in each encoding that a guest may use; latin1+utf16 with and without its tag.
typedef struct sample {
    const char *utf8;
    const char *bytes; // in the guest
    uint32_t byte_count;
    uint32_t length; // code units, tagged
    memory_encoding encoding;
} sample;

#define TEXT_LATIN "h\xc3\xb6t"           // höt
#define TEXT_WIDE "h\xc3\xb6\xe2\x98\x83" // hö☃
#define TEXT_PAIR "a\xf0\x9f\x8d\xb0"     // a🍰

static const sample samples[] = {
    {"plain", "plain", 5, 5, MEMORY_ENCODING_UTF8},
    {TEXT_LATIN, TEXT_LATIN, 4, 4, MEMORY_ENCODING_UTF8},
    {TEXT_WIDE, TEXT_WIDE, 6, 6, MEMORY_ENCODING_UTF8},
    {TEXT_PAIR, TEXT_PAIR, 5, 5, MEMORY_ENCODING_UTF8},
    {"", "", 0, 0, MEMORY_ENCODING_UTF8},
    {"ab", "a\0b\0", 4, 2, MEMORY_ENCODING_UTF16},
    {TEXT_LATIN, "h\0\xf6\0t\0", 6, 3, MEMORY_ENCODING_UTF16},
    {TEXT_WIDE, "h\0\xf6\0\x03\x26", 6, 3, MEMORY_ENCODING_UTF16},
    {TEXT_PAIR, "a\0\x3c\xd8\x70\xdf", 6, 3, MEMORY_ENCODING_UTF16},
    {"", "", 0, 0, MEMORY_ENCODING_UTF16},
    {TEXT_LATIN, "h\xf6t", 3, 3, MEMORY_ENCODING_LATIN1_UTF16},
    {TEXT_WIDE, "h\0\xf6\0\x03\x26", 6, 3 | MEMORY_UTF16_TAG, MEMORY_ENCODING_LATIN1_UTF16},
    {TEXT_LATIN, "h\0\xf6\0t\0", 6, 3 | MEMORY_UTF16_TAG,
     MEMORY_ENCODING_LATIN1_UTF16}, // could have been Latin-1
    {"", "", 0, 0, MEMORY_ENCODING_LATIN1_UTF16},
};

static bool is_canonical(const sample *s, const memory_text *t) {
    // A guest with latin1+utf16 gets Latin-1 whenever the text fits.
    if (t->guest->encoding != MEMORY_ENCODING_LATIN1_UTF16) {
        return true;
    }
    bool wide = strcmp(s->utf8, TEXT_WIDE) == 0 || strcmp(s->utf8, TEXT_PAIR) == 0;
    return (t->units == MEMORY_UTF16) == wide;
}

static void move_and_check(const sample *s, memory_encoding to_encoding) {
    fake_guest from;
    fake_guest to;
    fake_init(&from, 65536);
    fake_init(&to, 65536);
    memory_guest source = fake_memory(&from, s->encoding);
    memory_guest target = fake_memory(&to, to_encoding);
    memcpy(from.bytes + 64, s->bytes, s->byte_count);
    memory_text text;
    memory_text back;
    uint32_t ptr = 0;
    uint32_t length = 0;
    arena a;
    err e;
    arena_init(&a, 1 << 20);
    REQUIRE(memory_text_at(&source, 64, s->length, &text, &e) == STATUS_OK);
    EXPECT_STATUS_ERR(memory_text_store(&target, &text, &ptr, &length, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(memory_text_at(&target, ptr, length, &back, &e), STATUS_OK, e);
    slice utf8 = slice_empty();
    EXPECT_STATUS_ERR(memory_text_utf8(&back, &a, &utf8, &e), STATUS_OK, e);
    EXPECT(slice_equal_text(utf8, s->utf8));
    EXPECT(is_canonical(s, &back));
    arena_done(&a);
    fake_done(&from);
    fake_done(&to);
}

TEST(every_encoding_becomes_every_other) {
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        move_and_check(&samples[i], MEMORY_ENCODING_UTF8);
        move_and_check(&samples[i], MEMORY_ENCODING_UTF16);
        move_and_check(&samples[i], MEMORY_ENCODING_LATIN1_UTF16);
    }
}

TEST(the_host_stores_text_and_refuses_what_is_not_utf8) {
    fake_guest g;
    err e;
    memory_text t;
    uint32_t ptr = 0;
    uint32_t length = 0;
    fake_init(&g, 65536);
    memory_guest m = fake_memory(&g, MEMORY_ENCODING_UTF16);
    REQUIRE(memory_text_from_utf8(slice_from_text(TEXT_PAIR), &t, &e) == STATUS_OK);
    EXPECT_STATUS_ERR(memory_text_store(&m, &t, &ptr, &length, &e), STATUS_OK, e);
    EXPECT_EQ(length, 3);
    EXPECT(memcmp(g.bytes + ptr, "a\0\x3c\xd8\x70\xdf", 6) == 0);
    EXPECT_STATUS_ERR(memory_text_from_utf8(slice_from_text("\xff"), &t, &e), STATUS_TRAP, e);
    fake_done(&g);
}

TEST(text_in_the_same_memory_survives_a_move_of_it) {
    fake_guest g;
    err e;
    memory_text t;
    uint32_t ptr = 0;
    uint32_t length = 0;
    fake_init(&g, 65536);
    memcpy(g.bytes + 8, "same memory", 11);
    memory_guest m = fake_memory(&g, MEMORY_ENCODING_UTF8);
    REQUIRE(memory_text_at(&m, 8, 11, &t, &e) == STATUS_OK);
    EXPECT_STATUS_ERR(memory_text_store(&m, &t, &ptr, &length, &e), STATUS_OK, e);
    EXPECT(memcmp(g.bytes + ptr, "same memory", 11) == 0);
    fake_done(&g);
}

TEST(nans_are_canonical) {
    EXPECT_EQ(memory_canonical_f32(0x7f800001), 0x7fc00000);
    EXPECT_EQ(memory_canonical_f32(0xffffffff), 0x7fc00000);
    EXPECT_EQ(memory_canonical_f32(0xff800000), 0xff800000);
    EXPECT_U64(memory_canonical_f64(0x7ff0000000000001), 0x7ff8000000000000);
    EXPECT_U64(memory_canonical_f64(0xfff0000000000000), 0xfff0000000000000);
}
