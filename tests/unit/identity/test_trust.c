// SPDX-License-Identifier: Apache-2.0
// What the trust store decides, at every boundary; the clock is ours.
#include "identity/trust.h"

#include "base/check.h"
#include "helper_token.h"
#include "test.h"

enum { NOW = 1800000000, MEMORY_BYTES = 8 << 20 };

typedef struct fixture {
    trust_store *s;
    arena memory;
    token_claims claims;
    token_claims chain[2];
    size_t chain_count;
    trust_answer answer;
    refusal why;
    err e;
} fixture;

static slice lit(const char *text) { return slice_from_text(text); }

// Component M7 of account A1, which operator O2 vouches for where the chain is used.
static fixture make(void) {
    fixture f = {.s = trust_store_new(), .why = REFUSAL_NONE};
    arena_init(&f.memory, MEMORY_BYTES);
    f.claims = (token_claims){
        .kind = TOKEN_COMPONENT,
        .issuer = helper_public(NKEY_ACCOUNT, 1),
        .subject = helper_public(NKEY_MODULE, 7),
        .issued_at_s = 1000,
        .name = lit("shop/cart"),
        .has_revision = true,
        .revision = 5,
        .has_hash = true,
        .hash = {0xab},
    };
    f.chain[0] = (token_claims){.kind = TOKEN_ACCOUNT,
                                .issuer = helper_public(NKEY_OPERATOR, 2),
                                .subject = helper_public(NKEY_ACCOUNT, 1),
                                .issued_at_s = 900};
    return f;
}

static void done(fixture *f) {
    trust_store_free(f->s);
    arena_done(&f->memory);
}

static refusal decide_at(fixture *f, uint64_t now_s) {
    trust_question q = {&f->claims, f->chain, f->chain_count, now_s};
    f->why = REFUSAL_NONE;
    f->answer = (trust_answer){0};
    status s = trust_decide(f->s, &q, &f->memory, &f->answer, &f->why, &f->e);
    EXPECT((s == STATUS_OK) == (f->why == REFUSAL_NONE));
    EXPECT((s == STATUS_OK) == (f->answer.believed != NULL));
    return f->why;
}

static refusal decide(fixture *f) { return decide_at(f, NOW); }

static void trust_with(fixture *f, trust_issuer i) {
    err e = {0};
    EXPECT_STATUS_ERR(trust_store_add_issuer(f->s, &i, &e), STATUS_OK, e);
}

static void trust_key(fixture *f, nkey_kind kind, uint8_t number) {
    trust_with(f, (trust_issuer){.key = helper_public(kind, number)});
}

static slice text_of(fixture *f, nkey_kind kind, uint8_t number) {
    nkey_public k = helper_public(kind, number);
    return arena_copy(&f->memory, slice_from_text(nkey_public_text(&k).text));
}

// --- issuers -----------------------------------------------------------------------------------------------

TEST(nobody_is_believed_by_default) {
    fixture f = make();
    EXPECT_EQ(decide(&f), REFUSAL_UNKNOWN_ISSUER);
    EXPECT_CONTAINS(f.e.message, "writ trust add A");
    trust_key(&f, NKEY_ACCOUNT, 3);
    EXPECT_EQ(decide(&f), REFUSAL_UNKNOWN_ISSUER);
    trust_key(&f, NKEY_ACCOUNT, 1);
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    EXPECT(!f.answer.has_allowance && !f.answer.ratchet);
    nkey_public a = helper_public(NKEY_ACCOUNT, 1);
    EXPECT_EQ(trust_store_remove_issuer(f.s, &a), 1);
    EXPECT_EQ(decide(&f), REFUSAL_UNKNOWN_ISSUER);
    done(&f);
}

TEST(an_operator_covers_accounts_of_its_chain_only) {
    fixture f = make();
    trust_key(&f, NKEY_OPERATOR, 2);
    EXPECT_EQ(decide(&f), REFUSAL_UNKNOWN_ISSUER); // no chain
    f.chain_count = 1;
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    f.chain[0].subject = helper_public(NKEY_ACCOUNT, 9); // vouches for somebody else
    EXPECT_EQ(decide(&f), REFUSAL_WRONG_ISSUER);
    trust_key(&f, NKEY_ACCOUNT, 1); // a wrong chain is no better for a direct trust
    EXPECT_EQ(decide(&f), REFUSAL_WRONG_ISSUER);
    f.chain[0].subject = helper_public(NKEY_ACCOUNT, 1);
    f.chain[0].kind = TOKEN_COMPONENT;
    EXPECT_EQ(decide(&f), REFUSAL_WRONG_ISSUER);
    done(&f);
}

