// SPDX-License-Identifier: Apache-2.0
#include "os/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/path.h"
#include "os/random.h"

enum { NEW_FILE_MODE = 0666, MAY_RUN = 0111, MAY_READ = 0444, ATTEMPTS_MAX = 16 };

typedef struct place {
    char path[PATH_MAX];      // with links resolved
    char directory[PATH_MAX]; // that holds it, under
    const char *name;         // the last part of `path`
    bool exists;
    mode_t mode; // of the file that exists, or that comes, less the umask
} place;

static status failed(int number, const char *path, err *e) {
    status code = err_set_errno(e, number, path);
    if (number == ENOENT || number == ENOTDIR) {
        code = STATUS_NOT_FOUND;
        if (e != NULL) {
            e->code = code;
        }
    }
    return code;
}

// What runs as somebody else (set-user-ID) never does so with other bytes.
static mode_t kept_mode(mode_t was, bool is_program) {
    mode_t mode = was & 0777;
    return is_program ? mode | (mode & MAY_READ) >> 2 : mode;
}

static status find_place(const char *path, bool is_program, place *ret, err *e) {
    struct stat info;
    ret->exists = stat(path, &info) == 0;
    if (!ret->exists && errno != ENOENT) {
        return failed(errno, path, e);
    }
    if (ret->exists && !S_ISREG(info.st_mode)) {
        return err_set(e, STATUS_INVALID, "%s: not a regular file, so it cannot be replaced", path);
    }
    ret->mode =
        ret->exists ? kept_mode(info.st_mode, is_program) : NEW_FILE_MODE | (is_program ? MAY_RUN : 0);
    if (ret->exists && realpath(path, ret->path) == NULL) {
        return failed(errno, path, e);
    }
    if (!ret->exists && snprintf(ret->path, sizeof ret->path, "%s", path) >= (int)sizeof ret->path) {
        return failed(ENAMETOOLONG, path, e);
    }
    return path_split(ret->path, ret->directory, sizeof ret->directory, &ret->name)
               ? STATUS_OK
               : failed(ENAMETOOLONG, path, e);
}

// A new file of an unused name in the directory.
static int create_beside(int dir, mode_t mode, char name[40], int *ret_fd) {
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        snprintf(name, 40, ".writ-%016llx.part", (unsigned long long)random_u64());
        *ret_fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (*ret_fd >= 0) {
            return 0;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return errno;
}

static int fill(int fd, const place *p, slice bytes) {
    if (p->exists && fchmod(fd, p->mode) != 0) { // the umask may have taken some
        return errno;
    }
    return fd_write_all(fd, bytes, NULL) != STATUS_OK || fsync(fd) != 0 ? errno : 0;
}

static int replace_in(int dir, const place *p, slice bytes) {
    char name[40];
    int fd;
    int number = create_beside(dir, p->mode, name, &fd);
    if (number != 0) {
        return number;
    }
    number = fill(fd, p, bytes);
    close(fd);
    if (number == 0 && renameat(dir, name, dir, p->name) != 0) {
        number = errno;
    }
    if (number != 0) {
        unlinkat(dir, name, 0);
        return number;
    }
    // Some file systems cannot sync directories; the rename has happened all the same.
    return fsync(dir) != 0 && errno != EINVAL ? errno : 0;
}

static status replace(const char *path, bool is_program, slice bytes, err *e) {
    place p;
    TRY(find_place(path, is_program, &p, e));
    int dir = open(p.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        return failed(errno, path, e);
    }
    int number = replace_in(dir, &p, bytes);
    close(dir);
    return number == 0 ? STATUS_OK : failed(number, path, e);
}

status file_replace_whole(const char *path, slice bytes, err *e) { return replace(path, false, bytes, e); }
status file_replace_program(const char *path, slice bytes, err *e) { return replace(path, true, bytes, e); }
