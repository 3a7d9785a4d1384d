// SPDX-License-Identifier: Apache-2.0
#include "host/worker_slot.h"

#include <signal.h>

#include "os/clock.h"
#include "os/fd.h"
#include "os/socket_open.h"

enum {
    CHANNEL_BYTES = 1 << 20,
    LOG_OWN_BYTES = 256 << 10, // a worker's own events in a second, beside those of its guests
    LOG_SPARE_BYTES = 16 << 10,
};
#define START_NS_MAX 20000000000ull // for loading native code, on a slow disk

static void on_planned(void *arg);

void slot_init(worker_slot *s, const slot_place *place, uint32_t index) {
    *s = (worker_slot){
        .place = place, .index = index, .process = {0, -1}, .channel = {-1}, .cell_fd = -1, .error_fd = -1};
    loop_timer_init(&s->restart, place->loop, on_planned, s);
}

static const supervisor_options *options_of(const worker_slot *s) { return s->place->options; }

static size_t workload_count(const worker_slot *s) { return options_of(s)->config->workload_count; }

static void keep_figures(worker_slot *s) {
    const cell *c = slot_cell(s);
    for (size_t i = 0; c != NULL && i < workload_count(s); i++) {
        workload_figures_add(&s->place->ended[i], &c->work[i]);
    }
}

static void close_process(worker_slot *s) {
    keep_figures(s);
    loop_watch_stop(&s->process_watch);
    loop_watch_stop(&s->channel_watch);
    broker_free(s->broker);
    s->broker = NULL;
    reveal_desk_free(s->reveals);
    s->reveals = NULL;
    channel_close(&s->channel);
    loop_watch_stop(&s->error_watch);
    fd_close(s->error_fd);
    s->error_fd = -1;
    memory_map_done(&s->cell_page);
    fd_close(s->cell_fd);
    s->cell_fd = -1;
    s->state = SLOT_EMPTY;
}

// --- what it says ------------------------------------------------------------------------------------------

static status on_failed_packet(worker_slot *s, const channel_packet *p, err *e) {
    message_failed m;
    TRY(message_read_failed(p, &m, e));
    // Only before it was ready, and once: guests may run in it afterwards, and a failure can end the service.
    if (s->state != SLOT_STARTING || s->has_failed) {
        return err_set(e, STATUS_INVALID, "it fails to start, although it has started or failed before");
    }
    s->has_failed = true;
    err why;
    err_set(&why, m.code, "%.*s", SLICE_ARG(m.text));
    s->place->events.failed(s->place->events.context, s, &why);
    return STATUS_OK;
}

enum { LOG_OF_WORKER = HOST_WORKLOADS_MAX }; // in log_bytes

// What a workload's lines take as packets, where the worker keeps to their bound: names and fields come on
// top.
static uint64_t log_bytes_of(const host_limits *l) {
    return l->log_bytes_per_second_max < UINT64_MAX / 8 ? 4 * l->log_bytes_per_second_max + LOG_SPARE_BYTES
                                                        : UINT64_MAX;
}

static void refill_log(worker_slot *s) {
    for (size_t i = 0; i < workload_count(s); i++) {
        s->log_bytes[i] = log_bytes_of(&options_of(s)->config->workloads[i].limits);
    }
    s->log_bytes[LOG_OF_WORKER] = LOG_OWN_BYTES;
    if (s->log_dropped > 0) {
        logger_event(options_of(s)->logger, LOG_WARN, "log-dropped",
                     LOG_FIELDS(LOG_NUMBER("worker", s->index), LOG_NUMBER("count", s->log_dropped)),
                     "worker %u logs too much: %u lines were dropped", s->index, s->log_dropped);
    }
    s->log_dropped = 0;
}

// Workers bound what their guests log; one that no longer does must not fill the operator's disk.
static bool may_log(worker_slot *s, uint32_t whose, size_t bytes) {
    uint64_t now = clock_now_ns();
    if (now - s->log_refilled_ns >= 1000000000u) {
        s->log_refilled_ns = now;
        refill_log(s);
    }
    if (bytes > s->log_bytes[whose]) {
        s->log_dropped++;
        return false;
    }
    s->log_bytes[whose] -= bytes;
    return true;
}

