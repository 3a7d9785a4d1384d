// SPDX-License-Identifier: Apache-2.0
// writ scale: how many instances a workload of a host in the background may have, or a component of a
// lattice.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/host_call.h"
#include "cli/scale_lattice.h"

enum { INSTANCES_MAX = 1000000, SECOND_NS = 1000000000 };

typedef struct scale_args {
    cli_lattice_args lattice;
    const char *text;
    const char *on;
    cli_words configs;
    uint64_t wait_ns;
    char *id;
    uint64_t count;
} scale_args;

CLI_KEEP_TEXT(set_text, scale_args, text);
CLI_KEEP_TEXT(set_on, scale_args, on);
CLI_ADD_WORD(set_config, scale_args, configs);

static status set_wait(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &((scale_args *)target)->wait_ns, e);
}

static const cli_option options[] = {
    {"on", 0, "HOST", "of a lattice: on this host (wherever it runs)", set_on},
    {"config", 0, "NAME", "of a lattice: its configuration (what it has, where the host tells)", set_config},
    {"wait", 0, "DURATION", "of a lattice: how long to wait until it is done; 0s does not (60s)", set_wait},
};

static const cli_command command = {
    .name = "scale",
    .usage = "[OPTIONS] NAME=N",
    .summary = "Change how many instances a workload of a host, or a component of a lattice, may have.",
    .details =
        "An idle one has none, whatever its number. Of a host in the background the number holds until the\n"
        "workload's manifest is applied again. It is about a lattice when an option names one, or a context "
        "is\n"
        "in use and no --host is named.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .shared_count = CLI_LATTICE_OPTION_COUNT,
    .examples = "  writ scale shop-web=50\n"
                "  writ scale web=200 --lattice shop --on brave-otter-1234",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_text,
};

static status parse(scale_args *a, err *e) {
    const char *equals = strrchr(a->text, '=');
    if (equals == NULL || equals == a->text) {
        return err_set(e, STATUS_INVALID, "\"%.80s\" is not NAME=N", a->text);
    }
    a->id = mem_slice_dup(slice_of(a->text, (size_t)(equals - a->text)));
    return cli_parse_number(equals + 1, 1, INSTANCES_MAX, &a->count, e);
}

static status scale_lattice(void *target, cli_lattice *l, err *e) {
    scale_args *a = target;
    const cli_scaling c = {.id = a->id,
                           .host = a->on,
                           .count = a->count,
                           .wait_ns = a->wait_ns,
                           .configs = a->configs.count > 0 ? &a->configs : NULL};
    return cli_lattice_scale(&c, &a->lattice, l, e);
}

static int scale_local(const scale_args *a) {
    json_value *body = json_object_new();
    int code = CLI_EXIT_OK;
    err e = {0};
    json_put_text(body, "workload", slice_from_text(a->id));
    json_put_integer(body, "instances", (int64_t)a->count);
    json_put_bool(body, "json", a->lattice.output == CLI_JSON);
    status s = cli_host_change(cli_local_host(&a->lattice), "/v1/scale", body, &code, &e);
    json_free(body);
    return s == STATUS_OK ? code : cli_fail(&e, a->lattice.output);
}

int cli_scale(int argc, char **argv) {
    scale_args a = {.wait_ns = (uint64_t)CLI_SCALE_WAIT_S * SECOND_NS};
    cli_command whole = command;
    err e = {0};
    whole.shared = cli_lattice_options;
    status s = cli_parse(&whole, argc, argv, &a, &e);
    s = s == STATUS_OK ? parse(&a, &e) : s;
    bool is_of_lattice = s == STATUS_OK && cli_lattice_is_meant(&a.lattice);
    if (s == STATUS_OK && !is_of_lattice && (a.on != NULL || a.configs.count > 0)) {
        s = err_set(&e, STATUS_INVALID,
                    "--on and --config are for a lattice: name one with --lattice or --context");
    }
    int code = s == STATUS_CANCELLED ? CLI_EXIT_OK
               : s != STATUS_OK      ? (cli_fail(&e, a.lattice.output), CLI_EXIT_USAGE)
               : is_of_lattice       ? cli_lattice_run_with(&a.lattice, scale_lattice)
                                     : scale_local(&a);
    mem_free(a.id);
    return code;
}
