// SPDX-License-Identifier: Apache-2.0
#include "base/siphash.h"
#include "test.h"

// The example of the paper's appendix A, and its key with other lengths against the reference
// implementation's table.
TEST(known_answers) {
    const siphash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    uint8_t input[16];
    for (uint8_t i = 0; i < sizeof input; i++) {
        input[i] = i;
    }
    EXPECT_U64(siphash(key, slice_of(input, 15)), 0xa129ca6149be45e5);
    EXPECT_U64(siphash(key, slice_of(input, 0)), 0x726fdb47dd0e0e31);
    EXPECT_U64(siphash(key, slice_of(input, 1)), 0x74f839c593dc67fd);
    EXPECT_U64(siphash(key, slice_of(input, 8)), 0x93f5f5799a932462);
}

TEST(the_key_matters) {
    EXPECT(siphash((siphash_key){1, 2}, slice_from_text("x")) !=
           siphash((siphash_key){1, 3}, slice_from_text("x")));
}
