// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "codec/date.h"
#include "identity/envelope.h"
#include "identity/token.h"

static void put_text(json_value *object, const char *key, slice text) {
    if (text.len > 0) {
        json_put_text(object, key, text);
    }
}

static void put_key(json_value *object, const char *key, const nkey_public *k) {
    json_put_text(object, key, slice_from_text(nkey_public_text(k).text));
}

// As number for scripts and as text for people.
static void put_date(json_value *object, const char *key, uint64_t seconds) {
    char text[DATE_TEXT_BYTES], with_unit[40];
    json_put_text(object, key, slice_from_text(date_text(seconds, text)));
    snprintf(with_unit, sizeof with_unit, "%s_s", key);
    json_put_integer(object, with_unit, seconds > INT64_MAX ? INT64_MAX : (int64_t)seconds);
}

static void put_texts(json_value *object, const char *key, const token_texts *texts) {
    if (texts->count == 0) {
        return;
    }
    json_value *array = json_array_new();
    for (size_t i = 0; i < texts->count; i++) {
        json_push(array, json_text(texts->at[i]));
    }
    json_put(object, key, array);
}

static void put_pairs(json_value *object, const char *key, const token_pairs *pairs) {
    if (pairs->count == 0) {
        return;
    }
    json_value *map = json_object_new();
    for (size_t i = 0; i < pairs->count; i++) {
        char name[TOKEN_TEXT_BYTES_MAX + 1];
        snprintf(name, sizeof name, "%.*s", SLICE_ARG(pairs->at[i].name));
        json_put_text(map, name, pairs->at[i].value);
    }
    json_put(object, key, map);
}

static void put_hash(json_value *object, const token_claims *c) {
    char text[HASH_HEX_BYTES];
    envelope_hash_text(c->hash, text);
    json_put_text(object, "hash", slice_from_text(text));
}

static void put_schema(json_value *object, const token_claims *c) {
    json_value *schema = NULL;
    if (c->config_schema.len > 0 && json_parse(c->config_schema, &schema, NULL) == STATUS_OK) {
        json_put(object, "config_schema", schema);
    }
}

static json_value *revocations_json(const token_claims *c) {
    json_value *array = json_array_new();
    for (size_t i = 0; i < c->revocation_count; i++) {
        const token_revocation *r = &c->revocations[i];
        json_value *entry = json_object_new();
        put_text(entry, "subject", r->subject);
        put_text(entry, "hash", r->content_hash);
        if (r->subject.len > 0) {
            put_date(entry, "before", r->before_s);
        }
        put_text(entry, "reason", r->reason);
        json_push(array, entry);
    }
    return array;
}

static void put_registered(json_value *object, const token_claims *c) {
    json_put_text(object, "kind", slice_from_text(token_kind_name(c->kind)));
    put_text(object, "name", c->name);
    put_key(object, "subject", &c->subject);
    put_key(object, "issuer", &c->issuer);
    put_text(object, "id", c->id);
    put_date(object, "issued_at", c->issued_at_s);
    if (c->has_not_before) {
        put_date(object, "not_before", c->not_before_s);
    }
    if (c->has_expiry) {
        put_date(object, "expires_at", c->expires_at_s);
    }
    json_put_integer(object, "wascap_revision", c->wascap_revision);
}

static void put_wascap(json_value *object, const token_claims *c) {
    if (c->has_hash) {
        put_hash(object, c);
    }
    if (c->has_revision) {
        json_put_integer(object, "revision", c->revision);
    }
    put_text(object, "version", c->version);
    put_texts(object, "tags", &c->tags);
    put_text(object, "call_alias", c->call_alias);
    put_text(object, "vendor", c->vendor);
    put_pairs(object, "target_hashes", &c->target_hashes);
    put_schema(object, c);
    put_texts(object, "valid_signers", &c->valid_signers);
    put_pairs(object, "labels", &c->labels);
}

json_value *token_to_json(const token_claims *c) {
    json_value *object = json_object_new();
    put_registered(object, c);
    put_wascap(object, c);
    if (c->has_allowance) {
        json_put(object, "allow", allowance_to_json(&c->allow));
    }
    put_texts(object, "chain", &c->chain);
    if (c->kind == TOKEN_REVOCATIONS) {
        json_put_integer(object, "revocation_number", (int64_t)c->revocation_number);
        json_put(object, "revocations", revocations_json(c));
    }
    return object;
}
