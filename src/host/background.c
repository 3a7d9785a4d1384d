// SPDX-License-Identifier: Apache-2.0
#include "host/background.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/process.h"
#include "os/signal_fd.h"

static void become_copy(background *b, int notice_fd) {
    (void)setsid();
    fd_replace_by_null(STDIN_FILENO);
    fd_replace_by_null(STDOUT_FILENO);
    b->notice_fd = notice_fd;
}

static bool is_ready(int fd) {
    uint8_t byte;
    size_t n = 0;
    return fd_read_some(fd, &byte, 1, &n) == STATUS_OK && n == 1;
}

static int wait_for_copy(process *copy, int notice_fd, signal_fd *signals) {
    process_exit x;
    struct pollfd list[] = {{.fd = signals->fd, .events = POLLIN},
                            {.fd = notice_fd, .events = POLLIN},
                            {.fd = copy->pidfd, .events = POLLIN}};
    for (;;) {
        (void)poll(list, sizeof list / sizeof list[0], -1);
        if (signal_fd_next(signals) != 0) {
            (void)process_signal(copy, SIGTERM);
        }
        if (is_ready(notice_fd)) {
            fd_close(copy->pidfd);
            return 0;
        }
        if (process_reap(copy, &x)) {
            return x.is_signal ? 128 + x.number : x.number;
        }
        if ((list[1].revents & POLLHUP) != 0) {
            list[1].fd = -1; // its end comes
        }
    }
}

status background_start(background *b, bool *ret_is_copy, int *ret_exit, err *e) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    auto_fd ours = -1, theirs = -1;
    process copy = {0, -1};
    signal_fd signals = {.fd = -1};
    *ret_is_copy = false;
    TRY(process_error_pipe(&ours, &theirs, e));
    TRY(process_fork_away(&copy, ret_is_copy, e));
    if (*ret_is_copy) {
        become_copy(b, theirs);
        theirs = -1;
        return STATUS_OK;
    }
    fd_close(theirs);
    theirs = -1;
    status s = signal_fd_open(numbers, sizeof numbers / sizeof numbers[0], &signals, e);
    if (s != STATUS_OK) {
        (void)process_signal(&copy, SIGTERM);
        (void)process_wait(&copy);
        return s;
    }
    *ret_exit = wait_for_copy(&copy, ours, &signals);
    signal_fd_close(&signals);
    return STATUS_OK;
}

void background_ready(background *b) {
    static const uint8_t byte = 1;
    (void)fflush(stderr);
    fd_replace_by_null(STDERR_FILENO);
    if (b->notice_fd >= 0) {
        (void)!fd_write_if_ready(b->notice_fd, slice_of(&byte, 1));
        fd_close(b->notice_fd);
        b->notice_fd = -1;
    }
}
