// SPDX-License-Identifier: Apache-2.0
// Tokens that must not be believed, each for its own reason.
#include "base/mem.h"
#include "codec/base64.h"
#include "helper_token.h"
#include "identity/token.h"
#include "test.h"

#define HEADER "{\"typ\":\"jwt\",\"alg\":\"Ed25519\"}"
#define HASH "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"

enum { CLAIMS_BYTES_MAX = 4 << 20 };

typedef struct outcome {
    status code;
    refusal why;
    err e;
} outcome;

static outcome read_text(slice text) {
    outcome o = {0};
    auto_arena memory;
    arena_init(&memory, TOKEN_ARENA_BYTES);
    token_claims c = {.issued_at_s = 4711};
    o.why = REFUSAL_REVOKED;
    o.code = token_read(text, &memory, &c, &o.why, &o.e);
    EXPECT_EQ(o.code == STATUS_OK, o.why == REFUSAL_NONE);
    EXPECT_EQ(o.code == STATUS_OK, o.e.message[0] == '\0');
    EXPECT(o.code == STATUS_OK || c.issued_at_s == 4711); // nothing is handed out
    return o;
}

// Claims of a component; `more` stands before the end, `wascap` inside the block.
static void component_claims(const char *times, const char *wascap, const char *more, buf *ret) {
    nkey_public account = helper_public(NKEY_ACCOUNT, 1), module = helper_public(NKEY_MODULE, 2);
    buf_init(ret, CLAIMS_BYTES_MAX);
    EXPECT_OK(buf_append_format(
        ret,
        "{%s,\"jti\":\"j\",\"iss\":\"%s\",\"sub\":\"%s\",\"wascap\":{%s},\"wascap_revision\":"
        "3%s}",
        times, nkey_public_text(&account).text, nkey_public_text(&module).text, wascap, more));
}

static outcome read_claims_of(const char *header, slice claims, nkey_kind kind, uint8_t number) {
    nkey *issuer = helper_key(kind, number);
    auto_buf text;
    buf_init(&text, 2 * CLAIMS_BYTES_MAX);
    helper_sign_text(header, claims, issuer, &text);
    nkey_free(issuer);
    return read_text(buf_slice(&text));
}

static outcome read_component(const char *times, const char *wascap, const char *more) {
    buf claims;
    component_claims(times, wascap, more, &claims);
    outcome o = read_claims_of(HEADER, buf_slice(&claims), NKEY_ACCOUNT, 1);
    buf_done(&claims);
    return o;
}

static outcome read_header(const char *header) {
    buf claims;
    component_claims("\"iat\":1", "\"hash\":\"" HASH "\"", "", &claims);
    outcome o = read_claims_of(header, buf_slice(&claims), NKEY_ACCOUNT, 1);
    buf_done(&claims);
    return o;
}

