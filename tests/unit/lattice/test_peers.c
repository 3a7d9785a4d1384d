// SPDX-License-Identifier: Apache-2.0
#include "lattice/peers.h"

#include "base/mem.h"
#include "test.h"

#define S UINT64_C(1000000000)

typedef struct table_of_peers {
    peers *p;
    int news[PEER_LOST + 1];
    uint64_t sequence;
    uint64_t now;
    peers_heard heard;
} table_of_peers;

static nkey_public host(uint8_t n) {
    nkey_public k = {.kind = NKEY_SERVER};
    memset(k.bytes, n, sizeof k.bytes);
    return k;
}

static void on_changed(void *arg, const peer *who, peer_news news) {
    (void)who;
    ((table_of_peers *)arg)->news[news]++;
}

static void begin(table_of_peers *t) {
    *t = (table_of_peers){.now = 100 * S};
    t->p = peers_new(&(peers_options){.self = host(0), .seed = 7, .changed = on_changed, .arg = t});
}

static presence_message message(presence_kind kind, uint64_t revision, uint32_t serves) {
    return (presence_message){.kind = kind,
                              .version = slice_from_text("1"),
                              .beat_ms = 3000,
                              .revision = revision,
                              .serves = serves,
                              .parts = 1};
}

static status hear_m(table_of_peers *t, uint8_t n, uint64_t epoch, const presence_message *m) {
    nkey_public k = host(n);
    return peers_hear(t->p, &k, epoch, ++t->sequence, m, t->now, &t->heard, NULL);
}

static peers_heard hear(table_of_peers *t, uint8_t n, uint64_t epoch, presence_kind kind, uint64_t revision,
                        uint32_t serves, const char *id, bool is_gone) {
    presence_item item = {.id = slice_from_text(id), .is_gone = is_gone};
    presence_message m = message(kind, revision, serves);
    m.items = &item;
    m.item_count = id != NULL;
    EXPECT_OK(hear_m(t, n, epoch, &m));
    return t->heard;
}

static size_t serving(const table_of_peers *t, const char *id) {
    return peers_serving(t->p, slice_from_text(id));
}

TEST(hosts_come_change_and_leave) {
    table_of_peers t;
    begin(&t);
    nkey_public one = host(1);
    EXPECT_EQ(hear(&t, 1, 5, PRESENCE_ASK, 0, 0, NULL, false), PEERS_HEARD);
    EXPECT_EQ(t.news[PEER_CAME], 1);
    EXPECT_EQ(hear(&t, 1, 5, PRESENCE_CHANGE, 1, 1, "a", false), PEERS_HEARD);
    EXPECT_EQ(hear(&t, 1, 5, PRESENCE_CHANGE, 2, 2, "b", false), PEERS_HEARD);
    EXPECT_EQ(t.news[PEER_CHANGED], 2);
    EXPECT_EQ(serving(&t, "a"), 1);
    EXPECT_EQ(hear(&t, 1, 5, PRESENCE_CHANGE, 3, 1, "a", true), PEERS_HEARD);
    EXPECT_EQ(serving(&t, "a"), 0);
    EXPECT_EQ(serving(&t, "b"), 1);
    EXPECT_EQ(peers_find(t.p, &one)->serves, 1);
    hear(&t, 1, 5, PRESENCE_END, 3, 1, NULL, false);
    EXPECT_EQ(t.news[PEER_LEFT], 1);
    EXPECT(peers_find(t.p, &one) == NULL && peers_count(t.p) == 0 && serving(&t, "b") == 0);
    EXPECT_EQ(hear(&t, 1, 5, PRESENCE_CHANGE, 4, 1, "a", false), PEERS_HEARD_OLD); // of a life that ended
    EXPECT_EQ(hear(&t, 1, 6, PRESENCE_CHANGE, 1, 1, "a", false), PEERS_HEARD_PART);
    EXPECT_EQ(t.news[PEER_CAME], 2);
    peers_free(t.p);
}

