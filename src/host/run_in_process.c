// SPDX-License-Identifier: Apache-2.0
// The host without workers (--workers 0): guests run in this process, on its loop. Drivers and the compiler
// keep processes of their own.
#include <signal.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "crypto/trust_roots.h"
#include "host/compile.h"
#include "host/drivers.h"
#include "host/expiry.h"
#include "host/outgoing.h"
#include "host/run_internal.h"
#include "host/runner.h"
#include "loop/signal.h"
#include "net/rpc.h"
#include "os/socket.h"

typedef struct single {
    run *run;
    loop *loop;
    outgoing *outgoing;
    trust_roots *roots;
    engine *engine;
    runner *runner;
    bool is_started;
    drivers *drivers; // a process of their own here too
    rpc *connection;  // to them; NULL while there is none
    loop_signal *signals[2];
    cell cell;
    admission_page *admissions; // one for each workload
    expiry *expiries;           // likewise
    host_status status;
    host_audit *audit; // NULL without a log
    bool is_monitored;
    int exit_status;
    bool is_draining;
} single;

static void on_finished(void *context, uint8_t exit_status) {
    single *p = context;
    p->exit_status = exit_status;
    loop_stop(p->loop);
}

static void on_signal(single *p, int number) {
    if (p->is_draining || p->run->is_command) {
        p->exit_status = 128 + number;
        loop_stop(p->loop);
        return;
    }
    p->is_draining = true;
    runner_drain(p->runner, loop_now_fresh_ns(p->loop) + p->run->config->drain_ns_max);
    (void)socket_shutdown(p->run->listener_fds[0], SHUT_RD);
}

static void on_sigint(void *arg) { on_signal(arg, SIGINT); }
static void on_sigterm(void *arg) { on_signal(arg, SIGTERM); }

static void read_figures(void *source, host_figures *ret) {
    (void)source;
    *ret = (host_figures){0};
}

static void read_workload(void *source, uint32_t number, workload_figures *ret) {
    const single *p = source;
    const admission_page *page = &p->admissions[number];
    *ret = (workload_figures){.running = admission_count(page, 0, ADMISSION_RUNNING),
                              .waiting = admission_count(page, 0, ADMISSION_WAITING)};
    workload_figures_add(ret, &p->cell.work[number]);
}

static status start_watchers(single *p, err *e) {
    const run *r = p->run;
    const host_monitor *m = r->observer != NULL ? r->observer->monitor : NULL;
    for (size_t i = 0; i < run_workload_count(r); i++) {
        uint64_t end;
        if (vetting_expiry(&r->vettings[i], &end)) {
            expiry_start(&p->expiries[i], p->loop, r->workloads[i].logger,
                         vetting_claims(&r->vettings[i])->issued_at_s, end, NULL, NULL);
        }
    }
    p->status = (host_status){r->config,   r->vettings, p,       read_figures, read_workload,
                              r->identity, r->logger,   r->taps, NULL};
    if (r->identity != NULL) {
        host_identity_watch(r->identity, p->loop);
    }
    p->is_monitored = m != NULL;
    return m == NULL ? STATUS_OK : m->supervising(m->context, p->loop, &p->status, e);
}

static status make_engine(single *p, err *e) {
    run *r = p->run;
    engine_facts facts;
    r->engine_options = compile_engine_options(r->config, true);
    run_choose_level(r, &facts);
    const component **list = mem_calloc(run_workload_count(r) + 1, sizeof *list);
    for (size_t i = 0; i < run_workload_count(r); i++) {
        list[i] = r->workloads[i].component;
    }
    compile_fit_engine(&r->engine_options, &facts, list, run_workload_count(r), 1);
    mem_free(list);
    TRY(engine_new(&r->engine_options, &p->engine, e));
    compile_report_engine(p->engine, r->logger);
    return run_compile(r, p->engine, e);
}

static void on_connection_closed(void *arg, status why, const err *e) {
    (void)why, (void)e; // a new process comes, see connect_drivers
    single *p = arg;
    rpc_free(p->connection);
    p->connection = NULL;
}

static void on_delivery(void *arg, rpc_request *q) {
    single *p = arg;
    if (p->is_started) {
        runner_deliver(p->runner, q);
    } else {
        rpc_fail(q, STATUS_LIMIT, "the host has not started yet");
    }
}

static void on_delivery_cancelled(void *arg, rpc_request *q) {
    (void)arg;
    runner_deliver_cancel(q);
}

static void connect_drivers(void *context) {
    single *p = context;
    int fd = -1;
    const rpc_handler handler = {.arg = p,
                                 .on_call = on_delivery,
                                 .on_cancel = on_delivery_cancelled,
                                 .on_closed = on_connection_closed};
    err e = {0};
    rpc_free(p->connection);
    p->connection = NULL;
    status s = drivers_connect(p->drivers, &fd, &e);
    if (s == STATUS_OK) {
        s = rpc_new(p->loop, fd, NULL, &handler, &p->connection, &e);
    }
    if (s != STATUS_OK) {
        p->connection = NULL;
        logger_event(p->run->logger, LOG_ERROR, "worker-drivers", NULL, 0, "no connection to the drivers: %s",
                     e.message);
    }
}

static status start_drivers(single *p, err *e) {
    const run *r = p->run;
    const drivers_options o = {.config = r->config,
                               .link_count = r->link_count,
                               .loop = p->loop,
                               .logger = r->logger,
                               .holder = r->config->drivers_holder,
                               .directory = r->config->data_directory,
                               .secrets = r->secrets,
                               .replaced = connect_drivers,
                               .context = p};
    if (r->link_count == 0) {
        return STATUS_OK;
    }
    TRY(drivers_new(&o, &p->drivers, e));
    connect_drivers(p);
    return STATUS_OK;
}

