// SPDX-License-Identifier: Apache-2.0
// writ par create, writ par insert.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/key_option.h"
#include "cli/options.h"
#include "cli/par_internal.h"
#include "codec/date.h"
#include "os/replace.h"
#include "os/whole_file.h"

enum { CHAIN_ARENA_BYTES = (TOKEN_CHAIN_MAX + 1) * TOKEN_ARENA_BYTES };

// --- what an archive is made from --------------------------------------------------------------------------

// The contents of the files that the options name; the plan borrows from them.
typedef struct sources {
    size_t count;
    buf files[PROVIDER_ARCHIVE_TARGETS_MAX + 2];
    arena memory; // of the chain
} sources;

static void sources_done(sources *s) {
    for (size_t i = 0; i < s->count; i++) {
        buf_done(&s->files[i]);
    }
    arena_done(&s->memory);
}

static status read_source(sources *s, const char *path, size_t bytes_max, slice *ret, err *e) {
    buf *b = &s->files[s->count];
    TRY(file_read_whole(path, bytes_max, b, e));
    s->count++;
    *ret = buf_slice(b);
    return STATUS_OK;
}

static status read_schema(const par_args *args, sources *s, slice *ret, err *e) {
    slice text;
    TRY(read_source(s, args->schema, PROVIDER_ARCHIVE_SCHEMA_BYTES_MAX, &text, e));
    json_value *parsed = NULL;
    if (json_parse(text, &parsed, e) != STATUS_OK) {
        return err_wrap(e, "schema %s", args->schema);
    }
    json_free(parsed);
    *ret = text;
    return STATUS_OK;
}

static status read_sources(const par_args *args, sources *s, provider_archive_plan *plan, err *e) {
    for (size_t i = 0; i < args->file_count; i++) {
        provider_archive_content c = {.name = args->files[i].target};
        TRY(read_source(s, args->files[i].path, PROVIDER_ARCHIVE_FILE_BYTES_MAX, &c.bytes, e));
        TRY(provider_archive_plan_put(plan, c, e));
    }
    if (args->world != NULL) {
        TRY(read_source(s, args->world, PROVIDER_ARCHIVE_FILE_BYTES_MAX, &plan->world, e));
        plan->has_world = true;
    }
    return args->schema != NULL ? read_schema(args, s, &plan->claims.config_schema, e) : STATUS_OK;
}

// What the options say of the claims; what they do not mention stays.
static status fill_claims(const par_args *args, token_claims *c, err *e) {
    if (args->name != NULL) {
        c->name = slice_from_text(args->name);
    }
    if (args->vendor != NULL) {
        c->vendor = slice_from_text(args->vendor);
    }
    if (args->version != NULL) {
        c->version = slice_from_text(args->version);
    }
    if (args->has_revision) {
        c->has_revision = true;
        c->revision = args->revision;
    }
    return cli_validity_fill(&args->validity, args->now_s, c, e);
}

// What vouches for the issuer. The chain that was there is not that of another issuer.
static status fill_chain(const par_args *args, const nkey *issuer, sources *s, token_claims *c, err *e) {
    nkey_public ours = nkey_public_of(issuer);
    bool stays = args->chain.count == 0 && nkey_public_equal(&ours, &c->issuer);
    c->issuer = ours;
    arena_init(&s->memory, CHAIN_ARENA_BYTES);
    return stays ? STATUS_OK : cli_chain_load(&args->chain, &s->memory, c, e);
}

static bool names_gzip(const char *path) {
    size_t n = strlen(path);
    return n > 3 && strcmp(path + n - 3, ".gz") == 0;
}

// --- writing it --------------------------------------------------------------------------------------------

static void print_written(const par_args *args, const char *path, const provider_archive_plan *plan,
                          const nkey_public *issuer, size_t bytes) {
    nkey_text issuer_text = nkey_public_text(issuer), subject_text = nkey_public_text(&plan->claims.subject);
    char until[DATE_TEXT_BYTES] = "";
    if (plan->claims.has_expiry) {
        date_text(plan->claims.expires_at_s, until);
    }
    if (args->output == CLI_JSON) {
        json_value *document = json_object_new(), *targets = json_array_new();
        json_put_text(document, "file", slice_from_text(path));
        json_put_integer(document, "bytes", (int64_t)bytes);
        json_put_text(document, "issuer", slice_from_text(issuer_text.text));
        json_put_text(document, "subject", slice_from_text(subject_text.text));
        for (size_t i = 0; i < plan->target_count; i++) {
            json_push(targets, json_text(plan->targets[i].name));
        }
        json_put(document, "targets", targets);
        json_put(document, "expires",
                 plan->claims.has_expiry ? json_text(slice_from_text(until)) : json_null_new());
        cli_print_json(document);
        return;
    }
    printf("%s: %zu bytes, %zu target%s, signed by %s for %s, %s%s\n", path, bytes, plan->target_count,
           plan->target_count == 1 ? "" : "s", issuer_text.text, subject_text.text,
           plan->claims.has_expiry ? "valid until " : "without end", until);
}

