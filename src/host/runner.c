// SPDX-License-Identifier: Apache-2.0
#include "host/runner.h"

#include "base/mem.h"
#include "host/callee.h"
#include "host/command.h"
#include "host/delivery.h"
#include "host/service.h"
#include "net/http_client.h"
#include "os/fd.h"
#include "os/random.h"

typedef struct part { // of one workload
    workload *workload;
    http_client *http;
    guest_queue queue;
} part;

struct runner {
    runner_options options;
    size_t count;
    part *parts;
    guest_place *places;
    callees *callees;
    gate *gate;       // of calls of all workloads
    job_pool **pools; // one for each workload; NULL of a command
    service *service; // when they serve
    deliveries *deliveries;
    int undrained;    // of the two
    command *command; // WORKLOAD_COMMAND
};

// Outgoing requests, when the workload may make any.
static status make_client(const runner *r, uint32_t number, part *p, err *e) {
    const workload_config *c = &r->options.config->workloads[number];
    if (network_policy_is_empty(&c->http_policy) && !c->is_http_linked) {
        return STATUS_OK;
    }
    http_client_options o = http_client_options_default();
    o.connector = r->options.connector;
    o.roots = r->options.roots;
    o.workload = number;
    o.is_relayed = c->is_http_linked;
    return http_client_new(r->options.loop, &o, &p->http, e);
}

static status make_part(runner *r, uint32_t number, err *e) {
    const runner_options *o = &r->options;
    const runner_workload *from = &o->workloads[number];
    part *p = &r->parts[number];
    workload_options w = {
        .config = &o->config->workloads[number],
        .number = number,
        .is_alone = host_config_is_for_one(o->config),
        .component = from->component,
        .artifacts = from->artifacts,
        .engine = o->engine,
        .logger = from->logger,
        .directory_fds = from->directory_fds,
        .link_states = o->link_states,
        .link_count = o->link_count,
        .drivers = o->drivers,
        .callees = r->callees,
        .gate = r->gate,
        .secrets = o->secrets,
    };
    TRY(workload_new(&w, &p->workload, e));
    TRY(make_client(r, number, p, e));
    guest_queue_init(&p->queue, o->loop);
    r->places[number] = (guest_place){
        .workload = p->workload,
        .loop = o->loop,
        .connector = o->connector,
        .cell = &o->cell->work[number],
        .queue = &p->queue,
        .admission = {&o->admissions[number], o->worker, o->worker_count},
        .http = p->http,
    };
    return STATUS_OK;
}

static status make_gate(runner *r, err *e) {
    siphash_key key;
    random_fill(&key, sizeof key);
    return host_rules_gate(&r->options.config->rules, key, &r->gate, e);
}

static void make_pools(runner *r) {
    for (size_t i = 0; i < r->count; i++) {
        const guest_place *place = &r->places[i];
        r->pools[i] = place->workload->kind != WORKLOAD_COMMAND ? job_pool_new(place) : NULL;
    }
}

static status find_callees(runner *r, err *e) {
    const component **components = mem_calloc(r->count + 1, sizeof *components);
    for (size_t i = 0; i < r->count; i++) {
        components[i] = r->options.workloads[i].component;
    }
    status s = callees_new(r->options.config, components, &r->callees, e);
    mem_free(components);
    return s;
}

static status make_parts(runner *r, err *e) {
    TRY(make_gate(r, e));
    TRY(find_callees(r, e));
    for (uint32_t i = 0; i < r->count; i++) {
        status s = make_part(r, i, e);
        if (s != STATUS_OK) {
            return r->count == 1 ? s : err_wrap(e, "workload \"%s\"", r->options.config->workloads[i].name);
        }
    }
    make_pools(r);
    return callees_connect(r->callees, r->places, e);
}

status runner_new(const runner_options *options, runner **ret, err *e) {
    runner *r = MEM_NEW(runner);
    r->options = *options;
    r->count = options->config->workload_count;
    r->parts = mem_calloc(r->count + 1, sizeof *r->parts);
    r->places = mem_calloc(r->count + 1, sizeof *r->places);
    r->pools = mem_calloc(r->count + 1, sizeof *r->pools);
    status s = make_parts(r, e);
    if (s != STATUS_OK) {
        runner_free(r);
        return s;
    }
    r->options.workloads = NULL;
    *ret = r;
    return STATUS_OK;
}

static void on_ended(void *context, uint8_t exit_status) {
    runner *r = context;
    r->options.finished(r->options.context, exit_status);
}

static void on_drained(void *context) {
    runner *r = context;
    if (--r->undrained == 0) {
        on_ended(context, 0);
    }
}

static void make_deliveries(runner *r) {
    const deliveries_options o = {.loop = r->options.loop,
                                  .places = r->places,
                                  .pools = r->pools,
                                  .count = r->count,
                                  .drained = on_drained,
                                  .context = r};
    r->deliveries = deliveries_new(&o);
    r->undrained++;
}

void runner_deliver(runner *r, rpc_request *q) { deliveries_call(r->deliveries, q); }
void runner_deliver_cancel(rpc_request *q) { deliveries_cancel(q); }

void runner_adopt(runner *r, int fd, uint32_t number) {
    if (r->service == NULL || number >= r->count) {
        fd_close(fd);
        return;
    }
    service_adopt(r->service, fd, number);
}

status runner_start(runner *r, err *e) {
    cell_set(&r->options.cell->state, CELL_SERVING);
    make_deliveries(r);
    if (r->count > 0 && r->places[0].workload->kind == WORKLOAD_COMMAND) {
        return command_start(&r->places[0], on_ended, r, &r->command, e);
    }
    service_options o = {
        .config = r->options.config,
        .loop = r->options.loop,
        .places = r->places,
        .pools = r->pools,
        .listener_fd = r->options.listener_fd,
        .drained = on_drained,
        .context = r,
    };
    r->undrained++;
    return service_new(&o, &r->service, e);
}

void runner_drain(runner *r, uint64_t deadline_ns) {
    cell_set(&r->options.cell->state, CELL_DRAINING);
    if (r->command != NULL) {
        on_ended(r, 0);
        return;
    }
    deliveries_drain(r->deliveries, deadline_ns);
    if (r->service != NULL) {
        service_drain(r->service, deadline_ns);
    }
}

void runner_retire(runner *r, uint64_t deadline_ns) {
    if (r->service == NULL) {
        runner_drain(r, deadline_ns);
        return;
    }
    cell_set(&r->options.cell->state, CELL_DRAINING);
    service_retire(r->service, deadline_ns);
    deliveries_drain(r->deliveries, deadline_ns);
}

void runner_free(runner *r) {
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->count; i++) {
        job_pool_free(r->pools[i]); // releases every exchange and answers every call
    }
    service_free(r->service);
    deliveries_free(r->deliveries);
    command_free(r->command);
    for (size_t i = 0; i < r->count; i++) {
        guest_queue_done(&r->parts[i].queue);
        http_client_free(r->parts[i].http);
        workload_free(r->parts[i].workload);
    }
    callees_free(r->callees);
    gate_free(r->gate);
    mem_free(r->parts);
    mem_free(r->places);
    mem_free(r->pools);
    mem_free(r);
}
