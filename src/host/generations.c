// SPDX-License-Identifier: Apache-2.0
#include "host/generations.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "host/driver_process.h"
#include "os/fd.h"
#include "os/memory_file.h"
#include "os/process.h"
#include "os/signal_fd.h"
#include "os/terminal.h"

enum { CHANNEL_BYTES = 64 << 10, LISTENERS_MAX = 256, MACHINE_LACKS = 5 /* as exit status */ };

enum { GENERATION_LISTENERS = 1, GENERATION_MEMORY, GENERATION_SERVING }; // packets from a generation

struct generation {
    channel channel;
    channel drivers;      // to the parent, who has their process
    const int *listeners; // of the one before
    size_t listener_count;
    int memory_fd; // that one's; -1 when there is none
};

typedef struct child { // a generation; all descriptors are -1 when there is none
    process process;
    channel channel; // until it serves
    channel drivers;
} child;

typedef struct parent {
    const generations_options *options;
    signal_fd signals;
    int listeners[LISTENERS_MAX];
    size_t listener_count;
    child current, next, retiring;
    int memory_fd;          // of `current`; -1 when it left none
    int next_memory_fd;     // of `next`, which may not come to serve
    driver_process drivers; // lives on while generations come and go
    bool has_terminal;
    bool is_wanted; // one more generation
    bool is_ending;
    bool is_child; // this is not the parent any more
    int exit_status;
} parent;

static bool is_there(const child *c) { return c->process.pidfd >= 0; }

static child no_child(void) { return (child){{0, -1}, {-1}, {-1}}; }

static void close_channels(child *c) {
    channel_close(&c->channel);
    channel_close(&c->drivers);
}

// --- inside a generation -----------------------------------------------------------------------------------

void generation_adopt(generation *g, host_config *c) {
    c->is_generation = true;
    c->adopted_listeners = g->listeners;
    c->adopted_count = g->listener_count;
    c->drivers_holder = &g->drivers;
}

// Few packets: the channel does not wait for a reader, and one for each socket of 256 workers would not fit.
void generation_serving(generation *g, const int *fds, size_t count) {
    for (size_t i = 0; g->listener_count == 0 && i < count; i += CHANNEL_DESCRIPTORS_MAX) {
        size_t n = count - i < CHANNEL_DESCRIPTORS_MAX ? count - i : CHANNEL_DESCRIPTORS_MAX;
        (void)!channel_send(&g->channel, GENERATION_LISTENERS, slice_empty(), fds + i, n, NULL);
    }
    (void)!channel_send(&g->channel, GENERATION_SERVING, slice_empty(), NULL, 0, NULL);
}

// Without it the next one has nothing to compare with, which is worth no failure.
void generation_remember(generation *g, slice bytes) {
    auto_fd fd = -1;
    if (bytes.len > 0 && bytes.len <= GENERATION_MEMORY_BYTES_MAX &&
        memory_file_from_bytes("writ-generation", bytes, &fd, NULL) == STATUS_OK) {
        (void)!channel_send(&g->channel, GENERATION_MEMORY, slice_empty(), &fd, 1, NULL);
    }
}

status generation_remembered(const generation *g, buf *ret, err *e) {
    memory_map map;
    if (g->memory_fd < 0) {
        return STATUS_OK;
    }
    TRY(memory_map_read(g->memory_fd, GENERATION_MEMORY_BYTES_MAX, &map, e));
    status s = buf_append(ret, slice_of(map.data, map.len));
    memory_map_done(&map);
    return s == STATUS_OK ? s : err_set(e, s, "what the generation before left is too long");
}

// What is the parent's alone; its end would not be noticed elsewhere while we hold a copy.
static void close_parents(parent *p) {
    signal_fd_close(&p->signals);
    close_channels(&p->current);
    close_channels(&p->retiring);
    close_channels(&p->next);
    channel_close(&p->drivers.door);
}

static void be_generation(parent *p, channel *to_parent, channel *drivers) {
    generation g = {*to_parent, *drivers, p->listeners, p->listener_count, p->memory_fd};
    p->is_child = true;
    close_parents(p);
    // A terminal sends these to all its processes; the parent says what they mean for us.
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    p->exit_status = p->options->run(p->options->context, &g);
    channel_close(&g.channel);
    channel_close(&g.drivers);
}

// --- the parent --------------------------------------------------------------------------------------------

static status fork_next(parent *p, channel *to_parent, channel *drivers, err *e) {
    bool is_child;
    TRY(channel_pair(CHANNEL_BYTES, &p->next.channel, to_parent, e));
    TRY(channel_pair(CHANNEL_BYTES, &p->next.drivers, drivers, e));
    TRY(process_fork(&p->next.process, &is_child, e));
    if (is_child) {
        be_generation(p, to_parent, drivers);
    }
    return STATUS_OK;
}

static status start_next(parent *p, err *e) {
    channel to_parent = {-1}, drivers = {-1};
    p->is_wanted = false;
    status s = fork_next(p, &to_parent, &drivers, e);
    if (!p->is_child) {
        channel_close(&to_parent);
        channel_close(&drivers);
        if (s != STATUS_OK) {
            close_channels(&p->next);
        }
    }
    return s;
}

static void on_serving(parent *p) {
    channel_close(&p->next.channel);
    p->retiring = p->current;
    p->current = p->next;
    p->next = no_child();
    fd_close(p->memory_fd);
    p->memory_fd = p->next_memory_fd;
    p->next_memory_fd = -1;
    (void)process_signal(&p->retiring.process, SIGUSR2);
}

