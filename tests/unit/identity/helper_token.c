// SPDX-License-Identifier: Apache-2.0
#include "helper_token.h"

#include <string.h>

#include "base/check.h"
#include "codec/base32.h"
#include "codec/base64.h"

// The checksum of the text form, bit by bit.
static uint16_t crc(const uint8_t *bytes, size_t len) {
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc = (uint16_t)(crc ^ (bytes[i] << 8));
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1);
        }
    }
    return crc;
}

nkey *helper_key(nkey_kind kind, uint8_t number) {
    uint8_t body[36];
    uint8_t prefix = (uint8_t)((nkey_kind_letter(kind) - 'A') << 3);
    body[0] = (uint8_t)(18 << 3 | prefix >> 5);
    body[1] = (uint8_t)(prefix << 3);
    memset(body + 2, number, 32);
    uint16_t sum = crc(body, 34);
    body[34] = (uint8_t)sum;
    body[35] = (uint8_t)(sum >> 8);
    char text[BASE32_TEXT_LEN(sizeof body)];
    base32_encode(slice_of(body, sizeof body), text);
    nkey *k = NULL;
    CHECK(nkey_from_seed_text(slice_of(text, sizeof text), &k, NULL) == STATUS_OK);
    return k;
}

nkey_public helper_public(nkey_kind kind, uint8_t number) {
    nkey *k = helper_key(kind, number);
    nkey_public p = nkey_public_of(k);
    nkey_free(k);
    return p;
}

void helper_sign_text(const char *header, slice claims, const nkey *issuer, buf *ret) {
    uint8_t signature[SIGN_SIGNATURE_BYTES];
    CHECK(base64_encode(BASE64_URL, slice_from_text(header), ret) == STATUS_OK);
    CHECK(buf_append_byte(ret, '.') == STATUS_OK);
    CHECK(base64_encode(BASE64_URL, claims, ret) == STATUS_OK);
    CHECK(nkey_sign(issuer, buf_slice(ret), signature, NULL) == STATUS_OK);
    CHECK(buf_append_byte(ret, '.') == STATUS_OK);
    CHECK(base64_encode(BASE64_URL, slice_of(signature, sizeof signature), ret) == STATUS_OK);
}
