// SPDX-License-Identifier: Apache-2.0
// writ stop: components, providers and hosts of a lattice.
#include <stdio.h>

#include "base/mem.h"
#include "cli/group.h"
#include "cli/scale_lattice.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

enum { SECOND_NS = 1000000000 };

typedef struct stop_args {
    cli_lattice_args lattice;
    const char *id;
    const char *host;
    uint64_t grace_ns;
    uint64_t wait_ns;
} stop_args;

CLI_KEEP_TEXT(set_id, stop_args, id);
CLI_KEEP_TEXT(set_on, stop_args, host);

static status set_wait(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &((stop_args *)target)->wait_ns, e);
}
static status set_grace(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &((stop_args *)target)->grace_ns, e);
}

#define OPTION_WAIT \
    { "wait", 0, "DURATION", "how long to wait until it is done; 0s does not (60s)", set_wait }
#define OPTION_ON \
    { "on", 0, "HOST", "on this host, a key or a name (wherever it runs)", set_on }

static const cli_option component_options[] = {OPTION_ON, OPTION_WAIT};
static const cli_option provider_options[] = {OPTION_ON};
static const cli_option host_options[] = {
    {"grace", 0, "DURATION", "what running calls get (the host's own: 10s)", set_grace}, OPTION_WAIT};

static const cli_command component_command = {
    .name = "stop component",
    .usage = "[OPTIONS] ID",
    .summary = "Stop a component, wherever it runs in a lattice.",
    .options = component_options,
    .option_count = COUNT(component_options),
    .examples = "  writ stop component web\n"
                "  writ stop component web --on brave-otter-1234",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_id,
};
static const cli_command provider_command = {
    .name = "stop provider",
    .usage = "[OPTIONS] ID",
    .summary = "Stop a capability provider, wherever it runs in a lattice.",
    .options = provider_options,
    .option_count = COUNT(provider_options),
    .examples = "  writ stop provider http",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_id,
};
static const cli_command host_command = {
    .name = "stop host",
    .usage = "[OPTIONS] HOST",
    .summary = "Stop a host of a lattice, with all that runs on it.",
    .details = "writ drain HOST takes away first what others can run.",
    .options = host_options,
    .option_count = COUNT(host_options),
    .examples = "  writ stop host brave-otter-1234 --grace 30s",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_id,
};

static status run_component(void *target, cli_lattice *l, err *e) {
    stop_args *a = target;
    const cli_scaling c = {.id = a->id, .host = a->host, .wait_ns = a->wait_ns};
    return cli_lattice_scale(&c, &a->lattice, l, e);
}

// --- providers ---------------------------------------------------------------------------------------------

static status stop_provider_on(stop_args *a, slice host, cli_lattice *l, err *e) {
    json_value *body = json_object_new();
    char what[96];
    json_put_text(body, "provider_id", slice_from_text(a->id));
    json_put_text(body, "host_id", host);
    status s = cli_lattice_ask(l, "provider.stop", host, body, NULL, e);
    json_free(body);
    TRY(s);
    json_value *more = json_object_new();
    json_put_text(more, "host", host);
    (void)snprintf(what, sizeof what, "stopped on %.*s", SLICE_ARG(slice_sub(host, 0, 64)));
    cli_tell(&a->lattice, a->id, what, more);
    return STATUS_OK;
}

static status run_provider(void *target, cli_lattice *l, err *e) {
    stop_args *a = target;
    cli_running *r = MEM_NEW(cli_running);
    status s = cli_running_find(l, "providers", a->id, a->host, r, e);
    for (size_t i = 0; i < r->count && s == STATUS_OK; i++) {
        s = stop_provider_on(a, r->items[i].host, l, e);
    }
    cli_running_done(r);
    mem_free(r);
    return s;
}

// --- hosts -------------------------------------------------------------------------------------------------

static status run_host(void *target, cli_lattice *l, err *e) {
    stop_args *a = target;
    json_value *hosts = NULL;
    const json_value *host = NULL;
    TRY(cli_lattice_host(l, a->id, &hosts, &host, e));
    status s = cli_lattice_stop_host(l, &a->lattice, cli_host_id(host), a->grace_ns, a->wait_ns, e);
    json_free(hosts);
    return s;
}

// --- commands ----------------------------------------------------------------------------------------------

static int stop(const cli_command *command, int argc, char **argv, cli_lattice_run run) {
    stop_args a = {.wait_ns = (uint64_t)CLI_SCALE_WAIT_S * SECOND_NS};
    return cli_lattice_command(command, argc, argv, &a.lattice, run);
}
static int stop_component(int argc, char **argv) {
    return stop(&component_command, argc, argv, run_component);
}
static int stop_provider(int argc, char **argv) { return stop(&provider_command, argc, argv, run_provider); }
static int stop_host(int argc, char **argv) { return stop(&host_command, argc, argv, run_host); }

int cli_stop(int argc, char **argv) {
    static const cli_member members[] = {
        {"component", "stop a component", stop_component},
        {"provider", "stop a capability provider", stop_provider},
        {"host", "stop a host", stop_host},
    };
    static const cli_group group = {
        .name = "stop",
        .summary = "Stop something in a lattice.",
        .members = members,
        .member_count = COUNT(members),
        .examples = "  writ stop component web\n"
                    "  writ stop provider http --on brave-otter-1234\n"
                    "  writ stop host brave-otter-1234",
    };
    return cli_group_run(&group, argc, argv);
}
