// SPDX-License-Identifier: Apache-2.0
// writ bundle verify.
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/bundle_internal.h"
#include "codec/date.h"
#include "crypto/hash.h"
#include "host/host.h"
#include "os/clock.h"
#include "os/whole_file.h"

// --- examining ---------------------------------------------------------------------------------------------

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
                            : bundle_load(path, &x->bundle, &x->error);
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

// --- the answer --------------------------------------------------------------------------------------------

static json_value *facts_json(const sigstore_facts *f) {
    char hex[HASH_HEX_BYTES], at[DATE_TEXT_BYTES];
    json_value *document = json_object_new();
    hash_hex(f->key_id, hex);
    bundle_put_name(document, "identity", f->identity);
    bundle_put_name(document, "oidc_issuer", f->issuer);
    json_put_text(document, "key", slice_from_text(hex));
    json_put_text(document, "key_kind", slice_from_text(public_key_kind_name(f->key_kind)));
    bundle_put_name(document, "signed_at",
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
        bundle_print_row("identity", f->identity);
        bundle_print_row("issuer", f->issuer);
    } else {
        bundle_print_row("key", slice_from_text(hex));
    }
    bundle_print_row("kind", slice_from_text(public_key_kind_name(f->key_kind)));
    if (f->has_time) {
        bundle_print_row("signed at", slice_from_text(date_text((uint64_t)f->signed_at_s, at)));
    }
    if (f->root_used) {
        printf("  %-11s %zu log entries (%zu with inclusion proof), %zu time stamps\n", "witnesses",
               f->entries_verified, f->proofs_verified, f->timestamps_verified);
    } else {
        bundle_print_row("witnesses", slice_from_text("not looked at: no trusted root was given"));
    }
}

static void print_refused(const bundle_args *args, const examined *x) {
    bool colour = cli_use_colour(STDERR_FILENO);
    auto_buf line;
    buf_init(&line, BUNDLE_LINE_BYTES_MAX);
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
        code = bundle_fail_to_load(&e, args->output);
    } else {
        code = examine(args, &x) ? tell(args, &x) : bundle_fail_to_load(&x.error, args->output);
    }
    sigstore_bundle_free(x.bundle);
    sigstore_root_free(x.root);
    public_key_free(x.key);
    buf_done(&x.file);
    return code;
}

// --- options -----------------------------------------------------------------------------------------------

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

static const cli_option verify_options[] = {
    {"bundle", 0, "FILE", "the bundle (COMPONENT.sigstore.json)", set_bundle},
    {"key", 0, "FILE", "the public key in PEM that must have signed", bundle_set_key},
    {"identity", 0, "NAME", "the signer in the certificate, a URI or e-mail address, exactly", set_identity},
    {"oidc-issuer", 0, "URL", "who named the signer, exactly", set_issuer},
    {"trusted-root", 0, "FILE", "authorities, logs and time stamp authorities to trust", set_root},
    {"at", 0, "DATE", "the date to judge by; what was signed later is refused (now)", set_at},
    CLI_OPTION_OUTPUT(bundle_set_output),
};

static const cli_command verify_command = {
    .name = "bundle verify",
    .usage = "[OPTIONS] COMPONENT",
    .summary = "Check a component against a Sigstore bundle, offline.",
    .details =
        "Needs --key, or --identity with --oidc-issuer and --trusted-root. With --key, a trusted root\n"
        "makes the log entries and time stamps of the bundle count too. Nothing is fetched.",
    .options = verify_options,
    .option_count = sizeof verify_options / sizeof verify_options[0],
    .examples = "  writ bundle verify --key key.pub hello.wasm\n"
                "  writ bundle verify --identity dev@example.org \\\n"
                "      --oidc-issuer https://login.example.org --trusted-root trusted_root.json hello.wasm",
    .operands_min = 1,
    .operands_max = 1,
    .operand = bundle_set_path,
};

int bundle_verify(int argc, char **argv) {
    return bundle_run(&verify_command, argc, argv, check_verify, verify);
}
