// SPDX-License-Identifier: Apache-2.0
// Writing the file of the trust store: one line for each fact and in the order of the file, so that a change
// of one fact is a change of few lines.
#include "codec/date.h"
#include "crypto/hash.h"
#include "identity/trust_internal.h"

enum { ROW_BYTES_MAX = 4 << 20, INDENT = 2 };

static void put_key(json_value *row, const char *name, const nkey_public *key) {
    json_put_text(row, name, slice_from_text(nkey_public_text(key).text));
}

static void put_date(json_value *row, const char *name, uint64_t seconds) {
    char text[DATE_TEXT_BYTES];
    json_put_text(row, name, slice_from_text(date_text(seconds, text)));
}

json_value *trust_issuer_json(const trust_issuer *i, bool with_note) {
    json_value *row = json_object_new();
    put_key(row, "key", &i->key);
    if (with_note && i->note.len > 0) {
        json_put_text(row, "note", i->note);
    }
    if (i->names.count > 0) {
        json_value *names = json_array_new();
        for (size_t n = 0; n < i->names.count; n++) {
            json_push(names, json_text(i->names.at[n]));
        }
        json_put(row, "names", names);
    }
    if (i->has_until) {
        put_date(row, "until", i->until_s);
    }
    if (i->has_allowance) {
        json_put(row, "allow", allowance_to_json(&i->allow));
    }
    if (i->ratchet) {
        json_put_bool(row, "ratchet", true);
    }
    return row;
}

json_value *trust_revoked_json(const token_revocation *r) {
    json_value *row = json_object_new();
    if (r->content_hash.len > 0) {
        json_put_text(row, "hash", r->content_hash);
    } else {
        json_put_text(row, "subject", r->subject);
        if (r->before_s < TOKEN_SECONDS_MAX) {
            put_date(row, "before", r->before_s);
        }
    }
    if (r->reason.len > 0) {
        json_put_text(row, "reason", r->reason);
    }
    return row;
}

void trust_digest_row(json_value *row, uint8_t ret[HASH_BYTES]) {
    auto_buf text;
    buf_init(&text, ROW_BYTES_MAX);
    // A row came from a file of at most TRUST_BYTES_MAX, or is not written at all.
    WRIT_UNUSED status s = json_write(row, 0, &text);
    slice bytes = buf_slice(&text);
    hash_sha256(&bytes, 1, ret);
    json_free(row);
}

static json_value *minimums_json(const trust_store *s) {
    json_value *rows = json_array_new();
    for (size_t i = 0; i < s->minimum_count; i++) {
        json_value *row = json_object_new();
        put_key(row, "subject", &s->minimums[i].subject);
        if (s->minimums[i].has_issuer) {
            put_key(row, "issuer", &s->minimums[i].issuer);
        }
        json_put_integer(row, "revision", s->minimums[i].revision);
        json_push(rows, row);
    }
    return rows;
}

status trust_write_document(const trust_store *s, buf *ret, err *e) {
    json_value *document = json_object_new(), *issuers = json_array_new();
    json_put_integer(document, "version", 1);
    for (size_t i = 0; i < s->issuer_count; i++) {
        json_push(issuers, trust_issuer_json(&s->issuers[i], true));
    }
    json_put(document, "issuers", issuers);
    if (s->minimum_count > 0) {
        json_put(document, "minimum_revisions", minimums_json(s));
    }
    if (s->revoked_count > 0) {
        json_value *rows = json_array_new();
        for (size_t i = 0; i < s->revoked_count; i++) {
            json_push(rows, trust_revoked_json(&s->revoked[i].shown));
        }
        json_put(document, "revoked", rows);
    }
    status result = json_write(document, INDENT, ret);
    json_free(document);
    if (result != STATUS_OK || buf_append_byte(ret, '\n') != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "the trust store would be larger than its maximum of %d MiB",
                       TRUST_BYTES_MAX >> 20);
    }
    return STATUS_OK;
}
