// SPDX-License-Identifier: Apache-2.0
#include "host/generations.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "host/driver_process.h"
#include "os/fd.h"
#include "os/memory_file.h"
#include "os/process.h"
#include "os/signal_fd.h"
#include "os/terminal.h"

// Two retire at one time, so that a client that holds its connection does not hold up the change after next.
enum {
    CHANNEL_BYTES = 64 << 10,
    LISTENERS_MAX = 256,
    RETIRING_MAX = 2,
    MACHINE_LACKS = 5 /* as exit status */
};

enum { // packets from a generation
    GENERATION_LISTENERS = 1,
    GENERATION_MEMORY,  // bytes for the next one
    GENERATION_SERVING, // with its plan and its summary
    GENERATION_NEXT,    // with a plan
    GENERATION_PLAN,    // with a plan
    GENERATION_END,
};
enum { GENERATION_ANSWER = 100 }; // and to it; with a report

enum { // packets from the owner, each with a plan; GENERATION_NEXT, too
    OWNER_CHECK = 50,
};
enum { // and to it
    OWNER_TAKEN = 150,
    OWNER_REFUSED, // with a report
    OWNER_CHECKED, // with a report and a result
    OWNER_BEGINS,  // with the channel of the next one
};

typedef struct answer {
    bool is_taken;
    int exit_status;
} answer;

struct generation {
    channel channel;
    channel drivers;      // to the parent, who has their process
    const int *listeners; // of the one before
    size_t listener_count;
    int memory_fd; // that one's; -1 when there is none
    int plan_fd, summary_fd;
    bool is_reread, keeps_changes;
    int stderr_fd; // what standard error is from the moment that it serves; -1 = as it was
};

typedef struct child { // a generation; all descriptors are -1 when there is none
    process process;
    channel channel;
    channel drivers;
    int report_fd;
} child;

typedef struct parent {
    const generations_options *options;
    signal_fd signals;
    int listeners[LISTENERS_MAX];
    size_t listener_count;
    child current, next, retiring[RETIRING_MAX];
    int memory_fd;          // of `current`; -1 when it left none
    int next_memory_fd;     // of `next`, which may not come to serve
    driver_process drivers; // lives on while generations come and go
    int plan_fd, summary_fd;
    int wanted_plan_fd; // of the next one; -1 = the same again
    bool has_terminal;
    bool is_wanted;      // one more generation: the running one asks, or
    bool is_owners_wish; // the owner
    bool is_reread;      // one more: SIGHUP
    bool keeps_changes;  // of that one
    bool is_asked;       // somebody waits for what becomes of `next`
    bool is_owners;      // namely the owner
    process checker;     // pidfd -1: there is none
    int check_report_fd, check_result_fd;
    bool is_stale; // the plan has changed since `next` began with it
    bool is_ending;
    bool is_child; // this is not the parent any more
    int exit_status;
} parent;

static bool is_there(const child *c) { return c->process.pidfd >= 0; }

static child no_child(void) { return (child){{0, -1}, {-1}, {-1}, -1}; }

static void close_child(child *c) {
    channel_close(&c->channel);
    channel_close(&c->drivers);
    fd_close(c->report_fd);
    c->report_fd = -1;
}

static void replace_fd(int *fd, int by) {
    fd_close(*fd);
    *fd = by;
}

// --- inside a generation -----------------------------------------------------------------------------------

void generation_adopt(generation *g, host_config *c) {
    c->is_generation = true;
    c->adopted_listeners = g->listeners;
    c->adopted_count = g->listener_count;
    c->drivers_holder = &g->drivers;
}

int generation_plan(const generation *g) { return g->plan_fd; }
int generation_summary(const generation *g) { return g->summary_fd; }
bool generation_is_reread(const generation *g) { return g->is_reread; }
bool generation_keeps_changes(const generation *g) { return g->keeps_changes; }
bool generation_is_reported(const generation *g) { return g->stderr_fd >= 0; }

