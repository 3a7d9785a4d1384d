// SPDX-License-Identifier: Apache-2.0
// Which hosts belong to a lattice.
#include "lattice/cluster.h"

#include "helper_trust.h"
#include "identity/token.h"
#include "test.h"

typedef struct world {
    nkey *key, *other_key, *host;
    nkey_public issuer, name;
    cluster *c;
    buf token;
    cluster_member member;
    lattice_refused why;
    err e;
} world;

static void world_make(world *w) {
    *w = (world){.key = trust_cluster_key(), .other_key = trust_cluster_key(), .c = cluster_new()};
    REQUIRE(nkey_generate(NKEY_SERVER, &w->host, NULL) == STATUS_OK);
    w->issuer = nkey_public_of(w->key);
    w->name = nkey_public_of(w->host);
    buf_init(&w->token, CLUSTER_TOKEN_BYTES_MAX);
    REQUIRE(cluster_trust(w->c, &w->issuer, UINT64_MAX, NULL) == STATUS_OK);
}

static void world_free(world *w) {
    cluster_free(w->c);
    nkey_free(w->key);
    nkey_free(w->other_key);
    nkey_free(w->host);
    buf_done(&w->token);
}

static void admit(world *w, const nkey *key, const char *lattice, uint64_t lifetime_s) {
    const cluster_admission a = {w->name, slice_empty(), slice_from_text(lattice), TRUST_NOW_S, lifetime_s};
    buf_clear(&w->token);
    REQUIRE(cluster_admit(key, &a, &w->token, NULL) == STATUS_OK);
}

static status check_at(world *w, uint64_t now_s) {
    return cluster_check(w->c, buf_slice(&w->token), slice_from_text("test"), now_s, &w->member, &w->why,
                         &w->e);
}

TEST(an_admitted_host_is_believed) {
    world w;
    world_make(&w);
    admit(&w, w.key, "test", 100);
    for (int i = 0; i < 2; i++) { // the second time from memory
        EXPECT_OK(check_at(&w, TRUST_NOW_S + 99));
        EXPECT(nkey_public_equal(&w.member.host, &w.name) && nkey_public_equal(&w.member.issuer, &w.issuer));
        EXPECT_EQ(w.member.expires_at_s, TRUST_NOW_S + 100);
    }
    EXPECT_EQ(check_at(&w, TRUST_NOW_S + 100), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_EXPIRED);
    EXPECT_OK(check_at(&w, TRUST_NOW_S - CLUSTER_CLOCK_SKEW_S));
    EXPECT_EQ(check_at(&w, TRUST_NOW_S - CLUSTER_CLOCK_SKEW_S - 1), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_CLOCK);
    world_free(&w);
}

TEST(others_are_not) {
    world w;
    world_make(&w);
    admit(&w, w.other_key, "test", 100);
    EXPECT_EQ(check_at(&w, TRUST_NOW_S), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_UNKNOWN_ISSUER);
    admit(&w, w.key, "production", 100);
    EXPECT_EQ(check_at(&w, TRUST_NOW_S), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_NOT_FOR_US);
    admit(&w, w.key, "test", 100);
    w.token.data[w.token.len - 10] ^= 1;
    EXPECT_EQ(check_at(&w, TRUST_NOW_S), STATUS_DENIED);
    EXPECT(w.why == LATTICE_REFUSED_BAD_SIGNATURE || w.why == LATTICE_REFUSED_MALFORMED);
    world_free(&w);
}

TEST(a_host_cannot_admit_itself) {
    world w;
    world_make(&w);
    const token_pair label = {SLICE_LITERAL("lattice"), SLICE_LITERAL("test")};
    const token_claims claims = {.kind = TOKEN_HOST,
                                 .subject = w.name,
                                 .issued_at_s = TRUST_NOW_S,
                                 .has_expiry = true,
                                 .expires_at_s = TRUST_NOW_S + 100,
                                 .labels = {1, &label}};
    REQUIRE(token_write(&claims, w.host, &w.token, &w.e) == STATUS_OK);
    EXPECT_EQ(check_at(&w, TRUST_NOW_S), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_MALFORMED);
    world_free(&w);
}

