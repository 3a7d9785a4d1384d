// SPDX-License-Identifier: Apache-2.0
#include "helper_guest.h"
#include "test.h"
#include "wasi/random_insecure.h"
#include "wasi/random_insecure_seed.h"
#include "wasi/random_random.h"

static void fill_counting(void *context, void *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)bytes)[i] = (uint8_t)++ * (int *)context;
    }
}

TEST(the_source_is_the_workloads) {
    guest g;
    int state = 0;
    const wasi_random source = {.context = &state, .fill = fill_counting};
    guest_init(&g);
    g.workload.random = &source;
    guest_start(&g);
    uint64_t number = 0;
    slice bytes = slice_empty();
    wasi_random_insecure_seed_tuple_u64_u64 seed = {0};
    EXPECT_OK(wasi_random_random_get_random_u64(&g, &number, NULL));
    EXPECT_U64(number, 0x0807060504030201);
    EXPECT_OK(wasi_random_insecure_get_insecure_random_u64(&g, &number, NULL));
    EXPECT_U64(number, 0x100f0e0d0c0b0a09);
    EXPECT_OK(wasi_random_insecure_seed_insecure_seed(&g, &seed, NULL));
    EXPECT_U64(seed.f1, 0x201f1e1d1c1b1a19);
    EXPECT_OK(wasi_random_random_get_random_bytes(&g, 3, &bytes, NULL));
    EXPECT_BYTES(bytes, slice_of("\x21\x22\x23", 3));
    EXPECT_OK(wasi_random_insecure_get_insecure_random_bytes(&g, 0, &bytes, NULL));
    EXPECT_EQ(bytes.len, 0);
    guest_done(&g);
}

TEST(length_is_bounded) {
    guest g;
    err e;
    slice bytes = slice_empty();
    guest_init(&g);
    g.workload.limits.random_bytes_max = 100000;
    guest_start(&g);
    EXPECT_OK(wasi_random_random_get_random_bytes(&g, 100000, &bytes, &e)); // more than the scratch buffer
    EXPECT_EQ(bytes.len, 100000);
    EXPECT_STATUS(wasi_random_random_get_random_bytes(&g, 100001, &bytes, &e), STATUS_TRAP);
    EXPECT_CONTAINS(e.message, "limit of one call is 100000");
    EXPECT_STATUS(wasi_random_insecure_get_insecure_random_bytes(&g, UINT64_MAX, &bytes, &e), STATUS_TRAP);
    EXPECT_EQ(g.instance->counters.limits_hit, 2);
    guest_done(&g);
}

TEST(the_machines_numbers_differ) {
    guest g;
    uint64_t a = 0, b = 0;
    guest_init(&g);
    guest_start(&g);
    EXPECT_OK(wasi_random_random_get_random_u64(&g, &a, NULL));
    EXPECT_OK(wasi_random_random_get_random_u64(&g, &b, NULL));
    EXPECT(a != b);
    guest_done(&g);
}
