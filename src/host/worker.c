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
#include "host/runner.h"
#include "host/worker.h"
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

typedef struct worker {
    channel channel;
    message_start start;
    int fds[MESSAGE_START_FDS_MAX];
    int *directory_fds;
    artifacts artifacts;
    host_config config;
    memory_map config_bytes, component_bytes, cell_page, admission_page;
    loop *loop;
    logger *logger;
    connector *connector;
    trust_roots *roots;
    component *component;
    engine_facts facts;
    engine_options engine_options;
    engine *engine;
    runner *runner;
    loop_watch watch;
    loop_timer heartbeat;
} worker;

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

static status receive_all(worker *w, err *e) {
    TRY(receive_start(w, e));
    int *modules = mem_calloc(w->start.module_count + 1u, sizeof *modules);
    w->artifacts.fds = modules;
    w->directory_fds = mem_calloc(w->start.directory_count + 1u, sizeof *w->directory_fds);
    TRY(message_receive_all_fds(&w->channel, MESSAGE_MODULES, START_TIMEOUT_MS, modules,
                                w->start.module_count, e));
    w->artifacts.count = w->start.module_count;
    TRY(message_receive_all_fds(&w->channel, MESSAGE_DIRECTORIES, START_TIMEOUT_MS, w->directory_fds,
                                w->start.directory_count, e));
    component_limits limits = component_limits_default();
    TRY(memory_map_read(w->fds[MESSAGE_START_CONFIG], CONFIG_WIRE_BYTES_MAX, &w->config_bytes, e));
    TRY(memory_map_read(w->fds[MESSAGE_START_COMPONENT], limits.bytes_max, &w->component_bytes, e));
    TRY(memory_map_shared(w->fds[MESSAGE_START_CELL], CELL_BYTES, &w->cell_page, e));
    TRY(memory_map_shared(w->fds[MESSAGE_START_ADMISSION], sizeof(admission_page), &w->admission_page, e));
    TRY(config_wire_read(memory_map_slice(&w->config_bytes), &w->config, e));
    if (w->config.directory_count != w->start.directory_count) {
        return err_set(e, STATUS_INVALID, "the configuration names another number of directories");
    }
    return STATUS_OK;
}

// --- shutting in -------------------------------------------------------------------------------------------

// Landlock for the granted directories, and for the native code, which is loaded through /proc/self/fd.
static status restrict_files(worker *w, err *e) {
    size_t count = w->config.directory_count + w->artifacts.count;
    sandbox_directory *list = mem_calloc(count + 1, sizeof *list);
    for (size_t i = 0; i < w->config.directory_count; i++) {
        list[i] = (sandbox_directory){w->directory_fds[i], !w->config.directories[i].read_only};
    }
    for (size_t i = 0; i < w->artifacts.count; i++) {
        list[w->config.directory_count + i] = (sandbox_directory){w->artifacts.fds[i], false};
    }
    status s = sandbox_restrict_files(list, count, e);
    mem_free(list);
    return s == STATUS_UNSUPPORTED ? STATUS_OK : s; // `writ doctor` and the start say what is lost
}

static status restrict_calls(worker *w, err *e) {
    sandbox_calls calls = {.opens_files = w->config.directory_count > 0, .accepts_connections = true};
    status s = sandbox_restrict_calls(&calls, e);
    return s == STATUS_UNSUPPORTED ? STATUS_OK : s;
}

// --- running -----------------------------------------------------------------------------------------------

static void send_log(void *context, const log_record *record) {
    worker *w = context;
    (void)!message_send_log(&w->channel, record, NULL); // a supervisor that is behind loses lines, not us
}

static cell *cell_of(worker *w) { return w->cell_page.data; }

static void on_heartbeat(void *arg) {
    worker *w = arg;
    atomic_store_explicit(&cell_of(w)->heartbeat_ns, clock_now_ns(), memory_order_relaxed);
    loop_timer_start_in(&w->heartbeat, w->config.hang_ns_max / HEARTBEATS_PER_HANG);
}

static void on_finished(void *context, uint8_t exit_status) {
    worker *w = context;
    (void)!message_send_finished(&w->channel, exit_status, NULL);
    process_end(0);
}

static void on_packet(worker *w, channel_packet *p) {
    switch (p->type) {
    case MESSAGE_DRAIN:
        runner_drain(w->runner, loop_now_fresh_ns(w->loop) + w->config.drain_ns_max);
        break;
    case MESSAGE_CONNECTED:
        remote_connector_answer(w->connector, p);
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

static status load_engine(worker *w, err *e) {
    component_limits limits = component_limits_default();
    TRY(component_decode(memory_map_slice(&w->component_bytes), &limits, &w->component, e));
    compile_fit_engine(&w->engine_options, &w->facts, w->component, w->start.worker_count);
    TRY(engine_new(&w->engine_options, &w->engine, e));
    compile_report_engine(w->engine, w->start.worker == 0 ? w->logger : NULL);
    return STATUS_OK;
}

static status load(worker *w, err *e) {
    TRY(loop_new(NULL, &w->loop, e));
    logger_options log = {
        .workload = slice_from_text(w->config.name),
        .is_verbose = w->config.is_verbose,
        .fd = -1,
        .sink = send_log,
        .context = w,
        .bytes_per_second_max = w->config.limits.log_bytes_per_second_max,
    };
    TRY(logger_new(&log, &w->logger, e));
    TRY(remote_connector_new(w->loop, &w->channel, &w->connector, e));
    TRY(load_engine(w, e));
    runner_options r = {
        .config = &w->config,
        .loop = w->loop,
        .logger = w->logger,
        .connector = w->connector,
        .roots = w->roots,
        .cell = cell_of(w),
        .engine = w->engine,
        .artifacts = &w->artifacts,
        .component = w->component,
        .directory_fds = w->directory_fds,
        .listener_fd = w->start.has_listener ? w->fds[MESSAGE_START_LISTENER] : -1,
        .admission = {w->admission_page.data, w->start.worker, w->start.worker_count},
        .finished = on_finished,
        .context = w,
    };
    return runner_new(&r, &w->runner, e);
}

static status start(worker *w, err *e) {
    loop_timer_init(&w->heartbeat, w->loop, on_heartbeat, w);
    on_heartbeat(w);
    TRY(loop_watch_start(&w->watch, w->loop, w->channel.fd, LOOP_READABLE, on_channel, w, e));
    TRY(message_send_empty(&w->channel, MESSAGE_READY, e));
    return runner_start(w->runner, e);
}

static status prepare(worker *w, err *e) {
    TRY(receive_all(w, e));
    if (!network_policy_is_empty(&w->config.http_policy)) { // while files can be read
        TRY(trust_roots_new(w->config.ca_file, &w->roots, e));
    }
    w->engine_options = compile_engine_options(&w->config, false);
    w->engine_options.level = (engine_level)w->start.engine_level;
    engine_facts_read(&w->engine_options, &w->facts); // while /proc can be read
    TRY(sandbox_drop_privileges(w->config.limits.connections_max + DESCRIPTORS_SPARE, e));
    TRY(restrict_files(w, e));
    TRY(load(w, e));
    return restrict_calls(w, e);
}

int worker_main(worker_shut_in shut_in) {
    process_begin_child();
    process_set_name("writ-worker");
    (void)signal(SIGPIPE, SIG_IGN);
    worker w = {.channel = {PROCESS_CHANNEL_FD}};
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