TEST(headers) {
    static const struct {
        const char *header;
        refusal why;
    } rows[] = {
        {HEADER, REFUSAL_NONE},
        {"{\"alg\":\"Ed25519\",\"typ\":\"jwt\"}", REFUSAL_NONE},
        {" {\n\"typ\" : \"jwt\", \"alg\":\"Ed\\u0032\\u0035519\" }\t", REFUSAL_NONE},
        {"{\"typ\":\"jwt\",\"alg\":\"none\"}", REFUSAL_WRONG_ALGORITHM},
        {"{\"typ\":\"jwt\",\"alg\":\"None\"}", REFUSAL_WRONG_ALGORITHM},
        {"{\"typ\":\"jwt\",\"alg\":\"\"}", REFUSAL_WRONG_ALGORITHM},
        {"{\"typ\":\"jwt\",\"alg\":\"HS256\"}", REFUSAL_WRONG_ALGORITHM},
        {"{\"typ\":\"jwt\",\"alg\":\"EdDSA\"}", REFUSAL_WRONG_ALGORITHM},
        {"{\"typ\":\"jwt\",\"alg\":\"ed25519\"}", REFUSAL_WRONG_ALGORITHM},
        {"{\"typ\":\"jwt\",\"alg\":null}", REFUSAL_WRONG_ALGORITHM},
        {"{\"typ\":\"jwt\",\"alg\":[\"Ed25519\"]}", REFUSAL_WRONG_ALGORITHM},
        {"{\"typ\":\"jwt\"}", REFUSAL_WRONG_ALGORITHM},
        {"{}", REFUSAL_WRONG_ALGORITHM},
        {"{\"typ\":\"JWT\",\"alg\":\"Ed25519\"}", REFUSAL_MALFORMED},
        {"{\"typ\":1,\"alg\":\"Ed25519\"}", REFUSAL_MALFORMED},
        {"{\"alg\":\"Ed25519\"}", REFUSAL_MALFORMED},
        {"{\"typ\":\"jwt\",\"alg\":\"Ed25519\",\"kid\":\"x\"}", REFUSAL_MALFORMED},
        {"{\"typ\":\"jwt\",\"alg\":\"Ed25519\",\"crit\":[]}", REFUSAL_MALFORMED},
        {"{\"typ\":\"jwt\",\"alg\":\"none\",\"alg\":\"Ed25519\"}", REFUSAL_MALFORMED},
        {"{\"typ\":\"jwt\",\"alg\":\"Ed25519\"}x", REFUSAL_MALFORMED},
        {"[\"jwt\",\"Ed25519\"]", REFUSAL_MALFORMED},
        {"\"Ed25519\"", REFUSAL_MALFORMED},
        {"", REFUSAL_MALFORMED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        outcome o = read_header(rows[i].header);
        if (!EXPECT_EQ(o.why, rows[i].why)) {
            printf("    %s: %s\n", rows[i].header, o.e.message);
        }
    }
}

TEST(a_long_header) {
    char header[2000];
    memset(header, ' ', sizeof header);
    memcpy(header + sizeof header - sizeof HEADER, HEADER, sizeof HEADER);
    EXPECT_EQ(read_header(header).why, REFUSAL_MALFORMED);
}

// --- the text ----------------------------------------------------------------------------------------------

static void good_token(buf *ret) {
    buf claims;
    component_claims("\"iat\":1", "\"hash\":\"" HASH "\"", "", &claims);
    nkey *issuer = helper_key(NKEY_ACCOUNT, 1);
    buf_init(ret, CLAIMS_BYTES_MAX);
    helper_sign_text(HEADER, buf_slice(&claims), issuer, ret);
    nkey_free(issuer);
    buf_done(&claims);
}

static refusal with_around(const char *before, slice token, const char *after) {
    auto_buf text;
    buf_init(&text, CLAIMS_BYTES_MAX);
    EXPECT_OK(buf_append_text(&text, before));
    EXPECT_OK(buf_append(&text, token));
    EXPECT_OK(buf_append_text(&text, after));
    return read_text(buf_slice(&text)).why;
}

TEST(three_segments_in_one_spelling) {
    buf token;
    good_token(&token);
    slice text = buf_slice(&token);
    EXPECT_EQ(read_text(text).why, REFUSAL_NONE);
    static const char *const around[][2] = {{"", "\n"}, {" ", ""},  {"", "."},  {".", ""},
                                            {"", "="},  {"", "=="}, {"", ".e"}, {"\xef\xbb\xbf", ""},
                                            {"", "A"}};
    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
        EXPECT_EQ(with_around(around[i][0], text, around[i][1]), REFUSAL_MALFORMED);
    }
    for (size_t len = 0; len < text.len; len++) {
        EXPECT(read_text(slice_sub(text, 0, len)).why != REFUSAL_NONE);
    }
    static const char *const texts[] = {"", ".", "..", "...", "a.b", "a.b.c", "e30.e30.", "e30..", ".e30.AA"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        EXPECT(read_text(slice_from_text(texts[i])).why != REFUSAL_NONE);
    }
    buf_done(&token);
}

