// SPDX-License-Identifier: Apache-2.0
#include "host/drivers.h"

#include <signal.h>

#include "base/mem.h"
#include "host/broker.h"
#include "host/driver_peers.h"
#include "host/local_connector.h"
#include "host/message.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/memory_file.h"
#include "os/private.h"
#include "os/process.h"
#include "os/socket_open.h"

enum {
    START_TIMEOUT_MS = 10000,
    CHANNEL_BYTES = 1 << 20,
    PACKETS_PER_TURN = 64,
    LAST_PACKETS = 4096,       // of a process that has ended; one that it started may go on
    LOG_BYTES_MAX = 256 << 10, // in a second
};
#define SECOND_NS 1000000000ull
#define LONG_LIFE_NS 10000000000ull
#define BACK_OFF_NS_MIN 100000000ull
#define BACK_OFF_NS_MAX 10000000000ull

struct drivers {
    drivers_options options;
    host_config policy; // of their connections: any, `peers` says to whom
    connector *connector;
    driver_peers *peers; // in front of it
    int page_fd;
    memory_map page;
    process process;
    channel channel;
    broker *broker;
    int error_fd;
    bool is_ready;
    loop_watch process_watch, channel_watch, error_watch;
    loop_timer restart;
    loop_timer patience; // for one that was started again, until it is ready
    uint64_t started_ns;
    uint32_t failures;
    size_t log_bytes; // that it may still log in this second
    uint64_t log_refilled_ns;
    uint32_t log_dropped;
};

host_links drivers_links(const host_config *config, uint32_t count) {
    host_links all = {mem_calloc(count + 1u, sizeof(host_link)), 0};
    for (size_t i = 0; i < config->workload_count; i++) {
        const host_links *l = &config->workloads[i].links;
        for (size_t k = 0; k < l->count; k++) {
            all.items[all.count++] = l->items[k];
        }
    }
    return all;
}

// --- the page ----------------------------------------------------------------------------------------------

void drivers_set_state(drivers *d, uint32_t link, wasi_link_state state) {
    _Atomic uint32_t *states = d->page.data;
    atomic_store_explicit(&states[link], (uint32_t)state, memory_order_release);
}

int drivers_page_fd(const drivers *d) { return d->page_fd; }
const _Atomic uint32_t *drivers_states(const drivers *d) { return d->page.data; }

static status make_page(drivers *d, err *e) {
    uint32_t count = d->options.link_count;
    TRY(memory_file_published("writ-links", count * sizeof(uint32_t), &d->page_fd, &d->page, e));
    for (uint32_t i = 0; i < count; i++) {
        drivers_set_state(d, i, WASI_LINK_OPEN);
    }
    return STATUS_OK;
}

// --- what it says ------------------------------------------------------------------------------------------

static void kill_process(drivers *d) { (void)process_signal(&d->process, SIGKILL); }

static void refill_log(drivers *d) {
    d->log_bytes = LOG_BYTES_MAX;
    if (d->log_dropped > 0) {
        logger_event(
            d->options.logger, LOG_WARN, "log-dropped",
            LOG_FIELDS(LOG_TEXT("process", slice_from_text("drivers")), LOG_NUMBER("count", d->log_dropped)),
            "the drivers log too much: %u lines were dropped", d->log_dropped);
    }
    d->log_dropped = 0;
}

// A driver that was taken over must not fill the operator's disk.
static bool may_log(drivers *d, size_t bytes) {
    uint64_t now = clock_now_ns();
    if (now - d->log_refilled_ns >= SECOND_NS) {
        d->log_refilled_ns = now;
        refill_log(d);
    }
    if (bytes > d->log_bytes) {
        d->log_dropped++;
        return false;
    }
    d->log_bytes -= bytes;
    return true;
}

