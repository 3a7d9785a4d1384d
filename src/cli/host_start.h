// SPDX-License-Identifier: Apache-2.0
// What every command that starts a host has around it: the audit log, metrics, the store of secrets, the
// identity; their options, and the start with all of them. The structure of such a command begins with a
// cli_host.
#pragma once

#include "api/control.h"
#include "cli/cli.h"
#include "cli/secrets_internal.h"
#include "host/host.h"

// A host that can be asked by its name (api/control.h). `name` is NULL for others, and then all is unused.
typedef struct cli_asked {
    const char *name;
    int place_fd, lock_fd, control_fd;
    log_ring *ring;
    char *options;             // about the host, as they were given
    plan *plan;                // the rest is of the process that runs a generation
    const host_status *status; // while it runs, also of hosts without a name
    control *control;
} cli_asked;

typedef struct cli_host {
    host_config config; // first: cli/host_option.h
    cli_output output;
    secrets_request secrets;       // which store
    const char *audit_path;        // NULL = there is no audit log
    struct generation *generation; // NULL = nobody may follow on this host
    char *metrics_address;         // NULL = none are served
    uint16_t metrics_port;
    int metrics_fd; // cli_host_open
    struct metrics_server *metrics;
    cli_asked asked;
    const char *otlp_url; // NULL = no collector gets the log
    struct otlp *otlp;
} cli_host;

// After host_config_init of the configuration.
void cli_host_init(cli_host *h);

// Once, before the first cli_host_run: opens what all generations of a host share. STATUS_INVALID for options
// that do not go together.
status cli_host_open(cli_host *h, err *e) WRIT_MUST_USE;
// host_run with all of it. Nothing starts that the audit log, if there is one, cannot record.
status cli_host_run(cli_host *h, const host_observer *observer, int *ret_exit, err *e) WRIT_MUST_USE;
// host_check; touches neither the audit log nor the metrics.
status cli_host_check(cli_host *h, const host_observer *observer, err *e) WRIT_MUST_USE;

// Tells the failure, releases everything, and gives the exit code of the process: `code` after a success.
int cli_host_end(cli_host *h, status s, bool is_usage, int code, const err *e);

status cli_set_audit(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_metrics(void *target, const char *value, err *e) WRIT_MUST_USE;
// The same for another place; the address is allocated.
status cli_parse_metrics(const char *value, char **ret_address, uint16_t *ret_port, err *e);
// Listens there; a port of 0 becomes the one that is taken.
status cli_open_metrics(const char *address, uint16_t *port, int *ret_fd, err *e) WRIT_MUST_USE;
status cli_set_otlp(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_spiffe(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_spiffe_audience(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_secrets(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_secrets_key_file(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_secrets_passphrase_file(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_host_output(void *target, const char *value, err *e) WRIT_MUST_USE;

#define CLI_OPTIONS_IDENTITY                                                                        \
    {"spiffe", 0, "unix:///PATH|auto", "take the identity of this host from a SPIFFE workload API", \
     cli_set_spiffe},                                                                               \
    {                                                                                               \
        "spiffe-audience", 0, "NAME", "with --spiffe: also fetch and check a JWT-SVID for it",      \
            cli_set_spiffe_audience                                                                 \
    }
#define CLI_OPTIONS_SECRETS                                                                          \
    {"secrets", 0, "DIR", "where secrets are stored (secrets in $WRIT_HOME or ~/.config/writ)",      \
     cli_set_secrets},                                                                               \
        {"secrets-key-file", 0, "FILE", "the key that they are sealed under (key in the directory)", \
         cli_set_secrets_key_file},                                                                  \
    {                                                                                                \
        "secrets-passphrase-file", 0, "FILE", "their passphrase, else asked for on the terminal",    \
            cli_set_secrets_passphrase_file                                                          \
    }
#define CLI_OPTIONS_WATCHED                                                                           \
    {"metrics", 0, "[ADDR:]PORT", "serve GET /metrics for Prometheus (127.0.0.1 without ADDR)",       \
     cli_set_metrics},                                                                                \
        {"otlp", 0, "URL", "send the log to a collector of OpenTelemetry (http://127.0.0.1:4318)",    \
         cli_set_otlp},                                                                               \
    {                                                                                                 \
        "audit", 0, "FILE", "record starts, grants, links and refusals in an audit log (writ audit)", \
            cli_set_audit                                                                             \
    }
#define CLI_OPTION_HOST_OUTPUT \
    { "output", 'o', "text|json", "format of the start table and of log lines (text)", cli_set_host_output }
