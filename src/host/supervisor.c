// SPDX-License-Identifier: Apache-2.0
#include "host/supervisor.h"

#include <signal.h>

#include "base/mem.h"
#include "host/config_wire.h"
#include "host/expiry.h"
#include "host/outgoing.h"
#include "host/worker_slot.h"
#include "loop/signal.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/socket.h"
#include "os/socket_open.h"

#define LONG_LIFE_NS 10000000000ull // a worker that lived this long did not fail because of its start
#define BACK_OFF_NS_MIN 100000000ull
#define BACK_OFF_NS_MAX 10000000000ull
#define WATCH_NS_MIN 5000000ull
#define WATCH_NS_MAX 250000000ull
#define GRACE_NS 500000000ull // beyond the drain deadline, which workers keep themselves

enum { SIGNALS = 3 };

typedef enum phase { PHASE_STARTING, PHASE_SERVING, PHASE_ENDING } phase;

typedef struct supervisor {
    const supervisor_options *options;
    loop *loop;
    slot_place place;
    outgoing *outgoing;
    drivers *drivers;  // NULL when no workload has a link
    host_audit *audit; // NULL without a log
    memory_map admission_pages;
    worker_slot *slots;
    int next_slot; // for a connection that comes from elsewhere
    phase phase;
    loop_timer watch;
    loop_timer deadline;
    uint64_t watched_ns;
    loop_signal *signals[SIGNALS];
    expiry *expiries; // one for each workload
    host_status status;
    uint64_t worker_restarts;
    workload_figures *ended; // for each workload, the counters of workers that are gone
    bool is_monitored;
    bool is_retiring; // others serve on our sockets
    int exit_status;
    bool has_result; // of a command
    status failure;
    err e;
} supervisor;

static logger *log_of(const supervisor *v) { return v->options->logger; }
static bool is_command(const supervisor *v) { return v->options->is_command; }
static size_t workload_count(const supervisor *v) { return v->options->config->workload_count; }

// --- ending ------------------------------------------------------------------------------------------------

static bool is_any_left(const supervisor *v) {
    for (int i = 0; i < v->options->worker_count; i++) {
        if (v->slots[i].state != SLOT_EMPTY) {
            return true;
        }
    }
    return false;
}

static void stop_if_done(supervisor *v) {
    if (!is_any_left(v)) {
        loop_stop(v->loop);
    }
}

static void kill_all(supervisor *v) {
    for (int i = 0; i < v->options->worker_count; i++) {
        if (v->slots[i].state != SLOT_EMPTY) {
            slot_kill(&v->slots[i]);
        }
    }
    stop_if_done(v);
}

static void end(supervisor *v) {
    v->phase = PHASE_ENDING;
    for (int i = 0; i < v->options->worker_count; i++) {
        (v->is_retiring ? slot_retire : slot_drain)(&v->slots[i]);
    }
    // Whoever still connects is refused at once, on every copy of the sockets.
    for (int i = 0; !v->is_retiring && v->options->listener_fds != NULL && i < v->options->worker_count;
         i++) {
        (void)socket_shutdown(v->options->listener_fds[i], SHUT_RD);
    }
    loop_timer_start_in(&v->deadline, v->options->config->drain_ns_max + GRACE_NS);
    stop_if_done(v);
}

static void on_deadline(void *arg) {
    supervisor *v = arg;
    logger_event(log_of(v), LOG_WARN, "drain-deadline", NULL, 0,
                 "requests were still running when the time to drain was over");
    kill_all(v);
}

// A start that does not succeed: everything that has started is taken down again.
static void fail(supervisor *v, const err *why) {
    if (v->failure == STATUS_OK) {
        v->failure = why->code;
        v->e = *why;
    }
    v->phase = PHASE_ENDING;
    kill_all(v);
}

static void on_signal(supervisor *v, int number) {
    if (is_command(v)) {
        v->exit_status = 128 + number;
        v->has_result = true;
        v->phase = PHASE_ENDING;
        kill_all(v);
    } else if (v->is_retiring && number != SIGUSR2) {
        v->is_retiring = false; // those others end, too
        end(v);
    } else if (v->phase == PHASE_ENDING) {
        logger_event(log_of(v), LOG_WARN, "forced", NULL, 0, "asked a second time: ending at once");
        v->exit_status = 128 + number;
        v->has_result = true;
        kill_all(v);
    } else {
        logger_event(log_of(v), LOG_INFO, "draining", NULL, 0, "asked to end: running requests get %llu ms",
                     (unsigned long long)(v->options->config->drain_ns_max / 1000000u));
        end(v);
    }
}

