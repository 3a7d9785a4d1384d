// SPDX-License-Identifier: Apache-2.0
#include "agent/local_host.h"

#include <signal.h>

#include "api/assignment.h"
#include "base/mem.h"
#include "host/driver_process.h"
#include "host/driver_sessions.h"
#include "host/generations.h"
#include "os/fd.h"
#include "os/memory_file.h"
#include "os/socket_open.h"

enum {
    SESSION_BYTES = 1 << 20,
    REPORT_BYTES_MAX = 4 << 10,
    WRITTEN_BYTES_MAX = 16 << 20,
    FACTS_ARENA_BYTES = 128 << 20,
    WAIT_MS_MAX = 1000
};

typedef struct asker { // a generation, on the channel on which it asks for sessions
    local_host *owner;
    channel channel;
    loop_watch watch;
    list_node node;
} asker;

struct local_host {
    local_host_options options;
    const driver *drivers[2]; // the one, and the end of the list
    link_server *server;
    driver_sessions *sessions;
    int life[2]; // a pipe: who holds the first end sees that we are gone
    list_node askers;
    loop_watch channel_watch, process_watch;
};

// --- sessions ----------------------------------------------------------------------------------------------

static status open_session(void *context, driver_session *ret, err *e) {
    local_host *h = context;
    channel ours;
    TRY(channel_pair(SESSION_BYTES, &ours, &ret->channel, e));
    status s = fd_duplicate(h->life[0], &ret->pidfd, e);
    s = s == STATUS_OK ? fd_duplicate(h->life[0], &ret->error_fd, e) : s;
    if (s != STATUS_OK) {
        channel_close(&ours);
        return s;
    }
    return driver_sessions_add(h->sessions, ours.fd, NULL, e);
}

static void on_http(void *context, slice workload, int fd) {
    const local_host *h = context;
    h->options.ops->http(h->options.arg, workload, fd);
}

static void end_asker(asker *a) {
    loop_watch_stop(&a->watch);
    channel_close(&a->channel);
    list_remove(&a->node);
    mem_free(a);
}

static void on_asker(void *arg, unsigned events) {
    (void)events;
    asker *a = arg;
    status s = STATUS_OK;
    while (s == STATUS_OK) {
        s = driver_process_answer_by(&a->channel, open_session, a->owner);
    }
    if (s != STATUS_NOT_FOUND) {
        end_asker(a);
    }
}

static void begin_asker(local_host *h, int fd) {
    asker *a = MEM_NEW(asker);
    *a = (asker){.owner = h, .channel = {fd}};
    list_push_back(&h->askers, &a->node);
    if (fd < 0 ||
        loop_watch_start(&a->watch, h->options.loop, fd, LOOP_READABLE, on_asker, a, NULL) != STATUS_OK) {
        end_asker(a); // the generation fails, and says why
    }
}

// --- what becomes of it ------------------------------------------------------------------------------------

// The end of what it wrote, which has the reason.
static void read_report(int fd, char text[REPORT_BYTES_MAX]) {
    memory_map map = {0};
    text[0] = '\0';
    if (fd < 0 || memory_file_seal(fd, NULL) != STATUS_OK ||
        memory_map_read(fd, WRITTEN_BYTES_MAX, &map, NULL) != STATUS_OK) {
        return;
    }
    slice all = memory_map_slice(&map);
    size_t n = all.len < REPORT_BYTES_MAX ? all.len : REPORT_BYTES_MAX - 1;
    if (n > 0) {
        memcpy(text, all.data + all.len - n, n);
    }
    while (n > 0 && text[n - 1] == '\n') {
        n--;
    }
    text[n] = '\0';
    memory_map_done(&map);
}

static void tell_checked(local_host *h, const generations_event *x) {
    const local_host_ops *ops = h->options.ops;
    char report[REPORT_BYTES_MAX];
    memory_map map = {0};
    component_facts *facts = NULL;
    size_t count = 0;
    arena memory;
    err e = {0};
    status s = STATUS_CLOSED;
    read_report(x->report_fd, report);
    arena_init(&memory, FACTS_ARENA_BYTES);
    err_set(&e, s, "checking components ended with %d: %s", x->exit_status, report);
    if (x->exit_status == 0 && x->result_fd >= 0) {
        s = memory_file_seal(x->result_fd, &e);
        s = s == STATUS_OK ? memory_map_read(x->result_fd, COMPONENT_FACTS_BYTES_MAX, &map, &e) : s;
        s = s == STATUS_OK ? component_facts_read(memory_map_slice(&map), &memory, &facts, &count, &e) : s;
    }
    ops->checked(h->options.arg, &memory, facts, count, s, s == STATUS_OK ? "" : e.message);
    memory_map_done(&map);
    arena_done(&memory);
}

