// SPDX-License-Identifier: Apache-2.0
#include "os/signal_fd.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "os/fd.h"

status signal_fd_open(const int *numbers, size_t count, signal_fd *ret, err *e) {
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < count; i++) {
        (void)sigaddset(&set, numbers[i]);
    }
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return err_set_errno(e, errno, "signalfd");
    }
    ret->fd = fd;
    (void)sigprocmask(SIG_BLOCK, &set, &ret->mask);
    return STATUS_OK;
}

int signal_fd_next(signal_fd *s) {
    struct signalfd_siginfo info;
    return read(s->fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

void signal_fd_close(signal_fd *s) {
    fd_close(s->fd);
    s->fd = -1;
    (void)sigprocmask(SIG_SETMASK, &s->mask, NULL);
}
