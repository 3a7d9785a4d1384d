// SPDX-License-Identifier: Apache-2.0
#include "host/runner.h"

#include "base/mem.h"
#include "host/command.h"
#include "host/service.h"
#include "net/http_client.h"

struct runner {
    runner_options options;
    workload *workload;
    guest_place place;
    http_client *http;
    service *service; // WORKLOAD_HTTP
    command *command; // WORKLOAD_COMMAND
};

// Outgoing requests, when the workload may make any.
static status make_client(runner *r, err *e) {
    if (network_policy_is_empty(&r->options.config->http_policy)) {
        return STATUS_OK;
    }
    http_client_options o = http_client_options_default();
    o.connector = r->options.connector;
    o.roots = r->options.roots;
    return http_client_new(r->options.loop, &o, &r->http, e);
}

status runner_new(const runner_options *options, runner **ret, err *e) {
    workload_options w = {
        .config = options->config,
        .component = options->component,
        .artifacts = options->artifacts,
        .engine = options->engine,
        .logger = options->logger,
        .directory_fds = options->directory_fds,
    };
    runner *r = MEM_NEW(runner);
    r->options = *options;
    status s = workload_new(&w, &r->workload, e);
    if (s == STATUS_OK) {
        s = make_client(r, e);
    }
    if (s != STATUS_OK) {
        runner_free(r);
        return s;
    }
    r->place = (guest_place){.workload = r->workload,
                             .loop = options->loop,
                             .connector = options->connector,
                             .cell = options->cell,
                             .admission = options->admission,
                             .http = r->http};
    *ret = r;
    return STATUS_OK;
}

static void on_ended(void *context, uint8_t exit_status) {
    runner *r = context;
    r->options.finished(r->options.context, exit_status);
}

static void on_drained(void *context) { on_ended(context, 0); }

status runner_start(runner *r, err *e) {
    cell_set(&r->place.cell->state, CELL_SERVING);
    if (r->workload->kind == WORKLOAD_COMMAND) {
        return command_start(&r->place, on_ended, r, &r->command, e);
    }
    service_options o = {
        .place = &r->place,
        .listener_fd = r->options.listener_fd,
        .drained = on_drained,
        .context = r,
    };
    return service_new(&o, &r->service, e);
}

void runner_drain(runner *r, uint64_t deadline_ns) {
    cell_set(&r->place.cell->state, CELL_DRAINING);
    if (r->service != NULL) {
        service_drain(r->service, deadline_ns);
    } else {
        on_ended(r, 0);
    }
}

void runner_free(runner *r) {
    if (r != NULL) {
        service_free(r->service);
        command_free(r->command);
        http_client_free(r->http);
        workload_free(r->workload);
        mem_free(r);
    }
}
