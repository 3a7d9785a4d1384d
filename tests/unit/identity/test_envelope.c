// SPDX-License-Identifier: Apache-2.0
#include "identity/envelope.h"

#include "helper_binary.h"
#include "test.h"

#define CODE SLICE_LITERAL("\1\2\3code")

// A component with a core module and a component inside, each with a section of bytes.
static void make_plain(buf *ret) {
    auto_buf module, inner;
    binary_begin(&module, false);
    binary_section(&module, 1, (slice)CODE);
    binary_custom(&module, "name", "a name");
    binary_begin(&inner, true);
    binary_section(&inner, 7, (slice)CODE);
    binary_section(&inner, 1, buf_slice(&module));
    binary_begin(ret, true);
    binary_section(ret, 1, buf_slice(&module));
    binary_section(ret, 4, buf_slice(&inner));
    binary_custom(ret, "producers", "us");
}

static void hash_plain(slice bytes, uint8_t ret[HASH_BYTES]) { hash_sha256(&bytes, 1, ret); }

#define EXPECT_HASH(bytes, of)                             \
    do {                                                   \
        uint8_t expected_[HASH_BYTES];                     \
        hash_plain(of, expected_);                         \
        EXPECT(memcmp(bytes, expected_, HASH_BYTES) == 0); \
    } while (0)

static envelope read_ok(const buf *b) {
    envelope v = {0};
    err e = {0};
    if (!test_expect(envelope_read(buf_slice(b), &v, &e) == STATUS_OK, __FILE__, __LINE__, "envelope_read")) {
        printf("    %s\n", e.message);
    }
    return v;
}

TEST(an_unsigned_component_is_its_own_normal_form) {
    auto_buf plain, stripped;
    make_plain(&plain);
    envelope v = read_ok(&plain);
    EXPECT(!v.has_token && v.is_canonical && !v.has_stray_token && v.why_not[0] == '\0');
    EXPECT_HASH(v.hash, buf_slice(&plain));
    buf_init(&stripped, plain.len);
    err e = {0};
    REQUIRE(envelope_strip(buf_slice(&plain), &stripped, &e) == STATUS_OK);
    EXPECT(slice_equal(buf_slice(&stripped), buf_slice(&plain)));
}

TEST(the_token_is_the_last_section_and_not_hashed) {
    auto_buf b;
    make_plain(&b);
    envelope before = read_ok(&b);
    err e = {0};
    REQUIRE(envelope_append_token(&b, slice_from_text("a.b.c"), &e) == STATUS_OK);
    envelope v = read_ok(&b);
    EXPECT(v.has_token && v.is_canonical && !v.has_stray_token);
    EXPECT(slice_equal_text(v.token, "a.b.c"));
    EXPECT(memcmp(v.hash, before.hash, HASH_BYTES) == 0);
    EXPECT_EQ(envelope_append_token(&b, slice_from_text("d.e.f"), &e), STATUS_INVALID);
}

TEST(the_old_name_and_core_modules_work_too) {
    auto_buf b;
    binary_begin(&b, false);
    binary_section(&b, 1, (slice)CODE);
    size_t plain_len = b.len;
    binary_custom(&b, "jwt", "x.y.z");
    envelope v = read_ok(&b);
    EXPECT(v.has_token && v.is_canonical && slice_equal_text(v.token, "x.y.z"));
    EXPECT_HASH(v.hash, slice_sub(buf_slice(&b), 0, plain_len));
}

