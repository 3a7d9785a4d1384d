// SPDX-License-Identifier: Apache-2.0
#include "lattice/vouch.h"

#include "bus/nats_parse.h"
#include "tests/test.h"
#include "tests/unit/lattice/helper_trust.h"

static const uint64_t NOW_MS = TRUST_NOW_S * 1000;

typedef struct world {
    nkey *key;
    trust_host a, b;
    vouch *va, *vb;
} world;

static vouch *vouch_of(trust_host *h, bool allows_unsigned) {
    return vouch_new(&(vouch_options){.key = h->key,
                                      .token = &h->token,
                                      .lattice = SLICE_LITERAL("test"),
                                      .cluster = h->cluster,
                                      .refusals = &h->refusals,
                                      .allows_unsigned = allows_unsigned});
}

static void world_make(world *w) { // in place: others point into it
    *w = (world){.key = trust_cluster_key()};
    trust_host_make(&w->a, w->key);
    trust_host_make(&w->b, w->key);
    w->va = vouch_of(&w->a, false);
    w->vb = vouch_of(&w->b, false);
}

static void world_done(world *w) {
    vouch_free(w->va);
    vouch_free(w->vb);
    trust_host_free(&w->a);
    trust_host_free(&w->b);
    nkey_free(w->key);
}

typedef struct stored {
    buf headers;
    bus_kv_entry entry;
} stored;

static stored store_at(world *w, const char *key, const char *value, uint64_t ms) {
    stored s = {.entry = {.key = slice_from_text(key), .value = slice_from_text(value)}};
    buf_init(&s.headers, VOUCH_HEADERS_BYTES_MAX);
    EXPECT_OK(vouch_sign(w->va, slice_from_text("LATTICEDATA_test"), &s.entry, ms, &s.headers, NULL));
    s.entry.headers = buf_slice(&s.headers);
    return s;
}
static stored store(world *w, const char *key, const char *value) { return store_at(w, key, value, NOW_MS); }

static bool is_believed(world *w, const char *bucket, const bus_kv_entry *entry) {
    return vouch_check(w->vb, slice_from_text(bucket), entry, NOW_MS, 1);
}

TEST(what_a_host_wrote_is_believed_by_others) {
    world w;
    world_make(&w);
    stored s = store(&w, "COMPONENT_front", "{\"url\":\"\",\"links\":[]}");
    EXPECT(is_believed(&w, "LATTICEDATA_test", &s.entry));
    EXPECT(is_believed(&w, "LATTICEDATA_test", &s.entry)); // told again
    EXPECT_EQ(trust_refused(&w.b), 0);
    buf_done(&s.headers);
    world_done(&w);
}

TEST(anything_else_is_not) {
    world w;
    world_make(&w);
    stored s = store(&w, "COMPONENT_front", "{}");
    bus_kv_entry changed[4];
    for (size_t i = 0; i < 4; i++) {
        changed[i] = s.entry;
    }
    changed[0].value = slice_from_text("{ }");
    changed[1].key = slice_from_text("COMPONENT_other");
    changed[2].kind = BUS_KV_PURGE;
    changed[3].headers = slice_empty();
    for (size_t i = 0; i < 4; i++) {
        EXPECT(!is_believed(&w, "LATTICEDATA_test", &changed[i]));
    }
    EXPECT(!is_believed(&w, "CONFIGDATA_test", &s.entry)); // moved to another bucket
    EXPECT_EQ(w.b.refusals.counts[LATTICE_REFUSED_BAD_SIGNATURE], 4);
    EXPECT_EQ(w.b.refusals.counts[LATTICE_REFUSED_UNSIGNED], 1);
    EXPECT(is_believed(&w, "LATTICEDATA_test", &s.entry));
    buf_done(&s.headers);
    world_done(&w);
}

TEST(every_byte_of_the_word_counts) {
    world w;
    world_make(&w);
    stored s = store(&w, "COMPONENT_front", "{}");
    unsigned counted = 0;
    for (size_t i = sizeof "NATS/1.0\r\n" - 1; i + 4 < s.headers.len; i++) {
        uint8_t was = s.headers.data[i];
        s.headers.data[i] = was == 'Z' ? 'Y' : 'Z';
        bool is_name_or_end = was == '\r' || was == '\n' || was == ' ' || was == ':';
        counted += !is_name_or_end && is_believed(&w, "LATTICEDATA_test", &s.entry);
        s.headers.data[i] = was;
    }
    EXPECT_EQ(counted, 0);
    EXPECT(is_believed(&w, "LATTICEDATA_test", &s.entry));
    buf_done(&s.headers);
    world_done(&w);
}

