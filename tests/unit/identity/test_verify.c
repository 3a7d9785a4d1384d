// SPDX-License-Identifier: Apache-2.0
// Attacks made by hand, and the order of reasons. Changes of single bytes are in test_mutation.c.
#include "identity/verify.h"

#include "base/check.h"
#include "helper_binary.h"
#include "helper_signed.h"
#include "helper_token.h"
#include "test.h"

static const slice detached_none = {NULL, 0};

static void expect_with(slice bytes, slice detached, uint64_t now_s, refusal reason, const char *word,
                        int line) {
    verify_input input = {.bytes = bytes, .detached_token = detached, .now_s = now_s};
    verification v;
    verify_component(&input, &v);
    if (!test_expect_eq(v.reason, reason, __FILE__, line, "the reason")) {
        printf("    %s: %s\n", refusal_name(v.reason), v.error.message);
    }
    if (strstr(v.error.message, word) == NULL) {
        test_fail(__FILE__, line, v.error.message);
    }
    verification_done(&v);
}

#define EXPECT_REASON(bytes, reason, word) \
    expect_with(bytes, detached_none, HELPER_SIGNED_AT_S, reason, word, __LINE__)
#define EXPECT_DETACHED(bytes, token, reason, word) \
    expect_with(bytes, token, HELPER_SIGNED_AT_S, reason, word, __LINE__)
#define EXPECT_AT(bytes, now_s, reason, word) expect_with(bytes, detached_none, now_s, reason, word, __LINE__)

static void make_plain(buf *ret) { helper_make_component(300, 16, ret); }

static void make_signed(buf *ret) {
    make_plain(ret);
    helper_sign(ret);
}

static void add_token_section(buf *b, const char *name, slice token) {
    binary_custom_padded(b, name, token, 0, 0);
}

static void token_of_plain(buf *ret) {
    auto_buf plain;
    make_plain(&plain);
    token_claims c = helper_claims(buf_slice(&plain));
    helper_token_of(&c, ret);
}

TEST(signed_and_unsigned) {
    auto_buf plain, good;
    make_plain(&plain);
    make_signed(&good);
    EXPECT_REASON(buf_slice(&plain), REFUSAL_UNSIGNED, "writ sign");
    EXPECT_REASON(buf_slice(&good), REFUSAL_NONE, "");
    EXPECT_REASON(slice_from_text("hello"), REFUSAL_MALFORMED, "no WebAssembly component");
}

TEST(both_names_of_the_section) {
    auto_buf b, token;
    make_plain(&b);
    token_of_plain(&token);
    add_token_section(&b, "jwt", buf_slice(&token));
    EXPECT_REASON(buf_slice(&b), REFUSAL_NONE, "");
}

TEST(a_second_token_section) {
    auto_buf token, before, after, twice, nested;
    token_of_plain(&token);
    slice text = buf_slice(&token);
    make_signed(&after);
    add_token_section(&after, "notes", text); // not a token: a section behind it
    EXPECT_REASON(buf_slice(&after), REFUSAL_MALFORMED, "not the last section");
    make_signed(&twice);
    add_token_section(&twice, "wasmcloud_jwt", text);
    EXPECT_REASON(buf_slice(&twice), REFUSAL_MALFORMED, "not the last section");
    auto_buf plain;
    make_plain(&plain);
    binary_begin(&before, true);
    add_token_section(&before, "jwt", text);
    binary_add(&before, plain.data + 8, plain.len - 8);
    add_token_section(&before, "wasmcloud_jwt", text);
    EXPECT_REASON(buf_slice(&before), REFUSAL_MALFORMED, "at byte 8: a token that is not the last section");
    auto_buf module;
    binary_begin(&module, false);
    add_token_section(&module, "jwt", text);
    make_plain(&nested);
    binary_section(&nested, 1, buf_slice(&module));
    EXPECT_REASON(buf_slice(&nested), REFUSAL_MALFORMED, "below the top");
}

// The hash does not see what is below the top, so a good token alone must not be enough.
TEST(a_token_hidden_in_a_signed_component) {
    auto_buf module, empty, b, clean, token;
    binary_begin(&empty, false);
    binary_begin(&clean, true);
    binary_section(&clean, 1, buf_slice(&empty));
    token_claims c = helper_claims(buf_slice(&clean));
    helper_token_of(&c, &token);
    binary_begin(&module, false);
    binary_custom(&module, "jwt", "anything that the hash does not see");
    binary_begin(&b, true);
    binary_section(&b, 1, buf_slice(&module));
    add_token_section(&b, "wasmcloud_jwt", buf_slice(&token));
    EXPECT_REASON(buf_slice(&b), REFUSAL_MALFORMED, "below the top");
}