TEST(what_is_not_newer_is_passed_over) {
    table_of_peers t;
    begin(&t);
    hear(&t, 1, 5, PRESENCE_ALL, 1, 1, "a", false);
    t.sequence = 0;
    EXPECT_EQ(hear(&t, 1, 5, PRESENCE_ALL, 2, 1, "b", false), PEERS_HEARD_OLD); // the same sequence again
    t.sequence = 50;
    EXPECT_EQ(hear(&t, 1, 4, PRESENCE_ALL, 2, 1, "b", false), PEERS_HEARD_OLD); // a life before
    EXPECT_EQ(serving(&t, "b"), 0);
    t.sequence = 0;
    EXPECT_EQ(hear(&t, 1, 6, PRESENCE_ALL, 1, 1, "b", false), PEERS_HEARD);
    EXPECT_EQ(t.news[PEER_RESTARTED], 1);
    EXPECT_EQ(serving(&t, "a"), 0);
    EXPECT_EQ(hear(&t, 0, 6, PRESENCE_ALL, 1, 1, "b", false), PEERS_HEARD_OLD); // ourselves
    EXPECT_EQ(peers_count(t.p), 1);
    peers_free(t.p);
}

TEST(a_gap_is_seen_and_asked_for_once_in_a_while) {
    table_of_peers t;
    begin(&t);
    hear(&t, 1, 5, PRESENCE_ALL, 1, 1, "a", false);
    EXPECT_EQ(hear(&t, 1, 5, PRESENCE_BEAT, 1, 1, NULL, false), PEERS_HEARD);
    EXPECT_EQ(hear(&t, 1, 5, PRESENCE_BEAT, 2, 2, NULL, false), PEERS_HEARD_PART);
    EXPECT_EQ(hear(&t, 1, 5, PRESENCE_BEAT, 2, 2, NULL, false), PEERS_HEARD);
    t.now += S;
    EXPECT_EQ(hear(&t, 1, 5, PRESENCE_CHANGE, 3, 3, "c", false), PEERS_HEARD_PART);
    const presence_item all[] = {{.id = slice_from_text("b")}, {.id = slice_from_text("c")}};
    presence_message m = message(PRESENCE_ALL, 3, 2);
    m.items = all;
    m.item_count = 2;
    EXPECT_OK(hear_m(&t, 1, 5, &m));
    EXPECT_EQ(serving(&t, "a"), 0); // not in the list
    EXPECT_EQ(serving(&t, "b") + serving(&t, "c"), 2);
    t.now += S;
    EXPECT_EQ(hear(&t, 1, 5, PRESENCE_BEAT, 3, 2, NULL, false), PEERS_HEARD);
    peers_free(t.p);
}

TEST(a_list_in_parts_counts_when_it_is_whole) {
    table_of_peers t;
    begin(&t);
    hear(&t, 1, 5, PRESENCE_ALL, 1, 1, "old", false);
    t.now += 2 * S;
    presence_item item = {.id = slice_from_text("a")};
    presence_message m = message(PRESENCE_ALL, 2, 2);
    m.items = &item;
    m.item_count = 1;
    m.parts = 2;
    EXPECT_OK(hear_m(&t, 1, 5, &m));
    EXPECT_EQ(t.heard, PEERS_HEARD);
    EXPECT_EQ(serving(&t, "old"), 1);
    item.id = slice_from_text("b");
    m.part = 1;
    EXPECT_OK(hear_m(&t, 1, 5, &m));
    EXPECT_EQ(t.heard, PEERS_HEARD);
    EXPECT_EQ(serving(&t, "old"), 0);
    EXPECT_EQ(serving(&t, "a") + serving(&t, "b"), 2);
    m.revision = 3; // its first part was lost
    EXPECT_OK(hear_m(&t, 1, 5, &m));
    EXPECT_EQ(t.heard, PEERS_HEARD_PART);
    peers_free(t.p);
}

