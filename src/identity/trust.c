// SPDX-License-Identifier: Apache-2.0
// The store in memory. Whatever is added goes through the reader of the file, so that a store that can be
// saved can be loaded.
#include "identity/trust.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "identity/trust_internal.h"

trust_store *trust_store_new(void) {
    trust_store *s = MEM_NEW(trust_store);
    arena_init(&s->memory, TRUST_MEMORY_BYTES_MAX);
    return s;
}

void trust_store_free(trust_store *s) {
    if (s == NULL) {
        return;
    }
    arena_done(&s->memory);
    mem_free(s->issuers);
    mem_free(s->minimums);
    mem_free(s->revoked);
    mem_free(s->lists);
    mem_free(s);
}

int trust_compare_keys(const nkey_public *a, const nkey_public *b) {
    return a->kind != b->kind ? (int)a->kind - (int)b->kind : memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

// --- issuers -----------------------------------------------------------------------------------------------

size_t trust_store_issuer_count(const trust_store *s) { return s->issuer_count; }
const trust_issuer *trust_store_issuer_at(const trust_store *s, size_t index) { return &s->issuers[index]; }

static bool is_there(const trust_store *s, const trust_issuer *issuer) {
    uint8_t digest[HASH_BYTES], other[HASH_BYTES];
    trust_digest_row(trust_issuer_json(issuer, false), digest);
    for (size_t i = 0; i < s->issuer_count; i++) {
        if (nkey_public_equal(&s->issuers[i].key, &issuer->key)) {
            trust_digest_row(trust_issuer_json(&s->issuers[i], false), other);
            if (hash_equal(digest, other)) {
                return true;
            }
        }
    }
    return false;
}

status trust_store_add_issuer(trust_store *s, const trust_issuer *issuer, err *e) {
    if (s->issuer_count >= TRUST_ISSUERS_MAX) {
        return err_set(e, STATUS_LIMIT, "a trust store holds at most %d issuers", TRUST_ISSUERS_MAX);
    }
    json_value *row = trust_issuer_json(issuer, true);
    trust_issuer copy;
    status result = trust_read_issuer(row, &s->memory, &copy, e);
    json_free(row);
    TRY(result);
    if (is_there(s, &copy)) {
        return err_set(e, STATUS_EXISTS, "%s is trusted for this already", nkey_public_text(&copy.key).text);
    }
    TRUST_GROW(s->issuers, s->issuer_count, s->issuer_capacity);
    s->issuers[s->issuer_count++] = copy;
    s->is_changed = true;
    return STATUS_OK;
}

size_t trust_store_remove_issuer(trust_store *s, const nkey_public *key) {
    size_t kept = 0, count = s->issuer_count;
    for (size_t i = 0; i < count; i++) {
        if (!nkey_public_equal(&s->issuers[i].key, key)) {
            s->issuers[kept++] = s->issuers[i];
        }
    }
    s->issuer_count = kept;
    s->is_changed = s->is_changed || kept != count;
    return count - kept;
}

// --- minimum revisions -------------------------------------------------------------------------------------

size_t trust_store_minimum_count(const trust_store *s) { return s->minimum_count; }
const trust_minimum *trust_store_minimum_at(const trust_store *s, size_t index) {
    return &s->minimums[index];
}

// By subject; the one for whoever signed first, then by issuer.
static int compare_minimums(const trust_minimum *a, const trust_minimum *b) {
    int order = trust_compare_keys(&a->subject, &b->subject);
    if (order != 0 || !a->has_issuer || !b->has_issuer) {
        return order != 0 ? order : (int)a->has_issuer - (int)b->has_issuer;
    }
    return trust_compare_keys(&a->issuer, &b->issuer);
}

size_t trust_minimum_position(const trust_store *s, const trust_minimum *like, bool *ret_found) {
    size_t from = 0, to = s->minimum_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare_minimums(&s->minimums[middle], like) < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    *ret_found = from < s->minimum_count && compare_minimums(&s->minimums[from], like) == 0;
    return from;
}

const trust_minimum *trust_store_minimum_of(const trust_store *s, const trust_minimum *like) {
    bool found;
    size_t at = trust_minimum_position(s, like, &found);
    return found ? &s->minimums[at] : NULL;
}

status trust_check_minimum(const trust_minimum *m, err *e) {
    if (m->revision < 0) {
        return err_set(e, STATUS_INVALID, "a minimum revision is a number from 0 on, not %d", m->revision);
    }
    if (m->subject.kind != NKEY_MODULE && m->subject.kind != NKEY_SERVICE) {
        return err_set(e, STATUS_INVALID,
                       "only components (M...) and providers (V...) have revisions, not %s",
                       nkey_public_text(&m->subject).text);
    }
    if (m->has_issuer && m->issuer.kind != NKEY_ACCOUNT) {
        return err_set(e, STATUS_INVALID, "components and providers are signed by accounts (A...), not by %s",
                       nkey_public_text(&m->issuer).text);
    }
    return STATUS_OK;
}

status trust_store_set_minimum(trust_store *s, const trust_minimum *m, err *e) {
    TRY(trust_check_minimum(m, e));
    bool found;
    size_t at = trust_minimum_position(s, m, &found);
    if (found) {
        s->is_changed = s->is_changed || s->minimums[at].revision != m->revision;
        s->minimums[at].revision = m->revision;
        return STATUS_OK;
    }
    if (s->minimum_count >= TRUST_SUBJECTS_MAX) {
        return err_set(e, STATUS_LIMIT, "a trust store holds at most %d minimum revisions",
                       TRUST_SUBJECTS_MAX);
    }
    TRUST_GROW(s->minimums, s->minimum_count, s->minimum_capacity);
    memmove(&s->minimums[at + 1], &s->minimums[at], (s->minimum_count - at) * sizeof s->minimums[0]);
    s->minimums[at] = *m;
    s->minimum_count++;
    s->is_changed = true;
    return STATUS_OK;
}

static int by_subject(const void *a, const void *b) { return compare_minimums(a, b); }

status trust_sort_minimums(trust_store *s, err *e) {
    if (s->minimum_count > 0) {
        qsort(s->minimums, s->minimum_count, sizeof s->minimums[0], by_subject);
    }
    for (size_t i = 1; i < s->minimum_count; i++) {
        const trust_minimum *m = &s->minimums[i];
        if (compare_minimums(&s->minimums[i - 1], m) == 0) {
            return err_set(e, STATUS_INVALID,
                           "minimum_revisions has a second minimum revision of %s%s; keep one",
                           nkey_public_text(&m->subject).text, m->has_issuer ? " for one issuer" : "");
        }
    }
    return STATUS_OK;
}

// --- revocations -------------------------------------------------------------------------------------------

size_t trust_store_revoked_count(const trust_store *s) { return s->revoked_count; }
const token_revocation *trust_store_revoked_at(const trust_store *s, size_t index) {
    return &s->revoked[index].shown;
}

bool trust_revoked_parse(trust_revoked *r) {
    r->is_hash = r->shown.content_hash.len > 0;
    return r->is_hash ? hash_from_hex(r->shown.content_hash, HASH_ANY_CASE, r->hash)
                      : nkey_public_parse(r->shown.subject, &r->subject, NULL) == STATUS_OK;
}

status trust_store_add_revoked(trust_store *s, const token_revocation *r, err *e) {
    if (s->revoked_count >= TRUST_SUBJECTS_MAX) {
        return err_set(e, STATUS_LIMIT, "a trust store holds at most %d revocations", TRUST_SUBJECTS_MAX);
    }
    json_value *row = trust_revoked_json(r);
    trust_revoked copy;
    status result = trust_read_revoked(row, &s->memory, &copy, e);
    json_free(row);
    TRY(result);
    for (size_t i = 0; i < s->revoked_count; i++) {
        const trust_revoked *old = &s->revoked[i];
        if (old->is_hash == copy.is_hash && old->shown.before_s == copy.shown.before_s &&
            (copy.is_hash ? hash_equal(old->hash, copy.hash)
                          : nkey_public_equal(&old->subject, &copy.subject))) {
            return err_set(e, STATUS_EXISTS, "this is revoked already");
        }
    }
    TRUST_GROW(s->revoked, s->revoked_count, s->revoked_capacity);
    s->revoked[s->revoked_count++] = copy;
    s->is_changed = true;
    return STATUS_OK;
}

size_t trust_store_list_count(const trust_store *s) { return s->list_count; }
const token_claims *trust_store_list_at(const trust_store *s, size_t index) {
    return &s->lists[index].claims;
}

trust_list *trust_find_list(const trust_store *s, const nkey_public *issuer) {
    for (size_t i = 0; i < s->list_count; i++) {
        if (nkey_public_equal(&s->lists[i].claims.issuer, issuer)) {
            return &s->lists[i];
        }
    }
    return NULL;
}

status trust_read_list(slice text, arena *memory, token_claims *ret, refusal *ret_why, err *e) {
    token_claims c;
    *ret_why = REFUSAL_MALFORMED;
    TRY(token_read(text, memory, &c, ret_why, e));
    if (c.kind != TOKEN_REVOCATIONS) {
        *ret_why = REFUSAL_WRONG_KEY_TYPE;
        return err_set(e, STATUS_INVALID, "this is the token of a %s, not a revocation list",
                       token_kind_name(c.kind));
    }
    *ret = c;
    return STATUS_OK;
}

// Whether an entry trusts the issuer of the list or somebody who vouches for it.
static status check_list_issuer(const trust_store *s, const token_claims *c, arena *memory, uint64_t now_s,
                                refusal *ret_why, err *e) {
    token_claims chain[TOKEN_CHAIN_MAX];
    size_t count = 0;
    TRY(token_read_chain(c, memory, chain, &count, ret_why, e));
    for (size_t i = 0; i < count; i++) {
        TRY(token_check_time(&chain[i], now_s, "this host's clock", ret_why, e));
    }
    for (size_t i = 0; i < s->issuer_count; i++) {
        bool found = nkey_public_equal(&s->issuers[i].key, &c->issuer);
        for (size_t j = 0; j < count && !found; j++) {
            found = nkey_public_equal(&s->issuers[i].key, &chain[j].issuer);
        }
        if (found) {
            return STATUS_OK;
        }
    }
    *ret_why = REFUSAL_UNKNOWN_ISSUER;
    return err_set(e, STATUS_DENIED, "the list is of %s, whom nobody here trusts: it would revoke nothing",
                   nkey_public_text(&c->issuer).text);
}

static status key_revoked(const nkey_public *key, const char *by, refusal *ret_why, err *e) {
    *ret_why = REFUSAL_REVOKED;
    return err_set(
        e, STATUS_DENIED,
        "the key %s was revoked by %s, so a list that it signs withdraws nothing and takes nothing back",
        nkey_public_text(key).text, by);
}

// A newer list replaces the one that we have. Of a key that was given up for all time that would be its
// thief's word against its owner's. `old` may be NULL.
static status check_list_key_stands(const trust_store *s, const trust_list *old, const token_claims *c,
                                    refusal *ret_why, err *e) {
    for (size_t i = 0; i < s->revoked_count; i++) {
        const trust_revoked *r = &s->revoked[i];
        bool is_older = r->shown.before_s >= TOKEN_SECONDS_MAX || c->issued_at_s < r->shown.before_s;
        if (!r->is_hash && is_older && nkey_public_equal(&r->subject, &c->issuer)) {
            return key_revoked(&c->issuer, "the owner of this host", ret_why, e);
        }
    }
    for (size_t i = 0; old != NULL && i < old->claims.revocation_count; i++) {
        trust_revoked r = {.shown = old->claims.revocations[i]};
        if (r.shown.before_s >= TOKEN_SECONDS_MAX && trust_revoked_parse(&r) && !r.is_hash &&
            nkey_public_equal(&r.subject, &c->issuer)) {
            return key_revoked(&c->issuer, "its own list, for all time", ret_why, e);
        }
    }
    return STATUS_OK;
}

// `old` is the list that we have of this issuer.
static status check_list_number(const trust_list *old, const token_claims *c, slice text, refusal *ret_why,
                                err *e) {
    unsigned long long have = old->claims.revocation_number, number = c->revocation_number;
    *ret_why = REFUSAL_ROLLED_BACK;
    if (number < have) {
        return err_set(e, STATUS_DENIED,
                       "the list has number %llu, but this host has number %llu of %s: get the newest one",
                       number, have, nkey_public_text(&c->issuer).text);
    }
    if (number == have && !slice_equal(old->text, text)) {
        return err_set(
            e, STATUS_DENIED,
            "this host has another list of %s with the same number %llu; its issuer signs a new one "
            "with a higher --number",
            nkey_public_text(&c->issuer).text, number);
    }
    *ret_why = REFUSAL_NONE;
    return STATUS_OK;
}

status trust_append_list(trust_store *s, const token_claims *claims, slice text, bool is_changed) {
    if (s->list_count >= TRUST_LISTS_MAX) {
        return STATUS_LIMIT;
    }
    TRUST_GROW(s->lists, s->list_count, s->list_capacity);
    s->lists[s->list_count++] = (trust_list){*claims, text, is_changed};
    return STATUS_OK;
}

status trust_store_add_revocations(trust_store *s, slice token, uint64_t now_s, refusal *ret_why, err *e) {
    token_claims c;
    *ret_why = REFUSAL_MALFORMED;
    slice text = arena_copy(&s->memory, token);
    if (text.data == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for the revocation list");
    }
    TRY(trust_read_list(text, &s->memory, &c, ret_why, e));
    TRY(token_check_time(&c, now_s, "this host's clock", ret_why, e));
    TRY(check_list_issuer(s, &c, &s->memory, now_s, ret_why, e));
    trust_list *old = trust_find_list(s, &c.issuer);
    if (old == NULL || !slice_equal(old->text, text)) {
        TRY(check_list_key_stands(s, old, &c, ret_why, e));
    }
    if (old == NULL) {
        if (trust_append_list(s, &c, text, true) != STATUS_OK) {
            return err_set(e, STATUS_LIMIT, "a trust store holds the lists of at most %d issuers",
                           TRUST_LISTS_MAX);
        }
    } else {
        TRY(check_list_number(old, &c, text, ret_why, e));
        if (!slice_equal(old->text, text)) {
            *old = (trust_list){c, text, true};
        }
    }
    *ret_why = REFUSAL_NONE;
    return STATUS_OK;
}
