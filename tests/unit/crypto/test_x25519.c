// SPDX-License-Identifier: Apache-2.0
// X25519 against RFC 7748, HKDF against RFC 5869.
#include "crypto/x25519.h"
#include "test.h"

static size_t bytes_of(const char *hex, uint8_t *ret) {
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned byte = 0;
        EXPECT(sscanf(hex + 2 * i, "%2x", &byte) == 1);
        ret[i] = (uint8_t)byte;
    }
    return n;
}

static bool is(const uint8_t *bytes, const char *hex) {
    uint8_t expected[128];
    size_t n = bytes_of(hex, expected);
    return memcmp(bytes, expected, n) == 0;
}

TEST(both_agree) { // RFC 7748, 6.1
    uint8_t a[32], b[32], pa[32], pb[32], shared[32];
    bytes_of("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", a);
    bytes_of("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", b);
    x25519_public(a, pa);
    x25519_public(b, pb);
    EXPECT(is(pa, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
    EXPECT(is(pb, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
    const char *secret = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
    EXPECT(x25519_agree(a, pb, shared) && is(shared, secret));
    EXPECT(x25519_agree(b, pa, shared) && is(shared, secret));
}

TEST(keys_of_small_order_are_refused) {
    uint8_t a[32] = {1, 2, 3}, zero[32] = {0}, one[32] = {1}, shared[32];
    EXPECT(!x25519_agree(a, zero, shared));
    EXPECT(!x25519_agree(a, one, shared));
}

TEST(keys_of_a_secret) { // RFC 5869, A.1 and A.3
    uint8_t ikm[22], salt[13], info[10], okm[42];
    memset(ikm, 0x0b, sizeof ikm);
    bytes_of("000102030405060708090a0b0c", salt);
    bytes_of("f0f1f2f3f4f5f6f7f8f9", info);
    hkdf_sha256(slice_of(salt, 13), slice_of(ikm, 22), slice_of(info, 10), okm, sizeof okm);
    EXPECT(is(okm, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"));
    hkdf_sha256(slice_empty(), slice_of(ikm, 22), slice_empty(), okm, sizeof okm);
    EXPECT(is(okm, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"));
}
