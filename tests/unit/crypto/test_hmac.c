// SPDX-License-Identifier: Apache-2.0
// HMAC-SHA-256 against RFC 4231, PBKDF2 with it against RFC 7914.
#include "crypto/hmac.h"
#include "test.h"

static bool is(const uint8_t bytes[HASH_BYTES], const char *hex) {
    char text[HASH_HEX_BYTES];
    hash_hex(bytes, text);
    return strcmp(text, hex) == 0;
}

TEST(known_codes) {
    uint8_t code[HASH_BYTES];
    uint8_t key[131];
    memset(key, 0x0b, 20);
    const slice hi = SLICE_LITERAL("Hi There");
    hmac_sha256(slice_of(key, 20), &hi, 1, code);
    EXPECT(is(code, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
    const slice parts[] = {SLICE_LITERAL("what do ya want "), SLICE_LITERAL("for nothing?")};
    hmac_sha256(slice_from_text("Jefe"), parts, 2, code);
    EXPECT(is(code, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    memset(key, 0xaa, 131);
    const slice larger = SLICE_LITERAL("Test Using Larger Than Block-Size Key - Hash Key First");
    hmac_sha256(slice_of(key, 131), &larger, 1, code);
    EXPECT(is(code, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
}

TEST(known_keys_of_passwords) {
    uint8_t key[HASH_BYTES];
    EXPECT_OK(hmac_pbkdf2_sha256(slice_from_text("passwd"), slice_from_text("salt"), 1, key, NULL));
    EXPECT(is(key, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"));
    EXPECT_OK(hmac_pbkdf2_sha256(slice_from_text("Password"), slice_from_text("NaCl"), 80000, key, NULL));
    EXPECT(is(key, "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"));
    EXPECT_STATUS(hmac_pbkdf2_sha256(slice_empty(), slice_empty(), 0, key, NULL), STATUS_LIMIT);
    EXPECT_STATUS(hmac_pbkdf2_sha256(slice_empty(), slice_empty(), UINT32_MAX, key, NULL), STATUS_LIMIT);
}

// RFC 4231, test case 2.
static const uint8_t tag[32] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
                                0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
                                0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};

TEST(a_tag_and_its_check) {
    uint8_t made[HMAC_BYTES_MAX], other[32];
    slice key = slice_from_text("Jefe"), data = slice_from_text("what do ya want for nothing?");
    EXPECT_EQ(hmac_compute(HMAC_SHA256, key, data, made), 32);
    EXPECT(memcmp(made, tag, 32) == 0);
    EXPECT(hmac_verify(HMAC_SHA256, key, data, slice_of(tag, 32)));
    memcpy(other, tag, 32);
    other[31] ^= 1;
    EXPECT(!hmac_verify(HMAC_SHA256, key, data, slice_of(other, 32)));
    EXPECT(!hmac_verify(HMAC_SHA256, key, data, slice_of(tag, 31)));
    EXPECT(!hmac_verify(HMAC_SHA256, key, slice_empty(), slice_of(tag, 32)));
    EXPECT(!hmac_verify(HMAC_SHA512, key, data, slice_of(tag, 32)));
}
