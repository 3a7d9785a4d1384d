// SPDX-License-Identifier: Apache-2.0
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    ALWAYS = O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
    MODE_OF_NEW_FILES = 0666, // less the umask
    MODE_OF_NEW_DIRECTORIES = 0777,
    RACES_MAX = 16, // how often renames may disturb one resolution
};

static int answer(int result) { return result < 0 ? errno : 0; }

// O_PATH allows few other flags, and openat2 refuses what does not fit.
static int complete_flags(int flags) { return (flags & O_PATH) != 0 ? flags | O_CLOEXEC : flags | ALWAYS; }

// --- opening ---------------------------------------------------------------------------------------------

int file_open_beneath(int dir, const char *path, int flags, int *ret_fd) {
    struct open_how how = {
        .flags = (uint64_t)(unsigned)complete_flags(flags),
        .mode = (flags & O_CREAT) != 0 ? MODE_OF_NEW_FILES : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long fd = -1;
    for (int attempt = 0; attempt < RACES_MAX; attempt++) {
        fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) {
            break;
        }
    }
    if (fd < 0) {
        return errno;
    }
    *ret_fd = (int)fd;
    return 0;
}

int file_open_component(int dir, const char *name, int flags, int *ret_fd) {
    int fd;
    do {
        fd = openat(dir, name, complete_flags(flags) | O_NOFOLLOW, MODE_OF_NEW_FILES);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return errno;
    }
    *ret_fd = fd;
    return 0;
}

// --- metadata --------------------------------------------------------------------------------------------

static file_kind kind_of_mode(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFBLK:
        return FILE_KIND_BLOCK_DEVICE;
    case S_IFCHR:
        return FILE_KIND_CHARACTER_DEVICE;
    case S_IFDIR:
        return FILE_KIND_DIRECTORY;
    case S_IFIFO:
        return FILE_KIND_FIFO;
    case S_IFLNK:
        return FILE_KIND_SYMBOLIC_LINK;
    case S_IFREG:
        return FILE_KIND_REGULAR;
    case S_IFSOCK:
        return FILE_KIND_SOCKET;
    default:
        return FILE_KIND_UNKNOWN;
    }
}

static file_time time_of(struct timespec t) {
    return (file_time){.seconds = t.tv_sec, .nanoseconds = (uint32_t)t.tv_nsec};
}

static void fill_info(const struct stat *s, file_info *ret) {
    *ret = (file_info){
        .kind = kind_of_mode(s->st_mode),
        .device = s->st_dev,
        .inode = s->st_ino,
        .link_count = s->st_nlink,
        .size = s->st_size < 0 ? 0 : (uint64_t)s->st_size,
        .accessed = time_of(s->st_atim),
        .modified = time_of(s->st_mtim),
        .changed = time_of(s->st_ctim),
    };
}

