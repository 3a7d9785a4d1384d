// SPDX-License-Identifier: Apache-2.0
// Who is believed. The keys that stand behind a component form a line: its own, its issuer's, the issuer's
// issuer's ... Trust entries match keys of the line from the issuer on; a revocation by somebody in the line
// reaches what stands before him in it, and himself.
#include "identity/trust.h"

#include <stdio.h>

#include "codec/date.h"
#include "codec/utf.h"
#include "identity/trust_internal.h"

enum { LINE_MAX_KEYS = 2 + TOKEN_CHAIN_MAX, SHOWN_BYTES = 200 };

typedef struct line {
    size_t count;
    nkey_public keys[LINE_MAX_KEYS];
} line;

#define REFUSE(why, ...) (*ret_why = (why), err_set(e, STATUS_DENIED, __VA_ARGS__))

// --- names -------------------------------------------------------------------------------------------------

// Takes the parts between stars from left to right, each at its first place: never later than any other
// choice would find it, so one pass decides.
static bool name_matches(slice pattern, slice name) {
    size_t star = slice_find(pattern, 0, '*');
    if (star == SIZE_MAX) {
        return slice_equal(pattern, name);
    }
    if (name.len < star || !slice_equal(slice_sub(pattern, 0, star), slice_sub(name, 0, star))) {
        return false;
    }
    name = slice_sub(name, star, name.len);
    for (;;) {
        size_t from = star + 1, next = slice_find(pattern, from, '*');
        slice part = slice_sub(pattern, from, next == SIZE_MAX ? pattern.len : next);
        if (next == SIZE_MAX) { // the last one stands at the end
            return name.len >= part.len && slice_equal(part, slice_sub(name, name.len - part.len, name.len));
        }
        const uint8_t *at = part.len == 0   ? name.data
                            : name.len == 0 ? NULL
                                            : memmem(name.data, name.len, part.data, part.len);
        if (part.len > 0 && at == NULL) {
            return false;
        }
        size_t used = part.len == 0 ? 0 : (size_t)(at - name.data) + part.len;
        name = slice_sub(name, used, name.len);
        star = next;
    }
}

static bool any_name_matches(const token_texts *patterns, slice name) {
    for (size_t i = 0; i < patterns->count; i++) {
        if (name_matches(patterns->at[i], name)) {
            return true;
        }
    }
    return patterns->count == 0;
}

// --- the line ----------------------------------------------------------------------------------------------

static void push_key(line *l, const nkey_public *key) {
    if (!nkey_public_equal(&l->keys[l->count - 1], key)) {
        l->keys[l->count++] = *key;
    }
}

