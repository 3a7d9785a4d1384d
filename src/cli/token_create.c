// SPDX-License-Identifier: Apache-2.0
// writ token create.
#include <stdio.h>
#include <string.h>

#include "cli/key_option.h"
#include "cli/token_internal.h"
#include "cli/validity.h"
#include "codec/date.h"
#include "identity/key_store.h"
#include "os/clock.h"

enum { REVOKED_MAX = TOKEN_LIST_MAX, TEXT_ARENA_BYTES = 4 << 20, HASH_TEXT_LEN = 2 * HASH_BYTES };

// What the command line asks for; texts are those of argv.
typedef struct token_request {
    token_claims claims;
    bool has_kind;
    const char *issuer;
    const char *subject;
    const char *keys_dir;
    const char *passphrase_file;
    cli_validity validity;
    const char *reason;
    slice signers[TOKEN_LIST_MAX];
    size_t signer_count;
    token_pair labels[TOKEN_LIST_MAX];
    size_t label_count;
    cli_chain chain;
    token_revocation revoked[REVOKED_MAX];
    size_t revoked_count;
    arena memory;
    cli_output output;
} token_request;

// --- options -----------------------------------------------------------------------------------------------

static status set_kind(void *target, const char *value, err *e) {
    token_request *r = target;
    token_kind kind;
    if (!token_kind_parse(slice_from_text(value), &kind)) {
        return err_set(e, STATUS_INVALID,
                       "\"%.20s\" is not a kind; write operator, account, cluster, host or revocations",
                       value);
    }
    if (kind == TOKEN_COMPONENT || kind == TOKEN_PROVIDER) {
        return err_set(e, STATUS_INVALID, "the token of a %s is issued by `writ %s`", value,
                       kind == TOKEN_COMPONENT ? "sign" : "par create");
    }
    r->claims.kind = kind;
    r->has_kind = true;
    return STATUS_OK;
}

CLI_KEEP_TEXT(set_issuer, token_request, issuer);
CLI_KEEP_TEXT(set_subject, token_request, subject);
CLI_KEEP_TEXT(set_keys_dir, token_request, keys_dir);
CLI_KEEP_TEXT(set_passphrase_file, token_request, passphrase_file);
CLI_KEEP_TEXT(set_lasts_for, token_request, validity.lasts_for);
CLI_KEEP_TEXT(set_until, token_request, validity.until);
CLI_KEEP_TEXT(set_not_before, token_request, validity.not_before);
CLI_KEEP_TEXT(set_at, token_request, validity.at);
CLI_KEEP_TEXT(set_reason, token_request, reason);

static status set_name(void *target, const char *value, err *e) {
    (void)e;
    ((token_request *)target)->claims.name = slice_from_text(value);
    return STATUS_OK;
}

static status too_many(size_t max, err *e) {
    return err_set(e, STATUS_INVALID, "more than %zu of them", max);
}

static status add_signer(void *target, const char *value, err *e) {
    token_request *r = target;
    nkey_public key;
    TRY(nkey_public_parse(slice_from_text(value), &key, e));
    if (r->signer_count >= TOKEN_LIST_MAX) {
        return too_many(TOKEN_LIST_MAX, e);
    }
    r->signers[r->signer_count++] = slice_from_text(value);
    return STATUS_OK;
}

static status add_label(void *target, const char *value, err *e) {
    token_request *r = target;
    const char *equals = strchr(value, '=');
    if (equals == NULL || equals == value) {
        return err_set(e, STATUS_INVALID, "write it as NAME=VALUE");
    }
    if (r->label_count >= TOKEN_LIST_MAX) {
        return too_many(TOKEN_LIST_MAX, e);
    }
    r->labels[r->label_count++] =
        (token_pair){slice_of(value, (size_t)(equals - value)), slice_from_text(equals + 1)};
    return STATUS_OK;
}

static status add_chain(void *target, const char *value, err *e) {
    return cli_chain_add(&((token_request *)target)->chain, value, e);
}

static status set_number(void *target, const char *value, err *e) {
    return cli_parse_number(value, 1, INT64_MAX, &((token_request *)target)->claims.revocation_number, e);
}

