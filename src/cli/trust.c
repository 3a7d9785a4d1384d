// SPDX-License-Identifier: Apache-2.0
// writ trust: whom this host believes. Every command that changes something says what changed.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/group.h"
#include "cli/key_option.h"
#include "cli/places.h"
#include "cli/trust_internal.h"
#include "os/clock.h"

enum { REQUEST_BYTES_MAX = 16 << 20 };
#define COUNT(list) (sizeof(list) / sizeof(list)[0])

// --- what the commands share -------------------------------------------------------------------------------

int trust_command(const cli_command *command, int argc, char **argv, trust_step check, trust_step act) {
    trust_request *r = MEM_NEW(trust_request);
    err e = {0};
    int code = CLI_EXIT_OK;
    r->now_s = clock_wall_now().seconds;
    arena_init(&r->memory, REQUEST_BYTES_MAX);
    status s = cli_parse(command, argc, argv, r, &e);
    if (s == STATUS_OK && check != NULL) {
        s = check(r, &e);
    }
    if (s != STATUS_OK && s != STATUS_CANCELLED) {
        cli_fail(&e, r->output);
        code = CLI_EXIT_USAGE;
    } else if (s == STATUS_OK && act(r, &e) != STATUS_OK) {
        code = cli_fail(&e, r->output);
    }
    arena_done(&r->memory);
    buf_done(&r->path);
    mem_free(r);
    return code;
}

status trust_open(trust_request *r, trust_store **ret, err *e) {
    if (r->trust == NULL) {
        TRY(cli_place("trust.json", &r->path, e));
        r->trust = buf_text(&r->path);
    }
    return trust_store_load(r->trust, ret, e);
}

status trust_save(trust_request *r, trust_store *s, err *e) { return trust_store_save(s, r->trust, e); }

void trust_report(const trust_request *r, json_value *document, const char *format, ...) {
    if (r->output == CLI_JSON) {
        json_put_text(document, "trust", slice_from_text(r->trust));
        cli_print_json(document);
        return;
    }
    json_free(document);
    va_list list;
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    printf("\n");
}

// --- options -----------------------------------------------------------------------------------------------

CLI_KEEP_TEXT(set_operand, trust_request, operand);
CLI_KEEP_TEXT(set_trust, trust_request, trust);
CLI_KEEP_TEXT(set_note, trust_request, note);
CLI_KEEP_TEXT(set_issuer, trust_request, issuer);
CLI_KEEP_OUTPUT(set_output, trust_request, output);

static status set_name(void *target, const char *value, err *e) {
    trust_request *r = target;
    if (r->name_count == TRUST_NAMES_MAX) {
        return err_set(e, STATUS_LIMIT, "given more than %d times", TRUST_NAMES_MAX);
    }
    r->names[r->name_count++] = slice_from_text(value);
    return STATUS_OK;
}

static status set_cap(void *target, const char *value, err *e) {
    trust_request *r = target;
    if (r->cap_count == ALLOWANCE_ENTRIES_MAX) {
        return err_set(e, STATUS_LIMIT, "given more than %d times", ALLOWANCE_ENTRIES_MAX);
    }
    TRY(allowance_entry_parse(slice_from_text(value), &r->memory, &r->caps[r->cap_count], e));
    r->cap_count++;
    return STATUS_OK;
}

static status set_until(void *target, const char *value, err *e) {
    trust_request *r = target;
    TRY(cli_parse_date_or_span(value, r->now_s, &r->until_s, e));
    r->has_until = true;
    return STATUS_OK;
}

CLI_TURN_ON(set_ratchet, trust_request, ratchet);

static status set_revision(void *target, const char *value, err *e) {
    trust_request *r = target;
    TRY(cli_parse_number(value, 0, INT32_MAX, &r->revision, e));
    r->has_revision = true;
    return STATUS_OK;
}

