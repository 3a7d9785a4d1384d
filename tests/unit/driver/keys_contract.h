// SPDX-License-Identifier: Apache-2.0
// The contract writ:crypto with keys (driver/keys/keys.h), as tests that hold for every driver. A test file
// says how a link with a key of an algorithm is opened, and has them all:
//
//   static const char *open_it(kv *k, const char *algorithm, slice key, slice previous);
//                                                    NULL, or why the tests cannot run here
//   KEYS_CONTRACT(open_it)
//
// Expected values: RFC 4231 (HMAC) test cases 6 and 7, RFC 8032 (Ed25519) section 7.1 tests 1 and 2.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "test.h"
#include "unit/driver/helper_keys.h"

typedef const char *(*keys_opener)(kv *k, const char *algorithm, slice key, slice previous);

#define CONTRACT_OPEN(algorithm, key, previous)                           \
    do {                                                                  \
        const char *why_not = open_it(k, (algorithm), (key), (previous)); \
        if (why_not != NULL) {                                            \
            SKIP(why_not);                                                \
        }                                                                 \
    } while (0)

static const char contract_data[] = "This is a test using a larger than block-size key and a larger than "
                                    "block-size data. The key needs to be "
                                    "hashed before being used by the HMAC algorithm.";
static const char contract_seed[] = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
static const char contract_other_seed[] = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
static const char contract_signature[] = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb"
                                         "8821590a33bacc61e39701cf9b46bd25bf5f0595b"
                                         "be24655141438e7a100b";

static void contract_hmac(kv *k, keys_opener open_it) {
    char text[256], key[256] = "base64:"; // 131 bytes aa
    memset(key + 7, 'q', 174);
    memcpy(key + 181, "o=", 3);
    CONTRACT_OPEN("hmac-sha256", slice_from_text(key), slice_empty());
    static const char tag[] = "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2";
    EXPECT_TEXT(key_made(k, KEYS_AUTHENTICATE, contract_data, text, sizeof text), tag);
    EXPECT(key_verifies(k, KEYS_VERIFY_TAG, contract_data, tag));
    EXPECT(!key_verifies(k, KEYS_VERIFY_TAG, "something else", tag));
    EXPECT(!key_verifies(k, KEYS_VERIFY_TAG, contract_data, "9b09ffa71b942fcb"));
    EXPECT(!key_verifies(k, KEYS_VERIFY_TAG, contract_data, ""));
    kv_close(k);
    CONTRACT_OPEN("hmac-sha512", slice_from_text(key), slice_empty());
    EXPECT_TEXT(
        key_made(k, KEYS_AUTHENTICATE, contract_data, text, sizeof text),
        "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15"
        "134676fb6de0446065c97440fa8c6a58");
    kv_close(k);
}

static void contract_signing(kv *k, keys_opener open_it) {
    char text[256];
    CONTRACT_OPEN("ed25519", slice_from_text(contract_seed), slice_empty());
    EXPECT_TEXT(key_made(k, KEYS_PUBLIC_KEY, "", text, sizeof text),
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    EXPECT_TEXT(key_made(k, KEYS_SIGN, "", text, sizeof text), contract_signature);
    EXPECT(key_verifies(k, KEYS_VERIFY_SIGNATURE, "", contract_signature));
    EXPECT(!key_verifies(k, KEYS_VERIFY_SIGNATURE, "x", contract_signature));
    EXPECT(!key_verifies(k, KEYS_VERIFY_SIGNATURE, "", "00"));
    kv_close(k);
}

static void contract_refusals(kv *k, keys_opener open_it) {
    slice nothing = slice_empty(), message = slice_from_text("x");
    CONTRACT_OPEN("ed25519", slice_from_text(contract_seed), nothing);
    EXPECT(key_refuses(k, KEYS_AUTHENTICATE, message, KEYS_UNSUPPORTED));
    EXPECT(key_refuses(k, KEYS_VERIFY_TAG, message, KEYS_UNSUPPORTED));
    uint8_t *large = mem_calloc(KEYS_MESSAGE_BYTES_MAX + 1, 1);
    EXPECT(key_refuses(k, KEYS_SIGN, slice_of(large, KEYS_MESSAGE_BYTES_MAX + 1), KEYS_TOO_LARGE));
    mem_free(large);
    kv_close(k);
    CONTRACT_OPEN("hmac-sha256", slice_from_text(contract_seed), nothing);
    EXPECT(key_refuses(k, KEYS_SIGN, message, KEYS_UNSUPPORTED));
    EXPECT(key_refuses(k, KEYS_VERIFY_SIGNATURE, message, KEYS_UNSUPPORTED));
    EXPECT(key_refuses(k, KEYS_PUBLIC_KEY, message, KEYS_UNSUPPORTED));
    kv_close(k);
}

// What was made before a rotation verifies while both are given, and nothing new is made with the old one.
static void contract_rotation(kv *k, keys_opener open_it) {
    char text[256], made[256];
    slice old = slice_from_text(contract_seed), new = slice_from_text(contract_other_seed);
    CONTRACT_OPEN("ed25519", new, old);
    EXPECT(key_verifies(k, KEYS_VERIFY_SIGNATURE, "", contract_signature));
    EXPECT(strcmp(key_made(k, KEYS_SIGN, "", made, sizeof made), contract_signature) != 0);
    EXPECT(key_verifies(k, KEYS_VERIFY_SIGNATURE, "", made));
    kv_close(k);
    CONTRACT_OPEN("ed25519", new, slice_empty());
    EXPECT(!key_verifies(k, KEYS_VERIFY_SIGNATURE, "", contract_signature));
    EXPECT_TEXT(key_made(k, KEYS_SIGN, "", text, sizeof text), made);
    kv_close(k);
}

#define KEYS_CONTRACT_TEST(name, open_it) \
    TEST(name) {                          \
        kv k = {0};                       \
        kv_start(&k);                     \
        contract_##name(&k, open_it);     \
        kv_stop(&k);                      \
    }

#define KEYS_CONTRACT(open_it)            \
    KEYS_CONTRACT_TEST(hmac, open_it)     \
    KEYS_CONTRACT_TEST(signing, open_it)  \
    KEYS_CONTRACT_TEST(refusals, open_it) \
    KEYS_CONTRACT_TEST(rotation, open_it)
