// SPDX-License-Identifier: Apache-2.0
// host_run: from a configuration to a running workload. Everything that can be refused is refused before a
// process starts or a port opens.
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "crypto/trust_roots.h"
#include "host/compile.h"
#include "host/expiry.h"
#include "host/host.h"
#include "host/local_connector.h"
#include "host/log.h"
#include "host/message.h"
#include "host/runner.h"
#include "host/supervisor.h"
#include "loop/signal.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/memory_file.h"
#include "os/process.h"
#include "os/sandbox.h"
#include "os/socket.h"
#include "os/socket_open.h"

enum { URL_BYTES = 96, WORKERS_MAX = MESSAGE_WORKERS_MAX };

typedef struct run {
    const host_config *config;
    const host_observer *observer;
    logger *logger;
    buf bytes;
    vetting vetting;
    host_identity *identity; // NULL without --spiffe
    component *component;
    workload_kind kind;
    int worker_count; // 0 = in this process
    int component_fd;
    engine_options engine_options;
    artifacts artifacts;
    int *directory_fds;
    size_t directories_open;
    int *listener_fds;
    size_t listeners_open;
    char url[URL_BYTES];
    uint64_t started_ns;
} run;

static void trace(run *r, const char *phase) {
    uint64_t us = (clock_now_ns() - r->started_ns) / 1000u;
    logger_event(r->logger, LOG_VERBOSE, "start-phase", LOG_FIELDS(LOG_NUMBER("us", us)),
                 "start: %s after %llu us", phase, (unsigned long long)us);
}

// --- before anything runs ----------------------------------------------------------------------------------

static int count_workers(const host_config *c, workload_kind kind) {
    uint32_t wanted = c->workers >= 0 ? (uint32_t)c->workers : process_cpu_count();
    if (wanted == 0 || kind == WORKLOAD_COMMAND) {
        return wanted == 0 ? 0 : 1;
    }
    wanted = wanted < WORKERS_MAX ? wanted : WORKERS_MAX;
    return (int)(wanted < c->limits.instances_max ? wanted : c->limits.instances_max);
}

// Not silent anywhere: whoever reads the log later must see it too.
static void report_vetting(run *r) {
    const vetting *v = &r->vetting;
    const token_claims *c = vetting_claims(v);
    if (!vetting_is_signed(v)) {
        slice reason = slice_from_text(refusal_name(v->found.reason));
        logger_event(r->logger, LOG_WARN, "unsigned", LOG_FIELDS(LOG_TEXT("reason", reason)),
                     "UNSIGNED: nobody whom this host trusts vouches for %s (%s); it runs because of "
                     "--unsigned",
                     r->config->component_path, refusal_name(v->found.reason));
        return;
    }
    nkey_text issuer = nkey_public_text(&c->issuer), subject = nkey_public_text(&c->subject);
    logger_event(r->logger, LOG_VERBOSE, "signed",
                 LOG_FIELDS(LOG_TEXT("issuer", slice_from_text(issuer.text)),
                            LOG_TEXT("subject", slice_from_text(subject.text)),
                            LOG_NUMBER("revision", c->revision)),
                 "signed by %s", issuer.text);
}

// Before anything else looks at the bytes.
static status vet(run *r, err *e) {
    TRY(host_read_component(r->config->component_path, &r->bytes, e));
    vetting_examine(r->config, buf_slice(&r->bytes), clock_wall_now().seconds, &r->vetting);
    if (vetting_is_no_component(&r->vetting)) {
        TRY(host_decode_component(r->config->component_path, buf_slice(&r->bytes), &r->component, e));
    }
    TRY(vetting_check(&r->vetting, r->config, e));
    trace(r, "writ verified");
    if (r->observer != NULL && r->observer->vetted != NULL) {
        r->observer->vetted(r->observer->context, r->config, &r->vetting);
    }
    report_vetting(r);
    return STATUS_OK;
}

// Asked for before anything starts: a host that should have an identity does not run without.
static status identify(run *r, err *e) {
    const host_config *c = r->config;
    const host_identity_options o = {
        .endpoint = c->spiffe_endpoint, .audience = c->spiffe_audience, .logger = r->logger};
    if (c->spiffe_endpoint == NULL) {
        return STATUS_OK;
    }
    TRY(host_identity_new(&o, &r->identity, e));
    TRY(host_identity_fetch(r->identity, e));
    trace(r, "SPIFFE identity fetched");
    if (r->observer != NULL && r->observer->identified != NULL) {
        r->observer->identified(r->observer->context, r->identity, &r->vetting);
    }
    return STATUS_OK;
}

static status decide(run *r, err *e) {
    grants *g = NULL;
    grants_writ writ;
    TRY(workload_kind_of(r->component, &r->kind, e));
    TRY(grants_new(r->component, r->config, vetting_writ(&r->vetting, &writ), &g, e));
    if (r->observer != NULL && r->observer->decided != NULL) {
        r->observer->decided(r->observer->context, r->config, g);
    }
    status s = grants_check(g, e);
    grants_free(g);
    return s;
}

