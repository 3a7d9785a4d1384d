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