// The position of the key, or SIZE_MAX.
static size_t position_of(const line *l, const nkey_public *key) {
    for (size_t i = 0; i < l->count; i++) {
        if (nkey_public_equal(&l->keys[i], key)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static status make_line(const trust_question *q, line *ret, refusal *ret_why, err *e) {
    *ret = (line){1, {q->claims->subject}};
    if (q->chain_count > TOKEN_CHAIN_MAX) {
        return REFUSE(REFUSAL_WRONG_ISSUER, "the chain of its issuer has more than %d tokens",
                      TOKEN_CHAIN_MAX);
    }
    push_key(ret, &q->claims->issuer);
    const nkey_public *below = &q->claims->issuer;
    for (size_t i = 0; i < q->chain_count; i++) {
        const token_claims *c = &q->chain[i];
        if (!nkey_public_equal(&c->subject, below) ||
            (c->kind != TOKEN_ACCOUNT && c->kind != TOKEN_OPERATOR)) {
            return REFUSE(REFUSAL_WRONG_ISSUER,
                          "token %zu of the chain is that of the %s %s, but the issuer before it is %s: have "
                          "the component signed again with the right chain",
                          i + 1, token_kind_name(c->kind), nkey_public_text(&c->subject).text,
                          nkey_public_text(below).text);
        }
        push_key(ret, &c->issuer);
        below = &c->issuer;
    }
    return STATUS_OK;
}

// --- entries -----------------------------------------------------------------------------------------------

typedef enum match { MATCH_OTHER_KEY, MATCH_OTHER_NAME, MATCH_TOO_LATE, MATCH_FULL } match;

static match match_entry(const trust_issuer *entry, const line *l, const trust_question *q) {
    size_t at = position_of(l, &entry->key);
    if (at == SIZE_MAX || at == 0) {
        return MATCH_OTHER_KEY;
    }
    if (!any_name_matches(&entry->names, q->claims->name)) {
        return MATCH_OTHER_NAME;
    }
    return entry->has_until && q->now_s >= entry->until_s ? MATCH_TOO_LATE : MATCH_FULL;
}

static status not_believed(const trust_store *s, const trust_question *q, const trust_issuer *nearest,
                           match how, refusal *ret_why, err *e) {
    nkey_text issuer = nkey_public_text(&q->claims->issuer);
    if (nearest == NULL && s->issuer_count == 0) {
        return REFUSE(REFUSAL_UNKNOWN_ISSUER,
                      "it was signed by %s, and this host believes nobody yet; if you know that key: writ "
                      "trust add %s",
                      issuer.text, issuer.text);
    }
    if (nearest == NULL) {
        return REFUSE(
            REFUSAL_UNKNOWN_ISSUER,
            "it was signed by %s, whom nobody here trusts, nor anybody who vouches for that key; if "
            "you know it: writ trust add %s",
            issuer.text, issuer.text);
    }
    nkey_text key = nkey_public_text(&nearest->key);
    char name[SHOWN_BYTES];
    if (how == MATCH_TOO_LATE) {
        char date[DATE_TEXT_BYTES];
        return REFUSE(REFUSAL_WRONG_ISSUER,
                      "the trust in %s ran out at %s by this host's clock; to renew it, remove it and add it "
                      "with a later --until",
                      key.text, date_text(nearest->until_s, date));
    }
    return REFUSE(REFUSAL_WRONG_ISSUER,
                  "%s is trusted here, but not for the name \"%s\" (writ trust list shows for which); to "
                  "trust it for this one: writ trust add %s --name PATTERN",
                  key.text, utf8_shown(q->claims->name, name, sizeof name), key.text);
}

// What the matching entries allow together.
static status unite(const trust_store *s, const trust_question *q, const line *l, size_t count, arena *memory,
                    allowance *ret, refusal *ret_why, err *e) {
    allowance_entry *all = ARENA_ARRAY(memory, allowance_entry, count);
    if (all == NULL) {
        *ret_why = REFUSAL_NOT_ALLOWED;
        return err_set(e, STATUS_LIMIT, "no memory for the %zu allow entries of the trust in its issuer",
                       count);
    }
    *ret = (allowance){0, all};
    for (size_t i = 0; i < s->issuer_count; i++) {
        if (match_entry(&s->issuers[i], l, q) == MATCH_FULL) {
            for (size_t j = 0; j < s->issuers[i].allow.count; j++) {
                all[ret->count++] = s->issuers[i].allow.entries[j];
            }
        }
    }
    return STATUS_OK;
}

static status match_entries(const trust_store *s, const trust_question *q, const line *l, arena *memory,
                            trust_answer *ret, refusal *ret_why, err *e) {
    trust_answer a = {.has_allowance = true};
    const trust_issuer *nearest = NULL;
    match how = MATCH_OTHER_KEY;
    size_t count = 0;
    for (size_t i = 0; i < s->issuer_count; i++) {
        const trust_issuer *entry = &s->issuers[i];
        match m = match_entry(entry, l, q);
        if (m > how) {
            how = m;
            nearest = entry;
        }
        if (m == MATCH_FULL) {
            a.has_allowance = a.has_allowance && entry->has_allowance;
            a.ratchet = a.ratchet || entry->ratchet;
            count += entry->allow.count;
        }
    }
    if (how != MATCH_FULL) {
        return not_believed(s, q, nearest, how, ret_why, e);
    }
    a.believed = nearest;
    if (a.has_allowance) {
        TRY(unite(s, q, l, count, memory, &a.allow, ret_why, e));
    }
    *ret = a;
    return STATUS_OK;
}

// --- revocations -------------------------------------------------------------------------------------------

static bool hash_is_of(const trust_revoked *r, const token_claims *c) {
    if (c->has_hash && hash_equal(c->hash, r->hash)) {
        return true;
    }
    char hex[HASH_HEX_BYTES];
    hash_hex(r->hash, hex);
    for (size_t i = 0; i < c->target_hashes.count; i++) {
        if (slice_equal_nocase(c->target_hashes.at[i].value, slice_from_text(hex))) {
            return true;
        }
    }
    return false;
}

// Whether a token of this key, or by it, was issued before then.
static bool is_older(const token_claims *c, const nkey_public *key, uint64_t before_s) {
    return (nkey_public_equal(&c->subject, key) || nkey_public_equal(&c->issuer, key)) &&
           (before_s >= TOKEN_SECONDS_MAX || c->issued_at_s < before_s);
}

// `highest`: how far up the line the revocation reaches.
static bool reaches(const trust_revoked *r, const trust_question *q, const line *l, size_t highest) {
    if (r->is_hash) {
        return hash_is_of(r, q->claims);
    }
    size_t at = position_of(l, &r->subject);
    if (at == SIZE_MAX || at > highest) {
        return false;
    }
    bool found = is_older(q->claims, &r->subject, r->shown.before_s);
    for (size_t i = 0; i < q->chain_count && !found; i++) {
        found = is_older(&q->chain[i], &r->subject, r->shown.before_s);
    }
    return found;
}

static status revoked(const trust_revoked *r, const char *by, refusal *ret_why, err *e) {
    char when[DATE_TEXT_BYTES + 40] = "", reason[SHOWN_BYTES];
    if (!r->is_hash && r->shown.before_s < TOKEN_SECONDS_MAX) {
        char date[DATE_TEXT_BYTES];
        snprintf(when, sizeof when, ", as far as issued before %s", date_text(r->shown.before_s, date));
    }
    slice what = r->is_hash ? r->shown.content_hash : r->shown.subject;
    return REFUSE(REFUSAL_REVOKED, "%s %.*s is revoked by %s%s%s%s; use a newer one",
                  r->is_hash ? "the content" : "the key", SLICE_ARG(what), by, when,
                  r->shown.reason.len > 0 ? ": " : "", utf8_shown(r->shown.reason, reason, sizeof reason));
}

static status check_list(const trust_list *list, const trust_question *q, const line *l, refusal *ret_why,
                         err *e) {
    const token_claims *c = &list->claims;
    size_t highest = position_of(l, &c->issuer);
    if (highest == SIZE_MAX || highest == 0) {
        return STATUS_OK;
    }
    nkey_text issuer = nkey_public_text(&c->issuer);
    if (c->has_expiry && q->now_s >= c->expires_at_s) {
        char date[DATE_TEXT_BYTES];
        return REFUSE(
            REFUSAL_EXPIRED,
            "the revocation list of %s ran out at %s by this host's clock, so what was revoked since "
            "is unknown; get a newer list: writ trust import LIST",
            issuer.text, date_text(c->expires_at_s, date));
    }
    for (size_t i = 0; i < c->revocation_count; i++) {
        trust_revoked r = {.shown = c->revocations[i]};
        if (!trust_revoked_parse(&r) || reaches(&r, q, l, highest)) {
            char by[NKEY_PUBLIC_TEXT_LEN + 48];
            snprintf(by, sizeof by, "list %llu of %s", (unsigned long long)c->revocation_number, issuer.text);
            return revoked(&r, by, ret_why, e);
        }
    }
    return STATUS_OK;
}

static status check_revoked(const trust_store *s, const trust_question *q, const line *l, refusal *ret_why,
                            err *e) {
    for (size_t i = 0; i < s->revoked_count; i++) {
        if (reaches(&s->revoked[i], q, l, LINE_MAX_KEYS)) {
            return revoked(&s->revoked[i], "the owner of this host", ret_why, e);
        }
    }
    for (size_t i = 0; i < s->list_count; i++) {
        TRY(check_list(&s->lists[i], q, l, ret_why, e));
    }
    return STATUS_OK;
}

// --- revisions ---------------------------------------------------------------------------------------------

static status check_minimum(const trust_store *s, const token_claims *c, bool of_issuer, refusal *ret_why,
                            err *e) {
    trust_minimum like = {.subject = c->subject, .has_issuer = of_issuer, .issuer = c->issuer};
    const trust_minimum *m = trust_store_minimum_of(s, &like);
    int32_t revision = c->has_revision ? c->revision : 0;
    if (m == NULL || revision >= m->revision) {
        return STATUS_OK;
    }
    nkey_text subject = nkey_public_text(&c->subject), issuer = nkey_public_text(&c->issuer);
    return REFUSE(REFUSAL_ROLLED_BACK,
                  "its revision is %d%s, but this host takes %s%s%s only from revision %d on; to go back on "
                  "purpose: writ trust require %s%s%s --rev %d",
                  revision, c->has_revision ? "" : " (its token names none)", subject.text,
                  of_issuer ? " of " : "", of_issuer ? issuer.text : "", m->revision, subject.text,
                  of_issuer ? " --issuer " : "", of_issuer ? issuer.text : "", revision);
}

static status check_revision(const trust_store *s, const token_claims *c, refusal *ret_why, err *e) {
    TRY(check_minimum(s, c, false, ret_why, e));
    return check_minimum(s, c, true, ret_why, e);
}

status trust_decide(const trust_store *s, const trust_question *q, arena *memory, trust_answer *ret,
                    refusal *ret_why, err *e) {
    line l;
    trust_answer answer;
    TRY(make_line(q, &l, ret_why, e));
    TRY(match_entries(s, q, &l, memory, &answer, ret_why, e));
    TRY(check_revoked(s, q, &l, ret_why, e));
    TRY(check_revision(s, q->claims, ret_why, e));
    *ret = answer;
    *ret_why = REFUSAL_NONE;
    return STATUS_OK;
}
