// SPDX-License-Identifier: Apache-2.0
// host_run: from a configuration to running workloads. Everything that can be refused is refused before a
// process starts or a port opens.
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/callee.h"
#include "host/compile.h"
#include "host/drivers.h"
#include "host/message.h"
#include "host/routes.h"
#include "host/run_internal.h"
#include "host/supervisor.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/process.h"
#include "os/sandbox.h"
#include "os/socket_open.h"
#include "secrets/sealed.h"

enum { PATH_BYTES_MAX = 4096, WORKERS_MAX = MESSAGE_WORKERS_MAX };

static void trace(run *r, const char *phase) {
    uint64_t us = (clock_now_ns() - r->started_ns) / 1000u;
    logger_event(r->logger, LOG_VERBOSE, "start-phase", LOG_FIELDS(LOG_NUMBER("us", us)),
                 "start: %s after %llu us", phase, (unsigned long long)us);
}

// Which of the workloads a failure is about; a host with one has no other.
static status name_failure(const run *r, size_t number, status s, err *e) {
    if (s == STATUS_OK || run_workload_count(r) == 1) {
        return s;
    }
    return err_wrap(e, "workload \"%s\"", r->config->workloads[number].name);
}

// --- before anything runs ----------------------------------------------------------------------------------

static status check_names(const host_config *c, err *e) {
    for (uint32_t i = 0; i < c->workload_count; i++) {
        if (c->workloads[i].name == NULL || c->workloads[i].name[0] == '\0') {
            return err_set(e, STATUS_INVALID, "workload %u has no name", i);
        }
        if (host_config_find(c, slice_from_text(c->workloads[i].name)) != i) {
            return err_set(e, STATUS_INVALID, "two workloads have the name \"%s\"", c->workloads[i].name);
        }
    }
    return c->workload_count > 0 || c->is_assigned
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "there is no workload to run");
}

// Each workload as many instances as it may have beside the others, when all run at one time in one worker.
static status share_instances(run *r, err *e) {
    engine_options o = compile_engine_options(r->config, false);
    uint32_t capacity = run_workload_count(r) > 1 ? engine_pool_capacity(&o) : o.instances_max;
    if (capacity == 0) {
        capacity = o.instances_max; // smaller engines say themselves what they lack
    } else if (capacity < o.instances_max) {
        capacity -= capacity / 8; // for what a worker maps beside it
    }
    return host_config_share_instances(r->config, capacity, e);
}

static int count_workers(const run *r) {
    const host_config *c = r->config;
    uint32_t wanted = c->workers >= 0 ? (uint32_t)c->workers : process_cpu_count();
    uint32_t useful = 0;
    if (c->adopted_count > 0 && !r->is_command) {
        return (int)c->adopted_count; // each socket has connections that wait
    }
    if (wanted == 0 || r->is_command) {
        return wanted == 0 ? 0 : 1;
    }
    for (size_t i = 0; i < run_workload_count(r); i++) {
        uint32_t n = c->workloads[i].limits.instances_max;
        useful = n > useful ? n : useful;
    }
    wanted = wanted < WORKERS_MAX ? wanted : WORKERS_MAX;
    if (c->is_assigned) { // what comes later may use them all
        return (int)wanted;
    }
    return (int)(wanted < useful ? wanted : useful);
}

static status start_loggers(run *r, err *e) {
    const host_config *c = r->config;
    const char *only = c->workload_count == 1 ? c->workloads[0].name : "host";
    logger_options o = {
        .workload = slice_from_text(c->name != NULL ? c->name : only),
        .is_json = c->is_json,
        .is_verbose = c->is_verbose,
        .fd = STDERR_FILENO,
        .taps = r->taps,
    };
    TRY(logger_new(&o, &r->logger, e));
    for (size_t i = 0; i < run_workload_count(r); i++) {
        o.workload = slice_from_text(c->workloads[i].name);
        o.bytes_per_second_max = c->workloads[i].limits.log_bytes_per_second_max;
        TRY(logger_new(&o, &r->workloads[i].logger, e));
    }
    return STATUS_OK;
}

// Workers ask their rules about it, and see no token.
static void note_issuer(workload_config *c, const vetting *v) {
    mem_free(c->issuer);
    c->issuer = vetting_is_signed(v) ? mem_text_dup(v->issuer.text) : NULL;
}

// Before anything else looks at the bytes.
static status vet(run *r, err *e) {
    const prepared_context context = {r->config, r->observer};
    for (size_t i = 0; i < run_workload_count(r); i++) {
        status s = prepared_vet(&r->workloads[i], &context, &r->vettings[i], e);
        TRY(name_failure(r, i, s, e));
        note_issuer(&r->config->workloads[i], &r->vettings[i]);
    }
    trace(r, "writ verified");
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
        r->observer->identified(r->observer->context, r->config, r->identity, r->vettings);
    }
    return STATUS_OK;
}

