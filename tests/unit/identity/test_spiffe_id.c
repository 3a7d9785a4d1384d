// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "base/mem.h"
#include "identity/spiffe_id.h"

static status parse(const char *text, spiffe_id *ret) {
    err e = {0};
    status s = spiffe_id_parse(slice_from_text(text), ret, &e);
    EXPECT_EQ(s == STATUS_OK, e.message[0] == '\0');
    return s;
}

TEST(parts) {
    spiffe_id id;
    EXPECT_OK(parse("spiffe://prod.example-1_x/ns/Shop/sa.1", &id));
    EXPECT(slice_equal_text(spiffe_id_trust_domain(&id), "prod.example-1_x"));
    EXPECT(slice_equal_text(spiffe_id_path(&id), "/ns/Shop/sa.1"));
    EXPECT_OK(parse("spiffe://example.org", &id));
    EXPECT(slice_equal_text(spiffe_id_trust_domain(&id), "example.org"));
    EXPECT_EQ(spiffe_id_path(&id).len, 0);
    EXPECT_OK(parse("spiffe://example.org/...", &id)); // not a way up
    EXPECT_OK(parse("spiffe://example.org/.a", &id));
}

TEST(what_is_no_spiffe_id) {
    static const char *const wrong[] = {
        "",
        "spiffe:",
        "spiffe://",
        "spiffe:///path",
        "spiffe:/example.org/a",
        "SPIFFE://example.org/a",
        " spiffe://example.org/a",
        "https://example.org/a",
        "spiffe://Example.org/a",
        "spiffe://user@example.org/a",
        "spiffe://example.org:443/a",
        "spiffe://[::1]/a",
        "spiffe://ex%61mple.org/a",
        "spiffe://ex\xc3\xa4mple.org/a",
        "spiffe://./a",
        "spiffe://../a",
        "spiffe://example.org/",
        "spiffe://example.org//a",
        "spiffe://example.org/a/",
        "spiffe://example.org/a//b",
        "spiffe://example.org/.",
        "spiffe://example.org/..",
        "spiffe://example.org/../other.example/a",
        "spiffe://example.org/a/../b",
        "spiffe://example.org/a/./b",
        "spiffe://example.org/%2e%2e/b",
        "spiffe://example.org/a%2fb",
        "spiffe://example.org/a\\b",
        "spiffe://example.org/a?b",
        "spiffe://example.org/a#b",
        "spiffe://example.org?a",
        "spiffe://example.org\\@other.example/a",
        "spiffe://example.org/a b",
        "spiffe://example.org/a\n",
        "spiffe://example.org/\x1b[31m",
        "spiffe://example.org/\xe2\x80\xae",
    };
    spiffe_id id;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_STATUS(parse(wrong[i], &id), STATUS_INVALID);
    }
    // A zero byte ends nothing.
    EXPECT_STATUS(spiffe_id_parse(slice_of("spiffe://example.org/a\0b", 24), &id, NULL), STATUS_INVALID);
    EXPECT_STATUS(spiffe_id_parse(slice_of("spiffe://example.org\0.evil/a", 28), &id, NULL), STATUS_INVALID);
}

static status parse_long(size_t domain, size_t whole, spiffe_id *id) {
    char text[SPIFFE_ID_BYTES_MAX + 2];
    memset(text, 'a', sizeof text);
    memcpy(text, "spiffe://", 9);
    text[9 + domain] = '/';
    return spiffe_id_parse(slice_of(text, whole), id, NULL);
}

TEST(lengths) {
    spiffe_id id;
    EXPECT_OK(parse_long(SPIFFE_TRUST_DOMAIN_BYTES_MAX, SPIFFE_ID_BYTES_MAX, &id));
    EXPECT_EQ(spiffe_id_trust_domain(&id).len, SPIFFE_TRUST_DOMAIN_BYTES_MAX);
    EXPECT_EQ(spiffe_id_text(&id).len, SPIFFE_ID_BYTES_MAX);
    EXPECT_STATUS(parse_long(SPIFFE_TRUST_DOMAIN_BYTES_MAX, SPIFFE_ID_BYTES_MAX + 1, &id), STATUS_INVALID);
    EXPECT_STATUS(parse_long(SPIFFE_TRUST_DOMAIN_BYTES_MAX + 1, SPIFFE_ID_BYTES_MAX, &id), STATUS_INVALID);
}

// Two trust domains of which one is the start of the other are two.
TEST(likeness_is_not_equality) {
    spiffe_id a, b;
    EXPECT_OK(parse("spiffe://example.org/a", &a));
    EXPECT_OK(parse("spiffe://example.org.evil/a", &b));
    EXPECT(!slice_equal(spiffe_id_trust_domain(&a), spiffe_id_trust_domain(&b)) && !spiffe_id_equal(&a, &b));
    EXPECT_OK(parse("spiffe://example.org/A", &b));
    EXPECT(!spiffe_id_equal(&a, &b));
}