typedef struct reveal_wait { // on the stack of the guest's task
    host_reveal reveal;
    wasi_instance *instance;
    bool is_over;
    status code;
    err e;
} reveal_wait;

static void on_revealed(void *arg, status code, const err *e) {
    reveal_wait *w = arg;
    w->is_over = true;
    w->code = code;
    if (code != STATUS_OK) {
        w->e = *e;
    }
    wasi_instance_wake(w->instance);
}

static status reveal_here(void *context, uint32_t number, host_call *call, slice name, secret_value *ret,
                          err *e) {
    const single *p = context;
    bool waits = false;
    reveal_wait w = {.instance = wasi_of(call)};
    w.reveal.done = on_revealed;
    w.reveal.arg = &w;
    TRY(host_secrets_reveal(p->run->secrets, number, name, &w.reveal, &waits, e));
    while (waits && !w.is_over) {
        status s = wasi_instance_suspend(call, e);
        if (s != STATUS_OK && !w.is_over) {
            host_reveal_cancel(&w.reveal);
            return s;
        }
    }
    if (w.code != STATUS_OK) {
        return err_set(e, w.code, "%s", w.e.message);
    }
    *ret = w.reveal.value;
    return STATUS_OK;
}

static status make_runner(single *p, err *e) {
    run *r = p->run;
    runner_workload *list = mem_calloc(run_workload_count(r) + 1, sizeof *list);
    for (size_t i = 0; i < run_workload_count(r); i++) {
        const prepared_workload *w = &r->workloads[i];
        list[i] = (runner_workload){w->logger, &w->artifacts, w->component, w->directory_fds};
    }
    runner_options o = {
        .config = r->config,
        .workloads = list,
        .loop = p->loop,
        .connector = outgoing_connector(p->outgoing),
        .roots = p->roots,
        .cell = &p->cell,
        .engine = p->engine,
        .link_states = p->drivers == NULL ? NULL : drivers_states(p->drivers),
        .link_count = r->link_count,
        .drivers = &p->connection,
        .secrets = {p, reveal_here},
        .listener_fd = r->listeners_open > 0 ? r->listener_fds[0] : -1,
        .admissions = p->admissions,
        .worker = 0,
        .worker_count = 1,
        .finished = on_finished,
        .context = p,
    };
    status s = runner_new(&o, &p->runner, e);
    mem_free(list);
    return s;
}

static void on_renewed(void *context, uint32_t link) {
    const single *p = context;
    if (p->drivers != NULL) {
        drivers_renew(p->drivers, link);
    }
}

static status prepare_single(single *p, err *e) {
    const run *r = p->run;
    p->admissions = mem_calloc(run_workload_count(r) + 1, sizeof *p->admissions);
    p->expiries = mem_calloc(run_workload_count(r) + 1, sizeof *p->expiries);
    TRY(loop_new(NULL, &p->loop, e));
    TRY(host_audit_new(r->observer == NULL ? NULL : r->observer->audit, p->loop, r->logger, &p->audit, e));
    const host_secrets_watcher w = {p->audit, p, on_renewed};
    TRY(host_secrets_watch(r->secrets, p->loop, &w, e));
    TRY(outgoing_new(p->loop, r->config, &p->outgoing, e));
    if (host_config_calls_out(r->config)) {
        TRY(trust_roots_new(r->config->ca_file, &p->roots, e));
    }
    TRY(make_engine(p, e));
    TRY(start_drivers(p, e));
    TRY(make_runner(p, e));
    TRY(start_watchers(p, e));
    TRY(loop_signal_new(p->loop, SIGINT, on_sigint, p, &p->signals[0], e));
    return loop_signal_new(p->loop, SIGTERM, on_sigterm, p, &p->signals[1], e);
}

static void release_single(single *p) {
    const run *r = p->run;
    for (size_t i = 0; i < run_workload_count(r); i++) {
        expiry_stop(&p->expiries[i]);
    }
    host_identity_unwatch(r->identity);
    if (p->is_monitored) {
        r->observer->monitor->ending(r->observer->monitor->context);
    }
    rpc_free(p->connection); // it counts for workloads
    p->connection = NULL;
    runner_free(p->runner);
    drivers_free(p->drivers);
    outgoing_free(p->outgoing);
    trust_roots_free(p->roots);
    loop_signal_free(p->signals[0]);
    loop_signal_free(p->signals[1]);
    engine_free(p->engine);
    host_secrets_unwatch(r->secrets); // these two wait for other threads, when nothing else is left
    host_audit_free(p->audit);
    loop_free(p->loop);
    mem_free(p->admissions);
    mem_free(p->expiries);
}

status run_in_process(run *r, int *ret_exit, err *e) {
    single p = {.run = r};
    status s = prepare_single(&p, e);
    if (s == STATUS_OK) {
        s = runner_start(p.runner, e);
        p.is_started = s == STATUS_OK;
    }
    if (s == STATUS_OK) {
        run_on_started(r);
        if (!r->is_command && r->observer != NULL && r->observer->serving != NULL) {
            r->observer->serving(r->observer->context, r->url, 0);
        }
        loop_run(p.loop);
        *ret_exit = p.exit_status;
    }
    release_single(&p);
    return s;
}