static void on_sigint(void *arg) { on_signal(arg, SIGINT); }
static void on_retire(void *arg) {
    supervisor *v = arg;
    if (v->phase != PHASE_ENDING) {
        v->is_retiring = true;
        logger_event(log_of(v), LOG_INFO, "retiring", NULL, 0,
                     "its successor serves: running requests get %llu ms",
                     (unsigned long long)(v->options->config->drain_ns_max / 1000000u));
        const host_monitor *m = v->options->observer != NULL ? v->options->observer->monitor : NULL;
        if (m != NULL && m->retiring != NULL) {
            m->retiring(m->context);
        }
        end(v);
    }
}

static void on_sigterm(void *arg) { on_signal(arg, SIGTERM); }
static void on_sighup(void *arg) { on_signal(arg, SIGHUP); }

// --- what happens to workers -------------------------------------------------------------------------------

static void on_ready(void *context, worker_slot *s) {
    supervisor *v = context;
    uint64_t now = clock_now_ns();
    logger_event(log_of(v), LOG_VERBOSE, "worker-ready",
                 LOG_FIELDS(LOG_NUMBER("worker", s->index), LOG_NUMBER("pid", s->process.pid),
                            LOG_NUMBER("start_us", (now - s->started_ns) / 1000u)),
                 "worker %u (process %d) serves after %llu us", s->index, (int)s->process.pid,
                 (unsigned long long)((now - s->started_ns) / 1000u));
    if (s->is_replacement) {
        logger_event(log_of(v), LOG_INFO, "worker-replaced",
                     LOG_FIELDS(LOG_NUMBER("worker", s->index), LOG_NUMBER("pid", s->process.pid),
                                LOG_NUMBER("gap_us", (now - s->died_ns) / 1000u)),
                     "worker %u is replaced by process %d after %llu ms", s->index, (int)s->process.pid,
                     (unsigned long long)((now - s->died_ns) / 1000000u));
    }
    for (int i = 0; i < v->options->worker_count; i++) {
        if (v->phase != PHASE_STARTING || v->slots[i].state != SLOT_SERVING) {
            return;
        }
    }
    v->phase = PHASE_SERVING;
    if (v->options->started != NULL) {
        v->options->started(v->options->context);
    }
    const host_observer *o = v->options->observer;
    if (!is_command(v) && o != NULL && o->listening != NULL) {
        bool is_there = v->options->listener_fds != NULL;
        o->listening(o->context, v->options->listener_fds, is_there ? (size_t)v->options->worker_count : 0);
    }
    if (!is_command(v) && o != NULL && o->serving != NULL) {
        o->serving(o->context, v->options->url, v->options->worker_count);
    }
}

static void on_failed(void *context, worker_slot *s, const err *why) {
    supervisor *v = context;
    if (v->phase == PHASE_STARTING && !s->is_replacement) {
        fail(v, why);
        return;
    }
    logger_event(log_of(v), LOG_ERROR, "worker-failed", LOG_FIELDS(LOG_NUMBER("worker", s->index)),
                 "worker %u cannot start: %s", s->index, why->message);
}

static void on_finished(void *context, worker_slot *s, uint8_t exit_status) {
    (void)s;
    supervisor *v = context;
    if (is_command(v) && !v->has_result) {
        v->exit_status = exit_status;
        v->has_result = true;
        v->phase = PHASE_ENDING;
    }
}

static void log_end(supervisor *v, const worker_slot *s, process_exit x) {
    char text[PROCESS_EXIT_TEXT_BYTES];
    logger_event(log_of(v), LOG_ERROR, "worker-died",
                 LOG_FIELDS(LOG_NUMBER("worker", s->index), LOG_NUMBER("pid", s->pid),
                            LOG_NUMBER("hung", s->is_hung),
                            LOG_TEXT("reason", slice_from_text(process_exit_text(x, text)))),
                 "worker %u (process %d) ended by %s%s", s->index, (int)s->pid, process_exit_text(x, text),
                 s->is_hung ? ", because it was hung" : "");
}

// The first replacement comes at once; workers that keep dying young are replaced less and less often.
static uint64_t back_off(worker_slot *s, uint64_t lived_ns) {
    s->failures = lived_ns >= LONG_LIFE_NS ? 1 : s->failures + 1;
    if (s->failures == 1) {
        return 0;
    }
    uint64_t delay = BACK_OFF_NS_MIN << (s->failures < 12 ? s->failures - 2 : 10);
    return delay < BACK_OFF_NS_MAX ? delay : BACK_OFF_NS_MAX;
}