int file_info_at(int dir, const char *name, file_info *ret) {
    struct stat s;
    if (fstatat(dir, name, &s, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno;
    }
    fill_info(&s, ret);
    return 0;
}

int file_info_of(int fd, file_info *ret) {
    struct stat s;
    if (fstat(fd, &s) != 0) {
        return errno;
    }
    fill_info(&s, ret);
    return 0;
}

static struct timespec timespec_of(file_time_mode mode, file_time t) {
    switch (mode) {
    case FILE_TIME_NOW:
        return (struct timespec){.tv_nsec = UTIME_NOW};
    case FILE_TIME_SET:
        return (struct timespec){.tv_sec = t.seconds, .tv_nsec = t.nanoseconds};
    case FILE_TIME_KEEP:
        break;
    }
    return (struct timespec){.tv_nsec = UTIME_OMIT};
}

static int set_times(int dir, const char *name, int flags, const file_times *times) {
    const struct timespec both[2] = {
        timespec_of(times->access_mode, times->accessed),
        timespec_of(times->modify_mode, times->modified),
    };
    return answer(utimensat(dir, name, both, flags));
}

int file_set_times_at(int dir, const char *name, const file_times *times) {
    return set_times(dir, name, AT_SYMLINK_NOFOLLOW, times);
}

int file_set_times(int fd, const file_times *times) { return set_times(fd, "", AT_EMPTY_PATH, times); }

// --- what a directory holds ------------------------------------------------------------------------------

int file_read_link(int dir, const char *name, char *text, size_t size, size_t *ret_len) {
    ssize_t len = readlinkat(dir, name, text, size);
    if (len < 0) {
        return errno;
    }
    if ((size_t)len >= size) {
        return ENAMETOOLONG;
    }
    *ret_len = (size_t)len;
    return 0;
}

int file_make_directory(int dir, const char *name) {
    return answer(mkdirat(dir, name, MODE_OF_NEW_DIRECTORIES));
}
int file_make_link(int dir, const char *name, const char *target) {
    return answer(symlinkat(target, dir, name));
}
int file_remove(int dir, const char *name) { return answer(unlinkat(dir, name, 0)); }
int file_remove_directory(int dir, const char *name) { return answer(unlinkat(dir, name, AT_REMOVEDIR)); }

int file_link(int old_dir, const char *old_name, int new_dir, const char *new_name) {
    return answer(linkat(old_dir, old_name, new_dir, new_name, 0));
}

int file_rename(int old_dir, const char *old_name, int new_dir, const char *new_name) {
    return answer(renameat(old_dir, old_name, new_dir, new_name));
}

// --- open files ------------------------------------------------------------------------------------------

int file_set_size(int fd, uint64_t size) {
    return size > INT64_MAX ? EINVAL : answer(ftruncate(fd, (off_t)size));
}

int file_sync(int fd, bool data_only) { return answer(data_only ? fdatasync(fd) : fsync(fd)); }

int file_advise(int fd, uint64_t offset, uint64_t length, file_advice advice) {
    static const int kernel[] = {
        [FILE_ADVICE_NORMAL] = POSIX_FADV_NORMAL,      [FILE_ADVICE_SEQUENTIAL] = POSIX_FADV_SEQUENTIAL,
        [FILE_ADVICE_RANDOM] = POSIX_FADV_RANDOM,      [FILE_ADVICE_WILL_NEED] = POSIX_FADV_WILLNEED,
        [FILE_ADVICE_DONT_NEED] = POSIX_FADV_DONTNEED, [FILE_ADVICE_NO_REUSE] = POSIX_FADV_NOREUSE,
    };
    if (offset > INT64_MAX || length > INT64_MAX) {
        return EINVAL;
    }
    return posix_fadvise(fd, (off_t)offset, (off_t)length, kernel[advice]);
}

static int transferred(ssize_t n, size_t *ret_len) {
    if (n < 0) {
        return errno;
    }
    *ret_len = (size_t)n;
    return 0;
}

int file_read(int fd, void *bytes, size_t len, uint64_t offset, size_t *ret_len) {
    if (offset > INT64_MAX) {
        return EINVAL;
    }
    ssize_t n;
    do {
        n = pread(fd, bytes, len, (off_t)offset);
    } while (n < 0 && errno == EINTR);
    return transferred(n, ret_len);
}

int file_write(int fd, const void *bytes, size_t len, uint64_t offset, size_t *ret_len) {
    if (offset > INT64_MAX) {
        return EINVAL;
    }
    ssize_t n;
    do {
        n = pwrite(fd, bytes, len, (off_t)offset);
    } while (n < 0 && errno == EINTR);
    return transferred(n, ret_len);
}

int file_append(int fd, const void *bytes, size_t len, size_t *ret_len) {
    const struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    ssize_t n;
    do {
        n = pwritev2(fd, &part, 1, 0, RWF_APPEND); // the kernel finds the end, so two writers cannot overlap
    } while (n < 0 && errno == EINTR);
    return transferred(n, ret_len);
}

// --- reading directories ---------------------------------------------------------------------------------

static file_kind kind_of_entry(unsigned char type) {
    return type == DT_UNKNOWN ? FILE_KIND_UNKNOWN : kind_of_mode(DTTOIF((mode_t)type));
}

int file_next_entry(int fd, file_listing *l, file_entry *ret) {
    if (l->at == l->len) {
        ssize_t n = getdents64(fd, l->records, sizeof l->records);
        if (n < 0) {
            return errno;
        }
        l->at = 0;
        l->len = (size_t)n;
        if (n == 0) {
            ret->name = NULL;
            return 0;
        }
    }
    const struct dirent64 *d = (const void *)(l->records + l->at);
    l->at += d->d_reclen;
    ret->name = d->d_name;
    ret->kind = kind_of_entry(d->d_type);
    return 0;
}
