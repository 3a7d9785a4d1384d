// SPDX-License-Identifier: Apache-2.0
// Tokens. When the first byte is the letter of a fixed key, the rest is claims, which are signed with it here
// so that the fuzzer gets behind the signature; in them "@A", "@O" and the like stand for the texts of the
// public keys. Otherwise the rest is the text of a token. What is accepted must survive being written and
// read again.
//
// links: identity
#include "base/check.h"
#include "codec/base64.h"
#include "fuzz.h"
#include "identity/token.h"

enum { TEXT_BYTES_MAX = 2 << 20 };

typedef struct fixed_key {
    char letter;
    const char *seed; // of 32 bytes, all 1; public test data
    const char *public_text;
} fixed_key;

static const fixed_key keys[] = {
    {'A', "SAAACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAKM5I",
     "ACFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVYYOU"},
    {'O', "SOAACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIATA",
     "OCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVYOCS"},
    {'C', "SCAACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAKOFQ",
     "CCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVZKMI"},
    {'N', "SNAACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIDHU",
     "NCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVZFBA"},
    {'M', "SMAACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAICLY",
     "MCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVZ4AO"},
    {'V', "SVAACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAN6IU",
     "VCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVZF4F"},
};

static const fixed_key *key_of(char letter) {
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (keys[i].letter == letter) {
            return &keys[i];
        }
    }
    return NULL;
}

static nkey *load(const fixed_key *k) {
    nkey *loaded = NULL;
    CHECK(nkey_from_seed_text(slice_from_text(k->seed), &loaded, NULL) == STATUS_OK);
    return loaded;
}

// Replaces "@A" and the like.
static void expand(slice text, buf *ret) {
    for (size_t i = 0; i < text.len; i++) {
        const fixed_key *k = text.data[i] == '@' && i + 1 < text.len ? key_of((char)text.data[i + 1]) : NULL;
        CHECK((k == NULL ? buf_append_byte(ret, text.data[i]) : buf_append_text(ret, k->public_text)) ==
              STATUS_OK);
        i += k != NULL;
    }
}

static void sign(slice claims, const fixed_key *k, buf *ret) {
    static const slice header = SLICE_LITERAL("{\"typ\":\"jwt\",\"alg\":\"Ed25519\"}");
    uint8_t signature[SIGN_SIGNATURE_BYTES];
    nkey *issuer = load(k);
    CHECK(base64_encode(BASE64_URL, header, ret) == STATUS_OK && buf_append_byte(ret, '.') == STATUS_OK);
    CHECK(base64_encode(BASE64_URL, claims, ret) == STATUS_OK);
    CHECK(nkey_sign(issuer, buf_slice(ret), signature, NULL) == STATUS_OK);
    CHECK(buf_append_byte(ret, '.') == STATUS_OK);
    CHECK(base64_encode(BASE64_URL, slice_of(signature, sizeof signature), ret) == STATUS_OK);
    nkey_free(issuer);
}

static void must_be_equal(const token_claims *a, const token_claims *b) {
    json_value *x = token_to_json(a), *y = token_to_json(b);
    auto_buf s = {0}, t = {0};
    buf_init(&s, TEXT_BYTES_MAX);
    buf_init(&t, TEXT_BYTES_MAX);
    CHECK(json_write(x, 0, &s) == STATUS_OK && json_write(y, 0, &t) == STATUS_OK);
    CHECK(slice_equal(buf_slice(&s), buf_slice(&t)));
    json_free(x);
    json_free(y);
}

// Signs the claims again. Two of them may change: the revision of the format, and the alias, which is
// normalised. A text that grew past the maximum by the order or spelling of its members is no fault.
static void write_and_read(token_claims *c) {
    const fixed_key *k = key_of(nkey_kind_letter(c->issuer.kind));
    if (k == NULL) {
        return;
    }
    nkey *issuer = load(k);
    nkey_public p = nkey_public_of(issuer);
    auto_buf text = {0}, second = {0};
    auto_arena memory = {0};
    buf_init(&text, TEXT_BYTES_MAX);
    buf_init(&second, TEXT_BYTES_MAX);
    arena_init(&memory, TOKEN_ARENA_BYTES);
    refusal why;
    token_claims again;
    err e = {0};
    status s = nkey_public_equal(&p, &c->issuer) ? token_write(c, issuer, &text, &e) : STATUS_LIMIT;
    CHECK(s == STATUS_OK || s == STATUS_LIMIT);
    if (s == STATUS_OK) {
        CHECK(token_read(buf_slice(&text), &memory, &again, &why, &e) == STATUS_OK);
        c->wascap_revision = TOKEN_WASCAP_REVISION;
        c->call_alias = again.call_alias;
        must_be_equal(c, &again);
        CHECK(token_write(&again, issuer, &second, &e) == STATUS_OK);
        CHECK(slice_equal(buf_slice(&text), buf_slice(&second)));
    }
    nkey_free(issuer);
}

static void read_token(slice text) {
    auto_arena memory = {0};
    arena_init(&memory, TOKEN_ARENA_BYTES);
    token_claims c, chain[TOKEN_CHAIN_MAX];
    refusal why = REFUSAL_REVOKED;
    err e = {0};
    size_t count;
    status s = token_read(text, &memory, &c, &why, &e);
    CHECK((s == STATUS_OK) == (why == REFUSAL_NONE));
    if (s != STATUS_OK) {
        CHECK(e.message[0] != '\0' && (why == REFUSAL_MALFORMED || why == REFUSAL_WRONG_ALGORITHM ||
                                       why == REFUSAL_WRONG_KEY_TYPE || why == REFUSAL_BAD_SIGNATURE));
        return;
    }
    CHECK(!c.has_expiry || token_check_time(&c, c.expires_at_s, "clock", &why, &e) != STATUS_OK);
    if (token_read_chain(&c, &memory, chain, &count, &why, &e) == STATUS_OK) {
        CHECK(count == c.chain.count);
    }
    write_and_read(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > TOKEN_BYTES_MAX) {
        return 0;
    }
    slice rest = slice_of(data + 1, size - 1);
    const fixed_key *k = key_of((char)data[0]);
    if (k == NULL) {
        read_token(rest);
        return 0;
    }
    auto_buf claims = {0}, text = {0};
    buf_init(&claims, 64 * (size_t)TOKEN_BYTES_MAX);
    buf_init(&text, 128 * (size_t)TOKEN_BYTES_MAX);
    expand(rest, &claims);
    sign(buf_slice(&claims), k, &text);
    read_token(buf_slice(&text));
    return 0;
}
