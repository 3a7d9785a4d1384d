// SPDX-License-Identifier: Apache-2.0
#include "os/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

void fd_close(int fd) {
    if (fd >= 0) {
        // Not repeated on EINTR: Linux has released the number already.
        (void)close(fd);
    }
}

void fd_open_standard(void) {
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            (void)!open("/dev/null", O_RDWR); // takes the lowest free number, which is this one
        }
    }
}

int fd_open_null(void) { return open("/dev/null", O_RDWR | O_CLOEXEC); }

void fd_replace_by_null(int fd) {
    auto_fd null = fd_open_null();
    if (null >= 0) {
        (void)dup2(null, fd);
    }
}

status fd_set_nonblocking(int fd, bool nonblocking, err *e) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
        return err_set_errno(e, errno, "read the flags of a descriptor");
    }
    int wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (wanted != flags && fcntl(fd, F_SETFL, wanted) != 0) {
        return err_set_errno(e, errno, "set the flags of a descriptor");
    }
    return STATUS_OK;
}

status fd_duplicate(int fd, int *ret, err *e) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) {
        return err_set_errno(e, errno, "duplicate a descriptor");
    }
    *ret = copy;
    return STATUS_OK;
}

status fd_open_directory(const char *path, int *ret, err *e) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return err_set_errno(e, errno, path);
    }
    *ret = fd;
    return STATUS_OK;
}

int fd_open_named(const char *path) { return open(path, O_PATH | O_CLOEXEC); }

status fd_read_at(int fd, void *bytes, size_t len, uint64_t offset, size_t *ret_len, err *e) {
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, (uint8_t *)bytes + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_set_errno(e, errno, "read");
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    *ret_len = done;
    return STATUS_OK;
}

status fd_read_some(int fd, void *bytes, size_t len, size_t *ret_len) {
    ssize_t n;
    do {
        n = read(fd, bytes, len);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return n < 0 && errno == EAGAIN ? STATUS_NOT_FOUND : STATUS_CLOSED;
    }
    *ret_len = (size_t)n;
    return STATUS_OK;
}

status fd_write_all(int fd, slice bytes, err *e) {
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.data, bytes.len);
        if (n >= 0) {
            bytes = slice_sub(bytes, (size_t)n, bytes.len);
        } else if (errno == EAGAIN) {
            (void)poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        } else if (errno != EINTR) {
            return err_set_errno(e, errno, "write");
        }
    }
    return STATUS_OK;
}

bool fd_write_if_ready(int fd, slice bytes) {
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (poll(&p, 1, 0) != 1 || (p.revents & POLLOUT) == 0) {
        return false;
    }
    ssize_t n;
    do {
        n = write(fd, bytes.data, bytes.len);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)bytes.len;
}
