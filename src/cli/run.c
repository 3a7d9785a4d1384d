// SPDX-License-Identifier: Apache-2.0
// writ run: serve or execute one component.
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "api/metrics.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/endpoint.h"
#include "cli/host_option.h"
#include "cli/options.h"
#include "cli/places.h"
#include "cli/run_audit.h"
#include "cli/run_secrets.h"
#include "cli/spiffe.h"
#include "cli/start_table.h"
#include "cli/workload_option.h"
#include "host/host.h"
#include "os/fd.h"
#include "os/socket_open.h"

typedef struct run_args {
    host_config config; // first
    cli_output output;
    bool suggest;
    run_secrets secrets;
    const char *audit_path; // NULL = there is no audit log
    char *metrics_address;  // NULL = none are served
    uint16_t metrics_port;
    int metrics_fd;
    metrics *metrics;
} run_args;
_Static_assert(offsetof(run_args, config) == 0, "cli/host_option.h");

static host_config *config_of(void *target) { return &((run_args *)target)->config; }

static void replace_text(char **field, const char *text) {
    mem_free(*field);
    *field = mem_text_dup(text);
}

static status set_listen(void *target, const char *value, err *e) {
    host_config *c = config_of(target);
    return cli_parse_endpoint(value, &c->listen_address, &c->listen_port, e);
}

// Without an address it is the loopback's: who may read metrics is decided, not forgotten.
static status set_metrics(void *target, const char *value, err *e) {
    run_args *args = target;
    char local[32];
    size_t colon = value[0] == ':' ? 1 : 0;
    uint64_t port;
    if (cli_parse_number(value + colon, 0, UINT16_MAX, &port, NULL) == STATUS_OK) {
        (void)snprintf(local, sizeof local, "127.0.0.1:%u", (unsigned)port);
        value = local;
    }
    return cli_parse_endpoint(value, &args->metrics_address, &args->metrics_port, e);
}

static status set_secrets(void *target, const char *value, err *e) {
    (void)e;
    ((run_args *)target)->secrets.request.directory = value;
    return STATUS_OK;
}
static status set_secrets_key_file(void *target, const char *value, err *e) {
    (void)e;
    ((run_args *)target)->secrets.request.key_file = value;
    return STATUS_OK;
}
static status set_secrets_passphrase_file(void *target, const char *value, err *e) {
    (void)e;
    ((run_args *)target)->secrets.request.passphrase_file = value;
    return STATUS_OK;
}
static status set_hang(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &config_of(target)->hang_ns_max, e);
}
static status set_spiffe(void *target, const char *value, err *e) {
    const char *endpoint = cli_spiffe_endpoint(value, e);
    if (endpoint == NULL) {
        return STATUS_INVALID;
    }
    replace_text(&config_of(target)->spiffe_endpoint, endpoint);
    return STATUS_OK;
}
static status set_spiffe_audience(void *target, const char *value, err *e) {
    (void)e;
    replace_text(&config_of(target)->spiffe_audience, value);
    return STATUS_OK;
}
static status set_output(void *target, const char *value, err *e) {
    return cli_parse_output(value, &((run_args *)target)->output, e);
}
static status set_audit(void *target, const char *value, err *e) {
    (void)e;
    ((run_args *)target)->audit_path = value;
    return STATUS_OK;
}
static status set_suggest(void *target, const char *value, err *e) {
    (void)value, (void)e;
    ((run_args *)target)->suggest = true;
    return STATUS_OK;
}

