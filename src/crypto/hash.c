// SPDX-License-Identifier: Apache-2.0
#include "crypto/hash.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#include "base/check.h"

_Static_assert(HASH_BYTES == crypto_generichash_BYTES && HASH_KEY_BYTES == crypto_generichash_KEYBYTES,
               "the default sizes of BLAKE2b-256");

// OpenSSL's, because it uses the processor's SHA instructions.
void hash_sha2_begin(hash_sha2_state *s, hash_kind kind) {
    const EVP_MD *md = kind == HASH_SHA256 ? EVP_sha256() : kind == HASH_SHA384 ? EVP_sha384() : EVP_sha512();
    s->context = EVP_MD_CTX_new();
    CHECK(s->context != NULL && EVP_DigestInit_ex(s->context, md, NULL) == 1);
}

void hash_sha2_add(hash_sha2_state *s, slice bytes) {
    CHECK(EVP_DigestUpdate(s->context, bytes.data, bytes.len) == 1);
}

size_t hash_sha2_end(hash_sha2_state *s, uint8_t ret[HASH_SHA2_BYTES_MAX]) {
    unsigned len = 0;
    CHECK(EVP_DigestFinal_ex(s->context, ret, &len) == 1 && len <= HASH_SHA2_BYTES_MAX);
    hash_sha2_drop(s);
    return len;
}

void hash_sha2_drop(hash_sha2_state *s) {
    EVP_MD_CTX_free(s->context);
    s->context = NULL;
}

size_t hash_sha2(hash_kind kind, const slice *parts, size_t count, uint8_t ret[HASH_SHA2_BYTES_MAX]) {
    hash_sha2_state s;
    hash_sha2_begin(&s, kind);
    for (size_t i = 0; i < count; i++) {
        hash_sha2_add(&s, parts[i]);
    }
    return hash_sha2_end(&s, ret);
}

void hash_sha256_begin(hash_sha256_state *s) { hash_sha2_begin(s, HASH_SHA256); }
void hash_sha256_add(hash_sha256_state *s, slice bytes) { hash_sha2_add(s, bytes); }
void hash_sha256_drop(hash_sha256_state *s) { hash_sha2_drop(s); }

void hash_sha256_end(hash_sha256_state *s, uint8_t ret[HASH_BYTES]) {
    uint8_t hash[HASH_SHA2_BYTES_MAX];
    CHECK(hash_sha2_end(s, hash) == HASH_BYTES);
    memcpy(ret, hash, HASH_BYTES);
}

void hash_sha256(const slice *parts, size_t count, uint8_t ret[HASH_BYTES]) {
    uint8_t hash[HASH_SHA2_BYTES_MAX];
    CHECK(hash_sha2(HASH_SHA256, parts, count, hash) == HASH_BYTES);
    memcpy(ret, hash, HASH_BYTES);
}

_Static_assert(sizeof(crypto_generichash_state) <= sizeof(hash_keyed_state), "libsodium's state fits");

static crypto_generichash_state *state_of(hash_keyed_state *s) {
    return (crypto_generichash_state *)(void *)s->opaque;
}

void hash_keyed_begin(hash_keyed_state *s, const uint8_t key[HASH_KEY_BYTES]) {
    CHECK(sodium_init() >= 0); // chooses the fastest implementation; cheap after the first time
    CHECK(crypto_generichash_init(state_of(s), key, HASH_KEY_BYTES, HASH_BYTES) == 0);
}

void hash_keyed_add(hash_keyed_state *s, slice bytes) {
    CHECK(crypto_generichash_update(state_of(s), bytes.data, bytes.len) == 0);
}

void hash_keyed_end(hash_keyed_state *s, uint8_t ret[HASH_BYTES]) {
    CHECK(crypto_generichash_final(state_of(s), ret, HASH_BYTES) == 0);
    sodium_memzero(s, sizeof *s);
}

void hash_keyed(const uint8_t key[HASH_KEY_BYTES], const slice *parts, size_t count,
                uint8_t ret[HASH_BYTES]) {
    hash_keyed_state s;
    hash_keyed_begin(&s, key);
    for (size_t i = 0; i < count; i++) {
        hash_keyed_add(&s, parts[i]);
    }
    hash_keyed_end(&s, ret);
}

bool hash_equal(const uint8_t a[HASH_BYTES], const uint8_t b[HASH_BYTES]) {
    return sodium_memcmp(a, b, HASH_BYTES) == 0;
}

void hash_hex(const uint8_t hash[HASH_BYTES], char ret[HASH_HEX_BYTES]) {
    CHECK(sodium_bin2hex(ret, HASH_HEX_BYTES, hash, HASH_BYTES) != NULL);
}

static int hex_digit(uint8_t c, hash_case letters) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f' && letters != HASH_UPPER_CASE) {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' && letters != HASH_LOWER_CASE ? c - 'A' + 10 : -1;
}

bool hash_from_hex(slice text, hash_case letters, uint8_t ret[HASH_BYTES]) {
    uint8_t hash[HASH_BYTES];
    if (text.len != 2 * HASH_BYTES) {
        return false;
    }
    for (size_t i = 0; i < HASH_BYTES; i++) {
        int high = hex_digit(text.data[2 * i], letters), low = hex_digit(text.data[2 * i + 1], letters);
        if (high < 0 || low < 0) {
            return false;
        }
        hash[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(ret, hash, HASH_BYTES);
    return true;
}