static void replace(supervisor *v, worker_slot *s) {
    uint64_t now = clock_now_ns();
    v->worker_restarts++;
    uint64_t delay = back_off(s, now - s->started_ns);
    s->died_ns = now;
    if (delay > 0) {
        logger_event(log_of(v), LOG_WARN, "worker-back-off",
                     LOG_FIELDS(LOG_NUMBER("worker", s->index), LOG_NUMBER("failures", s->failures)),
                     "worker %u died %u times in a row; the next one starts in %llu ms", s->index,
                     s->failures, (unsigned long long)(delay / 1000000u));
    }
    slot_plan_restart(s, delay);
}

static void on_ended(void *context, worker_slot *s, process_exit x) {
    supervisor *v = context;
    if (v->phase == PHASE_ENDING) {
        stop_if_done(v);
        return;
    }
    log_end(v, s, x);
    if (is_command(v)) {
        v->exit_status = x.is_signal ? 128 + x.number : 1;
        v->phase = PHASE_ENDING;
        stop_if_done(v);
    } else if (v->phase == PHASE_STARTING && !s->was_ready && !s->is_replacement) {
        // One that has served already may have died of a request, which is no reason to give up.
        err e;
        char text[PROCESS_EXIT_TEXT_BYTES];
        err_set(&e, STATUS_INTERNAL, "a worker ended by %s before it could serve",
                process_exit_text(x, text));
        fail(v, &e);
    } else {
        replace(v, s);
    }
}

// --- watching ----------------------------------------------------------------------------------------------

static uint64_t watch_interval(const supervisor *v) {
    uint64_t quarter = v->options->config->hang_ns_max / 4;
    return quarter < WATCH_NS_MIN ? WATCH_NS_MIN : quarter > WATCH_NS_MAX ? WATCH_NS_MAX : quarter;
}

static void on_watch(void *arg) {
    supervisor *v = arg;
    uint64_t now = clock_now_ns();
    // When we were late ourselves (a suspended machine, a stopped process group), workers were too.
    bool was_late = now - v->watched_ns > 2 * watch_interval(v);
    v->watched_ns = now;
    for (int i = 0; i < v->options->worker_count; i++) {
        worker_slot *s = &v->slots[i];
        if (was_late) {
            s->last_change_ns = now;
        } else if (slot_is_hung(s, now)) {
            s->is_hung = true;
            slot_kill(s);
        }
    }
    loop_timer_start_in(&v->watch, watch_interval(v));
}

// --- being watched -----------------------------------------------------------------------------------------

// On the thread of the loop, so the slots do not change under it.
static void read_figures(void *source, host_figures *ret) {
    const supervisor *v = source;
    *ret =
        (host_figures){.workers = (uint32_t)v->options->worker_count, .worker_restarts = v->worker_restarts};
    for (uint32_t i = 0; v->slots != NULL && i < ret->workers; i++) {
        ret->workers_serving += v->slots[i].state == SLOT_SERVING;
    }
}

static void read_workload(void *source, uint32_t number, workload_figures *ret) {
    const supervisor *v = source;
    const admission_page *page = &v->place.admissions[number];
    *ret = v->ended[number];
    for (uint32_t i = 0; v->slots != NULL && i < (uint32_t)v->options->worker_count; i++) {
        const cell *c = slot_cell(&v->slots[i]);
        ret->running += admission_count(page, i, ADMISSION_RUNNING);
        ret->waiting += admission_count(page, i, ADMISSION_WAITING);
        if (c != NULL) {
            workload_figures_add(ret, &c->work[number]);
        }
    }
}

static void read_link(void *source, uint32_t link, host_link_state *ret) {
    const supervisor *v = source;
    drivers_read_link(v->drivers, link, ret);
}

static status put_link(void *source, host_link *l, host_put_ended ended, void *arg, err *e) {
    const supervisor *v = source;
    return drivers_put(v->drivers, l, ended, arg, e);
}

static void cut_link(void *source, uint32_t link) {
    const supervisor *v = source;
    drivers_cut(v->drivers, link);
}

static void tell_link(void *source, const host_link *l, bool is_cut) {
    const supervisor *v = source;
    host_audit_link(v->audit, is_cut ? AUDIT_LINK_CUT : AUDIT_LINK_CHANGE, l->workload, l, "operator");
}