TEST(a_token_without_end_or_lattice_is_refused) {
    world w;
    world_make(&w);
    const token_pair label = {SLICE_LITERAL("lattice"), SLICE_LITERAL("test")};
    token_claims claims = {
        .kind = TOKEN_HOST, .subject = w.name, .issued_at_s = TRUST_NOW_S, .labels = {1, &label}};
    REQUIRE(token_write(&claims, w.key, &w.token, &w.e) == STATUS_OK);
    EXPECT_EQ(check_at(&w, TRUST_NOW_S), STATUS_DENIED);
    claims.has_expiry = true;
    claims.expires_at_s = TRUST_NOW_S + CLUSTER_LIFETIME_S_MAX + 1;
    buf_clear(&w.token);
    REQUIRE(token_write(&claims, w.key, &w.token, &w.e) == STATUS_OK);
    EXPECT_EQ(check_at(&w, TRUST_NOW_S), STATUS_DENIED);
    claims.expires_at_s = TRUST_NOW_S + 100;
    claims.labels.count = 0;
    buf_clear(&w.token);
    REQUIRE(token_write(&claims, w.key, &w.token, &w.e) == STATUS_OK);
    EXPECT_EQ(check_at(&w, TRUST_NOW_S), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_NOT_FOR_US);
    world_free(&w);
}

TEST(what_is_revoked_counts_no_more) {
    world w;
    world_make(&w);
    admit(&w, w.key, "test", 100);
    EXPECT_OK(check_at(&w, TRUST_NOW_S));
    EXPECT_OK(cluster_revoke(w.c, &w.name, TRUST_NOW_S, NULL)); // before that second
    EXPECT_OK(check_at(&w, TRUST_NOW_S));
    EXPECT_OK(cluster_revoke(w.c, &w.issuer, TRUST_NOW_S + 1, NULL));
    EXPECT_EQ(check_at(&w, TRUST_NOW_S), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_REVOKED);
    world_free(&w);
}

TEST(trust_in_an_issuer_ends) {
    world w;
    world_make(&w);
    admit(&w, w.key, "test", 100);
    uint64_t version = cluster_version(w.c);
    EXPECT_OK(cluster_trust(w.c, &w.issuer, TRUST_NOW_S + 10, NULL));
    EXPECT(cluster_version(w.c) > version);
    EXPECT_EQ(cluster_issuer_count(w.c), 1);
    EXPECT_OK(check_at(&w, TRUST_NOW_S + 9));
    EXPECT_EQ(check_at(&w, TRUST_NOW_S + 10), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_EXPIRED);
    world_free(&w);
}

TEST(lists_as_text) {
    world w;
    world_make(&w);
    const nkey_public other = nkey_public_of(w.other_key);
    char text[200];
    snprintf(text, sizeof text, " %s, %s ,", nkey_public_text(&w.issuer).text, nkey_public_text(&other).text);
    EXPECT_OK(cluster_trust_text(w.c, slice_from_text(text), &w.e));
    EXPECT_EQ(cluster_issuer_count(w.c), 2);
    EXPECT_EQ(cluster_trust_text(w.c, slice_from_text("CABC"), &w.e), STATUS_INVALID);
    EXPECT_EQ(cluster_trust_text(w.c, slice_from_text(nkey_public_text(&w.name).text), &w.e), STATUS_INVALID);
    world_free(&w);
}

TEST(names_of_lattices) {
    EXPECT_OK(cluster_lattice_check(slice_from_text("prod-EU_1"), NULL));
    EXPECT_EQ(cluster_lattice_check(slice_from_text(""), NULL), STATUS_INVALID);
    EXPECT_EQ(cluster_lattice_check(slice_from_text("a.b"), NULL), STATUS_INVALID);
    EXPECT_EQ(cluster_lattice_check(slice_from_text("a*"), NULL), STATUS_INVALID);
}