static const cli_option options[] = {
    {"listen", 'l', "ADDR:PORT", "where to serve HTTP; port 0 takes a free one (127.0.0.1:8000)", set_listen},
    CLI_OPTION_WORKERS,
    CLI_OPTION_TRUST(cli_set_trust),
    CLI_OPTION_SETTINGS,
    {"spiffe", 0, "unix:///PATH|auto", "take the identity of this host from a SPIFFE workload API",
     set_spiffe},
    {"spiffe-audience", 0, "NAME", "with --spiffe: also fetch and check a JWT-SVID for it",
     set_spiffe_audience},
    {"suggest-grants", 0, NULL, "print the smallest set of options that lets it start, then stop",
     set_suggest},
    {"secrets", 0, "DIR", "where secrets are stored (secrets in $WRIT_HOME or ~/.config/writ)", set_secrets},
    {"secrets-key-file", 0, "FILE", "the key that they are sealed under (key in the directory)",
     set_secrets_key_file},
    {"secrets-passphrase-file", 0, "FILE", "their passphrase, else asked for on the terminal",
     set_secrets_passphrase_file},
    CLI_OPTION_DATA,
    CLI_OPTION_CACHE,
    CLI_OPTION_CA_FILE,
    {"metrics", 0, "[ADDR:]PORT", "serve GET /metrics for Prometheus (127.0.0.1 without ADDR)", set_metrics},
    {"audit", 0, "FILE", "record starts, grants and refusals in an audit log (writ audit)", set_audit},
    CLI_OPTION_DRAIN,
    {"hang", 0, "DURATION", "replace a worker that has not turned for this long (1s)", set_hang},
    CLI_OPTION_VERBOSE,
    {"output", 'o', "text|json", "format of the start table and of log lines (text)", set_output},
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

// --- metrics -----------------------------------------------------------------------------------------------

static status supervising(void *context, loop *l, const host_status *s, err *e) {
    run_args *args = context;
    socket_address a;
    if (!socket_address_parse(slice_from_text(args->metrics_address), args->metrics_port, &a)) {
        return err_set(e, STATUS_INVALID, "\"%s\" is not an address for metrics", args->metrics_address);
    }
    TRY(socket_listen_group(&a, 1, &args->metrics_fd, e));
    TRY(metrics_new(l, args->metrics_fd, s, &args->metrics, e));
    start_table_metrics(args->metrics_address, socket_address_port(&a), args->output);
    return STATUS_OK;
}

static void ending(void *context) {
    run_args *args = context;
    metrics_free(args->metrics);
    fd_close(args->metrics_fd);
    args->metrics = NULL;
    args->metrics_fd = -1;
}

// --- the command -------------------------------------------------------------------------------------------

static status run_recorded(run_args *args, const host_observer *observer, int *ret_code, err *e) {
    run_audit a;
    TRY(run_audit_open(&a, args->audit_path, &args->config, e));
    host_observer both = run_audit_observer(&a, observer);
    status ran = host_run(&args->config, &both, ret_code, e);
    return run_audit_close(&a, ran, *ret_code, e);
}

static int start(run_args *args) {
    err e = {0};
    int code = CLI_EXIT_OK;
    host_config *c = &args->config;
    workload_config *w = &c->workloads[0];
    workload_option_name(w);
    cli_default_trust(&c->trust_usual);
    c->is_json = args->output == CLI_JSON;
    if (c->spiffe_audience != NULL && c->spiffe_endpoint == NULL) {
        (void)err_set(&e, STATUS_INVALID, "--spiffe-audience needs --spiffe");
        cli_fail(&e, args->output);
        return CLI_EXIT_USAGE;
    }
    host_observer observer = start_table_observer(&args->output);
    const host_monitor monitor = {args, supervising, ending};
    observer.monitor = args->metrics_address != NULL ? &monitor : NULL;
    status s = args->suggest ? STATUS_OK : run_secrets_open(&args->secrets, c, &observer, &e);
    if (s == STATUS_OK) {
        s = args->suggest ? start_table_suggest(w, args->output, &e)
                          : run_recorded(args, &observer, &code, &e);
    }
    run_secrets_close(&args->secrets);
    return s == STATUS_OK ? code : cli_fail(&e, args->output);
}

int cli_run(int argc, char **argv) {
    run_args args = {.metrics_fd = -1};
    err e = {0};
    status s = workload_option_init(&args.config, &e);
    if (s == STATUS_OK) {
        s = cli_parse(&command, argc, argv, &args, &e);
    }
    int code = CLI_EXIT_OK;
    if (s == STATUS_OK) {
        code = start(&args);
    } else if (s != STATUS_CANCELLED) {
        cli_fail(&e, args.output);
        code = CLI_EXIT_USAGE;
    }
    host_config_done(&args.config);
    mem_free(args.metrics_address);
    return code;
}
