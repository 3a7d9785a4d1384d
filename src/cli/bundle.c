// SPDX-License-Identifier: Apache-2.0
// writ bundle: detached signatures in the Sigstore bundle format. Calls no service.
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/cli.h"
#include "cli/group.h"
#include "cli/options.h"
#include "codec/date.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "host/host.h"
#include "identity/sigstore.h"
#include "os/clock.h"
#include "os/replace.h"
#include "os/whole_file.h"

enum { LINE_BYTES_MAX = 8192 };

typedef struct bundle_args {
    const char *path;
    const char *key;
    const char *out;
    const char *bundle;
    const char *identity;
    const char *issuer;
    const char *root;
    const char *at;
    cli_output output;
} bundle_args;

// --- options -----------------------------------------------------------------------------------------------

CLI_KEEP_TEXT(set_path, bundle_args, path);
CLI_KEEP_TEXT(set_key, bundle_args, key);
CLI_KEEP_TEXT(set_out, bundle_args, out);
CLI_KEEP_TEXT(set_bundle, bundle_args, bundle);
CLI_KEEP_TEXT(set_identity, bundle_args, identity);
CLI_KEEP_TEXT(set_issuer, bundle_args, issuer);
CLI_KEEP_TEXT(set_root, bundle_args, root);

static status set_at(void *target, const char *value, err *e) {
    uint64_t scratch;
    TRY(cli_parse_date_or_span(value, 0, &scratch, e));
    ((bundle_args *)target)->at = value;
    return STATUS_OK;
}

CLI_KEEP_OUTPUT(set_output, bundle_args, output);

static const cli_option sign_options[] = {
    {"key", 0, "FILE", "a private key in PEM, ECDSA P-256 or Ed25519, not encrypted", set_key},
    {"out", 0, "FILE", "where to write the bundle (COMPONENT.sigstore.json)", set_out},
    CLI_OPTION_OUTPUT(set_output),
};
static const cli_option verify_options[] = {
    {"bundle", 0, "FILE", "the bundle (COMPONENT.sigstore.json)", set_bundle},
    {"key", 0, "FILE", "the public key in PEM that must have signed", set_key},
    {"identity", 0, "NAME", "the signer in the certificate, a URI or e-mail address, exactly", set_identity},
    {"oidc-issuer", 0, "URL", "who named the signer, exactly", set_issuer},
    {"trusted-root", 0, "FILE", "authorities, logs and time stamp authorities to trust", set_root},
    {"at", 0, "DATE", "the date to judge by; what was signed later is refused (now)", set_at},
    CLI_OPTION_OUTPUT(set_output),
};
static const cli_option inspect_options[] = {CLI_OPTION_OUTPUT(set_output)};

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static const cli_command sign_command = {
    .name = "bundle sign",
    .usage = "[OPTIONS] --key FILE COMPONENT",
    .summary = "Sign a component with a private key, into a Sigstore bundle beside it.",
    .details = "The bundle names the key by its SHA-256 and holds no log entry: no service is called.",
    .options = sign_options,
    .option_count = COUNT(sign_options),
    .examples = "  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem\n"
                "  openssl pkey -in key.pem -pubout -out key.pub\n"
                "  writ bundle sign --key key.pem hello.wasm",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_path,
};
static const cli_command verify_command = {
    .name = "bundle verify",
    .usage = "[OPTIONS] COMPONENT",
    .summary = "Check a component against a Sigstore bundle, offline.",
    .details =
        "Needs --key, or --identity with --oidc-issuer and --trusted-root. With --key, a trusted root\n"
        "makes the log entries and time stamps of the bundle count too. Nothing is fetched.",
    .options = verify_options,
    .option_count = COUNT(verify_options),
    .examples = "  writ bundle verify --key key.pub hello.wasm\n"
                "  writ bundle verify --identity dev@example.org \\\n"
                "      --oidc-issuer https://login.example.org --trusted-root trusted_root.json hello.wasm",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_path,
};
static const cli_command inspect_command = {
    .name = "bundle inspect",
    .usage = "[OPTIONS] BUNDLE",
    .summary = "Show what a Sigstore bundle says of itself; nothing of it is checked.",
    .options = inspect_options,
    .option_count = COUNT(inspect_options),
    .examples = "  writ bundle inspect hello.wasm.sigstore.json",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_path,
};

// --- what they share ---------------------------------------------------------------------------------------