static status on_log_packet(worker_slot *s, const channel_packet *p, err *e) {
    message_log m;
    TRY(message_read_log(p, &m, e));
    bool is_own = m.workload == MESSAGE_LOG_OF_WORKER;
    if (!is_own && m.workload >= workload_count(s)) {
        return err_set(e, STATUS_INVALID, "it logs for workload %u, which is none", m.workload);
    }
    if (!may_log(s, is_own ? LOG_OF_WORKER : m.workload, p->len)) {
        return STATUS_OK;
    }
    // Marked with who said it, whatever the record itself claims.
    size_t n = m.record.field_count < LOG_FIELDS_MAX ? m.record.field_count : LOG_FIELDS_MAX - 1;
    m.fields[n] = LOG_NUMBER("worker", s->index);
    m.record.field_count = n + 1;
    logger_record(is_own ? options_of(s)->logger : options_of(s)->workloads[m.workload].logger, &m.record);
    return STATUS_OK;
}

// What libraries write when they give up. It goes through the log: with our own standard error in hand, a
// worker could write lines that look like the supervisor's.
static void read_errors(worker_slot *s, size_t max) {
    uint8_t text[LOG_TEXT_BYTES_MAX / 2];
    for (size_t i = 0; i < max && s->error_fd >= 0; i++) {
        size_t n = 0;
        status code = fd_read_some(s->error_fd, text, sizeof text, &n);
        if (code == STATUS_NOT_FOUND) {
            return;
        }
        if (code != STATUS_OK) {
            loop_watch_stop(&s->error_watch);
            return;
        }
        if (may_log(s, LOG_OF_WORKER, n)) {
            logger_event(options_of(s)->logger, LOG_ERROR, "worker-output",
                         LOG_FIELDS(LOG_NUMBER("worker", s->index)), "worker %u wrote: %.*s", s->index,
                         (int)n, (const char *)text);
        }
    }
}

static status on_packet(worker_slot *s, const channel_packet *p, err *e) {
    uint8_t exit_status;
    switch (p->type) {
    case MESSAGE_READY:
        TRY(message_read_empty(p, e));
        if (s->state == SLOT_STARTING) {
            s->state = SLOT_SERVING;
            s->was_ready = true;
            s->last_change_ns = clock_now_ns();
            s->place->events.ready(s->place->events.context, s);
        }
        return STATUS_OK;
    case MESSAGE_FAILED:
        return on_failed_packet(s, p, e);
    case MESSAGE_FINISHED:
        TRY(message_read_finished(p, &exit_status, e));
        s->place->events.finished(s->place->events.context, s, exit_status);
        return STATUS_OK;
    case MESSAGE_LOG:
        return on_log_packet(s, p, e);
    case MESSAGE_CONNECT:
        return broker_request(s->broker, p, e);
    case MESSAGE_CANCEL:
        return broker_cancel(s->broker, p, e);
    case MESSAGE_REVEAL:
        return reveal_desk_request(s->reveals, p, e);
    default:
        return err_set(e, STATUS_INVALID, "message %u is unknown", p->type);
    }
}

static void on_broken(worker_slot *s, const err *why) {
    logger_event(options_of(s)->logger, LOG_ERROR, "worker-protocol",
                 LOG_FIELDS(LOG_NUMBER("worker", s->index), LOG_NUMBER("pid", s->process.pid)),
                 "worker %u (process %d) sent what no worker sends and is killed: %s", s->index,
                 (int)s->process.pid, why->message);
    slot_kill(s);
    loop_watch_stop(&s->channel_watch);
    channel_close(&s->channel); // whatever else it has sent is not looked at
}

// At most as many packets as a turn of the loop should take; the rest comes in the next turn.
enum { PACKETS_PER_TURN = 64 };

static void read_packets(worker_slot *s, size_t max) {
    for (size_t i = 0; i < max && s->channel.fd >= 0; i++) {
        channel_packet p;
        err e = {0};
        status code = channel_receive(&s->channel, 0, &p, &e);
        if (code == STATUS_NOT_FOUND) {
            return;
        }
        if (code == STATUS_CLOSED) {
            loop_watch_stop(&s->channel_watch); // its end will be seen by the other watch
            return;
        }
        if (code == STATUS_OK) {
            code = on_packet(s, &p, &e);
        }
        if (code != STATUS_OK) {
            on_broken(s, &e);
            return;
        }
    }
}

static void on_channel(void *arg, unsigned events) {
    (void)events;
    read_packets(arg, PACKETS_PER_TURN);
}

