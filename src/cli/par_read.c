// SPDX-License-Identifier: Apache-2.0
// writ par inspect, writ par verify, writ par extract.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/key_option.h"
#include "cli/options.h"
#include "cli/par_internal.h"
#include "codec/date.h"
#include "os/replace.h"

enum { LINE_BYTES_MAX = 16 << 10 };

// --- opening and judging -----------------------------------------------------------------------------------

// An archive and what is thought of it.
typedef struct judged {
    par_loaded loaded;
    trust_store *trust; // NULL: not asked
    provider_archive_verification v;
    const par_args *args;
} judged;

// Fills `j` as far as the archive can be read; what it contains may still be refused.
static status judge(const par_args *args, judged *j, err *e) {
    j->args = args;
    if (args->key != NULL) {
        TRY(cli_trust_only(args->key, &j->trust, e));
    } else if (!args->any_issuer) {
        TRY(cli_trust_load(args->trust, &j->trust, e));
    }
    TRY(par_load(args->archive, &j->loaded, e));
    provider_archive_verify(&j->loaded.archive, args->now_s, j->trust, &j->v);
    if (j->v.reason == REFUSAL_UNKNOWN_ISSUER && args->key != NULL) {
        cli_explain_other_issuer(args->key, &j->v.claims.issuer, &j->v.error);
    }
    return STATUS_OK;
}

static void judged_done(judged *j) {
    provider_archive_verification_done(&j->v);
    trust_store_free(j->trust);
    par_loaded_done(&j->loaded);
}

// A refusal is reported with its word, in the status that gives its exit code.
static status refusal_as_error(const judged *j, err *e) {
    if (j->v.reason == REFUSAL_NONE) {
        return STATUS_OK;
    }
    *e = j->v.error;
    err_wrap(e, "%s is not believed (%s)", j->args->archive, refusal_name(j->v.reason));
    e->code = j->v.reason == REFUSAL_MALFORMED ? STATUS_INVALID : STATUS_DENIED;
    return e->code;
}

static status with_judged(const par_args *args, status (*use)(const judged *j, err *e), err *e) {
    judged *j = MEM_NEW(judged);
    status s = judge(args, j, e);
    s = s == STATUS_OK ? use(j, e) : s;
    judged_done(j);
    mem_free(j);
    return s;
}

// --- inspect -----------------------------------------------------------------------------------------------

static const char *state_of(const judged *j, const provider_archive_file *file) {
    slice promised =
        j->v.has_token ? provider_archive_promised_hash(&j->v.claims, file->name) : slice_empty();
    char hex[HASH_HEX_BYTES];
    hash_hex(file->hash, hex);
    return !j->v.has_token                                      ? "unsigned"
           : promised.len == 0                                  ? "no-hash"
           : slice_equal_nocase(promised, slice_from_text(hex)) ? "as-signed"
                                                                : "changed";
}

static json_value *file_json(const judged *j, const provider_archive_file *file) {
    char hex[HASH_HEX_BYTES];
    hash_hex(file->hash, hex);
    json_value *row = json_object_new();
    json_put_text(row, "name", file->name);
    json_put_integer(row, "bytes", (int64_t)file->bytes.len);
    json_put_text(row, "sha256", slice_from_text(hex));
    json_put_text(row, "state", slice_from_text(state_of(j, file)));
    return row;
}

static void put_belief(json_value *document, const judged *j) {
    json_put_bool(document, "believed", j->v.reason == REFUSAL_NONE);
    json_put_text(document, "reason", slice_from_text(refusal_name(j->v.reason)));
    json_put_text(document, "message", slice_from_text(j->v.error.message));
}

static void print_json(const judged *j) {
    const provider_archive *a = &j->loaded.archive;
    json_value *document = json_object_new(), *targets = json_array_new();
    json_put_text(document, "path", slice_from_text(j->args->archive));
    json_put_integer(document, "bytes", (int64_t)j->loaded.bytes.len);
    json_put_bool(document, "compressed", a->is_compressed);
    put_belief(document, j);
    json_put(document, "claims", j->v.has_token ? token_to_json(&j->v.claims) : json_null_new());
    for (size_t i = 0; i < a->target_count; i++) {
        json_push(targets, file_json(j, &a->targets[i]));
    }
    json_put(document, "targets", targets);
    json_put(document, "world", a->has_world ? file_json(j, &a->world) : json_null_new());
    cli_print_json(document);
}