// The bundle's usual place, unless one was named.
static const char *bundle_path(const bundle_args *args, const char *named, buf *memory) {
    buf_init(memory, LINE_BYTES_MAX);
    if (named != NULL) {
        return named;
    }
    return buf_append_format(memory, "%s.sigstore.json", args->path) == STATUS_OK ? buf_text(memory) : NULL;
}

static status load_bundle(const char *path, sigstore_bundle **ret, err *e) {
    auto_buf text;
    buf_init(&text, SIGSTORE_BUNDLE_BYTES_MAX);
    TRY(file_read_whole(path, SIGSTORE_BUNDLE_BYTES_MAX, &text, e));
    return sigstore_bundle_parse(buf_slice(&text), ret, e) == STATUS_OK ? STATUS_OK : err_wrap(e, "%s", path);
}

// Files that the operator gives are part of the environment, whatever is wrong with them.
static int fail_to_load(const err *e, cli_output output) {
    cli_fail(e, output);
    return CLI_EXIT_ENVIRONMENT;
}

static void put_name(json_value *document, const char *key, slice text) {
    json_put(document, key, text.len > 0 ? json_text(text) : json_null_new());
}

static void print_row(const char *label, slice text) {
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    cli_append_printable(&line, text);
    printf("  %-11s %.*s\n", label, SLICE_ARG(buf_slice(&line)));
}

typedef int (*bundle_action)(const bundle_args *args);
typedef status (*bundle_check)(const bundle_args *args, err *e);

static int run(const cli_command *command, int argc, char **argv, bundle_check check, bundle_action act) {
    bundle_args args = {0};
    err e = {0};
    status s = cli_parse(command, argc, argv, &args, &e);
    s = s == STATUS_OK && check != NULL ? check(&args, &e) : s;
    if (s == STATUS_OK) {
        return act(&args);
    }
    if (s == STATUS_CANCELLED) {
        return CLI_EXIT_OK;
    }
    cli_fail(&e, args.output);
    return CLI_EXIT_USAGE;
}

// --- sign --------------------------------------------------------------------------------------------------

static status check_sign(const bundle_args *args, err *e) {
    return args->key != NULL ? STATUS_OK
                             : err_set(e, STATUS_INVALID,
                                       "name the private key with --key FILE\n"
                                       "  (try: writ bundle sign --help)");
}

static status load_private_key(const char *path, private_key **ret, err *e) {
    auto_buf pem;
    buf_init(&pem, KEY_PEM_BYTES_MAX);
    status s = file_read_whole(path, KEY_PEM_BYTES_MAX, &pem, e);
    if (s == STATUS_OK && private_key_from_pem(buf_slice(&pem), ret, e) != STATUS_OK) {
        s = err_wrap(e, "%s", path);
    }
    if (pem.data != NULL) {
        secret_wipe(pem.data, pem.capacity);
    }
    return s;
}

static void print_signed(const bundle_args *args, const char *path, const private_key *key) {
    uint8_t id[PUBLIC_KEY_ID_BYTES];
    char hex[HASH_HEX_BYTES];
    const public_key *public_half = private_key_public(key);
    public_key_id(public_half, id);
    hash_hex(id, hex);
    const char *kind = public_key_kind_name(public_key_kind_of(public_half));
    if (args->output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_text(document, "bundle", slice_from_text(path));
        json_put_text(document, "key", slice_from_text(hex));
        json_put_text(document, "key_kind", slice_from_text(kind));
        cli_print_json(document);
    } else {
        printf("%s: signed with the %s key %s\n", path, kind, hex);
    }
}

static status sign_with(const bundle_args *args, const private_key *key, const char *path, err *e) {
    auto_buf file = {0};
    auto_buf text;
    buf_init(&text, LINE_BYTES_MAX);
    TRY(host_read_component(args->path, &file, e));
    TRY(sigstore_sign(buf_slice(&file), key, &text, e));
    return file_replace_whole(path, buf_slice(&text), e);
}

static int sign(const bundle_args *args) {
    private_key *key = NULL;
    auto_buf memory;
    err e = {0};
    const char *path = bundle_path(args, args->out, &memory);
    status s = path == NULL ? err_set(&e, STATUS_INVALID, "the path of the bundle is too long")
                            : load_private_key(args->key, &key, &e);
    s = s == STATUS_OK ? sign_with(args, key, path, &e) : s;
    if (s == STATUS_OK) {
        print_signed(args, path, key);
    }
    private_key_free(key);
    return s == STATUS_OK ? CLI_EXIT_OK : fail_to_load(&e, args->output);
}

