// SPDX-License-Identifier: Apache-2.0
#include "os/guarded.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/lock.h"

enum { LOCK_WAIT_MS = 10 * 1000 };

status guarded_directory_open(const char *path, int *ret_fd, err *e) {
    auto_fd fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        int number = errno;
        struct stat link;
        if (number == ENOENT && lstat(path, &link) == 0) {
            return err_set(e, STATUS_IO, "directory %s is a link that leads nowhere", path);
        }
        return number == ENOENT ? err_set(e, STATUS_NOT_FOUND, "directory %s: no such directory", path)
                                : err_set_errno(e, number, path);
    }
    struct stat st;
    if (fstat(fd, &st) != 0 || (st.st_uid != geteuid() && st.st_uid != 0)) {
        return err_set(e, STATUS_DENIED,
                       "directory %s belongs to another user, who could change what is in it: chown it",
                       path);
    }
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return err_set(e, STATUS_DENIED, "directory %s can be changed by other users: chmod go-w %s", path,
                       path);
    }
    *ret_fd = fd;
    fd = -1;
    return STATUS_OK;
}

static bool put_name(char ret[NAME_MAX + 1], const char *before, const char *name, const char *after) {
    return snprintf(ret, NAME_MAX + 1, "%s%s%s", before, name, after) <= NAME_MAX;
}

status guarded_lock(int dir, const char *name, int *ret_fd, err *e) {
    char lock[NAME_MAX + 1];
    if (!put_name(lock, "", name, ".lock")) {
        return err_set_errno(e, ENAMETOOLONG, name);
    }
    auto_fd fd = -1;
    TRY(lock_open(dir, lock, true, &fd, e));
    TRY(lock_take(fd, false, LOCK_WAIT_MS, lock, e));
    *ret_fd = fd;
    fd = -1;
    return STATUS_OK;
}

// The owner and the readers of the file that is replaced. Where the group cannot be kept it may not read.
static int keep_access(int fd, int dir, const char *name) {
    struct stat old, now;
    if (fstatat(dir, name, &old, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? 0 : errno;
    }
    if (!S_ISREG(old.st_mode)) {
        return S_ISLNK(old.st_mode) ? ELOOP : EINVAL;
    }
    if (fstat(fd, &now) != 0) {
        return errno;
    }
    mode_t mode = (old.st_mode & (S_IRUSR | S_IRGRP | S_IROTH)) | S_IRUSR | S_IWUSR;
    if (now.st_gid != old.st_gid && fchown(fd, (uid_t)-1, old.st_gid) != 0) {
        mode &= (mode_t)~S_IRGRP;
    }
    if (now.st_uid != old.st_uid && geteuid() == 0 && fchown(fd, old.st_uid, (gid_t)-1) != 0) {
        return errno;
    }
    return fchmod(fd, mode) != 0 ? errno : 0;
}

static int write_beside(int dir, const char *name, const char *beside, slice bytes) {
    if (unlinkat(dir, beside, 0) != 0 && errno != ENOENT) {
        return errno;
    }
    auto_fd fd = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    int number = keep_access(fd, dir, name);
    err e = {0};
    if (number == 0 && fd_write_all(fd, bytes, &e) != STATUS_OK) {
        number = errno != 0 ? errno : EIO;
    }
    return number == 0 && fsync(fd) != 0 ? errno : number;
}

status guarded_replace(int dir, const char *name, slice bytes, err *e) {
    char beside[NAME_MAX + 1];
    if (!put_name(beside, ".", name, ".new")) {
        return err_set_errno(e, ENAMETOOLONG, name);
    }
    int number = write_beside(dir, name, beside, bytes);
    if (number == ELOOP) {
        unlinkat(dir, beside, 0);
        return err_set(e, STATUS_DENIED, "%s is a symbolic link; name the file that it leads to", name);
    }
    if (number == 0 && renameat(dir, beside, dir, name) != 0) {
        number = errno;
    }
    if (number != 0) {
        unlinkat(dir, beside, 0);
        return err_set_errno(e, number, name);
    }
    // Some file systems cannot sync directories; the rename has happened all the same.
    return fsync(dir) != 0 && errno != EINVAL ? err_set_errno(e, errno, name) : STATUS_OK;
}
