// SPDX-License-Identifier: Apache-2.0
// No change of a signed component goes unnoticed: every byte of a small one in many ways, 100 000 bytes of a
// large one, cuts, insertions and additions. Each is refused, and with a reason that fits the place.
//
// The large component is made here (256 KiB in 2 000 sections, three deep), so that each verification hashes
// all of it and the whole still takes less than a minute under the sanitizers. WRIT_MUTATE=FILE adds a run
// over any unsigned component in canonical form.
#include <stdlib.h>

#include "base/check.h"
#include "helper_binary.h"
#include "helper_signed.h"
#include "identity/verify.h"
#include "os/whole_file.h"
#include "test.h"

enum {
    SMALL_BYTES = 400,
    SMALL_SECTIONS = 24,
    LARGE_BYTES = 256 << 10,
    LARGE_SECTIONS = 2000,
    LARGE_CHANGES = 100000,
    REASON_COUNT = REFUSAL_NOT_ALLOWED + 1,
};

typedef struct subject {
    buf bytes;         // signed
    size_t section_at; // of the token
    size_t token_at;
    size_t dots[2]; // of the token
    size_t counts[REASON_COUNT];
} subject;

#define BIT(reason) (1u << (reason))

static void subject_init(subject *s, buf *component) {
    s->section_at = component->len;
    helper_sign(component);
    s->bytes = *component;
    envelope v;
    CHECK(envelope_read(buf_slice(&s->bytes), &v, NULL) == STATUS_OK && v.has_token && v.is_canonical);
    s->token_at = s->bytes.len - v.token.len;
    s->dots[0] = s->token_at + slice_find(v.token, 0, '.');
    s->dots[1] = s->token_at + slice_find(v.token, s->dots[0] - s->token_at + 1, '.');
    memset(s->counts, 0, sizeof s->counts);
}

// Which reasons fit a change at this place.
static unsigned expected_at(const subject *s, size_t at) {
    if (at < s->token_at) { // a size can also swallow the token: then it is unsigned
        return BIT(REFUSAL_MALFORMED) | BIT(REFUSAL_HASH_MISMATCH) | BIT(REFUSAL_UNSIGNED);
    }
    if (at <= s->dots[0]) {
        return BIT(REFUSAL_MALFORMED) | BIT(REFUSAL_WRONG_ALGORITHM) | BIT(REFUSAL_BAD_SIGNATURE);
    }
    // A letter of "iss" or "sub" can also become that of another kind of key, though its checksum is wrong.
    return BIT(REFUSAL_MALFORMED) | BIT(REFUSAL_BAD_SIGNATURE) |
           (at <= s->dots[1] ? BIT(REFUSAL_WRONG_KEY_TYPE) : 0);
}

static refusal reason_of(slice bytes) {
    verify_input input = {.bytes = bytes, .now_s = HELPER_SIGNED_AT_S};
    verification v;
    verify_component(&input, &v);
    refusal reason = v.reason;
    CHECK(reason == REFUSAL_NONE || v.error.message[0] != '\0');
    verification_done(&v);
    return reason;
}

// Prints the first few only: one bug makes thousands.
static void expect_refused(subject *s, slice bytes, unsigned expected, const char *what, size_t at) {
    refusal reason = reason_of(bytes);
    s->counts[reason]++;
    if ((BIT(reason) & expected) == 0 && test_run_state.failures < 10) {
        printf("    %s at byte %zu of %zu (token section %zu, token %zu): %s\n", what, at, s->bytes.len,
               s->section_at, s->token_at, refusal_name(reason));
        EXPECT((BIT(reason) & expected) != 0);
    }
}

static void change(subject *s, size_t at, uint8_t mask) {
    s->bytes.data[at] ^= mask;
    expect_refused(s, buf_slice(&s->bytes), expected_at(s, at), "a change", at);
    s->bytes.data[at] ^= mask;
}

static void make_small(subject *s, buf *component) {
    helper_make_component(SMALL_BYTES, SMALL_SECTIONS, component);
    subject_init(s, component);
}

TEST(the_unchanged_component_is_good) {
    auto_buf b;
    subject s;
    make_small(&s, &b);
    EXPECT_EQ(reason_of(buf_slice(&s.bytes)), REFUSAL_NONE);
    b = s.bytes;
}

TEST(every_byte_of_a_small_component) {
    static const uint8_t masks[] = {1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x0f, 0x55, 0x7f, 0xff};
    auto_buf b;
    subject s;
    make_small(&s, &b);
    for (size_t at = 0; at < s.bytes.len; at++) {
        for (size_t m = 0; m < sizeof masks; m++) {
            change(&s, at, masks[m]);
        }
    }
    EXPECT_EQ(s.counts[REFUSAL_NONE], 0);
    EXPECT(s.counts[REFUSAL_HASH_MISMATCH] > 1000 && s.counts[REFUSAL_BAD_SIGNATURE] > 1000);
    b = s.bytes;
}

