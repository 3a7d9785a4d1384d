// SPDX-License-Identifier: Apache-2.0
// Handshakes and sealed messages between hosts, and what somebody who holds the wire can try.
#include "lattice/session.h"

#include "helper_trust.h"
#include "test.h"

static nkey_public from; // who greeted, by the last answer

#define SECOND UINT64_C(1000000000)

typedef struct pair {
    nkey *cluster_key;
    trust_host a, b;
    buf hello, welcome, frame;
    uint8_t plain[8192];
    size_t len;
} pair;

static void pair_make(pair *p) {
    *p = (pair){.cluster_key = trust_cluster_key()};
    trust_host_make(&p->a, p->cluster_key);
    trust_host_make(&p->b, p->cluster_key);
    buf_init(&p->hello, SESSION_HELLO_BYTES_MAX);
    buf_init(&p->welcome, SESSION_HELLO_BYTES_MAX);
    buf_init(&p->frame, sizeof p->plain);
}

static void pair_free(pair *p) {
    trust_host_free(&p->a);
    trust_host_free(&p->b);
    nkey_free(p->cluster_key);
    buf_done(&p->hello);
    buf_done(&p->welcome);
    buf_done(&p->frame);
}

static session *shake(pair *p, uint64_t ns) {
    session *c = NULL;
    buf_clear(&p->hello);
    buf_clear(&p->welcome);
    EXPECT(sessions_greet(p->a.sessions, &p->b.name, trust_now(ns), &p->hello, NULL) == STATUS_OK);
    EXPECT(sessions_answer(p->b.sessions, buf_slice(&p->hello), NULL, trust_now(ns), &from, &p->welcome,
                           NULL) == STATUS_OK);
    EXPECT(sessions_finish(p->a.sessions, buf_slice(&p->welcome), trust_now(ns), &c, NULL) == STATUS_OK);
    return c;
}

static void seal(pair *p, session *c, const char *text) {
    static const uint8_t head[SESSION_HEAD_BYTES];
    buf_clear(&p->frame);
    REQUIRE(buf_append(&p->frame, slice_of(head, sizeof head)) == STATUS_OK);
    REQUIRE(buf_append_text(&p->frame, text) == STATUS_OK);
    REQUIRE(session_seal(c, &p->frame, NULL) == STATUS_OK);
}

static status open_at(pair *p, trust_host *h, uint64_t ns, session **ret) {
    return sessions_open(h->sessions, buf_slice(&p->frame), trust_now(ns), ret, p->plain, &p->len, NULL);
}

static bool opened_is(const pair *p, const char *text) {
    return slice_equal_text(slice_of(p->plain, p->len), text);
}

TEST(two_hosts_talk) {
    pair p;
    session *at_b = NULL;
    pair_make(&p);
    session *c = shake(&p, SECOND);
    EXPECT(nkey_public_equal(session_host(c), &p.b.name));
    EXPECT(sessions_to(p.a.sessions, &p.b.name, trust_now(SECOND)) == c);
    EXPECT(sessions_to(p.b.sessions, &p.a.name, trust_now(SECOND)) == NULL); // not proved yet
    seal(&p, c, "hello, who serves?");
    EXPECT(memmem(p.frame.data, p.frame.len, "who", 3) == NULL);
    EXPECT_EQ(p.frame.len, SESSION_OVERHEAD_BYTES + 18);
    EXPECT_OK(open_at(&p, &p.b, SECOND, &at_b));
    EXPECT(opened_is(&p, "hello, who serves?"));
    EXPECT(nkey_public_equal(session_host(at_b), &p.a.name));
    EXPECT(sessions_to(p.b.sessions, &p.a.name, trust_now(SECOND)) == at_b);
    seal(&p, at_b, "me");
    EXPECT_OK(open_at(&p, &p.a, SECOND, &c));
    EXPECT(opened_is(&p, "me"));
    EXPECT_EQ(trust_refused(&p.a) + trust_refused(&p.b), 0);
    pair_free(&p);
}

