// SPDX-License-Identifier: Apache-2.0
#include "cli/host_start.h"

#include "api/metrics.h"
#include "api/otlp.h"
#include "base/mem.h"
#include "cli/endpoint.h"
#include "cli/options.h"
#include "cli/places.h"
#include "cli/run_audit.h"
#include "cli/run_secrets.h"
#include "cli/spiffe.h"
#include "cli/start_table.h"
#include "os/fd.h"
#include "os/socket_open.h"

// --- options -----------------------------------------------------------------------------------------------

static status replace_text(char **field, const char *text) {
    mem_free(*field);
    *field = mem_text_dup(text);
    return STATUS_OK;
}

CLI_KEEP_OUTPUT(set_output, cli_host, output);
CLI_KEEP_TEXT(set_audit, cli_host, audit_path);
CLI_KEEP_TEXT(set_otlp, cli_host, otlp_url);
CLI_KEEP_TEXT(set_secrets, cli_host, secrets.directory);
CLI_KEEP_TEXT(set_key_file, cli_host, secrets.key_file);
CLI_KEEP_TEXT(set_passphrase_file, cli_host, secrets.passphrase_file);

status cli_set_host_output(void *target, const char *value, err *e) { return set_output(target, value, e); }
status cli_set_otlp(void *target, const char *value, err *e) {
    otlp_endpoint to;
    TRY(otlp_endpoint_parse(slice_from_text(value), &to, e));
    return set_otlp(target, value, e);
}
status cli_set_audit(void *target, const char *value, err *e) { return set_audit(target, value, e); }
status cli_set_secrets(void *target, const char *value, err *e) { return set_secrets(target, value, e); }
status cli_set_secrets_key_file(void *target, const char *value, err *e) {
    return set_key_file(target, value, e);
}
status cli_set_secrets_passphrase_file(void *target, const char *value, err *e) {
    return set_passphrase_file(target, value, e);
}

// Without an address it is the loopback's: who may read metrics is decided, not forgotten.
status cli_parse_metrics(const char *value, char **ret_address, uint16_t *ret_port, err *e) {
    char local[32];
    size_t colon = value[0] == ':' ? 1 : 0;
    uint64_t port;
    if (cli_parse_number(value + colon, 0, UINT16_MAX, &port, NULL) == STATUS_OK) {
        (void)snprintf(local, sizeof local, "127.0.0.1:%u", (unsigned)port);
        value = local;
    }
    return cli_parse_endpoint(value, ret_address, ret_port, e);
}

status cli_set_metrics(void *target, const char *value, err *e) {
    cli_host *h = target;
    return cli_parse_metrics(value, &h->metrics_address, &h->metrics_port, e);
}

status cli_set_spiffe(void *target, const char *value, err *e) {
    const char *endpoint = cli_spiffe_endpoint(value, e);
    return endpoint == NULL ? STATUS_INVALID
                            : replace_text(&((cli_host *)target)->config.spiffe_endpoint, endpoint);
}
status cli_set_spiffe_audience(void *target, const char *value, WRIT_UNUSED err *e) {
    return replace_text(&((cli_host *)target)->config.spiffe_audience, value);
}

// --- metrics -----------------------------------------------------------------------------------------------

status cli_open_metrics(const char *address, uint16_t *port, int *ret_fd, err *e) {
    socket_address a;
    if (!socket_address_parse(slice_from_text(address), *port, &a)) {
        return err_set(e, STATUS_INVALID, "\"%s\" is not an address for metrics", address);
    }
    TRY(socket_listen_group(&a, 1, ret_fd, e));
    *port = socket_address_port(&a);
    return STATUS_OK;
}

static status serve_metrics(cli_host *h, loop *l, const host_status *s, err *e) {
    TRY(metrics_new(l, h->metrics_fd, s, &h->metrics, e));
    if (s->config->adopted_count == 0) { // else it was told
        start_table_metrics("metrics", h->metrics_address, h->metrics_port, h->output);
    }
    return STATUS_OK;
}

// --- being asked -------------------------------------------------------------------------------------------