static status open_listeners(run *r, err *e) {
    size_t count = r->worker_count == 0 ? 1 : (size_t)r->worker_count;
    socket_address a;
    if (!socket_address_parse(slice_from_text(r->config->listen_address), r->config->listen_port, &a)) {
        return err_set(e, STATUS_INVALID, "\"%s\" is not an address to listen on", r->config->listen_address);
    }
    r->listener_fds = mem_calloc(count, sizeof *r->listener_fds);
    TRY(socket_listen_group(&a, count, r->listener_fds, e));
    r->listeners_open = count;
    bool is_v6 = a.storage.ss_family == AF_INET6;
    (void)snprintf(r->url, sizeof r->url, "http://%s%s%s:%u/", is_v6 ? "[" : "", r->config->listen_address,
                   is_v6 ? "]" : "", socket_address_port(&a));
    return STATUS_OK;
}

static status open_all(run *r, err *e) {
    r->directory_fds = mem_calloc(r->config->directory_count + 1, sizeof *r->directory_fds);
    TRY(workload_open_directories(r->config, r->directory_fds, e));
    r->directories_open = r->config->directory_count;
    return r->kind == WORKLOAD_HTTP ? open_listeners(r, e) : STATUS_OK;
}

static void warn_about_machine(run *r) {
    sandbox_report report;
    sandbox_probe(&report);
    if (report.landlock_abi == 0 || !report.has_seccomp) {
        logger_event(r->logger, LOG_WARN, "sandbox", NULL, 0,
                     "workers are confined less than they should be: %s", report.lost);
    }
}

// Where the trust store asks for it, what has started becomes the oldest that may start.
static void on_started(void *context) {
    run *r = context;
    const vetting *v = &r->vetting;
    bool is_raised = false;
    err e = {0};
    if (!vetting_is_signed(v) || v->trust_path == NULL || !v->found.trust.ratchet) {
        return;
    }
    if (trust_note_revision(v->trust_path, &v->found.trust, &v->found.claims, &is_raised, &e) != STATUS_OK) {
        logger_event(r->logger, LOG_WARN, "ratchet", NULL, 0,
                     "older revisions of this component may still start here: %s", e.message);
    } else if (is_raised) {
        logger_event(
            r->logger, LOG_INFO, "ratchet", LOG_FIELDS(LOG_NUMBER("revision", v->found.claims.revision)),
            "revisions of this component below %d are refused from now on", (int)v->found.claims.revision);
    }
}

// --- with workers ------------------------------------------------------------------------------------------

static status compile(run *r, engine *here, err *e) {
    compile_job job = {
        .config = r->config,
        .component = r->component,
        .component_fd = here == NULL ? r->component_fd : -1,
        .observer = r->observer,
        .logger = r->logger,
        .options = r->engine_options,
        .engine = here,
    };
    TRY(compile_modules(&job, &r->artifacts, e));
    trace(r, "native code ready");
    return STATUS_OK;
}

static void choose_level(run *r, engine_facts *ret_facts) {
    engine_facts_read(&r->engine_options, ret_facts);
    r->engine_options.level = engine_level_choose(&r->engine_options);
    if (ret_facts->reduced[0] != '\0') {
        logger_event(r->logger, LOG_WARN, "engine", NULL, 0, "%s", ret_facts->reduced);
    }
}

static status run_supervised(run *r, int *ret_exit, err *e) {
    engine_facts facts;
    warn_about_machine(r);
    r->engine_options = compile_engine_options(r->config, false);
    choose_level(r, &facts);
    TRY(compile(r, NULL, e));
    // From here on only workers need the component.
    component_free(r->component);
    r->component = NULL;
    buf_done(&r->bytes);
    supervisor_options o = {
        .config = r->config,
        .observer = r->observer,
        .vetting = &r->vetting,
        .identity = r->identity,
        .logger = r->logger,
        .kind = r->kind,
        .worker_count = r->worker_count,
        .artifacts = &r->artifacts,
        .level = r->engine_options.level,
        .component_fd = r->component_fd,
        .directory_fds = r->directory_fds,
        .listener_fds = r->listener_fds,
        .url = r->url,
        .started = on_started,
        .context = r,
    };
    return supervisor_run(&o, ret_exit, e);
}

// --- in one process ----------------------------------------------------------------------------------------

