// SPDX-License-Identifier: Apache-2.0
// Reads instead of mapping: a file that is cut short while mapped would end the process with SIGBUS.
#include "os/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"

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

// Root's files count: what the owner of the machine wrote is believed.
static bool only_we_write(const struct stat *about) {
    return S_ISREG(about->st_mode) && (about->st_uid == geteuid() || about->st_uid == 0) &&
           (about->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

typedef enum wanted { WANTED_ANY, WANTED_REGULAR, WANTED_TRUSTED } wanted;

static status check_kind(int fd, const char *path, wanted w, struct stat *ret, err *e) {
    if (fstat(fd, ret) != 0) {
        return err_set_errno(e, errno, path);
    }
    if (S_ISDIR(ret->st_mode)) {
        return err_set(e, STATUS_INVALID, "%s is a directory", path);
    }
    if (w == WANTED_REGULAR && !S_ISREG(ret->st_mode)) {
        return err_set(e, STATUS_INVALID, "%s is no regular file", path);
    }
    if (w == WANTED_TRUSTED && !only_we_write(ret)) {
        return err_set(e, STATUS_DENIED,
                       "%s could have been written by others, so what it says is not believed: it must be a "
                       "regular file of root or of this user that nobody else may write (chmod go-w)",
                       path);
    }
    return STATUS_OK;
}

static status read_checked(int fd, const char *path, size_t bytes_max, wanted w, buf *ret, err *e) {
    struct stat about;
    TRY(check_kind(fd, path, w, &about, e));
    if (S_ISREG(about.st_mode) && (uint64_t)about.st_size > bytes_max) {
        return too_large(path, bytes_max, e);
    }
    uint8_t *at;
    if (S_ISREG(about.st_mode) && buf_reserve(ret, (size_t)about.st_size + 1, &at) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "no memory to read %s", path);
    }
    return read_all(fd, path, bytes_max, ret, e);
}

static status read_file(const char *path, size_t bytes_max, wanted w, buf *ret, err *e) {
    // Opening a FIFO without a writer would wait for one.
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (w != WANTED_ANY ? O_NONBLOCK : 0));
    if (fd < 0) {
        int number = errno;
        struct stat link;
        if (w == WANTED_TRUSTED && number == ENOENT && lstat(path, &link) == 0) {
            return err_set(e, STATUS_IO,
                           "%s is a link that leads nowhere, so what it should say is not known", path);
        }
        err_set_errno(e, number, path);
        if (number == ENOENT || number == ENOTDIR) {
            return err_set(e, STATUS_NOT_FOUND, "%s: no such file", path);
        }
        return STATUS_IO;
    }
    buf_init(ret, bytes_max + 1);
    status s = read_checked(fd, path, bytes_max, w, ret, e);
    if (s != STATUS_OK) {
        buf_done(ret);
    }
    return s;
}

status file_read_whole(const char *path, size_t bytes_max, buf *ret, err *e) {
    return read_file(path, bytes_max, WANTED_ANY, ret, e);
}

status file_read_regular(const char *path, size_t bytes_max, buf *ret, err *e) {
    return read_file(path, bytes_max, WANTED_REGULAR, ret, e);
}

status file_read_trusted(const char *path, size_t bytes_max, buf *ret, err *e) {
    return read_file(path, bytes_max, WANTED_TRUSTED, ret, e);
}
