// SPDX-License-Identifier: Apache-2.0
#include "os/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

static bool is_ready(int fd, short events) {
    struct pollfd p = {.fd = fd, .events = events};
    int n;
    do {
        n = poll(&p, 1, 0);
    } while (n < 0 && errno == EINTR);
    return n != 0; // errors too: the transfer will tell
}

bool stdio_can_read(int fd) { return is_ready(fd, POLLIN); }
bool stdio_can_write(int fd) { return is_ready(fd, POLLOUT); }
bool stdio_is_terminal(int fd) { return isatty(fd) == 1; }

bool stdio_is_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

status stdio_read(int fd, void *bytes, size_t len, size_t *ret_len, err *e) {
    ssize_t n;
    do {
        n = read(fd, bytes, len);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
        return err_set_errno(e, errno, "read standard input");
    }
    if (n == 0 && len > 0) {
        return err_set(e, STATUS_CLOSED, "standard input is at its end");
    }
    *ret_len = n < 0 ? 0 : (size_t)n;
    return STATUS_OK;
}

status stdio_write(int fd, slice bytes, size_t *ret_len, err *e) {
    ssize_t n;
    do {
        n = write(fd, bytes.data, bytes.len);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EPIPE) {
        return err_set(e, STATUS_CLOSED, "nobody reads our output");
    }
    if (n < 0 && errno != EAGAIN) {
        return err_set_errno(e, errno, "write output");
    }
    *ret_len = n < 0 ? 0 : (size_t)n;
    return STATUS_OK;
}