static status on_log(drivers *d, const channel_packet *p, err *e) {
    message_log m;
    TRY(message_read_log(p, &m, e));
    if (!may_log(d, p->len)) {
        return STATUS_OK;
    }
    // Marked with who said it, whatever the record itself claims.
    size_t n = m.record.field_count < LOG_FIELDS_MAX ? m.record.field_count : LOG_FIELDS_MAX - 1;
    m.fields[n] = LOG_TEXT("process", slice_from_text("drivers"));
    m.record.field_count = n + 1;
    logger_record(d->options.logger, &m.record);
    return STATUS_OK;
}

static status on_packet(drivers *d, const channel_packet *p, err *e) {
    switch (p->type) {
    case MESSAGE_LOG:
        return on_log(d, p, e);
    case MESSAGE_CONNECT:
        return broker_request(d->broker, p, e);
    case MESSAGE_CANCEL:
        return broker_cancel(d->broker, p, e);
    case MESSAGE_READY:
        TRY(message_read_empty(p, e));
        if (d->is_ready) { // each is new connections for all workers
            return err_set(e, STATUS_INVALID, "it says twice that it is ready");
        }
        d->is_ready = true;
        loop_timer_stop(&d->patience);
        d->options.replaced(d->options.context);
        return STATUS_OK;
    case MESSAGE_FAILED: {
        message_failed m;
        TRY(message_read_failed(p, &m, e));
        return err_set(e, m.code, "%.*s", SLICE_ARG(m.text));
    }
    default:
        return err_set(e, STATUS_INVALID, "message %u is unknown", p->type);
    }
}

static void read_packets(drivers *d, size_t max) {
    for (size_t i = 0; i < max && d->channel.fd >= 0; i++) {
        channel_packet p;
        err e = {0};
        status s = channel_receive(&d->channel, 0, &p, &e);
        if (s == STATUS_NOT_FOUND) {
            return;
        }
        if (s == STATUS_OK) {
            s = on_packet(d, &p, &e);
        }
        if (s != STATUS_OK) {
            if (s != STATUS_CLOSED) {
                logger_event(d->options.logger, LOG_ERROR, "drivers-failed", NULL, 0,
                             "the process with the drivers is ended: %s", e.message);
            }
            loop_watch_stop(&d->channel_watch);
            kill_process(d);
            return;
        }
    }
}

static void on_channel(void *arg, unsigned events) {
    (void)events;
    read_packets(arg, PACKETS_PER_TURN);
}

static void read_errors(drivers *d, size_t max) {
    uint8_t text[LOG_TEXT_BYTES_MAX / 2];
    for (size_t i = 0; i < max; i++) {
        size_t n = 0;
        status s = fd_read_some(d->error_fd, text, sizeof text, &n);
        if (s == STATUS_NOT_FOUND) {
            return;
        }
        if (s != STATUS_OK) {
            loop_watch_stop(&d->error_watch);
            return;
        }
        if (may_log(d, n)) {
            logger_event(d->options.logger, LOG_ERROR, "drivers-output", NULL, 0, "the drivers wrote: %.*s",
                         (int)n, (const char *)text);
        }
    }
}

static void on_errors(void *arg, unsigned events) {
    (void)events;
    read_errors(arg, PACKETS_PER_TURN);
}

// --- its life ----------------------------------------------------------------------------------------------

static void close_process(drivers *d) {
    loop_timer_stop(&d->patience);
    loop_watch_stop(&d->process_watch);
    loop_watch_stop(&d->channel_watch);
    loop_watch_stop(&d->error_watch);
    broker_free(d->broker);
    d->broker = NULL;
    channel_close(&d->channel);
    fd_close(d->error_fd);
    d->error_fd = -1;
    d->is_ready = false;
}

