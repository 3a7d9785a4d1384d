// SPDX-License-Identifier: Apache-2.0
// writ start: a component or a provider, on a host of a lattice.
#include <stdio.h>
#include <string.h>

#include "cli/group.h"
#include "cli/lattice_words.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

enum { INSTANCES_MAX = 1000000, WAIT_S = 60, SECOND_NS = 1000000000 };

typedef struct start_args {
    cli_lattice_args lattice;
    const char *ref;
    const char *id;
    const char *host;
    uint64_t instances;
    uint64_t wait_ns;
    uint64_t memory_bytes; // 0 = the host's
    uint64_t execution_ns; // likewise
    cli_words configs, annotations, constraints;
    bool is_provider;
} start_args;

CLI_KEEP_TEXT(set_on, start_args, host);
CLI_ADD_WORD(set_config, start_args, configs);
CLI_ADD_PAIR(set_annotation, start_args, annotations);
CLI_ADD_PAIR(set_constraint, start_args, constraints);

static status set_max(void *target, const char *value, err *e) {
    return cli_parse_number(value, 1, INSTANCES_MAX, &((start_args *)target)->instances, e);
}
static status set_max_memory(void *target, const char *value, err *e) {
    return cli_parse_size(value, &((start_args *)target)->memory_bytes, e);
}
static status set_max_execution_time(void *target, const char *value, err *e) {
    uint64_t *ns = &((start_args *)target)->execution_ns;
    TRY(cli_parse_duration(value, ns, e));
    return *ns > 0 && *ns % SECOND_NS == 0
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "the control interface takes whole seconds, from 1s");
}
static status set_wait(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &((start_args *)target)->wait_ns, e);
}
static status set_operand(void *target, const char *value, WRIT_UNUSED err *e) {
    start_args *a = target;
    *(a->ref == NULL ? &a->ref : &a->id) = value;
    return STATUS_OK;
}

#define SHARED_ROWS                                                                                       \
    {"on", 0, "HOST", "the host: a key or a name (one that offers itself)", set_on},                      \
        {"constraint", 0, "LABEL=VALUE", "only a host with this label; may be repeated", set_constraint}, \
        {"config", 0, "NAME", "a configuration of the lattice; may be repeated, later ones count more",   \
         set_config},                                                                                     \
        {"annotation", 0, "NAME=VALUE", "kept with it; may be repeated", set_annotation}, {               \
        "wait", 0, "DURATION", "how long to wait until it runs; 0s only until it is accepted (60s)",      \
            set_wait                                                                                      \
    }

static const cli_option component_options[] = {
    {"max", 0, "N", "instances at one time (1)", set_max},
    {"max-memory", 0, "SIZE", "of one instance (the host's)", set_max_memory},
    {"max-execution-time", 0, "DURATION", "of one call, in whole seconds (the host's)",
     set_max_execution_time},
    SHARED_ROWS,
};
static const cli_option provider_options[] = {SHARED_ROWS};

static const cli_command component_command = {
    .name = "start component",
    .usage = "[OPTIONS] IMAGE ID",
    .summary = "Start a component on a host of a lattice.",
    .details =
        "Without --on the hosts are asked who can take it. IMAGE is what the host fetches: a reference of a\n"
        "registry, or file:///PATH where the host allows that.",
    .options = component_options,
    .option_count = COUNT(component_options),
    .examples = "  writ start component file:///srv/hello.wasm hello --max 100\n"
                "  writ start component ghcr.io/acme/web:1.2 web --constraint zone=eu --config web-defaults",
    .operands_min = 2,
    .operands_max = 2,
    .operand = set_operand,
};

static const cli_command provider_command = {
    .name = "start provider",
    .usage = "[OPTIONS] IMAGE ID",
    .summary = "Start a capability provider on a host of a lattice.",
    .details = "Without --on the hosts are asked who can take it.",
    .options = provider_options,
    .option_count = COUNT(provider_options),
    .examples = "  writ start provider ghcr.io/wasmcloud/http-server:0.27.0 http --config http-defaults",
    .operands_min = 2,
    .operands_max = 2,
    .operand = set_operand,
};

// --- where -------------------------------------------------------------------------------------------------

static status auction(start_args *a, cli_lattice *l, char ret_host[64], err *e) {
    json_value *body = json_object_new(), *offers = NULL;
    slice host = slice_empty();
    json_put_text(body, a->is_provider ? "provider_ref" : "component_ref", slice_from_text(a->ref));
    json_put_text(body, a->is_provider ? "provider_id" : "component_id", slice_from_text(a->id));
    json_put(body, "constraints", cli_pairs_json(&a->constraints));
    status s =
        cli_lattice_gather(l, a->is_provider ? "provider.auction" : "component.auction", body, 1, &offers, e);
    json_free(body);
    TRY(s);
    (void)json_as_text(json_get(json_at(offers, 0), "host_id"), &host);
    bool is = host.len > 0 && host.len < 64;
    (void)snprintf(ret_host, 64, "%.*s", SLICE_ARG(host));
    json_free(offers);
    return is ? STATUS_OK
              : err_set(e, STATUS_NOT_FOUND,
                        "no host of the lattice takes %.80s: none has these labels, or all have it already; "
                        "name one "
                        "with --on",
                        a->id);
}

