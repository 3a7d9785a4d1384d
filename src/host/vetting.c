// SPDX-License-Identifier: Apache-2.0
#include "host/vetting.h"

#include <stdio.h>

#include "base/mem.h"
#include "codec/shell_word.h"
#include "codec/utf.h"
#include "os/whole_file.h"

static void host_failed(vetting *v, const err *why) {
    if (v->host_error.code == STATUS_OK) {
        v->host_error = *why;
    }
}

// --- what this host says -----------------------------------------------------------------------------------

static status load_trust(const host_config *config, vetting *v, err *e) {
    TRY(host_settings_load(HOST_SETTINGS_SYSTEM_PATH, config->settings_path, &v->settings, e));
    TRY(host_settings_trust_store(&v->settings, config->trust_named, config->trust_usual, &v->trust_path, e));
    if (v->trust_path == NULL) {
        v->trust = trust_store_new();
        return STATUS_OK;
    }
    status s = trust_store_load(v->trust_path, &v->trust, e);
    if (s == STATUS_INVALID && e != NULL) {
        e->code = STATUS_IO; // it is this machine that is set up wrongly, not the component
        s = STATUS_IO;
    }
    return s == STATUS_OK ? s : err_wrap(e, "trust store of this host");
}

// An empty file is no token, and must not read as "none was given".
static status load_token(const workload_config *config, vetting *v, slice *ret, err *e) {
    *ret = slice_empty();
    if (config->token_path == NULL) {
        return STATUS_OK;
    }
    TRY(file_read_whole(config->token_path, TOKEN_BYTES_MAX + 2, &v->token, e));
    *ret = slice_trimmed(buf_slice(&v->token));
    return ret->len > 0 ? STATUS_OK
                        : err_set(e, STATUS_DENIED, "%s: the file is empty, not a token", config->token_path);
}

// --- what was withdrawn, whoever signed it -----------------------------------------------------------------

// Verification asks about revocations only for issuers that it knows. What may run under --unsigned has none,
// and is looked up by what it is: its bytes, and the keys that it was signed for or by, up to the last who
// vouches for them.
static bool is_token_revoked(const token_claims *c, const token_revocation *r) {
    nkey_public key;
    if (r->before_s < TOKEN_SECONDS_MAX && c->issued_at_s >= r->before_s) {
        return false;
    }
    return nkey_public_parse(r->subject, &key, NULL) != STATUS_OK || nkey_public_equal(&c->subject, &key) ||
           nkey_public_equal(&c->issuer, &key);
}

static bool is_revoked(const verification *found, const token_revocation *r) {
    if (r->content_hash.len > 0) {
        char hash[HASH_HEX_BYTES];
        hash_hex(found->envelope.hash, hash);
        return slice_equal_nocase(r->content_hash, slice_from_text(hash));
    }
    bool is_found = found->has_token && is_token_revoked(&found->claims, r);
    for (size_t i = 0; i < found->chain_count && !is_found; i++) {
        is_found = is_token_revoked(&found->chain[i], r);
    }
    return is_found;
}

static void revoke(vetting *v, const char *by, const token_revocation *r) {
    bool has_reason = r->reason.len > 0;
    char reason[200];
    v->found.reason = REFUSAL_REVOKED;
    err_set(&v->found.error, STATUS_DENIED,
            "the component was withdrawn by %s%s%s; get a newer one from its maker", by,
            has_reason ? ": " : "", utf8_shown(r->reason, reason, sizeof reason));
}

static void look_for_revocation(vetting *v) {
    for (size_t i = 0; i < trust_store_revoked_count(v->trust); i++) {
        if (is_revoked(&v->found, trust_store_revoked_at(v->trust, i))) {
            revoke(v, "the owner of this host", trust_store_revoked_at(v->trust, i));
            return;
        }
    }
    for (size_t i = 0; i < trust_store_list_count(v->trust); i++) {
        const token_claims *list = trust_store_list_at(v->trust, i);
        for (size_t j = 0; j < list->revocation_count; j++) {
            if (is_revoked(&v->found, &list->revocations[j])) {
                revoke(v, nkey_public_text(&list->issuer).text, &list->revocations[j]);
                return;
            }
        }
    }
}

// Unsigned, or signed by somebody whom nobody here trusts with it: what --unsigned is for.
static bool is_merely_untrusted(refusal r) {
    return r == REFUSAL_UNSIGNED || r == REFUSAL_UNKNOWN_ISSUER || r == REFUSAL_WRONG_ISSUER;
}

void vetting_examine(const host_config *host, const workload_config *config, slice bytes, uint64_t now_s,
                     vetting *ret) {
    *ret = (vetting){0};
    err e = {0};
    if (load_trust(host, ret, &e) != STATUS_OK) {
        host_failed(ret, &e);
    }
    verify_input input = {.bytes = bytes, .trust = ret->trust, .now_s = now_s};
    if (load_token(config, ret, &input.detached_token, &e) != STATUS_OK) {
        host_failed(ret, &e);
    }
    verify_component(&input, &ret->found);
    if (ret->found.has_token) {
        ret->issuer = nkey_public_text(&ret->found.claims.issuer);
    }
    ret->found.envelope.token = slice_empty(); // it points into the bytes, which may go
    if (ret->trust != NULL && is_merely_untrusted(ret->found.reason)) {
        look_for_revocation(ret);
    }
}