// `make` breaks one rule; the hash of what it made is that of the plain component all the same.
static void expect_not_canonical(void (*make)(buf *), bool has_token, bool has_stray, const char *why) {
    auto_buf broken, plain, stripped;
    make(&broken);
    make_plain(&plain);
    envelope v = read_ok(&broken);
    EXPECT(!v.is_canonical);
    EXPECT_EQ(v.has_token, has_token);
    EXPECT_EQ(v.has_stray_token, has_stray);
    EXPECT(strstr(v.why_not, why) != NULL);
    EXPECT_HASH(v.hash, buf_slice(&plain));
    buf_init(&stripped, broken.len);
    err e = {0};
    EXPECT_EQ(envelope_strip(buf_slice(&broken), &stripped, &e), STATUS_OK);
    EXPECT(slice_equal(buf_slice(&stripped), buf_slice(&plain)));
    EXPECT_EQ(envelope_append_token(&broken, slice_from_text("t"), &e), STATUS_INVALID);
}

// The plain component with paddings and stray tokens where asked.
typedef struct variant {
    size_t size_padding, inner_padding, module_padding, token_padding, name_padding;
    bool in_module, in_component, before, between, after, twice;
} variant;

static void make_variant(buf *ret, variant v) {
    auto_buf module, padded, inner;
    binary_begin(&module, false);
    binary_section(&module, 1, (slice)CODE);
    binary_custom(&module, "name", "a name");
    binary_begin(&padded, false);
    binary_section_padded(&padded, 1, (slice)CODE, v.module_padding);
    if (v.in_module) {
        binary_custom(&padded, "wasmcloud_jwt", "stray");
    }
    binary_custom(&padded, "name", "a name");
    binary_begin(&inner, true);
    binary_section(&inner, 7, (slice)CODE);
    if (v.in_component) {
        binary_custom(&inner, "jwt", "stray");
    }
    binary_section_padded(&inner, 1, buf_slice(&padded), v.inner_padding);
    binary_begin(ret, true);
    if (v.before) {
        binary_custom(ret, "wasmcloud_jwt", "stray");
    }
    binary_section_padded(ret, 1, buf_slice(&module), v.size_padding);
    if (v.between) {
        binary_custom(ret, "wasmcloud_jwt", "stray");
    }
    binary_section(ret, 4, buf_slice(&inner));
    binary_custom(ret, "producers", "us");
    if (v.twice) {
        binary_custom(ret, "jwt", "first");
    }
    if (v.after) {
        binary_custom_padded(ret, "wasmcloud_jwt", slice_from_text("last"), v.token_padding, v.name_padding);
    }
}

static void padded_top(buf *b) { make_variant(b, (variant){.size_padding = 2, .after = true}); }
static void padded_inner(buf *b) { make_variant(b, (variant){.inner_padding = 3, .after = true}); }
static void padded_module(buf *b) { make_variant(b, (variant){.module_padding = 1, .after = true}); }
static void padded_token(buf *b) { make_variant(b, (variant){.token_padding = 1, .after = true}); }
static void padded_name(buf *b) { make_variant(b, (variant){.name_padding = 1, .after = true}); }
static void in_module(buf *b) { make_variant(b, (variant){.in_module = true, .after = true}); }
static void in_component(buf *b) { make_variant(b, (variant){.in_component = true}); }
static void before(buf *b) { make_variant(b, (variant){.before = true, .after = true}); }
static void between(buf *b) { make_variant(b, (variant){.between = true}); }
static void twice(buf *b) { make_variant(b, (variant){.twice = true, .after = true}); }

TEST(other_spellings_are_not_canonical_but_hash_the_same) {
    expect_not_canonical(padded_top, true, false, "at byte 8: a size that is padded");
    expect_not_canonical(padded_inner, true, false, "padded");
    expect_not_canonical(padded_module, true, false, "padded");
    expect_not_canonical(padded_token, true, false, "padded");
    expect_not_canonical(padded_name, true, false, "padded");
    expect_not_canonical(in_module, true, true, "below the top");
    expect_not_canonical(in_component, false, true, "below the top");
    expect_not_canonical(before, true, true, "not the last");
    expect_not_canonical(between, false, true, "not the last");
    expect_not_canonical(twice, true, true, "not the last");
}