static uint32_t read_workers(void *source, host_worker *ret, uint32_t max) {
    const supervisor *v = source;
    uint32_t count = 0;
    for (int i = 0; v->slots != NULL && i < v->options->worker_count && count < max; i++) {
        ret[count++] = (host_worker){v->slots[i].pid, v->slots[i].state == SLOT_SERVING};
    }
    return count;
}

static const host_changes changes = {read_link, put_link, cut_link, tell_link, read_workers};

static void start_expiries(supervisor *v) {
    const supervisor_options *o = v->options;
    for (size_t i = 0; o->vettings != NULL && i < workload_count(v); i++) {
        uint64_t end;
        if (vetting_expiry(&o->vettings[i], &end)) {
            expiry_start(&v->expiries[i], v->loop, o->workloads[i].logger,
                         vetting_claims(&o->vettings[i])->issued_at_s, end, NULL, NULL);
        }
    }
}

static status start_watchers(supervisor *v, err *e) {
    const supervisor_options *o = v->options;
    start_expiries(v);
    const host_monitor *m = o->observer != NULL ? o->observer->monitor : NULL;
    v->status = (host_status){o->config,   o->vettings, v,       read_figures, read_workload,
                              o->identity, o->logger,   o->taps, &changes};
    if (o->identity != NULL) {
        host_identity_watch(o->identity, v->loop);
    }
    v->is_monitored = m != NULL;
    return m == NULL ? STATUS_OK : m->supervising(m->context, v->loop, &v->status, e);
}

static void stop_watchers(supervisor *v) {
    for (size_t i = 0; i < workload_count(v); i++) {
        expiry_stop(&v->expiries[i]);
    }
    host_identity_unwatch(v->options->identity);
    if (v->is_monitored) {
        v->options->observer->monitor->ending(v->options->observer->monitor->context);
    }
}

// --- the whole ---------------------------------------------------------------------------------------------

static status write_config(supervisor *v, err *e) {
    auto_buf bytes;
    buf_init(&bytes, CONFIG_WIRE_BYTES_MAX);
    TRY(config_wire_write(v->options->config, &bytes, e));
    return memory_file_from_bytes("writ-config", buf_slice(&bytes), &v->place.config_fd, e);
}

static void on_renewed(void *context, uint32_t link) {
    const supervisor *v = context;
    if (v->drivers != NULL) {
        drivers_renew(v->drivers, link);
    }
}

static status open_linked(void *context, uint32_t number, int *ret_fd, err *e) {
    const supervisor *v = context;
    int ours, theirs;
    if (v->drivers == NULL) {
        return err_set(e, STATUS_CLOSED, "the end of its links is not there");
    }
    TRY(socket_tcp_pair(&ours, &theirs, e)); // libcurl takes no other
    status s = drivers_send_http(v->drivers, number, theirs, e);
    fd_close(theirs);
    if (s != STATUS_OK) {
        fd_close(ours);
        return s;
    }
    *ret_fd = ours;
    return STATUS_OK;
}

static status prepare(supervisor *v, err *e) {
    static const int numbers[2][SIGNALS] = {{SIGTERM, SIGINT, SIGHUP}, {SIGTERM, SIGUSR2}};
    static const loop_callback callbacks[2][SIGNALS] = {{on_sigterm, on_sigint, on_sighup},
                                                        {on_sigterm, on_retire}};
    size_t kind = v->options->config->is_generation ? 1 : 0;
    process_raise_descriptor_limit();
    TRY(loop_new(NULL, &v->loop, e));
    v->place.loop = v->loop;
    loop_timer_init(&v->watch, v->loop, on_watch, v);
    loop_timer_init(&v->deadline, v->loop, on_deadline, v);
    TRY(host_audit_new(v->options->observer == NULL ? NULL : v->options->observer->audit, v->loop, log_of(v),
                       &v->audit, e));
    const host_secrets_watcher w = {v->audit, v, on_renewed};
    TRY(host_secrets_watch(v->options->secrets, v->loop, &w, e));
    TRY(write_config(v, e));
    size_t pages = workload_count(v) * sizeof(admission_page);
    TRY(memory_file_shared("writ-admission", pages, &v->place.admission_fd, e));
    TRY(memory_map_shared(v->place.admission_fd, pages, &v->admission_pages, e));
    v->place.admissions = v->admission_pages.data;
    TRY(outgoing_new(v->loop, v->options->config, &v->outgoing, e));
    if (v->options->config->is_assigned) {
        outgoing_hand(v->outgoing, open_linked, v);
    }
    v->place.connector = outgoing_connector(v->outgoing);
    for (size_t i = 0; i < SIGNALS && numbers[kind][i] != 0; i++) {
        TRY(loop_signal_new(v->loop, numbers[kind][i], callbacks[kind][i], v, &v->signals[i], e));
    }
    return STATUS_OK;
}

