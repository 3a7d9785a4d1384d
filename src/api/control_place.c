// SPDX-License-Identifier: Apache-2.0
#include "api/control_place.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "os/fd.h"
#include "os/lock.h"
#include "os/private.h"
#include "os/socket.h"
#include "os/socket_open.h"

enum { PATH_BYTES_MAX = 4096 };

status control_check_name(const char *host, err *e) {
    size_t n = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    if (n == 0 || n > CONTROL_NAME_BYTES_MAX || host[n] != '\0' || host[0] == '.') {
        return err_set(e, STATUS_INVALID,
                       "\"%.80s\" is not a name for a host: up to %d letters, digits, '-', '_' and '.'", host,
                       CONTROL_NAME_BYTES_MAX);
    }
    return STATUS_OK;
}

static status directory_of(const char *host, buf *ret, err *e) {
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    TRY(control_check_name(host, e));
    if (runtime != NULL && runtime[0] == '/') {
        return buf_append_format(ret, "%s/writ/hosts/%s", runtime, host);
    }
    if (data != NULL && data[0] == '/') {
        return buf_append_format(ret, "%s/writ/hosts/%s", data, host);
    }
    if (home != NULL && home[0] == '/') {
        return buf_append_format(ret, "%s/.local/share/writ/hosts/%s", home, host);
    }
    return err_set(e, STATUS_NOT_FOUND,
                   "neither XDG_RUNTIME_DIR nor HOME names a directory for the sockets of hosts");
}

status control_place_take(const char *host, int *ret_dir, int *ret_lock, err *e) {
    auto_buf path;
    auto_fd dir = -1, lock = -1;
    buf_init(&path, PATH_BYTES_MAX);
    TRY(directory_of(host, &path, e));
    TRY(private_directory_open(buf_text(&path), &dir, e));
    TRY(lock_open(dir, "lock", true, &lock, e));
    if (lock_take(lock, false, 0, "lock", e) != STATUS_OK) {
        return err_set(e, STATUS_EXISTS, "a host named \"%s\" runs already; `writ down --host %s` ends it",
                       host, host);
    }
    *ret_dir = dir;
    *ret_lock = lock;
    dir = lock = -1;
    return STATUS_OK;
}

status control_place_wait(const char *host, uint32_t wait_ms, err *e) {
    auto_buf path;
    auto_fd dir = -1, lock = -1;
    buf_init(&path, PATH_BYTES_MAX);
    TRY(directory_of(host, &path, e));
    TRY(fd_open_directory(buf_text(&path), &dir, e));
    TRY(lock_open(dir, "lock", false, &lock, e));
    TRY(lock_take(lock, true, wait_ms, "lock", NULL) == STATUS_OK
            ? STATUS_OK
            : err_set(e, STATUS_TIMEOUT, "the host \"%s\" was told to end, and has not within %u s", host,
                      wait_ms / 1000));
    lock_give(lock);
    return STATUS_OK;
}

// Somebody must listen, and be us: else a user who may write there could hear what we say.
static status connect_checked(int dir, const char *socket, const char *host, int *ret_fd, err *e) {
    auto_fd fd = -1;
    TRY(socket_connect_local(dir, socket, &fd, e));
    if (!socket_is_of_our_user(fd)) {
        return err_set(e, STATUS_DENIED, "the host \"%s\" is another user's", host);
    }
    *ret_fd = fd;
    fd = -1;
    return STATUS_OK;
}

static status reach(const char *host, const char *socket, int *ret_dir, int *ret_fd, err *e) {
    auto_buf path;
    auto_fd dir = -1;
    buf_init(&path, PATH_BYTES_MAX);
    TRY(directory_of(host, &path, e));
    status s = fd_open_directory(buf_text(&path), &dir, NULL);
    // Who may write there could put another socket in its place after it was checked.
    s = s == STATUS_OK ? private_mounted_check(dir, PRIVATE_MOUNTED_DIRECTORY, buf_text(&path), e)
                       : STATUS_NOT_FOUND;
    s = s == STATUS_OK ? connect_checked(dir, socket, host, ret_fd, e) : s;
    if (s != STATUS_OK) {
        return s == STATUS_DENIED
                   ? s
                   : err_set(e, STATUS_NOT_FOUND,
                             "no host named \"%s\" runs; `writ up --detach FILE` starts one, and `writ host` "
                             "one of a lattice",
                             host);
    }
    *ret_dir = dir;
    dir = -1;
    return STATUS_OK;
}

status control_place_open(const char *host, int *ret_dir, err *e) {
    auto_fd ignored = -1;
    return reach(host, CONTROL_SOCKET, ret_dir, &ignored, e);
}

status control_place_connect(const char *host, const char *socket, int *ret_fd, err *e) {
    auto_fd dir = -1;
    return reach(host, socket, &dir, ret_fd, e);
}