TEST(an_older_word_does_not_come_again) {
    world w;
    world_make(&w);
    const uint64_t later_ms = NOW_MS + 10 * VOUCH_SLACK_MS;
    const slice bucket = slice_from_text("LATTICEDATA_test");
    stored old = store(&w, "COMPONENT_front", "old");
    stored new = store_at(&w, "COMPONENT_front", "new", later_ms);
    EXPECT(vouch_check(w.vb, bucket, &old.entry, later_ms, 1));
    EXPECT(vouch_check(w.vb, bucket, &new.entry, later_ms, 1));
    EXPECT(!vouch_check(w.vb, bucket, &old.entry, later_ms, 1));
    EXPECT_EQ(w.b.refusals.counts[LATTICE_REFUSED_REPLAYED], 1);
    buf_done(&old.headers);
    buf_done(&new.headers);
    world_done(&w);
}

// Clocks differ: who writes after another host whose clock is ahead outranks it.
TEST(a_writer_outranks_what_it_knows) {
    world w;
    world_make(&w);
    stored ahead = store_at(&w, "k", "ahead", NOW_MS + 20000);
    EXPECT(vouch_check(w.va, slice_from_text("LATTICEDATA_test"), &ahead.entry, NOW_MS, 1));
    stored next = store(&w, "k", "next");
    slice time;
    EXPECT(is_believed(&w, "LATTICEDATA_test", &next.entry));
    EXPECT(nats_headers_find(next.entry.headers, "Writ-Time", &time));
    uint64_t ms = 0;
    EXPECT(slice_to_u64(time, &ms) && ms > NOW_MS + 20000);
    buf_done(&ahead.headers);
    buf_done(&next.headers);
    world_done(&w);
}

TEST(nothing_comes_from_the_future) {
    world w;
    world_make(&w);
    stored s = store_at(&w, "k", "v", NOW_MS + 3 * VOUCH_SLACK_MS);
    EXPECT(!is_believed(&w, "LATTICEDATA_test", &s.entry));
    EXPECT_EQ(w.b.refusals.counts[LATTICE_REFUSED_CLOCK], 1);
    buf_done(&s.headers);
    world_done(&w);
}

TEST(hosts_that_do_not_belong_here_write_nothing) {
    world w;
    world_make(&w);
    stored s = store(&w, "k", "v");
    EXPECT_OK(cluster_revoke(w.b.cluster, &w.a.name, UINT64_MAX, NULL));
    EXPECT(!is_believed(&w, "LATTICEDATA_test", &s.entry));
    EXPECT_EQ(w.b.refusals.counts[LATTICE_REFUSED_REVOKED], 1);
    world other; // of another cluster
    world_make(&other);
    stored t = store(&other, "k", "v");
    EXPECT(!is_believed(&w, "LATTICEDATA_test", &t.entry));
    EXPECT_EQ(w.b.refusals.counts[LATTICE_REFUSED_UNKNOWN_ISSUER], 1);
    buf_done(&s.headers);
    buf_done(&t.headers);
    world_done(&other);
    world_done(&w);
}

// The host's token is over, but it was not when the host wrote.
TEST(what_was_said_outlives_the_token) {
    world w;
    world_make(&w);
    stored s = store(&w, "k", "v");
    const uint64_t later_ms = NOW_MS + UINT64_C(100) * 24 * 3600 * 1000;
    EXPECT(vouch_check(w.vb, slice_from_text("LATTICEDATA_test"), &s.entry, later_ms, 1));
    buf_done(&s.headers);
    world_done(&w);
}

TEST(where_old_peers_may_write_so_may_anybody_but_not_in_a_hosts_name) {
    world w;
    world_make(&w);
    vouch *v = vouch_of(&w.b, true);
    stored s = store(&w, "k", "v");
    bus_kv_entry bare = s.entry, wrong = s.entry;
    bare.headers = slice_empty();
    wrong.value = slice_from_text("w");
    EXPECT(vouch_check(v, slice_from_text("LATTICEDATA_test"), &bare, NOW_MS, 1));
    EXPECT(!vouch_check(v, slice_from_text("LATTICEDATA_test"), &wrong, NOW_MS, 1));
    buf_done(&s.headers);
    vouch_free(v);
    world_done(&w);
}