static int bundle_sign(int argc, char **argv) { return run(&sign_command, argc, argv, check_sign, sign); }

// --- verify ------------------------------------------------------------------------------------------------

typedef struct examined {
    buf file;
    sigstore_bundle *bundle;
    sigstore_root *root;
    public_key *key;
    int64_t now_s;
    sigstore_facts facts;
    sigstore_reason reason;
    err error;
} examined;

static status check_verify(const bundle_args *args, err *e) {
    bool by_identity = args->identity != NULL && args->issuer != NULL && args->root != NULL;
    bool any_identity = args->identity != NULL || args->issuer != NULL;
    if (args->key != NULL ? any_identity : !by_identity) {
        return err_set(e, STATUS_INVALID,
                       "say who must have signed: --key FILE, or --identity NAME with --oidc-issuer URL and "
                       "--trusted-root FILE\n  (try: writ bundle verify --help)");
    }
    if (args->identity != NULL && (args->identity[0] == '\0' || args->issuer[0] == '\0')) {
        return err_set(e, STATUS_INVALID, "--identity and --oidc-issuer must not be empty");
    }
    return STATUS_OK;
}

static status load_trust(const bundle_args *args, examined *x, err *e) {
    auto_buf text;
    if (args->key != NULL) {
        buf_init(&text, KEY_PEM_BYTES_MAX);
        TRY(file_read_whole(args->key, KEY_PEM_BYTES_MAX, &text, e));
        status s = public_key_from_pem(buf_slice(&text), &x->key, e);
        buf_done(&text);
        if (s != STATUS_OK) {
            return err_wrap(e, "%s", args->key);
        }
    }
    buf_init(&text, SIGSTORE_ROOT_BYTES_MAX);
    if (args->root == NULL) {
        return STATUS_OK;
    }
    TRY(file_read_whole(args->root, SIGSTORE_ROOT_BYTES_MAX, &text, e));
    return sigstore_root_parse(buf_slice(&text), &x->root, e) == STATUS_OK ? STATUS_OK
                                                                           : err_wrap(e, "%s", args->root);
}

static status load(const bundle_args *args, examined *x, err *e) {
    uint64_t now_s = clock_wall_now().seconds;
    if (args->at != NULL) {
        TRY(cli_parse_date_or_span(args->at, now_s, &now_s, e));
    }
    x->now_s = (int64_t)now_s;
    TRY(load_trust(args, x, e));
    return host_read_component(args->path, &x->file, e);
}

// False when the file is not there; a bundle that breaks its format is a result.
static bool examine(const bundle_args *args, examined *x) {
    auto_buf memory;
    const char *path = bundle_path(args, args->bundle, &memory);
    status s = path == NULL ? err_set(&x->error, STATUS_NOT_FOUND, "the path of the bundle is too long")
                            : load_bundle(path, &x->bundle, &x->error);
    if (s == STATUS_NOT_FOUND || s == STATUS_IO) {
        return false;
    }
    if (s != STATUS_OK) {
        x->reason = s == STATUS_UNSUPPORTED ? SIGSTORE_UNSUPPORTED : SIGSTORE_MALFORMED;
        return true;
    }
    const sigstore_policy policy = {
        .key = x->key,
        .identity = slice_from_text(args->identity),
        .issuer = slice_from_text(args->issuer),
        .root = x->root,
        .now_s = x->now_s,
    };
    s = sigstore_verify(x->bundle, buf_slice(&x->file), &policy, &x->facts, &x->reason, &x->error);
    CHECK((s == STATUS_OK) == (x->reason == SIGSTORE_GOOD));
    return true;
}

static json_value *facts_json(const sigstore_facts *f) {
    char hex[HASH_HEX_BYTES], at[DATE_TEXT_BYTES];
    json_value *document = json_object_new();
    hash_hex(f->key_id, hex);
    put_name(document, "identity", f->identity);
    put_name(document, "oidc_issuer", f->issuer);
    json_put_text(document, "key", slice_from_text(hex));
    json_put_text(document, "key_kind", slice_from_text(public_key_kind_name(f->key_kind)));
    put_name(document, "signed_at",
             f->has_time ? slice_from_text(date_text((uint64_t)f->signed_at_s, at)) : slice_empty());
    json_put_text(document, "content", slice_from_text(f->is_envelope ? "statement" : "file"));
    json_put_bool(document, "witnesses_checked", f->root_used);
    json_put_integer(document, "log_entries", (int64_t)f->entries_verified);
    json_put_integer(document, "log_entries_unknown", (int64_t)f->entries_unknown);
    json_put_integer(document, "inclusion_proofs", (int64_t)f->proofs_verified);
    json_put_integer(document, "timestamps", (int64_t)f->timestamps_verified);
    return document;
}

