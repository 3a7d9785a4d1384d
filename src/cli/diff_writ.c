// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/diff_internal.h"
#include "codec/date.h"

enum { ENTRY_BYTES_MAX = 2048, DAY_S = 24 * 60 * 60 };

// --- allow-lists -------------------------------------------------------------------------------------------

// Which of two lists has more than the other, and how to say so.
typedef struct direction {
    const allowance *wider;
    const allowance *narrower;
    diff_effect effect;
    const char *may; // "may", "may no longer"
} direction;

static const char *verb_of(allowance_resource resource) {
    static const char *const verbs[] = {"reach", "use the bucket", "use the subject"};
    return verbs[resource];
}

// Whether the other list allows the interface with this one list of names, and no other name.
static bool allows(const allowance *a, const allowance_entry *entry, int resource,
                   const allowance_names *names) {
    static const allowance_names none = {.is_given = true};
    allowance_entry asked = *entry;
    for (int r = 0; r < ALLOWANCE_RESOURCE_COUNT; r++) {
        asked.names[r] = r == resource ? *names : none;
    }
    const allowance one = {1, &asked};
    const allowance_entry *which;
    return allowance_within(a, &one, &which);
}

static void compare_names(const direction *d, const allowance_entry *entry, slice head, int r,
                          diff_list *ret) {
    const allowance_names *names = &entry->names[r];
    if (!names->is_given) {
        static const char *const any[] = {"reach every host", "use every bucket", "use every subject"};
        if (!allows(d->narrower, entry, r, names)) {
            diff_add(ret, d->effect, "allow", "%.*s: %s %s", SLICE_ARG(head), d->may, any[r]);
        }
        return;
    }
    for (size_t i = 0; i < names->count; i++) {
        const allowance_names one = {true, 1, &names->names[i]};
        if (!allows(d->narrower, entry, r, &one)) {
            diff_add(ret, d->effect, "allow", "%.*s: %s %s %.*s", SLICE_ARG(head), d->may,
                     verb_of((allowance_resource)r), SLICE_ARG(names->names[i]));
        }
    }
}

// The entry without its names.
static slice head_of(const allowance_entry *entry, buf *text) {
    const allowance_entry head = {
        .interface = entry->interface, .version_text = entry->version_text, .versions = entry->versions};
    buf_init(text, ENTRY_BYTES_MAX);
    return allowance_entry_format(&head, text) == STATUS_OK ? buf_slice(text) : entry->interface;
}

static void compare_entries(const direction *d, diff_list *ret) {
    static const allowance_names none = {.is_given = true};
    for (size_t i = 0; i < d->wider->count && !ret->is_cut; i++) {
        const allowance_entry *entry = &d->wider->entries[i];
        const allowance one = {1, entry};
        const allowance_entry *which;
        if (allowance_within(d->narrower, &one, &which)) {
            continue;
        }
        auto_buf text = {0}, whole = {0};
        slice head = head_of(entry, &text);
        if (allows(d->narrower, entry, ALLOWANCE_HOSTS, &none)) {
            for (int r = 0; r < ALLOWANCE_RESOURCE_COUNT; r++) {
                compare_names(d, entry, head, r, ret);
            }
            continue;
        }
        buf_init(&whole, DIFF_TEXT_BYTES_MAX);
        slice shown = allowance_entry_format(entry, &whole) == STATUS_OK ? buf_slice(&whole) : head;
        diff_add(ret, d->effect, "allow", "%s import %.*s", d->may, SLICE_ARG(shown));
    }
}

static void compare_allowances(const token_claims *old, const token_claims *new, diff_list *ret) {
    if (old->has_allowance && new->has_allowance) {
        compare_entries(&(direction){&new->allow, &old->allow, DIFF_MORE, "may now"}, ret);
        compare_entries(&(direction){&old->allow, &new->allow, DIFF_LESS, "may no longer"}, ret);
    } else if (old->has_allowance) {
        diff_add(ret, DIFF_MORE, "allow", "its writ has no allow-list any more: it may import anything");
    } else if (new->has_allowance) {
        diff_add(ret, DIFF_LESS, "allow", "its writ now has an allow-list of %zu %s; it had none before",
                 new->allow.count, new->allow.count == 1 ? "entry" : "entries");
    }
}

// --- who vouches, and for how long -------------------------------------------------------------------------

static void compare_keys(const token_claims *old, const token_claims *new, diff_list *ret) {
    if (!nkey_public_equal(&old->issuer, &new->issuer)) {
        diff_add(ret, DIFF_MORE, "issuer", "signed by somebody else: %s instead of %s",
                 nkey_public_text(&new->issuer).text, nkey_public_text(&old->issuer).text);
    }
    if (!nkey_public_equal(&old->subject, &new->subject)) {
        diff_add(
            ret, DIFF_MORE, "subject",
            "it says to be another component: %s instead of %s; minimum revisions and revocations of the "
            "old one do not hold for it",
            nkey_public_text(&new->subject).text, nkey_public_text(&old->subject).text);
    }
}