// Every route leads to a workload that serves; one that serves without a route is no mistake among others,
// but nobody outside reaches it.
static status check_routes(run *r, err *e) {
    routes *all;
    TRY(routes_new(r->config, &all, e));
    size_t count = routes_count(all);
    routes_free(all);
    bool is_useful = count > 0 || r->is_command || r->config->is_assigned;
    for (size_t i = 0; i < run_workload_count(r); i++) {
        const workload_config *c = r->workloads[i].config;
        bool serves = r->workloads[i].kind == WORKLOAD_HTTP;
        bool is_called = workload_is_called_by_drivers(r->workloads[i].component, c);
        is_useful = is_useful || is_called;
        if (!serves && c->route_count > 0 && !r->is_command && !is_called) {
            return err_set(e, STATUS_INVALID,
                           "workload \"%s\" has a route, but its component does not export "
                           "wasi:http/incoming-handler",
                           c->name);
        }
        if (serves && c->route_count == 0 && !r->config->is_assigned) {
            logger_event(r->workloads[i].logger, LOG_WARN, "no-route", NULL, 0,
                         "no route leads to it: it is not served");
        }
    }
    return is_useful
               ? STATUS_OK
               : err_set(e, STATUS_INVALID,
                         "no workload has a route and no driver calls one, so there is nothing to serve");
}

// Nobody is harmed by a link that leads nowhere, but somebody has expected something of it.
static void warn_about_links(const run *r) {
    for (size_t i = 0; i < run_workload_count(r); i++) {
        const prepared_workload *w = &r->workloads[i];
        for (size_t k = 0; k < w->config->links.count; k++) {
            const host_link *l = &w->config->links.items[k];
            if (!workload_uses_link(w->component, l)) {
                logger_event(
                    w->logger, LOG_WARN, "link-unused",
                    LOG_FIELDS(LOG_TEXT("link", slice_from_text(l->name))),
                    "the component neither imports nor exports %s%s, which its link \"%s\" to %s is for",
                    l->interfaces[0], l->interface_count > 1 ? " and the others" : "", l->name, l->target);
            }
        }
    }
}

// One callee of an assigned workload that is not as the caller wants it: its calls go through the link, where
// they fail one by one, and what else it does goes on.
static void drop_misfits(const run *r, const component *const *components, uint32_t number) {
    workload_config *w = &r->config->workloads[number];
    host_callee *all = w->callees;
    size_t count = w->callee_count, kept = 0;
    err e;
    for (size_t i = 0; i < count; i++) {
        host_callee one = all[i];
        w->callees = &one;
        w->callee_count = 1;
        if (callees_check(r->config, components, number, &e) == STATUS_OK) {
            all[kept++] = one;
            continue;
        }
        logger_event(r->workloads[number].logger, LOG_WARN, "callee-misfit",
                     LOG_FIELDS(LOG_TEXT("target", slice_from_text(one.workload))), "%s", e.message);
        host_callee_done(&one);
    }
    w->callees = all;
    w->callee_count = kept;
    if (callees_check(r->config, components, number, &e) != STATUS_OK) { // they do not go together
        while (w->callee_count > 0) {
            host_callee_done(&all[--w->callee_count]);
        }
    }
}

// Whatever a workload is to call is there.
static status check_callees(run *r, err *e) {
    const component **components = mem_calloc(run_workload_count(r) + 1, sizeof *components);
    callees *found = NULL;
    for (size_t i = 0; i < run_workload_count(r); i++) {
        components[i] = r->workloads[i].component;
    }
    for (uint32_t i = 0; r->config->is_assigned && i < run_workload_count(r); i++) {
        drop_misfits(r, components, i);
    }
    status s = callees_new(r->config, components, &found, e);
    callees_free(found);
    mem_free(components);
    // An interface that is not there is a matter of the components, not of this machine.
    if (s == STATUS_NOT_FOUND) {
        s = e->code = STATUS_INVALID;
    }
    return s;
}

static status decide(run *r, err *e) {
    const prepared_context context = {r->config, r->observer};
    for (size_t i = 0; i < run_workload_count(r); i++) {
        status s = prepared_decide(&r->workloads[i], &context, &r->vettings[i], e);
        TRY(name_failure(r, i, s, e));
    }
    r->is_command = run_workload_count(r) > 0 && r->workloads[0].kind == WORKLOAD_COMMAND; // then it is alone
    TRY(check_callees(r, e));
    warn_about_links(r);
    return check_routes(r, e);
}