static status start_control(cli_host *h, loop *l, err *e) {
    const control_options o = {.name = h->asked.name,
                               .loop = l,
                               .listen_fd = h->asked.control_fd,
                               .status = h->asked.status,
                               .generation = h->generation,
                               .plan = h->asked.plan,
                               .host_options = h->asked.options,
                               .ring = h->asked.ring};
    return h->asked.name == NULL ? STATUS_OK : control_new(&o, &h->asked.control, e);
}

static void retiring(void *context) {
    const cli_host *h = context;
    if (h->asked.control != NULL) {
        control_retire(h->asked.control);
    }
}

static void close_asked(cli_asked *a) {
    fd_close(a->control_fd);
    fd_close(a->place_fd);
    fd_close(a->lock_fd);
    log_ring_free(a->ring);
    mem_free(a->options);
}

// --- watching ----------------------------------------------------------------------------------------------

static status supervising(void *context, loop *l, const host_status *s, err *e) {
    cli_host *h = context;
    otlp_endpoint to;
    h->asked.status = s;
    TRY(start_control(h, l, e));
    if (h->otlp_url != NULL) {
        TRY(otlp_endpoint_parse(slice_from_text(h->otlp_url), &to, e));
        TRY(otlp_new(l, &to, h->config.ca_file, s, &h->otlp, e));
    }
    return h->metrics_fd < 0 ? STATUS_OK : serve_metrics(h, l, s, e);
}

static void ending(void *context) {
    cli_host *h = context;
    control_free(h->asked.control);
    h->asked.control = NULL;
    h->asked.status = NULL;
    metrics_server_free(h->metrics);
    h->metrics = NULL;
    otlp_free(h->otlp);
    h->otlp = NULL;
}

// --- the whole ---------------------------------------------------------------------------------------------

void cli_host_init(cli_host *h) {
    h->metrics_fd = -1;
    h->asked.control_fd = h->asked.place_fd = h->asked.lock_fd = -1;
}

status cli_host_open(cli_host *h, err *e) {
    host_config *c = &h->config;
    cli_default_trust(&c->trust_usual);
    c->is_json = h->output == CLI_JSON;
    if (c->spiffe_audience != NULL && c->spiffe_endpoint == NULL) {
        return err_set(e, STATUS_INVALID, "--spiffe-audience needs --spiffe");
    }
    if (c->proxy_host == NULL && (c->proxy_login_file != NULL || c->no_proxy.rule_count > 0)) {
        return err_set(e, STATUS_INVALID, "--proxy-login and --no-proxy need --proxy");
    }
    // One socket for all generations of a host, whose port does not change with them.
    return h->metrics_address == NULL
               ? STATUS_OK
               : cli_open_metrics(h->metrics_address, &h->metrics_port, &h->metrics_fd, e);
}

static status run_recorded(cli_host *h, const host_observer *observer, int *ret_exit, err *e) {
    run_audit a;
    TRY(run_audit_open(&a, h->audit_path, &h->config, h->generation, e));
    host_observer both = run_audit_observer(&a, observer);
    status ran = host_run(&h->config, &both, ret_exit, e);
    return run_audit_close(&a, ran, *ret_exit, e);
}

status cli_host_run(cli_host *h, const host_observer *observer, int *ret_exit, err *e) {
    const host_monitor monitor = {h, supervising, retiring, ending};
    host_observer all = *observer;
    run_secrets secrets = {.request = h->secrets};
    all.monitor = &monitor;
    status s = run_secrets_open(&secrets, &h->config, &all, e);
    s = s == STATUS_OK ? run_recorded(h, &all, ret_exit, e) : s;
    run_secrets_close(&secrets);
    return s;
}

status cli_host_check(cli_host *h, const host_observer *observer, err *e) {
    host_observer all = *observer;
    run_secrets secrets = {.request = h->secrets};
    status s = run_secrets_open(&secrets, &h->config, &all, e);
    s = s == STATUS_OK ? host_check(&h->config, &all, e) : s;
    run_secrets_close(&secrets);
    return s;
}

int cli_host_end(cli_host *h, status s, bool is_usage, int code, const err *e) {
    if (s != STATUS_OK && !(is_usage && s == STATUS_CANCELLED)) { // else help was printed
        code = cli_fail(e, h->output);
        code = is_usage ? CLI_EXIT_USAGE : code;
    }
    fd_close(h->metrics_fd);
    close_asked(&h->asked);
    mem_free(h->metrics_address);
    host_config_done(&h->config);
    return code;
}
