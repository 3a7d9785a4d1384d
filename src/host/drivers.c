// SPDX-License-Identifier: Apache-2.0
#include "host/drivers.h"

#include <signal.h>
#include <stdio.h>

#include "base/mem.h"
#include "driver/driver.h"
#include "host/broker.h"
#include "host/driver_peers.h"
#include "host/driver_process.h"
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
    PACKETS_PER_TURN = 64,
    LAST_PACKETS = 4096,       // of a process that has ended; one that it started may go on
    LOG_BYTES_MAX = 256 << 10, // in a second
};
#define SECOND_NS 1000000000ull
#define LONG_LIFE_NS 10000000000ull
#define BACK_OFF_NS_MIN 100000000ull
#define BACK_OFF_NS_MAX 10000000000ull

typedef struct link_record { // of one number
    int state;               // a driver_state; UNHEARD
    bool was_kept;
    char reason[DRIVER_REASON_BYTES_MAX];
    host_link wanted;         // while it is being put
    host_put_ended put_ended; // NULL: it is not
    void *put_arg;
    bool was_cut; // meanwhile
} link_record;

enum { UNHEARD = -1 };

struct drivers {
    drivers_options options;
    connector *connector;
    driver_peers *peers; // in front of it
    int page_fd;
    memory_map page;
    driver_process own;      // unless somebody else has it
    driver_process *process; // that one, or one that others use, too
    channel *holder;         // to whom, then; else NULL
    driver_session session;  // to it, while there is one
    broker *broker;
    bool is_ready;
    link_record *links; // by number
    loop_watch process_watch, channel_watch, error_watch;
    loop_soon lost; // the session has ended, and not with its process
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

static host_link *find_link(const drivers *d, uint32_t number) {
    const host_config *c = d->options.config;
    for (size_t i = 0; i < c->workload_count; i++) {
        host_links *l = &c->workloads[i].links;
        if (l->count > 0 && number - l->items[0].number < l->count) {
            return &l->items[number - l->items[0].number];
        }
    }
    return NULL;
}

// --- the page ----------------------------------------------------------------------------------------------

static void set_state(drivers *d, uint32_t link, wasi_link_state state) {
    _Atomic uint32_t *states = d->page.data;
    atomic_store_explicit(&states[link], (uint32_t)state, memory_order_release);
}

static bool is_open(const drivers *d, uint32_t link) {
    return atomic_load_explicit(&drivers_states(d)[link], memory_order_relaxed) == WASI_LINK_OPEN;
}

status drivers_send_http(drivers *d, uint32_t workload, int fd, err *e) {
    const host_links *l = &d->options.config->workloads[workload].links;
    if (l->count == 0 || d->session.channel.fd < 0) {
        return err_set(e, STATUS_CLOSED, "the end of its links is not there");
    }
    return message_send_http(&d->session.channel, l->items[0].number, fd, e);
}

int drivers_page_fd(const drivers *d) { return d->page_fd; }
const _Atomic uint32_t *drivers_states(const drivers *d) { return d->page.data; }

static status make_page(drivers *d, err *e) {
    uint32_t count = d->options.link_count;
    TRY(memory_file_published("writ-links", count * sizeof(uint32_t), &d->page_fd, &d->page, e));
    for (uint32_t i = 0; i < count; i++) {
        const host_link *l = find_link(d, i);
        set_state(d, i, l != NULL && l->is_cut ? WASI_LINK_CUT : WASI_LINK_OPEN);
    }
    return STATUS_OK;
}

// To whom it may go: the servers of all links, and of those that are being put.
static void make_peers(drivers *d) {
    host_links all = drivers_links(d->options.config, d->options.link_count);
    if (d->peers == NULL) {
        d->peers = driver_peers_new(&all, d->connector);
    } else {
        driver_peers_set(d->peers, &all);
    }
    mem_free(all.items);
    for (uint32_t i = 0; i < d->options.link_count; i++) {
        if (d->links[i].put_ended != NULL && d->links[i].wanted.name != NULL) {
            driver_peers_add(d->peers, &(host_links){&d->links[i].wanted, 1});
        }
    }
}

// --- what it says ------------------------------------------------------------------------------------------

// One that is not ours to kill goes on; the session with it does not.
static void kill_process(drivers *d) {
    if (!process_signal(&(process){0, d->session.pidfd}, SIGKILL)) {
        loop_soon_add(d->options.loop, &d->lost);
    }
}

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

static const char *state_name(int s) {
    return s == DRIVER_UP ? "up" : s == DRIVER_DOWN ? "down" : "connecting";
}

static void log_health(drivers *d, uint32_t number) {
    const host_link *l = find_link(d, number);
    const link_record *r = &d->links[number];
    if (l != NULL && may_log(d, sizeof r->reason)) {
        logger_event(d->options.logger, r->state == DRIVER_DOWN ? LOG_WARN : LOG_INFO, "link-health",
                     LOG_FIELDS(LOG_TEXT("of", slice_from_text(l->workload)),
                                LOG_TEXT("link", slice_from_text(l->name)),
                                LOG_TEXT("state", slice_from_text(state_name(r->state)))),
                     "the backend %s is %s%s%s", l->target, state_name(r->state),
                     r->reason[0] != '\0' ? ": " : "", r->reason);
    }
}

static status on_lost(drivers *d, const channel_packet *p, err *e) {
    message_link m;
    TRY(message_read_link(p, d->options.link_count, &m, e));
    const host_link *l = find_link(d, m.number);
    if (l != NULL && may_log(d, p->len)) {
        logger_event(d->options.logger, LOG_WARN, "delivery-lost",
                     LOG_FIELDS(LOG_TEXT("of", slice_from_text(l->workload)),
                                LOG_TEXT("link", slice_from_text(l->name)),
                                LOG_TEXT("reason", slice_from_text(status_name((status)m.code)))),
                     "given up by %s: %.*s", l->target, SLICE_ARG(m.text));
    }
    return STATUS_OK;
}

static status on_health(drivers *d, const channel_packet *p, err *e) {
    message_link m;
    TRY(message_read_link(p, d->options.link_count, &m, e));
    link_record *r = &d->links[m.number];
    bool is_news = r->state != m.code && !(r->state == UNHEARD && r->was_kept);
    r->state = m.code;
    (void)snprintf(r->reason, sizeof r->reason, "%.*s", SLICE_ARG(m.text));
    if (is_news) {
        log_health(d, m.number);
    }
    return STATUS_OK;
}

// What rules and messages call it stays: workers know it by that.
static void replace_link(host_link *l, host_link *by) {
    host_link before = *l;
    *l = *by;
    l->number = before.number;
    l->timeout_ns = before.timeout_ns;
    l->target_name = before.target_name;
    before.target_name = by->target_name;
    *by = before; // to be freed
}

static void end_put(drivers *d, uint32_t number, status code, const err *e) {
    link_record *r = &d->links[number];
    host_put_ended ended = r->put_ended;
    err why;
    if (ended == NULL) {
        return;
    }
    r->put_ended = NULL;
    if (r->was_cut) { // an answer that was on its way opens nothing
        code = err_set(&why, STATUS_DENIED, "it was cut meanwhile");
        e = &why;
    }
    if (code == STATUS_OK) {
        if (r->wanted.name != NULL) { // else only its credentials are others
            replace_link(find_link(d, number), &r->wanted);
        }
        r->state = DRIVER_UP;
        r->reason[0] = '\0';
        set_state(d, number, WASI_LINK_OPEN);
    }
    host_link_done(&r->wanted);
    make_peers(d); // whom it has replaced is nobody to go to any more
    ended(r->put_arg, code, e);
}

static status on_put(drivers *d, const channel_packet *p, err *e) {
    message_link m;
    err why;
    TRY(message_read_link(p, d->options.link_count, &m, e));
    if (d->links[m.number].put_ended == NULL) {
        return err_set(e, STATUS_INVALID, "it has put link %u, which nobody wanted", m.number);
    }
    if (m.code != STATUS_OK) {
        err_set(&why, (status)m.code, "%.*s", SLICE_ARG(m.text));
    }
    end_put(d, m.number, (status)m.code, m.code == STATUS_OK ? NULL : &why);
    return STATUS_OK;
}

static status on_opened(drivers *d, const channel_packet *p, err *e) {
    slice bits;
    TRY(message_read_opened(p, d->options.link_count, &bits, e));
    if (d->is_ready) { // each is new connections for all workers
        return err_set(e, STATUS_INVALID, "it says twice that it is ready");
    }
    d->is_ready = true;
    for (uint32_t i = 0; i < d->options.link_count; i++) {
        d->links[i].state = UNHEARD;
        d->links[i].was_kept = (bits.data[i / 8] >> i % 8 & 1) != 0;
        if (!is_open(d, i)) { // what was cut stays so in the next process
            (void)!message_send_cut_link(&d->session.channel, i, NULL);
        }
    }
    return STATUS_OK;
}

static status on_failed(const channel_packet *p, err *e) {
    message_failed m;
    TRY(message_read_failed(p, &m, e));
    return err_set(e, m.code, "%.*s", SLICE_ARG(m.text));
}

static status on_http(drivers *d, channel_packet *p, err *e) {
    uint32_t link;
    auto_fd fd = channel_packet_take(p, 0);
    TRY(message_read_http(p, &link, e));
    const host_config *c = d->options.config;
    const host_link *l = fd < 0 || d->options.http == NULL ? NULL : find_link(d, link);
    uint32_t workload = l == NULL ? HOST_WORKLOADS_MAX : host_config_find(c, slice_from_text(l->workload));
    if (workload == HOST_WORKLOADS_MAX) {
        return err_set(e, STATUS_INVALID, "it sends a connection for link %u, which takes none", link);
    }
    d->options.http(d->options.context, workload, fd);
    fd = -1;
    return STATUS_OK;
}

static status on_packet(drivers *d, channel_packet *p, err *e) {
    switch (p->type) {
    case MESSAGE_LOG:
        return on_log(d, p, e);
    case MESSAGE_CONNECT:
        return broker_request(d->broker, p, e);
    case MESSAGE_CANCEL:
        return broker_cancel(d->broker, p, e);
    case MESSAGE_LINK_HEALTH:
        return on_health(d, p, e);
    case MESSAGE_LINK_PUT:
        return on_put(d, p, e);
    case MESSAGE_LINK_LOST:
        return on_lost(d, p, e);
    case MESSAGE_OPENED:
        TRY(on_opened(d, p, e));
        loop_timer_stop(&d->patience);
        d->options.replaced(d->options.context);
        return STATUS_OK;
    case MESSAGE_HTTP:
        return on_http(d, p, e);
    case MESSAGE_FAILED:
        return on_failed(p, e);
    default:
        return err_set(e, STATUS_INVALID, "message %u is unknown", p->type);
    }
}

static void read_packets(drivers *d, size_t max) {
    for (size_t i = 0; i < max && d->session.channel.fd >= 0; i++) {
        channel_packet p;
        err e = {0};
        size_t fds_max = d->options.http != NULL ? 1 : 0;
        status s = channel_receive(&d->session.channel, fds_max, &p, &e);
        if (s == STATUS_NOT_FOUND) {
            return;
        }
        if (s == STATUS_OK) {
            s = on_packet(d, &p, &e);
            channel_packet_done(&p);
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
        status s = fd_read_some(d->session.error_fd, text, sizeof text, &n);
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

static void close_session(drivers *d) {
    loop_timer_stop(&d->patience);
    loop_watch_stop(&d->process_watch);
    loop_watch_stop(&d->channel_watch);
    loop_watch_stop(&d->error_watch);
    broker_free(d->broker);
    d->broker = NULL;
    channel_close(&d->session.channel);
    fd_close(d->session.error_fd);
    fd_close(d->session.pidfd);
    d->session.error_fd = d->session.pidfd = -1;
    d->is_ready = false;
}

static void end_puts(drivers *d) {
    err e;
    err_set(&e, STATUS_CLOSED, "the process with the drivers has ended");
    for (uint32_t i = 0; i < d->options.link_count; i++) {
        end_put(d, i, STATUS_CLOSED, &e);
    }
}

static process_exit last_exit(drivers *d) {
    return d->holder != NULL ? driver_process_ask_last(d->holder) : driver_process_last(d->process);
}

static void on_end(drivers *d) {
    char text[PROCESS_EXIT_TEXT_BYTES];
    read_packets(d, LAST_PACKETS); // its last words, with the reason, come before its end
    read_errors(d, LAST_PACKETS);
    close_session(d);
    end_puts(d);
    const process_exit x = last_exit(d);
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

static void on_process(void *arg, unsigned events) {
    (void)events;
    on_end(arg);
}

static void on_lost_session(void *arg) {
    drivers *d = arg;
    if (d->session.channel.fd >= 0) { // else its end was seen
        on_end(d);
    }
}

// With the credentials, so that it is for one process and then gone. The buffer does not grow, because that
// would leave copies of them.
static status write_links(drivers *d, host_links *all, int *ret_fd, err *e) {
    auto_buf bytes;
    size_t room = 0;
    uint8_t *start;
    buf_init(&bytes, HOST_LINKS_WIRE_BYTES_MAX);
    status s = host_links_write(all, HOST_LINKS_FOR_DRIVERS, &bytes, e);
    for (size_t i = 0; i < all->count; i++) {
        if (all->items[i].secret_count > 0) {
            host_secrets_lend(d->options.secrets, &all->items[i]);
        }
        room += host_link_credential_bytes(&all->items[i]);
    }
    if (s == STATUS_OK) {
        s = buf_reserve(&bytes, room, &start);
        buf_clear(&bytes);
    }
    if (s == STATUS_OK) {
        s = host_links_write(all, HOST_LINKS_FOR_DRIVERS, &bytes, e);
    }
    if (s == STATUS_OK) {
        s = memory_file_from_bytes("writ-driver-links", buf_slice(&bytes), ret_fd, e);
    }
    secret_wipe(bytes.data, bytes.capacity);
    return s;
}

static status begin(drivers *d, err *e) {
    auto_fd links_fd = -1;
    d->started_ns = clock_now_ns();
    TRY(d->holder != NULL ? driver_process_ask_session(d->holder, &d->session, e)
                          : driver_process_session(d->process, &d->session, e));
    host_links all = drivers_links(d->options.config, d->options.link_count);
    status s = write_links(d, &all, &links_fd, e);
    mem_free(all.items);
    TRY(s);
    return message_send_serve(&d->session.channel, links_fd, slice_from_text(d->options.directory),
                              slice_from_text(d->options.config->ca_file), e);
}

static status watch(drivers *d, err *e) {
    loop *l = d->options.loop;
    TRY(broker_new(l, driver_peers_connector(d->peers), &d->session.channel, 1, &d->broker, e));
    TRY(loop_watch_start(&d->channel_watch, l, d->session.channel.fd, LOOP_READABLE, on_channel, d, e));
    TRY(loop_watch_start(&d->error_watch, l, d->session.error_fd, LOOP_READABLE, on_errors, d, e));
    return loop_watch_start(&d->process_watch, l, d->session.pidfd, LOOP_READABLE, on_process, d, e);
}

static void on_restart(void *arg) {
    drivers *d = arg;
    err e = {0};
    status s = begin(d, &e);
    if (s == STATUS_OK) {
        s = watch(d, &e);
    }
    if (s != STATUS_OK) {
        logger_event(d->options.logger, LOG_ERROR, "drivers-failed", NULL, 0,
                     "the process with the drivers cannot be started: %s", e.message);
        close_session(d);
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
    TRY(channel_wait(&d->session.channel, START_TIMEOUT_MS, 0, &p, e));
    status s =
        p.type == MESSAGE_OPENED ? on_opened(d, &p, e)
        : p.type == MESSAGE_FAILED
            ? on_failed(&p, e)
            : err_set(e, STATUS_INTERNAL, "the process with the drivers said %u before it was ready", p.type);
    channel_packet_done(&p);
    return s;
}

// --- the whole ---------------------------------------------------------------------------------------------

static status start(drivers *d, err *e) {
    auto_fd directory = -1;
    TRY(private_directory_open(d->options.directory, &directory, e));
    TRY(local_connector_new(d->options.loop, NULL, &d->connector, e)); // `peers` says to whom
    make_peers(d);
    TRY(make_page(d, e));
    TRY(begin(d, e));
    TRY(wait_until_ready(d, e));
    return watch(d, e);
}

status drivers_new(const drivers_options *options, drivers **ret, err *e) {
    drivers *d = MEM_NEW(drivers);
    d->options = *options;
    d->page_fd = -1;
    d->session = (driver_session){{-1}, -1, -1};
    d->holder = options->holder;
    d->links = mem_calloc(options->link_count + 1u, sizeof *d->links);
    driver_process_init(&d->own);
    d->process = options->process != NULL ? options->process : &d->own;
    loop_soon_init(&d->lost, on_lost_session, d);
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
    loop_soon_cancel(&d->lost);
    close_session(d);
    driver_process_done(&d->own);
    driver_peers_free(d->peers);
    local_connector_free(d->connector);
    memory_map_done(&d->page);
    fd_close(d->page_fd);
    for (uint32_t i = 0; i < d->options.link_count; i++) {
        host_link_done(&d->links[i].wanted);
    }
    mem_free(d->links);
    mem_free(d);
}

status drivers_connect(drivers *d, int *ret_fd, err *e) {
    int ours, theirs;
    TRY(socket_stream_pair(&ours, &theirs, e));
    // One that is gone, or does not read, is replaced: then there are new connections for all.
    if (d->is_ready && message_send_fd(&d->session.channel, MESSAGE_ATTACH, theirs, NULL) != STATUS_OK) {
        kill_process(d);
    }
    fd_close(theirs);
    *ret_fd = ours;
    return STATUS_OK;
}

// --- links that change -------------------------------------------------------------------------------------

// With the credentials that are lent to it now.
static status send_put(drivers *d, const host_link *l, host_put_ended ended, void *arg, err *e) {
    auto_fd fd = -1;
    host_link copy = *l;
    host_links one = {&copy, 1};
    link_record *r = &d->links[l->number];
    if (!d->is_ready || r->put_ended != NULL) {
        return err_set(e, STATUS_LIMIT, "%s; try again",
                       d->is_ready ? "the link is being changed"
                                   : "the process with the drivers is starting");
    }
    TRY(write_links(d, &one, &fd, e));
    TRY(message_send_fd(&d->session.channel, MESSAGE_PUT_LINK, fd, e));
    driver_peers_add(d->peers, &one); // before it asks for a way there: we read that later
    r->put_ended = ended;
    r->put_arg = arg;
    r->was_cut = false;
    return STATUS_OK;
}

status drivers_put(drivers *d, host_link *l, host_put_ended ended, void *arg, err *e) {
    if (l->secret_count > 0) {
        return err_set(e, STATUS_UNSUPPORTED, "secrets are fetched when a host starts");
    }
    TRY(send_put(d, l, ended, arg, e));
    d->links[l->number].wanted = *l;
    *l = (host_link){0};
    return STATUS_OK;
}

static void on_renewed(void *arg, status code, const err *why) {
    const drivers *d = arg;
    if (code != STATUS_OK) {
        logger_event(d->options.logger, LOG_WARN, "link-credential", NULL, 0,
                     "a link keeps its old credential, because it cannot be opened with the new one: %s",
                     why->message);
    }
}

void drivers_renew(drivers *d, uint32_t link) {
    err e = {0};
    if (is_open(d, link) && send_put(d, find_link(d, link), on_renewed, d, &e) != STATUS_OK) {
        on_renewed(d, e.code, &e);
    }
}

void drivers_cut(drivers *d, uint32_t link) {
    set_state(d, link, WASI_LINK_CUT);
    d->links[link].was_cut = true;
    find_link(d, link)->is_cut = true;
    if (d->is_ready && message_send_cut_link(&d->session.channel, link, NULL) != STATUS_OK) {
        kill_process(d); // the next one is told again
    }
}

void drivers_read_link(const drivers *d, uint32_t link, host_link_state *ret) {
    const link_record *r = &d->links[link];
    *ret = (host_link_state){.is_open = is_open(d, link),
                             .was_kept = r->was_kept,
                             .state = r->state == UNHEARD ? "" : state_name(r->state),
                             .reason = r->reason};
}