// A byte more, a byte less, and all that can be cut off.
TEST(insertions_deletions_and_cuts) {
    auto_buf b, other;
    subject s;
    make_small(&s, &b);
    slice all = buf_slice(&s.bytes);
    const unsigned any = BIT(REFUSAL_MALFORMED) | BIT(REFUSAL_HASH_MISMATCH) | BIT(REFUSAL_UNSIGNED) |
                         BIT(REFUSAL_BAD_SIGNATURE) | BIT(REFUSAL_WRONG_ALGORITHM) |
                         BIT(REFUSAL_WRONG_KEY_TYPE);
    buf_init(&other, BINARY_BYTES_MAX);
    for (size_t at = 0; at < all.len; at++) {
        static const uint8_t inserted[] = {0, 1, 0x80, 'A', 0xff};
        for (size_t i = 0; i < sizeof inserted; i++) {
            buf_clear(&other);
            binary_add(&other, all.data, at);
            binary_add(&other, &inserted[i], 1);
            binary_add(&other, all.data + at, all.len - at);
            expect_refused(&s, buf_slice(&other), any, "an insertion", at);
        }
        buf_clear(&other);
        binary_add(&other, all.data, at);
        binary_add(&other, all.data + at + 1, all.len - at - 1);
        expect_refused(&s, buf_slice(&other), any, "a deletion", at);
        expect_refused(&s, slice_sub(all, 0, at), BIT(REFUSAL_MALFORMED) | BIT(REFUSAL_UNSIGNED), "a cut",
                       at);
    }
    EXPECT_EQ(s.counts[REFUSAL_NONE], 0);
    b = s.bytes;
}

TEST(what_is_appended) {
    auto_buf b, other, custom;
    subject s;
    make_small(&s, &b);
    slice all = buf_slice(&s.bytes);
    buf_init(&other, BINARY_BYTES_MAX);
    buf_init(&custom, BINARY_BYTES_MAX);
    binary_custom(&custom, "notes", "x");
    for (int byte = 0; byte < 256; byte++) {
        buf_clear(&other);
        binary_add(&other, all.data, all.len);
        binary_add(&other, &(uint8_t){(uint8_t)byte}, 1);
        expect_refused(&s, buf_slice(&other), BIT(REFUSAL_MALFORMED), "an appended byte", all.len);
    }
    buf_clear(&other);
    binary_add(&other, all.data, all.len);
    binary_add(&other, custom.data, custom.len);
    expect_refused(&s, buf_slice(&other), BIT(REFUSAL_MALFORMED), "an appended section", all.len);
    binary_add(&other, all.data, all.len);
    expect_refused(&s, buf_slice(&other), BIT(REFUSAL_MALFORMED), "an appended component", all.len);
    b = s.bytes;
}

static void change_many(subject *s, size_t count) {
    uint32_t state = 88172645u;
    for (size_t i = 0; i < count; i++) {
        size_t at = helper_random(&state) % s->bytes.len;
        uint8_t mask = (uint8_t)(1 + helper_random(&state) % 255);
        change(s, at, mask);
    }
    EXPECT_EQ(s->counts[REFUSAL_NONE], 0);
    EXPECT(s->counts[REFUSAL_HASH_MISMATCH] > count / 2);
}

TEST(a_hundred_thousand_bytes_of_a_large_component) {
    auto_buf b;
    subject s;
    helper_make_component(LARGE_BYTES, LARGE_SECTIONS, &b);
    subject_init(&s, &b);
    EXPECT_EQ(reason_of(buf_slice(&s.bytes)), REFUSAL_NONE);
    change_many(&s, LARGE_CHANGES);
    b = s.bytes;
}

TEST(a_component_of_the_callers) {
    const char *path = getenv("WRIT_MUTATE");
    if (path == NULL) {
        return; // only when asked for
    }
    auto_buf b = {0};
    subject s;
    err e = {0};
    REQUIRE(file_read_whole(path, BINARY_BYTES_MAX - TOKEN_BYTES_MAX, &b, &e) == STATUS_OK);
    b.max = BINARY_BYTES_MAX;
    subject_init(&s, &b);
    EXPECT_EQ(reason_of(buf_slice(&s.bytes)), REFUSAL_NONE);
    change_many(&s, LARGE_CHANGES);
    for (int i = 0; i < REASON_COUNT; i++) {
        printf("    %s: %zu\n", refusal_name((refusal)i), s.counts[i]);
    }
    b = s.bytes;
}
