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
#include "cli/link_option.h"
#include "cli/options.h"
#include "cli/places.h"
#include "cli/run_audit.h"
#include "cli/run_secrets.h"
#include "cli/secret_option.h"
#include "cli/spiffe.h"
#include "cli/start_table.h"
#include "host/host.h"
#include "os/fd.h"
#include "os/socket_open.h"
#include "policy/call_pattern.h"

enum { SOURCE_BYTES_MAX = 2 * GATE_NAME_BYTES_MAX + 32 }; // --deny-call and what it says

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
// The only one: cli_run makes it.
static workload_config *workload_of(void *target) { return &config_of(target)->workloads[0]; }

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

// HOST[::GUEST][:ro]
static status set_dir(void *target, const char *value, err *e) {
    auto_buf host, guest;
    size_t length = strlen(value);
    buf_init(&host, length + 1);
    buf_init(&guest, length + 2);
    slice text = slice_of(value, length);
    bool read_only = length > 3 && strcmp(value + length - 3, ":ro") == 0;
    if (read_only) {
        text.len -= 3;
    } else if (length > 3 && strcmp(value + length - 3, ":rw") == 0) {
        text.len -= 3;
    }
    const char *separator = memmem(text.data, text.len, "::", 2);
    slice host_part = separator == NULL ? text : slice_of(value, (size_t)(separator - value));
    slice guest_part = separator == NULL ? text : slice_sub(text, host_part.len + 2, text.len);
    if (host_part.len == 0 || guest_part.len == 0) {
        return err_set(e, STATUS_INVALID, "\"%.80s\" is not HOST[::GUEST][:ro], such as ./data::/data:ro",
                       value);
    }
    TRY(buf_append(&host, host_part));
    TRY(buf_append(&guest, guest_part));
    const char *host_path = buf_text(&host), *guest_path = buf_text(&guest);
    return workload_config_add_directory(workload_of(target), host_path, guest_path, read_only, e);
}

static status set_env(void *target, const char *value, err *e) {
    const char *equals = strchr(value, '=');
    if (equals == value || value[0] == '\0') {
        return err_set(e, STATUS_INVALID, "\"%.40s\" is not NAME or NAME=VALUE", value);
    }
    if (equals == NULL) {
        const char *inherited = getenv(value);
        if (inherited == NULL) {
            return err_set(e, STATUS_INVALID, "%.40s is not set in the environment; write %.40s=VALUE", value,
                           value);
        }
        return workload_config_add_variable(workload_of(target), value, inherited, e);
    }
    auto_buf name;
    buf_init(&name, strlen(value) + 1);
    TRY(buf_append(&name, slice_of(value, (size_t)(equals - value))));
    return workload_config_add_variable(workload_of(target), buf_text(&name), equals + 1, e);
}

static status set_deny_call(void *target, const char *value, err *e) {
    call_pattern call;
    char source[SOURCE_BYTES_MAX];
    TRY(call_pattern_parse(slice_from_text(value), &call, e));
    (void)snprintf(source, sizeof source, "--deny-call %s", value);
    gate_rule rule = {.effect = GATE_DENY, .source = slice_from_text(source)};
    rule.patterns[GATE_INTERFACE] = call.interface;
    rule.patterns[GATE_FUNCTION] = call.function;
    return host_config_add_rule(config_of(target), &rule, e);
}

// INTERFACES[@NAME]=DRIVER[,SETTING=VALUE]...
static status set_link(void *target, const char *value, err *e) {
    return link_option_add(&workload_of(target)->links, slice_from_text(value), e);
}

