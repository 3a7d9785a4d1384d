// SPDX-License-Identifier: Apache-2.0
// writ trust revoke and import: withdrawing by the owner of a host, or by an issuer for all who trust it.
#include <stdio.h>
#include <string.h>

#include "cli/key_option.h"
#include "cli/trust_internal.h"
#include "codec/date.h"
#include "os/replace.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

CLI_KEEP_TEXT(set_operand, trust_request, operand);
CLI_KEEP_TEXT(set_trust, trust_request, trust);
CLI_KEEP_TEXT(set_reason, trust_request, reason);
CLI_KEEP_TEXT(set_issuer, trust_request, issuer);
CLI_KEEP_TEXT(set_keys, trust_request, keys);
CLI_KEEP_TEXT(set_passphrase_file, trust_request, passphrase_file);
CLI_KEEP_TEXT(set_from, trust_request, from);
CLI_KEEP_TEXT(set_out, trust_request, out);
CLI_KEEP_OUTPUT(set_output, trust_request, output);

static status push(trust_request *r, const token_revocation *revocation, err *e) {
    if (r->revocation_count == TOKEN_REVOCATIONS_MAX) {
        return err_set(e, STATUS_LIMIT, "a list holds at most %d revocations", TOKEN_REVOCATIONS_MAX);
    }
    r->revocations[r->revocation_count++] = *revocation;
    return STATUS_OK;
}

static status set_subject(void *target, const char *value, err *e) { // a name may be in --keys, still to come
    return push(target, &(token_revocation){.subject = slice_from_text(value), .before_s = TOKEN_SECONDS_MAX},
                e);
}

static status set_hash(void *target, const char *value, err *e) {
    if (strlen(value) != 2 * HASH_BYTES || strspn(value, "0123456789abcdefABCDEF") != 2 * HASH_BYTES) {
        return err_set(e, STATUS_INVALID,
                       "\"%.80s\" is no content hash: 64 hex digits (writ inspect shows it)", value);
    }
    trust_request *r = target;
    char *upper = arena_text(&r->memory, slice_from_text(value)); // as tokens write it
    for (char *p = upper; p != NULL && *p != '\0'; p++) {
        *p = *p >= 'a' ? (char)(*p - 'a' + 'A') : *p;
    }
    if (upper == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for more hashes");
    }
    token_revocation all = {.content_hash = slice_from_text(upper), .before_s = TOKEN_SECONDS_MAX};
    return push(r, &all, e);
}

static status set_before(void *target, const char *value, err *e) {
    trust_request *r = target;
    if (strcmp(value, "now") == 0) {
        r->before_s = r->now_s;
    } else if (!date_parse(slice_from_text(value), &r->before_s)) {
        return err_set(e, STATUS_INVALID,
                       "\"%.40s\" is no date; write 2027-01-31, 2027-01-31T12:00:00Z or now", value);
    }
    r->has_before = true;
    return STATUS_OK;
}

static status set_until(void *target, const char *value, err *e) {
    trust_request *r = target;
    TRY(cli_parse_date_or_span(value, r->now_s, &r->until_s, e));
    r->has_until = true;
    return STATUS_OK;
}

static status set_number(void *target, const char *value, err *e) {
    trust_request *r = target;
    TRY(cli_parse_number(value, 1, INT64_MAX, &r->number, e));
    r->has_number = true;
    return STATUS_OK;
}

// --- by the owner of the host ------------------------------------------------------------------------------

static status revoke_here(trust_request *r, err *e) {
    trust_store *s;
    TRY(trust_open(r, &s, e));
    size_t added = 0;
    status result = STATUS_OK;
    for (size_t i = 0; i < r->revocation_count && result == STATUS_OK; i++) {
        result = trust_store_add_revoked(s, &r->revocations[i], e);
        added += result == STATUS_OK;
        result = result == STATUS_EXISTS ? STATUS_OK : result;
    }
    if (result == STATUS_OK && added > 0) {
        result = trust_save(r, s, e);
    }
    trust_store_free(s);
    TRY(result);
    json_value *document = json_object_new();
    json_put_integer(document, "added", (int64_t)added);
    trust_report(r, document, "revoked %zu (%zu were revoked already) in %s", added,
                 r->revocation_count - added, r->trust);
    return STATUS_OK;
}

// --- by an issuer ------------------------------------------------------------------------------------------

static bool is_same(const token_revocation *a, const token_revocation *b) {
    return slice_equal_nocase(a->content_hash, b->content_hash) && slice_equal(a->subject, b->subject) &&
           a->before_s == b->before_s;
}