static status write_archive(const par_args *args, const char *path, const provider_archive_plan *plan,
                            const nkey *issuer, err *e) {
    auto_buf bytes;
    buf_init(&bytes, PROVIDER_ARCHIVE_FILE_BYTES_MAX);
    TRY(provider_archive_write(plan, issuer, &bytes, e));
    TRY(file_replace_whole(path, buf_slice(&bytes), e));
    nkey_public key = nkey_public_of(issuer);
    print_written(args, path, plan, &key, bytes.len);
    return STATUS_OK;
}

// --- create ------------------------------------------------------------------------------------------------

// A public key will do, since only the issuer signs.
static status load_subject(const par_args *args, nkey_public *ret, err *e) {
    if (strlen(args->subject) == NKEY_PUBLIC_TEXT_LEN && args->subject[0] == nkey_kind_letter(NKEY_SERVICE)) {
        return nkey_public_parse(slice_from_text(args->subject), ret, e);
    }
    nkey *key = NULL;
    TRY(cli_key_load(args->subject, args->keys, args->passphrase_file, &key, e));
    *ret = nkey_public_of(key);
    nkey_free(key);
    return STATUS_OK;
}

static status create_with(const par_args *args, const nkey *issuer, sources *s, provider_archive_plan *plan,
                          err *e) {
    TRY(load_subject(args, &plan->claims.subject, e));
    TRY(fill_claims(args, &plan->claims, e));
    TRY(fill_chain(args, issuer, s, &plan->claims, e));
    plan->is_compressed = names_gzip(args->out);
    TRY(read_sources(args, s, plan, e));
    return write_archive(args, args->out, plan, issuer, e);
}

static status check_create(const par_args *args, err *e) {
    const char *missing = args->name == NULL      ? "--name NAME"
                          : args->vendor == NULL  ? "--vendor VENDOR"
                          : args->file_count == 0 ? "--target ARCH-OS=FILE"
                          : args->subject == NULL ? "--subject KEY"
                          : args->out == NULL     ? "--out FILE"
                                                  : NULL;
    if (missing != NULL) {
        return err_set(e, STATUS_INVALID, "an archive needs %s\n  (try: writ par create --help)", missing);
    }
    return cli_validity_check(&args->validity, e);
}

static status create(const par_args *args, err *e) {
    nkey *issuer = NULL;
    TRY(cli_issuer_load(args->issuer, args->keys, args->passphrase_file, &issuer, e));
    sources *s = MEM_NEW(sources);
    provider_archive_plan *plan = MEM_NEW(provider_archive_plan);
    status result = create_with(args, issuer, s, plan, e);
    mem_free(plan);
    sources_done(s);
    mem_free(s);
    nkey_free(issuer);
    return result;
}

// --- insert ------------------------------------------------------------------------------------------------

// Signing again vouches for everything inside, so it must have been vouched for until now. That it is over is
// no obstacle: a new date is what signing again is for.
static status check_old(const par_args *args, const provider_archive_verification *v, const nkey *issuer,
                        err *e) {
    bool is_over = v->reason == REFUSAL_EXPIRED || v->reason == REFUSAL_NOT_YET_VALID;
    if (v->reason != REFUSAL_NONE && !is_over) {
        *e = v->error;
        return err_wrap(e, "%s is not signed again as it is", args->archive);
    }
    nkey_public ours = nkey_public_of(issuer);
    if (!nkey_public_equal(&ours, &v->claims.issuer) && !args->adopts) {
        return err_set(e, STATUS_DENIED,
                       "%s was signed by %s, not by %s; to vouch for its other programs in their place, "
                       "add --adopt",
                       args->archive, nkey_public_text(&v->claims.issuer).text, nkey_public_text(&ours).text);
    }
    if (v->reason == REFUSAL_EXPIRED && args->validity.lasts_for == NULL && args->validity.until == NULL) {
        return err_set(e, STATUS_INVALID,
                       "%s has expired; say how long the new signature holds, such as --for 90d",
                       args->archive);
    }
    return STATUS_OK;
}

