// SPDX-License-Identifier: Apache-2.0
// Source: crates/wascap/src/jwt.rs of wasmCloud v1.9.2 (names, types and which claims may be absent).
#include "identity/token_body.h"

#include "identity/token_field.h"

static const token_text_rule optional = {.len_max = TOKEN_TEXT_BYTES_MAX};
static const token_text_rule required = {.is_required = true, .len_max = TOKEN_TEXT_BYTES_MAX};

// --- by kind -----------------------------------------------------------------------------------------------

static status read_revision(const token_field *f, token_claims *c) {
    int64_t revision = 0;
    TRY(token_field_number(f, "rev", INT32_MIN, INT32_MAX, &c->has_revision, &revision));
    c->revision = c->has_revision ? (int32_t)revision : 0;
    return token_field_text(f, "ver", optional, &c->version);
}

static status read_component(const token_field *f, token_claims *c) {
    slice hash;
    TRY(token_field_text(f, "hash", required, &hash));
    // 1.x compares texts, so another spelling would be another hash there.
    if (!hash_from_hex(hash, HASH_UPPER_CASE, c->hash)) {
        return token_field_wrong(f, "hash", "is not 64 hexadecimal digits in upper case");
    }
    c->has_hash = true;
    TRY(read_revision(f, c));
    TRY(token_field_texts(f, "tags", TOKEN_LIST_MAX, TOKEN_TEXT_BYTES_MAX, &c->tags));
    return token_field_text(f, "call_alias", optional, &c->call_alias);
}

static status read_schema(const token_field *f, token_claims *c) {
    const json_value *schema = json_get(f->object, "config_schema");
    if (json_is_absent(schema)) {
        return STATUS_OK;
    }
    auto_buf text;
    buf_init(&text, TOKEN_BYTES_MAX);
    if (json_write(schema, 0, &text) != STATUS_OK) {
        return token_field_wrong(f, "config_schema", "is too large");
    }
    c->config_schema = arena_copy(f->memory, buf_slice(&text));
    return c->config_schema.data == NULL ? token_field_no_memory(f) : STATUS_OK;
}

static status read_provider(const token_field *f, token_claims *c) {
    TRY(token_field_text(f, "vendor", required, &c->vendor));
    TRY(read_revision(f, c));
    TRY(token_field_pairs(f, "target_hashes", &c->target_hashes));
    for (size_t i = 0; i < c->target_hashes.count; i++) {
        uint8_t hash[HASH_BYTES];
        if (!hash_from_hex(c->target_hashes.at[i].value, HASH_UPPER_CASE, hash)) {
            return token_field_wrong(f, "target_hashes",
                                     "has a hash that is not 64 hexadecimal digits in upper case");
        }
    }
    return read_schema(f, c);
}

static status read_signers(const token_field *f, token_claims *c) {
    TRY(token_field_texts(f, "valid_signers", TOKEN_LIST_MAX, TOKEN_TEXT_BYTES_MAX, &c->valid_signers));
    for (size_t i = 0; i < c->valid_signers.count; i++) {
        nkey_public key;
        if (nkey_public_parse(c->valid_signers.at[i], &key, f->e) != STATUS_OK) {
            return err_wrap(f->e, "claim \"%svalid_signers\", entry %zu", f->path, i);
        }
    }
    return STATUS_OK;
}

static status read_wascap(const token_field *top, token_claims *c) {
    bool is_required = c->kind == TOKEN_COMPONENT || c->kind == TOKEN_PROVIDER;
    const json_value *wascap;
    TRY(token_field_object(top, "wascap", is_required, &wascap));
    token_field f = {.object = wascap, .path = "wascap.", .memory = top->memory, .e = top->e};
    TRY(token_field_text(&f, "name", optional, &c->name));
    switch (c->kind) {
    case TOKEN_COMPONENT:
        return read_component(&f, c);
    case TOKEN_PROVIDER:
        return read_provider(&f, c);
    case TOKEN_HOST:
        return token_field_pairs(&f, "labels", &c->labels);
    case TOKEN_ACCOUNT:
    case TOKEN_OPERATOR:
    case TOKEN_CLUSTER:
        return read_signers(&f, c);
    case TOKEN_REVOCATIONS:
        break;
    }
    return STATUS_OK;
}

// --- whose token it is -------------------------------------------------------------------------------------

