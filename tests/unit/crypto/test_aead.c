// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"
#include "test.h"

static const uint8_t key[AEAD_KEY_BYTES] = {1, 2, 3};

TEST(what_was_sealed_opens_with_its_words_alone) {
    uint8_t sealed[5 + AEAD_OVERHEAD_BYTES];
    auto_secret plain = {0};
    aead_seal(key, slice_from_text("about"), slice_from_text("hello"), sealed);
    EXPECT_OK(aead_open(key, slice_from_text("about"), slice_of(sealed, sizeof sealed), &plain, NULL));
    EXPECT_BYTES(secret_slice(&plain), slice_from_text("hello"));
    secret other = {0};
    EXPECT_STATUS(aead_open(key, slice_from_text("About"), slice_of(sealed, sizeof sealed), &other, NULL),
                  STATUS_DENIED);
    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 1;
        EXPECT_STATUS(aead_open(key, slice_from_text("about"), slice_of(sealed, sizeof sealed), &other, NULL),
                      STATUS_DENIED);
        sealed[i] ^= 1;
    }
    for (size_t len = 0; len < sizeof sealed; len++) {
        EXPECT_STATUS(aead_open(key, slice_from_text("about"), slice_of(sealed, len), &other, NULL),
                      STATUS_DENIED);
    }
    EXPECT(other.data == NULL);
}

// draft-irtf-cfrg-xchacha, appendix A.3.1
TEST(it_is_xchacha20_poly1305) {
    uint8_t vector_key[32],
        about[] = {0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7};
    static const char text[] =
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
        "the future, sunscreen would be it.";
    static const uint8_t box[] = {
        0xbd, 0x6d, 0x17, 0x9d, 0x3e, 0x83, 0xd4, 0x3b, 0x95, 0x76, 0x57, 0x94, 0x93, 0xc0, 0xe9, 0x39, 0x57,
        0x2a, 0x17, 0x00, 0x25, 0x2b, 0xfa, 0xcc, 0xbe, 0xd2, 0x90, 0x2c, 0x21, 0x39, 0x6c, 0xbb, 0x73, 0x1c,
        0x7f, 0x1b, 0x0b, 0x4a, 0xa6, 0x44, 0x0b, 0xf3, 0xa8, 0x2f, 0x4e, 0xda, 0x7e, 0x39, 0xae, 0x64, 0xc6,
        0x70, 0x8c, 0x54, 0xc2, 0x16, 0xcb, 0x96, 0xb7, 0x2e, 0x12, 0x13, 0xb4, 0x52, 0x2f, 0x8c, 0x9b, 0xa4,
        0x0d, 0xb5, 0xd9, 0x45, 0xb1, 0x1b, 0x69, 0xb9, 0x82, 0xc1, 0xbb, 0x9e, 0x3f, 0x3f, 0xac, 0x2b, 0xc3,
        0x69, 0x48, 0x8f, 0x76, 0xb2, 0x38, 0x35, 0x65, 0xd3, 0xff, 0xf9, 0x21, 0xf9, 0x66, 0x4c, 0x97, 0x63,
        0x7d, 0xa9, 0x76, 0x88, 0x12, 0xf6, 0x15, 0xc6, 0x8b, 0x13, 0xb5, 0x2e, 0xc0, 0x87, 0x59, 0x24, 0xc1,
        0xc7, 0x98, 0x79, 0x47, 0xde, 0xaf, 0xd8, 0x78, 0x0a, 0xcf, 0x49};
    uint8_t sealed[24 + sizeof box];
    auto_secret plain = {0};
    for (size_t i = 0; i < 32; i++) {
        vector_key[i] = (uint8_t)(0x80 + i);
    }
    for (size_t i = 0; i < 24; i++) {
        sealed[i] = (uint8_t)(0x40 + i);
    }
    memcpy(sealed + 24, box, sizeof box);
    EXPECT_OK(
        aead_open(vector_key, slice_of(about, sizeof about), slice_of(sealed, sizeof sealed), &plain, NULL));
    EXPECT_BYTES(secret_slice(&plain), slice_from_text(text));
}
