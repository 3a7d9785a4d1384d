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

// --- what an archive is made from --------------------------------------------------------------------------

// The contents of the files that the options name; the plan borrows from them.
typedef struct sources {
    size_t count;
    buf files[PROVIDER_ARCHIVE_TARGETS_MAX + 2];
} sources;

static void sources_done(sources *s) {
    for (size_t i = 0; i < s->count; i++) {
        buf_done(&s->files[i]);
    }
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
static void fill_claims(const par_args *args, token_claims *c) {
    c->issued_at_s = args->now_s;
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
    if (args->has_expiry) {
        c->has_expiry = true;
        c->expires_at_s = args->expires_at_s;
    }
    if (args->has_not_before) {
        c->has_not_before = true;
        c->not_before_s = args->not_before_s;
    }
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
           plan->claims.has_expiry ? "valid until " : "without an end", until);
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
    fill_claims(args, &plan->claims);
    plan->is_compressed = names_gzip(args->out);
    TRY(read_sources(args, s, plan, e));
    return write_archive(args, args->out, plan, issuer, e);
}

static status check_create(const par_args *args, err *e) {
    const char *missing = args->name == NULL      ? "--name NAME"
                          : args->vendor == NULL  ? "--vendor VENDOR"
                          : args->file_count == 0 ? "--target ARCH-OS=FILE"
                          : args->issuer == NULL  ? "--issuer KEY"
                          : args->subject == NULL ? "--subject KEY"
                          : args->out == NULL     ? "--out FILE"
                                                  : NULL;
    if (missing != NULL) {
        return err_set(e, STATUS_INVALID, "an archive needs %s (try: writ par create --help)", missing);
    }
    return STATUS_OK;
}

