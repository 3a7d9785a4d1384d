// SPDX-License-Identifier: Apache-2.0
// writ verify: is this component what its token says, and is the one who says so trusted? For pipelines: one
// exit code, one word.
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/key_option.h"
#include "cli/options.h"
#include "cli/token_file.h"
#include "codec/date.h"
#include "component/component.h"
#include "identity/verify.h"
#include "os/clock.h"
#include "os/whole_file.h"

enum { LINE_BYTES_MAX = 64 << 10 };

typedef struct verify_args {
    const char *path;
    const char *token;
    const char *trust;
    const char *issuer;
    const char *at;
    cli_output output;
} verify_args;

// What is known, and the files that it borrows from.
typedef struct examined {
    buf bytes;
    buf token;
    trust_store *trust;
    uint64_t now_s;
    verification v;
    refusal reason; // of `v`, or NOT_ALLOWED for its imports
    err error;
    bool is_malformed; // the component itself, whoever signed it
} examined;

// --- examining ---------------------------------------------------------------------------------------------

static status load_trust(const verify_args *args, trust_store **ret, err *e) {
    if (args->issuer == NULL) {
        return cli_trust_load(args->trust, ret, e);
    }
    status s = cli_trust_only(args->issuer, ret, e);
    return s == STATUS_OK ? s : err_wrap(e, "--issuer");
}

static status load(const verify_args *args, examined *x, err *e) {
    x->now_s = clock_wall_now().seconds;
    if (args->at != NULL) {
        TRY(cli_parse_date_or_span(args->at, x->now_s, &x->now_s, e));
    }
    TRY(file_read_whole(args->path, component_limits_default().bytes_max, &x->bytes, e));
    if (args->token != NULL) {
        TRY(cli_token_load(args->token, &x->token, e));
    }
    return load_trust(args, &x->trust, e);
}

static status check_imports(const verification *v, const component *c, err *e) {
    for (size_t i = 0; i < component_import_count(c); i++) {
        const component_item *item = component_import_at(c, i);
        slice name;
        semver version;
        bool has_version = component_name_split(component_item_interface(item), &name, &version);
        TRY(verification_check_import(v, name, has_version ? &version : NULL, e));
    }
    return STATUS_OK;
}

// The component is decoded only when it is believed: until then nothing looks further than its sections.
static void examine(const verify_args *args, examined *x) {
    verify_input input = {buf_slice(&x->bytes), buf_slice(&x->token), x->trust, x->now_s};
    verify_component(&input, &x->v);
    x->reason = x->v.reason;
    x->error = x->v.error;
    x->is_malformed = !x->v.envelope.is_canonical && x->v.envelope.why_not[0] == '\0';
    if (x->reason == REFUSAL_UNKNOWN_ISSUER && args->issuer != NULL) {
        cli_explain_other_issuer(args->issuer, &x->v.claims.issuer, &x->error);
    }
    if (x->reason != REFUSAL_NONE) {
        return;
    }
    component_limits limits = component_limits_default();
    component *c = NULL;
    if (component_decode(input.bytes, &limits, &c, &x->error) != STATUS_OK) {
        x->reason = REFUSAL_MALFORMED;
        x->is_malformed = true;
    } else if (check_imports(&x->v, c, &x->error) != STATUS_OK) {
        x->reason = REFUSAL_NOT_ALLOWED;
    }
    component_free(c);
}

// --- telling -----------------------------------------------------------------------------------------------

static void print_json(const verify_args *args, const examined *x) {
    const verification *v = &x->v;
    char hash[HASH_HEX_BYTES], now[DATE_TEXT_BYTES];
    envelope_hash_text(v->envelope.hash, hash);
    json_value *document = json_object_new();
    json_put_text(document, "component", slice_from_text(args->path));
    json_put_bool(document, "good", x->reason == REFUSAL_NONE);
    json_put_text(document, "reason", slice_from_text(refusal_name(x->reason)));
    json_put_text(document, "message", slice_from_text(x->error.message));
    json_put_text(document, "checked_at", slice_from_text(date_text(x->now_s, now)));
    json_put_text(document, "hash", slice_from_text(x->is_malformed ? "" : hash));
    json_put(document, "claims", v->has_token ? token_to_json(&v->claims) : json_null_new());
    json_value *chain = json_array_new();
    for (size_t i = 0; i < v->chain_count; i++) {
        json_push(chain, token_to_json(&v->chain[i]));
    }
    json_put(document, "chain", chain);
    bool trusted = v->trust.believed != NULL;
    json_put(document, "trusted_key",
             trusted ? json_text(slice_from_text(nkey_public_text(&v->trust.believed->key).text))
                     : json_null_new());
    cli_print_json(document);
}

static void print_row(const char *label, slice text) {
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    cli_append_printable(&line, text);
    printf("  %-9s %.*s\n", label, SLICE_ARG(buf_slice(&line)));
}

