// SPDX-License-Identifier: Apache-2.0
// Reading the file of the trust store. Nothing is guessed or passed over: a member that we do not know may be
// a restriction that somebody relies on.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/date.h"
#include "identity/trust_internal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char example[] = "{\"version\": 1, \"issuers\": [{\"key\": \"A...\"}]}";

static status no_memory(err *e) { return err_set(e, STATUS_LIMIT, "it needs more memory than it may"); }

// --- members -----------------------------------------------------------------------------------------------

static status check_members(const json_value *row, const char *const *known, size_t count, err *e) {
    if (!json_is_object(row)) {
        return err_set(e, STATUS_INVALID, "is %s; write an object, such as %s", json_kind_name(row), example);
    }
    const char *unknown = json_unknown_member(row, known, count);
    if (unknown == NULL) {
        return STATUS_OK;
    }
    char list[160] = "";
    size_t len = 0;
    for (size_t i = 0; i < count && len < sizeof list; i++) {
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "", known[i]);
    }
    return err_set(e, STATUS_INVALID, "has a member \"%.40s\" that is not known; there are %s", unknown,
                   list);
}

static bool is_control(slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

static status check_text(const json_value *v, const char *name, bool may_be_empty, slice *ret, err *e) {
    if (!json_as_text(v, ret)) {
        return err_set(e, STATUS_INVALID, "%s is %s; write a text", name, json_kind_name(v));
    }
    if ((ret->len == 0 && !may_be_empty) || ret->len > TRUST_TEXT_BYTES_MAX || is_control(*ret)) {
        return err_set(e, STATUS_INVALID, "%s is a text of %zu bytes; write %d to %d, in one line", name,
                       ret->len, may_be_empty ? 0 : 1, TRUST_TEXT_BYTES_MAX);
    }
    return STATUS_OK;
}

// Optional; copied.
static status read_text(const json_value *row, const char *name, arena *memory, slice *ret, err *e) {
    const json_value *v = json_get(row, name);
    *ret = slice_empty();
    if (v == NULL) {
        return STATUS_OK;
    }
    slice text;
    TRY(check_text(v, name, true, &text, e));
    *ret = arena_copy(memory, text);
    return ret->data == NULL && text.len > 0 ? no_memory(e) : STATUS_OK;
}

static status read_key(const json_value *row, const char *name, nkey_public *ret, err *e) {
    slice text;
    const json_value *v = json_get(row, name);
    if (v == NULL) {
        return err_set(e, STATUS_INVALID, "has no %s; write the public key of 56 characters", name);
    }
    TRY(check_text(v, name, false, &text, e));
    return nkey_public_parse(text, ret, e) == STATUS_OK ? STATUS_OK : err_wrap(e, "%s", name);
}

// Optional.
static status read_date(const json_value *row, const char *name, bool *ret_has, uint64_t *ret, err *e) {
    const json_value *v = json_get(row, name);
    slice text;
    *ret_has = v != NULL;
    if (v != NULL && (!json_as_text(v, &text) || !date_parse(text, ret))) {
        return err_set(e, STATUS_INVALID,
                       "%s is no date; write \"2027-01-31\" or \"2027-01-31T12:00:00Z\" (UTC)", name);
    }
    return STATUS_OK;
}

// --- issuers -----------------------------------------------------------------------------------------------

static status read_names(const json_value *row, arena *memory, token_texts *ret, err *e) {
    const json_value *v = json_get(row, "names");
    *ret = (token_texts){0};
    if (v == NULL) {
        return STATUS_OK;
    }
    size_t count = json_count(v);
    // An empty list could be read as "none" and as "any".
    if (!json_is_array(v) || count == 0 || count > TRUST_NAMES_MAX) {
        return err_set(
            e, STATUS_INVALID,
            "names must be a list of 1 to %d patterns, such as [\"shop/*\"]; leave it out for any name",
            TRUST_NAMES_MAX);
    }
    slice *names = ARENA_ARRAY(memory, slice, count);
    for (size_t i = 0; names != NULL && i < count; i++) {
        slice text;
        char path[32];
        snprintf(path, sizeof path, "names[%zu]", i);
        TRY(check_text(json_at(v, i), path, false, &text, e));
        names[i] = arena_copy(memory, text);
        if (names[i].data == NULL) {
            return no_memory(e);
        }
        for (size_t j = 0; j < i; j++) {
            if (slice_equal(names[i], names[j])) {
                return err_set(e, STATUS_INVALID, "names[%zu] is names[%zu] again; remove one", i, j);
            }
        }
    }
    *ret = (token_texts){count, names};
    return names == NULL ? no_memory(e) : STATUS_OK;
}

static status read_allow(const json_value *row, arena *memory, trust_issuer *ret, err *e) {
    const json_value *v = json_get(row, "allow");
    ret->has_allowance = v != NULL;
    if (v == NULL) {
        return STATUS_OK;
    }
    return allowance_from_json(v, memory, &ret->allow, e) == STATUS_OK ? STATUS_OK : err_wrap(e, "allow");
}

static status read_ratchet(const json_value *row, bool *ret, err *e) {
    const json_value *v = json_get(row, "ratchet");
    if (v != NULL && !json_as_bool(v, ret)) {
        return err_set(e, STATUS_INVALID, "ratchet is %s; write true or false", json_kind_name(v));
    }
    return STATUS_OK;
}

status trust_read_issuer(const json_value *row, arena *memory, trust_issuer *ret, err *e) {
    static const char *const known[] = {"key", "note", "names", "until", "allow", "ratchet"};
    trust_issuer i = {0};
    TRY(check_members(row, known, COUNT(known), e));
    TRY(read_key(row, "key", &i.key, e));
    if (i.key.kind != NKEY_ACCOUNT && i.key.kind != NKEY_OPERATOR) {
        return err_set(e, STATUS_INVALID,
                       "key is the key of a %s; write that of an account (A...) or operator (O...)",
                       nkey_kind_name(i.key.kind));
    }
    TRY(read_text(row, "note", memory, &i.note, e));
    TRY(read_names(row, memory, &i.names, e));
    TRY(read_date(row, "until", &i.has_until, &i.until_s, e));
    TRY(read_allow(row, memory, &i, e));
    TRY(read_ratchet(row, &i.ratchet, e));
    *ret = i;
    return STATUS_OK;
}

// --- the rest ----------------------------------------------------------------------------------------------

static status read_minimum(const json_value *row, trust_minimum *ret, err *e) {
    static const char *const known[] = {"subject", "issuer", "revision"};
    TRY(check_members(row, known, COUNT(known), e));
    TRY(read_key(row, "subject", &ret->subject, e));
    ret->has_issuer = json_get(row, "issuer") != NULL;
    if (ret->has_issuer) {
        TRY(read_key(row, "issuer", &ret->issuer, e));
    }
    int64_t revision = -1;
    if (!json_as_integer(json_get(row, "revision"), &revision) || revision < 0 || revision > INT32_MAX) {
        return err_set(e, STATUS_INVALID, "revision must be a whole number from 0 to %d", INT32_MAX);
    }
    ret->revision = (int32_t)revision;
    return STATUS_OK;
}

static status read_revoked_hash(const json_value *v, arena *memory, slice *ret, err *e) {
    slice text;
    TRY(check_text(v, "hash", false, &text, e));
    *ret = arena_copy(memory, text);
    return ret->data == NULL ? no_memory(e) : STATUS_OK;
}

status trust_read_revoked(const json_value *row, arena *memory, trust_revoked *ret, err *e) {
    static const char *const known[] = {"subject", "hash", "before", "reason"};
    trust_revoked r = {.shown.before_s = TOKEN_SECONDS_MAX};
    TRY(check_members(row, known, COUNT(known), e));
    const json_value *hash = json_get(row, "hash");
    if ((hash == NULL) == (json_get(row, "subject") == NULL)) {
        return err_set(e, STATUS_INVALID, "needs either a subject (a public key) or a hash (64 hex digits)");
    }
    bool has_before;
    TRY(read_date(row, "before", &has_before, &r.shown.before_s, e));
    if (hash != NULL && has_before) {
        return err_set(e, STATUS_INVALID, "has a before, but a hash is revoked for all time; remove it");
    }
    TRY(read_text(row, "reason", memory, &r.shown.reason, e));
    if (hash != NULL) {
        TRY(read_revoked_hash(hash, memory, &r.shown.content_hash, e));
    } else {
        nkey_public subject;
        TRY(read_key(row, "subject", &subject, e));
        nkey_text text = nkey_public_text(&subject);
        r.shown.subject = arena_copy(memory, slice_from_text(text.text));
        if (r.shown.subject.data == NULL) {
            return no_memory(e);
        }
    }
    if (!trust_revoked_parse(&r)) {
        return err_set(e, STATUS_INVALID, "hash must be 64 hex digits, the content hash of a component");
    }
    *ret = r;
    return STATUS_OK;
}

// --- lists of rows -----------------------------------------------------------------------------------------

typedef status (*row_reader)(const json_value *row, trust_store *s, err *e);

static status take_issuer(const json_value *row, trust_store *s, err *e) {
    trust_issuer i;
    TRY(trust_read_issuer(row, &s->memory, &i, e));
    TRUST_GROW(s->issuers, s->issuer_count, s->issuer_capacity);
    s->issuers[s->issuer_count++] = i;
    return STATUS_OK;
}

static status take_minimum(const json_value *row, trust_store *s, err *e) {
    trust_minimum m = {0};
    TRY(read_minimum(row, &m, e));
    TRY(trust_check_minimum(&m, e));
    TRUST_GROW(s->minimums, s->minimum_count, s->minimum_capacity);
    s->minimums[s->minimum_count++] = m;
    return STATUS_OK;
}

static status take_revoked(const json_value *row, trust_store *s, err *e) {
    trust_revoked r;
    TRY(trust_read_revoked(row, &s->memory, &r, e));
    TRUST_GROW(s->revoked, s->revoked_count, s->revoked_capacity);
    s->revoked[s->revoked_count++] = r;
    return STATUS_OK;
}

static status read_rows(const json_value *document, const char *name, size_t max, row_reader take,
                        trust_store *s, err *e) {
    const json_value *rows = json_get(document, name);
    if (rows == NULL) {
        return STATUS_OK;
    }
    if (!json_is_array(rows) || json_count(rows) > max) {
        return err_set(e, STATUS_INVALID, "%s must be a list of at most %zu objects", name, max);
    }
    for (size_t i = 0; i < json_count(rows); i++) {
        if (take(json_at(rows, i), s, e) != STATUS_OK) {
            return err_wrap(e, "%s[%zu]", name, i);
        }
    }
    return STATUS_OK;
}

// --- duplicates --------------------------------------------------------------------------------------------

typedef struct mark {
    uint8_t digest[HASH_BYTES];
    size_t index;
} mark;

static int compare_marks(const void *a, const void *b) {
    const mark *x = a, *y = b;
    int order = memcmp(x->digest, y->digest, HASH_BYTES);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

static status find_twin(mark *marks, size_t count, const char *name, err *e) {
    qsort(marks, count, sizeof *marks, compare_marks);
    for (size_t i = 1; i < count; i++) {
        if (hash_equal(marks[i - 1].digest, marks[i].digest)) {
            return err_set(e, STATUS_INVALID, "%s[%zu] says what %s[%zu] says; remove one", name,
                           marks[i].index, name, marks[i - 1].index);
        }
    }
    return STATUS_OK;
}

static status check_duplicates(const trust_store *s, err *e) {
    size_t count = s->issuer_count > s->revoked_count ? s->issuer_count : s->revoked_count;
    mark *marks = mem_calloc(count + 1, sizeof *marks);
    for (size_t i = 0; i < s->issuer_count; i++) {
        marks[i].index = i;
        trust_digest_row(trust_issuer_json(&s->issuers[i], false), marks[i].digest);
    }
    status result = find_twin(marks, s->issuer_count, "issuers", e);
    for (size_t i = 0; i < s->revoked_count; i++) {
        token_revocation r = s->revoked[i].shown;
        r.reason = slice_empty();
        marks[i].index = i;
        trust_digest_row(trust_revoked_json(&r), marks[i].digest);
    }
    if (result == STATUS_OK) {
        result = find_twin(marks, s->revoked_count, "revoked", e);
    }
    mem_free(marks);
    return result;
}

// --- the document ------------------------------------------------------------------------------------------

static status read_parsed(const json_value *document, trust_store *s, err *e) {
    static const char *const known[] = {"version", "issuers", "minimum_revisions", "revoked"};
    TRY(check_members(document, known, COUNT(known), e));
    int64_t version;
    if (!json_as_integer(json_get(document, "version"), &version)) {
        return err_set(e, STATUS_INVALID, "has no version; write %s", example);
    }
    if (version != 1) {
        return err_set(e, STATUS_INVALID, "has version %lld, and this version of writ reads only 1",
                       (long long)version);
    }
    TRY(read_rows(document, "issuers", TRUST_ISSUERS_MAX, take_issuer, s, e));
    TRY(read_rows(document, "minimum_revisions", TRUST_SUBJECTS_MAX, take_minimum, s, e));
    TRY(trust_sort_minimums(s, e)); // once: each at its place would take the square of their number
    TRY(read_rows(document, "revoked", TRUST_SUBJECTS_MAX, take_revoked, s, e));
    return check_duplicates(s, e);
}

status trust_read_document(slice text, const char *file, trust_store *s, err *e) {
    json_value *document = NULL;
    if (text.len == 0) {
        return err_set(e, STATUS_INVALID,
                       "%s is empty, perhaps half written; to believe nobody, write {\"version\": 1}", file);
    }
    status result = json_parse(text, &document, e);
    if (result == STATUS_OK) {
        result = read_parsed(document, s, e);
    }
    json_free(document);
    s->is_changed = false;
    return result == STATUS_OK ? STATUS_OK : err_wrap(e, "%s", file);
}
