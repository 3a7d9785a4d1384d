// SPDX-License-Identifier: Apache-2.0
// writ trust list and check: what the store says, and what it would decide.
#include <stdio.h>
#include <string.h>

#include "cli/trust_internal.h"
#include "codec/date.h"
#include "component/component.h"
#include "identity/verify.h"
#include "os/whole_file.h"

enum { LINE_BYTES_MAX = 64 << 10 };
#define COUNT(list) (sizeof(list) / sizeof(list)[0])

CLI_KEEP_TEXT(set_operand, trust_request, operand);
CLI_KEEP_TEXT(set_trust, trust_request, trust);
CLI_KEEP_OUTPUT(set_output, trust_request, output);

static void print_row(const char *before, slice text, const char *after) {
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    cli_append_printable(&line, text);
    printf("%s%.*s%s", before, SLICE_ARG(buf_slice(&line)), after);
}

// --- list as text ------------------------------------------------------------------------------------------

static void print_issuer(const trust_issuer *i, uint64_t now_s) {
    char date[DATE_TEXT_BYTES];
    printf("%s", nkey_public_text(&i->key).text);
    print_row(i->note.len > 0 ? "  " : "", i->note, "\n");
    printf("  names   %s", i->names.count == 0 ? "any" : "");
    for (size_t n = 0; n < i->names.count; n++) {
        print_row(n > 0 ? ", " : "", i->names.at[n], "");
    }
    printf("\n  allows  %s", !i->has_allowance     ? "whatever their writs allow"
                             : i->allow.count == 0 ? "nothing"
                                                   : "");
    for (size_t n = 0; n < i->allow.count; n++) {
        auto_buf entry;
        buf_init(&entry, LINE_BYTES_MAX);
        if (allowance_entry_format(&i->allow.entries[n], &entry) == STATUS_OK) {
            print_row(n > 0 ? "\n          " : "", buf_slice(&entry), "");
        }
    }
    printf("\n  until   %s%s\n", i->has_until ? date_text(i->until_s, date) : "for ever",
           i->has_until && now_s >= i->until_s ? "  (ran out)" : "");
    if (i->ratchet) {
        printf("  ratchet: what was started sets the minimum revision\n");
    }
}

static void print_revocation(const token_revocation *r) {
    char date[DATE_TEXT_BYTES];
    print_row("  ", r->content_hash.len > 0 ? r->content_hash : r->subject, "");
    if (r->content_hash.len == 0 && r->before_s < TOKEN_SECONDS_MAX) {
        printf("  before %s", date_text(r->before_s, date));
    }
    print_row(r->reason.len > 0 ? "  " : "", r->reason, "\n");
}

static void print_list(const token_claims *c, uint64_t now_s) {
    char date[DATE_TEXT_BYTES];
    printf("\nrevoked by %s, list %llu", nkey_public_text(&c->issuer).text,
           (unsigned long long)c->revocation_number);
    if (c->has_expiry) {
        printf(", until %s%s", date_text(c->expires_at_s, date),
               now_s >= c->expires_at_s ? " (ran out: import a newer one)" : "");
    }
    printf("\n");
    for (size_t i = 0; i < c->revocation_count; i++) {
        print_revocation(&c->revocations[i]);
    }
}

static void print_text(const trust_request *r, const trust_store *s) {
    if (trust_store_issuer_count(s) == 0) {
        printf("%s: nobody is believed\n", r->trust);
    }
    for (size_t i = 0; i < trust_store_issuer_count(s); i++) {
        printf("%s", i > 0 ? "\n" : "");
        print_issuer(trust_store_issuer_at(s, i), r->now_s);
    }
    for (size_t i = 0; i < trust_store_minimum_count(s); i++) {
        const trust_minimum *m = trust_store_minimum_at(s, i);
        printf("%s  %s  from revision %d on%s%s\n", i == 0 ? "\nminimum revisions\n" : "",
               nkey_public_text(&m->subject).text, m->revision, m->has_issuer ? "  of " : "",
               m->has_issuer ? nkey_public_text(&m->issuer).text : "");
    }
    for (size_t i = 0; i < trust_store_revoked_count(s); i++) {
        printf("%s", i == 0 ? "\nrevoked by the owner of this host\n" : "");
        print_revocation(trust_store_revoked_at(s, i));
    }
    for (size_t i = 0; i < trust_store_list_count(s); i++) {
        print_list(trust_store_list_at(s, i), r->now_s);
    }
}