// Texts of claims may hold anything.
static void print_text(const char *label, slice text) {
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    cli_append_printable(&line, text);
    if (text.len > 0) {
        printf("%-11s %.*s\n", label, SLICE_ARG(buf_slice(&line)));
    }
}

static void print_date(const char *label, bool is_given, uint64_t seconds) {
    char text[DATE_TEXT_BYTES];
    if (is_given) {
        printf("%-11s %s\n", label, date_text(seconds, text));
    }
}

static void print_claims(const token_claims *c) {
    print_text("name:", c->name);
    print_text("vendor:", c->vendor);
    print_text("version:", c->version);
    if (c->has_revision) {
        printf("%-11s %d\n", "revision:", c->revision);
    }
    printf("%-11s %s\n", "subject:", nkey_public_text(&c->subject).text);
    printf("%-11s %s\n", "issuer:", nkey_public_text(&c->issuer).text);
    print_date("signed:", true, c->issued_at_s);
    print_date("not before:", c->has_not_before, c->not_before_s);
    print_date("expires:", c->has_expiry, c->expires_at_s);
    if (!c->has_expiry) {
        printf("%-11s never\n", "expires:");
    }
    print_text("schema:", c->config_schema);
}

static void print_file(const judged *j, const provider_archive_file *file) {
    char hex[HASH_HEX_BYTES];
    hash_hex(file->hash, hex);
    printf("  %-24.*s %10zu bytes  %s  %s\n", SLICE_ARG(file->name), file->bytes.len, hex, state_of(j, file));
}

static status show(const judged *j, err *e) {
    (void)e;
    if (j->args->output == CLI_JSON) {
        print_json(j);
        return STATUS_OK;
    }
    const provider_archive *a = &j->loaded.archive;
    printf("%s: %zu bytes%s\n", j->args->archive, j->loaded.bytes.len,
           a->is_compressed ? ", compressed" : "");
    if (j->v.has_token) {
        print_claims(&j->v.claims);
    }
    printf("\ntargets\n");
    for (size_t i = 0; i < a->target_count; i++) {
        print_file(j, &a->targets[i]);
    }
    if (a->has_world) {
        printf("interfaces\n");
        print_file(j, &a->world);
    }
    if (j->v.reason == REFUSAL_NONE) {
        printf("\nbelieved%s\n", j->trust == NULL ? ", as far as can be told without a trust store" : "");
    } else {
        printf("\nnot believed (%s): ", refusal_name(j->v.reason));
        print_text("", slice_from_text(j->v.error.message));
    }
    return STATUS_OK;
}

static status inspect(const par_args *args, err *e) { return with_judged(args, show, e); }

// --- verify ------------------------------------------------------------------------------------------------

static status say(const judged *j, err *e) {
    if (j->args->output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_text(document, "path", slice_from_text(j->args->archive));
        put_belief(document, j);
        if (j->v.has_token) {
            json_put_text(document, "issuer", slice_from_text(nkey_public_text(&j->v.claims.issuer).text));
            json_put_text(document, "subject", slice_from_text(nkey_public_text(&j->v.claims.subject).text));
            json_put_text(document, "name", j->v.claims.name);
        }
        cli_print_json(document);
    }
    TRY(refusal_as_error(j, e));
    if (j->args->output == CLI_TEXT) {
        printf("%s: believed, signed by %s\n", j->args->archive, nkey_public_text(&j->v.claims.issuer).text);
    }
    return STATUS_OK;
}

static status verify(const par_args *args, err *e) { return with_judged(args, say, e); }

// --- extract -----------------------------------------------------------------------------------------------

static status take_out(const judged *j, err *e) {
    TRY(refusal_as_error(j, e));
    const provider_archive *a = &j->loaded.archive;
    const par_args *args = j->args;
    slice name = slice_from_text(args->target);
    const provider_archive_file *file = provider_archive_find(a, name);
    if (file == NULL && a->has_world && slice_equal_text(name, PROVIDER_ARCHIVE_WORLD)) {
        file = &a->world;
    }
    if (file == NULL) {
        auto_buf list;
        buf_init(&list, LINE_BYTES_MAX);
        for (size_t i = 0; i < a->target_count; i++) {
            TRY(buf_append_format(&list, " %.*s", SLICE_ARG(a->targets[i].name)));
        }
        return err_set(e, STATUS_NOT_FOUND, "%s has nothing for \"%.*s\"; it has%.*s", args->archive,
                       SLICE_ARG(slice_sub(name, 0, PROVIDER_ARCHIVE_TARGET_BYTES_MAX)),
                       SLICE_ARG(buf_slice(&list)));
    }
    TRY(file == &a->world ? file_replace_whole(args->out, file->bytes, e)
                          : file_replace_program(args->out, file->bytes, e));
    if (args->output == CLI_JSON) {
        json_value *document = file_json(j, file);
        json_put_text(document, "file", slice_from_text(args->out));
        cli_print_json(document);
    } else {
        printf("%s: %zu bytes\n", args->out, file->bytes.len);
    }
    return STATUS_OK;
}

