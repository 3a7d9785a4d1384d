// SPDX-License-Identifier: Apache-2.0
#include "agent/provider_process.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "codec/utf.h"
#include "crypto/secret.h"
#include "os/fd.h"
#include "os/program.h"

enum {
    ENVIRONMENT_MAX = 64,
    READS_PER_TURN = 8,
    LAST_READS = 64, // of a process that has ended; one that it started may go on
};
#define SECOND_NS 1000000000ull

struct provider_process {
    loop *loop;
    provider_process_owner owner;
    process process;
    int input_fd, output_fd; // -1: closed
    loop_watch input, output, ended;
    uint8_t *line; // for its standard input
    size_t line_len, line_at;
    uint8_t said[PROVIDER_SAID_BYTES_MAX];
    size_t said_len;
    size_t said_left; // bytes that it may still say in this second
    uint64_t refilled_ns;
    uint32_t dropped;
};

// --- what it says ------------------------------------------------------------------------------------------

static void refill(provider_process *p) {
    uint64_t now = loop_now_ns(p->loop);
    if (now - p->refilled_ns < SECOND_NS && p->refilled_ns != 0) {
        return;
    }
    p->refilled_ns = now;
    p->said_left = PROVIDER_SAID_BYTES_A_SECOND;
    if (p->dropped > 0) {
        char text[80];
        int n = snprintf(text, sizeof text, "(%u lines were dropped: it says too much)", p->dropped);
        p->dropped = 0;
        p->owner.said(p->owner.arg, slice_of(text, (size_t)n));
    }
}

static void say(provider_process *p) {
    char shown[PROVIDER_SAID_BYTES_MAX * 4 + 1];
    slice line = slice_trimmed(slice_of(p->said, p->said_len));
    p->said_len = 0;
    refill(p);
    if (line.len == 0) {
        return;
    }
    if (line.len > p->said_left) {
        p->dropped++;
        return;
    }
    p->said_left -= line.len;
    p->owner.said(p->owner.arg, slice_from_text(utf8_shown(line, shown, sizeof shown)));
}

static void take(provider_process *p, const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n' || p->said_len == sizeof p->said) {
            say(p);
        }
        if (bytes[i] != '\n') {
            p->said[p->said_len++] = bytes[i];
        }
    }
}

static void read_output(provider_process *p, size_t reads_max) {
    uint8_t bytes[4096];
    for (size_t i = 0; i < reads_max; i++) {
        size_t n = 0;
        status s = fd_read_some(p->output_fd, bytes, sizeof bytes, &n);
        if (s == STATUS_NOT_FOUND) {
            return;
        }
        if (s != STATUS_OK) {
            loop_watch_stop(&p->output);
            return;
        }
        take(p, bytes, n);
    }
}

static void on_output(void *arg, unsigned events) {
    (void)events;
    read_output(arg, READS_PER_TURN);
}

// --- what it is told ---------------------------------------------------------------------------------------

static void close_input(provider_process *p) {
    loop_watch_stop(&p->input);
    fd_close(p->input_fd);
    p->input_fd = -1;
    if (p->line != NULL) {
        secret_wipe(p->line, p->line_len);
        mem_free(p->line);
        p->line = NULL;
    }
}

static void on_input(void *arg, unsigned events) {
    provider_process *p = arg;
    ssize_t n =
        (events & LOOP_ERROR) != 0 ? -1 : write(p->input_fd, p->line + p->line_at, p->line_len - p->line_at);
    if (n > 0) {
        p->line_at += (size_t)n;
    }
    // One that does not want to hear it will say so by its end.
    if (n <= 0 || p->line_at == p->line_len) {
        close_input(p);
    }
}

// --- its life ----------------------------------------------------------------------------------------------

static void close_all(provider_process *p) {
    close_input(p);
    loop_watch_stop(&p->output);
    loop_watch_stop(&p->ended);
    fd_close(p->output_fd);
    p->output_fd = -1;
    p->said_len = 0;
}

static void on_ended(void *arg, unsigned events) {
    provider_process *p = arg;
    process_exit x;
    char how[PROCESS_EXIT_TEXT_BYTES];
    (void)events;
    process_signal_group(&p->process, SIGKILL); // what it has left behind
    loop_watch_stop(&p->ended);
    x = process_wait(&p->process);
    if (loop_watch_is_active(&p->output)) {
        read_output(p, LAST_READS);
    }
    say(p);
    close_all(p);
    p->owner.ended(p->owner.arg, process_exit_text(x, how));
}

void provider_process_kill(provider_process *p) {
    if (p->process.pidfd >= 0) {
        process_signal_group(&p->process, SIGKILL);
        (void)process_wait(&p->process);
    }
    close_all(p);
}

static bool is_passed_on(const char *entry) {
    return strncmp(entry, "RUST_LOG=", 9) == 0 || strncmp(entry, "OTEL_", 5) == 0;
}

static void choose_environment(const char *ret[ENVIRONMENT_MAX + 1]) {
    size_t count = 0;
    for (char **v = environ; v != NULL && *v != NULL && count < ENVIRONMENT_MAX; v++) {
        if (is_passed_on(*v)) {
            ret[count++] = *v;
        }
    }
    ret[count] = NULL;
}

static status start(provider_process *p, int program_fd, const char *name, err *e) {
    const char *environment[ENVIRONMENT_MAX + 1];
    const char *const argv[] = {name, NULL};
    auto_fd input = -1;
    auto_fd output = -1;
    TRY(program_input_pipe(&input, &p->input_fd, e));
    TRY(program_output_pipe(&p->output_fd, &output, e));
    choose_environment(environment);
    const program_options o = {.program_fd = program_fd,
                               .argv = argv,
                               .environment = environment,
                               .input_fd = input,
                               .output_fd = output};
    return program_spawn(&o, &p->process, e);
}

static status watch(provider_process *p, err *e) {
    TRY(loop_watch_start(&p->ended, p->loop, p->process.pidfd, LOOP_READABLE, on_ended, p, e));
    TRY(loop_watch_start(&p->output, p->loop, p->output_fd, LOOP_READABLE, on_output, p, e));
    return loop_watch_start(&p->input, p->loop, p->input_fd, LOOP_WRITABLE, on_input, p, e);
}

status provider_process_spawn(provider_process *p, int program_fd, const char *name, slice line, err *e) {
    CHECK(p->process.pidfd < 0);
    p->line = mem_alloc(line.len);
    memcpy(p->line, line.data, line.len);
    p->line_len = line.len;
    p->line_at = 0;
    status s = start(p, program_fd, name, e);
    if (s == STATUS_OK) {
        s = watch(p, e);
    }
    if (s != STATUS_OK) {
        provider_process_kill(p);
    }
    return s;
}

provider_process *provider_process_new(loop *l, const provider_process_owner *owner) {
    provider_process *p = MEM_NEW(provider_process);
    p->loop = l;
    p->owner = *owner;
    p->process = (process){0, -1};
    p->input_fd = p->output_fd = -1;
    return p;
}

void provider_process_free(provider_process *p) {
    if (p != NULL) {
        provider_process_kill(p);
        mem_free(p);
    }
}
