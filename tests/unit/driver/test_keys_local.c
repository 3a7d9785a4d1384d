// SPDX-License-Identifier: Apache-2.0
// Keys of this host: the contract, and what is the driver's own.
#include "unit/driver/keys_contract.h"

static status open_with(kv *k, const char *algorithm, slice key, slice previous, err *e) {
    const driver_value settings[] = {{slice_from_text("algorithm"), slice_from_text(algorithm)}};
    const driver_value credentials[] = {{slice_from_text("key"), key},
                                        {slice_from_text("previous-key"), previous}};
    const driver_values s = {settings, 1}, c = {credentials, previous.len > 0 ? 2 : 1};
    return kv_open(k, &keys_local, &s, &c, e);
}

static const char *open_it(kv *k, const char *algorithm, slice key, slice previous) {
    err e = {0};
    return open_with(k, algorithm, key, previous, &e) == STATUS_OK ? NULL : "it does not open";
}

KEYS_CONTRACT(open_it)

TEST(keys_that_are_not_right_are_refused) {
    static const struct {
        const char *algorithm, *key, *part;
    } rows[] = {
        {"rsa", "0123456789abcdef", "hmac-sha256, hmac-sha512 or ed25519, not \"rsa\""},
        {"hmac-sha256", "short", "16 to 4096 bytes"},
        {"hmac-sha256", "base64:c2hvcnQ=", "16 to 4096 bytes"},
        {"hmac-sha256", "base64:not base64 at all, but long", "16 to 4096 bytes"},
        {"ed25519", "short", "a seed of 32 bytes in base64"},
        {"ed25519", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", "a seed of 32 bytes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        kv k = {0};
        err e = {0};
        kv_start(&k);
        EXPECT_STATUS(open_with(&k, rows[i].algorithm, slice_from_text(rows[i].key), slice_empty(), &e),
                      STATUS_INVALID);
        EXPECT_CONTAINS(e.message, rows[i].part);
        EXPECT(strstr(e.message, "short") == NULL && strstr(e.message, "AAAA") == NULL);
        kv_stop(&k);
    }
}

TEST(both_alphabets_of_base64) {
    kv k = {0};
    char text[256];
    kv_start(&k);
    for (int i = 0; i < 2; i++) {
        const char *key = i == 0 ? "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n"
                                 : "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
        REQUIRE(open_it(&k, "ed25519", slice_from_text(key), slice_empty()) == NULL);
        EXPECT_TEXT(key_made(&k, KEYS_SIGN, "", text, sizeof text), contract_signature);
        kv_close(&k);
    }
    kv_stop(&k);
}

TEST(a_rotation_changes_the_key_of_an_open_link) {
    kv k = {0};
    char before[256], after[256];
    err e = {0};
    kv_start(&k);
    REQUIRE(open_it(&k, "ed25519", slice_from_text(contract_seed), slice_empty()) == NULL);
    (void)key_made(&k, KEYS_SIGN, "x", before, sizeof before);
    const driver_value values[] = {{slice_from_text("key"), slice_from_text(contract_other_seed)},
                                   {slice_from_text("previous-key"), slice_from_text(contract_seed)}};
    EXPECT_OK(keys_local.credentials(k.link, &(driver_values){values, 2}, &e));
    EXPECT(strcmp(key_made(&k, KEYS_SIGN, "x", after, sizeof after), before) != 0);
    EXPECT(key_verifies(&k, KEYS_VERIFY_SIGNATURE, "x", before));
    const driver_value wrong[] = {{slice_from_text("key"), slice_from_text("wrong")}};
    EXPECT_STATUS(keys_local.credentials(k.link, &(driver_values){wrong, 1}, &e), STATUS_INVALID);
    EXPECT(key_verifies(&k, KEYS_VERIFY_SIGNATURE, "x", after)); // both stay as they were
    EXPECT(key_verifies(&k, KEYS_VERIFY_SIGNATURE, "x", before));
    kv_close(&k);
    kv_stop(&k);
}
