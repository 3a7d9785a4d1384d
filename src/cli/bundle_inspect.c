// SPDX-License-Identifier: Apache-2.0
// writ bundle inspect.
#include <stdio.h>

#include "cli/bundle_internal.h"
#include "codec/date.h"

static const char *name_kind(certificate_name_kind kind) {
    static const char *const names[] = {"uri", "email", "dns", "other"};
    return (unsigned)kind < sizeof names / sizeof names[0] ? names[kind] : "other";
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
    bundle_put_name(signer, "oidc_issuer", c->issuer);
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
    bundle_put_name(document, "payload_type", c->payload_type);
    bundle_put_name(document, "digest_algorithm", slice_from_text(c->digest_name));
    bundle_put_name(document, "digest", slice_from_text(c->digest_hex));
    bundle_put_name(document, "key_hint", c->hint);
    json_put(document, "certificate", c->by_certificate ? signer_json(c) : json_null_new());
    json_put_integer(document, "log_entries", (int64_t)c->entry_count);
    json_put_integer(document, "timestamps", (int64_t)c->timestamp_count);
    json_put_bool(document, "verified", false);
    cli_print_json(document);
}

static void print_signer(const sigstore_claims *c) {
    char from[DATE_TEXT_BYTES], to[DATE_TEXT_BYTES];
    for (size_t i = 0; i < certificate_name_count(c->signer); i++) {
        bundle_print_row("signer", certificate_name_at(c->signer, i).text);
    }
    int64_t first = certificate_not_before_s(c->signer), last = certificate_not_after_s(c->signer);
    bundle_print_row("issuer", c->issuer);
    bundle_print_row("valid from", slice_from_text(date_text(first < 0 ? 0 : (uint64_t)first, from)));
    bundle_print_row("valid to", slice_from_text(date_text(last < 0 ? 0 : (uint64_t)last, to)));
}

static void print_claims(const bundle_args *args, const sigstore_claims *c) {
    printf("%s: Sigstore bundle 0.%d, not verified\n", args->path, c->version);
    if (c->is_envelope) {
        bundle_print_row("envelope", c->payload_type);
    } else {
        bundle_print_row(c->digest_name, slice_from_text(c->digest_hex));
    }
    if (c->by_certificate) {
        print_signer(c);
    } else {
        bundle_print_row("key", c->hint.len > 0 ? c->hint : slice_from_text("not named"));
    }
    printf("  %-11s %zu log entries, %zu time stamps\n", "witnesses", c->entry_count, c->timestamp_count);
}

static int inspect(const bundle_args *args) {
    sigstore_bundle *bundle = NULL;
    sigstore_claims claims;
    err e = {0};
    if (bundle_load(args->path, &bundle, &e) != STATUS_OK) {
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

static const cli_option inspect_options[] = {CLI_OPTION_OUTPUT(bundle_set_output)};

static const cli_command inspect_command = {
    .name = "bundle inspect",
    .usage = "[OPTIONS] BUNDLE",
    .summary = "Show what a Sigstore bundle says of itself; nothing of it is checked.",
    .options = inspect_options,
    .option_count = sizeof inspect_options / sizeof inspect_options[0],
    .examples = "  writ bundle inspect hello.wasm.sigstore.json",
    .operands_min = 1,
    .operands_max = 1,
    .operand = bundle_set_path,
};

int bundle_inspect(int argc, char **argv) { return bundle_run(&inspect_command, argc, argv, NULL, inspect); }