static void print_json(const bundle_args *args, const examined *x) {
    char now[DATE_TEXT_BYTES];
    bool good = x->reason == SIGSTORE_GOOD;
    json_value *document = json_object_new();
    json_put_text(document, "component", slice_from_text(args->path));
    json_put_bool(document, "good", good);
    json_put_text(document, "reason", slice_from_text(sigstore_reason_name(x->reason)));
    json_put_text(document, "message", slice_from_text(x->error.message));
    json_put_text(document, "checked_at", slice_from_text(date_text((uint64_t)x->now_s, now)));
    json_put(document, "facts", good ? facts_json(&x->facts) : json_null_new());
    cli_print_json(document);
}

static void print_good(const bundle_args *args, const examined *x) {
    const sigstore_facts *f = &x->facts;
    char hex[HASH_HEX_BYTES], at[DATE_TEXT_BYTES];
    hash_hex(f->key_id, hex);
    printf("%s: good\n", args->path);
    if (f->by_certificate) {
        print_row("identity", f->identity);
        print_row("issuer", f->issuer);
    } else {
        print_row("key", slice_from_text(hex));
    }
    print_row("kind", slice_from_text(public_key_kind_name(f->key_kind)));
    if (f->has_time) {
        print_row("signed at", slice_from_text(date_text((uint64_t)f->signed_at_s, at)));
    }
    if (f->root_used) {
        printf("  %-11s %zu log entries (%zu with inclusion proof), %zu time stamps\n", "witnesses",
               f->entries_verified, f->proofs_verified, f->timestamps_verified);
    } else {
        print_row("witnesses", slice_from_text("not looked at: no trusted root was given"));
    }
}

static void print_refused(const bundle_args *args, const examined *x) {
    bool colour = cli_use_colour(STDERR_FILENO);
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    cli_append_printable(&line, slice_from_text(x->error.message));
    fprintf(stderr, "%swrit:%s %s: refused (%s): %.*s\n", colour ? "\033[31m" : "", colour ? "\033[0m" : "",
            args->path, sigstore_reason_name(x->reason), SLICE_ARG(buf_slice(&line)));
}

static int tell(const bundle_args *args, const examined *x) {
    bool good = x->reason == SIGSTORE_GOOD;
    bool is_malformed = x->reason == SIGSTORE_MALFORMED || x->reason == SIGSTORE_UNSUPPORTED;
    if (args->output == CLI_JSON) {
        print_json(args, x);
    } else {
        (good ? print_good : print_refused)(args, x);
    }
    return good ? CLI_EXIT_OK : is_malformed ? CLI_EXIT_INVALID : CLI_EXIT_REFUSED;
}

static int verify(const bundle_args *args) {
    examined x = {0};
    err e = {0};
    int code;
    if (load(args, &x, &e) != STATUS_OK) {
        code = fail_to_load(&e, args->output);
    } else {
        code = examine(args, &x) ? tell(args, &x) : fail_to_load(&x.error, args->output);
    }
    sigstore_bundle_free(x.bundle);
    sigstore_root_free(x.root);
    public_key_free(x.key);
    buf_done(&x.file);
    return code;
}

static int bundle_verify(int argc, char **argv) {
    return run(&verify_command, argc, argv, check_verify, verify);
}

// --- inspect -----------------------------------------------------------------------------------------------

static const char *name_kind(certificate_name_kind kind) {
    static const char *const names[] = {"uri", "email", "dns", "other"};
    return (unsigned)kind < COUNT(names) ? names[kind] : "other";
}

