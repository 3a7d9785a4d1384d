// SPDX-License-Identifier: Apache-2.0
// The worker process: receives its work over the channel, loads it, shuts itself in, serves. One thread,
// apart from the engine's ticker.
//
// The order of shutting in: everything that starts a thread comes after Landlock (which threads inherit),
// everything that maps executable memory or opens a file comes before the system call filter, and no guest
// code runs before both.
#include <signal.h>

#include "base/mem.h"
#include "crypto/trust_roots.h"
#include "host/config_wire.h"
#include "host/host.h"
#include "host/message.h"
#include "host/remote_connector.h"
#include "host/remote_secrets.h"
#include "host/runner.h"
#include "host/worker.h"
#include "net/rpc.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/memory_file.h"
#include "os/process.h"
#include "os/sandbox.h"

enum {
    START_TIMEOUT_MS = 10000,
    DESCRIPTORS_SPARE = 16384, // beside connections: files and sockets of guests, our own
    HEARTBEATS_PER_HANG = 8,   // in the time after which a worker counts as hung
};

#define FAREWELL_NS 1000000000ull

typedef struct worker worker;

typedef struct part { // of one workload
    worker *worker;
    uint32_t number;
    memory_map bytes;
    component *component;
    artifacts artifacts; // borrows from the list of all
    const int *directory_fds;
    logger *logger;
} part;

struct worker {
    channel channel;
    message_start start;
    int fds[MESSAGE_START_FDS_MAX];
    int *component_fds, *module_fds, *directory_fds; // of all workloads, one after the other
    host_config config;
    memory_map config_bytes, cell_page, admission_pages, link_states;
    int drivers_fd;
    rpc *drivers; // NULL while there are none
    part *parts;  // one for each workload
    loop *loop;
    logger *logger;
    connector *connector;
    remote_secrets *secrets;
    trust_roots *roots;
    engine_facts facts;
    engine_options engine_options;
    engine *engine;
    runner *runner;
    loop_watch watch;
    loop_timer heartbeat;
    bool is_finishing; // with this status, once the drivers have said goodbye
    uint8_t exit_status;
    loop_timer farewell;
};

// --- receiving ---------------------------------------------------------------------------------------------

static status receive_start(worker *w, err *e) {
    channel_packet p;
    TRY(channel_wait(&w->channel, START_TIMEOUT_MS, MESSAGE_START_FDS_MAX, &p, e));
    status s = message_read_start(&p, &w->start, e);
    for (size_t i = 0; i < MESSAGE_START_FDS_MAX; i++) {
        w->fds[i] = channel_packet_take(&p, i);
    }
    channel_packet_done(&p);
    return s;
}

static status receive_list(worker *w, message_type type, uint32_t count, int **ret, err *e) {
    *ret = mem_calloc(count + 1u, sizeof **ret);
    return message_receive_all_fds(&w->channel, type, START_TIMEOUT_MS, *ret, count, e);
}

static status map_all(worker *w, err *e) {
    size_t pages = w->start.workload_count * sizeof(admission_page);
    TRY(memory_map_read(w->fds[MESSAGE_START_CONFIG], CONFIG_WIRE_BYTES_MAX, &w->config_bytes, e));
    TRY(memory_map_shared(w->fds[MESSAGE_START_CELL], sizeof(cell), &w->cell_page, e));
    TRY(memory_map_shared(w->fds[MESSAGE_START_ADMISSION], pages, &w->admission_pages, e));
    return config_wire_read(memory_map_slice(&w->config_bytes), &w->config, e);
}

// Gives each workload its own of what came for all.
static status divide(worker *w, err *e) {
    size_t directories = 0;
    component_limits limits = component_limits_default();
    w->parts = mem_calloc(w->start.workload_count + 1u, sizeof *w->parts);
    for (uint32_t i = 0; i < w->start.workload_count; i++) {
        part *p = &w->parts[i];
        p->worker = w;
        p->number = i;
        p->directory_fds = w->directory_fds + directories;
        directories += w->config.workloads[i].directory_count;
        TRY(memory_map_read(w->component_fds[i], limits.bytes_max, &p->bytes, e));
    }
    return directories == w->start.directory_count
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "the configuration names another number of directories");
}

