// SPDX-License-Identifier: Apache-2.0
#include "os/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/fd.h"

// Makes every missing directory on the way; what exists already is left as it is.
static int make_parents(const char *path) {
    char *copy = mem_text_dup(path);
    int failed = 0;
    for (char *p = copy + 1; failed == 0; p++) {
        if (*p != '/' && *p != '\0') {
            continue;
        }
        char was = *p;
        *p = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST) {
            failed = errno;
        }
        *p = was;
        if (was == '\0') {
            break;
        }
    }
    mem_free(copy);
    return failed;
}

status private_directory_open(const char *path, int *ret_fd, err *e) {
    if (path[0] == '\0') {
        return err_set(e, STATUS_INVALID, "a directory needs a name");
    }
    int failed = make_parents(path);
    auto_fd fd = failed == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0) {
        err_set_errno(e, failed != 0 ? failed : errno, "open");
        return err_wrap(e, "directory %s", path);
    }
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_uid != geteuid()) {
        return err_set(e, STATUS_DENIED, "directory %s belongs to another user", path);
    }
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return err_set(e, STATUS_DENIED, "directory %s can be written by other users: chmod go-w it", path);
    }
    *ret_fd = fd;
    fd = -1;
    return STATUS_OK;
}

int private_file_create(int dir, const char *name, int *ret_fd) {
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    *ret_fd = fd;
    return 0;
}

status private_file_make(const char *path, err *e) {
    char folder[PRIVATE_PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    if (path[0] != '/' || strlen(path) >= sizeof folder || slash[1] == '\0') {
        return err_set(e, STATUS_INVALID, "\"%s\" is not the absolute path of a file", path);
    }
    snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    auto_fd dir = -1;
    auto_fd fd = -1;
    TRY(fd_open_directory(folder, &dir, e));
    int error = private_file_create(dir, slash + 1, &fd);
    return error == 0 || error == EEXIST ? STATUS_OK : err_set_errno(e, error, path);
}

bool private_file_is_ours(int fd, bool is_secret) {
    struct stat st;
    mode_t forbidden = is_secret ? S_IRWXG | S_IRWXO : S_IWGRP | S_IWOTH;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & forbidden) == 0;
}

static status check_secret(int fd, const char *shown, err *e) {
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return err_set_errno(e, errno, shown);
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(e, STATUS_INVALID, "%s is not a regular file", shown);
    }
    if (st.st_uid != geteuid()) {
        return err_set(e, STATUS_DENIED,
                       "%s belongs to another user, so it is no secret of this one: copy it", shown);
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return err_set(e, STATUS_DENIED, "%s can be read or changed by other users: chmod 600 %s", shown,
                       shown);
    }
    return STATUS_OK;
}

status private_secret_open(int dir, const char *name, const char *shown, int *ret_fd, err *e) {
    // Does not wait for the other end of a pipe.
    int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (dir >= 0 ? O_NOFOLLOW : 0);
    auto_fd fd = openat(dir >= 0 ? dir : AT_FDCWD, name, flags);
    if (fd < 0) {
        int failed = errno;
        return failed == ENOENT || failed == ENOTDIR ? err_set(e, STATUS_NOT_FOUND, "%s: no such file", shown)
                                                     : err_set_errno(e, failed, shown);
    }
    TRY(check_secret(fd, shown, e));
    *ret_fd = fd;
    fd = -1;
    return STATUS_OK;
}

status private_mounted_check(int fd, private_mounted what, const char *shown, err *e) {
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return err_set_errno(e, errno, shown);
    }
    if (st.st_uid != 0 && st.st_uid != geteuid()) {
        return err_set(e, STATUS_DENIED, "%s belongs to another user than root and this one", shown);
    }
    bool is_file = what == PRIVATE_MOUNTED_SECRET || what == PRIVATE_MOUNTED_FILE;
    if (is_file != S_ISREG(st.st_mode)) {
        return err_set(e, STATUS_DENIED, "%s is not a %s", shown, is_file ? "regular file" : "directory");
    }
    bool is_sticky = what == PRIVATE_MOUNTED_PLACE && (st.st_mode & S_ISVTX) != 0;
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !is_sticky) {
        return err_set(e, STATUS_DENIED, "%s can be written by other users: chmod go-w it", shown);
    }
    if (what == PRIVATE_MOUNTED_SECRET && (st.st_mode & S_IROTH) != 0) {
        return err_set(e, STATUS_DENIED,
                       "%s can be read by all users: chmod o-r it (in Kubernetes: defaultMode 0400, or 0440 "
                       "with fsGroup)",
                       shown);
    }
    return STATUS_OK;
}

status private_mounted_open(const char *path, private_mounted what, int *ret_fd, err *e) {
    // Does not wait for the other end of a pipe.
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return err_set_errno(e, errno, path);
    }
    TRY(private_mounted_check(fd, what, path, e));
    *ret_fd = fd;
    fd = -1;
    return STATUS_OK;
}