static status choose(start_args *a, cli_lattice *l, char ret_host[64], err *e) {
    json_value *hosts = NULL;
    const json_value *host = NULL;
    if (a->host == NULL) {
        return auction(a, l, ret_host, e);
    }
    TRY(cli_lattice_host(l, a->host, &hosts, &host, e));
    (void)snprintf(ret_host, 64, "%.*s", SLICE_ARG(cli_host_id(host)));
    json_free(hosts);
    return STATUS_OK;
}

// --- starting ----------------------------------------------------------------------------------------------

static void put_limit(json_value *limits, const char *name, uint64_t value) {
    char text[24];
    if (value > 0) {
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
        json_put_text(limits, name, slice_from_text(text));
    }
}

static void put_limits(const start_args *a, json_value *body) {
    if (a->memory_bytes > 0 || a->execution_ns > 0) {
        json_value *limits = json_object_new();
        put_limit(limits, "max_memory_limit", a->memory_bytes);
        put_limit(limits, "max_execution_time", a->execution_ns / SECOND_NS);
        json_put(body, "component_limits", limits);
    }
}

static json_value *make_body(start_args *a, const char *host) {
    json_value *body = json_object_new();
    json_put_text(body, a->is_provider ? "provider_ref" : "component_ref", slice_from_text(a->ref));
    json_put_text(body, a->is_provider ? "provider_id" : "component_id", slice_from_text(a->id));
    json_put_text(body, "host_id", slice_from_text(host));
    json_put(body, "config", cli_words_json(&a->configs));
    if (a->annotations.count > 0) {
        json_put(body, "annotations", cli_pairs_json(&a->annotations));
    }
    if (!a->is_provider) {
        json_put_integer(body, "count", (int64_t)a->instances);
        put_limits(a, body);
    }
    return body;
}

static status start_on(start_args *a, cli_lattice *l, cli_outcome *o, err *e) {
    json_value *body = make_body(a, o->host);
    cli_answer answer = {0};
    TRY(cli_outcome_listen(o, l, e));
    status s = cli_lattice_ask(l, a->is_provider ? "provider.start" : "component.scale",
                               slice_from_text(o->host), body, &answer, e);
    json_free(body);
    TRY(s);
    json_free(answer.response);
    if (answer.message[0] != '\0' && !a->is_provider) {
        fprintf(stderr, "%s\n", answer.message); // a warning: it runs from another image already
    }
    return a->wait_ns > 0 ? cli_outcome_wait(o, l, a->wait_ns, e) : STATUS_OK;
}

static status run(void *target, cli_lattice *l, err *e) {
    start_args *a = target;
    cli_outcome o = {.done = a->is_provider ? "provider_started" : "component_scaled",
                     .failed = a->is_provider ? "provider_start_failed" : "component_scale_failed",
                     .member = a->is_provider ? "provider_id" : "component_id",
                     .id = slice_from_text(a->id),
                     .instances = a->is_provider ? -1 : (int64_t)a->instances};
    TRY(choose(a, l, o.host, e));
    status s = start_on(a, l, &o, e);
    cli_outcome_done(&o);
    TRY(s);
    json_value *more = json_object_new();
    json_put_text(more, "host", slice_from_text(o.host));
    json_put_text(more, "image", slice_from_text(a->ref));
    cli_tell(&a->lattice, a->id, a->wait_ns > 0 ? "runs" : "accepted", more);
    return STATUS_OK;
}

static int start_component(int argc, char **argv) {
    start_args a = {.instances = 1, .wait_ns = (uint64_t)WAIT_S * SECOND_NS};
    return cli_lattice_command(&component_command, argc, argv, &a.lattice, run);
}

static int start_provider(int argc, char **argv) {
    start_args a = {.is_provider = true, .wait_ns = (uint64_t)WAIT_S * SECOND_NS};
    return cli_lattice_command(&provider_command, argc, argv, &a.lattice, run);
}

int cli_start(int argc, char **argv) {
    static const cli_member members[] = {
        {"component", "start a component", start_component},
        {"provider", "start a capability provider", start_provider},
    };
    static const cli_group group = {
        .name = "start",
        .summary = "Start something on a host of a lattice.",
        .members = members,
        .member_count = COUNT(members),
        .examples = "  writ start component file:///srv/hello.wasm hello --max 100\n"
                    "  writ start provider ghcr.io/wasmcloud/http-server:0.27.0 http",
    };
    return cli_group_run(&group, argc, argv);
}
