// SPDX-License-Identifier: Apache-2.0
// The claim "writ": what we add to the tokens of 1.x.
//
// Its members that we do not know are ignored; one that would narrow what older hosts allow needs a new
// version, which they refuse.
#include "identity/token_body.h"
#include "identity/token_field.h"

enum { CLAIM_VERSION = 1 };

static const token_text_rule optional = {.len_max = TOKEN_TEXT_BYTES_MAX};

static status read_revocation(const token_field *f, token_revocation *ret) {
    TRY(token_field_text(f, "subject", optional, &ret->subject));
    TRY(token_field_text(f, "hash", optional, &ret->content_hash));
    TRY(token_field_text(f, "reason", optional, &ret->reason));
    if ((ret->subject.len == 0) == (ret->content_hash.len == 0)) {
        return token_field_wrong(f, "subject", "or \"hash\" must be there, and only one of the two");
    }
    nkey_public key;
    if (ret->subject.len > 0 && nkey_public_parse(ret->subject, &key, f->e) != STATUS_OK) {
        return err_wrap(f->e, "claim \"%ssubject\"", f->path);
    }
    uint8_t hash[HASH_BYTES];
    if (ret->content_hash.len > 0 && !hash_from_hex(ret->content_hash, HASH_UPPER_CASE, hash)) {
        return token_field_wrong(f, "hash", "is not 64 hexadecimal digits in upper case");
    }
    bool has_before;
    TRY(token_field_date(f, "before", &has_before, &ret->before_s));
    if (!has_before) {
        ret->before_s = TOKEN_SECONDS_MAX;
    } else if (ret->subject.len == 0) {
        return token_field_wrong(f, "before", "is only for a subject");
    }
    return STATUS_OK;
}

static status read_entries(const token_field *f, token_claims *c) {
    const json_value *list = json_get(f->object, "entries");
    if (!json_is_array(list)) {
        return token_field_wrong(f, "entries", "is not an array");
    }
    if (json_count(list) > TOKEN_REVOCATIONS_MAX) {
        return token_field_wrong(f, "entries", "has more than 4096 entries");
    }
    token_revocation *entries = ARENA_ARRAY(f->memory, token_revocation, json_count(list));
    if (entries == NULL) {
        return token_field_no_memory(f);
    }
    for (size_t i = 0; i < json_count(list); i++) {
        token_field entry = {json_at(list, i), "writ.revocations.entries.", f->memory, f->e};
        if (!json_is_object(entry.object)) {
            return token_field_wrong(f, "entries", "has an entry that is no object");
        }
        TRY(read_revocation(&entry, &entries[i]));
    }
    c->revocation_count = json_count(list);
    c->revocations = entries;
    return STATUS_OK;
}

static status read_revocations(const token_field *writ, token_claims *c) {
    const json_value *object;
    TRY(token_field_object(writ, "revocations", false, &object));
    if (object == NULL) {
        return STATUS_OK;
    }
    token_field f = {object, "writ.revocations.", writ->memory, writ->e};
    bool has_number;
    int64_t number;
    TRY(token_field_number(&f, "number", 1, INT64_MAX, &has_number, &number));
    if (!has_number) {
        return token_field_missing(&f, "number");
    }
    c->revocation_number = (uint64_t)number;
    return read_entries(&f, c);
}

static status read_allowance(const token_field *f, token_claims *c) {
    const json_value *allow = json_get(f->object, "allow");
    if (allow == NULL) { // a null is no list, and must not read as "may import anything"
        return STATUS_OK;
    }
    if (c->kind != TOKEN_COMPONENT && c->kind != TOKEN_PROVIDER) {
        return token_field_wrong(f, "allow", "is only for components and providers");
    }
    if (allowance_from_json(allow, f->memory, &c->allow, f->e) != STATUS_OK) {
        return err_wrap(f->e, "claim \"writ.allow\"");
    }
    c->has_allowance = true;
    return STATUS_OK;
}

status token_writ_read(const json_value *writ, arena *memory, token_claims *ret, err *e) {
    token_field f = {writ, "writ.", memory, e};
    int64_t version;
    if (!json_as_integer(json_get(writ, "version"), &version) || version != CLAIM_VERSION) {
        return token_field_wrong(&f, "version", "is not 1, the only version that this program knows");
    }
    TRY(read_allowance(&f, ret));
    TRY(token_field_texts(&f, "chain", TOKEN_CHAIN_MAX, TOKEN_BYTES_MAX, &ret->chain));
    return read_revocations(&f, ret);
}

// --- writing -----------------------------------------------------------------------------------------------

static json_value *revocations_json(const token_claims *c) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < c->revocation_count; i++) {
        const token_revocation *r = &c->revocations[i];
        json_value *entry = json_object_new();
        if (r->subject.len > 0) {
            json_put_text(entry, "subject", r->subject);
        }
        if (r->subject.len > 0 && r->before_s != TOKEN_SECONDS_MAX) {
            json_put_integer(entry, "before", (int64_t)r->before_s);
        }
        if (r->content_hash.len > 0) {
            json_put_text(entry, "hash", r->content_hash);
        }
        if (r->reason.len > 0) {
            json_put_text(entry, "reason", r->reason);
        }
        json_push(list, entry);
    }
    json_value *object = json_object_new();
    json_put_integer(object, "number", (int64_t)c->revocation_number);
    json_put(object, "entries", list);
    return object;
}

json_value *token_writ_write(const token_claims *c) {
    if (!c->has_allowance && c->chain.count == 0 && c->kind != TOKEN_REVOCATIONS) {
        return NULL;
    }
    json_value *writ = json_object_new();
    json_put_integer(writ, "version", CLAIM_VERSION);
    if (c->has_allowance) {
        json_put(writ, "allow", allowance_to_json(&c->allow));
    }
    if (c->chain.count > 0) {
        json_value *chain = json_array_new();
        for (size_t i = 0; i < c->chain.count; i++) {
            json_push(chain, json_text(c->chain.at[i]));
        }
        json_put(writ, "chain", chain);
    }
    if (c->kind == TOKEN_REVOCATIONS) {
        json_put(writ, "revocations", revocations_json(c));
    }
    return writ;
}
