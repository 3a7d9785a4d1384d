// SPDX-License-Identifier: Apache-2.0
#include "codec/quantity.h"
#include "test.h"

static uint64_t size_of(const char *text) {
    uint64_t value = 0;
    return quantity_size(slice_from_text(text), &value) ? value : UINT64_MAX;
}

TEST(sizes) {
    EXPECT_U64(size_of("4096"), 4096);
    EXPECT_U64(size_of("1.5k"), 1536);
    EXPECT_U64(size_of("64MiB"), 64 << 20);
    static const char *const wrong[] = {
        "", "k", "-1", "1.", "1.k", "1 k", "1kk", "99999999999999999999", "18446744073709551615k"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_U64(size_of(wrong[i]), UINT64_MAX);
    }
    // The text ends where the slice ends.
    uint64_t value = 0;
    EXPECT(quantity_size(slice_of("64MB", 3), &value) && value == 64 << 20);
}

TEST(times) {
    uint64_t value = 7;
    EXPECT(quantity_duration(slice_from_text("250ms"), &value) && value == 250000000);
    EXPECT(quantity_duration(slice_from_text("0.5s"), &value) && value == 500000000);
    EXPECT(!quantity_duration(slice_from_text("5"), &value) && value == 500000000);
    EXPECT(quantity_span(slice_from_text("2w"), &value) && value == 14 * 86400);
    EXPECT(!quantity_span(slice_from_text("2 w"), &value));
}