// KEY, KEY@DATE or the hash of a component.
static status parse_revoked(const char *value, token_revocation *ret, err *e) {
    slice text = slice_from_text(value);
    *ret = (token_revocation){.before_s = TOKEN_SECONDS_MAX};
    if (text.len == HASH_TEXT_LEN && slice_find(text, 0, '@') == SIZE_MAX) {
        ret->content_hash = text;
        return STATUS_OK;
    }
    size_t at = slice_find(text, 0, '@');
    ret->subject = slice_sub(text, 0, at);
    nkey_public key;
    TRY(nkey_public_parse(ret->subject, &key, e));
    if (at != SIZE_MAX && !date_parse(slice_sub(text, at + 1, text.len), &ret->before_s)) {
        return err_set(e, STATUS_INVALID, "what follows \"@\" is not a date such as 2027-01-31");
    }
    return STATUS_OK;
}

static status add_revoked(void *target, const char *value, err *e) {
    token_request *r = target;
    if (r->revoked_count >= REVOKED_MAX) {
        return too_many(REVOKED_MAX, e);
    }
    TRY(parse_revoked(value, &r->revoked[r->revoked_count], e));
    r->revoked_count++;
    return STATUS_OK;
}

CLI_KEEP_OUTPUT(set_output, token_request, output);

static const cli_option options[] = {
    {"kind", 0, "KIND", "operator, account, cluster, host or revocations", set_kind},
    {"subject", 's', "KEY", "whom it is for: a stored key, a seed file by its path, or a public key",
     set_subject},
    {"issuer", 'i', "KEY", "who signs: a stored key, or a seed file by its path (the subject itself)",
     set_issuer},
    {"name", 'n', "NAME", "a name for people", set_name},
    CLI_OPTION_FOR(set_lasts_for),
    CLI_OPTION_UNTIL(set_until),
    CLI_OPTION_NOT_BEFORE(set_not_before),
    {"signer", 0, "KEY", "a further public key of the subject; may be repeated", add_signer},
    {"label", 'l', "NAME=VALUE", "a label of a host; may be repeated", add_label},
    CLI_OPTION_CHAIN(add_chain),
    {"number", 0, "N", "of a list of revocations; higher than in the list before it", set_number},
    {"revoke", 0, "WHAT", "KEY, KEY@DATE (issued before it) or a component's hash; may be repeated",
     add_revoked},
    {"reason", 0, "TEXT", "why, for people; of all that is revoked", set_reason},
    {"at", 0, "DATE", "the date of the signature (now)", set_at},
    CLI_OPTION_KEYS(set_keys_dir),
    CLI_OPTION_PASSPHRASE_FILE(set_passphrase_file),
    {"output", 'o', "text|json", "format (text: the token alone)", set_output},
};

static const cli_command command = {
    .name = "token create",
    .usage = "[OPTIONS] --kind KIND --subject KEY",
    .summary = "Issue a token and print it.",
    .details =
        "Accounts are vouched for by operators, hosts by accounts, operators or clusters; each may also\n"
        "issue its own. A list of revocations is issued by the account or operator whose word it is.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ token create --kind operator --subject acme-operator --name Acme\n"
                "  writ token create --kind account --subject web --issuer acme-operator --for 1y >web.jwt\n"
                "  writ token create --kind revocations --subject web --number 2 --revoke MABC...",
};

// --- work --------------------------------------------------------------------------------------------------

// What the options cannot check alone.
static status check(const token_request *r, err *e) {
    if (!r->has_kind || r->subject == NULL) {
        return err_set(e, STATUS_INVALID,
                       "a token needs --kind KIND and --subject KEY\n  (try: writ token create --help)");
    }
    bool is_list = r->claims.kind == TOKEN_REVOCATIONS, is_host = r->claims.kind == TOKEN_HOST;
    if (is_list != (r->claims.revocation_number > 0) || (!is_list && r->revoked_count > 0)) {
        return err_set(e, STATUS_INVALID, "a list of revocations needs --number, and only it has --revoke");
    }
    if ((r->label_count > 0 && !is_host) || (r->signer_count > 0 && (is_host || is_list))) {
        return err_set(e, STATUS_INVALID,
                       "labels are for hosts, signers for operators, accounts and clusters");
    }
    return cli_validity_check(&r->validity, e);
}