TEST(padded_sizes) {
    auto_buf clean, token, b;
    binary_begin(&clean, true);
    binary_section(&clean, 7, slice_from_text("types"));
    token_claims c = helper_claims(buf_slice(&clean));
    helper_token_of(&c, &token);
    for (size_t size = 0; size < 2; size++) {
        for (size_t name = 0; name < 2; name++) {
            for (size_t section = 0; section < 2; section++) {
                binary_begin(&b, true);
                binary_section_padded(&b, 7, slice_from_text("types"), section);
                binary_custom_padded(&b, "wasmcloud_jwt", buf_slice(&token), size, name);
                bool is_exact = size + name + section == 0;
                EXPECT_REASON(buf_slice(&b), is_exact ? REFUSAL_NONE : REFUSAL_MALFORMED,
                              is_exact ? "" : "padded");
                buf_done(&b);
            }
        }
    }
    b = (buf){0};
}

TEST(a_token_of_another_component_or_from_another_place) {
    auto_buf token, other, moved, good, plain;
    token_of_plain(&token);
    helper_make_component(301, 20, &other);
    add_token_section(&other, "wasmcloud_jwt", buf_slice(&token));
    EXPECT_REASON(buf_slice(&other), REFUSAL_HASH_MISMATCH, "other bytes");
    make_signed(&good);
    make_plain(&plain);
    binary_begin(&moved, true); // the token's section comes first
    binary_add(&moved, good.data + plain.len, good.len - plain.len);
    binary_add(&moved, plain.data + 8, plain.len - 8);
    EXPECT_REASON(buf_slice(&moved), REFUSAL_MALFORMED, "not the last section");
}

TEST(revisions_below_3_forgive_nothing) {
    auto_buf token, other;
    make_plain(&other);
    token_claims c = helper_claims(buf_slice(&other));
    c.wascap_revision = 2;
    c.hash[0] ^= 1;
    helper_token_of(&c, &token);
    add_token_section(&other, "wasmcloud_jwt", buf_slice(&token));
    EXPECT_REASON(buf_slice(&other), REFUSAL_HASH_MISMATCH, "other bytes");
}

// The last letter of the signature has two bits that no byte takes up.
TEST(base64_with_bits_left_over) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    auto_buf good;
    make_signed(&good);
    uint8_t *last = &good.data[good.len - 1];
    size_t value = (size_t)(strchr(letters, *last) - letters);
    *last = (uint8_t)letters[value ^ 1];
    EXPECT_REASON(buf_slice(&good), REFUSAL_MALFORMED, "");
}

TEST(detached) {
    auto_buf token, other_token, plain, good, padded;
    token_of_plain(&token);
    make_plain(&plain);
    make_signed(&good);
    token_claims c = helper_claims(buf_slice(&plain));
    c.id = slice_from_text("another");
    helper_token_of(&c, &other_token);
    EXPECT_DETACHED(buf_slice(&plain), buf_slice(&token), REFUSAL_NONE, "");
    EXPECT_DETACHED(buf_slice(&good), buf_slice(&token), REFUSAL_NONE, "");
    EXPECT_DETACHED(buf_slice(&good), buf_slice(&other_token), REFUSAL_MALFORMED,
                    "another than the one inside");
    EXPECT_DETACHED(buf_slice(&plain), slice_from_text("a.b.c"), REFUSAL_MALFORMED, "the component's token");
    binary_begin(&padded, true);
    binary_section_padded(&padded, 7, slice_from_text("x"), 1);
    EXPECT_DETACHED(buf_slice(&padded), buf_slice(&token), REFUSAL_MALFORMED, "padded");
}

TEST(a_token_of_another_kind) {
    auto_buf b;
    make_plain(&b);
    token_claims c = {.kind = TOKEN_ACCOUNT, .issued_at_s = HELPER_SIGNED_AT_S};
    c.subject = helper_public(NKEY_ACCOUNT, 1);
    c.id = slice_from_text("x");
    c.name = slice_from_text("us");
    helper_append(&b, &c);
    EXPECT_REASON(buf_slice(&b), REFUSAL_WRONG_KEY_TYPE, "token of kind account");
}