static void compare_text(slice old, slice new, const char *what, diff_list *ret) {
    if (!slice_equal(old, new)) {
        diff_add(ret, DIFF_OTHER, what, "\"%.*s\" instead of \"%.*s\"", SLICE_ARG(new), SLICE_ARG(old));
    }
}

static void compare_revisions(const token_claims *old, const token_claims *new, diff_list *ret) {
    if (old->has_revision && !new->has_revision) {
        diff_add(ret, DIFF_MORE, "revision", "it has no revision any more (it was %d)", old->revision);
    } else if (old->has_revision && new->revision < old->revision) {
        diff_add(ret, DIFF_MORE, "revision", "%d is lower than %d: this is a step back", new->revision,
                 old->revision);
    } else if (new->has_revision && (!old->has_revision || new->revision != old->revision)) {
        char was[32] = "none";
        if (old->has_revision) {
            snprintf(was, sizeof was, "%d", old->revision);
        }
        diff_add(ret, DIFF_OTHER, "revision", "%d instead of %s", new->revision, was);
    }
}

static uint64_t lifetime_s(const token_claims *c) {
    return c->expires_at_s > c->issued_at_s ? c->expires_at_s - c->issued_at_s : 0;
}

// A later end is what every update has; a longer life is more than before.
static void compare_ends(const token_claims *old, const token_claims *new, diff_list *ret) {
    char until[DATE_TEXT_BYTES], was[DATE_TEXT_BYTES];
    date_text(new->expires_at_s, until);
    date_text(old->expires_at_s, was);
    if (!new->has_expiry) {
        if (old->has_expiry) {
            diff_add(ret, DIFF_MORE, "validity", "valid without end; it was valid until %s", was);
        }
        return;
    }
    if (!old->has_expiry) {
        diff_add(ret, DIFF_LESS, "validity", "valid until %s; it had no end before", until);
        return;
    }
    if (new->expires_at_s == old->expires_at_s && lifetime_s(new) == lifetime_s(old)) {
        return;
    }
    uint64_t days_new = lifetime_s(new) / DAY_S, days_old = lifetime_s(old) / DAY_S;
    diff_effect effect = days_new == days_old ? DIFF_OTHER : days_new > days_old ? DIFF_MORE : DIFF_LESS;
    if (effect == DIFF_OTHER) {
        diff_add(ret, effect, "validity", "valid until %s instead of %s, %llu days from signing as before",
                 until, was, (unsigned long long)days_new);
        return;
    }
    diff_add(ret, effect, "validity", "valid until %s instead of %s: %llu days from signing instead of %llu",
             until, was, (unsigned long long)days_new, (unsigned long long)days_old);
}

static void compare_starts(const token_claims *old, const token_claims *new, diff_list *ret) {
    uint64_t from_new = new->has_not_before ? new->not_before_s : 0;
    uint64_t from_old = old->has_not_before ? old->not_before_s : 0;
    if (from_new != from_old) {
        char from[DATE_TEXT_BYTES];
        diff_add(ret, DIFF_OTHER, "validity", "not valid before %s",
                 from_new == 0 ? "... (no bound)" : date_text(from_new, from));
    }
}

// --- the whole ---------------------------------------------------------------------------------------------

static void tell_unbelieved(const diff_side *side, const char *which, diff_effect effect, diff_list *ret) {
    bool is_unsigned = side->v.reason == REFUSAL_UNSIGNED;
    if (!side->is_believed && !is_unsigned) {
        diff_add(ret, effect, "signature",
                 "the token of the %s version is not believed and was not looked at: %s", which,
                 side->v.error.message);
    } else if (side->is_believed && side->v.reason != REFUSAL_NONE) {
        diff_add(ret, DIFF_OTHER, "validity", "the %s version would not start now: %s", which,
                 side->v.error.message);
    }
}

void diff_writs(const diff_side *old, const diff_side *new, diff_list *ret) {
    tell_unbelieved(new, "new", DIFF_MORE, ret);
    tell_unbelieved(old, "old", DIFF_OTHER, ret);
    const token_claims *was = &old->v.claims, *is = &new->v.claims;
    if (old->is_believed && !new->is_believed) {
        diff_add(ret, DIFF_MORE, "signature",
                 "nobody vouches for the new version; the old one was signed by %s%s",
                 nkey_public_text(&was->issuer).text,
                 was->has_allowance ? ", and its writ limited what it may import" : "");
    } else if (!old->is_believed && new->is_believed) {
        diff_add(ret, DIFF_LESS, "signature", "the new version is signed by %s%s",
                 nkey_public_text(&is->issuer).text,
                 is->has_allowance ? ", and its writ limits what it may import" : "");
    }
    if (!old->is_believed || !new->is_believed) {
        return;
    }
    compare_keys(was, is, ret);
    compare_revisions(was, is, ret);
    compare_ends(was, is, ret);
    compare_starts(was, is, ret);
    compare_allowances(was, is, ret);
    compare_text(was->name, is->name, "name", ret);
    compare_text(was->version, is->version, "version", ret);
}
