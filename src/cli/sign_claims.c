// SPDX-License-Identifier: Apache-2.0
// What a signature will say: who, until when, and what may be imported.
#include <stdio.h>

#include "cli/key_option.h"
#include "cli/options.h"
#include "cli/sign_internal.h"
#include "host/proposal.h"
#include "identity/key_store.h"
#include "os/clock.h"

// --- the subject -------------------------------------------------------------------------------------------

// A name for a key: what is not allowed in one becomes "-".
static void module_key_name(const char *base_name, char ret[SIGN_NAME_BYTES]) {
    size_t len = strlen(base_name), max = SIGN_NAME_BYTES - sizeof ".module";
    len = len > max ? max : len;
    for (size_t i = 0; i < len; i++) {
        char c = base_name[i];
        bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        ret[i] = alphanumeric || c == '_' || (i > 0 && (c == '.' || c == '-')) ? c : (i > 0 ? '-' : '_');
    }
    memcpy(ret + len, ".module", sizeof ".module");
}

static status must_be_module(const nkey_public *k, const char *what, err *e) {
    return k->kind == NKEY_MODULE
               ? STATUS_OK
               : err_set(e, STATUS_INVALID,
                         "the subject %s is a key of kind %s, but a component is named by a module key", what,
                         nkey_kind_name(k->kind));
}

static status load_subject(signing *s, const char *name, err *e) {
    nkey *k;
    TRY(cli_key_load(name, s->request->keys_dir, s->request->passphrase_file, &k, e));
    s->claims.subject = nkey_public_of(k);
    nkey_free(k);
    snprintf(s->subject_key, sizeof s->subject_key, "%s", name);
    return must_be_module(&s->claims.subject, name, e);
}

// Without --subject: that of the signature that is replaced, since it is the same component to whoever runs
// it; else the key NAME.module.
static status choose_subject(signing *s, err *e) {
    if (s->was_signed && s->old.kind == TOKEN_COMPONENT &&
        nkey_public_equal(&s->old.issuer, &s->issuer_public)) {
        s->claims.subject = s->old.subject;
        return STATUS_OK;
    }
    nkey *k;
    module_key_name(s->base_name, s->subject_key);
    TRY(cli_key_load_or_make(s->subject_key, NKEY_MODULE, s->request->keys_dir, &k, &s->subject_was_made, e));
    s->claims.subject = nkey_public_of(k);
    nkey_free(k);
    return STATUS_OK;
}

static status find_subject(signing *s, err *e) {
    const char *given = s->request->subject;
    if (given == NULL) {
        return choose_subject(s, e);
    }
    if (nkey_public_parse(slice_from_text(given), &s->claims.subject, NULL) == STATUS_OK) {
        return must_be_module(&s->claims.subject, given, e);
    }
    return load_subject(s, given, e);
}

// --- the allow-list ----------------------------------------------------------------------------------------

// Whether a --cap names the import, with whatever hosts, buckets and subjects. A proposal beside it would
// have none, and entries add up: it would undo what the --cap narrows.
static bool is_covered(const allowance *named, const allowance_entry *proposed) {
    const version_range *exact = &proposed->versions;
    return allowance_covers(named, proposed->interface,
                            exact->count > 0 ? &exact->comparisons[0].version : NULL);
}

// What was named, then what the imports need beyond that.
static status fill_allowance(signing *s, err *e) {
    const sign_request *r = s->request;
    if (r->no_allow_list) {
        return STATUS_OK;
    }
    allowance proposed = {0};
    if (r->from_imports || r->cap_count == 0) {
        TRY(host_propose_allowance(s->component, &s->memory, &proposed, e));
    }
    allowance_entry *entries = ARENA_ARRAY(&s->memory, allowance_entry, r->cap_count + proposed.count + 1);
    if (entries == NULL) {
        return err_set(e, STATUS_LIMIT, "the claims need too much memory");
    }
    allowance all = {0, entries};
    for (size_t i = 0; i < r->cap_count; i++) {
        TRY(allowance_entry_parse(slice_from_text(r->caps[i]), &s->memory, &entries[all.count], e));
        all.count++;
    }
    allowance named = all;
    for (size_t i = 0; i < proposed.count; i++) {
        if (!is_covered(&named, &proposed.entries[i])) {
            entries[all.count++] = proposed.entries[i];
        }
    }
    s->claims.has_allowance = true;
    s->claims.allow = all;
    return STATUS_OK;
}

status sign_fill_claims(signing *s, err *e) {
    const sign_request *r = s->request;
    token_claims *c = &s->claims;
    *c = (token_claims){.kind = TOKEN_COMPONENT, .issuer = s->issuer_public};
    c->wascap_revision = TOKEN_WASCAP_REVISION;
    c->name = slice_from_text(r->name != NULL ? r->name : s->base_name);
    c->version = slice_from_text(r->version);
    c->call_alias = slice_from_text(r->call_alias);
    c->has_revision = r->has_revision;
    c->revision = r->revision;
    c->tags = (token_texts){r->tag_count, r->tags};
    TRY(cli_validity_fill(&s->request->validity, clock_wall_now().seconds, &s->claims, e));
    TRY(cli_chain_load(&s->request->chain, &s->memory, &s->claims, e));
    TRY(fill_allowance(s, e));
    return find_subject(s, e);
}