// --- list as JSON ------------------------------------------------------------------------------------------

static json_value *revocation_json(const token_revocation *r) {
    char date[DATE_TEXT_BYTES];
    json_value *row = json_object_new();
    json_put_text(row, r->content_hash.len > 0 ? "hash" : "subject",
                  r->content_hash.len > 0 ? r->content_hash : r->subject);
    if (r->content_hash.len == 0 && r->before_s < TOKEN_SECONDS_MAX) {
        json_put_text(row, "before", slice_from_text(date_text(r->before_s, date)));
    }
    json_put_text(row, "reason", r->reason);
    return row;
}

static json_value *issuer_json(const trust_issuer *i, uint64_t now_s) {
    char date[DATE_TEXT_BYTES];
    json_value *row = json_object_new(), *names = json_array_new();
    json_put_text(row, "key", slice_from_text(nkey_public_text(&i->key).text));
    json_put_text(row, "note", i->note);
    for (size_t n = 0; n < i->names.count; n++) {
        json_push(names, json_text(i->names.at[n]));
    }
    json_put(row, "names", names);
    json_put(row, "until",
             i->has_until ? json_text(slice_from_text(date_text(i->until_s, date))) : json_null_new());
    json_put_bool(row, "ran_out", i->has_until && now_s >= i->until_s);
    json_put(row, "allow", i->has_allowance ? allowance_to_json(&i->allow) : json_null_new());
    json_put_bool(row, "ratchet", i->ratchet);
    return row;
}

static void print_json(const trust_request *r, const trust_store *s) {
    json_value *document = json_object_new(), *issuers = json_array_new(), *minimums = json_array_new(),
               *revoked = json_array_new(), *lists = json_array_new();
    for (size_t i = 0; i < trust_store_issuer_count(s); i++) {
        json_push(issuers, issuer_json(trust_store_issuer_at(s, i), r->now_s));
    }
    for (size_t i = 0; i < trust_store_minimum_count(s); i++) {
        const trust_minimum *m = trust_store_minimum_at(s, i);
        json_value *row = json_object_new();
        json_put_text(row, "subject", slice_from_text(nkey_public_text(&m->subject).text));
        json_put(row, "issuer",
                 m->has_issuer ? json_text(slice_from_text(nkey_public_text(&m->issuer).text))
                               : json_null_new());
        json_put_integer(row, "revision", m->revision);
        json_push(minimums, row);
    }
    for (size_t i = 0; i < trust_store_revoked_count(s); i++) {
        json_push(revoked, revocation_json(trust_store_revoked_at(s, i)));
    }
    for (size_t i = 0; i < trust_store_list_count(s); i++) {
        json_push(lists, token_to_json(trust_store_list_at(s, i)));
    }
    json_put_text(document, "trust", slice_from_text(r->trust));
    json_put(document, "issuers", issuers);
    json_put(document, "minimum_revisions", minimums);
    json_put(document, "revoked", revoked);
    json_put(document, "lists", lists);
    cli_print_json(document);
}

static status list(trust_request *r, err *e) {
    trust_store *s;
    TRY(trust_open(r, &s, e));
    (r->output == CLI_JSON ? print_json : print_text)(r, s);
    trust_store_free(s);
    return STATUS_OK;
}

static const cli_option options[] = {CLI_OPTION_TRUST(set_trust), CLI_OPTION_OUTPUT(set_output)};
static const cli_command list_command = {
    .name = "trust list",
    .usage = "[OPTIONS]",
    .summary = "Show whom this host believes for what, minimum revisions, and what is revoked.",
    .options = options,
    .option_count = COUNT(options),
    .examples = "  writ trust list\n  writ trust list -o json --trust /etc/writ/trust.json",
};