// Few packets: the channel does not wait for a reader, and one for each socket of 256 workers would not fit.
void generation_serving(generation *g, const int *fds, size_t count, int plan_fd, int summary_fd) {
    const int files[] = {plan_fd, summary_fd};
    for (size_t i = 0; g->listener_count == 0 && i < count; i += CHANNEL_DESCRIPTORS_MAX) {
        size_t n = count - i < CHANNEL_DESCRIPTORS_MAX ? count - i : CHANNEL_DESCRIPTORS_MAX;
        (void)!channel_send(&g->channel, GENERATION_LISTENERS, slice_empty(), fds + i, n, NULL);
    }
    (void)fflush(stderr);
    if (g->stderr_fd >= 0) {
        (void)dup2(g->stderr_fd, STDERR_FILENO);
    }
    size_t file_count = plan_fd < 0 ? 0 : summary_fd < 0 ? 1 : 2;
    (void)!channel_send(&g->channel, GENERATION_SERVING, slice_empty(), files, file_count, NULL);
}

status generation_ask_next(generation *g, int plan_fd, err *e) {
    return channel_send(&g->channel, GENERATION_NEXT, slice_empty(), &plan_fd, 1, e);
}

status generation_keep_plan(generation *g, int plan_fd, err *e) {
    return channel_send(&g->channel, GENERATION_PLAN, slice_empty(), &plan_fd, 1, e);
}

void generation_ask_end(generation *g) {
    (void)!channel_send(&g->channel, GENERATION_END, slice_empty(), NULL, 0, NULL);
}

int generation_channel(const generation *g) { return g->channel.fd; }

status generation_receive(generation *g, generation_answer *ret) {
    channel_packet p;
    answer a = {false, 0};
    TRY(channel_receive(&g->channel, 1, &p, NULL));
    if (p.len == sizeof a) { // of the parent, whom we are a copy of
        memcpy(&a, p.payload, sizeof a);
    }
    *ret = (generation_answer){a.is_taken, a.exit_status, channel_packet_take(&p, 0)};
    channel_packet_done(&p);
    return STATUS_OK;
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
    close_child(&p->current);
    for (size_t i = 0; i < RETIRING_MAX; i++) {
        close_child(&p->retiring[i]);
    }
    channel_close(&p->next.channel);
    channel_close(&p->next.drivers);
    channel_close(&p->drivers.door);
    if (p->options->owner != NULL) {
        channel_close(p->options->owner);
    }
}

// What it says before it serves is for whoever asked for it.
static int redirect_stderr(const parent *p) {
    int after = p->options->is_background ? fd_open_null() : -1;
    if (p->next.report_fd >= 0) {
        if (after < 0) {
            (void)!fd_duplicate(STDERR_FILENO, &after, NULL);
        }
        (void)dup2(p->next.report_fd, STDERR_FILENO);
    }
    return after;
}

static void be_generation(parent *p, channel *to_parent, channel *drivers, int plan_fd, bool is_reread) {
    generation g = {.channel = *to_parent,
                    .drivers = *drivers,
                    .listeners = p->listeners,
                    .listener_count = p->listener_count,
                    .plan_fd = plan_fd,
                    .summary_fd = p->summary_fd,
                    .memory_fd = p->memory_fd,
                    .is_reread = is_reread,
                    .keeps_changes = is_reread && p->keeps_changes};
    p->is_child = true;
    close_parents(p);
    g.stderr_fd = redirect_stderr(p);
    // A terminal sends these to all its processes; the parent says what they mean for us.
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    p->exit_status = p->options->run(p->options->context, &g);
    channel_close(&g.channel);
    channel_close(&g.drivers);
    fd_close(g.stderr_fd);
}

// --- the parent --------------------------------------------------------------------------------------------

// A background host's terminal is gone, and whoever asks over its channel wants to read it.
static status open_report(parent *p, bool is_asked, err *e) {
    return is_asked || (p->options->is_background && is_there(&p->current))
               ? memory_file_new("writ-report", &p->next.report_fd, e)
               : STATUS_OK;
}

static status fork_next(parent *p, channel *to_parent, channel *drivers, err *e) {
    bool is_child;
    TRY(open_report(p, p->is_wanted, e));
    TRY(channel_pair(CHANNEL_BYTES, &p->next.channel, to_parent, e));
    TRY(channel_pair(CHANNEL_BYTES, &p->next.drivers, drivers, e));
    TRY(process_fork(&p->next.process, &is_child, e));
    if (is_child) {
        be_generation(p, to_parent, drivers, p->is_wanted ? p->wanted_plan_fd : p->plan_fd,
                      !p->is_wanted && p->is_reread);
    }
    return STATUS_OK;
}