static status receive_links(worker *w, err *e) {
    int fds[2];
    if (w->start.link_count == 0) {
        return STATUS_OK;
    }
    TRY(message_receive_all_fds(&w->channel, MESSAGE_LINKS, START_TIMEOUT_MS, fds, 2, e));
    w->drivers_fd = fds[1];
    status s = memory_map_watch(fds[0], w->start.link_count * sizeof(uint32_t), &w->link_states, e);
    fd_close(fds[0]);
    return s;
}

static status receive_all(worker *w, err *e) {
    TRY(receive_start(w, e));
    const message_start *m = &w->start;
    TRY(receive_list(w, MESSAGE_COMPONENTS, m->workload_count, &w->component_fds, e));
    TRY(receive_list(w, MESSAGE_MODULES, m->module_count, &w->module_fds, e));
    TRY(receive_list(w, MESSAGE_DIRECTORIES, m->directory_count, &w->directory_fds, e));
    TRY(receive_links(w, e));
    TRY(map_all(w, e));
    if (w->config.workload_count != m->workload_count) {
        return err_set(e, STATUS_INVALID, "the configuration names another number of workloads");
    }
    return divide(w, e);
}

// --- shutting in -------------------------------------------------------------------------------------------

// Landlock for the granted directories, and for the native code, which is loaded through /proc/self/fd.
static status restrict_files(worker *w, err *e) {
    size_t count = 0;
    sandbox_directory *list = mem_calloc(w->start.directory_count + w->start.module_count + 1u, sizeof *list);
    for (size_t i = 0; i < w->config.workload_count; i++) {
        const workload_config *c = &w->config.workloads[i];
        for (size_t j = 0; j < c->directory_count; j++) {
            list[count++] = (sandbox_directory){w->parts[i].directory_fds[j], !c->directories[j].read_only};
        }
    }
    for (size_t i = 0; i < w->start.module_count; i++) {
        list[count++] = (sandbox_directory){w->module_fds[i], false};
    }
    status s = sandbox_restrict_files(list, count, e);
    mem_free(list);
    return s == STATUS_UNSUPPORTED ? STATUS_OK : s; // `writ doctor` and the start say what is lost
}

static status restrict_calls(worker *w, err *e) {
    sandbox_calls calls = {.opens_files = w->start.directory_count > 0, .accepts_connections = true};
    status s = sandbox_restrict_calls(&calls, e);
    return s == STATUS_UNSUPPORTED ? STATUS_OK : s;
}

// --- running -----------------------------------------------------------------------------------------------

// A supervisor that is behind loses lines, not us.
static void send_log(void *context, const log_record *record) {
    worker *w = context;
    (void)!message_send_log(&w->channel, MESSAGE_LOG_OF_WORKER, record, NULL);
}

static void send_log_of_part(void *context, const log_record *record) {
    part *p = context;
    (void)!message_send_log(&p->worker->channel, p->number, record, NULL);
}

static cell *cell_of(worker *w) { return w->cell_page.data; }

static void on_heartbeat(void *arg) {
    worker *w = arg;
    atomic_store_explicit(&cell_of(w)->heartbeat_ns, clock_now_ns(), memory_order_relaxed);
    loop_timer_start_in(&w->heartbeat, w->config.hang_ns_max / HEARTBEATS_PER_HANG);
}

static void finish(void *arg) {
    worker *w = arg;
    (void)!message_send_finished(&w->channel, w->exit_status, NULL);
    process_end(0);
}

// Calls of drivers that are on their way to us are answered, or they would count as lost.
static void on_finished(void *context, uint8_t exit_status) {
    worker *w = context;
    w->exit_status = exit_status;
    if (w->drivers == NULL || !rpc_is_open(w->drivers)) {
        finish(w);
    }
    w->is_finishing = true;
    rpc_close(w->drivers);
    loop_timer_init(&w->farewell, w->loop, finish, w);
    loop_timer_start_in(&w->farewell, FAREWELL_NS);
}

