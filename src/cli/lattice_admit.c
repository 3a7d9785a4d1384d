// SPDX-License-Identifier: Apache-2.0
// writ lattice admit: the token of a host, signed by a cluster key.
#include <stdio.h>

#include "cli/cli.h"
#include "cli/key_option.h"
#include "cli/lattice_trust.h"
#include "cli/options.h"
#include "codec/date.h"
#include "lattice/cluster.h"
#include "os/clock.h"
#include "os/replace.h"

enum { DAY_S = 24 * 3600, DAYS = 90 };

typedef struct admit_request {
    const char *host;
    const char *key;
    const char *keys;
    const char *passphrase_file;
    const char *lattice;
    const char *name;
    const char *out;
    uint64_t lifetime_s;
    cli_output output;
} admit_request;

CLI_KEEP_TEXT(set_host, admit_request, host);
CLI_KEEP_TEXT(set_key, admit_request, key);
CLI_KEEP_TEXT(set_keys, admit_request, keys);
CLI_KEEP_TEXT(set_passphrase_file, admit_request, passphrase_file);
CLI_KEEP_TEXT(set_lattice, admit_request, lattice);
CLI_KEEP_TEXT(set_name, admit_request, name);
CLI_KEEP_TEXT(set_out, admit_request, out);
CLI_KEEP_OUTPUT(set_output, admit_request, output);

static status set_for(void *target, const char *value, err *e) {
    return cli_parse_span(value, &((admit_request *)target)->lifetime_s, e);
}

static const cli_option options[] = {
    {"key", 0, "KEY", "the cluster key (C...): its name in the store, or a file (cluster)", set_key},
    {"lattice", 'x', "NAME", "the lattice that the host may join (default)", set_lattice},
    {"for", 0, "SPAN", "how long it is valid, at most 366d (90d)", set_for},
    {"name", 'n', "TEXT", "what people call the host", set_name},
    {"out", 0, "FILE", "where the token goes (standard output)", set_out},
    CLI_OPTION_KEYS(set_keys),
    CLI_OPTION_PASSPHRASE_FILE(set_passphrase_file),
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "lattice admit",
    .usage = "[OPTIONS] HOST",
    .summary = "Sign the token with which a host belongs to a lattice.",
    .details =
        "HOST is the host's public key (N...), or the name of a key in the store. The token is no secret: it "
        "says that the\nholder of that key belongs to the lattice until its end. Admit anew before that; "
        "`writ lattice revoked add` ends it\nearlier.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .examples = "  writ lattice admit NB... --key shop --lattice shop --for 30d --out host.jwt\n"
                "  writ host --cluster-token host.jwt --nats nats://127.0.0.1:4222",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_host,
};

static void show(const admit_request *r, const cluster_admission *a, slice token) {
    if (r->output == CLI_JSON) {
        json_value *v = json_object_new();
        char date[DATE_TEXT_BYTES];
        json_put_text(v, "host", slice_from_text(nkey_public_text(&a->host).text));
        json_put_text(v, "lattice", a->lattice);
        json_put_text(v, "until", slice_from_text(date_text(a->now_s + a->lifetime_s, date)));
        json_put_text(v, "token", token);
        cli_print_json(v);
    } else if (r->out == NULL) {
        printf("%.*s\n", SLICE_ARG(token));
    }
}

static status admit(const admit_request *r, err *e) {
    nkey *key = NULL;
    auto_buf token = {0};
    cluster_admission a = {.name = slice_from_text(r->name),
                           .lattice = slice_from_text(r->lattice),
                           .now_s = clock_wall_now().seconds,
                           .lifetime_s = r->lifetime_s};
    buf_init(&token, CLUSTER_TOKEN_BYTES_MAX + 1);
    TRY(cli_public_key(r->host, r->keys, &a.host, e));
    TRY(cli_key_load(r->key, r->keys, r->passphrase_file, &key, e));
    status s = cluster_admit(key, &a, &token, e);
    nkey_free(key);
    TRY(s);
    if (r->out != NULL) {
        TRY(file_replace_whole(r->out, buf_slice(&token), e));
    }
    show(r, &a, buf_slice(&token));
    return STATUS_OK;
}

int cli_lattice_admit(int argc, char **argv) {
    admit_request r = {.key = "cluster", .lattice = "default", .lifetime_s = (uint64_t)DAYS * DAY_S};
    err e = {0};
    status s = cli_parse(&command, argc, argv, &r, &e);
    if (s != STATUS_OK) {
        return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, r.output), CLI_EXIT_USAGE);
    }
    s = admit(&r, &e);
    return s == STATUS_OK ? CLI_EXIT_OK : cli_fail(&e, r.output);
}