static void tell_assigned(local_host *h, const generations_event *x) {
    char report[REPORT_BYTES_MAX];
    read_report(x->report_fd, report);
    h->options.ops->assigned(h->options.arg, x->kind == GENERATIONS_TAKEN ? STATUS_OK : STATUS_INVALID,
                             report);
}

static void on_event(local_host *h, generations_event *x) {
    switch (x->kind) {
    case GENERATIONS_BEGINS:
        begin_asker(h, x->drivers_fd);
        break;
    case GENERATIONS_CHECKED:
        tell_checked(h, x);
        break;
    case GENERATIONS_TAKEN:
    case GENERATIONS_REFUSED:
        tell_assigned(h, x);
        break;
    }
    fd_close(x->report_fd);
    fd_close(x->result_fd);
}

static void on_channel(void *arg, unsigned events) {
    (void)events;
    local_host *h = arg;
    generations_event x;
    status s;
    while ((s = generations_receive(h->options.channel, &x)) == STATUS_OK) {
        on_event(h, &x);
    }
    if (s != STATUS_NOT_FOUND) {
        loop_watch_stop(&h->channel_watch); // its end is seen by the other watch
    }
}

static void on_process(void *arg, unsigned events) {
    (void)events;
    local_host *h = arg;
    process_exit x;
    loop_watch_stop(&h->process_watch);
    if (process_reap(h->options.process, &x)) {
        h->options.ops->ended(h->options.arg, x);
    }
}

// --- the whole ---------------------------------------------------------------------------------------------

static status start(local_host *h, err *e) {
    const local_host_options *o = &h->options;
    TRY(process_error_pipe(&h->life[0], &h->life[1], e));
    TRY(loop_watch_start(&h->channel_watch, o->loop, o->channel->fd, LOOP_READABLE, on_channel, h, e));
    return loop_watch_start(&h->process_watch, o->loop, o->process->pidfd, LOOP_READABLE, on_process, h, e);
}

status local_host_new(const local_host_options *options, local_host **ret, err *e) {
    local_host *h = MEM_NEW(local_host);
    h->options = *options;
    h->drivers[0] = options->driver;
    h->life[0] = h->life[1] = -1;
    list_init(&h->askers);
    const link_server_options o = {
        .loop = options->loop, .drivers = h->drivers, .context = options->driver_context};
    h->server = link_server_new(&o);
    const driver_sessions_options sessions = {
        .loop = options->loop, .server = h->server, .http = on_http, .context = h};
    h->sessions = driver_sessions_new(&sessions);
    status s = start(h, e);
    if (s != STATUS_OK) {
        local_host_free(h);
        return s;
    }
    *ret = h;
    return STATUS_OK;
}

void local_host_free(local_host *h) {
    if (h == NULL) {
        return;
    }
    loop_watch_stop(&h->channel_watch);
    loop_watch_stop(&h->process_watch);
    (void)process_signal(h->options.process, SIGKILL);
    while (!list_empty(&h->askers)) {
        end_asker(LIST_ENTRY(h->askers.next, asker, node));
    }
    driver_sessions_free(h->sessions);
    link_server_free(h->server, WAIT_MS_MAX * 1000000ull);
    fd_close(h->life[0]);
    fd_close(h->life[1]);
    mem_free(h);
}

typedef status (*hand_over)(channel *c, int plan_fd, err *e);

static status hand(local_host *h, const host_config *c, hand_over how, err *e) {
    auto_fd fd = -1;
    TRY(assignment_write_file(c, &fd, e));
    return how(h->options.channel, fd, e);
}

status local_host_assign(local_host *h, const host_config *c, err *e) {
    return hand(h, c, generations_assign, e);
}
status local_host_check(local_host *h, const host_config *c, err *e) {
    return hand(h, c, generations_check, e);
}

status local_host_connect(local_host *h, slice id, int *ret_fd, err *e) {
    int ours, theirs;
    TRY(socket_tcp_pair(&ours, &theirs, e)); // libcurl takes no other
    status s = driver_sessions_http(h->sessions, id, theirs, e);
    fd_close(theirs);
    if (s != STATUS_OK) {
        fd_close(ours);
        return s;
    }
    *ret_fd = ours;
    return STATUS_OK;
}

void local_host_stop(local_host *h) { (void)process_signal(h->options.process, SIGTERM); }
