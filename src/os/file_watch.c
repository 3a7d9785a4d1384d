// SPDX-License-Identifier: Apache-2.0
#include "os/file_watch.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { EVENTS_BYTES = 4096 };

status file_watch_open(int *ret_fd, err *e) {
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0) {
        return err_set_errno(e, errno, "inotify_init1");
    }
    *ret_fd = fd;
    return STATUS_OK;
}

status file_watch_add(int fd, const char *directory, err *e) {
    const uint32_t events = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                            IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK;
    if (inotify_add_watch(fd, directory, events) >= 0) {
        return STATUS_OK;
    }
    int failed = errno;
    err_set_errno(e, failed, directory);
    return failed == ENOSPC || failed == ENOMEM                       ? STATUS_LIMIT
           : failed == ENOENT || failed == ENOTDIR || failed == ELOOP ? STATUS_NOT_FOUND
                                                                      : STATUS_IO;
}

bool file_watch_drain(int fd) {
    _Alignas(struct inotify_event) char events[EVENTS_BYTES];
    bool has_come = false;
    while (read(fd, events, sizeof events) > 0) {
        has_come = true;
    }
    return has_come;
}
