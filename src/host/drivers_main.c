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

#include "base/list.h"
#include "base/mem.h"
#include "crypto/trust_roots.h"
#include "host/host.h"
#include "host/link_server.h"
#include "host/message.h"
#include "host/remote_connector.h"
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
    list_node sessions;
    loop_watch watch;
} driver_host;

typedef struct session { // a supervisor
    driver_host *host;
    channel channel;
    connector *connector;
    link_session *links; // NULL: not yet
    loop_watch watch;
    list_node node;
} session;

// --- what it is told ---------------------------------------------------------------------------------------

static void tell(session *s, message_type type, uint32_t link, uint8_t code, const char *text) {
    const message_link m = {link, code, slice_from_text(text)};
    (void)!message_send_link(&s->channel, type, &m, NULL);
}

static void on_health(void *context, uint32_t link, const driver_health *h) {
    tell(context, MESSAGE_LINK_HEALTH, link, (uint8_t)h->state, h->reason);
}

static void on_put(void *context, uint32_t link, status code, const err *e) {
    tell(context, MESSAGE_LINK_PUT, link, (uint8_t)code, e != NULL ? e->message : "");
}

static void on_lost(void *context, uint32_t link, status why, const char *what) {
    tell(context, MESSAGE_LINK_LOST, link, (uint8_t)why, what);
}

// Which links were open already, and what is known of those.
static status tell_opened(session *s, err *e) {
    uint32_t count = link_session_count(s->links);
    uint8_t bits[HOST_LINKS_MAX / 8] = {0};
    driver_health h;
    for (uint32_t i = 0; i < count; i++) {
        bits[i / 8] |= (uint8_t)(link_session_was_kept(s->links, i) << i % 8);
    }
    TRY(message_send_opened(&s->channel, slice_of(bits, (count + 7u) / 8u), e));
    for (uint32_t i = 0; i < count; i++) {
        if (link_session_health(s->links, i, &h) && h.state != DRIVER_CONNECTING) {
            on_health(s, i, &h); // lost when there are so many that the channel is full
        }
    }
    return STATUS_OK;
}

static status read_links(channel_packet *p, host_links *ret, err *e) {
    auto_fd fd = channel_packet_take(p, 0);
    memory_map map = {0};
    TRY(memory_map_read(fd, HOST_LINKS_WIRE_BYTES_MAX, &map, e));
    status s = host_links_read(memory_map_slice(&map), ret, e);
    memory_map_done(&map);
    return s;
}

static status open_links(session *s, channel_packet *p, err *e) {
    host_links links = {0};
    slice directory, ca_file;
    TRY(message_read_serve(p, &directory, &ca_file, e));
    if (s->links != NULL || !slice_equal_text(directory, s->host->directory)) {
        return err_set(e, STATUS_UNSUPPORTED,
                       "the directory for data has changed; that needs an end and a new start");
    }
    const link_session_options o = {.connector = s->connector,
                                    .on_health = on_health,
                                    .on_put = on_put,
                                    .on_lost = on_lost,
                                    .context = s};
    status opened = read_links(p, &links, e);
    if (opened == STATUS_OK) {
        opened = link_session_new(s->host->server, &o, &links, &s->links, e);
    }
    host_links_done(&links);
    TRY(opened);
    return tell_opened(s, e);
}

static status put_link(session *s, channel_packet *p, err *e) {
    host_links links = {0};
    status read = read_links(p, &links, e);
    if (read == STATUS_OK && links.count == 1) {
        link_session_put(s->links, &links.items[0]);
    }
    host_links_done(&links);
    return read;
}

static status cut_link(session *s, const channel_packet *p, err *e) {
    uint32_t number;
    TRY(message_read_cut_link(p, &number, e));
    link_session_cut(s->links, number);
    return STATUS_OK;
}

