// SPDX-License-Identifier: Apache-2.0
// writ run: serve or execute one component.
#include <stddef.h>

#include "cli/cli.h"
#include "cli/endpoint.h"
#include "cli/host_option.h"
#include "cli/host_start.h"
#include "cli/options.h"
#include "cli/start_table.h"
#include "cli/workload_option.h"

typedef struct run_args {
    cli_host host; // first
    bool suggest;
} run_args;
_Static_assert(offsetof(run_args, host.config) == 0, "cli/host_option.h");

static status set_listen(void *target, const char *value, err *e) {
    host_config *c = target;
    return cli_parse_endpoint(value, &c->listen_address, &c->listen_port, e);
}
static status set_hang(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &((host_config *)target)->hang_ns_max, e);
}
CLI_TURN_ON(set_suggest, run_args, suggest);

static const cli_option options[] = {
    {"listen", 'l', "ADDR:PORT", "where to serve HTTP; port 0 takes a free one (127.0.0.1:8000)", set_listen},
    CLI_OPTION_WORKERS,
    CLI_OPTION_TRUST(cli_set_trust),
    CLI_OPTION_SETTINGS,
    CLI_OPTIONS_IDENTITY,
    {"suggest-grants", 0, NULL, "print the smallest set of options that lets it start, then stop",
     set_suggest},
    CLI_OPTIONS_SECRETS,
    CLI_OPTION_DATA,
    CLI_OPTION_CACHE,
    CLI_OPTION_CA_FILE,
    CLI_OPTIONS_PROXY,
    CLI_OPTIONS_WATCHED,
    CLI_OPTION_DRAIN,
    {"hang", 0, "DURATION", "replace a worker that has not turned for this long (1s)", set_hang},
    CLI_OPTION_VERBOSE,
    CLI_OPTION_HOST_OUTPUT,
};

static const cli_command command = {
    .name = "run",
    .usage = "[OPTIONS] COMPONENT [-- ARGUMENTS]",
    .summary =
        "Run a component: serve it when it exports wasi:http/incoming-handler, execute it when it exports "
        "wasi:cli/run.",
    .details =
        "Nothing is granted that is not named here. What a component imports beyond that is bound without "
        "authority when\nlanguage run-times import it anyway, and stops the start otherwise.\n\nThe "
        "component "
        "must be signed (writ sign) by somebody whom the trust store names (writ trust), and may "
        "import\nwhat "
        "its writ allows. --unsigned makes an exception for one run; a token that is there and wrong is "
        "refused\n"
        "all the same.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .shared = workload_options,
    .shared_count = WORKLOAD_OPTIONS,
    .examples = "  writ run hello.wasm\n"
                "  writ run --listen 127.0.0.1:0 --workers 2 --allow-http api.example.org hello.wasm\n"
                "  writ run --dir ./data::/data:ro --env LANG tool.wasm -- --count 3 /data/input.txt\n"
                "  writ run --suggest-grants app.wasm\n"
                "  writ run --unsigned experiment.wasm",
    .operands_min = 1,
    .operands_max = 1,
    .operand = workload_option_component,
    .rest = workload_option_argument,
};

static status start(run_args *args, int *ret_exit, err *e) {
    cli_host *h = &args->host;
    workload_config *w = &h->config.workloads[0];
    workload_option_name(w);
    if (args->suggest) {
        return start_table_suggest(w, h->output, e);
    }
    const host_observer observer = start_table_observer(&h->output);
    return cli_host_run(h, &observer, ret_exit, e);
}

int cli_run(int argc, char **argv) {
    run_args args = {0};
    cli_host *h = &args.host;
    err e = {0};
    int code = CLI_EXIT_OK;
    cli_host_init(h);
    status s = workload_option_init(&h->config, &e);
    if (s == STATUS_OK) {
        s = cli_parse(&command, argc, argv, &args, &e);
    }
    bool is_usage = s != STATUS_OK;
    if (s == STATUS_OK) {
        s = cli_host_open(h, &e);
        is_usage = s == STATUS_INVALID;
    }
    if (s == STATUS_OK) {
        s = start(&args, &code, &e);
    }
    return cli_host_end(h, s, is_usage, code, &e);
}