static void tell_owner(parent *p, uint32_t what, int exit_status, const int *fds, size_t count) {
    (void)!channel_send(p->options->owner, what, slice_of((const uint8_t *)&exit_status, sizeof exit_status),
                        fds, count, NULL);
}

static void tell_who_asked(parent *p, bool is_taken, int exit_status) {
    const answer a = {is_taken, exit_status};
    size_t count = p->next.report_fd >= 0 ? 1 : 0;
    if (p->is_asked && p->is_owners) {
        tell_owner(p, is_taken ? OWNER_TAKEN : OWNER_REFUSED, exit_status, &p->next.report_fd, count);
    } else if (p->is_asked) {
        (void)!channel_send(&p->current.channel, GENERATION_ANSWER, slice_of((const uint8_t *)&a, sizeof a),
                            &p->next.report_fd, count, NULL);
    }
    p->is_asked = p->is_owners = false;
}

// The owner has the drivers of all generations, in place of us.
static void hand_drivers_over(parent *p) {
    if (p->options->owner != NULL) {
        tell_owner(p, OWNER_BEGINS, 0, &p->next.drivers.fd, 1);
        channel_close(&p->next.drivers);
    }
}

static status start_next(parent *p, err *e) {
    channel to_parent = {-1}, drivers = {-1};
    status s = fork_next(p, &to_parent, &drivers, e);
    if (p->is_child) {
        return s;
    }
    channel_close(&to_parent);
    channel_close(&drivers);
    hand_drivers_over(p);
    p->is_asked = p->is_wanted;
    p->is_owners = p->is_owners_wish;
    if (p->is_wanted) {
        p->is_wanted = p->is_owners_wish = false;
        replace_fd(&p->wanted_plan_fd, -1);
    } else {
        p->is_reread = p->keeps_changes = false;
    }
    if (s != STATUS_OK) {
        tell_who_asked(p, false, MACHINE_LACKS);
        close_child(&p->next);
    }
    return s;
}

static child *free_place(parent *p) {
    for (size_t i = 0; i < RETIRING_MAX; i++) {
        if (!is_there(&p->retiring[i])) {
            return &p->retiring[i];
        }
    }
    return NULL;
}

static void on_serving(parent *p, channel_packet *packet) {
    bool is_first = !is_there(&p->current);
    replace_fd(&p->plan_fd, channel_packet_take(packet, 0));
    replace_fd(&p->summary_fd, channel_packet_take(packet, 1));
    replace_fd(&p->memory_fd, p->next_memory_fd);
    p->next_memory_fd = -1;
    if (is_first) {
        if (p->options->serving != NULL) {
            p->options->serving(p->options->context);
        }
    } else {
        tell_who_asked(p, true, 0);
        child *place = free_place(p); // there is one: see go_on
        *place = p->current;
        (void)process_signal(&place->process, SIGUSR2);
    }
    p->current = p->next;
    p->next = no_child();
    replace_fd(&p->current.report_fd, -1);
}

static void end_all(parent *p);

// It would undo what was changed by hand since it began: another one begins, which keeps that. When it serves
// already it must leave the sockets as they are, so it retires.
static void give_up_next(parent *p) {
    if (is_there(&p->next) && !p->is_asked) {
        p->is_stale = true;
        (void)process_signal(&p->next.process, SIGUSR2);
    }
}

static void on_wish(parent *p, channel_packet *packet) {
    if (packet->type == GENERATION_NEXT && !p->is_ending) {
        replace_fd(&p->wanted_plan_fd, channel_packet_take(packet, 0));
        p->is_wanted = true;
    } else if (packet->type == GENERATION_PLAN) {
        replace_fd(&p->plan_fd, channel_packet_take(packet, 0));
        give_up_next(p);
    } else if (packet->type == GENERATION_END) {
        end_all(p);
    }
}

static void on_start_packet(parent *p, channel_packet *packet) {
    for (size_t i = 0; packet->type == GENERATION_LISTENERS && i < packet->fd_count; i++) {
        if (p->listener_count < LISTENERS_MAX) {
            p->listeners[p->listener_count++] = channel_packet_take(packet, i);
        }
    }
    if (packet->type == GENERATION_MEMORY && packet->fd_count == 1) {
        replace_fd(&p->next_memory_fd, channel_packet_take(packet, 0));
    } else if (packet->type == GENERATION_SERVING && !p->is_stale) {
        on_serving(p, packet);
    }
}