static json_value *signer_json(const sigstore_claims *c) {
    char from[DATE_TEXT_BYTES], to[DATE_TEXT_BYTES];
    json_value *signer = json_object_new(), *all = json_array_new();
    for (size_t i = 0; i < certificate_name_count(c->signer); i++) {
        certificate_name n = certificate_name_at(c->signer, i);
        json_value *row = json_object_new();
        json_put_text(row, "kind", slice_from_text(name_kind(n.kind)));
        json_put_text(row, "name", n.text);
        json_push(all, row);
    }
    int64_t first = certificate_not_before_s(c->signer), last = certificate_not_after_s(c->signer);
    json_put(signer, "names", all);
    put_name(signer, "oidc_issuer", c->issuer);
    json_put_text(signer, "not_before", slice_from_text(date_text(first < 0 ? 0 : (uint64_t)first, from)));
    json_put_text(signer, "not_after", slice_from_text(date_text(last < 0 ? 0 : (uint64_t)last, to)));
    return signer;
}

static void print_claims_json(const sigstore_claims *c) {
    char version[16];
    snprintf(version, sizeof version, "0.%d", c->version);
    json_value *document = json_object_new();
    json_put_text(document, "version", slice_from_text(version));
    json_put_text(document, "content", slice_from_text(c->is_envelope ? "envelope" : "file"));
    put_name(document, "payload_type", c->payload_type);
    put_name(document, "digest_algorithm", slice_from_text(c->digest_name));
    put_name(document, "digest", slice_from_text(c->digest_hex));
    put_name(document, "key_hint", c->hint);
    json_put(document, "certificate", c->by_certificate ? signer_json(c) : json_null_new());
    json_put_integer(document, "log_entries", (int64_t)c->entry_count);
    json_put_integer(document, "timestamps", (int64_t)c->timestamp_count);
    json_put_bool(document, "verified", false);
    cli_print_json(document);
}

static void print_signer(const sigstore_claims *c) {
    char from[DATE_TEXT_BYTES], to[DATE_TEXT_BYTES];
    for (size_t i = 0; i < certificate_name_count(c->signer); i++) {
        print_row("signer", certificate_name_at(c->signer, i).text);
    }
    int64_t first = certificate_not_before_s(c->signer), last = certificate_not_after_s(c->signer);
    print_row("issuer", c->issuer);
    print_row("valid from", slice_from_text(date_text(first < 0 ? 0 : (uint64_t)first, from)));
    print_row("valid to", slice_from_text(date_text(last < 0 ? 0 : (uint64_t)last, to)));
}

static void print_claims(const bundle_args *args, const sigstore_claims *c) {
    printf("%s: Sigstore bundle 0.%d, not verified\n", args->path, c->version);
    if (c->is_envelope) {
        print_row("envelope", c->payload_type);
    } else {
        print_row(c->digest_name, slice_from_text(c->digest_hex));
    }
    if (c->by_certificate) {
        print_signer(c);
    } else {
        print_row("key", c->hint.len > 0 ? c->hint : slice_from_text("not named"));
    }
    printf("  %-11s %zu log entries, %zu time stamps\n", "witnesses", c->entry_count, c->timestamp_count);
}

static int inspect(const bundle_args *args) {
    sigstore_bundle *bundle = NULL;
    sigstore_claims claims;
    err e = {0};
    if (load_bundle(args->path, &bundle, &e) != STATUS_OK) {
        e.code = e.code == STATUS_LIMIT ? STATUS_INVALID : e.code; // it is the file that asks for too much
        return cli_fail(&e, args->output);
    }
    sigstore_bundle_claims(bundle, &claims);
    if (args->output == CLI_JSON) {
        print_claims_json(&claims);
    } else {
        print_claims(args, &claims);
    }
    sigstore_bundle_free(bundle);
    return CLI_EXIT_OK;
}

static int bundle_inspect(int argc, char **argv) { return run(&inspect_command, argc, argv, NULL, inspect); }

// --- the group ---------------------------------------------------------------------------------------------

static const cli_member members[] = {
    {"sign", "sign a component with a private key", bundle_sign},
    {"verify", "check a component against its bundle, offline", bundle_verify},
    {"inspect", "show what a bundle says of itself", bundle_inspect},
};

static const cli_group group = {
    .name = "bundle",
    .summary = "Detached signatures in the Sigstore bundle format, made and checked offline.",
    .details = "What is checked, in which order, is in docs/sigstore.md.",
    .members = members,
    .member_count = COUNT(members),
    .examples = "  writ bundle sign --key key.pem hello.wasm\n  writ bundle verify --key key.pub hello.wasm",
};

int cli_bundle(int argc, char **argv) { return cli_group_run(&group, argc, argv); }