static void on_process(void *arg, unsigned events) {
    (void)events;
    drivers *d = arg;
    process_exit x;
    char text[PROCESS_EXIT_TEXT_BYTES];
    read_packets(d, LAST_PACKETS); // its last words, with the reason, come before its end
    read_errors(d, LAST_PACKETS);
    loop_watch_stop(&d->process_watch);
    if (!process_reap(&d->process, &x)) {
        return;
    }
    close_process(d);
    uint64_t lived = clock_now_ns() - d->started_ns;
    d->failures = lived >= LONG_LIFE_NS ? 1 : d->failures + 1;
    uint64_t delay = d->failures == 1 ? 0 : BACK_OFF_NS_MIN << (d->failures < 9 ? d->failures - 2 : 7);
    delay = delay < BACK_OFF_NS_MAX ? delay : BACK_OFF_NS_MAX;
    logger_event(d->options.logger, LOG_ERROR, "drivers-died",
                 LOG_FIELDS(LOG_TEXT("reason", slice_from_text(process_exit_text(x, text)))),
                 "the process with the drivers ended by %s; the next one starts in %llu ms",
                 process_exit_text(x, text), (unsigned long long)(delay / 1000000u));
    loop_timer_start_in(&d->restart, delay);
}

// With the credentials, so that it is for one process and then gone. The buffer does not grow, because that
// would leave copies of them.
static status write_links(drivers *d, int *ret_fd, err *e) {
    auto_buf bytes;
    host_links all = drivers_links(d->options.config, d->options.link_count);
    size_t room = 0;
    uint8_t *start;
    buf_init(&bytes, HOST_LINKS_WIRE_BYTES_MAX);
    status s = host_links_write(&all, HOST_LINKS_FOR_DRIVERS, &bytes, e);
    for (size_t i = 0; i < all.count; i++) {
        host_secrets_lend(d->options.secrets, &all.items[i]);
        room += host_link_credential_bytes(&all.items[i]);
    }
    if (s == STATUS_OK) {
        s = buf_reserve(&bytes, room, &start);
        buf_clear(&bytes);
    }
    if (s == STATUS_OK) {
        s = host_links_write(&all, HOST_LINKS_FOR_DRIVERS, &bytes, e);
    }
    if (s == STATUS_OK) {
        s = memory_file_from_bytes("writ-driver-links", buf_slice(&bytes), ret_fd, e);
    }
    secret_wipe(bytes.data, bytes.capacity);
    mem_free(all.items);
    return s;
}

static status spawn(drivers *d, err *e) {
    auto_fd links_fd = -1;
    channel theirs = {-1};
    auto_fd error_fd = -1;
    TRY(process_error_pipe(&d->error_fd, &error_fd, e));
    TRY(channel_pair(CHANNEL_BYTES, &d->channel, &theirs, e));
    const char *const argv[] = {"writ", "__drivers", NULL};
    const process_options o = {
        .argv = argv, .channel_fd = theirs.fd, .discards_stdio = true, .error_fd = error_fd};
    d->started_ns = clock_now_ns();
    status s = process_spawn(&o, &d->process, e);
    channel_close(&theirs);
    TRY(s);
    TRY(write_links(d, &links_fd, e));
    return message_send_serve(&d->channel, links_fd, slice_from_text(d->options.directory),
                              slice_from_text(d->options.config->ca_file), e);
}

static status watch(drivers *d, err *e) {
    loop *l = d->options.loop;
    TRY(broker_new(l, driver_peers_connector(d->peers), &d->channel, 1, &d->broker, e));
    TRY(loop_watch_start(&d->channel_watch, l, d->channel.fd, LOOP_READABLE, on_channel, d, e));
    TRY(loop_watch_start(&d->error_watch, l, d->error_fd, LOOP_READABLE, on_errors, d, e));
    return loop_watch_start(&d->process_watch, l, d->process.pidfd, LOOP_READABLE, on_process, d, e);
}

// Whatever there is of it.
static void end_process(drivers *d) {
    if (d->process.pidfd >= 0) {
        kill_process(d);
        loop_watch_stop(&d->process_watch);
        (void)process_wait(&d->process);
    }
    close_process(d);
}

static void on_restart(void *arg) {
    drivers *d = arg;
    err e = {0};
    status s = spawn(d, &e);
    if (s == STATUS_OK) {
        s = watch(d, &e);
    }
    if (s != STATUS_OK) {
        logger_event(d->options.logger, LOG_ERROR, "drivers-failed", NULL, 0,
                     "the process with the drivers cannot be started: %s", e.message);
        end_process(d);
        loop_timer_start_in(&d->restart, BACK_OFF_NS_MAX);
        return;
    }
    loop_timer_start_in(&d->patience, START_TIMEOUT_MS * 1000000ull);
}