TEST(every_changed_character_is_noticed) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    buf token;
    good_token(&token);
    for (size_t i = 0; i < token.len; i++) {
        uint8_t was = token.data[i];
        for (size_t j = i % 8; j < sizeof alphabet - 1; j += 8) {
            token.data[i] = (uint8_t)alphabet[j];
            EXPECT((read_text(buf_slice(&token)).why == REFUSAL_NONE) == (token.data[i] == was));
        }
        token.data[i] = was;
    }
    buf_done(&token);
}

TEST(a_large_claim_and_a_large_token) {
    char *large = mem_alloc((1 << 20) + 1);
    memset(large, 'x', 1 << 20);
    large[1 << 20] = '\0';
    auto_buf wascap;
    buf_init(&wascap, CLAIMS_BYTES_MAX);
    EXPECT_OK(buf_append_format(&wascap, "\"hash\":\"" HASH "\",\"name\":\"%s\"", large));
    outcome o = read_component("\"iat\":1", buf_text(&wascap), "");
    EXPECT_EQ(o.why, REFUSAL_MALFORMED);
    EXPECT_CONTAINS(o.e.message, "more than a token may have");
    buf_clear(&wascap);
    large[TOKEN_TEXT_BYTES_MAX + 1] = '\0';
    EXPECT_OK(buf_append_format(&wascap, "\"hash\":\"" HASH "\",\"name\":\"%s\"", large));
    o = read_component("\"iat\":1", buf_text(&wascap), "");
    EXPECT_EQ(o.why, REFUSAL_MALFORMED);
    EXPECT_CONTAINS(o.e.message, "\"wascap.name\"");
    buf_clear(&wascap);
    large[TOKEN_TEXT_BYTES_MAX] = '\0';
    EXPECT_OK(buf_append_format(&wascap, "\"hash\":\"" HASH "\",\"name\":\"%s\"", large));
    EXPECT_EQ(read_component("\"iat\":1", buf_text(&wascap), "").why, REFUSAL_NONE);
    mem_free(large);
}

TEST(nested_too_deeply) {
    auto_buf more;
    buf_init(&more, 100000);
    EXPECT_OK(buf_append_text(&more, ",\"deep\":"));
    for (int i = 0; i < 50000; i++) {
        EXPECT_OK(buf_append_byte(&more, '['));
    }
    EXPECT_EQ(read_component("\"iat\":1", "\"hash\":\"" HASH "\"", buf_text(&more)).why, REFUSAL_MALFORMED);
}

// --- single claims -----------------------------------------------------------------------------------------