// The size of the outer section is one byte shorter once the token inside is gone.
TEST(stripping_shortens_sizes_of_what_holds_a_token) {
    auto_buf inner, b, stripped, expected, small;
    binary_begin(&inner, true);
    binary_section(&inner, 7, (slice)CODE);
    binary_begin(&small, true);
    binary_section(&small, 7, (slice)CODE);
    char text[300];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    binary_custom(&inner, "jwt", text);
    binary_begin(&b, true);
    binary_section(&b, 4, buf_slice(&inner));
    binary_section(&b, 9, (slice)CODE);
    binary_begin(&expected, true);
    binary_section(&expected, 4, buf_slice(&small));
    binary_section(&expected, 9, (slice)CODE);
    buf_init(&stripped, b.len);
    err e = {0};
    REQUIRE(envelope_strip(buf_slice(&b), &stripped, &e) == STATUS_OK);
    EXPECT(slice_equal(buf_slice(&stripped), buf_slice(&expected)));
}

static void expect_invalid(const buf *b, const char *why) {
    envelope v = {.is_canonical = true, .hash = {42}};
    err e = {0};
    EXPECT_EQ(envelope_read(buf_slice(b), &v, &e), STATUS_INVALID);
    EXPECT(strstr(e.message, why) != NULL);
    EXPECT_EQ(v.hash[0], 42);
    auto_buf out;
    buf_init(&out, BINARY_BYTES_MAX);
    EXPECT_EQ(envelope_strip(buf_slice(b), &out, &e), STATUS_INVALID);
    EXPECT_EQ(out.len, 0);
}

TEST(what_is_no_sequence_of_sections_is_invalid) {
    auto_buf b;
    buf_init(&b, BINARY_BYTES_MAX);
    expect_invalid(&b, "does not begin with the header");
    binary_add(&b, "\0asm\x0e\0\1\0", 8);
    expect_invalid(&b, "does not begin with the header");
    auto_buf cut;
    binary_begin(&cut, true);
    binary_add(&cut, "\7", 1);
    expect_invalid(&cut, "at byte 8: its size");
    binary_add(&cut, "\2x", 2);
    expect_invalid(&cut, "at byte 8: its size");
    auto_buf name;
    binary_begin(&name, true);
    binary_section(&name, 0, slice_from_text("\3ab"));
    expect_invalid(&name, "its name does not fit");
    auto_buf swapped, module;
    binary_begin(&module, false);
    binary_begin(&swapped, true);
    binary_section(&swapped, 4, buf_slice(&module));
    expect_invalid(&swapped, "at byte 8: it does not begin with the header of a component");
}

static void nest(buf *ret, size_t levels) {
    binary_begin(ret, true);
    for (size_t i = 0; i < levels; i++) {
        auto_buf outer;
        binary_begin(&outer, true);
        binary_section(&outer, 4, buf_slice(ret));
        buf_clear(ret);
        binary_add(ret, outer.data, outer.len);
    }
}

TEST(depth_is_bounded) {
    auto_buf deep, deeper;
    nest(&deep, ENVELOPE_DEPTH_MAX);
    envelope v = read_ok(&deep);
    EXPECT_HASH(v.hash, buf_slice(&deep));
    nest(&deeper, ENVELOPE_DEPTH_MAX + 1);
    expect_invalid(&deeper, "nested deeper than 100");
}

TEST(the_number_of_sections_is_bounded) {
    auto_buf b;
    binary_begin(&b, true);
    for (size_t i = 0; i < ENVELOPE_SECTIONS_MAX; i++) {
        binary_section(&b, 7, slice_empty());
    }
    read_ok(&b);
    binary_section(&b, 7, slice_empty());
    expect_invalid(&b, "more than 1000000 sections");
}

TEST(hashes_are_spelled_as_in_tokens) {
    char text[HASH_HEX_BYTES];
    envelope_hash_text((const uint8_t[HASH_BYTES]){0x0a, 0xbc, 0x19}, text);
    EXPECT(strncmp(text, "0ABC1900", 8) == 0 && strlen(text) == 64);
}