static void on_errors(void *arg, unsigned events) {
    (void)events;
    read_errors(arg, PACKETS_PER_TURN);
}

static void on_process(void *arg, unsigned events) {
    (void)events;
    worker_slot *s = arg;
    process_exit x;
    read_packets(s, SIZE_MAX); // its last words come before its end; it cannot add to them
    read_errors(s, SIZE_MAX);
    loop_watch_stop(&s->process_watch); // reaping closes the descriptor
    if (!process_reap(&s->process, &x)) {
        return;
    }
    close_process(s);
    for (size_t i = 0; i < workload_count(s); i++) {
        admission_clear(&s->place->admissions[i], s->index);
    }
    s->place->events.ended(s->place->events.context, s, x);
}

// --- its life ----------------------------------------------------------------------------------------------

static status spawn(worker_slot *s, err *e) {
    channel theirs = {-1};
    auto_fd error_fd = -1;
    // A command's standard output and error are ours; guests that serve write to the log.
    bool is_quiet = !options_of(s)->is_command;
    if (is_quiet) {
        TRY(process_error_pipe(&s->error_fd, &error_fd, e));
    }
    TRY(channel_pair(CHANNEL_BYTES, &s->channel, &theirs, e));
    const char *const argv[] = {"writ", "__worker", NULL};
    process_options o = {.argv = argv,
                         .channel_fd = theirs.fd,
                         .discards_stdio = is_quiet,
                         .error_fd = is_quiet ? error_fd : 0};
    status code = process_spawn(&o, &s->process, e);
    s->pid = s->process.pid;
    channel_close(&theirs);
    return code;
}

static status send_start(worker_slot *s, err *e) {
    const supervisor_options *o = options_of(s);
    int fds[MESSAGE_START_FDS_MAX] = {s->place->config_fd, s->cell_fd, s->place->admission_fd, -1};
    message_start m = {
        .worker = s->index,
        .worker_count = (uint32_t)o->worker_count,
        .workload_count = (uint32_t)workload_count(s),
        .engine_level = (uint8_t)o->level,
        .has_listener = o->listener_fds != NULL,
        .link_count = o->link_count,
    };
    for (size_t i = 0; i < m.workload_count; i++) {
        m.module_count += (uint32_t)o->workloads[i].artifacts.count;
        m.directory_count += (uint32_t)o->config->workloads[i].directory_count;
    }
    if (m.has_listener) {
        // The predecessor shared this socket and may have changed it before it died.
        TRY(s->is_replacement || o->config->adopted_count > 0
                ? socket_listen_again(o->listener_fds[s->index], e)
                : STATUS_OK);
        fds[MESSAGE_START_LISTENER] = o->listener_fds[s->index];
    }
    return message_send_start(&s->channel, &m, fds, MESSAGE_START_LISTENER + (m.has_listener ? 1u : 0u), e);
}

static status send_links(worker_slot *s, err *e) {
    auto_fd connection = -1;
    if (s->place->drivers == NULL) {
        return STATUS_OK;
    }
    TRY(drivers_connect(s->place->drivers, &connection, e));
    const int fds[] = {drivers_page_fd(s->place->drivers), connection};
    return message_send_all_fds(&s->channel, MESSAGE_LINKS, fds, 2, e);
}

static status send_work(worker_slot *s, err *e) {
    const prepared_workload *list = options_of(s)->workloads;
    size_t count = workload_count(s);
    TRY(send_start(s, e));
    for (size_t i = 0; i < count; i++) {
        TRY(message_send_all_fds(&s->channel, MESSAGE_COMPONENTS, &list[i].component_fd, 1, e));
    }
    for (size_t i = 0; i < count; i++) {
        const artifacts *a = &list[i].artifacts;
        TRY(message_send_all_fds(&s->channel, MESSAGE_MODULES, a->fds, a->count, e));
    }
    for (size_t i = 0; i < count; i++) {
        TRY(message_send_all_fds(&s->channel, MESSAGE_DIRECTORIES, list[i].directory_fds,
                                 list[i].config->directory_count, e));
    }
    return send_links(s, e);
}

