// SPDX-License-Identifier: Apache-2.0
// Hosts on one bus in this process, with the time of the test.
#include "lattice/presence.h"

#include "base/check.h"
#include "base/mem.h"
#include "bus/bus_local.h"
#include "helper_trust.h"
#include "lattice/statement.h"
#include "test.h"

#define MS UINT64_C(1000000)
#define S (1000 * MS)
enum { HOSTS = 12 };

typedef struct world world;

typedef struct member {
    world *w;
    trust_host trust;
    presence *p;
    int news[PEER_LOST + 1];
    bool is_settled;
} member;

struct world {
    uint64_t now;
    loop *l;
    bus *b;
    nkey *key;
    member hosts[HOSTS];
};

static uint64_t clock_now(void *arg) { return *(uint64_t *)arg; }
static uint64_t wall_ms(void *arg) { return TRUST_NOW_S * 1000 + ((world *)arg)->now / MS; }

static void on_peer(void *arg, const peer *p, peer_news news) {
    (void)p;
    ((member *)arg)->news[news]++;
}

static void on_settled(void *arg) { ((member *)arg)->is_settled = true; }

static void start(world *w, size_t n, uint64_t epoch) {
    member *m = &w->hosts[n];
    const presence_options o = {.bus = w->b,
                                .key = m->trust.key,
                                .token = buf_slice(&m->trust.token),
                                .lattice = slice_from_text("test"),
                                .epoch = epoch,
                                .version = slice_from_text("1.2.3"),
                                .cluster = m->trust.cluster,
                                .refusals = &m->trust.refusals,
                                .wall_ms = wall_ms,
                                .wall_arg = w,
                                .seed = 100 + n,
                                .peer_changed = on_peer,
                                .settled = on_settled,
                                .arg = m};
    CHECK(presence_start(&o, &m->p, NULL) == STATUS_OK);
}

static void stop(world *w, size_t n) {
    presence_free(w->hosts[n].p);
    w->hosts[n].p = NULL;
}

static world *begin(size_t hosts) {
    world *w = MEM_NEW(world);
    const loop_clock clock = {clock_now, &w->now};
    CHECK(loop_new(&clock, &w->l, NULL) == STATUS_OK);
    CHECK(bus_local_new(&(bus_local_options){.l = w->l, .random = 7}, &w->b, NULL) == STATUS_OK);
    w->key = trust_cluster_key();
    for (size_t i = 0; i < HOSTS; i++) {
        w->hosts[i].w = w;
        trust_host_make(&w->hosts[i].trust, w->key);
    }
    for (size_t i = 0; i < hosts; i++) {
        start(w, i, 1);
    }
    return w;
}

static void done(world *w) {
    for (size_t i = 0; i < HOSTS; i++) {
        presence_free(w->hosts[i].p);
        trust_host_free(&w->hosts[i].trust);
    }
    bus_free(w->b);
    loop_free(w->l);
    nkey_free(w->key);
    mem_free(w);
}

static void run(world *w, uint64_t ns) {
    for (uint64_t until = w->now + ns; w->now < until; w->now += 5 * MS) {
        for (int i = 0; i < 4; i++) {
            loop_turn(w->l, false);
        }
    }
}

static size_t peers_of(world *w, size_t n) { return peers_count(presence_peers(w->hosts[n].p)); }
static size_t serving(world *w, size_t n, const char *id) {
    return peers_serving(presence_peers(w->hosts[n].p), slice_from_text(id));
}