static void on_drivers_closed(void *arg, status why, const err *e) {
    (void)why, (void)e; // the supervisor sees the end of the process, and sends a new connection
    worker *w = arg;
    rpc_free(w->drivers);
    w->drivers = NULL;
    if (w->is_finishing) {
        finish(w);
    }
}

static void on_delivery(void *arg, rpc_request *q) {
    worker *w = arg;
    runner_deliver(w->runner, q);
}

static void on_delivery_cancelled(void *arg, rpc_request *q) {
    (void)arg;
    runner_deliver_cancel(q);
}

static void connect_drivers(worker *w, int fd) {
    const rpc_handler handler = {
        .arg = w, .on_call = on_delivery, .on_cancel = on_delivery_cancelled, .on_closed = on_drivers_closed};
    rpc_free(w->drivers);
    w->drivers = NULL;
    if (fd >= 0 && rpc_new(w->loop, fd, NULL, &handler, &w->drivers, NULL) != STATUS_OK) {
        w->drivers = NULL;
    }
}

static void on_http(worker *w, channel_packet *p) {
    uint32_t number;
    int fd = channel_packet_take(p, 0);
    if (fd >= 0 && message_read_http(p, &number, NULL) == STATUS_OK) {
        runner_adopt(w->runner, fd, number);
    }
}

static void on_packet(worker *w, channel_packet *p) {
    switch (p->type) {
    case MESSAGE_DRAIN:
        runner_drain(w->runner, loop_now_fresh_ns(w->loop) + w->config.drain_ns_max);
        break;
    case MESSAGE_RETIRE:
        runner_retire(w->runner, loop_now_fresh_ns(w->loop) + w->config.drain_ns_max);
        break;
    case MESSAGE_CONNECTED:
        remote_connector_answer(w->connector, p);
        break;
    case MESSAGE_REVEALED:
        remote_secrets_answer(w->secrets, p);
        break;
    case MESSAGE_HTTP:
        on_http(w, p);
        break;
    case MESSAGE_DRIVERS:
        connect_drivers(w, channel_packet_take(p, 0));
        break;
    default:
        process_end(1); // the supervisor is of another kind than we are
    }
}

static void on_channel(void *arg, unsigned events) {
    (void)events;
    worker *w = arg;
    for (;;) {
        channel_packet p;
        status s = channel_receive(&w->channel, 1, &p, NULL);
        if (s == STATUS_NOT_FOUND) {
            break;
        }
        if (s != STATUS_OK) {
            process_end(1); // nobody is left to work for
        }
        on_packet(w, &p);
        channel_packet_done(&p);
    }
    remote_connector_flush(w->connector);
}

static status decode_all(worker *w, err *e) {
    component_limits limits = component_limits_default();
    size_t modules = 0;
    for (size_t i = 0; i < w->config.workload_count; i++) {
        part *p = &w->parts[i];
        TRY(component_decode(memory_map_slice(&p->bytes), &limits, &p->component, e));
        p->artifacts = (artifacts){component_module_count(p->component), w->module_fds + modules};
        modules += p->artifacts.count;
        if (modules > w->start.module_count) {
            return err_set(e, STATUS_INTERNAL, "there is native code for %u core modules only",
                           w->start.module_count);
        }
    }
    return STATUS_OK;
}

static void fit_engine(worker *w) {
    const component **list = mem_calloc(w->config.workload_count + 1, sizeof *list);
    for (size_t i = 0; i < w->config.workload_count; i++) {
        list[i] = w->parts[i].component;
    }
    compile_fit_engine(&w->engine_options, &w->facts, list, w->config.workload_count, w->start.worker_count);
    mem_free(list);
}

static status load_engine(worker *w, err *e) {
    TRY(decode_all(w, e));
    fit_engine(w);
    TRY(engine_new(&w->engine_options, &w->engine, e));
    compile_report_engine(w->engine, w->start.worker == 0 ? w->logger : NULL);
    return STATUS_OK;
}

static status make_loggers(worker *w, err *e) {
    logger_options log = {.is_verbose = w->config.is_verbose, .fd = -1, .sink = send_log, .context = w};
    TRY(logger_new(&log, &w->logger, e));
    log.sink = send_log_of_part;
    for (size_t i = 0; i < w->config.workload_count; i++) {
        log.context = &w->parts[i];
        log.bytes_per_second_max = w->config.workloads[i].limits.log_bytes_per_second_max;
        TRY(logger_new(&log, &w->parts[i].logger, e));
    }
    return STATUS_OK;
}

