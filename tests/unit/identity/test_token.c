// SPDX-License-Identifier: Apache-2.0
// Tokens that are written and read again, validity in time, and chains.
#include "identity/token.h"

#include <stdlib.h>

#include "base/check.h"
#include "codec/base64.h"
#include "helper_token.h"
#include "test.h"

static slice lit(const char *text) { return slice_from_text(text); }

typedef struct written {
    buf text;
    arena memory;
    token_claims claims;
} written;

static void write_token(const token_claims *c, const nkey *issuer, buf *ret) {
    err e = {0};
    buf_init(ret, TOKEN_BYTES_MAX);
    EXPECT_STATUS_ERR(token_write(c, issuer, ret, &e), STATUS_OK, e);
}

// Writes and reads.
static written round_trip(const token_claims *c, nkey_kind issuer_kind, uint8_t issuer_number) {
    written w = {0};
    err e = {0};
    refusal why = REFUSAL_MALFORMED;
    nkey *issuer = helper_key(issuer_kind, issuer_number);
    write_token(c, issuer, &w.text);
    arena_init(&w.memory, TOKEN_ARENA_BYTES);
    EXPECT_STATUS_ERR(token_read(buf_slice(&w.text), &w.memory, &w.claims, &why, &e), STATUS_OK, e);
    EXPECT_EQ(why, REFUSAL_NONE);
    EXPECT_EQ(w.claims.kind, c->kind);
    nkey_public p = nkey_public_of(issuer);
    EXPECT(nkey_public_equal(&w.claims.issuer, &p));
    EXPECT(nkey_public_equal(&w.claims.subject, &c->subject));
    EXPECT_EQ(w.claims.wascap_revision, 3);
    nkey_free(issuer);
    return w;
}

static void written_done(written *w) {
    buf_done(&w->text);
    arena_done(&w->memory);
}

static token_claims component_claims(void) {
    return (token_claims){
        .kind = TOKEN_COMPONENT,
        .subject = helper_public(NKEY_MODULE, 7),
        .issued_at_s = 1700000000,
        .name = lit("shop"),
        .has_hash = true,
        .hash = {0xab, 1, 2},
    };
}

TEST(a_component_with_everything) {
    slice tags[] = {lit("a"), lit("b c")};
    token_claims c = component_claims();
    c.has_expiry = c.has_not_before = c.has_revision = true;
    c.expires_at_s = TOKEN_SECONDS_MAX;
    c.not_before_s = 0;
    c.revision = -3;
    c.version = lit("1.2.3-\xc3\xa4");
    c.tags = (token_texts){2, tags};
    c.call_alias = lit("  Shop Front-End.V1/x\xc3\xa9 ");
    written w = round_trip(&c, NKEY_ACCOUNT, 1);
    const token_claims *r = &w.claims;
    EXPECT(slice_equal_text(r->name, "shop") && slice_equal(r->version, c.version));
    EXPECT(r->has_hash && memcmp(r->hash, c.hash, HASH_BYTES) == 0);
    EXPECT(r->has_expiry && r->expires_at_s == TOKEN_SECONDS_MAX && r->has_not_before &&
           r->not_before_s == 0);
    EXPECT(r->has_revision && r->revision == -3 && r->issued_at_s == 1700000000);
    EXPECT(r->tags.count == 2 && slice_equal_text(r->tags.at[1], "b c"));
    EXPECT(slice_equal_text(r->call_alias, "shop_front_end_v1/x"));
    EXPECT(!r->has_allowance && r->chain.count == 0);
    EXPECT_EQ(r->id.len, 22);
    written_done(&w);
}

TEST(the_text_of_a_component_is_that_of_1x) {
    nkey *issuer = helper_key(NKEY_ACCOUNT, 1);
    token_claims c = component_claims();
    c.id = lit("id");
    buf text;
    write_token(&c, issuer, &text);
    size_t dot = slice_find(buf_slice(&text), 0, '.');
    auto_buf out;
    buf_init(&out, 4096);
    EXPECT_OK(base64_decode(BASE64_URL, slice_sub(buf_slice(&text), 0, dot), &out));
    EXPECT_BYTES(buf_slice(&out), lit("{\"typ\":\"jwt\",\"alg\":\"Ed25519\"}"));
    buf_clear(&out);
    size_t second = slice_find(buf_slice(&text), dot + 1, '.');
    EXPECT_OK(base64_decode(BASE64_URL, slice_sub(buf_slice(&text), dot + 1, second), &out));
    nkey_public p = nkey_public_of(issuer);
    auto_buf expected;
    buf_init(&expected, 4096);
    EXPECT_OK(
        buf_append_format(&expected,
                          "{\"jti\":\"id\",\"iat\":1700000000,\"iss\":\"%s\",\"sub\":\"%s\",\"wascap\":{"
                          "\"name\":\"shop\",\"hash\":\"AB0102%058d\",\"prov\":false},\"wascap_revision\":3}",
                          nkey_public_text(&p).text, nkey_public_text(&c.subject).text, 0));
    EXPECT_BYTES(buf_slice(&out), buf_slice(&expected));
    buf_done(&text);
    nkey_free(issuer);
}

