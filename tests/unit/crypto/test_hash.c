// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "crypto/hash.h"

static const char *sha256_of(const char *text, char hex[HASH_HEX_BYTES]) {
    slice part = slice_from_text(text);
    uint8_t hash[HASH_BYTES];
    hash_sha256(&part, 1, hash);
    hash_hex(hash, hex);
    return hex;
}

// FIPS 180-4 examples.
TEST(sha256_known_answers) {
    char hex[HASH_HEX_BYTES];
    EXPECT_TEXT(sha256_of("", hex), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_TEXT(sha256_of("abc", hex), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// The first keyed vector of BLAKE2b has 64 bytes of output; this one was computed with Python's hashlib:
// blake2b(b"abc", digest_size=32, key=bytes(range(32))).
TEST(keyed_hash_known_answer) {
    uint8_t key[HASH_KEY_BYTES];
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] = (uint8_t)i;
    }
    slice part = SLICE_LITERAL("abc");
    uint8_t hash[HASH_BYTES];
    char hex[HASH_HEX_BYTES];
    hash_keyed(key, &part, 1, hash);
    hash_hex(hash, hex);
    EXPECT_TEXT(hex, "d63a32d3e44738d7907f964316c241adaba0abfeabc32349677578a15a203f7f");
}

TEST(parts_hash_like_the_whole) {
    slice whole = SLICE_LITERAL("one two");
    slice parts[] = {SLICE_LITERAL("one"), SLICE_LITERAL(""), SLICE_LITERAL(" two")};
    uint8_t key[HASH_KEY_BYTES] = {1};
    uint8_t a[HASH_BYTES];
    uint8_t b[HASH_BYTES];
    hash_sha256(&whole, 1, a);
    hash_sha256(parts, 3, b);
    EXPECT(hash_equal(a, b));
    hash_keyed(key, &whole, 1, a);
    EXPECT(!hash_equal(a, b));
    hash_keyed(key, parts, 3, b);
    EXPECT(hash_equal(a, b));
    key[31] = 1;
    hash_keyed(key, parts, 3, b);
    EXPECT(!hash_equal(a, b));
}

TEST(sha256_in_pieces_is_the_same) {
    static uint8_t bytes[5000];
    slice whole = slice_of(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    uint8_t a[HASH_BYTES], b[HASH_BYTES];
    hash_sha256(&whole, 1, a);
    hash_sha256_state s;
    hash_sha256_begin(&s);
    for (size_t at = 0, step = 0; at < sizeof bytes; at += step, step++) {
        hash_sha256_add(&s, slice_sub(whole, at, at + step));
    }
    hash_sha256_end(&s, b);
    EXPECT(hash_equal(a, b));
    hash_sha256_drop(&s);
    hash_sha256_begin(&s);
    hash_sha256_drop(&s);
}

TEST(hashes_from_text) {
    static const char lower[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    static const char upper[] = "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF";
    uint8_t hash[HASH_BYTES] = {7};
    char text[HASH_HEX_BYTES], wrong[HASH_HEX_BYTES];
    EXPECT(!hash_from_hex(slice_from_text(upper), HASH_LOWER_CASE, hash));
    EXPECT(!hash_from_hex(slice_from_text(lower), HASH_UPPER_CASE, hash));
    EXPECT(!hash_from_hex(slice_of(lower, sizeof lower - 2), HASH_ANY_CASE, hash));
    EXPECT(!hash_from_hex(slice_of(lower, sizeof lower), HASH_ANY_CASE, hash));
    EXPECT(!hash_from_hex(slice_empty(), HASH_ANY_CASE, hash));
    for (const char *c = "/:@G`g "; *c != '\0'; c++) {
        memcpy(wrong, lower, sizeof wrong);
        wrong[sizeof wrong - 2] = *c;
        EXPECT(!hash_from_hex(slice_from_text(wrong), HASH_ANY_CASE, hash));
    }
    EXPECT_EQ(hash[0], 7); // written on success alone
    EXPECT(hash_from_hex(slice_from_text(lower), HASH_LOWER_CASE, hash));
    hash_hex(hash, text);
    EXPECT_TEXT(text, lower);
    EXPECT(hash_from_hex(slice_from_text(upper), HASH_UPPER_CASE, hash));
    EXPECT(hash_from_hex(slice_from_text(upper), HASH_ANY_CASE, hash));
    hash_hex(hash, text);
    EXPECT_TEXT(text, lower);
}