static status insert_with(const par_args *args, const par_loaded *l, const nkey *issuer, sources *s,
                          provider_archive_plan *plan, provider_archive_verification *v, err *e) {
    provider_archive_verify(&l->archive, args->now_s, NULL, v);
    TRY(check_old(args, v, issuer, e));
    provider_archive_plan_of(&l->archive, &v->claims, plan);
    TRY(fill_claims(args, &plan->claims, e));
    TRY(fill_chain(args, issuer, s, &plan->claims, e));
    const char *path = args->out != NULL ? args->out : args->archive;
    plan->is_compressed = args->out != NULL ? names_gzip(path) : plan->is_compressed;
    TRY(read_sources(args, s, plan, e));
    return write_archive(args, path, plan, issuer, e);
}

static status insert_into(const par_args *args, const nkey *issuer, err *e) {
    par_loaded *l = MEM_NEW(par_loaded);
    sources *s = MEM_NEW(sources);
    provider_archive_plan *plan = MEM_NEW(provider_archive_plan);
    provider_archive_verification *v = MEM_NEW(provider_archive_verification);
    status result = par_load(args->archive, l, e);
    if (result == STATUS_OK) {
        result = insert_with(args, l, issuer, s, plan, v, e);
    }
    provider_archive_verification_done(v);
    mem_free(v);
    mem_free(plan);
    sources_done(s);
    mem_free(s);
    par_loaded_done(l);
    mem_free(l);
    return result;
}

static status check_insert(const par_args *args, err *e) { return cli_validity_check(&args->validity, e); }

static status insert(const par_args *args, err *e) {
    nkey *issuer = NULL;
    TRY(cli_issuer_load(args->issuer, args->keys, args->passphrase_file, &issuer, e));
    status result = insert_into(args, issuer, e);
    nkey_free(issuer);
    return result;
}

// --- options -----------------------------------------------------------------------------------------------

CLI_KEEP_TEXT(set_name, par_args, name);
CLI_KEEP_TEXT(set_vendor, par_args, vendor);
CLI_KEEP_TEXT(set_version, par_args, version);
CLI_KEEP_TEXT(set_world, par_args, world);
CLI_KEEP_TEXT(set_schema, par_args, schema);
CLI_KEEP_TEXT(set_issuer, par_args, issuer);
CLI_KEEP_TEXT(set_subject, par_args, subject);
CLI_KEEP_TEXT(set_keys, par_args, keys);
CLI_KEEP_TEXT(set_passphrase_file, par_args, passphrase_file);

static status set_target(void *target, const char *value, err *e) {
    par_args *args = target;
    slice text = slice_from_text(value);
    size_t equals = slice_find(text, 0, '=');
    if (equals == SIZE_MAX || equals + 1 == text.len) {
        return err_set(e, STATUS_INVALID, "write ARCH-OS=FILE, such as x86_64-linux=./redis");
    }
    slice name = slice_sub(text, 0, equals);
    if (!provider_archive_target_is_valid(name)) {
        return err_set(e, STATUS_INVALID,
                       "\"%.*s\" names no target; write ARCH-OS in lower case, such as x86_64-linux",
                       SLICE_ARG(slice_sub(name, 0, PROVIDER_ARCHIVE_TARGET_BYTES_MAX)));
    }
    for (size_t i = 0; i < args->file_count; i++) {
        if (slice_equal(args->files[i].target, name)) {
            return err_set(e, STATUS_INVALID, "target %.*s is given twice", SLICE_ARG(name));
        }
    }
    if (args->file_count == PROVIDER_ARCHIVE_TARGETS_MAX) {
        return err_set(e, STATUS_LIMIT, "at most %d targets", PROVIDER_ARCHIVE_TARGETS_MAX);
    }
    args->files[args->file_count].target = name;
    args->files[args->file_count++].path = value + equals + 1;
    return STATUS_OK;
}

static status set_revision(void *target, const char *value, err *e) {
    par_args *args = target;
    uint64_t number;
    TRY(cli_parse_number(value, 0, INT32_MAX, &number, e));
    args->has_revision = true;
    args->revision = (int32_t)number;
    return STATUS_OK;
}
CLI_KEEP_TEXT(set_for, par_args, validity.lasts_for);
CLI_KEEP_TEXT(set_until, par_args, validity.until);
CLI_KEEP_TEXT(set_not_before, par_args, validity.not_before);
CLI_KEEP_TEXT(set_at, par_args, validity.at);
CLI_TURN_ON(set_adopt, par_args, adopts);