static status set_secret(void *target, const char *value, err *e) {
    return secret_option_add(workload_of(target), slice_from_text(value), e);
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

static status set_config_value(void *target, const char *value, err *e) {
    const char *equals = strchr(value, '=');
    auto_buf name;
    if (equals == NULL || equals == value) {
        return err_set(e, STATUS_INVALID, "\"%.40s\" is not NAME=VALUE", value);
    }
    buf_init(&name, strlen(value) + 1);
    TRY(buf_append(&name, slice_of(value, (size_t)(equals - value))));
    return workload_config_add_value(workload_of(target), buf_text(&name), equals + 1, e);
}

static status set_allow_http(void *target, const char *value, err *e) {
    return network_policy_add(&workload_of(target)->http_policy, slice_from_text(value), NETWORK_PORT_OF_HTTP,
                              e);
}
static status set_allow_net(void *target, const char *value, err *e) {
    return network_policy_add(&workload_of(target)->net_policy, slice_from_text(value), NETWORK_PORT_ANY, e);
}

static status set_stdio(void *target, const char *value, err *e) {
    bool inherit = strcmp(value, "inherit") == 0;
    if (!inherit && strcmp(value, "none") != 0) {
        return err_set(e, STATUS_INVALID, "\"%.20s\" is neither inherit nor none", value);
    }
    workload_of(target)->stdio = inherit ? HOST_STDIO_INHERIT : HOST_STDIO_NONE;
    return STATUS_OK;
}

static status set_grant(void *target, const char *value, err *e) {
    workload_config *c = workload_of(target);
    return host_config_add_text(&c->grants, &c->grant_count, value, e);
}
static status set_refuse(void *target, const char *value, err *e) {
    workload_config *c = workload_of(target);
    return host_config_add_text(&c->refusals, &c->refusal_count, value, e);
}
static status set_strict(void *target, const char *value, err *e) {
    (void)value, (void)e;
    workload_of(target)->is_strict = true;
    return STATUS_OK;
}

static status set_max_memory(void *target, const char *value, err *e) {
    return cli_parse_size(value, &workload_of(target)->limits.memory_bytes_max, e);
}
static status set_cpu_time(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &workload_of(target)->limits.cpu_time_ns_max, e);
}
static status set_timeout(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &workload_of(target)->limits.wall_time_ns_max, e);
}
static status set_hang(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &config_of(target)->hang_ns_max, e);
}

static status set_count(const char *value, uint64_t min, uint32_t *field, err *e) {
    uint64_t n;
    TRY(cli_parse_number(value, min, 1000000, &n, e));
    *field = (uint32_t)n;
    return STATUS_OK;
}
static status set_max_instances(void *target, const char *value, err *e) {
    return set_count(value, 1, &workload_of(target)->limits.instances_max, e);
}
static status set_queue(void *target, const char *value, err *e) {
    return set_count(value, 0, &workload_of(target)->limits.queue_max, e);
}
static status set_reuse(void *target, const char *value, err *e) {
    return set_count(value, 1, &workload_of(target)->limits.reuse_max, e);
}