TEST(a_silent_session_is_passed_over_until_something_comes_by_it) {
    pair p;
    session *at_b = NULL, *at_a = NULL;
    pair_make(&p);
    session *c = shake(&p, SECOND);
    seal(&p, c, "a");
    EXPECT(open_at(&p, &p.b, SECOND, &at_b) == STATUS_OK);
    session_pass_over(c);
    EXPECT(sessions_to(p.a.sessions, &p.b.name, trust_now(SECOND)) == NULL);
    seal(&p, at_b, "b");
    EXPECT(open_at(&p, &p.a, SECOND, &at_a) == STATUS_OK);
    EXPECT(sessions_to(p.a.sessions, &p.b.name, trust_now(SECOND)) == c);
    session_pass_over(c);
    session *next = shake(&p, 2 * SECOND); // another one is used meanwhile
    EXPECT(sessions_to(p.a.sessions, &p.b.name, trust_now(2 * SECOND)) == next);
    pair_free(&p);
}

TEST(a_message_counts_once_and_in_its_direction) {
    pair p;
    session *at = NULL;
    pair_make(&p);
    session *c = shake(&p, SECOND);
    seal(&p, c, "once");
    EXPECT_OK(open_at(&p, &p.b, SECOND, &at));
    EXPECT_EQ(open_at(&p, &p.b, SECOND, &at), STATUS_DENIED);
    EXPECT_EQ(p.b.refusals.counts[LATTICE_REFUSED_REPLAYED], 1);
    // Back to who sent it: no session has that number there.
    EXPECT_EQ(open_at(&p, &p.a, SECOND, &at), STATUS_NOT_FOUND);
    EXPECT_EQ(p.a.refusals.counts[LATTICE_REFUSED_UNKNOWN_SESSION], 1);
    pair_free(&p);
}

TEST(messages_may_overtake_within_a_window) {
    pair p;
    session *at = NULL;
    pair_make(&p);
    session *c = shake(&p, SECOND);
    enum { N = SESSION_WINDOW + 200 };
    static buf frames[N];
    for (int i = 0; i < N; i++) {
        seal(&p, c, "x");
        buf_init(&frames[i], 64);
        REQUIRE(buf_append(&frames[i], buf_slice(&p.frame)) == STATUS_OK);
    }
    unsigned taken = 0, refused = 0;
    for (int i = 0; i < N; i++) { // the last first
        status s = sessions_open(p.b.sessions, buf_slice(&frames[N - 1 - i]), trust_now(SECOND), &at, p.plain,
                                 &p.len, NULL);
        taken += s == STATUS_OK;
        refused += s == STATUS_DENIED;
    }
    EXPECT_EQ(taken, SESSION_WINDOW - 64);
    EXPECT_EQ(refused, N - SESSION_WINDOW + 64);
    for (int i = 0; i < N; i++) { // and none again
        EXPECT_EQ(
            sessions_open(p.b.sessions, buf_slice(&frames[i]), trust_now(SECOND), &at, p.plain, &p.len, NULL),
            STATUS_DENIED);
        buf_done(&frames[i]);
    }
    pair_free(&p);
}

TEST(a_jump_forgets_nothing) { // numbers that are skipped, far and near, in any order
    pair p;
    session *at = NULL;
    pair_make(&p);
    session *c = shake(&p, SECOND);
    static const int order[] = {0, 1, 70, 64, 63, 65, 200, 199, 4000, 3999, 201, 9000, 8999, 5200};
    enum { N = 9001 };
    static buf frames[N];
    for (int i = 0; i < N; i++) {
        seal(&p, c, "x");
        buf_init(&frames[i], 64);
        REQUIRE(buf_append(&frames[i], buf_slice(&p.frame)) == STATUS_OK);
    }
    for (size_t k = 0; k < sizeof order / sizeof *order; k++) {
        for (int again = 0; again < 2; again++) {
            status s = sessions_open(p.b.sessions, buf_slice(&frames[order[k]]), trust_now(SECOND), &at,
                                     p.plain, &p.len, NULL);
            EXPECT_EQ(s, again == 0 ? STATUS_OK : STATUS_DENIED);
        }
    }
    for (int i = 0; i < N; i++) {
        buf_done(&frames[i]);
    }
    pair_free(&p);
}

