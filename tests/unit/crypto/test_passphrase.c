// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "crypto/passphrase.h"

static const slice passphrase = SLICE_LITERAL("correct horse"), plain = SLICE_LITERAL("the secret");

static void seal(buf *ret) {
    buf_init(ret, 4096);
    err e;
    EXPECT_STATUS_ERR(passphrase_seal(passphrase, plain, ret, &e), STATUS_OK, e);
}

TEST(what_was_sealed_opens_with_the_same_passphrase_only) {
    auto_buf a = {0}, b = {0};
    auto_secret opened = {0}, wrong = {0};
    err e;
    seal(&a);
    EXPECT_OK(passphrase_open(passphrase, buf_slice(&a), &opened, &e));
    EXPECT(slice_equal(secret_slice(&opened), plain));
    EXPECT_STATUS(passphrase_open((slice)SLICE_LITERAL("correct Horse"), buf_slice(&a), &wrong, &e),
                  STATUS_DENIED);
    EXPECT_STATUS(passphrase_open(slice_empty(), buf_slice(&a), &wrong, &e), STATUS_DENIED);
    EXPECT(wrong.data == NULL);
    seal(&b);
    EXPECT(!slice_equal(buf_slice(&a), buf_slice(&b))); // fresh salt and nonce
}

// The cheapest parameters, so that every byte can be tried; made with PyNaCl's argon2id and secretbox.
static size_t cheap(uint8_t *ret, size_t size) {
    static const uint8_t sealed[] = {
        0x57, 0x52, 0x49, 0x54, 0x53, 0x45, 0x41, 0x4c, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
        0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09,
        0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c,
        0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x7b,
        0x25, 0x33, 0x92, 0x28, 0x2f, 0xca, 0x58, 0xb1, 0x11, 0xb4, 0xe6, 0x1e, 0xa2, 0x0e, 0x51,
        0xa6, 0x2c, 0xba, 0x32, 0xc2, 0x8f, 0x98, 0x7b, 0xef, 0xac, 0xc4};
    EXPECT(sizeof sealed <= size);
    memcpy(ret, sealed, sizeof sealed);
    return sizeof sealed;
}

TEST(bad_headers_are_refused_before_work_is_done) {
    auto_buf a = {0};
    auto_secret s = {0};
    err e;
    seal(&a);
    for (size_t i = 0; i < 12; i++) {
        a.data[i] ^= 1;
        EXPECT_STATUS(passphrase_open(passphrase, buf_slice(&a), &s, &e), STATUS_INVALID);
        a.data[i] ^= 1;
    }
    static const uint32_t bad[][2] = {{0, 8}, {17, 8}, {1, 7}, {1, (1u << 20) + 1}, {UINT32_MAX, UINT32_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memcpy(a.data + 12, bad[i], 8); // little-endian machine
        EXPECT_STATUS(passphrase_open(passphrase, buf_slice(&a), &s, &e), STATUS_INVALID);
        EXPECT_CONTAINS(e.message, "passes");
    }
    EXPECT_STATUS(passphrase_open(passphrase, slice_of(a.data, 75), &s, &e), STATUS_INVALID);
    EXPECT_STATUS(passphrase_open(passphrase, slice_empty(), &s, &e), STATUS_INVALID);
    EXPECT(s.data == NULL);
}

TEST(every_changed_byte_is_noticed) {
    uint8_t sealed[256];
    size_t len = cheap(sealed, sizeof sealed);
    auto_secret s = {0};
    EXPECT_OK(passphrase_open(passphrase, slice_of(sealed, len), &s, NULL));
    EXPECT(slice_equal(secret_slice(&s), plain));
    for (size_t i = 20; i < len; i++) {
        auto_secret no = {0};
        sealed[i] ^= 0x80;
        EXPECT_STATUS(passphrase_open(passphrase, slice_of(sealed, len), &no, NULL), STATUS_DENIED);
        sealed[i] ^= 0x80;
    }
    sealed[12]++; // one more pass
    auto_secret no = {0};
    EXPECT_STATUS(passphrase_open(passphrase, slice_of(sealed, len), &no, NULL), STATUS_DENIED);
}

TEST(passphrases_have_a_length) {
    auto_buf b = {0};
    buf_init(&b, 4096);
    static const uint8_t longer[1025];
    EXPECT_STATUS(passphrase_seal(slice_empty(), plain, &b, NULL), STATUS_INVALID);
    EXPECT_STATUS(passphrase_seal(slice_of(longer, sizeof longer), plain, &b, NULL), STATUS_INVALID);
    EXPECT_EQ(b.len, 0);
}
