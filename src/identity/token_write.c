// SPDX-License-Identifier: Apache-2.0
// Claims to text, in the order of members that 1.x writes, with "writ" behind them. What comes out is read
// again by our own reader before it is handed out, so that nothing is signed here that is refused there.
#include <stdio.h>

#include "codec/base64.h"
#include "codec/utf.h"
#include "identity/envelope.h"
#include "identity/token_body.h"
#include "os/random.h"

enum { ID_LEN = 22 };

// --- small texts -------------------------------------------------------------------------------------------

// 22 digits of base 62, the look of the NUIDs of 1.x; 131 random bits.
static void fresh_id(char ret[ID_LEN]) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t len = 0;
    while (len < ID_LEN) {
        uint8_t bytes[ID_LEN];
        random_fill(bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes && len < ID_LEN; i++) {
            if (bytes[i] < 4 * 62) { // beyond, some digits would come more often
                ret[len++] = digits[bytes[i] % 62];
            }
        }
    }
}

static bool is_white_space(uint32_t c) { // Unicode's White_Space
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

// The ASCII character that 1.x makes of it, or 0: lower case, then only ASCII. The Kelvin sign and the dotted
// capital I are the two others whose lower case begins with ASCII.
static char alias_byte(uint32_t c) {
    if (c == 0x212a) {
        return 'k';
    }
    if (c == 0x130) {
        return 'i';
    }
    if (c == ' ' || c == '-' || c == '.') {
        return '_';
    }
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c < 0x80 ? (char)c : '\0';
}

// As normalize_call_alias of 1.x: lower case, trimmed, non-ASCII dropped, " ", "-" and "." replaced by "_".
static status normalise_alias(slice alias, buf *ret) {
    size_t kept = 0; // up to the last character that is not white space
    bool started = false;
    uint32_t at = 0, c;
    if (alias.len > TOKEN_TEXT_BYTES_MAX) {
        return STATUS_LIMIT;
    }
    while (at < alias.len && utf8_next(alias.data, (uint32_t)alias.len, &at, &c)) {
        bool is_space = is_white_space(c);
        started = started || !is_space;
        char byte = alias_byte(c);
        if (started && byte != '\0') {
            TRY(buf_append_byte(ret, (uint8_t)byte));
        }
        kept = is_space ? kept : ret->len;
    }
    ret->len = kept;
    return at < alias.len ? STATUS_INVALID : STATUS_OK;
}

// --- wascap ------------------------------------------------------------------------------------------------

static void put_optional(json_value *object, const char *key, slice text) {
    if (text.len > 0) {
        json_put_text(object, key, text);
    }
}

static json_value *texts_json(const token_texts *texts) {
    json_value *array = json_array_new();
    for (size_t i = 0; i < texts->count; i++) {
        json_push(array, json_text(texts->at[i]));
    }
    return array;
}

static status put_pairs(json_value *object, const char *key, const token_pairs *pairs, err *e) {
    json_value *map = json_object_new();
    json_put(object, key, map);
    for (size_t i = 0; i < pairs->count; i++) {
        char name[TOKEN_TEXT_BYTES_MAX + 1];
        slice text = pairs->at[i].name;
        if (text.len == 0 || text.len > TOKEN_TEXT_BYTES_MAX || !utf8_valid(text) ||
            memchr(text.data, '\0', text.len) != NULL) {
            return err_set(e, STATUS_INVALID, "a name in \"%s\" is empty, too long or not UTF-8", key);
        }
        snprintf(name, sizeof name, "%.*s", SLICE_ARG(text));
        if (json_get(map, name) != NULL) {
            return err_set(e, STATUS_INVALID, "\"%s\" names \"%.80s\" twice", key, name);
        }
        json_put_text(map, name, pairs->at[i].value);
    }
    return STATUS_OK;
}

static void put_revision(json_value *wascap, const token_claims *c) {
    if (c->has_revision) {
        json_put_integer(wascap, "rev", c->revision);
    }
    put_optional(wascap, "ver", c->version);
}

static status put_component(json_value *wascap, const token_claims *c, err *e) {
    if (!c->has_hash) {
        return err_set(e, STATUS_INVALID, "a token for a component needs the component's hash");
    }
    char hash[HASH_HEX_BYTES];
    envelope_hash_text(c->hash, hash);
    json_put_text(wascap, "hash", slice_from_text(hash));
    if (c->tags.count > 0) {
        json_put(wascap, "tags", texts_json(&c->tags));
    }
    put_revision(wascap, c);
    auto_buf alias;
    buf_init(&alias, TOKEN_TEXT_BYTES_MAX);
    if (normalise_alias(c->call_alias, &alias) != STATUS_OK) {
        return err_set(e, STATUS_INVALID, "the call alias is too long or not UTF-8");
    }
    put_optional(wascap, "call_alias", buf_slice(&alias));
    json_put_bool(wascap, "prov", false);
    return STATUS_OK;
}

static status put_provider(json_value *wascap, const token_claims *c, err *e) {
    json_put_text(wascap, "vendor", c->vendor);
    put_revision(wascap, c);
    TRY(put_pairs(wascap, "target_hashes", &c->target_hashes, e));
    if (c->config_schema.len == 0) {
        return STATUS_OK;
    }
    json_value *schema = NULL;
    if (json_parse(c->config_schema, &schema, e) != STATUS_OK) {
        return err_wrap(e, "the configuration schema");
    }
    json_put(wascap, "config_schema", schema);
    return STATUS_OK;
}

static status put_wascap(json_value *wascap, const token_claims *c, err *e) {
    put_optional(wascap, "name", c->name);
    switch (c->kind) {
    case TOKEN_COMPONENT:
        return put_component(wascap, c, e);
    case TOKEN_PROVIDER:
        return put_provider(wascap, c, e);
    case TOKEN_ACCOUNT:
    case TOKEN_OPERATOR:
    case TOKEN_CLUSTER:
        json_put(wascap, "valid_signers", texts_json(&c->valid_signers));
        return STATUS_OK;
    case TOKEN_HOST:
        return put_pairs(wascap, "labels", &c->labels, e);
    case TOKEN_REVOCATIONS:
        break;
    }
    return STATUS_OK;
}

// --- the whole ---------------------------------------------------------------------------------------------

static int64_t json_seconds(uint64_t seconds) { return seconds > INT64_MAX ? INT64_MAX : (int64_t)seconds; }

static void put_registered(json_value *claims, const token_claims *c, const nkey_public *issuer) {
    if (c->has_expiry) {
        json_put_integer(claims, "exp", json_seconds(c->expires_at_s));
    }
    char id[ID_LEN];
    fresh_id(id);
    json_put_text(claims, "jti", c->id.len > 0 ? c->id : slice_of(id, sizeof id));
    json_put_integer(claims, "iat", json_seconds(c->issued_at_s));
    json_put_text(claims, "iss", slice_from_text(nkey_public_text(issuer).text));
    json_put_text(claims, "sub", slice_from_text(nkey_public_text(&c->subject).text));
    if (c->has_not_before) {
        json_put_integer(claims, "nbf", json_seconds(c->not_before_s));
    }
}

static status append_claims(const token_claims *c, const nkey_public *issuer, buf *ret, err *e) {
    json_value *claims = json_object_new(), *wascap = json_object_new();
    put_registered(claims, c, issuer);
    json_put(claims, "wascap", wascap);
    json_put_integer(claims, "wascap_revision", TOKEN_WASCAP_REVISION);
    json_value *writ = token_writ_write(c);
    if (writ != NULL) {
        json_put(claims, "writ", writ);
    }
    status s = put_wascap(wascap, c, e);
    auto_buf text;
    buf_init(&text, TOKEN_BYTES_MAX);
    if (s == STATUS_OK && (json_write(claims, 0, &text) != STATUS_OK ||
                           base64_encode(BASE64_URL, buf_slice(&text), ret) != STATUS_OK)) {
        s = err_set(e, STATUS_LIMIT, "it would be larger than %d bytes", TOKEN_BYTES_MAX);
    }
    json_free(claims);
    return s;
}

static status append_token(const token_claims *c, const nkey *issuer, buf *ret, err *e) {
    static const slice header = SLICE_LITERAL("{\"typ\":\"jwt\",\"alg\":\"Ed25519\"}");
    nkey_public key = nkey_public_of(issuer);
    TRY(base64_encode(BASE64_URL, header, ret));
    TRY(buf_append_byte(ret, '.'));
    TRY(append_claims(c, &key, ret, e));
    uint8_t signature[SIGN_SIGNATURE_BYTES];
    TRY(nkey_sign(issuer, buf_slice(ret), signature, e));
    if (buf_append_byte(ret, '.') != STATUS_OK ||
        base64_encode(BASE64_URL, slice_of(signature, sizeof signature), ret) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "it would be larger than %d bytes", TOKEN_BYTES_MAX);
    }
    return STATUS_OK;
}

// Our own reader must believe it, and take it for what it was meant to be.
static status read_back(const token_claims *c, slice text, err *e) {
    auto_arena memory;
    arena_init(&memory, TOKEN_ARENA_BYTES);
    token_claims again;
    refusal why;
    TRY(token_read(text, &memory, &again, &why, e));
    if (again.kind != c->kind) {
        return err_set(e, STATUS_INVALID, "its kind is %s, for which a subject of kind %s is wrong",
                       token_kind_name(c->kind), nkey_kind_name(c->subject.kind));
    }
    return STATUS_OK;
}

status token_write(const token_claims *c, const nkey *issuer, buf *ret, err *e) {
    err unheard = {0};
    e = e == NULL ? &unheard : e;
    auto_buf text;
    buf_init(&text, TOKEN_BYTES_MAX);
    status s = append_token(c, issuer, &text, e);
    s = s == STATUS_OK ? read_back(c, buf_slice(&text), e) : s;
    if (s == STATUS_OK && buf_append(ret, buf_slice(&text)) != STATUS_OK) {
        s = err_set(e, STATUS_LIMIT, "it is larger than the %zu bytes of its place", ret->max);
    }
    if (s != STATUS_OK) {
        err_wrap(e, "token not written");
    }
    return s;
}