TEST(hosts_find_each_other_and_what_they_serve) {
    world *w = begin(3);
    EXPECT_OK(presence_serve(w->hosts[0].p, slice_from_text("a"), false, 1, NULL));
    run(w, S);
    for (size_t i = 0; i < 3; i++) {
        EXPECT_EQ(peers_of(w, i), 2);
        EXPECT_EQ(serving(w, i, "a"), i == 0 ? 0 : 1);
        EXPECT(w->hosts[i].is_settled && presence_is_settled(w->hosts[i].p));
    }
    start(w, 3, 1);
    run(w, S);
    EXPECT_EQ(peers_of(w, 3), 3);
    EXPECT_EQ(serving(w, 3, "a"), 1);
    presence_withdraw(w->hosts[0].p, slice_from_text("a"));
    presence_withdraw(w->hosts[0].p, slice_from_text("a"));
    run(w, 100 * MS);
    EXPECT_EQ(serving(w, 3, "a"), 0);
    nkey_public first = w->hosts[0].trust.name;
    EXPECT_TEXT(peers_find(presence_peers(w->hosts[3].p), &first)->version, "1.2.3");
    EXPECT_EQ(presence_count(w->hosts[3].p).questions, 0);
    done(w);
}

TEST(ends_are_told_and_silence_is_seen) {
    world *w = begin(3);
    run(w, S);
    presence_end(w->hosts[0].p);
    run(w, 10 * MS);
    EXPECT_EQ(peers_of(w, 2), 1);
    EXPECT_EQ(w->hosts[2].news[PEER_LEFT], 1);
    stop(w, 0);
    stop(w, 1); // without a word
    run(w, 9 * S);
    start(w, 0, 2);
    run(w, 2 * S);
    EXPECT_EQ(w->hosts[2].news[PEER_LOST], 1);
    EXPECT_EQ(peers_of(w, 2), 1);
    EXPECT_EQ(w->hosts[2].news[PEER_CAME], 3);
    start(w, 0 + 1, 2);
    run(w, S);
    stop(w, 1);
    start(w, 1, 3);
    run(w, S);
    EXPECT_EQ(w->hosts[2].news[PEER_RESTARTED], 1);
    done(w);
}

TEST(beats_keep_hosts_known) {
    world *w = begin(2);
    run(w, 60 * S);
    EXPECT_EQ(w->hosts[0].news[PEER_LOST], 0);
    EXPECT(presence_count(w->hosts[0].p).said >= 20);
    EXPECT(presence_count(w->hosts[0].p).said <= 26);
    done(w);
}

TEST(load_and_draining_are_told) {
    world *w = begin(2);
    run(w, S);
    presence_set_load(w->hosts[0].p, 5, 100);
    presence_drain(w->hosts[0].p);
    run(w, 10 * MS);
    const peer *p = peers_find(presence_peers(w->hosts[1].p), &w->hosts[0].trust.name);
    REQUIRE(p != NULL);
    EXPECT(p->is_draining && p->in_flight == 5 && p->room == 100);
    done(w);
}

TEST(many_things_are_told_in_parts) {
    enum { COUNT = 10000 };
    world *w = begin(2);
    run(w, S);
    char id[32];
    for (int i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "component-%d", i);
        EXPECT_OK(presence_serve(w->hosts[0].p, slice_from_text(id), false, i, NULL));
    }
    run(w, 100 * MS);
    start(w, 2, 1); // hears it from the answer to its question
    run(w, S);
    for (size_t i = 1; i < 3; i++) {
        const peer *p = peers_find(presence_peers(w->hosts[i].p), &w->hosts[0].trust.name);
        REQUIRE(p != NULL);
        EXPECT_EQ(p->serves, COUNT);
        EXPECT_EQ(serving(w, i, "component-9999"), 1);
    }
    EXPECT_EQ(presence_count(w->hosts[1].p).questions, 0);
    done(w);
}

// What the host would have said if nothing of it had been lost.
static void say_for(world *w, size_t n, const presence_message *m, uint64_t sequence) {
    auto_buf content, bytes;
    buf_init(&content, PRESENCE_BYTES_MAX);
    buf_init(&bytes, PRESENCE_BYTES_MAX);
    CHECK(presence_message_write(m, &content, NULL) == STATUS_OK);
    const statement s = {.topic = slice_from_text("presence"),
                         .lattice = slice_from_text("test"),
                         .wall_ms = wall_ms(w),
                         .epoch = 1,
                         .sequence = sequence,
                         .content = buf_slice(&content)};
    const trust_host *t = &w->hosts[n].trust;
    CHECK(statement_write(&s, t->key, buf_slice(&t->token), &bytes, NULL) == STATUS_OK);
    const bus_message out = {.subject = slice_from_text("writ.v1.test.presence"),
                             .payload = buf_slice(&bytes)};
    CHECK(bus_publish(w->b, &out, NULL) == STATUS_OK);
}