TEST(ids_differ) {
    nkey *issuer = helper_key(NKEY_ACCOUNT, 1);
    token_claims c = component_claims();
    buf a, b;
    write_token(&c, issuer, &a);
    write_token(&c, issuer, &b);
    EXPECT(!slice_equal(buf_slice(&a), buf_slice(&b)));
    buf_done(&a);
    buf_done(&b);
    nkey_free(issuer);
}

TEST(call_aliases_are_those_of_1x) {
    static const char *const rows[][2] = {
        {"Kelvin \xe2\x84\xaa\xc4\xb0", "kelvin_ki"},
        {"\xc3\xa9 x", "_x"}, // what is dropped does not make the space an outer one
        {"\xe3\x80\x80\tA\xc2\xa0", "a"},
        {"a/b", "a/b"},
        {"\xc3\x84", ""},
        {" ", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        token_claims c = component_claims();
        c.call_alias = lit(rows[i][0]);
        written w = round_trip(&c, NKEY_ACCOUNT, 1);
        EXPECT_BYTES(w.claims.call_alias, lit(rows[i][1]));
        written_done(&w);
    }
}

TEST(a_provider) {
    char hash[65];
    memset(hash, 'F', 64);
    hash[64] = '\0';
    token_pair hashes[] = {{lit("x86_64-linux"), lit(hash)}, {lit("world.wasm"), lit(hash)}};
    token_claims c = {.kind = TOKEN_PROVIDER,
                      .subject = helper_public(NKEY_SERVICE, 9),
                      .vendor = lit("acme"),
                      .target_hashes = {2, hashes},
                      .config_schema = lit("{ \"type\": [1.5, null] }")};
    written w = round_trip(&c, NKEY_ACCOUNT, 1);
    EXPECT(slice_equal_text(w.claims.vendor, "acme") && w.claims.target_hashes.count == 2);
    EXPECT(slice_equal_text(w.claims.target_hashes.at[1].name, "world.wasm"));
    EXPECT_BYTES(w.claims.config_schema, lit("{\"type\":[1.5,null]}"));
    written_done(&w);
    hash[63] = 'f';
    nkey *issuer = helper_key(NKEY_ACCOUNT, 1);
    auto_buf text;
    buf_init(&text, TOKEN_BYTES_MAX);
    err e = {0};
    EXPECT_STATUS(token_write(&c, issuer, &text, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "target_hashes");
    EXPECT_EQ(text.len, 0);
    nkey_free(issuer);
}

TEST(accounts_operators_clusters_and_hosts) {
    nkey_public signer = helper_public(NKEY_ACCOUNT, 30);
    nkey_text signer_text = nkey_public_text(&signer);
    slice signers[] = {lit(signer_text.text)};
    static const struct {
        token_kind kind;
        nkey_kind subject, issuer;
        uint8_t issuer_number;
    } rows[] = {
        {TOKEN_ACCOUNT, NKEY_ACCOUNT, NKEY_OPERATOR, 2},   {TOKEN_ACCOUNT, NKEY_ACCOUNT, NKEY_ACCOUNT, 1},
        {TOKEN_OPERATOR, NKEY_OPERATOR, NKEY_OPERATOR, 1}, {TOKEN_OPERATOR, NKEY_OPERATOR, NKEY_OPERATOR, 2},
        {TOKEN_CLUSTER, NKEY_CLUSTER, NKEY_CLUSTER, 1},    {TOKEN_CLUSTER, NKEY_CLUSTER, NKEY_OPERATOR, 2},
        {TOKEN_HOST, NKEY_SERVER, NKEY_SERVER, 1},         {TOKEN_HOST, NKEY_SERVER, NKEY_ACCOUNT, 2},
        {TOKEN_HOST, NKEY_SERVER, NKEY_OPERATOR, 2},       {TOKEN_HOST, NKEY_SERVER, NKEY_CLUSTER, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        token_pair label = {lit("zone"), lit("a")};
        bool is_host = rows[i].kind == TOKEN_HOST;
        token_claims c = {
            .kind = rows[i].kind, .subject = helper_public(rows[i].subject, 1), .name = lit("n")};
        c.labels = is_host ? (token_pairs){1, &label} : (token_pairs){0};
        c.valid_signers = is_host ? (token_texts){0} : (token_texts){1, signers};
        written w = round_trip(&c, rows[i].issuer, rows[i].issuer_number);
        EXPECT_EQ(w.claims.labels.count, is_host ? 1 : 0);
        EXPECT_EQ(w.claims.valid_signers.count, is_host ? 0 : 1);
        written_done(&w);
    }
}

TEST(revocations) {
    char hash[65];
    memset(hash, '0', 64);
    hash[64] = '\0';
    nkey_public subject = helper_public(NKEY_MODULE, 3);
    nkey_text text = nkey_public_text(&subject);
    token_revocation entries[] = {{.subject = lit(text.text), .before_s = 5, .reason = lit("lost")},
                                  {.subject = lit(text.text), .before_s = TOKEN_SECONDS_MAX},
                                  {.content_hash = lit(hash), .before_s = TOKEN_SECONDS_MAX}};
    token_claims c = {.kind = TOKEN_REVOCATIONS,
                      .subject = helper_public(NKEY_ACCOUNT, 1),
                      .revocation_number = 12,
                      .revocation_count = 3,
                      .revocations = entries};
    written w = round_trip(&c, NKEY_ACCOUNT, 1);
    EXPECT_U64(w.claims.revocation_number, 12);
    REQUIRE(w.claims.revocation_count == 3);
    for (size_t i = 0; i < 3; i++) {
        EXPECT(slice_equal(w.claims.revocations[i].subject, entries[i].subject));
        EXPECT(slice_equal(w.claims.revocations[i].content_hash, entries[i].content_hash));
        EXPECT(slice_equal(w.claims.revocations[i].reason, entries[i].reason));
        EXPECT_U64(w.claims.revocations[i].before_s, entries[i].before_s);
    }
    written_done(&w);
    c.revocation_count = 0;
    w = round_trip(&c, NKEY_ACCOUNT, 1);
    EXPECT_EQ(w.claims.revocation_count, 0);
    written_done(&w);
}

TEST(not_written_what_would_not_be_read) {
    nkey *account = helper_key(NKEY_ACCOUNT, 1), *operator_key = helper_key(NKEY_OPERATOR, 1);
    token_pair twice[] = {{lit("a"), lit("1")}, {lit("a"), lit("2")}};
    token_claims rows[] = {component_claims(), component_claims(), component_claims(),
                           component_claims(), component_claims(), component_claims()};
    rows[0].has_hash = false;
    rows[1].has_expiry = true;
    rows[1].expires_at_s = TOKEN_SECONDS_MAX + 1;
    rows[2].kind = TOKEN_ACCOUNT;
    rows[3].issued_at_s = UINT64_MAX;
    rows[4].call_alias = lit("\xff");
    rows[5] = (token_claims){
        .kind = TOKEN_HOST, .subject = helper_public(NKEY_SERVER, 1), .labels = (token_pairs){2, twice}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        auto_buf text;
        buf_init(&text, TOKEN_BYTES_MAX);
        err e = {0};
        EXPECT_STATUS_ERR(token_write(&rows[i], account, &text, &e), STATUS_INVALID, e);
        EXPECT_CONTAINS(e.message, "token not written");
        EXPECT_EQ(text.len, 0);
    }
    token_claims c = {.kind = TOKEN_HOST, .subject = helper_public(NKEY_ACCOUNT, 1)};
    auto_buf text;
    buf_init(&text, TOKEN_BYTES_MAX);
    EXPECT_STATUS(token_write(&c, account, &text, NULL), STATUS_INVALID);
    c = component_claims();
    EXPECT_STATUS(token_write(&c, operator_key, &text, NULL), STATUS_DENIED);
    text.max = 20;
    EXPECT_STATUS(token_write(&c, account, &text, NULL), STATUS_LIMIT);
    nkey_free(account);
    nkey_free(operator_key);
}

// --- time --------------------------------------------------------------------------------------------------

static refusal at(const token_claims *c, uint64_t now_s) {
    err e = {0};
    refusal why = REFUSAL_MALFORMED;
    status s = token_check_time(c, now_s, "the test's clock", &why, &e);
    EXPECT_EQ(s == STATUS_OK, why == REFUSAL_NONE);
    EXPECT_EQ(s == STATUS_OK, e.message[0] == '\0');
    return why;
}

TEST(every_boundary_of_validity) {
    enum { NBF = 1000, EXP = 2000 };
    token_claims c = {.has_expiry = true, .expires_at_s = EXP, .has_not_before = true, .not_before_s = NBF};
    EXPECT_EQ(at(&c, NBF - 1), REFUSAL_NOT_YET_VALID);
    EXPECT_EQ(at(&c, NBF), REFUSAL_NONE);
    EXPECT_EQ(at(&c, NBF + 1), REFUSAL_NONE);
    EXPECT_EQ(at(&c, EXP - 1), REFUSAL_NONE);
    EXPECT_EQ(at(&c, EXP), REFUSAL_EXPIRED);
    EXPECT_EQ(at(&c, EXP + 1), REFUSAL_EXPIRED);
    EXPECT_EQ(at(&c, 0), REFUSAL_NOT_YET_VALID);
    EXPECT_EQ(at(&c, TOKEN_SECONDS_MAX), REFUSAL_EXPIRED);
    EXPECT_EQ(at(&c, UINT64_MAX), REFUSAL_EXPIRED);
    token_claims unbounded = {.expires_at_s = 1, .not_before_s = 99};
    EXPECT_EQ(at(&unbounded, 0), REFUSAL_NONE);
    EXPECT_EQ(at(&unbounded, UINT64_MAX), REFUSAL_NONE);
    token_claims zero = {.has_expiry = true, .has_not_before = true};
    EXPECT_EQ(at(&zero, 0), REFUSAL_EXPIRED);
    token_claims last = {.has_expiry = true, .expires_at_s = TOKEN_SECONDS_MAX};
    EXPECT_EQ(at(&last, TOKEN_SECONDS_MAX - 1), REFUSAL_NONE);
    EXPECT_EQ(at(&last, TOKEN_SECONDS_MAX), REFUSAL_EXPIRED);
    token_claims turned = {.has_expiry = true, .expires_at_s = 5, .has_not_before = true, .not_before_s = 10};
    EXPECT_EQ(at(&turned, 4), REFUSAL_NOT_YET_VALID);
    EXPECT_EQ(at(&turned, 7), REFUSAL_NOT_YET_VALID);
    EXPECT_EQ(at(&turned, 10), REFUSAL_EXPIRED);
}

TEST(messages_of_time_have_both_dates_and_the_clock) {
    token_claims c = {.has_expiry = true, .expires_at_s = 951782400};
    err e = {0};
    refusal why;
    EXPECT_STATUS(token_check_time(&c, 951782401, "this host's clock", &why, &e), STATUS_DENIED);
    EXPECT_TEXT(e.message,
                "the token expired at 2000-02-29T00:00:00Z; this host's clock says 2000-02-29T00:00:01Z");
    c = (token_claims){.has_not_before = true, .not_before_s = 951782400};
    EXPECT_STATUS(token_check_time(&c, 0, "this host's clock", &why, &e), STATUS_DENIED);
    EXPECT_TEXT(
        e.message,
        "the token is not valid before 2000-02-29T00:00:00Z; this host's clock says 1970-01-01T00:00:00Z");
}

// --- chains ------------------------------------------------------------------------------------------------

// The token of an account or operator.
static slice voucher(nkey_kind subject, uint8_t number, nkey_kind issuer_kind, uint8_t issuer_number,
                     buf *ret) {
    nkey *issuer = helper_key(issuer_kind, issuer_number);
    token_claims c = {.kind = subject == NKEY_ACCOUNT ? TOKEN_ACCOUNT : TOKEN_OPERATOR,
                      .subject = helper_public(subject, number)};
    write_token(&c, issuer, ret);
    nkey_free(issuer);
    return buf_slice(ret);
}

TEST(somebody_vouches_for_who_issues_a_list) {
    buf a, stranger;
    slice account = voucher(NKEY_ACCOUNT, 1, NKEY_OPERATOR, 2, &a);
    slice other = voucher(NKEY_ACCOUNT, 8, NKEY_OPERATOR, 2, &stranger);
    auto_arena memory;
    arena_init(&memory, TOKEN_ARENA_BYTES);
    nkey_public key = helper_public(NKEY_ACCOUNT, 1);
    token_claims links[TOKEN_CHAIN_MAX], c = {.kind = TOKEN_REVOCATIONS, .issuer = key, .subject = key};
    size_t count = 0;
    refusal why;
    c.chain = (token_texts){1, &account};
    EXPECT_OK(token_read_chain(&c, &memory, links, &count, &why, NULL));
    EXPECT_EQ(count, 1);
    c.chain = (token_texts){1, &other};
    EXPECT_STATUS(token_read_chain(&c, &memory, links, &count, &why, NULL), STATUS_DENIED);
    EXPECT_EQ(why, REFUSAL_WRONG_ISSUER);
    buf_done(&a);
    buf_done(&stranger);
}

static refusal chain_of(const slice *tokens, size_t count, size_t *ret_count, err *e) {
    auto_arena memory;
    arena_init(&memory, TOKEN_ARENA_BYTES);
    token_claims c = component_claims();
    c.issuer = helper_public(NKEY_ACCOUNT, 1);
    c.chain = (token_texts){count, tokens};
    token_claims links[TOKEN_CHAIN_MAX];
    refusal why = REFUSAL_MALFORMED;
    *ret_count = 99;
    status s = token_read_chain(&c, &memory, links, ret_count, &why, e);
    EXPECT_EQ(s == STATUS_OK, why == REFUSAL_NONE);
    return why;
}

TEST(chains) {
    buf a, o, o2, self, stranger;
    slice account = voucher(NKEY_ACCOUNT, 1, NKEY_OPERATOR, 2, &a);
    slice operator_token = voucher(NKEY_OPERATOR, 2, NKEY_OPERATOR, 2, &o);
    slice by_other = voucher(NKEY_OPERATOR, 2, NKEY_OPERATOR, 3, &o2);
    slice by_self = voucher(NKEY_ACCOUNT, 1, NKEY_ACCOUNT, 1, &self);
    slice of_stranger = voucher(NKEY_ACCOUNT, 8, NKEY_OPERATOR, 2, &stranger);
    size_t count;
    err e = {0};
    EXPECT_EQ(chain_of(NULL, 0, &count, &e), REFUSAL_NONE);
    EXPECT_EQ(count, 0);
    EXPECT_EQ(chain_of((slice[]){account, operator_token}, 2, &count, &e), REFUSAL_NONE);
    EXPECT_EQ(count, 2);
    EXPECT_EQ(chain_of((slice[]){account, by_other}, 2, &count, &e), REFUSAL_NONE);
    EXPECT_EQ(chain_of((slice[]){by_self}, 1, &count, &e), REFUSAL_NONE);
    EXPECT_EQ(chain_of((slice[]){by_self, operator_token}, 2, &count, &e), REFUSAL_WRONG_ISSUER);
    EXPECT_EQ(chain_of((slice[]){by_self, by_self}, 2, &count, &e), REFUSAL_WRONG_ISSUER);
    EXPECT_EQ(count, 99);
    EXPECT_EQ(chain_of((slice[]){of_stranger}, 1, &count, &e), REFUSAL_WRONG_ISSUER);
    EXPECT_EQ(chain_of((slice[]){operator_token, account}, 2, &count, &e), REFUSAL_WRONG_ISSUER);
    EXPECT_EQ(chain_of((slice[]){account, account}, 2, &count, &e), REFUSAL_WRONG_ISSUER);
    EXPECT_CONTAINS(e.message, "token 2 of the chain");
    EXPECT_EQ(chain_of((slice[]){account, lit("x")}, 2, &count, &e), REFUSAL_MALFORMED);
    EXPECT_EQ(chain_of((slice[]){account, operator_token, by_self, by_self, by_self}, 5, &count, &e),
              REFUSAL_MALFORMED);
    slice changed = slice_sub(account, 0, account.len - 86);
    auto_buf text;
    buf_init(&text, TOKEN_BYTES_MAX);
    EXPECT_OK(buf_append(&text, changed));
    EXPECT_OK(buf_append(&text, slice_sub(operator_token, operator_token.len - 86, operator_token.len)));
    EXPECT_EQ(chain_of((slice[]){buf_slice(&text)}, 1, &count, &e), REFUSAL_BAD_SIGNATURE);
    buf *const all[] = {&a, &o, &o2, &self, &stranger};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        buf_done(all[i]);
    }
}