TEST(time_at_its_bounds) {
    auto_buf b;
    make_plain(&b);
    token_claims c = helper_claims(buf_slice(&b));
    c.has_not_before = true;
    c.not_before_s = HELPER_SIGNED_AT_S + 100;
    helper_append(&b, &c);
    EXPECT_AT(buf_slice(&b), HELPER_SIGNED_AT_S + 99, REFUSAL_NOT_YET_VALID, "");
    EXPECT_AT(buf_slice(&b), HELPER_SIGNED_AT_S + 100, REFUSAL_NONE, "");
    EXPECT_AT(buf_slice(&b), c.expires_at_s - 1, REFUSAL_NONE, "");
    EXPECT_AT(buf_slice(&b), c.expires_at_s, REFUSAL_EXPIRED, "this host's clock");
}

// The first reason in the order of the list, whatever else is wrong; what is known is there all the same.
TEST(the_first_reason_counts) {
    auto_buf b;
    make_plain(&b);
    token_claims c = helper_claims(buf_slice(&b));
    c.hash[31] ^= 1;
    helper_append(&b, &c);
    EXPECT_AT(buf_slice(&b), c.expires_at_s, REFUSAL_HASH_MISMATCH, "");
    verify_input input = {.bytes = buf_slice(&b), .now_s = c.expires_at_s};
    verification v;
    verify_component(&input, &v);
    EXPECT(v.has_token && slice_equal_text(v.claims.name, "shop/cart"));
    verification_done(&v);
}

TEST(trust_is_asked_last) {
    auto_buf b;
    make_signed(&b);
    trust_store *nobody = trust_store_new();
    verify_input input = {.bytes = buf_slice(&b), .trust = nobody, .now_s = HELPER_SIGNED_AT_S};
    verification v;
    verify_component(&input, &v);
    EXPECT_EQ(v.reason, REFUSAL_UNKNOWN_ISSUER);
    verification_done(&v);
    trust_issuer us = {.key = helper_public(NKEY_ACCOUNT, 1)};
    err e = {0};
    REQUIRE(trust_store_add_issuer(nobody, &us, &e) == STATUS_OK);
    verify_component(&input, &v);
    EXPECT_EQ(v.reason, REFUSAL_NONE);
    EXPECT(v.trust.believed != NULL && nkey_public_equal(&v.trust.believed->key, &us.key));
    verification_done(&v);
    trust_store_free(nobody);
}

TEST(imports_need_writ_and_trust) {
    auto_buf b;
    auto_arena memory;
    arena_init(&memory, 1 << 20);
    make_plain(&b);
    token_claims c = helper_claims(buf_slice(&b));
    allowance_entry http;
    REQUIRE(allowance_entry_parse(slice_from_text("wasi:http@^0.2.0"), &memory, &http, NULL) == STATUS_OK);
    c.has_allowance = true;
    c.allow = (allowance){1, &http};
    helper_append(&b, &c);
    verify_input input = {.bytes = buf_slice(&b), .now_s = HELPER_SIGNED_AT_S};
    verification v;
    verify_component(&input, &v);
    REQUIRE(v.reason == REFUSAL_NONE);
    const semver in_range = SEMVER(0, 2, 3), above = SEMVER(0, 3, 0);
    slice types = slice_from_text("wasi:http/types"), clocks = slice_from_text("wasi:clocks/wall-clock");
    err e = {0};
    EXPECT_EQ(verification_check_import(&v, types, &in_range, &e), STATUS_OK);
    EXPECT_EQ(verification_check_import(&v, types, &above, &e), STATUS_DENIED);
    semver early = in_range;
    early.pre = slice_from_text("rc.1");
    EXPECT_EQ(verification_check_import(&v, types, &early, &e), STATUS_DENIED);
    EXPECT(strstr(e.message, "wasi:http/types@0.2.3-rc.1") != NULL);
    EXPECT_EQ(verification_check_import(&v, types, NULL, &e), STATUS_DENIED);
    EXPECT_EQ(verification_check_import(&v, clocks, &in_range, &e), STATUS_DENIED);
    EXPECT(strstr(e.message, "writ") != NULL && strstr(e.message, "wasi:clocks/wall-clock@0.2.3") != NULL);
    v.trust.has_allowance = true; // an empty list: the trust allows nothing
    EXPECT_EQ(verification_check_import(&v, types, &in_range, &e), STATUS_DENIED);
    EXPECT(strstr(e.message, "trust") != NULL);
    v.reason = REFUSAL_EXPIRED;
    EXPECT_EQ(verification_check_import(&v, types, &in_range, &e), STATUS_DENIED);
    v.reason = REFUSAL_NONE;
    verification_done(&v);
}
