// SPDX-License-Identifier: Apache-2.0
#include "helper_signed.h"

#include "base/check.h"
#include "helper_binary.h"
#include "helper_token.h"
#include "identity/envelope.h"

uint32_t helper_random(uint32_t *state) { // xorshift32
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

// Sections of random bytes: `ids` says which are possible besides custom ones.
static void add_sections(buf *b, size_t bytes, size_t count, const uint8_t *ids, uint32_t *state) {
    auto_buf content;
    buf_init(&content, BINARY_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_clear(&content);
        for (size_t left = bytes / count; left > 0; left--) {
            uint8_t byte = (uint8_t)helper_random(state);
            binary_add(&content, &byte, 1);
        }
        uint32_t pick = helper_random(state) % 4;
        if (pick == 0) {
            binary_custom_padded(b, "notes", buf_slice(&content), 0, 0);
        } else {
            binary_section(b, ids[pick - 1], buf_slice(&content));
        }
    }
}

void helper_make_component(size_t bytes, size_t sections, buf *ret) {
    uint32_t state = 2463534242u;
    size_t share = bytes / 4, count = sections / 4;
    auto_buf module, inner, innermost;
    binary_begin(&module, false);
    add_sections(&module, share, count, (const uint8_t[]){1, 3, 10}, &state);
    binary_begin(&innermost, true);
    add_sections(&innermost, share, count, (const uint8_t[]){6, 7, 8}, &state);
    binary_begin(&inner, true);
    binary_section(&inner, 4, buf_slice(&innermost));
    add_sections(&inner, share, count, (const uint8_t[]){6, 7, 8}, &state);
    binary_begin(ret, true);
    binary_section(ret, 1, buf_slice(&module));
    binary_section(ret, 4, buf_slice(&inner));
    add_sections(ret, share, count, (const uint8_t[]){7, 8, 11}, &state);
}

token_claims helper_claims(slice bytes) {
    envelope v;
    CHECK(envelope_read(bytes, &v, NULL) == STATUS_OK);
    token_claims c = {.kind = TOKEN_COMPONENT, .issued_at_s = HELPER_SIGNED_AT_S};
    c.subject = helper_public(NKEY_MODULE, 2);
    c.id = slice_from_text("an-id");
    c.has_expiry = true;
    c.expires_at_s = HELPER_SIGNED_AT_S + 86400;
    c.wascap_revision = TOKEN_WASCAP_REVISION;
    c.name = slice_from_text("shop/cart");
    c.has_revision = true;
    c.revision = 3;
    c.has_hash = true;
    memcpy(c.hash, v.hash, HASH_BYTES);
    return c;
}

void helper_token_of(const token_claims *claims, buf *ret) {
    nkey *issuer = helper_key(NKEY_ACCOUNT, 1);
    err e = {0};
    buf_init(ret, TOKEN_BYTES_MAX);
    CHECK(token_write(claims, issuer, ret, &e) == STATUS_OK);
    nkey_free(issuer);
}

void helper_append(buf *component, const token_claims *claims) {
    auto_buf token;
    helper_token_of(claims, &token);
    CHECK(envelope_append_token(component, buf_slice(&token), NULL) == STATUS_OK);
}

void helper_sign(buf *component) {
    token_claims c = helper_claims(buf_slice(component));
    helper_append(component, &c);
}
