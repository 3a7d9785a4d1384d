// SPDX-License-Identifier: Apache-2.0
#include "lattice/statement.h"

#include "helper_trust.h"
#include "test.h"

typedef struct world {
    nkey *key;
    trust_host host;
    buf bytes;
    statement read;
    lattice_refused why;
} world;

static void world_make(world *w) {
    *w = (world){.key = trust_cluster_key()};
    trust_host_make(&w->host, w->key);
    buf_init(&w->bytes, 64 << 10);
    const statement s = {.topic = SLICE_LITERAL("presence"),
                         .lattice = SLICE_LITERAL("test"),
                         .wall_ms = TRUST_NOW_S * 1000,
                         .epoch = 3,
                         .sequence = 9,
                         .content = SLICE_LITERAL("I serve echo")};
    REQUIRE(statement_write(&s, w->host.key, buf_slice(&w->host.token), &w->bytes, NULL) == STATUS_OK);
}

static void world_free(world *w) {
    trust_host_free(&w->host);
    nkey_free(w->key);
    buf_done(&w->bytes);
}

static status read_as(world *w, const char *topic, const char *lattice, uint64_t wall_ms) {
    return statement_read(buf_slice(&w->bytes), slice_from_text(topic), slice_from_text(lattice),
                          w->host.cluster, wall_ms, &w->read, &w->why, NULL);
}

TEST(what_a_host_says_is_read) {
    world w;
    world_make(&w);
    EXPECT_OK(read_as(&w, "presence", "test", TRUST_NOW_S * 1000 + 500));
    EXPECT(nkey_public_equal(&w.read.host, &w.host.name));
    EXPECT(slice_equal_text(w.read.content, "I serve echo"));
    EXPECT(w.read.epoch == 3 && w.read.sequence == 9);
    world_free(&w);
}

TEST(elsewhere_and_later_it_is_not) {
    world w;
    world_make(&w);
    EXPECT_EQ(read_as(&w, "goodbye", "test", TRUST_NOW_S * 1000), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_NOT_FOR_US);
    EXPECT_EQ(read_as(&w, "presence", "prod", TRUST_NOW_S * 1000), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_NOT_FOR_US);
    EXPECT_EQ(read_as(&w, "presence", "test", TRUST_NOW_S * 1000 + 30001), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_CLOCK);
    EXPECT_EQ(read_as(&w, "presence", "test", TRUST_NOW_S * 1000 - 30001), STATUS_DENIED);
    w.bytes.data[4] = 2;
    EXPECT_EQ(read_as(&w, "presence", "test", TRUST_NOW_S * 1000), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_VERSION);
    world_free(&w);
}

TEST(each_byte_counts) {
    world w;
    world_make(&w);
    for (size_t i = 0; i < w.bytes.len; i++) {
        w.bytes.data[i] ^= 1;
        EXPECT_EQ(read_as(&w, "presence", "test", TRUST_NOW_S * 1000), STATUS_DENIED);
        w.bytes.data[i] ^= 1;
    }
    size_t len = w.bytes.len;
    for (w.bytes.len = 0; w.bytes.len < len; w.bytes.len++) {
        EXPECT_EQ(read_as(&w, "presence", "test", TRUST_NOW_S * 1000), STATUS_DENIED);
    }
    REQUIRE(buf_append_byte(&w.bytes, 0) == STATUS_OK);
    EXPECT_EQ(read_as(&w, "presence", "test", TRUST_NOW_S * 1000), STATUS_DENIED);
    world_free(&w);
}

TEST(another_hosts_token_does_not_help) {
    world w;
    trust_host other;
    world_make(&w);
    trust_host_make(&other, w.key);
    const statement s = {.topic = SLICE_LITERAL("presence"),
                         .lattice = SLICE_LITERAL("test"),
                         .wall_ms = TRUST_NOW_S * 1000,
                         .epoch = 1};
    buf_clear(&w.bytes);
    REQUIRE(statement_write(&s, w.host.key, buf_slice(&other.token), &w.bytes, NULL) == STATUS_OK);
    EXPECT_EQ(read_as(&w, "presence", "test", TRUST_NOW_S * 1000), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_BAD_SIGNATURE);
    trust_host_free(&other);
    world_free(&w);
}