// Those of the host before us: it listens on, and keeps its address.
static status adopt_listeners(run *r, const socket_address *wanted, socket_address *ret, err *e) {
    const host_config *c = r->config;
    TRY(socket_address_of(c->adopted_listeners[0], ret, e));
    if (!socket_address_is_for(ret, wanted)) {
        return err_set(e, STATUS_UNSUPPORTED,
                       "the address to listen on has changed to %s:%u; that needs an end and a new start",
                       c->listen_address, (unsigned)c->listen_port);
    }
    for (size_t i = 0; i < c->adopted_count; i++) {
        TRY(fd_duplicate(c->adopted_listeners[i], &r->listener_fds[i], e));
        r->listeners_open = i + 1;
    }
    return STATUS_OK;
}

static status open_listeners(run *r, err *e) {
    size_t count = r->worker_count == 0 ? 1 : (size_t)r->worker_count;
    socket_address a;
    if (!socket_address_parse(slice_from_text(r->config->listen_address), r->config->listen_port, &a)) {
        return err_set(e, STATUS_INVALID, "\"%s\" is not an address to listen on", r->config->listen_address);
    }
    r->listener_fds = mem_calloc(count, sizeof *r->listener_fds);
    if (r->config->adopted_count > 0) {
        socket_address wanted = a;
        TRY(adopt_listeners(r, &wanted, &a, e));
    } else {
        TRY(socket_listen_group(&a, count, r->listener_fds, e));
        r->listeners_open = count;
    }
    bool is_v6 = a.storage.ss_family == AF_INET6;
    (void)snprintf(r->url, sizeof r->url, "http://%s%s%s:%u/", is_v6 ? "[" : "", r->config->listen_address,
                   is_v6 ? "]" : "", socket_address_port(&a));
    return STATUS_OK;
}

// What goes to workers in lists has a bound over all workloads, too.
static status check_sums(const run *r, err *e) {
    size_t modules = 0, directories = 0;
    for (size_t i = 0; i < run_workload_count(r); i++) {
        modules += component_module_count(r->workloads[i].component);
        directories += r->config->workloads[i].directory_count;
    }
    if (modules > MESSAGE_MODULES_MAX || directories > MESSAGE_DIRECTORIES_MAX) {
        return err_set(
            e, STATUS_LIMIT,
            "the workloads have %zu core modules and %zu directories together; a host takes %d and "
            "%d",
            modules, directories, MESSAGE_MODULES_MAX, MESSAGE_DIRECTORIES_MAX);
    }
    return STATUS_OK;
}

// Drivers need a directory that is theirs whatever their process does with its own.
static status place_drivers(run *r, err *e) {
    auto_buf path;
    buf_init(&path, PATH_BYTES_MAX);
    TRY(host_config_number_links(r->config, &r->link_count, e));
    if (r->link_count == 0) {
        return STATUS_OK;
    }
    TRY(host_data_directory(r->config->data_directory, &path, e));
    if (path.len == 0 || path.data[0] != '/') {
        return err_set(e, STATUS_INVALID, "the directory for data must be an absolute path");
    }
    mem_free(r->config->data_directory);
    r->config->data_directory = mem_text_dup(buf_text(&path));
    return STATUS_OK;
}

static status fetch_secrets(run *r, err *e) {
    secret_store *store = r->observer != NULL ? r->observer->secrets : NULL;
    if (r->config->proxy_login_file != NULL) { // which the supervisor reads and sends
        process_forbid_dumps();
    }
    if (!host_config_needs_secrets(r->config)) {
        return STATUS_OK;
    }
    process_forbid_dumps();
    const host_secrets_options o = {.config = r->config,
                                    .link_count = r->link_count,
                                    .sealed = store == NULL ? NULL : sealed_backend_new(store),
                                    .observer = r->observer,
                                    .logger = r->logger};
    return host_secrets_new(&o, &r->secrets, e);
}