static status find_stored(const token_request *r, nkey_public *ret, err *e) {
    auto_buf path = {0};
    key_store *store = NULL;
    key_store_entry found;
    TRY(cli_keys_directory(r->keys_dir, &path, e));
    TRY(key_store_open(buf_text(&path), false, &store, e));
    status s = key_store_find(store, r->subject, &found, e);
    key_store_close(store);
    TRY(s);
    *ret = found.public_key;
    return STATUS_OK;
}

// A stored key's public half needs no passphrase.
static status find_subject(token_request *r, err *e) {
    nkey_public *subject = &r->claims.subject;
    if (nkey_public_parse(slice_from_text(r->subject), subject, NULL) == STATUS_OK) {
        return STATUS_OK;
    }
    if (strchr(r->subject, '/') == NULL) {
        return find_stored(r, subject, e);
    }
    nkey *k = NULL;
    TRY(cli_key_load(r->subject, r->keys_dir, r->passphrase_file, &k, e));
    *subject = nkey_public_of(k);
    nkey_free(k);
    return STATUS_OK;
}

static void fill_lists(token_request *r) {
    token_claims *c = &r->claims;
    c->valid_signers = (token_texts){r->signer_count, r->signers};
    c->labels = (token_pairs){r->label_count, r->labels};
    for (size_t i = 0; i < r->revoked_count; i++) {
        r->revoked[i].reason = slice_from_text(r->reason);
    }
    c->revocation_count = r->revoked_count;
    c->revocations = r->revoked;
}

static status issue(token_request *r, buf *ret, err *e) {
    TRY(find_subject(r, e));
    TRY(cli_validity_fill(&r->validity, clock_wall_now().seconds, &r->claims, e));
    fill_lists(r);
    nkey *issuer = NULL;
    const char *name = r->issuer != NULL ? r->issuer : r->subject;
    TRY(cli_key_load(name, r->keys_dir, r->passphrase_file, &issuer, e));
    r->claims.issuer = nkey_public_of(issuer);
    status s = cli_chain_load(&r->chain, &r->memory, &r->claims, e);
    s = s == STATUS_OK ? token_write(&r->claims, issuer, ret, e) : s;
    nkey_free(issuer);
    return s;
}

static status print(const token_request *r, slice token, err *e) {
    if (r->output == CLI_TEXT) {
        printf("%.*s\n", SLICE_ARG(token));
        return STATUS_OK;
    }
    auto_arena memory = {0};
    arena_init(&memory, TOKEN_ARENA_BYTES);
    token_claims written;
    refusal why;
    TRY(token_read(token, &memory, &written, &why, e));
    json_value *document = json_object_new();
    json_put_text(document, "token", token);
    json_put(document, "claims", token_to_json(&written));
    cli_print_json(document);
    return STATUS_OK;
}

static status create(token_request *r, err *e) {
    auto_buf token = {0};
    buf_init(&token, TOKEN_BYTES_MAX);
    TRY(issue(r, &token, e));
    return print(r, buf_slice(&token), e);
}

static int run(token_request *r, int argc, char **argv) {
    err e = {0};
    status s = cli_parse(&command, argc, argv, r, &e);
    if (s == STATUS_CANCELLED) {
        return CLI_EXIT_OK;
    }
    s = s == STATUS_OK ? check(r, &e) : s;
    if (s != STATUS_OK) {
        cli_fail(&e, r->output);
        return CLI_EXIT_USAGE;
    }
    return create(r, &e) == STATUS_OK ? CLI_EXIT_OK : cli_fail(&e, r->output);
}

int cli_token_create(int argc, char **argv) {
    token_request r = {0};
    arena_init(&r.memory, TEXT_ARENA_BYTES);
    int code = run(&r, argc, argv);
    arena_done(&r.memory);
    return code;
}