static status add_chain(void *target, const char *value, err *e) {
    return cli_chain_add(&((par_args *)target)->chain, value, e);
}

static const cli_option create_options[] = {
    {"name", 'n', "NAME", "what the provider is called", set_name},
    {"vendor", 0, "VENDOR", "who makes it", set_vendor},
    {"target", 't', "ARCH-OS=FILE", "the program for a target; may be repeated", set_target},
    {"world", 'w', "FILE", "its interfaces, as an encoded WIT package", set_world},
    {"schema", 'j', "FILE", "a JSON schema of its configuration, kept in the token", set_schema},
    {"rev", 'r', "N", "its revision, which grows with each release", set_revision},
    {"version", 0, "TEXT", "its version for people", set_version},
    {"issuer", 'i', "KEY", "who signs: a stored key, or a seed file by its path (account)", set_issuer},
    {"subject", 's', "KEY", "who the provider is: a service key, or its public text", set_subject},
    CLI_OPTION_KEYS(set_keys),
    CLI_OPTION_PASSPHRASE_FILE(set_passphrase_file),
    CLI_OPTION_FOR(set_for),
    CLI_OPTION_UNTIL(set_until),
    CLI_OPTION_NOT_BEFORE(set_not_before),
    {"at", 0, "DATE", "the date of the signature (now)", set_at},
    CLI_OPTION_CHAIN(add_chain),
    {"out", 0, "FILE", "where to write it; compressed when the name ends with .gz", par_set_out},
    CLI_OPTION_OUTPUT(par_set_output),
};

static const cli_option insert_options[] = {
    {"target", 't', "ARCH-OS=FILE", "a program to add or replace; may be repeated", set_target},
    {"world", 'w', "FILE", "replace its interfaces by this encoded WIT package", set_world},
    {"schema", 'j', "FILE", "replace the JSON schema of its configuration", set_schema},
    {"rev", 'r', "N", "its new revision (as it was)", set_revision},
    {"version", 0, "TEXT", "its new version for people (as it was)", set_version},
    {"issuer", 'i', "KEY", "who signs: a stored key, or a seed file by its path (account)", set_issuer},
    {"adopt", 0, NULL, "sign although another issuer signed before: vouch for all that is inside", set_adopt},
    CLI_OPTION_KEYS(set_keys),
    CLI_OPTION_PASSPHRASE_FILE(set_passphrase_file),
    {"for", 0, "SPAN", "how long it is valid, such as 90d (as it was)", set_for},
    CLI_OPTION_UNTIL(set_until),
    {"not-before", 0, "DATE", "when it becomes valid: a date, or a span from now (as it was)",
     set_not_before},
    {"at", 0, "DATE", "the date of the signature (now)", set_at},
    CLI_OPTION_CHAIN(add_chain),
    {"out", 0, "FILE", "where to write it (over the archive)", par_set_out},
    CLI_OPTION_OUTPUT(par_set_output),
};

static const cli_command create_command = {
    .name = "par create",
    .usage = "[OPTIONS] --name NAME --vendor VENDOR --target ARCH-OS=FILE --subject KEY --out FILE",
    .summary = "Make a provider archive and sign it.",
    .options = create_options,
    .option_count = sizeof create_options / sizeof create_options[0],
    .examples = "  writ par create --vendor Example --name Redis --target x86_64-linux=./redis \\\n"
                "      --target aarch64-linux=./redis-arm --issuer acme --subject redis --rev 3 \\\n"
                "      --version 0.3.0 --for 90d --out redis.par.gz",
};

static const cli_command insert_command = {
    .name = "par insert",
    .usage = "[OPTIONS] ARCHIVE",
    .summary = "Add or replace programs of a provider archive and sign it again.",
    .details = "The archive must be whole and rightly signed before. Name, subject and all that no option "
               "changes stay.",
    .options = insert_options,
    .option_count = sizeof insert_options / sizeof insert_options[0],
    .examples = "  writ par insert redis.par.gz --target aarch64-macos=./redis-mac --issuer acme --rev 4",
    .operands_min = 1,
    .operands_max = 1,
    .operand = par_set_archive,
};

int par_create(int argc, char **argv) { return par_run(&create_command, argc, argv, check_create, create); }
int par_insert(int argc, char **argv) { return par_run(&insert_command, argc, argv, check_insert, insert); }
