// SPDX-License-Identifier: Apache-2.0
// Layout: "WRITSEAL", version 1, three zero bytes, passes and memory in KiB (little-endian, 4 bytes each),
// salt, nonce, box. Parameters, salt and nonce need no protection of their own: with others the box does not
// open.
#include "crypto/passphrase.h"

#include <sodium.h>

#include "base/check.h"

enum {
    PASSPHRASE_BYTES_MAX = 1024,
    // The "moderate" setting of libsodium: most of a second of one core.
    PASSES = 3,
    MEMORY_KIB = 256 << 10,
    // What opening accepts.
    PASSES_MAX = 16,
    MEMORY_KIB_MIN = 8,
    MEMORY_KIB_MAX = 1 << 20,

    AT_PASSES = 12,
    AT_MEMORY = 16,
    AT_SALT = 20,
    AT_NONCE = AT_SALT + crypto_pwhash_argon2id_SALTBYTES,
    AT_BOX = AT_NONCE + crypto_secretbox_NONCEBYTES,
};

static const uint8_t magic[AT_PASSES] = {'W', 'R', 'I', 'T', 'S', 'E', 'A', 'L', 1, 0, 0, 0};

static void put_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> 8 * i);
    }
}

static uint32_t get_u32(const uint8_t *at) {
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

// The key that belongs to a header and a passphrase.
static status derive(slice passphrase, const uint8_t header[AT_BOX], secret *ret, err *e) {
    CHECK(sodium_init() >= 0);
    TRY(secret_new(crypto_secretbox_KEYBYTES, ret, e));
    size_t memory = (size_t)get_u32(header + AT_MEMORY) << 10;
    if (crypto_pwhash_argon2id(ret->data, ret->len, (const char *)passphrase.data, passphrase.len,
                               header + AT_SALT, get_u32(header + AT_PASSES), memory,
                               crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0) {
        secret_free(ret);
        return err_set(e, STATUS_LIMIT, "making a key of a passphrase needs %zu MiB of memory", memory >> 20);
    }
    return STATUS_OK;
}

status passphrase_seal(slice passphrase, slice plain, buf *ret, err *e) {
    if (passphrase.len == 0 || passphrase.len > PASSPHRASE_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "a passphrase has 1 to %d bytes", PASSPHRASE_BYTES_MAX);
    }
    uint8_t *at;
    size_t len = AT_BOX + crypto_secretbox_MACBYTES + plain.len;
    if (plain.len > SECRET_BYTES_MAX || buf_reserve(ret, len, &at) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "the sealed secret is too large");
    }
    memcpy(at, magic, sizeof magic);
    put_u32(at + AT_PASSES, PASSES);
    put_u32(at + AT_MEMORY, MEMORY_KIB);
    randombytes_buf(at + AT_SALT, AT_BOX - AT_SALT);
    auto_secret key = {0};
    TRY(derive(passphrase, at, &key, e));
    CHECK(crypto_secretbox_easy(at + AT_BOX, plain.data, plain.len, at + AT_NONCE, key.data) == 0);
    ret->len += len;
    return STATUS_OK;
}

static status check_header(slice sealed, err *e) {
    if (sealed.len < AT_BOX + crypto_secretbox_MACBYTES ||
        sealed.len > AT_BOX + crypto_secretbox_MACBYTES + (size_t)SECRET_BYTES_MAX ||
        memcmp(sealed.data, magic, sizeof magic) != 0) {
        return err_set(e, STATUS_INVALID, "not a sealed secret of a version that is known here");
    }
    uint32_t passes = get_u32(sealed.data + AT_PASSES), memory = get_u32(sealed.data + AT_MEMORY);
    if (passes < 1 || passes > PASSES_MAX || memory < MEMORY_KIB_MIN || memory > MEMORY_KIB_MAX) {
        return err_set(e, STATUS_INVALID,
                       "the sealed secret asks for %u passes over %u KiB; at most %d over %d KiB are made",
                       passes, memory, PASSES_MAX, MEMORY_KIB_MAX);
    }
    return STATUS_OK;
}

status passphrase_open(slice passphrase, slice sealed, secret *ret, err *e) {
    TRY(check_header(sealed, e));
    if (passphrase.len == 0 || passphrase.len > PASSPHRASE_BYTES_MAX) {
        return err_set(e, STATUS_DENIED, "the passphrase is wrong, or the sealed secret was changed");
    }
    auto_secret key = {0};
    secret plain = {0};
    TRY(derive(passphrase, sealed.data, &key, e));
    TRY(secret_new(sealed.len - AT_BOX - crypto_secretbox_MACBYTES, &plain, e));
    if (crypto_secretbox_open_easy(plain.data, sealed.data + AT_BOX, sealed.len - AT_BOX,
                                   sealed.data + AT_NONCE, key.data) != 0) {
        secret_free(&plain);
        return err_set(e, STATUS_DENIED, "the passphrase is wrong, or the sealed secret was changed");
    }
    *ret = plain;
    return STATUS_OK;
}