static const cli_option add_options[] = {
    {"name", 'n', "PATTERN", "only components of this name; * is any run of characters; may be repeated",
     set_name},
    {"cap", 'c', "ENTRY", "only these imports, as in writ sign --cap; may be repeated (what writs allow)",
     set_cap},
    {"until", 0, "DATE", "refused from then on: 2027-01-31, or a span such as 90d (without end)", set_until},
    {"ratchet", 0, NULL, "what was started once sets the minimum revision of its subject", set_ratchet},
    {"note", 0, "TEXT", "who this is, for people who read the file", set_note},
    CLI_OPTION_TRUST(set_trust),
    CLI_OPTION_OUTPUT(set_output),
};
static const cli_option plain_options[] = {CLI_OPTION_TRUST(set_trust), CLI_OPTION_OUTPUT(set_output)};
static const cli_option require_options[] = {
    {"rev", 'r', "N", "the lowest revision that may run", set_revision},
    {"issuer", 'i', "KEY", "only what this account (A...) signs; else whoever signed", set_issuer},
    CLI_OPTION_TRUST(set_trust),
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command add_command = {
    .name = "trust add",
    .usage = "[OPTIONS] KEY",
    .summary = "Believe what an account (A...) signs, or the accounts that an operator (O...) vouches for.",
    .details = "A key can have several entries; one that covers a component suffices.",
    .options = add_options,
    .option_count = COUNT(add_options),
    .examples = "  writ trust add AB... --note \"the web team\" --name 'shop/*' --until 2027-01-31\n"
                "  writ trust add AB... --cap wasi:http --cap wasi:cli",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_operand,
};
static const cli_command remove_command = {
    .name = "trust remove",
    .usage = "[OPTIONS] KEY",
    .summary = "No longer believe a key: removes all its entries.",
    .options = plain_options,
    .option_count = COUNT(plain_options),
    .examples = "  writ trust remove AB...",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_operand,
};
static const cli_command require_command = {
    .name = "trust require",
    .usage = "[OPTIONS] --rev N SUBJECT",
    .summary = "Refuse revisions of a component (M...) or provider (V...) below N.",
    .details =
        "Also lowers a minimum, to go back on purpose. A minimum that was learnt (writ trust add --ratchet)\n"
        "is one of --issuer; both it and the one without must hold.",
    .options = require_options,
    .option_count = COUNT(require_options),
    .examples = "  writ trust require MB... --rev 7\n"
                "  writ trust require MB... --issuer AB... --rev 7",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_operand,
};

// --- add ---------------------------------------------------------------------------------------------------

// The text becomes that of the key that it names.
static status find_key(trust_request *r, const char **text, nkey_public *ret, err *e) {
    TRY(cli_public_key(*text, NULL, ret, e));
    *text = arena_text(&r->memory, slice_from_text(nkey_public_text(ret).text));
    return *text != NULL ? STATUS_OK : err_set(e, STATUS_LIMIT, "no memory for a key");
}

static status check_key(trust_request *r, err *e) {
    nkey_public key;
    return find_key(r, &r->operand, &key, e);
}

static status add_to(trust_request *r, trust_store *s, const trust_issuer *i, err *e) {
    const char *key = r->operand;
    status result = trust_store_add_issuer(s, i, e);
    json_value *document = json_object_new();
    json_put_text(document, "key", slice_from_text(key));
    json_put_bool(document, "changed", result == STATUS_OK);
    if (result == STATUS_EXISTS) { // asked for is what there is
        err_clear(e);
        trust_report(r, document, "%s is in %s already, with the same terms; nothing changed", key, r->trust);
        return STATUS_OK;
    }
    if (result == STATUS_OK) {
        result = trust_save(r, s, e);
    }
    if (result != STATUS_OK) {
        json_free(document);
        return result;
    }
    trust_report(r, document, "added %s to %s", key, r->trust);
    return STATUS_OK;
}

static status add(trust_request *r, err *e) {
    trust_issuer i = {
        .note = slice_from_text(r->note),
        .names = {r->name_count, r->names},
        .has_until = r->has_until,
        .until_s = r->until_s,
        .has_allowance = r->cap_count > 0,
        .allow = {r->cap_count, r->caps},
        .ratchet = r->ratchet,
    };
    TRY(nkey_public_parse(slice_from_text(r->operand), &i.key, e));
    trust_store *s;
    TRY(trust_open(r, &s, e));
    status result = add_to(r, s, &i, e);
    trust_store_free(s);
    return result;
}

static status check_add(trust_request *r, err *e) {
    nkey_public key;
    TRY(find_key(r, &r->operand, &key, e));
    if (key.kind != NKEY_ACCOUNT && key.kind != NKEY_OPERATOR) {
        return err_set(e, STATUS_INVALID,
                       "%s is the key of a %s; trust is given to accounts (A...) and operators (O...)",
                       r->operand, nkey_kind_name(key.kind));
    }
    return STATUS_OK;
}

static int add_main(int argc, char **argv) { return trust_command(&add_command, argc, argv, check_add, add); }

// --- remove and require ------------------------------------------------------------------------------------

static status remove_key(trust_request *r, err *e) {
    nkey_public key;
    trust_store *s;
    TRY(nkey_public_parse(slice_from_text(r->operand), &key, e));
    TRY(trust_open(r, &s, e));
    size_t count = trust_store_remove_issuer(s, &key);
    status result = count == 0 ? err_set(e, STATUS_NOT_FOUND, "%s is not in %s", r->operand, r->trust)
                               : trust_save(r, s, e);
    trust_store_free(s);
    TRY(result);
    json_value *document = json_object_new();
    json_put_text(document, "key", slice_from_text(r->operand));
    json_put_integer(document, "removed", (int64_t)count);
    trust_report(r, document, "removed %zu entr%s of %s from %s", count, count == 1 ? "y" : "ies", r->operand,
                 r->trust);
    return STATUS_OK;
}

static int remove_main(int argc, char **argv) {
    return trust_command(&remove_command, argc, argv, check_key, remove_key);
}

static status require_revision(trust_request *r, err *e) {
    trust_minimum m = {.revision = (int32_t)r->revision, .has_issuer = r->issuer != NULL};
    trust_store *s;
    TRY(nkey_public_parse(slice_from_text(r->operand), &m.subject, e));
    if (m.has_issuer) {
        TRY(nkey_public_parse(slice_from_text(r->issuer), &m.issuer, e));
    }
    TRY(trust_open(r, &s, e));
    const trust_minimum *old = trust_store_minimum_of(s, &m);
    int64_t before = old == NULL ? -1 : old->revision;
    status result = trust_store_set_minimum(s, &m, e);
    if (result == STATUS_OK) {
        result = trust_save(r, s, e);
    }
    trust_store_free(s);
    TRY(result);
    json_value *document = json_object_new();
    json_put_text(document, "subject", slice_from_text(r->operand));
    json_put(document, "issuer", m.has_issuer ? json_text(slice_from_text(r->issuer)) : json_null_new());
    json_put_integer(document, "revision", m.revision);
    json_put(document, "before", before < 0 ? json_null_new() : json_integer_new(before));
    json_put_bool(document, "lowered", before > m.revision);
    const char *of = m.has_issuer ? " of " : "", *issuer = m.has_issuer ? r->issuer : "";
    if (before > m.revision) {
        trust_report(r, document,
                     "lowered the minimum revision of %s%s%s from %lld to %d: older code may run again",
                     r->operand, of, issuer, (long long)before, m.revision);
    } else {
        trust_report(r, document, "%s%s%s runs only from revision %d on", r->operand, of, issuer, m.revision);
    }
    return STATUS_OK;
}

static status check_require(trust_request *r, err *e) {
    nkey_public issuer;
    TRY(check_key(r, e));
    if (r->issuer != NULL && find_key(r, &r->issuer, &issuer, e) != STATUS_OK) {
        return err_wrap(e, "option --issuer");
    }
    return r->has_revision ? STATUS_OK : err_set(e, STATUS_INVALID, "say from which revision on: --rev N");
}

static int require_main(int argc, char **argv) {
    return trust_command(&require_command, argc, argv, check_require, require_revision);
}

// --- the group ---------------------------------------------------------------------------------------------

static const cli_member members[] = {
    {"add", "believe a key", add_main},
    {"list", "show whom this host believes for what, and what is revoked", trust_list_main},
    {"remove", "no longer believe a key", remove_main},
    {"check", "who would believe a component or token, and why not", trust_check_main},
    {"require", "refuse old revisions of a component", require_main},
    {"revoke", "withdraw keys or contents: here, or in a signed list", trust_revoke_main},
    {"import", "take a signed revocation list", trust_import_main},
};

static const cli_group group = {
    .name = "trust",
    .summary = "Whom this host believes, what was revoked, and which revisions are too old.",
    .details =
        "One JSON file, ~/.config/writ/trust.json ($WRIT_HOME/trust.json), made to be reviewed. Without it\n"
        "nobody is believed.",
    .members = members,
    .member_count = COUNT(members),
    .examples = "  writ trust add AB... --note \"the web team\" --name 'shop/*'\n"
                "  writ trust list\n"
                "  writ trust check shop.wasm",
};

int cli_trust(int argc, char **argv) { return cli_group_run(&group, argc, argv); }
