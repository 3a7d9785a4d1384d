// SPDX-License-Identifier: Apache-2.0
// The process with the drivers: gets supervisors as sessions on its door, from the first one the directory
// that is its own, gives up its rights but that to the directory, opens links, serves workers.
//
// Its system call filter forbids nothing but to connect: the libraries of backends use whatever they like.
// But it cannot connect by itself, cannot open a file outside of its directory, has no capabilities and gets
// no new ones.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "crypto/trust_roots.h"
#include "host/driver_sessions.h"
#include "host/host.h"
#include "host/link_server.h"
#include "host/message.h"
#include "loop/work.h"
#include "os/fd.h"
#include "os/memory_file.h"
#include "os/process.h"
#include "os/sandbox.h"

enum { START_TIMEOUT_MS = 10000, DESCRIPTORS_MAX = 16384, PATH_BYTES_MAX = 4096 };
// For links whose backend is a file: each may block one.
enum { THREADS = 32 };

typedef struct driver_host {
    channel door;
    char directory[PATH_BYTES_MAX];
    trust_roots *roots;
    loop *loop;
    link_server *server;
    driver_sessions *sessions;
    loop_watch watch;
} driver_host;

// --- sessions ----------------------------------------------------------------------------------------------

static void on_door(void *arg, unsigned events) {
    (void)events;
    driver_host *h = arg;
    for (;;) {
        channel_packet p;
        status received = channel_receive(&h->door, 1, &p, NULL);
        if (received == STATUS_NOT_FOUND) {
            return;
        }
        if (received != STATUS_OK) {
            process_end(0); // nobody is left to work for
        }
        if (p.type == MESSAGE_SESSION && p.fd_count == 1) {
            (void)!driver_sessions_add(h->sessions, channel_packet_take(&p, 0), NULL, NULL);
        }
        channel_packet_done(&p);
    }
}

// --- the whole ---------------------------------------------------------------------------------------------

static status shut_in(driver_host *h, err *e) {
    auto_fd directory = -1;
    TRY(fd_open_directory(h->directory, &directory, e));
    TRY(sandbox_drop_privileges(DESCRIPTORS_MAX, e));
    const sandbox_directory list[] = {{directory, true}};
    status s = sandbox_restrict_files(list, 1, e);
    s = s == STATUS_OK || s == STATUS_UNSUPPORTED ? sandbox_skip_connects(e) : s;
    return s == STATUS_UNSUPPORTED ? STATUS_OK : s;
}

// What has to be read before nothing else can be.
static status read_first(driver_host *h, const channel_packet *p, err *e) {
    slice directory, ca_file;
    char path[PATH_BYTES_MAX] = "";
    TRY(message_read_serve(p, &directory, &ca_file, e));
    if (directory.len >= sizeof h->directory || ca_file.len >= sizeof path) {
        return err_set(e, STATUS_LIMIT, "the path of the directory for data or of --ca-file is too long");
    }
    (void)snprintf(h->directory, sizeof h->directory, "%.*s", SLICE_ARG(directory));
    (void)snprintf(path, sizeof path, "%.*s", SLICE_ARG(ca_file));
    return trust_roots_new(path[0] == '\0' ? NULL : path, &h->roots, e);
}

static status prepare(driver_host *h, channel_packet *first, err *e) {
    TRY(read_first(h, first, e));
    TRY(shut_in(h, e));
    loop_work_set_threads(THREADS);
    TRY(loop_new(NULL, &h->loop, e));
    const link_server_options o = {.loop = h->loop, .roots = h->roots, .directory = h->directory};
    h->server = link_server_new(&o);
    const driver_sessions_options sessions = {
        .loop = h->loop, .server = h->server, .directory = h->directory, .connects = true};
    h->sessions = driver_sessions_new(&sessions);
    return loop_watch_start(&h->watch, h->loop, h->door.fd, LOOP_READABLE, on_door, h, e);
}

// The first session is waited for: only then is there something to be shut into.
static status start(driver_host *h, channel *first, err *e) {
    channel_packet p;
    TRY(channel_wait(&h->door, START_TIMEOUT_MS, 1, &p, e));
    first->fd = channel_packet_take(&p, 0);
    channel_packet_done(&p);
    TRY(channel_wait(first, START_TIMEOUT_MS, 1, &p, e));
    status ready = prepare(h, &p, e);
    if (ready != STATUS_OK) {
        channel_packet_done(&p);
        return ready;
    }
    return driver_sessions_add(h->sessions, first->fd, &p, e);
}

int host_drivers_main(int argc, char **argv) {
    (void)argc, (void)argv;
    process_begin_child();
    process_set_name("writ-drivers");
    (void)signal(SIGPIPE, SIG_IGN);
    driver_host h = {.door = {PROCESS_CHANNEL_FD}};
    channel first = {-1};
    err e = {0};
    if (start(&h, &first, &e) != STATUS_OK) {
        (void)!message_send_failed(&first, &e, NULL);
        process_end(1);
    }
    loop_run(h.loop);
    process_end(0); // the end of the process frees everything
}