static status on_packet(session *s, channel_packet *p, err *e) {
    if (p->type == MESSAGE_SERVE) {
        return open_links(s, p, e);
    }
    if (p->type == MESSAGE_CONNECTED) {
        remote_connector_answer(s->connector, p);
        return STATUS_OK;
    }
    if (s->links != NULL && p->type == MESSAGE_ATTACH && p->fd_count == 1) {
        (void)!link_session_attach(s->links, channel_packet_take(p, 0), NULL);
        return STATUS_OK;
    }
    if (s->links != NULL && p->type == MESSAGE_PUT_LINK && p->fd_count == 1) {
        return put_link(s, p, e);
    }
    if (s->links != NULL && p->type == MESSAGE_CUT_LINK) {
        return cut_link(s, p, e);
    }
    return err_set(e, STATUS_INTERNAL, "message %u came at the wrong time", p->type);
}

// --- sessions ----------------------------------------------------------------------------------------------

static void end_session(session *s) {
    loop_watch_stop(&s->watch);
    link_session_free(s->links); // before the connector that it goes through
    remote_connector_free(s->connector);
    channel_close(&s->channel);
    list_remove(&s->node);
    mem_free(s);
}

// Its supervisor has gone, or gets to know why it is not served.
static bool handle(session *s, channel_packet *p) {
    err e = {0};
    status done = on_packet(s, p, &e);
    channel_packet_done(p);
    if (done != STATUS_OK) {
        (void)!message_send_failed(&s->channel, &e, NULL);
        end_session(s);
    }
    return done == STATUS_OK;
}

static void on_channel(void *arg, unsigned events) {
    (void)events;
    session *s = arg;
    for (;;) {
        channel_packet p;
        status received = channel_receive(&s->channel, 1, &p, NULL);
        if (received == STATUS_NOT_FOUND) {
            break;
        }
        if (received != STATUS_OK) {
            end_session(s);
            return;
        }
        if (!handle(s, &p)) {
            return;
        }
    }
    remote_connector_flush(s->connector);
}

// Takes the channel over.
static status begin_session(driver_host *h, int fd, session **ret, err *e) {
    session *s = MEM_NEW(session);
    *s = (session){.host = h, .channel = {fd}};
    list_push_back(&h->sessions, &s->node);
    status begun = remote_connector_new(h->loop, &s->channel, 1, &s->connector, e);
    if (begun == STATUS_OK) {
        begun = loop_watch_start(&s->watch, h->loop, fd, LOOP_READABLE, on_channel, s, e);
    }
    if (begun != STATUS_OK) {
        end_session(s);
        return begun;
    }
    *ret = s;
    return STATUS_OK;
}

static void on_door(void *arg, unsigned events) {
    (void)events;
    driver_host *h = arg;
    for (;;) {
        channel_packet p;
        session *s;
        status received = channel_receive(&h->door, 1, &p, NULL);
        if (received == STATUS_NOT_FOUND) {
            return;
        }
        if (received != STATUS_OK) {
            process_end(0); // nobody is left to work for
        }
        if (p.type == MESSAGE_SESSION && p.fd_count == 1) {
            (void)!begin_session(h, channel_packet_take(&p, 0), &s, NULL);
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
    return loop_watch_start(&h->watch, h->loop, h->door.fd, LOOP_READABLE, on_door, h, e);
}

// The first session is waited for: only then is there something to be shut into.
static status start(driver_host *h, channel *first, err *e) {
    channel_packet p;
    session *s;
    TRY(channel_wait(&h->door, START_TIMEOUT_MS, 1, &p, e));
    first->fd = channel_packet_take(&p, 0);
    channel_packet_done(&p);
    TRY(channel_wait(first, START_TIMEOUT_MS, 1, &p, e));
    status ready = prepare(h, &p, e);
    if (ready == STATUS_OK) {
        ready = begin_session(h, first->fd, &s, e);
    }
    if (ready == STATUS_OK) {
        (void)handle(s, &p);
    } else {
        channel_packet_done(&p);
    }
    return ready;
}

int host_drivers_main(int argc, char **argv) {
    (void)argc, (void)argv;
    process_begin_child();
    process_set_name("writ-drivers");
    (void)signal(SIGPIPE, SIG_IGN);
    driver_host h = {.door = {PROCESS_CHANNEL_FD}};
    channel first = {-1};
    err e = {0};
    list_init(&h.sessions);
    if (start(&h, &first, &e) != STATUS_OK) {
        (void)!message_send_failed(&first, &e, NULL);
        process_end(1);
    }
    loop_run(h.loop);
    process_end(0); // the end of the process frees everything
}
