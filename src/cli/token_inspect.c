// SPDX-License-Identifier: Apache-2.0
// writ token inspect: what a token says, after its signature was found good.
#include <stdio.h>
#include <string.h>

#include "cli/token_internal.h"
#include "os/clock.h"

enum { LINE_BYTES_MAX = 1 << 20 };

typedef struct inspection {
    const char *path;
    const char *at;
    cli_output output;
    uint64_t now_s;
    arena memory;
    bool has_claims; // the signature is good
    token_claims claims;
    token_claims chain[TOKEN_CHAIN_MAX];
    size_t chain_count;
    refusal reason;
    err error;
} inspection;

CLI_KEEP_TEXT(set_path, inspection, path);

static status set_at(void *target, const char *value, err *e) {
    uint64_t scratch;
    ((inspection *)target)->at = value;
    return cli_parse_date_or_span(value, 0, &scratch, e);
}

CLI_KEEP_OUTPUT(set_output, inspection, output);

static const cli_option options[] = {
    {"at", 0, "DATE", "the date to judge validity by (now)", set_at},
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "token inspect",
    .usage = "[OPTIONS] FILE",
    .summary =
        "Check the signature of a token and of those that vouch for its issuer, and show what they say.",
    .details = "FILE holds the text of a token of any kind; - is standard input. Whether anybody trusts its\n"
               "issuer is not asked. Exit codes: 0 valid, 3 refused, 4 no token.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ token inspect web.jwt\n  writ token inspect --at 2027-01-31 -o json web.jwt",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_path,
};

// --- judging -----------------------------------------------------------------------------------------------

static status judge_links(inspection *x) {
    TRY(token_read_chain(&x->claims, &x->memory, x->chain, &x->chain_count, &x->reason, &x->error));
    for (size_t i = 0; i < x->chain_count; i++) {
        status s = token_check_time(&x->chain[i], x->now_s, x->at == NULL ? "this machine's clock" : "--at",
                                    &x->reason, &x->error);
        if (s != STATUS_OK) {
            return err_wrap(&x->error, "token %zu of the chain", i + 1);
        }
    }
    return STATUS_OK;
}

static status judge(inspection *x, slice text) {
    TRY(token_read(text, &x->memory, &x->claims, &x->reason, &x->error));
    x->has_claims = true;
    const char *clock = x->at == NULL ? "this machine's clock" : "--at";
    TRY(token_check_time(&x->claims, x->now_s, clock, &x->reason, &x->error));
    return judge_links(x);
}

// --- as JSON -----------------------------------------------------------------------------------------------

static void print_json(const inspection *x) {
    json_value *document = json_object_new();
    json_put_bool(document, "valid", x->reason == REFUSAL_NONE);
    json_put_text(document, "reason", slice_from_text(refusal_name(x->reason)));
    if (x->reason != REFUSAL_NONE) {
        json_put_text(document, "message", slice_from_text(x->error.message));
    }
    if (x->has_claims) {
        json_put(document, "claims", token_to_json(&x->claims));
        json_value *chain = json_array_new();
        for (size_t i = 0; i < x->chain_count; i++) {
            json_push(chain, token_to_json(&x->chain[i]));
        }
        json_put(document, "chain", chain);
    }
    cli_print_json(document);
}

// --- as text -----------------------------------------------------------------------------------------------

static void print_row(const char *name, slice value) {
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    cli_append_printable(&line, value);
    printf("%-16s %.*s\n", name, SLICE_ARG(buf_slice(&line)));
}

static void print_value(const char *name, const json_value *v) {
    slice text;
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    if (json_as_text(v, &text)) {
        print_row(name, text);
    } else if (json_write(v, 0, &line) == STATUS_OK) {
        print_row(name, buf_slice(&line));
    }
}

// "issued_at" -> "issued at"
static void member_name(slice key, char ret[32]) {
    size_t len = key.len < 31 ? key.len : 31;
    for (size_t i = 0; i < len; i++) {
        ret[i] = key.data[i] == '_' ? ' ' : (char)key.data[i];
    }
    ret[len] = '\0';
}

// One row for each member, one for each entry of a list.
static void print_claims(const token_claims *c) {
    json_value *document = token_to_json(c);
    void *at = NULL;
    slice key;
    const json_value *value;
    while (json_next_member(document, &at, &key, &value)) {
        bool is_number_of_date = key.len > 2 && memcmp(key.data + key.len - 2, "_s", 2) == 0;
        if (is_number_of_date || slice_equal_text(key, "chain")) {
            continue;
        }
        char name[32];
        member_name(key, name);
        if (!json_is_array(value)) {
            print_value(name, value);
        }
        for (size_t i = 0; i < json_count(value); i++) {
            print_value(i == 0 ? name : "", json_at(value, i));
        }
    }
    json_free(document);
}

static void print_text(const inspection *x) {
    print_claims(&x->claims);
    for (size_t i = 0; i < x->chain_count; i++) {
        const token_claims *c = &x->chain[i];
        auto_buf line;
        buf_init(&line, LINE_BYTES_MAX);
        bool is_self = nkey_public_equal(&c->subject, &c->issuer);
        status s = buf_append_format(&line, "%s %.*s%s%s%s%s", token_kind_name(c->kind), SLICE_ARG(c->name),
                                     c->name.len > 0 ? " " : "", nkey_public_text(&c->subject).text,
                                     is_self ? ", issued by itself" : ", issued by ",
                                     is_self ? "" : nkey_public_text(&c->issuer).text);
        if (s == STATUS_OK) {
            print_row(i == 0 ? "vouched for by" : "", buf_slice(&line));
        }
    }
    if (x->reason == REFUSAL_NONE) {
        print_row("validity", slice_from_text("valid now; the signature is good"));
        return;
    }
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    if (buf_append_format(&line, "%s: %s", refusal_name(x->reason), x->error.message) == STATUS_OK) {
        print_row("NOT VALID", buf_slice(&line));
    }
}

// --- the command -------------------------------------------------------------------------------------------

static int exit_code(const inspection *x) {
    if (x->reason == REFUSAL_NONE) {
        return CLI_EXIT_OK;
    }
    return x->error.code == STATUS_DENIED ? CLI_EXIT_REFUSED : CLI_EXIT_INVALID;
}

static int inspect(inspection *x, err *e) {
    auto_buf text = {0};
    x->now_s = clock_wall_now().seconds;
    if ((x->at != NULL && cli_parse_date_or_span(x->at, x->now_s, &x->now_s, e) != STATUS_OK) ||
        cli_token_load(x->path, &text, e) != STATUS_OK) {
        return cli_fail(e, x->output);
    }
    status s = judge(x, buf_slice(&text));
    if (x->output == CLI_JSON) {
        print_json(x);
        return exit_code(x);
    }
    if (!x->has_claims) {
        err_wrap(&x->error, "%s: %s", x->path, refusal_name(x->reason));
        cli_fail(&x->error, x->output);
        return exit_code(x);
    }
    print_text(x);
    return s == STATUS_OK ? CLI_EXIT_OK : exit_code(x);
}

int cli_token_inspect(int argc, char **argv) {
    inspection x = {0};
    err e = {0};
    status s = cli_parse(&command, argc, argv, &x, &e);
    if (s == STATUS_CANCELLED) {
        return CLI_EXIT_OK;
    }
    if (s != STATUS_OK) {
        cli_fail(&e, x.output);
        return CLI_EXIT_USAGE;
    }
    arena_init(&x.memory, 8 * TOKEN_ARENA_BYTES);
    int code = inspect(&x, &e);
    arena_done(&x.memory);
    return code;
}
