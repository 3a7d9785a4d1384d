// SPDX-License-Identifier: Apache-2.0
#include "host/provider.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "crypto/secret_line.h"
#include "driver/provider/greeting.h"
#include "driver/provider/serve.h"
#include "host/driver_peers.h"
#include "host/local_connector.h"
#include "host/log.h"
#include "loop/signal.h"
#include "loop/work.h"
#include "os/fd.h"
#include "os/private.h"
#include "os/process.h"
#include "os/sandbox.h"
#include "os/socket.h"
#include "os/socket_open.h"
#include "policy/network.h"

enum {
    DESCRIPTORS_MAX = 4096,
    THREADS = 32, // as in the process with the drivers of a host
    LOG_BYTES_PER_SECOND_MAX = 16 << 10,
    NAMES_BYTES_MAX = 1024,
};

static const uint64_t farewell_ns_max = 5000000000;

typedef struct provider_process {
    const host_provider_options *options;
    secret key;
    trust_roots *roots;
    logger *logger;
    loop *loop;
    connector *outside;
    driver_peers *peers;
    loop_signal *signals[2];
    int listener;
    loop_watch watch;
    provider *provider;
} provider_process;

// --- what the log says -------------------------------------------------------------------------------------

// Whoever reaches the port can cause these.
static void on_event(void *arg, const provider_event *v) {
    const provider_process *p = arg;
    static const char *const names[] = {"link-refused", "link-opened", "backend-down", "link-closed"};
    static const char *const texts[] = {"a connection was refused", "a link was opened",
                                        "a backend cannot be reached", "a link was closed"};
    bool is_bad = v->what == PROVIDER_REFUSED || v->what == PROVIDER_UNREACHED;
    const char *driver_name = v->driver != NULL ? v->driver : "";
    logger_guest_event(
        p->logger, is_bad ? LOG_WARN : LOG_INFO, names[v->what],
        LOG_FIELDS(LOG_TEXT("driver", slice_from_text(driver_name)), LOG_TEXT("workload", v->workload),
                   LOG_TEXT("reason", slice_from_text(v->text))),
        "%s%s%s%s%.*s%s%s", texts[v->what], driver_name[0] != '\0' ? ": " : "", driver_name,
        v->workload.len > 0 ? " for " : "", SLICE_ARG(v->workload), v->text[0] != '\0' ? ": " : "", v->text);
}

static void tell_serving(const provider_process *p, const socket_address *a) {
    auto_buf names;
    buf_init(&names, NAMES_BYTES_MAX);
    for (size_t i = 0; p->options->drivers[i] != NULL; i++) {
        const driver *const *d = &p->options->drivers[i];
        if (i == 0 || strcmp(d[0]->name, d[-1]->name) != 0) { // one name may have several contracts
            (void)!buf_append_format(&names, "%s%s", i > 0 ? ", " : "", d[0]->name);
        }
    }
    logger_event(p->logger, LOG_INFO, "serving",
                 LOG_FIELDS(LOG_TEXT("address", slice_from_text(p->options->address)),
                            LOG_NUMBER("port", socket_address_port(a)),
                            LOG_TEXT("drivers", buf_slice(&names))),
                 "the drivers %.*s are served on %s port %u", SLICE_ARG(buf_slice(&names)),
                 p->options->address, socket_address_port(a));
}

// --- connections -------------------------------------------------------------------------------------------

static void on_listener(void *arg, unsigned events) {
    (void)events;
    provider_process *p = arg;
    struct sockaddr_storage from;
    for (int fd = socket_accept(p->listener, &from); fd >= 0; fd = socket_accept(p->listener, &from)) {
        err e = {0};
        if (provider_accept(p->provider, fd, &e) != STATUS_OK) {
            logger_guest_event(p->logger, LOG_WARN, "link-refused", NULL, 0, "a connection was refused: %s",
                               e.message);
        }
    }
}

static void on_signal(void *arg) {
    const provider_process *p = arg;
    loop_stop(p->loop);
}

// --- shutting itself in ------------------------------------------------------------------------------------

static bool has_names(const host_provider_options *o) {
    network_address unused;
    for (size_t i = 0; i < o->peer_count; i++) {
        if (!network_address_parse(slice_from_text(o->peers[i].host), &unused)) {
            return true;
        }
    }
    return false;
}

static status restrict_to(const host_provider_options *o, const sandbox_directory *list, size_t count,
                          err *e) {
    uint16_t ports[HOST_PROVIDER_PEERS_MAX];
    for (size_t i = 0; i < o->peer_count; i++) {
        ports[i] = o->peers[i].port;
    }
    status s = sandbox_restrict_files_and_ports(list, count, ports, o->peer_count, e);
    if ((s == STATUS_OK || s == STATUS_UNSUPPORTED) && o->peer_count == 0) {
        s = sandbox_skip_connects(e);
    }
    return s == STATUS_UNSUPPORTED ? STATUS_OK : s;
}

