// SPDX-License-Identifier: Apache-2.0
// writ spiffe: the identity that this machine's SPIFFE workload API gives us.
#include "cli/spiffe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/group.h"
#include "cli/options.h"
#include "codec/date.h"

#define ENVIRONMENT "SPIFFE_ENDPOINT_SOCKET"

enum { LINE_BYTES_MAX = 4096 };

typedef struct spiffe_args {
    const char *endpoint;
    const char *audience;
    cli_output output;
} spiffe_args;

const char *cli_spiffe_endpoint(const char *named, err *e) {
    if (strcmp(named, "auto") != 0) {
        return named;
    }
    const char *found = getenv(ENVIRONMENT);
    if (found == NULL || found[0] == '\0') {
        (void)err_set(
            e, STATUS_INVALID,
            ENVIRONMENT
            " is not set; name the socket of the workload API, such as unix:///run/spire/agent.sock");
        return NULL;
    }
    return found;
}

// --- options -----------------------------------------------------------------------------------------------

static status set_socket(void *target, const char *value, err *e) {
    (void)e;
    ((spiffe_args *)target)->endpoint = value;
    return STATUS_OK;
}
static status set_audience(void *target, const char *value, err *e) {
    (void)e;
    ((spiffe_args *)target)->audience = value;
    return STATUS_OK;
}
static status set_output(void *target, const char *value, err *e) {
    return cli_parse_output(value, &((spiffe_args *)target)->output, e);
}

static const cli_option show_options[] = {
    {"socket", 0, "unix:///PATH", "the workload API (what $" ENVIRONMENT " says)", set_socket},
    {"audience", 0, "NAME", "also fetch and check a JWT-SVID for this audience", set_audience},
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command show_command = {
    .name = "spiffe show",
    .usage = "[OPTIONS]",
    .summary = "Fetch the SPIFFE identity of this process, check it, and show it.",
    .details = "Ends with 3 when the workload API knows no identity for us, or gives one that does not pass\n"
               "the checks, and with 5 when there is no workload API.",
    .options = show_options,
    .option_count = sizeof show_options / sizeof show_options[0],
    .examples = "  writ spiffe show\n"
                "  writ spiffe show --socket unix:///run/spire/agent.sock --audience reports -o json",
};

// --- show --------------------------------------------------------------------------------------------------

static const char *when(int64_t at_s, char text[DATE_TEXT_BYTES]) {
    return at_s < 0 ? "before 1970" : date_text((uint64_t)at_s, text);
}

static void print_row(const char *label, const char *value, const char *more) {
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    cli_append_printable(&line, slice_from_text(value));
    printf("  %-12s %.*s%s\n", label, SLICE_ARG(buf_slice(&line)), more);
}

static void print_bundle(const svid *s) {
    char end[DATE_TEXT_BYTES], more[64];
    for (size_t i = 0; i < s->bundle.count; i++) {
        const certificate *c = s->bundle.items[i];
        slice subject = certificate_subject(c);
        auto_buf name;
        buf_init(&name, LINE_BYTES_MAX);
        bool fits = buf_append(&name, slice_sub(subject, 0, 512)) == STATUS_OK;
        (void)snprintf(more, sizeof more, ", until %s", when(certificate_not_after_s(c), end));
        print_row("authority", fits && name.len > 0 ? buf_text(&name) : "(no name)", more);
    }
    for (size_t i = 0; i < s->foreign_count; i++) {
        (void)snprintf(more, sizeof more,
                       !s->foreign[i].is_readable       ? ", not readable here"
                       : s->foreign[i].authorities == 1 ? ", %zu authority"
                                                        : ", %zu authorities",
                       s->foreign[i].authorities);
        print_row("federated", s->foreign[i].trust_domain, more);
    }
}

static void print_text(const host_identity *h) {
    const svid *s = host_identity_svid(h);
    char begin[DATE_TEXT_BYTES], end[DATE_TEXT_BYTES], more[64];
    uint64_t jwt_end_s;
    size_t keys;
    print_row("SPIFFE ID", s->id.text, "");
    (void)snprintf(more, sizeof more, " until %s", when(s->not_after_s, end));
    print_row("valid from", when(s->not_before_s, begin), more);
    print_row("key", public_key_kind_name(public_key_kind_of(certificate_key(s->chain.items[0]))), "");
    print_bundle(s);
    if (host_identity_jwt(h, &jwt_end_s, &keys)) {
        (void)snprintf(more, sizeof more, ", until %s, %zu key%s", date_text(jwt_end_s, end), keys,
                       keys == 1 ? "" : "s");
        print_row("JWT-SVID", host_identity_audience(h), more);
    }
}

static void put_time(json_value *object, const char *key, int64_t at_s) {
    char text[DATE_TEXT_BYTES];
    json_put_text(object, key, slice_from_text(when(at_s, text)));
}

static json_value *bundle_json(const svid *s) {
    json_value *authorities = json_array_new();
    for (size_t i = 0; i < s->bundle.count; i++) {
        json_value *one = json_object_new();
        json_put_text(one, "subject", certificate_subject(s->bundle.items[i]));
        put_time(one, "expires", certificate_not_after_s(s->bundle.items[i]));
        json_push(authorities, one);
    }
    return authorities;
}

static json_value *foreign_json(const svid *s) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < s->foreign_count; i++) {
        json_value *one = json_object_new();
        json_put_text(one, "trust_domain", slice_from_text(s->foreign[i].trust_domain));
        json_put_bool(one, "readable", s->foreign[i].is_readable);
        json_put_integer(one, "authorities", (int64_t)s->foreign[i].authorities);
        json_push(list, one);
    }
    return list;
}