TEST(each_byte_of_a_message_counts) {
    pair p;
    session *at = NULL;
    pair_make(&p);
    session *c = shake(&p, SECOND);
    seal(&p, c, "all of it");
    for (size_t i = 0; i < p.frame.len; i++) {
        p.frame.data[i] ^= 0x10;
        EXPECT(open_at(&p, &p.b, SECOND, &at) != STATUS_OK);
        p.frame.data[i] ^= 0x10;
    }
    size_t len = p.frame.len;
    for (p.frame.len = 0; p.frame.len < len; p.frame.len++) {
        EXPECT(open_at(&p, &p.b, SECOND, &at) != STATUS_OK);
    }
    EXPECT_OK(open_at(&p, &p.b, SECOND, &at));
    pair_free(&p);
}

TEST(each_byte_of_a_greeting_counts) {
    pair p;
    session *c = NULL;
    pair_make(&p);
    REQUIRE(sessions_greet(p.a.sessions, &p.b.name, trust_now(0), &p.hello, NULL) == STATUS_OK);
    for (size_t i = 0; i < p.hello.len; i++) {
        p.hello.data[i] ^= 0x04;
        EXPECT(sessions_answer(p.b.sessions, buf_slice(&p.hello), NULL, trust_now(i * SECOND / 200), &from,
                               &p.welcome, NULL) != STATUS_OK);
        EXPECT_EQ(p.welcome.len, 0);
        p.hello.data[i] ^= 0x04;
    }
    REQUIRE(sessions_answer(p.b.sessions, buf_slice(&p.hello), NULL, trust_now(9 * SECOND), &from, &p.welcome,
                            NULL) == STATUS_OK);
    for (size_t i = 0; i < p.welcome.len; i++) {
        p.welcome.data[i] ^= 0x04;
        EXPECT(sessions_finish(p.a.sessions, buf_slice(&p.welcome), trust_now(9 * SECOND), &c, NULL) !=
               STATUS_OK);
        p.welcome.data[i] ^= 0x04;
    }
    EXPECT_OK(sessions_finish(p.a.sessions, buf_slice(&p.welcome), trust_now(9 * SECOND), &c, NULL));
    pair_free(&p);
}

TEST(a_greeting_is_answered_once) {
    pair p;
    pair_make(&p);
    shake(&p, SECOND);
    buf_clear(&p.welcome);
    EXPECT_EQ(
        sessions_answer(p.b.sessions, buf_slice(&p.hello), NULL, trust_now(SECOND), &from, &p.welcome, NULL),
        STATUS_DENIED);
    EXPECT_EQ(p.b.refusals.counts[LATTICE_REFUSED_REPLAYED], 1);
    // Later its time is over, also for a host that has forgotten everything.
    trust_host_begin(&p.b, 2, 60 * SECOND);
    EXPECT_EQ(sessions_answer(p.b.sessions, buf_slice(&p.hello), NULL, trust_now(60 * SECOND), &from,
                              &p.welcome, NULL),
              STATUS_DENIED);
    EXPECT_EQ(p.b.refusals.counts[LATTICE_REFUSED_CLOCK], 1);
    pair_free(&p);
}

TEST(a_welcome_fits_one_greeting) {
    pair p;
    session *c = NULL;
    pair_make(&p);
    shake(&p, SECOND);
    EXPECT_EQ(sessions_finish(p.a.sessions, buf_slice(&p.welcome), trust_now(SECOND), &c, NULL),
              STATUS_DENIED);
    EXPECT_EQ(p.a.refusals.counts[LATTICE_REFUSED_FAKE_REPLY], 1);
    pair_free(&p);
}

TEST(a_greeting_for_another_host_is_refused) {
    pair p;
    trust_host other;
    pair_make(&p);
    trust_host_make(&other, p.cluster_key);
    REQUIRE(sessions_greet(p.a.sessions, &p.b.name, trust_now(0), &p.hello, NULL) == STATUS_OK);
    EXPECT_EQ(
        sessions_answer(other.sessions, buf_slice(&p.hello), NULL, trust_now(0), &from, &p.welcome, NULL),
        STATUS_DENIED);
    EXPECT_EQ(other.refusals.counts[LATTICE_REFUSED_NOT_FOR_US], 1);
    // Reflected to who sent it.
    EXPECT_EQ(sessions_answer(p.a.sessions, buf_slice(&p.hello), NULL, trust_now(0), &from, &p.welcome, NULL),
              STATUS_DENIED);
    EXPECT_EQ(p.a.refusals.counts[LATTICE_REFUSED_NOT_FOR_US], 1);
    trust_host_free(&other);
    pair_free(&p);
}