TEST(what_was_missed_is_asked_for) {
    world *w = begin(2);
    run(w, S);
    EXPECT_OK(presence_serve(w->hosts[0].p, slice_from_text("a"), false, 1, NULL));
    EXPECT_OK(presence_serve(w->hosts[0].p, slice_from_text("b"), false, 1, NULL));
    run(w, S);
    const presence_item gone = {.id = slice_from_text("a"), .is_gone = true};
    presence_message m = {.kind = PRESENCE_CHANGE,
                          .beat_ms = 3000,
                          .revision = 9, // what came between is lost
                          .serves = 2,
                          .parts = 1,
                          .items = &gone,
                          .item_count = 1};
    say_for(w, 0, &m, 20);
    run(w, 10 * MS);
    EXPECT_EQ(serving(w, 1, "a"), 0);
    EXPECT_EQ(presence_count(w->hosts[1].p).questions, 1);
    for (int i = 0; i < 25; i++) { // until the host is past the sequence that was made up
        presence_withdraw(w->hosts[0].p, slice_from_text("b"));
        run(w, 50 * MS);
        EXPECT_OK(presence_serve(w->hosts[0].p, slice_from_text("b"), false, 1, NULL));
        run(w, 50 * MS);
    }
    EXPECT_EQ(serving(w, 1, "a"), 1);
    EXPECT_EQ(serving(w, 1, "b"), 1);
    EXPECT(presence_count(w->hosts[1].p).questions > 1);
    done(w);
}

TEST(a_crowd_of_questions_has_one_answer) {
    world *w = begin(1);
    run(w, S);
    EXPECT_OK(presence_serve(w->hosts[0].p, slice_from_text("a"), false, 1, NULL));
    run(w, S);
    uint64_t before = presence_count(w->hosts[0].p).said;
    for (size_t i = 1; i < HOSTS; i++) {
        start(w, i, 1);
    }
    run(w, S);
    EXPECT(presence_count(w->hosts[0].p).said <= before + PRESENCE_ANSWERS_MAX);
    for (size_t i = 1; i < HOSTS; i++) {
        EXPECT_EQ(serving(w, i, "a"), 1);
        EXPECT_EQ(peers_of(w, i), HOSTS - 1);
    }
    done(w);
}

TEST(strangers_and_copies_are_not_believed) {
    world *w = begin(2);
    nkey *other = trust_cluster_key();
    trust_host_free(&w->hosts[2].trust);
    trust_host_make(&w->hosts[2].trust, other);
    run(w, S);
    start(w, 2, 1);
    run(w, 5 * S);
    EXPECT_EQ(peers_of(w, 0), 1);
    EXPECT_EQ(peers_of(w, 2), 0);
    EXPECT(presence_count(w->hosts[0].p).refused > 0);
    EXPECT(w->hosts[0].trust.refusals.counts[LATTICE_REFUSED_UNKNOWN_ISSUER] > 0);
    bus_message junk = {.subject = slice_from_text("writ.v1.test.presence"),
                        .payload = slice_from_text("hello")};
    for (int i = 0; i < 5000; i++) {
        EXPECT_OK(bus_publish(w->b, &junk, NULL));
    }
    run(w, 10 * MS);
    EXPECT(w->hosts[0].trust.refusals.counts[LATTICE_REFUSED_FLOOD] > 0);
    EXPECT(w->hosts[0].trust.refusals.counts[LATTICE_REFUSED_MALFORMED] > 0);
    run(w, 30 * S);
    EXPECT_EQ(w->hosts[0].news[PEER_LOST], 0); // honest hosts go on
    nkey_free(other);
    done(w);
}