TEST(silence_is_loss) {
    table_of_peers t;
    begin(&t);
    EXPECT_U64(peers_next_ns(t.p), UINT64_MAX);
    hear(&t, 1, 5, PRESENCE_ALL, 1, 1, "a", false);
    t.now += 5 * S;
    hear(&t, 2, 5, PRESENCE_ALL, 1, 1, "a", false);
    EXPECT_U64(peers_next_ns(t.p), 110 * S);
    peers_tick(t.p, 110 * S - 1);
    EXPECT_EQ(peers_count(t.p), 2);
    peers_tick(t.p, 110 * S);
    EXPECT_EQ(peers_count(t.p), 1);
    EXPECT_EQ(t.news[PEER_LOST], 1);
    EXPECT_EQ(serving(&t, "a"), 1);
    EXPECT_U64(peers_next_ns(t.p), 115 * S);
    t.now = 111 * S;
    EXPECT_EQ(hear(&t, 1, 5, PRESENCE_BEAT, 1, 1, NULL, false), PEERS_HEARD_PART); // it is back
    EXPECT_EQ(peers_count(t.p), 2);
    nkey_public two = host(2);
    peers_end(t.p, &two, 4, t.now); // an older life than it has
    EXPECT_EQ(peers_count(t.p), 2);
    peers_end(t.p, &two, UINT64_MAX, t.now);
    EXPECT_EQ(peers_count(t.p), 1);
    peers_free(t.p);
}

TEST(too_much_is_refused) {
    table_of_peers t;
    begin(&t);
    presence_message m = message(PRESENCE_ALL, 1, PEER_SERVES_MAX + 1);
    EXPECT_STATUS(hear_m(&t, 1, 5, &m), STATUS_LIMIT);
    EXPECT_EQ(peers_count(t.p), 0);
    peers_free(t.p);
}

static uint8_t choose(table_of_peers *t, const char *id, const nkey_public *not_these, size_t count) {
    const peer *p = peers_choose(t->p, slice_from_text(id), not_these, count, t->now);
    return p == NULL ? 0 : p->host.bytes[0];
}

static void expect_chosen(table_of_peers *t, const char *id, int count, const int expected[4]) {
    int times[4] = {0};
    for (int i = 0; i < count; i++) {
        times[choose(t, id, NULL, 0)]++;
    }
    for (int i = 0; i < 4; i++) {
        EXPECT((expected[i] > 0) == (times[i] > 0));
    }
}

TEST(replicas_are_chosen_by_chance_and_by_how_busy_they_are) {
    table_of_peers t;
    begin(&t);
    EXPECT_EQ(choose(&t, "a", NULL, 0), 0);
    for (uint8_t n = 1; n <= 3; n++) {
        hear(&t, n, 5, PRESENCE_ALL, 1, 1, "a", false);
    }
    expect_chosen(&t, "a", 200, (int[4]){0, 1, 1, 1});
    const nkey_public not_these[] = {host(1), host(2), host(3)};
    EXPECT_EQ(choose(&t, "a", not_these, 2), 3);
    EXPECT_EQ(choose(&t, "a", not_these, 3), 0);
    peers_call_begin(t.p, &not_these[0]);
    expect_chosen(&t, "a", 200, (int[4]){0, 0, 1, 1}); // of two it is never the less busy one
    peers_call_end(t.p, &not_these[0], true, t.now);
    expect_chosen(&t, "a", 200, (int[4]){0, 1, 1, 1});
    peers_free(t.p);
}

TEST(hosts_that_fail_are_avoided_for_a_while) {
    table_of_peers t;
    begin(&t);
    nkey_public one = host(1), two = host(2);
    hear(&t, 1, 5, PRESENCE_ALL, 1, 1, "a", false);
    hear(&t, 2, 5, PRESENCE_ALL, 1, 1, "a", false);
    peers_call_begin(t.p, &one);
    peers_call_end(t.p, &one, false, t.now);
    expect_chosen(&t, "a", 100, (int[4]){0, 0, 1, 0});
    EXPECT_EQ(choose(&t, "a", &two, 1), 1); // there is no other
    t.now += PEERS_AVOID_NS;
    expect_chosen(&t, "a", 100, (int[4]){0, 1, 1, 0});
    peers_avoid(t.p, &two, t.now);
    expect_chosen(&t, "a", 100, (int[4]){0, 1, 0, 0});
    presence_message m = message(PRESENCE_BEAT, 1, 1);
    m.is_draining = true;
    t.now += 10 * S;
    EXPECT_OK(hear_m(&t, 1, 5, &m));
    expect_chosen(&t, "a", 100, (int[4]){0, 0, 1, 0});
    peers_free(t.p);
}