int trust_list_main(int argc, char **argv) { return trust_command(&list_command, argc, argv, NULL, list); }

// --- check -------------------------------------------------------------------------------------------------

static void report(const trust_request *r, const verification *v) {
    const trust_issuer *by = v->trust.believed;
    if (r->output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_text(document, "trust", slice_from_text(r->trust));
        json_put_text(document, "file", slice_from_text(r->operand));
        json_put_bool(document, "believed", v->reason == REFUSAL_NONE);
        json_put_text(document, "reason", slice_from_text(refusal_name(v->reason)));
        json_put_text(document, "message", slice_from_text(v->error.message));
        json_put(document, "entry", by != NULL ? issuer_json(by, r->now_s) : json_null_new());
        json_put(document, "allow",
                 by != NULL && v->trust.has_allowance ? allowance_to_json(&v->trust.allow) : json_null_new());
        json_put(document, "claims", v->has_token ? token_to_json(&v->claims) : json_null_new());
        cli_print_json(document);
        return;
    }
    print_row("", slice_from_text(r->operand),
              v->reason == REFUSAL_NONE ? ": believed, through\n" : ": refused\n");
    if (v->reason == REFUSAL_NONE) {
        print_issuer(by, r->now_s);
    } else {
        printf("  reason  %s\n", refusal_name(v->reason));
        print_row("  ", slice_from_text(v->error.message), "\n");
    }
}

// A token alone: all but the bytes.
static status check_token(slice text, const trust_store *s, uint64_t now_s, verification *v, err *e) {
    static const char clock_name[] = "this host's clock";
    arena_init(&v->memory, TOKEN_ARENA_BYTES);
    TRY(token_read(text, &v->memory, &v->claims, &v->reason, e));
    v->has_token = true;
    TRY(token_check_time(&v->claims, now_s, clock_name, &v->reason, e));
    TRY(token_read_chain(&v->claims, &v->memory, v->chain, &v->chain_count, &v->reason, e));
    for (size_t i = 0; i < v->chain_count; i++) {
        TRY(token_check_time(&v->chain[i], now_s, clock_name, &v->reason, e));
    }
    trust_question q = {&v->claims, v->chain, v->chain_count, now_s};
    return trust_decide(s, &q, &v->memory, &v->trust, &v->reason, e);
}

static bool is_binary(slice bytes) { return bytes.len >= 4 && memcmp(bytes.data, "\0asm", 4) == 0; }

static status check(trust_request *r, err *e) {
    auto_buf bytes = {0};
    trust_store *s;
    TRY(file_read_whole(r->operand, component_limits_default().bytes_max, &bytes, e));
    TRY(trust_open(r, &s, e));
    verification v = {0};
    if (is_binary(buf_slice(&bytes))) {
        verify_input input = {.bytes = buf_slice(&bytes), .trust = s, .now_s = r->now_s};
        verify_component(&input, &v);
    } else if (check_token(slice_trimmed(buf_slice(&bytes)), s, r->now_s, &v, &v.error) == STATUS_OK) {
        v.reason = REFUSAL_NONE;
    }
    report(r, &v);
    status result = v.reason == REFUSAL_NONE        ? STATUS_OK
                    : v.reason == REFUSAL_MALFORMED ? STATUS_INVALID
                                                    : STATUS_DENIED;
    if (result != STATUS_OK) {
        err_set(e, result, "%s: this host does not believe it (%s)", r->operand, refusal_name(v.reason));
    }
    verification_done(&v);
    trust_store_free(s);
    return result;
}

static const cli_command check_command = {
    .name = "trust check",
    .usage = "[OPTIONS] COMPONENT|TOKEN",
    .summary = "Show who would believe a component or a token file here, or why nobody does.",
    .details = "Of a token alone everything but the hash is checked. Exit codes: 0 believed, 3 refused, 4\n"
               "malformed.",
    .options = options,
    .option_count = COUNT(options),
    .examples = "  writ trust check shop.wasm\n  writ trust check -o json shop.jwt",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_operand,
};

int trust_check_main(int argc, char **argv) { return trust_command(&check_command, argc, argv, NULL, check); }