void vetting_done(vetting *v) {
    verification_done(&v->found);
    trust_store_free(v->trust);
    host_settings_done(&v->settings);
    buf_done(&v->token);
    *v = (vetting){0};
}

// --- the answer --------------------------------------------------------------------------------------------

// A path as a word of the command lines that a refusal advises.
static const char *word_of(const char *path, buf *ret) {
    buf_init(ret, ERR_MESSAGE_BYTES_MAX);
    status s = shell_word_append(ret, slice_from_text(path));
    return s == STATUS_OK && buf_text(ret) != NULL ? buf_text(ret) : path;
}

// What to type to run it all the same: `writ run --unsigned COMPONENT`, or the same for its manifest.
static const char *unsigned_of(const workload_config *config) {
    return config->manifest_path != NULL ? "writ up --unsigned" : "writ run --unsigned";
}

static const char *started_of(const workload_config *config, buf *ret) {
    return word_of(config->manifest_path != NULL ? config->manifest_path : config->component_path, ret);
}

static status refuse_unsigned(const vetting *v, const workload_config *config, err *e) {
    auto_buf word = {0}, started_word = {0};
    const char *path = config->component_path, *typed = word_of(path, &word);
    if (v->settings.is_locked) {
        return err_set(e, STATUS_DENIED,
                       "%s is not signed, and this host runs signed components only (require_signatures = "
                       "locked)\n  sign it, or have its maker sign it:  writ sign %s",
                       path, typed);
    }
    return err_set(e, STATUS_DENIED,
                   "%s is not signed, so nobody vouches for it. Two ways on:\n"
                   "  sign it:                       writ sign %s\n"
                   "  run it unsigned, this once:    %s %s",
                   path, typed, unsigned_of(config), started_of(config, &started_word));
}

static status refuse_unknown(const vetting *v, const host_config *host, const workload_config *config,
                             err *e) {
    auto_buf path_word = {0}, store_word = {0};
    const char *path = config->component_path, *store = v->trust_path;
    bool is_usual = store == NULL || (host->trust_named == NULL && v->settings.trust_store == NULL);
    return err_set(e, STATUS_DENIED,
                   "%s was signed by %s, whom this host does not trust.\n"
                   "  if you know whose key that is:  writ trust add%s%s %s%s%s%s%s",
                   path, v->issuer.text, is_usual ? "" : " --trust ",
                   is_usual ? "" : word_of(store, &store_word), v->issuer.text,
                   v->settings.is_locked ? "" : "\n  run it unchecked, this once:    ",
                   v->settings.is_locked ? "" : unsigned_of(config), v->settings.is_locked ? "" : " ",
                   v->settings.is_locked ? "" : started_of(config, &path_word));
}

status vetting_check(vetting *v, const host_config *host, const workload_config *config, err *e) {
    refusal why = v->found.reason;
    v->allows_unsigned = false;
    if (v->host_error.code != STATUS_OK) {
        return err_set(e, v->host_error.code, "%s", v->host_error.message);
    }
    if (config->is_unsigned && v->settings.is_locked) {
        return err_set(e, STATUS_DENIED,
                       "--unsigned is not possible on this host: its settings say require_signatures = "
                       "locked");
    }
    if ((config->has_test_clock || config->has_test_seed) && v->settings.is_locked) {
        return err_set(e, STATUS_DENIED,
                       "--test-clock and --test-seed are not possible on this host: its settings say "
                       "require_signatures = locked");
    }
    if (why == REFUSAL_NONE) {
        return STATUS_OK;
    }
    if (is_merely_untrusted(why) && config->is_unsigned) {
        v->allows_unsigned = true;
        return STATUS_OK;
    }
    if (why == REFUSAL_UNSIGNED) {
        return refuse_unsigned(v, config, e);
    }
    if (why == REFUSAL_UNKNOWN_ISSUER) {
        return refuse_unknown(v, host, config, e);
    }
    return err_set(e, STATUS_DENIED, "%s: refused (%s): %s%s", config->component_path, refusal_name(why),
                   v->found.error.message,
                   config->is_unsigned ? ". --unsigned does not help: a token that is there must be right"
                                       : "");
}

const grants_writ *vetting_writ(const vetting *v, grants_writ *ret) {
    const token_claims *c = vetting_claims(v);
    if (c == NULL) {
        return NULL;
    }
    *ret = (grants_writ){.writ = c->has_allowance ? &c->allow : NULL,
                         .trust = v->found.trust.has_allowance ? &v->found.trust.allow : NULL,
                         .issuer = v->issuer.text};
    return ret;
}

bool vetting_expiry(const vetting *v, uint64_t *ret_s) {
    uint64_t end = UINT64_MAX;
    if (v->found.has_token && v->found.claims.has_expiry) {
        end = v->found.claims.expires_at_s;
    }
    for (size_t i = 0; i < v->found.chain_count; i++) {
        const token_claims *c = &v->found.chain[i];
        end = c->has_expiry && c->expires_at_s < end ? c->expires_at_s : end;
    }
    const trust_issuer *believed = v->found.trust.believed;
    if (believed != NULL && believed->has_until && believed->until_s < end) {
        end = believed->until_s;
    }
    *ret_s = end;
    return end != UINT64_MAX;
}