TEST(operators_of_operators) {
    fixture f = make();
    f.chain[1] = (token_claims){.kind = TOKEN_OPERATOR,
                                .issuer = helper_public(NKEY_OPERATOR, 4),
                                .subject = helper_public(NKEY_OPERATOR, 2)};
    f.chain_count = 2;
    trust_key(&f, NKEY_OPERATOR, 4);
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    f.chain[1].subject = helper_public(NKEY_OPERATOR, 5);
    EXPECT_EQ(decide(&f), REFUSAL_WRONG_ISSUER);
    f.chain_count = 100;
    EXPECT_EQ(decide(&f), REFUSAL_WRONG_ISSUER);
    done(&f);
}

TEST(trust_ends_at_its_second) {
    fixture f = make();
    trust_with(&f, (trust_issuer){.key = helper_public(NKEY_ACCOUNT, 1), .has_until = true, .until_s = NOW});
    EXPECT_EQ(decide_at(&f, NOW - 1), REFUSAL_NONE);
    EXPECT_EQ(decide_at(&f, NOW), REFUSAL_WRONG_ISSUER);
    EXPECT_CONTAINS(f.e.message, "ran out");
    EXPECT_EQ(decide_at(&f, NOW + 1), REFUSAL_WRONG_ISSUER);
    done(&f);
}

static bool matches(const char *pattern, const char *name) {
    fixture f = make();
    slice names[] = {lit(pattern)};
    f.claims.name = lit(name);
    trust_with(&f, (trust_issuer){.key = helper_public(NKEY_ACCOUNT, 1), .names = {1, names}});
    refusal why = decide(&f);
    EXPECT(why == REFUSAL_NONE || why == REFUSAL_WRONG_ISSUER);
    done(&f);
    return why == REFUSAL_NONE;
}

TEST(names) {
    EXPECT(matches("shop/*", "shop/cart") && matches("shop/*", "shop/") && !matches("shop/*", "shop"));
    EXPECT(!matches("shop/*", "my-shop/cart") && matches("*", "") && matches("*", "x"));
    EXPECT(matches("a*b*c", "abc") && matches("a*b*c", "aXbYbZc") && !matches("a*b*c", "acb"));
    EXPECT(!matches("ab*ba", "aba") && matches("ab*ba", "abba") && matches("**", "x"));
    EXPECT(matches("*end", "the end") && !matches("*end", "the ending") && !matches("a", ""));
    EXPECT(matches("*aab", "aaaaab") && !matches("Shop/*", "shop/cart") && matches("a?c", "a?c"));
    EXPECT(!matches("a?c", "abc") && !matches("*x*", ""));
    char name[4096], pattern[512];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (size_t i = 0; i < sizeof pattern - 2; i++) {
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    }
    memcpy(pattern + sizeof pattern - 2, "b", 2);
    EXPECT(!matches(pattern, name));
}

TEST(allow_lists_unite) {
    fixture f = make();
    allowance_entry http, cli;
    EXPECT_OK(allowance_entry_parse(lit("wasi:http"), &f.memory, &http, NULL));
    EXPECT_OK(allowance_entry_parse(lit("wasi:cli"), &f.memory, &cli, NULL));
    slice other[] = {lit("other")};
    nkey_public a = helper_public(NKEY_ACCOUNT, 1);
    trust_with(&f, (trust_issuer){.key = a, .has_allowance = true, .allow = {1, &http}, .ratchet = true});
    trust_with(&f, (trust_issuer){.key = a, .has_allowance = true, .allow = {1, &cli}});
    trust_with(&f, (trust_issuer){.key = a, .names = {1, other}}); // does not match, so it adds nothing
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    EXPECT(f.answer.has_allowance && f.answer.allow.count == 2 && f.answer.ratchet);
    trust_key(&f, NKEY_ACCOUNT, 1);
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    EXPECT(!f.answer.has_allowance);
    done(&f);
}

TEST(an_empty_allow_list_allows_nothing) {
    fixture f = make();
    trust_with(&f, (trust_issuer){.key = helper_public(NKEY_ACCOUNT, 1), .has_allowance = true});
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    EXPECT(f.answer.has_allowance && f.answer.allow.count == 0);
    done(&f);
}