static status shut_in(const provider_process *p, err *e) {
    static const char *const lookups[] = {"/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf",
                                          "/etc/host.conf", "/etc/gai.conf"};
    enum { LOOKUPS = sizeof lookups / sizeof lookups[0] };
    const host_provider_options *o = p->options;
    sandbox_directory list[LOOKUPS + 1];
    size_t count = 0;
    if (o->directory != NULL) {
        TRY(private_directory_open(o->directory, &list[0].fd, e));
        list[count++].can_write = true;
    }
    for (size_t i = 0; i < LOOKUPS && has_names(o); i++) {
        int fd = fd_open_named(lookups[i]);
        if (fd >= 0) {
            list[count++] = (sandbox_directory){fd, false};
        }
    }
    status s = sandbox_drop_privileges(DESCRIPTORS_MAX, e);
    s = s == STATUS_OK ? restrict_to(o, list, count, e) : s;
    for (size_t i = 0; i < count; i++) {
        fd_close(list[i].fd);
    }
    return s;
}

// --- the whole ---------------------------------------------------------------------------------------------

static status check(const host_provider_options *o, err *e) {
    network_address address;
    if (geteuid() == 0 && !o->allow_root) {
        return err_set(e, STATUS_DENIED,
                       "a provider is for a user of its own and does not run as root; start it as one, or "
                       "write --allow-root");
    }
    if (!network_address_parse(slice_from_text(o->address), &address) ||
        !network_address_is_loopback(&address)) {
        return err_set(
            e, STATUS_DENIED,
            "a provider listens on a loopback address, not on %.60s: what it says is not encrypted",
            o->address);
    }
    if (o->directory != NULL && o->directory[0] != '/') {
        return err_set(e, STATUS_INVALID, "the directory for data must be an absolute path");
    }
    return STATUS_OK;
}

static status read_key(provider_process *p, err *e) {
    TRY(secret_line_read(p->options->key_file, GREETING_KEY_BYTES_MAX, &p->key, e));
    return p->key.len >= GREETING_KEY_BYTES_MIN
               ? STATUS_OK
               : err_set(e, STATUS_DENIED, "%s: a key has at least %d bytes; write 32 random ones as text",
                         p->options->key_file, GREETING_KEY_BYTES_MIN);
}

static status start_loop(provider_process *p, err *e) {
    const host_links none = {0};
    TRY(loop_new(NULL, &p->loop, e));
    TRY(local_connector_new(p->loop, NULL, &p->outside, e));
    p->peers = driver_peers_new(&none, p->outside);
    for (size_t i = 0; i < p->options->peer_count; i++) {
        const host_provider_peer *peer = &p->options->peers[i];
        driver_peers_name(p->peers, slice_from_text(peer->host), peer->port);
    }
    TRY(loop_signal_new(p->loop, SIGTERM, on_signal, p, &p->signals[0], e));
    return loop_signal_new(p->loop, SIGINT, on_signal, p, &p->signals[1], e);
}

static status prepare(provider_process *p, err *e) {
    const host_provider_options *o = p->options;
    const logger_options log = {.workload = SLICE_LITERAL("provider"),
                                .is_json = o->is_json,
                                .is_verbose = o->is_verbose,
                                .fd = STDERR_FILENO,
                                .bytes_per_second_max = LOG_BYTES_PER_SECOND_MAX};
    socket_address a;
    TRY(check(o, e));
    process_forbid_dumps();
    TRY(read_key(p, e));
    TRY(trust_roots_new(o->ca_file, &p->roots, e));
    TRY(logger_new(&log, &p->logger, e));
    if (!socket_address_parse(slice_from_text(o->address), o->port, &a)) {
        return err_set(e, STATUS_INVALID, "\"%.60s\" is no address", o->address);
    }
    TRY(socket_listen_group(&a, 1, &p->listener, e));
    TRY(shut_in(p, e));
    loop_work_set_threads(THREADS);
    TRY(start_loop(p, e));
    const driver_environment environment = {
        .connector = driver_peers_connector(p->peers), .roots = p->roots, .directory = o->directory};
    const provider_options options = {.loop = p->loop,
                                      .drivers = o->drivers,
                                      .environment = &environment,
                                      .key = secret_slice(&p->key),
                                      .on_event = on_event,
                                      .arg = p};
    p->provider = provider_new(&options);
    TRY(loop_watch_start(&p->watch, p->loop, p->listener, LOOP_READABLE, on_listener, p, e));
    tell_serving(p, &a);
    return STATUS_OK;
}

static void finish(provider_process *p) {
    loop_watch_stop(&p->watch);
    fd_close(p->listener);
    provider_free(p->provider, farewell_ns_max);
    loop_signal_free(p->signals[0]);
    loop_signal_free(p->signals[1]);
    driver_peers_free(p->peers);
    local_connector_free(p->outside);
    loop_free(p->loop);
    logger_free(p->logger);
    trust_roots_free(p->roots);
    secret_free(&p->key);
}

status host_provider_run(const host_provider_options *options, err *e) {
    provider_process p = {.options = options, .listener = -1};
    (void)signal(SIGPIPE, SIG_IGN);
    status s = prepare(&p, e);
    if (s == STATUS_OK) {
        loop_run(p.loop);
        logger_event(p.logger, LOG_INFO, "ending", NULL, 0, "the provider ends");
    }
    finish(&p);
    if (s == STATUS_OK) {
        process_end(0); // exit handlers of libraries may want what is not allowed any more
    }
    return s;
}
