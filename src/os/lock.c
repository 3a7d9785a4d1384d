// SPDX-License-Identifier: Apache-2.0
#include "os/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"

enum { PAUSE_NS = 1000 * 1000, HOLDER_BYTES = 16 };

status lock_open(int dir, const char *name, bool make, int *ret_fd, err *e) {
    int flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (make ? O_RDWR | O_CREAT : O_RDONLY);
    int fd = openat(dir, name, flags, 0600);
    if (fd < 0) {
        return errno == ENOENT && !make ? err_set(e, STATUS_NOT_FOUND, "%s: no such file", name)
                                        : err_set_errno(e, errno, name);
    }
    *ret_fd = fd;
    return STATUS_OK;
}

// The number of a process, with spaces up to a fixed length: one write replaces the one before.
static void write_holder(int fd) {
    char text[HOLDER_BYTES + 1];
    int len = snprintf(text, sizeof text, "%-*d\n", HOLDER_BYTES - 1, (int)getpid());
    (void)!pwrite(fd, text, (size_t)len, 0); // for messages alone
}

static void read_holder(int fd, char ret[HOLDER_BYTES]) {
    ssize_t n = pread(fd, ret, HOLDER_BYTES - 1, 0);
    ret[n < 0 ? 0 : n] = '\0';
    ret[strspn(ret, "0123456789")] = '\0';
}

static status still_held(int fd, uint32_t wait_ms, const char *shown, err *e) {
    char holder[HOLDER_BYTES];
    read_holder(fd, holder);
    return err_set(e, STATUS_TIMEOUT, "%s is held by %s%s for more than %u ms; try again when it is done",
                   shown, holder[0] == '\0' ? "another process" : "process ", holder, (unsigned)wait_ms);
}

status lock_take(int fd, bool is_shared, uint32_t wait_ms, const char *shown, err *e) {
    uint64_t give_up_ns = 0;
    while (flock(fd, (is_shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return err_set_errno(e, errno, shown);
        }
        uint64_t now_ns = clock_now_ns();
        give_up_ns = give_up_ns == 0 ? now_ns + (uint64_t)wait_ms * 1000000 : give_up_ns;
        if (now_ns >= give_up_ns) {
            return still_held(fd, wait_ms, shown, e);
        }
        nanosleep(&(struct timespec){0, PAUSE_NS}, NULL);
    }
    if (!is_shared) {
        write_holder(fd);
    }
    return STATUS_OK;
}

void lock_give(int fd) { (void)flock(fd, LOCK_UN); }

static void set_process_lock(int fd, short type) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET};
    while (fcntl(fd, F_SETLKW, &l) != 0 && errno == EINTR) {
    }
}

void process_lock_take(int fd) { set_process_lock(fd, F_WRLCK); }
void process_lock_give(int fd) { set_process_lock(fd, F_UNLCK); }
