// SPDX-License-Identifier: Apache-2.0
// Expected values: RFC 4231, test case 2.
#include "crypto/mac.h"

#include "test.h"

static const uint8_t tag[32] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
                                0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
                                0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};

TEST(a_tag_and_its_check) {
    uint8_t made[MAC_BYTES_MAX], other[32];
    slice key = slice_from_text("Jefe"), data = slice_from_text("what do ya want for nothing?");
    EXPECT_EQ(mac_compute(MAC_HMAC_SHA256, key, data, made), 32);
    EXPECT(memcmp(made, tag, 32) == 0);
    EXPECT(mac_verify(MAC_HMAC_SHA256, key, data, slice_of(tag, 32)));
    memcpy(other, tag, 32);
    other[31] ^= 1;
    EXPECT(!mac_verify(MAC_HMAC_SHA256, key, data, slice_of(other, 32)));
    EXPECT(!mac_verify(MAC_HMAC_SHA256, key, data, slice_of(tag, 31)));
    EXPECT(!mac_verify(MAC_HMAC_SHA256, key, slice_empty(), slice_of(tag, 32)));
    EXPECT(!mac_verify(MAC_HMAC_SHA512, key, data, slice_of(tag, 32)));
}