// --- the owner ---------------------------------------------------------------------------------------------

status generations_assign(channel *c, int plan_fd, err *e) {
    return channel_send(c, GENERATION_NEXT, slice_empty(), &plan_fd, 1, e);
}

status generations_check(channel *c, int plan_fd, err *e) {
    return channel_send(c, OWNER_CHECK, slice_empty(), &plan_fd, 1, e);
}

status generations_receive(channel *c, generations_event *ret) {
    channel_packet packet;
    TRY(channel_receive(c, 2, &packet, NULL));
    *ret = (generations_event){.report_fd = -1, .result_fd = -1, .drivers_fd = -1};
    if (packet.len == sizeof ret->exit_status) { // of our own child
        memcpy(&ret->exit_status, packet.payload, sizeof ret->exit_status);
    }
    if (packet.type == OWNER_BEGINS) {
        ret->kind = GENERATIONS_BEGINS;
        ret->drivers_fd = channel_packet_take(&packet, 0);
    } else {
        ret->kind = packet.type == OWNER_TAKEN     ? GENERATIONS_TAKEN
                    : packet.type == OWNER_REFUSED ? GENERATIONS_REFUSED
                                                   : GENERATIONS_CHECKED;
        ret->report_fd = channel_packet_take(&packet, 0);
        ret->result_fd = channel_packet_take(&packet, 1);
    }
    channel_packet_done(&packet);
    return STATUS_OK;
}

static void end_check(parent *p, int exit_status) {
    const int fds[] = {p->check_report_fd, p->check_result_fd};
    tell_owner(p, OWNER_CHECKED, exit_status, fds, p->check_result_fd >= 0 ? 2 : 0);
    replace_fd(&p->check_report_fd, -1);
    replace_fd(&p->check_result_fd, -1);
}

static void be_checker(parent *p, int plan_fd) {
    p->is_child = true;
    close_parents(p);
    close_child(&p->next);
    (void)dup2(p->check_report_fd, STDERR_FILENO);
    p->exit_status = p->options->check(p->options->context, plan_fd, p->check_result_fd);
}

static status fork_checker(parent *p, bool *ret_is_child, err *e) {
    TRY(memory_file_new("writ-report", &p->check_report_fd, e));
    TRY(memory_file_new("writ-result", &p->check_result_fd, e));
    return process_fork(&p->checker, ret_is_child, e);
}

static void start_check(parent *p, int plan_fd) {
    bool is_child = false;
    bool can = p->checker.pidfd < 0 && p->options->check != NULL && !p->is_ending;
    if (!can || fork_checker(p, &is_child, NULL) != STATUS_OK) {
        end_check(p, MACHINE_LACKS);
    } else if (is_child) {
        be_checker(p, plan_fd);
    }
}

static void on_owners_packet(parent *p, channel_packet *packet) {
    if (packet->type == GENERATION_NEXT && !p->is_ending) {
        replace_fd(&p->wanted_plan_fd, channel_packet_take(packet, 0));
        p->is_wanted = p->is_owners_wish = true;
    } else if (packet->type == OWNER_CHECK) {
        auto_fd plan_fd = channel_packet_take(packet, 0);
        start_check(p, plan_fd);
    }
}

static void hear_owner(parent *p) {
    channel_packet packet;
    status s = p->options->owner == NULL ? STATUS_NOT_FOUND : STATUS_OK;
    while (s == STATUS_OK && !p->is_child) {
        s = channel_receive(p->options->owner, 1, &packet, NULL);
        if (s == STATUS_OK) {
            on_owners_packet(p, &packet);
            channel_packet_done(&packet);
        }
    }
    if (s != STATUS_OK && s != STATUS_NOT_FOUND && !p->is_ending) {
        end_all(p);
    }
}

// Each child is heard in its own time: what was current before a packet may not be any more after it.
static void on_packets(parent *p) {
    channel_packet packet;
    while (is_there(&p->current) &&
           channel_receive(&p->current.channel, CHANNEL_DESCRIPTORS_MAX, &packet, NULL) == STATUS_OK) {
        on_wish(p, &packet);
        channel_packet_done(&packet);
    }
    while (is_there(&p->next) &&
           channel_receive(&p->next.channel, CHANNEL_DESCRIPTORS_MAX, &packet, NULL) == STATUS_OK) {
        on_start_packet(p, &packet);
        channel_packet_done(&packet);
    }
}