static void print_json(const host_identity *h) {
    const svid *s = host_identity_svid(h);
    uint64_t end_s;
    size_t keys;
    json_value *document = json_object_new();
    json_put_text(document, "spiffe_id", spiffe_id_text(&s->id));
    json_put_text(document, "trust_domain", spiffe_id_trust_domain(&s->id));
    put_time(document, "not_before", s->not_before_s);
    put_time(document, "expires", s->not_after_s);
    json_put_text(
        document, "key_kind",
        slice_from_text(public_key_kind_name(public_key_kind_of(certificate_key(s->chain.items[0])))));
    json_put_integer(document, "certificates", (int64_t)s->chain.count);
    json_put(document, "authorities", bundle_json(s));
    json_put(document, "federated", foreign_json(s));
    if (host_identity_jwt(h, &end_s, &keys)) {
        json_value *jwt = json_object_new();
        json_put_text(jwt, "audience", slice_from_text(host_identity_audience(h)));
        put_time(jwt, "expires", (int64_t)end_s);
        json_put_integer(jwt, "keys", (int64_t)keys);
        json_put(document, "jwt_svid", jwt);
    }
    cli_print_json(document);
}

static int show(const spiffe_args *args) {
    err e = {0};
    host_identity *h = NULL;
    const char *endpoint = cli_spiffe_endpoint(args->endpoint, &e);
    const host_identity_options o = {.endpoint = endpoint, .audience = args->audience};
    if (endpoint == NULL || host_identity_new(&o, &h, &e) != STATUS_OK) {
        cli_fail(&e, args->output);
        return CLI_EXIT_USAGE;
    }
    status s = host_identity_fetch(h, &e);
    if (s == STATUS_OK && args->output == CLI_JSON) {
        print_json(h);
    } else if (s == STATUS_OK) {
        print_text(h);
    }
    host_identity_free(h);
    return s == STATUS_OK ? CLI_EXIT_OK : cli_fail(&e, args->output);
}

static int spiffe_show(int argc, char **argv) {
    spiffe_args args = {.endpoint = "auto"};
    err e = {0};
    status s = cli_parse(&show_command, argc, argv, &args, &e);
    if (s == STATUS_OK) {
        return show(&args);
    }
    if (s == STATUS_CANCELLED) {
        return CLI_EXIT_OK;
    }
    cli_fail(&e, args.output);
    return CLI_EXIT_USAGE;
}

int cli_spiffe(int argc, char **argv) {
    static const cli_member members[] = {
        {"show", "fetch, check and show the identity of this process", spiffe_show}};
    static const cli_group group = {
        .name = "spiffe",
        .summary = "The identity that a SPIFFE workload API gives this host.",
        .details = "writ run --spiffe makes a host take it.",
        .members = members,
        .member_count = sizeof members / sizeof members[0],
        .examples = "  writ spiffe show --socket unix:///run/spire/agent.sock",
    };
    return cli_group_run(&group, argc, argv);
}