TEST(what_cannot_be_an_entry) {
    fixture f = make();
    trust_issuer module = {.key = helper_public(NKEY_MODULE, 1)};
    EXPECT_STATUS(trust_store_add_issuer(f.s, &module, NULL), STATUS_INVALID);
    trust_issuer account = {.key = helper_public(NKEY_ACCOUNT, 1), .note = lit("one")};
    EXPECT_OK(trust_store_add_issuer(f.s, &account, NULL));
    account.note = lit("two");
    EXPECT_STATUS(trust_store_add_issuer(f.s, &account, NULL), STATUS_EXISTS);
    account.ratchet = true;
    EXPECT_OK(trust_store_add_issuer(f.s, &account, NULL));
    EXPECT_EQ(trust_store_issuer_count(f.s), 2);
    done(&f);
}

// --- revocations by the owner ------------------------------------------------------------------------------

static void revoke(fixture *f, slice subject, uint64_t before_s) {
    token_revocation r = {.subject = subject, .before_s = before_s, .reason = lit("leaked")};
    EXPECT_OK(trust_store_add_revoked(f->s, &r, NULL));
    EXPECT_STATUS(trust_store_add_revoked(f->s, &r, NULL), STATUS_EXISTS);
}

TEST(before_is_compared_to_the_second) {
    static const struct {
        uint64_t before_s;
        refusal expected;
    } cases[] = {{999, REFUSAL_NONE},
                 {1000, REFUSAL_NONE},
                 {1001, REFUSAL_REVOKED},
                 {TOKEN_SECONDS_MAX, REFUSAL_REVOKED}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture f = make();
        trust_key(&f, NKEY_ACCOUNT, 1);
        revoke(&f, text_of(&f, NKEY_MODULE, 7), cases[i].before_s);
        EXPECT_EQ(decide(&f), cases[i].expected);
        done(&f);
    }
}

TEST(a_revoked_key_takes_what_it_signed_with_it) {
    fixture f = make();
    f.chain_count = 1;
    trust_key(&f, NKEY_OPERATOR, 2);
    revoke(&f, text_of(&f, NKEY_ACCOUNT, 8), TOKEN_SECONDS_MAX); // somebody else
    revoke(&f, text_of(&f, NKEY_MODULE, 8), TOKEN_SECONDS_MAX);
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    revoke(&f, text_of(&f, NKEY_ACCOUNT, 1), 900);
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    revoke(&f, text_of(&f, NKEY_ACCOUNT, 1), 901); // the account's own token is of 900
    EXPECT_EQ(decide(&f), REFUSAL_REVOKED);
    EXPECT_CONTAINS(f.e.message, "owner of this host");
    EXPECT_CONTAINS(f.e.message, "leaked");
    done(&f);
}

TEST(a_revoked_hash) {
    fixture f = make();
    trust_key(&f, NKEY_ACCOUNT, 1);
    char hex[HASH_HEX_BYTES];
    uint8_t other[HASH_BYTES] = {0xac};
    hash_hex(other, hex);
    token_revocation r = {.content_hash = lit(hex), .before_s = TOKEN_SECONDS_MAX};
    EXPECT_OK(trust_store_add_revoked(f.s, &r, NULL));
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    hash_hex(f.claims.hash, hex);
    EXPECT_OK(trust_store_add_revoked(f.s, &r, NULL));
    EXPECT_EQ(decide(&f), REFUSAL_REVOKED);
    done(&f);
}

// --- signed lists ------------------------------------------------------------------------------------------

typedef struct list_of {
    nkey_kind kind;
    uint8_t key;
    uint64_t number;
    token_revocation revocation;
    uint64_t expires_at_s; // 0 = never
} list_of;

static status import(fixture *f, list_of l) {
    nkey *issuer = helper_key(l.kind, l.key);
    token_claims c = {.kind = TOKEN_REVOCATIONS,
                      .subject = nkey_public_of(issuer),
                      .issued_at_s = 2000,
                      .has_expiry = l.expires_at_s != 0,
                      .expires_at_s = l.expires_at_s,
                      .revocation_number = l.number,
                      .revocation_count = 1,
                      .revocations = &l.revocation};
    buf text;
    buf_init(&text, TOKEN_BYTES_MAX);
    EXPECT_STATUS_ERR(token_write(&c, issuer, &text, &f->e), STATUS_OK, f->e);
    status s = trust_store_add_revocations(f->s, buf_slice(&text), NOW, &f->why, &f->e);
    EXPECT((s == STATUS_OK) == (f->why == REFUSAL_NONE));
    nkey_free(issuer);
    buf_done(&text);
    return s;
}

static token_revocation whole(slice subject) {
    return (token_revocation){.subject = subject, .before_s = TOKEN_SECONDS_MAX};
}

