// SPDX-License-Identifier: Apache-2.0
#include "host/generations.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "base/mem.h"
#include "os/channel.h"
#include "os/fd.h"
#include "os/process.h"
#include "os/signal_fd.h"
#include "os/terminal.h"

enum { CHANNEL_BYTES = 64 << 10, LISTENERS_MAX = 256, MACHINE_LACKS = 5 /* as exit status */ };

enum { GENERATION_LISTENERS = 1, GENERATION_SERVING }; // packets from a generation

struct generation {
    channel channel;
    const int *listeners; // of the one before
    size_t listener_count;
};

typedef struct parent {
    const generations_options *options;
    signal_fd signals;
    int listeners[LISTENERS_MAX];
    size_t listener_count;
    process current, next, retiring;
    channel channel; // of `next`
    bool has_terminal;
    bool is_wanted; // one more generation
    bool is_ending;
    bool is_child; // this is not the parent any more
    int exit_status;
} parent;

static bool is_there(const process *p) { return p->pidfd >= 0; }

// --- inside a generation -----------------------------------------------------------------------------------

void generation_adopt(const generation *g, host_config *c) {
    c->is_generation = true;
    c->adopted_listeners = g->listeners;
    c->adopted_count = g->listener_count;
}

// Few packets: the channel does not wait for a reader, and one for each socket of 256 workers would not fit.
void generation_serving(generation *g, const int *fds, size_t count) {
    for (size_t i = 0; g->listener_count == 0 && i < count; i += CHANNEL_DESCRIPTORS_MAX) {
        size_t n = count - i < CHANNEL_DESCRIPTORS_MAX ? count - i : CHANNEL_DESCRIPTORS_MAX;
        (void)!channel_send(&g->channel, GENERATION_LISTENERS, slice_empty(), fds + i, n, NULL);
    }
    (void)!channel_send(&g->channel, GENERATION_SERVING, slice_empty(), NULL, 0, NULL);
}

static void be_generation(parent *p, channel *to_parent) {
    generation g = {*to_parent, p->listeners, p->listener_count};
    p->is_child = true;
    signal_fd_close(&p->signals);
    // A terminal sends these to all its processes; the parent says what they mean for us.
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    p->exit_status = p->options->run(p->options->context, &g);
    channel_close(&g.channel);
}

// --- the parent --------------------------------------------------------------------------------------------

static status start_next(parent *p, err *e) {
    channel theirs;
    bool is_child;
    p->is_wanted = false;
    TRY(channel_pair(CHANNEL_BYTES, &p->channel, &theirs, e));
    status s = process_fork(&p->next, &is_child, e);
    if (s == STATUS_OK && is_child) {
        channel_close(&p->channel);
        be_generation(p, &theirs);
        return STATUS_OK;
    }
    channel_close(&theirs);
    if (s != STATUS_OK) {
        channel_close(&p->channel);
    }
    return s;
}

static void on_serving(parent *p) {
    channel_close(&p->channel);
    p->retiring = p->current;
    p->current = p->next;
    p->next = (process){0, -1};
    (void)process_signal(&p->retiring, SIGUSR2);
}

static void on_packets(parent *p) {
    channel_packet packet;
    while (p->channel.fd >= 0 &&
           channel_receive(&p->channel, CHANNEL_DESCRIPTORS_MAX, &packet, NULL) == STATUS_OK) {
        uint32_t type = packet.type;
        for (size_t i = 0; type == GENERATION_LISTENERS && i < packet.fd_count; i++) {
            if (p->listener_count < LISTENERS_MAX) {
                p->listeners[p->listener_count++] = channel_packet_take(&packet, i);
            }
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
    (void)process_signal(&p->current, SIGTERM);
    (void)process_signal(&p->next, SIGTERM);
    (void)process_signal(&p->retiring, SIGTERM);
}

// The next one has ended before it served.
static void on_next_ended(parent *p, process_exit x) {
    channel_close(&p->channel);
    if (!is_there(&p->current)) {
        p->exit_status = status_of(x);
    } else if (!p->is_ending) {
        p->options->kept(p->options->context, status_of(x));
    }
}

static void reap(parent *p) {
    process_exit x;
    if (process_reap(&p->next, &x)) {
        on_next_ended(p, x);
    }
    (void)process_reap(&p->retiring, &x);
    if (process_reap(&p->current, &x)) {
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
    struct pollfd list[] = {
        {.fd = p->signals.fd, .events = POLLIN}, {.fd = p->current.pidfd, .events = POLLIN},
        {.fd = p->next.pidfd, .events = POLLIN}, {.fd = p->retiring.pidfd, .events = POLLIN},
        {.fd = p->channel.fd, .events = POLLIN},
    };
    (void)poll(list, sizeof list / sizeof list[0], -1);
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
        reap(p);
        go_on(p);
        if (p->is_child) {
            return;
        }
    }
}

status generations_run(const generations_options *o, int *ret_exit, err *e) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    parent p = {.options = o, .current = {0, -1}, .next = {0, -1}, .retiring = {0, -1}, .channel = {-1}};
    TRY(signal_fd_open(numbers, sizeof numbers / sizeof numbers[0], &p.signals, e));
    p.has_terminal = terminal_is_there();
    status s = start_next(&p, e);
    if (s == STATUS_OK && !p.is_child) {
        watch(&p);
    }
    if (!p.is_child) {
        signal_fd_close(&p.signals);
    }
    for (size_t i = 0; i < p.listener_count; i++) {
        fd_close(p.listeners[i]);
    }
    *ret_exit = p.exit_status;
    return s;
}