static status open_all(run *r, err *e) {
    TRY(place_drivers(r, e));
    TRY(check_sums(r, e));
    TRY(fetch_secrets(r, e));
    for (size_t i = 0; i < run_workload_count(r); i++) {
        TRY(name_failure(r, i, prepared_open(&r->workloads[i], e), e));
    }
    return r->is_command || r->config->listen_address == NULL ? STATUS_OK : open_listeners(r, e);
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
static void note_revision(logger *l, const vetting *v) {
    bool is_raised = false;
    err e = {0};
    if (!vetting_is_signed(v) || v->trust_path == NULL || !v->found.trust.ratchet) {
        return;
    }
    if (trust_note_revision(v->trust_path, &v->found.trust, &v->found.claims, &is_raised, &e) != STATUS_OK) {
        logger_event(l, LOG_WARN, "ratchet", NULL, 0,
                     "older revisions of this component may still start here: %s", e.message);
    } else if (is_raised) {
        logger_event(l, LOG_INFO, "ratchet", LOG_FIELDS(LOG_NUMBER("revision", v->found.claims.revision)),
                     "revisions of this component below %d are refused from now on",
                     (int)v->found.claims.revision);
    }
}

void run_on_started(void *context) {
    run *r = context;
    for (size_t i = 0; i < run_workload_count(r); i++) {
        note_revision(r->workloads[i].logger, &r->vettings[i]);
    }
}

// --- with workers ------------------------------------------------------------------------------------------

status run_compile(run *r, engine *here, err *e) {
    for (size_t i = 0; i < run_workload_count(r); i++) {
        prepared_workload *p = &r->workloads[i];
        compile_job job = {
            .config = r->config,
            .component = p->component,
            .component_fd = here == NULL ? p->component_fd : -1,
            .observer = r->observer,
            .logger = p->logger,
            .options = r->engine_options,
            .engine = here,
        };
        TRY(name_failure(r, i, compile_modules(&job, &p->artifacts, e), e));
    }
    trace(r, "native code ready");
    return STATUS_OK;
}

void run_choose_level(run *r, engine_facts *ret_facts) {
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
    run_choose_level(r, &facts);
    TRY(run_compile(r, NULL, e));
    for (size_t i = 0; i < run_workload_count(r); i++) { // from here on only workers need the components
        prepared_drop_component(&r->workloads[i]);
    }
    supervisor_options o = {
        .config = r->config,
        .workloads = r->workloads,
        .vettings = r->vettings,
        .observer = r->observer,
        .identity = r->identity,
        .secrets = r->secrets,
        .logger = r->logger,
        .taps = r->taps,
        .is_command = r->is_command,
        .worker_count = r->worker_count,
        .level = r->engine_options.level,
        .listener_fds = r->listener_fds,
        .link_count = r->link_count,
        .data_directory = r->config->data_directory,
        .url = r->url,
        .started = run_on_started,
        .context = r,
    };
    return supervisor_run(&o, ret_exit, e);
}

// --- the whole ---------------------------------------------------------------------------------------------

static status run_checked(run *r, int *ret_exit, err *e) {
    TRY(share_instances(r, e));
    TRY(vet(r, e));
    TRY(identify(r, e));
    TRY(decide(r, e));
    trace(r, "components decoded, imports decided");
    r->worker_count = count_workers(r);
    TRY(open_all(r, e));
    if (r->observer != NULL && r->observer->starting != NULL) {
        TRY(r->observer->starting(r->observer->context, r->config, e));
    }
    (void)signal(SIGPIPE, SIG_IGN);
    return r->worker_count == 0 ? run_in_process(r, ret_exit, e) : run_supervised(r, ret_exit, e);
}

static void init(run *r) {
    r->workloads = mem_calloc(run_workload_count(r) + 1, sizeof *r->workloads);
    r->vettings = mem_calloc(run_workload_count(r) + 1, sizeof *r->vettings);
    for (uint32_t i = 0; i < run_workload_count(r); i++) {
        r->workloads[i] =
            (prepared_workload){.config = &r->config->workloads[i], .number = i, .component_fd = -1};
    }
}

static void release(run *r) {
    for (size_t i = 0; i < run_workload_count(r); i++) {
        prepared_done(&r->workloads[i]);
        vetting_done(&r->vettings[i]);
    }
    for (size_t i = 0; i < r->listeners_open; i++) {
        fd_close(r->listener_fds[i]);
    }
    mem_free(r->workloads);
    mem_free(r->vettings);
    mem_free(r->listener_fds);
    host_secrets_free(r->secrets);
    host_identity_free(r->identity);
    logger_free(r->logger);
}

status host_check(host_config *config, const host_observer *observer, err *e) {
    log_taps taps;
    run r = {.config = config, .observer = observer, .taps = &taps, .started_ns = clock_now_ns()};
    TRY(check_names(config, e));
    list_init(&taps.list);
    init(&r);
    status s = start_loggers(&r, e);
    s = s == STATUS_OK ? share_instances(&r, e) : s;
    s = s == STATUS_OK ? vet(&r, e) : s;
    s = s == STATUS_OK ? decide(&r, e) : s;
    s = s == STATUS_OK ? place_drivers(&r, e) : s;
    s = s == STATUS_OK ? check_sums(&r, e) : s;
    s = s == STATUS_OK ? fetch_secrets(&r, e) : s;
    release(&r);
    return s;
}

status host_run(host_config *config, const host_observer *observer, int *ret_exit, err *e) {
    log_taps taps;
    run r = {.config = config, .observer = observer, .taps = &taps, .started_ns = clock_now_ns()};
    TRY(check_names(config, e));
    list_init(&taps.list);
    init(&r);
    status s = start_loggers(&r, e);
    if (s == STATUS_OK) {
        s = run_checked(&r, ret_exit, e);
    }
    release(&r);
    return s;
}