static status check_extract(const par_args *args, err *e) {
    const char *missing = args->target == NULL ? "--target ARCH-OS" : args->out == NULL ? "--out FILE" : NULL;
    if (missing != NULL) {
        return err_set(e, STATUS_INVALID, "extracting needs %s\n  (try: writ par extract --help)", missing);
    }
    return STATUS_OK;
}

static status extract(const par_args *args, err *e) { return with_judged(args, take_out, e); }

// --- options -----------------------------------------------------------------------------------------------

CLI_KEEP_TEXT(set_trust, par_args, trust);

static status set_key(void *target, const char *value, err *e) {
    TRY(cli_check_believable(value, e));
    ((par_args *)target)->key = value;
    return STATUS_OK;
}
CLI_TURN_ON(set_any_issuer, par_args, any_issuer);
CLI_KEEP_TEXT(set_target, par_args, target);

static status set_at(void *target, const char *value, err *e) {
    par_args *args = target;
    return cli_parse_date_or_span(value, args->now_s, &args->now_s, e);
}

static const cli_option look_options[] = {
    CLI_OPTION_TRUST(set_trust),
    {"issuer", 'i', "PUBLICKEY", "trust this account or operator and nobody else; needs no store", set_key},
    {"any-issuer", 0, NULL, "do not ask who signed; all else is checked", set_any_issuer},
    {"at", 0, "DATE", "the date to judge validity by (now)", set_at},
    CLI_OPTION_OUTPUT(par_set_output),
};

static const cli_option extract_options[] = {
    {"target", 't', "ARCH-OS", "which program, or world.wasm for the interfaces", set_target},
    {"out", 0, "FILE", "where to write it", par_set_out},
    CLI_OPTION_TRUST(set_trust),
    {"issuer", 'i', "PUBLICKEY", "trust this account or operator and nobody else; needs no store", set_key},
    {"any-issuer", 0, NULL, "do not ask who signed; all else is checked", set_any_issuer},
    CLI_OPTION_OUTPUT(par_set_output),
};

#define OF_LOOKING                                                                                      \
    .usage = "[OPTIONS] ARCHIVE", .options = look_options,                                              \
    .option_count = sizeof look_options / sizeof look_options[0], .operands_min = 1, .operands_max = 1, \
    .operand = par_set_archive

static const cli_command inspect_command = {
    .name = "par inspect",
    .summary = "Show what is in a provider archive, who signed it, and whether it is believed here.",
    .details = "Runs nothing, and also shows what is not believed; for a check use writ par verify.",
    .examples = "  writ par inspect redis.par.gz\n  writ par inspect --any-issuer -o json redis.par.gz",
    OF_LOOKING,
};

static const cli_command verify_command = {
    .name = "par verify",
    .summary = "Check a provider archive: its form, signature, hashes, time and issuer.",
    .details =
        "Exit codes: 0 believed, 3 refused (the word in parentheses says why), 4 no provider archive or one\n"
        "that breaks its format, 5 a file is missing.",
    .examples = "  writ par verify redis.par.gz\n"
                "  writ par verify --issuer ADQ... -o json redis.par.gz",
    OF_LOOKING,
};

static const cli_command extract_command = {
    .name = "par extract",
    .usage = "[OPTIONS] --target ARCH-OS --out FILE ARCHIVE",
    .summary =
        "Take one program out of a provider archive, once all of it was checked as writ par verify does.",
    .options = extract_options,
    .option_count = sizeof extract_options / sizeof extract_options[0],
    .examples = "  writ par extract --target x86_64-linux --out ./redis redis.par.gz",
    .operands_min = 1,
    .operands_max = 1,
    .operand = par_set_archive,
};

int par_inspect(int argc, char **argv) { return par_run(&inspect_command, argc, argv, NULL, inspect); }
int par_verify(int argc, char **argv) { return par_run(&verify_command, argc, argv, NULL, verify); }
int par_extract(int argc, char **argv) {
    return par_run(&extract_command, argc, argv, check_extract, extract);
}