static status create(const par_args *args, err *e) {
    nkey *issuer = NULL;
    TRY(cli_key_load(args->issuer, args->keys, args->passphrase_file, &issuer, e));
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
        return err_set(
            e, STATUS_DENIED,
            "%s was signed by %s, not by key \"%s\"; to vouch for its other programs in their place, "
            "add --adopt",
            args->archive, nkey_public_text(&v->claims.issuer).text, args->issuer);
    }
    if (v->reason == REFUSAL_EXPIRED && !args->has_expiry) {
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
    fill_claims(args, &plan->claims);
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

static status check_insert(const par_args *args, err *e) {
    if (args->issuer == NULL) {
        return err_set(e, STATUS_INVALID, "signing again needs --issuer KEY (try: writ par insert --help)");
    }
    return STATUS_OK;
}

static status insert(const par_args *args, err *e) {
    nkey *issuer = NULL;
    TRY(cli_key_load(args->issuer, args->keys, args->passphrase_file, &issuer, e));
    status result = insert_into(args, issuer, e);
    nkey_free(issuer);
    return result;
}

// --- options -----------------------------------------------------------------------------------------------

static status set_text(const char **field, const char *value) {
    *field = value;
    return STATUS_OK;
}
static status set_name(void *target, const char *value, err *e) {
    (void)e;
    return set_text(&((par_args *)target)->name, value);
}
static status set_vendor(void *target, const char *value, err *e) {
    (void)e;
    return set_text(&((par_args *)target)->vendor, value);
}
static status set_version(void *target, const char *value, err *e) {
    (void)e;
    return set_text(&((par_args *)target)->version, value);
}
static status set_world(void *target, const char *value, err *e) {
    (void)e;
    return set_text(&((par_args *)target)->world, value);
}
static status set_schema(void *target, const char *value, err *e) {
    (void)e;
    return set_text(&((par_args *)target)->schema, value);
}
static status set_issuer(void *target, const char *value, err *e) {
    (void)e;
    return set_text(&((par_args *)target)->issuer, value);
}
static status set_subject(void *target, const char *value, err *e) {
    (void)e;
    return set_text(&((par_args *)target)->subject, value);
}
static status set_keys(void *target, const char *value, err *e) {
    (void)e;
    return set_text(&((par_args *)target)->keys, value);
}
static status set_passphrase_file(void *target, const char *value, err *e) {
    (void)e;
    return set_text(&((par_args *)target)->passphrase_file, value);
}

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
static status set_for(void *target, const char *value, err *e) {
    par_args *args = target;
    TRY(cli_parse_date_or_span(value, args->now_s, &args->expires_at_s, e));
    args->has_expiry = true;
    return STATUS_OK;
}
static status set_not_before(void *target, const char *value, err *e) {
    par_args *args = target;
    TRY(cli_parse_date_or_span(value, args->now_s, &args->not_before_s, e));
    args->has_not_before = true;
    return STATUS_OK;
}
static status set_adopt(void *target, const char *value, err *e) {
    (void)value, (void)e;
    ((par_args *)target)->adopts = true;
    return STATUS_OK;
}

static const cli_option create_options[] = {
    {"name", 'n', "NAME", "what the provider is called", set_name},
    {"vendor", 'v', "VENDOR", "who makes it", set_vendor},
    {"target", 't', "ARCH-OS=FILE", "the program for a target; may be given several times", set_target},
    {"world", 'w', "FILE", "its interfaces, as an encoded WIT package", set_world},
    {"schema", 'j', "FILE", "a JSON schema of its configuration, kept in the token", set_schema},
    {"rev", 'r', "NUMBER", "its revision, which grows with each release", set_revision},
    {"version", 0, "TEXT", "its version for people", set_version},
    {"issuer", 'i', "KEY", "who signs: a stored key, or a seed file by its path (account)", set_issuer},
    {"subject", 's', "KEY", "who the provider is: a service key, or its public text", set_subject},
    {"keys", 0, "DIR", "the directory of keys (keys in $WRIT_HOME or ~/.config/writ)", set_keys},
    {"passphrase-file", 0, "FILE", "the passphrase of the keys, else asked for", set_passphrase_file},
    {"for", 0, "SPAN", "how long it is valid, such as 90d (without an end)", set_for},
    {"until", 0, "DATE", "the same as a date, such as 2027-01-31", set_for},
    {"not-before", 0, "DATE", "when it becomes valid: a date, or a span from now (now)", set_not_before},
    {"out", 0, "FILE", "where to write it; compressed when the name ends with .gz", par_set_out},
    {"output", 'o', "text|json", "format (text)", par_set_output},
};

static const cli_option insert_options[] = {
    {"target", 't', "ARCH-OS=FILE", "a program to add or replace; may be given several times", set_target},
    {"world", 'w', "FILE", "replace its interfaces by this encoded WIT package", set_world},
    {"schema", 'j', "FILE", "replace the JSON schema of its configuration", set_schema},
    {"rev", 'r', "NUMBER", "its new revision (as it was)", set_revision},
    {"version", 0, "TEXT", "its new version for people (as it was)", set_version},
    {"issuer", 'i', "KEY", "who signs: a stored key, or a seed file by its path (account)", set_issuer},
    {"adopt", 0, NULL, "sign although another issuer signed before: vouch for all that is inside", set_adopt},
    {"keys", 0, "DIR", "the directory of keys (keys in $WRIT_HOME or ~/.config/writ)", set_keys},
    {"passphrase-file", 0, "FILE", "the passphrase of the keys, else asked for", set_passphrase_file},
    {"for", 0, "SPAN", "how long it is valid, such as 90d (as it was)", set_for},
    {"until", 0, "DATE", "the same as a date, such as 2027-01-31", set_for},
    {"not-before", 0, "DATE", "when it becomes valid: a date, or a span from now (as it was)",
     set_not_before},
    {"out", 0, "FILE", "where to write it (over the archive)", par_set_out},
    {"output", 'o', "text|json", "format (text)", par_set_output},
};

static const cli_command create_command = {
    .name = "par create",
    .usage =
        "[OPTIONS] --name NAME --vendor VENDOR --target ARCH-OS=FILE --issuer KEY --subject KEY --out FILE",
    .summary = "Make a provider archive and sign it.",
    .options = create_options,
    .option_count = sizeof create_options / sizeof create_options[0],
    .examples = "  writ par create --vendor Example --name Redis --target x86_64-linux=./redis \\\n"
                "      --target aarch64-linux=./redis-arm --issuer acme --subject redis --rev 3 \\\n"
                "      --version 0.3.0 --for 90d --out redis.par.gz",
};

static const cli_command insert_command = {
    .name = "par insert",
    .usage = "[OPTIONS] --issuer KEY ARCHIVE",
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