TEST(times) {
    static const struct {
        const char *times;
        const char *names; // what the message names; NULL: it is good
    } rows[] = {
        {"\"iat\":0", NULL},
        {"\"iat\":253402300799,\"exp\":253402300799,\"nbf\":0", NULL},
        {"\"iat\":1,\"exp\":null,\"nbf\":null", NULL},
        {"\"iat\":1,\"exp\":253402300800", "\"exp\" is not a date from 1970 to 9999"}, // the year 10000
        {"\"iat\":1,\"nbf\":253402300800", "\"nbf\""},
        {"\"iat\":253402300800", "\"iat\""},
        {"\"iat\":1,\"exp\":9223372036854775807", "\"exp\""},
        {"\"iat\":1,\"exp\":-1", "\"exp\""},
        {"\"iat\":1,\"exp\":\"2000000000\"", "\"exp\" is text"},
        {"\"iat\":1,\"exp\":2e9", "\"exp\" is a number"},
        {"\"iat\":1,\"exp\":2000000000.0", "\"exp\" is a number"},
        {"\"iat\":1,\"exp\":true", "\"exp\" is true or false"},
        {"\"iat\":1,\"exp\":[2000000000]", "\"exp\" is an array"},
        {"\"iat\":1,\"nbf\":{}", "\"nbf\" is an object"},
        {"\"nbf\":1", "\"iat\" is missing"},
        {"\"iat\":null", "\"iat\" is missing"},
        {"\"iat\":1,\"exp\":9223372036854775808", "cannot be read"}, // not for the JSON reader
        {"\"iat\":1,\"exp\":18446744073709551615", "cannot be read"},
        {"\"iat\":1,\"exp\":1,\"exp\":2000000000", "cannot be read"},
        {"\"iat\":1,\"exp\":01", "cannot be read"},
        {"\"iat\":1,\"exp\":1e999", "cannot be read"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        outcome o = read_component(rows[i].times, "\"hash\":\"" HASH "\"", "");
        if (!EXPECT_EQ(o.why, rows[i].names == NULL ? REFUSAL_NONE : REFUSAL_MALFORMED)) {
            printf("    %s: %s\n", rows[i].times, o.e.message);
        } else if (rows[i].names != NULL) {
            EXPECT_CONTAINS(o.e.message, rows[i].names);
        }
    }
}

TEST(claims_of_components) {
    static const struct {
        const char *wascap;
        const char *names;
    } rows[] = {
        {"\"hash\":\"" HASH "\",\"rev\":-2147483648,\"ver\":\"\",\"tags\":[],\"prov\":true,\"unknown\":{}",
         NULL},
        {"\"hash\":\"" HASH "\",\"name\":null,\"tags\":null,\"rev\":null,\"ver\":null,\"call_alias\":null",
         NULL},
        {"", "\"wascap.hash\" is missing"},
        {"\"hash\":\"\"", "\"wascap.hash\" is empty"},
        {"\"hash\":\"0123\"", "\"wascap.hash\""},
        {"\"hash\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"", "upper case"},
        {"\"hash\":\"" HASH "\",\"rev\":2147483648", "\"wascap.rev\""},
        {"\"hash\":\"" HASH "\",\"rev\":\"1\"", "\"wascap.rev\" is text"},
        {"\"hash\":\"" HASH "\",\"name\":5", "\"wascap.name\" is a whole number"},
        {"\"hash\":\"" HASH "\",\"tags\":\"a\"", "\"wascap.tags\""},
        {"\"hash\":\"" HASH "\",\"tags\":[\"a\",1]", "\"wascap.tags\""},
        {"\"hash\":\"" HASH "\",\"hash\":\"" HASH "\"", "cannot be read"},
        {"\"hash\":\"" HASH "\",\"name\":\"a\\u0000b\"", "cannot be read"},
        {"\"hash\":\"" HASH "\",\"name\":\"\xff\"", "cannot be read"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        outcome o = read_component("\"iat\":1", rows[i].wascap, "");
        if (!EXPECT_EQ(o.why, rows[i].names == NULL ? REFUSAL_NONE : REFUSAL_MALFORMED)) {
            printf("    %s: %s\n", rows[i].wascap, o.e.message);
        } else if (rows[i].names != NULL) {
            EXPECT_CONTAINS(o.e.message, rows[i].names);
        }
    }
}

TEST(too_many_tags) {
    auto_buf wascap;
    buf_init(&wascap, CLAIMS_BYTES_MAX);
    EXPECT_OK(buf_append_text(&wascap, "\"hash\":\"" HASH "\",\"tags\":[\"\""));
    for (int i = 1; i < TOKEN_LIST_MAX; i++) {
        EXPECT_OK(buf_append_text(&wascap, ",\"\""));
    }
    size_t len = wascap.len;
    EXPECT_OK(buf_append_text(&wascap, "]"));
    EXPECT_EQ(read_component("\"iat\":1", buf_text(&wascap), "").why, REFUSAL_NONE);
    wascap.len = len;
    EXPECT_OK(buf_append_text(&wascap, ",\"\"]"));
    EXPECT_CONTAINS(read_component("\"iat\":1", buf_text(&wascap), "").e.message, "more than 256");
}

TEST(the_claim_writ) {
    static const struct {
        const char *more;
        const char *names;
    } rows[] = {
        {",\"writ\":{\"version\":1}", NULL},
        {",\"writ\":{\"version\":1,\"later\":true,\"chain\":[\"x\"]}", NULL},
        {",\"writ\":null", NULL},
        {",\"writ\":{}", "\"writ.version\""},
        {",\"writ\":{\"version\":2}", "\"writ.version\""},
        {",\"writ\":{\"version\":\"1\"}", "\"writ.version\""},
        {",\"writ\":[]", "\"writ\" is an array"},
        {",\"writ\":{\"version\":1,\"allow\":{}}", "\"writ.allow\""},
        {",\"writ\":{\"version\":1,\"allow\":null}", "\"writ.allow\""}, // not "may import anything"
        {",\"writ\":{\"version\":1,\"chain\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}", "\"writ.chain\""},
        {",\"writ\":{\"version\":1,\"chain\":{}}", "\"writ.chain\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        outcome o = read_component("\"iat\":1", "\"hash\":\"" HASH "\"", rows[i].more);
        if (!EXPECT_EQ(o.why, rows[i].names == NULL ? REFUSAL_NONE : REFUSAL_MALFORMED)) {
            printf("    %s: %s\n", rows[i].more, o.e.message);
        } else if (rows[i].names != NULL) {
            EXPECT_CONTAINS(o.e.message, rows[i].names);
        }
    }
}

// --- keys --------------------------------------------------------------------------------------------------

// A token in which `iss` and `sub` are any texts, signed by the key.
static outcome read_keys(const char *issuer, const char *subject, const char *more, nkey_kind kind,
                         uint8_t number) {
    auto_buf claims;
    buf_init(&claims, CLAIMS_BYTES_MAX);
    EXPECT_OK(buf_append_format(
        &claims,
        "{\"iat\":1,\"jti\":\"j\",\"iss\":\"%s\",\"sub\":\"%s\",\"wascap\":{\"hash\":\"" HASH
        "\",\"vendor\":\"v\"}%s}",
        issuer, subject, more));
    return read_claims_of(HEADER, buf_slice(&claims), kind, number);
}

TEST(every_pair_of_kinds_of_keys) {
    static const char allowed[] = "MA VA AO OO CO NA NO NC";
    for (int i = 0; i < NKEY_KIND_COUNT; i++) {
        for (int s = 0; s < NKEY_KIND_COUNT; s++) {
            if (i == NKEY_CURVE) {
                continue; // cannot sign
            }
            nkey_public issuer = helper_public((nkey_kind)i, 1), subject = helper_public((nkey_kind)s, 2);
            char pair[] = {nkey_kind_letter((nkey_kind)s), nkey_kind_letter((nkey_kind)i), '\0'};
            outcome o = read_keys(nkey_public_text(&issuer).text, nkey_public_text(&subject).text, "",
                                  (nkey_kind)i, 1);
            if (!EXPECT_EQ(o.why, strstr(allowed, pair) != NULL ? REFUSAL_NONE : REFUSAL_WRONG_KEY_TYPE)) {
                printf("    %s: %s\n", pair, o.e.message);
            }
        }
    }
}

TEST(keys_that_issue_for_themselves) {
    for (int i = 0; i < NKEY_CURVE; i++) {
        nkey_public key = helper_public((nkey_kind)i, 1);
        outcome o = read_keys(nkey_public_text(&key).text, nkey_public_text(&key).text, "", (nkey_kind)i, 1);
        bool may = strchr("AOCN", nkey_kind_letter((nkey_kind)i)) != NULL;
        EXPECT_EQ(o.why, may ? REFUSAL_NONE : REFUSAL_WRONG_KEY_TYPE);
    }
}

TEST(a_key_that_may_issue_nothing_is_refused_before_its_signature) {
    nkey_public user = helper_public(NKEY_USER, 1), module = helper_public(NKEY_MODULE, 2);
    nkey_text issuer = nkey_public_text(&user), subject = nkey_public_text(&module);
    EXPECT_EQ(read_keys(issuer.text, subject.text, "", NKEY_USER, 9).why, REFUSAL_WRONG_KEY_TYPE);
    nkey_public curve = helper_public(NKEY_CURVE, 1);
    issuer = nkey_public_text(&curve);
    EXPECT_EQ(read_keys(issuer.text, subject.text, "", NKEY_USER, 9).why, REFUSAL_WRONG_KEY_TYPE);
}

TEST(texts_that_are_no_keys) {
    nkey_public account = helper_public(NKEY_ACCOUNT, 1), module = helper_public(NKEY_MODULE, 2);
    nkey_text good = nkey_public_text(&account), subject = nkey_public_text(&module), wrong = good;
    wrong.text[55] = wrong.text[55] == 'A' ? 'B' : 'A'; // the checksum
    EXPECT_EQ(read_keys(wrong.text, subject.text, "", NKEY_ACCOUNT, 1).why, REFUSAL_MALFORMED);
    EXPECT_EQ(read_keys("", subject.text, "", NKEY_ACCOUNT, 1).why, REFUSAL_MALFORMED);
    EXPECT_EQ(read_keys(good.text, "test.wasm", "", NKEY_ACCOUNT, 1).why, REFUSAL_MALFORMED);
    EXPECT_EQ(read_keys(good.text, "", "", NKEY_ACCOUNT, 1).why, REFUSAL_MALFORMED);
    nkey *k = helper_key(NKEY_ACCOUNT, 1);
    secret seed = {0};
    EXPECT_OK(nkey_seed_text(k, &seed, NULL));
    char text[NKEY_SEED_TEXT_LEN + 1] = "";
    memcpy(text, seed.data, seed.len < sizeof text ? seed.len : sizeof text - 1);
    outcome o = read_keys(text, subject.text, "", NKEY_ACCOUNT, 1);
    EXPECT_EQ(o.why, REFUSAL_MALFORMED);
    EXPECT(strstr(o.e.message, text) == NULL);
    EXPECT_CONTAINS(o.e.message, "seed");
    o = read_keys(good.text, text, "", NKEY_ACCOUNT, 1);
    EXPECT_EQ(o.why, REFUSAL_MALFORMED);
    EXPECT(strstr(o.e.message, text) == NULL);
    secret_free(&seed);
    nkey_free(k);
}

// Whoever signed with another key learns nothing but that, whatever else is wrong with the claims.
TEST(nothing_of_unsigned_claims_is_told) {
    nkey_public account = helper_public(NKEY_ACCOUNT, 1);
    const char *issuer = nkey_public_text(&account).text;
    nkey_text text = nkey_public_text(&account);
    issuer = text.text;
    outcome o = read_keys(issuer, "very-private", ",\"exp\":\"private\",\"writ\":5", NKEY_ACCOUNT, 9);
    EXPECT_EQ(o.why, REFUSAL_BAD_SIGNATURE);
    EXPECT(strstr(o.e.message, "private") == NULL);
    EXPECT_CONTAINS(o.e.message, issuer);
    o = read_keys(issuer, "very-private", ",\"private\":1,\"private\":2", NKEY_ACCOUNT, 9);
    EXPECT_EQ(o.why, REFUSAL_MALFORMED);
    EXPECT(strstr(o.e.message, "private") == NULL);
    o = read_keys("very-private", "", "", NKEY_ACCOUNT, 9);
    EXPECT_EQ(o.why, REFUSAL_MALFORMED);
    EXPECT(strstr(o.e.message, "private") == NULL);
}

TEST(revocation_lists) {
    nkey_public account = helper_public(NKEY_ACCOUNT, 1), module = helper_public(NKEY_MODULE, 2);
    nkey_text a = nkey_public_text(&account), m = nkey_public_text(&module);
    static const struct {
        const char *revocations;
        refusal why;
    } rows[] = {
        {"{\"number\":1,\"entries\":[]}", REFUSAL_NONE},
        {"{\"number\":1,\"entries\":[{\"hash\":\"" HASH "\"}]}", REFUSAL_NONE},
        {"{\"entries\":[]}", REFUSAL_MALFORMED},
        {"{\"number\":0,\"entries\":[]}", REFUSAL_MALFORMED},
        {"{\"number\":\"1\",\"entries\":[]}", REFUSAL_MALFORMED},
        {"{\"number\":1}", REFUSAL_MALFORMED},
        {"{\"number\":1,\"entries\":[{}]}", REFUSAL_MALFORMED},
        {"{\"number\":1,\"entries\":[7]}", REFUSAL_MALFORMED},
        {"{\"number\":1,\"entries\":[{\"subject\":\"x\"}]}", REFUSAL_MALFORMED},
        {"{\"number\":1,\"entries\":[{\"hash\":\"x\"}]}", REFUSAL_MALFORMED},
        {"{\"number\":1,\"entries\":[{\"hash\":\"" HASH "\",\"before\":1}]}", REFUSAL_MALFORMED},
        {"[]", REFUSAL_MALFORMED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char more[400];
        snprintf(more, sizeof more, ",\"writ\":{\"version\":1,\"revocations\":%s}", rows[i].revocations);
        outcome o = read_keys(a.text, a.text, more, NKEY_ACCOUNT, 1);
        if (!EXPECT_EQ(o.why, rows[i].why)) {
            printf("    %s: %s\n", rows[i].revocations, o.e.message);
        }
    }
    // Not for somebody else, and not in the token of a component.
    const char *more = ",\"writ\":{\"version\":1,\"revocations\":{\"number\":1,\"entries\":[]}}";
    EXPECT_EQ(read_keys(a.text, m.text, more, NKEY_ACCOUNT, 1).why, REFUSAL_WRONG_KEY_TYPE);
    nkey_public operator_key = helper_public(NKEY_OPERATOR, 1);
    nkey_text o = nkey_public_text(&operator_key);
    EXPECT_EQ(read_keys(o.text, a.text, more, NKEY_OPERATOR, 1).why, REFUSAL_WRONG_KEY_TYPE);
}

TEST(no_claim_breaks_the_line_of_a_message) {
    static const char *const entries[] = {
        "{\"interface\":\"a:b\",\"x\\nwrit: verified\":1}", "{\"interface\":\"a:b\\n\\u001b[2J\\u007f\"}",
        "{\"interface\":\"a:b\",\"versions\":\"1\\n\"}",    "{\"interface\":\"a:b\",\"hosts\":[\"h\\r\"]}",
        "{\"interface\":\"a:b\",\"buckets\":[\"h\\n\"]}",
    };
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        char more[200];
        buf claims;
        snprintf(more, sizeof more, ",\"writ\":{\"version\":1,\"allow\":[%s]}", entries[i]);
        component_claims("\"iat\":1", "\"hash\":\"" HASH "\"", more, &claims);
        outcome o = read_claims_of(HEADER, buf_slice(&claims), NKEY_ACCOUNT, 1);
        EXPECT_EQ(o.why, REFUSAL_MALFORMED);
        EXPECT_CONTAINS(o.e.message, "writ.allow");
        for (const char *p = o.e.message; *p != '\0'; p++) {
            EXPECT((uint8_t)*p >= 0x20 && *p != 0x7f);
        }
        buf_done(&claims);
    }
}

TEST(memory_has_an_end) {
    buf token;
    good_token(&token);
    auto_arena memory;
    arena_init(&memory, 16);
    token_claims c;
    refusal why = REFUSAL_NONE;
    EXPECT_STATUS(token_read(buf_slice(&token), &memory, &c, &why, NULL), STATUS_LIMIT);
    EXPECT_EQ(why, REFUSAL_MALFORMED);
    buf_done(&token);
}