static status set_name(void *target, const char *value, err *e) {
    (void)e;
    replace_text(&workload_of(target)->name, value);
    return STATUS_OK;
}
static status set_unsigned(void *target, const char *value, err *e) {
    (void)value, (void)e;
    workload_of(target)->is_unsigned = true;
    return STATUS_OK;
}
static status set_token(void *target, const char *value, err *e) {
    (void)e;
    replace_text(&workload_of(target)->token_path, value);
    return STATUS_OK;
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

static status set_component(void *target, const char *value, err *e) {
    (void)e;
    workload_config *c = workload_of(target);
    replace_text(&c->component_path, value);
    return STATUS_OK;
}
static status add_argument(void *target, const char *value, err *e) {
    workload_config *c = workload_of(target);
    return host_config_add_text(&c->arguments, &c->argument_count, value, e);
}

static const cli_option options[] = {
    {"listen", 'l', "ADDR:PORT", "where to serve HTTP; port 0 takes a free one (127.0.0.1:8000)", set_listen},
    CLI_OPTION_WORKERS,
    {"dir", 0, "HOST[::GUEST][:ro]", "grant a directory, read-only with :ro", set_dir},
    {"env", 0, "NAME[=VALUE]", "grant an environment variable; without a value, ours", set_env},
    {"allow-http", 0, "HOST[:PORT]", "grant outgoing HTTP to a host, *.DOMAIN or CIDR (ports 80, 443)",
     set_allow_http},
    {"allow-net", 0, "HOST|CIDR[:PORT]", "grant sockets to a host, *.DOMAIN or CIDR (any port)",
     set_allow_net},
    {"stdio", 0, "inherit|none", "grant our stdio, or discard it (commands inherit, HTTP none)", set_stdio},
    {"grant", 0, "INTERFACE", "bind an interface even under --strict", set_grant},
    {"refuse", 0, "INTERFACE", "refuse an interface (or package) whatever else is granted", set_refuse},
    {"unsigned", 0, NULL, "run it this once although nobody whom this host trusts has signed it",
     set_unsigned},
    {"token", 0, "FILE", "the token, where it is beside the component", set_token},
    CLI_OPTION_TRUST(cli_set_trust),
    CLI_OPTION_SETTINGS,
    {"spiffe", 0, "unix:///PATH|auto", "take the identity of this host from a SPIFFE workload API",
     set_spiffe},
    {"spiffe-audience", 0, "NAME", "with --spiffe: also fetch and check a JWT-SVID for it",
     set_spiffe_audience},
    {"strict", 0, NULL, "refuse what would be bound without authority, too", set_strict},
    {"suggest-grants", 0, NULL, "print the smallest set of options that lets it start, then stop",
     set_suggest},
    {"max-memory", 0, "SIZE", "linear memory of one instance (256M)", set_max_memory},
    {"cpu-time", 0, "DURATION", "CPU time of one call (10s)", set_cpu_time},
    {"timeout", 0, "DURATION", "wall time of one call (30s; commands: none)", set_timeout},
    {"max-instances", 0, "N", "instances at one time (1000)", set_max_instances},
    {"queue", 0, "N", "requests that may wait for an instance; more get 503 at once (1000)", set_queue},
    {"reuse", 0, "N", "requests that one instance may serve (1: fresh for each)", set_reuse},
    {"name", 'n', "NAME", "name of the workload in logs (the file's name)", set_name},
    {"link", 0, "WHAT=DRIVER[,..]", "let a driver serve a contract, such as wasi:keyvalue=sqlite", set_link},
    {"deny-call", 0, "CALL", "refuse a call through a link, such as wasi:keyvalue/store.set", set_deny_call},
    {"secret", 0, "NAME[=STORED]", "let it reveal a secret, stored as NAME or as KEY[:FIELD][@VERSION]",
     set_secret},
    {"secrets", 0, "DIR", "where secrets are stored (secrets in $WRIT_HOME or ~/.config/writ)", set_secrets},
    {"secrets-key-file", 0, "FILE", "the key that they are sealed under (key in the directory)",
     set_secrets_key_file},
    {"secrets-passphrase-file", 0, "FILE", "their passphrase, else asked for on the terminal",
     set_secrets_passphrase_file},
    {"config-value", 0, "NAME=VALUE", "a value that wasi:config tells", set_config_value},
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
    .examples = "  writ run hello.wasm\n"
                "  writ run --listen 127.0.0.1:0 --workers 2 --allow-http api.example.org hello.wasm\n"
                "  writ run --dir ./data::/data:ro --env LANG tool.wasm -- --count 3 /data/input.txt\n"
                "  writ run --suggest-grants app.wasm\n"
                "  writ run --unsigned experiment.wasm",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_component,
    .rest = add_argument,
};

static void cut_end(char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    if (n > m && strcmp(name + n - m, end) == 0) {
        name[n - m] = '\0';
    }
}

// "path/to/hello.wasm" and "path/to/hello.signed.wasm" -> "hello"
static void default_name(workload_config *c) {
    const char *slash = strrchr(c->component_path, '/');
    char *name = mem_text_dup(slash == NULL ? c->component_path : slash + 1);
    cut_end(name, ".wasm");
    cut_end(name, ".signed");
    c->name = name;
}

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
    if (w->name == NULL) {
        default_name(w);
    }
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

// One workload, which gets every request.
static status init_config(host_config *c, err *e) {
    workload_config *w;
    host_config_init(c);
    TRY(host_config_add_workload(c, &w, e));
    return workload_config_add_route(w, NULL, "/", e);
}

int cli_run(int argc, char **argv) {
    run_args args = {.metrics_fd = -1};
    err e = {0};
    status s = init_config(&args.config, &e);
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