static void print_good(const verify_args *args, const examined *x) {
    const token_claims *c = &x->v.claims;
    char hash[HASH_HEX_BYTES], until[DATE_TEXT_BYTES];
    envelope_hash_text(x->v.envelope.hash, hash);
    printf("%s: good\n", args->path);
    print_row("name", c->name);
    print_row("subject", slice_from_text(nkey_public_text(&c->subject).text));
    print_row("issuer", slice_from_text(nkey_public_text(&c->issuer).text));
    if (x->v.trust.believed != NULL && !nkey_public_equal(&x->v.trust.believed->key, &c->issuer)) {
        print_row("through", slice_from_text(nkey_public_text(&x->v.trust.believed->key).text));
    }
    print_row("hash", slice_from_text(hash));
    printf("  %-9s %s%s\n", "valid", c->has_expiry ? "until " : "without end",
           c->has_expiry ? date_text(c->expires_at_s, until) : "");
}

static void print_refused(const verify_args *args, const examined *x) {
    bool colour = cli_use_colour(STDERR_FILENO);
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    cli_append_printable(&line, slice_from_text(x->error.message));
    fprintf(stderr, "%swrit:%s %s: refused (%s): %.*s\n", colour ? "\033[31m" : "", colour ? "\033[0m" : "",
            args->path, refusal_name(x->reason), SLICE_ARG(buf_slice(&line)));
}

static int tell(const verify_args *args, const examined *x) {
    bool good = x->reason == REFUSAL_NONE;
    if (args->output == CLI_JSON) {
        print_json(args, x);
    } else {
        (good ? print_good : print_refused)(args, x);
    }
    return good ? CLI_EXIT_OK : x->is_malformed ? CLI_EXIT_INVALID : CLI_EXIT_REFUSED;
}

// A trust store that cannot be read is a fault of this machine, not of the component.
static int fail_to_load(const err *e, cli_output output) {
    int code = cli_fail(e, output);
    return code == CLI_EXIT_INVALID || code == CLI_EXIT_REFUSED ? CLI_EXIT_ENVIRONMENT : code;
}

static int verify(const verify_args *args) {
    examined x = {0};
    err e = {0};
    int code;
    if (load(args, &x, &e) != STATUS_OK) {
        code = fail_to_load(&e, args->output);
    } else {
        examine(args, &x);
        code = tell(args, &x);
    }
    verification_done(&x.v);
    trust_store_free(x.trust);
    buf_done(&x.token);
    buf_done(&x.bytes);
    return code;
}

// --- the command -------------------------------------------------------------------------------------------

CLI_KEEP_TEXT(set_path, verify_args, path);
CLI_KEEP_TEXT(set_token, verify_args, token);
CLI_KEEP_TEXT(set_trust, verify_args, trust);

static status set_issuer(void *target, const char *value, err *e) {
    TRY(cli_check_believable(value, e));
    ((verify_args *)target)->issuer = value;
    return STATUS_OK;
}

static status set_at(void *target, const char *value, err *e) {
    uint64_t scratch;
    TRY(cli_parse_date_or_span(value, 0, &scratch, e));
    ((verify_args *)target)->at = value;
    return STATUS_OK;
}

CLI_KEEP_OUTPUT(set_output, verify_args, output);

static const cli_option options[] = {
    {"token", 0, "FILE", "the token, where it is beside the component", set_token},
    CLI_OPTION_TRUST(set_trust),
    {"issuer", 'i', "PUBLICKEY", "trust this account or operator and nobody else; needs no store",
     set_issuer},
    {"at", 0, "DATE", "the date to judge validity by (now)", set_at},
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "verify",
    .usage = "[OPTIONS] COMPONENT",
    .summary = "Check that a component is what its maker signed, and that the maker is trusted here.",
    .details =
        "Checks what a host checks before it starts the component: form, signature, hash, validity, the\n"
        "tokens of the issuer, trust, revocation, and that the component imports nothing beyond its writ.\n"
        "Runs nothing and asks no network. Exit codes: 0 good, 3 refused, 4 no component or a malformed\n"
        "one, 5 something of this machine is missing.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ verify hello.signed.wasm\n"
                "  writ verify --issuer ACCOUNTKEY -o json hello.signed.wasm\n"
                "  writ verify --token hello.jwt --at 2027-01-31 hello.wasm",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_path,
};

int cli_verify(int argc, char **argv) {
    verify_args args = {0};
    err e = {0};
    status s = cli_parse(&command, argc, argv, &args, &e);
    if (s == STATUS_OK && args.trust != NULL && args.issuer != NULL) {
        s = err_set(&e, STATUS_INVALID, "--trust and --issuer exclude each other; choose one");
    }
    if (s == STATUS_CANCELLED) {
        return CLI_EXIT_OK;
    }
    if (s != STATUS_OK) {
        cli_fail(&e, args.output);
        return CLI_EXIT_USAGE;
    }
    return verify(&args);
}
