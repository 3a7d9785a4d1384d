// SPDX-License-Identifier: Apache-2.0
// AES-256-GCM against test case 16 of its designers ("The Galois/Counter Mode of Operation", appendix B).
#include "crypto/aes_gcm.h"
#include "test.h"

static void bytes_of(const char *hex, uint8_t *ret) {
    for (size_t i = 0; i < strlen(hex) / 2; i++) {
        unsigned byte = 0;
        EXPECT(sscanf(hex + 2 * i, "%2x", &byte) == 1);
        ret[i] = (uint8_t)byte;
    }
}

static const char *const PLAIN = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                                 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
static const char *const SEALED = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                                  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662";

TEST(known_message) {
    uint8_t key[32], nonce[12], about[20], plain[60], expected[60], tag[16], tag_expected[16], back[60];
    bytes_of("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", key);
    bytes_of("cafebabefacedbaddecaf888", nonce);
    bytes_of("feedfacedeadbeeffeedfacedeadbeefabaddad2", about);
    bytes_of(PLAIN, plain);
    bytes_of(SEALED, expected);
    bytes_of("76fc6ece0f4e1768cddf8853bb2d551b", tag_expected);
    aes_gcm *seal = aes_gcm_new(key, true), *open = aes_gcm_new(key, false);
    aes_gcm_seal(seal, nonce, slice_of(about, 20), plain, sizeof plain, tag);
    EXPECT(memcmp(plain, expected, sizeof plain) == 0);
    EXPECT(memcmp(tag, tag_expected, sizeof tag) == 0);
    EXPECT(aes_gcm_open(open, nonce, slice_of(about, 20), slice_of(plain, 60), tag, back));
    bytes_of(PLAIN, expected);
    EXPECT(memcmp(back, expected, sizeof back) == 0);
    // Each byte counts, also those that are not sealed.
    plain[7] ^= 1;
    EXPECT(!aes_gcm_open(open, nonce, slice_of(about, 20), slice_of(plain, 60), tag, back));
    plain[7] ^= 1;
    about[3] ^= 1;
    EXPECT(!aes_gcm_open(open, nonce, slice_of(about, 20), slice_of(plain, 60), tag, back));
    about[3] ^= 1;
    nonce[0] ^= 1;
    EXPECT(!aes_gcm_open(open, nonce, slice_of(about, 20), slice_of(plain, 60), tag, back));
    nonce[0] ^= 1;
    EXPECT(!aes_gcm_open(open, nonce, slice_of(about, 20), slice_of(plain, 59), tag, back));
    EXPECT(aes_gcm_open(open, nonce, slice_of(about, 20), slice_of(plain, 60), tag, plain)); // in place
    EXPECT(memcmp(plain, expected, sizeof plain) == 0);
    aes_gcm_free(seal);
    aes_gcm_free(open);
}

TEST(nothing_can_be_sealed_too) {
    uint8_t key[32] = {1}, nonce[12] = {2}, tag[16], none[1];
    aes_gcm *seal = aes_gcm_new(key, true), *open = aes_gcm_new(key, false);
    aes_gcm_seal(seal, nonce, slice_empty(), none, 0, tag);
    EXPECT(aes_gcm_open(open, nonce, slice_empty(), slice_empty(), tag, none));
    tag[15] ^= 0x80;
    EXPECT(!aes_gcm_open(open, nonce, slice_empty(), slice_empty(), tag, none));
    aes_gcm_free(seal);
    aes_gcm_free(open);
    aes_gcm_free(NULL);
}