static void on_impatient(void *arg) {
    drivers *d = arg;
    logger_event(d->options.logger, LOG_ERROR, "drivers-failed", NULL, 0,
                 "the process with the drivers is ended: it was not ready within %d s",
                 START_TIMEOUT_MS / 1000);
    kill_process(d);
}

// The first one, before the loop turns: opening a link waits for nothing, so what it says comes soon.
static status wait_until_ready(drivers *d, err *e) {
    channel_packet p;
    TRY(channel_wait(&d->channel, START_TIMEOUT_MS, 0, &p, e));
    status s = STATUS_OK;
    if (p.type == MESSAGE_FAILED) {
        message_failed m;
        s = message_read_failed(&p, &m, e);
        s = s == STATUS_OK ? err_set(e, m.code, "%.*s", SLICE_ARG(m.text)) : s;
    } else if (p.type != MESSAGE_READY) {
        s = err_set(e, STATUS_INTERNAL, "the process with the drivers said %u before it was ready", p.type);
    }
    channel_packet_done(&p);
    d->is_ready = s == STATUS_OK;
    return s;
}

// --- the whole ---------------------------------------------------------------------------------------------

static void make_peers(drivers *d) {
    host_links all = drivers_links(d->options.config, d->options.link_count);
    d->peers = driver_peers_new(&all, d->connector);
    mem_free(all.items);
}

static status allow_everywhere(host_config *ret, err *e) {
    static const char *const everywhere[] = {"*", "localhost", "0.0.0.0/0", "::/0"};
    workload_config *w;
    host_config_init(ret);
    TRY(host_config_add_workload(ret, &w, e));
    w->name = mem_text_dup("drivers");
    for (size_t i = 0; i < sizeof everywhere / sizeof everywhere[0]; i++) {
        TRY(network_policy_add(&w->net_policy, slice_from_text(everywhere[i]), NETWORK_PORT_ANY, e));
    }
    return STATUS_OK;
}

static status start(drivers *d, err *e) {
    auto_fd directory = -1;
    TRY(private_directory_open(d->options.directory, &directory, e));
    TRY(allow_everywhere(&d->policy, e));
    TRY(local_connector_new(d->options.loop, &d->policy, &d->connector, e));
    make_peers(d);
    TRY(make_page(d, e));
    TRY(spawn(d, e));
    TRY(wait_until_ready(d, e));
    return watch(d, e);
}

status drivers_new(const drivers_options *options, drivers **ret, err *e) {
    drivers *d = MEM_NEW(drivers);
    d->options = *options;
    d->page_fd = d->error_fd = -1;
    d->process.pidfd = -1;
    d->channel.fd = -1;
    loop_timer_init(&d->restart, options->loop, on_restart, d);
    loop_timer_init(&d->patience, options->loop, on_impatient, d);
    status s = start(d, e);
    if (s != STATUS_OK) {
        drivers_free(d);
        return s;
    }
    *ret = d;
    return STATUS_OK;
}

void drivers_free(drivers *d) {
    if (d == NULL) {
        return;
    }
    loop_timer_stop(&d->restart);
    end_process(d);
    driver_peers_free(d->peers);
    local_connector_free(d->connector);
    host_config_done(&d->policy);
    memory_map_done(&d->page);
    fd_close(d->page_fd);
    mem_free(d);
}

status drivers_connect(drivers *d, int *ret_fd, err *e) {
    int ours, theirs;
    TRY(socket_stream_pair(&ours, &theirs, e));
    // One that is gone, or does not read, is replaced: then there are new connections for all.
    if (d->is_ready && message_send_fd(&d->channel, MESSAGE_ATTACH, theirs, NULL) != STATUS_OK) {
        kill_process(d);
    }
    fd_close(theirs);
    *ret_fd = ours;
    return STATUS_OK;
}