TEST(another_version_is_refused) {
    pair p;
    pair_make(&p);
    REQUIRE(sessions_greet(p.a.sessions, &p.b.name, trust_now(0), &p.hello, NULL) == STATUS_OK);
    p.hello.data[1] = 0;
    EXPECT_EQ(sessions_answer(p.b.sessions, buf_slice(&p.hello), NULL, trust_now(0), &from, &p.welcome, NULL),
              STATUS_DENIED);
    EXPECT_EQ(p.b.refusals.counts[LATTICE_REFUSED_VERSION], 1);
    pair_free(&p);
}

TEST(a_host_of_another_cluster_is_refused) {
    pair p;
    nkey *foreign = trust_cluster_key();
    pair_make(&p);
    trust_host_free(&p.a);
    trust_host_make(&p.a, foreign);
    REQUIRE(sessions_greet(p.a.sessions, &p.b.name, trust_now(0), &p.hello, NULL) == STATUS_OK);
    EXPECT_EQ(sessions_answer(p.b.sessions, buf_slice(&p.hello), NULL, trust_now(0), &from, &p.welcome, NULL),
              STATUS_DENIED);
    EXPECT_EQ(p.b.refusals.counts[LATTICE_REFUSED_UNKNOWN_ISSUER], 1);
    nkey_free(foreign);
    pair_free(&p);
}

TEST(a_session_ends_with_its_time_its_token_and_its_host) {
    pair p;
    session *at = NULL;
    pair_make(&p);
    session *c = shake(&p, SECOND);
    seal(&p, c, "late");
    EXPECT(!session_is_due(c, trust_now(400 * SECOND)));
    EXPECT(session_is_due(c, trust_now(500 * SECOND)));
    EXPECT_EQ(open_at(&p, &p.b, 602 * SECOND, &at), STATUS_NOT_FOUND);
    EXPECT(sessions_to(p.a.sessions, &p.b.name, trust_now(602 * SECOND)) == NULL);
    // The token ends after an hour.
    c = shake(&p, 3500 * SECOND);
    seal(&p, c, "later");
    EXPECT_EQ(open_at(&p, &p.b, 3600 * SECOND, &at), STATUS_NOT_FOUND);
    sessions_tick(p.a.sessions, trust_now(3700 * SECOND));
    sessions_tick(p.b.sessions, trust_now(3700 * SECOND));
    EXPECT_EQ(sessions_count(p.a.sessions) + sessions_count(p.b.sessions), 0);
    pair_free(&p);
}

TEST(a_host_that_said_goodbye_is_not_heard_again) {
    pair p;
    session *at = NULL;
    pair_make(&p);
    session *c = shake(&p, SECOND);
    seal(&p, c, "from the grave");
    buf_clear(&p.hello);
    REQUIRE(sessions_greet(p.a.sessions, &p.b.name, trust_now(2 * SECOND), &p.hello, NULL) == STATUS_OK);
    sessions_end_host(p.b.sessions, &p.a.name, 2, trust_now(2 * SECOND));
    EXPECT_EQ(p.b.ended, 1);
    EXPECT_EQ(open_at(&p, &p.b, 2 * SECOND, &at), STATUS_NOT_FOUND);
    EXPECT_EQ(sessions_answer(p.b.sessions, buf_slice(&p.hello), NULL, trust_now(2 * SECOND), &from,
                              &p.welcome, NULL),
              STATUS_DENIED);
    EXPECT_EQ(p.b.refusals.counts[LATTICE_REFUSED_STOPPED], 1);
    // Its next life is.
    trust_host_begin(&p.a, 2, 2 * SECOND);
    c = shake(&p, 3 * SECOND);
    seal(&p, c, "again");
    EXPECT_OK(open_at(&p, &p.b, 3 * SECOND, &at));
    EXPECT_EQ(session_epoch(at), 2);
    pair_free(&p);
}