static bool kind_of_subject(const token_claims *c, bool has_revocations, token_kind *ret) {
    switch (c->subject.kind) {
    case NKEY_MODULE:
        *ret = TOKEN_COMPONENT;
        return true;
    case NKEY_SERVICE:
        *ret = TOKEN_PROVIDER;
        return true;
    case NKEY_ACCOUNT:
        *ret = has_revocations ? TOKEN_REVOCATIONS : TOKEN_ACCOUNT;
        return true;
    case NKEY_OPERATOR:
        *ret = has_revocations ? TOKEN_REVOCATIONS : TOKEN_OPERATOR;
        return true;
    case NKEY_CLUSTER:
        *ret = TOKEN_CLUSTER;
        return true;
    case NKEY_SERVER:
        *ret = TOKEN_HOST;
        return true;
    default:
        return false;
    }
}

static bool issuer_fits(const token_claims *c) {
    nkey_kind by = c->issuer.kind;
    bool self = nkey_public_equal(&c->issuer, &c->subject);
    switch (c->kind) {
    case TOKEN_COMPONENT:
    case TOKEN_PROVIDER:
        return by == NKEY_ACCOUNT;
    case TOKEN_ACCOUNT:
    case TOKEN_CLUSTER:
        return self || by == NKEY_OPERATOR;
    case TOKEN_OPERATOR:
        return by == NKEY_OPERATOR;
    case TOKEN_HOST:
        return self || by == NKEY_ACCOUNT || by == NKEY_OPERATOR || by == NKEY_CLUSTER;
    case TOKEN_REVOCATIONS:
        return self;
    }
    return false;
}

static status judge_keys(token_claims *c, bool has_revocations, refusal *ret_why, err *e) {
    *ret_why = REFUSAL_WRONG_KEY_TYPE;
    if (!kind_of_subject(c, has_revocations, &c->kind)) {
        return err_set(e, STATUS_DENIED, "its subject %s is a %s key, for which there are no tokens",
                       nkey_public_text(&c->subject).text, nkey_kind_name(c->subject.kind));
    }
    if (has_revocations && c->kind != TOKEN_REVOCATIONS) {
        return err_set(e, STATUS_DENIED,
                       "revocations are for an account or operator, and its subject %s is a %s",
                       nkey_public_text(&c->subject).text, nkey_kind_name(c->subject.kind));
    }
    if (!issuer_fits(c)) {
        return err_set(e, STATUS_DENIED, "a token for %s %s cannot be issued by the %s %s",
                       token_kind_name(c->kind), nkey_public_text(&c->subject).text,
                       nkey_kind_name(c->issuer.kind), nkey_public_text(&c->issuer).text);
    }
    *ret_why = REFUSAL_MALFORMED;
    return STATUS_OK;
}

static status read_subject(const token_field *f, token_claims *c) {
    slice text;
    TRY(token_field_text(f, "sub", required, &text));
    status s = nkey_public_parse(text, &c->subject, f->e);
    return s == STATUS_OK ? s : err_wrap(f->e, "claim \"sub\"");
}

static status read_registered(const token_field *f, token_claims *c) {
    TRY(token_field_text(f, "jti", required, &c->id));
    bool has_issued_at, has_revision;
    TRY(token_field_date(f, "iat", &has_issued_at, &c->issued_at_s));
    if (!has_issued_at) {
        return token_field_missing(f, "iat");
    }
    TRY(token_field_date(f, "exp", &c->has_expiry, &c->expires_at_s));
    TRY(token_field_date(f, "nbf", &c->has_not_before, &c->not_before_s));
    int64_t revision = 0;
    TRY(token_field_number(f, "wascap_revision", 0, UINT32_MAX, &has_revision, &revision));
    c->wascap_revision = has_revision ? (uint32_t)revision : 0;
    return STATUS_OK;
}

status token_body_read(const json_value *claims, const nkey_public *issuer, arena *memory, token_claims *ret,
                       refusal *ret_why, err *e) {
    token_field f = {.object = claims, .path = "", .memory = memory, .e = e};
    *ret_why = REFUSAL_MALFORMED;
    ret->issuer = *issuer;
    TRY(read_subject(&f, ret));
    const json_value *writ;
    TRY(token_field_object(&f, "writ", false, &writ));
    bool has_revocations = !json_is_absent(json_get(writ, "revocations"));
    TRY(judge_keys(ret, has_revocations, ret_why, e));
    TRY(read_registered(&f, ret));
    TRY(read_wascap(&f, ret));
    return writ == NULL ? STATUS_OK : token_writ_read(writ, memory, ret, e);
}