TEST(lists_revoke_what_their_issuer_vouches_for) {
    fixture f = make();
    slice m = text_of(&f, NKEY_MODULE, 7), a = text_of(&f, NKEY_ACCOUNT, 1),
          o = text_of(&f, NKEY_OPERATOR, 2);
    f.chain_count = 1;
    trust_key(&f, NKEY_ACCOUNT, 1);
    trust_key(&f, NKEY_ACCOUNT, 3);
    trust_key(&f, NKEY_OPERATOR, 2);
    EXPECT_OK(import(&f, (list_of){NKEY_ACCOUNT, 3, 1, whole(m), 0})); // not its component
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    EXPECT_OK(import(&f, (list_of){NKEY_ACCOUNT, 1, 1, whole(o), 0})); // its own operator
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    EXPECT_OK(import(&f, (list_of){NKEY_ACCOUNT, 1, 2, whole(m), 0}));
    EXPECT_EQ(decide(&f), REFUSAL_REVOKED);
    EXPECT_CONTAINS(f.e.message, "list 2 of A");
    EXPECT_OK(import(&f, (list_of){NKEY_ACCOUNT, 1, 3, whole(o), 0})); // the newest list is what counts
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    EXPECT_OK(import(&f, (list_of){NKEY_OPERATOR, 2, 1, whole(a), 0}));
    EXPECT_EQ(decide(&f), REFUSAL_REVOKED);
    f.chain_count = 0; // without its chain the account does not stand under the operator
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    EXPECT_OK(import(&f, (list_of){NKEY_ACCOUNT, 1, 4, whole(a), 0})); // an account gives itself up
    EXPECT_EQ(decide(&f), REFUSAL_REVOKED);
    done(&f);
}

TEST(numbers_do_not_go_back) {
    fixture f = make();
    slice m = text_of(&f, NKEY_MODULE, 7), n = text_of(&f, NKEY_MODULE, 8);
    EXPECT_STATUS(import(&f, (list_of){NKEY_ACCOUNT, 1, 5, whole(m), 0}), STATUS_DENIED);
    EXPECT_EQ(f.why, REFUSAL_UNKNOWN_ISSUER);
    trust_key(&f, NKEY_ACCOUNT, 1);
    EXPECT_OK(import(&f, (list_of){NKEY_ACCOUNT, 1, 5, whole(m), 0}));
    EXPECT_STATUS(import(&f, (list_of){NKEY_ACCOUNT, 1, 4, whole(n), 0}), STATUS_DENIED);
    EXPECT_EQ(f.why, REFUSAL_ROLLED_BACK);
    EXPECT_STATUS(import(&f, (list_of){NKEY_ACCOUNT, 1, 5, whole(n), 0}), STATUS_DENIED);
    EXPECT_EQ(f.why, REFUSAL_ROLLED_BACK);
    EXPECT_EQ(decide(&f), REFUSAL_REVOKED);
    EXPECT_OK(import(&f, (list_of){NKEY_ACCOUNT, 1, 6, whole(n), 0}));
    EXPECT_EQ(trust_store_list_count(f.s), 1);
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    done(&f);
}

// Else its thief would sign the next list, and take back what its owner withdrew.
TEST(a_key_that_was_given_up_signs_no_list) {
    fixture f = make();
    slice m = text_of(&f, NKEY_MODULE, 7), a = text_of(&f, NKEY_ACCOUNT, 1);
    trust_key(&f, NKEY_ACCOUNT, 1);
    token_revocation before = {.subject = a, .before_s = 1};
    EXPECT_OK(import(&f, (list_of){NKEY_ACCOUNT, 1, 1, before, 0})); // what is younger stands
    EXPECT_OK(import(&f, (list_of){NKEY_ACCOUNT, 1, 2, whole(a), 0}));
    EXPECT_STATUS(import(&f, (list_of){NKEY_ACCOUNT, 1, 3, whole(m), 0}), STATUS_DENIED);
    EXPECT_EQ(f.why, REFUSAL_REVOKED);
    EXPECT_CONTAINS(f.e.message, "its own list");
    EXPECT_EQ(decide(&f), REFUSAL_REVOKED);
    done(&f);
    f = make();
    m = text_of(&f, NKEY_MODULE, 7), a = text_of(&f, NKEY_ACCOUNT, 1);
    trust_key(&f, NKEY_ACCOUNT, 1);
    token_revocation owners = {.subject = a, .before_s = 2001}; // the list is of 2000
    EXPECT_OK(trust_store_add_revoked(f.s, &owners, NULL));
    EXPECT_STATUS(import(&f, (list_of){NKEY_ACCOUNT, 1, 1, whole(m), 0}), STATUS_DENIED);
    EXPECT_EQ(f.why, REFUSAL_REVOKED);
    EXPECT_CONTAINS(f.e.message, "the owner of this host");
    done(&f);
}