// What the earlier list says, first; its own facts are kept, its number is the least that is too low.
static status extend(trust_request *r, const nkey_public *issuer, token_claims *c, buf *file, err *e) {
    TRY(cli_token_load(r->from, file, e));
    slice text = buf_slice(file);
    token_claims old;
    refusal why;
    if (token_read(text, &r->memory, &old, &why, e) != STATUS_OK) {
        return err_wrap(e, "%s", r->from);
    }
    if (old.kind != TOKEN_REVOCATIONS || !nkey_public_equal(&old.issuer, issuer)) {
        return err_set(e, STATUS_INVALID, "%s is no revocation list of %s", r->from,
                       nkey_public_text(issuer).text);
    }
    size_t count = old.revocation_count + r->revocation_count, kept = 0;
    token_revocation *all = ARENA_ARRAY(&r->memory, token_revocation, count + 1);
    if (all == NULL || count > TOKEN_REVOCATIONS_MAX) {
        return err_set(e, STATUS_LIMIT, "a list holds at most %d revocations", TOKEN_REVOCATIONS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        const token_revocation *next =
            i < old.revocation_count ? &old.revocations[i] : &r->revocations[i - old.revocation_count];
        bool found = false;
        for (size_t j = 0; j < kept && !found; j++) {
            found = is_same(&all[j], next);
        }
        if (!found) {
            all[kept++] = *next;
        }
    }
    c->revocations = all;
    c->revocation_count = kept;
    c->chain = old.chain;
    if (r->has_number && r->number <= old.revocation_number) {
        return err_set(e, STATUS_INVALID, "--number %llu is not above %llu, the number of %s",
                       (unsigned long long)r->number, (unsigned long long)old.revocation_number, r->from);
    }
    c->revocation_number = r->has_number ? r->number : old.revocation_number + 1;
    return STATUS_OK;
}

static status write_list(trust_request *r, const nkey *issuer, buf *old, buf *ret, token_claims *c, err *e) {
    *c = (token_claims){
        .kind = TOKEN_REVOCATIONS,
        .subject = nkey_public_of(issuer),
        .issued_at_s = r->now_s,
        .has_expiry = r->has_until,
        .expires_at_s = r->until_s,
        .revocation_number = r->has_number ? r->number : 1,
        .revocation_count = r->revocation_count,
        .revocations = r->revocations,
    };
    if (r->from != NULL) {
        TRY(extend(r, &c->subject, c, old, e));
    }
    TRY(token_write(c, issuer, ret, e));
    return buf_append_byte(ret, '\n');
}

static status revoke_signed(trust_request *r, err *e) {
    nkey *issuer = NULL;
    TRY(cli_key_load(r->issuer, r->keys, r->passphrase_file, &issuer, e));
    auto_buf old = {0}, text;
    token_claims c;
    buf_init(&text, TOKEN_BYTES_MAX + 2);
    status result = write_list(r, issuer, &old, &text, &c, e);
    nkey_free(issuer);
    TRY(result);
    TRY(file_replace_whole(r->out, buf_slice(&text), e));
    if (r->output == CLI_JSON) {
        json_value *document = token_to_json(&c);
        json_put_text(document, "out", slice_from_text(r->out));
        cli_print_json(document);
    } else {
        printf("wrote %s: list %llu of %s, %zu revocation%s; each host takes it with writ trust import\n",
               r->out, (unsigned long long)c.revocation_number, nkey_public_text(&c.subject).text,
               c.revocation_count, c.revocation_count == 1 ? "" : "s");
    }
    return STATUS_OK;
}

// Subjects become the texts of the keys that they name.
static status find_subjects(trust_request *r, err *e) {
    for (size_t i = 0; i < r->revocation_count; i++) {
        token_revocation *revocation = &r->revocations[i];
        nkey_public key;
        if (revocation->content_hash.len > 0) {
            continue;
        }
        if (cli_public_key((const char *)revocation->subject.data, r->keys, &key, e) != STATUS_OK) {
            return err_wrap(e, "option --subject");
        }
        revocation->subject = arena_copy(&r->memory, slice_from_text(nkey_public_text(&key).text));
        if (revocation->subject.data == NULL) {
            return err_set(e, STATUS_LIMIT, "no memory for more keys");
        }
    }
    return STATUS_OK;
}

static status check_revoke(trust_request *r, err *e) {
    if (r->revocation_count == 0 && r->from == NULL) {
        return err_set(e, STATUS_INVALID, "say what is revoked: --subject KEY or --hash HEX");
    }
    if ((r->issuer == NULL) != (r->out == NULL)) {
        return err_set(e, STATUS_INVALID,
                       "a signed list needs --issuer KEY and --out FILE; without both, the "
                       "revocation goes into this host's own trust store");
    }
    if (r->issuer == NULL && (r->from != NULL || r->has_number || r->has_until)) {
        return err_set(e, STATUS_INVALID, "--from, --number and --until are of a signed list: add --issuer");
    }
    TRY(find_subjects(r, e));
    for (size_t i = 0; i < r->revocation_count; i++) {
        r->revocations[i].reason = slice_from_text(r->reason);
        if (r->has_before && r->revocations[i].content_hash.len > 0) {
            return err_set(e, STATUS_INVALID, "--before is for keys; a hash is revoked for all time");
        }
        r->revocations[i].before_s = r->has_before ? r->before_s : TOKEN_SECONDS_MAX;
    }
    return STATUS_OK;
}

static status revoke(trust_request *r, err *e) {
    return r->issuer != NULL ? revoke_signed(r, e) : revoke_here(r, e);
}

static const cli_option revoke_options[] = {
    {"subject", 's', "KEY", "every token of this key, and by it; may be repeated", set_subject},
    {"hash", 0, "HEX", "the component with this content hash; may be repeated", set_hash},
    {"before", 0, "DATE", "only tokens that were issued before: a date, or now (all)", set_before},
    {"reason", 0, "TEXT", "shown to whoever is refused", set_reason},
    {"issuer", 'i', "KEY", "sign a list for others with this key, an account or operator", set_issuer},
    {"number", 0, "N", "of the list; must grow (1, or one more than that of --from)", set_number},
    {"from", 0, "OLD", "the list that this one extends", set_from},
    {"until", 0, "DATE", "when the list ends: hosts then refuse all of its issuer (without end)", set_until},
    {"out", 0, "FILE", "where the list is written", set_out},
    CLI_OPTION_KEYS(set_keys),
    CLI_OPTION_PASSPHRASE_FILE(set_passphrase_file),
    CLI_OPTION_TRUST(set_trust),
    CLI_OPTION_OUTPUT(set_output),
};
static const cli_command revoke_command = {
    .name = "trust revoke",
    .usage = "[OPTIONS] --subject KEY|--hash HEX ...",
    .summary = "Withdraw keys or contents: on this host, or with --issuer in a signed list for all hosts.",
    .details = "For a stolen key leave out --before: its thief can write any date.",
    .options = revoke_options,
    .option_count = COUNT(revoke_options),
    .examples = "  writ trust revoke --subject MB... --reason \"leaks sessions\"\n"
                "  writ trust revoke --issuer acme --from list1.jwt --hash 5f... --out list2.jwt --until 30d",
};

int trust_revoke_main(int argc, char **argv) {
    return trust_command(&revoke_command, argc, argv, check_revoke, revoke);
}

// --- import ------------------------------------------------------------------------------------------------

static status import_into(trust_request *r, trust_store *s, slice text, token_claims *ret, err *e) {
    refusal why;
    if (trust_store_add_revocations(s, text, r->now_s, &why, e) != STATUS_OK) {
        return err_wrap(e, "%s", r->operand);
    }
    TRY(token_read(text, &r->memory, ret, &why, e));
    return trust_save(r, s, e);
}

static status import(trust_request *r, err *e) {
    auto_buf bytes = {0};
    trust_store *s;
    TRY(cli_token_load(r->operand, &bytes, e));
    slice text = buf_slice(&bytes);
    TRY(trust_open(r, &s, e));
    token_claims c;
    status result = import_into(r, s, text, &c, e);
    trust_store_free(s);
    TRY(result);
    json_value *document = json_object_new();
    json_put_text(document, "issuer", slice_from_text(nkey_public_text(&c.issuer).text));
    json_put_integer(document, "number", (int64_t)c.revocation_number);
    json_put_integer(document, "revocations", (int64_t)c.revocation_count);
    trust_report(r, document, "took list %llu of %s: %zu revocation%s",
                 (unsigned long long)c.revocation_number, nkey_public_text(&c.issuer).text,
                 c.revocation_count, c.revocation_count == 1 ? "" : "s");
    return STATUS_OK;
}

static const cli_option import_options[] = {CLI_OPTION_TRUST(set_trust), CLI_OPTION_OUTPUT(set_output)};
static const cli_command import_command = {
    .name = "trust import",
    .usage = "[OPTIONS] LIST",
    .summary = "Take a signed revocation list of an issuer that this host believes.",
    .details = "A list with a lower number than the one that is here is refused.",
    .options = import_options,
    .option_count = COUNT(import_options),
    .examples = "  writ trust import list2.jwt",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_operand,
};

int trust_import_main(int argc, char **argv) {
    return trust_command(&import_command, argc, argv, NULL, import);
}
