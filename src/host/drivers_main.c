// SPDX-License-Identifier: Apache-2.0
// The process with the drivers: gets its links over the channel, gives up its rights but that to its
// directory, opens the links, serves workers.
//
// It has no system call filter: the libraries of backends use whatever they like. But it cannot connect by
// itself, cannot open a file outside of its directory, has no capabilities and gets no new ones.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/mem.h"
#include "crypto/trust_roots.h"
#include "host/host.h"
#include "host/link_server.h"
#include "host/message.h"
#include "host/remote_connector.h"
#include "os/fd.h"
#include "os/memory_file.h"
#include "os/process.h"
#include "os/sandbox.h"

enum { START_TIMEOUT_MS = 10000, DESCRIPTORS_MAX = 16384, PATH_BYTES_MAX = 4096 };

typedef struct driver_process {
    channel channel;
    memory_map links_bytes;
    host_links links;
    char directory[PATH_BYTES_MAX];
    trust_roots *roots;
    loop *loop;
    connector *connector;
    link_server *server;
    loop_watch watch;
} driver_process;

static status receive(driver_process *d, err *e) {
    channel_packet p;
    slice directory;
    slice ca_file;
    char path[PATH_BYTES_MAX] = "";
    TRY(channel_wait(&d->channel, START_TIMEOUT_MS, 1, &p, e));
    status s = message_read_serve(&p, &directory, &ca_file, e);
    if (s == STATUS_OK && directory.len < sizeof d->directory && ca_file.len < sizeof path) {
        memcpy(d->directory, directory.data, directory.len);
        memcpy(path, ca_file.data, ca_file.len);
    }
    auto_fd links_fd = channel_packet_take(&p, 0);
    channel_packet_done(&p);
    TRY(s);
    TRY(trust_roots_new(path[0] == '\0' ? NULL : path, &d->roots, e));
    TRY(memory_map_read(links_fd, HOST_LINKS_WIRE_BYTES_MAX, &d->links_bytes, e));
    s = host_links_read(memory_map_slice(&d->links_bytes), &d->links, e);
    memory_map_done(&d->links_bytes);
    return s;
}

static status shut_in(driver_process *d, err *e) {
    auto_fd directory = -1;
    TRY(fd_open_directory(d->directory, &directory, e));
    TRY(sandbox_drop_privileges(DESCRIPTORS_MAX, e));
    const sandbox_directory list[] = {{directory, true}};
    status s = sandbox_restrict_files(list, 1, e);
    return s == STATUS_UNSUPPORTED ? STATUS_OK : s;
}

static const char *state_name(driver_state s) {
    return s == DRIVER_UP ? "up" : s == DRIVER_DOWN ? "down" : "connecting";
}

static void on_health(void *context, uint32_t link, const driver_health *h) {
    driver_process *d = context;
    const host_link *l = &d->links.items[link];
    char text[DRIVER_REASON_BYTES_MAX + 256];
    (void)snprintf(text, sizeof text, "the backend %s is %s%s%s", l->target, state_name(h->state),
                   h->reason[0] != '\0' ? ": " : "", h->reason);
    const log_field fields[] = {LOG_TEXT("link", slice_from_text(l->name)),
                                LOG_TEXT("state", slice_from_text(state_name(h->state)))};
    const log_record record = {.level = h->state == DRIVER_DOWN ? LOG_WARN : LOG_INFO,
                               .event = slice_from_text("link-health"),
                               .message = slice_from_text(text),
                               .fields = fields,
                               .field_count = 2};
    (void)!message_send_log(&d->channel, MESSAGE_LOG_OF_WORKER, &record, NULL);
}

static void on_packet(driver_process *d, channel_packet *p) {
    if (p->type == MESSAGE_CONNECTED) {
        remote_connector_answer(d->connector, p);
    } else if (p->type == MESSAGE_ATTACH && p->fd_count == 1) {
        (void)!link_server_attach(d->server, channel_packet_take(p, 0), NULL);
    } else {
        process_end(1);
    }
}

static void on_channel(void *arg, unsigned events) {
    (void)events;
    driver_process *d = arg;
    for (;;) {
        channel_packet p;
        status s = channel_receive(&d->channel, 1, &p, NULL);
        if (s == STATUS_NOT_FOUND) {
            break;
        }
        if (s != STATUS_OK) {
            process_end(0); // nobody is left to work for
        }
        on_packet(d, &p);
        channel_packet_done(&p);
    }
    remote_connector_flush(d->connector);
}

static status prepare(driver_process *d, err *e) {
    TRY(receive(d, e));
    TRY(shut_in(d, e));
    TRY(loop_new(NULL, &d->loop, e));
    TRY(remote_connector_new(d->loop, &d->channel, 1, &d->connector, e));
    const link_server_options o = {.loop = d->loop,
                                   .connector = d->connector,
                                   .roots = d->roots,
                                   .directory = d->directory,
                                   .links = &d->links,
                                   .on_health = on_health,
                                   .context = d};
    TRY(link_server_new(&o, &d->server, e));
    TRY(loop_watch_start(&d->watch, d->loop, d->channel.fd, LOOP_READABLE, on_channel, d, e));
    return message_send_empty(&d->channel, MESSAGE_READY, e);
}

int host_drivers_main(int argc, char **argv) {
    (void)argc, (void)argv;
    process_begin_child();
    process_set_name("writ-drivers");
    (void)signal(SIGPIPE, SIG_IGN);
    driver_process d = {.channel = {PROCESS_CHANNEL_FD}};
    err e = {0};
    if (prepare(&d, &e) != STATUS_OK) {
        (void)!message_send_failed(&d.channel, &e, NULL);
        process_end(1);
    }
    loop_run(d.loop);
    process_end(0); // the end of the process frees everything
}
