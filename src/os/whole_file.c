// SPDX-License-Identifier: Apache-2.0
// Reads instead of mapping: a file that is cut short while mapped would end the process with SIGBUS.
#include "os/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_STEP = 1 << 20 };

static status too_large(const char *path, size_t bytes_max, err *e) {
    return err_set(e, STATUS_LIMIT, "%s is larger than the limit of %zu MiB", path, bytes_max >> 20);
}

static status read_all(int fd, const char *path, size_t bytes_max, buf *ret, err *e) {
    for (;;) {
        size_t room = bytes_max - ret->len;
        // One byte more than allowed is asked for, so that a file of exactly the limit is told from a larger
        // one.
        uint8_t *at;
        size_t ask = room < READ_STEP ? room + 1 : READ_STEP;
        if (buf_reserve(ret, ask, &at) != STATUS_OK) {
            return err_set(e, STATUS_LIMIT, "no memory to read %s", path);
        }
        ssize_t n = read(fd, at, ask);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_set_errno(e, errno, path);
        }
        if (n == 0) {
            return STATUS_OK;
        }
        if ((size_t)n > room) {
            return too_large(path, bytes_max, e);
        }
        ret->len += (size_t)n;
    }
}

status file_read_whole(const char *path, size_t bytes_max, buf *ret, err *e) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        int number = errno;
        err_set_errno(e, number, path);
        if (number == ENOENT || number == ENOTDIR) {
            return err_set(e, STATUS_NOT_FOUND, "%s: no such file", path);
        }
        return STATUS_IO;
    }
    struct stat about;
    status s = STATUS_OK;
    if (fstat(fd, &about) == 0 && S_ISDIR(about.st_mode)) {
        s = err_set(e, STATUS_INVALID, "%s is a directory", path);
    } else if (S_ISREG(about.st_mode) && (uint64_t)about.st_size > bytes_max) {
        s = too_large(path, bytes_max, e);
    }
    buf_init(ret, bytes_max + 1);
    uint8_t *at;
    if (s == STATUS_OK && S_ISREG(about.st_mode) &&
        buf_reserve(ret, (size_t)about.st_size + 1, &at) != STATUS_OK) {
        s = err_set(e, STATUS_LIMIT, "no memory to read %s", path);
    }
    if (s == STATUS_OK) {
        s = read_all(fd, path, bytes_max, ret, e);
    }
    if (s != STATUS_OK) {
        buf_done(ret);
    }
    close(fd);
    return s;
}
