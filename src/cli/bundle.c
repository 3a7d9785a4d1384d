// SPDX-License-Identifier: Apache-2.0
// writ bundle: detached signatures in the Sigstore bundle format. Calls no service. Here is what its commands
// share, and writ bundle sign.
#include <stdio.h>

#include "cli/bundle_internal.h"
#include "cli/group.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "host/host.h"
#include "os/replace.h"
#include "os/whole_file.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

// --- what they share ---------------------------------------------------------------------------------------

status bundle_set_path(void *target, const char *value, err *e) {
    (void)e;
    ((bundle_args *)target)->path = value;
    return STATUS_OK;
}
status bundle_set_key(void *target, const char *value, err *e) {
    (void)e;
    ((bundle_args *)target)->key = value;
    return STATUS_OK;
}
status bundle_set_output(void *target, const char *value, err *e) {
    return cli_parse_output(value, &((bundle_args *)target)->output, e);
}

const char *bundle_path(const bundle_args *args, const char *named, buf *memory) {
    buf_init(memory, BUNDLE_LINE_BYTES_MAX);
    if (named != NULL) {
        return named;
    }
    return buf_append_format(memory, "%s.sigstore.json", args->path) == STATUS_OK ? buf_text(memory) : NULL;
}

status bundle_load(const char *path, sigstore_bundle **ret, err *e) {
    auto_buf text;
    buf_init(&text, SIGSTORE_BUNDLE_BYTES_MAX);
    TRY(file_read_whole(path, SIGSTORE_BUNDLE_BYTES_MAX, &text, e));
    return sigstore_bundle_parse(buf_slice(&text), ret, e) == STATUS_OK ? STATUS_OK : err_wrap(e, "%s", path);
}

int bundle_fail_to_load(const err *e, cli_output output) {
    cli_fail(e, output);
    return CLI_EXIT_ENVIRONMENT;
}

void bundle_put_name(json_value *document, const char *key, slice text) {
    json_put(document, key, text.len > 0 ? json_text(text) : json_null_new());
}

void bundle_print_row(const char *label, slice text) {
    auto_buf line;
    buf_init(&line, BUNDLE_LINE_BYTES_MAX);
    cli_append_printable(&line, text);
    printf("  %-11s %.*s\n", label, SLICE_ARG(buf_slice(&line)));
}

int bundle_run(const cli_command *command, int argc, char **argv, bundle_check check, bundle_action act) {
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
    buf_init(&text, BUNDLE_LINE_BYTES_MAX);
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
    return s == STATUS_OK ? CLI_EXIT_OK : bundle_fail_to_load(&e, args->output);
}

CLI_KEEP_TEXT(set_out, bundle_args, out);

static const cli_option sign_options[] = {
    {"key", 0, "FILE", "a private key in PEM, ECDSA P-256 or Ed25519, not encrypted", bundle_set_key},
    {"out", 0, "FILE", "where to write the bundle (COMPONENT.sigstore.json)", set_out},
    CLI_OPTION_OUTPUT(bundle_set_output),
};

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
    .operand = bundle_set_path,
};

static int bundle_sign(int argc, char **argv) {
    return bundle_run(&sign_command, argc, argv, check_sign, sign);
}

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