static status load_runner(worker *w, err *e) {
    runner_workload *list = mem_calloc(w->config.workload_count + 1, sizeof *list);
    for (size_t i = 0; i < w->config.workload_count; i++) {
        const part *p = &w->parts[i];
        list[i] = (runner_workload){p->logger, &p->artifacts, p->component, p->directory_fds};
    }
    runner_options r = {
        .config = &w->config,
        .workloads = list,
        .loop = w->loop,
        .connector = w->connector,
        .roots = w->roots,
        .cell = cell_of(w),
        .engine = w->engine,
        .link_states = w->link_states.data,
        .link_count = w->start.link_count,
        .drivers = &w->drivers,
        .secrets = remote_secrets_teller(w->secrets),
        .listener_fd = w->start.has_listener ? w->fds[MESSAGE_START_LISTENER] : -1,
        .admissions = w->admission_pages.data,
        .worker = w->start.worker,
        .worker_count = w->start.worker_count,
        .finished = on_finished,
        .context = w,
    };
    status s = runner_new(&r, &w->runner, e);
    mem_free(list);
    return s;
}

// What they lead to is mapped; the numbers are for guests.
static void close_loaded(worker *w) {
    for (size_t i = 0; i < w->start.module_count; i++) {
        fd_close(w->module_fds[i]);
    }
    for (size_t i = 0; i < w->start.workload_count; i++) {
        fd_close(w->component_fds[i]);
    }
}

static status load(worker *w, err *e) {
    TRY(loop_new(NULL, &w->loop, e));
    TRY(make_loggers(w, e));
    TRY(remote_connector_new(w->loop, &w->channel, w->start.workload_count, &w->connector, e));
    w->secrets = remote_secrets_new(&w->channel);
    TRY(load_engine(w, e));
    TRY(load_runner(w, e));
    close_loaded(w);
    return STATUS_OK;
}

static status start(worker *w, err *e) {
    if (w->drivers_fd >= 0) {
        connect_drivers(w, w->drivers_fd);
    }
    loop_timer_init(&w->heartbeat, w->loop, on_heartbeat, w);
    on_heartbeat(w);
    TRY(loop_watch_start(&w->watch, w->loop, w->channel.fd, LOOP_READABLE, on_channel, w, e));
    TRY(message_send_empty(&w->channel, MESSAGE_READY, e));
    return runner_start(w->runner, e);
}

static status prepare(worker *w, err *e) {
    TRY(receive_all(w, e));
    if (host_config_calls_out(&w->config)) { // while files can be read
        TRY(trust_roots_new(w->config.ca_file, &w->roots, e));
    }
    w->engine_options = compile_engine_options(&w->config, false);
    w->engine_options.level = (engine_level)w->start.engine_level;
    engine_facts_read(&w->engine_options, &w->facts); // while /proc can be read
    TRY(sandbox_drop_privileges(w->config.connections_max + DESCRIPTORS_SPARE, e));
    TRY(restrict_files(w, e));
    TRY(load(w, e));
    return restrict_calls(w, e);
}

int worker_main(worker_shut_in shut_in) {
    process_begin_child();
    process_set_name("writ-worker");
    (void)signal(SIGPIPE, SIG_IGN);
    worker w = {.channel = {PROCESS_CHANNEL_FD}, .drivers_fd = -1};
    host_config_init(&w.config);
    err e = {0};
    status s = prepare(&w, &e);
    if (s == STATUS_OK && shut_in != NULL) {
        shut_in();
    }
    if (s == STATUS_OK) {
        s = start(&w, &e);
    }
    if (s != STATUS_OK) {
        (void)!message_send_failed(&w.channel, &e, NULL);
        process_end(1);
    }
    loop_run(w.loop);
    process_end(0); // the end of the process frees everything
}

int host_worker_main(int argc, char **argv) {
    (void)argc, (void)argv;
    return worker_main(NULL);
}