static void on_packets(parent *p) {
    channel_packet packet;
    while (p->next.channel.fd >= 0 &&
           channel_receive(&p->next.channel, CHANNEL_DESCRIPTORS_MAX, &packet, NULL) == STATUS_OK) {
        uint32_t type = packet.type;
        for (size_t i = 0; type == GENERATION_LISTENERS && i < packet.fd_count; i++) {
            if (p->listener_count < LISTENERS_MAX) {
                p->listeners[p->listener_count++] = channel_packet_take(&packet, i);
            }
        }
        if (type == GENERATION_MEMORY && packet.fd_count == 1) {
            fd_close(p->next_memory_fd);
            p->next_memory_fd = channel_packet_take(&packet, 0);
        }
        channel_packet_done(&packet);
        if (type == GENERATION_SERVING) {
            on_serving(p);
        }
    }
}

static int status_of(process_exit x) { return x.is_signal ? 128 + x.number : x.number; }

static void end_all(parent *p) {
    p->is_ending = true;
    p->is_wanted = false;
    (void)process_signal(&p->current.process, SIGTERM);
    (void)process_signal(&p->next.process, SIGTERM);
    (void)process_signal(&p->retiring.process, SIGTERM);
}

// The next one has ended before it served.
static void on_next_ended(parent *p, process_exit x) {
    fd_close(p->next_memory_fd);
    p->next_memory_fd = -1;
    if (!is_there(&p->current)) {
        p->exit_status = status_of(x);
    } else if (!p->is_ending) {
        p->options->kept(p->options->context, status_of(x));
    }
}

static bool has_ended(child *c, process_exit *ret) {
    bool has = process_reap(&c->process, ret);
    if (has) {
        close_channels(c);
    }
    return has;
}

static void reap(parent *p) {
    process_exit x;
    if (has_ended(&p->next, &x)) {
        on_next_ended(p, x);
    }
    (void)has_ended(&p->retiring, &x);
    if (has_ended(&p->current, &x)) {
        p->exit_status = status_of(x);
        if (!p->is_ending) {
            end_all(p);
        }
    }
}

static void on_signals(parent *p) {
    for (int number = signal_fd_next(&p->signals); number != 0; number = signal_fd_next(&p->signals)) {
        bool is_closed = number == SIGHUP && p->has_terminal && !terminal_is_there(); // its window was closed
        if (number == SIGHUP && !is_closed) {
            p->is_wanted = !p->is_ending;
        } else {
            end_all(p);
        }
    }
}

static void wait_for_something(const parent *p) {
    const child *const children[] = {&p->current, &p->next, &p->retiring};
    struct pollfd list[1 + 3 * 3] = {{.fd = p->signals.fd, .events = POLLIN}};
    size_t n = 1;
    for (size_t i = 0; i < 3; i++) {
        list[n++] = (struct pollfd){.fd = children[i]->process.pidfd, .events = POLLIN};
        list[n++] = (struct pollfd){.fd = children[i]->channel.fd, .events = POLLIN};
        list[n++] = (struct pollfd){.fd = children[i]->drivers.fd, .events = POLLIN};
    }
    (void)poll(list, n, -1);
}

static void serve_drivers(parent *p, child *c) {
    status s = STATUS_OK;
    while (s == STATUS_OK && c->drivers.fd >= 0) {
        s = driver_process_answer(&p->drivers, &c->drivers);
    }
    if (s != STATUS_OK && s != STATUS_NOT_FOUND) {
        channel_close(&c->drivers); // it ends
    }
}

static void go_on(parent *p) {
    err e = {0};
    // One at a time: a machine that is slow must not end with many.
    if (p->is_wanted && is_there(&p->current) && !is_there(&p->next) && !is_there(&p->retiring) &&
        start_next(p, &e) != STATUS_OK) {
        p->options->kept(p->options->context, MACHINE_LACKS);
    }
}

static void watch(parent *p) {
    while (is_there(&p->current) || is_there(&p->next) || is_there(&p->retiring)) {
        wait_for_something(p);
        on_signals(p);
        on_packets(p);
        serve_drivers(p, &p->current);
        serve_drivers(p, &p->next);
        serve_drivers(p, &p->retiring);
        reap(p);
        go_on(p);
        if (p->is_child) {
            return;
        }
    }
}

status generations_run(const generations_options *o, int *ret_exit, err *e) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    parent p = {.options = o,
                .current = no_child(),
                .next = no_child(),
                .retiring = no_child(),
                .memory_fd = -1,
                .next_memory_fd = -1};
    driver_process_init(&p.drivers);
    TRY(signal_fd_open(numbers, sizeof numbers / sizeof numbers[0], &p.signals, e));
    p.has_terminal = terminal_is_there();
    status s = start_next(&p, e);
    if (s == STATUS_OK && !p.is_child) {
        watch(&p);
    }
    if (!p.is_child) {
        signal_fd_close(&p.signals);
        driver_process_done(&p.drivers);
    }
    for (size_t i = 0; i < p.listener_count; i++) {
        fd_close(p.listeners[i]);
    }
    fd_close(p.memory_fd);
    fd_close(p.next_memory_fd);
    *ret_exit = p.exit_status;
    return s;
}