typedef struct single {
    run *run;
    loop *loop;
    connector *connector;
    trust_roots *roots;
    engine *engine;
    runner *runner;
    loop_signal *signals[2];
    cell cell;
    admission_page admission;
    expiry expiry;
    host_status status;
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
    if (p->is_draining || p->run->kind == WORKLOAD_COMMAND) {
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
    const single *p = source;
    *ret = (host_figures){.running = admission_count(&p->admission, 0, ADMISSION_RUNNING),
                          .waiting = admission_count(&p->admission, 0, ADMISSION_WAITING)};
    host_figures_add(ret, &p->cell);
}

static status start_watchers(single *p, err *e) {
    uint64_t end;
    const host_monitor *m = p->run->observer != NULL ? p->run->observer->monitor : NULL;
    if (vetting_expiry(&p->run->vetting, &end)) {
        expiry_start(&p->expiry, p->loop, p->run->logger, vetting_claims(&p->run->vetting)->issued_at_s, end,
                     NULL, NULL);
    }
    p->status = (host_status){p->run->config, &p->run->vetting, p, read_figures, p->run->identity};
    if (p->run->identity != NULL) {
        host_identity_watch(p->run->identity, p->loop);
    }
    p->is_monitored = m != NULL;
    return m == NULL ? STATUS_OK : m->supervising(m->context, p->loop, &p->status, e);
}

static status prepare_single(single *p, err *e) {
    run *r = p->run;
    TRY(loop_new(NULL, &p->loop, e));
    TRY(local_connector_new(p->loop, r->config, &p->connector, e));
    if (!network_policy_is_empty(&r->config->http_policy)) {
        TRY(trust_roots_new(r->config->ca_file, &p->roots, e));
    }
    r->engine_options = compile_engine_options(r->config, true);
    engine_facts facts;
    choose_level(r, &facts);
    compile_fit_engine(&r->engine_options, &facts, r->component, 1);
    TRY(engine_new(&r->engine_options, &p->engine, e));
    compile_report_engine(p->engine, r->logger);
    TRY(compile(r, p->engine, e));
    runner_options o = {
        .config = r->config,
        .loop = p->loop,
        .logger = r->logger,
        .connector = p->connector,
        .roots = p->roots,
        .cell = &p->cell,
        .engine = p->engine,
        .artifacts = &r->artifacts,
        .component = r->component,
        .directory_fds = r->directory_fds,
        .listener_fd = r->listeners_open > 0 ? r->listener_fds[0] : -1,
        .admission = {&p->admission, 0, 1},
        .finished = on_finished,
        .context = p,
    };
    TRY(runner_new(&o, &p->runner, e));
    TRY(start_watchers(p, e));
    TRY(loop_signal_new(p->loop, SIGINT, on_sigint, p, &p->signals[0], e));
    return loop_signal_new(p->loop, SIGTERM, on_sigterm, p, &p->signals[1], e);
}

static status run_single(run *r, int *ret_exit, err *e) {
    single p = {.run = r};
    status s = prepare_single(&p, e);
    if (s == STATUS_OK) {
        s = runner_start(p.runner, e);
    }
    if (s == STATUS_OK) {
        on_started(r);
        if (r->kind == WORKLOAD_HTTP && r->observer != NULL && r->observer->serving != NULL) {
            r->observer->serving(r->observer->context, r->url, 0);
        }
        loop_run(p.loop);
        *ret_exit = p.exit_status;
    }
    expiry_stop(&p.expiry);
    host_identity_unwatch(r->identity);
    if (p.is_monitored) {
        r->observer->monitor->ending(r->observer->monitor->context);
    }
    runner_free(p.runner);
    local_connector_free(p.connector);
    trust_roots_free(p.roots);
    loop_signal_free(p.signals[0]);
    loop_signal_free(p.signals[1]);
    engine_free(p.engine);
    loop_free(p.loop);
    return s;
}

// --- the whole ---------------------------------------------------------------------------------------------

static status run_checked(run *r, int *ret_exit, err *e) {
    TRY(vet(r, e));
    TRY(identify(r, e));
    TRY(host_decode_component(r->config->component_path, buf_slice(&r->bytes), &r->component, e));
    trace(r, "component decoded");
    TRY(decide(r, e));
    r->worker_count = count_workers(r->config, r->kind);
    TRY(open_all(r, e));
    TRY(memory_file_from_bytes("writ-component", buf_slice(&r->bytes), &r->component_fd, e));
    (void)signal(SIGPIPE, SIG_IGN);
    return r->worker_count == 0 ? run_single(r, ret_exit, e) : run_supervised(r, ret_exit, e);
}

static void release(run *r) {
    artifacts_done(&r->artifacts);
    for (size_t i = 0; i < r->directories_open; i++) {
        fd_close(r->directory_fds[i]);
    }
    for (size_t i = 0; i < r->listeners_open; i++) {
        fd_close(r->listener_fds[i]);
    }
    mem_free(r->directory_fds);
    mem_free(r->listener_fds);
    fd_close(r->component_fd);
    component_free(r->component);
    buf_done(&r->bytes);
    vetting_done(&r->vetting);
    host_identity_free(r->identity);
    logger_free(r->logger);
}

status host_run(const host_config *config, const host_observer *observer, int *ret_exit, err *e) {
    run r = {.config = config, .observer = observer, .component_fd = -1, .started_ns = clock_now_ns()};
    logger_options log = {
        .workload = slice_from_text(config->name),
        .is_json = config->is_json,
        .is_verbose = config->is_verbose,
        .fd = STDERR_FILENO,
        .bytes_per_second_max = config->limits.log_bytes_per_second_max,
    };
    TRY(logger_new(&log, &r.logger, e));
    status s = run_checked(&r, ret_exit, e);
    release(&r);
    return s;
}
