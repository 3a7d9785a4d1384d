// SPDX-License-Identifier: Apache-2.0
// Key-value in memory: the contract, and its own bound.
#include "unit/driver/keyvalue_contract.h"

static const char *open_it(kv *k) {
    static const driver_value values[] = {KEYVALUE_CONTRACT_SETTINGS};
    const driver_values settings = {values, sizeof values / sizeof values[0]};
    kv_start(k);
    EXPECT_OK(kv_open(k, &keyvalue_memory, &settings, NULL, NULL));
    return NULL;
}

KEYVALUE_CONTRACT(open_it, kv_stop)

TEST(a_full_store_says_so_and_goes_on) {
    kv k = {0};
    static const driver_value values[] = {{SLICE_LITERAL("total-bytes-max"), SLICE_LITERAL("1000")}};
    const driver_values settings = {values, 1};
    kv_start(&k);
    EXPECT_OK(kv_open(&k, &keyvalue_memory, &settings, NULL, NULL));
    EXPECT(kv_set(&k, "b", "k", "v"));
    char big[900];
    memset(big, 'x', sizeof big);
    keyvalue_call c = kv_key_call(KEYVALUE_SET, "b", "l");
    c.value = slice_of(big, sizeof big);
    EXPECT(kv_is_error(&k, &c, KEYVALUE_OTHER, "full"));
    EXPECT(kv_is(&k, "b", "k", "v"));
    kv_stop(&k);
}