TEST(a_new_life_ends_the_sessions_of_the_old_one) {
    pair p;
    session *at = NULL;
    pair_make(&p);
    session *c = shake(&p, SECOND);
    seal(&p, c, "old");
    trust_host_begin(&p.a, 2, 2 * SECOND);
    buf kept = p.frame;
    buf_init(&p.frame, sizeof p.plain);
    shake(&p, 2 * SECOND);
    EXPECT_EQ(p.b.ended, 1);
    buf_done(&p.frame);
    p.frame = kept;
    EXPECT_EQ(open_at(&p, &p.b, 2 * SECOND, &at), STATUS_NOT_FOUND);
    pair_free(&p);
}

TEST(a_revoked_host_is_cut_off_at_once) {
    pair p;
    session *at = NULL;
    pair_make(&p);
    session *c = shake(&p, SECOND);
    seal(&p, c, "still");
    EXPECT_OK(cluster_revoke(p.b.cluster, &p.a.name, UINT64_MAX, NULL));
    EXPECT_EQ(open_at(&p, &p.b, SECOND, &at), STATUS_NOT_FOUND);
    buf_clear(&p.hello);
    REQUIRE(sessions_greet(p.a.sessions, &p.b.name, trust_now(2 * SECOND), &p.hello, NULL) == STATUS_OK);
    EXPECT_EQ(sessions_answer(p.b.sessions, buf_slice(&p.hello), NULL, trust_now(2 * SECOND), &from,
                              &p.welcome, NULL),
              STATUS_DENIED);
    EXPECT_EQ(p.b.refusals.counts[LATTICE_REFUSED_REVOKED], 1);
    pair_free(&p);
}

TEST(a_flood_of_greetings_is_not_looked_at) {
    pair p;
    nkey *foreign = trust_cluster_key();
    trust_host stranger;
    pair_make(&p);
    trust_host_make(&stranger, foreign);
    session *c = shake(&p, SECOND), *at = NULL;
    seal(&p, c, "honest");
    REQUIRE(open_at(&p, &p.b, SECOND, &at) == STATUS_OK);
    buf_clear(&p.hello);
    REQUIRE(sessions_greet(stranger.sessions, &p.b.name, trust_now(5 * SECOND), &p.hello, NULL) == STATUS_OK);
    for (int i = 0; i < 10 * SESSION_HELLOS_PER_SECOND; i++) {
        EXPECT_EQ(sessions_answer(p.b.sessions, buf_slice(&p.hello), NULL, trust_now(5 * SECOND), &from,
                                  &p.welcome, NULL),
                  STATUS_DENIED);
    }
    EXPECT_EQ(p.b.refusals.counts[LATTICE_REFUSED_FLOOD], 9 * SESSION_HELLOS_PER_SECOND);
    // Who has a session renews within it, and is heard.
    buf_clear(&p.hello);
    buf_clear(&p.welcome);
    REQUIRE(sessions_greet(p.a.sessions, &p.b.name, trust_now(5 * SECOND), &p.hello, NULL) == STATUS_OK);
    EXPECT_OK(sessions_answer(p.b.sessions, buf_slice(&p.hello), at, trust_now(5 * SECOND), &from, &p.welcome,
                              NULL));
    trust_host_free(&stranger);
    nkey_free(foreign);
    pair_free(&p);
}

TEST(sessions_are_bounded_and_unproved_ones_push_out_none) {
    pair p;
    session *at = NULL;
    pair_make(&p);
    session *c = shake(&p, SECOND);
    seal(&p, c, "used");
    REQUIRE(open_at(&p, &p.b, SECOND, &at) == STATUS_OK);
    for (uint64_t i = 2; i < 40; i++) {
        shake(&p, i * SECOND);
    }
    EXPECT_EQ(sessions_count(p.a.sessions), SESSION_HOST_MAX);
    EXPECT_EQ(sessions_count(p.b.sessions), 3); // the one that is used, and two that are not
    EXPECT(sessions_to(p.b.sessions, &p.a.name, trust_now(40 * SECOND)) == at);
    sessions_tick(p.b.sessions, trust_now(60 * SECOND));
    EXPECT_EQ(sessions_count(p.b.sessions), 1);
    pair_free(&p);
}