TEST(a_list_that_ran_out_refuses) {
    fixture f = make();
    slice n = text_of(&f, NKEY_MODULE, 8);
    trust_key(&f, NKEY_ACCOUNT, 1);
    EXPECT_STATUS(import(&f, (list_of){NKEY_ACCOUNT, 1, 1, whole(n), NOW}), STATUS_DENIED);
    EXPECT_EQ(f.why, REFUSAL_EXPIRED);
    EXPECT_OK(import(&f, (list_of){NKEY_ACCOUNT, 1, 1, whole(n), NOW + 10}));
    EXPECT_EQ(decide_at(&f, NOW + 9), REFUSAL_NONE);
    EXPECT_EQ(decide_at(&f, NOW + 10), REFUSAL_EXPIRED);
    EXPECT_CONTAINS(f.e.message, "writ trust import");
    EXPECT_EQ(decide_at(&f, NOW + 11), REFUSAL_EXPIRED);
    done(&f);
}

// --- revisions ---------------------------------------------------------------------------------------------

TEST(minimum_revisions) {
    fixture f = make();
    trust_key(&f, NKEY_ACCOUNT, 1);
    trust_minimum m = {.subject = helper_public(NKEY_MODULE, 7), .revision = 5};
    EXPECT_OK(trust_store_set_minimum(f.s, &m, NULL));
    EXPECT_OK(trust_store_set_minimum(
        f.s, &(trust_minimum){.subject = helper_public(NKEY_MODULE, 8), .revision = 99}, NULL));
    EXPECT_OK(trust_store_set_minimum(
        f.s, &(trust_minimum){.subject = helper_public(NKEY_MODULE, 6), .revision = 99}, NULL));
    EXPECT_EQ(decide(&f), REFUSAL_NONE); // 5
    f.claims.revision = 4;
    EXPECT_EQ(decide(&f), REFUSAL_ROLLED_BACK);
    f.claims.revision = 6;
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    f.claims.has_revision = false;
    EXPECT_EQ(decide(&f), REFUSAL_ROLLED_BACK);
    m.revision = 0;
    EXPECT_OK(trust_store_set_minimum(f.s, &m, NULL));
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    EXPECT_EQ(trust_store_minimum_count(f.s), 3);
    m.revision = -1;
    EXPECT_STATUS(trust_store_set_minimum(f.s, &m, NULL), STATUS_INVALID);
    m = (trust_minimum){.subject = helper_public(NKEY_ACCOUNT, 1), .revision = 1};
    EXPECT_STATUS(trust_store_set_minimum(f.s, &m, NULL), STATUS_INVALID);
    done(&f);
}

// A subject is whatever a signer writes: what was learnt from one issuer binds no other.
TEST(a_minimum_of_an_issuer_binds_that_issuer) {
    fixture f = make();
    trust_key(&f, NKEY_ACCOUNT, 1);
    trust_minimum m = {helper_public(NKEY_MODULE, 7), INT32_MAX, true, helper_public(NKEY_ACCOUNT, 2)};
    EXPECT_OK(trust_store_set_minimum(f.s, &m, NULL));
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    m.issuer = helper_public(NKEY_ACCOUNT, 1);
    m.revision = 6;
    EXPECT_OK(trust_store_set_minimum(f.s, &m, NULL));
    EXPECT_EQ(decide(&f), REFUSAL_ROLLED_BACK);
    EXPECT_CONTAINS(f.e.message, " --issuer A");
    m.revision = 5;
    EXPECT_OK(trust_store_set_minimum(f.s, &m, NULL));
    EXPECT_EQ(decide(&f), REFUSAL_NONE);
    // Both the one of the issuer and the one for whoever signed count.
    trust_minimum all = {.subject = m.subject, .revision = 6};
    EXPECT_OK(trust_store_set_minimum(f.s, &all, NULL));
    EXPECT_EQ(decide(&f), REFUSAL_ROLLED_BACK);
    EXPECT_EQ(trust_store_minimum_count(f.s), 3);
    EXPECT(!trust_store_minimum_at(f.s, 0)->has_issuer);
    m.issuer = helper_public(NKEY_MODULE, 1);
    EXPECT_STATUS(trust_store_set_minimum(f.s, &m, NULL), STATUS_INVALID);
    done(&f);
}
