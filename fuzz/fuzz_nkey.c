// SPDX-License-Identifier: Apache-2.0
// Any text as a public key, a seed and a sealed key, and any bytes as a sealed secret: answered with a key or
// an error that does not repeat the text, and what was accepted is written back the same. The first byte
// chooses.
//
// links: identity
#include "base/check.h"
#include "crypto/passphrase.h"
#include "fuzz.h"
#include "identity/nkey.h"
#include "identity/sealed_key.h"

enum { SEALED_BYTES_MAX = 512, HEADER_BYTES = 20 };

static void check_refusal(const err *e) { CHECK(e->code == STATUS_INVALID && e->message[0] != '\0'); }

static void fuzz_public(slice text) {
    nkey_public k;
    err e = {0};
    if (nkey_public_parse(text, &k, &e) != STATUS_OK) {
        check_refusal(&e);
        return;
    }
    CHECK(slice_equal_text(text, nkey_public_text(&k).text));
}

static void fuzz_seed(slice text) {
    nkey *k = NULL;
    err e = {0};
    if (nkey_from_seed_text(text, &k, &e) != STATUS_OK) {
        CHECK(k == NULL);
        check_refusal(&e);
        return;
    }
    auto_secret seed = {0};
    CHECK(nkey_seed_text(k, &seed, &e) == STATUS_OK);
    size_t from = 0;
    while (text.data[from] != 'S') { // white space
        from++;
    }
    CHECK(slice_equal(secret_slice(&seed), slice_sub(text, from, from + NKEY_SEED_TEXT_LEN)));
    nkey_free(k);
}

static void fuzz_sealed_key(slice text) {
    sealed_key k;
    err e = {0};
    if (sealed_key_read(text, &k, &e) != STATUS_OK) {
        check_refusal(&e);
        return;
    }
    auto_buf again;
    buf_init(&again, SEALED_KEY_TEXT_BYTES_MAX);
    CHECK(sealed_key_is(text) && sealed_key_write(&k, &again) == STATUS_OK);
    CHECK(slice_equal(text, buf_slice(&again)));
}

// Under the cheapest parameters, which the first bytes name; those that were given are only looked at.
static void fuzz_sealed_secret(slice bytes) {
    static const uint8_t cheap[HEADER_BYTES] = {'W', 'R', 'I', 'T',      'S',     'E',
                                                'A', 'L', 1,   [12] = 1, [16] = 8};
    uint8_t sealed[SEALED_BYTES_MAX];
    auto_secret plain = {0};
    slice passphrase = SLICE_LITERAL("correct horse");
    if (bytes.len < HEADER_BYTES || bytes.len > sizeof sealed) {
        CHECK(passphrase_open(passphrase, slice_sub(bytes, 0, HEADER_BYTES), &plain, NULL) != STATUS_OK);
        return;
    }
    memcpy(sealed, bytes.data, bytes.len);
    memcpy(sealed, cheap, sizeof cheap);
    err e = {0};
    status s = passphrase_open(passphrase, slice_of(sealed, bytes.len), &plain, &e);
    CHECK(s == STATUS_OK || ((s == STATUS_INVALID || s == STATUS_DENIED) && plain.data == NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const parts[])(slice) = {fuzz_public, fuzz_seed, fuzz_sealed_key, fuzz_sealed_secret};
    if (size > 0) {
        parts[data[0] % 4](slice_of(data + 1, size - 1));
    }
    return 0;
}