static int status_of(process_exit x) { return x.is_signal ? 128 + x.number : x.number; }

static void end_all(parent *p) {
    p->is_ending = true;
    p->is_wanted = p->is_owners_wish = p->is_reread = false;
    (void)process_signal(&p->checker, SIGKILL);
    (void)process_signal(&p->current.process, SIGTERM);
    (void)process_signal(&p->next.process, SIGTERM);
    for (size_t i = 0; i < RETIRING_MAX; i++) {
        (void)process_signal(&p->retiring[i].process, SIGTERM);
    }
}

// The next one has ended before it served.
static void on_next_ended(parent *p, process_exit x) {
    fd_close(p->next_memory_fd);
    p->next_memory_fd = -1;
    bool was_stale = p->is_stale;
    p->is_stale = false;
    if (!is_there(&p->current)) {
        p->exit_status = status_of(x);
    } else if (was_stale) {
        p->is_reread = p->keeps_changes = !p->is_ending;
    } else if (!p->is_ending) {
        p->options->kept(p->options->context, status_of(x));
        tell_who_asked(p, false, status_of(x));
    }
}

static void reap(parent *p) {
    process_exit x;
    if (process_reap(&p->next.process, &x)) {
        on_next_ended(p, x);
        close_child(&p->next);
    }
    for (size_t i = 0; i < RETIRING_MAX; i++) {
        if (process_reap(&p->retiring[i].process, &x)) {
            close_child(&p->retiring[i]);
        }
    }
    if (process_reap(&p->checker, &x)) {
        end_check(p, status_of(x));
    }
    if (process_reap(&p->current.process, &x)) {
        close_child(&p->current);
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
            p->is_reread = !p->is_ending;
        } else {
            end_all(p);
        }
    }
}

static void wait_for_something(const parent *p) {
    const child *const children[] = {&p->current, &p->next, &p->retiring[0], &p->retiring[1]};
    enum { COUNT = sizeof children / sizeof children[0] };
    bool hears_owner = p->options->owner != NULL && !p->is_ending;
    struct pollfd list[3 + 3 * COUNT] = {
        {.fd = p->signals.fd, .events = POLLIN},
        {.fd = p->checker.pidfd, .events = POLLIN},
        {.fd = hears_owner ? p->options->owner->fd : -1, .events = POLLIN},
    };
    size_t n = 3;
    for (size_t i = 0; i < COUNT; i++) {
        bool is_heard = i < 2; // retiring ones have nothing to say any more
        list[n++] = (struct pollfd){.fd = children[i]->process.pidfd, .events = POLLIN};
        list[n++] = (struct pollfd){.fd = is_heard ? children[i]->channel.fd : -1, .events = POLLIN};
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

static bool can_start(parent *p) {
    // One starts at a time: a machine that is slow must not end with many.
    return (p->is_wanted || p->is_reread) && is_there(&p->current) && !is_there(&p->next) &&
           free_place(p) != NULL;
}

static void go_on(parent *p) {
    err e = {0};
    if (can_start(p) && start_next(p, &e) != STATUS_OK) {
        p->options->kept(p->options->context, MACHINE_LACKS);
    }
}

static bool is_anyone_left(const parent *p) {
    bool is_any = is_there(&p->current) || is_there(&p->next);
    for (size_t i = 0; i < RETIRING_MAX; i++) {
        is_any |= is_there(&p->retiring[i]);
    }
    return is_any;
}

static void watch(parent *p) {
    while (is_anyone_left(p)) {
        wait_for_something(p);
        on_signals(p);
        on_packets(p);
        hear_owner(p);
        if (p->is_child) { // that checks
            return;
        }
        serve_drivers(p, &p->current);
        serve_drivers(p, &p->next);
        for (size_t i = 0; i < RETIRING_MAX; i++) {
            serve_drivers(p, &p->retiring[i]);
        }
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
                .retiring = {no_child(), no_child()},
                .memory_fd = -1,
                .next_memory_fd = -1,
                .plan_fd = -1,
                .summary_fd = -1,
                .wanted_plan_fd = -1,
                .checker = {0, -1},
                .check_report_fd = -1,
                .check_result_fd = -1};
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
    fd_close(p.plan_fd);
    fd_close(p.summary_fd);
    fd_close(p.wanted_plan_fd);
    *ret_exit = p.exit_status;
    return s;
}