static status watch(worker_slot *s, err *e) {
    loop *l = s->place->loop;
    TRY(broker_new(l, s->place->connector, &s->channel, (uint32_t)workload_count(s), &s->broker, e));
    s->reveals = reveal_desk_new(options_of(s)->secrets, &s->channel);
    TRY(loop_watch_start(&s->channel_watch, l, s->channel.fd, LOOP_READABLE, on_channel, s, e));
    if (s->error_fd >= 0) {
        TRY(loop_watch_start(&s->error_watch, l, s->error_fd, LOOP_READABLE, on_errors, s, e));
    }
    return loop_watch_start(&s->process_watch, l, s->process.pidfd, LOOP_READABLE, on_process, s, e);
}

status slot_start(worker_slot *s, err *e) {
    s->is_hung = false;
    s->is_retiring = false;
    s->has_failed = false;
    s->was_ready = false;
    s->state = SLOT_STARTING;
    s->started_ns = clock_now_ns();
    s->last_beat = 0;
    s->last_change_ns = s->started_ns;
    status code = memory_file_shared("writ-cell", sizeof(cell), &s->cell_fd, e);
    if (code == STATUS_OK) {
        code = memory_map_shared(s->cell_fd, sizeof(cell), &s->cell_page, e);
    }
    if (code == STATUS_OK) {
        code = spawn(s, e);
    }
    if (code == STATUS_OK) {
        code = send_work(s, e);
    }
    if (code == STATUS_OK) {
        code = watch(s, e);
    }
    if (code != STATUS_OK) {
        slot_done(s);
    }
    return code;
}

static void on_planned(void *arg) {
    worker_slot *s = arg;
    err e = {0};
    if (slot_start(s, &e) != STATUS_OK) {
        // The machine is out of something; the same end as that of a worker that could not start.
        s->place->events.failed(s->place->events.context, s, &e);
        s->place->events.ended(s->place->events.context, s, (process_exit){false, 1});
    }
}

void slot_plan_restart(worker_slot *s, uint64_t delay_ns) {
    s->is_replacement = true;
    loop_timer_start_in(&s->restart, delay_ns);
}

void slot_connect_drivers(worker_slot *s) {
    auto_fd connection = -1;
    err e = {0};
    if (s->state == SLOT_EMPTY) {
        return;
    }
    status sent = drivers_connect(s->place->drivers, &connection, &e);
    if (sent == STATUS_OK) {
        sent = message_send_fd(&s->channel, MESSAGE_DRIVERS, connection, &e);
    }
    if (sent != STATUS_OK) {
        logger_event(options_of(s)->logger, LOG_ERROR, "worker-drivers",
                     LOG_FIELDS(LOG_NUMBER("worker", s->index)), "worker %u stays without drivers: %s",
                     s->index, e.message);
    }
}

static void tell_end(worker_slot *s, message_type how) {
    loop_timer_stop(&s->restart);
    if (s->state == SLOT_EMPTY) {
        return;
    }
    bool can_drain = (s->state == SLOT_SERVING || s->is_retiring) &&
                     message_send_empty(&s->channel, how, NULL) == STATUS_OK;
    s->is_retiring = how == MESSAGE_RETIRE;
    s->state = SLOT_DRAINING;
    if (!can_drain) {
        slot_kill(s);
    }
}

void slot_drain(worker_slot *s) { tell_end(s, MESSAGE_DRAIN); }
void slot_retire(worker_slot *s) { tell_end(s, MESSAGE_RETIRE); }

void slot_kill(worker_slot *s) {
    loop_timer_stop(&s->restart);
    (void)process_signal(&s->process, SIGKILL);
}

bool slot_is_hung(worker_slot *s, uint64_t now_ns) {
    if (s->state == SLOT_EMPTY) {
        return false;
    }
    uint64_t beat = atomic_load_explicit(&slot_cell(s)->heartbeat_ns, memory_order_relaxed);
    // A start has a bound of its own, however lively it is.
    if (beat != s->last_beat && s->state != SLOT_STARTING) {
        s->last_beat = beat;
        s->last_change_ns = now_ns;
    }
    uint64_t max = s->state == SLOT_STARTING ? START_NS_MAX : options_of(s)->config->hang_ns_max;
    return now_ns - s->last_change_ns > max;
}

void slot_done(worker_slot *s) {
    loop_timer_stop(&s->restart);
    if (s->process.pidfd >= 0) {
        slot_kill(s);
        loop_watch_stop(&s->process_watch);
        (void)process_wait(&s->process);
    }
    close_process(s);
}
