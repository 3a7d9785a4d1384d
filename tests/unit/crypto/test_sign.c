// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "crypto/sign.h"

static void from_hex(const char *hex, uint8_t *ret) {
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        unsigned value = 0;
        EXPECT(sscanf(hex + 2 * i, "%2x", &value) == 1);
        ret[i] = (uint8_t)value;
    }
}

typedef struct vector {
    const char *seed;
    const char *public_key;
    const char *message;
    const char *signature;
} vector;

// RFC 8032, section 7.1, tests 1 to 3.
static const vector vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f"
     "0"
     "595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2ea"
     "e"
     "b4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e"
     "9"
     "716ed28dc027beceea1ec40a"},
};

TEST(ed25519_known_answers) {
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint8_t seed[32], wanted_key[32], key[32], wanted[64], signature[64], message[2];
        from_hex(vectors[i].seed, seed);
        from_hex(vectors[i].public_key, wanted_key);
        from_hex(vectors[i].signature, wanted);
        from_hex(vectors[i].message, message);
        slice m = slice_of(message, strlen(vectors[i].message) / 2);
        sign_public_of_seed(seed, key);
        EXPECT(memcmp(key, wanted_key, 32) == 0);
        sign_message(seed, m, signature);
        EXPECT(memcmp(signature, wanted, 64) == 0);
        EXPECT(sign_verify(key, m, signature));
    }
}

TEST(every_changed_bit_of_a_signature_or_key_is_noticed) {
    uint8_t seed[32] = {1}, key[32], signature[64];
    slice m = SLICE_LITERAL("message");
    sign_public_of_seed(seed, key);
    sign_message(seed, m, signature);
    for (size_t bit = 0; bit < 64 * 8; bit++) {
        signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        EXPECT(!sign_verify(key, m, signature));
        signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bit = 0; bit < 32 * 8; bit++) {
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
        EXPECT(!sign_verify(key, m, signature));
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    EXPECT(sign_verify(key, m, signature));
    EXPECT(!sign_verify(key, (slice)SLICE_LITERAL("massage"), signature));
}

// S + L signs the same message under the plain equation (RFC 8032, 8.4).
TEST(a_second_signature_cannot_be_made_from_the_first) {
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    uint8_t seed[32] = {2}, key[32], signature[64];
    slice m = SLICE_LITERAL("message");
    sign_public_of_seed(seed, key);
    sign_message(seed, m, signature);
    unsigned carry = 0;
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)signature[32 + i] + order[i];
        signature[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    EXPECT_EQ(carry, 0);
    EXPECT(!sign_verify(key, m, signature));
}

// With the neutral point as key, R = S*B fits every message.
TEST(a_key_of_small_order_signs_nothing) {
    uint8_t key[32] = {1}, signature[64] = {1};
    EXPECT(!sign_verify(key, (slice)SLICE_LITERAL("anything"), signature));
    memset(key, 0, 32);
    EXPECT(!sign_verify(key, (slice)SLICE_LITERAL("anything"), signature));
}

// RFC 7748, section 6.1 (Bob's).
TEST(x25519_known_answer) {
    uint8_t seed[32], wanted[32], key[32];
    from_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", seed);
    from_hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", wanted);
    sign_curve_public_of_seed(seed, key);
    EXPECT(memcmp(key, wanted, 32) == 0);
}