static void on_drivers_replaced(void *context) {
    supervisor *v = context;
    for (int i = 0; v->slots != NULL && i < v->options->worker_count; i++) {
        slot_connect_drivers(&v->slots[i]);
    }
}

// To the workers in turn.
static bool send_http(supervisor *v, slot_state state, uint32_t number, int fd) {
    int count = v->options->worker_count;
    for (int i = 0; v->slots != NULL && i < count; i++) {
        worker_slot *s = &v->slots[(v->next_slot + i) % count];
        if (s->state == state && message_send_http(&s->channel, number, fd, NULL) == STATUS_OK) {
            v->next_slot = (v->next_slot + i + 1) % count;
            return true;
        }
    }
    return false;
}

// One that is about to serve takes it when none does: whoever sends it has seen it connect. Who made the
// connection sees its end when nobody has it.
static void on_http(void *context, uint32_t number, int fd) {
    supervisor *v = context;
    (void)(v->phase == PHASE_ENDING || send_http(v, SLOT_SERVING, number, fd) ||
           send_http(v, SLOT_STARTING, number, fd));
    fd_close(fd);
}

// Before the workers, which could not say more than that nobody is there.
static status start_drivers(supervisor *v, err *e) {
    const supervisor_options *o = v->options;
    const drivers_options d = {.config = o->config,
                               .link_count = o->link_count,
                               .loop = v->loop,
                               .logger = log_of(v),
                               .holder = o->config->drivers_holder,
                               .directory = o->data_directory,
                               .secrets = o->secrets,
                               .replaced = on_drivers_replaced,
                               .http = o->config->is_assigned ? on_http : NULL,
                               .context = v};
    if (o->link_count == 0) {
        return STATUS_OK;
    }
    TRY(drivers_new(&d, &v->drivers, e));
    v->place.drivers = v->drivers;
    return STATUS_OK;
}

static status start_all(supervisor *v, err *e) {
    TRY(start_drivers(v, e));
    v->slots = mem_calloc((size_t)v->options->worker_count, sizeof *v->slots);
    for (int i = 0; i < v->options->worker_count; i++) {
        slot_init(&v->slots[i], &v->place, (uint32_t)i);
    }
    for (int i = 0; i < v->options->worker_count; i++) {
        TRY(slot_start(&v->slots[i], e));
    }
    v->watched_ns = clock_now_ns();
    loop_timer_start_in(&v->watch, watch_interval(v));
    return STATUS_OK;
}

static void release(supervisor *v) {
    stop_watchers(v);
    for (int i = 0; v->slots != NULL && i < v->options->worker_count; i++) {
        slot_done(&v->slots[i]);
    }
    mem_free(v->slots);
    drivers_free(v->drivers);
    for (size_t i = 0; i < SIGNALS; i++) {
        loop_signal_free(v->signals[i]);
    }
    loop_timer_stop(&v->watch);
    loop_timer_stop(&v->deadline);
    outgoing_free(v->outgoing);
    fd_close(v->place.config_fd);
    fd_close(v->place.admission_fd);
    memory_map_done(&v->admission_pages);
    host_secrets_unwatch(v->options->secrets); // these two wait for other threads, when nothing else is left
    host_audit_free(v->audit);
    loop_free(v->loop);
    mem_free(v->expiries);
    mem_free(v->ended);
}

status supervisor_run(const supervisor_options *options, int *ret_exit, err *e) {
    supervisor v = {.options = options};
    v.place = (slot_place){
        .options = options,
        .config_fd = -1,
        .admission_fd = -1,
        .events = {&v, on_ready, on_failed, on_finished, on_ended},
    };
    v.expiries = mem_calloc(workload_count(&v) + 1, sizeof *v.expiries);
    v.ended = mem_calloc(workload_count(&v) + 1, sizeof *v.ended);
    v.place.ended = v.ended;
    status s = prepare(&v, e);
    if (s == STATUS_OK) {
        s = start_watchers(&v, e);
    }
    if (s == STATUS_OK) {
        s = start_all(&v, e);
    }
    if (s == STATUS_OK) {
        loop_run(v.loop);
        s = v.failure == STATUS_OK ? STATUS_OK : err_set(e, v.failure, "%s", v.e.message);
    }
    if (s == STATUS_OK) {
        *ret_exit = v.exit_status;
    }
    release(&v);
    return s;
}
